"""Where the books of a key can be kept, so that processes and machines share one minute.

A store only loads and swaps bytes, by the clock of its own; the rule is written once, in `window`, and what is in the
bytes is `books`' to know.
"""

import hashlib
from collections.abc import Callable
from importlib.util import find_spec
from typing import Final, NamedTuple, Protocol
from urllib.parse import urlsplit

from onboard360_async.errors import ConfigurationError

__all__ = ["Loaded", "Store", "StoreError", "check_store", "open_store", "version_of"]

_REDIS: Final = ("redis", "rediss", "unix")  # URL schemes; unix:// is a Redis on a local socket


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


def check_store(store: object) -> str:
    """The store as it was named.

    ConfigurationError, with what may be named, if there is none such; with what to install, if it needs that.
    """
    if isinstance(store, str):
        if store == "memory":
            return store
        if store == "file":
            return _with("platformdirs", store, "A budget in a file", "cli")
        try:
            url = urlsplit(store)
            place = url.path if url.scheme == "unix" else url.hostname
            if url.scheme in _REDIS and place and url.port != 0:
                return _with("redis", store, "A budget in Redis", "redis")
        except ValueError:
            pass
    raise ConfigurationError('The budget\'s store must be "memory", "file" or an address like "redis://host:6379/0".')


def _with(package: str, store: str, what: str, extra: str) -> str:
    if find_spec(package) is None:
        raise ConfigurationError(f"{what} needs one more package: pip install 'onboard360-async[{extra}]'")
    return store


def open_store(store: str, name: str, clock: Callable[[], int], *, most_ns: int) -> Store:
    """The store for one key's books, opened when it is first used. ConfigurationError if it can certainly not be used.

    `most_ns`: how long a store that forgets by itself must remember at the least.
    """
    if store == "file":
        from onboard360_async.budget.file_store import FileStore, state_file

        return FileStore(state_file(name), clock)
    from onboard360_async.budget.redis_store import RedisStore

    return RedisStore(store, name, most_ns=most_ns)
