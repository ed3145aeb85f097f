"""The blocking handle: the same calls with the same signatures and no await, run unchanged on the private loop.

Knows nothing of its own: what a call does is `api`'s, how it gets to the loop and back is `bridge`'s.
"""

from collections.abc import Callable, Coroutine, Iterator
from functools import wraps
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar, cast

from onboard360_async import settings
from onboard360_async.access import KeySource
from onboard360_async.api import UNSET, AsyncOnboard360, Unset
from onboard360_async.bridge import iterate, run
from onboard360_async.budget import Budget, Priority
from onboard360_async.listing import ClientListing
from onboard360_async.models import Client
from onboard360_async.options import Event

__all__ = ["BlockingListing", "Onboard360"]

P = ParamSpec("P")
T = TypeVar("T")


def _blocking(
    call: Callable[Concatenate[AsyncOnboard360, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate["Onboard360", P], T]:
    """The blocking twin of a call: same name, same signature, same docstring."""

    @wraps(call)
    def twin(self: "Onboard360", *args: P.args, **kwargs: P.kwargs) -> T:
        return run(lambda: call(self._api, *args, **kwargs))

    return cast("Callable[Concatenate[Onboard360, P], T]", twin)


class BlockingListing:
    """The clients of one listing: `for client in listing`, or by `listing.batches()` as they arrive."""

    def __init__(self, listing: ClientListing) -> None:
        self._listing = listing

    def __iter__(self) -> Iterator[Client]:
        for batch in self.batches():
            yield from batch

    def batches(self) -> Iterator[list[Client]]:
        """Lists of clients as they arrive; the next one is fetched while this one is read."""
        return iterate(self._listing.batches)


class Onboard360:
    """The 360Onboard API for one key, blocking: what AsyncOnboard360 is, without await, from any thread."""

    def __init__(
        self,
        api_key: KeySource | None = None,
        *,
        base_url: str | None = None,
        budget: Budget | str | None = None,
        timeout_s: float = settings.TIMEOUT_S,
        deadline_s: float | None = None,
        max_retries: int = settings.MAX_RETRIES,
        on_event: Callable[[Event], None] | None = None,
        page_size: int | None = None,
        allow_insecure: bool = False,
    ) -> None:
        self._api = AsyncOnboard360(
            api_key,
            base_url=base_url,
            budget=budget,
            timeout_s=timeout_s,
            deadline_s=deadline_s,
            max_retries=max_retries,
            on_event=on_event,
            page_size=page_size,
            allow_insecure=allow_insecure,
        )

    def __repr__(self) -> str:
        return repr(self._api).removeprefix("Async")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def budget(self) -> Budget:
        """The budget that this handle's requests are taken from."""
        return self._api.budget

    def with_options(
        self,
        *,
        timeout_s: float | Unset = UNSET,
        priority: Priority | Unset = UNSET,
        deadline_s: float | Unset | None = UNSET,
        max_wait_s: float | Unset | None = UNSET,
        api_key: KeySource | Unset = UNSET,
    ) -> Self:
        """A light copy with other defaults: it shares the connections, and the budget unless the key changes."""
        copy = object.__new__(type(self))
        copy._api = self._api.with_options(
            timeout_s=timeout_s, priority=priority, deadline_s=deadline_s, max_wait_s=max_wait_s, api_key=api_key
        )
        return copy

    def iter_clients(
        self,
        *,
        campaign_id: str | Unset = UNSET,
        priority: Priority | None = None,
        deadline_s: float | None = None,
        max_wait_s: float | None = None,
    ) -> BlockingListing:
        """Everybody, or everybody in one campaign, as they arrive: `for client in api.iter_clients()`."""
        return BlockingListing(
            self._api.iter_clients(
                campaign_id=campaign_id, priority=priority, deadline_s=deadline_s, max_wait_s=max_wait_s
            )
        )

    close = _blocking(AsyncOnboard360.close)
    list_campaigns = _blocking(AsyncOnboard360.list_campaigns)
    find_campaign = _blocking(AsyncOnboard360.find_campaign)
    list_clients = _blocking(AsyncOnboard360.list_clients)
    find_client = _blocking(AsyncOnboard360.find_client)
    add_client = _blocking(AsyncOnboard360.add_client)
    ensure_client = _blocking(AsyncOnboard360.ensure_client)
    request = _blocking(AsyncOnboard360.request)
