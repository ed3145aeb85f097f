"""Real forks beside a budget in use: `python -m tests.budget.forks NAME` says "well", or what was wrong."""

import os
import sys
import threading
from collections.abc import Callable

from onboard360_async import Budget
from tests.budget.traffic import ledger_of
from tests.budget.virtual import VirtualLoop, run


def in_child(check: Callable[[], object]) -> str:
    """Run a check in a forked child; what it said."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            check()
            said = "well"
        except BaseException as error:  # noqa: BLE001 - a child of the test must end here, whatever it is
            said = repr(error)
        os.write(writing, said.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    return said


def under_way() -> str:
    """Held in the child until the default grace, then a window more; it may go on at once with what is left."""
    now = [10**12]
    budget = Budget(3, window_s=60.0, margin_s=0, clock=lambda: now[0])
    loop = VirtualLoop()

    async def hold() -> None:
        slot = budget.slot()
        await slot.__aenter__()
        slot.sent()
        async with budget.slot(grace_s=5) as slot:
            slot.sent()

    async def one(_loop: VirtualLoop) -> None:
        async with budget.slot(max_wait_s=0) as slot:
            slot.answered()

    def child() -> None:
        state = budget.snapshot()
        assert (state.in_flight, state.available) == (2, 1)
        run(one)
        now[0] += 10 * 10**9
        assert budget.snapshot().in_flight == 1
        now[0] += 20 * 10**9
        assert (budget.snapshot().in_flight, budget.snapshot().used) == (0, 3)
        now[0] += 61 * 10**9
        assert budget.snapshot().used == 0

    loop.run_until_complete(hold())
    said = in_child(child)
    assert budget.snapshot().in_flight == 2
    loop.close()
    return said


def busy() -> str:
    """The child's locks are free and its books whole, whatever other threads were doing at the fork."""
    budgets = [Budget(1000, window_s=0.01) for _ in range(3)]
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            for budget in budgets:
                if ledger_of(budget).reserve() == 0:
                    ledger_of(budget).answered()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        said = {in_child(lambda: [budget.snapshot() for budget in budgets]) for _ in range(20)}
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    return ", ".join(said)


if __name__ == "__main__":
    print({"under_way": under_way, "busy": busy}[sys.argv[1]]())
