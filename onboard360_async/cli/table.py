"""A table as wide as its screen: what is to be copied stands whole, and where that cannot be, rows are written apart.

Knows no command. Cells are text that is safe to show.
"""

import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import zip_longest
from typing import Final, TextIO

from attrs import frozen
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text
from rich.theme import Theme

__all__ = ["ECHO", "GAP", "Layout", "apart", "console_on", "drawn_table", "entry", "shared_out"]

ECHO: Final = 2  # columns that what is drawn in place leaves free: a terminal writes ^C there, and else in a line below
GAP: Final = 2  # columns between two of a table's
_PROSE_LEAST: Final = 12  # columns that are left to prose, where it has more
_PLAIN: Final = Console(color_system=None)  # whoever folds text asks one; nothing is written to it


class _Screen(Console):
    """A console that leaves it to us what becomes of a closed pipe; rich would end the process as failed."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def console_on(
    out: TextIO | None = None, *, stderr: bool = False, width: int | None = None, theme: Theme | None = None
) -> Console:
    """A stream to draw on. With NO_COLOR nothing is coloured, and nothing bold either: no escape code is left."""
    color = None if os.environ.get("NO_COLOR") else "auto"
    return _Screen(
        file=out,
        stderr=stderr,
        color_system=color,  # type: ignore[arg-type]  # a literal or None
        width=width,
        theme=theme,
        highlight=False,
        markup=False,
    )


def drawn_table(columns: Sequence[str] = ()) -> Table:
    """An empty table that looks as ours do, to be drawn again and again. Cells of these columns are folded."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        table.add_column(name, overflow="fold")
    return table


def shared_out(needs: dict[str, int], room: int) -> dict[str, int]:
    """How wide each of several columns is in this room: as it needs, while there is room; then all equally."""
    widths = {}
    for left, name in zip(range(len(needs), 0, -1), sorted(needs, key=needs.__getitem__), strict=True):
        widths[name] = min(needs[name], max(room, 0) // left)
        room -= widths[name]
    return widths


@frozen
class Layout:
    """Which columns are shown, and how wide; `left_out` are those that have something to say and no room for it."""

    widths: dict[str, int]
    left_out: tuple[str, ...]

    @classmethod
    def of(
        cls,
        columns: Sequence[str],
        rows: Sequence[Sequence[str]],
        room: int,
        *,
        spare: Collection[str] = (),
        prose: Collection[str] = (),
    ) -> "Layout | None":
        """The widest that fits; None if none does.

        `spare`: columns, never all, that give way, empty ones first. `prose`: those whose text may be folded; nobody
        can copy an id or a link that was.
        """
        cells = dict(zip(columns, zip(*rows, strict=True), strict=True))
        needs = {name: max(map(_width, (name, *cells[name]))) for name in columns}
        empty = {name for name in columns if not any(cells[name])}
        leaving = sorted(spare, key=lambda name: name not in empty)  # stable: else as they are
        shown = dict(needs)
        while True:
            left = room - GAP * (len(shown) - 1) - sum(need for name, need in shown.items() if name not in prose)
            folded = {name: need for name, need in shown.items() if name in prose}
            widths = shared_out(folded, left)
            if left >= 0 and all(widths[name] >= min(folded[name], max(_PROSE_LEAST, len(name))) for name in folded):
                gone = tuple(name for name in columns if name not in shown and name not in empty)
                return cls({name: widths.get(name, need) for name, need in shown.items()}, gone)
            if not leaving:
                return None
            del shown[leaving.pop(0)]

    @property
    def columns(self) -> tuple[str, ...]:
        """Those that are shown."""
        return tuple(self.widths)

    def lines(self, columns: Sequence[str], row: Sequence[str]) -> Iterator[str]:
        """A row; its cells folded where they are prose."""
        cells = dict(zip(columns, row, strict=True))
        folded = [list(_folded(cells[name], width)) for name, width in self.widths.items()]
        for parts in zip_longest(*folded, fillvalue=""):
            sized = zip(parts, self.widths.values(), strict=True)
            padded = (part + " " * (width - cell_len(part)) for part, width in sized)
            yield (" " * GAP).join(padded).rstrip(" ")


def _width(cell: str) -> int:
    return max(map(cell_len, cell.split("\n")))


def _folded(cell: str, width: int) -> Iterator[str]:
    for line in cell.split("\n"):
        if cell_len(line) <= width:
            yield line
        else:
            yield from (piece.plain.rstrip(" ") for piece in Text(line).wrap(_PLAIN, width, overflow="fold"))


def entry(name: str, text: str, width: int) -> str:
    """A line for one thing; its name takes so many columns."""
    return f"{name.replace('_', ' ') + ':':<{width}} {text}".rstrip(" ")


def apart(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Rows one below the other, a line for each thing that is there: a link is to be copied, and never folded."""
    width = max(map(len, columns)) + 1
    for number, row in enumerate(rows):
        if number:
            yield ""
        for name, cell in zip(columns, row, strict=True):
            if cell:
                first, *others = cell.split("\n")
                yield entry(name, first, width)
                yield from (f"{'':<{width}} {line}".rstrip(" ") for line in others)
