"""What seldom happens to a request: nobody listens, it is late at the very last moment, its connection just went."""

import asyncio
import contextlib
import json
import logging
import socket
from collections.abc import AsyncIterator, Generator, Iterator
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest

from onboard360_async import AsyncOnboard360, Budget, errors
from onboard360_async.transport import connector, pool
from onboard360_async.transport.access import ApiKey
from onboard360_async.transport.call import Call
from onboard360_async.transport.options import Event, Options, Request
from onboard360_async.transport.under_way import UnderWay
from onboard360_async.transport.wire import no_people
from tests.budget.virtual import VirtualLoop, run
from tests.transport.pipe import PipeServer, answer
from tests.transport.raw import RawServer

BASE = "http://127.0.0.1"
CLIENT = {"id": "1", "campaign_id": "2", "email": "a@x.de", "created_at": "2024-01-15T09:00:00Z", "status": "new"}


def listed(*clients: dict[str, str]) -> bytes:
    return answer(json.dumps({"clients": clients}).encode())


# --- nobody listens ---


@pytest.fixture
def silence() -> Iterator[None]:
    """No hook, and a logger that hears warnings alone, as in production."""
    logger = logging.getLogger("onboard360_async")
    before = logger.level
    logger.setLevel(logging.WARNING)
    yield
    logger.setLevel(before)


@pytest.mark.usefixtures("silence")
async def test_where_nobody_listens_all_goes_its_way(budget: Budget, monkeypatch: pytest.MonkeyPatch) -> None:
    """No story is told, and retries, drift, listings and errors are as they are for whoever listens."""
    monkeypatch.setattr("onboard360_async.transport.call.random.uniform", lambda *_: 0.0)
    answers = (answer(b"", "503 Down"), listed(CLIENT), answer(b'{"error": "no"}', "404 Not Found"), None, None)
    async with RawServer(*answers) as server:
        async with AsyncOnboard360("sk_test_1", base_url=server.url, budget=budget, max_retries=1) as api:
            (client,) = await api.list_clients()
            assert client.extra == {"status": "new"}
            with pytest.raises(errors.NotFoundError) as caught:
                await api.request("GET", "/none")
            with pytest.raises(errors.AnswerLostError) as lost:
                await api.list_campaigns()
        assert (caught.value.attempts, lost.value.attempts, len(server.requests)) == (1, 2, 5)
    assert (budget.snapshot().used, budget.snapshot().in_flight) == (5, 2)  # two were not answered


# --- too late ---


def test_a_hook_that_takes_the_deadline_keeps_the_request_here() -> None:
    """It was held up between its slot and its first byte, on a connection of ours: DeadlineError, nothing was sent."""

    async def main(loop: VirtualLoop) -> list[bytes]:
        server = PipeServer([(0.0, listed())])

        def slow(event: Event) -> None:
            if event.name == "sent":
                loop.skip(10)

        budget = Budget(clock=loop.clock)
        async with AsyncOnboard360("sk_test_1", base_url=BASE, budget=budget, on_event=slow, deadline_s=5) as api:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("onboard360_async.transport.pool.Connector", server.own)
                with pytest.raises(errors.DeadlineError):
                    await api.list_campaigns()
        return server.requests

    assert run(main) == []


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


def test_no_time_is_left_for_another_connection() -> None:
    """Those that were kept had ended one after another until it was over; before that, what is left may be used."""
    attempt: Any = SimpleNamespace(ends_at=10.0)
    assert connector._left_of(attempt, 7.5, aiohttp.ClientTimeout()).connect == 2.5
    with pytest.raises(TimeoutError):
        connector._left_of(attempt, 10.0, aiohttp.ClientTimeout())


# --- a session that breaks ---


async def test_what_breaks_in_a_session_after_the_first_byte_is_not_made_ours(budget: Budget) -> None:
    """The user's own trace fails when the request is out: their error, and the slot stays taken until its grace."""

    async def broken(*_: object) -> None:
        raise RuntimeError("a fault of theirs")

    trace = aiohttp.TraceConfig()
    trace.on_request_headers_sent.append(broken)
    async with RawServer(answer(b'{"campaigns": []}')) as server, aiohttp.ClientSession() as session:
        api = AsyncOnboard360("sk_test_1", base_url=server.url, budget=budget, session=session)
        trace.freeze()
        session.trace_configs.append(trace)  # after ours, which has noted by then that the request leaves
        with pytest.raises(RuntimeError, match="a fault of theirs"):
            await api.list_campaigns()
    assert budget.snapshot().in_flight == 1


# --- connections ---


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


# --- what is given ---


def test_a_key_that_is_still_to_come_is_not_waited_for() -> None:
    """Whatever can be awaited is asynchronous, a coroutine or not; it is asked again when a request needs it."""

    class Later:
        def __await__(self) -> Generator[None, None, str]:
            yield
            return "sk_test_1"

    key = ApiKey(Later)
    assert key.now() is None
    assert asyncio.run(key.get()) == "sk_test_1"


@pytest.mark.parametrize("sent", [b"[1]", b"no JSON", None])
def test_a_body_that_names_nobody_hides_nothing(sent: bytes | None) -> None:
    """Only what an object says of a person is taken out of an error's text."""
    assert no_people("the id is unknown", sent) == "the id is unknown"
