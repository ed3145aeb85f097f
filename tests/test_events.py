"""`on_event`: which events a call tells, in which order and with which fields; whoever listens harms nobody."""

import asyncio
import dataclasses
import itertools
import json
import logging
import math
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from types import FrameType
from typing import Any

import aiohttp
import attrs
import pytest

from onboard360_async import AsyncOnboard360, Budget, Onboard360, errors
from onboard360_async.budget.slot import Slot
from onboard360_async.sandbox import Sandbox
from onboard360_async.transport.options import Event
from tests.budget.virtual import VirtualLoop, run
from tests.transport.pipe import Piece, PipeServer, answer

CAMPAIGN = "550e8400-e29b-41d4-a716-446655440000"
PERSON = {"id": "1", "campaign_id": CAMPAIGN, "email": "john@x.de", "created_at": "2026-01-01T00:00:00Z"}
ADDED = answer(json.dumps({"client": PERSON}).encode(), "201 Created")
PEOPLE = answer(json.dumps({"clients": [PERSON, PERSON | {"tags": ["new"]}]}).encode())
CAPPED = answer(json.dumps({"clients": [PERSON] * 100}).encode())
BUSY = answer(b"{}", "503 Busy", more="Retry-After: 2\r\n")
FULL = answer(b"{}", "429 Too Many Requests", more="Retry-After: 3\r\n")
PAGED = answer(json.dumps({"clients": [PERSON], "has_more": True}).encode())
CUT = answer(b'{"clients": [', length=999)

GRANTED, ATTEMPT = "queued granted", "queued granted sent answered settled"
Call = Callable[[AsyncOnboard360], Awaitable[object]]


def add(api: AsyncOnboard360) -> Awaitable[object]:
    return api.add_client(campaign_id=CAMPAIGN, email="john@x.de", phone="+4930")


def read(api: AsyncOnboard360) -> Awaitable[object]:
    return api.list_clients(campaign_id=CAMPAIGN)


def find(api: AsyncOnboard360) -> Awaitable[object]:
    return api.find_client(campaign_id=CAMPAIGN, email="john@x.de")


@dataclasses.dataclass
class Case:
    """What is called, what the server does, and what is told by then."""

    call: Call
    answers: list[list[Piece]]
    story: str
    options: dict[str, Any] = dataclasses.field(default_factory=dict)
    error: str | None = None
    status: int | None = None
    unknown: bool = False
    connect_s: float = 0.0
    cancel_at: float | None = None
    pause_s: float = 0.0


def said(*whole: bytes) -> list[list[Piece]]:
    return [[(1.0, each)] for each in whole]


STORIES: dict[str, Case] = {
    "success": Case(add, said(ADDED), f"{ATTEMPT} done"),
    "a budget wait": Case(add, said(ADDED), f"{ATTEMPT} done", pause_s=20.0),
    "a retry": Case(read, said(BUSY, PEOPLE), f"{ATTEMPT} retried {ATTEMPT} drift done"),
    "no retry left": Case(
        read, said(*[BUSY] * 3), f"{ATTEMPT} retried {ATTEMPT} retried {ATTEMPT} failed", {}, "ServerError", 503
    ),
    "a 429": Case(add, said(FULL, ADDED), f"{ATTEMPT} retried {ATTEMPT} done"),
    "a 429, and no retry": Case(add, said(FULL), f"{ATTEMPT} failed", {"max_retries": 0}, "RateLimitError", 429),
    "a refusal": Case(add, said(answer(b"{}", "400 Bad")), f"{ATTEMPT} failed", {}, "BadRequestError", 400),
    "a redirect": Case(add, said(answer(b"", "302 Found")), f"{ATTEMPT} failed", {}, "ApiError", 302),
    "a 500 to a POST": Case(
        add, said(answer(b"{}", "500 No")), f"{ATTEMPT} failed", {}, "ServerOutcomeUnknownError", 500, unknown=True
    ),
    "a lost answer to a GET": Case(
        read, [[(1.0, None)], [(1.0, PEOPLE)]], f"{GRANTED} sent settled retried {ATTEMPT} drift done"
    ),
    "a lost answer to a POST": Case(
        add, [[(1.0, None)]], f"{GRANTED} sent settled failed", {}, "OutcomeUnknownError", unknown=True
    ),
    "a time-out of a POST": Case(add, [[]], f"{GRANTED} sent settled failed", {}, "OutcomeUnknownError", unknown=True),
    "a cut answer to a POST": Case(
        add, [[(1.0, ADDED[:-9]), (1.0, None)]], f"{ATTEMPT} failed", {}, "OutcomeUnknownError", unknown=True
    ),
    "a cut listing": Case(
        read, [[(0.0, CUT), (1.0, None)], [(0.0, PEOPLE)]], f"{ATTEMPT} retried {ATTEMPT} drift done"
    ),
    "another shape": Case(read, said(answer(b"[]")), f"{ATTEMPT} failed", {}, "DecodeError"),
    "a further page": Case(read, said(PAGED), f"{ATTEMPT} failed", {}, "PaginationError"),
    "a listing that ends at 100": Case(read, said(CAPPED), f"{ATTEMPT} listing_may_be_capped done"),
    "a listing left early": Case(find, said(CAPPED), f"{ATTEMPT} left"),
    "no connection": Case(
        add,
        [],
        f"{GRANTED} released retried {GRANTED} released failed",
        {"max_retries": 1},
        "NotSentError",
        connect_s=math.inf,
    ),
    "a deadline in the queue": Case(add, [], "queued failed", {"deadline_s": 5.0}, "DeadlineError", pause_s=20.0),
    "a deadline under way": Case(read, [[]], f"{GRANTED} sent settled failed", {"deadline_s": 5.0}, "DeadlineError"),
    "no time at all": Case(add, [], f"{GRANTED} released failed", {"deadline_s": 0}, "DeadlineError"),
    "no wait at all": Case(
        lambda api: api.list_campaigns(max_wait_s=0), [], "queued failed", {}, "BudgetExhaustedError", pause_s=20.0
    ),
    "cancelled in the queue": Case(add, [], "queued cancelled", {}, "CancelledError", pause_s=20.0, cancel_at=5.0),
    "cancelled under way": Case(
        add, [[]], f"{GRANTED} sent settled cancelled", {}, "CancelledError", unknown=True, cancel_at=5.0
    ),
    "cancelled while reading": Case(
        read, [[]], f"{GRANTED} sent settled cancelled", {}, "CancelledError", cancel_at=5.0
    ),
    "cancelled in a wait": Case(read, said(BUSY), f"{ATTEMPT} retried cancelled", {}, "CancelledError", cancel_at=2.0),
    "a key that is not there": Case(add, [], "failed", {"api_key": lambda: ""}, "ConfigurationError"),
}


async def played(loop: VirtualLoop, case: Case, hook: Callable[[Event], None] | None = None) -> list[Event]:
    """What is told, by a server and a budget in virtual time."""
    story: list[Event] = []

    def heard(event: Event) -> None:
        story.append(event)
        if hook is not None:
            hook(event)

    budget = Budget(clock=loop.clock)
    budget.pause(case.pause_s)
    server = PipeServer(*case.answers, connect_s=case.connect_s)
    options: dict[str, Any] = {"api_key": "sk_test_1", "base_url": "http://127.0.0.1:8360", "budget": budget}
    async with aiohttp.ClientSession(connector=server.given()) as session:
        api = AsyncOnboard360(session=session, on_event=heard, **options | case.options)
        task = asyncio.ensure_future(case.call(api))
        if case.cancel_at is not None:
            loop.call_later(case.cancel_at, task.cancel)
        await asyncio.wait((task,))
        raised = asyncio.CancelledError() if task.cancelled() else task.exception()
        assert (None if raised is None else type(raised).__name__) == case.error
    return story


@pytest.fixture(autouse=True)
def jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every wait between attempts is the longest that it may be."""
    monkeypatch.setattr("onboard360_async.transport.call.random.uniform", lambda _, most_s: most_s)


# --- which, and in which order ---


@pytest.mark.parametrize("name", STORIES)
def test_each_story_is_told_in_order(name: str) -> None:
    """The table: what happens, and the events from first to last, which says how it ended."""
    case = STORIES[name]
    story = run(played, case)
    assert " ".join(event.name for event in story) == case.story
    assert len({event.call for event in story}) == 1
    end = story[-1]
    assert (end.error, end.status, end.unknown) == (case.error, case.status, case.unknown)
    assert not any(event.unknown for event in story[:-1])


@pytest.mark.parametrize("name", STORIES)
def test_no_event_names_anybody(name: str) -> None:
    """Plain values: no person, no key, no value of a query; they copy and compare like any."""
    for event in run(played, STORIES[name]):
        assert all(isinstance(value, str | int | float | None) for value in attrs.astuple(event))
        for secret in ("john", "x.de", "+4930", "sk_test_1", CAMPAIGN):
            assert secret not in repr(event)
        assert event.url in (
            "http://127.0.0.1:8360/api/v1/clients",
            "http://127.0.0.1:8360/api/v1/clients?campaign_id=REDACTED",
            "http://127.0.0.1:8360/api/v1/campaigns",
        )
        assert event == attrs.evolve(event)


def test_numbers_are_what_they_are_called() -> None:
    """Attempts count from 1, seconds are the wait, the time to the headers, and the wait before the next attempt."""
    story = run(played, STORIES["a retry"])
    assert [event.attempt for event in story] == [1] * 6 + [2] * 7
    assert {event.name: event.seconds for event in story[:6]} == {
        "queued": None,
        "granted": pytest.approx(0.0, abs=1e-6),
        "sent": None,
        "answered": pytest.approx(1.0, abs=1e-6),
        "settled": None,
        "retried": 2.0,
    }
    assert [(event.error, event.status) for event in story if event.name == "retried"] == [("ServerError", 503)]
    assert [event.where for event in story if event.where] == ["$.clients[].tags"]
    waited = run(played, STORIES["a budget wait"])
    assert waited[1].seconds == pytest.approx(20.0, abs=1e-6)
    refused = run(played, STORIES["a 429"])
    assert [event.seconds for event in refused if event.name in ("retried", "granted")] == [
        pytest.approx(0.0, abs=1e-6),
        0.0,
        pytest.approx(3.0, abs=0.01),
    ]


def test_times_are_the_clocks_and_never_go_back() -> None:
    """`at_ns` is Unix time, each event's own."""
    before = time.time_ns()
    story = run(played, STORIES["success"])
    times = [event.at_ns for event in story]
    assert times == sorted(times)
    assert before <= times[0] <= times[-1] <= time.time_ns()


async def test_emails_in_a_path_are_hidden(sandbox: Sandbox, budget: Budget, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever path somebody asks for, however it is written, and the values of its query; in the log as well."""
    story: list[Event] = []
    caplog.set_level(logging.DEBUG, "onboard360_async")
    async with AsyncOnboard360(sandbox.api_key, base_url=sandbox.url, budget=budget, on_event=story.append) as api:
        for path in ("/clients/john@x.de/files", "/clients/john%40x.de/files"):
            with pytest.raises(errors.NotFoundError):
                await api.request("GET", path, params={"email": "jane@x.de", "q": "Jane"})
    assert {event.path for event in story} == {"/clients/<email>/files"}
    assert {event.url for event in story} == {f"{sandbox.url}/api/v1/clients/<email>/files?email=REDACTED&q=REDACTED"}
    for secret in ("john", "jane", "Jane"):
        assert secret not in caplog.text


async def test_a_field_that_nobody_knew_is_told_once(budget: Budget) -> None:
    """Once for a handle and its copies, however many answers have it; of a whole answer and of a listing alike."""
    story: list[Event] = []
    more = answer(json.dumps({"client": PERSON | {"tags": 1, "vip@x.de": 2}}).encode(), "201 Created")
    server = PipeServer(*[[(0.0, PEOPLE)]] * 2, *[[(0.0, more)]] * 2)
    async with aiohttp.ClientSession(connector=server.given()) as session:
        api = AsyncOnboard360("k", base_url="http://127.0.0.1", session=session, budget=budget, on_event=story.append)
        for call in (read, read, add, add):
            await call(api.with_options(api_key="sk_test_2"))
            await asyncio.sleep(0)
    told = [event.where for event in story if event.name == "drift"]
    assert told == ["$.clients[].tags", "$.client.(not shown)", "$.client.tags"]
    assert {event.name for event in story if event.attempt == 1 and event.where} == {"drift"}


def test_a_blocking_handle_tells_the_same(budget: Budget) -> None:
    """Listings, too, read to their end or left early; `call` tells apart what belongs together."""
    story: list[Event] = []
    with (
        Sandbox(limiter="off") as sandbox,
        Onboard360(sandbox.api_key, base_url=sandbox.url, budget=budget, on_event=story.append) as api,
    ):
        sandbox.add_client(CAMPAIGN, "ada@example.com")
        list(api.iter_clients())
        for client in api.iter_clients(campaign_id=CAMPAIGN):
            assert client.email
            break
        api.list_campaigns()
    by_call = [list(group) for _, group in itertools.groupby(story, lambda event: event.call)]
    assert len(by_call) == 3
    first, second, third = (group[-1].name for group in by_call)
    assert (first, third) == ("done", "done")
    assert second in ("left", "done", "cancelled")  # it reads ahead: that has ended by then, or is cancelled


async def test_an_import_tells_of_each_of_its_calls(sandbox: Sandbox, budget: Budget) -> None:
    """The campaign, who is there, each person, and the last look: each a call with its own end."""
    story: list[Event] = []
    people = [{"email": f"p{number}@x.de"} for number in range(6)]
    sandbox.add_fault("429", method="POST", times=1)
    async with AsyncOnboard360(sandbox.api_key, base_url=sandbox.url, budget=budget, on_event=story.append) as api:
        campaign = (await api.list_campaigns())[0]
        story.clear()
        async with api.open_import(people, campaign=campaign.name) as job:
            async for _ in job.run():
                pass
    calls: dict[int, list[Event]] = {}
    for event in story:
        calls.setdefault(event.call, []).append(event)
    stories = Counter(
        (group[0].method, group[0].path, " ".join(event.name for event in group)) for group in calls.values()
    )
    assert stories == {
        ("GET", "/campaigns", f"{ATTEMPT} done"): 1,
        ("GET", "/clients", f"{ATTEMPT} done"): 2,
        ("POST", "/clients", f"{ATTEMPT} done"): 5,
        ("POST", "/clients", f"{ATTEMPT} retried {ATTEMPT} done"): 1,
    }
    assert "x.de" not in repr(story)


# --- whoever listens harms nobody ---


@pytest.mark.parametrize("kind", [ZeroDivisionError, asyncio.CancelledError, errors.DeadlineError])
@pytest.mark.parametrize("name", ["success", "a retry", "a 429", "cancelled under way", "a listing left early"])
def test_a_hook_that_raises_changes_nothing(name: str, kind: Callable[[str], BaseException]) -> None:
    """Whatever it raises at whatever event: the same events, the same end; each is logged."""
    logged: list[str] = []

    def broken(event: Event) -> None:
        raise kind("mine")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("onboard360_async.transport.story.logger.exception", lambda _, name: logged.append(name))
        story = run(played, STORIES[name], broken)
    assert " ".join(event.name for event in story) == " ".join(logged) == STORIES[name].story


@pytest.mark.parametrize("at", ATTEMPT.split())
def test_a_hook_that_ends_the_program_does_so(at: str) -> None:
    """KeyboardInterrupt goes on to the caller; whatever had left still counts, whatever had not is given back."""

    async def main(loop: VirtualLoop) -> None:
        def interrupted(event: Event) -> None:
            if event.name == at:
                raise KeyboardInterrupt

        budget = Budget(clock=loop.clock)
        async with aiohttp.ClientSession(connector=PipeServer(*said(ADDED)).given()) as session:
            api = AsyncOnboard360(
                "sk_test_1", base_url="http://127.0.0.1", session=session, budget=budget, on_event=interrupted
            )
            call = api.add_client(campaign_id=CAMPAIGN, email="john@x.de")
            with pytest.raises(KeyboardInterrupt):
                await call
        assert (budget.snapshot().used, budget.snapshot().in_flight) == (int(at in ("answered", "settled")), 0)

    run(main)


def test_a_slow_hook_counts_as_waiting() -> None:
    """Its time is part of the attempt's time-out: a POST that it held up ends in doubt, and is not sent twice."""

    async def main(loop: VirtualLoop) -> None:
        case = Case(add, [[(1.0, ADDED)]], "", {"timeout_s": 30.0}, "OutcomeUnknownError")

        def slow(event: Event) -> None:
            if event.name == "sent":
                loop.skip(31.0)

        story = await played(loop, case, slow)
        assert [event.name for event in story].count("sent") == 1

    run(main)


def test_a_hook_that_takes_longer_than_a_slot_sends_nothing_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """The slot is looked at after the hook: what may be another's by then is not used, and nothing has left."""
    order: list[str] = []
    seen = Slot.sent

    def looked_at(slot: Slot) -> None:
        order.append("slot")
        seen(slot)

    monkeypatch.setattr(Slot, "sent", looked_at)
    run(played, STORIES["success"], lambda event: order.append(event.name))
    assert order[:4] == ["queued", "granted", "sent", "slot"]


# --- and costs nothing where nobody listens ---

# What telling may cost a call that nobody listens to, in Python calls: one look whether anybody does.
MOST = {"Transport.story": 1, "Call.tell": 0, "Call._end": 0, "Call._leave": 0}


async def test_nothing_is_made_for_nobody(
    budget: Budget, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Without on_event and DEBUG no event is made, and telling costs fewer Python calls than it ever did."""
    caplog.set_level(logging.INFO, "onboard360_async")
    monkeypatch.setattr("onboard360_async.transport.transport.Story", _NoStory)
    counted: dict[str, Counter[str]] = {}
    calls: dict[str, Callable[[AsyncOnboard360, int], Awaitable[object]]] = {
        "add": lambda api, number: api.add_client(campaign_id=CAMPAIGN, email=f"p{number}@x.de"),
        "campaigns": lambda api, _: api.list_campaigns(),
    }
    with Sandbox(limiter="off") as sandbox:  # in a thread of its own, which is not counted
        async with AsyncOnboard360(sandbox.api_key, base_url=sandbox.url, budget=budget) as api:
            for name, call in calls.items():
                await call(api, 1)
                counted[name] = await calls_of(call(api, 2))
    for name in calls:
        assert {what: counted[name][what] for what in MOST} == MOST
        assert not [what for what in counted[name] if what.startswith(("Logger.", "Event.")) or what.endswith("_hook")]


class _NoStory:
    def __init__(self, *_: object) -> None:
        raise AssertionError("nobody listens")


async def calls_of(work: Awaitable[object]) -> Counter[str]:
    """Python calls in the package and in logging, on this thread, until it is done."""
    counted: Counter[str] = Counter()

    def count(frame: FrameType, what: str, _: object) -> None:
        if what == "call" and any(part in frame.f_code.co_filename for part in ("onboard360_async", "logging")):
            counted[frame.f_code.co_qualname] += 1

    sys.setprofile(count)
    try:
        await work
    finally:
        sys.setprofile(None)
    counted["Logger."] = counted.pop("Logger.isEnabledFor", 0) - 1  # the one look
    return +counted
