"""What the budget reaches against a foreign server, over real sockets, beside aiolimiter alone.

For each way to cut a minute: 429s, and the rate reached as a share of the rule's own, (limit - 1) / (W + round trip).
"""

import asyncio
import time

import aiohttp
from aiolimiter import AsyncLimiter

from onboard360_async import Budget
from tests.foreign import LIMITERS, Foreign
from tests.load import add_async, add_from_threads

LIMIT, WINDOW_S, LATENCY_S, ADDS = 100, 3.0, 0.05, 400


async def ours(url: str) -> None:
    """400 adds through the asynchronous handle."""
    await add_async(url, Budget(limit=LIMIT, window_s=WINDOW_S), ADDS)


async def from_threads(url: str) -> None:
    """400 adds through the blocking handle, from 16 threads."""
    await add_from_threads(url, Budget(limit=LIMIT, window_s=WINDOW_S), ADDS)


async def peer(url: str) -> None:
    """400 adds through plain aiohttp and aiolimiter, as its README shows it."""
    limiter = AsyncLimiter(LIMIT, WINDOW_S)
    async with aiohttp.ClientSession() as session:

        async def add(number: int) -> None:
            async with limiter:
                body = {"campaign_id": "c", "email": f"p{number}@x.de"}
                async with session.post(f"{url}/api/v1/clients", json=body) as answer:
                    await answer.read()

        await asyncio.gather(*(add(number) for number in range(ADDS)))


def _share(began: float, ended: float) -> float:
    """The rate reached, as a share of the rule's own in the long run: limit - 1 for each window and mean round trip."""
    return ADDS / (ended - began) / ((LIMIT - 1) / (WINDOW_S * 61 / 60 + LATENCY_S))


async def main() -> None:
    """Run all of them, and print."""
    print(f"{ADDS} adds, {LIMIT} in {WINDOW_S:g} s, up to {LATENCY_S * 1000:g} ms each way")
    print(f"{'server':<18}{'async':>18}{'blocking':>18}{'aiolimiter':>18}")
    for name, make in LIMITERS.items():
        told = []
        for way in (ours, from_threads, peer):
            async with Foreign(make(LIMIT, WINDOW_S), latency_s=LATENCY_S) as server:
                began = time.monotonic()
                await way(server.url)
                share = _share(began, time.monotonic())
                told.append(f"{server.refused:>6} x 429 {share:6.3f}")
        print(f"{name:<18}" + "".join(f"{text:>18}" for text in told), flush=True)
