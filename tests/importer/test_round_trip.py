"""What somebody's program wrote is what we read, in each form: any text in any field, cell for cell."""

import csv
import io
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onboard360_async.importer.forms.table import AROUND, is_blank
from onboard360_async.importer.rows import FIELDS, Row
from tests.importer.lists import read, write
from tests.importer.workbook import write_workbook

People = Sequence[Sequence[str]]

# All that a text in a file can be: no half characters, and no NUL, which would be a file that is no text.
cells = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
people = st.lists(
    st.lists(cells, min_size=len(FIELDS), max_size=len(FIELDS)).filter(lambda row: not is_blank(row)),
    min_size=1,
    max_size=4,
)


def as_csv(delimiter: str, ending: str) -> Callable[[Path, People], Path]:
    def written(folder: Path, rows: People) -> Path:
        path = folder / "people.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, delimiter=delimiter, lineterminator=ending).writerows([FIELDS, *rows])
        return path

    return written


def as_lines(folder: Path, rows: People) -> Path:
    path = folder / "people.jsonl"
    lines = [json.dumps(dict(zip(FIELDS, row, strict=True)), ensure_ascii=False) for row in rows]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def as_array(indent: int | None) -> Callable[[Path, People], Path]:
    def written(folder: Path, rows: People) -> Path:
        path = folder / "people.json"
        text = json.dumps([dict(zip(FIELDS, row, strict=True)) for row in rows], ensure_ascii=False, indent=indent)
        path.write_text(text, encoding="utf-8")
        return path

    return written


def as_workbook(folder: Path, rows: People) -> Path:
    return write_workbook(folder / "people.xlsx", [FIELDS, *rows])


def said_by(rows: Sequence[Row]) -> list[list[str]]:
    return [[row.values[name] for name in FIELDS] for row in rows]


FORMS = {
    "comma": as_csv(",", "\r\n"),
    "semicolon": as_csv(";", "\r\n"),
    "tab": as_csv("\t", "\r\n"),
    "bar": as_csv("|", "\r\n"),
    "unix": as_csv(",", "\n"),
    "jsonl": as_lines,
    "array": as_array(None),
    "indented": as_array(2),
    "xlsx": as_workbook,
}


@pytest.mark.parametrize("form", FORMS)
@given(rows=people)
def test_any_text_survives_any_form(tmp_path_factory: pytest.TempPathFactory, form: str, rows: list[list[str]]) -> None:
    """The cells stand as they were written; what a field says is without the invisible edges."""
    if form == "unix":  # csv.writer quotes the signs of its own line ending alone
        rows = [[cell.replace("\r", "") or "x" for cell in row] for row in rows]
    found = read(FORMS[form](tmp_path_factory.getbasetemp(), rows))
    assert [list(row.cells) for row in found if not row.problem] == rows
    assert said_by(found) == [[cell.strip(AROUND) for cell in row] for row in rows]


@given(rows=people)
def test_a_line_is_the_one_in_an_editor(tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]]) -> None:
    """Whatever ends the lines within cells: each record begins after the lines of those before it."""
    text, lines = io.StringIO(newline=""), []
    writer = csv.writer(text)
    for row in (FIELDS, *rows):
        lines.append(len(re.split(r"\r\n|\r|\n", text.getvalue())))
        writer.writerow(row)
    path = write(tmp_path_factory.getbasetemp(), text.getvalue())
    assert [row.line for row in read(path)] == lines[1:]
