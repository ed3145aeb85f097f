"""The budget of one API key: who may send the next request, and when.

Counts and waits; knows no HTTP and no key. Below it: errors and settings. Above it: transport.
"""

from onboard360_async.budget.budget import Budget, BudgetState
from onboard360_async.budget.gate import Priority

__all__ = ["Budget", "BudgetState", "Priority"]
