"""`python3 dev bench budget`: the budget beside the limiters of others. 429s, share used, waits, cost, memory.

In virtual time, in seconds; `--real` plays it on real minutes over real sockets, `--plot FOLDER` draws the picture.
"""

import argparse
import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks import cost, matrix, memory, plot, real

__all__ = ["main"]

PARTS: dict[str, Callable[[], None]] = {"matrix": matrix.main, "cost": cost.main, "memory": memory.main}


def main(arguments: Sequence[str] = ()) -> None:
    """Run what is asked for; with nothing said, all parts but the real minutes and the picture."""
    parser = argparse.ArgumentParser(prog="python3 dev bench budget", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", choices=PARTS, help="one part alone")
    parser.add_argument("--real", action="store_true", help="over HTTP, in real time: some minutes")
    parser.add_argument("--window", type=int, default=60, metavar="SECONDS", help="--real: a shorter minute")
    parser.add_argument("--plot", type=Path, metavar="FOLDER", help="draw rolling-minute.png and .svg there")
    asked = parser.parse_args(arguments)
    if asked.real:
        asyncio.run(real.main(asked.window))
    elif asked.plot:
        plot.main(asked.plot)
    else:
        for name, part in PARTS.items():
            if asked.only in (None, name):
                print(f"\n== {name}\n", flush=True)
                part()
