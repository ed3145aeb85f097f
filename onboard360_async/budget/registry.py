"""The process-wide budgets: one for each API key and base URL, for handles that were given none.

Keeps a hash of the key, never the key.
"""

import hashlib
from typing import Final

from onboard360_async.budget.budget import Budget

__all__ = ["budget_for"]

_BUDGETS: Final[dict[tuple[str, str, str], Budget]] = {}


def budget_for(api_key: str, base_url: str, *, store: str | None = None) -> Budget:
    """The one budget of this process for a key and base URL; made when it is first asked for."""
    store = store or "memory"
    name = (hashlib.sha256(api_key.encode()).hexdigest(), base_url, store)
    # No lock, which a fork could leave taken: setdefault lets exactly one of two makers win.
    return _BUDGETS.get(name) or _BUDGETS.setdefault(name, Budget(store=store))
