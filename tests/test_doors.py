"""One budget, three doors: an async handle, a blocking one and an import of one key share the minute of a process."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from onboard360_async import AsyncOnboard360, Budget, Onboard360, settings
from onboard360_async.budget import registry
from tests.foreign import Foreign, every_way

LIMIT, WINDOW_S, EACH = 50, 1.0, 60
CAMPAIGN = "550e8400-e29b-41d4-a716-446655440000"


@pytest.fixture(params=["memory", "file"])
def store(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Either store, with budgets of a shorter minute for handles that are given none."""

    def short(*, store: str) -> Budget:
        return Budget(LIMIT, window_s=WINDOW_S, store=store)

    monkeypatch.setattr(registry, "Budget", short)
    monkeypatch.setattr(registry, "_BUDGETS", {})
    return request.param  # type: ignore[no-any-return]  # one of the two above


async def from_async(url: str, store: str, _folder: Path) -> None:
    async with AsyncOnboard360("sk_test_1", base_url=url, budget=store, max_retries=0) as api:
        await asyncio.gather(*(api.add_client(campaign_id=CAMPAIGN, email=f"a{n}@x.de") for n in range(EACH)))


async def from_blocking(url: str, store: str, _folder: Path) -> None:
    def work() -> None:
        with Onboard360("sk_test_1", base_url=url, budget=store, max_retries=0) as api:
            for number in range(EACH):
                api.add_client(campaign_id=CAMPAIGN, email=f"b{number}@x.de")

    await asyncio.to_thread(work)


async def from_import(url: str, store: str, folder: Path) -> None:
    people = [{"campaign_id": CAMPAIGN, "email": f"c{number}@x.de"} for number in range(EACH)]
    async with (
        AsyncOnboard360("sk_test_1", base_url=url, budget=store, max_retries=0) as api,
        api.open_import(people, journal=folder / "people.db", settle_s=0) as job,
    ):
        await job.load()
        async for _ in job.run():
            pass
        assert job.summary.created == EACH


async def test_three_doors_share_one_minute(store: str, tmp_path: Path) -> None:
    """All at once on a strict server: nobody is refused, and together they take as long as one who sends all."""
    doors: tuple[Callable[[str, str, Path], Awaitable[None]], ...] = (from_async, from_blocking, from_import)
    async with Foreign(every_way(LIMIT, WINDOW_S), latency_s=0.01) as service:
        await asyncio.gather(*(door(service.url, store, tmp_path) for door in doors))
    assert (service.created, service.refused) == (3 * EACH, 0)
    assert service.ended - service.began >= (3 * EACH / LIMIT - 1) * WINDOW_S


def test_two_runs_in_a_row_keep_the_history(store: str, tmp_path: Path) -> None:
    """asyncio.run, and asyncio.run again: what the first has used is used."""

    async def run(service: Foreign) -> None:
        async with service:
            await from_async(service.url, store, tmp_path)

    admit, url = every_way(LIMIT, WINDOW_S), ""
    for _ in range(2):
        service = Foreign(admit, latency_s=0.01, port=int(url.rpartition(":")[2] or 0))
        asyncio.run(run(service))
        assert (service.created, service.refused) == (EACH, 0)
        url = service.url


def test_the_numbers_are_those_of_the_page() -> None:
    """The shorter minute is the tests' own: what a handle takes by itself is 100 in 60 seconds."""
    assert (settings.LIMIT, settings.WINDOW_S) == (100, 60.0)
