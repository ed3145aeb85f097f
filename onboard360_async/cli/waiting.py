"""What a command says while it waits for the budget, which may be for a minute: else it would seem to hang.

Knows no command; it listens to the handle.
"""

import asyncio

import click

from onboard360_async import settings
from onboard360_async.transport.options import Event

__all__ = ["Waiting"]


class Waiting:
    """An `on_event` that says once, on stderr, that a request waits, if it does for more than a moment."""

    def __init__(self) -> None:
        self._timer: asyncio.TimerHandle | None = None
        self._said = False

    def __call__(self, event: Event) -> None:
        """Hear what happens to a request."""
        if event.name == "queued" and not self._said:
            self._timer = asyncio.get_running_loop().call_later(settings.WAITING_TOLD_S, self._say)
        elif self._timer is not None:
            self._timer.cancel()

    def end(self) -> None:
        """Say nothing from now on: somebody else tells how it goes."""
        self._said = True
        if self._timer is not None:
            self._timer.cancel()

    def _say(self) -> None:
        self._said = True
        click.echo("Waiting for the budget of 100 requests a minute; `onboard360 budget` shows who uses it.", err=True)
