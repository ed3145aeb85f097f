"""Workbooks: a sheet's cells as the texts that a person sees there.

Knows no field. The reader is the extra `xlsx`, imported when the first workbook is; a workbook is read whole.
"""

from collections.abc import Iterator
from datetime import date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING

from onboard360_async import settings
from onboard360_async.errors import ConfigurationError, ValidationError
from onboard360_async.importer.forms.table import AROUND, Record, Table, is_blank
from onboard360_async.importer.forms.xlsx_size import most_cells

if TYPE_CHECKING:
    from python_calamine import CalamineSheet, CalamineWorkbook

__all__ = ["open_xlsx"]


def open_xlsx(path: Path) -> Table:
    """A workbook's first sheet, or the only one that is not empty.

    ConfigurationError without the extra, ValidationError if it is no workbook, is empty or too wide, or the
    sheet is in doubt.
    """
    try:
        from python_calamine import CalamineError, CalamineWorkbook, SheetTypeEnum
    except ImportError:
        message = f"{path.name} is a workbook; to read it, pip install 'onboard360-async[xlsx]', or save it as CSV."
        raise ConfigurationError(message) from None
    if most_cells(path) > settings.IMPORT_MOST_CELLS:
        message = f"{path.name} has cells too far down or right to be read; delete the empty rows and columns there"
        raise ValidationError(f"{message}, or save it as CSV.", "file")
    try:
        with CalamineWorkbook.from_path(path) as book:
            names = [each.name for each in book.sheets_metadata if each.typ == SheetTypeEnum.WorkSheet]
            sheet, notes = _sheet_of(path, book, names)
    except CalamineError as error:
        raise ValidationError(f"{path.name} cannot be read as a workbook ({error}).", "file") from None
    header, first = next((record.cells, record.line) for record in _records(sheet, 0) if not is_blank(record.cells))
    while not header[-1].strip(AROUND):
        header.pop()
    return Table(tuple(header), lambda: _records(sheet, first), notes=notes)


def _sheet_of(path: Path, book: "CalamineWorkbook", names: list[str]) -> tuple["CalamineSheet", tuple[str, ...]]:
    full = []
    for name in names:
        sheet = book.get_sheet_by_name(name)
        if not all(is_blank(record.cells) for record in _records(sheet, 0)):
            full.append(sheet)
            if name == names[0]:
                break
    if not full:
        raise ValidationError(f"{path.name} is empty: there is no header and no row.", "file")
    if len(full) > 1:
        message = (
            f"The first sheet of {path.name} is empty, and more than one other is not; move the list to the first:"
        )
        raise ValidationError(message, "file", tuple(sheet.name for sheet in full))
    others = [name for name in names if name != full[0].name]
    note = f"of the workbook, only the sheet {full[0].name!r} is read; the others are {', '.join(map(repr, others))}"
    return full[0], (note,) if others else ()


def _records(sheet: "CalamineSheet", after: int) -> Iterator[Record]:
    """Records with the sheet's row numbers, which count from its top even where that is empty."""
    rows = () if sheet.start is None else sheet.iter_rows()  # older readers panic at a sheet without a cell
    for number, row in enumerate(rows, 1):
        if number > after:
            yield Record(number, [value if type(value) is str else _seen(value) for value in row])


def _seen(value: object) -> str:
    """What the cell shows: whole numbers without a point, days without a midnight."""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, float):
        return f"{value:.15g}"  # the digits that a sheet itself keeps; 4915551 and not 4915551.0
    if isinstance(value, datetime):
        return value.isoformat(" ", "seconds") if value.time() != time() else value.date().isoformat()
    return value.isoformat() if isinstance(value, date | time) else str(value)
