"""What 429s and headers do to the limit: it falls, it comes back, and an unknown second user costs few 429s."""

import asyncio
import random
from collections.abc import Callable

import pytest
from attrs import define
from hypothesis import given, settings
from hypothesis import strategies as st

from onboard360_async.budget import Budget
from onboard360_async.budget.feedback import Feedback, Told
from tests.budget.servers import Fixed, FixedFromFirst, Gcra, Server, SlidingCounter, SlidingLog, TokenBucket
from tests.budget.shelf import Shelf
from tests.budget.virtual import VirtualLoop, run

SECOND = 10**9
MINUTE = 60 * SECOND
SERVERS: dict[str, Callable[[], Server]] = {
    "fixed": lambda: Fixed(100, MINUTE, 7 * SECOND),
    "fixed from first": lambda: FixedFromFirst(100, MINUTE),
    "sliding log": lambda: SlidingLog(100, MINUTE),
    "sliding counter": lambda: SlidingCounter(100, MINUTE, 9 * SECOND),
    "token bucket": lambda: TokenBucket(100, MINUTE),
    "gcra": lambda: Gcra(100, MINUTE),
}


def in_memory(loop: VirtualLoop) -> Budget:
    return Budget(clock=loop.clock)


def in_a_store(loop: VirtualLoop) -> Budget:
    return Shelf(loop.clock, trip_s=0.002).budget()


@define
class Shared:
    """One server, used by us and by somebody whom nobody told us of."""

    server: Server
    rng: random.Random
    ours: int = 0
    theirs: int = 0
    refused: int = 0

    async def work(self, loop: VirtualLoop, budget: Budget, requests: "list[int]") -> None:
        """One of our workers: each request is sent until it is let in."""
        while requests:
            requests.pop()
            while not await self.send(loop, budget):
                pass

    async def send(self, loop: VirtualLoop, budget: Budget) -> bool:
        trip_s = self.rng.uniform(0, 1.2)
        counted_s = self.rng.uniform(0, trip_s)
        async with budget.slot() as slot:
            slot.sent()
            await asyncio.sleep(counted_s)
            is_in = self.server.admits(loop.clock())
            await asyncio.sleep(trip_s - counted_s)
            if is_in:
                slot.answered()
            else:
                slot.refused(None)
        self.ours += is_in
        self.refused += not is_in
        return is_in

    async def somebody(self, loop: VirtualLoop) -> None:
        """Thirty requests a minute, at any moment."""
        while True:
            await asyncio.sleep(self.rng.expovariate(30 / 60))
            self.theirs += self.server.admits(loop.clock())


@pytest.mark.no_cover  # counting lines makes long simulations four times slower; others reach these lines
@pytest.mark.parametrize("make", [in_memory, in_a_store])
@pytest.mark.parametrize("name", SERVERS)
def test_an_unknown_second_user_costs_few_429s(name: str, make: Callable[[VirtualLoop], Budget]) -> None:
    """Thirty a window by somebody else, a thousand by us: at most 20 429s, and 90 of the 100 are used by both."""

    async def main(loop: VirtualLoop) -> None:
        shared, budget = Shared(SERVERS[name](), random.Random(3)), make(loop)
        other, began = asyncio.create_task(shared.somebody(loop)), loop.time()
        requests = list(range(1000))
        await asyncio.gather(*(shared.work(loop, budget, requests) for _ in range(16)))
        other.cancel()
        windows = (loop.time() - began) / 60
        assert shared.refused <= 20
        assert (shared.ours + shared.theirs) / windows >= 90
        assert budget.snapshot().effective_limit < 100

    run(main)


# --- the effective limit ---


@settings(deadline=None, derandomize=True, max_examples=200)
@given(limit=st.integers(1, 6) | st.just(100), data=st.data())
def test_it_stays_between_one_and_the_limit(limit: int, data: st.DataObject) -> None:
    """Whatever is answered and told; a pause lasts at most a window, and is never negative."""
    feedback, now = Feedback(limit, MINUTE), 0
    for _ in range(data.draw(st.integers(1, 40))):
        now += data.draw(st.integers(0, MINUTE))
        kind = data.draw(st.sampled_from(("accepted", "refused", "heard")))
        if kind == "accepted":
            feedback.accepted()
        elif kind == "heard":
            feedback.heard(data.draw(st.integers(0, 1000)))
        else:
            wait_s = data.draw(st.none() | st.floats(0, 1e12))
            used, paused = data.draw(st.integers(0, limit)), data.draw(st.booleans())
            assert 0 <= feedback.refused(now, wait_s, used=used, paused=paused) <= MINUTE
        assert 1 <= feedback.effective <= limit


def test_a_429_cuts_below_what_was_used() -> None:
    """Seventy in the window were too many: 67. Once in a twelfth of a window, however many 429s come together."""
    feedback = Feedback(100, MINUTE)
    for at in (0, 1, 5 * SECOND - 1):
        feedback.refused(at, None, used=70, paused=False)
    assert feedback.level == pytest.approx(67.9)
    feedback.refused(5 * SECOND, None, used=70, paused=False)
    assert feedback.level == pytest.approx(67.9 * 0.97)


def test_the_very_first_429_does_not_cost_everything() -> None:
    """Somebody else used the minute up before we came: we keep half of the limit, and do not crawl for an hour."""
    feedback = Feedback(100, MINUTE)
    feedback.refused(0, None, used=1, paused=False)
    assert feedback.level == pytest.approx(48.5)


def test_success_gives_it_back() -> None:
    """A twentieth of a request each, up to the limit, and then there is nothing to remember."""
    feedback = Feedback(10, MINUTE)
    feedback.refused(0, None, used=10, paused=False)
    assert (feedback.effective, feedback.is_idle) == (9, False)
    for _ in range(10):
        feedback.accepted()
    assert (feedback.effective, feedback.is_idle) == (10, True)


def test_a_header_may_lower_the_limit_and_never_raise_it() -> None:
    """The last one that was told holds; more than was configured is not believed."""
    feedback = Feedback(100, MINUTE)
    for told, effective in ((60, 60), (80, 80), (1000, 100), (0, 1)):
        feedback.heard(told)
        assert feedback.effective == effective


# --- as a budget shows it ---


@pytest.mark.parametrize("make", [in_memory, in_a_store])
async def test_the_state_shows_it(loop: VirtualLoop, make: Callable[[VirtualLoop], Budget]) -> None:
    """A 429 pauses everybody and lowers the effective limit; a header does, too; the limit is what was configured."""
    budget = make(loop)
    async with budget.slot() as slot:
        slot.refused(7.0)
    state = budget.snapshot()
    assert (state.limit, state.effective_limit) == (100, 48)
    assert state.paused_s == pytest.approx(7.0, abs=0.01)
    async with budget.slot() as slot:
        assert slot.waited_s == pytest.approx(7.0, abs=0.02)
        slot.answered(Told(limit=30, wait_s=500.0))
    assert budget.snapshot().effective_limit == 30
    assert budget.snapshot().paused_s == pytest.approx(61.0, abs=0.01)
    await asyncio.sleep(61.1)
    for _ in range(30):
        async with budget.slot() as slot:
            slot.answered(Told(limit=500))
    assert budget.snapshot().effective_limit == 50


async def test_nothing_is_kept_of_a_server_that_says_what_we_know(loop: VirtualLoop) -> None:
    """Headers that name our own limit cost no memory."""
    budget = in_memory(loop)
    async with budget.slot() as slot:
        slot.answered(Told(limit=100))
    assert budget._ledger._feedback is None  # type: ignore[attr-defined]  # the ledger in memory
