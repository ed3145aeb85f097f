"""Budgets of several processes on one store, in virtual time: no 429, whatever becomes of the store or of a process."""

import asyncio
import json
import os
import random
import socket
from collections.abc import Sequence
from typing import Any, TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onboard360_async.budget import Budget, Priority, shared
from onboard360_async.budget.ledger import SlotOverError
from onboard360_async.budget.slot import Slot
from onboard360_async.budget.stored_gate import StoredGate
from onboard360_async.errors import BudgetExhaustedError, BudgetStoreError, ConfigurationError, DeadlineError
from tests.budget.servers import Server, SlidingLog, servers_of
from tests.budget.shelf import Shelf, ShelfStore
from tests.budget.test_feedback import Shared
from tests.budget.traffic import Load, Log, Workers
from tests.budget.virtual import VirtualLoop, run

SECOND = 10**9
MINUTE = 60 * SECOND
FEW = settings(deadline=None, derandomize=True, max_examples=25)
SHARES = st.sampled_from((0.0, 0.3))
SEEDS = st.integers(0, 2**32)
LIMITS = st.integers(1, 6) | st.just(100)
TRAFFIC = st.builds(
    Load,
    trip_s=st.sampled_from((0.0, 1.2, 25.0)),
    gap_s=st.sampled_from((0.0, 10.0)),
    lost=SHARES,
    unsent=SHARES,
    bulk=SHARES,
    limited=SHARES,
)


def servers(limit: int, seed: int) -> Sequence[Server]:
    rng = random.Random(seed)
    return servers_of(limit, MINUTE, tuple(rng.randrange(MINUTE) for _ in range(3)))


def gate_of(budget: Budget) -> StoredGate:
    gate = budget._gate()
    assert isinstance(gate, StoredGate)
    return gate


def is_idle(loop: VirtualLoop) -> bool:
    """No task but the test, and no timer."""
    timers = [timer for timer in loop._scheduled if not timer.cancelled()]  # type: ignore[attr-defined]  # private
    return len(asyncio.all_tasks()) == 1 and not timers


@pytest.fixture
def shelf(loop: VirtualLoop) -> Shelf:
    """An empty store with a millisecond to it and back."""
    return Shelf(loop.clock, trip_s=0.001)


# --- the promise ---


@FEW
@given(
    limit=LIMITS,
    processes=st.integers(1, 3),
    keep=st.integers(0, 3),
    load=TRAFFIC,
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
@given(limit=LIMITS, trips=st.integers(0, 30), load=TRAFFIC, seed=SEEDS)
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


# --- a store that loses, that goes back, that is frozen or down ---


Work: TypeAlias = "asyncio.Future[list[Log]]"


async def send(budget: Budget, **terms: Any) -> Slot:
    """A request that is answered at once."""
    async with budget.slot(**terms) as slot:
        slot.sent()
        slot.answered()
    return slot


async def busy(loop: VirtualLoop, shelf: Shelf, processes: int = 3) -> tuple[list[Workers], Work]:
    """Processes that use the minute up, a while after they began."""
    shared = servers(100, 3)
    several = [Workers(loop, shelf.budget(), shared, Load(trip_s=1.2), seed) for seed in range(processes)]
    work = asyncio.gather(*(each.run(600 // processes, workers=16) for each in several))
    await asyncio.sleep(80)
    return several, work


def refused(several: Sequence[Workers]) -> int:
    return sum(each.log.refused for each in several)


@pytest.mark.parametrize("times", [1, 5])
async def test_a_store_that_loses_everything_is_given_it_back(loop: VirtualLoop, shelf: Shelf, times: int) -> None:
    """FLUSHALL, or a Redis that comes back empty: those who live remember, and nothing is refused."""
    several, work = await busy(loop, shelf)
    for _ in range(times):
        shelf.blob = None
        await asyncio.sleep(7)
    await work
    assert refused(several) == 0


async def test_a_store_that_goes_back_to_an_older_state_is_given_the_rest(loop: VirtualLoop, shelf: Shelf) -> None:
    """A Redis that was restored from a file of five seconds ago: what came since is put back."""
    several, work = await busy(loop, shelf)
    for _ in range(5):
        older = shelf.blob
        await asyncio.sleep(5)
        shelf.blob = older
    await work
    assert refused(several) == 0


@pytest.mark.parametrize("jump_s", [-3600.0, -0.5, 0.5, 3600.0])
async def test_a_store_that_comes_back_empty_with_another_clock(loop: VirtualLoop, shelf: Shelf, jump_s: float) -> None:
    """A Redis on another machine: what those who live remember is moved to its clock."""
    several, work = await busy(loop, shelf)
    shelf.blob, shelf.ahead_ns = None, shelf.ahead_ns + int(jump_s * SECOND)
    await work
    assert refused(several) == 0
    assert loop.time() < 1000 + 600 / 99 * 61 * 1.35


@pytest.mark.parametrize("back_s", [0.5, 30.0, 86400.0])
async def test_a_clock_that_is_set_back_costs_time_and_no_429(loop: VirtualLoop, shelf: Shelf, back_s: float) -> None:
    """The past becomes younger by that, never older: no 429, and at most about one window more to wait."""
    several, work = await busy(loop, shelf)
    shelf.ahead_ns -= int(back_s * SECOND)
    await work
    assert refused(several) == 0
    assert loop.time() < 1000 + (600 / 99 + 1.2) * 61


async def test_what_cannot_be_read_is_a_full_window_and_one_warning(
    loop: VirtualLoop, shelf: Shelf, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody knows what was sent, so a window is waited out; then it goes on as ever."""
    shelf.blob = b"something else"
    budget = shelf.budget()
    state = await budget.refresh()
    assert (state.used, state.available) == (100, 0)
    for _ in range(2):
        async with budget.slot() as slot:
            slot.answered()
    assert loop.time() - 1000 == pytest.approx(61, abs=1.5)
    assert [record.message for record in caplog.records] == [
        "the budget in the store cannot be read; the whole window is taken for used up"
    ]


async def test_a_store_that_is_frozen_for_two_seconds_costs_two_seconds(loop: VirtualLoop) -> None:
    """No error and no 429; whoever waits, waits so much longer."""
    took = []
    for frozen_s in (0.0, 2.0):
        began, other = loop.time(), Shelf(loop.clock, trip_s=0.001)
        several, work = await busy(loop, other)
        other.frozen = asyncio.Event()
        await asyncio.sleep(frozen_s)
        other.frozen.set()
        await work
        assert refused(several) == 0
        took.append(loop.time() - began)
    assert took[1] - took[0] <= 2.5


async def test_without_the_store_nothing_is_sent(loop: VirtualLoop, shelf: Shelf) -> None:
    """Everybody who waits has an error of their own after five seconds; when the store is back, all is well."""
    budget = shelf.budget()
    shelf.is_down = True
    requests = [asyncio.create_task(budget.slot().__aenter__()) for _ in range(3)]
    found = await asyncio.gather(*requests, return_exceptions=True)
    assert [type(error) for error in found] == [BudgetStoreError] * 3
    assert len({id(error) for error in found}) == 3
    assert "the shelf is down" in str(found[0])
    assert "nothing was sent" in str(found[0])
    assert loop.time() == pytest.approx(1005, abs=0.01)
    assert is_idle(loop)
    with pytest.raises(BudgetStoreError):
        await budget.refresh()
    shelf.is_down = False
    async with budget.slot() as slot:
        slot.answered()
    assert budget.snapshot().used == 1


@pytest.mark.parametrize("knows", [True, False])
async def test_going_on_without_the_store(
    loop: VirtualLoop, shelf: Shelf, knows: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Two processes, each with half of the limit and without a burst; what they did is told when the store is back."""
    shared = servers(100, 3)
    several = [
        Workers(loop, shelf.budget(share=0.5, on_store_error="local"), shared, Load(trip_s=1.2), seed)
        for seed in range(2)
    ]
    shelf.is_down = not knows
    work = asyncio.gather(*(each.run(400, workers=16) for each in several))
    await asyncio.sleep(30)
    shelf.is_down = True
    await asyncio.sleep(200)
    before = sum(len(each.log.sent_at) for each in several)
    await asyncio.sleep(61)
    sent = sum(len(each.log.sent_at) for each in several) - before
    assert 80 <= sent <= 100
    shelf.is_down = False
    await work
    assert refused(several) == 0
    await asyncio.sleep(10)
    assert (await shelf.budget().refresh()).in_flight == 0
    assert {record.message.partition(" (")[0] for record in caplog.records} == {
        "the budget's store cannot be used",
        "the budget's store can be used again",
    }


async def test_nobody_remembers(loop: VirtualLoop, shelf: Shelf) -> None:
    """The store lost it and all who used it are gone, too: a few 429s at once, which pause everybody, and no storm."""
    users = Shared(SlidingLog(100, MINUTE), random.Random(3))
    await asyncio.gather(*(users.work(loop, shelf.budget(), [0] * 100) for _ in range(1)))
    shelf.blob = None
    budget, requests, began = shelf.budget(), [0] * 200, loop.time()
    await asyncio.gather(*(users.work(loop, budget, requests) for _ in range(16)))
    assert 0 < users.refused <= 40
    assert loop.time() - began < 61 * 4


async def test_a_lost_answer_of_a_swap_holds_nothing_up(loop: VirtualLoop, shelf: Shelf) -> None:
    """It was carried out, and is made again with the same tickets: granted once, settled once."""
    shelf.lost_answers = 0.5
    budget = shelf.budget()
    for _ in range(20):
        async with budget.slot() as slot:
            slot.sent()
            slot.answered()
    shelf.lost_answers = 0
    await asyncio.sleep(1)
    state = await shelf.budget().refresh()
    assert (state.used, state.in_flight) == (20, 0)


# --- in time, or not at all ---


async def test_fail_fast_asks_the_store(loop: VirtualLoop, shelf: Shelf) -> None:
    """What another process took a moment ago counts: refused at once, with the wait, and nothing spent."""
    one, other = (shelf.budget(limit=3, margin_s=0) for _ in range(2))
    await one.refresh()
    for _ in range(3):
        async with other.slot(max_wait_s=0, deadline_s=0.5) as slot:
            slot.answered()
    before = loop.time()
    with pytest.raises(BudgetExhaustedError) as caught:
        await one.slot(max_wait_s=0).__aenter__()
    assert caught.value.retry_after_s == pytest.approx(80, abs=0.5)
    with pytest.raises(DeadlineError):
        await one.slot(deadline_s=79).__aenter__()
    assert loop.time() - before < 0.02
    assert one.snapshot().used == 3


async def test_whoever_can_wait_long_enough_waits(loop: VirtualLoop, shelf: Shelf) -> None:
    """And whoever was promised a slot in time that another process took is refused at the end of the wait."""
    one, other = (shelf.budget(limit=2, margin_s=0) for _ in range(2))
    for _ in range(2):
        async with one.slot() as slot:
            slot.answered()
    in_time = asyncio.create_task(one.slot(max_wait_s=91).__aenter__())
    await asyncio.sleep(0.1)
    too_late = asyncio.create_task(other.slot(max_wait_s=91).__aenter__())
    assert (await in_time).waited_s == pytest.approx(90, abs=0.5)
    with pytest.raises(BudgetExhaustedError):
        await too_late


@pytest.mark.parametrize(
    ("terms", "kind"), [({"max_wait_s": 0}, BudgetExhaustedError), ({"deadline_s": 0.5}, DeadlineError)]
)
async def test_a_frozen_store_does_not_hold_up_who_cannot_wait(
    loop: VirtualLoop, shelf: Shelf, terms: dict[str, Any], kind: type[Exception]
) -> None:
    """A deadline holds to the moment, fail-fast within a second; what may have been granted is given back."""
    budget = shelf.budget()
    shelf.frozen = asyncio.Event()
    with pytest.raises(kind):
        await budget.slot(**terms).__aenter__()
    assert loop.time() - 1000 == pytest.approx(terms.get("deadline_s", 1.0), abs=0.01)
    shelf.frozen.set()
    await asyncio.sleep(0.1)
    assert (await shelf.budget().refresh()).in_flight == 0
    assert is_idle(loop)


async def test_a_swap_that_is_cancelled_is_undone(loop: VirtualLoop, shelf: Shelf) -> None:
    """The store granted, and nobody was there to hear it: it is told so."""
    budget, cancelled = shelf.budget(burst=50), 0
    for number in range(40):
        request = asyncio.create_task(send(budget, max_wait_s=0))
        await asyncio.sleep(number * 0.0001)
        cancelled += request.cancel()
        await asyncio.wait((request,))
    await asyncio.sleep(1)
    state = await shelf.budget().refresh()
    assert (state.in_flight, state.used) == (0, 40 - cancelled)
    assert 10 < cancelled < 40


@FEW
@given(limit=st.integers(1, 4), seed=SEEDS)
def test_cancelling_anywhere_conserves_slots(limit: int, seed: int) -> None:
    """Tasks cancelled at any moment, in the middle of a trip to the store too, lose no slot and hold up nobody."""

    async def main(loop: VirtualLoop) -> None:
        rng = random.Random(seed)
        shelf = Shelf(loop.clock, trip_s=0.005, rng=rng)
        budget = shelf.budget(limit=limit, burst=2, window_s=1.0)

        async def request() -> None:
            limited = {"max_wait_s": rng.choice((0.3, 2.0))} if rng.random() < 0.3 else {}
            async with budget.slot(priority=rng.choice(list(Priority)), grace_s=0.5, **limited) as slot:
                await asyncio.sleep(rng.choice((0, 0.01)))
                slot.sent()
                await asyncio.sleep(rng.choice((0, 0.2)))
                slot.answered()

        tasks = []
        for _ in range(30):
            tasks.append(asyncio.create_task(request()))
            await asyncio.sleep(rng.choice((0, 0, 0.002, 0.005, 0.3)))
            if rng.random() < 0.6:
                rng.choice(tasks).cancel()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(error is None or isinstance(error, (asyncio.CancelledError, BudgetExhaustedError)) for error in done)
        await asyncio.sleep(4)
        state = await shelf.budget(limit=limit, window_s=1.0).refresh()
        assert (state.in_flight, state.used, budget.snapshot().waiting) == (0, 0, 0)
        assert is_idle(loop)

    run(main)


async def test_a_slot_that_was_held_up_for_too_long_is_not_sent(loop: VirtualLoop, shelf: Shelf) -> None:
    """A process that was stopped for a minute between its grant and its first byte: its lease is over."""
    budget = shelf.budget()
    async with budget.slot(grace_s=30) as slot:
        loop.skip(36)
        with pytest.raises(SlotOverError):
            slot.sent()
    async with budget.slot(grace_s=30) as slot:
        loop.skip(20)
        slot.sent()  # still ours, and ours for the whole attempt from now on
        await asyncio.sleep(29)
        assert (await shelf.budget().refresh()).in_flight == 1
        slot.answered()


# --- what is told, when and how ---


async def test_a_429_in_one_process_pauses_all(loop: VirtualLoop, shelf: Shelf) -> None:
    """And the limit that it leaves holds for all, too."""
    one, other = shelf.budget(), shelf.budget()
    async with one.slot() as slot:
        slot.refused(10.0)
    await asyncio.sleep(0.1)
    async with other.slot() as slot:
        assert slot.waited_s == pytest.approx(10, abs=0.2)
    assert other.snapshot().effective_limit == one.snapshot().effective_limit == 48


async def test_a_pause_by_hand_is_told_at_once(loop: VirtualLoop, shelf: Shelf) -> None:
    """From any thread, to all processes; the process that paused knows it without asking."""
    one, other = shelf.budget(), shelf.budget()
    await one.refresh()
    one.pause(20)
    assert one.snapshot().paused_s == pytest.approx(20, abs=0.01)
    await asyncio.sleep(0.1)
    assert (await other.refresh()).paused_s == pytest.approx(20, abs=0.2)
    assert is_idle(loop)


async def test_who_holds_is_told(loop: VirtualLoop, shelf: Shelf) -> None:
    """By host and process, and only as long as something is held."""
    one, other = shelf.budget(), shelf.budget()
    async with one.slot(), one.slot() as slot:
        slot.sent()
        held = (await other.refresh()).held_by
        assert held == {f"{socket.gethostname()}:{os.getpid()}": 2}
        slot.answered()
    await asyncio.sleep(1)
    assert (await other.refresh()).held_by == {}


async def test_news_travel_together(loop: VirtualLoop, shelf: Shelf) -> None:
    """Ten answers within a quarter of a second cost one trip to tell."""
    budget = shelf.budget()
    slots = [budget.slot() for _ in range(10)]
    await asyncio.gather(*(slot.__aenter__() for slot in slots))
    swaps = shelf.swaps
    for slot in slots:
        slot.sent()
        slot.answered()
        await asyncio.sleep(0.02)
    assert shelf.swaps == swaps
    await asyncio.sleep(0.3)
    assert shelf.swaps == swaps + 1
    assert is_idle(loop)


def test_the_end_of_a_loop_tells_the_news() -> None:
    """A program that runs once and ends: what it used is in the store, and its connection is closed."""
    blobs: list[bytes | None] = []
    stores: list[Any] = []

    async def main(loop: VirtualLoop, blob: bytes | None) -> Shelf:
        shelf = Shelf(loop.clock, trip_s=0.001, blob=blob)
        budget = shelf.budget()
        async with budget.slot() as slot:
            slot.sent()
            slot.answered()
        stores.append(gate_of(budget)._store)
        return shelf

    for number in range(3):
        shelf = run(main, blobs[-1] if blobs else None)
        blobs.append(shelf.blob)
        assert shelf.blob is not None
        page = json.loads(shelf.blob)
        assert (len(page["gaps_ns"]), page["leases_ns"]) == (number + 1, {})
    assert all(store.is_closed for store in stores)


def test_the_end_of_a_loop_is_not_held_up_by_a_store_that_is_down() -> None:
    """A second at most; the lease comes back by itself."""

    async def main(loop: VirtualLoop) -> VirtualLoop:
        shelf = Shelf(loop.clock, trip_s=0.001)
        async with shelf.budget().slot() as slot:
            slot.sent()
            slot.answered()
        shelf.frozen = asyncio.Event()
        return loop

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, VirtualLoop)
        runner.run(main(loop))
        ended_at = loop.time()
    assert ended_at <= 1000.1
    assert loop._turning.now_ns / SECOND - ended_at < 1.1


async def test_a_budget_needs_a_name(loop: VirtualLoop) -> None:
    """Two processes find the same books by it: the scope, or the first key that uses the budget."""
    budget = Budget(store="redis://127.0.0.1:1", clock=loop.clock)
    assert budget.is_nameless
    with pytest.raises(ConfigurationError, match="scope"):
        budget.slot()
    budget.name("first")
    budget.name("second")
    assert budget._ledger.name == "first"  # type: ignore[attr-defined]  # the ledger of a store
    assert not Budget(store="redis://127.0.0.1:1", scope="acme").is_nameless
    assert not Budget().is_nameless


async def test_a_budget_in_memory_has_nobody_to_ask(loop: VirtualLoop) -> None:
    """Refreshing it is looking at it."""
    budget = Budget(clock=loop.clock)
    async with budget.slot():
        assert await budget.refresh() == budget.snapshot()
        assert (await budget.refresh()).held_by == {}


def test_a_forked_child_is_another_process() -> None:
    """It remembers what was, tells nothing that is its parent's to tell, and holds under a name of its own."""

    async def main(loop: VirtualLoop) -> None:
        shelf = Shelf(loop.clock)
        budget = shelf.budget()
        slot = budget.slot()
        await slot.__aenter__()
        gate, ledger = gate_of(budget), budget._ledger
        holder = ledger.holder  # type: ignore[attr-defined]  # the ledger of a store
        slot.sent()
        shared._before_fork()
        shared._after_fork_in_child()
        slot.answered()  # the parent's to tell
        assert ledger.holder != holder  # type: ignore[attr-defined]  # as above
        assert gate_of(budget) is not gate
        async with budget.slot() as own:
            own.answered()
        await asyncio.sleep(1)
        state = await budget.refresh()
        assert (state.in_flight, state.used) == (1, 2)

    run(main)
