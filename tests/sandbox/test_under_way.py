"""What is under way when the state is replaced: nothing of the old one reaches the new one."""

import asyncio
import threading
from contextlib import suppress
from typing import Any, Literal

import aiohttp
import pytest

from onboard360_async.sandbox import Sandbox
from onboard360_async.sandbox.desk import Desk
from onboard360_async.sandbox.store import Store
from tests.sandbox.calls import CAMPAIGN, JOHN, add, call, some_turns, until

LONG = "n" * 20_000


def fill(sandbox: Sandbox, who: str, number: int = 100) -> None:
    """So many clients, each a piece of a listing by itself."""
    sandbox.seed({"clients": [{"email": f"{who}@example.com", "first_name": LONG}] * number})


async def test_a_body_that_comes_after_a_reset_creates_nobody() -> None:
    """The request began before it; its connection is dropped, and the next one is served."""
    async with Sandbox(limiter="off") as sandbox:
        host, port = sandbox.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(
            f"POST /api/v1/clients HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {sandbox.api_key}\r\n"
            f'Content-Length: {len(CAMPAIGN) + 39}\r\n\r\n{{"campaign_id":"{CAMPAIGN}",'.encode()
        )
        await until(lambda: sandbox.requests)
        sandbox.reset()
        writer.write(b'"email":"a@x.y"        }')
        with suppress(ConnectionResetError):  # as the system has it
            assert await reader.read() == b""
        writer.close()
        assert sandbox.clients() == []
        assert (await add(sandbox)).status == 201


@pytest.mark.parametrize("how", ["reset", "restore"])
@pytest.mark.parametrize("fault", [None, "truncated", "slow-drip:delay=0"])
async def test_a_listing_is_not_of_two_states(
    how: Literal["reset", "restore"], fault: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    """It ends before its end, so that nobody takes it for a whole one, and nobody logs a word."""
    async with Sandbox(limiter="off") as sandbox:
        fill(sandbox, "new")
        new = sandbox.snapshot()
        sandbox.reset()
        fill(sandbox, "old")
        listing = asyncio.create_task(call(sandbox, "GET", "/clients", fault=fault))
        await until(lambda: sandbox.requests)
        if fault is None:
            await until(lambda: sandbox.requests[0].status)
        if how == "reset":
            sandbox.reset()
            fill(sandbox, "new")
        else:
            sandbox.restore(new)
        with pytest.raises((aiohttp.ClientPayloadError, aiohttp.ServerDisconnectedError)):
            await listing
        listed = (await call(sandbox, "GET", "/clients")).body["clients"]
        assert {client["email"] for client in listed} == {"new@example.com"}
        assert caplog.messages == []


@pytest.mark.parametrize("turns", range(4))
async def test_a_late_commit_is_forgotten_however_soon_the_reset_comes(turns: int) -> None:
    """Even if the commit has not begun to wait yet."""
    async with Sandbox(limiter="off") as sandbox:
        assert sandbox._running is not None
        late = sandbox._running.service._failing._late
        begun = asyncio.create_task(call(sandbox, "POST", "/clients", fault="late-commit:delay=3600", json=JOHN))
        await until(lambda: late)
        for _ in range(turns):
            await asyncio.sleep(0)
        sandbox.reset()
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await begun
        sandbox.clock.advance(7200)
        await some_turns()
        assert (sandbox.clients(), late) == ([], set())


@pytest.mark.parametrize("step", ["add_campaign", "add_client"])
def test_no_restore_comes_into_the_middle_of_a_reset_or_a_seed(step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """From another thread: it waits until the reset has put its campaign back, or the seed is stored."""
    with Sandbox() as sandbox:
        snapshot = sandbox.snapshot()
        restoring = threading.Thread(target=sandbox.restore, args=[snapshot])
        add_one = getattr(Store, step)

        def add_late(*args: Any, **options: Any) -> Any:
            if not restoring.is_alive():
                monkeypatch.undo()
                restoring.start()
                restoring.join(0.1)  # as long as it has to wait for us
            return add_one(*args, **options)

        monkeypatch.setattr(Store, step, add_late)
        if step == "add_campaign":
            sandbox.reset()
        else:
            sandbox.seed({"campaigns": ["New"], "clients": [{"campaign": "New", "email": "a@example.com"}]})
        restoring.join()
        assert [campaign.id for campaign in sandbox._desk.store.campaigns()] == [CAMPAIGN]
        assert sandbox.clients() == []


def test_no_call_is_left_waiting_by_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reset from another thread that comes as the last thing before the end, or after it, is a RuntimeError."""
    told: list[object] = []

    def reset() -> None:
        with pytest.raises(RuntimeError) as caught:
            running.call(running.desk.reset)
        told.append(caught.value)

    late = threading.Thread(target=reset)
    close = Desk.close

    def close_late(desk: Desk) -> None:
        monkeypatch.undo()
        close(desk)
        late.start()
        late.join(0.1)  # it has asked by now, and waits for us

    with Sandbox() as sandbox:
        running: Any = sandbox._running
        monkeypatch.setattr(Desk, "close", close_late)
    late.join(10)
    reset()
    assert ["not running" in str(error) for error in told] == [True, True]
