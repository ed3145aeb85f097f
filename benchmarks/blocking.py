"""`python3 dev bench blocking`: what a request costs who blocks, from one thread and from sixteen.

Each client lists campaigns on a bare server on another core that is never the limit, from a process of its own; in each
round every one has its turn. A figure is the median of the rounds, a ratio the median of what each round says. Ours has
a budget that never waits: what is measured is the way over the bridge and back. Then what it takes to make a handle.
Options: --requests (of a turn), --rounds, --only cpu|making.
"""

import argparse
import asyncio
import contextlib
import importlib.util
import json
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from http.client import HTTPConnection
from statistics import median
from typing import Any, Final

from benchmarks.bare import KEY, bare_server, pin
from benchmarks.callers import unlimited
from benchmarks.orders import Worker, beside, interleaved, medians, obey, workers
from benchmarks.table import Row, Table, print_all

__all__ = ["CLIENTS", "main", "make", "tables"]

ROUNDS, REQUESTS, MANY, HANDLES = 5, 1_600, 16, 20
TEN_THOUSAND: Final = 10_000
# CPU beside requests and beside httpx, from one thread and from sixteen; the targets, as is the next.
MOST: Final = {1: (0.45, 0.85), MANY: (0.25, 0.45)}
RATE_LEAST, MAKING_MOST_MS = 1.0, 1.0
BASE: Final = "requests.Session"
_BEARER: Final = {"Authorization": f"Bearer {KEY}"}
_PATH: Final = "/api/v1/campaigns"

Call = Callable[[], object]


# --- the clients, each as its users write it, one object for all threads ---


@contextlib.contextmanager
def _http_client(url: str) -> Iterator[Call]:
    """A connection for each thread, since one cannot be shared."""
    here = threading.local()
    opened: list[HTTPConnection] = []

    def get() -> object:
        connection: HTTPConnection | None = getattr(here, "connection", None)
        if connection is None:
            connection = here.connection = HTTPConnection(url.removeprefix("http://"))
            opened.append(connection)
        connection.request("GET", _PATH, headers=_BEARER)
        answer = connection.getresponse()
        assert answer.status == 200
        return json.loads(answer.read())

    yield get
    for connection in opened:
        connection.close()


@contextlib.contextmanager
def _urllib3(url: str) -> Iterator[Call]:
    import urllib3

    with urllib3.PoolManager(maxsize=MANY, headers=_BEARER) as pool:

        def get() -> object:
            answer = pool.request("GET", url + _PATH, timeout=30)
            assert answer.status == 200
            return answer.json()

        yield get


@contextlib.contextmanager
def _requests(url: str, *, trusts: bool = True) -> Iterator[Call]:
    """Its `trust_env` is what people leave as it is: the environment is read for each request."""
    import requests
    from requests.adapters import HTTPAdapter

    with requests.Session() as session:
        session.trust_env = trusts
        session.headers.update(_BEARER)
        session.mount("http://", HTTPAdapter(pool_maxsize=MANY))

        def get() -> object:
            answer = session.get(url + _PATH, timeout=30)
            answer.raise_for_status()
            return answer.json()

        yield get


@contextlib.contextmanager
def _httpx(url: str) -> Iterator[Call]:
    import httpx

    with httpx.Client(headers=_BEARER) as client:
        yield lambda: client.get(url + _PATH).raise_for_status().json()


@contextlib.contextmanager
def _ours(url: str) -> Iterator[Call]:
    from onboard360_async import Onboard360

    sys.modules["orjson"] = None  # type: ignore[assignment]  # as it is installed by default
    with Onboard360(KEY, base_url=url, budget=unlimited()) as api:
        yield api.list_campaigns


CLIENTS: Final[Mapping[str, Callable[[str], contextlib.AbstractContextManager[Call]]]] = {
    "http.client": _http_client,
    "urllib3": _urllib3,
    "requests.Session": _requests,
    "requests, no trust_env": partial(_requests, trusts=False),
    "httpx.Client": _httpx,
    "ours": _ours,
}
NEEDS: Final = {
    "urllib3": "urllib3", "requests.Session": "requests", "requests, no trust_env": "requests", "httpx.Client": "httpx",
}  # fmt: skip


# --- at work: python -m benchmarks.blocking URL NAME ---


def make(call: Call, threads: int, many: int) -> tuple[float, float]:
    """CPU seconds of this process, and seconds, for so many calls by so many threads together."""
    numbers = iter(range(many))
    begin = threading.Barrier(threads + 1)

    def work() -> None:
        begin.wait()
        for _ in numbers:
            call()

    at_work = [threading.Thread(target=work) for _ in range(threads)]
    for worker in at_work:
        worker.start()
    began_cpu, began = time.process_time(), time.perf_counter()
    begin.wait()
    for worker in at_work:
        worker.join()
    return time.process_time() - began_cpu, time.perf_counter() - began


def _work(url: str, name: str) -> None:
    with CLIENTS[name](url) as call:

        def carry_out(order: Sequence[str]) -> tuple[float, float]:
            threads, many = map(int, order)
            make(call, threads, 2 * threads)
            return make(call, threads, many)

        obey(carry_out)


# --- the tables ---


def present(names: Iterable[str]) -> list[str]:
    """Those whose package is there."""
    return [name for name in names if name not in NEEDS or importlib.util.find_spec(NEEDS[name])]


def _cpu(hired: Mapping[str, Worker], threads: int, *, rounds: int, requests: int) -> Iterator[Table]:
    lasted: dict[str, list[float]] = {name: [] for name in hired}

    def turn(name: str) -> float:
        cpu_s, seconds = hired[name].order(threads, requests)
        lasted[name].append(requests / seconds)
        return float(cpu_s) / requests * TEN_THOUSAND

    took = interleaved({name: partial(turn, name) for name in hired}, rounds)
    base = BASE if BASE in took else "http.client"
    of_requests, of_httpx = MOST[threads]
    who = f"{threads} thread{'s' if threads > 1 else ''}"
    rows = []
    for name, seconds in medians(took).items():
        target = note = ""
        if name == "ours" and base == BASE:
            target = f"<= {of_requests:.2f}"
        if name == "ours" and "httpx.Client" in took:
            note = f"{beside(took, name, 'httpx.Client'):.2f} x httpx.Client (target: <= {of_httpx:.2f})"
        rows.append(Row(name, seconds, beside(took, name, base), target, note))
    told = f"{who}: CPU of 10,000 requests, median of {rounds} interleaved rounds of {requests}"
    yield Table(f"threads-{threads}", told, "s", tuple(rows), base)
    rates = {name: each[1:] for name, each in lasted.items()}  # without the round that warmed up
    least = f">= {RATE_LEAST:g}"
    rows = [
        Row(name, rate, beside(rates, name, base), least if name == "ours" else "")
        for name, rate in medians(rates).items()
    ]
    yield Table(f"rate-{threads}", f"{who}: requests in a second, of the same rounds", "in a s", tuple(rows), base)


def _handles() -> dict[str, Callable[[], object]]:
    """What makes one; each is kept until its round is over, and closed then."""
    import aiohttp

    from onboard360_async import AsyncOnboard360, Onboard360

    ways: dict[str, Callable[[], Any]] = {
        "ours, asynchronous": lambda: AsyncOnboard360(KEY),
        "ours, blocking": lambda: Onboard360(KEY),
        "aiohttp.ClientSession": aiohttp.ClientSession,
    }
    if importlib.util.find_spec("requests"):
        ways["requests.Session"] = __import__("requests").Session
    if importlib.util.find_spec("httpx"):
        ways["httpx.Client"] = __import__("httpx").Client
    return ways


async def _making(rounds: int, handles: int) -> Table:
    """On a running loop, which a session of aiohttp wants."""
    ways = _handles()

    async def turn(make_one: Callable[[], Any]) -> float:
        began = time.process_time()
        made = [make_one() for _ in range(handles)]
        took = time.process_time() - began
        for each in made:
            closing = await asyncio.to_thread(each.close)  # those that block may not do so on a loop
            if asyncio.iscoroutine(closing):
                await closing
        return took / handles * 1000

    took: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, make_one in ways.items():
            milliseconds = await turn(make_one)
            if number:
                took[name].append(milliseconds)
    base = next((name for name in took if name.startswith("requests")), "aiohttp.ClientSession")
    rows = []
    for name, each in took.items():
        target, note = (
            (f"<= {MAKING_MOST_MS:g} ms", "connects when first used") if name.startswith("ours") else ("", "")
        )
        rows.append(Row(name, median(each), beside(took, name, base), target, note))
    told = f"Making a handle: CPU, median of {rounds} interleaved rounds of {handles}"
    return Table("making", told, "ms", tuple(rows), base)


def tables(arguments: Sequence[str] = ()) -> list[Table]:
    """All of them."""
    options = argparse.ArgumentParser(prog="python3 dev bench blocking", description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--rounds", type=int, default=ROUNDS)
    options.add_argument("--requests", type=int, default=REQUESTS)
    options.add_argument("--only", choices=("cpu", "making"))
    options.add_argument("--clients", nargs="+", choices=CLIENTS, default=list(CLIENTS))
    asked = options.parse_args(arguments)
    made: list[Table] = []
    if asked.only in (None, "cpu"):
        with bare_server() as server:
            commands = {
                name: ("-m", "benchmarks.blocking", server.url, name)
                for name in dict.fromkeys(("http.client", *present(asked.clients)))
            }
            with workers(commands) as hired:
                for threads in MOST:
                    made += _cpu(hired, threads, rounds=asked.rounds, requests=asked.requests)
    if asked.only in (None, "making"):
        made.append(asyncio.run(_making(asked.rounds, HANDLES)))
    return made


def main(arguments: Sequence[str] = ()) -> None:
    """Print them."""
    print_all(tables(arguments))


if __name__ == "__main__":
    pin(0)
    _work(*sys.argv[1:])
