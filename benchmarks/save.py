"""Tables kept as data: one JSON file for each benchmark, with what is needed to read them later.

Says of the machine only how many cores it has: never its name, nor where anything lies on it.
"""

import json
import os
import platform
from collections.abc import Sequence
from importlib.metadata import distributions
from pathlib import Path

from attrs import asdict, frozen

from benchmarks.table import Row, Table

__all__ = ["Saved", "load", "save"]


@frozen
class Saved:
    """What one file holds."""

    benchmark: str
    python: str
    cores: int
    packages: dict[str, str]  # by name, all that are installed
    tables: tuple[Table, ...]


def save(folder: Path, benchmark: str, tables: Sequence[Table]) -> Path:
    """Write them; the file says the same again if the figures do."""
    folder.mkdir(parents=True, exist_ok=True)
    packages = {each.name.lower(): each.version for each in distributions()}
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    saved = Saved(benchmark, platform.python_version(), cores, dict(sorted(packages.items())), tuple(tables))
    path = folder / f"{benchmark}.json"
    path.write_text(json.dumps(asdict(saved), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def load(path: Path) -> Saved:
    """What was saved."""
    told = json.loads(path.read_text(encoding="utf-8"))
    told["tables"] = tuple(
        Table(**{**table, "rows": tuple(Row(**row) for row in table["rows"])}) for table in told["tables"]
    )
    return Saved(**told)
