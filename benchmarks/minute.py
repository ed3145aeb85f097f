"""One bulk job through one limiter: workers, a person now and then, a slow network, and a server that counts.

In virtual time here; benchmarks/real.py does the same over real sockets. Knows no limiter by name, prints nothing.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable

from attrs import Factory, define, frozen

from benchmarks.clients import Client, Limiter, Retry, Terms
from tests.budget.servers import Server
from tests.budget.virtual import VirtualLoop, run

__all__ = ["LIMIT", "WINDOW_S", "Job", "Outcome", "Work", "play"]

LIMIT, WINDOW_S = 100, 60.0


@frozen
class Job:
    """What is to be done, and over what network."""

    requests: int = 500
    workers: int = 64
    people: bool = True  # in each half of a window somebody asks once, from the second on, while the bulk job runs
    window_s: float = WINDOW_S
    jitter_s: float = 0.6  # each way takes up to as long
    stall_s: tuple[float, float] | None = None  # from the beginning; what is under way then arrives at the end of it


@define
class Outcome:
    """What became of it. Times are the loop's, in seconds."""

    began: float = 0.0
    ended: float = 0.0  # the last answer of the bulk job
    refused: int = 0  # 429s
    lost: int = 0  # requests that were given up
    arrived: list[float] = Factory(list)  # at the server, also what it refused
    admitted: list[float] = Factory(list)
    waits: list[float] = Factory(list)  # a person's, from asking to sending what was then admitted

    def finish(self, job: Job) -> float:
        """The time taken, in the least there is: a hundred at once, and a hundred after each window."""
        return (self.ended - self.began) / ((job.requests / LIMIT - 1) * job.window_s)

    def used(self, window_s: float = WINDOW_S) -> float | None:
        """The share of the limit that was admitted in the whole windows after the first; None if there was none."""
        first, last = self.admitted[0], self.admitted[-1]
        whole = int((last - first) / window_s) - 1
        if whole < 1:
            return None
        counted = sum(1 <= (at - first) / window_s < 1 + whole for at in self.admitted)
        return counted / (whole * LIMIT)


class Work:
    """The job under way. `exchange` sends one request, and says whether the server admitted it."""

    def __init__(
        self, limiter: Limiter, retry: Retry, job: Job, seed: int, exchange: Callable[[], Awaitable[bool]]
    ) -> None:
        self.limiter, self.retry, self.job, self.exchange = limiter, retry, job, exchange
        self.dice = random.Random(seed)
        self.now = asyncio.get_running_loop().time
        self.left = job.requests
        self.outcome = Outcome(began=self.now())

    async def run(self) -> Outcome:
        """Do it all."""
        people = asyncio.create_task(self._people()) if self.job.people else None
        await asyncio.gather(*(self._work() for _ in range(self.job.workers)))
        self.outcome.ended = self.now()
        if people:
            await people
        return self.outcome

    async def _work(self) -> None:
        while self.left > 0:
            self.left -= 1
            await self._call(person=False)

    async def _people(self) -> None:
        """They do not wait for each other."""
        every_s = self.job.window_s / 2
        async with asyncio.TaskGroup() as asking:
            await asyncio.sleep(2 * every_s)
            while True:
                before_s = self.dice.uniform(0, every_s)
                await asyncio.sleep(before_s)
                if self.left <= 0:
                    return
                asking.create_task(self._person())
                await asyncio.sleep(every_s - before_s)

    async def _person(self) -> None:
        wait_s = await self._call(person=True)
        if wait_s is not None:
            self.outcome.waits.append(wait_s)

    async def _call(self, *, person: bool) -> float | None:
        """One request with its tries: the time from asking to sending what was admitted, None if it was given up."""
        asked_at = self.now()
        for again in range(self.retry.tries):
            if again:
                await asyncio.sleep(self.retry.pause_s(again, self.dice))
            async with self.limiter.slot(person=person) as ticket:
                ticket.sent()
                sent_at = self.now()
                if await self.exchange():
                    ticket.answered()
                    return sent_at - asked_at
                ticket.refused(None)
                self.outcome.refused += 1
        self.outcome.lost += 1
        return None


class _Network:
    """A server in virtual time, and the way to it and back."""

    def __init__(self, loop: VirtualLoop, server: Server, job: Job, seed: int) -> None:
        self.loop, self.server, self.jitter_s = loop, server, job.jitter_s
        self.stall = tuple(loop.time() + each_s for each_s in job.stall_s) if job.stall_s else (0.0, 0.0)
        self.dice = random.Random(f"network {seed}")
        self.arrived: list[float] = []
        self.admitted: list[float] = []

    async def exchange(self) -> bool:
        """There, be counted, and back."""
        await self._travel()
        at, admitted = self.loop.time(), self.server.admits(self.loop.clock())
        self.arrived.append(at)
        if admitted:
            self.admitted.append(at)
        await self._travel()
        return admitted

    async def _travel(self) -> None:
        trip_s = self.dice.uniform(0, self.jitter_s)
        begins, ends = self.stall
        if begins <= self.loop.time() + trip_s < ends:
            trip_s = ends - self.loop.time() + self.dice.uniform(0, self.jitter_s)
        await asyncio.sleep(trip_s)


def play(client: Client, server: Server, job: Job, *, seed: int) -> Outcome:
    """One job of one client against one server, in virtual time."""

    async def main(loop: VirtualLoop) -> Outcome:
        network = _Network(loop, server, job, seed)
        with client.open(Terms(LIMIT, job.window_s, loop)) as limiter:
            outcome = await Work(limiter, client.retry, job, seed, network.exchange).run()
        outcome.arrived, outcome.admitted = network.arrived, network.admitted
        return outcome

    return run(main)
