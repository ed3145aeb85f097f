"""How a file was written: a mark, UTF-8, or what is said; and where it is none of these."""

from pathlib import Path

import pytest

from onboard360_async import errors
from onboard360_async.importer.forms import encoding as encoding_module
from onboard360_async.importer.source import open_list
from tests.importer.lists import read, write


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


@pytest.mark.parametrize("piece", [1, 3, 7, 1 << 20])
def test_a_byte_is_counted_from_where_its_line_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece: int
) -> None:
    """Not from where the piece begins that was decoded, nor from a character that the last piece broke off in."""
    monkeypatch.setattr(encoding_module, "_MOST_BYTES", piece)
    with pytest.raises(errors.ValidationError, match=r"line 2 cannot be read \(byte 12 of it\)"):
        read(write(tmp_path, b"email,first name\na@x.de,Z\xc3\xb6o\xebx\n"))
    with pytest.raises(errors.ValidationError, match=r"line 2 cannot be read \(byte 9 of it\)"):
        read(write(tmp_path, b"email,first name\na@x.de,Z\xe2\x82x\n"))


def test_a_byte_in_a_line_of_megabytes_has_its_true_place(tmp_path: Path) -> None:
    """As above, with pieces as they are."""
    text = b"email,name\na@x.de," + b"x" * 3_000_000 + b"\xeb\n"
    with pytest.raises(errors.ValidationError, match=r"line 2 cannot be read \(byte 3000008 of it\)"):
        read(write(tmp_path, text))


@pytest.mark.parametrize("name", ["people.jsonl", "people.json"])
def test_json_has_an_encoding_too(tmp_path: Path, name: str) -> None:
    """A mark, UTF-8, or what is said; else it stops in the same way."""
    text = '[{"email": "a@x.de", "first name": "Zoë"}]'
    text = text.strip("[]") if name.endswith("l") else text
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        file = open_list(write(tmp_path, text.encode(encoding), name))
        assert next(file.rows()).values["first_name"] == "Zoë"
        assert file.marked == (encoding != "utf-8")
    path = write(tmp_path, text.encode("cp1252"), name)
    with pytest.raises(errors.ValidationError, match="line 1 cannot be read") as caught:
        read(path)
    assert "Zoë" in caught.value.candidates[0]
    assert read(path, encoding="cp1252")[0].values["first_name"] == "Zoë"
    assert read(write(tmp_path, ("\ufeff" + text).encode("utf-16-le"), name), encoding="utf-16-le")
