"""The asynchronous handle, as one writes with it: what each call gives."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from datetime import datetime
from typing import assert_type

import aiohttp

from onboard360_async import AsyncOnboard360, Budget, Campaign, Client, NewClient, Priority
from onboard360_async.listing import ClientListing


async def campaigns() -> None:
    async with AsyncOnboard360() as api:
        assert_type(api, AsyncOnboard360)
        found = await api.list_campaigns()
        assert_type(found, list[Campaign])
        campaign = await api.find_campaign("Client Onboarding Flow", max_wait_s=0)
        assert_type(campaign, Campaign)
        assert_type(campaign.id, str)
        assert_type(campaign.updated_at, datetime)
        assert_type(campaign.extra, Mapping[str, object])


async def clients(api: AsyncOnboard360, campaign: Campaign) -> list[str]:
    assert_type(await api.list_clients(), list[Client])
    assert_type(await api.list_clients(campaign_id=campaign.id, priority=Priority.BULK), list[Client])
    known = await api.find_client(campaign_id=campaign.id, email="john@example.com")
    assert_type(known, Client | None)
    added = await api.add_client(campaign_id=campaign.id, email="john@example.com", first_name="John", deadline_s=5)
    assert_type(added, Client)
    assert_type(added.link, str | None)
    assert_type(added.created_at, datetime)
    assert_type(await api.ensure_client(campaign_id=campaign.id, email="john@example.com"), Client)
    return [client.email for client in await api.list_clients() if client.company_name is not None]


async def listings(api: AsyncOnboard360) -> None:
    listing = api.iter_clients(campaign_id="550e8400-e29b-41d4-a716-446655440000")
    assert_type(listing, ClientListing)
    assert_type(aiter(listing), AsyncIterator[Client])
    async for client in listing:
        assert_type(client, Client)
    assert_type(listing.batches(), AsyncGenerator[list[Client], None])
    async for batch in api.iter_clients().batches():
        assert_type(batch, list[Client])
    assert_type([client.id async for client in api.iter_clients()], list[str])


async def anything(api: AsyncOnboard360) -> None:
    answer = await api.request("GET", "/clients", params={"limit": "1"})
    assert_type(answer, object)
    if isinstance(answer, dict):
        print(len(answer))  # pyright: ignore[reportUnknownArgumentType]  # of what the API says nobody knows more


async def fresh_key() -> str:
    return "sk_test_1"


class Ours(AsyncOnboard360):
    """A handle with calls of one's own; the copies are of its kind."""

    async def everybody(self) -> int:
        return len(await self.list_clients())


async def handles(session: aiohttp.ClientSession) -> None:
    AsyncOnboard360("sk_test_1", base_url="http://127.0.0.1:8360", budget=Budget(50), timeout_s=5, session=session)
    AsyncOnboard360(fresh_key, budget="file", deadline_s=None, max_retries=0, page_size=100)
    AsyncOnboard360(lambda: "sk_test_1", budget="redis://127.0.0.1", allow_insecure=True)
    api = Ours()
    nightly = api.with_options(priority=Priority.BULK, timeout_s=60, deadline_s=None, max_wait_s=None)
    assert_type(nightly, Ours)
    assert_type(await nightly.everybody(), int)
    assert_type(api.with_options(api_key=fresh_key).budget, Budget)
    await api.close()


def plain_values() -> NewClient:
    new = NewClient("550e8400-e29b-41d4-a716-446655440000", "john@example.com", last_name="Doe")
    assert_type(new.first_name, str | None)
    match new:
        case NewClient(email=email):
            assert_type(email, str)
    return new
