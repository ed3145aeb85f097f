"""What Ctrl-C and SIGTERM mean while rows are sent. Knows an import only as something that can be stopped."""

import asyncio
from contextlib import ExitStack
from types import TracebackType
from typing import Self

import click

from onboard360_async.cli.signals import on_signals
from onboard360_async.importer import ImportJob

__all__ = ["Interruption"]


class Interruption:
    """Ctrl-C and SIGTERM while rows are sent: the first lets those under way finish, the second cancels them."""

    def __init__(self, job: ImportJob) -> None:
        self._job = job
        self._task = asyncio.current_task()
        self._cancelled = False
        self._told = ExitStack()
        self.number: int | None = None

    def __enter__(self) -> Self:
        self._told.enter_context(on_signals(self._heard))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._told.close()

    def _heard(self, number: int) -> None:
        if self.number is None:
            self.number = number
            self._job.stop()
            click.echo("Finishing what is under way; once more cancels it.", err=True)
        elif self._task is not None and not self._cancelled:
            self._cancelled = True
            self._task.cancel()

    def is_ours(self) -> bool:
        """Whether a cancellation was this one; it is over then, and the books can be closed in peace."""
        if self._cancelled and self._task is not None:
            self._task.uncancel()
        return self._cancelled
