"""What the user takes away: the list again with what became of each row, and the rows that need a hand.

Both are projections of the journal, written under a temporary name, flushed to the disk and renamed, so that there is
always a whole file or none. They hold people and links, so only their owner can read them.
"""

import csv
import json
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Final

from attrs import frozen

from onboard360_async.errors import ConfigurationError
from onboard360_async.importer.journal import Journal, Record, State
from onboard360_async.importer.rows import OURS

__all__ = ["Files", "write_files"]

_RESULT: Final = ("status", "client_id", "link", "error")
_ERRORS: Final = ("_line", "_error")
_NEED_A_HAND: Final = (State.INVALID, State.REJECTED, State.UNRESOLVED)


@frozen
class Files:
    """Where the results stand; `errors` is None if no row needs a hand."""

    results: Path
    errors: Path | None


def write_files(journal: Journal, source: Path) -> Files:
    """Write `people.results.csv` and, if need be, `people.errors.csv` beside `people.csv`."""
    header: list[str] = json.loads(journal.fact("header") or "[]")
    mark = "\ufeff" if journal.fact("mark") else ""  # what came with a byte order mark goes back with one
    results = source.with_name(f"{source.stem}.results.csv")
    ours = [f"onboard360_{name}" if name in header else name for name in _RESULT]
    _write(results, mark, [*header, *ours], (_result(record, len(header)) for record in journal.records()))
    errors = source.with_name(f"{source.stem}.errors.csv")
    kept = [index for index, name in enumerate(header) if name not in OURS]
    need_a_hand = journal.records(*_NEED_A_HAND)
    first = next(need_a_hand, None)
    if first is None:
        _remove(errors)  # an earlier run's
        return Files(results, None)
    rows = (_error(record, kept, len(header)) for record in chain((first,), need_a_hand))
    _write(errors, mark, [*(header[index] for index in kept), *_ERRORS], rows)
    return Files(results, errors)


# A row with more cells than columns keeps them, after ours: so none is lost, each of ours stands in its column, and in
# an errors file that nobody mended the row is still too long, not a shorter one that would be sent with wrong cells.


def _result(record: Record, columns: int) -> list[str]:
    cells = json.loads(record["cells"])
    return [*cells[:columns], *_fate(record), *cells[columns:]]


def _error(record: Record, kept: Sequence[int], columns: int) -> list[str]:
    cells = json.loads(record["cells"])
    state, *_, error = _fate(record)
    return [*(cells[index] for index in kept), str(record["line"]), f"{state}: {error}", *cells[columns:]]


def _fate(record: Record) -> tuple[str, str, str, str]:
    state, error = record["state"], record["error"] or ""
    if record["details"]:
        error = f"{error}: {record['details']}" if error else record["details"]
    if state == State.UNRESOLVED and record["created"]:
        error = f"created, but its id and link are unknown: {error}"
    if state == State.INVALID:
        error = f"{record['field']}: {error}"
    return state, record["client_id"] or "", record["link"] or "", error


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise ConfigurationError(f"Cannot remove {path}, which is out of date: {error.strerror}.") from None


def _write(path: Path, mark: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    part = path.with_name(f".{path.name}.part")
    try:
        part.unlink(missing_ok=True)
        _write_whole(path, part, mark, header, rows)
    except OSError as error:
        reason = f"Cannot write {path}: {error.strerror}."
        raise ConfigurationError(f"{reason} Nothing is lost: every row stands in the journal.") from None
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)  # whatever went wrong: half a list of people is nobody's to find


def _write_whole(path: Path, part: Path, mark: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogatepass", newline="") as out:
        out.write(mark)
        writer = csv.writer(out, lineterminator="\r\n")
        writer.writerow(header)
        writer.writerows(rows)
        out.flush()
        os.fsync(out.fileno())
    part.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # the name, too, must be on the disk
    finally:
        os.close(folder)
