"""What budgets share within one process: the books of a scope, and what must happen to all books at a fork.

Knows no waiting. Scopes and books are kept for as long as the process lives: a forgotten past would be a 429.
"""

import os
import threading
from collections.abc import Callable
from typing import Final, TypeVar
from weakref import WeakSet

from onboard360_async.budget.ledger import Ledger
from onboard360_async.budget.memory_ledger import MemoryLedger
from onboard360_async.budget.window import Window
from onboard360_async.errors import ConfigurationError

__all__ = ["HELD_AT_FORKS", "keep_whole_at_forks", "memory_ledger"]

L = TypeVar("L", bound=Ledger)
_SCOPES: Final[dict[str, MemoryLedger]] = {}
_ALL: Final[WeakSet[Ledger]] = WeakSet()


def memory_ledger(scope: str | None, limit: int, span_ns: int, clock: Callable[[], int]) -> MemoryLedger:
    """The books of a scope, or new ones. ConfigurationError if the scope has other settings already."""
    ledger = MemoryLedger(Window(limit, span_ns), clock)
    if scope is not None:
        ledger = _SCOPES.setdefault(scope, ledger)
        if (ledger.limit, ledger.span_ns, ledger.clock) != (limit, span_ns, clock):
            raise ConfigurationError(f"scope {scope!r} is in use with another limit, share, window, margin or clock.")
    return keep_whole_at_forks(ledger)


def keep_whole_at_forks(ledger: L) -> L:
    """Count this ledger among those that no fork may tear."""
    with _FORK_LOCK:  # a fork walks through them
        _ALL.add(ledger)
    return ledger


# --- forks: no books may be torn in the child, so all locks are held while a fork is made ---

_FORK_LOCK: Final = threading.Lock()  # taken before any other: two threads may fork at once
HELD_AT_FORKS: Final = threading.Lock()  # for what must be nobody's while a fork is made: a lock on a file
_FORKING: Final[list[Ledger]] = []


def _before_fork() -> None:
    _FORK_LOCK.acquire()
    HELD_AT_FORKS.acquire()
    _FORKING.extend(_ALL)
    for ledger in _FORKING:
        ledger.lock.acquire()


def _after_fork_in_parent() -> None:
    while _FORKING:
        _FORKING.pop().lock.release()
    HELD_AT_FORKS.release()
    _FORK_LOCK.release()


def _after_fork_in_child() -> None:
    for ledger in _FORKING:
        ledger.start_afresh_in_child()
    _after_fork_in_parent()


if hasattr(os, "register_at_fork"):  # pragma: no branch - Windows has no fork
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
