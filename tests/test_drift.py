"""Drift: an API that says more than its page, or something else. Tolerated and told of once, or named by its path."""

import itertools
import logging
from collections.abc import Mapping
from typing import Any

import pytest
from aioresponses import aioresponses

from onboard360_async import AsyncOnboard360, Budget, Client, errors, settings
from onboard360_async.transport.options import Event

BASE = "https://app.360onboard.com/api/v1"
CLIENT = {"id": "1", "campaign_id": "2", "email": "a@b.c", "created_at": "2024-01-15T09:00:00Z"}
CAMPAIGN = {"id": "2", "name": "Flow", "created_at": "2024-01-15T09:00:00Z", "updated_at": "2024-01-15T09:00:00Z"}


class Listener:
    """A handle's events, by name."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def api(self, budget: Budget) -> AsyncOnboard360:
        return AsyncOnboard360("sk_test_1", budget=budget, on_event=self.events.append)

    def drift(self) -> list[str | None]:
        return [event.where for event in self.events if event.name == "drift"]

    def count(self, name: str) -> int:
        return [event.name for event in self.events].count(name)


@pytest.fixture
def listener() -> Listener:
    """Whoever is told."""
    return Listener()


def listed(*clients: Mapping[str, object], **beside: object) -> dict[str, Any]:
    return {"payload": {"clients": list(clients), **beside}}


async def test_unknown_fields_are_kept_and_told_of_once(
    mocked: aioresponses, budget: Budget, listener: Listener, caplog: pytest.LogCaptureFixture
) -> None:
    """In many clients, in later listings, by copies of the handle: once each path, and never with its value."""
    caplog.set_level(logging.INFO, "onboard360_async")
    odd = CLIENT | {"status": "invited", "tags": ["Jane"], "score": None}
    mocked.get(f"{BASE}/clients", **listed(odd, odd, CLIENT, server_time="now"), repeat=True)
    async with listener.api(budget) as api:
        first, second, plain = await api.list_clients()
        assert first.extra == second.extra == {"status": "invited", "tags": ["Jane"], "score": None}
        assert plain.extra == {}
        assert len(await api.list_clients()) == 3
        assert len(await api.with_options(api_key="sk_test_2").list_clients()) == 3
    told = ["$.clients[].score", "$.clients[].status", "$.clients[].tags", "$.server_time"]
    assert listener.drift() == told
    assert [where for where in told if caplog.text.count(where) != 1] == []
    assert "invited" not in caplog.text


async def test_campaigns_and_the_client_that_was_added_are_told_of_too(
    mocked: aioresponses, budget: Budget, listener: Listener
) -> None:
    """Each by its own path, since each is another answer."""
    mocked.get(f"{BASE}/campaigns", payload={"campaigns": [CAMPAIGN | {"archived": False}]}, repeat=True)
    mocked.post(f"{BASE}/clients", payload={"client": CLIENT | {"archived": False}}, status=201, repeat=True)
    async with listener.api(budget) as api:
        for _ in range(2):
            (campaign,) = await api.list_campaigns()
            client = await api.add_client(campaign_id="2", email="a@b.c")
    assert campaign.extra == client.extra == {"archived": False}
    assert listener.drift() == ["$.campaigns[].archived", "$.client.archived"]


async def test_a_new_value_of_what_is_known_to_drift_is_no_news(
    mocked: aioresponses, budget: Budget, listener: Listener
) -> None:
    """An enum that grows: whatever it says, it is kept as it came."""
    values: tuple[object, ...] = ("invited", "finished", "on_hold", 7, None, {"code": 1})
    mocked.get(f"{BASE}/clients", **listed(*({**CLIENT, "status": value} for value in values)))
    async with listener.api(budget) as api:
        assert tuple(client.extra["status"] for client in await api.list_clients()) == values
    assert listener.drift() == ["$.clients[].status"]


async def test_a_name_that_may_be_somebodys_is_not_shown(
    mocked: aioresponses, budget: Budget, listener: Listener
) -> None:
    """An object keyed by address: it is told that there is something, not who."""
    odd: dict[str, object] = {"john@example.com": 1, "": 2, "Jane Doe": 3}
    mocked.get(f"{BASE}/clients", **listed({**CLIENT, **odd}))
    async with listener.api(budget) as api:
        (client,) = await api.list_clients()
    assert client.extra["john@example.com"] == 1
    assert listener.drift() == ["$.clients[].(not shown)"]


async def test_what_is_told_is_bounded(mocked: aioresponses, budget: Budget, listener: Listener) -> None:
    """A server that makes up names fills neither memory nor log."""
    mocked.get(f"{BASE}/clients", **listed(*(CLIENT | {f"made_up_{number}": 1} for number in range(300))), repeat=True)
    async with listener.api(budget) as api:
        for _ in range(2):
            assert len(await api.list_clients()) == 300
    assert len(listener.drift()) == settings.DRIFT_MOST_TOLD


async def test_what_the_page_lets_be_null_or_missing_is_no_drift(
    mocked: aioresponses, budget: Budget, listener: Listener
) -> None:
    """Null is None, as is what is missing; usual marks of paging are what `PaginationError` is for."""
    nulls = dict.fromkeys(("first_name", "last_name", "company_name", "phone", "link"))
    mocked.get(f"{BASE}/clients", **listed(CLIENT | nulls, CLIENT, total=2, next=None, pagination={}))
    async with listener.api(budget) as api:
        null, missing = await api.list_clients()
    assert null == missing
    assert listener.drift() == []


WRONG: tuple[object, ...] = (None, 5, ["John"])
WRONG_TOO: tuple[object, ...] = (5, True, {})  # null is right there
REQUIRED = ("id", "campaign_id", "email", "created_at")
OPTIONAL = ("first_name", "last_name", "company_name", "phone", "link")


async def collect(api: AsyncOnboard360, into: list[Client]) -> None:
    async for batch in api.iter_clients().batches():
        into += batch


MISFITS: list[tuple[str, object]] = [
    *itertools.product(REQUIRED, WRONG),
    *itertools.product(OPTIONAL, WRONG_TOO),
    ("created_at", "last Tuesday"),
]


@pytest.mark.parametrize(("field", "value"), MISFITS)
async def test_one_item_of_another_type_is_named_by_its_path(
    mocked: aioresponses, budget: Budget, listener: Listener, field: str, value: object
) -> None:
    """Those before it were handed on, it is asked once, one event says that it failed, and no value is shown."""
    mocked.get(f"{BASE}/clients", **listed(CLIENT, CLIENT, {**CLIENT, field: value}, CLIENT))
    seen: list[Client] = []
    async with listener.api(budget) as api:
        with pytest.raises(errors.DecodeError) as caught:
            await collect(api, seen)
    error = caught.value
    assert (error.path, len(seen), error.attempts) == (f"$.clients[2].{field}", 2, 1)
    assert error.done == "2 clients were handed on before."
    assert (listener.count("failed"), listener.count("retried")) == (1, 0)


@pytest.mark.parametrize("item", [None, 5, "John", [], True])
async def test_an_item_that_is_no_client_at_all_is_named_too(
    mocked: aioresponses, budget: Budget, listener: Listener, item: Any
) -> None:
    """Also the very first, for which nothing was handed on; another answer would say the same."""
    mocked.get(f"{BASE}/clients", **listed(item, CLIENT))
    async with listener.api(budget) as api:
        with pytest.raises(errors.DecodeError) as caught:
            await api.list_clients()
    assert (caught.value.path, caught.value.attempts, caught.value.done) == ("$.clients[0]", 1, "")
