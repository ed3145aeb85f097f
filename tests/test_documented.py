"""The API page's three calls and every status it documents, through aioresponses, byte for byte."""

import json
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest
from aioresponses import aioresponses
from yarl import URL

from onboard360_async import AsyncOnboard360, Budget, errors
from tests.page import ADD_ANSWER, ADD_BODY, CAMPAIGNS_ANSWER, CLIENTS_ANSWER, ERROR_ANSWER

BASE = "https://app.360onboard.com/api/v1"
CAMPAIGN = "550e8400-e29b-41d4-a716-446655440000"

NOT_AGAIN: dict[str, Any] = {"max_retries": 0}


def handle(budget: Budget, **options: Any) -> AsyncOnboard360:
    return AsyncOnboard360("sk_test_1", budget=budget, **options)


def sent(mocked: aioresponses, method: str, address: str) -> Any:
    """How the one request to this address was sent."""
    (request,) = mocked.requests[(method, URL(address))]
    return request.kwargs


async def test_list_campaigns_as_documented(mocked: aioresponses, budget: Budget) -> None:
    """GET /campaigns with the key in the Authorization header, and the page's own answer."""
    mocked.get(f"{BASE}/campaigns", body=CAMPAIGNS_ANSWER)
    async with handle(budget) as api:
        (campaign,) = await api.list_campaigns()
    assert (campaign.id, campaign.name) == (CAMPAIGN, "Client Onboarding Flow")
    assert campaign.updated_at == datetime(2024, 1, 15, 10, 30, tzinfo=UTC)
    request = sent(mocked, "GET", f"{BASE}/campaigns")
    assert request["headers"]["Authorization"] == "Bearer sk_test_1"
    assert request["allow_redirects"] is False


@pytest.mark.parametrize("campaign_id", [None, CAMPAIGN])
async def test_list_clients_as_documented(mocked: aioresponses, budget: Budget, campaign_id: str | None) -> None:
    """GET /clients, filtered by campaign or not; listings have no link."""
    address = f"{BASE}/clients" + (f"?campaign_id={campaign_id}" if campaign_id else "")
    mocked.get(address, body=CLIENTS_ANSWER)
    async with handle(budget) as api:
        (client,) = await (api.list_clients(campaign_id=campaign_id) if campaign_id else api.list_clients())
    assert (client.id, client.email, client.link) == (
        "770e8400-e29b-41d4-a716-446655440002",
        "john@example.com",
        None,
    )
    assert sent(mocked, "GET", address)["data"] is None


@pytest.mark.parametrize("status", [200, 201])
async def test_add_client_as_documented(mocked: aioresponses, budget: Budget, status: int) -> None:
    """POST /clients with the page's body; both success statuses of the page give the client and its link."""
    mocked.post(f"{BASE}/clients", status=status, body=ADD_ANSWER)
    async with handle(budget) as api:
        client = await api.add_client(
            campaign_id=CAMPAIGN,
            email="john@example.com",
            first_name="John",
            last_name="Doe",
            company_name="Acme Corp",
            phone="+1234567890",
        )
    assert client.link == "https://app.360onboard.com/c/abc123xyz789"
    request = sent(mocked, "POST", f"{BASE}/clients")
    assert request["headers"]["Content-Type"] == "application/json"
    assert json.loads(request["data"]) == json.loads(ADD_BODY)


@pytest.mark.parametrize(
    ("status", "kind", "also"),
    [
        (400, errors.BadRequestError, errors.ApiError),
        (401, errors.AuthenticationError, errors.ApiError),
        (404, errors.NotFoundError, errors.ApiError),
        (429, errors.RateLimitError, errors.ApiError),
        (500, errors.ServerError, errors.OutcomeUnknownError),
    ],
)
async def test_every_documented_error_of_an_add(
    mocked: aioresponses, budget: Budget, status: int, kind: type[errors.ApiError], also: type[Exception]
) -> None:
    """Each status has its error, with the page's `error` and `details`; a 500 says that the fate is unknown."""
    mocked.post(f"{BASE}/clients", status=status, body=ERROR_ANSWER)
    async with handle(budget, **NOT_AGAIN) as api:
        with pytest.raises(kind) as caught:
            await api.add_client(campaign_id=CAMPAIGN, email="john@example.com")
    error = caught.value
    assert isinstance(error, also)
    assert (error.status, error.error, error.details) == (status, "Error message", "Additional details")
    assert (error.method, error.path, error.attempts) == ("POST", "/clients", 1)
    assert "Additional details" not in f"{error} {error!r}"
    assert "john" not in f"{error} {error!r}"


@pytest.mark.parametrize("path", ["campaigns", "clients"])
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, errors.BadRequestError),
        (401, errors.AuthenticationError),
        (404, errors.NotFoundError),
        (429, errors.RateLimitError),
        (500, errors.ServerError),
    ],
)
async def test_every_documented_error_of_a_listing(
    mocked: aioresponses, budget: Budget, path: str, status: int, kind: type[errors.ApiError]
) -> None:
    """A listing's 500 is a ServerError alone: nothing is in doubt."""
    mocked.get(f"{BASE}/{path}", status=status, body=ERROR_ANSWER)
    async with handle(budget, **NOT_AGAIN) as api:
        with pytest.raises(kind) as caught:
            await (api.list_campaigns() if path == "campaigns" else api.list_clients())
    assert not isinstance(caught.value, errors.OutcomeUnknownError)
    assert caught.value.path == f"/{path}"


async def test_an_undocumented_status_is_an_api_error(mocked: aioresponses, budget: Budget) -> None:
    """Any other status is an ApiError that carries it."""
    mocked.get(f"{BASE}/campaigns", status=418, body="short and stout")
    async with handle(budget) as api:
        with pytest.raises(errors.ApiError) as caught:
            await api.list_campaigns()
    assert (type(caught.value), caught.value.status, caught.value.body_snippet) == (
        errors.ApiError,
        418,
        "short and stout",
    )


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_an_error_that_names_the_likely_base_url(
    mocked: aioresponses, budget: Budget, status: int
) -> None:
    """Neither the key nor the client follows a redirect."""
    mocked.post(f"{BASE}/clients", status=status, headers={"Location": "https://eu.360onboard.com/api/v1/clients?x=1"})
    async with handle(budget) as api:
        with pytest.raises(errors.ApiError, match=r"https://eu\.360onboard\.com/api/v1\b") as caught:
            await api.add_client(campaign_id=CAMPAIGN, email="john@example.com")
    assert caught.value.status == status
    assert "x=1" not in str(caught.value)


async def test_a_web_page_is_told_as_such(mocked: aioresponses, budget: Budget) -> None:
    """A login page with status 200: a DecodeError for a listing, an unknown outcome for an add."""
    mocked.get(f"{BASE}/campaigns", body="<html>Log in</html>", content_type="text/html")
    mocked.get(f"{BASE}/clients", body="<html>Log in</html>", content_type="text/html")
    mocked.post(f"{BASE}/clients", body="<html>Log in</html>", content_type="text/html")
    async with handle(budget) as api:
        with pytest.raises(errors.DecodeError, match="web page"):
            await api.list_campaigns()
        with pytest.raises(errors.DecodeError, match="web page"):
            await api.list_clients()
        with pytest.raises(errors.OutcomeUnknownError, match="find_client") as caught:
            await api.add_client(campaign_id=CAMPAIGN, email="john@example.com")
    assert caught.value.created


async def test_a_users_own_mocks_catch_our_calls(mocked: aioresponses, budget: Budget) -> None:
    """Who tests a program with aioresponses needs nothing of ours, with a session of their own or without."""
    mocked.get(f"{BASE}/campaigns", payload={"campaigns": []}, repeat=True)
    async with handle(budget) as api:
        assert await api.list_campaigns() == []
    async with aiohttp.ClientSession() as session, handle(budget, session=session) as api:
        assert await api.list_campaigns() == []
    assert len(mocked.requests[("GET", URL(f"{BASE}/campaigns"))]) == 2
