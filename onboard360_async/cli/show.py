"""Answers on the screen or in a file: as a table, JSON, JSON lines or CSV, row by row where the form allows it.

Knows no call. A file is written under a temporary name and renamed when it is whole; it may hold people, so it is
readable by its owner only.
"""

import csv
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final, TextIO

from attrs import AttrsInstance, fields
from rich.console import Console
from rich.table import Table

from onboard360_async.cli.screen import json_for, on_screen
from onboard360_async.errors import ConfigurationError
from onboard360_async.sqlite import application_of

__all__ = ["FORMATS", "Rows", "row_of", "show", "table_of", "to_the_second", "written"]

FORMATS: Final = ("table", "json", "jsonl", "csv")
_UNBOUNDED: Final = 10_000  # columns: a table that goes to a file or a pipe is never cut


def row_of(item: AttrsInstance) -> dict[str, object]:
    """A model as the API names it, with what the page does not name at its end."""
    values = {field.name: getattr(item, field.name) for field in fields(type(item))}
    extra = values.pop("extra")
    return {name: _plain(value) for name, value in values.items()} | dict(extra)


def to_the_second(moment: datetime | None) -> str | None:
    """A moment as the API writes them."""
    return None if moment is None else moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def _plain(value: object) -> object:
    return value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else value


def table_of(columns: Sequence[str]) -> Table:
    """An empty table, as all of ours look. On a narrow terminal a cell is folded, never cut: it may be a link."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        table.add_column(name, overflow="fold")
    return table


def _cell(value: object) -> str:
    """Its lines stay lines, within its column."""
    return "" if value is None else "\n".join(map(on_screen, str(value).split("\n")))


class Rows:
    """Where rows go: `write` as many as there are, as often as they come, then `close`."""

    def __init__(self, form: str, columns: Sequence[str], out: TextIO) -> None:
        self._form, self._columns, self._out = form, columns, out
        self._count = 0
        self._table = table_of(columns) if form == "table" else None
        self._csv = csv.DictWriter(out, columns, extrasaction="ignore", lineterminator="\n") if form == "csv" else None
        if self._csv is not None:
            self._csv.writeheader()

    def write(self, rows: Iterable[Mapping[str, object]]) -> None:
        """Write some rows; a table waits for `close`, since its columns must fit all of them."""
        for row in rows:
            if self._table is not None:
                self._table.add_row(*(_cell(row.get(name)) for name in self._columns))
            elif self._csv is not None:
                self._csv.writerow(row)
            else:
                self._write_json(row)
            self._count += 1

    def _write_json(self, row: Mapping[str, object]) -> None:
        text = json_for(self._out, row)
        if self._form == "jsonl":
            self._out.write(text + "\n")
        else:
            self._out.write((",\n " if self._count else "[") + text)

    def close(self) -> None:
        """Write what belongs to the end."""
        if self._form == "json":
            self._out.write("]\n" if self._count else "[]\n")
        if self._table is not None:
            width = None if self._out.isatty() else _UNBOUNDED
            Console(file=self._out, width=width, highlight=False, markup=False).print(self._table)


def _is_database(path: Path) -> bool:
    """Whoever mixes up two flags loses no events by it."""
    try:
        return application_of(path) is not None
    except OSError:
        return False


@contextmanager
def show(form: str, columns: Sequence[str], output: Path | None) -> Iterator[Rows]:
    """Rows to stdout, or to a file that appears only when it is whole."""
    with written(output) as out:
        rows = Rows(form, columns, out)
        yield rows
        rows.close()


@contextmanager
def written(output: Path | None) -> Iterator[TextIO]:
    """Where text goes: stdout, or a file that appears only when it is whole. ConfigurationError if that cannot be."""
    if output is None:
        yield sys.stdout
        sys.stdout.flush()
        return
    if output.is_dir():
        raise ConfigurationError(f"Cannot write {output}: it is a folder.")
    if _is_database(output):
        raise ConfigurationError(f"Will not write over {output}: it is a database, perhaps an inbox or a journal.")
    part = output.with_name(f".{output.name}.part")
    try:
        number = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        out = os.fdopen(number, "w", encoding="utf-8", errors="backslashreplace", newline="")
    except OSError as error:
        raise ConfigurationError(f"Cannot write {output}: {error.strerror}.") from None
    try:
        with out:
            yield out
        part.replace(output)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
