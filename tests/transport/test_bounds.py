"""Servers that never end: time and bytes are bounded, whatever drips or pours in."""

import asyncio
import gzip
import sys
from itertools import cycle
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest

from onboard360_async import AsyncOnboard360, Budget, errors, settings
from onboard360_async.transport.call import Call
from onboard360_async.transport.options import Options, Request
from tests.budget.virtual import VirtualLoop, run
from tests.leaks import found_in, locals_shown
from tests.listening import Listening
from tests.transport.raw import RawServer
from tests.transport.test_listeners import BASE
from tests.transport.test_wire import BODY, PERSON, said


class Dripping(Listening):
    """Says `head`, then `drop` for ever, as fast as it is read; `told` is set when a request is in."""

    def __init__(self, head: bytes, drop: bytes) -> None:
        super().__init__()
        self.head, self.drop = head, drop
        self.told = asyncio.Event()
        self.bytes_said = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.told.set()
        try:
            writer.write(self.head)
            for more in cycle((self.drop,)):
                writer.write(more)
                self.bytes_said += len(more)
                await writer.drain()
                await asyncio.sleep(0)
                if not more:
                    await reader.read()  # until the other side has gone
                    break
        except ConnectionError:
            pass
        finally:
            writer.close()


def handle(server: Listening, timeout_s: float = 0.4, max_retries: int = 0) -> AsyncOnboard360:
    budget = Budget(limit=1_000, burst=1_000, window_s=1.0)
    return AsyncOnboard360(
        "sk_test_1", base_url=server.url, budget=budget, timeout_s=timeout_s, max_retries=max_retries
    )


CHUNKED = b"HTTP/1.1 %b\r\nTransfer-Encoding: chunked\r\n\r\n"


async def test_a_head_that_never_ends_is_given_up_after_timeout_s() -> None:
    """Also of a listing, whose body may take its time: a server that says 100 for ever holds nobody for ever."""
    async with Dripping(b"", b"HTTP/1.1 100 Continue\r\n\r\n") as server, handle(server) as api:
        with pytest.raises(errors.AnswerLostError, match="timed out"):
            await api.list_clients()
        with pytest.raises(errors.AnswerLostError, match="timed out"):
            await api.list_campaigns()
        with pytest.raises(errors.OutcomeUnknownError, match="timed out"):
            await api.add_client(campaign_id="c", email="john@example.com")


@pytest.mark.parametrize("drop", [b"1\r\n \r\n", b""])
async def test_an_answer_that_drips_is_given_up_after_timeout_s(drop: bytes) -> None:
    """A body that is read whole has `timeout_s` in all, however steadily its spaces come."""
    async with Dripping(CHUNKED % b"200 OK", drop) as server, handle(server) as api:
        with pytest.raises(errors.AnswerLostError, match="timed out"):
            await api.list_campaigns()
        with pytest.raises(errors.OutcomeUnknownError, match="timed out") as caught:
            await api.add_client(campaign_id="c", email="john@example.com")
        assert caught.value.created


async def test_an_error_body_that_drips_does_not_hold_its_error_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """The status is known; of a listing, too, whose pieces each come in time, `timeout_s` is all there is."""
    monkeypatch.setattr(settings, "MAX_ERROR_BYTES", 1 << 40)
    async with Dripping(CHUNKED % b"400 Bad", b"1\r\nx\r\n") as server, handle(server) as api:
        async with asyncio.timeout(5):
            with pytest.raises(errors.BadRequestError):
                await api.list_clients()


async def test_a_listing_that_drips_ends_at_its_deadline() -> None:
    """Between two of its pieces there is never `timeout_s`; `deadline_s` is what bounds the whole."""
    async with Dripping(CHUNKED % b"200 OK", b"1\r\n \r\n") as server, handle(server, timeout_s=5.0) as api:
        with pytest.raises(errors.DeadlineError):
            await api.list_clients(deadline_s=0.3)


async def test_an_error_body_is_read_up_to_its_limit_only() -> None:
    """A page of any length behind a 400: so much of it is read as is stated, and the connection is closed."""
    async with Dripping(CHUNKED % b"400 Bad", b"2000\r\n%b\r\n" % (b"x" * 0x2000)) as server:
        async with handle(server, timeout_s=10.0) as api:
            with pytest.raises(errors.BadRequestError) as caught:
                await api.list_campaigns()
        assert len(caught.value.body_snippet or "") <= settings.SNIPPET_CHARS
        assert server.bytes_said < settings.MAX_ERROR_BYTES + 16 * 1024 * 1024  # and what the network holds


@pytest.mark.parametrize("call", ["post", "get", "listing"])
async def test_a_bomb_is_refused_at_the_stated_limit(call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few bytes that unpack to many: what is counted is what comes out."""
    monkeypatch.setattr(settings, "MAX_BODY_BYTES", 1 << 20)
    monkeypatch.setattr(settings, "MAX_ITEM_CHARS", 1 << 20)
    bomb = gzip.compress(b'{"clients": ["' + b"x" * (1 << 24))
    assert len(bomb) < 1 << 15
    async with RawServer(said(bomb, more="Content-Encoding: gzip\r\n")) as server, handle(server, 10.0) as api:
        if call == "post":
            with pytest.raises(errors.OutcomeUnknownError, match="longer than 1048576 bytes") as caught:
                await api.add_client(campaign_id="c", email="john@example.com")
            assert caught.value.created
        elif call == "get":
            with pytest.raises(errors.DecodeError, match="longer than 1048576 bytes"):
                await api.list_campaigns()
        else:
            with pytest.raises(errors.DecodeError, match="longer than 1048576 characters"):
                await api.list_clients()


async def test_only_encodings_that_can_be_read_are_asked_for() -> None:
    """What is asked for comes from aiohttp, which asks for br and zstd only where it has what reads them."""
    async with RawServer(said()) as server, handle(server) as api:
        await api.list_clients()
        (asked,) = [line for line in server.requests[0].split(b"\r\n") if line.startswith(b"Accept-Encoding")]
    assert {b"gzip", b"deflate"} <= set(asked.partition(b": ")[2].split(b", "))


@pytest.mark.parametrize("encoding", ["br", "zstd"])
async def test_an_encoding_that_nobody_asked_for_is_an_error_that_says_what_is_known(
    encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing here can read it, a POST is in doubt, and a listing is lost."""
    monkeypatch.setattr("aiohttp.http_parser.HAS_BROTLI", False)
    monkeypatch.setattr("aiohttp.http_parser.HAS_ZSTD", False)
    answer = said(b"\x00\x01", more=f"Content-Encoding: {encoding}\r\n")
    async with RawServer(answer, closes=True) as server, handle(server) as api:
        with pytest.raises(errors.AnswerLostError):
            await api.list_clients()
    async with RawServer(answer, closes=True) as server, handle(server) as api:
        with pytest.raises(errors.OutcomeUnknownError):
            await api.add_client(campaign_id="c", email="john@example.com")


@pytest.mark.parametrize(
    ("encoding", "module"),
    [("br", "brotli"), ("zstd", "backports.zstd" if sys.version_info < (3, 14) else "compression.zstd")],
)
async def test_what_aiohttp_can_unpack_is_unpacked(encoding: str, module: str) -> None:
    """Br and zstd, where the package that reads them is there: the same clients as ever, and cut is cut."""
    packed = pytest.importorskip(module, reason=f"{encoding} needs it").compress(BODY)
    more = f"Content-Encoding: {encoding}\r\n"
    cut = said(packed, more=more, length=len(packed) + 9)
    async with RawServer(said(packed, more=more), said(packed, more=more), cut, closes=True) as server:
        async with handle(server, 5.0) as api:
            assert [client.first_name for client in await api.list_clients()] == ["John"]
            assert (await api.add_client(campaign_id="c", email="john@example.com")).last_name == "Doe"
            with pytest.raises(errors.AnswerLostError):
                await api.list_clients()
        assert encoding.encode() in server.requests[0]


# --- who gives up first ---


async def test_what_a_caller_gives_up_shows_nobody_either() -> None:
    """A time limit of the caller's own cuts through all our frames and aiohttp's: their locals hide key and person."""
    head = CHUNKED % b"200 OK" + b"%x\r\n%b\r\n" % (len(BODY) - 9, BODY[:-9])
    for server in (Dripping(b"", b""), Dripping(head, b"")):
        async with server, handle(server, timeout_s=10.0) as api:
            person: dict[str, Any] = {"email": "john@example.com", "first_name": "John", "phone": "+1234567890"}
            for call in (
                api.add_client(campaign_id="c", **person),
                api.ensure_client(campaign_id="c", email="nobody@example.com", company_name="Acme Corp"),
                api.find_client(campaign_id="c", email="nobody@example.com"),
                api.request("POST", "/clients", json=PERSON),
                api.list_clients(),
                api.list_campaigns(),
            ):
                server.told.clear()
                task = asyncio.ensure_future(call)
                await server.told.wait()
                for _ in range(20):
                    await asyncio.sleep(0)
                task.cancel()
                with pytest.raises(asyncio.CancelledError) as caught:
                    await task
                shown = list(locals_shown(caught.value))
                assert any("transport/call.py" in text or "listing.py" in text for text in shown)
                assert [text for text in shown if found_in(text)] == []


def test_an_answer_that_breaks_off_after_the_deadline_is_late() -> None:
    """Whoever has to be told why hears what they asked to hear: the time was over, whatever else went wrong then."""

    async def main(loop: VirtualLoop) -> None:
        class Content:
            async def read(self, _: int) -> bytes:
                loop.skip(10)
                raise aiohttp.ClientPayloadError

        api = AsyncOnboard360("sk_test_1", base_url=BASE, budget=Budget(clock=loop.clock))
        call = Call(api._transport, Request("GET", "/clients"), Options(deadline_s=5))
        response: Any = SimpleNamespace(content=Content())
        with pytest.raises(errors.DeadlineError):
            _ = [chunk async for chunk in call.chunks(response)]
        await api.close()

    run(main)
