"""The clients of the request path, each as its users write it; `python -m benchmarks.callers NAME URL` is one at work.

An order says what is measured (`cpu`, `python`, `allocated`), the call (`get`: list campaigns; `post`: add a client)
and how many. All but `requests` have sixteen calls under way at once. Knows no table.
"""

import asyncio
import contextlib
import importlib
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from attrs import frozen

from benchmarks.bare import KEY, NEW_CLIENT, pin
from benchmarks.orders import obey

if TYPE_CHECKING:
    from onboard360_async import Budget

__all__ = ["AT_ONCE", "CLIENTS", "NEEDS", "Calls", "unlimited"]

AT_ONCE: Final = 16
WARM: Final = 2 * AT_ONCE  # calls before each measurement: a connection that idled too long is none
_BEARER: Final = {"Authorization": f"Bearer {KEY}"}
Call = Callable[[], Awaitable[object]]


@frozen
class Calls:
    """What a client can do."""

    get: Call
    post: Call


Open = Callable[[str], AbstractAsyncContextManager[Calls]]


class _Connection(asyncio.Protocol):
    """One connection of the floor: what comes is the answer, whole when its length is there."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self._buffer = b""
        self._answer: asyncio.Future[bytes] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Look for the end."""
        self._buffer += data
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        if found and self._answer is not None and not self._answer.done():
            at = head.index(b"Content-Length: ") + 16
            if len(body) >= int(head[at:].partition(b"\r\n")[0]):
                self._buffer = b""
                self._answer.set_result(body)

    def ask(self, request: bytes) -> "asyncio.Future[bytes]":
        """Its answer's body."""
        assert self.transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return self._answer


@contextlib.asynccontextmanager
async def floor(url: str) -> AsyncIterator[Calls]:
    """What nobody can do without: bytes out, bytes in, `json`."""
    host, _, port = url.removeprefix("http://").partition(":")
    loop = asyncio.get_running_loop()
    opened = [await loop.create_connection(_Connection, host, int(port)) for _ in range(AT_ONCE)]
    idle = [protocol for _, protocol in opened]
    common = f"HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Bearer {KEY}\r\n"
    list_them = f"GET /api/v1/campaigns {common}\r\n".encode()

    async def ask(request: bytes) -> object:
        connection = idle.pop()
        body = await connection.ask(request)
        idle.append(connection)
        return json.loads(body)

    async def post() -> object:
        body = json.dumps(NEW_CLIENT).encode()
        head = f"POST /api/v1/clients {common}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        return await ask(head.encode() + body)

    yield Calls(lambda: ask(list_them), post)
    for transport, _ in opened:
        transport.close()


@contextlib.asynccontextmanager
async def raw(url: str) -> AsyncIterator[Calls]:
    """aiohttp and json as somebody careful writes it: no cookies, headers made once, a body of bytes."""
    import aiohttp

    list_at, add_at = f"{url}/api/v1/campaigns", f"{url}/api/v1/clients"
    headers = {**_BEARER, "Content-Type": "application/json"}
    timeout = aiohttp.ClientTimeout(total=30)
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), timeout=timeout) as session:

        async def get() -> object:
            async with session.get(list_at, headers=_BEARER) as answer:
                answer.raise_for_status()
                return json.loads(await answer.read())

        async def post() -> object:
            async with session.post(add_at, data=json.dumps(NEW_CLIENT).encode(), headers=headers) as answer:
                answer.raise_for_status()
                return json.loads(await answer.read())

        yield Calls(get, post)


@contextlib.asynccontextmanager
async def usual(url: str) -> AsyncIterator[Calls]:
    """aiohttp as its own front page shows it."""
    import aiohttp

    async with aiohttp.ClientSession(headers=_BEARER) as session:

        async def get() -> object:
            async with session.get(f"{url}/api/v1/campaigns") as answer:
                answer.raise_for_status()
                return await answer.json()

        async def post() -> object:
            async with session.post(f"{url}/api/v1/clients", json=NEW_CLIENT) as answer:
                answer.raise_for_status()
                return await answer.json()

        yield Calls(get, post)


def unlimited() -> "Budget":
    """One that never makes anybody wait, and looks back on about as many requests as a real one: some two hundred."""
    from onboard360_async import Budget

    return Budget(limit=1_000_000, burst=100_000, window_s=0.01)


@contextlib.asynccontextmanager
async def ours(url: str) -> AsyncIterator[Calls]:
    """The handle as it is installed by default: without orjson."""
    sys.modules["orjson"] = None  # type: ignore[assignment]  # which is how Python marks what cannot be imported
    async with ours_quick(url) as calls:
        yield calls


@contextlib.asynccontextmanager
async def ours_quick(url: str) -> AsyncIterator[Calls]:
    """The handle with all that is installed."""
    from onboard360_async import AsyncOnboard360

    async with AsyncOnboard360(KEY, base_url=url, budget=unlimited()) as api:

        async def post() -> object:
            return await api.add_client(
                campaign_id=NEW_CLIENT["campaign_id"],
                email=NEW_CLIENT["email"],
                first_name=NEW_CLIENT["first_name"],
                last_name=NEW_CLIENT["last_name"],
                company_name=NEW_CLIENT["company_name"],
                phone=NEW_CLIENT["phone"],
            )

        yield Calls(api.list_campaigns, post)


@contextlib.asynccontextmanager
async def httpx(url: str) -> AsyncIterator[Calls]:
    """httpx.AsyncClient."""
    import httpx

    async with httpx.AsyncClient(headers=_BEARER, base_url=f"{url}/api/v1") as client:

        async def get() -> object:
            return (await client.get("/campaigns")).raise_for_status().json()

        async def post() -> object:
            return (await client.post("/clients", json=NEW_CLIENT)).raise_for_status().json()

        yield Calls(get, post)


@contextlib.asynccontextmanager
async def requests(url: str) -> AsyncIterator[Calls]:
    """requests.Session, one call after another."""
    import requests

    with requests.Session() as session:
        session.headers.update(_BEARER)

        async def get() -> object:
            answer = session.get(f"{url}/api/v1/campaigns", timeout=30)
            answer.raise_for_status()
            return answer.json()

        async def post() -> object:
            answer = session.post(f"{url}/api/v1/clients", json=NEW_CLIENT, timeout=30)
            answer.raise_for_status()
            return answer.json()

        yield Calls(get, post)


@contextlib.asynccontextmanager
async def generated(url: str) -> AsyncIterator[Calls]:
    """What openapi-python-client makes of the sandbox's description of the API; `calls` has put it on the path."""
    client, models, listing, adding = (
        importlib.import_module(f"generated_client.{name}")
        for name in ("client", "models", "api.default.list_campaigns", "api.default.add_client")
    )
    async with client.AuthenticatedClient(base_url=f"{url}/api/v1", token=KEY) as opened:

        async def post() -> object:
            return await adding.asyncio(client=opened, body=models.NewClient.from_dict(NEW_CLIENT))

        yield Calls(lambda: listing.asyncio(client=opened), post)


@contextlib.asynccontextmanager
async def stripe(url: str) -> AsyncIterator[Calls]:
    """stripe's HTTP client on aiohttp, called as stripe's requestor calls it; the answer is decoded and not typed."""
    from stripe import AIOHTTPClient

    transport = AIOHTTPClient()
    headers = {**_BEARER, "Content-Type": "application/json"}

    async def ask(method: str, path: str, headers: dict[str, str], body: bytes | None) -> object:
        content, status, _ = await transport.request_with_retries_async(method, f"{url}{path}", headers, body)
        assert status in (200, 201)
        return json.loads(content)

    yield Calls(
        lambda: ask("get", "/api/v1/campaigns", _BEARER, None),
        lambda: ask("post", "/api/v1/clients", headers, json.dumps(NEW_CLIENT).encode()),
    )
    await transport.close_async()


@contextlib.asynccontextmanager
async def stripe_client(url: str) -> AsyncIterator[Calls]:
    """stripe's client from its requestor down, with the answer made an object of stripe's, as its services do."""
    from stripe import AIOHTTPClient, StripeClient

    transport = AIOHTTPClient()
    client = StripeClient(KEY, base_addresses={"api": url}, http_client=transport)

    async def ask(method: str, path: str, params: dict[str, str]) -> object:
        # By hand what `request_async` does, which would send a form: its paths alone say which of them take JSON.
        requestor = client._requestor
        raw = await requestor.request_raw_async(method, path, params, base_address="api", api_mode="V2")
        return client.deserialize(requestor._interpret_response(*raw, "V2"), api_mode="V2")

    yield Calls(lambda: ask("get", "/api/v1/campaigns", {}), lambda: ask("post", "/api/v1/clients", NEW_CLIENT))
    await transport.close_async()


CLIENTS: Final[Mapping[str, Open]] = {
    "floor": floor, "raw": raw, "usual": usual, "ours": ours, "ours-orjson": ours_quick, "raw-uvloop": raw,
    "ours-uvloop": ours,
    "stripe": stripe, "stripe-client": stripe_client, "requests": requests, "httpx": httpx, "generated": generated,
}  # fmt: skip
# The module without which there is nothing to measure.
NEEDS: Final = {
    "ours-orjson": "orjson", "raw-uvloop": "uvloop", "ours-uvloop": "uvloop", "stripe": "stripe",
    "stripe-client": "stripe", "httpx": "httpx", "requests": "requests", "generated": "openapi_python_client",
}  # fmt: skip


# --- measured ---


async def _make(call: Call, many: int) -> None:
    """So many, with sixteen under way."""
    numbers = iter(range(many))

    async def work() -> None:
        for _ in numbers:
            await call()

    await asyncio.gather(*(work() for _ in range(AT_ONCE)))


async def _cpu(call: Call, many: int) -> float:
    """Seconds of this process."""
    began = time.process_time()
    await _make(call, many)
    return time.process_time() - began


async def _python(call: Call, many: int) -> float:
    """Calls of Python functions, and coroutines that went on."""
    counted = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal counted
        counted += event == "call"

    sys.setprofile(count)
    try:
        await _make(call, many)
    finally:
        sys.setprofile(None)
    return counted


async def _allocated(call: Call, many: int) -> float:
    """Allocations, by Python's own allocators too: what twice as many make more, so that the tracker's do not count."""
    from memray import FileReader, Tracker

    counted = []
    with tempfile.TemporaryDirectory() as folder:
        for times in (1, 2):
            path = Path(folder) / f"{times}"
            with Tracker(path, trace_python_allocators=True):
                await _make(call, times * many)
            counted.append(FileReader(path).metadata.total_allocations)
    return float(counted[1] - counted[0])


_MEASURES: Final[Mapping[str, Callable[[Call, int], Awaitable[float]]]] = {
    "cpu": _cpu, "python": _python, "allocated": _allocated,
}  # fmt: skip


def _work(name: str, url: str) -> None:
    """Carry out orders until there are no more."""
    new_loop: Callable[[], asyncio.AbstractEventLoop] | None = None
    if name.endswith("-uvloop"):
        new_loop = importlib.import_module("uvloop").new_event_loop
    with asyncio.Runner(loop_factory=new_loop) as runner:
        opened = CLIENTS[name](url)
        calls = runner.run(_entered(opened))

        def carry_out(order: Sequence[str]) -> float:
            what, kind, many = order
            call: Call = getattr(calls, kind)
            runner.run(_make(call, WARM))
            return runner.run(_measured(what, call, int(many)))

        obey(carry_out)
        runner.run(_left(opened))


async def _measured(what: str, call: Call, many: int) -> float:
    return await _MEASURES[what](call, many)


async def _entered(opened: AbstractAsyncContextManager[Calls]) -> Calls:
    return await opened.__aenter__()


async def _left(opened: AbstractAsyncContextManager[Calls]) -> None:
    await opened.__aexit__(None, None, None)


if __name__ == "__main__":
    pin(0)
    _work(*sys.argv[1:])
