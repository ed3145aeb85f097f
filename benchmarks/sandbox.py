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

from benchmarks.table import Row, Table, print_all
from onboard360_async.sandbox import Sandbox

__all__ = ["created", "main", "reset", "started", "tables"]

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


def _start() -> Table:
    took = started(ROUNDS)
    rows = tuple(
        Row(name, seconds * 1000, seconds / took["bare"], f"<= {START_MOST:g}" if name == "sandbox" else "")
        for name, seconds in took.items()
    )
    title = f"From the start of Python to the first answer, median of {ROUNDS} interleaved rounds"
    return Table("start", title, "ms", rows, "bare")


def _create() -> Table:
    few, many = asyncio.run(created(SMALL, LARGE, BATCH))
    names = [f"with {clients:,} clients" for clients in (SMALL, LARGE)]
    rows = Row(names[0], few, 1.0), Row(names[1], many, many / few, f">= {RATE_LEAST:g}")
    return Table("create", "Clients created by POST in a second, one after another", "in a s", rows, names[0])


def _reset() -> Table:
    sizes = (0, 100, SMALL, LARGE)
    rows = (
        Row(f"with {clients:,} clients", reset(clients, ROUNDS), None, f"<= {RESET_MOST_MS:g}") for clients in sizes
    )
    return Table("reset", f"A reset, median of {ROUNDS}", "ms", tuple(rows))


TABLES: Final[dict[str, Callable[[], Table]]] = {"start": _start, "create": _create, "reset": _reset}


def tables(arguments: Sequence[str] = ()) -> list[Table]:
    """All of them, or one."""
    options = argparse.ArgumentParser(prog="python3 dev bench sandbox", description=__doc__)
    options.add_argument("--only", choices=TABLES, help="one table alone")
    only = options.parse_args(arguments).only
    return [table() for name, table in TABLES.items() if only in (None, name)]


def main(arguments: Sequence[str] = ()) -> None:
    """Print them."""
    print_all(tables(arguments))


if __name__ == "__main__":
    main()
