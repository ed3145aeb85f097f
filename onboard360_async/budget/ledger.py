"""The books of one key in this process: one window for all threads and loops, with its leases, pauses and clock.

Knows no lane and no waiting; whoever waits is told when it may be worth asking again.
"""

import heapq
import threading
from collections.abc import Callable
from typing import Protocol
from weakref import WeakSet

from onboard360_async import settings
from onboard360_async.budget.window import Window

__all__ = ["SECOND", "Ledger", "Waiting"]

SECOND = 1_000_000_000  # nanoseconds


class Waiting(Protocol):
    """Who wants to be told that the books have changed."""

    def look_again(self) -> None:
        """Called from any thread."""


class Ledger:
    """Grants, settles and releases under a lock; what it counts is the window's."""

    __slots__ = ("__weakref__", "_leases", "_refusals", "_waiting", "clock", "lock", "span_ns", "window")

    def __init__(self, window: Window, span_ns: int, clock: Callable[[], int]) -> None:
        self.window = window
        self.span_ns = span_ns  # the window and its margin
        self.clock = clock  # nanoseconds, never back
        self.lock = threading.Lock()
        self._leases: list[int] = []  # a heap: until when a request without an answer may still be counted
        self._refusals = 0  # 429s in a row
        self._waiting: WeakSet[Waiting] | None = None

    def reserve(self, keep: int = 0) -> int | None:
        """As the window's `reserve`, for this moment; waits at most for the next lease to end."""
        with self.lock:
            now = self._now()
            wait = self.window.reserve(now, keep)
            if wait is None and self._leases:
                wait = max(1, self._leases[0] - now)
            return wait

    def settle(self) -> None:
        """A request was answered now."""
        with self.lock:
            self.window.settle(self._now())
        self._tell()

    def release(self) -> None:
        """A request was certainly never sent."""
        with self.lock:
            self.window.release()
        self._tell()

    def lease(self, grace_s: float) -> None:
        """A request was sent and not answered: it may be counted until `grace_s` from now, and so stays held."""
        with self.lock:
            heapq.heappush(self._leases, self._now() + int(grace_s * SECOND))
        self._tell()

    def pause(self, seconds: float) -> None:
        """Nobody is granted anything for that long; a longer pause stays."""
        with self.lock:
            self.window.pause_until(self._now() + int(seconds * SECOND))
        self._tell()

    def accepted(self) -> None:
        """An answer that was no 429."""
        self._refusals = 0

    def refused(self, retry_after_s: float | None) -> None:
        """A 429: everybody pauses as long as the server says, else twice as long as last time; at most one window."""
        span_s = self.span_ns / SECOND
        doubled_s = span_s * settings.PAUSE_BASE_SHARE * 2**self._refusals
        self._refusals = min(self._refusals + 1, settings.PAUSE_DOUBLINGS)
        self.pause(min(doubled_s if retry_after_s is None else retry_after_s, span_s))

    def look(self) -> tuple[Window, int]:
        """A copy of the window to look at, and the moment."""
        with self.lock:
            now = self._now()
            return self.window.copy(), now

    def watch(self, waiting: Waiting) -> None:
        """Tell `waiting` of every change, as long as it lives."""
        if self._waiting is None:
            self._waiting = WeakSet()
        self._waiting.add(waiting)

    def start_afresh_in_child(self) -> None:
        """After a fork: nobody here waits, and what the parent had under way may still be counted."""
        self._waiting = None
        for _ in range(self.window.held - len(self._leases)):
            heapq.heappush(self._leases, self.clock() + int(settings.TIMEOUT_S * SECOND))

    def _now(self) -> int:
        """The moment, with every lease that ended by then settled at its end."""
        now = self.clock()
        while self._leases and self._leases[0] <= now:
            self.window.settle(heapq.heappop(self._leases))
        return now

    def _tell(self) -> None:
        if self._waiting is not None:
            for waiting in list(self._waiting):
                waiting.look_again()
