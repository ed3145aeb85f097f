"""`python3 dev bench`: every benchmark, each beside its peers; `python3 dev bench NAME [OPTIONS]` runs one of them.

`--save FOLDER`, with all or with one, keeps what was measured as JSON, one file for each, and draws the README's
pictures from it.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Final

from benchmarks.save import save
from benchmarks.table import Table, print_all

NAMES: Final = (
    "rates", "budget", "stores", "imports", "webhooks", "sandbox", "calls", "models", "listing", "blocking", "startup",
    "scale",
)  # fmt: skip

Tables = Callable[[Sequence[str]], list[Table]]


def run(name: str, arguments: Sequence[str], folder: Path | None) -> None:
    """Measure, print, and keep it if that is wanted."""
    print(f"== {name}\n", flush=True)
    measure: Tables = import_module(f"benchmarks.{name}").tables  # only what is run is imported
    tables = measure(arguments)
    print_all(tables)
    if folder is not None and tables:
        from benchmarks.bars import draw

        print(f"saved {save(folder, name, tables).name}", *draw(folder, name), "\n", flush=True)


def main(arguments: Sequence[str]) -> None:
    """One of them, or all."""
    options = argparse.ArgumentParser(prog="python3 dev bench", description=__doc__, allow_abbrev=False, add_help=False)
    options.add_argument("--save", type=Path, metavar="FOLDER")
    asked, others = options.parse_known_args(arguments)
    names: Sequence[str] = NAMES
    if others and others[0] not in NAMES:
        if others[0] in ("-h", "--help"):
            options.print_help()
            return
        sys.exit(f"no such benchmark: {others[0]}; there are {', '.join(NAMES)}")
    if others:
        names, others = (others[0],), others[1:]
    for name in names:
        run(name, others, asked.save)


main(sys.argv[1:])
