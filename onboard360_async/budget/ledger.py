"""The books of one key as this process sees them: who may be told, what is common to all ways to keep them.

Where they are kept is `memory`'s or `stored`'s to know. Knows no lane and no waiting; whoever waits is told when it
may be worth asking again.
"""

import threading
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, Protocol

from onboard360_async.budget.feedback import Told
from onboard360_async.budget.window import Window

__all__ = ["SECOND", "Held", "Ledger", "SlotOverError", "Waiting", "give_back"]

SECOND: Final = 1_000_000_000  # nanoseconds
_NOBODY: Final[Mapping[str, int]] = MappingProxyType({})


class SlotOverError(Exception):
    """A slot of a shared budget was kept so long that it may be another's by now: the request must not leave."""


class Waiting(Protocol):
    """Who wants to be told that the books have changed."""

    @property
    def waiting(self) -> int:
        """How many wait there."""

    def look_again(self) -> None:
        """Called from any thread, with no lock held."""


class Held(Protocol):
    """One request that was granted: exactly one of answered, refused, release and lease ends it.

    `lease` takes no lock.
    """

    def sent(self) -> None:
        """The first byte leaves now. SlotOverError if it must not any more."""

    def answered(self, told: Told | None = None) -> None:
        """An answer that was no 429: the request counts as of now."""

    def refused(self, retry_after_s: float | None) -> None:
        """A 429: the request counts as of now, and everybody pauses."""

    def release(self) -> None:
        """The request was certainly never sent."""

    def lease(self, grace_s: float) -> None:
        """It was sent and not answered: it may be counted until `grace_s` from now, and so stays held."""


def give_back(held: Held, error: BaseException | None) -> None:
    """A request was never sent. If the collector ends it, which may be where this thread holds a lock, it counts."""
    if isinstance(error, GeneratorExit):
        held.lease(0.0)
    else:
        held.release()


class Ledger(ABC):
    """What all ledgers share: a clock, a lock, forks, and who waits."""

    __slots__ = ("__weakref__", "_watchers", "clock", "forks", "is_awaited", "limit", "lock", "span_ns")

    def __init__(self, limit: int, span_ns: int, clock: Callable[[], int]) -> None:
        self.limit: int = limit  # as configured; feedback may lower what is granted, and never raises it
        self.span_ns: int = span_ns  # the window and its margin
        self.clock: Callable[[], int] = clock  # nanoseconds, never back
        self.lock: threading.Lock = threading.Lock()
        self.forks: int = 0  # how many forks ago it was made; what was begun before the last one is not ours to end
        self.is_awaited: bool = False  # set by whoever begins to wait, before it looks at the books
        self._watchers: tuple[weakref.ref[Waiting], ...] = ()  # replaced, never changed: any thread may be reading it

    @abstractmethod
    def look(self) -> tuple[Window, int]:
        """A copy of the window to look at, and the moment."""

    @abstractmethod
    def pause(self, seconds: float) -> None:
        """Nobody is granted anything for that long; a longer pause stays."""

    # --- what only books in a store have ---

    @property
    def is_nameless(self) -> bool:
        """Whether a store does not know yet what to call the books."""
        return False

    @abstractmethod
    def name_books(self, name: str) -> None:
        """Call the books in the store so, unless they have a name."""

    def holders(self) -> Mapping[str, int]:
        """Who else may have requests under way, and how many each."""
        return _NOBODY

    # --- who waits ---

    def watch(self, waiting: Waiting) -> None:
        """Tell `waiting` of every change, as long as it lives."""
        with self.lock:
            alive = (watcher for watcher in self._watchers if watcher() is not None)
            self._watchers = (*alive, weakref.ref(waiting))

    @property
    def waiting(self) -> int:
        """How many wait in this process for these books."""
        watchers = (watcher() for watcher in self._watchers)
        return sum(watcher.waiting for watcher in watchers if watcher is not None)

    def _tell(self) -> None:
        for watcher in self._watchers:
            waiting = watcher()
            if waiting is not None:
                waiting.look_again()

    # --- forks ---

    def start_afresh_in_child(self) -> None:
        """After a fork, with the lock held: nobody here waits, and what the parent had under way is the parent's."""
        self.forks += 1
        self._watchers = ()
