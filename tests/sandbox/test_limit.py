"""The minute at its default, on a clock that tests turn by hand. Other ways to cut it: test_limiter_modes.py."""

from typing import Any

import pytest

from onboard360_async.sandbox import Sandbox, recorder
from tests.sandbox.calls import Clock, call, is_problem


async def ask(sandbox: Sandbox, key: str | None = None) -> int:
    return (await call(sandbox, "GET", "/campaigns", key=key)).status


async def test_the_hundred_and_first_request_of_a_minute_is_refused() -> None:
    """100 are served in any 60 seconds; each gives its place back 60 seconds after it came, and not before."""
    clock = Clock()
    async with Sandbox(clock=clock) as sandbox:
        assert [await ask(sandbox) for _ in range(50)] == [200] * 50
        clock.at += 30
        assert [await ask(sandbox) for _ in range(51)] == [200] * 50 + [429]
        clock.at += 29.999
        assert await ask(sandbox) == 429
        clock.at += 0.001
        assert [await ask(sandbox) for _ in range(51)] == [200] * 50 + [429]
        assert sandbox.refused == 3
        assert [sandbox.requests[number].at for number in (0, 50, 101, 102)] == [1000.0, 1030.0, 1059.999, 1060.0]


async def test_a_429_has_the_error_body_and_no_header() -> None:
    """Nothing was done; Retry-After is not promised, so it is not sent."""
    async with Sandbox(limit=1) as sandbox:
        await ask(sandbox)
        answer = await call(sandbox, "POST", "/clients", json={})
        assert is_problem(answer, 429)
        assert "Retry-After" not in answer.headers


async def test_retry_after_tells_the_seconds() -> None:
    """By switch: whole seconds, rounded up, after which the key is served again."""
    clock = Clock()
    async with Sandbox(limit=1, clock=clock, retry_after=True) as sandbox:
        await ask(sandbox)
        clock.at += 12.5
        answer = await call(sandbox, "GET", "/campaigns")
        assert (answer.status, answer.headers["Retry-After"]) == (429, "48")
        clock.at += 48
        assert await ask(sandbox) == 200


async def test_each_key_has_its_own_minute() -> None:
    """One key's requests do not eat another's."""
    async with Sandbox(limit=1, api_keys=["sk_test_1", "sk_test_2"]) as sandbox:
        keys = ["sk_test_1", "sk_test_1", "sk_test_2", "sk_test_2"]
        assert [await ask(sandbox, key) for key in keys] == [200, 429, 200, 429]


@pytest.mark.parametrize(("count_refused", "status"), [(False, 200), (True, 429)])
async def test_refused_requests_are_counted_or_not(count_refused: bool, status: int) -> None:
    """Counted, a refused request holds its place for a minute like any other."""
    clock = Clock()
    async with Sandbox(limit=1, clock=clock, count_refused=count_refused) as sandbox:
        await ask(sandbox)
        clock.at += 30
        assert await ask(sandbox) == 429
        clock.at += 30
        assert await ask(sandbox) == status


async def test_wrong_keys_are_not_counted_and_wrong_paths_are() -> None:
    """The key is looked at first, then the limit, then the rest."""
    async with Sandbox(limit=1) as sandbox:
        assert [await ask(sandbox, "sk_test_wrong") for _ in range(3)] == [401] * 3
        assert (await call(sandbox, "GET", "/nothing")).status == 404
        assert (await call(sandbox, "GET", "/nothing")).status == 429
        assert await ask(sandbox, "sk_test_wrong") == 401


async def test_off_refuses_nobody() -> None:
    """The limiter "off" serves more than the limit, and has refused nobody."""
    async with Sandbox(limit=1, limiter="off") as sandbox:
        assert [await ask(sandbox) for _ in range(5)] == [200] * 5
        assert sandbox.refused == 0


async def test_the_recorder_tells_all_in_order() -> None:
    """Time, method, path, query, key and status of each request, refused ones included."""
    clock = Clock()
    async with Sandbox(limit=1, clock=clock) as sandbox:
        await call(sandbox, "GET", "/clients?campaign_id=x&limit=5")
        clock.at += 1
        await call(sandbox, "POST", "/clients", json={})
    first, second = sandbox.requests
    assert (first.at, first.method, first.path, first.key) == (1000.0, "GET", "/api/v1/clients", 0)
    assert (first.query, first.status) == ("campaign_id=x&limit=5", 200)
    assert (second.at, second.method, second.query, second.status) == (1001.0, "POST", "", 429)


async def test_the_recorder_forgets_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a sandbox may run for weeks."""
    assert recorder._KEPT == 100_000
    monkeypatch.setattr(recorder, "_KEPT", 2)
    async with Sandbox(limiter="off") as sandbox:
        for path in ("/campaigns", "/clients?limit=1", "/clients?limit=2"):
            await call(sandbox, "GET", path)
    assert [request.query for request in sandbox.requests] == ["limit=1", "limit=2"]


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": 1.5}, "limit"),
        ({"limit": 10**10}, "limit"),
        ({"window_s": 0}, "window_s"),
        ({"window_s": 1e-10}, "window_s"),
        ({"window_s": float("nan")}, "window_s"),
        ({"window_s": float("inf")}, "window_s"),
        ({"window_s": "60"}, "window_s"),
    ],
)
def test_a_limit_that_cannot_be_is_refused(options: dict[str, Any], match: str) -> None:
    """ValueError names the option when the sandbox is made, without a limiter as well: its page draws the window."""
    for limiter in ("sliding", "off"):
        with pytest.raises(ValueError, match=match):
            Sandbox(limiter=limiter, **options)


def test_an_unknown_limiter_is_refused() -> None:
    """The message names those there are."""
    with pytest.raises(ValueError, match="sliding, fixed, fixed-from-first, counter, bucket, gcra, off"):
        Sandbox(limiter="tumbling")
