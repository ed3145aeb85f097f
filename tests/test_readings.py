"""The SDK against every reading of the API page that the sandbox can play: what a user is promised holds in each.

The presets, each switch by itself in each of its other positions, and each way to cut the minute.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest

from onboard360_async import AsyncOnboard360, Budget, Client, Onboard360, errors
from onboard360_async.sandbox import LIMITERS, PRESETS, SWITCHES, Sandbox

CAMPAIGN = "550e8400-e29b-41d4-a716-446655440000"
READINGS: dict[str, dict[str, Any]] = {
    **{preset: {"preset": preset, "limiter": "off"} for preset in PRESETS},
    **{
        f"{name}={choice}": {name: choice, "page_size": 2, "limiter": "off"}
        for name, switch in SWITCHES.items()
        for choice in switch.choices[1:]
    },
    **{f"limiter={name}": {"limiter": name} for name in LIMITERS},
}


@pytest.fixture(params=READINGS)
async def service(request: pytest.FixtureRequest) -> AsyncIterator[Sandbox]:
    """The service in one of the readings."""
    async with Sandbox(**READINGS[request.param]) as running:
        yield running


@pytest.fixture
async def api(
    service: Sandbox, budget: Budget, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[AsyncOnboard360]:  # fmt: skip
    """A handle on it that does not wait between attempts."""
    monkeypatch.setattr("onboard360_async.transport.call.random.uniform", lambda *_: 0.0)
    async with AsyncOnboard360(service.api_key, base_url=service.url, budget=budget) as handle:
        yield handle


def fill(service: Sandbox, number: int) -> list[str]:
    """So many clients; their ids in the order of a listing."""
    ids = [service.add_client(CAMPAIGN, f"p{place}@example.com") for place in range(number)]
    return {"created": ids, "newest": ids[::-1], "by-id": sorted(ids)}[service.switches.order]


async def test_the_main_job_in_each_reading(api: AsyncOnboard360, service: Sandbox) -> None:
    """Find the campaign, add a client, get the link, and find the client again: the same one, and one only."""
    campaign = await api.find_campaign("client onboarding flow")
    client = await api.add_client(campaign_id=campaign.id, email="john@example.com", first_name="John")
    (stored,) = service.clients()
    assert (client.id, client.link) == (stored["id"], stored["link"])
    assert (client.first_name, client.last_name or None, client.created_at is None) == ("John", None, False)
    found = await api.find_client(campaign_id=CAMPAIGN, email="JOHN@example.com")
    assert found is not None
    assert (found.id, found.link) == (client.id, client.link if service.switches.link_in_listings else None)


async def test_a_listing_is_whole_or_an_error(api: AsyncOnboard360, service: Sandbox) -> None:
    """Nobody is left out without a word, whatever stands beside the list and however it goes on."""
    ids = fill(service, 5)
    assert [client.id for client in await api.list_clients()] == ids
    assert [client.id async for client in api.iter_clients(campaign_id=CAMPAIGN)] == ids
    assert await api.list_clients(campaign_id="nowhere") == []


async def test_what_the_page_does_not_name_is_kept(api: AsyncOnboard360, service: Sandbox) -> None:
    """In `extra`, of a client that was added, of one in a listing, and of a campaign; and nowhere without reason."""
    added = await api.add_client(campaign_id=CAMPAIGN, email="john@example.com")
    (listed,) = await api.list_clients()
    (campaign,) = await api.list_campaigns()
    for each in (added, listed, campaign):
        assert bool(each.extra) == service.switches.extra_fields


async def test_whoever_is_there_is_not_added_again(api: AsyncOnboard360, service: Sandbox) -> None:
    """By `ensure_client`, twice: one client, found the second time."""
    first = await api.ensure_client(campaign_id=CAMPAIGN, email="john@example.com")
    second = await api.ensure_client(campaign_id=CAMPAIGN, email="John@example.com")
    assert (first.id, len(service.clients())) == (second.id, 1)


async def test_the_same_email_again_is_what_the_service_makes_of_it(api: AsyncOnboard360, service: Sandbox) -> None:
    """One more, the one that is there, or a 4xx that says so; never an unknown outcome."""
    first = await api.add_client(campaign_id=CAMPAIGN, email="john@example.com")
    kind = service.switches.duplicate_email
    if kind in ("400", "409"):
        with pytest.raises(errors.ApiError) as caught:
            await api.add_client(campaign_id=CAMPAIGN, email="john@example.com")
        assert caught.value.status == int(kind)
    else:
        second = await api.add_client(campaign_id=CAMPAIGN, email="john@example.com")
        assert (second.id == first.id) == (kind == "existing")
    assert len(service.clients()) == (2 if kind == "allowed" else 1)


async def test_errors_are_told_by_their_status(api: AsyncOnboard360, service: Sandbox) -> None:
    """Whatever the body is: an unknown campaign, a body that is none, a key that is none; and nobody was created."""
    with pytest.raises(errors.ApiError) as caught:
        await api.add_client(campaign_id="nowhere", email="john@example.com")
    assert caught.value.status == int(service.switches.unknown_campaign)
    with pytest.raises(errors.BadRequestError):
        await api.request("POST", "/clients", json={"campaign_id": CAMPAIGN})
    with pytest.raises(errors.AuthenticationError):
        await api.with_options(api_key="sk_test_wrong").list_campaigns()
    assert service.clients() == []


@pytest.mark.parametrize("kind", ["commit-then-drop", "500-after", "truncated-201", "garbage", "wrong-type"])
async def test_an_answer_that_was_lost_is_never_guessed(api: AsyncOnboard360, service: Sandbox, kind: str) -> None:
    """Its outcome is unknown, or it is the client; the POST was sent once."""
    service.add_fault(kind, method="POST", times=1)
    client: Client | None = None
    with suppress(errors.OutcomeUnknownError):
        client = await api.add_client(campaign_id=CAMPAIGN, email="john@example.com")
    (stored,) = service.clients()
    assert client is None or client.id == stored["id"]
    assert [request.method for request in service.requests].count("POST") == 1


async def test_a_429_is_waited_for(api: AsyncOnboard360, service: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """However the service says for how long; then the client is there, once."""

    async def sleep(_: float) -> None:
        """Nobody waits in a test."""

    monkeypatch.setattr("onboard360_async.transport.call.asyncio.sleep", sleep)
    service.add_fault("429", times=1)
    client = await api.add_client(campaign_id=CAMPAIGN, email="john@example.com")
    assert [client.id] == [stored["id"] for stored in service.clients()]


async def test_an_import_adds_everybody_once(api: AsyncOnboard360, service: Sandbox) -> None:
    """With lost answers, errors and a 429 on the way: each is created or reported, nobody twice."""
    for place, kind in enumerate(("commit-then-drop", "500-before", "500-after", "429", "drop-before")):
        service.add_fault(kind, method="POST", email=f"p{place}@example.com", times=1)
    people = [{"email": f"p{place}@example.com", "first_name": "P"} for place in range(8)]
    async with api.open_import(people, campaign=CAMPAIGN, settle_s=0.0) as job:
        outcomes = [outcome async for outcome in job.run()]
        summary = job.summary
    emails = [client["email"] for client in service.clients()]
    assert len(set(emails)) == len(emails)
    assert (summary.created + summary.adopted, len(outcomes), len(emails)) == (8, 8, 8)


@pytest.mark.parametrize("reading", [{"preset": "hostile"}, *({"paging": each} for each in ("link", "cursor", "page"))])
def test_the_blocking_handle_does_the_same(reading: dict[str, Any]) -> None:
    """In the hostile reading, and in each kind of pages: add, find, and everybody, once, page after page."""
    with (
        Sandbox(**reading, page_size=2, limiter="off") as service,
        Onboard360(service.api_key, base_url=service.url, budget=Budget(limit=10_000, burst=1_000)) as api,
    ):
        client = api.add_client(campaign_id=CAMPAIGN, email="john@example.com")
        found = api.find_client(campaign_id=CAMPAIGN, email="john@example.com")
        assert found is not None
        assert found.id == client.id
        ids = {client.id, *fill(service, 6)}
        listed = [each.id for each in api.iter_clients(campaign_id=CAMPAIGN)]
        assert (set(listed), len(listed)) == (ids, 7)
        assert [each.id for each in api.list_clients()] == listed
        assert sum(request.method == "GET" for request in service.requests) >= 2 * 4


@pytest.mark.parametrize("name", LIMITERS)
async def test_nobody_is_refused_however_the_minute_is_cut(name: str) -> None:
    """Three windows' worth of requests at once, in a minute of a quarter of a second: all served, at their pace."""
    async with Sandbox(limiter=name, limit=20, window_s=0.25) as service:
        budget = Budget(limit=20, window_s=0.25)
        async with AsyncOnboard360(service.api_key, base_url=service.url, budget=budget) as api:
            await asyncio.gather(*(api.list_campaigns() for _ in range(60)))
        assert (len(service.requests), service.refused) == (60, 0)
