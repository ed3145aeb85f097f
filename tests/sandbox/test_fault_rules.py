"""The rules of faults: which requests one hits, what cannot be meant by it, and how it is said in text."""

import asyncio
from typing import Any

import pytest

from onboard360_async.sandbox import Sandbox
from onboard360_async.sandbox.faults import parse_fault
from tests.sandbox.calls import add, call


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
        ({"kind": "cut-listing", "keep": -1}, "keep"),
        ({"kind": "status", "status": 199}, "status"),
        ({"kind": "status", "status": 600}, "status"),
        ({"kind": "status", "body": "\ud800"}, "surrogates"),
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
        " delay : method=POST, path=/clients,email=a@b.c,nth=3,times=1,probability=.1,seed=1,delay=2,keep=5"
        ",status=418,body=tea"
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
            "keep": 5,
            "status": 418,
            "body": "tea",
        },
    )
    for text in ("429:nth", "429:nth=", "429:nth=x", "429:moon=full", "429:nth=1,,"):
        with pytest.raises(ValueError, match="fault"):
            parse_fault(text)


def test_a_rule_tells_what_it_was_told() -> None:
    """And how often it has struck; nothing that nobody said."""
    with Sandbox(limiter="off") as sandbox:
        sandbox.add_fault("delay", method="get", nth=2, delay_s=0.0)
        for _ in range(3):
            asyncio.run(call(sandbox, "GET", "/clients"))
        (rule,) = sandbox.faults
        assert rule.as_json().items() >= {"kind": "delay", "method": "GET", "nth": 2, "times": 1, "fired": 1}.items()
        assert "email" not in rule.as_json()
        assert rule.fired == 1
