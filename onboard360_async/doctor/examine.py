"""The examination: the budget is looked at, two GETs are sent at most, and all that was seen is handed on.

Knows no verdict. What was asked for in vain is no reason to stop, unless the next request could only meet the same.
"""

import time
from collections.abc import Callable

from attrs import field, frozen

from onboard360_async import settings
from onboard360_async.budget.file_store import state_folder
from onboard360_async.budget.ledger import SECOND
from onboard360_async.budget.registry import name_for
from onboard360_async.budget.store import StoreError
from onboard360_async.budget.stores import open_store
from onboard360_async.doctor.census import Census
from onboard360_async.doctor.looking import Ear, look_at_campaigns, look_at_clients
from onboard360_async.doctor.seen import BudgetSeen, KeySeen, Seen
from onboard360_async.doctor.signed import Webhook
from onboard360_async.errors import BudgetStoreError, ConfigurationError
from onboard360_async.transport.access import ApiKey, check_base_url, is_loopback
from onboard360_async.transport.options import Event
from onboard360_async.transport.pool import Pool
from onboard360_async.transport.proxy import proxy_for
from onboard360_async.transport.transport import Transport

__all__ = ["Place", "examine"]


@frozen
class Place:
    """Whom to ask, with which key, and where the budget is kept; `shown` is that without a password."""

    key: str = field(repr=False)
    base_url: str | None
    store: str = field(repr=False)
    shown: str


async def examine(place: Place, *, most: int, webhook: Webhook | None, on_event: Callable[[Event], None]) -> Seen:
    """What a service shows, by GET /campaigns and GET /clients, each sent once at most.

    `most` clients of the listing are looked at. ConfigurationError for a base URL that is none.
    """
    url = check_base_url(place.base_url, allow_insecure=False)
    seen = Seen(
        key=KeySeen(text=place.key, is_loopback=is_loopback(url.host or "")),
        budget=BudgetSeen(store=place.shown),
        webhook=webhook,
    )
    try:
        key = ApiKey(place.key)
    except ConfigurationError as error:
        seen.key.fault = str(error)
        return seen

    def heard(event: Event) -> None:
        seen.budget.spent += event.name == "sent"
        on_event(event)

    ear, pool = Ear(), Pool(None, proxy_for(url))
    transport = Transport(key, url, pool, budget=place.store, on_event=heard)
    transport.clock = ear
    try:
        await _look_at_budget(seen.budget, transport, place.store, name_for(key.fixed, str(url)))
        await _ask(seen, transport, ear, Census(most, None if webhook is None else webhook.named))
    finally:
        await pool.close()
    seen.skew_s = ear.skew_s()
    return seen


async def _ask(seen: Seen, transport: Transport, ear: Ear, census: Census) -> None:
    """The two GETs, as far as there is any use in them."""
    if seen.budget.fault:
        return
    seen.campaigns = await look_at_campaigns(transport, ear)
    if not seen.campaigns.ends_it:
        seen.clients = await look_at_clients(transport, ear, census)
    for answer in seen.answers:
        if answer.error is BudgetStoreError:  # it could be read, and then not written
            seen.budget.fault = answer.fault


async def _look_at_budget(budget: BudgetSeen, transport: Transport, store: str, name: str) -> None:
    """How it stands, by the store itself; nothing is taken."""
    try:
        budget.state = await transport.budget_now().refresh()
        if store == "file":
            budget.mode = state_folder().stat().st_mode & 0o777
        elif store != "memory":
            budget.skew_s = await _skew_of(store, name)
    except (BudgetStoreError, StoreError, OSError) as error:
        budget.fault = str(error)


async def _skew_of(store: str, name: str) -> float:
    opened = open_store(store, name, time.monotonic_ns, most_ns=round(settings.WINDOW_S * SECOND))
    try:
        return ((await opened.load()).now_ns - time.time_ns()) / SECOND
    finally:
        await opened.close()
