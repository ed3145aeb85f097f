"""How far an import is: a bar on a terminal, a line now and then elsewhere; always on stderr.

Knows the counts and the budget, not how either comes about.
"""

import sys
import time
from collections.abc import Iterable
from types import TracebackType
from typing import Final, Self

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, Task, TextColumn
from rich.progress import Progress as Bar
from rich.table import Table

from onboard360_async import settings
from onboard360_async.budget import Budget
from onboard360_async.cli.table import ECHO, console_on
from onboard360_async.doctor.findings import so_many
from onboard360_async.importer import Plan, Summary

__all__ = ["Progress", "duration", "eta_s"]

_MINUTE_S: Final = 60.0


def duration(seconds: float) -> str:
    """A time as people say it."""
    whole = max(1, round(seconds))
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    if minutes and not rest:
        return f"{minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def eta_s(number: int, budget: Budget, rate: float | None) -> float:
    """Seconds that so many requests will take, by the budget and by the pace that was asked for."""
    return budget.eta_s(number) if rate is None else max(budget.eta_s(number), number * _MINUTE_S / rate)


class _Bar(Bar):
    """A bar that ends before its line does."""

    def __init__(self, *columns: ProgressColumn, on: Console) -> None:
        self._on = on
        super().__init__(*columns, console=on)

    def make_tasks_table(self, tasks: Iterable[Task]) -> Table:
        table = super().make_tasks_table(tasks)
        table.width = self._on.width - ECHO
        return table


class Progress:
    """The progress of one run: `show` it the counts now and then.

    `to_send`: how many this run sends at most. What is in doubt is work, too, and counts as done when it is settled.
    """

    def __init__(self, plan: Plan, to_send: int, budget: Budget, rate: float | None = None) -> None:
        in_doubt = plan.ambiguous + plan.unresolved
        self._open, self._total = plan.to_send + in_doubt, to_send + in_doubt
        self._done_before, self._budget, self._rate = plan.done, budget, rate
        self._said_at = time.monotonic()
        self._every_s = min(settings.PROGRESS_EVERY_S, max(settings.PROGRESS_LEAST_S, eta_s(to_send, budget, rate) / 4))
        self._is_quiet = False
        self._bar: _Bar | None = None
        if self._total and sys.stderr.isatty():
            columns = (BarColumn(bar_width=None), MofNCompleteColumn(), TextColumn("{task.description}"))
            self._bar = _Bar(*columns, on=console_on(stderr=True))
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

    def show(self, now: Summary, quiet_s: float | None = None, *, under_way: int = 0) -> None:
        """The counts as they are; `quiet_s`: nothing is sent for so long, until lost rows are looked for.

        `under_way`: rows that the books hold in doubt only as long as their answers are awaited.
        """
        done = max(0, self._open - now.planned - now.ambiguous)
        is_quiet = quiet_s is not None and quiet_s >= settings.PROGRESS_TICK_S
        said = (
            self._state(now, done, now.ambiguous - under_way)
            if quiet_s is None or not is_quiet
            else _waiting(quiet_s, now.ambiguous)
        )
        if self._bar is not None:
            self._bar.update(self._task, completed=done, description=said)
        elif is_quiet and not self._is_quiet:
            click.echo(f"{said}.", err=True)
        elif not is_quiet and time.monotonic() - self._said_at >= self._every_s:
            self._said_at = time.monotonic()
            click.echo(f"{done:,} of {self._total:,}: {said}", err=True)
        self._is_quiet = is_quiet

    def _state(self, now: Summary, done: int, in_doubt: int) -> str:
        state = self._budget.snapshot()
        made = now.created + now.adopted - self._done_before
        left = min(now.planned, self._total - done)
        doubt = f", {in_doubt:,} in doubt" if in_doubt > 0 else ""
        until = f", {duration(eta_s(left, self._budget, self._rate))} left" if left > 0 else ""
        return f"{made:,} created{doubt}; budget {state.used} of {state.limit}{until}"


def _waiting(quiet_s: float, in_doubt: int) -> str:
    if not in_doubt:
        return f"Waiting {duration(quiet_s)}, then looking once more whether everybody is there"
    return f"Waiting {duration(quiet_s)}, then looking for {so_many(in_doubt, 'row')} whose answers were lost"
