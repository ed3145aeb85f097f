"""Lists in, rows out: a file in any form that is read here, or rows that a program hands over.

The door to `csv_file`, `json_file` and `xlsx_file`; knows no API and no journal.
"""

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from attrs import asdict, field, frozen

from onboard360_async.errors import ConfigurationError, ValidationError
from onboard360_async.importer.columns import columns_of
from onboard360_async.importer.forms.csv_file import open_csv
from onboard360_async.importer.forms.encoding import mark_of
from onboard360_async.importer.forms.json_file import open_json
from onboard360_async.importer.forms.table import AROUND, Record, Table, is_blank
from onboard360_async.importer.forms.xlsx_file import open_xlsx
from onboard360_async.importer.rows import EXCEL_SAFE, FIELDS, Problem, Row
from onboard360_async.models import NewClient

__all__ = ["FORMS", "ListFile", "Rows", "open_list", "rows_of"]

Rows = Iterable[Mapping[str, object] | NewClient] | AsyncIterable[Mapping[str, object] | NewClient]
"""Rows from code: mappings or NewClient, of any iterable, plain or async."""

FORMS: Final = ("csv", "tsv", "jsonl", "json", "xlsx")
_BY_SUFFIX: Final = {
    ".csv": "csv",
    ".txt": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".xlsx": "xlsx",
}
_WORKBOOK: Final = b"PK\x03\x04"  # a zip
_START_BYTES: Final = 4096  # that say the form of a file whose name does not
_TOO_LONG: Final = "it has more cells than the header has columns; is a separator not quoted?"


@frozen
class ListFile:
    """A file whose header is read: its columns, and how to read the rest, as often as need be."""

    path: Path
    form: str
    header: tuple[str, ...]
    columns: Mapping[str, int]  # of each field
    unknown: tuple[str, ...]  # columns that are not sent
    marked: bool  # it began with a byte order mark
    notes: tuple[str, ...]  # what else is not read
    _records: Callable[[], Iterator[Record]] = field(repr=False)

    def rows(self) -> Iterator[Row]:
        """Each row that is not blank, with its line, its row in the sheet, or its number in the array.

        ValidationError if the file breaks off within quotes. At most one row is in memory, of a workbook all.
        """
        guarded = EXCEL_SAFE in self.header
        for record in self._records():
            if record.fault:
                yield Row(record.line, record.cells, {}, Problem(record.line, "row", record.fault))
            elif not is_blank(record.cells):
                yield self._row(record, _unguarded(record.cells) if guarded else record.cells)

    def _row(self, record: Record, cells: list[str]) -> Row:
        width = len(self.header)
        if len(cells) > width:
            if not is_blank(cells[width:]):
                return Row(record.line, cells, {}, Problem(record.line, "row", _TOO_LONG))
            cells = cells[:width]
        cells += [""] * (width - len(cells))
        values = {name: cells[index].strip(AROUND) for name, index in self.columns.items()}
        problem = self._fault(record, cells) if record.faults else None
        return Row(record.line, cells, values, problem)

    def _fault(self, record: Record, cells: list[str]) -> Problem | None:
        """Of the first field whose cell is no text; what other columns hold is not sent."""
        for name, index in self.columns.items():
            if index in record.faults:
                return Problem(record.line, name, record.faults[index], cells[index])
        return None


def open_list(
    path: Path,
    *,
    mapping: Mapping[str, str] | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
    form: str | None = None,
) -> ListFile:
    """Look at a list: its form (one of FORMS, else by its name or its first bytes), encoding, header and columns.

    ConfigurationError if it cannot be read so, ValidationError if it is no list of people.
    """
    try:
        form = _form_of(path, form)
        table = _table(path, form, encoding, delimiter)
        header = tuple(name.strip(AROUND) for name in table.header)
        if EXCEL_SAFE in header:
            header = tuple(name.strip(AROUND) for name in _unguarded(table.header))
        columns, unknown = columns_of(header, mapping)
        if all(is_blank(record.cells) and not record.fault for record in table.records()):
            raise ValidationError(f"{path.name} has a header and no rows.", "file")
    except OSError as error:
        raise ConfigurationError(f"Cannot read {path}: {error.strerror}.") from None
    named = tuple(name for name in unknown if name)
    return ListFile(path, form, header, columns, named, table.marked, table.notes, table.records)


def _form_of(path: Path, said: str | None) -> str:
    if said is not None and said not in FORMS:
        raise ConfigurationError(f"There is no form {said!r}; the forms are {', '.join(FORMS)}.")
    with path.open("rb") as file:
        start = file.read(_START_BYTES)
    form = said or _BY_SUFFIX.get(path.suffix.lower())
    is_workbook = start.startswith(_WORKBOOK)
    if is_workbook and form not in (None, "xlsx"):
        raise ValidationError(f"{path.name} is a workbook; name it .xlsx, or say that its format is xlsx.", "file")
    sign = start.decode(mark_of(start) or "utf-8", "ignore").strip(AROUND)[:1]
    if form == "json" and said is None and sign == "{":
        return "jsonl"  # many name it so
    return form or ("xlsx" if is_workbook else {"[": "json", "{": "jsonl"}.get(sign, "csv"))


def _table(path: Path, form: str, encoding: str | None, delimiter: str | None) -> Table:
    if form in ("csv", "tsv"):
        if delimiter is None and form == "tsv":
            delimiter = "\t"
        return open_csv(path, encoding=encoding, delimiter=delimiter)
    if delimiter is not None:
        raise ConfigurationError(f"{path.name} is read as {form}, where no delimiter separates cells.")
    if form != "xlsx":
        return open_json(path, encoding=encoding, in_lines=form == "jsonl")
    if encoding is not None:
        raise ConfigurationError(f"{path.name} is a workbook, which says its own encoding.")
    return open_xlsx(path)


def _unguarded(cells: Iterable[str]) -> list[str]:
    return [cell.removeprefix("'") for cell in cells]


async def rows_of(source: Rows) -> AsyncIterator[Row]:
    """Rows that a program hands over, numbered from 1; a value that is no text is a problem of its row."""
    number = 0
    async for item in _each(source):
        number += 1
        yield _row_of(number, item)


async def _each(source: Rows) -> AsyncIterator[Mapping[str, object] | NewClient]:
    if isinstance(source, AsyncIterable):
        async for item in source:
            yield item
    else:
        for item in source:
            yield item


def _row_of(number: int, item: Mapping[str, object] | NewClient) -> Row:
    given = asdict(item) if isinstance(item, NewClient) else item
    cells = ["" if given.get(name) is None else str(given[name]) for name in FIELDS]
    problem = None
    for name, value in given.items():
        if name not in FIELDS:
            problem = Problem(number, name, f"there is no such field; the fields are {', '.join(FIELDS)}")
        elif value is not None and not isinstance(value, str):
            problem = Problem(number, name, f"it must be text, not {type(value).__name__}")
    values = {name: cell.strip(AROUND) for name, cell in zip(FIELDS, cells, strict=True)}
    return Row(number, cells, values, problem)
