"""What goes wrong on demand: each kind leaves the store as it says, and the rules hit the requests they name."""

import asyncio
from typing import Any

import aiohttp
import pytest

from onboard360_async.sandbox import KINDS, Sandbox
from onboard360_async.sandbox.faults import parse_fault
from tests.sandbox.calls import CAMPAIGN, add, call, is_problem


async def is_dropped(sandbox: Sandbox, method: str, path: str, **options: Any) -> bool:
    try:
        await call(sandbox, method, path, **options)
    except aiohttp.ClientConnectionError:
        return True
    return False


JOHN = {"json": {"campaign_id": CAMPAIGN, "email": "john@example.com"}}


async def test_drop_before_closes_and_does_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """No byte comes, no client is there, the record has no status, and nobody logs a word."""
    async with Sandbox() as sandbox:
        sandbox.add_fault("drop-before")
        assert await is_dropped(sandbox, "POST", "/clients", **JOHN)
        assert await is_dropped(sandbox, "GET", "/campaigns")
        assert sandbox.clients() == []
        assert [request.status for request in sandbox.requests] == [None, None]
    assert [record for record in caplog.records if record.name.startswith("aiohttp")] == []


async def test_commit_then_drop_creates_and_closes(caplog: pytest.LogCaptureFixture) -> None:
    """The client is there, its creator got no answer; a listing is just dropped."""
    async with Sandbox() as sandbox:
        sandbox.add_fault("commit-then-drop")
        assert await is_dropped(sandbox, "POST", "/clients", **JOHN)
        assert await is_dropped(sandbox, "GET", "/clients")
        assert [client["email"] for client in sandbox.clients()] == ["john@example.com"]
        assert [request.status for request in sandbox.requests] == [None, None]
    assert [record for record in caplog.records if record.name.startswith("aiohttp")] == []


@pytest.mark.parametrize(("kind", "created"), [("500-before", 0), ("500-after", 1)])
async def test_a_500_comes_before_or_after_the_deed(kind: str, created: int) -> None:
    """The same status with an error body; only the store knows whether the client was created."""
    async with Sandbox() as sandbox:
        sandbox.add_fault(kind)
        assert is_problem(await add(sandbox), 500)
        assert is_problem(await call(sandbox, "GET", "/clients"), 500)
        assert len(sandbox.clients()) == created


async def test_an_injected_429_does_nothing_and_is_not_the_limits() -> None:
    """It looks like the limit's own, but `refused` counts only what the limit refused."""
    async with Sandbox(retry_after=True) as sandbox:
        sandbox.add_fault("429")
        answer = await add(sandbox)
        assert is_problem(answer, 429)
        assert answer.headers["Retry-After"] == "1"
        assert (sandbox.clients(), sandbox.refused) == ([], 0)


async def test_delay_does_at_once_and_answers_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """While one answer waits its client is there already, and others are served; the sandbox's end does not wait."""
    monkeypatch.setattr("onboard360_async.sandbox.running._SHUTDOWN_S", 3600)
    async with Sandbox() as sandbox:
        sandbox.add_fault("delay", method="POST", delay_s=3600)
        delayed = asyncio.create_task(is_dropped(sandbox, "POST", "/clients", **JOHN))
        while not sandbox.clients():
            assert (await call(sandbox, "GET", "/clients")).status == 200
        assert not delayed.done()
    assert await delayed


async def test_delay_ends() -> None:
    """After the delay the answer is the one that it would have been."""
    async with Sandbox() as sandbox:
        sandbox.add_fault("delay", delay_s=0.001)
        assert (await add(sandbox)).status == 201
        assert sandbox.requests[0].status == 201


async def statuses(sandbox: Sandbox, number: int, method: str = "GET", path: str = "/campaigns") -> list[int]:
    return [(await call(sandbox, method, path)).status for _ in range(number)]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [500, 500, 500, 500]),
        ({"times": 2}, [500, 500, 200, 200]),
        ({"nth": 2}, [200, 500, 200, 200]),
        ({"nth": 2, "times": 2}, [200, 500, 500, 200]),
        ({"probability": 0.0}, [200, 200, 200, 200]),
        ({"method": "post"}, [200, 200, 200, 200]),
        ({"method": "get"}, [500, 500, 500, 500]),
        ({"path": "/clients"}, [200, 200, 200, 200]),
        ({"path": "/campaigns"}, [500, 500, 500, 500]),
        ({"path": "/api/v1/campaigns", "nth": 4}, [200, 200, 200, 500]),
    ],
)
async def test_a_rule_hits_the_requests_it_names(options: Any, expected: list[int]) -> None:
    """By method, path, number and how often."""
    async with Sandbox() as sandbox:
        sandbox.add_fault("500-before", **options)
        assert await statuses(sandbox, 4) == expected


async def test_nth_counts_only_what_the_rule_is_about() -> None:
    """Listings do not count for a rule about adding."""
    async with Sandbox() as sandbox:
        sandbox.add_fault("500-before", method="POST", nth=2)
        assert (await add(sandbox)).status == 201
        assert await statuses(sandbox, 3) == [200] * 3
        assert (await add(sandbox)).status == 500


async def test_probability_is_a_seeded_dice() -> None:
    """The same seed gives the same faults, another seed others, and about as many as asked for."""

    async def pattern(seed: int) -> list[int]:
        async with Sandbox() as sandbox:
            sandbox.add_fault("500-before", probability=0.5, seed=seed)
            return await statuses(sandbox, 40)

    first = await pattern(1)
    assert first == await pattern(1) != await pattern(2)
    assert 10 < first.count(500) < 30


async def test_a_rule_may_be_about_one_person() -> None:
    """By the email in the body, in any capitals; other bodies, bad ones included, are none of its business."""
    async with Sandbox() as sandbox:
        sandbox.add_fault("500-before", email="John@example.com")
        assert (await add(sandbox, "jane@example.com")).status == 201
        assert (await add(sandbox, "john@EXAMPLE.com")).status == 500
        for body in (b"", b"[1]", b"3", b'{"email": 1}', b"[" * 100_000):
            assert (await call(sandbox, "POST", "/clients", data=body)).status == 400
        assert await statuses(sandbox, 1) == [200]


async def test_the_oldest_rule_that_is_due_wins_and_clearing_ends_all() -> None:
    """Both count the request, but only the one that fires uses up its `times`."""
    async with Sandbox() as sandbox:
        sandbox.add_fault("500-before", times=1)
        sandbox.add_fault("429", times=2)
        sandbox.add_fault("500-after")
        assert await statuses(sandbox, 4) == [500, 429, 429, 500]
        sandbox.clear_faults()
        assert await statuses(sandbox, 1) == [200]


async def test_the_limit_comes_before_the_faults() -> None:
    """A refused request uses up no fault, and an injected fault counts against the limit."""
    async with Sandbox(limit=1, limiter="sliding") as sandbox:
        sandbox.add_fault("500-before", nth=2)
        assert await statuses(sandbox, 2) == [200, 429]
        assert (await call(sandbox, "GET", "/campaigns", key="sk_test_wrong")).status == 401
    async with Sandbox(limit=1) as sandbox:
        sandbox.add_fault("500-before", times=1)
        assert await statuses(sandbox, 2) == [500, 429]


@pytest.mark.parametrize("kind", sorted(KINDS))
async def test_a_request_may_ask_for_its_own_fault(kind: str) -> None:
    """The header X-Sandbox-Fault is about its request alone."""
    async with Sandbox() as sandbox:
        text = "delay:delay=0.001" if kind == "delay" else kind
        dropped = await is_dropped(sandbox, "POST", "/clients", fault=text, **JOHN)
        assert dropped is ("drop" in kind)
        assert sandbox.requests[0].status == {"429": 429, "delay": 201}.get(kind, None if dropped else 500)
        assert len(sandbox.clients()) == (kind in ("commit-then-drop", "500-after", "delay"))
        assert await statuses(sandbox, 1) == [200]


@pytest.mark.parametrize("text", ["", "sneeze", "delay:delay=x", "delay:nth=2", "500-after:delay=-1", "429:x"])
async def test_a_header_that_asks_for_nonsense_is_a_400(text: str) -> None:
    """The error body says what is wrong, and nothing is done."""
    async with Sandbox() as sandbox:
        answer = await add(sandbox, fault=text)
        assert is_problem(answer, 400)
        assert "X-Sandbox-Fault" in answer.body["details"]
        assert sandbox.clients() == []


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"kind": "sneeze"}, "drop-before"),
        ({"kind": "429", "nth": 0}, "nth"),
        ({"kind": "429", "times": 0}, "times"),
        ({"kind": "429", "probability": 1.5}, "probability"),
        ({"kind": "429", "path": "clients"}, "slash"),
        ({"kind": "delay", "delay_s": -1.0}, "delay"),
        ({"kind": "delay", "delay_s": float("inf")}, "delay"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_refused(options: Any, match: str) -> None:
    """ValueError names the option; the rule is not kept."""
    with pytest.raises(ValueError, match=match):
        Sandbox().add_fault(**options)


def test_faults_are_read_from_text() -> None:
    """The form of the command's --fault and of the header, with all options."""
    assert parse_fault("429") == ("429", {})
    assert parse_fault(
        " delay : method=POST, path=/clients,email=a@b.c,nth=3,times=1,probability=.1,seed=1,delay=2"
    ) == (
        "delay",
        {
            "method": "POST",
            "path": "/clients",
            "email": "a@b.c",
            "nth": 3,
            "times": 1,
            "probability": 0.1,
            "seed": 1,
            "delay_s": 2.0,
        },
    )
    for text in ("429:nth", "429:nth=", "429:nth=x", "429:moon=full", "429:nth=1,,"):
        with pytest.raises(ValueError, match="fault"):
            parse_fault(text)
