"""What keeps open pages up to date: server-sent events with the sections that changed, a few times a second at most.

Knows no HTML: whoever opens a stream says how its sections are drawn. May be told of changes from any thread.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing, suppress
from typing import Final

from aiohttp import web
from attrs import define, field

__all__ = ["ALIVE_S", "PAUSE_S", "RETRY_MS", "TICK_S", "Hub"]

PAUSE_S: Final = 0.25  # between two looks at what changed
TICK_S: Final = 1.0  # and at most, since time passes where nothing happens
ALIVE_S: Final = 15.0  # after so much silence a comment is sent: who is gone is noticed, and no proxy gives up
RETRY_MS: Final = 1000  # after which a browser comes back


@define(eq=False)
class _Stream:
    """One open page."""

    news: asyncio.Event = field(factory=asyncio.Event)
    closing: asyncio.Event = field(factory=asyncio.Event)
    ended: asyncio.Event = field(factory=asyncio.Event)
    transport: asyncio.Transport | None = None


class Hub:
    """The streams of one sandbox's pages."""

    def __init__(self) -> None:
        self._streams: set[_Stream] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_told = False  # the loop, and has not got to it yet
        self._is_closed = False

    @property
    def pages(self) -> int:
        """How many are open."""
        return len(self._streams)

    def changed(self) -> None:
        """Something did; costs nothing while no page is open, and next to nothing otherwise."""
        if not self._streams or self._is_told or self._loop is None:
            return
        self._is_told = True
        with suppress(RuntimeError):  # the loop is closed, and nobody looks any more
            self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        self._is_told = False
        for stream in self._streams:
            stream.news.set()

    async def serve(self, request: web.Request, draw: Callable[[], Mapping[str, str]]) -> web.StreamResponse:
        """Answer with a stream, until either side closes it."""
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
        with suppress(ConnectionError):  # the page was closed
            await answer.prepare(request)
            async with aclosing(self.pieces(draw, request.transport)) as pieces:
                async for piece in pieces:
                    await answer.write(piece)
        return answer

    async def pieces(
        self, draw: Callable[[], Mapping[str, str]], transport: asyncio.Transport | None = None
    ) -> AsyncGenerator[bytes, None]:
        """All sections at first, then those that are not as they were sent last."""
        self._loop = asyncio.get_running_loop()
        stream = _Stream(transport=transport)
        self._streams.add(stream)
        try:
            yield f"retry: {RETRY_MS}\n\n".encode()
            sent: Mapping[str, str] = {}
            spoke_at = self._loop.time()
            while not self._is_closed:
                stream.news.clear()  # before we look: what comes while we do is looked at again
                drawn = draw()
                piece = _piece({name: text for name, text in drawn.items() if sent.get(name) != text})
                if piece or self._loop.time() - spoke_at >= ALIVE_S:
                    yield piece or b": still here\n\n"
                    spoke_at = self._loop.time()
                sent = drawn
                await _within(PAUSE_S, stream.closing)
                await _within(TICK_S - PAUSE_S, stream.news)
        finally:
            self._streams.discard(stream)
            stream.ended.set()

    async def close(self) -> None:
        """End all streams at once, those too whose page does not read; new ones end at once."""
        self._is_closed = True
        streams = list(self._streams)
        for stream in streams:
            stream.closing.set()
            stream.news.set()
            if stream.transport is not None and stream.transport.get_write_buffer_size():
                stream.transport.abort()  # it does not read, and would be waited for
        for stream in streams:
            await stream.ended.wait()


def _piece(changes: Mapping[str, str]) -> bytes:
    return f"event: sections\ndata: {json.dumps(changes)}\n\n".encode() if changes else b""


async def _within(seconds: float, event: asyncio.Event) -> None:
    """Wait until it is set, but not longer."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
