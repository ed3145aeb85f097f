"""Where requests go: the service, the key of the moment, the connections, the budget, and the one who listens.

Knows no attempt and no verdict. What a request needs of it is made once and not for each request.
"""

import logging
from functools import lru_cache
from typing import Final

from multidict import CIMultiDictProxy
from yarl import URL

from onboard360_async.budget import Budget
from onboard360_async.budget.registry import budget_for, name_for
from onboard360_async.budget.stores import check_store
from onboard360_async.codec.drift import Drift
from onboard360_async.errors import ConfigurationError
from onboard360_async.transport.access import ApiKey
from onboard360_async.transport.options import Request
from onboard360_async.transport.pool import Pool
from onboard360_async.transport.server_clock import ServerClock
from onboard360_async.transport.story import Hook, Story
from onboard360_async.transport.wire import headers_of

__all__ = ["Keyed", "Transport"]

logger: Final = logging.getLogger("onboard360_async")


class Keyed:
    """What all requests with one key have in common; made once."""

    __slots__ = ("budget", "headers", "headers_with_body", "key")

    def __init__(self, key: str, budget: Budget) -> None:
        self.key: str = key
        self.budget: Budget = budget
        self.headers: CIMultiDictProxy[str] = headers_of(key, has_body=False)
        self.headers_with_body: CIMultiDictProxy[str] = headers_of(key, has_body=True)


class Transport:
    """Where requests go: the service, the key, the connections, the budget and the one who listens."""

    def __init__(
        self,
        key: ApiKey,
        base_url: URL,
        pool: Pool,
        *,
        budget: Budget | str | None,
        on_event: Hook | None,
    ) -> None:
        if isinstance(budget, str):
            check_store(budget)
        self.key = key
        self.base_url = base_url
        self.pool = pool
        self.clock: ServerClock = ServerClock()
        self.drift: Drift = Drift()
        self._base = str(base_url)
        self._given = budget
        self._keyed: Keyed | None = None  # by the last key
        self._on_event = on_event

    def for_key(self, key: str) -> Keyed:
        """What is common to all requests with this key."""
        keyed = self._keyed
        if keyed is None or keyed.key != key:
            self._keyed = keyed = Keyed(key, self._budget_of(key))
        return keyed

    def _budget_of(self, key: str) -> Budget:
        """The budget that was given, else the one that the process keeps for this key and base URL."""
        if isinstance(self._given, Budget):
            if self._given.is_nameless:
                self._given.name_books(name_for(key, self._base))
            return self._given
        return budget_for(key, self._base, store=self._given)

    def budget_now(self) -> Budget:
        """The same for the key of the moment. ConfigurationError if that can only be awaited."""
        if isinstance(self._given, Budget) and not self._given.is_nameless:
            return self._given
        key = self.key.now()
        if key is None:
            raise ConfigurationError("The key comes from an async callable: pass a Budget(scope=...) to look at it.")
        return self.for_key(key).budget

    def with_key(self, key: ApiKey) -> "Transport":
        """The same connections for another key, and so with another budget."""
        store = None if isinstance(self._given, Budget) else self._given
        other = Transport(key, self.base_url, self.pool, budget=store, on_event=self._on_event)
        other.clock, other.drift = self.clock, self.drift
        return other

    def url(self, request: Request) -> URL:
        """The full address of a request."""
        if request.query is not None:
            return URL(f"{self._base}{request.path}?{request.query}", encoded=True)
        url = _url(self._base, request.path)
        return url.with_query(request.params) if request.params else url

    def story(self, request: Request) -> Story | None:
        """Who tells what happens to a request; None if nobody would hear it."""
        if self._on_event is None and not logger.isEnabledFor(logging.DEBUG):
            return None
        return Story(request, self.url(request), self._on_event)


@lru_cache(maxsize=64)  # the API has few paths, and an address takes longer to make than to compare
def _url(base_url: str, path: str) -> URL:
    return URL(f"{base_url}{path}", encoded=True)
