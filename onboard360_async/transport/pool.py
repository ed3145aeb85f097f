"""The connections of a handle: one aiohttp session per running loop, closed when the handle or the loop is.

Knows no key, no budget and no API. It also tells each attempt when its headers are written, so that it can refuse the
second sending that aiohttp would otherwise make by itself.
"""

import asyncio
import contextlib
import os
import select
import warnings
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Coroutine
from types import SimpleNamespace
from typing import Any, Final, Self
from weakref import WeakKeyDictionary, WeakSet, ref

import aiohttp
from aiohttp.tracing import Trace

from onboard360_async import settings
from onboard360_async.transport.proxy import Proxy

__all__ = ["Pool", "Traced"]


class Traced(ABC):
    """What wants to know that its request's headers go out now."""

    __slots__ = ("__weakref__",)

    @abstractmethod
    def headers_sent(self) -> None:
        """Called just before the first byte of a request leaves."""

    def __deepcopy__(self, _: object) -> Self:
        """Itself: mocks such as aioresponses copy what a request was called with, and an attempt cannot be copied."""
        return self


# Whose request is sent by this task. A trace would tell it as well, and costs a fifth of a request; a context variable
# would not do, since several tasks may run in one context. All weak, so that a task that its loop left behind can end.
_SENDING: Final[WeakKeyDictionary["asyncio.Task[Any]", ref[Traced]]] = WeakKeyDictionary()


class _Request(aiohttp.ClientRequest):
    """A request of a session of ours, which says when it leaves."""

    def send(self, conn: aiohttp.connector.Connection) -> Coroutine[Any, Any, aiohttp.ClientResponse]:
        """Called, and awaited at once, when there is a connection; what is done next is to write the headers."""
        task = asyncio.current_task()
        sending = None if task is None else _SENDING.get(task)
        attempt = None if sending is None else sending()
        if attempt is not None:
            attempt.headers_sent()
        return super().send(conn)


async def _headers_sent(
    _session: aiohttp.ClientSession, context: SimpleNamespace, _params: aiohttp.TraceRequestHeadersSentParams
) -> None:
    attempt = context.trace_request_ctx
    if isinstance(attempt, Traced):  # a session that the user gave may send requests of its own
        attempt.headers_sent()


def _trace() -> aiohttp.TraceConfig:
    trace = aiohttp.TraceConfig()
    trace.on_request_headers_sent.append(_headers_sent)
    trace.freeze()
    return trace


_TRACE = _trace()
# One turn of the loop to ask which connections have something to say, one to read it.
_TURNS_TO_HEAR: Final = 2


class _Connector(aiohttp.TCPConnector):
    """Connections that have nothing to say.

    A server that has closed an idle one by now would otherwise be sent a POST, and nobody would know what became of it;
    and what came on an idle one would be taken for the next answer.

    They read at most READ_BYTES at once. asyncio's own is a new buffer of 256 KiB for each read, so large that glibc
    has the system map new pages for it each time: a tenth of a request. uvloop has no such number, nor need.
    """

    async def connect(
        self, req: aiohttp.ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout
    ) -> aiohttp.connector.Connection:
        """A connection that is open and has nothing to read."""
        while True:
            connection = await super().connect(req, traces, timeout)
            transport: Any = connection.transport
            if getattr(transport, "max_size", 0) > settings.READ_BYTES:
                transport.max_size = settings.READ_BYTES
            if _may_have_news(transport):
                try:
                    await _hear()
                except BaseException:  # cancelled, and nobody else knows of the connection
                    connection.close()
                    raise
            protocol = connection.protocol
            if protocol is None or (protocol.is_connected() and not protocol.should_close):
                return connection
            connection.close()


async def _hear() -> None:
    for _ in range(_TURNS_TO_HEAR):
        await asyncio.sleep(0)


def _may_have_news(transport: asyncio.BaseTransport | None) -> bool:
    """Whether there may be something that the loop has not read yet; the system knows."""
    socket = None if transport is None else transport.get_extra_info("socket")
    if socket is None or not hasattr(select, "poll"):
        return True
    asking = select.poll()
    try:
        asking.register(socket.fileno(), select.POLLIN)
    except (OSError, ValueError):
        return True
    return bool(asking.poll(0))


class Pool:
    """Sessions by running loop, or the one session that the user gave (and closes)."""

    def __init__(self, given: aiohttp.ClientSession | None = None, proxy: Proxy | None = None) -> None:
        self._given = given
        self.proxy = proxy or Proxy()  # the environment's; a session that was given knows its own way
        self._is_open = False
        self._kept: dict[asyncio.AbstractEventLoop, _Kept] = {}
        _POOLS.add(self)
        if given is not None and _TRACE not in given.trace_configs:
            given.trace_configs.append(_TRACE)

    def ready(self, attempt: Traced, loop: asyncio.AbstractEventLoop) -> aiohttp.ClientSession | None:
        """The session of the running loop, for this task's next request, one of `attempt`; None: `open` it first."""
        if self._given is not None:
            return None
        if (task := asyncio.current_task(loop)) is not None:
            _SENDING[task] = ref(attempt)
        kept = self._kept.get(loop)
        return None if kept is None or kept.session.closed else kept.session

    async def open(self, loop: asyncio.AbstractEventLoop) -> aiohttp.ClientSession:
        """Make the session of the running loop. The user's own is there, and has heard of each close that came in."""
        if self._given is not None:
            await _hear()
            return self._given
        await self._forget_ended()
        self._kept[loop] = kept = _Kept()
        self._is_open = True
        await kept.begin()
        return kept.session

    async def _forget_ended(self) -> None:
        """A handle that outlives many loops must not keep them all."""
        for loop in [loop for loop in list(self._kept) if loop.is_closed()]:
            self._kept.pop(loop, None)
        for ended in [kept for kept in list(_OPEN) if kept.loop.is_closed()]:
            await ended.forget()

    async def close(self) -> None:
        """Close what was opened, on this loop and on others; closing twice is fine, and so is using it again.

        Another loop that runs closes its own a moment later; one that stands still does when it runs next, or when it
        is ended as asyncio.run ends it.
        """
        self._is_open = False
        here = asyncio.get_running_loop()
        for loop in list(self._kept):
            kept = self._kept.pop(loop)
            if loop is here:
                await kept.end()
            elif loop.is_closed():
                await kept.forget()
            else:
                kept.end_soon()

    def start_afresh(self) -> None:
        """Be as new, in a fork's child: a parent's sessions are neither used nor closed."""
        self._kept, self._is_open = {}, False

    def __del__(self) -> None:
        if getattr(self, "_is_open", False):
            for kept in self._kept.values():
                kept.end_soon()
            warnings.warn(
                "a 360Onboard handle was never closed; use it in a `with` block, or call its close()",
                ResourceWarning,
                stacklevel=2,
                source=self,
            )


class _Kept:
    """The session of the running loop. Whoever closes it first, everybody waits for that one closing."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        connector = _Connector(limit=0, keepalive_timeout=settings.KEEPALIVE_S)  # the budget is the limit
        self.session = aiohttp.ClientSession(
            connector=connector, cookie_jar=aiohttp.DummyCookieJar(), request_class=_Request
        )
        self._closing: asyncio.Task[None] | None = None
        self._ending: asyncio.Task[None] | None = None
        self._is_parents = False
        # A started async generator is what a loop closes at its end (`asyncio.run`, `shutdown_asyncgens`).
        self._keeper = self._keep()

    async def begin(self) -> None:
        """Have the loop close it at its end."""
        _OPEN.add(self)
        await anext(self._keeper)

    async def end(self) -> None:
        """Return when it is closed; on its own loop."""
        await self._closed()
        with contextlib.suppress(RuntimeError):  # the loop itself is at it
            await self._keeper.aclose()

    def end_soon(self) -> None:
        """Have it closed by its own loop, from wherever this is called."""

        def begin() -> None:
            self._ending = self.loop.create_task(self.end())

        with contextlib.suppress(RuntimeError):  # that loop was closed a moment ago
            self.loop.call_soon_threadsafe(begin)

    async def forget(self) -> None:
        """Close it when its loop is closed, and nothing can be awaited there any more; on any loop."""
        _OPEN.discard(self)
        await self.session.close()

    def leave_alone(self) -> None:
        """In a fork's child: nothing is closed, and the parent's loop hears nothing of it."""
        self._is_parents = True
        with contextlib.suppress(StopAsyncIteration, StopIteration, RuntimeError):  # the latter while it is at it
            self._keeper.aclose().send(None)  # ends at once, so that it is not handed to that loop when we end

    async def _closed(self) -> None:
        if self._closing is None:
            self._closing = asyncio.create_task(self.session.close())
        if not self._closing.done():
            await asyncio.wait((self._closing,))
        _OPEN.discard(self)

    async def _keep(self) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            if not self._is_parents:
                await self._closed()


_POOLS: Final[WeakSet[Pool]] = WeakSet()
_OPEN: Final[set[_Kept]] = set()  # also held here, so that the collector cannot end a session before its pool


def _start_afresh_in_child() -> None:
    for pool in list(_POOLS):
        pool.start_afresh()
    parents = list(_OPEN)
    _OPEN.clear()
    for kept in parents:
        kept.leave_alone()
    if parents:
        # A fork hook outlives every module, so what is the parent's is not closed, nor complained of, when we end.
        os.register_at_fork(after_in_child=lambda: _keep_alive(parents))


def _keep_alive(_parents: object) -> None:
    pass


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_afresh_in_child)
