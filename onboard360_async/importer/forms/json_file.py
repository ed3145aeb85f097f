"""Lists of JSON objects: one a line, or all in one array. Their keys are the columns.

Knows no field, and not the codec of the API's answers. A file is read twice, since its last object may bring a new key;
in memory there is never more than one object, and a piece of text around it.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from attrs import frozen

from onboard360_async import settings
from onboard360_async.errors import ValidationError
from onboard360_async.importer.forms.encoding import MARKED, encoding_of
from onboard360_async.importer.forms.json_array import elements
from onboard360_async.importer.forms.json_value import Broken, decode, record_of
from onboard360_async.importer.forms.table import AROUND, Record, Table

__all__ = ["open_json"]

_AFTER: Final = "there is more after its end"


def open_json(path: Path, *, encoding: str | None, in_lines: bool) -> Table:
    """A list of objects. ValidationError if it is empty, not in its encoding, or an array that cannot be read."""
    encoding = encoding_of(path, encoding)
    objects = _Objects(path, encoding, in_lines)
    places: dict[str, int] = {}
    is_empty = True
    for _, value in objects.values():
        is_empty = False
        if isinstance(value, dict) and not value.keys() <= places.keys():
            for key in value:
                places.setdefault(key, len(places))
            if len(places) > settings.IMPORT_MOST_COLUMNS:
                message = f"{path.name} has more than {settings.IMPORT_MOST_COLUMNS} different keys"
                raise ValidationError(f"{message}; an object's keys must be the names of columns.", "file")
    if not places:
        reason = "is empty: there is no header and no row" if is_empty else "holds no JSON object with a key"
        raise ValidationError(f"{path.name} {reason}.", "file")
    return Table(tuple(places), lambda: objects.records(places), marked=encoding in MARKED)


@frozen
class _Objects:
    path: Path
    encoding: str
    in_lines: bool

    def records(self, places: Mapping[str, int]) -> Iterator[Record]:
        for number, value in self.values():
            try:
                record = record_of(number, value, places)
            except KeyError:
                raise ValidationError(f"{self.path.name} was changed while it was read.", "file") from None
            yield record

    def values(self) -> Iterator[tuple[int, object]]:
        """Each value with its line, or its number in the array."""
        if self.in_lines:
            yield from self._lines()
        else:
            with self.path.open(encoding=self.encoding) as text:
                yield from elements(text, self.path.name)

    def _lines(self) -> Iterator[tuple[int, object]]:
        most, number = settings.MAX_ITEM_CHARS, 0
        with self.path.open(encoding=self.encoding, newline="") as text:
            while line := text.readline(most + 1):
                number += 1
                if len(line) > most:
                    raise ValidationError(f"Line {number}: it has more than {most} characters.", "file")
                if line := line.strip(AROUND):
                    yield number, _value(line)


def _value(line: str) -> object:
    try:
        value, end = decode(line)
    except json.JSONDecodeError as error:
        return Broken(line, error.msg)
    return value if end == len(line) else Broken(line, _AFTER)
