"""Webhooks that were signed by the API page's Node sample, in Node: vectors.jsonl, by node/make_vectors.mjs."""

import hmac
import json
from pathlib import Path

import pytest
from attrs import frozen

from onboard360_async import settings
from onboard360_async.errors import SignatureError
from onboard360_async.webhooks import WebhookVerifier
from tests.webhooks.nodejs import needs_node, node
from tests.webhooks.page_samples import verify_webhook

FILE = Path(__file__).with_name("vectors.jsonl")
SECRET = "whsec_vectors"
FIELDS = ("first_name", "last_name", "email", "company_name")


@frozen
class Vector:
    """A body as it is sent, the text that was signed, and what the Node sample expects."""

    body: bytes
    signed: bytes
    mac: str

    @property
    def header(self) -> str:
        return f"sha256={self.mac}"

    @property
    def as_signed(self) -> bool:
        return self.body == self.signed

    @property
    def is_raw(self) -> bool:
        """Is it the signature of the bytes as they are sent?"""
        return hmac.compare_digest(hmac.new(SECRET.encode(), self.body, "sha256").hexdigest(), self.mac)

    @property
    def is_for_the_python_sample(self) -> bool:
        return verify_webhook(json.loads(self.body), self.header, SECRET)


def read(line: str) -> Vector:
    known = json.loads(line)
    return Vector(known["body"].encode(), known.get("signed", known["body"]).encode(), known["mac"])


# Lines end in a line feed and in nothing else: the bodies hold U+2028.
VECTORS = [read(line) for line in FILE.read_bytes().decode().removesuffix("\n").split("\n")]


def test_every_vector_is_accepted_and_read_from_what_was_signed() -> None:
    """2,300 of them: the event is the decode of the bytes that Node signed, and `form` says which text that was."""
    verifier = WebhookVerifier(SECRET)
    for vector in VECTORS:
        event = verifier.verify(vector.body, {settings.SIGNATURE_HEADER: vector.header})
        assert (event.body, event.form) == (vector.signed, "raw" if vector.as_signed else "js")
        fields = {name: getattr(event.data, name) for name in FIELDS}
        assert fields | dict(event.data.extra) == dict.fromkeys(FIELDS) | json.loads(vector.signed)["data"]


def test_the_two_samples_of_the_page_disagree() -> None:
    """The trap: of 2,000 webhooks that come as Node signed them, the page's Python sample takes 106."""
    as_signed = [vector for vector in VECTORS if vector.as_signed]
    assert len(as_signed) == 2000
    assert sum(vector.is_raw for vector in as_signed) == 2000
    assert sum(vector.is_for_the_python_sample for vector in as_signed) == 106


def test_what_was_written_anew_on_its_way_is_lost_to_both() -> None:
    """Of the 300 that do not come as they were signed, the raw bytes match none, and the Python sample 11."""
    otherwise = [vector for vector in VECTORS if not vector.as_signed]
    assert len(otherwise) == 300
    assert sum(vector.is_raw for vector in otherwise) == 0
    assert sum(vector.is_for_the_python_sample for vector in otherwise) == 11


def test_a_changed_vector_is_refused() -> None:
    """No vector is accepted with the signature of the next, or with a letter of its email changed."""
    verifier = WebhookVerifier(SECRET)
    for vector, other in zip(VECTORS, VECTORS[1:] + VECTORS[:1], strict=True):
        for body, header in ((vector.body, other.header), (vector.body.replace(b"@a", b"@b"), vector.header)):
            with pytest.raises(SignatureError, match="wrong"):
                verifier.verify(body, {settings.SIGNATURE_HEADER: header})


def test_the_sample_raises_where_the_ladder_refuses() -> None:
    """A header that is not ASCII is a TypeError of the page's Python sample, so a 500; here it is a SignatureError."""
    with pytest.raises(TypeError):
        verify_webhook(json.loads(VECTORS[0].body), "sha256=é", SECRET)
    with pytest.raises(SignatureError, match="malformed"):
        WebhookVerifier(SECRET).verify(VECTORS[0].body, {settings.SIGNATURE_HEADER: "sha256=é"})


def test_most_names_are_not_ascii() -> None:
    """As in the measurement that this repeats: an all-ASCII set would show no trap at all."""
    assert sum(not vector.body.isascii() for vector in VECTORS) > len(VECTORS) * 0.85


@needs_node
def test_the_vectors_are_what_their_script_writes() -> None:
    """Byte for byte; the script checks each with the page's Node sample."""
    assert node("make_vectors.mjs") == FILE.read_bytes()
