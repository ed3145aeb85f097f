"""The pictures of a report, as SVG whose colours its style sheet gives. Knows no journal.

Each is drawn twice, for a screen and for a telephone, so that its letters are as large as the page's.
"""

from collections.abc import Callable, Iterator, Sequence
from math import ceil, floor, log10
from typing import Final

from attrs import frozen

from onboard360_async.importer.report.axis import SECOND, Axis, Scale
from onboard360_async.importer.report.data import GROUPS, Fates, Requests
from onboard360_async.importer.report.words import duration, escaped, number

__all__ = ["draw_fates", "draw_requests"]

_WIDTHS: Final = (("wide", 920), ("narrow", 380))
_RIGHT: Final = 14
_LETTER: Final = 7.2  # pixels, about, of a digit
_BOLD: Final = 7.9  # ... of a bold letter
_LEAST: Final = 1.5  # pixels of a column, however little it stands for
_HEAD: Final = 24  # above a panel, for what it shows
_APART: Final = 62  # pixels between two times
_FOOT: Final = 44  # below the last one, for times and dates


def draw_requests(axis: Axis, requests: Requests, *, limit: int, window_s: float) -> str:
    """Requests per second against the budget, and below it the requests in any window against the limit."""
    step_s = axis.step / SECOND
    added = [count / step_s for count in requests.added]
    both = [count / step_s for count in map(sum, zip(requests.added, requests.listed, strict=True))]
    per_window = f"requests in any {number(window_s)} s"
    rate = limit / window_s

    highest, fastest = max(*requests.rolling, ceil(limit * 1.2)), max(*both, rate * 1.25)

    def draw(width: int) -> str:
        scale = _scale(axis, width, fastest, highest)
        upper = Panel(scale, _HEAD, 150, fastest, "requests per second", f"budget: {number(rate)} a second")
        lower = Panel(scale, _HEAD * 2 + 190, 110, highest, per_window, f"limit: {number(limit)}")
        columns = (upper.columns("listed", both), upper.columns("added", added))
        rolling = lower.columns("rolling", [float(most) for most in requests.rolling])
        drawn = (upper.frame(), *columns, upper.line(rate), upper.times(), upper.cuts())
        return "".join((*drawn, lower.frame(), rolling, lower.line(limit), lower.times(), lower.labels(), lower.cuts()))

    title = "Requests per second against the budget"
    about = f"{number(requests.total())} requests over time; the most {per_window}: {number(max(requests.rolling))}."
    return _pictures("requests", title, about, _HEAD * 2 + 190 + 110 + _FOOT, draw)


def draw_fates(axis: Axis, fates: Fates) -> str:
    """How many rows had which outcome when, stacked, and how many were still to be sent."""
    layers = [name for name, _ in GROUPS if fates.reached[name][-1]]

    def draw(width: int) -> str:
        panel = Panel(_scale(axis, width, fates.total), _HEAD, 230, fates.total, "rows")
        bottom = [0] * axis.bins
        start = 0
        drawn = [panel.frame()]
        for name in layers:
            top = [low + more for low, more in zip(bottom, fates.reached[name], strict=True)]
            drawn.append(panel.area(name, (start, *bottom), (start + fates.before[name], *top)))
            bottom, start = top, start + fates.before[name]
        drawn.append(panel.area("left", (start, *bottom), (fates.total,) * (axis.bins + 1)))
        return "".join((*drawn, panel.grid("over"), panel.times(), panel.labels(), panel.cuts()))

    about = f"{number(fates.total)} rows: {number(sum(each[-1] for each in fates.reached.values()))} have an outcome."
    return _pictures("fates", "What became of the rows over time", about, _HEAD + 230 + _FOOT, draw)


def _pictures(name: str, title: str, about: str, height: int, draw: Callable[[int], str]) -> str:
    return "".join(
        f'<svg class="{kind}" viewBox="0 0 {width} {height}" role="img"'
        f' aria-labelledby="{name}-{kind}-t {name}-{kind}-d">'
        f'<title id="{name}-{kind}-t">{escaped(title)}</title><desc id="{name}-{kind}-d">{escaped(about)}</desc>'
        f"{draw(width)}</svg>"
        for kind, width in _WIDTHS
    )


def _scale(axis: Axis, width: int, *highest: float) -> Scale:
    """Beside the longest mark of panels with these numbers."""
    left = max(len(number(mark)) for most in highest for mark in _round_marks(most)) * _LETTER + 12
    return Scale(axis, left, width - left - _RIGHT)


@frozen
class Panel:
    """One plot: a time axis, and an axis of numbers from 0 to `most`; above it what it shows, and its bound's name."""

    scale: Scale
    top: float
    height: float
    most: float
    what: str
    bound: str = ""

    def y(self, value: float) -> float:
        """How far down a number stands."""
        return self.top + self.height * (1 - value / self.most / 1.03)

    @property
    def right(self) -> float:
        """The end of the time axis."""
        return self.scale.left + self.scale.width

    def frame(self) -> str:
        """What is counted, and the marks."""
        labels = "".join(
            f'<text class="mark" x="{self.scale.left - 7:.1f}" y="{self.y(mark) + 4:.1f}">{number(mark)}</text>'
            for mark in _round_marks(self.most)
        )
        return (
            f'<text class="what" x="0" y="{self.top - 10:.1f}">{escaped(self.what)}</text>{self.grid("grid")}{labels}'
        )

    def grid(self, kind: str) -> str:
        """A line across at each mark."""
        marks = _round_marks(self.most)
        lines = "".join(f"M{self.scale.left:.1f} {self.y(mark):.1f}H{self.right:.1f}" for mark in marks)
        return f'<path class="{kind}" d="{lines}"/>'

    def columns(self, kind: str, values: Sequence[float]) -> str:
        """A column for each bin."""
        return f'<path class="{kind}" d="{"".join(self._columns(values))}"/>'

    def _columns(self, values: Sequence[float]) -> Iterator[str]:
        pieces, bottom = self.scale.axis.pieces, self.y(0)
        widths = [width / piece.bins for width, piece in zip(self.scale.widths, pieces, strict=True)]
        gap = 1 if min(widths) > 5 else 0
        for index, piece in enumerate(pieces):
            for offset in range(piece.bins):
                if value := values[piece.first + offset]:
                    x, y = self.scale.x_of_bin(index, offset), min(self.y(value), bottom - _LEAST)
                    yield f"M{x:.1f} {bottom:.1f}V{y:.1f}h{widths[index] - gap:.1f}V{bottom:.1f}z"

    def area(self, kind: str, low: Sequence[float], high: Sequence[float]) -> str:
        """What is between two lines: each has its first value, and one for the end of each bin."""
        return f'<path class="{kind}" d="{"".join(self._areas(low, high))}"/>'

    def _areas(self, low: Sequence[float], high: Sequence[float]) -> Iterator[str]:
        for index, piece in enumerate(self.scale.axis.pieces):
            numbers = range(piece.bins + 1)
            there = [(self.scale.x_of_bin(index, offset), high[piece.first + offset]) for offset in numbers]
            back = [(self.scale.x_of_bin(index, offset), low[piece.first + offset]) for offset in numbers]
            points = [f"{x:.1f} {self.y(value):.1f}" for x, value in [*_bends(there), *reversed(_bends(back))]]
            yield f"M{'L'.join(points)}z"

    def line(self, value: float) -> str:
        """The bound, and its name above the panel's end."""
        y, x = self.y(value), self.right - len(self.bound) * _BOLD - 34
        return (
            f'<path class="bound" d="M{self.scale.left:.1f} {y:.1f}H{self.right:.1f}M{x:.1f} {self.top - 14:.1f}h25"/>'
            f'<text class="bound-name" x="{self.right:.1f}" y="{self.top - 10:.1f}">{escaped(self.bound)}</text>'
        )

    def times(self) -> str:
        """The time axis, and its marks."""
        bottom = self.top + self.height
        pieces = zip(self.scale.lefts, self.scale.widths, strict=True)
        base = [f"M{left:.1f} {bottom:.1f}h{width:.1f}" for left, width in pieces]
        base += [f"M{tick.x:.1f} {bottom:.1f}v5" for tick in self.scale.ticks(_APART)]
        return f'<path class="base" d="{"".join(base)}"/>'

    def labels(self) -> str:
        """The times and dates below it."""
        return "".join(self._labels(self.top + self.height))

    def _labels(self, bottom: float) -> Iterator[str]:
        free = free_below = 0.0
        for tick in self.scale.ticks(_APART):
            x = min(max(tick.x, 28), self.right + _RIGHT - 28)  # within the drawing, and beside the one before
            if x < free:
                continue
            yield f'<text class="time" x="{x:.1f}" y="{bottom + 19:.1f}">{tick.label}</text>'
            free = x + 56
            if tick.date is not None and tick.x >= free_below:
                x = max(min(max(tick.x, 36), self.right + _RIGHT - 36), free_below)
                yield f'<text class="time" x="{x:.1f}" y="{bottom + 35:.1f}">{tick.date}</text>'
                free_below = x + 80

    def cuts(self) -> str:
        """Waves where a pause is cut out, and how long it was where there is room for it."""
        return "".join(self._cuts())

    def _cuts(self) -> Iterator[str]:
        free = len(self.what) * _BOLD + 12
        end = self.right - (len(self.bound) * _BOLD + 44 if self.bound else 0)
        waves = "q3 4 0 8q-3 4 0 8" * round(self.height / 16)
        for x, pause in self.scale.cuts():
            lines = "".join(f"M{x + side:.1f} {self.top:.1f}{waves}" for side in (-2.5, 2.5))
            name, half = duration(pause), len(duration(pause)) * 3.2
            yield f'<g class="cut"><title>{name} cut out</title><path d="{lines}"/></g>'
            if x - half > free and x + half < end:
                yield f'<text class="pause" x="{x:.1f}" y="{self.top - 10:.1f}">{name}</text>'
                free = x + half + 12


def _bends(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The points of a line that it cannot do without: where it goes on level, its ends suffice."""
    inner = zip(points, points[1:], points[2:], strict=False)
    kept = [here for before, here, after in inner if not before[1] == here[1] == after[1]]
    return [points[0], *kept, points[-1]]


def _round_marks(most: float) -> list[float]:
    """From 0 to at most `most`, about five steps; whole numbers as integers, and nothing between 0 and 1 of many."""
    rough = max(most, 1e-9) / 5
    power = 10.0 ** floor(log10(rough))
    steps = (1, 2, 2.5, 5, 10) if power >= 10 else (1, 2, 5, 10)
    step = next(power * each for each in steps if power * each >= rough * 0.999)
    if isinstance(most, int):
        step = max(step, 1)
    marks = [round(step * index, 9) for index in range(floor(most / step * 1.001) + 1)]
    return [int(mark) if mark == int(mark) else mark for mark in marks]
