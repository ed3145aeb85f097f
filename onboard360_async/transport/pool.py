"""The connections of a handle: one aiohttp session per running loop, closed when the handle or the loop is.

Knows no key, no budget and no API. It also tells each attempt when its headers are written, and refuses the second
sending that aiohttp would otherwise make by itself.
"""

import asyncio
import os
import warnings
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator
from types import SimpleNamespace
from typing import Final, Self
from weakref import WeakKeyDictionary

import aiohttp
from aiohttp.tracing import Trace

from onboard360_async import settings
from onboard360_async.transport.proxy import Proxy

__all__ = ["Pool", "Traced"]


class Traced(ABC):
    """What wants to know that its request's headers go out now."""

    @abstractmethod
    def headers_sent(self) -> None:
        """Called just before the first byte of a request leaves."""

    def __deepcopy__(self, _: object) -> Self:
        """Itself: mocks such as aioresponses copy what a request was called with, and an attempt cannot be copied."""
        return self


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
# One turn of the loop to ask which connections have something to say, one to read it: a server that has closed an idle
# connection by now would otherwise be sent a POST, and nobody would know what became of it.
_TURNS_TO_HEAR: Final = 2


class _Connector(aiohttp.TCPConnector):
    """Connections that nothing was said on while nobody had asked."""

    async def connect(
        self, req: aiohttp.ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout
    ) -> aiohttp.connector.Connection:
        """A connection that has nothing to read: what came on an idle one would be taken for the next answer."""
        while True:
            connection = await super().connect(req, traces, timeout)
            if connection.protocol is None or not connection.protocol.should_close:
                return connection
            connection.close()


class Pool:
    """Sessions by running loop, or the one session that the user gave (and closes)."""

    def __init__(self, given: aiohttp.ClientSession | None = None, proxy: Proxy | None = None) -> None:
        self._given = given
        self.proxy = proxy or Proxy()  # the environment's; a session that was given knows its own way
        self._opened_by: int | None = None  # the process whose sockets are open; a fork's child has none of its own
        self._kept: WeakKeyDictionary[
            asyncio.AbstractEventLoop, tuple[AsyncGenerator[aiohttp.ClientSession, None], aiohttp.ClientSession]
        ] = WeakKeyDictionary()
        if given is not None and _TRACE not in given.trace_configs:
            given.trace_configs.append(_TRACE)

    async def session(self) -> aiohttp.ClientSession:
        """The session of the running loop, made when it is first asked for; no close that came in is unheard."""
        for _ in range(_TURNS_TO_HEAR):
            await asyncio.sleep(0)
        if self._given is not None:
            return self._given
        if self._opened_by != os.getpid():
            self._kept = WeakKeyDictionary()  # a parent's sessions are neither used nor closed
        loop = asyncio.get_running_loop()
        kept = self._kept.get(loop)
        if kept is not None and not kept[1].closed:
            return kept[1]
        # A started async generator is what a loop closes at its end (`asyncio.run`, `shutdown_asyncgens`).
        keeper = _keep()
        session = await anext(keeper)
        self._kept[loop] = (keeper, session)
        self._opened_by = os.getpid()
        return session

    async def close(self) -> None:
        """Close what was opened, on this loop and on others; closing twice is fine, and so is using it again."""
        if self._opened_by != os.getpid():
            return
        self._opened_by = None
        here = asyncio.get_running_loop()
        for loop in list(self._kept):
            keeper, _ = self._kept.pop(loop)
            if loop is here:
                await keeper.aclose()
            elif loop.is_running():
                asyncio.run_coroutine_threadsafe(keeper.aclose(), loop)

    def __del__(self) -> None:
        if getattr(self, "_opened_by", None) == os.getpid():
            warnings.warn(
                "a 360Onboard handle was never closed; use it in a `with` block, or call its close()",
                ResourceWarning,
                stacklevel=2,
                source=self,
            )


async def _keep() -> AsyncGenerator[aiohttp.ClientSession, None]:
    """One session, for as long as this generator is not closed."""
    session = aiohttp.ClientSession(
        connector=_Connector(limit=0, keepalive_timeout=settings.KEEPALIVE_S),  # the budget is the limit
        cookie_jar=aiohttp.DummyCookieJar(),
        trace_configs=[_TRACE],
    )
    try:
        yield session
    finally:
        await session.close()
