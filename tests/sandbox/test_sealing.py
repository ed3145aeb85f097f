"""The bytes and the signature of a webhook: as Node writes them, and wrong in exactly the ways that are named."""

import json
import random
import shutil
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from onboard360_async.sandbox import EVENTS, TAMPERINGS
from onboard360_async.sandbox.events import Event
from onboard360_async.sandbox.sealing import Sealed, node_form, seal
from tests.sandbox.receiver import accepts_bytes, node_sample
from tests.webhooks.page_samples import verify_webhook as python_sample

SECRET = "whsec_test_secret"
ZOE = Event(
    name="client.created",
    client_id="1",
    data={"client_id": "1", "first_name": 'Zoë "🚀"', "last_name": None},
    timestamp="2024-01-15T09:00:00Z",
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Zoë 🚀", '"Zoë 🚀"'.encode()),
        ('"\\/', b'"\\"\\\\/"'),
        ("\b\f\n\r\t", b'"\\b\\f\\n\\r\\t"'),
        ("\0\x0b\x1b\x1f", b'"\\u0000\\u000b\\u001b\\u001f"'),
        ("\x7f", b'"\x7f"'),
        ("\u2028\u2029\ufeff", '"\u2028\u2029\ufeff"'.encode()),
        ("\ud800", b'"\\ud800"'),
        ("a\udfffb\udbff", b'"a\\udfffb\\udbff"'),
        ("\ud83d\ude80", '"🚀"'.encode()),
        ("\ude80\ud83d", b'"\\ude80\\ud83d"'),
    ],
    ids=ascii,
)
def test_the_node_form_of_text(text: str, expected: bytes) -> None:
    """Short escapes, lower-case ones, nothing else escaped; halves that stand together are one character."""
    assert node_form(text) == expected


def test_the_node_form_is_compact_and_keeps_the_order() -> None:
    """No space, null for None, members as they come."""
    assert node_form({"b": None, "a": ["x", {}]}) == b'{"b":null,"a":["x",{}]}'


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node to compare with")
def test_the_node_form_is_nodes_own() -> None:
    """For 2,000 texts of all kinds of characters, byte by byte."""
    dice = random.Random(6)
    kinds = ((0, 0x80), (0x80, 0x800), (0x2020, 0x2030), (0xD7FE, 0xE002), (0x10000, 0x110000))
    texts = ["".join(chr(dice.randrange(*dice.choice(kinds))) for _ in range(dice.randrange(9))) for _ in range(2000)]
    program = "console.log(JSON.stringify(JSON.parse(require('fs').readFileSync(0, 'utf8'))))"
    done = subprocess.run(["node", "-e", program], input=json.dumps(texts).encode(), capture_output=True, check=True)
    assert done.stdout.rstrip(b"\n") == node_form(texts)


def verdicts(sealed: Sealed, secret: str = SECRET) -> tuple[bool, bool, bool]:
    """What the bytes as they came, the page's Node sample and its Python sample say."""
    signature = sealed.headers.get("X-360onboard-Signature", "")
    payload = json.loads(sealed.body)
    return (
        accepts_bytes(sealed.body, signature, secret),
        node_sample(payload, signature, secret),
        python_sample(payload, signature, secret),
    )


def test_untampered_bytes_are_signed_as_they_are() -> None:
    """UNDOCUMENTED: the Node form is both signed and sent; so the Python sample refuses whatever is not ASCII."""
    sealed = seal(ZOE, SECRET)
    assert sealed.body == node_form(ZOE.as_json())
    assert list(sealed.headers) == ["Content-Type", "X-360onboard-Signature", "X-360onboard-Event"]
    assert verdicts(sealed) == (True, True, False)


NOBODY = (False, False, False)
WHO_ACCEPTS = {
    "body": NOBODY,
    "no-signature": NOBODY,
    "malformed-signature": NOBODY,
    "wrong-secret": NOBODY,
    "wrong-event": (True, True, False),
    "spaced": (False, True, False),
    "escaped": (False, True, False),
    "python": (True, False, True),
    "python-spaced": (False, False, True),
    "stale": (True, True, False),
}


@pytest.mark.parametrize("tamper", TAMPERINGS)
def test_who_accepts_what_was_tampered_with(tamper: str) -> None:
    """Each way fools those it is to fool, and no others."""
    assert verdicts(seal(ZOE, SECRET, tamper=tamper)) == WHO_ACCEPTS[tamper]


@pytest.mark.parametrize(
    ("tamper", "is_so"),
    [
        ("body", lambda bad, good: sum(a != b for a, b in zip(bad.body, good.body, strict=True)) == 1),
        ("no-signature", lambda bad, _: "X-360onboard-Signature" not in bad.headers),
        ("malformed-signature", lambda bad, _: bad.headers["X-360onboard-Signature"] == "sha256=none"),
        ("wrong-secret", lambda bad, good: bad.body == good.body),
        ("wrong-event", lambda bad, _: bad.headers["X-360onboard-Event"] in set(EVENTS) - {"client.created"}),
        ("spaced", lambda bad, _: b'", "' in bad.body and "Zoë".encode() in bad.body),
        ("escaped", lambda bad, _: b" null" not in bad.body and bad.body.isascii()),
        ("python", lambda bad, _: b" null" not in bad.body and bad.body.isascii()),
        ("python-spaced", lambda bad, _: b'": null' in bad.body and bad.body.isascii()),
        ("stale", lambda bad, _: json.loads(bad.body)["timestamp"] == "2024-01-08T09:00:00Z"),
    ],
)
def test_what_each_tampering_changes(tamper: str, is_so: Callable[[Sealed, Sealed], bool]) -> None:
    """What its description says, and what it says is still the same event of the same client."""
    bad, good = seal(ZOE, SECRET, tamper=tamper), seal(ZOE, SECRET)
    assert is_so(bad, good)
    value: dict[str, Any] = json.loads(bad.body)
    assert (value["event"], value["data"]) == ("client.created", ZOE.data)


@pytest.mark.parametrize("second", range(10))
def test_a_changed_byte_is_another_second(second: int) -> None:
    """Whatever the last digit is, the time stays a time."""
    event = Event(name="client.created", client_id=None, data={}, timestamp=f"2024-01-15T09:00:5{second}Z")
    changed = json.loads(seal(event, SECRET, tamper="body").body)["timestamp"]
    assert changed == f"2024-01-15T09:00:5{(second + 1) % 10}Z"
