"""The process-wide budgets: one for each API key and base URL, for handles that were given none.

Keeps a hash of the key, never the key.
"""

import hashlib
from typing import Final

from onboard360_async.budget.budget import Budget

__all__ = ["budget_for", "name_for"]

_BUDGETS: Final[dict[tuple[str, str], Budget]] = {}


def name_for(api_key: str, base_url: str) -> str:
    """What the books of a key and base URL are called in a store."""
    return hashlib.sha256(f"{api_key}\n{base_url}".encode()).hexdigest()


def budget_for(api_key: str, base_url: str, *, store: str | None = None) -> Budget:
    """The one budget of this process for a key and base URL; made when it is first asked for."""
    store = store or "memory"
    name = name_for(api_key, base_url)
    # No lock, which a fork could leave taken: setdefault lets exactly one of two makers win.
    budget = _BUDGETS.get((name, store)) or _BUDGETS.setdefault((name, store), Budget(store=store))
    budget.name_books(name)
    return budget
