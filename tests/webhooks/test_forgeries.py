"""Forgeries: a genuine signature under a body that somebody else wrote. Refused, or read as it was signed.

Each has a genuine webhook, in the form that its sender signs, and the body of a forger who saw it and wants another
value believed. Several forms are safe only because what is handed on is decoded from the signed bytes.
"""

import json
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onboard360_async import settings
from onboard360_async.errors import PayloadError, SignatureError, WebhookError
from onboard360_async.webhooks import Event, WebhookVerifier, sign
from onboard360_async.webhooks.canonical import FORMS
from tests.webhooks.bodies import disguised

SECRET = "whsec_of_these_tests"
STAMP = "2024-01-15T09:00:00Z"
VERIFIER = WebhookVerifier(SECRET)


def body(data: str) -> bytes:
    """An event that we do not know, so that all of its data is in `extra`."""
    return f'{{"event":"some.event","data":{data},"timestamp":"{STAMP}"}}'.encode()


def verified(genuine: bytes, forged: bytes) -> Event:
    """What is handed on for the forged body with the genuine signature."""
    event = VERIFIER.verify(forged, {settings.SIGNATURE_HEADER: sign(genuine, SECRET)})
    assert event.body == genuine
    return event


def seen_by_others(forged: bytes) -> object:
    """What a receiver sees who verifies one text and reads the body as it came."""
    return json.loads(forged)["data"]


def refused(genuine: bytes, forged: bytes) -> None:
    assert genuine != forged
    with pytest.raises(SignatureError, match="wrong"):
        verified(genuine, forged)


# What the genuine sender signed, what the forger sends, what others would read, and what is to be read.
READ_AS_SIGNED = {
    "1-above-2-to-the-53": ('{"n":9007199254740992}', '{"n":9007199254740993}', "9007199254740993", "9007199254740992"),
    "2-null-to-infinity": ('{"n":null}', '{"n":1e400}', "inf", "None"),
    "2-null-to-minus-infinity": ('{"n":null}', '{"n":-1e400}', "-inf", "None"),
    "4-a-float-for-a-whole": ('{"n":1}', '{"n":1.0}', "1.0", "1"),
    "4-minus-zero": ('{"n":0}', '{"n":-0.0}', "-0.0", "0"),
    "4-an-exponent": ('{"n":100}', '{"n":1e2}', "100.0", "100"),
    "5-too-small-for-a-double": ('{"n":0}', '{"n":1e-400}', "0.0", "0"),
    "5-a-whole-of-many-digits": (
        '{"n":1.2345678901234568e+29}',
        '{"n":123456789012345678901234567890}',
        "123456789012345678901234567890",
        "1.2345678901234568e+29",
    ),
}


@pytest.mark.parametrize(("signed", "sent", "others", "ours"), READ_AS_SIGNED.values(), ids=READ_AS_SIGNED)
def test_a_number_that_javascript_reads_alike(signed: str, sent: str, others: str, ours: str) -> None:
    """Forgeries 1, 2, 4 and 5: the value and its type are those that were signed, not those that were sent."""
    assert repr(json.loads(sent)["n"]) == others
    event = verified(body(signed), body(sent))
    assert event.form == "js"
    assert repr(event.data.extra["n"]) == ours


def test_more_digits_than_a_double_holds() -> None:
    """Forgery 5: a reader of decimals would believe the digits behind; the text that is handed on has none of them."""
    for signed, sent in (
        ('{"n":0.1}', '{"n":0.1000000000000000055511}'),
        ('{"n":4.35}', '{"n":4.34999999999999999999}'),
    ):
        event = verified(body(signed), body(sent))
        assert event.data.extra == json.loads(signed)
        assert b"5511" not in event.body
        assert b"9999" not in event.body


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
def test_a_name_twice(separators: tuple[str, str]) -> None:
    """Forgery 3: who reads the first of two would believe the forger; there are no two in what is handed on."""
    signed = json.dumps({"email": "real@example.com", "link": "https://real"}, separators=separators)
    event = verified(FORMS["js"](body(signed)), body('{"email":"forged@example.com",' + signed[1:]))
    assert event.data.extra == {"email": "real@example.com", "link": "https://real"}
    assert event.body.count(b"email") == 1
    assert b"forged" not in event.body


def test_a_whole_event_twice() -> None:
    """Forgery 3, at the top: neither the event's name nor its data can be shown to a first reader."""
    genuine = body('{"client_id":"1"}')
    event = verified(genuine, b'{"event":"client.created","data":{"client_id":"2"},' + genuine[1:])
    assert (event.name, event.data.extra) == ("some.event", {"client_id": "1"})


def test_names_in_another_order() -> None:
    """Forgery 6: array indices in any order are one text in JavaScript; what is handed on has the signed order."""
    event = verified(body('{"1":"a","2":"b","x":"c"}'), body('{"2":"b","x":"c","1":"a"}'))
    assert list(event.data.extra) == ["1", "2", "x"]
    refused(body('{"x":"c","y":"d"}'), body('{"y":"d","x":"c"}'))
    refused(body('{"4294967295":1,"x":2}'), body('{"x":2,"4294967295":1}'))  # one more than an array index may be


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-8-sig"])
def test_another_encoding(encoding: str) -> None:
    """Forgery 7: `json.loads` would guess it. It has no other form, and signed as it is, it is no event."""
    genuine = body('{"n":1}')
    forged = genuine.decode().encode(encoding)
    assert seen_by_others(forged) == {"n": 1}
    refused(genuine, forged)
    with pytest.raises(PayloadError, match="not JSON in UTF-8"):
        verified(forged, forged)


@pytest.mark.parametrize("wrong", [b"\xff", b"\xed\xa0\x80", b"\xc0\xaf", b"\\ud83d", b"\\udc00"])
def test_what_others_replace(wrong: bytes) -> None:
    """Forgery 8: invalid UTF-8 and lone surrogates are not U+FFFD, though a reader that replaces sees the same text."""
    genuine = body('{"name":"\ufffd"}')
    forged = genuine.replace("\ufffd".encode(), wrong)
    refused(genuine, forged)
    if wrong.isascii():
        assert verified(forged, forged).data.extra == json.loads(b'{"name":"%s"}' % wrong)
    else:
        with pytest.raises(PayloadError, match="not JSON in UTF-8"):
            verified(forged, forged)


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
def test_what_python_takes_for_a_number(constant: str) -> None:
    """Forgery 9: no constant stands for the null that JavaScript writes of it, and a signed one is no JSON."""
    assert isinstance(json.loads(constant), float)
    refused(body('{"n":null}'), body(f'{{"n":{constant}}}'))
    refused(body(f'{{"n":{constant}}}'), body('{"n":1e400}'))
    with pytest.raises(PayloadError, match="not JSON in UTF-8"):
        verified(body(f'{{"n":{constant}}}'), body(f'{{"n":{constant}}}'))


def test_the_event_header_is_not_signed() -> None:
    """Forgery 10: another event in the header changes nothing but a flag, and is an error for those who ask."""
    genuine = body("{}")
    headers = {settings.SIGNATURE_HEADER: sign(genuine, SECRET), settings.EVENT_HEADER: "client.completed"}
    event = VERIFIER.verify(genuine, headers)
    assert (event.name, event.data.extra) == ("some.event", {})
    assert event.flags == {"old", "event-header"}
    with pytest.raises(PayloadError, match="event header"):
        WebhookVerifier(SECRET, strict_event_header=True).verify(genuine, headers)
    headers[settings.EVENT_HEADER] = "some.event"
    assert WebhookVerifier(SECRET, strict_event_header=True).verify(genuine, headers).flags == {"old"}


@pytest.mark.parametrize(
    "sent", ['{"n":1.00}', '{"n":1.0,"m":"\\u00E9"}', '{"m":"\xe9", "n":1e0}', '{"n":2,"m":"é","n":1.0}']
)
def test_the_python_form_is_no_way_in_either(sent: str) -> None:
    """What is read after a match of the Python form is what Python wrote, whatever was sent."""
    known = {"n": 1.0} | ({"m": "é"} if "m" in sent else {})
    genuine = json.dumps(json.loads(body("{}")) | {"data": json.loads(sent)}, separators=(",", ":")).encode()
    event = verified(genuine, body(sent))
    assert (event.form, dict(event.data.extra)) == ("python", known)
    assert genuine.count(b'"n"') == 1


def test_the_signature_of_another_body() -> None:
    """Among several values only one of this very body counts; and then the body is that one."""
    one, other = body('{"n":1}'), body('{"n":2}')
    values = [sign(other, SECRET), sign(b"", SECRET), sign(one, "another secret"), sign(b"{}", SECRET)]
    for sent in (one, body('{"n":1.0}')):
        with pytest.raises(SignatureError, match="wrong"):
            VERIFIER.verify(sent, {settings.SIGNATURE_HEADER: ", ".join(values)})
    assert VERIFIER.verify(other, {settings.SIGNATURE_HEADER: " ".join(values)}).data.extra == {"n": 2}


def test_an_empty_body_is_no_event() -> None:
    """Its signature may be right: a sender may sign nothing. It is no event, and stands for no other body."""
    with pytest.raises(PayloadError, match="not JSON"):
        verified(b"", b"")
    refused(b"", body("{}"))
    refused(b"", b"{}")


NAMES = ["0", "1", "2", "10", "n", "ü", "/"]
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.sampled_from([2**53, 2**53 + 2, 0, 1, 100, 0.1, 1e21, 1e-7])
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=[]), max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=8,
)


@given(
    data=st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=4),
    form=st.sampled_from(["js", "js", "python", "raw"]),
    seed=st.integers(0, 2**32),
)
def test_no_disguise_is_believed(data: dict[str, object], form: str, seed: int) -> None:
    """Any event, signed in any form, sent in any disguise: refused, or exactly what was signed, types and order too."""
    value = {"event": "some.event", "data": data, "timestamp": STAMP}
    genuine = FORMS[form](json.dumps(value).encode())
    try:
        event = verified(genuine, disguised(value, Random(seed)).encode())
    except WebhookError:
        return
    assert repr(dict(event.data.extra)) == repr(json.loads(genuine.decode())["data"])


@given(
    genuine=st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=4),
    form=st.sampled_from([*FORMS]),
    forged=st.binary(max_size=60),
)
def test_no_bytes_are_believed(genuine: dict[str, object], form: str, forged: bytes) -> None:
    """Nor any bytes at all."""
    refused(FORMS[form](json.dumps({"event": "some.event", "data": genuine}).encode()), forged)
