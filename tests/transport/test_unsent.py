"""What never left: refused, not found, reset before a byte; a POST is not in doubt there, and no slot is spent."""

import asyncio
import socket
from typing import Any

import pytest

from onboard360_async import AsyncOnboard360, Budget, errors
from tests.transport.raw import RawServer
from tests.transport.test_wire import said


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test waits between attempts."""
    monkeypatch.setattr("onboard360_async.transport.call.random.uniform", lambda *_: 0.0)


def handle(base_url: str, **options: Any) -> AsyncOnboard360:
    budget = Budget(limit=1_000, burst=1_000, window_s=1.0)
    return AsyncOnboard360("sk_test_1", base_url=base_url, budget=budget, timeout_s=5.0, **options)


async def add(api: AsyncOnboard360) -> None:
    await api.add_client(campaign_id="c", email="john@example.com", first_name="John")


async def test_a_refused_connection() -> None:
    """Nobody listens: a POST is tried again as a GET is, and then it is certain that nothing was sent."""
    async with RawServer() as gone:
        pass
    async with handle(gone.url) as api:
        for call in (add(api), api.list_campaigns(), api.list_clients()):
            with pytest.raises(errors.NotSentError, match="Could not connect to 127") as caught:
                await call
            assert caught.value.attempts == 3
        assert api.budget.snapshot().used == 0


async def test_a_host_that_nobody_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name is in the message, so that a typing mistake is seen."""

    async def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", unknown)
    async with handle("https://ap.360onboard.example") as api:
        for call in (add(api), api.list_clients()):
            with pytest.raises(errors.NotSentError, match=r"ap\.360onboard\.example.*not known"):
                await call
        assert api.budget.snapshot().used == 0


async def test_it_is_sent_once_the_server_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused, refused, accepted: one request, one client."""
    async with RawServer(said(status="201 Created")) as server:
        connect, refusals = asyncio.get_running_loop().sock_connect, [True, True]

        async def refusing(sock: socket.socket, address: Any) -> None:
            if refusals:
                refusals.pop()
                raise ConnectionRefusedError(111, "Connection refused")
            await connect(sock, address)

        monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", refusing)
        async with handle(server.url) as api:
            await add(api)
            assert (len(server.requests), api.budget.snapshot().used) == (1, 1)


async def test_a_wait_for_the_budget_that_ended_sent_nothing() -> None:
    """Neither a POST nor a GET; and no connection was made."""
    async with RawServer(said()) as server:
        budget = Budget(limit=1, burst=1)
        async with AsyncOnboard360("sk_test_1", base_url=server.url, budget=budget) as api:
            await api.list_campaigns()
            hasty = api.with_options(max_wait_s=0)
            for call in (add(hasty), hasty.list_clients()):
                with pytest.raises(errors.BudgetExhaustedError) as caught:
                    await call
                assert (caught.value.attempts, caught.value.done) == (0, "")
            with pytest.raises(errors.DeadlineError):
                await api.list_clients(deadline_s=0)
        assert len(server.requests) == 1


async def test_a_reset_after_the_request_left_is_in_doubt() -> None:
    """The counterpart: the server has read it, and resets."""

    class Resetting(RawServer):
        async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            self.connections += 1
            linger = (1).to_bytes(4, "little") + (0).to_bytes(4, "little")
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.transport.abort()

    async with Resetting() as server, handle(server.url) as api:
        with pytest.raises(errors.OutcomeUnknownError):
            await add(api)
        assert server.connections == 1
        with pytest.raises(errors.AnswerLostError) as caught:
            await api.list_clients()
        assert (server.connections, caught.value.attempts) == (4, 3)
