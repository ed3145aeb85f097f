"""The gate over books in this process: a grant that is there is given at once, without a task.

Knows no store.
"""

from typing import TYPE_CHECKING

from onboard360_async.budget.gate import Gate, Limits, Priority
from onboard360_async.budget.ledger import Held
from onboard360_async.budget.memory_ledger import MemoryLedger

if TYPE_CHECKING:
    import asyncio

__all__ = ["MemoryGate"]


class MemoryGate(Gate):
    """One pump that picks the waiter after it has token and slot, or priority could not act."""

    __slots__ = ("_books", "_token")

    def __init__(self, ledger: MemoryLedger, *, burst: int, keep: int) -> None:
        super().__init__(ledger, burst=burst, keep=keep)
        self._books = ledger
        self._token = False  # taken from the shaper for somebody who has gone since

    async def look(self) -> None:
        """They are here: there is nobody to ask."""

    def grant_now(self, priority: Priority) -> Held | None:
        """A grant that is there, if nobody is ahead."""
        first, others = self._lanes
        if first or (priority and others) or not (self._token or self._shaper.has_capacity()):
            return None
        if self._books.reserve(self._keep if priority else 0) != 0:
            return None
        if self._token:
            self._token = False
        else:
            self._shaper.spend()
        return self._books

    async def _granted_at_once(self, priority: Priority, _limits_s: Limits, _grace_s: float) -> Held | None:
        return self.grant_now(priority)

    def _tokens(self) -> float:
        return super()._tokens() + self._token

    def _drop(self, priority: Priority, waiter: "asyncio.Future[Held]") -> None:
        """Without waiters there is no pump either."""
        super()._drop(priority, waiter)
        if self._pump is not None and not self.waiting and not self._loop.is_closed():
            self._pump.cancel()
            self._pump = None

    async def _serve(self) -> None:
        while self._is_needed:
            if not self._token:
                await self._shaper.acquire()
                self._token = True
            wait_ns = self._grant_next()
            if wait_ns != 0:
                await self._sleep(wait_ns)

    def _grant_next(self) -> int | None:
        """Grant to the one whose turn it is, who is known only now; else how long to wait."""
        for priority, lane in enumerate(self._lanes):
            while lane:
                waiter = next(iter(lane))
                if waiter.done():  # cancelled a moment ago
                    del lane[waiter]
                    continue
                wait_ns = self._books.reserve(self._keep_from(priority))
                if wait_ns == 0:
                    self._token = False
                    del lane[waiter]
                    waiter.set_result(self._books)
                return wait_ns
        return 0
