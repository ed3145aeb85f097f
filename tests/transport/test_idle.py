"""Connections that are kept: a server that closes one, or speaks on one unasked, costs no POST and makes no double."""

import asyncio
import contextvars
import warnings
from collections import Counter
from collections.abc import Callable

import aiohttp
import pytest

from onboard360_async import AsyncOnboard360, Budget, errors
from onboard360_async.transport import connector
from tests.listening import Listening
from tests.transport.test_wire import BODY, said

ROUNDS = 200


class Keeping(Listening):
    """Answers every request, keeps its connections, and counts the clients that it was told to add."""

    def __init__(self) -> None:
        super().__init__()
        self.added: Counter[str] = Counter()
        self.connections = 0
        self.writer: asyncio.StreamWriter
        self.before_answer: Callable[[], None] = lambda: None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.writer = writer
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                size = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
                self.added[(await reader.readexactly(size)).decode()] += 1
                self.before_answer()
                writer.write(said(status="201 Created"))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def close_idle(self) -> None:
        """Close the connection that is kept; when this returns the client's machine knows, and the client does not."""
        self.writer.close()
        await self.writer.wait_closed()


@pytest.fixture
def budget() -> Budget:
    """A budget that no test can exhaust."""
    return Budget(limit=10_000, burst=10_000, window_s=1.0)


async def test_an_idle_connection_that_was_closed_just_before_costs_no_post(budget: Budget) -> None:
    """Two hundred times, at each turn of the loop between the close and the POST: none is lost, none is doubled."""
    async with Keeping() as server, AsyncOnboard360("sk_test_1", base_url=server.url, budget=budget) as api:
        for number in range(ROUNDS):
            await api.add_client(campaign_id="c", email=f"p{number}@example.com")
            await server.close_idle()
            for _ in range(number % 8):
                await asyncio.sleep(0)
        assert set(server.added.values()) == {1}
        assert len(server.added) == server.connections == ROUNDS


async def test_a_session_that_was_given_hears_of_a_close_as_well(budget: Budget) -> None:
    """Its connections are the user's, and what the loop was told of them is heard before a POST is sent."""
    async with Keeping() as server, aiohttp.ClientSession() as session:
        api = AsyncOnboard360("sk_test_1", base_url=server.url, budget=budget, session=session)
        for number in range(20):
            await api.add_client(campaign_id="c", email=f"p{number}@example.com")
            await server.close_idle()
        assert set(server.added.values()) == {1}
        assert len(server.added) == server.connections == 20


async def test_tasks_that_share_a_context_do_not_share_what_was_sent(budget: Budget) -> None:
    """Each is told of its own request: one that was taken for unsent would be sent again."""
    async with Keeping() as server, AsyncOnboard360("sk_test_1", base_url=server.url, budget=budget) as api:
        context = contextvars.copy_context()

        def hang_up() -> None:
            raise ConnectionResetError

        server.before_answer = hang_up
        adding = [
            asyncio.create_task(api.add_client(campaign_id="c", email=f"p{number}@example.com"), context=context)
            for number in range(5)
        ]
        for error in await asyncio.gather(*adding, return_exceptions=True):
            assert isinstance(error, errors.OutcomeUnknownError | errors.NotSentError)
            assert error.attempts == 1
        assert set(server.added.values()) == {1}


async def test_whoever_is_cancelled_while_it_listens_leaves_no_connection_behind(
    budget: Budget, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection with something to say, and a caller who has gone by then: it is closed, and nobody complains."""
    async with Keeping() as server, AsyncOnboard360("sk_test_1", base_url=server.url, budget=budget) as api:
        await api.add_client(campaign_id="c", email="p@example.com")
        monkeypatch.setattr(connector, "_may_have_news", lambda _connection: True)
        adding = asyncio.create_task(api.add_client(campaign_id="c", email="q@example.com"))
        await asyncio.sleep(0)
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            adding.cancel()
            await asyncio.gather(adding, return_exceptions=True)
        assert adding.cancelled()
        assert not heard
        assert server.added.total() == 1


async def test_a_connection_that_is_closed_while_a_post_is_on_its_way_leaves_it_in_doubt_and_undoubled(
    budget: Budget,
) -> None:
    """What no look beforehand can see: the server has read it and closes. The caller is told, each time."""
    async with Keeping() as server, AsyncOnboard360("sk_test_1", base_url=server.url, budget=budget) as api:
        await api.list_campaigns()
        server.before_answer = lambda: server.writer.transport.abort()
        for number in range(20):
            with pytest.raises(errors.OutcomeUnknownError) as caught:
                await api.add_client(campaign_id="c", email=f"p{number}@example.com")
            assert caught.value.attempts == 1
        assert set(server.added.values()) == {1}
        assert len(server.added) == 21  # the listing, which has no body, and the twenty


async def test_what_is_said_unasked_is_never_taken_for_an_answer(budget: Budget) -> None:
    """An answer that comes on an idle connection (a late one, or a 408) is not the next POST's."""
    async with Keeping() as server, AsyncOnboard360("sk_test_1", base_url=server.url, budget=budget) as api:
        for unasked in (said(BODY.replace(b'"id": "1"', b'"id": "somebody else"')), said(b"", "408 Request Timeout")):
            await api.add_client(campaign_id="c", email="p0@example.com")
            server.writer.write(unasked)
            await server.writer.drain()
            assert (await api.add_client(campaign_id="c", email="p1@example.com")).id == "1"
        assert server.connections == 3  # the one that had something to say was closed, each time
        assert sum(server.added.values()) == 4
