"""Requests that nobody awaits any more, ended by the collector on whatever line: no hang, no slot lost, no noise.

A loop that was closed by hand leaves such requests behind. The collector ends them in the middle of anything, so also
where this very thread holds the lock of the books.
"""

import asyncio
import gc
import sys
from collections.abc import Callable
from typing import Any

import pytest

from onboard360_async.budget import Budget
from onboard360_async.budget.window import Window
from tests.budget.shelf import Shelf
from tests.budget.virtual import VirtualLoop

LEASE_S = 36.0  # seconds: an attempt's time-out and the store's patience, and a little more


def in_memory(loop: VirtualLoop) -> Budget:
    return Budget(3, clock=loop.clock)


def in_a_store(loop: VirtualLoop) -> Budget:
    return Shelf(loop.clock, trip_s=0.001).budget(limit=3)


def with_a_share(loop: VirtualLoop) -> Budget:
    return Shelf(loop.clock, trip_s=0.001).budget(limit=3, on_store_error="local")


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # for the loop that is closed on its tasks
@pytest.mark.parametrize("make", [in_memory, in_a_store, with_a_share])
def test_the_collector_may_end_a_request_while_the_books_are_locked(
    make: Callable[[VirtualLoop], Budget], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that was sent, one that was not, one that waits, one that was granted a moment ago: none is lost for ever."""
    noise: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", noise.append)
    loop = VirtualLoop()
    loop.set_exception_handler(lambda _loop, _context: None)  # "Task was destroyed but it is pending!"
    budget = make(loop)

    async def request(*, sends: bool) -> None:
        async with budget.slot() as slot:
            if sends:
                slot.sent()
            await asyncio.get_running_loop().create_future()

    async def leave_behind() -> None:
        for sends in (True, False, True, True):
            asyncio.create_task(request(sends=sends))  # noqa: RUF006 - nobody keeps it, that is the point
        await asyncio.sleep(1)

    def collect_and_copy(window: Window) -> Window:
        gc.collect()
        return copy(window)

    gc.disable()
    try:
        loop.run_until_complete(leave_behind())
        loop.close()
        copy = Window.copy
        monkeypatch.setattr(Window, "copy", collect_and_copy)
        assert budget.snapshot().used == 3
    finally:
        gc.enable()
    monkeypatch.setattr(Window, "copy", copy)
    loop.skip(LEASE_S)
    assert budget.snapshot().in_flight == 0
    loop.skip(61)
    assert budget.snapshot().used == 0
    assert [each.exc_value for each in noise] == []
