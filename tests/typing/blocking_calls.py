"""The blocking handle: the same calls, and what they give without `await`."""

from collections.abc import Iterator
from typing import assert_type

from onboard360_async import Budget, Campaign, Client, Onboard360, Priority
from onboard360_async.blocking import BlockingListing


def campaigns() -> None:
    with Onboard360("sk_test_1", budget="file", timeout_s=5) as api:
        assert_type(api, Onboard360)
        assert_type(api.list_campaigns(), list[Campaign])
        assert_type(api.find_campaign("Client Onboarding Flow", deadline_s=1.5), Campaign)


def clients(api: Onboard360, campaign_id: str) -> None:
    assert_type(api.list_clients(campaign_id=campaign_id, priority=Priority.BULK), list[Client])
    assert_type(api.find_client(campaign_id=campaign_id, email="john@example.com"), Client | None)
    added = api.add_client(campaign_id=campaign_id, email="john@example.com", phone="+1234567890")
    assert_type(added, Client)
    assert_type(added.link, str | None)
    assert_type(api.ensure_client(campaign_id=campaign_id, email="john@example.com", max_wait_s=0), Client)
    assert_type(api.request("GET", "/clients"), object)


def listings(api: Onboard360) -> None:
    listing = api.iter_clients()
    assert_type(listing, BlockingListing)
    assert_type(iter(listing), Iterator[Client])
    for client in listing:
        assert_type(client, Client)
    for batch in api.iter_clients(campaign_id="550e8400-e29b-41d4-a716-446655440000").batches():
        assert_type(batch, list[Client])
    assert_type(sorted(client.email for client in api.iter_clients()), list[str])


def handles(api: Onboard360) -> None:
    patient = api.with_options(priority=Priority.BULK, max_wait_s=600.0, deadline_s=None, api_key="sk_test_2")
    assert_type(patient, Onboard360)
    assert_type(patient.budget, Budget)
    patient.close()
