"""What the wire showed, put into bytes and words: bodies read within bounds, reasons without addresses or headers.

Knows no budget and no retry.
"""

import asyncio
import contextlib
import json
import re
from typing import Final

import aiohttp
from aiohttp.hdrs import ACCEPT, AUTHORIZATION, CONTENT_TYPE, USER_AGENT
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from onboard360_async import settings
from onboard360_async.budget.ledger import SlotOverError
from onboard360_async.errors import ConfigurationError, DecodeError
from onboard360_async.hidden import hidden

__all__ = [
    "HEADERS",
    "WIRE_ERRORS",
    "SentTwiceError",
    "cannot_send",
    "headers_of",
    "likely_base",
    "no_people",
    "nobodys",
    "read_error",
    "read_whole",
    "reason_of",
    "whole_now",
]


class SentTwiceError(Exception):
    """aiohttp was about to send a request a second time by itself, past the budget."""


WIRE_ERRORS: Final = (aiohttp.ClientError, OSError, TimeoutError, SentTwiceError, SlotOverError)
_JSON: Final = "application/json"
_PRIVATE: Final = (  # compiled by `re` when they are first needed
    (r"[^\s@<>\"'(),:;]+@[^\s@<>\"'(),:;]+", "<email>"),
    (r"https?://[^\s\"'<>]+|/c/\w+", "<link>"),
    (r"\bsk_\w+", "<key>"),
    (r"(?<![\w-])\+?\d[\d ()./-]{6,}\d(?![\w-])", "<number>"),  # a phone; ids have letters
)


# What every request says of itself, whoever's key it has.
HEADERS: Final = CIMultiDictProxy(CIMultiDict(((ACCEPT, _JSON), (USER_AGENT, settings.USER_AGENT))))


def headers_of(key: str, *, has_body: bool) -> "CIMultiDictProxy[str]":
    """What every request with this key says beside HEADERS; nothing that prints them shows the key."""
    headers = CIMultiDict(((AUTHORIZATION, hidden(f"Bearer {key}")),))
    if has_body:
        headers[CONTENT_TYPE] = _JSON
    return CIMultiDictProxy(headers)


def whole_now(response: aiohttp.ClientResponse) -> bytes | None:
    """The body if it came with its head, as most do; None: `read_whole` has to wait, or to say what is wrong.

    One of WIRE_ERRORS if it broke off.
    """
    content = response.content
    if content.is_eof() and content.total_bytes <= settings.MAX_BODY_BYTES:
        return hidden(content.read_nowait())
    return None


async def read_whole(response: aiohttp.ClientResponse, most_bytes: int) -> bytes:
    """The whole body, after which the connection is free again; it is closed if there is an error.

    DecodeError if the body is longer than `most_bytes`; one of WIRE_ERRORS if it breaks off.
    """
    body = _Body()
    try:
        while len(body) <= most_bytes and (chunk := hidden(await response.content.readany())):
            body += chunk
    except BaseException:
        response.close()
        raise
    if len(body) > most_bytes:
        response.close()
        raise DecodeError(f"the answer is longer than {most_bytes} bytes")
    return hidden(bytes(body))


async def read_error(response: aiohttp.ClientResponse, until: float) -> bytes:
    """The body of an error answer, as far as it comes: the status alone decides, so a broken body is no error."""
    with contextlib.suppress(DecodeError, *WIRE_ERRORS):
        async with asyncio.timeout_at(until):
            return await read_whole(response, settings.MAX_ERROR_BYTES)
    return b""


class _Body(bytearray):
    def __repr__(self) -> str:
        return "<hidden>"


def likely_base(response: aiohttp.ClientResponse, path: str) -> str:
    """Where a redirect points, as the base URL that was probably meant."""
    try:
        target = response.url.join(URL(response.headers.get("Location", "")))
    except ValueError:
        return ""
    plain = URL.build(scheme=target.scheme, host=target.host or "", port=target.explicit_port, path=target.path)
    return f"it redirects to {str(plain).removesuffix(path)}"


def no_people(text: str, sent: bytes | None = None) -> str:
    """A server's error text that may be shown: nothing of a person, nothing that was sent, and not too long."""
    for pattern, stands_for in _PRIVATE:
        text = re.sub(pattern, stands_for, text)
    for value in _texts(sent):
        text = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", "<sent>", text, flags=re.IGNORECASE)
    return text[: settings.SNIPPET_CHARS]


def _texts(sent: bytes | None) -> list[str]:
    """What was said of a person in the body of a request, the longest first; ids may be shown."""
    with contextlib.suppress(ValueError, AttributeError):
        values = [value for name, value in json.loads(sent or b"{}").items() if not name.endswith("id")]
        return sorted((value for value in values if isinstance(value, str) and value.strip()), key=len, reverse=True)
    return []


def nobodys(path: str) -> str:
    """A path that may be shown: an email is one of its parts, and is hidden, however it is written."""
    if "@" not in path and "%40" not in path:
        return path
    return "/".join(no_people(part.replace("%40", "@")) for part in path.split("/"))


def reason_of(error: BaseException) -> str:
    """Why there is no answer, in words that hold no address, header or body."""
    if isinstance(error, SentTwiceError):
        return "the connection was closed before an answer came"
    if isinstance(error, SlotOverError):
        return "held up until its slot of the budget was over"
    if isinstance(error, TimeoutError):
        return "timed out"
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"the proxy answered {error.status}"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        said = getattr(error.certificate_error, "verify_message", "")
        return f"the server's certificate is not trusted: {said}".removesuffix(": ")
    cause = getattr(error, "os_error", error)
    text = getattr(cause, "strerror", None) if isinstance(cause, OSError) else None
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def cannot_send(error: Exception, *, is_closed: bool) -> ConfigurationError:
    """What is wrong with the session that a user passed in, since it refused to send anything."""
    if is_closed:
        return ConfigurationError("The session that was passed in is closed. Nothing was sent.")
    return ConfigurationError(
        f"The session that was passed in cannot send this ({type(error).__name__}): it must have no `auth` of its own,"
        " nor find one in .netrc, since the API takes a key. Nothing was sent."
    )
