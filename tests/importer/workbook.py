"""Workbooks for tests: the few XML parts that a spreadsheet needs, in a zip, written by hand."""

import re
import zipfile
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from xml.sax.saxutils import escape

__all__ = ["Cell", "write_workbook"]

Cell = str | int | float | bool | date | None

_TYPES = """<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">
<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>
<Default Extension="xml" ContentType="application/xml"/>
<Override PartName="/xl/workbook.xml"
 ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/>
</Types>"""
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_DATES = {1: 14, 2: 22}  # our two styles: a day, and a day with a time
_STYLES = (
    f'<styleSheet xmlns="{_MAIN}"><cellXfs><xf numFmtId="0"/>'
    + "".join(f'<xf numFmtId="{number}" applyNumberFormat="1"/>' for number in _DATES.values())
    + "</cellXfs></styleSheet>"
)


def write_workbook(
    path: Path, rows: Sequence[Sequence[Cell]], *, first: int = 1, others: Mapping[str, Sequence[Sequence[Cell]]] = {}
) -> Path:
    """A workbook whose first sheet, "People", has these rows from row `first` on; `others` are sheets after it."""
    sheets = {"People": rows, **others}
    numbers = range(1, len(sheets) + 1)
    links = [(f"rId{number}", "worksheet", f"worksheets/sheet{number}.xml") for number in numbers]
    listed = "".join(f'<sheet name="{name}" sheetId="{n}" r:id="rId{n}"/>' for n, name in enumerate(sheets, 1))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as book:
        book.writestr("[Content_Types].xml", _TYPES)
        book.writestr("_rels/.rels", _relations([("rId1", "officeDocument", "xl/workbook.xml")]))
        book.writestr("xl/_rels/workbook.xml.rels", _relations([*links, ("rId0", "styles", "styles.xml")]))
        book.writestr(
            "xl/workbook.xml", f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>{listed}</sheets></workbook>'
        )
        book.writestr("xl/styles.xml", _STYLES)
        for number, cells in zip(numbers, sheets.values(), strict=True):
            with book.open(f"xl/worksheets/sheet{number}.xml", "w") as part:
                part.write(f'<worksheet xmlns="{_MAIN}"><sheetData>'.encode())
                for line, row in enumerate(cells, first):
                    inside = "".join(_cell(f"{_column(index)}{line}", cell) for index, cell in enumerate(row))
                    part.write(f'<row r="{line}">{inside}</row>'.encode())
                part.write(b"</sheetData></worksheet>")
    return path


def _relations(links: Sequence[tuple[str, str, str]]) -> str:
    inside = "".join(f'<Relationship Id="{i}" Type="{_OFFICE}/{kind}" Target="{to}"/>' for i, kind, to in links)
    return f'<Relationships xmlns="{_RELATIONS}">{inside}</Relationships>'


def _column(index: int) -> str:
    high, low = divmod(index, 26)
    return (_column(high - 1) if high else "") + chr(ord("A") + low)


def _cell(place: str, value: Cell) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return f'<c r="{place}" t="b"><v>{int(value)}</v></c>'
    if isinstance(value, date):
        zero = datetime(1899, 12, 30)  # noqa: DTZ001 - sheets have no zones
        is_time = isinstance(value, datetime)
        days = (value - zero) / timedelta(days=1) if isinstance(value, datetime) else (value - zero.date()).days
        return f'<c r="{place}" s="{1 + is_time}"><v>{days!r}</v></c>'
    if isinstance(value, str):
        return f'<c r="{place}" t="inlineStr"><is><t xml:space="preserve">{_text(value)}</t></is></c>'
    return f'<c r="{place}"><v>{value!r}</v></c>'


def _text(value: str) -> str:
    """As Excel writes it: what XML cannot carry, and what would be read as that, as `_x000D_`."""
    value = re.sub(r"_(?=x[0-9A-Fa-f]{4}_)", "_x005F_", value)
    return escape(re.sub(r"[\x00-\x08\x0b-\x1f\ufffe\uffff]", lambda sign: f"_x{ord(sign[0]):04X}_", value))
