"""Where the books of a key can be kept, so that processes and machines share one minute: the stores by their names.

Knows what each needs to be installed, and opens it; what a store is, `store` says.
"""

from collections.abc import Callable
from importlib.util import find_spec
from typing import Final
from urllib.parse import urlsplit

from onboard360_async.budget.store import Store
from onboard360_async.errors import ConfigurationError

__all__ = ["check_store", "open_store"]

_REDIS: Final = ("redis", "rediss", "unix")  # URL schemes; unix:// is a Redis on a local socket


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
