"""`python3 dev bench rates`: what the budget reaches against a foreign server, over real sockets, beside aiolimiter.

For each way to cut a minute: 429s, and the rate reached as a share of the rule's own, (limit - 1) / (W + round trip).
A client meets all the servers at the same time, which takes the time of one: each server is its own, as is its job.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

import aiohttp
from aiolimiter import AsyncLimiter

from benchmarks.table import Row, Table, print_all
from onboard360_async import Budget
from tests.foreign import LIMITERS, Foreign
from tests.load import add_async, add_from_threads

__all__ = ["main", "tables"]

LIMIT, WINDOW_S, LATENCY_S, ADDS = 100, 3.0, 0.05, 400
LEAST = 0.98  # of the rule's rate; the target


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


WAYS: Final[Mapping[str, Callable[[str], Awaitable[None]]]] = {
    "async": ours, "blocking, 16 threads": from_threads, "aiolimiter": peer,
}  # fmt: skip


async def _row(name: str, server: str) -> Row:
    async with Foreign(LIMITERS[server](LIMIT, WINDOW_S), latency_s=LATENCY_S) as foreign:
        began = time.monotonic()
        await WAYS[name](foreign.url)
        share = _share(began, time.monotonic())
        target = f">= {LEAST}, 0 x 429" if WAYS[name] is not peer else ""
        return Row(server, share, target=target, note=f"{foreign.refused} x 429")


def tables(_arguments: Sequence[str] = ()) -> list[Table]:
    """One for each client."""

    async def against_all(name: str) -> list[Row]:
        return await asyncio.gather(*(_row(name, server) for server in LIMITERS))

    title = f"{ADDS} adds, {LIMIT} in {WINDOW_S:g} s, up to {LATENCY_S * 1000:g} ms each way; share of the rule's rate"
    return [
        Table(name.partition(",")[0], f"{name}: {title}", "share", tuple(asyncio.run(against_all(name))))
        for name in WAYS
    ]


def main(arguments: Sequence[str] = ()) -> None:
    """Run all of them, and print."""
    print_all(tables(arguments))
