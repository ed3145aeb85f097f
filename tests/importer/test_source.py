"""Lists as people have them: any delimiter, quotes and encodings that are said, and clear words for the rest."""

import codecs
import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onboard360_async import errors
from onboard360_async.importer.rows import FIELDS, Row, check_row
from onboard360_async.importer.source import open_csv
from onboard360_async.models import email_key


def read(path: Path, **options: str) -> list[Row]:
    return list(open_csv(path, mapping=None, encoding=options.get("encoding")).rows())


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "people.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


cells = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20).map(
    lambda text: text.strip("\ufeff\u200b\xa0 ")
)


@given(st.lists(st.tuples(cells, cells, cells), min_size=1, max_size=8), st.sampled_from(",;\t|"))
def test_any_text_survives_any_delimiter(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, ...]], delimiter: str
) -> None:
    """What csv writes we read back, cell for cell, for each delimiter."""
    path = tmp_path_factory.mktemp("list") / "people.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerows([("email", "first name", "last name"), *(("a@x.de", *row[1:]) for row in rows)])
    found = read(path)
    assert [(row.values["first_name"], row.values["last_name"]) for row in found] == [row[1:] for row in rows]
    assert [row.line for row in found] == list(range(2, len(rows) + 2))


@given(st.text(max_size=30))
def test_an_email_key_is_its_own_key(email: str) -> None:
    """Capitals and spaces around make no difference, and the key of a key is itself."""
    key = email_key(email)
    assert email_key(key) == key
    assert email_key(f"  {email.lower()} ") == email_key(email.lower())


@pytest.mark.parametrize(
    ("header", "fields"),
    [
        (
            "E-Mail,First name,Surname,Organisation,Mobile",
            ("email", "first_name", "last_name", "company_name", "phone"),
        ),
        ("EMAIL_ADDRESS;Given-Name;family name", ("email", "first_name", "last_name")),
        (
            "E-Mail-Adresse;Vorname;Nachname;Firma;Telefon",
            ("email", "first_name", "last_name", "company_name", "phone"),
        ),
        ("email|Shoe size", ("email",)),
    ],
)
def test_usual_headers_are_understood(tmp_path: Path, header: str, fields: tuple[str, ...]) -> None:
    """English and German names of columns, however they are written; what is unknown is named."""
    file = open_csv(write(tmp_path, f"{header}\na@x.de\n"), mapping=None, encoding=None)
    assert set(file.columns) == set(fields)
    assert set(file.unknown) == ({"Shoe size"} if "Shoe" in header else set())


def test_lines_are_counted_as_an_editor_does(tmp_path: Path) -> None:
    """Blank lines and cells of two lines count, so that the line in a message is the line on the screen."""
    text = 'sep=;\nemail;name\n\na@x.de;"two\nlines"\n;\nb@x.de;x\n'
    assert [(row.line, row.values["email"]) for row in read(write(tmp_path, text))] == [(4, "a@x.de"), (7, "b@x.de")]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_says_the_encoding(tmp_path: Path, encoding: str) -> None:
    """Excel's own files need nothing said."""
    path = write(tmp_path, "email;first name\na@x.de;Zoë\n".encode(encoding))
    assert read(path)[0].values["first_name"] == "Zoë"


def test_a_wrong_encoding_stops_with_the_line(tmp_path: Path) -> None:
    """Guessing garbles names: the first bad line is named and shown in likely encodings, and the user says which."""
    path = write(tmp_path, "email;first name\na@x.de;Anna\nb@x.de;Zoë\n".encode("cp1252"))
    with pytest.raises(errors.ValidationError, match="line 3") as caught:
        read(path)
    assert "cp1252: b@x.de;Zoë" in caught.value.candidates
    assert "b@x.de" not in str(caught.value)
    assert read(path, encoding="cp1252")[1].values["first_name"] == "Zoë"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "empty"),
        (b"\n\n", "empty"),
        (codecs.BOM_UTF8, "empty"),
        (b"email,name\n", "no rows"),
        (b"name,phone\nA,1\n", "no email column"),
        (b"email,E-Mail\na@x.de,b@x.de\n", "More than one column"),
        (b'email,name\na@x.de,"open\n', "Line 2"),
    ],
)
def test_what_is_no_list_of_people_is_told(tmp_path: Path, text: bytes, message: str) -> None:
    """One sentence each, before anything is sent."""
    with pytest.raises(errors.ValidationError, match=message):
        read(write(tmp_path, text))


@pytest.mark.parametrize("encoding", ["nonsense"])
def test_what_cannot_be_read_is_told(tmp_path: Path, encoding: str) -> None:
    """No file, a folder, an encoding that there is not."""
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(errors.ConfigurationError, match="Cannot read"):
            read(path)
    with pytest.raises(errors.ConfigurationError, match="encoding"):
        read(write(tmp_path, "email\na@x.de\n"), encoding=encoding)


def test_a_mapping_says_which_column_is_which(tmp_path: Path) -> None:
    """It wins over the names; what it names must be there."""
    path = write(tmp_path, "email,work\nhome@x.de,work@x.de\n")
    assert next(open_csv(path, mapping={"email": "Work"}, encoding=None).rows()).values["email"] == "work@x.de"
    for mapping in ({"email": "nothing"}, {"shoe": "work"}):
        with pytest.raises(errors.ValidationError) as caught:
            open_csv(path, mapping=mapping, encoding=None)
        assert caught.value.candidates


def test_rows_too_long_are_problems_and_short_ones_are_filled(tmp_path: Path) -> None:
    """A separator that was not quoted would shift everything; missing cells at the end are empty."""
    long, short = read(write(tmp_path, "email,first name,phone\na@x.de,Doe, John,1\nb@x.de\n"))
    assert long.problem is not None
    assert "more cells" in long.problem.reason
    assert short.values == {"email": "b@x.de", "first_name": "", "phone": ""}


@pytest.mark.parametrize(
    ("email", "is_good"),
    [
        ("a@x.de", True),
        ("o'neil+tag@sub.x.co", True),
        ("ü@müller.de", True),
        ("a@x", False),
        ("a@.de", False),
        ("a@x.", False),
        ("@x.de", False),
        ("a@@x.de", False),
        ("a b@x.de", False),
        ("a\x07@x.de", False),
        (f"{'a' * 250}@x.de", False),
    ],
)
def test_only_what_cannot_be_an_address_is_refused(email: str, is_good: bool) -> None:
    """Anything stricter would lose people."""
    values = dict.fromkeys(FIELDS, "") | {"email": email}
    client, problem, _ = check_row(Row(2, (), values), "c")
    assert (client is not None, problem is None) == (is_good, is_good)


def test_damaged_phones_are_noted_and_sent_as_they_are() -> None:
    """A spreadsheet's 1.55512E+10 is somebody's number: never mended by us, and said."""
    values = dict.fromkeys(FIELDS, "") | {"email": "a@x.de", "phone": "1.55512E+10"}
    client, _, odd = check_row(Row(2, (), values), "c")
    assert client is not None
    assert (client.phone, len(odd)) == ("1.55512E+10", 1)


def test_a_nul_is_refused() -> None:
    """No name holds one."""
    values = dict.fromkeys(FIELDS, "") | {"email": "a@x.de", "first_name": "a\0b"}
    _, problem, _ = check_row(Row(2, (), values), "c")
    assert problem is not None
    assert problem.field == "first_name"
