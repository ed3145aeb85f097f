"""Arguments that cannot be meant: left out, misspelt, of another kind."""

from datetime import UTC, datetime

from onboard360_async import AsyncOnboard360, Budget, Campaign, Client, NewClient, Onboard360, Priority


async def clients(api: AsyncOnboard360, found: str | None) -> None:
    await api.add_client(email="john@example.com")  # error: call-arg reportCallIssue
    await api.add_client(campaign_id=None, email="john@example.com")  # error: arg-type reportArgumentType
    await api.add_client(campaign_id=found, email="john@example.com")  # error: arg-type reportArgumentType
    await api.add_client("1", "john@example.com")  # error: call-arg reportCallIssue
    await api.add_client(campaign_id="1", mail="john@example.com")  # error: call-arg reportCallIssue
    await api.find_client(campaign_id="1")  # error: call-arg reportCallIssue
    await api.find_client(campaign_id=found, email="john@example.com")  # error: arg-type reportArgumentType
    await api.ensure_client(campaign_id=found, email="john@example.com")  # error: arg-type reportArgumentType
    await api.list_clients(campaign_id=None)  # error: arg-type reportArgumentType
    await api.list_clients("1")  # error: call-arg reportCallIssue
    await api.list_campaigns(priority="bulk")  # error: arg-type reportArgumentType
    await api.list_campaigns(deadline="5")  # error: call-arg reportCallIssue
    await api.find_campaign(5)  # error: arg-type reportArgumentType
    api.iter_clients(campaign_id=None)  # error: arg-type reportArgumentType


def blocking(api: Onboard360, found: str | None) -> None:
    api.add_client(email="john@example.com")  # error: call-arg reportCallIssue
    api.add_client(campaign_id=found, email="john@example.com")  # error: arg-type reportArgumentType
    api.list_clients(campaign_id=None)  # error: arg-type reportArgumentType
    api.find_campaign("One", timeout_s=5)  # error: call-arg reportCallIssue
    api.with_options(timeout_s="5")  # error: arg-type reportArgumentType
    api.with_options(max_retries=5)  # error: call-arg reportCallIssue


def handles() -> None:
    AsyncOnboard360(5)  # error: arg-type reportArgumentType
    AsyncOnboard360("sk_test_1", "http://127.0.0.1:8360")  # error: call-arg reportCallIssue
    AsyncOnboard360(api_keys="sk_test_1")  # error: call-arg reportCallIssue
    AsyncOnboard360(budget=50)  # error: arg-type reportArgumentType
    AsyncOnboard360(on_event=print_two)  # error: arg-type reportArgumentType
    Onboard360(session=None)  # error: call-arg reportCallIssue
    Budget("50")  # error: arg-type reportArgumentType
    Budget(limits=50)  # error: call-arg reportCallIssue
    AsyncOnboard360().with_options(priority=Priority.URGENT)  # error: attr-defined reportAttributeAccessIssue


def print_two(one: str, two: str) -> None:
    print(one, two)


def values(client: Client) -> None:
    now = datetime.now(UTC)
    Campaign("1", "One", "2024-01-01T00:00:00Z", now)  # error: arg-type reportArgumentType
    Client("1", "1", "john@example.com", created_at="2024-01-01T00:00:00Z")  # error: arg-type reportArgumentType
    NewClient("1")  # error: call-arg reportCallIssue
    NewClient("1", "john@example.com", link="https://example.com")  # error: call-arg reportCallIssue
    print(client.link.upper())  # error: union-attr reportOptionalMemberAccess
    client.link = "https://example.com"  # error: misc reportAttributeAccessIssue
