"""A store in the test's own hands: bytes on a shelf, a clock of its own, and a network that can be slow, cut or frozen.

For virtual time. `Shelf` is what all processes share; each reaches it by a `ShelfStore` of its own.
"""

import asyncio
import random
from collections.abc import Callable

from attrs import Factory, define

from onboard360_async.budget import Budget
from onboard360_async.budget import budget as budget_module
from onboard360_async.budget.store import Loaded, StoreError, version_of


@define
class Shelf:
    """What is kept, and how it can be reached. Times in seconds, but for `clock`."""

    clock: Callable[[], int]  # the loop's, in nanoseconds
    trip_s: float = 0.0  # the longest time to the shelf, and again back
    blob: bytes | None = None
    ahead_ns: int = 10**18  # how far the shelf's own clock goes before the loop's
    is_down: bool = False
    frozen: asyncio.Event | None = None  # while it is there and not set, nothing is answered
    lost_answers: float = 0.0  # the share of swaps that are carried out, and whose answer is lost
    rng: random.Random = Factory(lambda: random.Random(5))
    trips: int = 0
    swaps: int = 0

    def budget(self, **options: object) -> Budget:
        """A budget of another process, on this shelf."""
        made = Budget(store="redis://shelf", clock=self.clock, **options)  # type: ignore[arg-type]  # the test's business
        made._ledger._make = lambda _name: ShelfStore(self)  # type: ignore[attr-defined]  # the ledger of a store
        made.name_books("shelf")
        return made


class ShelfStore:
    """One process' way to the shelf."""

    posts_at_once = False

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf
        self.is_closed = False

    async def load(self) -> Loaded:
        await self._travel()
        shelf = self.shelf
        loaded = Loaded(shelf.blob, version_of(shelf.blob), shelf.clock() + shelf.ahead_ns)
        await self._travel(back=True)
        return loaded

    async def swap(self, blob: bytes, version: str) -> bool:
        await self._travel()
        shelf = self.shelf
        shelf.swaps += 1
        is_it = version_of(shelf.blob) == version
        if is_it:
            shelf.blob = blob
            if shelf.rng.random() < shelf.lost_answers:
                raise StoreError("the answer was lost")
        await self._travel(back=True)
        return is_it

    async def close(self) -> None:
        self.is_closed = True

    async def _travel(self, *, back: bool = False) -> None:
        shelf = self.shelf
        shelf.trips += not back
        if shelf.trip_s:
            await asyncio.sleep(shelf.rng.uniform(0, shelf.trip_s))
        if shelf.frozen is not None:
            await shelf.frozen.wait()
        if shelf.is_down:
            raise StoreError("the shelf is down")


__all__ = ["Shelf", "ShelfStore", "budget_module"]
