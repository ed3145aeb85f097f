"""What is under way ends in time by one timer for all, and a body leaves with its head."""

import asyncio
from typing import Any

import aiohttp
import pytest
from yarl import URL

from onboard360_async import AsyncOnboard360, Budget, errors
from onboard360_async.transport import connector
from onboard360_async.transport.under_way import Attempt, UnderWay
from tests.budget.virtual import VirtualLoop, run
from tests.transport.pipe import CONNECTOR, PipeServer, answer

ADDED = answer(
    b'{"client": {"id": "1", "campaign_id": "c", "email": "a@x.de", "created_at": "2026-01-01T00:00:00Z"}}',
    "201 Created",
)


class Told(Attempt):
    """One that has a connection and notes when it was told that its time is over."""

    def __init__(self, loop: VirtualLoop, ends_at: float) -> None:
        self.ends_at, self.is_late, self.is_tried, self.protocol = ends_at, False, False, self
        self.loop, self.told_at = loop, 0.0
        self.onboard360_attempt = id(self)

    def headers_sent(self) -> None:
        raise AssertionError

    def set_exception(self, error: Exception) -> None:
        """As a protocol's."""
        assert isinstance(error, TimeoutError)
        assert not self.told_at, "told twice"
        self.told_at = self.loop.time()


def timers(loop: VirtualLoop) -> int:
    scheduled: list[asyncio.TimerHandle] = loop._scheduled  # type: ignore[attr-defined]  # who else would know
    return sum(not timer.cancelled() for timer in scheduled)


def test_each_ends_at_its_own_time_and_there_is_one_timer_for_all() -> None:
    """Whatever the order in which they begin: also one that ends sooner than all before it."""

    async def main(loop: VirtualLoop) -> None:
        under_way, begin = UnderWay(loop), loop.time()
        attempts = [Told(loop, begin + after_s) for after_s in (30.0, 10.0, 20.0, 10.0, 0.5)]
        for number, attempt in enumerate(attempts):
            under_way.begin(number, attempt)
            assert timers(loop) == 1
        await asyncio.sleep(60.0)
        assert [attempt.told_at - begin for attempt in attempts] == pytest.approx([30.0, 10.0, 20.0, 10.0, 0.5])
        assert timers(loop) == 0

    run(main)


def test_who_was_answered_in_time_is_not_told() -> None:
    """The timer that was set for it finds others, or nobody, and is not set again for nobody."""

    async def main(loop: VirtualLoop) -> None:
        under_way, begin = UnderWay(loop), loop.time()
        attempts = [Told(loop, begin + 10.0) for _ in range(3)]
        for number, attempt in enumerate(attempts):
            under_way.begin(number, attempt)
        await asyncio.sleep(1.0)
        del under_way[0]
        await asyncio.sleep(20.0)
        assert [bool(attempt.told_at) for attempt in attempts] == [False, True, True]
        under_way.clear()
        under_way.begin(9, Told(loop, loop.time() + 10.0))
        under_way.clear()
        await asyncio.sleep(20.0)
        assert timers(loop) == 0

    run(main)


def test_closing_leaves_no_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A handle that was closed has nothing left on its loop, though its last request was answered a moment ago."""

    async def main(loop: VirtualLoop) -> None:
        monkeypatch.setattr(CONNECTOR, PipeServer([(0.0, ADDED)]).own)
        budget = Budget(clock=loop.clock)
        async with AsyncOnboard360("sk_test_1", base_url="http://127.0.0.1", budget=budget) as api:
            await api.add_client(campaign_id="c", email="a@x.de")
            assert timers(loop) >= 1
        assert timers(loop) == 0

    run(main)


def test_who_gets_a_connection_too_late_sends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that took all the time there was, and came all the same: the request is not sent any more."""

    class Slow(PipeServer):
        async def connect(self) -> Any:
            made = await super().connect()
            loops[0].skip(100.0)  # as a busy loop does
            await asyncio.sleep(0)
            return made

    async def main(of: VirtualLoop) -> None:
        loops.append(of)
        server = Slow([(0.0, ADDED)])
        monkeypatch.setattr(CONNECTOR, server.own)
        budget = Budget(clock=of.clock)
        async with AsyncOnboard360(
            "sk_test_1", base_url="http://127.0.0.1", budget=budget, timeout_s=3.0, max_retries=0
        ) as api:
            with pytest.raises(errors.NotSentError, match="timed out"):
                await api.add_client(campaign_id="c", email="a@x.de")
        assert server.requests == []
        assert budget.snapshot().used == 0

    loops: list[VirtualLoop] = []
    run(main)


class _Counting(PipeServer):
    """Knows each write."""

    def __init__(self, *answers: Any) -> None:
        super().__init__(*answers)
        self.writes: list[bytes] = []

    async def connect(self) -> Any:
        protocol = await super().connect()
        transport = protocol.transport
        assert transport is not None
        write = transport.write

        def noting(data: bytes) -> None:
            self.writes.append(data)
            write(data)

        transport.write = noting  # type: ignore[method-assign, assignment]
        return protocol


def adding(server: PipeServer, monkeypatch: pytest.MonkeyPatch, times: int = 1, **options: Any) -> list[object]:
    """What becomes of so many additions, and the tasks that were made for each."""
    made: list[object] = []

    async def main(loop: VirtualLoop) -> None:
        monkeypatch.setattr(CONNECTOR, server.own)
        budget = Budget(clock=loop.clock)
        async with AsyncOnboard360("sk_test_1", base_url="http://127.0.0.1", budget=budget, **options) as api:
            for _ in range(times):
                tasks = len(asyncio.all_tasks())
                try:
                    made.append(await api.add_client(campaign_id="c", email="a@x.de"))
                except errors.Onboard360Error as error:
                    made.append(error)
                assert len(asyncio.all_tasks()) == tasks

    run(main)
    return made


def test_a_body_leaves_with_its_head_in_one_piece_and_the_connection_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """One write for each POST, whole; the next one goes over the same connection, on aiohttp's own transport."""
    server = _Counting(*[[(0.1, ADDED)]] * 3)
    assert len(adding(server, monkeypatch, 3)) == 3
    assert server.writes == server.requests
    assert len(server.writes) == 3
    for request in server.writes:
        head, _, body = request.partition(b"\r\n\r\n")
        assert b"Content-Length: %d" % len(body) in head
        assert body == b'{"campaign_id":"c","email":"a@x.de"}'


def test_a_connection_that_still_has_something_to_send_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was answered early, and the rest of that request would stand in front: it is closed, and another one used."""
    made: list[Any] = []

    class Noting(_Counting):
        async def connect(self) -> Any:
            made.append(await super().connect())
            return made[-1]

    server = Noting(*[[(0.1, ADDED)]] * 3)
    writes = connector._Joining.write

    def full(self: Any, head: bytes) -> None:
        writes(self, head)
        self._transport.get_write_buffer_size = lambda: len(made) == 1 and len(server.writes) == 2

    monkeypatch.setattr(connector._Joining, "write", full)
    results = adding(server, monkeypatch, 3, max_retries=0)
    assert [type(result).__name__ for result in results] == ["Client"] * 3
    assert len(made) == 2
    assert server.writes == server.requests


def test_closing_the_handle_ends_what_is_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """A POST that had left is in doubt, at once: nobody watches over it any more."""

    async def main(loop: VirtualLoop) -> None:
        monkeypatch.setattr(CONNECTOR, PipeServer([]).own)
        api = AsyncOnboard360("sk_test_1", base_url="http://127.0.0.1", budget=Budget(clock=loop.clock))
        began = loop.time()
        adding = asyncio.create_task(api.add_client(campaign_id="c", email="a@x.de"))
        await asyncio.sleep(0.5)
        await api.close()
        with pytest.raises(errors.OutcomeUnknownError):
            await adding
        assert loop.time() - began < 1.0

    run(main)


def test_connections_that_close_at_once_do_not_hold_a_request_past_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many are tried, all of them together take no longer than timeout_s, and nothing was sent."""
    monkeypatch.setattr(connector, "_may_have_news", lambda _: True)

    class Closing(PipeServer):
        async def connect(self) -> Any:
            protocol = await super().connect()
            assert protocol.transport is not None
            protocol.transport.close()
            return protocol

    async def main(loop: VirtualLoop) -> None:
        monkeypatch.setattr(CONNECTOR, Closing(connect_s=0.7).own)
        budget = Budget(clock=loop.clock)
        async with AsyncOnboard360(
            "sk_test_1", base_url="http://127.0.0.1", budget=budget, timeout_s=2.0, max_retries=0
        ) as api:
            began = loop.time()
            with pytest.raises(errors.NotSentError, match="timed out"):
                await api.add_client(campaign_id="c", email="a@x.de")
            assert loop.time() - began == pytest.approx(2.0, abs=0.01)
            assert budget.snapshot().used == 0

    run(main)


def test_aiohttp_tries_nothing_again_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """A PUT whose connection could not be had is the budget's to send again, with its body."""
    server = _Counting([(0.0, answer(b"{}"))])
    connect = server.connect
    tried: list[int] = []

    async def fails_once() -> Any:
        tried.append(1)
        if len(tried) == 1:
            raise aiohttp.ServerDisconnectedError
        return await connect()

    monkeypatch.setattr(server, "connect", fails_once)

    async def main(loop: VirtualLoop) -> None:
        monkeypatch.setattr(CONNECTOR, server.own)
        budget = Budget(clock=loop.clock)
        async with AsyncOnboard360("sk_test_1", base_url="http://127.0.0.1", budget=budget) as api:
            assert await api.request("PUT", "/clients/1", json={"a": 1}) == {}
        assert budget.snapshot().used == 1

    run(main)
    assert len(tried) == 2
    assert server.requests[0].endswith(b'\r\n\r\n{"a":1}')


def test_a_time_that_is_over_ends_no_other_ones_request() -> None:
    """The connection may be another's by then."""

    async def main(loop: VirtualLoop) -> None:
        under_way = UnderWay(loop)
        attempt, other = Told(loop, loop.time() + 1.0), Told(loop, loop.time() + 9.0)
        attempt.protocol = other
        assert other.onboard360_attempt != id(attempt)
        under_way.begin(1, attempt)
        await asyncio.sleep(5.0)
        assert attempt.is_late
        assert not other.told_at

    run(main)


def test_a_connection_that_closes_as_it_is_written_to_leaves_the_post_in_doubt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Aiohttp refuses to write; the headers had been told to leave, so nobody may take the client for unsent."""
    server = _Counting([(0.0, ADDED)])

    def closes(self: Any, protocol: Any, body: bytes) -> None:
        joins(self, protocol, body)
        self._transport.close()

    joins = connector._Joining.__init__
    monkeypatch.setattr(connector._Joining, "__init__", closes)
    (error,) = adding(server, monkeypatch, max_retries=0)
    assert isinstance(error, errors.OutcomeUnknownError)
    assert server.writes == []


async def test_a_body_of_another_kind_is_left_to_aiohttp() -> None:
    """Ours are bytes; whatever else a session is given goes aiohttp's own way, and so does none."""
    for method, data, length in (("POST", "text", "4"), ("POST", None, "0"), ("GET", None, None)):
        request = connector.Request(method, URL("http://127.0.0.1"), data=data)
        assert request.headers.get("Content-Length") == length
        assert request._bytes is None
