"""The factories: events as a handler gets them, signed as the service would, for users' own tests."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from onboard360_async.errors import SignatureError
from onboard360_async.webhooks import (
    ClientCompleted,
    ClientCreated,
    ClientData,
    Event,
    FlowCreated,
    FlowData,
    UnknownData,
    UnknownEvent,
    WebhookVerifier,
)
from onboard360_async.webhooks.factories import SECRET, client_completed, client_created, flow_created, unknown_event
from tests.page import WEBHOOK_BODY

FACTORIES: dict[str, tuple[Callable[..., Event], type[Event], type[object]]] = {
    "client.created": (client_created, ClientCreated, ClientData),
    "client.completed": (client_completed, ClientCompleted, ClientData),
    "flow.created": (flow_created, FlowCreated, FlowData),
    "client.renamed": (unknown_event, UnknownEvent, UnknownData),
}
every = pytest.mark.parametrize("name", FACTORIES)


def at(event: Event, *secrets: str) -> Event:
    """The event again, as a verifier reads it at the moment at which it was received."""
    return WebhookVerifier(*secrets, clock=event.received_at.timestamp).verify(event.body, event.headers)


@every
def test_each_gives_its_class_and_no_flag(name: str) -> None:
    """An event of that name that was stamped and received just now."""
    make, kind, data = FACTORIES[name]
    before = datetime.now(UTC)
    event = make()
    assert (type(event), type(event.data), event.name, event.form) == (kind, data, name, "raw")
    assert event.flags == frozenset()
    assert before <= event.received_at <= datetime.now(UTC)
    assert event.timestamp is not None
    assert timedelta(0) <= event.received_at - event.timestamp < timedelta(seconds=1)  # it is written in whole seconds


@every
def test_each_is_what_a_verifier_makes_of_its_body_and_headers(name: str) -> None:
    """The very same, with the published secret; it is refused with another one."""
    event = FACTORIES[name][0](note="ünï\u2028", number=1.0)
    assert at(event, SECRET) == event
    with pytest.raises(SignatureError):
        at(event, "whsec_other")


@every
def test_each_can_be_signed_with_a_secret_of_your_own(name: str) -> None:
    """The data are the same."""
    make = FACTORIES[name][0]
    event = make(secret="whsec_mine", timestamp="2026-01-01T00:00:00Z")
    assert at(event, "whsec_mine") == event
    assert event.body == make(timestamp="2026-01-01T00:00:00Z").body
    with pytest.raises(SignatureError):
        at(event, SECRET)


def test_a_new_client_is_the_pages_own() -> None:
    """With nothing said, its data are those of the API page's example."""
    event = client_created(timestamp="2024-01-15T09:00:00Z")
    assert json.loads(event.body) == json.loads(WEBHOOK_BODY)
    assert client_completed().data == event.data
    assert (flow_created().data.campaign_id, flow_created().data.campaign_name) == (
        event.data.campaign_id,
        event.data.campaign_name,
    )


@every
def test_data_are_replaced_and_added(name: str) -> None:
    """What the page names is replaced, what it does not name is in `extra`; None is null."""
    make, _, shape = FACTORIES[name]
    given: dict[str, Any] = {"campaign_id": "flow-1", "campaign_name": None, "tag": ["vip"]}
    event = make(**given)
    if shape is UnknownData:
        assert dict(event.data.extra) == given
    else:
        assert isinstance(event.data, ClientData | FlowData)
        assert (event.data.campaign_id, event.data.campaign_name) == ("flow-1", None)
        assert dict(event.data.extra) == {"tag": ["vip"]}


def test_a_field_of_another_kind_is_flagged_as_in_earnest() -> None:
    """So that users can test what they do with it."""
    event = client_created(email=7)
    assert event.data.email is None
    assert event.flags == {"data"}


@pytest.mark.parametrize(
    ("timestamp", "flags"),
    [("2020-01-01T00:00:00Z", {"old"}), ("2999-01-01T00:00:00Z", {"ahead"}), ("soon", {"undated"})],
)
def test_a_time_stamp_of_your_own_is_judged(timestamp: str, flags: set[str]) -> None:
    """An old one, one ahead, one that is none: so that users can test what they do with it."""
    assert client_created(timestamp=timestamp).flags == flags


def test_an_unknown_event_has_the_name_that_you_give_it() -> None:
    """And nothing but your own data."""
    event = unknown_event("invoice.paid", amount=3)
    assert (event.name, dict(event.data.extra)) == ("invoice.paid", {"amount": 3})
    assert dict(event.headers)["X-360onboard-Event"] == "invoice.paid"


def test_two_events_are_two() -> None:
    """Other data or another time make another id; the same make the same."""
    made = [client_created(email=email, timestamp="2026-01-01T00:00:00Z") for email in ("a@x.de", "b@x.de", "a@x.de")]
    assert made[0].id == made[2].id != made[1].id
