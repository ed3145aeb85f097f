"""Answers: what the API page shows is read strictly, what it does not name is kept, what is wrong is named by path."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onboard360_async.codec.answers import (
    decode_campaigns,
    decode_client,
    decode_error,
    decode_json,
    encode_client,
    encode_json,
)
from onboard360_async.codec.structure import kind_of
from onboard360_async.errors import DecodeError
from onboard360_async.models import Campaign, Client, NewClient
from tests.page import ADD_ANSWER, CAMPAIGNS_ANSWER

pytestmark = pytest.mark.usefixtures("either_parser")
CLIENT = json.loads(ADD_ANSWER)["client"]
CAMPAIGN = json.loads(CAMPAIGNS_ANSWER)["campaigns"][0]


def body(**document: Any) -> bytes:
    return json.dumps(document).encode()


def client_with(**changes: Any) -> Client:
    return decode_client(body(client=CLIENT | changes))


def test_the_pages_own_client_comes_back_whole() -> None:
    """The answer that the API page shows for Add Client becomes a Client with its link."""
    assert client_with() == Client(
        "770e8400-e29b-41d4-a716-446655440002",
        "550e8400-e29b-41d4-a716-446655440000",
        "john@example.com",
        "John",
        "Doe",
        "Acme Corp",
        "+1234567890",
        created_at=datetime(2024, 1, 15, 9, tzinfo=UTC),
        link="https://app.360onboard.com/c/abc123xyz789",
    )


def test_the_pages_own_campaigns_come_back_whole() -> None:
    """The answer that the API page shows for List Campaigns becomes one Campaign."""
    assert decode_campaigns(body(campaigns=[CAMPAIGN])) == [
        Campaign(
            "550e8400-e29b-41d4-a716-446655440000",
            "Client Onboarding Flow",
            datetime(2024, 1, 1, tzinfo=UTC),
            datetime(2024, 1, 15, 10, 30, tzinfo=UTC),
        )
    ]


def test_unknown_fields_are_kept_in_extra_and_break_nothing() -> None:
    """A field that the API page does not name stands in `extra`, even one that is called so."""
    client = client_with(status="new", extra={"a": 1})
    assert client.extra == {"status": "new", "extra": {"a": 1}}
    assert client_with().extra == {}


def test_extra_cannot_be_changed() -> None:
    """Models are frozen down to their extra fields."""
    with pytest.raises(TypeError):
        client_with(status="new").extra["status"] = "old"  # type: ignore[index]  # that it cannot be done is the test


@pytest.mark.parametrize("name", ["first_name", "last_name", "company_name", "phone", "link"])
def test_optional_fields_may_be_null_missing_or_empty(name: str) -> None:
    """Null and missing are None; empty text stays empty text."""
    left_out = {key: value for key, value in CLIENT.items() if key != name}
    assert getattr(decode_client(body(client=left_out)), name) is None
    assert getattr(client_with(**{name: None}), name) is None
    assert getattr(client_with(**{name: ""}), name) == ""


@pytest.mark.parametrize("name", ["id", "campaign_id", "email", "created_at"])
@pytest.mark.parametrize("value", [None, 5, True, [], {}, 1.5])
def test_required_fields_are_never_guessed(name: str, value: object) -> None:
    """A null is not the text "None": what is not of its type is refused, by path."""
    with pytest.raises(DecodeError) as caught:
        client_with(**{name: value})
    assert caught.value.path == f"$.client.{name}"
    assert kind_of(value) in caught.value.message


@pytest.mark.parametrize("name", ["id", "campaign_id", "email", "created_at"])
def test_a_missing_field_is_named(name: str) -> None:
    """Something that the API page promises and the answer lacks is named by its path."""
    with pytest.raises(DecodeError) as caught:
        decode_client(body(client={key: value for key, value in CLIENT.items() if key != name}))
    assert str(caught.value) == f"$.client.{name}: required, and not there"


def test_several_faults_are_counted_and_no_value_is_shown() -> None:
    """The first fault is named, the others are counted, and nobody's data stands in the message."""
    with pytest.raises(DecodeError) as caught:
        client_with(id=None, email=["john@example.com"], created_at="john's birthday")
    assert caught.value.path == "$.client.id"
    assert "and 2 more" in caught.value.message
    assert "john" not in f"{caught.value} {caught.value!r}"


@pytest.mark.parametrize("kind", ["campaigns", "client"])
def test_an_error_comes_of_nothing_that_shows_a_value(kind: str) -> None:
    """No other error stands behind it: Python's own words about a time hold the text, and its frames the person."""
    bad = CLIENT | {"name": "Jane", "created_at": "jane@example.com", "updated_at": "jane@example.com"}
    answer = body(client=bad, campaigns=[bad])
    with pytest.raises(DecodeError) as caught:
        decode_client(answer) if kind == "client" else decode_campaigns(answer)
    assert (caught.value.__context__, caught.value.__cause__) == (None, None)


def test_a_bad_item_of_a_list_is_named_by_its_place() -> None:
    """Of many campaigns the bad one is named."""
    with pytest.raises(DecodeError, match="expected text, found null") as caught:
        decode_campaigns(body(campaigns=[CAMPAIGN, CAMPAIGN | {"name": None}]))
    assert caught.value.path == "$.campaigns[1].name"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2024-01-15T09:00:00Z", datetime(2024, 1, 15, 9, tzinfo=UTC)),
        ("2024-01-15T10:30:00.25+01:30", datetime(2024, 1, 15, 9, 0, 0, 250_000, tzinfo=UTC)),
        ("2024-01-15T09:00:00", datetime(2024, 1, 15, 9, tzinfo=UTC)),
        ("2024-01-15T09:00:00+00:00", datetime(2024, 1, 15, 9, tzinfo=UTC)),
    ],
)
def test_times_come_back_aware_and_in_utc(written: str, meant: datetime) -> None:
    """Whatever the zone a time is written in, or none, it is UTC in our hands."""
    time = client_with(created_at=written).created_at
    assert (time, time.tzinfo) == (meant, UTC)


@pytest.mark.parametrize("written", ["", "yesterday", "2024-13-01T00:00:00Z", "0001-01-01T00:00:00+14:00"])
def test_a_time_that_is_none_is_refused(written: str) -> None:
    """What cannot be a time is a DecodeError, not a crash."""
    with pytest.raises(DecodeError, match="expected an ISO 8601 time"):
        client_with(created_at=written)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b"<!doctype html><title>Log in</title>", "web page"),
        (b"\xef\xbb\xbf\n <html>", "web page"),
        (b'{"client": ', "not JSON"),
        (b"\xff\xfe\xff", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"", "found null"),
        (b"[]", "found a list"),
        (b'"text"', "found text"),
        (b"12", "found a number"),
        (b'{"clients": []}', "required, and not there"),
        (b'{"client": []}', "expected an object, found a list"),
    ],
)
def test_an_answer_that_is_something_else_is_a_clear_error(answer: bytes, message: str) -> None:
    """A login page, a torn or a strange answer: one sentence, never a traceback of json's."""
    with pytest.raises(DecodeError, match=message):
        decode_client(answer)


@pytest.mark.parametrize("listed", [{}, "abc", None, 3])
def test_campaigns_must_be_a_list(listed: object) -> None:
    """An empty object is not an empty list."""
    with pytest.raises(DecodeError, match="expected a list") as caught:
        decode_campaigns(body(campaigns=listed))
    assert caught.value.path == "$.campaigns"


def test_an_empty_answer_is_none() -> None:
    """`request` gives None for an answer without a body."""
    assert decode_json(b"") is None
    assert decode_json(b" \r\n") is None
    assert decode_json(b"[1]") == [1]


@pytest.mark.parametrize(
    ("answer", "meant"),
    [
        (b'{"error": "Bad", "details": "email"}', ("Bad", "email")),
        (b'{"error": "Bad"}', ("Bad", None)),
        (b'{"error": {"code": 3}, "details": {"email": ["taken"]}}', ("", '{"email": ["taken"]}')),
        (b"<html>", ("", None)),
        (b"[]", ("", None)),
        (b"", ("", None)),
    ],
)
def test_an_error_answer_is_read_as_far_as_it_goes(answer: bytes, meant: tuple[str, str | None]) -> None:
    """The documented form is read; any other leaves the status alone to speak."""
    assert decode_error(answer) == meant


def test_a_new_client_is_sent_without_what_is_none() -> None:
    """None is left out of the request, empty text is sent."""
    sent = json.loads(encode_client(NewClient("c", "a@b.c", first_name="", last_name=None, phone="1")))
    assert sent == {"campaign_id": "c", "email": "a@b.c", "first_name": "", "phone": "1"}


@given(st.text(st.characters(exclude_categories=[])), st.text())
def test_any_text_survives_the_way_out_and_back(name: str, company: str) -> None:
    """Whatever a name is made of, lone surrogates included, the body is ASCII and says the same."""
    sent = encode_client(NewClient("c", "a@b.c", first_name=name, company_name=company))
    assert sent.isascii()
    assert json.loads(sent)["first_name"] == name
    back = decode_client(encode_json({"client": CLIENT | {"first_name": name, "company_name": company}}))
    assert (back.first_name, back.company_name) == (name, company)
