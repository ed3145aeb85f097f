"""One window for all threads, loops and forks of a process. Real threads here, with windows of a few hundredths."""

import asyncio
import gc
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from onboard360_async.budget import Budget, Priority, shared
from tests.budget.servers import SlidingLog
from tests.budget.traffic import counted, gate_of, ledger_of
from tests.budget.virtual import VirtualLoop, run

ROOT = Path(__file__).parents[2]


def in_real_time(main: Callable[[], Awaitable[None]]) -> None:
    """On a loop of its own, in this thread, by the real clock."""

    async def wrapped() -> None:
        await asyncio.wait_for(main(), timeout=10)

    asyncio.run(wrapped())


def test_what_is_told_while_others_are_told_is_told_as_well() -> None:
    """A slot that comes back just after whoever waits was told, and had looked: it is told again."""
    books = ledger_of(Budget(5))
    told: list[int] = []

    class Waiter:
        waiting = 1

        def look_again(self) -> None:
            told.append(books.look()[0].held)
            if len(told) == 1:
                books.release()  # by another thread, or by the collector in this one

    waiter = Waiter()
    books.watch(waiter)
    books.watch(Waiter())  # gone at once
    books.is_awaited = True
    assert [books.reserve(), books.reserve()] == [0, 0]
    books.release()
    assert told == [1, 0]
    waiter.waiting = 0
    books.answered()  # by which the books learn that nobody waits any more
    assert not books.is_awaited


def test_loops_in_many_threads_share_one_window() -> None:
    """Four threads with a loop each: a server that sees them all refuses nothing, and no slot is lost."""
    budget = Budget(5, window_s=0.05)
    window = counted(budget)
    server, lock, refused = SlidingLog(5, 50_000_000), threading.Lock(), []

    async def one(number: int) -> None:
        async with budget.slot(priority=Priority(number % 2), grace_s=0.01) as slot:
            slot.sent()
            await asyncio.sleep(0)
            with lock:
                if not server.admits(time.monotonic_ns()):
                    refused.append(number)
            await asyncio.sleep(0)
            if number % 4:  # every fourth is a lease
                slot.answered()

    async def some() -> None:
        await asyncio.gather(*(one(number) for number in range(12)))

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(in_real_time, some) for _ in range(4)]:
            done.result()
    window.check()
    assert not refused
    assert window.most_used <= 5
    assert budget.snapshot().waiting == 0


def test_a_settle_in_one_thread_wakes_who_waits_in_another() -> None:
    """All is held elsewhere and no time will help: only the news from the other thread does."""
    budget = Budget(2, window_s=0.01)
    queued, granted = threading.Event(), threading.Event()

    async def one() -> None:
        waiting = asyncio.create_task(budget.slot().__aenter__())
        await asyncio.sleep(0)
        assert budget.snapshot().waiting == 1
        queued.set()
        await waiting
        granted.set()

    for _ in range(2):
        assert ledger_of(budget).reserve() == 0
    thread = threading.Thread(target=in_real_time, args=(one,))
    thread.start()
    assert queued.wait(timeout=10)
    assert not granted.is_set()
    ledger_of(budget).release()
    thread.join(timeout=10)
    assert granted.is_set()
    assert budget.snapshot().in_flight == 2


def test_a_loop_that_was_closed_on_its_waiters_troubles_nobody() -> None:
    """A program that drops its loop with somebody waiting: others settle and wait as before."""
    dead = VirtualLoop()
    budget = Budget(2, clock=dead.clock)
    window = counted(budget)

    async def stuck() -> Awaitable[object]:
        for _ in range(2):
            await budget.slot().__aenter__()
        waiting = budget.slot().__aenter__()
        waiting.send(None)
        return waiting

    waiting = dead.run_until_complete(stuck())
    pump: Any = budget._gates[dead]._pump
    pump._log_destroy_pending = False  # asyncio's own complaint, and rightly so
    dead.close()
    assert budget.snapshot().waiting == 1
    ledger_of(budget).release()
    ledger_of(budget).answered()
    del waiting  # a coroutine that is collected leaves its lane, closed loop or not
    assert budget.snapshot().waiting == 0
    window.check()

    async def main(loop: VirtualLoop) -> None:
        async with budget.slot() as slot:
            slot.answered()

    run(main)
    assert list(budget._gates) != [dead]


def test_a_gate_that_is_gone_is_not_told() -> None:
    """Budgets of a scope come and go; the books of the scope stay."""
    loop = VirtualLoop()
    clock = loop.clock
    loop.close()

    async def main(_loop: VirtualLoop) -> None:
        for _ in range(3):
            async with Budget(scope="passing", clock=clock).slot() as slot:
                slot.answered()

    run(main)
    ledger = ledger_of(Budget(scope="passing", clock=clock))
    gc.collect()
    assert len(ledger._watchers) < 3  # each new one clears away those that are gone
    assert not any(watcher() for watcher in ledger._watchers)
    ledger.reserve()
    ledger.release()
    assert (ledger.waiting, ledger.window.used(loop.clock())) == (0, 3)


# --- forks ---


@pytest.mark.parametrize("name", ["under_way", "busy"])
def test_a_fork(name: str) -> None:
    """What the parent had under way counts in the child; its locks are free and its books whole."""
    # In a process without the coverage tool, whose own locks do not survive a fork beside threads.
    quiet = ["-W", "ignore:This process:DeprecationWarning"]  # Python 3.12 on says so of every fork beside threads
    command = [sys.executable, *quiet, "-m", "tests.budget.forks", name]
    done = subprocess.run(command, capture_output=True, text=True, timeout=15, check=False, cwd=ROOT)
    assert (done.stdout, done.stderr) == ("well\n", "")


def test_a_forked_child_starts_afresh() -> None:
    """The same without a fork, by its three hooks: gates are the parent's, and slots are the parent's to end."""
    loop = VirtualLoop()
    budget = Budget(3, clock=loop.clock)
    window = counted(budget)

    async def main() -> None:
        slot = budget.slot()
        await slot.__aenter__()
        gate = gate_of(budget)
        shared._before_fork()
        assert ledger_of(budget).lock.locked()
        shared._after_fork_in_parent()
        assert gate_of(budget) is gate
        shared._before_fork()
        shared._after_fork_in_child()
        assert not ledger_of(budget).lock.locked()
        assert gate_of(budget) is not gate
        assert len(budget._gates) == 1
        slot.sent()
        await slot.__aexit__(None, None, None)
        slot.answered()
        assert budget.snapshot().in_flight == 1
        await asyncio.sleep(31)
        assert budget.snapshot().in_flight == 0

    loop.run_until_complete(main())
    loop.close()
    window.check()
