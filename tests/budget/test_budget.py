"""A budget as users see it: what it refuses, what it says, who shares it, and what it costs."""

import asyncio
import gc
import math
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onboard360_async import budget as room
from onboard360_async.budget import Budget, BudgetState, Priority
from onboard360_async.budget import estimate as estimate_module
from onboard360_async.budget.registry import budget_for
from onboard360_async.budget.window import Window
from onboard360_async.errors import BudgetExhaustedError, ConfigurationError
from tests.budget.traffic import Load, Workers, counted
from tests.budget.virtual import VirtualLoop, run

FEW = settings(deadline=None, derandomize=True, max_examples=40)
SECOND = 10**9


class Clock:
    """A clock that is turned by hand, for what needs no loop."""

    def __init__(self) -> None:
        self.now = 10**12

    def __call__(self) -> int:
        return self.now


def test_the_public_face() -> None:
    """These three names, and no other."""
    assert room.__all__ == ["Budget", "BudgetState", "Priority"]
    assert list(Priority) == [Priority.INTERACTIVE, Priority.BULK]


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": True}, "limit"),
        ({"limit": 99.0}, "limit"),
        ({"burst": 0}, "burst"),
        ({"keep_for_interactive": -1}, "keep_for_interactive"),
        ({"keep_for_interactive": 100}, "keep_for_interactive"),
        ({"limit": 1, "keep_for_interactive": 1}, "keep_for_interactive"),
        ({"window_s": 0}, "window_s"),
        ({"window_s": math.nan}, "window_s"),
        ({"window_s": math.inf}, "window_s"),
        ({"window_s": 1e300}, "window_s"),
        ({"window_s": "60"}, "window_s"),
        ({"window_s": True}, "window_s"),
        ({"margin_s": -0.1}, "margin_s"),
        ({"margin_s": math.nan}, "margin_s"),
        ({"margin_s": math.inf}, "margin_s"),
        ({"share": 0}, "share"),
        ({"share": 1.01}, "share"),
        ({"store": "disk"}, 'store must be "memory", "file" or'),
        ({"store": "redis://"}, "store"),
        ({"store": "redis://host:port"}, "store"),
        ({"store": "redis://host:0"}, "store"),
        ({"store": "http://localhost"}, "store"),
        ({"store": "unix://"}, "store"),
        ({"store": None}, "store"),
        ({"store": "file", "share": 0.5}, "share"),
        ({"on_store_error": "ignore"}, "on_store_error"),
        ({"scope": ""}, "scope"),
        ({"scope": 3}, "scope"),
        ({"clock": 3}, "clock"),
    ],
)
def test_what_cannot_work_is_refused_by_name(options: dict[str, Any], name: str) -> None:
    """A budget that would mean something else than was meant is not made."""
    with pytest.raises(ConfigurationError, match=name):
        Budget(**options)


@pytest.mark.parametrize("seconds", [-1, math.nan, math.inf, 1e300, True, "3"])
def test_a_pause_that_cannot_be_meant_is_refused(seconds: Any) -> None:
    """A pause is a number of seconds; nothing changes."""
    budget = Budget(clock=Clock())
    with pytest.raises(ConfigurationError, match="seconds"):
        budget.pause(seconds)
    assert budget.snapshot().paused_s == 0


@pytest.mark.parametrize("n", [-1, 1.5, True])
def test_an_eta_of_no_number_is_refused(n: Any) -> None:
    """There is no half request."""
    with pytest.raises(ConfigurationError, match="n must be"):
        Budget().eta_s(n)


def test_a_fresh_budget() -> None:
    """All there, nothing under way; and its name says what it is."""
    budget = Budget(on_store_error="local", margin_s=0)
    assert budget.snapshot() == BudgetState(
        limit=100, effective_limit=100, in_flight=0, used=0, available=100, next_free_s=0.0, waiting=0, paused_s=0.0
    )
    assert repr(budget) == "Budget(limit=100, window_s=60 with its margin)"
    assert repr(Budget(window_s=3.0)) == "Budget(limit=100, window_s=3.05 with its margin)"


async def test_a_snapshot_under_way(loop: VirtualLoop) -> None:
    """What is held, what counts, what is left, who waits; it takes nothing itself."""
    budget = Budget(4, margin_s=0, clock=loop.clock)
    async with budget.slot() as slot:
        slot.sent()
        slot.answered()
    held = [budget.slot() for _ in range(2)]
    for each in held:
        await each.__aenter__()
    first, second = budget.snapshot(), budget.snapshot()
    assert first == second
    assert (first.in_flight, first.used, first.available, first.next_free_s) == (2, 3, 1, 0.0)
    async with budget.slot() as slot:
        waiting = asyncio.create_task(budget.slot().__aenter__())
        await asyncio.sleep(1)
        state = budget.snapshot()
        assert (state.in_flight, state.used, state.available, state.waiting) == (3, 4, 0, 1)
        assert state.next_free_s == pytest.approx(59.0 + 60 / 4, abs=1.1)  # a quarter of a window for a sliding counter
        budget.pause(200)
        assert (budget.snapshot().available, budget.snapshot().paused_s) == (0, 200.0)
        assert budget.snapshot().next_free_s >= 200
    await waiting


async def test_a_share_takes_a_part_of_the_limit(loop: VirtualLoop) -> None:
    """Three processes without a store: a third each, and never less than one; what is kept shrinks with it."""
    assert Budget(share=1 / 3).snapshot().effective_limit == 33
    assert Budget(2, share=0.1).snapshot().effective_limit == 1
    budget = Budget(10, share=0.2, keep_for_interactive=9, clock=loop.clock)
    assert (budget.snapshot().limit, budget.snapshot().available) == (10, 2)
    async with budget.slot(priority=Priority.BULK) as slot:
        assert slot.waited_s == 0


async def test_budgets_of_one_scope_share_one_window(loop: VirtualLoop) -> None:
    """A key that rotates keeps its budget, the slots of all count, and all who wait are counted."""
    clock = loop.clock
    one, other = (Budget(3, scope="acme", clock=clock, margin_s=0) for _ in range(2))
    for budget in (one, other, one):
        async with budget.slot() as slot:
            slot.answered()
    assert other.snapshot().available == 0
    with pytest.raises(BudgetExhaustedError):
        async with other.slot(max_wait_s=0):
            pass
    waiting = asyncio.create_task(one.slot().__aenter__())
    await asyncio.sleep(0)
    assert other.snapshot().waiting == 1
    await waiting
    assert Budget(3, scope="other", clock=clock, margin_s=0).snapshot().available == 3


@pytest.mark.parametrize(
    "options", [{"limit": 4}, {"share": 0.5}, {"window_s": 9.0}, {"margin_s": 2}, {"clock": Clock()}]
)
def test_a_scope_has_one_setting(options: dict[str, Any]) -> None:
    """Two limits for one window would be one too many."""
    Budget(scope="settled")
    with pytest.raises(ConfigurationError, match="scope 'settled' is in use"):
        Budget(**{"scope": "settled", **options})


def test_the_process_keeps_one_budget_for_a_key_and_base_url() -> None:
    """Handles that were given none share it; another key, or the same key elsewhere, has its own. No key is kept."""
    url = "https://app.360onboard.com/api/v1"
    budget = budget_for("sk_test_registry", url)
    assert budget_for("sk_test_registry", url, store="memory") is budget
    assert budget_for("sk_test_registry", url + "/") is not budget
    assert budget_for("sk_test_other", url) is not budget
    kept = "onboard360_async.budget.registry"
    assert "sk_test_registry" not in repr(__import__(kept, fromlist=["_BUDGETS"])._BUDGETS)
    assert budget_for("sk_test_registry", url, store="file") is not budget


# --- how long it will take ---


@FEW
@given(
    limit=st.integers(1, 6) | st.just(100),
    before=st.integers(0, 30),
    idle_s=st.floats(0, 90),
    n=st.integers(1, 250),
    keep=st.integers(0, 2),
)
def test_an_eta_comes_true(limit: int, before: int, idle_s: float, n: int, keep: int) -> None:
    """With answers that come at once, and a full bucket, the last of n BULK requests goes just then."""

    async def main(loop: VirtualLoop) -> tuple[float, float]:
        budget = Budget(limit, keep_for_interactive=min(keep, limit - 1), clock=loop.clock)
        load = Load(bulk=1.0)
        await Workers(loop, budget, [], load, 1).run(before, workers=1)
        await asyncio.sleep(idle_s + 20 * 61 / limit)  # the bucket is full again
        started, eta_s = loop.time(), budget.eta_s(n)
        log = await Workers(loop, budget, [], load, 1).run(n, workers=5)
        return eta_s, log.sent_at[-1] - started

    eta_s, real_s = run(main)
    assert eta_s == pytest.approx(real_s, abs=0.01 + 61 / limit / 50)


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
@pytest.mark.parametrize("keep", [0, 1])
def test_what_is_counted_is_what_would_be_played(limit: int, keep: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the first windows the grants repeat themselves: counting the rest changes the answer by less than 1 %."""
    budget = Budget(limit, keep_for_interactive=min(keep, limit - 1), clock=Clock())
    n = 30 * limit + 5
    counted_s = budget.eta_s(n)
    monkeypatch.setattr(estimate_module, "_PLAYED", 1000)
    assert counted_s == pytest.approx(budget.eta_s(n), rel=0.01)


def test_a_million_is_answered_by_playing_a_few_hundred(monkeypatch: pytest.MonkeyPatch) -> None:
    """The work does not grow with the number asked for."""
    budget = Budget(clock=Clock())
    asked = 0
    reserve = Window.reserve

    def counting(*args: Any) -> Any:
        nonlocal asked
        asked += 1
        return reserve(*args)

    monkeypatch.setattr(Window, "reserve", counting)
    eta_s = budget.eta_s(1_000_000)
    assert eta_s == pytest.approx(1_000_000 / 99 * 61, rel=0.001)
    assert asked < 2000
    assert budget.eta_s(0) == 0.0


async def test_an_eta_counts_who_waits_and_what_is_paused(loop: VirtualLoop) -> None:
    """Those who wait go first; what is under way is taken as answered now."""
    budget = Budget(2, margin_s=0, clock=loop.clock)
    for _ in range(2):
        await budget.slot().__aenter__()
    assert budget.eta_s(1) == pytest.approx(90.0, abs=0.001)
    waiting = asyncio.create_task(budget.slot().__aenter__())
    await asyncio.sleep(0)
    assert budget.eta_s(1) > 91
    waiting.cancel()
    await asyncio.sleep(0)
    budget.pause(1000)
    assert budget.eta_s(1) == pytest.approx(1000.0, abs=0.001)


# --- what it costs ---


def _bytes_each(make: Callable[[], object], count: int = 50) -> float:
    make()
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        made = [make() for _ in range(count)]
        gc.collect()
        return (tracemalloc.get_traced_memory()[0] - before) / len(made)
    finally:
        tracemalloc.stop()


def test_a_budget_that_was_never_used_takes_a_kibibyte() -> None:
    """A program may keep one for each of its customers."""
    assert _bytes_each(Budget) <= 1024


def test_an_idle_budget_takes_four_kibibytes() -> None:
    """After hundreds of requests and a long queue, once it has been looked at again; without a task or a timer."""

    async def main(loop: VirtualLoop) -> float:
        async def used() -> Budget:
            budget = Budget(clock=loop.clock)
            await Workers(loop, budget, [], Load(bulk=0.5), 1).run(250, workers=200)
            await asyncio.sleep(130)
            budget.snapshot()
            return budget

        await used()
        gc.collect()
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            budgets = [await used() for _ in range(10)]
            gc.collect()
            return (tracemalloc.get_traced_memory()[0] - before) / len(budgets)
        finally:
            tracemalloc.stop()

    assert run(main) <= 4096


def test_one_budget_serves_one_loop_after_the_other() -> None:
    """asyncio.run, again and again: each loop has its gate, the window is one, and the gates of dead loops go."""
    clock = Clock()
    budget = Budget(5, clock=clock)
    window = counted(budget)

    async def main(loop: VirtualLoop) -> None:
        async with budget.slot() as slot:
            slot.answered()

    for _ in range(5):
        run(main)
    assert window.settled == 5
    assert len(budget._gates) == 1
    assert budget.snapshot().available == 0
