"""What the wire showed, put into bytes and words: bodies read within bounds, reasons without addresses or headers.

Knows no budget and no retry.
"""

import contextlib
import re
from typing import Final

import aiohttp
from yarl import URL

from onboard360_async import settings
from onboard360_async.budget.ledger import SlotOverError
from onboard360_async.errors import DecodeError

__all__ = ["WIRE_ERRORS", "SentTwiceError", "likely_base", "no_people", "read_error", "read_whole", "reason_of"]


class SentTwiceError(Exception):
    """aiohttp was about to send a request a second time by itself, past the budget."""


WIRE_ERRORS: Final = (aiohttp.ClientError, OSError, TimeoutError, SentTwiceError, SlotOverError)
_EMAIL: Final = re.compile(r"[^\s@<>\"'(),:;]+@[^\s@<>\"'(),:;]+")


async def read_whole(response: aiohttp.ClientResponse, most_bytes: int = settings.MAX_BODY_BYTES) -> bytes:
    """The whole body. DecodeError if it is longer than `most_bytes`; one of WIRE_ERRORS if it breaks off."""
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > most_bytes:
            raise DecodeError(f"the answer is longer than {most_bytes} bytes")
    return bytes(body)


async def read_error(response: aiohttp.ClientResponse) -> bytes:
    """The body of an error answer, as far as it comes: the status alone decides, so a broken body is no error."""
    with contextlib.suppress(DecodeError, *WIRE_ERRORS):
        async with response:
            return await read_whole(response, settings.MAX_ERROR_BYTES)
    return b""


def likely_base(response: aiohttp.ClientResponse, path: str) -> str:
    """Where a redirect points, as the base URL that was probably meant."""
    try:
        target = response.url.join(URL(response.headers.get("Location", "")))
    except ValueError:
        return ""
    plain = URL.build(scheme=target.scheme, host=target.host or "", port=target.explicit_port, path=target.path)
    return f"it redirects to {str(plain).removesuffix(path)}"


def no_people(text: str) -> str:
    """A server's error text that may be shown: no email address, and not too long."""
    return _EMAIL.sub("<email>", text)[: settings.SNIPPET_CHARS]


def reason_of(error: BaseException) -> str:
    """Why there is no answer, in words that hold no address, header or body."""
    if isinstance(error, SentTwiceError):
        return "the connection was closed before an answer came"
    if isinstance(error, SlotOverError):
        return "held up until its slot of the budget was over"
    if isinstance(error, TimeoutError):
        return "timed out"
    cause = getattr(error, "os_error", error)
    text = getattr(cause, "strerror", None) if isinstance(cause, OSError) else None
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
