"""A long listing over HTTP, streamed and gathered: CPU for each client, the first one, longest stall, memory.

The server is a process of its own, on another core where there is one, and so is each reading, in interleaved rounds
(`listing_ways`). ijson is the peer, with its C backend, and makes dicts only; ours makes checked models. Stall is the
longest time between two turns of the loop; what its own thread worked of it is told beside it, since other processes
may hold it up, too. Linux alone: memory is read from its /proc. `--clients 1000000` is the whole size. Options:
--only GROUP, --clients N, --rounds N.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks.listing_ways import BLOCKING, LISTED, STREAMED, Taken
from benchmarks.table import Row, Table, print_all

__all__ = ["main", "measured", "tables"]

ROOT: Final = Path(__file__).parents[1]
CLIENTS, ROUNDS = 200_000, 3
JSON_MOST, ORJSON_MOST = 0.85, 0.6  # times ijson; the targets
PEAK_MOST_MB, FIRST_MOST_MS, STALL_MOST_MS = 8, 10, 20
LISTED_PEAK_MOST, LISTED_STALL_MOST_MS = 1.1, 400  # times the result
BLOCKING_MOST = 1.3  # times `async for`
PEER: Final = "ijson (dicts)"  # the faster of its two ways

Figure = Callable[[Taken], float]


def _cores() -> tuple[set[int], set[int]]:
    """For the server, and for those who read."""
    cores = sorted(os.sched_getaffinity(0))
    return {cores[0]}, {cores[-1]}


@contextmanager
def _on(cores: set[int]) -> Iterator[None]:
    """Processes that are started here stay on these cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "benchmarks.listing_ways", *arguments]


def measured(ways: Iterable[str], clients: int, rounds: int) -> dict[str, Taken]:
    """What each way took, medians of interleaved rounds, figure by figure."""
    servers, readers = _cores()
    took: dict[str, list[Taken]] = {way: [] for way in ways}
    with _on(servers):
        server = subprocess.Popen(
            _command("serve", str(clients)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
        )
    with server:
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        for _ in range(rounds):
            for way, each in took.items():
                with _on(readers):
                    done = subprocess.run(_command(way, url), stdout=subprocess.PIPE, check=True, cwd=ROOT)
                taken = Taken(**json.loads(done.stdout))
                assert taken.clients in (clients, 0), f"{way} read {taken.clients} clients"
                each.append(taken)
        server.communicate()
    return {
        way: Taken(**{name: median(getattr(taken, name) for taken in each) for name in Taken.__annotations__})
        for way, each in took.items()
    }


def _rows(took: dict[str, Taken], figure: Figure, targets: dict[str, str], note: Callable[[Taken], str]) -> list[Row]:
    return [Row(way, figure(taken), target=targets.get(way, ""), note=note(taken)) for way, taken in took.items()]


def _beside(rows: Iterable[Row], base: float) -> tuple[Row, ...]:
    return tuple(Row(row.name, row.value, row.value / base, row.target, row.note) for row in rows)


def _none(_: Taken) -> str:
    return ""


def _worked(taken: Taken) -> str:
    return f"of that worked: {taken.busy_s * 1000:.1f}"


def _streamed(clients: int, rounds: int) -> list[Table]:
    took = measured(STREAMED, clients, rounds)
    of = f"{clients:,} clients streamed over HTTP, medians of {rounds} rounds"
    ours = [way for way in took if way.startswith("ours")]
    cpu = {way: f"<= {ORJSON_MOST if 'orjson' in way else JSON_MOST:g}" for way in ours}

    def table(name: str, what: str, unit: str, figure: Figure, target: str, note: Callable[[Taken], str]) -> Table:
        rows = _rows(took, figure, dict.fromkeys(ours, target), note)
        return Table(name, f"{of}: {what}", unit, tuple(rows))

    each = _rows(took, lambda taken: taken.cpu_s / clients * 1e9, cpu, _none)
    base = next(row.value for row in each if row.name == PEER)
    return [
        Table("streamed-cpu", f"{of}: CPU", "ns a client", _beside(each, base), PEER),
        table(
            "streamed-first", "the first client", "ms", lambda taken: taken.first_s * 1e3, f"<= {FIRST_MOST_MS}", _none
        ),
        table(
            "streamed-stall", "longest stall", "ms", lambda taken: taken.stall_s * 1e3, f"<= {STALL_MOST_MS}", _worked
        ),
        table("streamed-peak", "peak above the base", "MB", lambda taken: taken.peak_mb, f"<= {PEAK_MOST_MB}", _none),
    ]


def _listed(clients: int, rounds: int) -> list[Table]:
    took = measured(LISTED, clients, rounds)
    of = f"{clients:,} clients in one list, medians of {rounds} rounds"
    ours = [way for way in took if way.startswith("list_clients")]
    peaks = tuple(
        Row(
            way,
            taken.peak_mb,
            taken.peak_mb / taken.result_mb,
            f"<= {LISTED_PEAK_MOST}" if way in ours else "",
            f"the list: {taken.result_mb:.0f}",
        )
        for way, taken in took.items()
    )
    stalls = _rows(took, lambda taken: taken.stall_s * 1e3, dict.fromkeys(ours, f"<= {LISTED_STALL_MOST_MS}"), _worked)
    cpu = _rows(took, lambda taken: taken.cpu_s / clients * 1e9, {}, _none)
    return [
        Table("listed-peak", f"{of}: peak above the base", "MB", peaks, "the list itself"),
        Table("listed-stall", f"{of}: longest stall", "ms", tuple(stalls)),
        Table("listed-cpu", f"{of}: CPU", "ns a client", tuple(cpu)),
    ]


def _blocking(clients: int, rounds: int) -> list[Table]:
    took = measured(BLOCKING, clients, rounds)
    base, ours = BLOCKING
    rows = _rows(took, lambda taken: taken.cpu_s / clients * 1e9, {ours: f"<= {BLOCKING_MOST}"}, _none)
    title = f"{clients:,} clients, client by client, CPU of the process, medians of {rounds} rounds"
    return [Table("blocking-item", title, "ns a client", _beside(rows, rows[0].value), base)]


GROUPS: Final = {"streamed": _streamed, "listed": _listed, "blocking": _blocking}


def tables(arguments: Sequence[str] = ()) -> list[Table]:
    """Streamed, gathered in a list, and by the blocking handle."""
    options = argparse.ArgumentParser(prog="python3 dev bench listing", description=__doc__)
    options.add_argument("--only", choices=GROUPS, help="one group alone")
    options.add_argument("--clients", type=int, default=CLIENTS)
    options.add_argument("--rounds", type=int, default=ROUNDS)
    asked = options.parse_args(arguments)
    return [
        table
        for name, group in GROUPS.items()
        if asked.only in (None, name)
        for table in group(asked.clients, asked.rounds)
    ]


def main(arguments: Sequence[str] = ()) -> None:
    """Print the tables."""
    print_all(tables(arguments))


if __name__ == "__main__":
    main(sys.argv[1:])
