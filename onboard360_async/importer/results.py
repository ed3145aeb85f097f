"""What the user takes away: the list again with what became of each row, and the rows that need a hand.

Both are projections of the journal. They hold people and links, so they are there whole or not at all, and only their
owner can read them. What was written is noted, for the day when it is to be wiped.
"""

import csv
import json
from collections.abc import Generator, Sequence
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import Final, TextIO

from attrs import frozen

from onboard360_async.errors import ConfigurationError
from onboard360_async.importer.journal import Journal, Record, State
from onboard360_async.importer.places import beside_list, list_beside
from onboard360_async.importer.rows import EXCEL_SAFE, OURS
from onboard360_async.importer.whole_file import check_writable, whole_file

__all__ = [
    "FORMATS",
    "Files",
    "check_may_write",
    "guarded",
    "note_written",
    "result_objects",
    "write_as",
    "write_beside",
    "write_results",
    "written",
]

FORMATS: Final = ("csv", "jsonl")
_RESULT: Final = ("status", "client_id", "link", "error")
_ERROR: Final = ("_line", "_error")
_MORE: Final = "more"  # the cells of a row that has more than the list has columns
_NEED_A_HAND: Final = (State.INVALID, State.REJECTED, State.UNRESOLVED)
_RISKY: Final = ("=", "+", "-", "@", "\t", "\r", "'")  # what a spreadsheet takes for a formula, and our own sign


@frozen
class Files:
    """Where the results stand; `errors` is None if no row needs a hand."""

    results: Path
    errors: Path | None


def write_as(journal: Journal, form: str | None, *, excel_safe: bool | None = None) -> None:
    """How this import's files are written from now on; None: as before."""
    if form is not None:
        journal.note("results_format", _known(form))
    if excel_safe is not None:
        journal.note("excel_safe", "yes" if excel_safe else "")


def write_beside(journal: Journal) -> Files | None:
    """Write `people.results.csv` and, if need be, `people.errors.csv` beside `people.csv`; None for rows of a program.

    ConfigurationError if a file cannot be written, or one that is out of date cannot be removed.
    """
    source = journal.fact("source")
    if source is None or journal.path is None:
        return None
    beside, form = list_beside(journal.path, Path(source)), _form(journal)
    results, errors = beside_list(beside, f"results.{form}"), beside_list(beside, "errors.csv")
    write_results(journal, results)
    for other in FORMATS:
        if other != form and (old := beside_list(beside, f"results.{other}").absolute()) in written(journal):
            _remove(old)  # out of date
    if next(journal.records(*_NEED_A_HAND), None) is None:
        _remove(errors)  # an earlier run's
        return Files(results, None)
    note_written(journal, errors)
    with whole_file(errors) as out:
        _write_csv(journal, out, *_errors(journal))
    return Files(results, errors)


def check_may_write(journal: Journal) -> None:
    """Before anybody is sent: ConfigurationError if results cannot be written where they belong."""
    if journal.path is not None and (source := journal.fact("source")) is not None:
        check_writable(beside_list(list_beside(journal.path, Path(source)), f"results.{_form(journal)}"))


def write_results(journal: Journal, to: Path | TextIO, form: str | None = None) -> None:
    """Write the list with what became of each row, as CSV or as one JSON object a row; None: as this import does.

    A row with more cells than columns keeps them, after ours: so none is lost and each of ours stands in its column.
    """
    form = _form(journal) if form is None else _known(form)
    if isinstance(to, Path):
        note_written(journal, to)
        with whole_file(to) as out:
            write_results(journal, out, form)
    elif form == "jsonl":
        _write_objects(journal, to)
    else:
        _write_csv(journal, to, *_results(journal))


def guarded(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula; one apostrophe less gives it back."""
    return f"'{cell}" if cell.startswith(_RISKY) else cell


# --- what was written ---


def note_written(journal: Journal, path: Path) -> None:
    """A file with people in it is about to be written; one that moves with the journal is known by its name."""
    if journal.path is None or path.is_dir():  # which is not written, but told
        return
    path, folder = path.absolute(), journal.path.absolute().parent
    name = path.name if path.parent == folder else str(path)
    names = json.loads(journal.fact("written") or "[]")
    if name not in names:
        journal.note("written", json.dumps([*names, name]))


def written(journal: Journal) -> list[Path]:
    """The files that this import has written, whether they are still there or not."""
    folder = Path() if journal.path is None else journal.path.absolute().parent
    return [folder / name for name in json.loads(journal.fact("written") or "[]")]


# --- inside ---


def _known(form: str) -> str:
    if form not in FORMATS:
        raise ConfigurationError(f"Results are written as {' or '.join(FORMATS)}, not as {form!r}.")
    return form


def _form(journal: Journal) -> str:
    return journal.fact("results_format") or FORMATS[0]


def _header(journal: Journal) -> list[str]:
    header: list[str] = json.loads(journal.fact("header") or "[]")
    return header


def _our_names(header: Sequence[str], *wanted: str) -> list[str]:
    """Ours, each under a name that no column of the list has."""
    names = []
    for name in wanted or _RESULT:
        while name in header:
            name = f"onboard360_{name}"
        names.append(name)
    return names


def _results(journal: Journal) -> tuple[list[str], Generator[list[str]]]:
    header = _header(journal)
    kept = [index for index, name in enumerate(header) if name != EXCEL_SAFE]  # what it says is not of this file

    def rows() -> Generator[list[str]]:
        for record in journal.records():
            cells = json.loads(record["cells"])
            yield [*_at(kept, cells), *_fate(record), *cells[len(header) :]]

    return [*(header[index] for index in kept), *_our_names(header)], rows()


def _errors(journal: Journal) -> tuple[list[str], Generator[list[str]]]:
    """In an errors file that nobody mended, a row that was too long is still too long: never sent with wrong cells."""
    header, mark = _header(journal), ["yes"] if journal.fact("excel_safe") else []
    kept = [index for index, name in enumerate(header) if name not in OURS]

    def rows() -> Generator[list[str]]:
        for record in journal.records(*_NEED_A_HAND):
            cells = json.loads(record["cells"])
            state, *_, error = _fate(record)
            line, reason = str(record["line"]), f"{state}: {error}"
            yield [*_at(kept, cells), line, reason, *mark, *cells[len(header) :]]

    return [*(header[index] for index in kept), *_ERROR, *([EXCEL_SAFE] if mark else [])], rows()


def _at(kept: Sequence[int], cells: Sequence[str]) -> list[str]:
    return [cells[index] if index < len(cells) else "" for index in kept]


def _write_csv(journal: Journal, out: TextIO, header: list[str], rows: Generator[list[str]]) -> None:
    if journal.fact("mark"):
        out.write("\ufeff")  # what came with a byte order mark goes back with one
    writer = csv.writer(out, lineterminator="\r\n")
    is_safe = bool(journal.fact("excel_safe"))
    with closing(rows):  # whoever reads may go away, and the journal is closed then
        for row in chain((header,), rows):
            writer.writerow(map(guarded, row) if is_safe else row)


def _write_objects(journal: Journal, out: TextIO) -> None:
    """No cell is guarded here: no spreadsheet takes a JSON text for a formula."""
    _, objects = result_objects(journal)
    with closing(objects):  # whoever reads may go away, and the journal is closed then
        out.writelines(_json(row) + "\n" for row in objects)


def result_objects(journal: Journal) -> tuple[list[str], Generator[dict[str, object]]]:
    """The list with what became of each row, by the columns' names; those that every row has."""
    header = _header(journal)
    kept = [index for index, name in enumerate(header) if name != EXCEL_SAFE]
    names, ours, (more_name,) = _names(header), _our_names(header), _our_names(header, _MORE)

    def rows() -> Generator[dict[str, object]]:
        for record in journal.records():
            cells = json.loads(record["cells"])
            row: dict[str, object] = dict(zip((names[index] for index in kept), _at(kept, cells), strict=True))
            if more := cells[len(header) :]:
                row[more_name] = more
            row |= {name: text or None for name, text in zip(ours, _fate(record), strict=True)}
            yield row

    return [*(names[index] for index in kept), *ours], rows()


def _names(header: Sequence[str]) -> list[str]:
    """The columns' names, each once: an object has no two of one name."""
    names: list[str] = []
    for name in header:
        number, once = 1, name
        while once in names:
            number += 1
            once = f"{name} ({number})"
        names.append(once)
    return names


def _json(row: dict[str, object]) -> str:
    text = json.dumps(row, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:  # half a character, which JSON can say and UTF-8 cannot
        return json.dumps(row)
    return text


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
