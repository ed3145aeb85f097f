"""What a store of the books of a key is: it loads and swaps bytes, by the clock of its own.

Knows no store. The rule is written once, in `window`, and what is in the bytes is `books`' to know.
"""

import hashlib
from typing import NamedTuple, Protocol

__all__ = ["Loaded", "Store", "StoreError", "version_of"]


class StoreError(Exception):
    """A store that cannot be reached or used; the message holds no password.

    `is_final`: asking again is of no use.
    """

    def __init__(self, message: str, *, is_final: bool = False) -> None:
        super().__init__(message)
        self.is_final = is_final


class Loaded(NamedTuple):
    """What was in a store, and when by its own clock (nanoseconds). `blob` is None where there never was anything."""

    blob: bytes | None
    version: str
    now_ns: int


class Store(Protocol):
    """Two methods, and `close`. Each may raise StoreError; one that is cancelled may have been carried out."""

    posts_at_once: bool  # whether news cost so little that they need not travel together

    async def load(self) -> Loaded:
        """What is there now."""

    async def swap(self, blob: bytes, version: str) -> bool:
        """Write, if what is there is still of this version; whether it was."""

    async def close(self) -> None:
        """Give back what was opened, on the loop that opened it."""


def version_of(blob: bytes | None) -> str:
    """What tells one state from all others: no two that we write are the same, since each is numbered."""
    return "" if blob is None else hashlib.sha1(blob, usedforsecurity=False).hexdigest()
