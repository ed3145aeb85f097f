"""The door of all lists: which form a file has, and what holds in any of them."""

import csv
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onboard360_async import errors
from onboard360_async.importer.source import open_list
from tests.importer.lists import read, write
from tests.importer.workbook import write_workbook


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    """No file, a folder."""
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(errors.ConfigurationError, match="Cannot read"):
            read(path)


CSV = "email,phone\na@x.de,1\n"
LINES = '{"email": "a@x.de", "phone": "1"}\n'
ARRAY = f"[{LINES}]"


@pytest.mark.parametrize(
    ("name", "text", "form"),
    [
        ("people.csv", CSV, "csv"),
        ("people.CSV", CSV, "csv"),
        ("people.txt", CSV.replace(",", "\t"), "csv"),
        ("people.tsv", CSV.replace(",", "\t"), "tsv"),
        ("people.jsonl", LINES, "jsonl"),
        ("people.ndjson", LINES, "jsonl"),
        ("people.json", ARRAY, "json"),
        ("people.json", LINES, "jsonl"),
        ("people", CSV, "csv"),
        ("people.list", f"\n {LINES}", "jsonl"),
        ("people.2024", f"\ufeff\n{ARRAY}", "json"),
        ("people", "\ufeff" + ARRAY, "json"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_the_form_is_in_the_name_or_the_first_bytes(
    tmp_path: Path, name: str, text: str, form: str, encoding: str
) -> None:
    """And all forms say the same of the same people."""
    file = open_list(write(tmp_path, text.encode(encoding), name))
    assert file.form == form
    assert [row.values for row in file.rows()] == [{"email": "a@x.de", "phone": "1"}]


def test_a_workbook_is_known_by_its_first_bytes(tmp_path: Path) -> None:
    """Under a name that says nothing; under one that says another form it is in doubt."""
    rows = [("email", "phone"), ("a@x.de", "1")]
    for name in ("people", "people.xlsx", "people.XLSX"):
        assert open_list(write_workbook(tmp_path / name, rows)).form == "xlsx"
    path = write_workbook(tmp_path / "people.csv", rows)
    with pytest.raises(errors.ValidationError, match=r"is a workbook; name it \.xlsx"):
        open_list(path)
    assert open_list(path, form="xlsx").form == "xlsx"


def test_a_form_that_is_said_wins(tmp_path: Path) -> None:
    """Over the name and the first bytes."""
    assert open_list(write(tmp_path, LINES), form="jsonl").form == "jsonl"
    assert open_list(write(tmp_path, "[email\na@x.de\n", "people.json"), form="csv", mapping={"email": "[email"}).header
    with pytest.raises(errors.ValidationError, match="must hold an array"):
        open_list(write(tmp_path, LINES, "people.json"), form="json")
    with pytest.raises(errors.ConfigurationError, match="no form 'xml'"):
        open_list(write(tmp_path, CSV), form="xml")


@pytest.mark.parametrize("form", ["jsonl", "json", "xlsx"])
def test_an_option_that_a_form_does_not_have_is_told(tmp_path: Path, form: str) -> None:
    """Who says a delimiter of JSON, or an encoding of a workbook, means another file."""
    path = write_workbook(tmp_path / "people.xlsx", [("email",), ("a@x.de",)])
    path = path if form == "xlsx" else write(tmp_path, ARRAY if form == "json" else LINES)
    with pytest.raises(errors.ConfigurationError, match="no delimiter"):
        open_list(path, form=form, delimiter=";")
    if form == "xlsx":
        with pytest.raises(errors.ConfigurationError, match="its own encoding"):
            open_list(path, encoding="cp1252")


def test_an_errors_file_is_a_list_again(tmp_path: Path) -> None:
    """What we added to it is no column of anybody's."""
    text = "email,Shoe,_line,_error,_excel_safe\na@x.de,43,17,rejected: no,\n"
    file = open_list(write(tmp_path, text))
    assert (file.columns, file.unknown) == ({"email": 0}, ("Shoe",))


@pytest.mark.parametrize("name", ["people.csv", "people.json", "people.xlsx"])
def test_the_guard_against_formulas_is_taken_off(tmp_path: Path, name: str) -> None:
    """One apostrophe, and only in a file that says that it was put before: a name that begins with one keeps it."""
    header = ["email", "first name", "phone", "'=1", "_excel_safe"]
    cells = ["'@x", "''t Hooft", "'+49 30 1", "it's", "yes"]
    for guarded in (True, False):
        names = header if guarded else header[:-1]
        path = tmp_path / name
        if name.endswith("json"):
            path.write_text(json.dumps([dict(zip(names, cells, strict=False))]))
        elif name.endswith("xlsx"):
            write_workbook(path, [names, cells[: len(names)]])
        else:
            path.write_text(f"{','.join(names)}\n{','.join(cells[: len(names)])}\n")
        file = open_list(path)
        (row,) = file.rows()
        if guarded:
            assert (list(row.cells), file.header[3]) == (["@x", "'t Hooft", "+49 30 1", "it's", "yes"], "=1")
            assert row.values == {"email": "@x", "first_name": "'t Hooft", "phone": "+49 30 1"}
            assert file.unknown == ("=1",)
        else:
            assert (list(row.cells), file.header[3]) == (cells[:4], "'=1")


SIGNS = "=+-@\t\r'"


@given(
    st.lists(st.tuples(st.sampled_from(["", *SIGNS]), st.text(st.sampled_from(SIGNS + "a "), max_size=5)), max_size=4)
)
def test_what_was_guarded_comes_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, starts: list[tuple[str, str]]
) -> None:
    """Whoever opens an errors file in a spreadsheet runs nothing, and whoever imports it again loses nothing."""
    cells = [start + rest for start, rest in starts] + ["a@x.de"]
    path = tmp_path_factory.getbasetemp() / "errors.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*(f"c{number}" for number in range(len(starts))), "email", "_excel_safe"])
        writer.writerow([*("'" + cell if cell[:1] and cell[0] in SIGNS else cell for cell in cells), ""])
    (row,) = read(path)
    assert list(row.cells) == [*cells, ""]
