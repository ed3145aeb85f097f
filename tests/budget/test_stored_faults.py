"""A store that loses, goes back, freezes or fails, in virtual time: no 429, and so much time at most."""

import asyncio
import random
from typing import Any

import pytest

from onboard360_async.errors import BudgetStoreError
from tests.budget.company import MINUTE, SECOND, busy, is_idle, refused, send, servers
from tests.budget.servers import SlidingLog
from tests.budget.shelf import Shelf
from tests.budget.test_feedback import Shared
from tests.budget.traffic import Load, Workers
from tests.budget.virtual import VirtualLoop

uncounted = pytest.mark.no_cover  # counting lines makes long simulations four times slower; others reach these lines

# --- a store that loses, that goes back, that is frozen or down ---


@uncounted
@pytest.mark.parametrize("times", [1, 5])
async def test_a_store_that_loses_everything_is_given_it_back(loop: VirtualLoop, shelf: Shelf, times: int) -> None:
    """FLUSHALL, or a Redis that comes back empty: all who live put back what they remember before anybody goes on."""
    took = []
    for losses in (0, times):
        began, other = loop.time(), Shelf(loop.clock, trip_s=0.002)
        several, work = await busy(loop, other, processes=8)
        for _ in range(losses):
            other.blob = None
            await asyncio.sleep(7)
        await work
        assert refused(several) == 0
        took.append(loop.time() - began)
    assert took[1] - took[0] <= 15 * times


@uncounted
async def test_a_store_that_goes_back_to_an_older_state_is_given_the_rest(loop: VirtualLoop, shelf: Shelf) -> None:
    """A Redis that was restored from a file of five seconds ago: what came since is put back."""
    several, work = await busy(loop, shelf)
    for _ in range(5):
        older = shelf.blob
        await asyncio.sleep(5)
        shelf.blob = older
    await work
    assert refused(several) == 0


@uncounted
@pytest.mark.parametrize("jump_s", [-3600.0, -0.5, 0.5, 3600.0])
async def test_a_store_that_comes_back_empty_with_another_clock(loop: VirtualLoop, shelf: Shelf, jump_s: float) -> None:
    """A Redis on another machine: what those who live remember is moved to its clock."""
    several, work = await busy(loop, shelf)
    shelf.blob, shelf.ahead_ns = None, shelf.ahead_ns + int(jump_s * SECOND)
    await work
    assert refused(several) == 0
    assert loop.time() < 1000 + 600 / 99 * 61 * 1.35


@uncounted
@pytest.mark.parametrize("ahead_s", [0.5, 30.0, 86400.0])
async def test_a_clock_that_is_set_ahead_does_not_make_the_past_older(
    loop: VirtualLoop, shelf: Shelf, ahead_s: float
) -> None:
    """Those who live know how much time has passed, and put back what they remember."""
    several, work = await busy(loop, shelf)
    shelf.ahead_ns += int(ahead_s * SECOND)
    await work
    assert refused(several) == 0
    assert loop.time() < 1000 + (600 / 99 + 1.2) * 61


@pytest.mark.parametrize("back_s", [0.5, 30.0, 86400.0])
async def test_a_clock_that_is_set_back_costs_time_and_no_429(loop: VirtualLoop, shelf: Shelf, back_s: float) -> None:
    """The past becomes younger by that, never older: no 429, and at most about one window more to wait."""
    several, work = await busy(loop, shelf)
    shelf.ahead_ns -= int(back_s * SECOND)
    await work
    assert refused(several) == 0
    assert loop.time() < 1000 + (600 / 99 + 1.2) * 61


async def test_a_slow_store_is_no_clock_that_jumps(loop: VirtualLoop) -> None:
    """A second to it and back again: what was is not put back on top of itself, and the rate stays what it is."""
    shelf = Shelf(loop.clock, trip_s=1.2)
    worker = Workers(loop, shelf.budget(), servers(100, 3), Load(trip_s=1.2), 3)
    await worker.run(300, workers=16)
    assert worker.log.refused == 0
    assert loop.time() < 1000 + 300 / 99 * 61 * 1.2


@uncounted
async def test_a_swap_that_is_lost_again_and_again_is_no_fault(loop: VirtualLoop) -> None:
    """Many processes, and a slow way to the store: whoever loses waits for the next try, and gets no error."""
    shelf = Shelf(loop.clock, trip_s=0.2)
    several = [Workers(loop, shelf.budget(), [], Load(trip_s=1.2), seed) for seed in range(20)]
    logs = await asyncio.gather(*(each.run(10, workers=4) for each in several))
    assert sum(len(log.sent_at) for log in logs) == 200


async def test_what_cannot_be_read_is_a_full_window_and_one_warning(
    loop: VirtualLoop, shelf: Shelf, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody knows what was sent, so a window is waited out; then it goes on as ever."""
    shelf.blob = b"something else"
    budget = shelf.budget()
    state = await budget.refresh()
    assert (state.used, state.available) == (100, 0)
    shelf.blob = b"and again"
    await budget.refresh()
    for _ in range(2):
        async with budget.slot() as slot:
            slot.answered()
    assert 61 < loop.time() - 1000 < 122
    assert [record.message for record in caplog.records] == [
        "the budget in the store cannot be read; the whole window is taken for used up"
    ]


@uncounted
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


async def test_nobody_goes_by_what_one_of_us_remembers(loop: VirtualLoop, shelf: Shelf) -> None:
    """The first who finds the store empty does not know what another did since it last looked: it waits for that."""
    log = SlidingLog(100, MINUTE)
    first, second = (Workers(loop, shelf.budget(burst=100), [log], Load(trip_s=0.1), seed) for seed in range(2))
    for each in (first, second):
        await each.run(50, workers=50)
        await asyncio.sleep(1)  # all is told
    shelf.blob = None
    going_on = asyncio.create_task(first.run(20, workers=20))
    await asyncio.sleep(5)
    await asyncio.gather(going_on, second.run(20, workers=20))
    assert first.log.refused + second.log.refused == 0


async def test_an_older_state_is_noticed_however_much_was_written_since(loop: VirtualLoop, shelf: Shelf) -> None:
    """Who remembers only the older state writes on; whoever misses what it wrote itself puts that back."""
    first, second = shelf.budget(), shelf.budget()
    await send(first)
    await asyncio.sleep(1)
    older = shelf.blob
    for _ in range(3):
        await send(second)
    await asyncio.sleep(1)
    shelf.blob = older
    for _ in range(6):
        await send(first)
    await asyncio.sleep(1)
    assert (await second.refresh()).used == 1 + 3 + 6


async def test_a_store_that_was_empty_all_along_lost_nothing(loop: VirtualLoop, shelf: Shelf) -> None:
    """Looking again and again writes nothing, and pauses nobody."""
    budget = shelf.budget()
    for _ in range(5):
        assert (await budget.refresh()).paused_s == 0
        await asyncio.sleep(1)
    assert (shelf.blob, shelf.swaps) == (None, 0)


async def test_books_that_were_forgotten_in_due_time_are_no_loss(loop: VirtualLoop, shelf: Shelf) -> None:
    """Redis drops them an hour after their last use: whoever comes back then does not wait."""
    budget = shelf.budget()
    await send(budget)
    await asyncio.sleep(3700)
    shelf.blob = None
    assert (await send(budget)).waited_s < 0.1


async def test_who_comes_back_late_still_counts(loop: VirtualLoop, shelf: Shelf) -> None:
    """After an outage one process tells at once what it did, the other only later: until then shares hold."""
    log = SlidingLog(100, MINUTE)
    busy_one, late_one = (
        Workers(loop, shelf.budget(share=0.5, on_store_error="local"), [log], Load(trip_s=0.1), seed)
        for seed in range(2)
    )
    shelf.is_down = True
    await asyncio.gather(*(each.run(45, workers=16) for each in (busy_one, late_one)))
    shelf.is_down = False
    await busy_one.run(80, workers=16)
    assert busy_one.log.refused + late_one.log.refused == 0


@uncounted
async def test_what_is_remembered_does_not_grow(loop: VirtualLoop, shelf: Shelf) -> None:
    """A process that could go on without the store keeps its own past for that: so much of it, however long it runs."""
    budget = shelf.budget(limit=200, burst=200, window_s=1.0, share=0.5, on_store_error="local")
    await Workers(loop, budget, [], Load(), 1).run(3000, workers=50)
    ledger: Any = budget._ledger
    assert len(ledger._own.settled) <= 1100
    assert len(ledger._books.settled) <= 500


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
