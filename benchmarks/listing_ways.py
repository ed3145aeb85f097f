"""The ways to read a long listing that `listing` compares, and the server that they read from; each a process.

`python -m benchmarks.listing_ways serve CLIENTS` prints its address and serves until its standard input ends. `... WAY
ADDRESS` reads a short listing to warm up, then the long one, and prints what that took as JSON (`Taken`).
"""

import asyncio
import contextlib
import gc
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import aiohttp
from attrs import asdict, define, fields

from benchmarks.callers import unlimited
from benchmarks.models import by_msgspec, client_of
from onboard360_async import AsyncOnboard360, Onboard360
from onboard360_async.codec import parser
from onboard360_async.models import Client

__all__ = ["LISTED", "STREAMED", "Taken"]

KEY: Final = "sk_test_1"
BLOCK: Final = 4_999  # different clients; a longer listing has them again (a round number would be told of)
FEW: Final = "/few"  # below it the listing has one block
BEAT_S: Final = 0.001  # between two looks at the loop
MB: Final = 1e6


@define
class Taken:
    """What one way took; memory in MB above what the process had before it began."""

    clients: int = 0
    cpu_s: float = 0.0
    first_s: float = 0.0  # from the request to the first client
    stall_s: float = 0.0  # the longest time that the loop did not turn
    busy_s: float = 0.0  # of that, what its own thread worked
    peak_mb: float = 0.0
    result_mb: float = 0.0  # what is handed back, object by object; 0 where nothing is


# --- the server ---


async def _serve(clients: int) -> None:
    block = json.dumps([client_of(number) for number in range(BLOCK)], separators=(",", ":")).encode()[1:-1]
    blocks, rest = divmod(clients, BLOCK)
    last = json.dumps([client_of(number) for number in range(rest)], separators=(",", ":")).encode()[1:-1]
    many = [block] * blocks + [last] * bool(rest)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while asked := await reader.readuntil(b"\r\n\r\n"):
                parts = [block] if asked.startswith(f"GET {FEW}/".encode()) else many
                length = sum(map(len, parts)) + len(parts) - 1 + len(b'{"clients":[]}')
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
                writer.write(b'Content-Length: %d\r\n\r\n{"clients":[' % length)
                for number, part in enumerate(parts):
                    writer.write(part if number == 0 else b"," + part)
                    await writer.drain()
                writer.write(b"]}")
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await asyncio.to_thread(sys.stdin.read)


# --- the ways; each gives what it read, or nothing where it only counts ---

Read = Callable[[str, Taken, Callable[[], None]], Awaitable[object]]


def _handle(url: str) -> AsyncOnboard360:
    return AsyncOnboard360(KEY, base_url=url, budget=unlimited())


async def _ours(url: str, taken: Taken, first: Callable[[], None]) -> None:
    async with _handle(url) as api:
        async for _ in api.iter_clients():
            if not taken.clients:
                first()
            taken.clients += 1


async def _ours_in_batches(url: str, taken: Taken, first: Callable[[], None]) -> None:
    async with _handle(url) as api:
        async for batch in api.iter_clients().batches():
            if not taken.clients:
                first()
            taken.clients += len(batch)


async def _list_clients(url: str, taken: Taken, _: Callable[[], None]) -> object:
    async with _handle(url) as api:
        everybody = await api.list_clients()
    taken.clients = len(everybody)
    return everybody


async def _blocking(url: str, taken: Taken, first: Callable[[], None]) -> None:
    def read() -> None:
        with Onboard360(KEY, base_url=url, budget=unlimited()) as api:
            for _ in api.iter_clients():
                if not taken.clients:
                    first()
                taken.clients += 1

    await asyncio.to_thread(read)


@contextlib.asynccontextmanager
async def _get(url: str) -> AsyncIterator[aiohttp.ClientResponse]:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{url}/api/v1/clients", headers={"Authorization": f"Bearer {KEY}"}) as response,
    ):
        yield response


async def _discard(url: str, _: Taken, first: Callable[[], None]) -> None:
    async with _get(url) as response:
        while await response.content.readany():
            first()


async def _ijson(url: str, taken: Taken, first: Callable[[], None]) -> None:
    import ijson

    async with _get(url) as response:
        async for _ in ijson.get_backend("yajl2_c").items_async(response.content, "clients.item", use_float=True):
            if not taken.clients:
                first()
            taken.clients += 1


async def _ijson_pushed(url: str, taken: Taken, first: Callable[[], None]) -> None:
    import ijson

    found: list[object] = ijson.sendable_list()
    items = ijson.get_backend("yajl2_c").items_coro(found, "clients.item", use_float=True)
    async with _get(url) as response:
        while chunk := await response.content.readany():
            items.send(chunk)
            for _ in found:
                if not taken.clients:
                    first()
                taken.clients += 1
            found.clear()
    items.close()


async def _json(url: str, taken: Taken, first: Callable[[], None]) -> object:
    async with _get(url) as response:
        everybody = (await response.json())["clients"]
    first()
    taken.clients = len(everybody)
    return everybody


async def _msgspec(url: str, taken: Taken, first: Callable[[], None]) -> object:
    structs = by_msgspec()
    assert structs is not None
    msgspec, struct = structs
    async with _get(url) as response:
        everybody = msgspec.json.decode(await response.read(), type=struct).clients
    first()
    taken.clients = len(everybody)
    return everybody


def _with_json(read: Read) -> Read:
    async def with_json(url: str, taken: Taken, first: Callable[[], None]) -> object:
        parser._quick = None
        return await read(url, taken, first)

    return with_json


STREAMED: Final[dict[str, Read]] = {
    "ours": _with_json(_ours),
    "ours, orjson": _ours,
    "ours, in batches": _with_json(_ours_in_batches),
    "ours, in batches, orjson": _ours_in_batches,
    "ijson (dicts)": _ijson,
    "ijson, pushed (dicts)": _ijson_pushed,
    "await response.json() (dicts)": _json,
    "bytes, thrown away": _discard,
}
LISTED: Final[dict[str, Read]] = {
    "list_clients": _with_json(_list_clients),
    "list_clients, orjson": _list_clients,
    "msgspec, read whole": _msgspec,
    "await response.json() (dicts)": _json,
}
BLOCKING: Final[dict[str, Read]] = {"async for": _with_json(_ours), "for, blocking": _with_json(_blocking)}
WAYS: Final = STREAMED | LISTED | BLOCKING


# --- one run ---


def _memory(name: str) -> float:
    """MB of this process: `VmRSS` now, `VmHWM` at most since `_forget_peak`."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) * 1024 / MB
    raise AssertionError(name)


def _forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def _size(everybody: object) -> float:
    """MB of what was handed back: each object once, as the allocator rounds it; clients, dicts and Structs alike."""
    assert isinstance(everybody, list)
    seen: set[int] = set()
    total = sys.getsizeof(everybody)
    for each in everybody:
        parts = each.values() if isinstance(each, dict) else [getattr(each, name) for name in _names(each)]
        for value in (each, *parts):
            if value is not None and id(value) not in seen:
                seen.add(id(value))
                total += -(-sys.getsizeof(value) // 16) * 16
    return total / MB


def _names(each: Any) -> list[str]:
    return [field.name for field in fields(Client)] if isinstance(each, Client) else list(each.__struct_fields__)


async def _beat(taken: Taken) -> None:
    last, worked = time.perf_counter(), time.thread_time()
    while True:
        await asyncio.sleep(BEAT_S)
        now, works = time.perf_counter(), time.thread_time()
        taken.stall_s = max(taken.stall_s, now - last - BEAT_S)
        taken.busy_s = max(taken.busy_s, works - worked)
        last, worked = now, works


async def _run(way: str, url: str) -> Taken:
    await WAYS[way](url + FEW, Taken(), lambda: None)
    taken = Taken()
    gc.collect()
    before = _memory("VmRSS")
    _forget_peak()
    beating = asyncio.create_task(_beat(taken))
    await asyncio.sleep(0)
    began, began_cpu = time.perf_counter(), time.process_time()

    def first() -> None:
        taken.first_s = taken.first_s or time.perf_counter() - began

    result = await WAYS[way](url, taken, first)
    taken.cpu_s = time.process_time() - began_cpu
    await asyncio.sleep(2 * BEAT_S)  # the last beat, if the loop was held up to the end
    beating.cancel()
    taken.peak_mb = _memory("VmHWM") - before
    if result is not None:
        taken.result_mb = _size(result)
    return taken


def main(arguments: list[str]) -> None:
    """Serve, or read once."""
    if arguments[0] == "serve":
        asyncio.run(_serve(int(arguments[1])))
    else:
        print(json.dumps(asdict(asyncio.run(_run(arguments[0], arguments[1])))))


if __name__ == "__main__":
    main(sys.argv[1:])
