"""The rule by the letter, slow and plain: what the window must agree with, grant for grant.

Written from the rule's own words, in fractions, with every phase tried anew at each question; shares no line with the
package.
"""

from fractions import Fraction


class LetterWindow:
    """What `Window` promises, computed from all that ever happened."""

    def __init__(self, limit: int, window_ns: int) -> None:
        self.limit = limit
        self.window_ns = window_ns
        self.held = 0
        self.settled: list[int] = []
        self.paused_until: int | None = None

    def allows(self, now: int, keep: int = 0) -> bool:
        """Whether one more request may be granted at `now`."""
        if self.paused_until is not None and now < self.paused_until:
            return False
        limit = max(1, self.limit - keep)
        phases = {now, *self.settled, *(t + self.window_ns for t in self.settled)}
        return all(self._sum(a, now) + 1 <= limit for a in phases if now - self.window_ns <= a <= now)

    def _sum(self, a: int, now: int) -> Fraction:
        later = self.held + sum(t >= a for t in self.settled)
        before = sum(a - self.window_ns <= t < a for t in self.settled)
        return later + (1 - Fraction(now - a, self.window_ns)) * before

    def available(self, now: int) -> int:
        """How many could be granted at `now`, one after the other."""
        held = self.held
        while self.allows(now):
            self.held += 1
        found, self.held = self.held - held, held
        return found

    def used(self, now: int) -> int:
        """Held, or settled within the last window."""
        return self.held + sum(t >= now - self.window_ns for t in self.settled)

    def reserve(self, now: int, keep: int = 0) -> bool:
        """Grant, if the rule allows."""
        granted = self.allows(now, keep)
        self.held += granted
        return granted

    def settle(self, at: int) -> None:
        """A held request counts as of `at`."""
        self.held -= 1
        self.settled.append(at)

    def release(self) -> None:
        """A held request never counts."""
        self.held -= 1

    def pause_until(self, at: int) -> None:
        """Grant nothing before `at`."""
        self.paused_until = at if self.paused_until is None else max(at, self.paused_until)
