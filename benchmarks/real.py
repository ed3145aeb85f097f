"""The same job in real time, over real sockets: every limiter at once, each against servers of its own.

Plain aiohttp for all, so that what differs is the limiter; benchmarks/rates.py measures the whole handles.
"""

import asyncio
from statistics import fmean

import aiohttp

from benchmarks.clients import CLIENTS, Client, Terms
from benchmarks.matrix import Row, print_head, print_row
from benchmarks.minute import LIMIT, Job, Outcome, Work
from tests.foreign import LIMITERS, Foreign

__all__ = ["main"]

STAGGER_S = 0.25  # between two jobs' beginnings


async def _play(client: Client, name: str, job: Job, start_s: float) -> Outcome:
    """One client against one server. Its latency is the server's own, on the way there and on the way back."""
    await asyncio.sleep(start_s)
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


async def _row_of(number: int, client: Client, job: Job) -> tuple[Client, Row]:
    """One client against all servers at once, but for a moment each: connecting all at once would delay the first."""
    row, used = Row(), []
    starts = (STAGGER_S * (number * len(LIMITERS) + each) for each in range(len(LIMITERS)))
    outcomes = await asyncio.gather(
        *(_play(client, name, job, start_s) for name, start_s in zip(LIMITERS, starts, strict=True))
    )
    for name, outcome in zip(LIMITERS, outcomes, strict=True):
        row.add(name, outcome, job)
        used.append(outcome.used(job.window_s) or 0.0)
    row.used = fmean(used)
    return client, row


async def main(window_s: int) -> None:
    """All of them side by side; they wait nearly all the time, so they do not disturb each other."""
    job = Job(window_s=window_s, jitter_s=0.6 * window_s / 60)
    clients = [client for client in CLIENTS if not client.name.startswith("no limiter")]
    print(
        f"Over HTTP, in real time: {job.requests} requests, {job.workers} workers, 0 to {job.jitter_s:g} s each way, "
        f"{LIMIT} in {window_s} s;\n{len(clients)} clients and {len(LIMITERS)} servers for each, all at once. A client "
        f"that meets no 429 is through in about {5.5 * window_s:.0f} s, the others\nin up to {12 * window_s} s. "
        "The log counts what it refused, too; used: of this short job, in its whole windows.\n"
    )
    print_head(list(LIMITERS))
    for done in asyncio.as_completed([_row_of(number, client, job) for number, client in enumerate(clients)]):
        print_row(*await done, list(LIMITERS))
