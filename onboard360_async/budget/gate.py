"""The gate of one event loop: who goes next, as fast as the token bucket spends, when the books allow it.

Knows lanes, deadlines and cancellation; whether a request may be sent is the window's to say. Keeps no task and no
timer while nobody waits. How grants are had is the trade of its two kinds, `memory_gate` and `stored_gate`.
"""

import asyncio
import copy
import math
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable
from enum import IntEnum
from typing import Final, TypeAlias

from aiolimiter import AsyncLimiter

from onboard360_async.budget.estimate import eta_ns
from onboard360_async.budget.ledger import SECOND, Held, Ledger, give_back
from onboard360_async.errors import BudgetExhaustedError, DeadlineError, Onboard360Error

__all__ = ["Gate", "Lane", "Limits", "Priority", "burst_of", "late"]

_HALVINGS: Final = 12  # how closely the bucket's level is found out; our choice
Lane: TypeAlias = "OrderedDict[asyncio.Future[Held], float]"  # who waits, and for how long a grant must hold

Limits: TypeAlias = tuple[float | None, float | None]  # max_wait_s and deadline_s


class Priority(IntEnum):
    """Which lane a request waits in."""

    INTERACTIVE = 0  # somebody is waiting for it
    BULK = 1  # an import, a nightly job


def burst_of(burst: int, limit: int) -> int:
    """The bucket's size: a bucket of 1 would lose what a loop that wakes late cannot make up for."""
    return max(2, min(burst, limit))


class Bucket(AsyncLimiter):
    """aiolimiter's token bucket, which can also be asked without a coroutine."""

    def spend(self) -> None:
        """Take a token that is there (`has_capacity`), as `acquire` does when nobody waits."""
        self._level += 1


class Gate(ABC):
    """The waiters of one loop: INTERACTIVE before BULK, first come first served within a lane."""

    __slots__ = (
        "__weakref__", "_alarm", "_burst", "_every_ns", "_keep", "_lanes", "_ledger", "_loop", "_pump", "_shaper",
        "forks",
    )  # fmt: skip

    def __init__(self, ledger: Ledger, *, burst: int, keep: int, spare: int = 0) -> None:
        self.forks: int = ledger.forks
        self._ledger = ledger
        self._loop = asyncio.get_running_loop()
        self._keep = keep
        self._burst = burst_of(burst, ledger.limit)
        self._every_ns = ledger.span_ns / ledger.limit
        self._shaper = Bucket(self._burst + spare, (self._burst + spare) * self._every_ns / SECOND)
        self._lanes: tuple[Lane, ...] = (OrderedDict(), OrderedDict())
        self._pump: asyncio.Task[None] | None = None
        self._alarm: asyncio.Future[None] | None = None  # what the pump waits for when it must wait
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

    @abstractmethod
    async def look(self) -> None:
        """See how the books stand now."""

    def grant_now(self, priority: Priority) -> Held | None:  # noqa: ARG002 - for the gate that knows at once
        """A grant that can be had without waiting for anything, not even a store; None if there is none."""
        return None

    async def acquire(
        self, priority: Priority, *, deadline_s: float | None, max_wait_s: float | None, grace_s: float
    ) -> Held:
        """What is held when one request may be sent, for an attempt of at most `grace_s`.

        If that cannot be in time, BudgetExhaustedError or DeadlineError, with nothing spent.
        """
        if not any(self._lanes[: priority + 1]):
            # Nobody is ahead: who waits in the lane behind may be waiting for what is kept from it.
            began = self._loop.time()
            held = await self._granted_at_once(priority, (max_wait_s, deadline_s), grace_s)
            if held is not None:
                return held
            if deadline_s is not None:  # a store took its time
                deadline_s = max(0.0, deadline_s - (self._loop.time() - began))
        self._refuse_early(priority, deadline_s, max_wait_s)
        waiter: asyncio.Future[Held] = self._loop.create_future()
        self._lanes[priority][waiter] = grace_s
        self._ledger.is_awaited = True
        self._queued(priority)
        limits = ((max_wait_s, BudgetExhaustedError), (deadline_s, late))
        timers = [
            self._loop.call_later(limit_s, self._expire, priority, waiter, error)
            for limit_s, error in limits
            if limit_s is not None and limit_s < math.inf
        ]
        try:
            return await waiter
        except BaseException as error:
            # Cancelled, or the loop went away. A grant that came in the same breath goes back.
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                give_back(waiter.result(), error)
            self._drop(priority, waiter)
            raise
        finally:
            for timer in timers:
                timer.cancel()

    @abstractmethod
    async def _granted_at_once(self, priority: Priority, limits_s: Limits, grace_s: float) -> Held | None:
        """A grant that can be had without queueing, by one who waits for so long at most."""

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
            raise late(wait_s)

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
        return high  # rather too early than too late: an estimate must refuse nobody in time

    def _expire(self, priority: Priority, waiter: "asyncio.Future[Held]", error: Callable[[float], Exception]) -> None:
        if not waiter.done():
            self._drop(priority, waiter)
            waiter.set_exception(error(self._estimate_s(priority)))

    def _drop(self, priority: Priority, waiter: "asyncio.Future[Held]") -> None:
        """Take a waiter out of its lane."""
        self._lanes[priority].pop(waiter, None)

    # --- the pump ---

    @property
    def _is_needed(self) -> bool:
        """Whether there is anything for a pump to do."""
        return self.waiting > 0

    @abstractmethod
    async def _serve(self) -> None:
        """Grant to one waiter after the other; end when there is nothing to do."""

    def _queued(self, priority: Priority) -> None:  # noqa: ARG002 - for the other kind of gate
        """Somebody waits in this lane from now on."""
        self._wake_pump()

    def _wake_pump(self) -> None:
        if self._pump is None:
            self._pump = self._loop.create_task(self._serve(), name="onboard360 budget")
            self._pump.add_done_callback(self._pump_ended)
        else:
            self._ring()

    def _ring(self) -> None:
        if self._alarm is not None and not self._alarm.done():
            self._alarm.set_result(None)

    async def _sleep(self, wait_ns: int | None) -> None:
        """Until somebody rings, or the time has passed; whoever wakes asks again."""
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
        elif self.waiting or (self._is_needed and not pump.cancelled()):
            self._wake_pump()
        else:
            for lane in self._lanes:
                lane.clear()  # gives back the memory of a long queue

    def _fail_all(self, error: BaseException) -> None:
        """An error of ours is each one's own: a call writes into it how often it tried."""
        for lane in self._lanes:
            while lane:
                waiter, _ = lane.popitem(last=False)
                if not waiter.done():
                    waiter.set_exception(copy.copy(error) if isinstance(error, Onboard360Error) else error)


def late(wait_s: float | None = None) -> DeadlineError:
    """The error for a deadline that would pass first."""
    return DeadlineError("deadline_s would pass before a request may be sent.", wait_s)
