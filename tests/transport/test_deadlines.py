"""One deadline for all that a call does, a time-out for each attempt: to 50 ms, in virtual time, on aiohttp itself."""

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from itertools import chain, repeat
from typing import Any

import aiohttp
import pytest

from onboard360_async import AsyncOnboard360, Budget, Onboard360, errors
from onboard360_async.models import Client
from onboard360_async.sandbox import Sandbox
from onboard360_async.transport.connector import Connector
from onboard360_async.transport.options import Event
from tests.budget.virtual import VirtualLoop, run
from tests.transport.pipe import CONNECTOR, Piece, PipeServer, answer, drip

SLACK_S = 0.05
OWN: list[PipeServer | None] = []  # see `whose`
ADDED = answer(
    b'{"client": {"id": "1", "campaign_id": "c", "email": "a@x.de", "created_at": "2026-01-01T00:00:00Z"}}',
    "201 Created",
)
ONE = b'{"id": "1", "campaign_id": "c", "email": "a@x.de", "created_at": "2026-01-01T00:00:00Z"}'
NEVER: tuple[Piece, ...] = ()
EMPTY = answer(b'{"clients": []}')

Calls = dict[str, Callable[[AsyncOnboard360], Awaitable[object]]]
READS: Calls = {
    "campaigns": lambda api: api.list_campaigns(),
    "listing": lambda api: api.list_clients(),
    "find": lambda api: api.find_client(campaign_id="c", email="b@x.de"),
    "raw": lambda api: api.request("GET", "/clients"),
}
ADDS: Calls = {
    "add": lambda api: api.add_client(campaign_id="c", email="a@x.de"),
    "raw post": lambda api: api.request("POST", "/clients", json={}),
}


def fake(loop: VirtualLoop, **options: Any) -> Budget:
    return Budget(**({"limit": 1_000, "burst": 1_000} | options), clock=loop.clock)


@asynccontextmanager
async def service(
    loop: VirtualLoop, *answers: Iterable[Piece], budget: Budget | None = None, connect_s: float = 0.0, **options: Any
) -> AsyncIterator[tuple[AsyncOnboard360, PipeServer]]:
    server = PipeServer(*answers, connect_s=connect_s)
    options |= {"base_url": "http://127.0.0.1", "budget": budget or fake(loop)}
    if OWN:
        OWN.append(server)
        async with AsyncOnboard360("sk_test_1", **options) as api:
            yield api, server
    else:
        async with aiohttp.ClientSession(connector=server.given()) as session:
            yield AsyncOnboard360("sk_test_1", session=session, **options), server


async def seconds(loop: VirtualLoop, work: Awaitable[object], error: type[Exception]) -> float:
    """How long it took to fail like this."""
    began = loop.time()
    with pytest.raises(error):
        await work
    return loop.time() - began


@pytest.fixture(autouse=True, params=["own", "given"])
def whose(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test here with a session of ours, whose time-outs are ours, and with one of the user's."""
    OWN.clear()
    if request.param == "own":
        OWN.append(None)
        monkeypatch.setattr(CONNECTOR, lambda under_way: OWN[-1].own(under_way) if OWN[-1] else Connector(under_way))


@pytest.fixture(autouse=True)
def jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every wait between attempts is the longest that it may be."""
    monkeypatch.setattr("onboard360_async.transport.call.random.uniform", lambda _, most_s: most_s)


def busy() -> Iterator[Piece]:
    """503 whose body never ends."""
    return drip(answer(b"", "503 Busy", length=99_999), 0.2)


# What a server may do for ever, and how. Bytes come often enough that no pause between two of them is long.
HANGS: dict[str, Callable[[], Iterable[Piece]]] = {
    "says nothing": lambda: NEVER,
    "half a status line": lambda: [(0.1, b"HTTP/1.1 2")],
    "drips headers": lambda: drip(b"HTTP/1.1 200 OK\r\nX-Long: ", 0.2, b"x"),
    "stops after the headers": lambda: [(0.1, answer(b"", length=500))],
    "drips a body": lambda: drip(answer(b'{"clients": [', length=99_999), 0.2),
    "drips an error": busy,
    "fails": lambda: [(0.1, answer(b"", "503 Busy"))],
    "closes": lambda: [(0.1, None)],
}


# --- the deadline ---


@pytest.mark.parametrize("hang", HANGS)
@pytest.mark.parametrize("call", READS)
@pytest.mark.parametrize("deadline_s", [0.5, 5.0, 30.0])
def test_a_read_ends_at_its_deadline(call: str, hang: str, deadline_s: float) -> None:
    """Whatever the server does for ever: DeadlineError, not later than 50 ms after the deadline."""

    async def main(loop: VirtualLoop) -> None:
        answers = (HANGS[hang]() for _ in range(200))
        async with service(loop, *answers, deadline_s=deadline_s, max_retries=150, timeout_s=3.0) as (api, _):
            took_s = await seconds(loop, READS[call](api), errors.DeadlineError)
        # A wait that would pass the deadline is not begun: the longest is 8 s.
        assert deadline_s - 8.0 <= took_s <= deadline_s + SLACK_S

    run(main)


@pytest.mark.parametrize("hang", HANGS)
@pytest.mark.parametrize("call", ADDS)
def test_a_post_ends_at_its_deadline_and_is_in_doubt(call: str, hang: str) -> None:
    """It had left, so it is no DeadlineError: OutcomeUnknownError, sent once, not later than 50 ms after."""

    async def main(loop: VirtualLoop) -> None:
        async with service(loop, HANGS[hang](), deadline_s=2.0) as (api, server):
            assert await seconds(loop, ADDS[call](api), errors.OutcomeUnknownError) <= 2.0 + SLACK_S
            assert len(server.requests) == 1

    run(main)


@pytest.mark.parametrize("call", READS | ADDS)
def test_a_connection_that_is_never_made_ends_at_the_deadline(call: str) -> None:
    """Nothing left, so a POST is a DeadlineError as well; the slots are given back."""

    async def main(loop: VirtualLoop) -> None:
        budget = fake(loop)
        options: dict[str, Any] = {"deadline_s": 4.0, "timeout_s": 1.0, "max_retries": 50}
        async with service(loop, budget=budget, connect_s=math.inf, **options) as (api, server):
            took_s = await seconds(loop, (READS | ADDS)[call](api), errors.DeadlineError)
        assert took_s <= 4.0 + SLACK_S
        assert (budget.snapshot().used, server.requests) == (0, [])

    run(main)


def test_the_last_attempt_is_cut_by_the_deadline_too() -> None:
    """With no retry left it is still the deadline that passed, and the error says so."""

    async def main(loop: VirtualLoop) -> None:
        async with service(loop, NEVER, NEVER, max_retries=0) as (api, _):
            for call in (api.list_campaigns, api.list_clients):
                assert await seconds(loop, call(deadline_s=1.5), errors.DeadlineError) == pytest.approx(
                    1.5, abs=SLACK_S
                )

    run(main)


def test_one_deadline_holds_budget_attempts_and_backoff_together() -> None:
    """Half of it waited for the budget, then an attempt that times out, a wait, and the rest: 30 s in all."""

    async def main(loop: VirtualLoop) -> None:
        budget = fake(loop)
        budget.pause(15.0)
        heard: list[Event] = []
        options: dict[str, Any] = {"on_event": heard.append, "timeout_s": 10.0, "deadline_s": 30.0}
        async with service(loop, NEVER, NEVER, NEVER, budget=budget, **options) as (api, _):
            assert await seconds(loop, api.list_campaigns(), errors.DeadlineError) == pytest.approx(30.0, abs=SLACK_S)
        waits = {name: [event.seconds for event in heard if event.name == name] for name in ("granted", "retried")}
        assert waits["granted"] == pytest.approx([15.0, 0.0], abs=SLACK_S)
        assert waits["retried"] == [0.5]

    run(main)


def test_a_deadline_that_ends_in_the_queue_spends_nothing() -> None:
    """At once if it is known that it cannot be, at the deadline if others were faster; the next one gets the slot."""

    async def main(loop: VirtualLoop) -> None:
        budget = fake(loop, limit=2, burst=2)
        async with service(loop, *repeat([(0.0, EMPTY)], 3), budget=budget) as (api, server):
            await asyncio.gather(api.list_clients(), api.list_clients())
            assert await seconds(loop, api.list_clients(deadline_s=30.0), errors.DeadlineError) == 0.0
            waiting = asyncio.create_task(seconds(loop, api.list_clients(deadline_s=100.0), errors.DeadlineError))
            await asyncio.sleep(0)
            loop.call_later(55.0, budget.pause, 60.0)  # what nobody could know: they would have had it a little later
            assert await waiting == pytest.approx(100.0, abs=SLACK_S)
            assert (len(server.requests), budget.snapshot().in_flight, budget.snapshot().waiting) == (2, 0, 0)
            assert await api.list_clients(deadline_s=30.0) == []

    run(main)


def test_a_key_that_does_not_come_ends_at_the_deadline() -> None:
    """An async callable is waited for within the deadline; nothing is taken of the budget."""

    async def main(loop: VirtualLoop) -> None:
        budget = fake(loop)

        async def key() -> str:
            await asyncio.get_running_loop().create_future()
            return ""

        async with service(loop, budget=budget) as (api, _):
            slow = api.with_options(api_key=key)
            loop.call_later(9.0, lambda: None)  # or the virtual loop would not know that time can pass
            assert await seconds(loop, slow.list_clients(deadline_s=2.0), errors.DeadlineError) <= 2.0 + SLACK_S

    run(main)


def test_a_key_that_fails_by_a_time_out_of_its_own_says_so() -> None:
    """Its TimeoutError is not taken for the deadline."""

    async def main(loop: VirtualLoop) -> None:
        async def key() -> str:
            raise TimeoutError("the vault")

        async with service(loop) as (api, _):
            with pytest.raises(TimeoutError, match="the vault"):
                await api.with_options(api_key=key).list_clients(deadline_s=2.0)

    run(main)


def test_a_listing_ends_between_two_of_its_pieces() -> None:
    """Those who came are handed on, and the error says how many; a quick reader does not make it late."""

    async def main(loop: VirtualLoop) -> None:
        begin = answer(b'{"clients": [' + ONE + b",", length=99_999)
        pieces = chain([(0.0, begin)], repeat((1.0, ONE + b",")))
        async with service(loop, pieces) as (api, _):
            came: list[Client] = []

            async def read() -> None:
                async for batch in api.iter_clients(deadline_s=4.5).batches():
                    came.extend(batch)

            assert await seconds(loop, read(), errors.DeadlineError) == pytest.approx(4.5, abs=SLACK_S)
            assert len(came) == 5

    run(main)


def test_a_slow_reader_is_told_of_the_deadline_though_more_has_come() -> None:
    """What came while it worked does not carry a listing past its deadline; the error says how many it was given."""

    async def main(loop: VirtualLoop) -> None:
        begin = answer(b'{"clients": [' + ONE + b",", length=99_999)
        async with service(loop, chain([(0.0, begin)], repeat((0.1, ONE + b",")))) as (api, _):
            came: list[Client] = []

            async def read() -> None:
                async for batch in api.iter_clients(deadline_s=2.0).batches():
                    came.extend(batch)
                    worked: asyncio.Future[None] = loop.create_future()
                    loop.call_later(0.75, worked.set_result, None)
                    await worked

            began = loop.time()
            with pytest.raises(errors.DeadlineError) as caught:
                await read()
        assert loop.time() - began == pytest.approx(3 * 0.75, abs=SLACK_S)
        assert caught.value.done == f"{len(came)} clients were handed on before."

    run(main)


def test_ensure_has_one_deadline_for_both_its_calls_and_the_wait_for_others() -> None:
    """The look took its part of it; whoever waits for the same person gives up at its own deadline."""

    async def main(loop: VirtualLoop) -> None:
        async with service(loop, [(3.0, EMPTY)], NEVER, connect_s=0.0) as (api, server):
            first = asyncio.create_task(
                seconds(
                    loop,
                    api.ensure_client(campaign_id="c", email="a@x.de", deadline_s=4.0),
                    errors.OutcomeUnknownError,
                )
            )
            await asyncio.sleep(0)
            second = api.ensure_client(campaign_id="c", email="a@x.de", deadline_s=1.0)
            assert await seconds(loop, second, errors.DeadlineError) == pytest.approx(1.0, abs=SLACK_S)
            assert await first == pytest.approx(4.0, abs=SLACK_S)
            assert len(server.requests) == 2

    run(main)


def test_an_import_is_not_bound_by_the_handles_deadline() -> None:
    """It may take hours; a request within it still times out."""

    async def main(loop: VirtualLoop) -> None:
        late: list[list[Piece]] = [[], [(3.0, EMPTY)], [(3.0, ADDED)], [(3.0, answer(b'{"clients": [' + ONE + b"]}"))]]
        campaign = "550e8400-e29b-41d4-a716-446655440000"
        async with service(loop, *late, deadline_s=2.0, timeout_s=4.0) as (api, _):
            with pytest.raises(errors.DeadlineError):
                await api.list_campaigns(deadline_s=1.0)
            async with api.open_import([{"email": "a@x.de"}], campaign=campaign) as job:
                outcomes = [outcome async for outcome in job.run()]
        assert [type(outcome).__name__ for outcome in outcomes] == ["Created"]

    run(main)


def test_the_blocking_handle_keeps_deadlines_too() -> None:
    """The same call on the private loop: a server that never answers, in real time."""
    with Sandbox() as sandbox, Onboard360(sandbox.api_key, base_url=sandbox.url, budget=Budget()) as api:
        sandbox.add_fault("delay", delay_s=60.0)
        with pytest.raises(errors.DeadlineError):
            api.list_clients(deadline_s=0.2)
        sandbox.clear_faults()
        sandbox.add_fault("slow-drip", delay_s=60.0)
        with pytest.raises(errors.DeadlineError):
            next(api.iter_clients(deadline_s=0.2).batches())
        with pytest.raises(errors.DeadlineError):
            api.ensure_client(campaign_id="c", email="a@x.de", deadline_s=0.2)


# --- what the values mean ---


@pytest.mark.parametrize("call", READS | ADDS)
def test_a_deadline_of_0_has_passed(call: str) -> None:
    """DeadlineError at once; nothing is sent and nothing spent."""

    async def main(loop: VirtualLoop) -> None:
        budget = fake(loop)
        async with service(loop, [(0.0, ADDED)], budget=budget, deadline_s=0) as (api, server):
            with pytest.raises(errors.DeadlineError) as caught:
                await (READS | ADDS)[call](api)
        assert (caught.value.attempts, caught.value.done) == (0, "")
        assert (server.requests, budget.snapshot().used) == ([], 0)

    run(main)


def test_none_is_no_deadline_and_in_a_call_the_handles() -> None:
    """Infinity says in a call what None says to the handle."""

    async def main(loop: VirtualLoop) -> None:
        slow: list[list[Piece]] = [[(20.0, answer(b'{"campaigns": []}'))] for _ in range(6)]
        async with service(loop, *slow) as (api, _):
            assert await api.list_campaigns(deadline_s=None) == []
            short = api.with_options(deadline_s=5.0)
            assert await seconds(loop, short.list_campaigns(deadline_s=None), errors.DeadlineError) == pytest.approx(5)
            assert await short.list_campaigns(deadline_s=math.inf) == []
            assert await short.with_options(deadline_s=None).list_campaigns() == []

    run(main)


def test_a_time_out_is_finite_and_there_by_default() -> None:
    """Thirty seconds; None, 0, infinity and what is no number are refused, here and in a copy."""
    for wrong in (None, 0, -1, math.inf, math.nan, "1", True):
        bad: Any = wrong
        with pytest.raises(errors.ConfigurationError, match="timeout_s"):
            AsyncOnboard360("sk_test_1", timeout_s=bad)
        with pytest.raises(errors.ConfigurationError, match="timeout_s"):
            AsyncOnboard360("sk_test_1").with_options(timeout_s=bad)

    async def main(loop: VirtualLoop) -> None:
        async with service(loop, NEVER, max_retries=0) as (api, _):
            assert await seconds(loop, api.list_campaigns(), errors.AnswerLostError) == pytest.approx(30.0, abs=SLACK_S)

    run(main)


@pytest.mark.parametrize("wrong", [-1, math.nan, "1", True])
def test_a_deadline_that_cannot_be_meant_is_refused(wrong: Any) -> None:
    """Before anything is sent."""
    with pytest.raises(errors.ConfigurationError, match="deadline_s"):
        AsyncOnboard360("sk_test_1", deadline_s=wrong)


# --- the time-out ---


@pytest.mark.parametrize(
    ("hang", "call"),
    [
        (hang, call)
        for hang in ("says nothing", "half a status line", "drips headers", "stops after the headers", "drips an error")
        for call in READS
    ]
    + [("drips a body", "campaigns"), ("drips a body", "raw")],
)
def test_an_attempt_ends_at_its_time_out(hang: str, call: str) -> None:
    """Each of them, however the server holds it up; of a listing the time until its headers, then of each pause."""

    async def main(loop: VirtualLoop) -> None:
        heard: list[Event] = []
        answers = (HANGS[hang]() for _ in range(2))
        ends: list[float] = []

        def watch(event: Event) -> None:
            heard.append(event)
            if event.name in ("granted", "retried", "failed"):
                ends.append(loop.time())

        async with service(loop, *answers, max_retries=1, timeout_s=3.0, on_event=watch) as (api, _):
            with pytest.raises((errors.AnswerLostError, errors.ServerError)):
                await READS[call](api)
        first, second = ends[1] - ends[0], ends[3] - ends[2]
        assert [first, second] == pytest.approx([3.0, 3.0], abs=0.11 if hang == "stops after the headers" else SLACK_S)

    run(main)


def test_a_listing_that_drips_for_ever_goes_on_without_a_deadline() -> None:
    """No piece is longer than the time-out away: it is as long as the list, which only a deadline can end."""

    async def main(loop: VirtualLoop) -> None:
        pieces = chain([(0.0, answer(b'{"clients": [', length=99_999))], repeat((2.0, ONE + b",")))
        async with service(loop, pieces, timeout_s=3.0) as (api, _):
            number = 0
            async for _client in api.iter_clients():
                number += 1
                if number == 100:
                    break
        assert number == 100

    run(main)


def test_a_hook_that_holds_the_loop_up_is_within_the_deadline() -> None:
    """Its time counts: what was granted in time and told too late is not sent, and its slot is given back."""

    async def main(loop: VirtualLoop) -> None:
        budget = fake(loop)

        def slow(event: Event) -> None:
            if event.name == "granted":
                loop.skip(5.0)

        async with service(loop, [(0.0, ADDED)], budget=budget, on_event=slow) as (api, server):
            with pytest.raises(errors.DeadlineError):
                await api.add_client(campaign_id="c", email="a@x.de", deadline_s=4.0)
        assert (server.requests, budget.snapshot().used) == ([], 0)

    run(main)


async def test_a_dripping_server_of_flesh_and_blood_is_left_at_the_deadline() -> None:
    """The same over a real socket: whoever waits for ever at the other end is left."""
    async with Sandbox() as sandbox, AsyncOnboard360(sandbox.api_key, base_url=sandbox.url, budget=Budget()) as api:
        sandbox.add_fault("slow-drip", delay_s=60.0)
        for call in (api.list_clients, api.list_campaigns):
            with pytest.raises(errors.DeadlineError):
                await call(deadline_s=0.2)
