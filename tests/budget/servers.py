"""Servers that cut "100 requests a minute" in every way we could think of, as pure models in whole nanoseconds.

Written for these tests from the definitions of the algorithms; they share nothing with the package or the sandbox.
`admits(at)` is asked once per request, in order of time.
"""

from collections import deque
from typing import Protocol


class Server(Protocol):
    """What counts requests."""

    def admits(self, at: int) -> bool:
        """Count a request at `at`; False is a 429."""


class Fixed:
    """Windows side by side, at any alignment: the count starts anew at each border."""

    def __init__(self, limit: int, window: int, phase: int = 0) -> None:
        self.limit, self.window, self.phase = limit, window, phase
        self.current, self.count = 0, 0

    def admits(self, at: int) -> bool:
        number = (at - self.phase) // self.window
        if number != self.current:
            self.current, self.count = number, 0
        self.count += 1
        return self.count <= self.limit


class FixedFromFirst:
    """A window opens with the first request after the last one closed."""

    def __init__(self, limit: int, window: int) -> None:
        self.limit, self.window = limit, window
        self.opened: int | None = None
        self.count = 0

    def admits(self, at: int) -> bool:
        if self.opened is None or at >= self.opened + self.window:
            self.opened, self.count = at, 0
        self.count += 1
        return self.count <= self.limit


class SlidingLog:
    """A log of times: at most `limit` in the last window, both ends included; refusals may count too.

    `grain` compares in whole seconds (or whatever it is), as a server does that keeps no finer times.
    """

    def __init__(self, limit: int, window: int, *, counts_refused: bool = False, grain: int = 1) -> None:
        self.limit, self.window, self.counts_refused, self.grain = limit, window, counts_refused, grain
        self.log: deque[int] = deque()

    def admits(self, at: int) -> bool:
        at -= at % self.grain
        while self.log and self.log[0] < at - self.window:
            self.log.popleft()
        fits = len(self.log) < self.limit
        if fits or self.counts_refused:
            self.log.append(at)
        return fits


class SlidingCounter:
    """Two fixed windows, the earlier weighted by what of it is still within the last window; `floored` rounds down."""

    def __init__(self, limit: int, window: int, phase: int = 0, *, floored: bool = False) -> None:
        self.limit, self.window, self.phase, self.floored = limit, window, phase, floored
        self.current, self.count, self.before = 0, 0, 0

    def admits(self, at: int) -> bool:
        number, into = divmod(at - self.phase, self.window)
        if number != self.current:
            self.before = self.count if number == self.current + 1 else 0
            self.current, self.count = number, 0
        weighted = self.before * (self.window - into)  # in requests times window
        if self.floored:
            weighted -= weighted % self.window
        fits = weighted + (self.count + 1) * self.window <= self.limit * self.window
        self.count += fits
        return fits


class TokenBucket:
    """Holds `limit` tokens, refilled evenly over a window."""

    def __init__(self, limit: int, window: int) -> None:
        self.limit, self.window = limit, window
        self.level, self.seen = limit * window, 0  # one request costs `window`

    def admits(self, at: int) -> bool:
        self.level = min(self.limit * self.window, self.level + (at - self.seen) * self.limit)
        self.seen = at
        fits = self.level >= self.window
        self.level -= self.window * fits
        return fits


class Gcra:
    """The generic cell rate algorithm: a theoretical arrival time that may run ahead by a burst of `limit`."""

    def __init__(self, limit: int, window: int) -> None:
        self.limit, self.window = limit, window
        self.arrival = 0  # nanoseconds times `limit`

    def admits(self, at: int) -> bool:
        now = at * self.limit
        if self.arrival - now > self.window * (self.limit - 1):
            return False
        self.arrival = max(self.arrival, now) + self.window
        return True


def servers_of(limit: int, window: int, phases: tuple[int, ...] = (0,)) -> list[Server]:
    """One of each, those with an alignment at each of `phases`."""
    found: list[Server] = [
        FixedFromFirst(limit, window),
        SlidingLog(limit, window),
        SlidingLog(limit, window, counts_refused=True),
        TokenBucket(limit, window),
        Gcra(limit, window),
    ]
    for phase in phases:
        found += [
            Fixed(limit, window, phase),
            SlidingCounter(limit, window, phase),
            SlidingCounter(limit, window, phase, floored=True),
        ]
    return found
