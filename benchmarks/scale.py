"""`python3 dev bench scale`: many keys in one process, each with a handle and a budget of its own, over one pool.

First as fast as it goes: one key after the other, budgets that never wait, a bare server that is never the limit, each
client and number of keys in a process of its own, a new one in each of the interleaved rounds. That is where it shows
whether it is flat. Then a service whose customers each have a job that always wants the next request, paced by their
budgets alone. 10,000 keys at 100 a minute would be 16,667 requests a second, more than one machine serves; so the
minute is stretched until all keys together make as many a second as are told in the table, the same for every number of
keys. The sandbox, which limits every key in the same way, is a process of its own on another core; at the same time, at
a sandbox of its own, a peer does the same: an aiolimiter for each key, and raw aiohttp. CPU is counted when every key
has had its first requests, in slices, of which the median is told; most of it is waking up, and how often that is
depends on what else the machine does. Then what a key takes in memory, by tracemalloc, with a request made.
Options: --keys, --rate, --seconds (that are measured), --only full|cpu|memory.
"""

import argparse
import asyncio
import contextlib
import gc
import json
import random
import subprocess
import sys
import time
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from typing import Any, Final

from attrs import frozen

from benchmarks.bare import ROOT, bare_server, pin
from benchmarks.callers import AT_ONCE
from benchmarks.orders import beside, interleaved, obey, workers
from benchmarks.table import Row, Table, print_all

__all__ = ["CLIENTS", "command", "main", "minute_s", "tables", "told"]

KEYS, RATE, SECONDS, SLICES = (10, 100, 1_000, 10_000), 300, 6.0, 6
LIMIT, BURST = 100, 2  # requests of a key in a stretched minute, and at once (the smallest there is)
SETTLING_S = 1.0  # after the last key began
ROUNDS, REQUESTS, WARMING = 4, 2_000, 500  # of a turn, where nobody waits, and before it
FLAT = 1.15  # the most that a request may take beside one of the fewest keys; our reading of "flat"
FIRST, WARM = "sk_test_first", 2  # what is made but once is made for this key, with so many requests
OURS, PEER = "ours", "aiolimiter + aiohttp"
_SANDBOX: Final = """
import json, sys
from benchmarks.bare import pin
from onboard360_async.sandbox import Sandbox
pin(-1)
keys, window_s = json.loads(sys.stdin.readline())
with Sandbox(limit=100, window_s=window_s, api_keys=keys) as sandbox:
    print(sandbox.url, flush=True)
    sys.stdin.read()
    print(sandbox.refused)
"""


@frozen
class Minute:
    """What a key may do."""

    limit: int = LIMIT
    burst: int = BURST
    window_s: float = 60.0


ENDLESS: Final = Minute(1_000_000, 100_000, 1.0)  # nobody waits for it
Call = Callable[[], Awaitable[object]]
Caller = Callable[[str], Call]  # of a key


def names(keys: int) -> list[str]:
    """So many keys, without the first."""
    return [f"sk_test_{number}" for number in range(keys)]


def minute_s(keys: int, rate: float) -> float:
    """How long the minute must be for so many keys to make that many requests a second together."""
    return LIMIT * keys / rate


# --- the clients: what makes the call of a key ---


@contextlib.asynccontextmanager
async def _ours(url: str, minute: Minute) -> AsyncIterator[Caller]:
    """As a service would: one handle, and a light copy for each customer; budgets are the process's own, by key."""
    from onboard360_async import settings

    for name, value in (("LIMIT", minute.limit), ("WINDOW_S", minute.window_s), ("BURST", minute.burst)):
        setattr(settings, name, value)  # before anything has read them as its default
    from onboard360_async import AsyncOnboard360

    async with AsyncOnboard360(FIRST, base_url=url) as api:
        yield lambda key: api.with_options(api_key=key).list_campaigns


@contextlib.asynccontextmanager
async def _peer(url: str, minute: Minute) -> AsyncIterator[Caller]:
    """What one writes by hand."""
    import aiohttp
    from aiolimiter import AsyncLimiter

    address, limiters = f"{url}/api/v1/campaigns", dict[str, AsyncLimiter]()
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:

        def caller(key: str) -> Call:
            limiters[key] = AsyncLimiter(minute.burst, minute.burst * minute.window_s / minute.limit)
            headers = {"Authorization": f"Bearer {key}"}

            async def call() -> object:
                async with limiters[key], session.get(address, headers=headers) as answer:
                    body = await answer.read()
                    return json.loads(body) if answer.status == 200 else None  # a 429 is the sandbox's to count

            return call

        yield caller


CLIENTS: Final[Mapping[str, Callable[..., contextlib.AbstractAsyncContextManager[Caller]]]] = {
    OURS: _ours, PEER: _peer,
}  # fmt: skip


# --- at work, in a process of its own: python -m benchmarks.scale WHAT, and a line of JSON ---


@frozen(kw_only=True)
class Job:
    """What is measured."""

    client: str
    url: str
    keys: int
    rate: float
    seconds: float


async def _cpu(job: Job) -> dict[str, object]:
    """Microseconds of a request, by slice; how many there were; what a key took in resident kilobytes."""
    done = 0
    async with CLIENTS[job.client](job.url, Minute(window_s=minute_s(job.keys, job.rate))) as caller:
        await caller(FIRST)()
        gc.collect()
        before_kb = _resident_kb()
        calls = [caller(key) for key in names(job.keys)]

        async def serve(after_s: float, call: Call) -> None:
            nonlocal done
            await asyncio.sleep(after_s)
            while True:
                await call()
                done += 1

        # They begin at any time of a cycle: in even steps, some numbers of keys would wake the loop less often.
        dice, cycle_s = random.Random(0), job.keys / job.rate
        jobs = [asyncio.create_task(serve(dice.uniform(0.0, cycle_s), call)) for call in calls]
        await asyncio.sleep(cycle_s + SETTLING_S)
        slices, began_at = [], done
        for _ in range(SLICES):
            began, began_cpu = done, time.process_time()
            await asyncio.sleep(job.seconds / SLICES)
            slices.append((time.process_time() - began_cpu) / max(1, done - began) * 1e6)
        requests = done - began_at
        gc.collect()
        resident_kb = _resident_kb() - before_kb
        for each in jobs:
            each.cancel()
        ended = await asyncio.gather(*jobs, return_exceptions=True)
    failed = [repr(error) for error in ended if not isinstance(error, asyncio.CancelledError)]
    assert not failed, failed[0]
    return {"slices": slices, "requests": requests, "resident": resident_kb / job.keys}


async def _memory(job: Job) -> dict[str, object]:
    """Bytes of a key: with nothing asked yet, and with one request made and nothing under way."""
    async with CLIENTS[job.client](job.url, Minute()) as caller:
        for _ in range(WARM):
            await caller(FIRST)()
        tracemalloc.start()
        try:
            began = _allocated()
            calls = [caller(key) for key in names(job.keys)]
            made = _allocated() - began
            for call in calls:
                await call()
            used = _allocated() - began
        finally:
            tracemalloc.stop()
    return {"made": made / job.keys, "used": used / job.keys}


def _allocated() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


def _full(job: Job) -> None:
    """Take orders: so many requests, sixteen at once, by one key after the other; microseconds of each."""
    with asyncio.Runner() as runner:
        opened = CLIENTS[job.client](job.url, ENDLESS)
        caller = runner.run(_entered(opened))
        calls = [caller(key) for key in names(job.keys)]
        turns = cycle(calls)

        async def make(many: int) -> float:
            began, left = time.process_time(), islice(turns, many)

            async def work() -> None:
                for call in left:
                    await call()

            await asyncio.gather(*(work() for _ in range(AT_ONCE)))
            return (time.process_time() - began) / many * 1e6

        runner.run(make(max(job.keys, WARMING)))
        obey(lambda order: runner.run(make(int(order[0]))))
        runner.run(_left(opened))


async def _entered(opened: contextlib.AbstractAsyncContextManager[Caller]) -> Caller:
    return await opened.__aenter__()


async def _left(opened: contextlib.AbstractAsyncContextManager[Caller]) -> None:
    await opened.__aexit__(None, None, None)


def _resident_kb() -> float:
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return float(line.split()[1])
    return 0.0


# --- the tables ---


@contextlib.contextmanager
def _sandbox(keys: int, rate: float, refused: list[int]) -> Iterator[str]:
    """One that serves so many keys; it tells in the end how many requests it refused."""
    command = [sys.executable, "-c", _SANDBOX]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        print(json.dumps([[FIRST, *names(keys)], minute_s(keys, rate)]), file=process.stdin, flush=True)
        yield process.stdout.readline().strip()
        refused.append(int(process.communicate()[0]))


def command(what: str, job: Job) -> tuple[str, ...]:
    return "-m", "benchmarks.scale", json.dumps([what, job.client, job.url, job.keys, job.rate, job.seconds])


def told(what: str, job: Job) -> Any:
    """What a process of its own finds out."""
    whole = [sys.executable, *command(what, job)]
    return json.loads(subprocess.run(whole, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT).stdout)


def _paced(client: str, keys: int, rate: float, seconds: float) -> Any:
    """What a client finds out at a sandbox of its own."""
    refused: list[int] = []
    with _sandbox(keys, rate, refused) as url:
        found = told("cpu", Job(client=client, url=url, keys=keys, rate=rate, seconds=seconds))
    return {**found, "refused": refused[0]}


def _full_turn(job: Job) -> float:
    """In a new process each time: where its memory happens to lie makes a tenth."""
    with workers({job.client: command("full", job)}) as hired:
        return float(hired[job.client].order(REQUESTS))


def _full_tables(many: Sequence[int]) -> Iterator[Table]:
    with bare_server() as server:
        jobs = {
            (client, keys): Job(client=client, url=server.url, keys=keys, rate=0, seconds=0)
            for client in CLIENTS
            for keys in many
        }
        took = interleaved({str(which): partial(_full_turn, job) for which, job in jobs.items()}, ROUNDS)
    for client in CLIENTS:
        rows = []
        for keys in many:
            name, least, peer = (str((who, of)) for who, of in ((client, keys), (client, many[0]), (PEER, keys)))
            target = f"<= {FLAT}" if client == OURS and keys != many[0] else ""
            note = f"{beside(took, name, peer):.2f} x the peer" if client == OURS else ""
            rows.append(Row(f"{keys:,} keys", median(took[name]), beside(took, name, least), target, note))
        title = (
            f"{client}: CPU of a request, {AT_ONCE} at once, one key after the other, nobody waits; "
            f"median of {ROUNDS} interleaved rounds of {REQUESTS}"
        )
        yield Table("full" if client == OURS else "full-peer", title, "µs", tuple(rows), f"{many[0]:,} keys")


def _cpu_tables(many: Sequence[int], rate: float, seconds: float) -> Iterator[Table]:
    took: dict[str, dict[int, Any]] = {client: {} for client in CLIENTS}
    for keys in many:
        # At the same time, so that whatever else the machine does then is there for both.
        with ThreadPoolExecutor() as pool:
            found = pool.map(lambda client, keys=keys: _paced(client, keys, rate, seconds), CLIENTS)
            for client, each in zip(CLIENTS, found, strict=True):
                took[client][keys] = each
    for client, by_keys in took.items():
        least = median(by_keys[many[0]]["slices"])
        rows = []
        for keys, told_of in by_keys.items():
            micros, pace = median(told_of["slices"]), LIMIT / minute_s(keys, rate) * 60
            note = (
                f"each {pace:,.4g} a minute; {told_of['requests'] / seconds:,.0f} in a second, "
                f"{told_of['refused']} x 429; {told_of['resident']:,.1f} KB resident a key"
            )
            rows.append(Row(f"{keys:,} keys", micros, micros / least, note=note))
        title = f"{client}: CPU of a request at {rate:g} in a second of all keys, median of {SLICES} slices"
        yield Table("cpu" if client == OURS else "cpu-peer", title, "µs", tuple(rows), f"{many[0]:,} keys")
    yield _flatness(took, many)


def _flatness(took: Mapping[str, Mapping[int, Any]], many: Sequence[int]) -> Table:
    """What the machine was at is in the peer's figures, too: beside those ours can be compared between the lines."""
    ratios = {keys: beside({client: took[client][keys]["slices"] for client in CLIENTS}, OURS, PEER) for keys in many}
    rows = tuple(Row(f"{keys:,} keys", ratio, ratio / ratios[many[0]]) for keys, ratio in ratios.items())
    title = f"{OURS} beside {PEER}: CPU of a request in the same slices"
    return Table("flat", title, "peer = 1", rows, f"{many[0]:,} keys")


def _memory_tables(many: Sequence[int]) -> Iterator[Table]:
    for client in CLIENTS:
        rows = []
        with bare_server() as server:
            found = {
                keys: told("memory", Job(client=client, url=server.url, keys=keys, rate=0, seconds=0)) for keys in many
            }
        for keys, each in found.items():
            target = f"<= {FLAT}" if client == OURS and keys != many[0] else ""
            note = f"{each['made'] / 1024:.2f} KiB before its first request"
            rows.append(Row(f"{keys:,} keys", each["used"] / 1024, each["used"] / found[many[0]]["used"], target, note))
        name = "memory" if client == OURS else "memory-peer"
        title = f"{client}: memory of a key that made a request, its handle included"
        yield Table(name, title, "KiB", tuple(rows), f"{many[0]:,} keys")


def tables(arguments: Sequence[str] = ()) -> list[Table]:
    """All of them."""
    options = argparse.ArgumentParser(prog="python3 dev bench scale", description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--keys", type=int, nargs="+", default=KEYS)
    options.add_argument("--rate", type=float, default=RATE, help="requests in a second, of all keys together")
    options.add_argument("--seconds", type=float, default=SECONDS, help="that are measured, for each number of keys")
    options.add_argument("--only", choices=("full", "cpu", "memory"))
    asked = options.parse_args(arguments)
    made: list[Table] = []
    if asked.only in (None, "full"):
        made += _full_tables(asked.keys)
    if asked.only in (None, "cpu"):
        made += _cpu_tables(asked.keys, asked.rate, asked.seconds)
    if asked.only in (None, "memory"):
        made += _memory_tables(asked.keys)
    return made


def main(arguments: Sequence[str] = ()) -> None:
    """Print them."""
    print_all(tables(arguments))


def _work(order: str) -> None:
    what, client, url, keys, rate, seconds = json.loads(order)
    job = Job(client=client, url=url, keys=keys, rate=rate, seconds=seconds)
    if what == "full":
        _full(job)
        return
    print(json.dumps(asyncio.run(_cpu(job) if what == "cpu" else _memory(job))))


if __name__ == "__main__":
    pin(0)
    _work(sys.argv[1])
