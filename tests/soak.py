"""Both handles at work for as long as one likes, while much goes wrong: `python -m tests.soak SECONDS`.

In a process of its own, so that what it counts is its own: memory, tasks, timers, sockets, files, threads. It prints
one line of JSON. The sandbox, with its faults, is in another process; see tests/test_soak.py.
"""

import asyncio
import contextlib
import gc
import json
import logging
import math
import os
import random
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from onboard360_async import AsyncOnboard360, Budget, Onboard360, Priority, bridge, errors
from onboard360_async.transport.options import Event

__all__ = ["FAULTS", "soak"]

# What goes wrong, and how often. Each kind on its own; several may be due, then the first wins.
FAULTS = (
    "drop-before:probability=0.03,seed=1",
    "commit-then-drop:probability=0.03,seed=2",
    "500-before:probability=0.03,seed=3",
    "500-after:probability=0.03,seed=4",
    "429:probability=0.002,seed=5",
    "truncated:probability=0.03,seed=6",
    "garbage:probability=0.02,seed=7",
    "wrong-type:probability=0.01,seed=8",
    "redirect:probability=0.01,seed=9",
    "delay:probability=0.02,seed=10,delay=0.3",
    "slow-drip:probability=0.02,seed=11,delay=0.5",
    "hang-after-commit:probability=0.01,seed=12",
)
CAMPAIGN = "550e8400-e29b-41d4-a716-446655440000"
WORKERS, THREADS = 8, 4
RESET_S = 1.0  # the sandbox forgets everybody so often: a listing is not to grow for ever
SAMPLES = 24
OPTIONS: dict[str, Any] = {"timeout_s": 0.4, "max_retries": 2}

seen: Counter[str] = Counter()


def hook(event: Event) -> None:
    """Counts, and fails now and then."""
    seen[event.name] += 1
    if event.name == "settled" and seen["settled"] % 500 == 0:
        raise ValueError("a hook that fails")


def email() -> str:
    return f"p{random.randrange(50)}@example.com"


async def _left_early(api: AsyncOnboard360) -> None:
    async for _client in api.iter_clients():
        break


async def _imported(api: AsyncOnboard360) -> None:
    people = [{"email": email()} for _ in range(3)]
    async with api.open_import(people, campaign=CAMPAIGN, settle_s=0) as job:
        async for _outcome in job.run():
            pass


async def _cancelled(api: AsyncOnboard360) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(random.uniform(0.0, 0.02)):
            await api.list_clients()


async def _with_another_key(api: AsyncOnboard360) -> None:
    with contextlib.suppress(errors.AuthenticationError):
        await api.with_options(api_key="sk_test_wrong").list_campaigns()


ASYNC: tuple[Callable[[AsyncOnboard360], Awaitable[object]], ...] = (
    lambda api: api.list_campaigns(),
    lambda api: api.list_clients(campaign_id=CAMPAIGN, priority=Priority.BULK),
    lambda api: api.find_client(campaign_id=CAMPAIGN, email=email()),
    lambda api: api.add_client(campaign_id=CAMPAIGN, email=email()),
    lambda api: api.ensure_client(campaign_id=CAMPAIGN, email=email(), deadline_s=0.3),
    lambda api: api.list_clients(deadline_s=0.01),
    lambda api: api.request("GET", "/nothing"),
    lambda api: api.list_campaigns(max_wait_s=0),
    _left_early,
    _imported,
    _cancelled,
    _with_another_key,
)


def _left_early_blocking(api: Onboard360) -> None:
    for _client in api.iter_clients():
        break


def _imported_blocking(api: Onboard360) -> None:
    with api.open_import([{"email": email()} for _ in range(3)], campaign=CAMPAIGN, settle_s=0) as job:
        list(job.run())


BLOCKING: tuple[Callable[[Onboard360], object], ...] = (
    lambda api: api.list_campaigns(),
    lambda api: list(api.iter_clients(campaign_id=CAMPAIGN)),
    lambda api: api.find_client(campaign_id=CAMPAIGN, email=email()),
    lambda api: api.add_client(campaign_id=CAMPAIGN, email=email()),
    lambda api: api.ensure_client(campaign_id=CAMPAIGN, email=email(), deadline_s=0.3),
    lambda api: api.list_clients(deadline_s=0.01),
    _left_early_blocking,
    _imported_blocking,
)


def _outcome(error: Exception | None) -> None:
    seen["call ended" if error is None else type(error).__name__] += 1


async def _work(api: AsyncOnboard360, until: float) -> None:
    while time.monotonic() < until:
        try:
            await random.choice(ASYNC)(api)
        except errors.Onboard360Error as error:
            _outcome(error)
        else:
            _outcome(None)


def _work_blocking(api: Onboard360, until: float) -> None:
    while time.monotonic() < until:
        try:
            random.choice(BLOCKING)(api)
        except errors.Onboard360Error as error:
            _outcome(error)
        else:
            _outcome(None)


def resident_bytes() -> int:
    """What this process holds of the machine's memory, after what nobody needs is gone."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def descriptors() -> int:
    """Open sockets and files."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def timers(loop: asyncio.AbstractEventLoop) -> int:
    """Timers that are still to ring."""
    scheduled: list[asyncio.TimerHandle] = getattr(loop, "_scheduled", [])
    return sum(not timer.cancelled() for timer in scheduled)


def left_over(loop: asyncio.AbstractEventLoop) -> dict[str, int]:
    """What one loop still has."""
    return {"tasks": len(asyncio.all_tasks(loop)), "timers": timers(loop)}


async def _measure(base_url: str, seconds: float, samples: list[tuple[int, int]]) -> None:
    """Look at regular times, and have the sandbox forget everybody in between."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    looks = [began + seconds * number / SAMPLES for number in range(1, SAMPLES + 1)]
    for look in looks:
        while (left_s := look - loop.time()) > 0:
            await asyncio.wait((loop.create_future(),), timeout=min(left_s, RESET_S))
            await asyncio.to_thread(_reset, base_url)
        samples.append((resident_bytes(), len(gc.get_objects())))


def _reset(base_url: str) -> None:
    with contextlib.suppress(OSError):
        urllib.request.urlopen(f"{base_url}/_sandbox/reset", data=b"", timeout=5).close()


async def _on_the_bridge() -> dict[str, int]:
    """What the private loop has, but for this."""
    left = left_over(asyncio.get_running_loop())
    return left | {"tasks": left["tasks"] - 1}


async def _bear_slowness() -> None:
    """A machine with much to do is no noise; all else that asyncio's debug mode finds is."""
    asyncio.get_running_loop().slow_callback_duration = math.inf


async def _both(seconds: float) -> dict[str, Any]:
    budget = Budget(limit=2_000, burst=1_000, keep_for_interactive=100, window_s=2.0)  # a minute is over in no time
    base_url = os.environ["ONBOARD360_BASE_URL"]
    before = {"descriptors": descriptors(), "threads": threading.active_count()}
    samples: list[tuple[int, int]] = []
    until = time.monotonic() + seconds
    blocking = Onboard360(budget=budget, on_event=hook, **OPTIONS)
    await _bear_slowness()
    await asyncio.to_thread(bridge.run, _bear_slowness)
    async with AsyncOnboard360(budget=budget, on_event=hook, **OPTIONS) as api:
        threads = [threading.Thread(target=_work_blocking, args=(blocking, until)) for _ in range(THREADS)]
        for thread in threads:
            thread.start()
        await asyncio.gather(*(_work(api, until) for _ in range(WORKERS)), _measure(base_url, seconds, samples))
        for thread in threads:
            await asyncio.to_thread(thread.join)
        await asyncio.to_thread(blocking.close)
        on_the_bridge = await asyncio.to_thread(bridge.run, _on_the_bridge)
    loop: Any = asyncio.get_running_loop()
    await loop.shutdown_default_executor()
    state = budget.snapshot()
    here = left_over(loop)
    gc.collect()
    return {
        "seen": dict(seen),
        "samples": samples,
        "here": here | {"tasks": here["tasks"] - 1},
        "on_the_bridge": on_the_bridge,
        "waiting": state.waiting,
        # The private loop and its thread stay: a socket pair and a selector.
        "descriptors": descriptors() - before["descriptors"],
        "threads": threading.active_count() - before["threads"],
    }


def soak(seconds: float) -> None:
    """Work for so long, and print what was seen and what was left."""
    logging.getLogger("onboard360_async").setLevel(logging.CRITICAL)
    random.seed(1)
    print(json.dumps(asyncio.run(_both(seconds))))


if __name__ == "__main__":
    soak(float(sys.argv[1]))
