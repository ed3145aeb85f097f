"""Many adds at once through either handle: what the rates are tested and measured with."""

import asyncio
import threading

from onboard360_async import AsyncOnboard360, Budget, Onboard360

__all__ = ["add_async", "add_from_threads"]


async def add_async(url: str, budget: Budget, number: int) -> None:
    """All of them at once through the asynchronous handle, each sent once."""
    async with AsyncOnboard360("sk_test_1", base_url=url, budget=budget, max_retries=0) as api:
        await asyncio.gather(*(api.add_client(campaign_id="c", email=f"p{each}@x.de") for each in range(number)))


async def add_from_threads(url: str, budget: Budget, number: int) -> None:
    """The same through the blocking handle, from 16 threads beside this loop."""
    await asyncio.to_thread(_from_threads, url, budget, number)


def _from_threads(url: str, budget: Budget, number: int) -> None:
    numbers = iter(range(number))
    with Onboard360("sk_test_1", base_url=url, budget=budget, max_retries=0) as api:

        def work() -> None:
            for each in numbers:
                api.add_client(campaign_id="c", email=f"p{each}@x.de")

        threads = [threading.Thread(target=work) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
