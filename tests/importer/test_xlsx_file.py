"""Workbooks: a sheet as its reader sees it, with its own row numbers."""

import sys
from datetime import date, datetime
from pathlib import Path

import pytest

from onboard360_async import errors, settings
from onboard360_async.importer.forms import xlsx_size
from onboard360_async.importer.source import open_list
from tests.importer.lists import read, write
from tests.importer.workbook import Cell, write_workbook

HEADER = ("email", "phone")


@pytest.mark.parametrize(
    ("cell", "seen"),
    [
        (4915551, "4915551"),
        (4915551.0, "4915551"),
        (15551234567.0, "15551234567"),
        (-3.0, "-3"),
        (999999999999999.0, "999999999999999"),
        (1.5, "1.5"),
        (0.1 + 0.2, "0.3"),
        (1e20, "1e+20"),
        (True, "TRUE"),
        (date(2024, 1, 31), "2024-01-31"),
        (datetime(2024, 1, 31, 13, 5), "2024-01-31 13:05:00"),  # noqa: DTZ001 - sheets have no zones
        (datetime(2024, 1, 31), "2024-01-31"),  # noqa: DTZ001 - sheets have no zones
        (" 007 ", " 007 "),
        (None, ""),
    ],
)
def test_a_cell_is_what_a_person_sees(tmp_path: Path, cell: Cell, seen: str) -> None:
    """A phone that a sheet keeps as a number has no `.0`, and a day no midnight."""
    (row,) = read(write_workbook(tmp_path / "people.xlsx", [HEADER, ("a@x.de", cell)]))
    assert list(row.cells) == ["a@x.de", seen]


@pytest.mark.parametrize("first", [1, 4])
def test_a_line_is_the_row_of_the_sheet(tmp_path: Path, first: int) -> None:
    """Also under empty rows, at the top or between: it is the number at the sheet's edge."""
    rows = [HEADER, ("a@x.de",), (), ("  ", None), ("b@x.de", 1)]
    path = write_workbook(tmp_path / "people.xlsx", rows, first=first)
    assert [(row.line, row.values["email"]) for row in read(path)] == [(first + 1, "a@x.de"), (first + 4, "b@x.de")]


def test_columns_stand_where_they_stand(tmp_path: Path) -> None:
    """One without a name between, none for what is empty at the edges; a cell beyond the header is a problem."""
    rows = [(None, "phone", None, "email", " "), (None, 1, "note", "a@x.de"), (None, 2, None, "b@x.de", "beyond")]
    file = open_list(write_workbook(tmp_path / "people.xlsx", rows))
    assert (file.header, file.columns, file.unknown) == (("phone", "", "email"), {"email": 2, "phone": 0}, ())
    good, long = file.rows()
    assert (list(good.cells), good.values) == (["1", "note", "a@x.de"], {"email": "a@x.de", "phone": "1"})
    assert long.problem is not None
    assert "more cells" in long.problem.reason
    assert (file.form, file.marked) == ("xlsx", False)


def test_the_first_sheet_is_read_and_others_are_named(tmp_path: Path) -> None:
    """Nobody is left out unseen."""
    rows: list[tuple[Cell, ...]] = [HEADER, ("a@x.de", 1)]
    path = write_workbook(tmp_path / "people.xlsx", rows, others={"More": rows, "Empty": ()})
    file = open_list(path)
    assert len(list(file.rows())) == 1
    assert file.notes == ("of the workbook, only the sheet 'People' is read; the others are 'More', 'Empty'",)
    assert open_list(write_workbook(path, rows)).notes == ()


def test_an_empty_first_sheet_is_passed_over_for_the_only_other(tmp_path: Path) -> None:
    """If there are two, it is in doubt which."""
    rows: list[tuple[Cell, ...]] = [HEADER, ("a@x.de", 1)]
    path = tmp_path / "people.xlsx"
    file = open_list(write_workbook(path, [(" ",)], others={"Old": (), "List": rows}))
    assert [row.line for row in file.rows()] == [2]
    assert "only the sheet 'List'" in file.notes[0]
    with pytest.raises(errors.ValidationError, match=r"The first sheet of .* is empty") as caught:
        open_list(write_workbook(path, (), others={"Old": rows, "List": rows}))
    assert caught.value.candidates == ("Old", "List")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ((), "is empty"),
        ([HEADER], "no rows"),
        ([HEADER, ("", " ")], "no rows"),
        ([("name",), ("A",)], "no email column"),
    ],
)
def test_a_sheet_that_is_no_list_is_told(tmp_path: Path, rows: list[tuple[Cell, ...]], message: str) -> None:
    """In the words of any other form."""
    with pytest.raises(errors.ValidationError, match=message):
        open_list(write_workbook(tmp_path / "people.xlsx", rows))


@pytest.mark.parametrize("text", [b"", b"email\na@x.de\n", b"PK\x03\x04 and no more"])
def test_what_is_no_workbook_is_told(tmp_path: Path, text: bytes) -> None:
    """A download that broke off, or another form under that name."""
    with pytest.raises(errors.ValidationError, match="cannot be read as a workbook"):
        open_list(write(tmp_path, text, "people.xlsx"))


def test_without_the_extra_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing else needs it: other forms are read without."""
    path = write_workbook(tmp_path / "people.xlsx", [HEADER, ("a@x.de", 1)])
    monkeypatch.setitem(sys.modules, "python_calamine", None)
    with pytest.raises(errors.ConfigurationError, match=r"pip install 'onboard360-async\[xlsx\]'"):
        open_list(path)
    assert read(write(tmp_path, "email\na@x.de\n"))


@pytest.mark.parametrize("piece", [40, 1 << 20])
def test_a_stray_cell_in_a_far_corner_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece: int) -> None:
    """To read up to it would take all memory and more, and the process with it."""
    monkeypatch.setattr(xlsx_size, "_PIECE_BYTES", piece)
    rows: list[tuple[Cell, ...]] = [HEADER, ("a@x.de", 1)]
    wide = [None] * 701
    path = write_workbook(tmp_path / "people.xlsx", rows, others={"Stray": [(), (*wide, "ZZ"), ("A",)]})
    assert xlsx_size.most_cells(path) == 3 * 702
    assert len(read(path)) == 1
    assert xlsx_size.most_cells(write_workbook(path, rows, first=9_999)) == 10_000 * 26
    assert len(read(path)) == 1
    monkeypatch.setattr(settings, "IMPORT_MOST_CELLS", 10_000 * 26 - 1)
    with pytest.raises(errors.ValidationError, match="too far down or right"):
        open_list(path)


def test_how_far_a_sheet_reaches_is_not_asked_of_what_is_none(tmp_path: Path) -> None:
    """The reader says what it is."""
    assert xlsx_size.most_cells(write(tmp_path, b"PK\x03\x04 and no more")) == 0
