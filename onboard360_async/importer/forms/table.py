"""What every form of list comes down to: a header, and records that can be read again and again.

Knows no form, no field and no campaign.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from attrs import frozen

__all__ = ["AROUND", "Record", "Table", "is_blank"]

AROUND: Final = "\ufeff\u200b\u00a0 \t\r\n"  # what people paste around an address without seeing it

_NONE: Final[Mapping[int, str]] = MappingProxyType({})


class Record(NamedTuple):
    """One record: its place in the file, and its cells in the header's order."""

    line: int
    cells: list[str]
    fault: str = ""  # why none of it can be read
    faults: Mapping[int, str] = _NONE  # by column: why this cell is no text


@frozen
class Table:
    """A list whose header is read. `records` begins anew at each call, after the header."""

    header: tuple[str, ...]
    records: Callable[[], Iterator[Record]]
    marked: bool = False  # it began with a byte order mark
    notes: tuple[str, ...] = ()  # what is not read, and what was taken


def is_blank(cells: Iterable[str]) -> bool:
    """Whether nobody would see anything there."""
    return not any(cell.strip(AROUND) for cell in cells)
