"""How far an import is: a bar on a terminal, a line now and then elsewhere; always on stderr.

Knows outcomes and the budget, not how either comes about.
"""

import sys
import time
from types import TracebackType
from typing import Self

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.progress import Progress as Bar

from onboard360_async import settings
from onboard360_async.budget import Budget
from onboard360_async.importer import Created, Outcome, Plan, Rejected, Unresolved

__all__ = ["Progress", "duration"]


def duration(seconds: float) -> str:
    """A time as people say it."""
    whole = max(1, round(seconds))
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


class Progress:
    """The progress of one import: `tell` it each outcome."""

    def __init__(self, plan: Plan, budget: Budget) -> None:
        self._total, self._budget = plan.to_send, budget
        self._sent = self._created = 0
        self._said_at = time.monotonic()
        self._every_s = min(settings.PROGRESS_EVERY_S, max(settings.PROGRESS_LEAST_S, budget.eta_s(self._total) / 4))
        self._bar: Bar | None = None
        if sys.stderr.isatty():
            columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
            self._bar = Bar(*columns, console=Console(stderr=True))
            self._task = self._bar.add_task("", total=self._total)

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def tell(self, outcome: Outcome) -> None:
        """One row more."""
        if not isinstance(outcome, Created | Rejected | Unresolved):
            return
        self._sent += 1
        self._created += isinstance(outcome, Created)
        if self._bar is not None:
            self._bar.update(self._task, completed=self._sent, description=self._state())
        elif time.monotonic() - self._said_at >= self._every_s:
            self._said_at = time.monotonic()
            click.echo(f"{self._sent:,} of {self._total:,}: {self._state()}", err=True)

    def _state(self) -> str:
        state = self._budget.snapshot()
        left = self._total - self._sent
        until = f", {duration(self._budget.eta_s(left))} left" if left else ""
        return f"{self._created:,} created; budget {state.used} of {state.limit}{until}"
