"""Events for users' own tests, with the API page's example as their data: as a handler gets them, and signed.

Knows no framework: `event.body` and `event.headers` are what a request holds.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, cast

from onboard360_async import settings
from onboard360_async.webhooks.canonical import js_form
from onboard360_async.webhooks.events import (
    ClientCompleted,
    ClientCreated,
    Event,
    FlowCreated,
    UnknownEvent,
    read_event,
)
from onboard360_async.webhooks.signature import sign

__all__ = ["SECRET", "client_completed", "client_created", "flow_created", "unknown_event"]

SECRET: Final = "whsec_test_of_onboard360_async"  # noqa: S105 - published
"""What signs the events that are made here: for tests, and published."""
# Source: API page, "Webhook Format"
_CAMPAIGN: Final[Mapping[str, object]] = {
    "campaign_id": "550e8400-e29b-41d4-a716-446655440000",
    "campaign_name": "Client Onboarding Flow",
}
_CLIENT: Final[Mapping[str, object]] = {
    "client_id": "770e8400-e29b-41d4-a716-446655440002",
    **_CAMPAIGN,
    "first_name": "John",
    "last_name": "Doe",
    "email": "john@example.com",
    "company_name": "Acme Corp",
    "phone": "+1234567890",
    "link": "https://app.360onboard.com/c/abc123xyz789",
    "created_at": "2024-01-15T09:00:00Z",
}


def client_created(*, secret: str = SECRET, timestamp: str | None = None, **data: object) -> ClientCreated:
    """A new client; each field of `data` replaces the example's, and others are added to it.

    `timestamp` as the API writes them, else now. `body` is what was signed with `secret`, `headers` say so.
    """
    return cast("ClientCreated", _event("client.created", _CLIENT, data, secret, timestamp))


def client_completed(*, secret: str = SECRET, timestamp: str | None = None, **data: object) -> ClientCompleted:
    """A client who finished onboarding; as `client_created`. UNDOCUMENTED: the page shows no data of this event."""
    return cast("ClientCompleted", _event("client.completed", _CLIENT, data, secret, timestamp))


def flow_created(*, secret: str = SECRET, timestamp: str | None = None, **data: object) -> FlowCreated:
    """A campaign that was published; as `client_created`. UNDOCUMENTED: the page shows no data of this event."""
    return cast("FlowCreated", _event("flow.created", _CAMPAIGN, data, secret, timestamp))


def unknown_event(
    name: str = "client.renamed", *, secret: str = SECRET, timestamp: str | None = None, **data: object
) -> UnknownEvent:
    """An event that nobody knows yet; as `client_created`, with nothing but your own data."""
    return cast("UnknownEvent", _event(name, {}, data, secret, timestamp))


def _event(
    name: str, example: Mapping[str, object], data: Mapping[str, object], secret: str, timestamp: str | None
) -> Event:
    now = datetime.now(UTC)
    stamp = now.isoformat(timespec="seconds").replace("+00:00", "Z") if timestamp is None else timestamp
    payload = {"event": name, "data": {**example, **data}, "timestamp": stamp}
    body = js_form(json.dumps(payload).encode())  # as the first sample of the API page would write it
    headers = (
        ("Content-Type", "application/json"),
        (settings.SIGNATURE_HEADER, sign(body, secret)),
        (settings.EVENT_HEADER, name),
    )
    return read_event(body, id=hashlib.sha256(body).hexdigest(), form="raw", received_at=now, headers=headers)
