"""Events: what the page shows is typed, what it does not show is kept, and nothing but a PayloadError is raised."""

import contextlib
import copy
import hashlib
import json
import pickle
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

import pytest
from attrs import asdict, fields
from attrs.exceptions import FrozenInstanceError
from hypothesis import given
from hypothesis import strategies as st

from onboard360_async import settings
from onboard360_async.errors import PayloadError
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
    sign,
)
from onboard360_async.webhooks.events import read_event
from tests.page import WEBHOOK_BODY

WHEN = datetime(2024, 1, 15, 9, 0, tzinfo=UTC)  # of the page's example
PAGE: Mapping[str, Any] = json.loads(WEBHOOK_BODY)
FIELDS: Mapping[str, Any] = PAGE["data"]
KINDS = {
    "client.created": (ClientCreated, ClientData),
    "client.completed": (ClientCompleted, ClientData),
    "flow.created": (FlowCreated, FlowData),
    "client.renamed": (UnknownEvent, UnknownData),
}


def read(body: bytes, *, received_at: datetime = WHEN, headers: tuple[tuple[str, str], ...] = ()) -> Event:
    return read_event(body, id="id", form="raw", received_at=received_at, headers=headers)


def said(**members: Any) -> Event:
    """An event of these members; the page's own where none are given."""
    return read(json.dumps({**PAGE, **members}).encode())


def of(data: object, name: str = "client.created") -> Event:
    return said(event=name, data=data)


def test_the_pages_own_webhook_gives_the_values_that_it_shows() -> None:
    """Letter for letter, through the whole ladder: the page's class, all of its fields, no flag and nothing extra."""
    body = WEBHOOK_BODY.encode()
    headers = {
        "Content-Type": "application/json",
        "X-360onboard-Signature": sign(body, "whsec_1"),
        "X-360onboard-Event": "client.created",
    }
    verifier = WebhookVerifier("whsec_1", clock=WHEN.timestamp)
    assert verifier.verify(body, headers) == ClientCreated(
        id=hashlib.sha256(body).hexdigest(),
        name="client.created",
        timestamp=WHEN,
        received_at=WHEN,
        form="raw",
        data=ClientData(
            client_id="770e8400-e29b-41d4-a716-446655440002",
            campaign_id="550e8400-e29b-41d4-a716-446655440000",
            campaign_name="Client Onboarding Flow",
            first_name="John",
            last_name="Doe",
            email="john@example.com",
            company_name="Acme Corp",
            phone="+1234567890",
            link="https://app.360onboard.com/c/abc123xyz789",
            created_at=WHEN,
        ),
        body=body,
        headers=tuple(headers.items()),
    )


@pytest.mark.parametrize("name", KINDS)
def test_each_event_has_its_class_and_its_data(name: str) -> None:
    """Exactly that class; an event that the page does not name has one, too, and all its data is in `extra`."""
    event = of(FIELDS, name)
    assert (type(event), type(event.data)) == KINDS[name]
    assert event.name == name
    known = {field.name for field in fields(type(event.data))} - {"extra"}
    assert dict(event.data.extra) == {name: value for name, value in FIELDS.items() if name not in known}
    assert event.flags == frozenset()


@pytest.mark.parametrize("absent", ["left out", "null"])
@pytest.mark.parametrize("name", FIELDS)
def test_every_field_of_the_data_is_optional(name: str, absent: str) -> None:
    """Left out or null, it is None and no flag; the others are as they were."""
    data = {**FIELDS, name: None}
    if absent == "left out":
        del data[name]
    event = of(data)
    assert isinstance(event, ClientCreated)
    assert getattr(event.data, name) is None
    assert sum(value is not None for value in asdict(event.data, recurse=False).values()) == len(
        FIELDS
    )  # one fewer, and `extra`
    assert (event.flags, dict(event.data.extra)) == (frozenset(), {})


@pytest.mark.parametrize("name", KINDS)
def test_no_data_at_all_is_needed(name: str) -> None:
    """An empty object is an event of its kind about nobody, and its semantic key is its own."""
    event = of({}, name)
    assert type(event) is KINDS[name][0]
    assert (dict(event.data.extra), event.flags) == ({}, frozenset())
    assert event.semantic_key == (name, event.id)


def test_what_the_page_does_not_name_is_kept_in_extra() -> None:
    """As it came and in its order; nobody can write into it."""
    event = of({"tags": ["a", {"b": None}], **FIELDS, "id": 7})
    assert list(event.data.extra.items()) == [("tags", ["a", {"b": None}]), ("id", 7)]
    assert event.flags == frozenset()
    assert isinstance(event.data.extra, MappingProxyType)
    with pytest.raises(TypeError):
        event.data.extra["tags"] = None  # type: ignore[index]  # that it cannot be done is the test


@pytest.mark.parametrize("odd", [7, 1.5, True, ["x"], {"x": 1}, "nonsense"], ids=repr)
@pytest.mark.parametrize("name", FIELDS)
def test_a_field_of_another_kind_is_flagged_and_kept(name: str, odd: object) -> None:
    """It is None in its place, and as it came in `extra`; any text is right for a field that is text."""
    event = of({**FIELDS, name: odd})
    if odd == "nonsense" and name != "created_at":
        assert (getattr(event.data, name), event.flags) == (odd, frozenset())
    else:
        assert (getattr(event.data, name), dict(event.data.extra)) == (None, {name: odd})
        assert event.flags == {"data"}


@pytest.mark.parametrize("data", [None, [], [FIELDS], "text", 7, False], ids=repr)
@pytest.mark.parametrize("name", KINDS)
def test_data_that_is_no_object_is_flagged(name: str, data: object) -> None:
    """The event is still one of its kind, about nobody; what came is in `body`."""
    event = of(data, name)
    assert event == read(event.body)
    assert event.data == KINDS[name][1]()
    assert event.flags == {"data"}


def test_data_that_is_missing_is_flagged() -> None:
    """As data that is no object."""
    event = read(b'{"event": "client.created", "timestamp": "2024-01-15T09:00:00Z"}')
    assert event.data == ClientData()
    assert event.flags == {"data"}


@pytest.mark.parametrize(
    ("late", "flags"),
    [
        (timedelta(seconds=settings.WEBHOOK_OLD_S), set()),
        (timedelta(seconds=settings.WEBHOOK_OLD_S, microseconds=1), {"old"}),
        (timedelta(seconds=-settings.WEBHOOK_AHEAD_S), set()),
        (timedelta(seconds=-settings.WEBHOOK_AHEAD_S, microseconds=-1), {"ahead"}),
    ],
)
def test_the_bounds_of_a_time_stamp_are_exact(late: timedelta, flags: set[str]) -> None:
    """Four days and ten minutes are still right; a microsecond more is flagged."""
    assert (settings.WEBHOOK_OLD_S, settings.WEBHOOK_AHEAD_S) == (4 * 24 * 3600, 10 * 60)
    assert read(WEBHOOK_BODY.encode(), received_at=WHEN + late).flags == flags


@pytest.mark.parametrize(
    "stamp", [None, 7, True, "", "yesterday", "2024-01-15T25:00:00Z", [], "9999-12-31T23:59-23:59"]
)
def test_a_time_stamp_that_cannot_be_read_is_flagged(stamp: object) -> None:
    """The event has none then, and is as true as before."""
    event = said(timestamp=stamp)
    assert event.timestamp is None
    assert event.flags == {"undated"}


def test_a_time_stamp_comes_back_in_utc() -> None:
    """Whatever zone it was written in."""
    event = said(timestamp="2024-01-15T10:00:00+01:00")
    assert (event.timestamp, event.flags) == (WHEN, frozenset())


@pytest.mark.parametrize(
    ("header", "flags"),
    [
        ("client.created", set()),
        (" client.created\t", set()),
        ("client.Created", {"event-header"}),
        ("", {"event-header"}),
    ],
)
def test_a_header_that_names_another_event_is_flagged(header: str, flags: set[str]) -> None:
    """The body decides, since it was signed; white space around the header is not the sender's."""
    event = read(WEBHOOK_BODY.encode(), headers=(("Content-Type", "x"), (settings.EVENT_HEADER, header)))
    assert type(event) is ClientCreated
    assert event.flags == flags


def test_flags_add_up() -> None:
    """Each is told for itself."""
    event = read(b'{"event": "x"}', headers=((settings.EVENT_HEADER, "y"),))
    assert event.flags == {"undated", "event-header", "data"}


def test_the_id_is_that_of_the_signed_bytes() -> None:
    """The sample of the page's Python signs other bytes than it sends: those are the event's body, and make its id."""
    raw = WEBHOOK_BODY.encode()
    signed = json.dumps(PAGE, separators=(",", ":")).encode()
    header = {"X-360onboard-Signature": sign(raw, "whsec_1", form="python")}
    event = WebhookVerifier("whsec_1", forms=["python"]).verify(raw, header)
    assert (event.form, event.body) == ("python", signed)
    assert event.id == hashlib.sha256(signed).hexdigest()


def test_a_retry_that_is_stamped_anew_has_the_same_semantic_key() -> None:
    """And another id; another client or another event has another key."""
    first, again = said(), said(timestamp="2024-01-15T09:05:00Z")
    assert first.semantic_key == again.semantic_key == ("client.created", FIELDS["client_id"])
    assert of({**FIELDS, "client_id": "another"}).semantic_key != first.semantic_key
    assert of(FIELDS, "client.completed").semantic_key != first.semantic_key


@pytest.mark.parametrize(
    ("name", "data", "subject"),
    [
        ("client.created", {"client_id": "client", "campaign_id": "flow"}, "client"),
        ("client.created", {"campaign_id": "flow"}, None),
        ("client.created", {"client_id": "", "campaign_id": "flow"}, None),
        ("flow.created", {"client_id": "client", "campaign_id": "flow"}, "flow"),
    ],
)
def test_whom_an_event_is_about(name: str, data: object, subject: str | None) -> None:
    """The client, of a flow the campaign; else the event is about itself: the clients of a campaign are not one."""
    event = of(data, name)
    assert event.data.subject == subject
    assert event.semantic_key == (name, subject or event.id)


@pytest.mark.parametrize(("client_id", "subject"), [("client", "client"), (7, None), ("", None)])
def test_what_happens_in_an_event_that_nobody_knows_may_happen_again(client_id: object, subject: str | None) -> None:
    """It is about its client, but no other delivery than that of the same bytes is taken for the same thing."""
    event = of({"client_id": client_id, "campaign_id": "flow"}, "client.renamed")
    assert event.data.subject == subject
    assert event.semantic_key == ("client.renamed", event.id)


SECRET = "a-word-of-the-sender"
MALFORMED = {
    "empty": b"",
    "no JSON": SECRET.encode(),
    "cut off": b'{"event": "client.created", "data": {"email": "a-word-of-the-sender',
    "something behind it": b'{"event": "client.created"} a-word-of-the-sender',
    "text": b'"a-word-of-the-sender"',
    "a list": b'[{"event": "a-word-of-the-sender"}]',
    "null": b"null",
    "no event": b'{"type": "a-word-of-the-sender"}',
    "an empty event": b'{"event": "", "data": "a-word-of-the-sender"}',
    "an event that is no text": b'{"event": ["a-word-of-the-sender"]}',
    "Latin-1": '{"event": "a-word-of-the-sender é"}'.encode("latin-1"),
    "UTF-16": '{"event": "a-word-of-the-sender"}'.encode("utf-16"),
    "a byte order mark": b'\xef\xbb\xbf{"event": "a-word-of-the-sender"}',
    "NaN": b'{"event": "a-word-of-the-sender", "data": NaN}',
    "Infinity": b'{"event": "a-word-of-the-sender", "data": -Infinity}',
    "nested too deeply": b'{"event": "a-word-of-the-sender", "data": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "an integer of too many digits": b'{"event": "a-word-of-the-sender", "data": ' + b"7" * 5000 + b"}",
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED)
def test_what_holds_no_event_is_refused_without_a_quotation(body: bytes) -> None:
    """PayloadError, 400; nothing of the body is in it, nor in what it came from."""
    with pytest.raises(PayloadError) as caught:
        read(body)
    assert caught.value.http_status == 400
    assert SECRET not in f"{caught.value!s} {caught.value!r} {caught.value.reason}"
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


PERSONAL = {
    "client_id": "c-1",
    "campaign_id": "f-1",
    "first_name": "Jonathan",
    "last_name": "Doeling",
    "email": "j@x.de",
    "company_name": "Acmeville",
    "phone": "+49151",
    "link": "https://x/c/secret",
    "note": "private",
}


def full(name: str) -> Event:
    body = json.dumps({"event": name, "data": PERSONAL, "timestamp": "2024-01-15T09:00:00Z"}).encode()
    return read(body, headers=((settings.SIGNATURE_HEADER, "sha256=feed"), (settings.EVENT_HEADER, "other")))


@pytest.mark.parametrize("name", KINDS)
def test_no_repr_of_an_event_names_anybody(name: str) -> None:
    """Emails, names, companies, phones, links, unknown fields, the body and the signature stay out of it."""
    event = full(name)
    shown = f"{event!r} {event!s} {event.data!r}"
    people = [value for field, value in PERSONAL.items() if not field.endswith("_id")]
    assert [word for word in (*people, "feed", '{"event"') if word in shown] == []
    assert name in shown


@pytest.mark.parametrize("name", KINDS)
def test_an_event_is_a_value(name: str) -> None:
    """It cannot be changed, equals its pickles and copies, can be a key; a copy's `extra` is as closed as its own."""
    event = full(name)
    with pytest.raises(FrozenInstanceError):
        event.name = "other"  # type: ignore[misc]  # that it cannot be done is the test
    with pytest.raises(FrozenInstanceError):
        event.data.extra = {}  # type: ignore[misc]  # the same
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(event, protocol)) == event
    for twin in (pickle.loads(pickle.dumps(event)), copy.copy(event), copy.deepcopy(event)):
        assert type(twin) is type(event)
        assert twin == event
        assert hash(twin) == hash(event)
        assert isinstance(twin.data.extra, MappingProxyType)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(["event", "data", "timestamp"])
DATA = st.dictionaries(st.sampled_from([*FIELDS, "other"]), JSON)


@given(st.binary())
def test_any_bytes_are_an_event_or_a_payload_error(body: bytes) -> None:
    """Nothing else is raised."""
    with contextlib.suppress(PayloadError):
        read(body)


@given(st.dictionaries(NAMES, JSON | DATA | st.sampled_from([*KINDS])) | JSON, st.text())
def test_any_json_is_an_event_or_a_payload_error(value: object, header: str) -> None:
    """Nothing else is raised, and of an event's data nothing is lost."""
    try:
        event = read(json.dumps(value).encode(), headers=((settings.EVENT_HEADER, header),))
    except PayloadError:
        assert not (isinstance(value, dict) and isinstance(value.get("event"), str) and value["event"])
        return
    assert isinstance(value, dict)
    data = value.get("data")
    if isinstance(data, dict):
        kept = {
            name: found
            for name, found in asdict(event.data, recurse=False).items()
            if name != "extra" and found is not None
        }
        assert {**kept, **event.data.extra}.keys() == {
            name for name in data if data[name] is not None or name in event.data.extra
        }
    else:
        assert "data" in event.flags
