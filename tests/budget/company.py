"""Budgets of several processes on one store: what the tests of them share."""

import asyncio
import random
from collections.abc import Sequence
from typing import Any, TypeAlias

from onboard360_async.budget import Budget
from onboard360_async.budget.slot import Slot
from onboard360_async.budget.stored_gate import StoredGate
from tests.budget.servers import Server, servers_of
from tests.budget.shelf import Shelf
from tests.budget.traffic import Load, Log, Workers
from tests.budget.virtual import VirtualLoop

SECOND = 10**9
MINUTE = 60 * SECOND


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
