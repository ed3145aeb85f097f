"""One process of several that share a budget in Redis: `python -m tests.stores.worker`, told by a JSON on stdin.

Prints what it did as JSON. Its wall clock can be set wrong, as hosts' clocks are.
"""

import asyncio
import json
import sys
import time
from collections import Counter
from typing import Any


def set_clocks(ahead_s: float) -> None:
    """All that asks for the time of day in this process is told a wrong one, from before anything of ours is there."""
    now, now_ns = time.time, time.time_ns
    time.time = lambda: now() + ahead_s
    time.time_ns = lambda: now_ns() + int(ahead_s * 1e9)


def counted(made: Any) -> Counter[str]:
    """How often the store was asked."""
    trips: Counter[str] = Counter()

    def wrap(name: str) -> None:
        method = getattr(made, name)

        async def counting(self: Any, *args: Any) -> Any:
            trips[name] += 1
            return await method(self, *args)

        setattr(made, name, counting)

    wrap("load")
    wrap("swap")
    return trips


async def main(told: dict[str, Any]) -> dict[str, Any]:
    """So many adds by so many tasks."""
    from onboard360_async import AsyncOnboard360, Budget
    from onboard360_async.budget.redis_store import RedisStore

    trips, refused = counted(RedisStore), 0
    budget = Budget(store=told["store"], scope=told["scope"], window_s=told["window_s"])
    numbers = iter(range(told["requests"]))

    def hear(event: Any) -> None:
        nonlocal refused
        refused += event.name == "answered" and event.status == 429

    async with AsyncOnboard360(
        "sk_test_1", base_url=told["url"], budget=budget, on_event=hear, timeout_s=told["timeout_s"]
    ) as api:
        await budget.refresh()
        print("ready", flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)

        async def work() -> None:
            for number in numbers:
                await api.add_client(campaign_id="c", email=f"p{number}@x.de")

        await asyncio.gather(*(work() for _ in range(told["workers"])))
    return {"refused": refused, "trips": sum(trips.values())}


if __name__ == "__main__":
    told = json.loads(sys.stdin.readline())
    set_clocks(told["clock_ahead_s"])
    print(json.dumps(asyncio.run(main(told))))
