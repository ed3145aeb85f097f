"""The books of one key in this process alone: one window for all threads and loops, with its leases and pauses.

Knows no store. It is what most programs use, so a grant and its settle cost a few microseconds and no task.
"""

import heapq
from collections.abc import Callable

from onboard360_async import settings
from onboard360_async.budget.feedback import Feedback, Told, capped_ns
from onboard360_async.budget.ledger import SECOND, Ledger
from onboard360_async.budget.window import Window

__all__ = ["MemoryLedger"]


class MemoryLedger(Ledger):
    """Grants, settles and releases under a lock; what it counts is the window's. All that it holds is held alike."""

    __slots__ = ("_feedback", "_leases", "window")

    def __init__(self, window: Window, clock: Callable[[], int]) -> None:
        super().__init__(window.limit, window.span_ns, clock)
        self.window: Window = window
        self._feedback: Feedback | None = None  # as long as there is nothing to remember
        self._leases: list[int] = []  # a heap: until when a request without an answer may still be counted

    def reserve(self, keep: int = 0) -> int | None:
        """As the window's `reserve`, for this moment; waits at most for the next lease to end."""
        with self.lock:
            now = self._now() if self._leases else self.clock()
            wait = self.window.reserve(now, keep)
            if wait is None and self._leases:
                wait = self._leases[0] - now
            return wait

    def pause(self, seconds: float) -> None:
        """Nobody is granted anything for that long; a longer pause stays."""
        with self.lock:
            self.window.pause_until(self._now() + int(seconds * SECOND))

    def look(self) -> tuple[Window, int]:
        """A copy of the window to look at, and the moment."""
        with self.lock:
            now = self._now()
            self.window.used(now)  # moves it on, so that what is long past takes no memory
            return self.window.copy(), now

    def name_books(self, name: str) -> None:
        """There is no store: nothing needs a name."""

    # --- what becomes of a request that was granted ---

    def sent(self) -> None:
        """The first byte leaves now; it is held until its fate is told, however long that takes."""

    def answered(self, told: Told | None = None) -> None:
        """An answer that was no 429; its headers may lower the limit."""
        with self.lock:
            if self._feedback is not None or told is not None:
                self._hear(told)
            self.window.settle(self._now() if self._leases else self.clock())
        if self.is_awaited:  # most requests find nobody waiting
            self._tell()

    def refused(self, retry_after_s: float | None) -> None:
        """A 429: everybody pauses as long as the server says, else twice as long as last time; at most one window."""
        with self.lock:
            now = self._now()
            feedback = self._remember()
            used, paused = self.window.used(now), self.window.paused_ns(now) > 0
            pause_ns = feedback.refused(now, retry_after_s, used=used, paused=paused)
            self.window.pause_until(now + pause_ns)
            self.window.limit = feedback.effective
            self.window.settle(now)
        self._tell()

    def release(self) -> None:
        """A request was certainly never sent."""
        with self.lock:
            self.window.release()
        self._tell()

    def lease(self, grace_s: float) -> None:
        """A request was sent and not answered: it may be counted until `grace_s` from now, and so stays held."""
        # Without the lock: the collector may end a request on any line, also where this thread holds it.
        self._lease_until(self.clock() + int(grace_s * SECOND))
        self._tell()

    def _tell(self) -> None:
        self.is_awaited: bool = False  # first: who begins to wait in this moment, on another thread, sets it again
        if self.waiting:
            self.is_awaited = True  # before anybody is told: what is settled from then on is told for itself
        super()._tell()

    # --- inside, with the lock held ---

    def _remember(self) -> Feedback:
        if self._feedback is None:
            self._feedback = Feedback(self.limit, self.span_ns)
        return self._feedback

    def _hear(self, told: Told | None) -> None:
        feedback = self._remember()
        feedback.accepted()
        if told is not None and told.limit is not None:
            feedback.heard(told.limit)
        if told is not None and told.wait_s is not None:
            self.window.pause_until(self._now() + capped_ns(told.wait_s, self.span_ns))
        self.window.limit = feedback.effective
        if feedback.is_idle:
            self._feedback = None

    def start_afresh_in_child(self) -> None:
        """After a fork: what the parent had under way may still be counted."""
        super().start_afresh_in_child()
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
