"""Answers on the screen or in a file: as a table, JSON, JSON lines or CSV, row by row where the form allows it.

Knows no call. A file is written under a temporary name and renamed when it is whole; it may hold people, so it is
readable by its owner only.
"""

import csv
import os
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final, TextIO

import click
from attrs import AttrsInstance, fields
from rich.text import Text

from onboard360_async.cli.screen import json_for, on_screen
from onboard360_async.cli.table import Layout, apart, console_on
from onboard360_async.errors import ConfigurationError
from onboard360_async.sqlite import application_of

__all__ = ["FORMATS", "Rows", "row_of", "show", "to_the_second", "written_to"]

FORMATS: Final = ("table", "json", "jsonl", "csv")
_UNBOUNDED: Final = 10**9  # columns: a table that goes to a file or a pipe is as wide as it needs


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


def _cell(value: object) -> str:
    """Its lines stay lines, within its column."""
    return "" if value is None else "\n".join(map(on_screen, str(value).split("\n")))


class Rows:
    """Where rows go: `write` as many as there are, as often as they come, then `close`.

    Of a table, on a narrow terminal: `spare` columns give way, in their order, and text in `prose` columns is folded.
    `nothing`: what is said of no rows.
    """

    def __init__(
        self,
        form: str,
        columns: Sequence[str],
        out: TextIO,
        *,
        spare: Collection[str] = (),
        prose: Collection[str] = (),
        nothing: str = "",
    ) -> None:
        self._form, self._columns, self._out = form, columns, out
        self._spare, self._prose, self._nothing = spare, prose, nothing
        self._count = 0
        self._cells: list[list[str]] = []  # of a table
        self._csv = csv.DictWriter(out, columns, extrasaction="ignore", lineterminator="\n") if form == "csv" else None
        self._has_header = self._csv is None

    def write(self, rows: Iterable[Mapping[str, object]]) -> None:
        """Write some rows; a table waits for `close`, since its columns must fit all of them."""
        for row in rows:
            self._write_header()
            if self._form == "table":
                self._cells.append([_cell(row.get(name)) for name in self._columns])
            elif self._csv is not None:
                self._csv.writerow(row)
            else:
                self._write_json(row)
            self._count += 1

    def _write_header(self) -> None:
        """Before the first row, or at the end: what fails before leaves nothing."""
        if self._csv is not None and not self._has_header:
            self._csv.writeheader()
            self._has_header = True

    def _write_json(self, row: Mapping[str, object]) -> None:
        text = json_for(self._out, row)
        if self._form == "jsonl":
            self._out.write(text + "\n")
        else:
            self._out.write((",\n " if self._count else "[") + text)

    def close(self) -> None:
        """Write what belongs to the end."""
        self._write_header()
        if self._form == "json":
            self._out.write("]\n" if self._count else "[]\n")
        if self._form == "table" and self._cells:
            self._write_table()
        elif not self._count and self._nothing:
            click.echo(self._nothing, err=True)

    def _write_table(self) -> None:
        console = console_on(self._out)
        room = console.width if self._out.isatty() else _UNBOUNDED
        layout = Layout.of(self._columns, self._cells, room, spare=self._spare, prose=self._prose)
        if layout is None:
            self._out.writelines(f"{line}\n" for line in apart(self._columns, self._cells))
            return
        console.print(Text("\n".join(layout.lines(layout.columns, layout.columns)), "bold"), soft_wrap=True)
        for row in self._cells:
            self._out.writelines(f"{line}\n" for line in layout.lines(self._columns, row))
        if layout.left_out:
            self._out.flush()
            click.echo(f"No room for {', '.join(layout.left_out)}: see --format json, or a wider terminal.", err=True)


def _is_database(path: Path) -> bool:
    """Whoever mixes up two flags loses no events by it."""
    try:
        return application_of(path) is not None
    except OSError:
        return False


@contextmanager
def show(
    form: str,
    columns: Sequence[str],
    output: Path | None,
    *,
    spare: Collection[str] = (),
    prose: Collection[str] = (),
    nothing: str = "",
) -> Iterator[Rows]:
    """Rows to stdout, or to a file that appears only when it is whole; the rest as `Rows` has it."""
    with written_to(output) as out:
        rows = Rows(form, columns, out, spare=spare, prose=prose, nothing=nothing)
        yield rows
        rows.close()


@contextmanager
def written_to(output: Path | None) -> Iterator[TextIO]:
    """Stdout, or a file that appears only when it is whole. ConfigurationError, at once, if it cannot be written."""
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
        part.unlink(missing_ok=True)  # of a command that was killed, or a link that somebody left there
        number = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
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
