"""What a report draws, counted in the journal: by bins of time, however long the import. Knows no page."""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Final

from attrs import define, frozen

from onboard360_async.importer.journal import Journal, State
from onboard360_async.importer.report.axis import SECOND, Axis, make_axis

__all__ = ["GROUPS", "Fates", "Requests", "Run", "axis_of", "fates_of", "requests_of", "runs_of"]

GROUPS: Final = (
    ("created", (State.CREATED,)),
    ("adopted", (State.ADOPTED,)),
    ("existing", (State.EXISTING,)),
    ("rejected", (State.REJECTED,)),
    ("unresolved", (State.UNRESOLVED,)),
    ("doubt", (State.AMBIGUOUS, State.CREATED_NO_ID)),
)
_GRAINS: Final = 2_000  # as many moments of an import are looked at to find its pauses


@frozen
class Run:
    """When somebody sent, how it ended, and how many requests left."""

    began_at: int
    ended_at: int
    ending: str
    requests: int


@define
class Requests:
    """For each bin how many requests left, and the most that any rolling window which ends in it holds."""

    added: list[int]
    listed: list[int]
    rolling: list[int]

    def total(self) -> int:
        """How many left."""
        return sum(self.added) + sum(self.listed)


@frozen
class Fates:
    """For each group how many rows were in it by the end of each bin, and how many there are to be sent in all."""

    reached: Mapping[str, Sequence[int]]
    before: dict[str, int]  # known to be so, and nobody noted when
    total: int


def axis_of(journal: Journal, window_s: float) -> Axis | None:
    """The time in which something was done; None if nothing was."""
    moments = "SELECT at FROM requests UNION ALL SELECT ended_at FROM rows WHERE ended_at > 0 AND position IS NOT NULL"
    first, last = journal.db.execute(f"SELECT min(at), max(at) FROM ({moments})").fetchone()  # noqa: S608 - our own words
    if first is None:
        return None
    grain = max(1, (last - first) // _GRAINS)
    query = f"SELECT min(at), max(at) FROM ({moments}) GROUP BY at / ?"  # noqa: S608 - our own words
    spans = [(begin, end) for begin, end in journal.db.execute(query, (grain,))]
    runs = [
        (began_at, max(began_at, ended_at or last))
        for began_at, ended_at in journal.db.execute("SELECT began_at, ended_at FROM runs")
        if began_at <= last  # a run in which nothing was done has no place in the picture
    ]
    return make_axis([*spans, *runs], {began_at for began_at, _ in runs}, window_s / 60)


def requests_of(journal: Journal, axis: Axis, window_s: float) -> Requests:
    """The requests of each bin; two readers go through them, the second a window behind the first."""
    counts = Requests([0] * axis.bins, [0] * axis.bins, [0] * axis.bins)
    window, held = int(window_s * SECOND), 0
    query = "SELECT at, what FROM requests ORDER BY at"
    leaving = iter(journal.db.execute(query))
    oldest = next(leaving, None)
    for at, what in journal.db.execute(query):
        held += 1
        while oldest is not None and oldest[0] <= at - window:
            held, oldest = held - 1, next(leaving, None)
        index = axis.bin_of(at)
        (counts.listed if what == "list" else counts.added)[index] += 1
        counts.rolling[index] = max(counts.rolling[index], held)
    _fill(counts, axis, window)
    return counts


def _fill(counts: Requests, axis: Axis, window: int) -> None:
    """Where nothing left, the window still holds what left before."""
    back = window // axis.step
    sent = [added + listed for added, listed in zip(counts.added, counts.listed, strict=True)]
    for piece in axis.pieces:
        for index in range(piece.first, piece.first + piece.bins):
            if not sent[index]:
                counts.rolling[index] = sum(sent[max(piece.first, index - back) : index])


def fates_of(journal: Journal, axis: Axis) -> Fates:
    """How many rows had which outcome when."""
    journal.db.create_function("report_bin", 1, axis.bin_of, deterministic=True)
    group_of = {state: name for name, states in GROUPS for state in states}
    ended = {name: [0] * axis.bins for name, _ in GROUPS}
    before = {name: 0 for name, _ in GROUPS}
    total = 0
    query = """SELECT CASE WHEN ended_at > 0 THEN report_bin(ended_at) END AS bin, state, count(*) FROM rows
               WHERE position IS NOT NULL AND NOT (state = 'skipped_existing' AND ended_at IS NULL)
               GROUP BY bin, state"""
    for index, state, number in journal.db.execute(query):
        if state in (State.INVALID, State.DUPLICATE):
            continue
        total += number
        name = group_of.get(state)
        if name is not None and index is not None:
            ended[name][index] += number
        elif name is not None:
            before[name] += number
    reached = {name: list(accumulate(numbers, initial=before[name]))[1:] for name, numbers in ended.items()}
    return Fates(reached, before, total)


def runs_of(journal: Journal) -> list[Run]:
    """The runs in order. One that was killed ended with its last request, as far as anybody knows."""
    runs = sorted(map(tuple, journal.db.execute("SELECT began_at, ended_at, ending FROM runs")))
    starts = [began_at for began_at, *_ in runs]
    journal.db.create_function("report_run", 1, lambda at: bisect_right(starts, at) - 1, deterministic=True)
    query = "SELECT report_run(at) AS run, count(*), max(at) FROM requests GROUP BY run"
    sent = {run: (number, last) for run, number, last in journal.db.execute(query)}
    return list(_runs(runs, sent))


def _runs(runs: Sequence[tuple[int, int | None, str | None]], sent: dict[int, tuple[int, int]]) -> Iterator[Run]:
    for index, (began_at, ended_at, ending) in enumerate(runs):
        number, last = sent.get(index, (0, began_at))
        yield Run(began_at, max(ended_at or 0, last), ending or "running", number)
