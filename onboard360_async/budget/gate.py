"""The gate of one event loop: who goes next, as fast as the token bucket spends, when the books allow it.

Knows lanes, deadlines and cancellation; whether a request may be sent is the window's to say.
"""

import asyncio
import math
from collections import deque
from collections.abc import Callable
from enum import IntEnum
from types import TracebackType
from typing import NoReturn, Self

from aiolimiter import AsyncLimiter

from onboard360_async.budget.estimate import eta_ns
from onboard360_async.budget.ledger import SECOND, Ledger
from onboard360_async.errors import BudgetExhaustedError, DeadlineError

__all__ = ["Gate", "Priority", "Slot"]


class Priority(IntEnum):
    """Which lane a request waits in."""

    INTERACTIVE = 0  # somebody is waiting for it
    BULK = 1  # an import, a nightly job


class _Waiter:
    __slots__ = ("granted", "priority")

    def __init__(self, priority: Priority, granted: "asyncio.Future[None]") -> None:
        self.priority = priority
        self.granted = granted


class Gate:
    """The waiters of one loop: INTERACTIVE before BULK, first come first served within a lane."""

    def __init__(self, ledger: Ledger, *, burst: int, keep: int, limit: int) -> None:
        self._ledger = ledger
        self._loop = asyncio.get_running_loop()
        self._keep = keep
        self._burst = max(2, min(burst, limit))  # 1 would lose what a loop that wakes late cannot make up for
        self._period_s = self._burst * ledger.span_ns / SECOND / limit
        self._shaper = AsyncLimiter(self._burst, self._period_s)
        self._token = False  # taken from the shaper, and nobody was there to use it
        self._lanes: tuple[deque[_Waiter], deque[_Waiter]] = (deque(), deque())
        self._pump: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        ledger.watch(self)

    @property
    def waiting(self) -> int:
        """How many wait here."""
        return len(self._lanes[0]) + len(self._lanes[1])

    def look_again(self) -> None:
        """The books have changed; called from any thread."""
        if not self.waiting:
            return
        try:
            here = asyncio.get_running_loop() is self._loop
        except RuntimeError:
            here = False
        if here:
            self._changed.set()
        elif not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._changed.set)

    async def acquire(self, priority: Priority, *, deadline_s: float | None, max_wait_s: float | None) -> None:
        """Return when one request may be sent; if not in time, BudgetExhaustedError or DeadlineError, nothing spent."""
        if not self.waiting and await self._granted_at_once(priority):
            return
        self._refuse_early(priority, deadline_s, max_wait_s)
        waiter = _Waiter(priority, self._loop.create_future())
        self._lanes[priority].append(waiter)
        self._wake_pump()
        timers = [
            self._loop.call_later(limit_s, self._expire, waiter, error)
            for limit_s, error in ((max_wait_s, _exhausted), (deadline_s, _late))
            if limit_s is not None and limit_s < math.inf
        ]
        try:
            await waiter.granted
        except asyncio.CancelledError:
            if not self._drop(waiter):
                self._ledger.release()  # the grant met the cancellation: it goes back
            raise
        finally:
            for timer in timers:
                timer.cancel()

    # --- in time, or not at all ---

    async def _granted_at_once(self, priority: Priority) -> bool:
        if not (self._token or self._shaper.has_capacity()) or self._ledger.reserve(self._keep_from(priority)) != 0:
            return False
        if self._token:
            self._token = False
        else:
            await self._shaper.acquire()  # has capacity, so it does not wait
        return True

    def _refuse_early(self, priority: Priority, deadline_s: float | None, max_wait_s: float | None) -> None:
        if deadline_s is None and max_wait_s is None:
            return
        wait_s = self.estimate_s(priority)
        if max_wait_s is not None and wait_s > max_wait_s:
            _exhausted(wait_s)
        if deadline_s is not None and wait_s > deadline_s:
            _late(wait_s)

    def estimate_s(self, priority: Priority) -> float:
        """Seconds until a newcomer would be granted, if all that is under way were answered now."""
        window, now = self._ledger.look()
        ahead = len(self._lanes[0]) + (len(self._lanes[1]) if priority is Priority.BULK else 0)
        has_token = self._token or self._shaper.has_capacity()
        wait_ns = eta_ns(
            window, now, ahead + 1, keep=self._keep_from(priority), burst=1 if has_token else 0, every_ns=self._every_ns
        )
        return max(wait_ns, 1) / SECOND

    @property
    def _every_ns(self) -> int:
        return int(self._period_s / self._burst * SECOND)

    def _expire(self, waiter: _Waiter, error: Callable[[float], NoReturn]) -> None:
        if not self._drop(waiter):
            return
        try:
            error(self.estimate_s(waiter.priority))
        except (BudgetExhaustedError, DeadlineError) as refusal:
            waiter.granted.set_exception(refusal)

    def _drop(self, waiter: _Waiter) -> bool:
        """Take a waiter out of its lane; False if it is not there any more."""
        try:
            self._lanes[waiter.priority].remove(waiter)
        except ValueError:
            return False
        self._changed.set()  # the pump may have nobody left to wait for
        return True

    def _keep_from(self, priority: Priority) -> int:
        return self._keep if priority is Priority.BULK else 0

    # --- the pump ---

    def _wake_pump(self) -> None:
        self._changed.set()
        if self._pump is None or self._pump.done():
            self._pump = self._loop.create_task(self._serve(), name="onboard360 budget")

    async def _serve(self) -> None:
        """Grant to one waiter after the other; end when nobody waits."""
        try:
            while self.waiting:
                if not self._token:
                    await self._shaper.acquire()
                    self._token = True
                self._changed.clear()
                wait_ns = self._grant_next()
                if wait_ns != 0:
                    await self._pause(wait_ns)
        except Exception as error:
            for lane in self._lanes:
                while lane:
                    lane.popleft().granted.set_exception(error)
            raise

    def _grant_next(self) -> int | None:
        """Grant to the one whose turn it is, who is known only now; else how long to wait."""
        lane = self._lanes[0] or self._lanes[1]
        if not lane:
            return 0
        wait_ns = self._ledger.reserve(self._keep_from(lane[0].priority))
        if wait_ns == 0:
            self._token = False
            lane.popleft().granted.set_result(None)
        return wait_ns

    async def _pause(self, wait_ns: int | None) -> None:
        timer = None if wait_ns is None else self._loop.call_later(wait_ns / SECOND, self._changed.set)
        try:
            await self._changed.wait()
        finally:
            if timer is not None:
                timer.cancel()


def _exhausted(wait_s: float) -> NoReturn:
    raise BudgetExhaustedError(wait_s)


def _late(wait_s: float) -> NoReturn:
    raise DeadlineError("deadline_s would pass before a request may be sent.", wait_s)


class Slot:
    """The right to send one request: `sent` before its first byte, `answered` or `refused` when the headers are in.

    Leaving the block without an answer gives it back if nothing was sent; else it stays held until `grace_s` from
    then, since the server may count it at any moment until the attempt's time-out.
    """

    __slots__ = ("_gate", "_grace_s", "_ledger", "_over", "_sent", "_terms", "waited_s")

    def __init__(
        self,
        gate: Gate,
        ledger: Ledger,
        priority: Priority,
        *,
        deadline_s: float | None,
        max_wait_s: float | None,
        grace_s: float,
    ) -> None:
        self._gate, self._ledger, self._grace_s = gate, ledger, grace_s
        self._terms = (priority, deadline_s, max_wait_s)
        self._sent = self._over = False
        self.waited_s = 0.0

    async def __aenter__(self) -> Self:
        asked_at = self._ledger.clock()
        priority, deadline_s, max_wait_s = self._terms
        await self._gate.acquire(priority, deadline_s=deadline_s, max_wait_s=max_wait_s)
        self.waited_s = (self._ledger.clock() - asked_at) / SECOND
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._over:
            return
        self._over = True
        if self._sent:
            self._ledger.lease(self._grace_s)
        else:
            self._ledger.release()

    def sent(self) -> None:
        """The first byte leaves now."""
        self._sent = True

    def answered(self) -> None:
        """An answer's headers are in: the request counts as of now."""
        if not self._over:
            self._over = True
            self._ledger.accepted()
            self._ledger.settle()

    def refused(self, retry_after_s: float | None) -> None:
        """The answer was a 429: the request counts, and everybody pauses."""
        if not self._over:
            self._over = True
            self._ledger.refused(retry_after_s)
            self._ledger.settle()
