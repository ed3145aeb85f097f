"""A whole budget under traffic, in virtual time: no 429, no slot lost, and nearly all of the rate."""

import asyncio
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onboard360_async.budget import Budget, Priority
from onboard360_async.errors import BudgetExhaustedError
from tests.budget.servers import SlidingLog, servers_of
from tests.budget.traffic import LOADS, CountingWindow, Load, Workers, careless, counted, gate_of, ledger_of
from tests.budget.virtual import VirtualLoop, run

FEW = settings(deadline=None, derandomize=True, max_examples=60)
SEEDS = st.integers(0, 2**32)


@FEW
@given(
    limit=st.integers(1, 6) | st.just(100),
    burst=st.sampled_from((1, 5, 20, 100)),
    keep=st.integers(0, 3),
    load=LOADS,
    seed=SEEDS,
)
def test_no_server_refuses_and_no_slot_is_lost(limit: int, burst: int, keep: int, load: Load, seed: int) -> None:
    """Whatever the traffic: not one 429, never more than the limit, and each grant settled, released or held."""

    async def main(loop: VirtualLoop) -> None:
        budget = Budget(limit, burst=burst, keep_for_interactive=min(keep, limit - 1), margin_s=0, clock=loop.clock)
        window = counted(budget)
        rng = random.Random(seed)
        servers = servers_of(limit, 60 * 10**9, tuple(rng.randrange(60 * 10**9) for _ in range(3)))
        log = await Workers(loop, budget, servers, load, seed).run(2 * limit + 20, workers=10)
        await asyncio.sleep(load.trip_s)
        window.check()
        assert (log.refused, budget.snapshot().in_flight, budget.snapshot().waiting) == (0, 0, 0)
        assert window.most_used <= limit

    run(main)


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5, 6, 20, 100])
@pytest.mark.parametrize("trip_s", [0.0, 1.2, 3.0])
def test_the_rate_under_load(limit: int, trip_s: float) -> None:
    """64 workers get 98 % of (limit - 1) / (W + mean round trip), through token bucket, lanes and timers and all."""

    async def main(loop: VirtualLoop) -> None:
        budget = Budget(limit, clock=loop.clock)
        log = await Workers(loop, budget, [], Load(trip_s=trip_s, bulk=0.5), 3).run(max(100, 8 * limit), workers=64)
        assert log.rate() >= 0.98 * max(limit - 1, 0.5) / (61 + log.mean_trip())

    run(main)


def test_releasing_what_was_sent_but_not_answered_would_be_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lease is what holds: without it the same traffic meets many 429s, with it none."""

    async def main(loop: VirtualLoop, *, leased: bool) -> int:
        budget = Budget(clock=loop.clock)
        if not leased:
            monkeypatch.setattr(type(ledger_of(budget)), "lease", lambda ledger, _grace_s: ledger.release())
        load = Load(trip_s=20.0, lost=0.3)
        log = await Workers(loop, budget, [SlidingLog(100, 60 * 10**9)], load, 3).run(600, workers=64)
        await asyncio.sleep(60)
        return log.refused

    assert run(main, leased=True) == 0
    assert run(main, leased=False) > 20


@pytest.mark.parametrize(("keep", "from_s"), [(0, 61.0), (5, 0.0)])
def test_a_person_hardly_waits_in_the_middle_of_a_bulk_job(keep: int, from_s: float) -> None:
    """While 64 workers use up the minute, an INTERACTIVE request waits at most three hundredths of a window.

    The exception is the end of the very first window, where a burst and the even pace after it have used up the
    minute a fifth of a window early; `keep_for_interactive` closes that gap too.
    """

    async def main(loop: VirtualLoop) -> list[float]:
        budget = Budget(keep_for_interactive=keep, clock=loop.clock)
        workers = Workers(loop, budget, [], Load(trip_s=1.2, bulk=1.0), 3)
        bulk = asyncio.create_task(workers.run(700, workers=64))
        waits = []
        await asyncio.sleep(from_s)
        while loop.time() < 1000 + 360:
            async with budget.slot() as slot:
                slot.sent()
                await asyncio.sleep(0.3)
                slot.answered()
            waits.append(slot.waited_s)
            await asyncio.sleep(7 * workers.rng.random())
        assert workers.left > 0
        await bulk
        return waits

    waits = run(main)
    assert len(waits) > 60
    assert max(waits) <= 0.03 * 60


@FEW
@given(limit=st.integers(1, 4), seed=SEEDS)
def test_cancelling_anywhere_conserves_slots(limit: int, seed: int) -> None:
    """Tasks cancelled at any moment, in the pass of their grant too, lose no slot and hold up nobody."""

    async def main(loop: VirtualLoop) -> None:
        rng = random.Random(seed)
        budget = Budget(limit, burst=2, window_s=1.0, clock=loop.clock)
        window = counted(budget)

        tasks = []
        for _ in range(30):
            tasks.append(asyncio.create_task(careless(budget, rng)))
            for _ in range(rng.randrange(3)):
                await asyncio.sleep(rng.choice((0, 0, 0.005, 0.3)))
            if rng.random() < 0.6:
                rng.choice(tasks).cancel()
            if rng.random() < 0.1:
                _cancel_many(budget, tasks)
            window.check()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(error is None or isinstance(error, (asyncio.CancelledError, BudgetExhaustedError)) for error in done)
        await _is_idle(loop, budget, window)

    run(main)


def _cancel_many(budget: Budget, tasks: list["asyncio.Task[None]"]) -> None:
    """Wake the pump, so that it looks for the next in the very pass in which many are cancelled."""
    gate_of(budget)._ring()
    for task in tasks[::2]:
        task.cancel()


async def _is_idle(loop: VirtualLoop, budget: Budget, window: CountingWindow) -> None:
    """All slots come back, and neither a task nor a timer is left."""
    await asyncio.sleep(4)
    window.check()
    state = budget.snapshot()
    assert (state.in_flight, state.used, state.waiting, state.available) == (0, 0, 0, state.limit)
    assert len(asyncio.all_tasks()) == 1
    assert not [timer for timer in loop._scheduled if not timer.cancelled()]  # type: ignore[attr-defined]  # private


@FEW
@given(order=st.lists(st.sampled_from(list(Priority)), min_size=1, max_size=30), keep=st.integers(0, 2))
def test_lanes(order: list[Priority], keep: int) -> None:
    """INTERACTIVE overtakes all but what is granted; within a lane the first that came is the first that goes."""

    async def main(loop: VirtualLoop) -> list[int]:
        budget = Budget(3, window_s=1.0, keep_for_interactive=keep, clock=loop.clock)
        budget.pause(1.0)
        granted: list[int] = []

        async def request(number: int, priority: Priority) -> None:
            async with budget.slot(priority=priority) as slot:
                granted.append(number)
                slot.answered()

        await asyncio.gather(*(request(number, priority) for number, priority in enumerate(order)))
        return granted

    assert run(main) == sorted(range(len(order)), key=lambda number: (order[number], number))


@FEW
@given(seed=SEEDS, pauses=st.lists(st.tuples(st.floats(0, 3), st.floats(0, 3)), max_size=8))
def test_nobody_goes_during_a_pause(seed: int, pauses: list[tuple[float, float]]) -> None:
    """However pauses overlap, nothing is granted before the end of the longest."""

    async def main(loop: VirtualLoop) -> None:
        budget = Budget(5, window_s=1.0, clock=loop.clock)
        end_s = 0.0
        workers = Workers(loop, budget, [], Load(trip_s=0.1, bulk=0.5, gap_s=0.2), seed)
        traffic = asyncio.create_task(workers.run(40, workers=4))
        for after_s, pause_s in pauses:
            await asyncio.sleep(after_s)
            budget.pause(pause_s)
            end_s = max(end_s, loop.time() + pause_s)
            sent = len(workers.log.sent_at)
            assert budget.snapshot().paused_s == pytest.approx(end_s - loop.time(), abs=1e-6)
            await asyncio.sleep(max(0.0, end_s - loop.time() - 0.001))
            assert len(workers.log.sent_at) == sent
        await traffic

    run(main)


def test_giving_up_spends_nothing() -> None:
    """Requests that may not wait long enough are refused, and the others get all there is."""

    async def main(loop: VirtualLoop) -> None:
        budget = Budget(10, window_s=1.0, clock=loop.clock)
        window = counted(budget)
        load = Load(trip_s=0.3, limited=0.9)
        log = await Workers(loop, budget, [], load, 4).run(400, workers=60)
        window.check()
        assert log.given_up > 20
        assert window.granted == 400 - log.given_up

    run(main)
