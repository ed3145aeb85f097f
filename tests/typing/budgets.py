"""The budget: made, shared, asked."""

from collections.abc import Mapping
from typing import assert_type

from onboard360_async import AsyncOnboard360, Budget, Onboard360, Priority, budget
from onboard360_async.budget import BudgetState


async def shared() -> None:
    own = Budget(50, burst=10, keep_for_interactive=5, store="file", on_store_error="local", share=0.5, scope="acme")
    one, other = AsyncOnboard360("sk_test_1", budget=own), Onboard360("sk_test_1", budget=own)
    assert_type(one.budget, Budget)
    assert_type(other.budget.snapshot(), BudgetState)
    state = await own.refresh()
    assert_type(state.available, int)
    assert_type(state.held_by, Mapping[str, int])
    assert_type(own.eta_s(5000), float)
    own.pause(1.5)
    assert_type(Priority.BULK < Priority.INTERACTIVE, bool)
    assert budget.Budget is Budget
