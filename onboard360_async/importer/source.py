"""Files in, rows out: a CSV file, or rows that a program hands over. Knows no API and no journal.

Nothing is guessed that could garble a name: the encoding is a byte order mark's, UTF-8, or the one that was said.
"""

import codecs
import csv
import io
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final, TextIO

from attrs import asdict, frozen

from onboard360_async.errors import ConfigurationError, ValidationError
from onboard360_async.importer.rows import FIELDS, Problem, Row, columns_of
from onboard360_async.models import NewClient

__all__ = ["CsvFile", "Rows", "open_csv", "rows_of"]

Rows = Iterable[Mapping[str, object] | NewClient] | AsyncIterable[Mapping[str, object] | NewClient]

_DELIMITERS: Final = ",;\t|"
_MARKS: Final = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_LIKELY: Final = ("cp1252", "cp1250", "mac_roman")  # shown to the user, never taken by us
_MOST_BYTES: Final = 1 << 20  # of a line that are checked at once: a file need not have lines
_NEAR: Final = 200  # bytes that are shown before and after one that cannot be read: a line may be a whole picture
_AROUND: Final = "\ufeff\u200b\u00a0 \t\r\n"  # what people paste around an address without seeing it


@frozen
class CsvFile:
    """A file whose header is read: its columns, and how to read the rest."""

    path: Path
    encoding: str
    delimiter: str
    skipped: int  # lines before the header
    header: tuple[str, ...]
    columns: Mapping[str, int]
    unknown: tuple[str, ...]

    def rows(self) -> Iterator[Row]:
        """Each row with the line it begins on. ValidationError if the file breaks off within quotes."""
        with self.path.open(encoding=self.encoding, newline="") as text:
            for _ in range(self.skipped):
                text.readline()
            records = _records(text, self.delimiter, self.skipped)
            next(records)
            for line, cells in records:
                if any(cell.strip(_AROUND) for cell in cells):
                    yield self._row(line, cells)

    def _row(self, line: int, cells: list[str]) -> Row:
        if any(cell.strip(_AROUND) for cell in cells[len(self.header) :]):
            reason = "it has more cells than the header has columns; is a separator not quoted?"
            return Row(line, cells, {}, Problem(line, "row", reason))
        cells += [""] * (len(self.header) - len(cells))
        values = {name: cells[index].strip(_AROUND) for name, index in self.columns.items()}
        return Row(line, cells[: len(self.header)], values)


def open_csv(path: Path, *, mapping: Mapping[str, str] | None, encoding: str | None) -> CsvFile:
    """Look at a file: its encoding (checked to the end), delimiter and header.

    ConfigurationError if it cannot be read, ValidationError if it is no list of people.
    """
    encoding = _encoding_of(path, encoding)
    with path.open(encoding=encoding, newline="") as text:
        skipped, delimiter = _before_header(path, text)
        text.seek(0)
        for _ in range(skipped):
            text.readline()
        records = _records(text, delimiter, skipped)
        header = tuple(name.strip(_AROUND) for name in next(records)[1])
        columns, unknown = columns_of(header, mapping)
        if not any(cell.strip(_AROUND) for _, cells in records for cell in cells):
            raise ValidationError(f"{path.name} has a header and no rows.", "file")
    return CsvFile(path, encoding, delimiter, skipped, header, columns, tuple(name for name in unknown if name))


def _before_header(path: Path, text: TextIO) -> tuple[int, str]:
    """How many lines stand before the header, and what separates its cells."""
    skipped, said = 0, None
    while line := text.readline():
        plain = line.strip("\ufeff\r\n").strip('"')
        if said is None and plain.lower().startswith("sep=") and len(plain) == len("sep=") + 1:
            said = plain[-1]  # Excel's way to say it
        elif line.strip(_AROUND):
            return skipped, said or max(_DELIMITERS, key=lambda sign: _fields(line, sign, skipped + 1))
        skipped += 1
    raise ValidationError(f"{path.name} is empty: there is no header and no row.", "file")


def _fields(header: str, delimiter: str, number: int) -> int:
    try:
        return len(next(csv.reader([header], delimiter=delimiter)))
    except csv.Error as error:
        raise _no_csv(number, error) from None


def _no_csv(line: int, error: csv.Error) -> ValidationError:
    # The module's limit of 131,072 characters a cell stays as it is: it is global, no spreadsheet's cell comes near it,
    # and it is what ends the reading when a quote is never closed.
    return ValidationError(f"Line {line}: cannot be read as CSV ({error}); is a quote there not closed?", "file")


def _records(text: TextIO, delimiter: str, skipped: int) -> Iterator[tuple[int, list[str]]]:
    """Records with the physical line that each begins on."""
    reader = csv.reader(text, delimiter=delimiter, strict=True)
    line = skipped + 1
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise _no_csv(line, error) from None
        yield line, cells
        line = skipped + reader.line_num + 1


def _encoding_of(path: Path, said: str | None) -> str:
    try:
        with path.open("rb") as file:
            start = file.read(4)
            found = next((name for mark, name in _MARKS if start.startswith(mark)), "utf-8")
            file.seek(0)
            encoding = _known(said) if said else found
            if encoding == "utf-8":
                encoding = found if found == "utf-8-sig" else encoding  # the mark is not the first column's name
            _check_encoding(path, file, encoding)
    except OSError as error:
        raise ConfigurationError(f"Cannot read {path}: {error.strerror}.") from None
    return encoding


def _known(said: str) -> str:
    """The usual name of an encoding. ConfigurationError if there is none such, or if it is not one of text (`hex`)."""
    try:
        io.TextIOWrapper(io.BytesIO(), encoding=said)
        return codecs.lookup(said).name
    except (LookupError, ValueError):
        raise ConfigurationError(f"There is no encoding {said!r}.") from None


def _check_encoding(path: Path, file: io.BufferedReader, encoding: str) -> None:
    """Decode it all once: half a list must not be in the journal when the first bad byte comes."""
    decoder = codecs.getincrementaldecoder(encoding)()
    line = 1
    while piece := file.readline(_MOST_BYTES):
        try:
            text = decoder.decode(piece)
        except UnicodeError as error:
            raise _bad_encoding(path, line, piece, encoding, error) from None
        if "\0" in text:
            reason = "is it no text, or UTF-16 (encoding='utf-16-le')?"
            raise ValidationError(f"{path.name}: line {line} holds a NUL character; {reason}", "encoding")
        line += piece.endswith(b"\n")
    try:
        decoder.decode(b"", final=True)
    except UnicodeError as error:
        raise _bad_encoding(path, line, b"", encoding, error) from None


def _bad_encoding(path: Path, line: int, piece: bytes, encoding: str, error: UnicodeError) -> ValidationError:
    start = error.start if isinstance(error, UnicodeDecodeError) else 0
    near = piece[max(0, start - _NEAR) : start + _NEAR]
    shown = tuple(f"{name}: {near.decode(name, 'replace').strip()}" for name in _LIKELY) if near else ()
    at = f" (byte {start + 1} of it)" if isinstance(error, UnicodeDecodeError) and piece else ""
    message = (
        f"{path.name} is not {encoding}: line {line} cannot be read{at}. Say how it was written with encoding=..., or"
        f" save it as UTF-8.{' Line by encoding:' if shown else ''}"
    )
    return ValidationError(message, "encoding", shown)


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
    values = {name: cell.strip(_AROUND) for name, cell in zip(FIELDS, cells, strict=True)}
    return Row(number, cells, values, problem)
