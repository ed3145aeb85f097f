"""The last two windows as a picture: requests as bars, and how many of them the limit counts as a line.

`counted` makes numbers of records, `picture` an SVG of numbers. Knows neither the limiter nor a page.
"""

import math
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from typing import Final

from attrs import evolve, frozen

from onboard360_async.sandbox.markup import NOTHING, Markup, html, when
from onboard360_async.sandbox.recorder import RequestRecord

__all__ = ["MOST_RECORDS", "WINDOWS", "Bar", "Plot", "counted", "picture", "seconds"]

WINDOWS: Final = 2  # that are drawn; the line needs one more before them
MOST_RECORDS: Final = 3000  # that are looked at: a page is to come in milliseconds
_BARS: Final = 60  # a window
_REFUSED: Final = 429
# Pixels from the top: the line's panel, then that of the bars.
_LINE_TOP, _LINE_PX, _BARS_TOP, _BARS_PX, _AXIS_Y, _ALL_PX = 26, 132, 184, 52, 254, 262


@frozen
class Bar:
    """What came in one step of time."""

    served: int = 0  # and what fails by a fault
    refused: int = 0  # by the limit: 429
    keyless: int = 0  # 401: the limit does not count them
    level: int = 0  # requests of one key, of the busiest, in the window that ends with this step


@frozen(kw_only=True)
class Plot:
    """What is drawn; the last bar is now."""

    limit: int | None  # None if there is none
    window_s: float
    bars: Sequence[Bar]
    untold: int = 0  # the first bars, of which nothing is known since too much came after them
    keys: int = 1  # how many were used

    @property
    def level(self) -> int:
        """How many are counted now."""
        return self.bars[-1].level


def counted(
    records: Sequence[RequestRecord],
    *,
    at: float,
    limit: int | None,
    window_s: float,
    count_refused: bool = False,
    is_cut: bool = False,
) -> Plot:
    """The picture at this second, of records of the last three windows, oldest first; `is_cut`: of the youngest."""
    step_s = window_s / _BARS
    last = math.floor(at / step_s)
    first = last - (WINDOWS + 1) * _BARS + 1
    sums: dict[int, list[int]] = defaultdict(lambda: [0, 0, 0])
    of_key: dict[int, dict[int, int]] = defaultdict(lambda: defaultdict(int))  # what the limit counts, by steps
    now: dict[int, int] = defaultdict(int)  # and in the window that ends now: the last step is not over
    for record in records:
        step = min(math.floor(record.at / step_s), last)
        which = 2 if record.key is None else int(record.status == _REFUSED)
        sums[step][which] += 1
        if record.key is not None and (which == 0 or count_refused):
            of_key[record.key][step] += 1
            now[record.key] += at - record.at < window_s
    nothing = [0, 0, 0]
    levels = [_levels(counts, first, last) for counts in of_key.values()]
    bars = []
    for step in range(first + _BARS, last + 1):
        served, refused, keyless = sums.get(step, nothing)
        bars.append(Bar(served, refused, keyless, max((level[step - first] for level in levels), default=0)))
    bars[-1] = evolve(bars[-1], level=max(now.values(), default=0))
    known_from = math.floor(records[0].at / step_s) + 1 if is_cut and records else first
    untold = min(max(known_from - first - _BARS, 0), len(bars))
    return Plot(limit=limit, window_s=window_s, bars=bars, untold=untold, keys=len(of_key))


def _levels(counts: dict[int, int], first: int, last: int) -> list[int]:
    """Of each step, what came in the window that ends with it."""
    window: deque[int] = deque(maxlen=_BARS)
    levels, level = [], 0
    for step in range(first, last + 1):
        level -= window[0] if len(window) == _BARS else 0
        window.append(counts.get(step, 0))
        level += window[-1]
        levels.append(level)
    return levels


def picture(plot: Plot) -> Markup:
    """The SVG, as wide as its place: only what may be stretched is in user units, text is in pixels."""
    top = _round_up(max(plot.limit or 0, max(bar.level for bar in plot.bars), 4) * 1.12)
    tallest = max(bar.served + bar.refused + bar.keyless for bar in plot.bars)
    return html(
        '<svg class="plot" role="img" aria-label="{text}" width="100%" height="{height}" focusable="false">'
        "{scale}{untold}{line}{limit}{bars}{times}</svg>",
        text=in_words(plot),
        height=_ALL_PX,
        scale=[_gridline(value, top) for value in dict.fromkeys((0, top // 2, top))],
        untold=when(plot.untold, _untold(plot)),
        line=_line(plot, top),
        limit=NOTHING if plot.limit is None else _limit(plot.limit, top),
        bars=_bars(plot, max(tallest, 1)),
        times=_times(plot.window_s * WINDOWS),
    )


def in_words(plot: Plot) -> str:
    """What there is to see, for those who do not see it."""
    served, refused = sum(bar.served for bar in plot.bars), sum(bar.refused for bar in plot.bars)
    whose = " of the busiest key" if plot.keys > 1 else ""
    limit = "no limit" if plot.limit is None else f"the limit is {plot.limit}"
    return (
        f"In the last {seconds(plot.window_s)}: {plot.level} counted requests{whose}, {limit}."
        f" In the last {seconds(plot.window_s * WINDOWS)}: {served} served, {refused} refused with 429."
    )


def seconds(number: float) -> str:
    """As in 30 s, 2 min, 2.5 h."""
    for unit, name in ((3600, "h"), (60, "min")):
        if number >= 2 * unit:
            return f"{number / unit:.3g} {name}"
    return f"{number:.3g} s"


def _round_up(number: float) -> int:
    """The next number with one or two digits that are not zero, and even."""
    unit: int = 10 ** max(0, math.floor(math.log10(number)) - 1)
    return math.ceil(number / (2 * unit)) * 2 * unit


def _y(value: float, top: int) -> float:
    return round(_LINE_TOP + _LINE_PX * (1 - value / top), 1)


def _gridline(value: int, top: int) -> Markup:
    return html(
        '<line class="grid" x1="0" x2="100%" y1="{y}" y2="{y}"/><text class="scale" x="0" y="{above}">{value}</text>',
        y=_y(value, top),
        above=_y(value, top) - 4,
        value=f"{value:,}",
    )


def _limit(limit: int, top: int) -> Markup:
    return html(
        '<line class="limit" x1="0" x2="100%" y1="{y}" y2="{y}"/>'
        '<text class="limit-label" x="100%" y="{above}" text-anchor="end">limit {limit}</text>',
        y=_y(limit, top),
        above=_y(limit, top) - 5,
        limit=f"{limit:,}",
    )


def _line(plot: Plot, top: int) -> Markup:
    """Steps, as counts go; from where a whole window is known."""
    begin = min(plot.untold + _BARS, len(plot.bars) - 1) if plot.untold else 0
    heights = [round(_LINE_PX * (1 - bar.level / top), 1) for bar in plot.bars[begin:]]
    path = f"{heights[0]}" + "".join(f"V{height}H{place}" for place, height in enumerate(heights, begin + 1))
    return html(
        '<svg x="0" y="{y}" width="100%" height="{height}" viewBox="0 0 {bars} {height}" preserveAspectRatio="none">'
        '<path class="area" d="M{begin} {height}V{path}V{height}Z"/><path class="level" d="M{begin} {path}"/></svg>',
        y=_LINE_TOP,
        height=_LINE_PX,
        bars=len(plot.bars),
        begin=begin,
        path=path,
    )


def _bars(plot: Plot, tallest: int) -> Markup:
    drawn: list[Markup] = []
    for place, bar in enumerate(plot.bars):
        y = float(_BARS_PX)
        for name, number in (("served", bar.served), ("refused", bar.refused), ("keyless", bar.keyless)):
            if number:
                height = max(_BARS_PX * number / tallest, 1.5)
                y -= height
                drawn.append(
                    html(
                        '<rect class="{name}" x="{x}" y="{y}" width="0.8" height="{height}"/>',
                        name=name,
                        x=place + 0.1,
                        y=round(y, 1),
                        height=round(height, 1),
                    )
                )
    return html(
        '<line class="grid" x1="0" x2="100%" y1="{base}" y2="{base}"/>'
        '<text class="scale" x="0" y="{above}">{tallest} {step}</text>'
        '<svg x="0" y="{y}" width="100%" height="{height}" viewBox="0 0 {bars} {height}" preserveAspectRatio="none">'
        "{drawn}</svg>",
        base=_BARS_TOP + _BARS_PX,
        above=_BARS_TOP - 6,
        tallest=f"{tallest:,}",
        step="a second" if plot.window_s == _BARS else f"in {seconds(plot.window_s / _BARS)}",
        y=_BARS_TOP,
        height=_BARS_PX,
        bars=len(plot.bars),
        drawn=drawn,
    )


def _untold(plot: Plot) -> Markup:
    width = f"{100 * plot.untold / len(plot.bars):.2f}%"
    return html(
        '<rect class="untold" x="0" y="{y}" width="{width}" height="{height}"/>'
        '<text class="scale" x="{middle}" y="{text_y}" text-anchor="middle">too many to count</text>',
        y=_LINE_TOP,
        width=width,
        height=_BARS_TOP + _BARS_PX - _LINE_TOP,
        middle=f"{50 * plot.untold / len(plot.bars):.2f}%",
        text_y=_LINE_TOP + _LINE_PX / 2,
    )


def _times(span_s: float) -> Markup:
    marks: Iterable[tuple[int, str]] = ((0, "start"), (25, "middle"), (50, "middle"), (75, "middle"), (100, "end"))
    return html(
        "{marks}",
        marks=[
            html(
                '<text class="time" x="{x}%" y="{y}" text-anchor="{anchor}">{text}</text>',
                x=x,
                y=_AXIS_Y,
                anchor=anchor,
                text="now" if x == 100 else f"\N{MINUS SIGN}{seconds(span_s * (100 - x) / 100)}",
            )
            for x, anchor in marks
        ],
    )
