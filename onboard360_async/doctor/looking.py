"""Two GETs, each sent once, through the budget like every other request; what came back is kept without a person in it.

Knows how an answer is read and where to stop, not what it says of the service.
"""

import asyncio
import codecs
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from http import HTTPStatus
from typing import Any, Final

import aiohttp
from aiohttp.hdrs import CONTENT_LENGTH
from attrs import define, field
from yarl import URL

from onboard360_async import settings
from onboard360_async.codec.answers import decode_json
from onboard360_async.codec.continuation import PAGING, next_link, next_page
from onboard360_async.codec.drift import beyond, path_of
from onboard360_async.codec.structure import campaigns_of, kind_of
from onboard360_async.codec.walk import Walk
from onboard360_async.doctor.census import Census, EnoughError
from onboard360_async.doctor.findings import so_many
from onboard360_async.errors import (
    ApiError,
    BudgetExhaustedError,
    BudgetStoreError,
    DecodeError,
    NotSentError,
    Onboard360Error,
    PaginationError,
)
from onboard360_async.transport.call import Call
from onboard360_async.transport.options import Options, Request
from onboard360_async.transport.server_clock import ServerClock
from onboard360_async.transport.transport import Transport

__all__ = ["Campaigns", "Clients", "Ear", "Looked", "look_at_campaigns", "look_at_clients"]

_Read = Callable[[Call, aiohttp.ClientResponse], Awaitable[None]]


class Ear(ServerClock):
    """What the last answer's headers say, of one that is no success as well: every answer comes by here."""

    def __init__(self) -> None:
        super().__init__()
        self.headers: Mapping[str, str] = {}

    def heard(self, headers: Mapping[str, str]) -> None:
        """An answer came."""
        super().heard(headers)
        self.headers = headers


@define(kw_only=True)
class Looked:
    """What one GET showed. `status` None: there was no answer. `fault` is why it could not be read, or not to its end.

    `is_whole`: its body was read to the end. `stopped` says why it was left before.
    """

    path: str
    status: int | None = None
    headers: Mapping[str, str] = field(factory=dict, repr=False)
    fault: str = ""
    error: type[Onboard360Error] | None = None
    error_body: str | None = None  # "object", "html", "empty" or "other"
    is_whole: bool = False
    stopped: str = ""
    extra: frozenset[str] = frozenset()  # paths of what the API page does not name
    has_objects: bool = False  # campaigns or clients, so that what they do not have was seen, too
    link: str | None = field(default=None, repr=False)  # of the next page, by a header
    goes_on: bool = False  # there is a further page, and we could ask for it
    is_astray: bool = False  # there is one, and we could not

    @property
    def is_success(self) -> bool:
        """Whether it was answered as a listing should be."""
        return self.status is not None and HTTPStatus(200) <= self.status < HTTPStatus.MULTIPLE_CHOICES

    @property
    def was_read(self) -> bool:
        """Whether something of it was what the API answers, and not any server's page."""
        return self.is_success and (self.is_whole or self.has_objects)

    @property
    def ends_it(self) -> bool:
        """Whether a second request would only meet the same, or cost what is not there."""
        if self.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.TOO_MANY_REQUESTS):
            return True
        return self.error in (NotSentError, BudgetExhaustedError, BudgetStoreError)


@define(kw_only=True)
class Campaigns(Looked):
    """The answer to GET /campaigns."""

    path: str = "/campaigns"
    count: int = 0


@define(kw_only=True)
class Clients(Looked):
    """The answer to GET /clients, up to as many as were to be looked at."""

    path: str = "/clients"
    census: Census
    envelope: dict[str, object] = field(factory=dict, repr=False)  # what stands beside the clients


# --- asking ---


async def look_at_campaigns(transport: Transport, ear: Ear) -> Campaigns:
    """Ask for the campaigns, once."""
    looked = Campaigns()

    async def read(call: Call, response: aiohttp.ClientResponse) -> None:
        looked.link = next_link(response.headers.getall("Link", ()))
        body = bytearray()
        async with aclosing(call.chunks(response)) as chunks:
            async for chunk in chunks:
                body += chunk
                if len(body) > settings.MAX_BODY_BYTES:
                    raise DecodeError(f"the answer is longer than {settings.MAX_BODY_BYTES} bytes")
        value: Any = decode_json(bytes(body))
        if type(value) is not dict or type(value.get("campaigns")) is not list:
            found = kind_of(value.get("campaigns") if type(value) is dict else value)
            raise DecodeError(f"expected an object with a list of 'campaigns', found {found}")
        looked.is_whole = True
        beside = {name: value[name] for name in value if name != "campaigns"}
        looked.extra = _beside(beside)
        _look_further(looked, transport, beside)
        campaigns = campaigns_of(value["campaigns"], "$.campaigns")
        looked.count, looked.has_objects = len(campaigns), bool(campaigns)
        looked.extra |= beyond(campaigns, "$.campaigns[]")

    await _get(looked, transport, ear, read)
    return looked


async def look_at_clients(transport: Transport, ear: Ear, census: Census) -> Clients:
    """Ask for the clients, once, and look through as many as the census takes; a further page is not asked for."""
    looked = Clients(census=census)
    walk = Walk(census.take)
    looked.envelope = walk.envelope

    async def read(call: Call, response: aiohttp.ClientResponse) -> None:
        looked.link = next_link(response.headers.getall("Link", ()))
        try:
            async with aclosing(call.chunks(response)) as chunks:
                reader = _Reader(walk)
                async for chunk in chunks:
                    reader.feed(chunk)
            reader.finish()
        except EnoughError:
            looked.stopped = (
                f"the first {so_many(census.count, 'client')} were looked at (--clients), and there are more"
            )
        else:
            looked.is_whole = True

    await _get(looked, transport, ear, read)
    looked.has_objects = census.count > census.odd
    looked.extra = frozenset(census.extra) | _beside(walk.envelope)
    if looked.is_success:
        _look_further(looked, transport, walk.envelope)
    return looked


async def _get(looked: Looked, transport: Transport, ear: Ear, read: _Read) -> None:
    ear.headers = {}
    options = Options(timeout_s=settings.DOCTOR_READ_S, max_retries=0, max_wait_s=settings.DOCTOR_MAX_WAIT_S)
    try:
        with Call(transport, Request("GET", looked.path), options) as call:
            response = await call.answer()
            looked.status = response.status
            async with response, asyncio.timeout(settings.DOCTOR_READ_S):
                await read(call, response)
    except TimeoutError:
        looked.stopped = f"it was still coming after {settings.DOCTOR_READ_S:g} s"
    except Onboard360Error as error:
        looked.error = type(error)
        looked.fault = str(error)
        if isinstance(error, ApiError):
            looked.status = error.status
            looked.fault = str(type(error)(error.status, method=error.method, path=error.path))  # not in their words
            looked.error_body = _kind_of_body(error, ear.headers)
    looked.headers = ear.headers


def _kind_of_body(error: ApiError, headers: Mapping[str, str]) -> str | None:
    """What an error's body is; None if it did not come."""
    snippet = (error.body_snippet or "").lstrip("\ufeff \t\r\n")
    if not snippet:
        return "empty" if headers.get(CONTENT_LENGTH) == "0" else None
    if error.error:
        return "object"
    return "html" if snippet.startswith("<") else "other"


def _beside(envelope: Mapping[str, object]) -> frozenset[str]:
    return frozenset(path_of("$", name) for name in envelope.keys() - PAGING)


def _look_further(looked: Looked, transport: Transport, envelope: Mapping[str, object]) -> None:
    """Whether it goes on, by what came of it; nobody is asked."""
    asked = transport.url(Request("GET", looked.path))
    try:
        url: URL | None = next_page(asked, looked.link, envelope, base=transport.base_url, ours={})
    except PaginationError:
        looked.is_astray = True
    else:
        looked.goes_on = url is not None


# --- reading ---

_START: Final = "utf-8-sig"  # a mark at the beginning is none of its own


class _Reader:
    """Bytes as they come, to elements as they are complete; of an element that is long, not again with each piece."""

    def __init__(self, walk: Walk) -> None:
        self._walk = walk
        self._decoder = codecs.getincrementaldecoder(_START)()
        self._held = ""
        self._retry_at = 0

    def feed(self, chunk: bytes | memoryview) -> None:
        """Read what is complete. DecodeError for what is no listing."""
        self._held += self._text(bytes(chunk), final=False)
        if len(self._held) < self._retry_at:
            return
        self._read()
        size = len(self._held)
        self._retry_at = 2 * size if size > settings.RETRY_BYTES else 0

    def finish(self) -> None:
        """There is no more. DecodeError if that is no end."""
        self._held += self._text(b"", final=True)
        self._read()
        if not self._walk.is_whole:
            raise DecodeError("the answer ends before its end", self._walk.path)

    def _read(self) -> None:
        self._held = self._held[self._walk.read(self._held, to_element=False) :]

    def _text(self, piece: bytes, *, final: bool) -> str:
        try:
            return self._decoder.decode(piece, final)
        except UnicodeDecodeError:
            pass
        raise DecodeError("the answer is not UTF-8", self._walk.path)
