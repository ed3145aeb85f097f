"""What a webhook costs an endpoint, in the CPU time of its process, and how many an inbox acknowledges in a second.

Each endpoint is a process of its own with a real aiohttp.web server. This one plays the sender, over connections that
are kept alive, and what that costs is not counted. In each round every way has its turn. The inbox's file is in the
folder for temporary files (TMPDIR), so the disk is that folder's.
"""

import asyncio
import hashlib
import hmac
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

from aiohttp import web

from benchmarks.table import Row, Table
from onboard360_async import settings
from onboard360_async.webhooks import Event, Inbox, Router, WebhookVerifier, writer
from onboard360_async.webhooks.aiohttp import handler
from onboard360_async.webhooks.factories import SECRET, client_created

__all__ = ["ENDPOINTS", "acknowledged", "endpoint", "inbox", "sent"]

ROOT = Path(__file__).parents[1]
ROUNDS, REQUESTS = 9, 1000
CONNECTIONS: Final = (16, 64, 256)
KEPT_MOST = 2.5  # times the bare endpoint; the target of a durable acknowledgement
AT_ONCE: Final = (16, 256)  # that wait for it at once
ALONE, TOGETHER = 300, 3000  # events of a round

Handle = Callable[[web.Request], Awaitable[web.Response]]


# --- the endpoints, each in its process ---------------------------------------------------------------------------


async def _nothing(event: Event | None = None) -> None:
    """A handler's own work is not what is measured."""


class Endpoint(NamedTuple):
    """What answers, and what waits until nothing is left to do."""

    handle: Handle
    idle: Callable[[], Awaitable[None]] = _nothing


@asynccontextmanager
async def _bare(_: Path) -> AsyncIterator[Endpoint]:
    async def handle(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(text="OK")

    yield Endpoint(handle)


@asynccontextmanager
async def _by_hand(_: Path) -> AsyncIterator[Endpoint]:
    """As the API page's Python sample has it, and nothing kept: what is written without a library."""

    async def handle(request: web.Request) -> web.Response:
        payload = json.loads(await request.read())
        said = request.headers[settings.SIGNATURE_HEADER].replace("sha256=", "")
        signed = json.dumps(payload, separators=(",", ":")).encode()
        if not hmac.compare_digest(said, hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()):
            return web.Response(status=401)
        return web.Response(text="OK")

    yield Endpoint(handle)


@asynccontextmanager
async def _verified(_: Path) -> AsyncIterator[Endpoint]:
    yield Endpoint(handler(WebhookVerifier(SECRET), _nothing))


@asynccontextmanager
async def _kept(folder: Path) -> AsyncIterator[Endpoint]:
    keeping = Inbox(folder / "kept.db")
    yield Endpoint(handler(WebhookVerifier(SECRET), keeping.receive))
    keeping.close()


@asynccontextmanager
async def _handled(folder: Path) -> AsyncIterator[Endpoint]:
    router = Router()
    router.on("*")(_nothing)
    async with Inbox(folder / "handled.db", router).running() as keeping:

        async def idle() -> None:
            while (await keeping.counts()).waiting:  # noqa: ASYNC110 - a worker tells nobody that it is idle
                await asyncio.sleep(0.01)

        yield Endpoint(handler(WebhookVerifier(SECRET), keeping.receive), idle)


ENDPOINTS: Mapping[str, Callable[[Path], AbstractAsyncContextManager[Endpoint]]] = {
    "bare": _bare,
    "by hand": _by_hand,
    "verified": _verified,
    "kept": _kept,
    "kept and handled": _handled,
}


async def _serve(kind: str, folder: Path) -> None:
    """Serve until we are killed; the port is told on stdout, at /cpu the CPU time until all was done."""

    async def cpu(_: web.Request) -> web.Response:
        await told.idle()
        return web.Response(text=str(time.process_time()))  # of all threads

    async with ENDPOINTS[kind](folder) as told:
        app = web.Application()
        app.add_routes([web.post("/", told.handle), web.get("/cpu", cpu)])
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        print(runner.addresses[0][1], flush=True)
        await asyncio.Event().wait()


@contextmanager
def _running(kind: str, folder: Path) -> Iterator[int]:
    """Such a process, and its port."""
    command = [sys.executable, "-m", "benchmarks.endpoints", kind, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


# --- the sender ---------------------------------------------------------------------------------------------------


def _request(event: Event) -> bytes:
    """A webhook on the wire, with the headers that a sender in Node has."""
    headers = "".join(f"{name}: {value}\r\n" for name, value in event.headers)
    head = (
        "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: */*\r\nUser-Agent: node\r\nAccept-Encoding: gzip, deflate\r\n"
        f"{headers}Content-Length: {len(event.body)}\r\n\r\n"
    )
    return head.encode() + event.body


async def _answer(reader: asyncio.StreamReader) -> bytes:
    """The body of a 200; anything else would make a benchmark of refusals."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    assert head.startswith(b"http/1.1 200 "), head
    return await reader.readexactly(int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0]))


async def _cpu_s(port: int) -> float:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /cpu HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    seconds = float(await _answer(reader))
    writer.close()
    return seconds


async def _send(port: int, requests: list[bytes], connections: int) -> None:
    left = iter(requests)

    async def connection() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for request in left:
            writer.write(request)
            await _answer(reader)
        writer.close()

    await asyncio.gather(*(connection() for _ in range(connections)))


async def sent(rounds: int, requests: int) -> dict[int, dict[str, list[float]]]:
    """CPU seconds of each kind of endpoint for 1,000 requests, of each round, for each number of connections.

    The first round, to warm up, is left out.
    """
    took: dict[int, dict[str, list[float]]] = {many: {kind: [] for kind in ENDPOINTS} for many in CONNECTIONS}
    with ExitStack() as opened:
        folder = Path(opened.enter_context(TemporaryDirectory()))
        ports = {kind: opened.enter_context(_running(kind, folder)) for kind in ENDPOINTS}
        for turn in range(rounds + 1):
            for many, of_kind in took.items():
                ids = [f"{turn}-{many}-{number}" for number in range(requests)]
                asked = [_request(client_created(client_id=id_)) for id_ in ids]
                for kind, port in ports.items():
                    before = await _cpu_s(port)
                    await _send(port, asked, many)
                    if turn:
                        of_kind[kind].append((await _cpu_s(port) - before) / requests * 1000)
    return took


def endpoint() -> list[Table]:
    """The tables of the endpoints."""
    made = []
    for many, of_kind in asyncio.run(sent(ROUNDS, REQUESTS)).items():
        bare = median(of_kind["bare"])
        rows = tuple(
            Row(kind, median(took) * 1000, median(took) / bare, f"<= {KEPT_MOST:g}" if kind == "kept" else "")
            for kind, took in of_kind.items()
        )
        title = (
            f"An endpoint's CPU for 1,000 webhooks, connections that are kept alive: {many}; median of {ROUNDS} "
            f"interleaved rounds of {REQUESTS:,}"
        )
        made.append(Table(f"endpoint-{many}", title, "ms", rows, "bare"))
    return made


# --- the inbox ----------------------------------------------------------------------------------------------------


@contextmanager
def _a_commit_each() -> Iterator[None]:
    """The same inbox, whose writer takes one piece of work at a time: as without group commit."""
    grouped = writer._batch
    writer._batch = lambda waiting, expected: [waiting.get()]  # noqa: ARG005 - the writer's names
    yield
    writer._batch = grouped


async def acknowledged(at_once: int, events: list[Event]) -> float:
    """How many events an inbox of its own acknowledges in a second, so many of them waiting for it at once."""
    with TemporaryDirectory() as folder:
        keeping = Inbox(Path(folder) / "inbox.db")
        await keeping.counts()  # it is open
        left = iter(events)

        async def receive() -> None:
            for event in left:
                assert await keeping.receive(event)

        began = time.perf_counter()
        await asyncio.gather(*(receive() for _ in range(at_once)))
        seconds = time.perf_counter() - began
        keeping.close()
    return len(events) / seconds


def inbox() -> list[Table]:
    """The table of the inbox, each line with group commit and without: those that wait together share a commit."""
    events: list[Event] = [client_created(client_id=str(number)) for number in range(TOGETHER)]
    took: dict[int, tuple[list[float], list[float]]] = {at_once: ([], []) for at_once in AT_ONCE}
    for _ in range(ROUNDS):
        for at_once, (grouped, each) in took.items():
            grouped.append(asyncio.run(acknowledged(at_once, events)))
            with _a_commit_each():
                each.append(asyncio.run(acknowledged(at_once, events[:ALONE])))
    rows = tuple(
        Row(f"{at_once} at once", median(grouped), median(grouped) / median(each))
        for at_once, (grouped, each) in took.items()
    )
    title = f"Durable acknowledgements of one inbox, with group commit, median of {ROUNDS} interleaved rounds"
    return [Table("inbox", title, "in a s", rows, "a commit each")]


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1], Path(sys.argv[2])))
