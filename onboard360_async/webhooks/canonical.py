"""The other texts that a sender may have signed: a JSON body as JavaScript would write it, and as Python would.

Pure: bytes in, bytes out. Knows no signature and no secret; what matches is judged above.
Source: API page, "Verifying Signatures" (its two samples sign these two texts of the parsed body).
"""

import json
import re
from collections.abc import Callable, Mapping
from json.encoder import encode_basestring
from typing import Final, NoReturn

__all__ = ["FORMS", "Form", "js_form", "python_form", "strict_json"]

_INDEX: Final = re.compile(r"0|[1-9][0-9]{0,9}", re.ASCII)  # what may be an array index, which JavaScript puts first
_LAST_INDEX: Final = 2**32 - 2
_LONE: Final = re.compile("[\ud800-\udfff]")  # pairs were joined when the text was read, so each of these is alone
_WHOLE_DIGITS: Final = 21  # JavaScript writes whole numbers below 1e21 without an exponent
_SMALL_ZEROS: Final = -6  # ... and fractions down to 1e-6


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


class _Number(str):
    """A number as JavaScript writes it."""

    __slots__ = ()


def _js_number(text: str) -> _Number:
    """What `String(Number(text))` is, by the rules of ECMAScript's Number::toString; not finite is null."""
    number = float(text)
    if number in (float("inf"), float("-inf")):
        return _Number("null")
    mantissa, _, exponent = repr(number).lstrip("-").partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent or 0) - (len(whole + fraction) - len(digits))  # digits before the point
    digits = digits.rstrip("0")
    sign = "-" if number < 0 else ""  # -0 is written as 0
    if not digits:
        return _Number("0")
    if len(digits) <= point <= _WHOLE_DIGITS:
        return _Number(sign + digits.ljust(point, "0"))
    if 0 < point <= _WHOLE_DIGITS:
        return _Number(f"{sign}{digits[:point]}.{digits[point:]}")
    if _SMALL_ZEROS < point <= 0:
        return _Number(f"{sign}0.{'0' * -point}{digits}")
    rest = f".{digits[1:]}" if len(digits) > 1 else ""
    return _Number(f"{sign}{digits[0]}{rest}e{point - 1:+d}")


_STRICT: Final = json.JSONDecoder(parse_constant=_refuse)
_JS: Final = json.JSONDecoder(parse_int=_js_number, parse_float=_js_number, parse_constant=_refuse)


def strict_json(body: bytes) -> object:
    """The value of a JSON text in UTF-8; ValueError for anything else, RecursionError if it is nested too deeply.

    Strict: no byte order mark, no other encoding (`json.loads` of bytes guesses), no NaN and no Infinity.
    """
    text = body.decode("utf-8")
    value, end = _STRICT.raw_decode(text) if text[:1] == "{" else (None, -1)
    # What `decode` does before and after, for white space, costs as much as a third of a short body.
    return value if end == len(text) else _STRICT.decode(text)


def _js_text(text: str) -> str:
    written = encode_basestring(text)
    return written if written.isascii() else _LONE.sub(lambda lone: f"\\u{ord(lone[0]):04x}", written)


def _js_members(value: Mapping[str, object]) -> str:
    """Array indices first, by size; then the others in the order in which they came."""
    indices = [name for name in value if _INDEX.fullmatch(name) and int(name) <= _LAST_INDEX]
    if indices:
        indices.sort(key=int)
        first = frozenset(indices)
        names = indices + [name for name in value if name not in first]
    else:
        names = list(value)
    return ",".join([f"{_js_text(name)}:{_js_value(value[name])}" for name in names])


def _js_value(value: object) -> str:
    if isinstance(value, _Number):
        return value
    if isinstance(value, str):
        return _js_text(value)
    if isinstance(value, dict):
        return f"{{{_js_members(value)}}}"
    if isinstance(value, list):
        return f"[{','.join(map(_js_value, value))}]"
    return {None: "null", True: "true", False: "false"}[value]  # type: ignore[index]  # nothing else comes from JSON


def js_form(body: bytes) -> bytes:
    """`JSON.stringify(JSON.parse(body))`, as V8 writes it; ValueError or RecursionError as `strict_json`."""
    return _js_value(_JS.decode(body.decode("utf-8"))).encode("utf-8")


def python_form(body: bytes) -> bytes:
    """`json.dumps(json.loads(body), separators=(",", ":"))`; ValueError or RecursionError as `strict_json`."""
    return json.dumps(strict_json(body), separators=(",", ":"), allow_nan=False).encode("ascii")


Form = Callable[[bytes], bytes]
# What a signature may be of, in the order in which it is tried.
FORMS: Final[Mapping[str, Form]] = {"raw": bytes, "js": js_form, "python": python_form}
