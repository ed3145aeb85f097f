"""What may have happened to a body, a secret or a signature before it came here: each with a sentence that tells it.

For `diagnosis`, which tries them. Pure, and for bodies that somebody looks into by hand: the verifier never guesses.
Knows no verdict. No sentence holds a secret, or anything of a body.
"""

import base64
import binascii
import html
import itertools
import json
import re
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final, TypeVar
from urllib.parse import parse_qsl, unquote_to_bytes

from attrs import field, frozen

from onboard360_async import settings
from onboard360_async.webhooks.canonical import FORMS, js_form, python_form, strict_json
from onboard360_async.webhooks.events import FormName

__all__ = ["Key", "Text", "is_compressed", "is_json", "keys", "looks_like_an_api_key", "read_word", "texts"]

_T = TypeVar("_T")
_R = TypeVar("_R")
_API_KEY: Final = re.compile("sk_(?:live|test)_")
_PREFIX: Final = "whsec_"
_GZIP: Final = b"\x1f\x8b"
_BOM: Final = b"\xef\xbb\xbf"
_AS_IT_CAME: Final = "Hand over the bytes as they came, before anything reads or changes them."
_ASK: Final = "360Onboard documents the secret as text: ask its support which is meant."


@frozen
class Text:
    """What may have been signed: a form of the body as it came, or another text, and what happened since."""

    body: bytes = field(repr=False)
    form: FormName | None
    told: str = ""


@frozen
class Key:
    """What it may have been signed with: a secret, as it was given if `told` is empty."""

    number: int
    key: bytes = field(repr=False)
    told: str = ""


# --- the body -----------------------------------------------------------------------------------------------------


def texts(raw: bytes) -> Iterator[Text]:
    """The texts that may have been signed, the likeliest first; of a body that is too large, itself alone."""
    yield Text(raw, "raw")
    if len(raw) > settings.WEBHOOK_MAX_BODY_BYTES:
        return
    for body in _tried(js_form, raw):
        yield Text(body, "js")
    for body in _tried(python_form, raw):
        yield Text(body, "python")
    for told, change in _CHANGES.items():
        for changed in _tried(change, raw):
            if changed != raw:
                yield from _in_each_form(changed, f"{told} {_AS_IT_CAME}")
    for body, style in _written_anew(raw):
        yield Text(body, None, f"What was signed is the same JSON, written otherwise: {style}. {_REWRITTEN}")


def is_compressed(body: bytes) -> bool:
    """Does it begin as gzip does?"""
    return body.startswith(_GZIP)


def is_json(body: bytes) -> bool:
    """Is it JSON in UTF-8, so that it has other forms?"""
    return bool(_tried(js_form, body))


def _in_each_form(changed: bytes, told: str) -> Iterator[Text]:
    for form in FORMS.values():
        for body in _tried(form, changed):
            yield Text(body, None, told)


def _tried(change: Callable[[_T], _R], given: _T) -> list[_R]:
    """What the change makes of what is given, if it makes anything."""
    try:
        return [change(given)]
    except (ValueError, RecursionError, zlib.error):
        return []


def _inflated(body: bytes) -> bytes:
    if not is_compressed(body):
        raise ValueError("not gzip")
    return zlib.decompressobj(wbits=31).decompress(body, settings.WEBHOOK_MAX_BODY_BYTES)


def _in_a_form(body: bytes) -> bytes:
    """The longest value of a web form."""
    return max((value for _, value in parse_qsl(body.decode(), strict_parsing=True)), key=len).encode()


def _in_a_string(body: bytes) -> bytes:
    value = strict_json(body)
    if not isinstance(value, str):
        raise ValueError("not a JSON string")  # noqa: TRY004 - as all say here that a body is not what they look for
    return value.encode()


def _read_as(body: bytes, encoding: str) -> bytes:
    """The body in UTF-8, if it is not."""
    if _tried(_in_utf_8, body) == [body]:
        raise ValueError("it is in UTF-8")
    return body.decode(encoding).encode()


def _in_utf_8(body: bytes) -> bytes:
    return body.decode(json.detect_encoding(body)).encode()


_LEAD: Final = "What was signed is not what came:"
_CHANGES: Final[dict[str, Callable[[bytes], bytes]]] = {
    f"{_LEAD} white space was added around it.": bytes.strip,
    f"{_LEAD} a newline at its end is gone.": lambda body: body + b"\n",
    f"{_LEAD} a newline (CR LF) at its end is gone.": lambda body: body + b"\r\n",
    f"{_LEAD} its line feeds have become CR LF.": lambda body: body.replace(b"\r\n", b"\n"),
    f"{_LEAD} its CR LF have become line feeds.": lambda body: body.replace(b"\n", b"\r\n"),
    f"{_LEAD} a byte order mark was put before it.": lambda body: body.removeprefix(_BOM),
    f"{_LEAD} the byte order mark before it is gone.": lambda body: _BOM + body,
    f"{_LEAD} it is in UTF-16 or UTF-32, and was signed in UTF-8.": _in_utf_8,
    f"{_LEAD} it was compressed with gzip on the way.": _inflated,
    f"{_LEAD} it was wrapped into a field of a web form.": _in_a_form,
    f"{_LEAD} it was percent-encoded, as in a URL.": unquote_to_bytes,
    f"{_LEAD} it was wrapped into a JSON string.": _in_a_string,
    f"{_LEAD} it was escaped as HTML.": lambda body: html.unescape(body.decode()).encode(),
    f"{_LEAD} its UTF-8 was read as Latin-1, and written anew.": lambda body: body.decode().encode("latin-1"),
    f"{_LEAD} its UTF-8 was read as Windows-1252, and written anew.": lambda body: body.decode().encode("cp1252"),
    f"{_LEAD} it is in Latin-1, and was signed in UTF-8.": lambda body: _read_as(body, "latin-1"),
    f"{_LEAD} it is in Windows-1252, and was signed in UTF-8.": lambda body: _read_as(body, "cp1252"),
}
_REWRITTEN: Final = (
    f"Something on the way (a proxy, a queue, a framework) read the body and wrote it anew. {_AS_IT_CAME}"
)
_ESCAPES: Final[dict[str, dict[str, str]]] = {
    "": {},
    ", with slashes escaped (as PHP does)": {"/": "\\/"},
    ", with <, > and & escaped (as Go does)": {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"},
}
_LAYOUTS: Final[dict[str, dict[str, Any]]] = {
    "with a space behind each comma and colon": {},
    "compact": {"separators": (",", ":")},
    "indented by 2": {"indent": 2},
    "indented by 4": {"indent": 4},
    "indented by tabs": {"indent": "\t"},
}


def _written_anew(raw: bytes) -> Iterator[tuple[bytes, str]]:
    """The same value as others would write it, and how that is."""
    # Its numbers and the order of its names as they came, and as JavaScript would have them.
    values = [strict_json(body) for form in (python_form, js_form) for body in _tried(form, raw)]
    for layout, ascii_only, ordered in itertools.product(_LAYOUTS, (True, False), (False, True)):
        if "indent" in _LAYOUTS[layout] and len(raw) > settings.WEBHOOK_FALLBACK_MAX_BYTES:
            continue  # an indented text is written slowly, and is long where a body is nested deeply: minutes of it
        style = f"{layout}{', in ASCII' if ascii_only else ''}{', with its names sorted' if ordered else ''}"
        write = partial(json.dumps, **_LAYOUTS[layout], ensure_ascii=ascii_only, sort_keys=ordered)
        for value in values:
            for text in _tried(write, value):
                yield from _escaped(text, style)


def _escaped(text: str, style: str) -> Iterator[tuple[bytes, str]]:
    for how, escapes in _ESCAPES.items():
        escaped = text
        for character, escape in escapes.items():
            escaped = escaped.replace(character, escape)
        if escaped == text and escapes:
            continue
        for body in _tried(str.encode, escaped):  # lone surrogates have no bytes
            if len(body) <= settings.WEBHOOK_MAX_BODY_BYTES:
                yield body, style + how
                yield body + b"\n", f"{style}{how}, and with a newline at its end"


# --- the secret ---------------------------------------------------------------------------------------------------


def keys(number: int, secret: str) -> Iterator[Key]:
    """What may have been meant by a secret; as it was given first."""
    name = f"Secret {number}"
    yield Key(number, secret.encode())
    bare = secret.strip()
    if bare != secret:
        yield Key(number, bare.encode(), f"{name} has white space around it, which counts: remove it.")
    for before, behind, what in _STRAYS:
        told = f"{name} matches only with {what} it: it was stored so where webhooks are signed. Store it anew there."
        yield Key(number, f"{before}{bare}{behind}".encode(), told)
    unquoted = bare.strip("\"'")
    if unquoted != bare:
        yield Key(number, unquoted.encode(), f"{name} has quotes around it, which count: remove them.")
    rest = bare.removeprefix(_PREFIX)
    if rest != bare:
        yield Key(number, rest.encode(), f"{name} matches without its {_PREFIX}: give it without.")
    else:
        yield Key(number, f"{_PREFIX}{bare}".encode(), f"{name} matches with {_PREFIX} before it: give it with that.")
    for text, without in ((bare, ""), (rest, f", without its {_PREFIX}")):
        for how, decode in _DECODINGS.items():
            for key in _tried(decode, text.encode()):
                yield Key(number, key, f"{name} matches when it is decoded from {how}{without}. {_ASK}")


_STRAYS: Final = (
    ("", "\n", "a newline behind"),
    ("", "\r\n", "CR LF behind"),
    ("", " ", "a space behind"),
    (" ", "", "a space before"),
)


def _from_base64(text: bytes) -> bytes:
    """Of either alphabet, with or without its padding."""
    return base64.b64decode(text.translate(_STANDARD) + b"=" * (-len(text) % 4), validate=True)


_STANDARD: Final = bytes.maketrans(b"-_", b"+/")
_DECODINGS: Final[dict[str, Callable[[bytes], bytes]]] = {"hexadecimal": binascii.unhexlify, "Base64": _from_base64}


def looks_like_an_api_key(secret: str) -> str | None:
    """The beginning that API keys have, if the secret has it."""
    found = _API_KEY.match(secret.strip())
    return found[0] if found else None


# --- the signature ------------------------------------------------------------------------------------------------

_DIGEST: Final = "[0-9A-Fa-f]{64}"
_RIGHT: Final = re.compile(f"(?:[Ss][Hh][Aa]256=)?({_DIGEST})").fullmatch
_OTHER_SCHEME: Final = re.compile(f"[^=:]*[=:]({_DIGEST})").fullmatch
_BASE64: Final = re.compile("(?:[A-Za-z0-9-]+=)?([A-Za-z0-9+/_-]{43}=)").fullmatch
_HEX: Final = re.compile("(?:[A-Za-z0-9-]+[=:])?([0-9A-Fa-f]+)").fullmatch
_LENGTHS: Final = {40: "as of SHA-1", 96: "as of SHA-384", 128: "as of SHA-512"}


def read_word(word: str) -> tuple[bytes | None, str]:
    """The digest in one value of a signature header, however it is written, and what is wrong with how it is."""
    if found := _RIGHT(word):
        return bytes.fromhex(found[1]), ""
    bare = word.strip("\"'<>()[];")
    if found := _RIGHT(bare):
        return bytes.fromhex(found[1]), "has quotes or brackets around it"
    if found := _OTHER_SCHEME(bare):
        return bytes.fromhex(found[1]), "names another scheme than sha256= before its 64 digits"
    if found := _BASE64(bare):
        return _from_base64(found[1].encode()), "is written in Base64, not in hexadecimal digits"
    if found := _HEX(bare):
        length = len(found[1])
        return None, f"has {length} hexadecimal digits, not 64 ({_LENGTHS.get(length, 'was it cut?')})"
    return None, "is no hexadecimal number"
