"""A time axis with the pauses between runs cut out, in bins and in pixels. Knows no journal and no picture.

Times are nanoseconds since the epoch.
"""

from bisect import bisect_right
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import count, pairwise
from math import ceil
from typing import Final

from attrs import frozen

__all__ = ["Axis", "Piece", "Scale", "Tick", "local", "make_axis", "next_step", "zone"]

SECOND: Final = 1_000_000_000
_DAY_S: Final = 86_400
_STEPS_S: Final = (
    *(number / scale for scale in (10_000, 1000, 100, 10) for number in (1, 2, 5)),
    *(1, 2, 5, 10, 15, 20, 30),
    *(60 * number for number in (1, 2, 5, 10, 15, 20, 30)),
    *(3600 * number for number in (1, 2, 3, 4, 6, 12)),
    *(_DAY_S * number for number in (1, 2, 7)),
)
_MOST_BINS: Final = 240
_MOST_CUTS: Final = 20
_CUT_SHARE: Final = 0.05  # of all the time in which something was done: a longer pause is cut out
_LEAST_BINS: Final = 10  # of a short import, so that its columns are columns and not walls
_DAY: Final = "%d %b"
_CUT_PX: Final = 14
_CUTS_SHARE: Final = 0.3  # of the width, at most
_LEAST_PX: Final = 24


@frozen
class Piece:
    """A time without a cut: `bins` bins, the first of which is the axis' bin number `first`."""

    start: int
    bins: int
    first: int
    pause: int  # how much was cut out before it


@frozen
class Axis:
    """Pieces in order, in bins of `step` nanoseconds."""

    pieces: Sequence[Piece]
    step: int

    @cached_property
    def _starts(self) -> list[int]:
        return [piece.start for piece in self.pieces]

    @property
    def bins(self) -> int:
        """How many there are."""
        return self.pieces[-1].first + self.pieces[-1].bins

    def bin_of(self, at: int) -> int:
        """The bin that a time is in, or is nearest to."""
        piece = self.pieces[max(0, bisect_right(self._starts, at) - 1)]
        return piece.first + min(max(0, (at - piece.start) // self.step), piece.bins - 1)


def make_axis(spans: Collection[tuple[int, int]], begins: Collection[int], least_s: float) -> Axis:
    """An axis over all `spans`; only where a run begins may a pause be cut out. Bins are at least about `least_s`."""
    least = round(next_step(least_s) * SECOND)
    whole = _cut(_merged(spans, begins), _LEAST_BINS * least)
    length = sum(end - start for start, end in whole)
    step = max(least, round(next_step(length / SECOND / _MOST_BINS) * SECOND))
    pieces: list[Piece] = []
    first = free = 0
    before = whole[0][0]
    for start, end in whole:
        begin = max(free, start // step * step)
        bins = max(_LEAST_BINS if step == least else 1, (end - begin) // step + 1)
        pieces.append(Piece(begin, bins, first, start - before))
        first, free, before = first + bins, begin + bins * step, end
    return Axis(pieces, step)


def _merged(spans: Collection[tuple[int, int]], begins: Collection[int]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and (start <= merged[-1][1] or start not in begins):
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


def _cut(spans: Sequence[tuple[int, int]], least: int) -> list[tuple[int, int]]:
    """The spans between the longest pauses."""
    worth = max(least, sum(end - start for start, end in spans) * _CUT_SHARE)
    pauses = sorted(((after[0] - before[1], after[0]) for before, after in pairwise(spans)), reverse=True)
    cuts = {start for pause, start in pauses[:_MOST_CUTS] if pause > worth}
    return _merged(spans, cuts)


def next_step(least_s: float) -> float:
    """The first round number of seconds that is not less."""
    weeks = (_STEPS_S[-1] * 2**power for power in count(1))
    return next((step for step in _STEPS_S if step >= least_s), None) or next(step for step in weeks if step >= least_s)


@frozen
class Tick:
    """A mark on the axis: where, and what stands below it; the date, if it is another than before."""

    x: float
    label: str
    date: str | None


@frozen
class Scale:
    """An axis on a drawing: from `left`, so many pixels wide."""

    axis: Axis
    left: float
    width: float

    @cached_property
    def _cut_px(self) -> float:
        cuts = len(self.axis.pieces) - 1
        return min(_CUT_PX, self.width * _CUTS_SHARE / cuts) if cuts else 0

    @cached_property
    def widths(self) -> list[float]:
        """How wide each piece is: as long as it is, but the shortest can be seen."""
        pieces = self.axis.pieces
        room = self.width - self._cut_px * (len(pieces) - 1)
        small = min(_LEAST_PX, room / len(pieces))
        return [small + (room - small * len(pieces)) * piece.bins / self.axis.bins for piece in pieces]

    @cached_property
    def lefts(self) -> list[float]:
        """Where each piece begins."""
        return [self.left + sum(self.widths[:index]) + self._cut_px * index for index in range(len(self.widths))]

    def x_of_bin(self, index: int, number: float) -> float:
        """Where a piece's bin begins, counted from the piece's first."""
        return self.lefts[index] + self.widths[index] * number / self.axis.pieces[index].bins

    def cuts(self) -> Iterator[tuple[float, int]]:
        """The middle of each cut, and how much was cut out."""
        for left, piece in list(zip(self.lefts, self.axis.pieces, strict=True))[1:]:
            yield left - self._cut_px / 2, piece.pause

    def ticks(self, apart: float) -> list[Tick]:
        """Round times, at least so many pixels apart; each piece, if there is room, has one before any has two."""
        placed: dict[float, tuple[int, str]] = {}
        every = [list(self._candidates(index, apart)) for index in range(len(self.axis.pieces))]
        for x, at, form in [*(each[0] for each in every), *(one for each in every for one in each[1:])]:
            if all(abs(x - other) > apart - 1 for other in placed):
                placed[x] = at, form
        ticks: list[Tick] = []
        day = ""
        for x, (at, form) in sorted(placed.items()):
            date = local(at).strftime("%Y" if form == _DAY else "%Y-%m-%d")
            ticks.append(Tick(x, local(at).strftime(form), date if date != day else None))
            day = date
        return ticks

    def _candidates(self, index: int, apart: float) -> Iterator[tuple[float, int, str]]:
        piece = self.axis.pieces[index]
        length = piece.bins * self.axis.step
        step_s = max(1, ceil(next_step(length / SECOND * apart / self.widths[index])))
        times = _round_times(piece.start, length, step_s) or [piece.start]
        form = (
            "%d %b" if step_s >= _DAY_S else "%H:%M" if step_s >= 60 and times[0] % (60 * SECOND) == 0 else "%H:%M:%S"
        )
        for at in times:
            yield self.x_of_bin(index, (at - piece.start) / self.axis.step), at, form


def _round_times(start: int, length: int, step_s: int) -> Sequence[int]:
    offset_s = int((local(start).utcoffset() or timedelta()).total_seconds())
    first = -(-(start + offset_s * SECOND) // (step_s * SECOND)) * step_s - offset_s
    return range(first * SECOND, start + length + 1, step_s * SECOND)


def local(at: int) -> datetime:
    """A time as the clock on this machine's wall shows it."""
    return datetime.fromtimestamp(at // SECOND, UTC).astimezone()


def zone(at: int) -> str:
    """The zone of that clock then, as `UTC+01:00`."""
    offset = f"{local(at):%z}"
    return "UTC" if offset == "+0000" else f"UTC{offset[:3]}:{offset[3:5]}"
