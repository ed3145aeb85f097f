"""The time of one run: it begins at the machine's clock and goes on at the loop's pace, so that nobody can set it.

Knows when the machine's clock or the server's is elsewhere, and has the journal remember it for the next run.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from onboard360_async.importer.journal import Journal

__all__ = ["RunClock"]

_SAME_NS: Final = 1_000_000_000  # two clocks that differ by less are one


class RunClock:
    """The journal's clock from `start` on. `skew_s`: what the server's clock is ahead of the machine's."""

    def __init__(self, journal: Journal, skew_s: Callable[[], float | None]) -> None:
        self._journal, self._skew_s = journal, skew_s
        self._wall = journal.now  # the one that can be set

    def start(self) -> None:
        """The run begins, on this loop."""
        loop = asyncio.get_running_loop()
        wall_ns, start_s = self._wall(), loop.time()
        self._journal.now = lambda: wall_ns + int((loop.time() - start_s) * 1e9)

    def ahead_s(self) -> float | None:
        """What the server's clock is ahead of the journal's; the one it was compared with may have been set back."""
        skew_s, set_back_ns = self._skew_s(), min(0, self._wall() - self._journal.now())
        return None if skew_s is None else skew_s + set_back_ns / 1e9

    def mind(self) -> None:
        """What is noted now by this run's own time is read by the next one with the machine's."""
        if self._wall() - self._journal.now() > _SAME_NS:
            self._journal.clock_went_ahead()
