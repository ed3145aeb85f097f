"""The sandbox beside a bare aiohttp server: how fast it is there, creates clients at 1,000 and 20,000, and is reset."""

import argparse
import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Final

import aiohttp

from onboard360_async.sandbox import Sandbox

__all__ = ["created", "main", "reset", "started"]

ROOT = Path(__file__).parents[1]
ROUNDS: Final = 9
SMALL, LARGE, BATCH = 1_000, 20_000, 500  # clients
START_MOST, RATE_LEAST, RESET_MOST_MS = 2.0, 0.7, 5.0  # the targets
CAMPAIGN: Final = "550e8400-e29b-41d4-a716-446655440000"
# What a test would write without us: one route, on a free port. Both are measured until an answer has come.
BARE: Final = """
import asyncio
from aiohttp import web
async def main():
    async def answer(request):
        return web.json_response({"campaigns": []})
    app = web.Application()
    app.router.add_get("/api/v1/campaigns", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    await ask(f"http://127.0.0.1:{runner.addresses[0][1]}", "x")
    await runner.cleanup()
"""
OURS: Final = """
import asyncio
from onboard360_async.sandbox import Sandbox
async def main():
    async with Sandbox() as sandbox:
        await ask(sandbox.url, sandbox.api_key)
"""
ASKING: Final = """
async def ask(url, key):
    reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
    writer.write(f"GET /api/v1/campaigns HTTP/1.1\\r\\nHost: x\\r\\nAuthorization: Bearer {key}\\r\\n\\r\\n".encode())
    assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    writer.close()
asyncio.run(main())
"""


def started(rounds: int) -> dict[str, float]:
    """Seconds of a whole process until the first answer, medians of interleaved rounds; of Python alone as well."""
    programs = {"python": "pass", "bare": BARE + ASKING, "sandbox": OURS + ASKING}
    took: dict[str, list[float]] = {name: [] for name in programs}
    for turn in range(rounds + 1):
        for name, program in programs.items():
            began = time.perf_counter()
            subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT)
            if turn:
                took[name].append(time.perf_counter() - began)
    return {name: median(each) for name, each in took.items()}


async def created(small: int, large: int, batch: int) -> tuple[float, float]:
    """Clients created by POST in a second, when there are so few and when there are so many."""
    async with Sandbox(limiter="off") as sandbox, aiohttp.ClientSession() as session:
        url, headers = f"{sandbox.url}/api/v1/clients", {"Authorization": f"Bearer {sandbox.api_key}"}
        number = 0

        async def post() -> None:
            nonlocal number
            number += 1
            body = json.dumps({"campaign_id": CAMPAIGN, "email": f"p{number}@example.com", "first_name": "P"})
            async with session.post(url, data=body, headers=headers) as answer:
                assert answer.status == 201
                await answer.read()

        async def rate() -> float:
            began = time.perf_counter()
            for _ in range(batch):
                await post()
            return batch / (time.perf_counter() - began)

        def fill(until: int) -> None:
            there = sandbox._desk.store.count_clients()
            sandbox.seed({"clients": [{"email": f"s{number}@example.com"} for number in range(there, until)]})

        fill(small)
        few = median([await rate() for _ in range(3)])
        fill(large)
        return few, median([await rate() for _ in range(3)])


def reset(clients: int, rounds: int) -> float:
    """Milliseconds of a reset, from a thread of a test, with so many clients; the median."""
    took = []
    with Sandbox() as sandbox:
        for _ in range(rounds):
            sandbox.seed({"clients": [{"email": f"s{number}@example.com"} for number in range(clients)]})
            began = time.perf_counter()
            sandbox.reset()
            took.append((time.perf_counter() - began) * 1000)
    return median(took)


def _start() -> None:
    took = started(ROUNDS)
    print(f"From the start of Python to the first answer, median of {ROUNDS} interleaved rounds\n")
    for name, seconds in took.items():
        print(f"{name:<20}{seconds * 1000:>9.0f} ms{seconds / took['bare']:>8.2f}")
    print(f"\ntarget: the sandbox at most {START_MOST:g} times the bare server")


def _create() -> None:
    few, many = asyncio.run(created(SMALL, LARGE, BATCH))
    print("Clients created by POST in a second, one after another\n")
    print(f"with {SMALL:>6,} clients {few:>9,.0f}\nwith {LARGE:>6,} clients {many:>9,.0f}{many / few:>8.2f}")
    print(f"\ntarget: at least {RATE_LEAST:g}")


def _reset() -> None:
    print(f"A reset, median of {ROUNDS}\n")
    for clients in (0, 100, SMALL, LARGE):
        print(f"with {clients:>6,} clients{reset(clients, ROUNDS):>9.2f} ms")
    print(f"\ntarget: at most {RESET_MOST_MS:g} ms")


TABLES: Final[dict[str, Callable[[], None]]] = {"start": _start, "create": _create, "reset": _reset}


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables."""
    options = argparse.ArgumentParser(prog="python3 dev bench sandbox", description=__doc__)
    options.add_argument("--only", choices=TABLES, help="one table alone")
    only = options.parse_args(arguments).only
    for name, table in TABLES.items():
        if only in (None, name):
            table()
            print()


if __name__ == "__main__":
    main()
