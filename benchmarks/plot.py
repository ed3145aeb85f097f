"""The picture: requests in the last 60 seconds, as the server saw them, while a bulk job runs.

In virtual time, so that it comes out the same each time. Needs matplotlib, which is in the bench group alone.
"""

from bisect import bisect_left, bisect_right
from pathlib import Path
from typing import Any

from benchmarks.clients import chosen
from benchmarks.matrix import SERVERS
from benchmarks.minute import LIMIT, WINDOW_S, Job, Outcome, play

__all__ = ["main"]

# From the back to the front: client, colour, width, and where its label stands (seconds, requests) and what it says.
LINES = (
    ("AsyncLimiter(100, 60)", "#cf3f4f", 2.2, (65, 187), "AsyncLimiter(100, 60): up to {most}"),
    ("PyrateLimiter", "#2f7fc1", 1.6, (217, 121), "PyrateLimiter: up to {most}"),
    ("limits moving window", "#8a5cc2", 1.6, (96, 121), "limits, moving window: up to {most}"),
    ("ours", "#0b7a55", 3.0, (127, 81), "onboard360-async: never above {most}"),
)
INK, PALE, CARD = "#24292f", "#d0d7de", "#ffffff"  # a white card, which a dark page shows as well as a light one
STEP_S, UNTIL_S = 0.5, 300.0
JOB = Job(requests=600, people=False)  # enough for all of them to be at work to the end of the picture
STYLE = {
    "svg.hashsalt": "rolling-minute",
    "svg.fonttype": "none",  # letters stay letters: smaller, and sharp
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial", "sans-serif"],
    "font.size": 12,
    "text.color": INK,
}


def _rolling(outcome: Outcome) -> tuple[list[float], list[int]]:
    """How many requests arrived in the 60 seconds up to each moment: the most in each step of the picture."""
    arrived = [at - outcome.began for at in outcome.arrived]
    moments = [step * STEP_S for step in range(round(UNTIL_S / STEP_S) + 1)]
    most = [0] * len(moments)
    for at in sorted({*moments, *(at for at in arrived if at < UNTIL_S)}):
        step = round(at / STEP_S)
        most[step] = max(most[step], bisect_right(arrived, at) - bisect_left(arrived, at - WINDOW_S))
    return moments, most


def _draw(axes: Any) -> None:
    axes.axhline(LIMIT, color=INK, linewidth=1.3, linestyle=(0, (6, 4)), zorder=4)
    axes.text(-2, LIMIT, f"limit: {LIMIT}", ha="right", va="center", weight="bold")
    for layer, (name, colour, width, place, says) in enumerate(LINES):
        moments, counts = _rolling(play(chosen(name)[0], SERVERS["log"](0), JOB, seed=0))
        zorder = layer + (5 if name == "ours" else 1)
        axes.plot(moments, counts, color=colour, linewidth=width, solid_joinstyle="round", zorder=zorder)
        weight = "bold" if name == "ours" else "normal"
        axes.text(*place, says.format(most=max(counts)), color=colour, weight=weight, va="center", linespacing=1.4)


def _dress(axes: Any) -> None:
    axes.set_title("Requests in the last 60 seconds, as the server saw them", loc="left", weight="bold", fontsize=14)
    axes.set_xlim(0, UNTIL_S)
    axes.set_ylim(0, 210)
    axes.set_xticks(range(0, int(UNTIL_S) + 1, 60), [f"{minute} min" for minute in range(int(UNTIL_S) // 60 + 1)])
    axes.set_yticks([0, 50, 150, 200])
    axes.tick_params(length=0, colors=INK, pad=6)
    axes.grid(axis="y", color=PALE, linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "left", "right"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(PALE)


def main(folder: Path) -> None:
    """Both files, the same each time."""
    import matplotlib as mpl

    mpl.use("agg")
    import matplotlib.pyplot as plt

    folder.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(8.8, 4.6), facecolor=CARD, layout="constrained")
        figure.get_layout_engine().set(w_pad=0.16, h_pad=0.14)
        _draw(axes)
        _dress(axes)
        for kind, metadata in (("png", {"Software": None}), ("svg", {"Date": None, "Creator": None})):
            figure.savefig(folder / f"rolling-minute.{kind}", dpi=180, metadata=metadata)
        plt.close(figure)
