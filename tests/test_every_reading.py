"""The SDK's own client suite, as it stands, against the service in each reading of the API page.

Where a test is about the documented reading itself, it must fail in another one: `ABOUT` says which those are, and a
test that no longer fails there has to be taken off it. What holds in their place is in `test_readings`.
"""

from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from onboard360_async.sandbox import Sandbox
from onboard360_async.sandbox.switches import Switches
from tests import test_api, test_listing, test_sync
from tests.test_readings import READINGS
from tests.test_sync import blocking

__all__ = ["blocking"]

SUITE = [
    (name, each)
    for module in (test_api, test_listing, test_sync)
    for name, each in vars(module).items()
    if name.startswith("test_")
]
globals().update(SUITE)
SERVICES = [name for name in READINGS if not name.startswith("limiter=")]  # whose limit is off, as in the suite

ABOUT: dict[str, Callable[[Switches], bool]] = {
    "test_iter_clients_streams_everybody": lambda reading: reading.order != "created",
    "test_iteration_blocking": lambda reading: reading.order != "created",
    "test_a_list_that_ends_on_a_round_count_is_flagged": lambda reading: reading.paging != "none",
    "test_request_is_budgeted_and_judged_like_the_rest": lambda reading: (  # the whole body, member by member
        reading.extra_fields or reading.paging in ("cursor", "page")
    ),
    "test_events_tell_the_whole_story": lambda reading: reading.extra_fields,  # of which there is an event
    "test_the_main_job": lambda reading: reading.link_in_listings,
    "test_ensure_client_adds_once": lambda reading: reading.link_in_listings,
    "test_a_429_on_an_add_pauses_and_is_sent_again": lambda reading: reading.created_status != 201,
}


# Where the header leads on, the next page may be under way before the first client has come: then it counts.
NOT_LED_ON = {"test_leaving_a_listing_early_closes_it"}


def marked(request: pytest.FixtureRequest, running: Sandbox) -> Sandbox:
    """The sandbox, for a test that must fail with it if it is about what is otherwise here."""
    if request.node.originalname in NOT_LED_ON and running.switches.paging == "link":
        pytest.skip("the next page may be under way by then")
    is_otherwise = ABOUT.get(request.node.originalname)
    if is_otherwise is not None and is_otherwise(running.switches):
        request.applymarker(pytest.mark.xfail(strict=True, reason="it is about the documented reading"))
    return running


@pytest.fixture(params=SERVICES)
async def sandbox(request: pytest.FixtureRequest) -> AsyncIterator[Sandbox]:
    """In place of the suite's own."""
    async with Sandbox(**READINGS[request.param]) as running:
        yield marked(request, running)


@pytest.fixture(params=SERVICES)
def service(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """The same for the tests of the blocking handle."""
    with Sandbox(**READINGS[request.param]) as running:
        yield marked(request, running)


def test_the_suite_is_whole_and_what_is_said_of_it_is_about_tests_that_are_there() -> None:
    """No test hides another of the same name, and none of those named has gone."""
    names = [name for name, _ in SUITE]
    assert len(set(names)) == len(names) > 50
    assert ABOUT.keys() | NOT_LED_ON <= set(names)
    assert {"documented", "hostile", "paging=cursor", "created_status=200"} <= set(SERVICES)
