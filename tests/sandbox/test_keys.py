"""Who is served: the configured keys, on this machine, and no key of the real service by accident."""

from typing import Any

import aiohttp
import pytest

from onboard360_async.sandbox import Sandbox
from tests.sandbox.calls import call, is_problem


async def test_any_configured_key_is_served_and_no_other() -> None:
    """Two keys work, a third is 401 with an error body, and nothing of a refused request is done."""
    async with Sandbox(api_keys=["sk_test_one", "sk_test_two"]) as sandbox:
        assert sandbox.api_key == "sk_test_one"
        for key, status in (("sk_test_one", 200), ("sk_test_two", 200)):
            assert (await call(sandbox, "GET", "/campaigns", key=key)).status == status
        body = {"campaign_id": "x", "email": "john@example.com"}
        assert is_problem(await call(sandbox, "POST", "/clients", key="sk_test_three", json=body), 401)
        assert [request.key for request in sandbox.requests] == [0, 1, None]
        assert "sk_test" not in repr(sandbox.requests)


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic KEY", "KEY", "Bearer KEYx", "Bearer KE"])
async def test_only_a_bearer_header_with_the_whole_key_counts(header: str | None) -> None:
    """A missing header, another scheme, or a part of the key is 401."""
    async with Sandbox() as sandbox, aiohttp.ClientSession() as session:
        headers = {} if header is None else {"Authorization": header.replace("KEY", sandbox.api_key)}
        async with session.get(f"{sandbox.url}/api/v1/campaigns", headers=headers) as answer:
            assert answer.status == 401
            assert set(await answer.json()) == {"error", "details"}


@pytest.mark.parametrize("header", ["bearer KEY", "BEARER  KEY "])
async def test_the_scheme_may_be_in_any_capitals(header: str) -> None:
    """As HTTP has it, and with white space round the key."""
    async with Sandbox() as sandbox, aiohttp.ClientSession() as session:
        headers = {"Authorization": header.replace("KEY", sandbox.api_key)}
        async with session.get(f"{sandbox.url}/api/v1/campaigns", headers=headers) as answer:
            assert answer.status == 200


async def test_the_generated_key_is_new_and_a_test_key() -> None:
    """Each sandbox has a key of its own that no one takes for a live one."""
    assert Sandbox().api_key.startswith("sk_test_")
    assert Sandbox().api_key != Sandbox().api_key


@pytest.mark.parametrize(
    ("keys", "match"),
    [
        (["sk_test_1", "sk_live_1"], "sk_live_"),
        ("sk_live_1", "sk_live_"),
        ([], "at least one"),
        ([""], "visible"),
        (["sk test"], "visible"),
        (["sk_tést"], "visible"),
    ],
)
def test_keys_that_cannot_or_should_not_be_are_refused(keys: Any, match: str) -> None:
    """A live key is an accident, and the message does not repeat it."""
    with pytest.raises(ValueError, match=match) as caught:
        Sandbox(api_keys=keys)
    assert "sk_live_1" not in str(caught.value)


async def test_a_live_key_is_served_when_that_is_meant() -> None:
    """allow_live_keys lifts the guard."""
    async with Sandbox(api_keys=["sk_live_1"], allow_live_keys=True) as sandbox:
        assert (await call(sandbox, "GET", "/campaigns")).status == 200


async def test_it_listens_on_this_machine_only() -> None:
    """One socket, bound to 127.0.0.1."""
    async with Sandbox() as sandbox:
        assert [f"http://{host}:{port}" for host, port in sandbox._up.runner.addresses] == [sandbox.url]
        assert sandbox.url.startswith("http://127.0.0.1:")
