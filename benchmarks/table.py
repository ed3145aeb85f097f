"""What every benchmark hands back: tables of figures, which are printed, saved and drawn. Knows no benchmark."""

from collections.abc import Iterable

from attrs import frozen

__all__ = ["Row", "Table", "print_all"]


@frozen
class Row:
    """One line: a way, its figure, that figure beside the base's, and what was to be reached."""

    name: str
    value: float
    ratio: float | None = None
    target: str = ""  # as told: "<= 1.15"
    note: str = ""  # more figures of this line, or how it was measured


@frozen
class Table:
    """Figures of one kind, measured in one run. `base` says whose figure the ratios are beside; empty: no ratios."""

    name: str  # short, for the saved file: "get"
    title: str
    unit: str
    rows: tuple[Row, ...]
    base: str = ""
    told: bool = False  # its benchmark has printed it already, in a form of its own: it is only to be saved

    def text(self) -> str:
        """As it is printed: aligned, with the columns that have something to say."""
        kept = [column for column in self._columns() if any(column[1:])]
        wide = [max(map(len, column)) for column in kept]
        lines = []
        for cells in zip(*kept, strict=True):
            first, *others = (
                cell.rjust(width) if column[0] in (self.unit, self._beside) else cell.ljust(width)
                for cell, width, column in zip(cells, wide, kept, strict=True)
            )
            lines.append("  ".join((first, *others)).rstrip())
        return "\n".join((self.title, "", *lines))

    @property
    def _beside(self) -> str:
        return f"{self.base} = 1"

    def _columns(self) -> tuple[list[str], ...]:
        return (
            ["", *(row.name for row in self.rows)],
            [self.unit, *(_figure(row.value) for row in self.rows)],
            [self._beside, *("" if row.ratio is None else f"{row.ratio:.2f}" for row in self.rows)],
            ["target", *(row.target for row in self.rows)],
            ["", *(row.note for row in self.rows)],
        )


def _figure(value: float) -> str:
    """Three digits that count, and never an exponent; what is counted stays whole."""
    if abs(value) >= 100 or value == round(value):
        return f"{value:,.0f}"
    if abs(value) >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if abs(value) >= 1 else f"{value:.3f}"


def print_all(tables: Iterable[Table]) -> None:
    """One after another, an empty line between."""
    for table in tables:
        if not table.told:
            print(f"{table.text()}\n", flush=True)
