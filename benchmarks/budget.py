"""`python3 dev bench budget`: the budget beside the limiters of others. 429s, share used, waits, cost, memory.

In virtual time, in seconds; `--real` plays it on real minutes over real sockets, `--plot FOLDER` draws the picture.
"""

import argparse
import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks import cost, matrix, memory, plot, real
from benchmarks.table import Table, print_all

__all__ = ["main", "tables"]

PARTS: dict[str, Callable[[], list[Table]]] = {
    "matrix": matrix.tables, "cost": cost.tables, "memory": memory.tables,
}  # fmt: skip


def tables(arguments: Sequence[str] = ()) -> list[Table]:
    """What is asked for; with nothing said, all parts but the real minutes and the picture.

    The matrix is too wide for a table of ours: it is printed as it comes.
    """
    parser = argparse.ArgumentParser(prog="python3 dev bench budget", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", choices=PARTS, help="one part alone")
    parser.add_argument("--real", action="store_true", help="over HTTP, in real time: some minutes")
    parser.add_argument("--window", type=int, default=60, metavar="SECONDS", help="--real: a shorter minute")
    parser.add_argument("--plot", type=Path, metavar="FOLDER", help="draw rolling-minute.png and .svg there")
    asked = parser.parse_args(arguments)
    if asked.real:
        asyncio.run(real.main(asked.window))
        return []
    if asked.plot:
        plot.main(asked.plot)
        return []
    return [table for name, part in PARTS.items() if asked.only in (None, name) for table in part()]


def main(arguments: Sequence[str] = ()) -> None:
    """Print them."""
    print_all(tables(arguments))
