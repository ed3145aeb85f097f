"""Listings: one answer is the whole list only if nothing in it says otherwise, and a cut one never is."""

import json
from typing import Any

import pytest
from aioresponses import aioresponses

from onboard360_async import AsyncOnboard360, Budget, errors
from onboard360_async.models import Client
from onboard360_async.sandbox import Sandbox
from onboard360_async.transport.options import Event

URL = "https://app.360onboard.com/api/v1/clients"
CAMPAIGN = "550e8400-e29b-41d4-a716-446655440000"
CLIENT = {"id": "1", "campaign_id": "2", "email": "a@b.c", "created_at": "2024-01-15T09:00:00Z"}


async def collect(api: AsyncOnboard360, into: list[Client]) -> None:
    async for batch in api.iter_clients().batches():
        into += batch


@pytest.mark.parametrize(
    ("beside", "headers", "asked"),
    [
        ({"next": "https://app.360onboard.com/api/v1/clients?page=2"}, {}, "page=2"),
        ({"next_url": "/api/v1/clients?page=2"}, {}, "page=2"),
        ({"next_cursor": "abc"}, {}, "cursor=abc"),
        ({"next_cursor": "abc", "has_more": True}, {}, "cursor=abc"),
        ({"page": 1, "total_pages": 2}, {}, "page=2"),
        ({"pagination": {"next_cursor": "abc"}}, {}, "cursor=abc"),
        ({"meta": {"page": 1, "total_pages": 3}}, {}, "page=2"),
        ({}, {"Link": '<https://app.360onboard.com/api/v1/clients?page=2>; rel="next"'}, "page=2"),
        ({}, {"Link": "<?page=0>; rel=prev, <?page=2>; rel=NEXT"}, "page=2"),
    ],
)
async def test_one_page_is_never_taken_for_everybody(
    mocked: aioresponses, budget: Budget, beside: dict[str, Any], headers: dict[str, str], asked: str
) -> None:
    """Whatever way an answer shows that it goes on: the clients of the next page come, too."""
    mocked.get(URL, payload={"clients": [CLIENT, CLIENT | {"id": "2"}], **beside}, headers=headers)
    mocked.get(f"{URL}?{asked}", payload={"clients": [CLIENT | {"id": "3"}], "has_more": False})
    async with AsyncOnboard360("sk_test_1", budget=budget) as api:
        assert [client.id for client in await api.list_clients()] == ["1", "2", "3"]


REFUSED: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "more, and no way": ({"has_more": True}, {}),
    "a token": ({"next": "abc"}, {}),
    "another origin": ({}, {"Link": '<https://evil.example/api/v1/clients?page=2>; rel="next"'}),
    "another origin in the body": ({"next": "http://app.360onboard.com/api/v1/clients?page=2"}, {}),
    "outside": ({"next": "/admin?page=2"}, {}),
    "another campaign": ({"next": "?campaign_id=c2"}, {}),
    "itself": ({}, {"Link": '</api/v1/clients>; rel="next"'}),
}


@pytest.mark.parametrize("where", REFUSED)
async def test_what_must_not_be_followed_ends_the_listing_with_an_error(
    mocked: aioresponses, budget: Budget, where: str
) -> None:
    """The clients of the page come, then PaginationError, which counts them; nothing else was asked for."""
    beside, headers = REFUSED[where]
    mocked.get(URL, payload={"clients": [CLIENT, CLIENT], **beside}, headers=headers)
    seen: list[Client] = []
    async with AsyncOnboard360("sk_test_1", budget=budget) as api:
        with pytest.raises(errors.PaginationError) as caught:
            await collect(api, seen)
    assert caught.value.items == len(seen) == 2
    assert sum(len(calls) for calls in mocked.requests.values()) == 1


@pytest.mark.parametrize(
    "beside",
    [
        {"next": None, "next_url": "", "next_cursor": None, "has_more": False},
        {"page": 2, "total_pages": 2},
        {"total": 2, "pagination": {"next": None}},
    ],
)
async def test_an_end_is_an_end(mocked: aioresponses, budget: Budget, beside: dict[str, Any]) -> None:
    """Members that say "no more" end the list."""
    mocked.get(URL, payload={"clients": [CLIENT], **beside})
    async with AsyncOnboard360("sk_test_1", budget=budget) as api:
        assert len(await api.list_clients()) == 1


async def test_a_list_that_ends_on_a_round_count_is_flagged(
    api: AsyncOnboard360, sandbox: Sandbox, budget: Budget, caplog: pytest.LogCaptureFixture
) -> None:
    """A hundred exactly may be a silent cap: an event and a log line say so; 101 are no reason for it."""
    events: list[Event] = []
    async with AsyncOnboard360(sandbox.api_key, base_url=sandbox.url, budget=budget, on_event=events.append) as api:
        for number in range(100):
            sandbox.add_client(CAMPAIGN, f"p{number}@example.com")
        assert len(await api.list_clients()) == 100
        assert [event.name for event in events].count("listing_may_be_capped") == 1
        assert "exactly 100 clients" in caplog.text
        sandbox.add_client(CAMPAIGN, "one.more@example.com")
        assert len(await api.list_clients()) == 101
        assert [event.name for event in events].count("listing_may_be_capped") == 1


@pytest.mark.parametrize(
    ("beside", "page_size", "is_told"),
    [
        ({}, None, True),
        ({"total": 100, "meta": {"request_id": "1"}}, None, True),
        ({"next": None}, None, False),
        ({"pagination": {"has_more": False}}, None, False),
        ({"page": 1, "total_pages": 1}, None, False),
        ({}, 100, True),
        ({"has_more": False}, 100, False),
    ],
)
async def test_who_tells_of_pages_is_not_flagged(
    mocked: aioresponses, budget: Budget, beside: dict[str, Any], page_size: int | None, is_told: bool
) -> None:
    """A server that says itself where its listing ends has not cut it silently, however round the number."""
    events: list[Event] = []
    url = URL if page_size is None else f"{URL}?limit={page_size}"
    mocked.get(url, payload={"clients": [CLIENT | {"id": str(number)} for number in range(100)], **beside})
    async with AsyncOnboard360("sk_test_1", budget=budget, on_event=events.append, page_size=page_size) as api:
        assert len(await api.list_clients()) == 100
    assert ("listing_may_be_capped" in [event.name for event in events]) == is_told


async def test_a_list_as_long_as_the_page_that_was_asked_for_is_flagged(mocked: aioresponses, budget: Budget) -> None:
    """If nothing says how to go on: the server took the hint, and may have no pages to follow. One more is no such."""
    events: list[Event] = []
    for size in (3, 4):
        clients = [CLIENT | {"id": str(number)} for number in range(size)]
        mocked.get(f"{URL}?limit=3", payload={"clients": clients})
    async with AsyncOnboard360("sk_test_1", budget=budget, on_event=events.append, page_size=3) as api:
        assert (len(await api.list_clients()), len(await api.list_clients())) == (3, 4)
    assert [event.name for event in events].count("listing_may_be_capped") == 1


async def test_a_followed_listing_is_not_flagged(mocked: aioresponses, budget: Budget) -> None:
    """Nor are its pages, each of a round number: it was led on, and ends where the server says so."""
    events: list[Event] = []
    link = {"Link": f"<{URL}?page=2>; rel=next"}
    mocked.get(URL, payload={"clients": [CLIENT | {"id": str(number)} for number in range(100)]}, headers=link)
    mocked.get(f"{URL}?page=2", payload={"clients": [CLIENT | {"id": str(number)} for number in range(100, 200)]})
    async with AsyncOnboard360("sk_test_1", budget=budget, on_event=events.append) as api:
        assert len(await api.list_clients()) == 200
    assert "listing_may_be_capped" not in [event.name for event in events]


async def test_a_cut_answer_raises_after_the_clients_that_came(mocked: aioresponses, budget: Budget) -> None:
    """A body that ends too early is an AnswerLostError that counts what was handed on, and it is not retried."""
    whole = json.dumps({"clients": [CLIENT, CLIENT, CLIENT]})
    mocked.get(URL, body=whole[:-60])
    seen: list[Client] = []
    async with AsyncOnboard360("sk_test_1", budget=budget) as api:
        with pytest.raises(errors.AnswerLostError, match="2 clients were handed on") as caught:
            await collect(api, seen)
    assert caught.value.items == len(seen) == 2
    assert caught.value.attempts == 1


async def test_an_answer_cut_before_its_first_client_is_asked_again(
    mocked: aioresponses, budget: Budget, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing was handed on, so the whole listing may be asked for again."""
    monkeypatch.setattr("onboard360_async.transport.call.random.uniform", lambda *_: 0.0)
    whole = json.dumps({"clients": [CLIENT]})
    mocked.get(URL, body=whole[:30])
    mocked.get(URL, body=whole)
    async with AsyncOnboard360("sk_test_1", budget=budget) as api:
        assert len(await api.list_clients()) == 1


async def test_a_bad_client_is_named_after_the_good_ones(mocked: aioresponses, budget: Budget) -> None:
    """One item of a wrong kind: those before it come, then a DecodeError with its path."""
    mocked.get(URL, payload={"clients": [CLIENT, CLIENT | {"email": None}]})
    seen: list[Client] = []
    async with AsyncOnboard360("sk_test_1", budget=budget) as api:
        with pytest.raises(errors.DecodeError) as caught:
            await collect(api, seen)
    assert caught.value.path == "$.clients[1].email"
    assert len(seen) == 1
