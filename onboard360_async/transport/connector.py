"""The connections of a session of ours: none that has something to say is used, and each request tells when it leaves.

Knows no key, no budget and no API; only the attempt that has to be told, before its first byte, that it leaves now, so
that it can refuse the second sending that aiohttp would otherwise make by itself.
"""

import asyncio
import contextlib
import select
from collections.abc import Coroutine
from http.cookies import SimpleCookie
from types import SimpleNamespace
from typing import Any, Final

import aiohttp
from aiohttp.hdrs import CONTENT_LENGTH
from aiohttp.tracing import Trace
from yarl import URL

from onboard360_async import settings
from onboard360_async.transport.under_way import Attempt, UnderWay
from onboard360_async.transport.wire import SentTwiceError

__all__ = ["TRACE", "Connector", "NoCookies", "Request", "hear"]


async def _headers_sent(
    _session: aiohttp.ClientSession, context: SimpleNamespace, _params: aiohttp.TraceRequestHeadersSentParams
) -> None:
    attempt = context.trace_request_ctx
    if isinstance(attempt, Attempt):  # a session that the user gave may send requests of its own
        attempt.headers_sent()


def _trace() -> aiohttp.TraceConfig:
    trace = aiohttp.TraceConfig()
    trace.on_request_headers_sent.append(_headers_sent)
    trace.freeze()
    return trace


TRACE: Final = _trace()  # for a session that the user gave


# --- a request ---


class Request(aiohttp.ClientRequest):
    """A request of a session of ours, which says when it leaves, and whose body of bytes leaves with its head.

    For a body aiohttp makes a task (before Python 3.12 one that waits for the loop's next turn): a sixth of a POST.
    """

    _bytes: bytes | None = None  # the body, where it is ours to send
    attempt: Attempt | None = None

    def update_body_from_data(self, body: Any, *rest: Any, **options: Any) -> None:
        """Called while it is made, when its headers are known."""
        if isinstance(body, bytes) and not self.chunked:
            self._bytes = body
            self.headers[CONTENT_LENGTH] = str(len(body))
        elif body is not None or self.method not in self.GET_METHODS:
            super().update_body_from_data(body, *rest, **options)

    def send(self, conn: aiohttp.connector.Connection) -> Coroutine[Any, Any, aiohttp.ClientResponse]:
        """Called, and awaited at once, when there is a connection; what is done next is to write the headers."""
        protocol: Any = conn.protocol
        attempt = self.attempt
        if attempt is not None:
            if attempt.is_late:  # it took too long to get the connection
                raise TimeoutError
            attempt.headers_sent()
            attempt.protocol = protocol
            protocol.onboard360_attempt = id(attempt)  # whose it is, without keeping it
        if self._bytes is not None:
            _Joining(protocol, self._bytes)
        return super().send(conn)


class _Joining:
    """Stands in for the transport of a protocol until a head is written, and sends the body with it."""

    __slots__ = ("_body", "_protocol", "_transport")

    def __init__(self, protocol: Any, body: bytes) -> None:
        self._protocol, self._transport, self._body = protocol, protocol.transport, body
        if self._transport is not None:
            protocol.transport = self

    def is_closing(self) -> bool:
        """Asked before."""
        closing: bool = self._transport.is_closing()
        return closing

    def write(self, head: bytes) -> None:
        """The head, all of it."""
        self._protocol.transport = self._transport
        self._transport.write(head + self._body)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)  # where it never comes to writing: to close it, for one


# --- a connection ---


class Connector(aiohttp.TCPConnector):
    """Connections that have nothing to say.

    A server that has closed an idle one by now would otherwise be sent a POST, and nobody would know what became of it;
    and what came on an idle one would be taken for the next answer.

    They read at most READ_BYTES at once. asyncio's own is a new buffer of 256 KiB for each read, so large that glibc
    has the system map new pages for it each time: a tenth of a request. uvloop has no such number, nor need.
    """

    def __init__(self, under_way: UnderWay) -> None:
        super().__init__(limit=0, keepalive_timeout=settings.KEEPALIVE_S)  # the budget is the limit
        self._under_way = under_way

    async def connect(
        self, req: Any, traces: list[Trace], timeout: aiohttp.ClientTimeout
    ) -> aiohttp.connector.Connection:
        """A connection that is open and has nothing to read."""
        req.attempt = attempt = self._under_way.get(id(asyncio.current_task(req.loop)))
        if attempt is not None:
            if attempt.is_tried:  # aiohttp is about to try again by itself
                raise SentTwiceError
            attempt.is_tried = True
        while True:
            connection = await super().connect(req, traces, timeout)
            protocol = connection.protocol
            if not _still_writes(protocol):
                if not _may_have_news(protocol):
                    return connection
                try:
                    await hear()
                except BaseException:  # cancelled, and nobody else knows of the connection
                    connection.close()
                    raise
                if protocol is None or (protocol.is_connected() and not protocol.should_close):
                    return connection
            connection.close()
            if attempt is not None:
                timeout = _left_of(attempt, req.loop.time(), timeout)


def _still_writes(protocol: Any) -> bool:
    """Whether something has yet to leave: the last request was answered before all of it had."""
    transport = None if protocol is None else protocol.transport
    try:
        return transport is not None and transport.get_write_buffer_size() > 0
    except (AttributeError, NotImplementedError):  # a transport need not know
        return False


def _left_of(attempt: Attempt, now: float, timeout: aiohttp.ClientTimeout) -> aiohttp.ClientTimeout:
    """What an attempt may still take to connect. TimeoutError if that is nothing."""
    if attempt.ends_at <= now:
        raise TimeoutError
    return aiohttp.ClientTimeout(
        total=None, connect=attempt.ends_at - now, sock_read=timeout.sock_read, ceil_threshold=timeout.ceil_threshold
    )


# One turn of the loop to ask which connections have something to say, one to read it.
_TURNS_TO_HEAR: Final = 2


async def hear() -> None:
    """Wait until what has come in by now is read."""
    for _ in range(_TURNS_TO_HEAR):
        await asyncio.sleep(0)


def _may_have_news(protocol: Any) -> bool:
    """Whether there may be something that the loop has not read yet; the system knows."""
    try:
        return bool(protocol.onboard360_poll(0))
    except AttributeError:  # one that is asked for the first time
        return _may_have_first_news(protocol)


def _may_have_first_news(protocol: Any) -> bool:
    transport: Any = None if protocol is None else protocol.transport
    if getattr(transport, "max_size", 0) > settings.READ_BYTES:
        transport.max_size = settings.READ_BYTES
    socket = None if transport is None else transport.get_extra_info("socket")
    if socket is None or not hasattr(select, "poll"):
        return True
    asking = select.poll()
    try:
        asking.register(socket.fileno(), select.POLLIN)
    except (OSError, ValueError):
        return True
    with contextlib.suppress(AttributeError):
        protocol.onboard360_poll = asking.poll  # kept where it ends with the connection
    return bool(asking.poll(0))


class NoCookies(aiohttp.DummyCookieJar):
    """None, and not even a new jar of none for each request."""

    _NONE: Final[SimpleCookie] = SimpleCookie()

    def filter_cookies(self, request_url: URL) -> "SimpleCookie":  # noqa: ARG002 - the same for each
        """None."""
        return self._NONE
