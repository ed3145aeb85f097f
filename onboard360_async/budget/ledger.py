"""The books of one key in this process: one window for all threads and loops, with its leases, pauses and clock.

Knows no lane and no waiting; whoever waits is told when it may be worth asking again.
"""

import heapq
import threading
import weakref
from collections.abc import Callable
from typing import Protocol

from onboard360_async import settings
from onboard360_async.budget.window import Window

__all__ = ["SECOND", "Ledger", "Waiting"]

SECOND = 1_000_000_000  # nanoseconds


class Waiting(Protocol):
    """Who wants to be told that the books have changed."""

    @property
    def waiting(self) -> int:
        """How many wait there."""

    def look_again(self) -> None:
        """Called from any thread, with no lock held."""


class Ledger:
    """Grants, settles and releases under a lock; what it counts is the window's."""

    __slots__ = ("__weakref__", "_leases", "_refusals", "_watchers", "clock", "forks", "lock", "span_ns", "window")

    def __init__(self, window: Window, span_ns: int, clock: Callable[[], int]) -> None:
        self.window = window
        self.span_ns = span_ns  # the window and its margin
        self.clock = clock  # nanoseconds, never back
        self.lock = threading.Lock()
        self.forks = 0  # how many forks ago it was made; what was begun before the last one is not ours to end
        self._leases: list[int] = []  # a heap: until when a request without an answer may still be counted
        self._refusals = 0  # pauses in a row that no answer ended
        self._watchers: tuple[weakref.ref[Waiting], ...] = ()  # replaced, never changed: any thread may be reading it

    def reserve(self, keep: int = 0) -> int | None:
        """As the window's `reserve`, for this moment; waits at most for the next lease to end."""
        with self.lock:
            now = self._now()
            wait = self.window.reserve(now, keep)
            if wait is None and self._leases:
                wait = self._leases[0] - now
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
            self._lease_until(self._now() + int(grace_s * SECOND))
        self._tell()

    def pause(self, seconds: float) -> None:
        """Nobody is granted anything for that long; a longer pause stays."""
        with self.lock:
            self.window.pause_until(self._now() + int(seconds * SECOND))

    def accepted(self) -> None:
        """An answer that was no 429."""
        self._refusals = 0

    def refused(self, retry_after_s: float | None) -> None:
        """A 429: everybody pauses as long as the server says, else twice as long as last time; at most one window."""
        span_s = self.span_ns / SECOND
        with self.lock:
            now = self._now()
            if self.window.paused_ns(now) == 0:  # what was under way when the pause began does not double it
                self._refusals = min(self._refusals + 1, settings.PAUSE_DOUBLINGS)
            doubled_s = span_s * settings.PAUSE_BASE_SHARE * 2 ** max(0, self._refusals - 1)
            pause_s = min(doubled_s if retry_after_s is None else retry_after_s, span_s)
            self.window.pause_until(now + int(pause_s * SECOND))

    def look(self) -> tuple[Window, int]:
        """A copy of the window to look at, and the moment."""
        with self.lock:
            now = self._now()
            self.window.used(now)  # moves it on, so that what is long past takes no memory
            return self.window.copy(), now

    # --- who waits ---

    def watch(self, waiting: Waiting) -> None:
        """Tell `waiting` of every settle and release, as long as it lives."""
        with self.lock:
            alive = (watcher for watcher in self._watchers if watcher() is not None)
            self._watchers = (*alive, weakref.ref(waiting))

    @property
    def waiting(self) -> int:
        """How many wait in this process for these books."""
        watchers = (watcher() for watcher in self._watchers)
        return sum(watcher.waiting for watcher in watchers if watcher is not None)

    def _tell(self) -> None:
        for watcher in self._watchers:
            waiting = watcher()
            if waiting is not None:
                waiting.look_again()

    # --- time ---

    def start_afresh_in_child(self) -> None:
        """After a fork: nobody here waits, and what the parent had under way may still be counted."""
        self.forks += 1
        self._watchers = ()
        until = self.clock() + int(settings.TIMEOUT_S * SECOND)
        for _ in range(self.window.held - len(self._leases)):
            self._lease_until(until)

    def _lease_until(self, at: int) -> None:
        heapq.heappush(self._leases, at)

    def _now(self) -> int:
        """The moment, with every lease that ended by then settled at its end."""
        now = self.clock()
        while self._leases and self._leases[0] <= now:
            self.window.settle(heapq.heappop(self._leases))
        return now
