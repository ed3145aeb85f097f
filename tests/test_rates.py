"""The promise itself, over real sockets: no 429 from any likely server, through either handle."""

import asyncio
import threading
from collections.abc import Callable

import pytest

from onboard360_async import AsyncOnboard360, Budget, Onboard360
from tests.foreign import LIMITERS, Foreign

LIMIT, WINDOW_S, LATENCY_S = 50, 0.3, 0.02
ADDS = 3 * LIMIT


async def adds(api: AsyncOnboard360) -> None:
    """Many at once, as a service does it."""
    await asyncio.gather(*(api.add_client(campaign_id="c", email=f"p{number}@x.de") for number in range(ADDS)))


async def through_async(url: str, budget: Budget) -> None:
    async with AsyncOnboard360("sk_test_1", base_url=url, budget=budget, max_retries=0) as api:
        await adds(api)


def through_threads(url: str, budget: Budget) -> None:
    numbers = iter(range(ADDS))
    with Onboard360("sk_test_1", base_url=url, budget=budget, max_retries=0) as api:

        def work() -> None:
            for number in numbers:
                api.add_client(campaign_id="c", email=f"p{number}@x.de")

        threads = [threading.Thread(target=work) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


@pytest.mark.parametrize("handle", ["async", "blocking"])
@pytest.mark.parametrize("name", LIMITERS)
async def test_no_429_from_any_likely_server(name: str, handle: str) -> None:
    """A hundred and fifty adds, three windows' worth: all created, none refused, through either handle."""
    budget = Budget(limit=LIMIT, window_s=WINDOW_S)
    make: Callable[[int, float], Callable[[float], bool]] = LIMITERS[name]
    async with Foreign(make(LIMIT, WINDOW_S), latency_s=LATENCY_S) as server:
        if handle == "async":
            await through_async(server.url, budget)
        else:
            await asyncio.to_thread(through_threads, server.url, budget)
    assert (server.created, server.refused) == (ADDS, 0)
