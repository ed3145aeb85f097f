"""What the server's answers say of the limit: how much of it is left to us, and how long to pause after a 429.

Pure: no clock, no lock. It may lower the limit, and never raise it above what was configured.
UNDOCUMENTED: the API page promises a 429 and no header; others may use the key. So a 429 cuts the
effective limit a little below what was used, and each success gives a twentieth of a request back
(tests/budget/test_feedback.py).
"""

import math
from typing import Final, NamedTuple

from onboard360_async import settings

__all__ = ["Feedback", "Told"]

_SECOND: Final = 1_000_000_000  # nanoseconds
_LONG_AGO: Final = -(2**63)  # nanoseconds; before any clock


class Told(NamedTuple):
    """What an answer's headers say: a limit for one window, and how long no further request will be let in."""

    limit: int | None = None
    wait_s: float | None = None


class Feedback:
    """The effective limit of one budget. Times in nanoseconds."""

    __slots__ = ("cut_at", "level", "limit", "refusals", "span_ns", "told")

    def __init__(self, limit: int, span_ns: int) -> None:
        self.limit: int = limit
        self.span_ns: int = span_ns
        self.level: float = float(limit)  # what 429s have left of it
        self.told: int = limit  # what the server's headers leave of it
        self.refusals: int = 0  # pauses in a row that no success ended
        self.cut_at: int = _LONG_AGO

    @property
    def effective(self) -> int:
        """The limit to go by now."""
        return max(1, min(math.floor(self.level), self.told))

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing to remember."""
        return self.level >= self.limit and self.told >= self.limit and self.refusals == 0

    def accepted(self) -> None:
        """An answer that was no 429."""
        self.refusals = 0
        self.level = min(float(self.limit), self.level + settings.LEVEL_RAISE)

    def heard(self, limit: int) -> None:
        """A header named a limit; the last one that was named holds."""
        self.told = max(1, min(self.limit, limit))

    def refused(self, now: int, retry_after_s: float | None, *, used: int, paused: bool) -> int:
        """A 429: how long everybody pauses. As the server says, else twice as long as last time; at most one window.

        `used` is what we had in the window: what was too much was that, if the limit was not reached; but no 429 costs
        more than half of the limit, since it may have been the very first request that met it.
        """
        if now - self.cut_at >= self.span_ns * settings.LEVEL_CUT_SHARE:
            self.level = max(1.0, min(self.level, max(used, self.level / 2)) * settings.LEVEL_CUT)
            self.cut_at = now
        if not paused:  # what was under way when the pause began does not double it
            self.refusals = min(self.refusals + 1, settings.PAUSE_DOUBLINGS)
        if retry_after_s is not None:
            return capped_ns(retry_after_s, self.span_ns)
        doubled_ns = self.span_ns * settings.PAUSE_BASE_SHARE * 2 ** max(0, self.refusals - 1)
        return min(int(doubled_ns), self.span_ns)


def capped_ns(wait_s: float, span_ns: int) -> int:
    """A wait that a server asks for, at most one window of it."""
    return int(min(wait_s * _SECOND, span_ns))
