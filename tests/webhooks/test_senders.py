"""The senders that there may be: whatever text of an event they sign, and however it is sent, it is taken."""

import json

import pytest

from onboard360_async import settings
from onboard360_async.errors import SignatureError
from onboard360_async.webhooks import WebhookVerifier, sign
from onboard360_async.webhooks.events import ClientCreated, FormName

SECRET = "whsec_of_these_tests"
# As JSON.stringify writes it in Node (tests/webhooks/vectors.jsonl has 2,300 more).
NODE = (
    '{"event":"client.created","data":{"2":"b","10":"a","first_name":"Zoë","link":"https://a/b","n":1e-7,"big":1e+21,'
    '"one":1,"company_name":"DEL\x7f"},"timestamp":"2024-01-15T09:00:00Z"}'
).encode()
# The same as `json.dumps` writes it, with and without what the page's Python sample says of the separators.
VALUE = json.loads(NODE) | {"data": {"10": "a", "2": "b", **json.loads(NODE)["data"], "one": 1.0}}
PYTHON = json.dumps(VALUE, separators=(",", ":")).encode()
SPACED = json.dumps(VALUE).encode()
PRETTY = json.dumps(VALUE, indent=4).encode()
PHP = PRETTY.replace(b"/", b"\\/")

# Who it is: what is signed, what is sent, and which form that is.
SENDERS: dict[str, tuple[bytes, bytes, FormName]] = {
    "node": (NODE, NODE, "raw"),
    "node-escaped": (NODE, json.dumps(json.loads(NODE), separators=(",", ":")).encode(), "js"),
    "node-pretty": (NODE, json.dumps(json.loads(NODE), indent=2, ensure_ascii=False).encode(), "js"),
    "node-of-python": (NODE, SPACED, "js"),
    "python": (PYTHON, PYTHON, "raw"),
    "python-spaced": (PYTHON, SPACED, "python"),
    "python-pretty": (PYTHON, PRETTY + b"\n", "python"),
    "its-own-php": (PHP, PHP, "raw"),
    "its-own-spaced": (SPACED, SPACED, "raw"),
}


@pytest.fixture(params=SENDERS)
def sender(request: pytest.FixtureRequest) -> tuple[bytes, bytes, FormName]:
    return SENDERS[request.param]


def verified(signed: bytes, sent: bytes, forms: tuple[FormName, ...] = ("raw", "js", "python")) -> ClientCreated:
    event = WebhookVerifier(SECRET, forms=forms).verify(sent, {settings.SIGNATURE_HEADER: sign(signed, SECRET)})
    assert isinstance(event, ClientCreated)
    return event


def test_every_sender_is_taken(sender: tuple[bytes, bytes, FormName]) -> None:
    """With the form that was signed, and the event as it was signed: its bytes, its types, its values."""
    signed, sent, form = sender
    event = verified(signed, sent)
    assert (event.form, event.body) == (form, signed)
    assert (event.data.first_name, event.data.link) == ("Zoë", "https://a/b")
    assert repr(dict(event.data.extra)) == repr(
        {name: value for name, value in json.loads(signed)["data"].items() if name in event.data.extra}
    )
    assert event.data.extra.keys() == {"2", "10", "n", "big", "one"}


def test_raw_bytes_alone_take_whoever_sends_what_it_signs(sender: tuple[bytes, bytes, FormName]) -> None:
    """`forms=("raw",)` refuses those who sign one text and send another, and only those."""
    signed, sent, form = sender
    if form == "raw":
        assert verified(signed, sent, ("raw",)).body == signed
    else:
        with pytest.raises(SignatureError, match="wrong"):
            verified(signed, sent, ("raw",))


@pytest.mark.parametrize(("other", "refused"), [("js", "python-spaced"), ("python", "node-pretty")])
def test_a_form_that_is_not_asked_for_is_not_tried(other: FormName, refused: str) -> None:
    """The js form does not stand in for the Python form, nor the other way round."""
    signed, sent, _ = SENDERS[refused]
    with pytest.raises(SignatureError, match="wrong"):
        verified(signed, sent, ("raw", other))


@pytest.mark.parametrize(("form", "signed"), [("raw", PRETTY), ("js", NODE), ("python", PYTHON)])
def test_sign_is_each_of_them(form: FormName, signed: bytes) -> None:
    """What `sign` makes of a body for users' tests is what such a sender signs."""
    assert sign(PRETTY, SECRET, form) == sign(signed, SECRET)


def test_the_event_has_one_id_however_it_is_sent() -> None:
    """It is of the signed bytes: a delivery that a proxy wrote anew is the same event."""
    ids = {verified(NODE, sent).id for signed, sent, _ in SENDERS.values() if signed == NODE}
    assert len(ids) == 1
