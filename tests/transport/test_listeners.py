"""Who listens to a request: where nobody does all is the same; what a listener holds up or breaks is told as such."""

import json
import logging
from collections.abc import Iterator

import aiohttp
import pytest

from onboard360_async import AsyncOnboard360, Budget, errors
from onboard360_async.transport.options import Event
from tests.budget.virtual import VirtualLoop, run
from tests.transport.pipe import PipeServer, answer
from tests.transport.raw import RawServer

BASE = "http://127.0.0.1"
CLIENT = {"id": "1", "campaign_id": "2", "email": "a@x.de", "created_at": "2024-01-15T09:00:00Z", "status": "new"}


def listed(*clients: dict[str, str]) -> bytes:
    return answer(json.dumps({"clients": clients}).encode())


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
