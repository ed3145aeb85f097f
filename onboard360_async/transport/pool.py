"""The sessions of a handle: one of aiohttp's per running loop, closed when the handle or the loop is.

Knows no key, no budget and no API, and leaves the connections to `connector`.
"""

import asyncio
import contextlib
import os
import warnings
from collections.abc import AsyncGenerator
from typing import Final
from weakref import WeakSet

import aiohttp

from onboard360_async.transport.connector import TRACE, Connector, NoCookies, Request, hear
from onboard360_async.transport.proxy import Proxy
from onboard360_async.transport.under_way import UnderWay
from onboard360_async.transport.wire import HEADERS

__all__ = ["Pool", "Session"]


class Pool:
    """Sessions by running loop, or the one session that the user gave (and closes)."""

    def __init__(self, given: aiohttp.ClientSession | None = None, proxy: Proxy | None = None) -> None:
        self._given = given
        self.proxy: Proxy = proxy or Proxy()  # the environment's; a session that was given knows its own way
        self._is_open = False
        self._kept: dict[asyncio.AbstractEventLoop, _Kept] = {}
        _POOLS.add(self)
        if given is not None and TRACE not in given.trace_configs:
            given.trace_configs.append(TRACE)

    def ready(self, loop: asyncio.AbstractEventLoop) -> "Session | None":
        """The session of the running loop; None: `open` it first."""
        kept = self._kept.get(loop)
        return None if kept is None or kept.is_closed else kept

    async def open(self, loop: asyncio.AbstractEventLoop) -> "Session":
        """Make the session of the running loop. The user's own is there, and has heard of each close that came in."""
        if self._given is not None:
            await hear()
            return Session(self._given)
        await self._forget_ended()
        self._kept[loop] = kept = _Kept()
        self._is_open = True
        await kept.begin()
        return kept

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


class Session:
    """One of aiohttp's; `under_way` is what watches over its requests, None if it is the user's own."""

    def __init__(self, session: aiohttp.ClientSession, under_way: UnderWay | None = None) -> None:
        self.session = session
        self.under_way = under_way


class _Kept(Session):
    """The session of the running loop. Whoever closes it first, everybody waits for that one closing."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._under_way = UnderWay(self.loop)
        connector = Connector(self._under_way)
        session = aiohttp.ClientSession(
            connector=connector, cookie_jar=NoCookies(), request_class=Request, headers=HEADERS
        )
        super().__init__(session, self._under_way)
        self.is_closed = False  # or about to be
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
        self.is_closed = True
        await self.session.close()

    def leave_alone(self) -> None:
        """In a fork's child: nothing is closed, and the parent's loop hears nothing of it."""
        self._is_parents = True
        with contextlib.suppress(StopAsyncIteration, StopIteration, RuntimeError):  # the latter while it is at it
            self._keeper.aclose().send(None)  # ends at once, so that it is not handed to that loop when we end

    async def _closed(self) -> None:
        self.is_closed = True
        self._under_way.end()
        if self._closing is None or self._closing.cancelled():  # a loop that ends cancels all that runs there
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


if hasattr(os, "register_at_fork"):  # pragma: no branch - Windows does not fork
    os.register_at_fork(after_in_child=_start_afresh_in_child)
