"""What a grant and a settle cost when the window is full, ours beside others, in interleaved rounds.

A real clock grants once in 600 ms then, so everybody's clock is turned by hand, as in the matrix: by a 99th of the
window before each grant, so that each log has 99 in it. Timed is only the call itself, and what timing costs is taken
off. What `limits` has a task and a thread do after each hit, to tidy up, is not timed.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from statistics import median
from time import perf_counter_ns

from benchmarks.clients import Asked, Terms, chosen
from benchmarks.minute import LIMIT, WINDOW_S
from benchmarks.table import Row, Table
from onboard360_async import Budget
from onboard360_async.budget.window import Window
from onboard360_async.settings import BURST
from tests.budget.letter import LetterWindow
from tests.budget.virtual import VirtualLoop, run

__all__ = ["tables"]

PEERS = ("AsyncLimiter(100, 60)", "PyrateLimiter", "limits moving window", "throttled-py GCRA")
ROUNDS, CALLS, LETTERS = 15, 500, 4
TARGET_US = 5.0  # for the rule's grant and settle
_SPAN_S = WINDOW_S * 61 / 60  # ours, with its margin
_SPAN_NS = round(_SPAN_S * 1e9)

Call = Callable[[], Awaitable[object]]
Timed = Callable[[], Awaitable[float]]  # one round: the median in nanoseconds


class _Way:
    """One line of the table."""

    def __init__(self, name: str, timed: Timed) -> None:
        self.name, self.timed = name, timed
        self.rounds: list[float] = []

    async def round(self) -> None:
        """One more."""
        self.rounds.append(await self.timed())


def _awaited(loop: VirtualLoop, call: Call, span_s: float) -> Timed:
    """Calls that are awaited. Between them the loop turns once, so that nothing piles up behind a limiter."""
    pace_s = span_s / (LIMIT - 1)

    async def timed() -> float:
        took = []
        for _ in range(CALLS):
            loop.skip(pace_s)
            began = perf_counter_ns()
            await call()
            took.append(perf_counter_ns() - began)
            await asyncio.sleep(0)
        return median(took)

    return timed


def _rule(window: Window | LetterWindow, calls: int, before: int = 0) -> Timed:
    """The rule alone, as the books call it; `before` is how many calls that window has seen."""
    pace_ns = _SPAN_NS // (LIMIT - 1) + 1
    now = before * pace_ns

    async def timed() -> float:
        nonlocal now
        took = []
        for _ in range(calls):
            now += pace_ns
            if isinstance(window, LetterWindow):
                del window.settled[: -2 * LIMIT]  # it remembers all; two windows are enough
            began = perf_counter_ns()
            granted = window.reserve(now)
            window.settle(now)
            took.append(perf_counter_ns() - began)
            # The letter says whether, the window for how long not.
            assert granted if isinstance(granted, bool) else granted == 0, "the window was to be full, not too full"
        return median(took)

    return timed


def _first() -> Timed:
    """The rule just after a window has filled for the first time, when there are most phases to look at.

    A budget begins with its burst, and goes on at its pace or as soon as the rule allows.
    """

    async def timed() -> float:
        window, now = Window(LIMIT, _SPAN_NS), 0
        took: list[int] = []
        while len(took) < LIMIT * 11 // 10:
            began = perf_counter_ns()
            wait_ns = window.reserve(now)
            if wait_ns == 0:
                window.settle(now)
                took.append(perf_counter_ns() - began)
                wait_ns = _SPAN_NS // LIMIT if len(took) >= BURST else 0
            now += wait_ns or 0
        return median(took[LIMIT:])

    return timed


def _slot(budget: Budget) -> Call:
    async def call() -> None:
        async with budget.slot() as slot:
            slot.sent()
            slot.answered()

    return call


async def _nothing() -> None:
    """What timing costs."""


async def _measure(loop: VirtualLoop) -> list[_Way]:
    letter, window = LetterWindow(LIMIT, _SPAN_NS), Window(LIMIT, _SPAN_NS)
    ways = [
        _Way("(timing)", _awaited(loop, _nothing, WINDOW_S)),
        _Way("ours: the rule (reserve, settle)", _rule(window, CALLS)),
        _Way("ours: the rule, its dearest moment", _first()),
        _Way("ours: a whole slot", _awaited(loop, _slot(Budget(LIMIT, clock=loop.clock)), _SPAN_S)),
    ]
    with contextlib.ExitStack() as opened:
        for client in chosen(*PEERS):
            limiter = opened.enter_context(client.open(Terms(LIMIT, WINDOW_S, loop)))
            assert isinstance(limiter, Asked)
            ways.append(_Way(f"{client.name} {client.version()}", _awaited(loop, limiter.turn, WINDOW_S)))
        ways.append(_Way("the rule by the letter, in fractions", _rule(letter, LETTERS)))
        for way in ways[:-1]:
            await way.timed()  # fills the window, and warms up
        letter.settled = [-number * (_SPAN_NS // (LIMIT - 1) + 1) for number in range(2 * LIMIT)][::-1]
        for _ in range(ROUNDS):
            for way in ways:
                await way.round()
    return ways


def tables() -> list[Table]:
    """The table."""
    timing, *ways = run(_measure)
    cost = {way.name: max(0.0, median(way.rounds) - median(timing.rounds)) / 1000 for way in ways}
    rule = cost[ways[0].name]
    rows = []
    for name, micros in cost.items():
        target = f"<= {TARGET_US:g} µs" if "the rule" in name and "ours" in name else ""
        rows.append(Row(name, micros, micros / rule, target))
    title = f"Grant and settle with a full window, in memory, median of {ROUNDS} interleaved rounds"
    return [Table("cost", title, "µs", tuple(rows), "the rule")]
