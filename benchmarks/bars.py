"""The README's bars, drawn from saved tables alone: the same figures give the same picture.

Knows no benchmark's way to measure. Needs matplotlib, which is in the bench group alone.
"""

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from attrs import frozen

from benchmarks.plot import CARD, INK, PALE, STYLE
from benchmarks.save import load
from benchmarks.table import Row, Table

__all__ = ["PICTURES", "Picture", "draw"]

OURS, OTHERS = "#0b7a55", "#b9c2cc"
WIDE, BAR, HEAD = 8.8, 0.31, 0.95  # inches: the card, each bar with its room, what stands above and below a panel


@frozen
class Picture:
    """Which tables of a benchmark stand beside each other, and what is written above."""

    name: str
    title: str
    panels: Mapping[str, str]  # by the table's name, what is written above its bars


PICTURES: Final = {
    "calls": Picture(
        "request-path",
        "CPU of one request; ours alone asks a budget first",
        {"get": "List campaigns, µs", "post": "Add a client, µs"},
    ),
    "blocking": Picture(
        "blocking",
        "CPU of 10,000 blocking requests",
        {"threads-1": "from 1 thread, seconds", "threads-16": "from 16 threads, seconds"},
    ),
    "listing": Picture(
        "listing",
        "A long listing, streamed over HTTP",
        {"streamed-cpu": "CPU for each client, nanoseconds", "streamed-peak": "memory above the base, MB"},
    ),
}


def draw(folder: Path, benchmark: str) -> list[str]:
    """The picture of a benchmark that was saved there, as png and svg; their names.

    None if there is no picture of it, or not all that is in it was measured.
    """
    if benchmark not in PICTURES or importlib.util.find_spec("matplotlib") is None:
        return []
    picture, saved = PICTURES[benchmark], load(folder / f"{benchmark}.json")
    by_name = {table.name: table for table in saved.tables}
    panels = [(by_name[name], says) for name, says in picture.panels.items() if name in by_name]
    if len(panels) < len(picture.panels):
        return []
    import matplotlib as mpl

    mpl.use("agg")
    import matplotlib.pyplot as plt

    written = []
    with mpl.rc_context({**STYLE, "svg.hashsalt": picture.name, "font.size": 11}):
        high = HEAD + BAR * max(len(table.rows) for table, _ in panels)
        figure, every = plt.subplots(1, len(panels), figsize=(WIDE, high), facecolor=CARD, layout="constrained")
        figure.get_layout_engine().set(w_pad=0.12, h_pad=0.1)
        figure.suptitle(picture.title, x=0.013, ha="left", weight="bold", fontsize=14)
        for number, (axes, (table, says)) in enumerate(
            zip([every] if len(panels) == 1 else every, panels, strict=True)
        ):
            _draw(axes, _in_order(table, panels[0][0]), says, named=number == 0)
        for kind, metadata in (("png", {"Software": None}), ("svg", {"Date": None, "Creator": None})):
            written.append(f"{picture.name}.{kind}")
            figure.savefig(folder / written[-1], dpi=180, metadata=metadata)
        plt.close(figure)
    return written


def _in_order(table: Table, first: Table) -> list[Row]:
    """The shortest bar of the first panel on top, in every panel: they share their names."""
    by_name = {row.name: row for row in table.rows}
    return [by_name[row.name] for row in sorted(first.rows, key=lambda row: row.value)]


def _draw(axes: Any, rows: Sequence[Row], says: str, *, named: bool) -> None:
    """One panel: a bar for each row, in their order, ours in colour; the figure stands at the bar's end."""
    most = max(row.value for row in rows)
    places = range(len(rows))
    axes.barh(
        places, [row.value for row in rows], height=0.62, color=[OURS if _is_ours(row) else OTHERS for row in rows]
    )
    for place, row in zip(places, rows, strict=True):
        weight, colour = ("bold", OURS) if _is_ours(row) else ("normal", INK)
        axes.text(row.value + most * 0.02, place, _figure(row.value), va="center", weight=weight, color=colour)
    axes.set_yticks(places, [row.name for row in rows] if named else [""] * len(rows))
    for label, row in zip(axes.get_yticklabels(), rows, strict=True):
        label.set_weight("bold" if _is_ours(row) else "normal")
        label.set_color(OURS if _is_ours(row) else INK)
    axes.invert_yaxis()
    axes.set_xlim(0, most * 1.18)
    axes.set_xticks([])
    axes.tick_params(length=0, pad=6)
    axes.set_title(says, loc="left", fontsize=11, color=INK)
    for side in ("top", "right", "bottom"):
        axes.spines[side].set_visible(False)
    axes.spines["left"].set_color(PALE)


def _is_ours(row: Row) -> bool:
    return row.name.startswith("ours")


def _figure(value: float) -> str:
    if value >= 20:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 1 else f"{value:.2f}"
