"""Traffic through a whole budget in virtual time: workers that take slots, trips, answers, losses and cancellations.

Books are kept of every grant, settle and release, so that a test can say that none was lost.
"""

import asyncio
import random
from collections.abc import Iterable
from typing import Any, Final

from attrs import Factory, define, frozen
from hypothesis import strategies as st

from onboard360_async.budget import Budget, Priority
from onboard360_async.budget.memory_gate import MemoryGate
from onboard360_async.budget.memory_ledger import MemoryLedger
from onboard360_async.budget.window import Window
from onboard360_async.errors import BudgetExhaustedError, DeadlineError
from tests.budget.servers import Server
from tests.budget.virtual import VirtualLoop


class CountingWindow(Window):
    """A window that remembers how many were granted, settled and released."""

    __slots__ = ("granted", "most_used", "released", "settled")

    def __init__(self, limit: int, window_ns: int) -> None:
        super().__init__(limit, window_ns)
        self.granted = self.settled = self.released = self.most_used = 0

    def reserve(self, now: int, keep: int = 0) -> int | None:
        wait = super().reserve(now, keep)
        if wait == 0:
            self.granted += 1
            self.most_used = max(self.most_used, self.used(now))
        return wait

    def settle(self, at: int) -> None:
        super().settle(at)
        self.settled += 1

    def release(self) -> None:
        super().release()
        self.released += 1

    def check(self) -> None:
        """Every slot that was granted is settled, released or held, and none twice."""
        assert self.granted == self.settled + self.released + self.held
        assert self.held >= 0


def ledger_of(budget: Budget) -> MemoryLedger:
    """The books of a budget in memory."""
    assert isinstance(budget._ledger, MemoryLedger)
    return budget._ledger


def gate_of(budget: Budget) -> MemoryGate:
    """The running loop's gate of a budget in memory."""
    gate = budget._gate()
    assert isinstance(gate, MemoryGate)
    return gate


def counted(budget: Budget) -> CountingWindow:
    """Put a counting window under a new budget."""
    ledger = ledger_of(budget)
    ledger.window = window = CountingWindow(ledger.window.limit, ledger.window.span_ns)
    return window


@frozen
class Load:
    """What workers do. Times in seconds."""

    trip_s: float = 0.0  # the longest time from sending to answer
    gap_s: float = 0.0  # the longest rest between two requests of a worker
    lost: float = 0.0  # the share that is sent and never answered
    unsent: float = 0.0  # the share that is never sent
    bulk: float = 0.0  # the share that is BULK
    limited: float = 0.0  # the share that waits only for a moment


SHARES: Final = st.sampled_from((0.0, 0.3))
LOADS: Final = st.builds(
    Load,
    trip_s=st.sampled_from((0.0, 1.2, 25.0)),
    gap_s=st.sampled_from((0.0, 10.0)),
    lost=SHARES,
    unsent=SHARES,
    bulk=SHARES,
    limited=SHARES,
)


async def careless(budget: Budget, rng: random.Random) -> None:
    """A request that may be cancelled at any moment."""
    limited = {"max_wait_s": rng.choice((0.3, 2.0))} if rng.random() < 0.3 else {}
    async with budget.slot(priority=rng.choice(list(Priority)), grace_s=0.5, **limited) as slot:
        await asyncio.sleep(rng.choice((0, 0.01)))
        slot.sent()
        await asyncio.sleep(rng.choice((0, 0.2)))
        slot.answered()


@define
class Log:
    """What became of it."""

    refused: int = 0  # 429s, over all servers
    given_up: int = 0
    sent_at: list[float] = Factory(list)
    trips: list[float] = Factory(list)

    def rate(self) -> float:
        """Requests a second after the first."""
        return (len(self.sent_at) - 1) / (self.sent_at[-1] - self.sent_at[0])

    def mean_trip(self) -> float:
        """Seconds."""
        return sum(self.trips) / len(self.trips)


class Workers:
    """Tasks that send until so many requests have been tried."""

    def __init__(self, loop: VirtualLoop, budget: Budget, servers: Iterable[Server], load: Load, seed: int) -> None:
        self.loop, self.budget, self.servers, self.load = loop, budget, list(servers), load
        self.rng = random.Random(seed)
        self.log = Log()
        self.left = 0

    async def run(self, requests: int, *, workers: int) -> Log:
        """Send them all."""
        self.left = requests
        await asyncio.gather(*(self._work() for _ in range(workers)))
        return self.log

    async def _work(self) -> None:
        while self.left > 0:
            self.left -= 1
            try:
                await self.one()
            except (BudgetExhaustedError, DeadlineError):
                self.log.given_up += 1
            if self.load.gap_s:
                await asyncio.sleep(self.rng.uniform(0, self.load.gap_s))

    async def one(self) -> None:
        """One request: granted, sent, counted at some moment of its trip, answered; or not."""
        rng, load = self.rng, self.load
        terms: dict[str, Any] = {"grace_s": load.trip_s}
        if rng.random() < load.bulk:
            terms["priority"] = Priority.BULK
        if rng.random() < load.limited:
            terms[rng.choice(("max_wait_s", "deadline_s"))] = rng.choice((0.0, 0.5, 5.0))
        async with self.budget.slot(**terms) as slot:
            fate, trip_s = rng.random(), rng.uniform(0, load.trip_s)
            if fate < load.unsent:
                await asyncio.sleep(trip_s)
                return
            slot.sent()
            self.log.sent_at.append(self.loop.time())
            self.log.trips.append(trip_s)
            counted_s = rng.uniform(0, trip_s)
            if fate < load.unsent + load.lost:  # the answer is given up early, and the server counts late
                self.loop.call_later(rng.uniform(0, load.trip_s), self._count)
                return
            self.loop.call_later(counted_s, self._count)
            await asyncio.sleep(trip_s)
            slot.answered()

    def _count(self) -> None:
        self.log.refused += sum(not server.admits(self.loop.clock()) for server in self.servers)
