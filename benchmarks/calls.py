"""`python3 dev bench calls`: what one request costs the process that makes it, ours beside what users would take.

Typed list and typed add, as on the API page, sixteen at once, against a bare server on another core that is never the
limit. Each client has a process of its own, a new one in each round, in which every one has its turns. A figure is the
median of the rounds, a ratio the median of what each round says. Then what ours allocates, and how many Python
functions it calls, beside raw aiohttp. Options: --requests (of a turn), --rounds, --only cpu|allocated|python.
"""

import argparse
import contextlib
import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final

from benchmarks.bare import ROOT, bare_server
from benchmarks.callers import AT_ONCE, CLIENTS, NEEDS
from benchmarks.orders import Worker, beside, interleaved, medians, workers
from benchmarks.table import Row, Table, print_all

__all__ = ["generate", "main", "tables"]

ROUNDS, TURNS, REQUESTS, COUNTED = 9, 2, 800, 320
SLOW: Final = 4  # so many times fewer requests for the slow ones: their figures are steady all the same
MOST, MOST_UVLOOP, MOST_ALLOCATED, MOST_CALLS = 1.15, 0.90, 1.15, 1.2  # beside raw aiohttp + json; the targets
BASE: Final = "raw aiohttp + json"
NAMES: Final[Mapping[str, str]] = {
    "floor": "floor: asyncio.Protocol + json", "raw": BASE, "usual": "aiohttp as usually written",
    "ours": "ours", "ours-orjson": "ours, with orjson",
    "raw-uvloop": "raw aiohttp + json, uvloop", "ours-uvloop": "ours, uvloop",
    "stripe": "stripe's transport, aiohttp",
    "stripe-client": "stripe's client, aiohttp", "httpx": "httpx.AsyncClient", "requests": "requests, blocking",
    "generated": "openapi-python-client",
}  # fmt: skip
TARGETS: Final = {"ours": f"<= {MOST}", "ours-uvloop": f"<= {MOST_UVLOOP:.2f}"}
COUNTED_OF: Final = ("raw", "usual", "ours")
KINDS: Final = {"get": "List campaigns (GET)", "post": "Add a client (POST)"}


@contextlib.contextmanager
def generate(names: Iterable[str]) -> Iterator[dict[str, str]]:
    """The environment in which the generated client, if it is one of these, can be imported."""
    if "generated" not in names:
        yield dict(os.environ)
        return
    with TemporaryDirectory() as folder:
        settings = Path(folder) / "settings.yml"
        settings.write_text("post_hooks: []\n")
        document = ROOT / "onboard360_async" / "sandbox" / "openapi.json"
        command = [sys.executable, "-m", "openapi_python_client", "generate", "--meta", "none"]
        where: list[str | Path] = [
            "--path",
            document,
            "--config",
            settings,
            "--output-path",
            Path(folder) / "generated_client",
        ]
        subprocess.run([*command, *where], check=True, capture_output=True)
        path = os.pathsep.join(filter(None, (folder, os.environ.get("PYTHONPATH"))))
        yield {**os.environ, "PYTHONPATH": path}


def present(names: Iterable[str]) -> list[str]:
    """Those whose package is there."""
    return [name for name in names if name not in NEEDS or importlib.util.find_spec(NEEDS[name])]


def cpu(commands: Mapping[str, Sequence[str]], env: Mapping[str, str], *, rounds: int, requests: int) -> list[Table]:
    """Microseconds of a request, for each kind; in new processes each round, since no two of a kind are quite alike."""
    took: dict[str, dict[str, list[float]]] = {kind: {name: [] for name in commands} for kind in KINDS}
    for _ in range(rounds):
        with workers(commands, env) as hired:
            for kind, of_kind in took.items():
                turns: dict[str, Callable[[], float]] = {}
                for name, worker in hired.items():
                    many = requests // (SLOW if name in ("httpx", "requests", "generated") else 1)
                    turns[name] = partial(_per_call, worker, "cpu", kind, many)
                for name, figures in interleaved(turns, TURNS).items():
                    of_kind[name].append(median(figures))
    tables = []
    for kind, title in KINDS.items():
        rows = (
            Row(NAMES[name], micros * 1e6, beside(took[kind], name, "raw"), TARGETS.get(name, ""))
            for name, micros in medians(took[kind]).items()
        )
        told = f"{title}, {AT_ONCE} at once: CPU of a request, median of {rounds} rounds of {TURNS} x {requests}"
        tables.append(Table(kind, told, "µs", tuple(rows), BASE))
    return tables


def counted(hired: Mapping[str, Worker], what: str, title: str, most: float, *, requests: int) -> Iterator[Table]:
    """What can be counted in a request, ours beside raw aiohttp; it hardly differs from time to time."""
    for kind, of in KINDS.items():
        figures = {name: _per_call(hired[name], what, kind, requests) for name in COUNTED_OF}
        rows = (
            Row(NAMES[name], figure, figure / figures["raw"], f"<= {most}" if name == "ours" else "")
            for name, figure in figures.items()
        )
        yield Table(f"{kind}-{what}", f"{of}: {title}, mean of {requests}", "a call", tuple(rows), BASE)


def _per_call(worker: Worker, what: str, kind: str, many: int) -> float:
    return float(worker.order(what, kind, many)) / many


def tables(arguments: Sequence[str] = ()) -> list[Table]:
    """All of them."""
    options = argparse.ArgumentParser(prog="python3 dev bench calls", description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--rounds", type=int, default=ROUNDS)
    options.add_argument("--requests", type=int, default=REQUESTS)
    options.add_argument("--counted", type=int, default=COUNTED, metavar="REQUESTS")
    options.add_argument("--only", choices=("cpu", "allocated", "python"))
    options.add_argument("--clients", nargs="+", choices=CLIENTS, default=list(CLIENTS), help="beside `raw`, which is")
    asked = options.parse_args(arguments)
    names = [name for name in present(CLIENTS) if name == "raw" or name in asked.clients]
    made: list[Table] = []
    with bare_server() as server, generate(names) as env:
        commands = {name: ("-m", "benchmarks.callers", name, server.url) for name in names}
        if asked.only in (None, "cpu"):
            made += cpu(commands, env, rounds=asked.rounds, requests=asked.requests)
        # Others for what is counted: whoever was traced once is not timed again.
        few = {name: ("-m", "benchmarks.callers", name, server.url) for name in COUNTED_OF}
        with workers(few, env) as hired:
            if asked.only in (None, "python"):
                what = "Python functions called, and coroutines that went on"
                made += counted(hired, "python", what, MOST_CALLS, requests=asked.counted)
            if asked.only in (None, "allocated") and importlib.util.find_spec("memray"):
                what = "allocations, by memray with Python's own allocators traced"
                made += counted(hired, "allocated", what, MOST_ALLOCATED, requests=asked.counted)
    return made


def main(arguments: Sequence[str] = ()) -> None:
    """Print them."""
    print_all(tables(arguments))


if __name__ == "__main__":
    main(sys.argv[1:])
