"""What budgets share within one process: the books of a scope, and what must happen to all books at a fork.

Knows no waiting. Scopes and books are kept for as long as the process lives: a forgotten past would be a 429.
"""

import os
from collections.abc import Callable
from typing import Final
from weakref import WeakSet

from onboard360_async.budget.ledger import Ledger
from onboard360_async.budget.window import Window
from onboard360_async.errors import ConfigurationError

__all__ = ["check_store", "ledger_of"]

_SCOPES: Final[dict[str, Ledger]] = {}
_ALL: Final[WeakSet[Ledger]] = WeakSet()


def check_store(store: object) -> None:
    """ConfigurationError for a store that this version does not have."""
    if store != "memory":
        raise ConfigurationError('store must be "memory": the budget is shared by all threads and loops of a process.')


def ledger_of(scope: str | None, limit: int, span_ns: int, clock: Callable[[], int]) -> Ledger:
    """The books of a scope, or new ones. ConfigurationError if the scope has other settings already."""
    known = None if scope is None else _SCOPES.get(scope)
    if known is not None:
        if (known.window.limit, known.span_ns, known.clock) != (limit, span_ns, clock):
            raise ConfigurationError(f"The budget scope {scope!r} is in use with another limit, window or clock.")
        return known
    ledger = Ledger(Window(limit, span_ns), span_ns, clock)
    _ALL.add(ledger)
    return ledger if scope is None else _SCOPES.setdefault(scope, ledger)


_FORKING: Final[list[Ledger]] = []  # whose locks are held while a fork is made, so that no books are torn in the child


def _before_fork() -> None:
    _FORKING.extend(_ALL)
    for ledger in _FORKING:
        ledger.lock.acquire()


def _after_fork_in_parent() -> None:
    while _FORKING:
        _FORKING.pop().lock.release()


def _after_fork_in_child() -> None:
    for ledger in _FORKING:
        ledger.start_afresh_in_child()
    _after_fork_in_parent()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
