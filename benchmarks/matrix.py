"""429s, share used and waits of each client against each way to cut a minute, in virtual time.

Knows no clock but the virtual one, so that every run says the same.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import median

from attrs import Factory, define

from benchmarks import table
from benchmarks.clients import CLIENTS, Client
from benchmarks.minute import LIMIT, WINDOW_S, Job, Outcome, play
from tests.budget.servers import Fixed, FixedFromFirst, Gcra, Server, SlidingCounter, SlidingLog, TokenBucket

__all__ = ["SERVERS", "Row", "print_head", "print_row", "row_of", "spread", "tables"]

_WINDOW_NS = int(WINDOW_S) * 1_000_000_000

# By name: a new one of limit and window, at an alignment.
SERVERS: Mapping[str, Callable[[int], Server]] = {
    "fixed": lambda phase: Fixed(LIMIT, _WINDOW_NS, phase),
    "first": lambda _: FixedFromFirst(LIMIT, _WINDOW_NS),
    "log": lambda _: SlidingLog(LIMIT, _WINDOW_NS),
    "counter": lambda phase: SlidingCounter(LIMIT, _WINDOW_NS, phase),
    "bucket": lambda _: TokenBucket(LIMIT, _WINDOW_NS),
    "GCRA": lambda _: Gcra(LIMIT, _WINDOW_NS),
}
ALIGNMENTS = 3  # of the server's minute to the client's first request; with each the network is another one, too
_LONG = Job(requests=2000, people=False)  # what share is used in the long run is read off this one
_STALLED = Job(people=False, stall_s=(1.5 * WINDOW_S, 1.5 * WINDOW_S + 25))


@define
class Row:
    """A client's line."""

    refused: dict[str, list[int]] = Factory(dict)  # by server
    used: float | None = None
    finish: list[float] = Factory(list)
    waits: list[float] = Factory(list)  # in windows
    lost: list[int] = Factory(list)

    def add(self, server: str, outcome: Outcome, job: Job) -> None:
        """One more run."""
        self.refused.setdefault(server, []).append(outcome.refused)
        self.finish.append(outcome.finish(job))
        self.waits += (wait_s / job.window_s for wait_s in outcome.waits)
        self.lost.append(outcome.lost)


def row_of(client: Client, job: Job, servers: Iterable[str] = SERVERS, alignments: int = ALIGNMENTS) -> Row:
    """A client against all of them."""
    row = Row()
    for server in servers:
        for number in range(alignments):
            phase = number * _WINDOW_NS // alignments
            row.add(server, play(client, SERVERS[server](phase), job, seed=number), job)
    row.used = play(client, SERVERS["log"](0), _LONG, seed=0).used()
    return row


def spread(values: Sequence[float], form: str = "d") -> str:
    """The least and the most, or the one value."""
    least, most = format(min(values), form), format(max(values), form)
    return least if least == most else f"{least}-{most}"


def print_head(servers: Sequence[str]) -> None:
    """Of the table with a column for each server."""
    heads = "".join(f"{server:>{_width(servers)}}" for server in servers)
    print(f"{'client':<36}{heads}{'used':>6}{'finish':>11}{'wait p50':>9}{'max':>6}{'lost':>9}", flush=True)


def print_row(client: Client, row: Row, servers: Sequence[str]) -> None:
    """A client's line, as soon as it is there."""
    cells = "".join(f"{spread(row.refused[server]):>{_width(servers)}}" for server in servers)
    used = "-" if row.used is None else f"{row.used:.2f}"
    p50, most = (f"{median(row.waits):.2f}", f"{max(row.waits):.2f}") if row.waits else ("-", "-")
    print(
        f"{client.name + ' ' + client.version():<36}{cells}{used:>6}{spread(row.finish, '.2f'):>11}{p50:>9}{most:>6}"
        f"{spread(row.lost):>9}",
        flush=True,
    )


def _width(servers: Sequence[str]) -> int:
    return max(9, *map(len, servers)) + 1


def _print_stall() -> table.Table:
    print("\nThe same after the network stalled for 25 s in the middle: 429s from a sliding log, without and with")
    print("refused requests in the log")
    rows = []
    for client in CLIENTS[2:]:
        cells, most = [], 0
        for counts_refused in (False, True):
            runs = range(ALIGNMENTS)
            servers = (SlidingLog(LIMIT, _WINDOW_NS, counts_refused=counts_refused) for _ in runs)
            outcomes = [play(client, server, _STALLED, seed=seed) for seed, server in zip(runs, servers, strict=True)]
            cells.append(spread([outcome.refused for outcome in outcomes]))
            most = max(most, *(outcome.refused for outcome in outcomes))
        print(f"{client.name:<36}{cells[0]:>10}{cells[1]:>10}", flush=True)
        rows.append(table.Row(client.name, most, note=" and ".join(cells)))
    print(flush=True)
    return table.Table("stalled", "429s after a stalled network, the most of all runs", "429s", tuple(rows), told=True)


def _told(client: Client, row: Row) -> table.Row:
    """A client's line as data: the most 429s, and what else is in the wide one."""
    refused = ", ".join(f"{server} {spread(counts)}" for server, counts in row.refused.items())
    used = "" if row.used is None else f"; used {row.used:.2f}"
    waits = f"; wait p50 {median(row.waits):.2f}, max {max(row.waits):.2f}" if row.waits else ""
    note = f"{refused}{used}; finish {spread(row.finish, '.2f')}{waits}; lost {spread(row.lost)}"
    target = "0" if client.name == "ours" else ""
    return table.Row(client.name, max(map(max, row.refused.values())), target=target, note=note)


def tables() -> list[table.Table]:
    """Both; they are wide, so they are printed here, as they come, and handed back for those who save them."""
    job = Job()
    print(
        f"{job.requests} requests, {job.workers} workers, 0 to {job.jitter_s} s each way, {LIMIT} in {WINDOW_S:g} s, "
        f"virtual time, {ALIGNMENTS} alignments.\n"
        "429s by server; used: share of the limit in the long run, against the log; finish: in the least time there "
        "is\n(a hundred at once, and a hundred after each minute); wait: a person's in the middle of the bulk job, in "
        "windows,\nin a lane of its own where there is one (ours); lost: given up after 6 tries (SDKs: 3). "
        "a-b: the least and the most.\n"
    )
    print_head(list(SERVERS))
    rows = []
    for client in CLIENTS:
        row = row_of(client, job)
        print_row(client, row, list(SERVERS))
        rows.append(_told(client, row))
    title = f"429s of {job.requests} requests, the most of all runs, over all ways to cut a minute"
    return [table.Table("matrix", title, "429s", tuple(rows), told=True), _print_stall()]
