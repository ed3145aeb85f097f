"""The server's clock, by the dates of its answers: how far it is ahead of ours, if it says so at all."""

from typing import Any

import pytest

from onboard360_async import AsyncOnboard360
from onboard360_async.sandbox import Sandbox
from onboard360_async.transport.server_clock import ServerClock

NEW_YEAR_S = 1767225600  # Thu, 01 Jan 2026 00:00:00 GMT


@pytest.mark.parametrize("ahead_s", [-7200, 0, 90])
def test_the_last_date_counts(ahead_s: int) -> None:
    """Whatever the answers before it said; a date is whole seconds, so half a second is added."""
    clock = ServerClock(lambda: NEW_YEAR_S - ahead_s + 0.5)
    clock.heard({"Date": "Mon, 01 Jan 1990 00:00:00 GMT"})
    clock.heard({"Date": "Thu, 01 Jan 2026 00:00:00 GMT"})
    assert clock.skew_s() == ahead_s


@pytest.mark.parametrize("headers", [{}, {"Date": "yesterday"}, {"Date": ""}])
def test_without_a_date_nothing_is_known(headers: dict[str, Any]) -> None:
    """No header, or one that is no date: then nobody's creation date is held against ours."""
    clock = ServerClock()
    clock.heard(headers)
    assert clock.skew_s() is None


async def test_an_answer_without_a_date_leaves_what_was_known() -> None:
    """A proxy may leave it out now and then."""
    clock = ServerClock(lambda: NEW_YEAR_S)
    clock.heard({"Date": "Thu, 01 Jan 2026 00:00:00 GMT"})
    clock.heard({})
    assert clock.skew_s() == 0.5


async def test_every_handle_of_one_service_hears_it() -> None:
    """A copy for another key asks the same server, whose clock is about ours here."""
    async with Sandbox() as sandbox, AsyncOnboard360(sandbox.api_key, base_url=sandbox.url) as api:
        copy = api.with_options(api_key=lambda: sandbox.api_key)
        assert vars(copy)["_transport"].clock.skew_s() is None
        await api.list_campaigns()
        assert abs(vars(copy)["_transport"].clock.skew_s()) < 5
