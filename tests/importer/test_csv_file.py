"""Lists in lines, as people have them: any delimiter, quotes, and clear words for the rest."""

import codecs
import csv
from pathlib import Path

import pytest

from onboard360_async import errors
from tests.importer.lists import read, write


def test_lines_are_counted_as_an_editor_does(tmp_path: Path) -> None:
    """Blank lines and cells of two lines count, so that the line in a message is the line on the screen."""
    text = 'sep=;\nemail;name\n\na@x.de;"two\nlines"\n;\nb@x.de;x\n'
    assert [(row.line, row.values["email"]) for row in read(write(tmp_path, text))] == [(4, "a@x.de"), (7, "b@x.de")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "empty"),
        (b"\n\n", "empty"),
        (codecs.BOM_UTF8, "empty"),
        (b"email,name\n", "no rows"),
        ("email,name\n\n,\n\u200b, \n".encode(), "no rows"),
        (b"sep=;\n", "empty"),
        (b"name,phone\nA,1\n", "no email column"),
        (b"Email,E-Mail\na@x.de,b@x.de\n", "More than one column"),
        (b'email,name\na@x.de,"open\n', "Line 2"),
    ],
)
def test_what_is_no_list_of_people_is_told(tmp_path: Path, text: bytes, message: str) -> None:
    """One sentence each, before anything is sent."""
    with pytest.raises(errors.ValidationError, match=message):
        read(write(tmp_path, text))


@pytest.mark.parametrize(
    "start", ["sep=\t\n", "SEP=\t\r\n", '"sep=\t"\n', "\nsep=\t\n", "sep=\t\n\n", "\n\n", " \n", "\u200b\n"]
)
def test_what_may_stand_before_the_header(tmp_path: Path, start: str) -> None:
    """Blank lines and Excel's `sep=`, in quotes or not: the columns are found, and lines counted on."""
    (row,) = read(write(tmp_path, f"{start}email\tfirst name\na@x.de\tA\n"))
    assert (row.line, row.values["first_name"]) == (start.count("\n") + 2, "A")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('email,name\na@x.de,A\nb@x.de,"open\nc@x.de,C\n', 3),
        ('"email,name\na@x.de,A\n', 1),
        (f"email,{'x' * 140_000}\na@x.de,A\n", 1),
        (f'\nemail,name\na@x.de,"{"x" * 140_000}\n', 3),
    ],
)
def test_a_quote_that_is_not_closed_is_told_where_it_opens(tmp_path: Path, text: str, line: int) -> None:
    """Not where the file ends, or the cell is too long to be one."""
    with pytest.raises(errors.ValidationError, match=rf"^Line {line}: .*quote there not closed"):
        read(write(tmp_path, text))


def test_rows_too_long_are_problems_and_short_ones_are_filled(tmp_path: Path) -> None:
    """A separator that was not quoted would shift everything; missing cells at the end are empty."""
    long, short = read(write(tmp_path, "email,first name,phone\na@x.de,Doe, John,1\nb@x.de\n"))
    assert long.problem is not None
    assert "more cells" in long.problem.reason
    assert short.values == {"email": "b@x.de", "first_name": "", "phone": ""}


@pytest.mark.parametrize(("delimiter", "sign"), [(":", ":"), ("tab", "\t"), ("\\t", "\t"), (" ", " "), (",", ",")])
def test_a_delimiter_that_is_said_wins(tmp_path: Path, delimiter: str, sign: str) -> None:
    """Over what would be found, over `sep=`, and over a .tsv's tab; a tab may be said by its name."""
    text = f"sep=;\nemail{sign}phone{sign}a;b;c;d\na@x.de{sign}1{sign}x\n"
    for name in ("people.csv", "people.tsv"):
        (row,) = read(write(tmp_path, text, name), delimiter=delimiter)
        assert row.cells == ["a@x.de", "1", "x"]


@pytest.mark.parametrize("sign", [":", "|", ";"])
def test_what_the_file_says_of_its_delimiter_is_believed(tmp_path: Path, sign: str) -> None:
    """Though another would make more of the header, or it is none of the usual ones."""
    (row,) = read(write(tmp_path, f"sep={sign}\nemail{sign}a,b,c,d\na@x.de{sign}1,2\n"))
    assert row.cells == ["a@x.de", "1,2"]


@pytest.mark.parametrize("delimiter", ["", ";;", '"', "\n", "\r", "\0"])
def test_a_delimiter_that_can_be_none_is_told(tmp_path: Path, delimiter: str) -> None:
    """One character, and none that has another meaning."""
    with pytest.raises(errors.ConfigurationError, match="cannot separate cells"):
        read(write(tmp_path, "email\na@x.de\n"), delimiter=delimiter)


def test_a_tsv_is_between_tabs_whatever_its_header_holds(tmp_path: Path) -> None:
    """A name with commas is one name there, though there are more commas than tabs."""
    (row,) = read(write(tmp_path, "email\tshoe, hat, size\na@x.de\t1,2\n", "people.tsv"))
    assert row.cells == ["a@x.de", "1,2"]


def test_a_cell_longer_than_any_spreadsheets_stays_an_error(tmp_path: Path) -> None:
    """The limit of the csv module is not lifted behind the back of a program that has its own."""
    with pytest.raises(errors.ValidationError, match=r"Line 2: .*field larger"):
        read(write(tmp_path, f"email,name\na@x.de,{'x' * 140_000}\n"))
    assert csv.field_size_limit() == 131_072
