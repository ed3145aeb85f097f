"""Bytes to models and back: one strict converter for what the API sends.

Knows no connection and no budget. What the API page does not name is kept in `extra` and never breaks a call;
what it names and is not what it says is a DecodeError with the path of the bad value, never the value itself.
"""

import json
from collections.abc import Callable
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, TypeVar

from attrs import evolve, fields
from cattrs import Converter, transform_error
from cattrs.gen import make_dict_structure_fn, override

from onboard360_async.codec.times import utc_time
from onboard360_async.errors import DecodeError
from onboard360_async.models import Campaign, Client, NewClient

__all__ = [
    "decode_campaigns",
    "decode_client",
    "decode_error",
    "decode_json",
    "encode_client",
    "encode_json",
    "kind_of",
    "not_json",
    "structure",
]

Model = TypeVar("Model", Campaign, Client)


# --- values -------------------------------------------------------------------------------------------------------


def _text(value: object, _: object) -> str:
    # cattrs' own hook would turn `null` into "None" without a word.
    if type(value) is not str:
        raise TypeError(f"expected text, found {kind_of(value)}")
    return value


def _time(value: object, _: object) -> datetime:
    if type(value) is not str:
        raise TypeError(f"expected a time as text, found {kind_of(value)}")
    return utc_time(value)


def kind_of(value: object) -> str:
    """What a decoded value is, in words; never the value itself."""
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def _keeping_extra(model: type[Model], converter: Converter) -> Callable[[object, object], Model]:
    """Structure `model`, and put what the API page does not name into its `extra`."""
    known = frozenset(field.name for field in fields(model)) - {"extra"}
    structure = make_dict_structure_fn(model, converter, extra=override(omit=True))

    def hook(value: object, _: object) -> Model:
        if type(value) is not dict:
            raise TypeError(f"expected an object, found {kind_of(value)}")
        built = structure(value, model)
        if value.keys() <= known:
            return built
        extra = MappingProxyType({name: value[name] for name in value.keys() - known})
        return evolve(built, extra=extra)

    return hook


def _converter(*, detailed: bool) -> Converter:
    converter = Converter(detailed_validation=detailed)
    converter.register_structure_hook(str, _text)
    converter.register_structure_hook(datetime, _time)
    converter.register_structure_hook(Campaign, _keeping_extra(Campaign, converter))
    converter.register_structure_hook(Client, _keeping_extra(Client, converter))
    return converter


_FAST: Final = _converter(detailed=False)
_EXACT: Final = _converter(detailed=True)  # slower; asked only after _FAST has refused, to name the path


def _explain(error: BaseException, _: object = None) -> str:
    # Never cattrs' own words: they may show the value, which may be a person's.
    if isinstance(error, KeyError):
        return "required, and not there"
    return str(error) if isinstance(error, TypeError | ValueError) else type(error).__name__


def structure(value: object, model: Any, path: str) -> Any:
    """The model of a decoded value; DecodeError with the path of what is wrong in it."""
    try:
        return _FAST.structure(value, model)
    except Exception:  # noqa: BLE001 - whatever it was, the exact converter says it again, with its path
        raise _fault(value, model, path) from None


def _fault(value: object, model: Any, path: str) -> DecodeError:
    if model is Client and type(value) is dict and "created_at" not in value:
        return DecodeError("required, and not there", f"{path}.created_at")  # the one that models lets look optional
    try:
        _EXACT.structure(value, model)
    except Exception as error:  # noqa: BLE001 - cattrs raises groups and plain errors alike
        faults = transform_error(error, path, _explain)
    message, _, where = faults[0].rpartition(" @ ")
    if len(faults) > 1:
        message += f" (and {len(faults) - 1} more in the same answer)"
    return DecodeError(message, where)


# --- whole answers ------------------------------------------------------------------------------------------------


def decode_json(body: bytes) -> object:
    """The JSON value of a body; None for an empty one. DecodeError if it is not JSON."""
    if not body.strip():
        return None
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise not_json(body[:64].decode("utf-8", "replace"), error) from None


def not_json(start: str, error: BaseException | None = None) -> DecodeError:
    """The DecodeError of an answer that begins with `start` and is no JSON."""
    if start.lstrip("\ufeff \t\r\n").startswith("<"):
        return DecodeError("the answer is a web page, not JSON; check the base URL")
    if isinstance(error, json.JSONDecodeError):
        return DecodeError(f"the answer is not JSON ({error.msg} at character {error.pos})")
    return DecodeError(f"the answer is not JSON ({type(error).__name__})")


def _member(body: bytes, name: str) -> object:
    """The one member that the API page promises in an answer."""
    value = decode_json(body)
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
    campaigns: list[Campaign] = structure(listed, list[Campaign], "$.campaigns")
    return campaigns


def decode_client(body: bytes) -> Client:
    """The client that was created, with its link. Source: API page, "Add Client"."""
    client: Client = structure(_member(body, "client"), Client, "$.client")
    return client


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
    """The body of "Add Client": fields that are None are left out, `""` is sent as it is."""
    return encode_json(
        {field.name: value for field in fields(NewClient) if (value := getattr(client, field.name)) is not None}
    )


def encode_json(value: object) -> bytes:
    """Compact JSON in ASCII, so that a lone surrogate in a name cannot break the sending."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode("ascii")
