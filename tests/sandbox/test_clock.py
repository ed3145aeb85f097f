"""The sandbox's time: set forward, stopped, and what goes by it."""

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onboard360_async.sandbox import Clock as SandboxClock
from onboard360_async.sandbox import Sandbox
from tests.sandbox.calls import CAMPAIGN, Clock, add, call, some_turns, until
from tests.sandbox.receiver import Receiver, answers

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def a_clock() -> tuple[SandboxClock, Clock]:
    """One that runs by a hand-turned one."""
    by_hand = Clock()
    return SandboxClock(by_hand, lambda: NOON + timedelta(seconds=by_hand.at - 1000)), by_hand


def test_it_runs_as_what_it_runs_by() -> None:
    """Seconds and date, until somebody touches it."""
    clock, by_hand = a_clock()
    assert (clock(), clock.now(), clock.is_frozen) == (1000, NOON, False)
    by_hand.at += 5
    assert (clock(), clock.now()) == (1005, NOON + timedelta(seconds=5))


def test_it_is_set_forward_stopped_and_goes_on() -> None:
    """Seconds and date alike; while it stands it can be set forward, and goes on from what it shows."""
    clock, by_hand = a_clock()
    clock.advance(60)
    assert (clock(), clock.now()) == (1060, NOON + timedelta(seconds=60))
    clock.freeze()
    by_hand.at += 100
    clock.freeze()
    assert (clock(), clock.now(), clock.is_frozen) == (1060, NOON + timedelta(seconds=60), True)
    clock.advance(0.5)
    clock.go_on()
    clock.go_on()
    by_hand.at += 1
    assert (clock(), clock.now(), clock.is_frozen) == (1061.5, NOON + timedelta(seconds=61.5), False)
    clock.freeze()
    clock.reset()
    assert (clock(), clock.is_frozen) == (by_hand.at, False)


@given(st.lists(st.sampled_from(["run", "advance", "freeze", "go on"])))
def test_it_never_goes_back(steps: list[str]) -> None:
    """Whatever is done to it, but for a reset; and seconds and date stay the same distance apart."""
    clock, by_hand = a_clock()
    last = clock()
    for step in steps:
        if step == "run":
            by_hand.at += 7
        elif step == "advance":
            clock.advance(3)
        else:
            (clock.freeze if step == "freeze" else clock.go_on)()
        assert clock() >= last
        last = clock()
        assert clock.now() - NOON == timedelta(seconds=last - 1000)


@pytest.mark.parametrize(
    "seconds", [-1, float("nan"), float("inf"), "1", None, True, 1e12, pytest.param(10**400, id="huge")]
)
def test_what_is_no_time_forward_is_refused(seconds: Any) -> None:
    """ValueError, and it shows what it showed."""
    clock, _ = a_clock()
    with pytest.raises(ValueError, match="set forward"):
        clock.advance(seconds)
    assert clock() == 1000


async def test_whoever_sleeps_wakes_when_the_time_is_skipped() -> None:
    """An hour that is skipped is over; half of it is not; one that stands still does not pass by itself."""
    clock, _ = a_clock()
    sleeping = asyncio.create_task(clock.sleep(3600))
    await asyncio.sleep(0)
    clock.advance(1800)
    await some_turns()
    assert not sleeping.done()
    clock.advance(1800)
    async with asyncio.timeout(10):
        await sleeping
    clock.freeze()
    sleeping = asyncio.create_task(clock.sleep(0.000_001))
    await some_turns()
    assert not sleeping.done()
    clock.go_on()
    async with asyncio.timeout(10):
        await sleeping
    await clock.sleep(0)
    await clock.sleep(-1)


async def test_a_second_in_tenths_is_a_second() -> None:
    """Ten times 0.1 is a little less in floats; whoever waits for it in a clock that stands is not left waiting."""
    clock, _ = a_clock()
    clock.freeze()
    sleeping = asyncio.create_task(clock.sleep(1))
    for _ in range(10):
        await some_turns()
        assert not sleeping.done()
        clock.advance(0.1)
    async with asyncio.timeout(10):
        await sleeping


async def test_no_advance_is_missed_by_who_is_just_going_to_sleep() -> None:
    """Another thread may set it forward after the sleeper has looked and before it waits."""

    class Hasty(SandboxClock):
        @property
        def is_frozen(self) -> bool:
            if not self._advanced_s:
                self.advance(3600)
            return super().is_frozen

    async with asyncio.timeout(10):
        await Hasty().sleep(3600)


async def test_whoever_sleeps_is_woken_from_another_thread() -> None:
    """As a test does whose sandbox has a thread of its own."""
    clock, _ = a_clock()
    sleeping = asyncio.create_task(clock.sleep(3600))
    await asyncio.sleep(0)
    await asyncio.to_thread(clock.advance, 3600)
    async with asyncio.timeout(10):
        await sleeping


async def test_the_limit_goes_by_it() -> None:
    """A minute that is skipped gives the requests back."""
    async with Sandbox(limit=2) as sandbox:
        sandbox.clock.freeze()
        assert [(await add(sandbox)).status for _ in range(3)] == [201, 201, 429]
        sandbox.clock.advance(59.9)
        assert (await add(sandbox)).status == 429
        sandbox.clock.advance(0.2)
        assert (await add(sandbox)).status == 201


async def test_dates_go_by_it() -> None:
    """Whoever is created a day later is dated so."""
    async with Sandbox(now=lambda: NOON) as sandbox:
        sandbox.clock.advance(86_400)
        assert (await add(sandbox)).body["client"]["created_at"] == "2026-01-02T12:00:00Z"
        sandbox.add_campaign("B")
        assert (await call(sandbox, "GET", "/campaigns")).body["campaigns"][1]["created_at"] == "2026-01-02T12:00:00Z"


async def test_retries_go_by_it() -> None:
    """An hour of retries is over when the hour is skipped, and the log says when each was."""
    async with Receiver(answers(500, 500, 200)) as receiver, Sandbox() as sandbox:
        sandbox.add_webhook(receiver.url, retries=[600, 3600])
        sandbox.clock.freeze()
        sandbox.add_client(CAMPAIGN, "john@example.com")
        for number, wait_s in enumerate((600, 3600), 1):
            await receiver.until(number)
            await until(lambda: len(sandbox.deliveries[0].attempts) == number and sandbox.clock._sleepers)  # noqa: B023 - it is over before the next
            sandbox.clock.advance(wait_s)
        await sandbox.delivered()
        (delivery,) = sandbox.deliveries
    at = [attempt.at for attempt in delivery.attempts]
    assert [round(later - earlier) for earlier, later in pairwise(at)] == [600, 3600]
    assert delivery.state == "delivered"


async def test_delays_of_faults_go_by_it() -> None:
    """An answer that comes an hour late, and a client that is created one, are there when the hour is skipped."""
    async with Sandbox(limiter="off") as sandbox:
        sandbox.add_fault("delay", method="GET", delay_s=3600)
        sandbox.add_fault("late-commit", method="POST", delay_s=3600)
        sandbox.clock.freeze()
        listing = asyncio.create_task(call(sandbox, "GET", "/clients"))
        posting = asyncio.create_task(add(sandbox))
        await until(lambda: len(sandbox.clock._sleepers) == 2)
        assert sandbox.clients() == []
        sandbox.clock.advance(3600)
        assert (await listing).status == 200
        await until(sandbox.clients)
        await asyncio.wait([posting])
        assert posting.exception() is not None
