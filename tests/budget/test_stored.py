"""Budgets of several processes on one store, in virtual time: no 429, all of the rate, whoever is killed."""

import asyncio
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.budget.company import is_idle, servers
from tests.budget.shelf import Shelf, ShelfStore
from tests.budget.traffic import LOADS, Load, Workers
from tests.budget.virtual import VirtualLoop, run

pytestmark = pytest.mark.no_cover  # counting lines makes simulations four times slower; others reach these lines

FEW = settings(deadline=None, derandomize=True, max_examples=25)
SEEDS = st.integers(0, 2**32)
LIMITS = st.integers(1, 6) | st.just(100)


# --- the promise ---


@FEW
@given(
    limit=LIMITS,
    processes=st.integers(1, 3),
    keep=st.integers(0, 3),
    load=LOADS,
    trip_s=st.sampled_from((0.0, 0.002, 0.1)),
    lost_answers=st.sampled_from((0.0, 0.1)),
    seed=SEEDS,
)
def test_no_server_refuses_and_no_slot_is_lost(
    limit: int, processes: int, keep: int, load: Load, trip_s: float, lost_answers: float, seed: int
) -> None:
    """Whatever the traffic, and whichever answers of the store are lost: not one 429; at the end nothing is held."""

    async def main(loop: VirtualLoop) -> None:
        shelf = Shelf(loop.clock, trip_s, lost_answers=lost_answers, rng=random.Random(seed))
        shared = servers(limit, seed)
        several = [
            Workers(
                loop, shelf.budget(limit=limit, margin_s=0, keep_for_interactive=min(keep, limit - 1)), shared, load, n
            )
            for n in range(processes)
        ]
        logs = await asyncio.gather(*(each.run((2 * limit + 12) // processes, workers=5) for each in several))
        assert sum(log.refused for log in logs) == 0
        await asyncio.sleep(load.trip_s + 10)
        looking = shelf.budget(limit=limit, margin_s=0)
        state = await looking.refresh()
        assert (state.in_flight, state.waiting) == (0, 0)
        assert is_idle(loop)

    run(main)


@pytest.mark.parametrize(("processes", "workers", "most_trips"), [(1, 64, 2.2), (4, 16, 2.2), (12, 4, 4.5)])
def test_the_rate_and_its_cost(processes: int, workers: int, most_trips: float) -> None:
    """Together they get 98 % of the rule's rate, each the same share, with few trips to the store for a request."""

    async def main(loop: VirtualLoop) -> None:
        shelf = Shelf(loop.clock, trip_s=0.002)
        several = [Workers(loop, shelf.budget(), [], Load(trip_s=1.2), seed) for seed in range(processes)]
        logs = await asyncio.gather(*(each.run(1200 // processes, workers=workers) for each in several))
        sent_at = sorted(at for log in logs for at in log.sent_at)
        rate = (len(sent_at) - 1) / (sent_at[-1] - sent_at[0])
        assert rate >= 0.98 * 99 / (61 + sum(log.mean_trip() for log in logs) / processes)
        assert shelf.trips / len(sent_at) <= most_trips

    run(main)


def test_a_person_hardly_waits_while_other_processes_do_bulk_work() -> None:
    """Lanes are per loop, but whoever has an INTERACTIVE request goes before those that have none."""

    async def main(loop: VirtualLoop) -> list[float]:
        shelf = Shelf(loop.clock, trip_s=0.002)
        several = [Workers(loop, shelf.budget(), [], Load(trip_s=1.2, bulk=1.0), seed) for seed in range(3)]
        bulk = [asyncio.create_task(each.run(400, workers=20)) for each in several]
        budget, waits = shelf.budget(), []
        await asyncio.sleep(61)
        while loop.time() < 1000 + 360:
            async with budget.slot() as slot:
                slot.sent()
                await asyncio.sleep(0.3)
                slot.answered()
            waits.append(slot.waited_s)
            await asyncio.sleep(5)
        assert all(each.left > 0 for each in several)
        await asyncio.gather(*bulk)
        return waits

    waits = run(main)
    assert len(waits) > 40
    assert max(waits) <= 0.05 * 60


# --- a process that is killed ---


class Mortal(ShelfStore):
    """The way to the shelf of a process that is killed: from one trip on nothing of it arrives any more."""

    def __init__(self, shelf: Shelf, trips: int) -> None:
        super().__init__(shelf)
        self.left = trips
        self.killed = asyncio.Event()

    async def _travel(self, *, back: bool = False) -> None:
        self.left -= 1
        if self.left < 0:
            self.killed.set()
            await asyncio.get_running_loop().create_future()
        await super()._travel(back=back)


@FEW
@given(limit=LIMITS, trips=st.integers(0, 30), load=LOADS, seed=SEEDS)
def test_a_process_that_is_killed_at_any_point(limit: int, trips: int, load: Load, seed: int) -> None:
    """Before, between and after its loads and swaps: no 429 for the others, and its leases come back by themselves."""

    async def main(loop: VirtualLoop) -> None:
        shelf, shared = Shelf(loop.clock, trip_s=0.002), servers(limit, seed)
        doomed = Workers(loop, shelf.budget(limit=limit, margin_s=0), shared, load, seed)
        store = Mortal(shelf, trips)
        doomed.budget._ledger._make = lambda _name: store  # type: ignore[attr-defined]  # the ledger of a store
        life = asyncio.create_task(doomed.run(3 * limit + 20, workers=4))
        other = Workers(loop, shelf.budget(limit=limit, margin_s=0), shared, load, seed + 1)
        living = asyncio.create_task(other.run(2 * limit + 10, workers=4))
        killed = asyncio.create_task(store.killed.wait())
        await asyncio.wait((life, killed), return_when=asyncio.FIRST_COMPLETED)
        life.cancel()  # what it still wants to tell does not arrive
        await living
        killed.cancel()
        assert doomed.log.refused + other.log.refused == 0
        await asyncio.sleep(2 * (load.trip_s + 5) + 1)
        assert (await shelf.budget(limit=limit, margin_s=0).refresh()).in_flight == 0

    run(main)
