"""The gate over a store, in virtual time: in time or not at all, what is told and when, and idle means idle."""

import asyncio
import json
import os
import random
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onboard360_async.budget import Budget, Priority, shared
from onboard360_async.budget.books import Books
from onboard360_async.budget.ledger import SlotOverError
from onboard360_async.budget.stored_ledger import Wish
from onboard360_async.errors import BudgetExhaustedError, BudgetStoreError, ConfigurationError, DeadlineError
from tests.budget.company import SECOND, gate_of, is_idle, send
from tests.budget.shelf import Shelf
from tests.budget.traffic import careless
from tests.budget.virtual import VirtualLoop, run

FEW = settings(deadline=None, derandomize=True, max_examples=25)
SEEDS = st.integers(0, 2**32)


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


async def test_the_time_that_a_store_takes_to_answer_is_part_of_the_deadline(loop: VirtualLoop, shelf: Shelf) -> None:
    """Whoever asked for four seconds and then waits in line is told at its deadline, not four seconds later."""
    one, other = (shelf.budget(limit=2, margin_s=0) for _ in range(2))
    for _ in range(2):
        async with other.slot() as slot:
            slot.answered()
    shelf.frozen = asyncio.Event()
    loop.call_later(4.0, shelf.frozen.set)
    loop.call_later(50.0, other.pause, 60.0)
    before = loop.time()
    with pytest.raises(DeadlineError):
        await one.slot(deadline_s=95.0).__aenter__()
    assert loop.time() - before == pytest.approx(95.0, abs=0.05)


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

        tasks = []
        for _ in range(30):
            tasks.append(asyncio.create_task(careless(budget, rng)))
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


@pytest.mark.parametrize("after_s", [0.0005, 0.0015, 0.0025, 0.0035])
async def test_a_lone_request_that_is_cancelled_leaves_nothing_behind(
    loop: VirtualLoop, shelf: Shelf, after_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the way to the store, there, or back, with nobody who comes after it: what was granted is given back."""
    monkeypatch.setattr(shelf.rng, "uniform", lambda _low, high: high)  # every trip is the longest
    budget = shelf.budget()
    request = asyncio.create_task(send(budget, max_wait_s=0))
    await asyncio.sleep(after_s)
    request.cancel()
    await asyncio.wait((request,))
    await asyncio.sleep(1)
    assert request.cancelled()
    assert (await shelf.budget().refresh()).in_flight == 0
    assert is_idle(loop)


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
    budget.name_books("first")
    budget.name_books("second")
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


# --- rare meetings ---


async def test_a_grant_whose_waiter_is_gone_goes_to_the_next_or_back(loop: VirtualLoop, shelf: Shelf) -> None:
    """Cancelled while the store was asked; what was granted to a person is not given to BULK where some is kept."""
    budget = shelf.budget(limit=10, keep_for_interactive=9)
    await send(budget)
    person = asyncio.create_task(send(budget))
    bulk = asyncio.create_task(send(budget, priority=Priority.BULK))
    await asyncio.sleep(0.0005)
    person.cancel()
    await asyncio.sleep(1)
    assert not bulk.done()
    assert (await shelf.budget(limit=10).refresh()).in_flight == 0
    again = asyncio.create_task(send(budget))
    await asyncio.sleep(1)
    assert again.done()
    bulk.cancel()
    await asyncio.wait((bulk,))


async def test_a_longer_attempt_does_not_get_a_shorter_lease(loop: VirtualLoop, shelf: Shelf) -> None:
    """The first was cancelled while the store was asked; the second's lease must last as long as its attempt."""
    budget = shelf.budget()
    gone = asyncio.create_task(send(budget, grace_s=1))
    stays = asyncio.create_task(budget.slot(grace_s=60).__aenter__())
    await asyncio.sleep(0.0005)
    gone.cancel()
    slot = await stays
    slot.sent()
    await asyncio.sleep(50)
    assert (await shelf.budget().refresh()).in_flight == 1


async def test_a_store_that_fails_passes_over_the_cancelled(shelf: Shelf) -> None:
    """Who was cancelled already gets no error on top."""
    gate = gate_of(shelf.budget())
    waiter: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    gate._lanes[1][waiter] = 30.0
    waiter.cancel()
    gate._fail_all(BudgetStoreError("down"))
    assert gate.waiting == 0


async def test_a_loop_has_a_bucket_of_its_own(loop: VirtualLoop, shelf: Shelf) -> None:
    """Where the store forgot how much was spent at once, no second burst leaves from here."""
    budget = shelf.budget()
    for _ in range(20):
        await send(budget, max_wait_s=0)
    shelf.blob = None
    budget._ledger._books = Books(budget._ledger._terms, "")  # type: ignore[attr-defined]  # forget with it
    began = loop.time()
    await send(budget, max_wait_s=0)
    with pytest.raises(BudgetExhaustedError):
        await send(budget, max_wait_s=0)
    for _ in range(10):
        await send(budget)
    assert loop.time() - began > 9 * 0.6


def test_a_pause_after_its_loop_is_gone_goes_with_the_next() -> None:
    """A thread pauses a budget whose loop has been closed: nothing fails, and the next loop tells it."""
    loop = VirtualLoop()
    shelf = Shelf(loop.clock)
    budget = shelf.budget()
    loop.run_until_complete(budget.refresh())
    gates = list(budget._gates.values())
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()
    budget.pause(5)

    async def main(_loop: VirtualLoop) -> float:
        await budget.refresh()
        return (await shelf.budget().refresh()).paused_s

    assert run(main) == pytest.approx(5, abs=0.1)
    assert gates


def test_a_loop_that_ends_with_news_to_tell_ends_its_pump() -> None:
    """A program that closes its loop by hand, without cancelling what runs there."""
    loop = VirtualLoop()
    shelf = Shelf(loop.clock, trip_s=0.001)

    async def begin() -> Budget:
        budget = shelf.budget(limit=1)
        await send(budget)
        await asyncio.sleep(1)
        gate_of(budget)._post_in(100.0)
        return budget

    (gate,) = loop.run_until_complete(begin())._gates.values()
    pump = gate._pump
    assert pump is not None
    loop.run_until_complete(loop.shutdown_asyncgens())
    assert pump.done()
    loop.close()


async def test_what_is_held_survives_a_flush(loop: VirtualLoop, shelf: Shelf) -> None:
    """Our own tickets: those under way are put back, those that ended meanwhile are not."""
    budget = shelf.budget()
    ends, stays = budget.slot(), budget.slot()
    for slot in (ends, stays):
        await slot.__aenter__()
        slot.sent()
    older = shelf.blob
    ends.answered()
    await asyncio.sleep(1)
    shelf.blob = older
    await budget.refresh()
    shelf.blob = None
    await budget.refresh()
    state = await shelf.budget().refresh()
    assert (state.in_flight, state.used) == (1, 2)
    stays.answered()
    await asyncio.sleep(1)
    state = await shelf.budget().refresh()
    assert (state.in_flight, state.used) == (0, 2)


@pytest.mark.parametrize("after_s", [0.0002 * step for step in range(20)])
async def test_what_one_loop_is_granted_no_other_gives_back(loop: VirtualLoop, shelf: Shelf, after_s: float) -> None:
    """Two loops of one process after a flush: the one sees a ticket of which the other has not heard yet."""
    budget = shelf.budget()
    await send(budget)
    await asyncio.sleep(1)
    ledger: Any = budget._ledger
    shelf.blob = None

    async def ask(in_s: float) -> int:
        await asyncio.sleep(in_s)
        answer = await ledger.exchange(ledger.open(), Wish((ledger.ticket(0, 30.0, ledger.note),)))
        return len(answer.granted)

    granted = await asyncio.gather(ask(0), ask(after_s))
    assert (await shelf.budget().refresh()).in_flight == sum(granted)


async def test_the_newest_copy_is_the_one_that_is_remembered(loop: VirtualLoop, shelf: Shelf) -> None:
    """Two loops of one process may end their exchanges in the other order."""
    budget = shelf.budget()
    await send(budget)
    ledger: Any = budget._ledger
    older = Books.read(shelf.blob or b"", ledger._now(), ledger._terms)
    await asyncio.sleep(1)
    assert budget.snapshot().in_flight == 0
    ledger._remember(older, ledger._now(), (loop.clock(), loop.clock()), ())
    assert budget.snapshot().in_flight == 0


def test_two_loops_of_one_process_share_one_side_of_the_store() -> None:
    """Threads ask for tickets at once, and no two of them are the same."""
    ledger: Any = Budget(store="redis://127.0.0.1:1", scope="x")._ledger
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: [ledger.ticket(0, 1.0, print).id for _ in range(2000)], range(4)))
    ids = [each for some in made for each in some]
    assert len(set(ids)) == len(ids)
