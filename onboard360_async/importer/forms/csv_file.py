"""Lists in lines: cells between commas, semicolons, tabs or bars, as spreadsheets save them.

Knows no field. Lines are counted as an editor does, so that the line in a message is the line on the screen.
"""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Final, TextIO

from attrs import frozen

from onboard360_async.errors import ConfigurationError, ValidationError
from onboard360_async.importer.forms.encoding import MARKED, encoding_of
from onboard360_async.importer.forms.table import AROUND, Record, Table

__all__ = ["open_csv"]

_DELIMITERS: Final = ",;\t|"
_TAB_SAID: Final = ("tab", "\\t")  # what people type who cannot type one


@frozen
class _Dialect:
    path: Path
    encoding: str
    skipped: int  # lines before the header
    delimiter: str

    def records(self) -> Iterator[Record]:
        with self.path.open(encoding=self.encoding, newline="") as text:
            for _ in range(self.skipped):
                text.readline()
            records = _records(text, self.delimiter, self.skipped)
            next(records)
            yield from records


def open_csv(path: Path, *, encoding: str | None, delimiter: str | None) -> Table:
    """A list in lines. ValidationError if it is empty or not in its encoding, or breaks off within quotes.

    `delimiter` is the user's word; without one, the file's own (`sep=;`), or the one that makes most of the header.
    """
    said = None if delimiter is None else _one_sign(delimiter)
    encoding = encoding_of(path, encoding)
    with path.open(encoding=encoding, newline="") as text:
        skipped, found = _before_header(path, text, said)
        text.seek(0)
        for _ in range(skipped):
            text.readline()
        header = next(_records(text, found, skipped)).cells
    return Table(tuple(header), _Dialect(path, encoding, skipped, found).records, marked=encoding in MARKED)


def _one_sign(said: str) -> str:
    sign = "\t" if said.lower() in _TAB_SAID else said
    if len(sign) != 1 or sign in '"\r\n\0':
        raise ConfigurationError(f"{said!r} cannot separate cells: say one character, such as ; or tab.")
    return sign


def _before_header(path: Path, text: TextIO, said: str | None) -> tuple[int, str]:
    """How many lines stand before the header, and what separates its cells."""
    skipped, noted = 0, None
    while line := text.readline():
        plain = line.strip("\ufeff\r\n").strip('"')
        if noted is None and plain.lower().startswith("sep=") and len(plain) == len("sep=") + 1:
            noted = plain[-1]  # Excel's way to say it
        elif line.strip(AROUND):
            return skipped, said or noted or max(_DELIMITERS, key=lambda sign: _fields(line, sign, skipped + 1))
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


def _records(text: TextIO, delimiter: str, skipped: int) -> Iterator[Record]:
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
        yield Record(line, cells)
        line = skipped + reader.line_num + 1
