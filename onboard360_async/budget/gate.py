"""The gate of one event loop: who goes next, as fast as the token bucket spends, when the books allow it.

Knows lanes, deadlines and cancellation; whether a request may be sent is the window's to say. Keeps no task and no
timer while nobody waits.
"""

import asyncio
import math
from collections import OrderedDict
from collections.abc import Callable
from enum import IntEnum
from types import TracebackType
from typing import Final, Self

from aiolimiter import AsyncLimiter

from onboard360_async.budget.estimate import eta_ns
from onboard360_async.budget.ledger import SECOND, Ledger
from onboard360_async.errors import BudgetExhaustedError, DeadlineError

__all__ = ["Gate", "Priority", "Slot", "burst_of"]

_HALVINGS: Final = 12  # how closely the bucket's level is found out; our choice


class Priority(IntEnum):
    """Which lane a request waits in."""

    INTERACTIVE = 0  # somebody is waiting for it
    BULK = 1  # an import, a nightly job


def burst_of(burst: int, limit: int) -> int:
    """The bucket's size: a bucket of 1 would lose what a loop that wakes late cannot make up for."""
    return max(2, min(burst, limit))


class Gate:
    """The waiters of one loop: INTERACTIVE before BULK, first come first served within a lane."""

    __slots__ = (
        "__weakref__", "_alarm", "_burst", "_every_ns", "_keep", "_lanes", "_ledger", "_loop", "_pump", "_shaper",
        "_token", "forks",
    )  # fmt: skip

    def __init__(self, ledger: Ledger, *, burst: int, keep: int, limit: int) -> None:
        self.forks = ledger.forks
        self._ledger = ledger
        self._loop = asyncio.get_running_loop()
        self._keep = keep
        self._burst = burst_of(burst, limit)
        self._every_ns = ledger.span_ns / limit
        self._shaper = AsyncLimiter(self._burst, self._burst * self._every_ns / SECOND)
        self._token = False  # taken from the shaper for somebody who has gone since
        self._lanes: tuple[OrderedDict[asyncio.Future[None], None], ...] = (OrderedDict(), OrderedDict())
        self._pump: asyncio.Task[None] | None = None
        self._alarm: asyncio.Future[None] | None = None  # what the pump waits for when the books say wait
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
            self._loop.call_soon_threadsafe(self._ring)
        except RuntimeError:  # the loop was closed on its waiters: nobody is left to be woken
            return

    async def acquire(self, priority: Priority, *, deadline_s: float | None, max_wait_s: float | None) -> None:
        """Return when one request may be sent; if not in time, BudgetExhaustedError or DeadlineError, nothing spent."""
        if not any(self._lanes[: priority + 1]) and await self._granted_at_once(priority):
            return  # nobody is ahead: who waits in the lane behind may be waiting for what is kept from it
        self._refuse_early(priority, deadline_s, max_wait_s)
        waiter = self._loop.create_future()
        self._lanes[priority][waiter] = None
        self._wake_pump()
        limits = ((max_wait_s, BudgetExhaustedError), (deadline_s, _late))
        timers = [
            self._loop.call_later(limit_s, self._expire, priority, waiter, error)
            for limit_s, error in limits
            if limit_s is not None and limit_s < math.inf
        ]
        try:
            await waiter
        except BaseException:
            # Cancelled, or the loop went away. A grant that came in the same breath goes back.
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self._ledger.release()
            self._drop(priority, waiter)
            raise
        finally:
            for timer in timers:
                timer.cancel()

    async def _granted_at_once(self, priority: Priority) -> bool:
        if not (self._token or self._shaper.has_capacity()) or self._ledger.reserve(self._keep_from(priority)) != 0:
            return False
        if self._token:
            self._token = False
        else:
            await self._shaper.acquire()  # has capacity, so it does not wait
        return True

    def _keep_from(self, priority: int) -> int:
        return self._keep if priority == Priority.BULK else 0

    # --- in time, or not at all ---

    def _refuse_early(self, priority: Priority, deadline_s: float | None, max_wait_s: float | None) -> None:
        if deadline_s is None and max_wait_s is None:
            return
        wait_s = self._estimate_s(priority)
        if max_wait_s is not None and wait_s > max_wait_s:
            raise BudgetExhaustedError(wait_s)
        if deadline_s is not None and wait_s > deadline_s:
            raise _late(wait_s)

    def _estimate_s(self, priority: Priority) -> float:
        """Seconds until a newcomer would be granted, after those ahead of it here; see `eta_ns` for what it takes."""
        window, now = self._ledger.look()
        asks = [(len(self._lanes[lane]), self._keep_from(lane)) for lane in range(priority + 1)]
        asks.append((1, self._keep_from(priority)))
        wait_ns = eta_ns(window, now, asks, burst=self._burst, tokens=self._tokens(), every_ns=self._every_ns)
        return max(wait_ns, 1) / SECOND

    def _tokens(self) -> float:
        """What is in the bucket: aiolimiter tells only whether so much is, so it is asked for halves of halves."""
        low, high = 0.0, float(self._burst)
        if self._shaper.has_capacity(high):
            low = high
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            low, high = (middle, high) if self._shaper.has_capacity(middle) else (low, middle)
        return high + self._token  # rather too early than too late: an estimate must refuse nobody in time

    def _expire(self, priority: Priority, waiter: "asyncio.Future[None]", error: Callable[[float], Exception]) -> None:
        if not waiter.done():
            self._drop(priority, waiter)
            waiter.set_exception(error(self._estimate_s(priority)))

    def _drop(self, priority: Priority, waiter: "asyncio.Future[None]") -> None:
        """Take a waiter out of its lane; without waiters there is no pump either."""
        self._lanes[priority].pop(waiter, None)
        if self._pump is not None and not self.waiting and not self._loop.is_closed():
            self._pump.cancel()
            self._pump = None

    # --- the pump ---

    def _wake_pump(self) -> None:
        if self._pump is None:
            self._pump = self._loop.create_task(self._serve(), name="onboard360 budget")
            self._pump.add_done_callback(self._pump_ended)
        else:
            self._ring()

    def _ring(self) -> None:
        if self._alarm is not None and not self._alarm.done():
            self._alarm.set_result(None)

    async def _serve(self) -> None:
        """Grant to one waiter after the other; end when nobody waits."""
        while self.waiting:
            if not self._token:
                await self._shaper.acquire()
                self._token = True
            wait_ns = self._grant_next()
            if wait_ns != 0:
                await self._sleep(wait_ns)

    def _grant_next(self) -> int | None:
        """Grant to the one whose turn it is, who is known only now; else how long to wait."""
        for priority, lane in enumerate(self._lanes):
            while lane:
                waiter = next(iter(lane))
                if waiter.done():  # cancelled a moment ago
                    del lane[waiter]
                    continue
                wait_ns = self._ledger.reserve(self._keep_from(priority))
                if wait_ns == 0:
                    self._token = False
                    del lane[waiter]
                    waiter.set_result(None)
                return wait_ns
        return 0

    async def _sleep(self, wait_ns: int | None) -> None:
        """Until the books have changed, somebody came, or the time has passed; whoever wakes asks again."""
        self._alarm = self._loop.create_future()
        timer = None if wait_ns is None else self._loop.call_later(wait_ns / SECOND, self._ring)
        try:
            await self._alarm
        finally:
            if timer is not None:
                timer.cancel()

    def _pump_ended(self, pump: "asyncio.Task[None]") -> None:
        """Nobody is left behind: not by a pump that was cancelled from outside, nor by one that failed."""
        error = None if pump.cancelled() else pump.exception()
        if pump is not self._pump:
            return
        self._pump = None
        if error is not None:
            self._fail_all(error)
        elif self.waiting:
            self._wake_pump()
        else:
            for lane in self._lanes:
                lane.clear()  # gives back the memory of a long queue

    def _fail_all(self, error: BaseException) -> None:
        for lane in self._lanes:
            while lane:
                waiter, _ = lane.popitem(last=False)
                if not waiter.done():
                    waiter.set_exception(error)


def _late(wait_s: float) -> DeadlineError:
    return DeadlineError("deadline_s would pass before a request may be sent.", wait_s)


class Slot:
    """The right to send one request: `sent` before its first byte, `answered` or `refused` when the headers are in.

    Leaving the block without an answer gives it back if nothing was sent; else it stays held until `grace_s` from
    then, since the server may count it at any moment until the attempt's time-out.
    """

    __slots__ = ("_forks", "_gate", "_grace_s", "_ledger", "_over", "_sent", "_terms", "waited_s")

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
        self._forks = ledger.forks
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
        if self._ends():
            if self._sent:
                self._ledger.lease(self._grace_s)
            else:
                self._ledger.release()

    def sent(self) -> None:
        """The first byte leaves now."""
        self._sent = True

    def answered(self) -> None:
        """An answer's headers are in: the request counts as of now."""
        if self._ends():
            self._ledger.accepted()
            self._ledger.settle()

    def refused(self, retry_after_s: float | None) -> None:
        """The answer was a 429: the request counts, and everybody pauses."""
        if self._ends():
            self._ledger.refused(retry_after_s)
            self._ledger.settle()

    def _ends(self) -> bool:
        """True once. After a fork the slot is the parent's to end, and here a lease already."""
        ends = not self._over and self._forks == self._ledger.forks
        self._over = True
        return ends
