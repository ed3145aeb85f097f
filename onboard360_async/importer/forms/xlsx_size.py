"""How far a workbook's sheets reach, seen before they are read: a reader makes room for all cells up to the farthest.

One stray cell in the last corner of a sheet is room for 17,000,000,000 cells, and the end of the process. Knows no
list; what it cannot read it leaves to the reader.
"""

import re
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

__all__ = ["most_cells"]

_PIECE_BYTES: Final = 1 << 20
_OVERLAP_BYTES: Final = 32  # a match that is cut between two pieces
_ROW: Final = re.compile(rb'row r="(\d{1,7})"')
_FAR_COLUMN: Final = re.compile(rb'c r="([A-Z]{2,3})\d')  # from AA on: nearly all lists end before
_NEAR_COLUMNS: Final = 26
# Broken, encrypted, or packed in a way that is not known here.
_NO_ZIP: Final = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)


def most_cells(path: Path) -> int:
    """The room that the largest sheet takes at most; 0 for what is no zip of sheets."""
    most = 0
    with suppress(*_NO_ZIP), zipfile.ZipFile(path) as book:
        for name in book.namelist():
            if name.startswith("xl/worksheets/") and name.endswith(".xml"):
                with book.open(name) as sheet:
                    most = max(most, _cells(sheet))
    return most


def _cells(sheet: IO[bytes]) -> int:
    rows, columns, before = 0, _NEAR_COLUMNS, b""
    while piece := sheet.read(_PIECE_BYTES):
        piece = before + piece
        rows = max(rows, max(map(int, _ROW.findall(piece)), default=0))
        columns = max(columns, max(map(_number, set(_FAR_COLUMN.findall(piece))), default=0))
        before = piece[-_OVERLAP_BYTES:]
    return rows * columns


def _number(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + letter - ord("A") + 1
    return number
