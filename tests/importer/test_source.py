"""Lists as people have them: any delimiter, quotes and encodings that are said, and clear words for the rest."""

import codecs
import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onboard360_async import errors
from onboard360_async.importer import encoding as encoding_module
from onboard360_async.importer.rows import FIELDS, Row, check_row
from onboard360_async.importer.source import open_list
from onboard360_async.models import email_key


def read(path: Path, **options: str) -> list[Row]:
    return list(open_list(path, encoding=options.get("encoding")).rows())


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
    file = open_list(write(tmp_path, f"{header}\na@x.de\n"))
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


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    """No file, a folder."""
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(errors.ConfigurationError, match="Cannot read"):
            read(path)


@pytest.mark.parametrize("said", ["utf-8", "UTF8", "utf-8-sig"])
def test_utf_8_said_is_also_the_one_with_a_mark(tmp_path: Path, said: str) -> None:
    """Excel's UTF-8 begins with a mark: it is not part of the first column's name, whatever name the encoding has."""
    file = open_list(write(tmp_path, "email\na@x.de\n".encode("utf-8-sig")), encoding=said)
    assert (file.header, file.marked) == (("email",), True)
    with pytest.raises(errors.ValidationError, match="line 1"):  # another mark says that what was said is wrong
        read(write(tmp_path, "email\na@x.de\n".encode("utf-16")), encoding=said)


def test_a_mark_that_an_encoding_leaves_in_place_is_read_over(tmp_path: Path) -> None:
    """`utf-16-le` says that there is none; where there is one all the same, it hides neither `sep=` nor a column."""
    path = write(tmp_path, "\ufeffsep=|\nemail|name\na@x.de|a;b,c\n".encode("utf-16-le"))
    assert [row.cells for row in read(path, encoding="utf-16-le")] == [["a@x.de", "a;b,c"]]


@pytest.mark.parametrize(
    "start", ["sep=\t\n", "SEP=\t\r\n", '"sep=\t"\n', "\nsep=\t\n", "sep=\t\n\n", "\n\n", " \n", "\u200b\n"]
)
def test_what_may_stand_before_the_header(tmp_path: Path, start: str) -> None:
    """Blank lines and Excel's `sep=`, in quotes or not: the columns are found, and lines counted on."""
    (row,) = read(write(tmp_path, f"{start}email\tfirst name\na@x.de\tA\n"))
    assert (row.line, row.values["first_name"]) == (start.count("\n") + 2, "A")


@pytest.mark.parametrize("encoding", ["hex", "rot13", "base64", "nonsense", "a b", "utf-8\0"])
def test_an_encoding_that_is_none_of_text_is_told(tmp_path: Path, encoding: str) -> None:
    """What Python calls a codec need not be one that a file can be written in."""
    with pytest.raises(errors.ConfigurationError, match="There is no encoding"):
        read(write(tmp_path, "email\na@x.de\n"), encoding=encoding)


def test_an_encoding_whose_errors_have_no_place_is_told(tmp_path: Path) -> None:
    """Some codecs do not say at which byte they failed: then the line is all that is said."""
    with pytest.raises(errors.ValidationError, match=r"not undefined: line 1 cannot be read\. "):
        read(write(tmp_path, "email\na@x.de\n"), encoding="undefined")


def test_a_bad_byte_is_named_by_line_and_place(tmp_path: Path) -> None:
    """As an editor counts them: from 1."""
    with pytest.raises(errors.ValidationError, match=r"line 2 cannot be read \(byte 10 of it\)"):
        read(write(tmp_path, b"email;first name\na@x.de;Zo\xeb\n"))


def test_a_file_that_ends_within_a_character_is_told(tmp_path: Path) -> None:
    """A download that broke off: there is no line to show."""
    with pytest.raises(errors.ValidationError, match=r"line 2 cannot be read\. .*UTF-8\.$") as caught:
        read(write(tmp_path, b"email;first name\na@x.de;Zo\xc3"))
    assert caught.value.candidates == ()


def test_a_line_without_end_is_read_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file need not have lines: characters may be cut between two pieces, and lines are counted all the same."""
    monkeypatch.setattr(encoding_module, "_MOST_BYTES", 3)
    path = write(tmp_path, "email;first name\na@x.de;Zoë\u20ac\U0001f600\n")
    assert read(path)[0].values["first_name"] == "Zoë\u20ac\U0001f600"
    with pytest.raises(errors.ValidationError, match="line 3"):
        read(write(tmp_path, b"email;first name\na@x.de;Anna\nb@x.de;Zo\xeb\n"))


def test_a_picture_is_not_shown_whole(tmp_path: Path) -> None:
    """What is no text has lines of any length: what is near the bad byte is enough to see."""
    with pytest.raises(errors.ValidationError) as caught:
        read(write(tmp_path, b"email\n" + b"a" * 10_000 + b"Zo\xeb!" + b"b" * 10_000))
    assert all(len(shown) < 500 for shown in caught.value.candidates)
    assert "Zoë!" in caught.value.candidates[0]


def test_a_nul_in_a_file_is_told_with_the_likely_reason(tmp_path: Path) -> None:
    """UTF-16 without a mark reads as UTF-8 with a NUL after each letter."""
    path = write(tmp_path, "email\na@x.de\n".encode("utf-16-le"))
    with pytest.raises(errors.ValidationError, match=r"line 1 holds a NUL character; .*utf-16-le"):
        read(path)
    assert read(path, encoding="utf-16-le")[0].values["email"] == "a@x.de"


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


def test_a_mapping_says_which_column_is_which(tmp_path: Path) -> None:
    """It wins over the names; what it names must be there."""
    path = write(tmp_path, "email,work\nhome@x.de,work@x.de\n")
    assert next(open_list(path, mapping={"email": "Work"}).rows()).values["email"] == "work@x.de"
    for mapping in ({"email": "nothing"}, {"shoe": "work"}):
        with pytest.raises(errors.ValidationError) as caught:
            open_list(path, mapping=mapping)
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
        ("a\u200b@x.de", False),
        ("a\xad@x.de", False),
        ("a\u202e@x.de", False),
        ("a\xa0b@x.de", False),
        ("a\u2028@x.de", False),
        ("a\ud83d@x.de", False),
        (f"{'a' * 250}@x.de", False),
    ],
)
def test_only_what_cannot_be_an_address_is_refused(email: str, is_good: bool) -> None:
    """Anything stricter would lose people; what is invisible within one came along from a page."""
    values = dict.fromkeys(FIELDS, "") | {"email": email}
    client, problem, _ = check_row(Row(2, (), values), "c")
    assert (client is not None, problem is None) == (is_good, is_good)


def test_damaged_phones_are_noted_and_sent_as_they_are() -> None:
    """A spreadsheet's 1.55512E+10 is somebody's number: never mended by us, and said."""
    values = dict.fromkeys(FIELDS, "") | {"email": "a@x.de", "phone": "1.55512E+10"}
    client, _, odd = check_row(Row(2, (), values), "c")
    assert client is not None
    assert (client.phone, len(odd)) == ("1.55512E+10", 1)


@pytest.mark.parametrize("name", ["a\0b", "a\ud83d", "\udc00"])
def test_what_no_request_can_carry_is_refused(name: str) -> None:
    """A NUL, half a character: no name holds one."""
    values = dict.fromkeys(FIELDS, "") | {"email": "a@x.de", "first_name": name}
    _, problem, _ = check_row(Row(2, (), values), "c")
    assert problem is not None
    assert problem.field == "first_name"
