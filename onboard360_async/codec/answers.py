"""Whole answers, bytes to models and back.

Knows no connection and no budget. What is not what the API page shows is a DecodeError that never holds a value.
"""

import json
from json.encoder import encode_basestring_ascii as _quoted
from typing import Final

from attrs import fields

from onboard360_async.codec.parser import loads
from onboard360_async.codec.structure import campaigns_of, client_of, kind_of
from onboard360_async.errors import DecodeError
from onboard360_async.models import Campaign, Client, NewClient

__all__ = [
    "decode_campaigns",
    "decode_client",
    "decode_error",
    "decode_json",
    "encode_client",
    "encode_json",
    "not_json",
]


_NEW: Final = tuple(field.name for field in fields(NewClient))


def decode_json(body: bytes) -> object:
    """The JSON value of a body; None for an empty one. DecodeError if it is not JSON."""
    if not body.strip():
        return None
    try:
        return loads(body)
    except (ValueError, RecursionError) as error:
        raise not_json(body[:64].decode("utf-8", "replace"), error) from None


def not_json(start: str, error: BaseException | None = None) -> DecodeError:
    """The DecodeError of an answer that begins with `start` and is no JSON."""
    if start.lstrip("\ufeff \t\r\n").startswith("<"):
        return DecodeError("the answer is a web page, not JSON; check the base URL")
    if isinstance(error, RecursionError):
        return DecodeError("the answer is not JSON (it is nested too deeply)")
    if isinstance(error, json.JSONDecodeError):
        return DecodeError(f"the answer is not JSON ({error.msg} at character {error.pos})")
    return DecodeError(f"the answer is not JSON ({type(error).__name__})")


def _member(body: bytes, name: str) -> object:
    """The one member that the API page promises in an answer."""
    try:
        value = loads(body)
    except (ValueError, RecursionError):
        value = decode_json(body)  # an empty one, or what is wrong with it
    if type(value) is not dict:
        raise DecodeError(f"expected an object with {name!r}, found {kind_of(value)}")
    if name not in value:
        raise DecodeError("required, and not there", f"$.{name}")
    return value[name]


def decode_campaigns(body: bytes) -> list[Campaign]:
    """The campaigns of an answer. Source: API page, "List Campaigns"."""
    listed = _member(body, "campaigns")
    if type(listed) is not list:  # cattrs would take an empty object for an empty list
        raise DecodeError(f"expected a list, found {kind_of(listed)}", "$.campaigns")
    return campaigns_of(listed, "$.campaigns")


def decode_client(body: bytes) -> Client:
    """The client that was created, with its link. Source: API page, "Add Client"."""
    return client_of(_member(body, "client"), "$.client")


def decode_error(body: bytes) -> tuple[str, str | None]:
    """`error` and `details` of an error answer, as far as they are there. Source: API page, "Error Handling"."""
    try:
        value = decode_json(body)
    except DecodeError:
        return "", None
    if type(value) is not dict:
        return "", None
    error, details = value.get("error"), value.get("details")
    if details is not None and type(details) is not str:
        # UNDOCUMENTED: the page shows text; anything else is kept as JSON (tests/codec/test_answers.py).
        details = json.dumps(details)
    return (error if type(error) is str else ""), details


def encode_client(client: NewClient) -> bytes:
    """The body of "Add Client": fields that are None are left out, `""` is sent as it is. TypeError if one is no text.

    As `encode_json`, which takes three times as long for a handful of texts.
    """
    members = [f'"{name}":{_quoted(value)}' for name in _NEW if (value := getattr(client, name)) is not None]
    return f"{{{','.join(members)}}}".encode("ascii")


def encode_json(value: object) -> bytes:
    """Compact JSON in ASCII, so that a lone surrogate in a name cannot break the sending."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode("ascii")
