"""Connections as aiohttp asks for them: those that nobody here asked for, that just went, or whose loop has."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest

from onboard360_async.transport import connector, pool
from onboard360_async.transport.under_way import UnderWay
from tests.transport.pipe import answer
from tests.transport.raw import RawServer


@contextlib.asynccontextmanager
async def beside() -> AsyncIterator[aiohttp.ClientSession]:
    """A session on our connections whose requests are nobody's attempt."""
    ours = connector.Connector(UnderWay(asyncio.get_running_loop()))
    async with aiohttp.ClientSession(connector=ours, request_class=connector.Request) as session:
        yield session


async def test_what_is_nobodys_attempt_goes_as_any_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is nobody to be told that it leaves; a connection that still writes is left for another all the same."""
    writing = iter([False, True, False])
    monkeypatch.setattr(connector, "_still_writes", lambda _: next(writing))
    async with RawServer(answer(b"1"), answer(b"2")) as server, beside() as session:
        for said in (b"1", b"2"):
            async with session.post(server.url, data=said) as response:
                assert await response.read() == said
        assert server.connections == 2


def test_no_time_is_left_for_another_connection() -> None:
    """Those that were kept had ended one after another until it was over; before that, what is left may be used."""
    attempt: Any = SimpleNamespace(ends_at=10.0)
    assert connector._left_of(attempt, 7.5, aiohttp.ClientTimeout()).connect == 2.5
    with pytest.raises(TimeoutError):
        connector._left_of(attempt, 10.0, aiohttp.ClientTimeout())


def test_a_connection_that_went_before_the_head_is_left_as_it_is() -> None:
    """Aiohttp says itself that it is gone; there is nothing to be sent with a head that is never written."""
    protocol = SimpleNamespace(transport=None)
    connector._Joining(protocol, b"body")
    assert protocol.transport is None


def test_a_socket_that_cannot_be_asked_may_have_news() -> None:
    """It was closed under us, so nobody knows: then what has come in is waited for, as with any that may have some."""
    closed = socket.socket()
    closed.close()
    protocol = SimpleNamespace(transport=SimpleNamespace(get_extra_info={"socket": closed}.get))
    assert connector._may_have_news(protocol)
    assert not hasattr(protocol, "onboard360_poll")


def test_sessions_of_a_loop_that_was_just_closed_are_forgotten() -> None:
    """A loop that nobody ended as asyncio.run does: what it held is closed by the next one, for every handle."""
    left, other, loop = pool.Pool(), pool.Pool(), asyncio.new_event_loop()
    session = loop.run_until_complete(left.open(loop)).session
    loop.close()

    async def open_another() -> None:
        await other.open(asyncio.get_running_loop())
        assert session.closed
        await other.close()
        await left.close()

    asyncio.run(open_another())
