"""What ten thousand budgets take in one process, as for an agency with as many keys; and that they leave no task alive.

Counts what Python allocates for them (tracemalloc), with all that hangs on each, in virtual time.
"""

import asyncio
import gc
import tracemalloc
from collections.abc import Iterable

from benchmarks.table import Row, Table
from onboard360_async import Budget
from tests.budget.virtual import VirtualLoop, run

__all__ = ["tables"]

BUDGETS, FULL, LIMIT, WINDOWS = 10_000, 200, 100, 4
PACE_S = 61 / (LIMIT - 1)  # of the requests while a window is full
NEVER_USED, IDLE = 1024, 4096  # bytes at most; the targets


def _allocated() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


async def _use(budgets: Iterable[Budget]) -> None:
    for budget in budgets:
        async with budget.slot() as slot:
            slot.sent()
            slot.answered()


async def _measure(loop: VirtualLoop) -> Table:
    clock = loop.clock
    tracemalloc.start()
    try:
        before = _allocated()
        budgets = [Budget(LIMIT, clock=clock) for _ in range(BUDGETS)]
        never = (_allocated() - before) / BUDGETS
        await _use(budgets)
        idle = (_allocated() - before) / BUDGETS
        base, windows = _allocated(), []
        for _ in range(WINDOWS):
            for _ in range(LIMIT - 1):  # as many as a full window grants in the long run
                await asyncio.sleep(PACE_S)
                await _use(budgets[:FULL])
            windows.append(idle + (_allocated() - base) / FULL)
    finally:
        tracemalloc.stop()
    used = [budget.snapshot().used for budget in budgets[:FULL]]
    tasks = len(asyncio.all_tasks()) - 1  # this one
    scheduled: list[asyncio.TimerHandle] = vars(loop)["_scheduled"]  # no public name leads to it
    timers = sum(not timer.cancelled() for timer in scheduled)
    rows = (
        Row("never used", never, target=f"<= {NEVER_USED}"),
        Row("used once, and idle", idle, target=f"<= {IDLE}"),
        Row(f"a full window, the first ({FULL} of them)", windows[0], note=f"{min(used)} in the window"),
        Row(f"a full window, the {WINDOWS}th", windows[-1], note="the same"),
        Row("tasks alive while all idle", tasks, target="0"),
        Row("timers alive while all idle", timers, target="0"),
    )
    return Table("memory", f"{BUDGETS:,} budgets of {LIMIT} in a minute: bytes for each", "bytes", rows)


def tables() -> list[Table]:
    """The table."""
    return [run(_measure)]
