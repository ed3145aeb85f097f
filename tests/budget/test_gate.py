"""The gate of one loop: in time or not at all, turns that are given back, leases, pauses; idle means idle."""

import asyncio
import contextlib
import gc
import math
from collections.abc import Coroutine
from typing import Any

import pytest

from onboard360_async.budget import Budget, Priority
from onboard360_async.budget.slot import Slot
from onboard360_async.errors import BudgetExhaustedError, DeadlineError
from tests.budget.traffic import counted, gate_of
from tests.budget.virtual import StalledError, VirtualLoop, run

WINDOW_S = 60.0
FULL_S = 90.0  # with the limit of 2 used up in one moment, a sliding counter takes the next after one window and a half


@pytest.fixture
def budget(loop: VirtualLoop) -> Budget:
    """Two requests a minute, without a margin."""
    return Budget(2, window_s=WINDOW_S, margin_s=0, clock=loop.clock)


async def send(budget: Budget, **terms: Any) -> Slot:
    """A request that is answered at once."""
    async with budget.slot(**terms) as slot:
        slot.sent()
        slot.answered()
    return slot


def start(request: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
    """Run it beside the test."""
    return asyncio.get_running_loop().create_task(request)


async def passes(count: int = 5) -> None:
    """Let everybody do what can be done without time passing."""
    for _ in range(count):
        await asyncio.sleep(0)


def is_idle(loop: VirtualLoop) -> bool:
    """No task but the test, and no timer."""
    timers = [timer for timer in loop._scheduled if not timer.cancelled()]  # type: ignore[attr-defined]  # private
    return len(asyncio.all_tasks()) == 1 and not timers


# --- what becomes of a slot ---


async def test_a_slot_that_was_never_sent_is_given_back(budget: Budget) -> None:
    """Certainly not sent, so it counts for nothing."""
    async with budget.slot():
        assert budget.snapshot().in_flight == 1
    assert budget.snapshot().used == 0


async def test_an_answer_settles_at_once(budget: Budget) -> None:
    """The block may last as long as the body takes: what counts is the answer's moment. Twice changes nothing."""
    async with budget.slot() as slot:
        slot.sent()
        slot.answered()
        slot.answered()
        slot.refused(None)
        assert (budget.snapshot().in_flight, budget.snapshot().used) == (0, 1)
        await asyncio.sleep(WINDOW_S + 1)
    assert budget.snapshot().used == 0


async def test_sending_after_the_end_changes_nothing(budget: Budget) -> None:
    """The slot is over: there is nothing left to say."""
    async with budget.slot() as slot:
        slot.answered()
        slot.sent()
    assert (budget.snapshot().in_flight, budget.snapshot().used) == (0, 1)


async def test_what_was_sent_but_not_answered_counts_until_its_grace_and_a_window_more(budget: Budget) -> None:
    """The server may count it as late as that; cancelled or failed, it is the same."""
    with contextlib.suppress(ConnectionError):
        async with budget.slot(grace_s=30) as slot:
            slot.sent()
            raise ConnectionError
    assert budget.snapshot().in_flight == 1
    await asyncio.sleep(29.9)
    assert budget.snapshot().in_flight == 1
    await asyncio.sleep(0.2)
    assert (budget.snapshot().in_flight, budget.snapshot().used) == (0, 1)
    await asyncio.sleep(WINDOW_S - 0.2)
    assert budget.snapshot().used == 1
    await asyncio.sleep(0.2)
    assert budget.snapshot().used == 0


async def test_with_only_leases_out_the_next_goes_when_they_have_run_out(budget: Budget) -> None:
    """Nobody settles them, so the gate itself must look when they end."""
    for _ in range(2):
        async with budget.slot(grace_s=10) as slot:
            slot.sent()
    slot = await send(budget)
    assert slot.waited_s == pytest.approx(10 + FULL_S, abs=0.001)


async def test_a_429_counts_and_pauses_everybody(loop: VirtualLoop) -> None:
    """As long as the server says, but at most a window; without a word from it, ever longer until one is answered."""
    budget = Budget(100, margin_s=0, clock=loop.clock)
    pauses, used = [], []
    for retry_after_s in (None, None, None, 7.0, 3600.0):
        async with budget.slot() as slot:
            slot.sent()
            slot.refused(retry_after_s)
        pauses.append(budget.snapshot().paused_s)
        used.append(budget.snapshot().used)
        await asyncio.sleep(pauses[-1])
    assert pauses == pytest.approx([1.0, 2.0, 4.0, 7.0, 60.0], abs=1e-6)
    assert used == [1, 2, 3, 4, 5]
    await send(budget)
    async with budget.slot() as slot:
        slot.refused(None)
    assert budget.snapshot().paused_s == pytest.approx(1.0)


async def test_429s_of_one_moment_do_not_double_the_pause(loop: VirtualLoop) -> None:
    """What was under way when the pause began could not know of it."""
    budget = Budget(100, margin_s=0, clock=loop.clock)
    slots = [budget.slot() for _ in range(10)]
    for slot in slots:
        await slot.__aenter__()
    for slot in slots:
        slot.refused(None)
    assert budget.snapshot().paused_s == pytest.approx(1.0)


# --- in time, or not at all ---


async def test_fail_fast(loop: VirtualLoop, budget: Budget) -> None:
    """max_wait_s=0 gives a slot that is there, and otherwise refuses at once and says for how long."""
    window = counted(budget)
    for _ in range(2):
        await send(budget, max_wait_s=0, deadline_s=0)
    before = loop.time()
    with pytest.raises(BudgetExhaustedError) as caught:
        await send(budget, max_wait_s=0)
    assert loop.time() == before
    assert caught.value.retry_after_s == pytest.approx(FULL_S, abs=0.001)
    assert (window.granted, budget.snapshot().waiting, is_idle(loop)) == (2, 0, True)


async def test_a_deadline_that_cannot_be_met_is_refused_before_queueing(loop: VirtualLoop, budget: Budget) -> None:
    """At once, and with the wait that was still ahead; who has patience for just that wait gets the slot."""
    for _ in range(2):
        await send(budget)
    before = loop.time()
    with pytest.raises(DeadlineError, match="deadline_s would pass") as caught:
        await send(budget, deadline_s=89.0, max_wait_s=math.inf)
    assert loop.time() == before
    assert caught.value.retry_after_s == pytest.approx(FULL_S, abs=0.001)
    slot = await send(budget, deadline_s=90.1, max_wait_s=90.1)
    assert slot.waited_s == pytest.approx(FULL_S, abs=0.001)


@pytest.mark.parametrize(
    ("terms", "error"), [({"max_wait_s": 100}, BudgetExhaustedError), ({"deadline_s": 100}, DeadlineError)]
)
async def test_an_estimate_that_was_too_hopeful(
    loop: VirtualLoop, budget: Budget, terms: dict[str, float], error: type[Exception]
) -> None:
    """Answers that take longer than assumed: the waiter leaves in time, nothing spent, nobody held up."""
    window = counted(budget)
    slow = [budget.slot() for _ in range(2)]
    for slot in slow:
        await slot.__aenter__()
    before = loop.time()
    waiting = start(send(budget, **terms))
    behind = start(send(budget))
    with pytest.raises(error):
        await waiting
    assert loop.time() - before == pytest.approx(100, abs=0.001)
    assert (window.granted, budget.snapshot().waiting) == (2, 1)
    for slot in slow:
        slot.answered()
    await behind
    assert window.granted == 3


async def test_those_ahead_count_in_the_estimate(loop: VirtualLoop) -> None:
    """Behind five others of the same lane the wait is theirs too; an INTERACTIVE request overtakes the BULK ones."""
    budget = Budget(6, burst=2, window_s=6.0, margin_s=0, clock=loop.clock)
    budget.pause(1.0)
    queue = [start(send(budget, priority=Priority.BULK)) for _ in range(5)]
    await passes()
    assert budget.snapshot().waiting == 5
    with pytest.raises(BudgetExhaustedError) as caught:
        await send(budget, priority=Priority.BULK, max_wait_s=3.5)
    # after the pause one token in hand and two in the bucket, then one a second
    assert caught.value.retry_after_s == pytest.approx(4.0, abs=0.01)
    slot = await send(budget, max_wait_s=1.5)
    assert slot.waited_s == pytest.approx(1.0, abs=0.01)
    await asyncio.gather(*queue)


async def test_a_waiter_that_expires_as_it_is_cancelled_is_only_cancelled(loop: VirtualLoop, budget: Budget) -> None:
    """No error that nobody will fetch, nothing given back that was not granted."""
    window = counted(budget)
    for _ in range(2):
        await budget.slot().__aenter__()
    task = start(send(budget, max_wait_s=100))
    await asyncio.sleep(99.9)
    loop.call_later(0.1, task.cancel)
    loop.call_later(0.1, task.cancel)
    await asyncio.wait([task])
    gate = gate_of(budget)
    waiter = loop.create_future()
    waiter.cancel()
    gate._expire(Priority.BULK, waiter, BudgetExhaustedError)
    window.check()
    assert is_idle(loop)


async def test_an_expired_waiter_that_is_cancelled_before_it_runs(loop: VirtualLoop, budget: Budget) -> None:
    """The refusal and the cancellation in one pass: nothing was granted, so nothing is given back."""
    window = counted(budget)
    for _ in range(2):
        await budget.slot().__aenter__()
    task = start(send(budget, max_wait_s=100))
    await passes()
    [waiter] = gate_of(budget)._lanes[0]
    gate_of(budget)._expire(Priority.INTERACTIVE, waiter, BudgetExhaustedError)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    window.check()
    assert window.released == 0
    del waiter, task
    gc.collect()


# --- turns ---


async def test_a_grant_that_meets_a_cancellation_goes_back(loop: VirtualLoop, budget: Budget) -> None:
    """Granted and cancelled in one pass: the slot goes to the next one."""
    window = counted(budget)
    for _ in range(2):
        await send(budget)
    first, second = start(send(budget)), start(send(budget))
    await passes()
    loop.skip(FULL_S)
    assert gate_of(budget)._grant_next() == 0
    first.cancel()
    assert (await second).waited_s == pytest.approx(FULL_S, abs=0.001)
    assert first.cancelled()
    window.check()
    assert (window.granted, window.released) == (4, 1)
    await passes()
    assert is_idle(loop)


async def test_the_pump_passes_over_one_that_was_cancelled_a_moment_ago(budget: Budget) -> None:
    """It is still in its lane, but has no turn any more."""
    window = counted(budget)
    for _ in range(2):
        await send(budget)
    first, second = start(send(budget)), start(send(budget, priority=Priority.BULK))
    await asyncio.sleep(FULL_S - 0.1)
    [waiter] = gate_of(budget)._lanes[0]
    waiter.cancel()
    assert gate_of(budget)._grant_next() != 0
    await second
    await asyncio.wait([first])
    assert first.cancelled()
    window.check()
    assert window.released == 0


async def test_only_cancelled_ones_are_nobody(budget: Budget) -> None:
    """With nobody left to grant to, nothing is granted."""
    gate = gate_of(budget)
    waiter = asyncio.get_running_loop().create_future()
    gate._lanes[0][waiter] = 30.0
    waiter.cancel()
    assert gate._grant_next() == 0
    assert (gate.waiting, budget.snapshot().used) == (0, 0)


async def test_a_token_without_a_taker_is_kept(loop: VirtualLoop) -> None:
    """The one it was for is gone, so the next one has it at once, and the pump is not needed."""
    budget = Budget(3, burst=2, window_s=6.0, margin_s=0, clock=loop.clock)
    budget.pause(1.0)
    gone = start(send(budget))
    await passes()
    gone.cancel()
    await passes()
    assert is_idle(loop)
    assert gate_of(budget)._token
    await asyncio.sleep(1.0)
    slot = await send(budget)
    assert slot.waited_s == 0
    assert not gate_of(budget)._token


async def test_a_pump_that_waits_for_a_token_ends_with_its_last_waiter(loop: VirtualLoop) -> None:
    """Idle means no task and no timer; the one who comes in the same pass has a pump of its own."""
    budget = Budget(6, burst=2, window_s=6.0, margin_s=0, clock=loop.clock)
    for _ in range(2):
        await send(budget)
    gone = start(send(budget))
    await passes()
    gone.cancel()
    next_one = start(send(budget))
    assert (await next_one).waited_s == pytest.approx(1.0, abs=0.001)
    gone = start(send(budget))
    await passes()
    gone.cancel()
    await passes()
    assert is_idle(loop)


async def test_kept_slots_are_for_interactive_requests(loop: VirtualLoop) -> None:
    """BULK waits while two are left; an INTERACTIVE request that comes meanwhile goes at once."""
    budget = Budget(5, keep_for_interactive=2, window_s=60.0, margin_s=0, clock=loop.clock)
    for _ in range(3):
        await send(budget, priority=Priority.BULK)
    bulk = start(send(budget, priority=Priority.BULK))
    await asyncio.sleep(1.0)
    assert (budget.snapshot().available, budget.snapshot().waiting) == (2, 1)
    slot = await send(budget)
    assert slot.waited_s < 0.001
    with pytest.raises(BudgetExhaustedError):
        await send(budget, priority=Priority.BULK, max_wait_s=10.0)
    assert (await bulk).waited_s == pytest.approx(90.0, abs=0.1)  # the rule at 3, for a window of 4


async def test_a_pump_cancelled_from_outside_leaves_nobody_behind(loop: VirtualLoop, budget: Budget) -> None:
    """A program that cancels all tasks but its own must not hang what it kept."""
    for _ in range(2):
        await send(budget)
    waiting = start(send(budget))
    await passes()
    pump = gate_of(budget)._pump
    assert pump is not None
    pump.cancel()
    await waiting
    await passes()
    assert is_idle(loop)


async def test_a_pump_that_fails_fails_those_who_wait(loop: VirtualLoop) -> None:
    """A clock that breaks is everybody's error, not a hang."""
    broken = False

    def clock() -> int:
        if broken:
            raise OSError("no clock")
        return loop.clock()

    budget = Budget(2, clock=clock)
    slots = [budget.slot() for _ in range(2)]
    for slot in slots:
        await slot.__aenter__()
    waiting = [start(send(budget)) for _ in range(3)]
    await passes()
    broken = True
    waiting[0].cancel()
    gate_of(budget)._ring()
    found = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(error) for error in found] == [asyncio.CancelledError, OSError, OSError]
    broken = False
    slots[0].answered()
    assert is_idle(loop)
    await send(budget)


async def test_a_pump_that_fails_passes_over_the_cancelled(budget: Budget) -> None:
    """Who was cancelled already gets no error on top."""
    gate = gate_of(budget)
    waiter = asyncio.get_running_loop().create_future()
    gate._lanes[1][waiter] = 30.0
    waiter.cancel()
    gate._fail_all(OSError())
    assert gate.waiting == 0


async def test_a_waiter_that_is_thrown_away_leaves_its_lane(budget: Budget) -> None:
    """A coroutine closed while it waits, or with its grant unread, holds nothing up."""
    window = counted(budget)
    for _ in range(2):
        await send(budget)
    for granted in (False, True):
        waiting = budget.slot().__aenter__()
        waiting.send(None)
        assert budget.snapshot().waiting == 1
        if granted:
            await asyncio.sleep(2 * WINDOW_S)
            assert (budget.snapshot().waiting, budget.snapshot().in_flight) == (0, 1)
        waiting.close()
        assert (budget.snapshot().waiting, budget.snapshot().in_flight) == (0, 0)
    window.check()


async def test_a_pause_holds_back_who_waits_already(loop: VirtualLoop, budget: Budget) -> None:
    """And it ends for them too, without anybody's help."""
    for _ in range(2):
        await send(budget)
    waiting = start(send(budget))
    await asyncio.sleep(50)
    budget.pause(70)
    assert (await waiting).waited_s == pytest.approx(120, abs=0.001)


async def test_a_loop_that_was_held_up_asks_the_clock(loop: VirtualLoop) -> None:
    """After a stall of 25 s the pump makes up for what was lost, and not for more."""
    budget = Budget(100, margin_s=0, clock=loop.clock)
    window = counted(budget)
    tasks = [start(send(budget)) for _ in range(150)]
    await asyncio.sleep(10)
    loop.skip(25)
    await passes(200)
    assert window.granted <= 20 + 16 + 42
    await asyncio.gather(*tasks)
    assert window.most_used <= 100


def test_the_virtual_loop_says_when_it_would_wait_for_ever() -> None:
    """A test that can never end fails at once."""

    async def main(loop: VirtualLoop) -> None:
        await loop.create_future()

    with pytest.raises(StalledError):
        run(main)
