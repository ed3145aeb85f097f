"""The bytes of a webhook and their signature, right or, by wish, wrong. Knows no endpoint and sends nothing.

Source: API page, "Webhook Format" and "Verifying Signatures". The page's two samples sign different bytes as soon as
anything is not ASCII: `JSON.stringify(payload)` and `json.dumps(payload, separators=(",", ":"))`.
"""

import hashlib
import hmac
import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final, NamedTuple

from attrs import evolve

from onboard360_async.sandbox.events import EVENTS, Event
from onboard360_async.sandbox.store import time_text

__all__ = ["TAMPERINGS", "Sealed", "node_form", "seal"]

TAMPERINGS: Final = {
    "body": "one byte of the body is changed after it was signed",
    "no-signature": "the signature header is missing",
    "malformed-signature": "the signature header holds no signature",
    "wrong-secret": "signed with another secret",
    "wrong-event": "the event header, which nobody signs, names another event than the body",
    "spaced": "signed in the Node form, sent with spaces after commas and colons",
    "escaped": "signed in the Node form, sent with all that is not ASCII escaped",
    "python": "signed and sent as Python's compact json.dumps: all that is not ASCII escaped",
    "python-spaced": "signed as Python's compact json.dumps, sent as its default one: escaped, and with spaces",
    "stale": "well signed, but the timestamp is a week old",
}
"""What may be done to a webhook on its way, and what is wrong with it then."""
_SIGNATURE: Final = "X-360onboard-Signature"
_EVENT: Final = "X-360onboard-Event"
_COMPACT: Final = (",", ":")
_STALE: Final = timedelta(days=7)
_HALF: Final = re.compile("[\ud800-\udfff]")


class Sealed(NamedTuple):
    """What goes over the wire."""

    body: bytes
    headers: Mapping[str, str]


def node_form(value: object, *, separators: tuple[str, str] = _COMPACT) -> bytes:
    """The bytes of `JSON.stringify(value)`, for a value of text, null, lists and objects without integer-like names.

    UNDOCUMENTED: which bytes the service signs and sends; we take the first sample's. Pinned by
    tests/sandbox/test_sealing.py.
    """
    text = json.dumps(value, ensure_ascii=False, separators=separators)
    if _HALF.search(text):  # two halves side by side are one character; one alone is escaped, as Node escapes it
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
        text = _HALF.sub(lambda half: f"\\u{ord(half[0]):04x}", text)
    return text.encode()


def seal(event: Event, *secrets: str, tamper: str | None = None) -> Sealed:
    """The body and the headers as documented, signed by each secret; or, with one of `TAMPERINGS`, as that says."""
    if tamper == "stale":
        event = evolve(event, timestamp=time_text(datetime.fromisoformat(event.timestamp) - _STALE))
    value = event.as_json()
    signed = _python_form(value) if tamper in ("python", "python-spaced") else node_form(value)
    wrong = "-wrong" if tamper == "wrong-secret" else ""
    headers = {
        "Content-Type": "application/json",
        _SIGNATURE: ",".join(_signature(signed, f"{secret}{wrong}") for secret in secrets),
        _EVENT: event.name,
    }
    if tamper == "no-signature":
        del headers[_SIGNATURE]
    if tamper == "malformed-signature":
        headers[_SIGNATURE] = "sha256=none"
    if tamper == "wrong-event":
        headers[_EVENT] = next(name for name in EVENTS if name != event.name)
    resent = _RESENT.get(tamper or "")
    return Sealed(signed if resent is None else resent(value), MappingProxyType(headers))


def _signature(body: bytes, secret: str) -> str:
    return f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"


def _python_form(value: object) -> bytes:
    return json.dumps(value, separators=_COMPACT).encode()


def _changed(value: object) -> bytes:
    """Another second in the timestamp, which ends the body: still JSON, and of the same length."""
    body = bytearray(node_form(value))
    place = body.rindex(b"Z") - 1
    body[place] = b"1234567890"[body[place] - ord("0")]
    return bytes(body)


_RESENT: Final[Mapping[str, Callable[[object], bytes]]] = {  # what is sent in place of what was signed
    "body": _changed,
    "spaced": lambda value: node_form(value, separators=(", ", ": ")),
    "escaped": _python_form,
    "python-spaced": lambda value: json.dumps(value).encode(),
}
