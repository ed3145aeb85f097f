"""The same job in real time, over real sockets: every limiter at once, each against servers of its own.

Plain aiohttp for all, so that what differs is the limiter; benchmarks/rates.py measures the whole handles.
"""

import asyncio

import aiohttp

from benchmarks.clients import CLIENTS, Client, Terms
from benchmarks.matrix import Row, print_rows
from benchmarks.minute import LIMIT, Job, Outcome, Work
from tests.foreign import LIMITERS, Foreign

__all__ = ["main"]


async def _play(client: Client, name: str, job: Job) -> Outcome:
    """One client against one server. Its latency is the server's own, on the way there and on the way back."""
    admitted: list[float] = []
    now = asyncio.get_running_loop().time
    async with (
        Foreign(LIMITERS[name](LIMIT, job.window_s), latency_s=job.jitter_s) as server,
        aiohttp.ClientSession() as session,
    ):

        async def exchange() -> bool:
            body = {"campaign_id": "c", "email": "p@example.com"}
            async with session.post(f"{server.url}/api/v1/clients", json=body) as answer:
                await answer.read()
            if answer.status == 201:
                admitted.append(now())
            return answer.status == 201

        with client.open(Terms(LIMIT, job.window_s)) as limiter:
            outcome = await Work(limiter, client.retry, job, 0, exchange).run()
        outcome.admitted = admitted
        return outcome


async def main(window_s: int) -> None:
    """All of them side by side; they wait nearly all the time, so they do not disturb each other."""
    job = Job(window_s=window_s, jitter_s=0.6 * window_s / 60)
    clients = [client for client in CLIENTS if not client.name.startswith("no limiter")]
    print(
        f"Over HTTP, in real time: {job.requests} requests, {job.workers} workers, 0 to {job.jitter_s:g} s each way, "
        f"{LIMIT} in {window_s} s;\n{len(clients)} clients and {len(LIMITERS)} servers for each, all at once, about "
        f"{5.5 * window_s:.0f} s. The log counts what it refused, too;\nused: here of this short job, in its whole "
        "windows.\n",
        flush=True,
    )
    rows = [(client, Row()) for client in clients]
    outcomes = await asyncio.gather(*(_play(client, name, job) for client in clients for name in LIMITERS))
    told = iter(outcomes)
    for _, row in rows:
        used = []
        for name in LIMITERS:
            outcome = next(told)
            row.add(name, outcome, job)
            used.append(outcome.used(window_s) or 0.0)
        row.used = sum(used) / len(used)
    print_rows(rows, list(LIMITERS))
