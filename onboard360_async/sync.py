"""The blocking handle: the same calls with the same signatures and no await, run unchanged on the private loop.

Knows nothing of its own: what a call does is `api`'s, how it gets to the loop and back is `bridge`'s.
"""

from collections.abc import Callable, Coroutine
from functools import wraps
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from onboard360_async import settings
from onboard360_async.api import AsyncOnboard360
from onboard360_async.blocking import BlockingImport, BlockingListing
from onboard360_async.bridge import close_at_end, is_over, run
from onboard360_async.budget import Budget
from onboard360_async.hidden import hidden, hide_in
from onboard360_async.transport.access import KeySource
from onboard360_async.transport.options import Event

__all__ = ["Onboard360"]

P = ParamSpec("P")
A = TypeVar("A")
B = TypeVar("B")


def _giving(
    call: Callable[Concatenate[AsyncOnboard360, P], A], change: Callable[[A], B]
) -> Callable[Concatenate["Onboard360", P], B]:
    """The blocking twin of a call: same name, signature and docstring; what comes back is changed for blocking use."""

    @wraps(call)
    def twin(self: "Onboard360", *args: P.args, **kwargs: P.kwargs) -> B:
        hide_in(kwargs)
        return change(call(self._api, *args, **kwargs))

    return twin  # type: ignore[return-value]  # wraps() renames `self` for mypy


def _blocking(
    call: Callable[Concatenate[AsyncOnboard360, P], Coroutine[Any, Any, B]],
) -> Callable[Concatenate["Onboard360", P], B]:
    """The blocking twin of a coroutine function."""

    @wraps(call)
    def twin(self: "Onboard360", *args: P.args, **kwargs: P.kwargs) -> B:
        hide_in(kwargs)
        return run(lambda: call(self._api, *args, **kwargs))

    return twin  # type: ignore[return-value]  # wraps() renames `self` for mypy


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
        api_key, base_url = hidden(api_key), hidden(base_url)
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
        close_at_end(self._api)

    @classmethod
    def _over(cls, api: AsyncOnboard360) -> Self:
        handle = object.__new__(cls)
        handle._api = api
        return handle

    def __repr__(self) -> str:
        return repr(getattr(self, "_api", "Onboard360(...)")).strip("'").removeprefix("Async")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; closing twice is fine, and so is closing when the interpreter has done it already."""
        if not is_over():
            run(self._api.close)

    @property
    def budget(self) -> Budget:
        """The budget that this handle's requests are taken from."""
        return self._api.budget

    list_campaigns = _blocking(AsyncOnboard360.list_campaigns)
    find_campaign = _blocking(AsyncOnboard360.find_campaign)
    list_clients = _blocking(AsyncOnboard360.list_clients)
    find_client = _blocking(AsyncOnboard360.find_client)
    add_client = _blocking(AsyncOnboard360.add_client)
    ensure_client = _blocking(AsyncOnboard360.ensure_client)
    request = _blocking(AsyncOnboard360.request)
    iter_clients = _giving(AsyncOnboard360.iter_clients, BlockingListing)
    open_import = _giving(AsyncOnboard360.open_import, BlockingImport)
    with_options = _giving(AsyncOnboard360.with_options, lambda api: Onboard360._over(api))
