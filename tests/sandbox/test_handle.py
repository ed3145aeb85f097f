"""The handle: in both modes, from start to end, without leaving a thread, a socket or a word behind."""

import asyncio
import http.client
import json
import socket
import threading
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import aiohttp
import pytest

from onboard360_async.sandbox import Sandbox, StoreError
from onboard360_async.sandbox.running import LoopThread
from tests.sandbox.calls import CAMPAIGN, JOHN, add, call


def ask(sandbox: Sandbox, path: str, body: object = None) -> dict[str, list[dict[str, str]]]:
    request = urllib.request.Request(
        f"{sandbox.url}/api/v1{path}",
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {sandbox.api_key}"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        found: dict[str, list[dict[str, str]]] = json.load(answer)
        return found


def test_a_blocking_program_has_it_on_a_thread() -> None:
    """`with` needs no loop; requests, seeds, faults and records work from the caller's thread, and the thread ends."""
    before = threading.active_count()
    with Sandbox() as sandbox:
        assert ask(sandbox, "/campaigns")["campaigns"][0]["id"] == CAMPAIGN
        ask(sandbox, "/clients", JOHN)
        sandbox.add_client(CAMPAIGN, "jane@example.com")
        assert [client["email"] for client in ask(sandbox, "/clients")["clients"]] == [
            JOHN["email"],
            "jane@example.com",
        ]
        sandbox.add_fault("drop-before")
        with pytest.raises(http.client.RemoteDisconnected):
            ask(sandbox, "/campaigns")
        sandbox.clear_faults()
        assert ask(sandbox, "/campaigns")
    assert threading.active_count() == before
    assert [request.status for request in sandbox.requests] == [200, 201, 200, None, 200]


def test_many_threads_may_use_it_at_once() -> None:
    """Seeding, listing and requests from eight threads lose nothing and break nothing."""
    with Sandbox(limiter="off") as sandbox, ThreadPoolExecutor(8) as pool:

        def use(number: int) -> None:
            sandbox.add_client(CAMPAIGN, f"seed{number}@example.com")
            ask(sandbox, "/clients", {**JOHN, "email": f"post{number}@example.com"})
            sandbox.add_fault("429", email=f"nobody{number}@example.com")
            assert sandbox.clients()
            assert sandbox.requests

        list(pool.map(use, range(40)))
        assert len({client["id"] for client in sandbox.clients()}) == 80
        assert len(sandbox.requests) == 40


async def test_both_modes_side_by_side() -> None:
    """Two sandboxes share nothing: each has its own port, key and clients."""
    async with Sandbox() as first:
        with Sandbox() as second:
            assert first.url != second.url
            assert (await call(first, "GET", "/campaigns", key=second.api_key)).status == 401
            await add(first)
            await add(second)
            await add(second)
            assert (len(first.clients()), len(second.clients())) == (1, 2)


async def test_outside_of_its_block_it_says_so() -> None:
    """What needs a running sandbox is a RuntimeError before and after; records and counts stay."""
    sandbox = Sandbox(limit=1)
    with pytest.raises(RuntimeError, match="not running"):
        _ = sandbox.url
    async with sandbox:
        for _ in range(2):
            await call(sandbox, "GET", "/campaigns")
        with pytest.raises(RuntimeError, match="running already"):
            await sandbox.__aenter__()
        with pytest.raises(RuntimeError, match="running already"):
            sandbox.__enter__()
        await call(sandbox, "GET", "/campaigns")
    with pytest.raises(RuntimeError, match="not running"):
        sandbox.clients()
    assert (len(sandbox.requests), sandbox.refused) == (3, 2)


@pytest.mark.parametrize("threaded", [True, False])
async def test_a_start_that_fails_raises_and_leaves_nothing(threaded: bool) -> None:
    """A port in use is an OSError, a bad database a StoreError, in both modes; no thread stays."""
    before = threading.active_count()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        for sandbox, error in (
            (Sandbox(port=taken.getsockname()[1]), OSError),
            (Sandbox(db="/nowhere/at/all.db"), StoreError),
        ):
            if threaded:
                with pytest.raises(error):
                    sandbox.__enter__()
            else:
                with pytest.raises(error):
                    await sandbox.__aenter__()
    assert threading.active_count() == before


async def test_it_ends_with_connections_open() -> None:
    """A kept-alive connection, a delayed answer and a listing that nobody reads do not hold up the end."""
    sandbox = Sandbox(limiter="off")
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {sandbox.api_key}"}) as session:
        async with sandbox:
            for _ in range(2_000):
                sandbox.add_client(CAMPAIGN, "p@example.com", first_name="x" * 5_000)
            sandbox.add_fault("delay", method="POST", delay_s=3600)
            async with session.get(f"{sandbox.url}/api/v1/campaigns") as answer:
                await answer.read()
            unread = await session.get(f"{sandbox.url}/api/v1/clients")
            delayed = asyncio.create_task(session.post(f"{sandbox.url}/api/v1/clients", json=JOHN))
            while len(sandbox.clients()) == 2_000:  # until the POST is done, and its answer waits
                await call(sandbox, "GET", "/campaigns")
            stopping = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - stopping < 2
        with pytest.raises(aiohttp.ClientConnectionError):
            await delayed
        with pytest.raises(aiohttp.ClientPayloadError):
            await unread.read()


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_port_that_is_none_is_refused(port: int) -> None:
    """ValueError when the sandbox is made."""
    with pytest.raises(ValueError, match="port"):
        Sandbox(port=port)


async def test_a_port_may_be_chosen_and_taken_again_at_once(unused_tcp_port: int) -> None:
    """The next sandbox starts on the same port although connections of the last one linger."""
    for _ in range(2):
        async with Sandbox(port=unused_tcp_port) as sandbox:
            assert sandbox.url == f"http://127.0.0.1:{unused_tcp_port}"
            assert (await call(sandbox, "GET", "/campaigns")).status == 200


def test_a_thread_that_gets_no_loop_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where a plugin of pytest forbids sockets: the error is the caller's, and nobody waits for ever."""

    def forbidden(_: object) -> None:
        raise RuntimeError("no sockets here")

    monkeypatch.setattr("onboard360_async.sandbox.running.asyncio.run", forbidden)
    with pytest.raises(RuntimeError, match="no sockets here"), Sandbox():
        pass


async def test_it_may_be_ended_twice() -> None:
    """On a loop and on a thread of its own: the second time does nothing, and what it saw can still be read."""
    async with Sandbox() as sandbox:
        await call(sandbox, "GET", "/campaigns")
    await sandbox.__aexit__(None, None, None)
    sandbox._desk.close()
    assert len(sandbox.requests) == 1
    with Sandbox() as blocking:
        pass
    blocking.__exit__(None, None, None)


def test_what_breaks_at_its_end_is_shown_and_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug in its end is not kept silent, and whoever waits for the end is not left waiting."""
    shown: list[type[BaseException] | None] = []
    monkeypatch.setattr(threading, "excepthook", lambda told: shown.append(told.exc_type))

    async def start() -> None:
        """All is well."""

    async def stop() -> None:
        raise ZeroDivisionError

    thread = LoopThread(start, stop)
    thread.open()
    thread.close()
    assert shown == [ZeroDivisionError]
