"""Server-sent events: what is sent when, how often at most, and that nobody waits for a page that does not read."""

import asyncio
import json
import threading
from collections.abc import AsyncGenerator, Mapping
from typing import Any, Self

import aiohttp
import pytest
from aiohttp import web

from onboard360_async.sandbox.live import ALIVE_S, PAUSE_S, RETRY_MS, TICK_S, Hub
from tests.budget.virtual import VirtualLoop, run


class Sections:
    """What a page shows, and how often it was drawn."""

    def __init__(self, **texts: str) -> None:
        self.texts = texts
        self.drawn = 0
        self.begun = asyncio.Event()

    def __call__(self) -> Mapping[str, str]:
        self.drawn += 1
        self.begun.set()
        return dict(self.texts)


def read(piece: bytes) -> Any:
    """The sections of one event."""
    event, data, *rest = piece.decode().split("\n")
    assert (event, rest) == ("event: sections", ["", ""])
    return json.loads(data.removeprefix("data: "))


async def begun(stream: AsyncGenerator[bytes, None]) -> Any:
    """Read up to the first event, and get it."""
    assert await anext(stream) == f"retry: {RETRY_MS}\n\n".encode()
    return read(await anext(stream))


def test_at_first_all_then_what_changed() -> None:
    """A browser that comes back gets everything once more: it may have missed something."""

    async def main(_: VirtualLoop) -> None:
        hub, sections = Hub(), Sections(one="1", two="2")
        stream = hub.pieces(sections)
        assert await begun(stream) == {"one": "1", "two": "2"}
        sections.texts["two"] = "<b>\n\u2028é"
        hub.changed()
        assert read(await anext(stream)) == {"two": "<b>\n\u2028é"}
        await stream.aclose()
        assert await begun(hub.pieces(sections)) == {"one": "1", "two": "<b>\n\u2028é"}

    run(main)


def test_many_changes_are_few_events() -> None:
    """Four a second at most, and the last of them is not forgotten."""

    async def main(loop: VirtualLoop) -> None:
        hub, sections = Hub(), Sections(one="0")
        stream = hub.pieces(sections)
        await begun(stream)

        def change(number: int) -> None:
            sections.texts["one"] = str(number)
            hub.changed()

        for number in range(1, 1001):
            loop.call_later(number / 1000, change, number)
        began = loop.time()
        got = [read(await anext(stream))["one"]]
        while got[-1] != "1000":
            got.append(read(await anext(stream))["one"])
        assert len(got) <= 4 + 1
        assert loop.time() - began < 1 + PAUSE_S

    run(main)


def test_time_passes_where_nothing_happens() -> None:
    """Once a second it is looked whether something reads differently, and nothing is sent if not."""

    async def main(loop: VirtualLoop) -> None:
        sections = Sections(one="0")
        stream = Hub().pieces(sections)
        await begun(stream)
        loop.call_later(5.5, sections.texts.update, {"one": "later"})
        began = loop.time()
        assert read(await anext(stream)) == {"one": "later"}
        assert loop.time() - began == pytest.approx(6 * TICK_S, abs=0.001)
        assert sections.drawn == 7

    run(main)


def test_silence_is_broken_by_a_comment() -> None:
    """So that it is noticed when the other side is gone."""

    async def main(loop: VirtualLoop) -> None:
        stream = Hub().pieces(Sections(one="0"))
        await begun(stream)
        for _ in range(2):
            began = loop.time()
            assert (await anext(stream)).startswith(b":")
            assert loop.time() - began == pytest.approx(ALIVE_S, abs=0.001)

    run(main)


def test_news_that_change_nothing_are_not_sent() -> None:
    """What was drawn is as it was: the page hears nothing until something is another, or it has been quiet for long."""

    async def main(loop: VirtualLoop) -> None:
        hub, sections = Hub(), Sections(one="1")
        stream = hub.pieces(sections)
        await begun(stream)
        began_at, drawn = loop.time(), sections.drawn
        loop.call_later(TICK_S / 2, hub.changed)
        loop.call_later(2.5 * TICK_S, sections.texts.update, {"one": "2"})
        loop.call_later(2.5 * TICK_S, hub.changed)
        assert read(await anext(stream)) == {"one": "2"}
        assert loop.time() - began_at > 2 * TICK_S
        assert sections.drawn - drawn > 1
        await stream.aclose()

    run(main)


async def test_another_thread_may_tell() -> None:
    """A sandbox is changed from whatever thread."""
    hub, sections = Hub(), Sections(one="0")
    stream = hub.pieces(sections)
    await begun(stream)
    coming = asyncio.ensure_future(anext(stream))

    def change() -> None:
        sections.texts["one"] = "1"
        hub.changed()

    thread = threading.Thread(target=change)
    thread.start()
    assert read(await coming) == {"one": "1"}
    thread.join()
    await stream.aclose()


def test_whoever_is_told_may_be_gone() -> None:
    """Before the first page, after the last, and when the loop has ended: it does nothing, and raises nothing."""
    hub = Hub()
    hub.changed()

    async def main() -> AsyncGenerator[bytes, None]:
        stream = hub.pieces(Sections(one="0"))
        await begun(stream)
        return stream

    loop = asyncio.new_event_loop()
    stream = loop.run_until_complete(main())
    loop.close()
    hub.changed()
    assert hub.pages == 1
    del stream  # never closed, and still the hub did not mind


async def test_a_closed_hub_opens_nothing() -> None:
    """A page that comes while the sandbox ends is not kept waiting."""
    hub, sections = Hub(), Sections(one="1")
    await hub.close()
    assert [piece async for piece in hub.pieces(sections)] == [f"retry: {RETRY_MS}\n\n".encode()]
    assert sections.drawn == 0


class Served:
    """A hub behind a server; `async with` it."""

    def __init__(self, sections: Sections) -> None:
        self.hub = Hub()
        self._sections = sections

    async def __aenter__(self) -> Self:
        async def live(request: web.Request) -> web.StreamResponse:
            return await self.hub.serve(request, self._sections)

        app = web.Application()
        app.router.add_get("/", live)
        self.runner = web.AppRunner(app, access_log=None)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0).start()
        self.port = self.runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.hub.close()
        await self.runner.cleanup()


async def test_it_is_a_stream_of_events() -> None:
    """By its type, and kept by nobody; closing ends it."""
    async with (
        Served(Sections(one="1")) as served,
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{served.port}/") as answer,
    ):
        assert answer.headers["Content-Type"] == "text/event-stream"
        assert answer.headers["Cache-Control"] == "no-store"
        assert await answer.content.readuntil(b"\n\n") == f"retry: {RETRY_MS}\n\n".encode()
        assert read(await answer.content.readuntil(b"\n\n")) == {"one": "1"}
        await served.hub.close()
        assert await answer.content.read() == b""


async def test_a_page_that_does_not_read_holds_up_nobody() -> None:
    """Closing ends its stream, too, in the middle of what it does not take."""
    sections = Sections(one="x" * 20_000_000)
    async with Served(sections) as served:
        _, writer = await asyncio.open_connection("127.0.0.1", served.port, limit=1)
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await sections.begun.wait()
        await served.hub.close()
        assert served.hub.pages == 0
        writer.close()


async def test_a_page_that_is_gone_is_forgotten() -> None:
    """As soon as something is sent to it."""
    sections = Sections(one="0")
    async with Served(sections) as served, aiohttp.ClientSession() as session:
        async with session.get(f"http://127.0.0.1:{served.port}/") as answer:
            await answer.content.readuntil(b"\n\n")
            assert served.hub.pages == 1
        while served.hub.pages:
            sections.texts["one"] += "x"
            served.hub.changed()
            await asyncio.sleep(0)
