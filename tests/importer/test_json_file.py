"""Lists of JSON objects, a line each or in an array: what is no text is told, and nothing of it is lost."""

import json
import tracemalloc
from pathlib import Path

import pytest

from onboard360_async import errors, settings
from onboard360_async.importer.forms import json_array
from onboard360_async.importer.rows import Row
from onboard360_async.importer.source import open_list
from tests.importer.lists import read, write


def row_of(tmp_path: Path, members: str) -> Row:
    """The second of two rows, with these members beside its email."""
    first = json.dumps({"email": "a@x.de", "phone": "", "tags": "", "id": ""})
    return read(write(tmp_path, f'{first}\n{{"email": "b@x.de", {members}}}\n', "people.jsonl"))[1]


@pytest.mark.parametrize("name", ["people.jsonl", "people.json"])
def test_the_keys_are_the_columns(tmp_path: Path, name: str) -> None:
    """Of all objects, in the order in which they first appear; who has none of them has an empty cell."""
    people = [{"email": "a@x.de", "Shoe": "43"}, {"Vorname": "Bo", "email": "b@x.de"}, {"email": "c@x.de", "Hat": None}]
    lines = [json.dumps(each) for each in people]
    text = "\n".join(lines) if name.endswith("l") else f"[{','.join(lines)}]"
    file = open_list(write(tmp_path, text, name))
    assert (file.header, file.columns) == (("email", "Shoe", "Vorname", "Hat"), {"email": 0, "first_name": 2})
    assert file.unknown == ("Shoe", "Hat")
    assert [row.cells for row in file.rows()] == [
        ["a@x.de", "43", "", ""],
        ["b@x.de", "", "Bo", ""],
        ["c@x.de", "", "", ""],
    ]
    assert list(file.rows()) == list(file.rows())


@pytest.mark.parametrize("number", ["4915551", "15551234567", "1.50", "-0", "1E+10", "9" * 5000])
def test_a_number_stays_as_it_was_written(tmp_path: Path, number: str) -> None:
    """A phone that a program took for a number has the digits that stand there, however many."""
    row = row_of(tmp_path, f'"phone": {number}')
    assert (row.values["phone"], row.problem) == (number, None)
    assert type(row.cells[1]) is str


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("true", "true or false"),
        ("false", "true or false"),
        ("[]", "a list"),
        ('{"home": 1}', "an object"),
        ("NaN", "NaN"),
        ("-Infinity", "NaN"),
    ],
)
def test_what_is_no_text_is_a_problem_of_its_row(tmp_path: Path, value: str, kind: str) -> None:
    """In a field's column, with the field's name. The others are sent."""
    row = row_of(tmp_path, f'"phone": {value}')
    assert row.problem is not None
    assert (row.problem.line, row.problem.field, row.problem.reason) == (2, "phone", f"it must be text, not {kind}")
    assert row.problem.value == row.cells[1] != ""


def test_what_is_no_text_and_not_sent_is_no_problem(tmp_path: Path) -> None:
    """A column that nobody knows may hold anything; it goes back to the user as the JSON that it was."""
    row = row_of(tmp_path, '"tags": ["ä", 1.50, null, {"b": true, "c": []}], "id": false')
    assert row.problem is None
    assert list(row.cells) == ["b@x.de", "", '["ä", 1.50, null, {"b": true, "c": []}]', "false"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"email": "b@x.de"', "it is no JSON (Expecting ',' delimiter)"),
        ("b@x.de", "it is no JSON (Expecting value)"),
        ('{"email": "b@x.de"} {}', "it is no JSON (there is more after its end)"),
        ('{"email": "b\tc"}', "it is no JSON (Invalid control character at)"),
        ("[" * 100_000, "it is no JSON (It is nested too deeply)"),
        ('["b@x.de"]', "it must be an object, not a list"),
        ('"b@x.de"', "it must be an object, not text"),
        ("12", "it must be an object, not a number"),
        ("null", "it must be an object, not null"),
        ('{"email": "b@x.de", "phone": "1", "phone": "2"}', "the key 'phone' stands in it twice"),
    ],
)
def test_a_line_that_is_no_person_is_a_problem_of_its_own(tmp_path: Path, line: str, reason: str) -> None:
    """The others are read; what stood there is beyond the header, so that it is neither lost nor sent."""
    text = f'{{"email": "a@x.de", "phone": ""}}\n\n{line}\n{{"email": "c@x.de"}}\r\n'
    good, bad, other = read(write(tmp_path, text, "people.jsonl"))
    assert (good.line, bad.line, other.line) == (1, 3, 4)
    assert (good.problem, other.problem) == (None, None)
    assert bad.problem is not None
    assert (bad.problem.line, bad.problem.field, bad.problem.reason) == (3, "row", reason)
    if "twice" not in reason:
        assert (list(bad.cells[:2]), bad.cells[2][:3]) == (["", ""], line[:3])
        assert len(bad.cells[2]) <= 1000


def test_a_key_that_stands_twice_further_in_is_nobodys_problem(tmp_path: Path) -> None:
    """Only what is sent could be meant in two ways."""
    assert row_of(tmp_path, '"tags": {"a": 1, "a": 2}').problem is None


def test_an_array_is_counted_by_its_elements(tmp_path: Path) -> None:
    """Elements that are no object are problems of theirs; blank ones count and are not read."""
    text = '\n[ {"email": "a@x.de"}, 7,\n{}, {"email": null}, {"email": "b@x.de"} ]\n'
    good, bad, other = read(write(tmp_path, text, "people.json"))
    assert (good.line, bad.line, other.line) == (1, 2, 5)
    assert bad.problem is not None
    assert list(bad.cells) == ["", "7"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[{"email": "a@x.de"},\n{"email" "b@x.de"}]', r"element 2 \(line 2\) .*Expecting ':' delimiter"),
        ('[{"email": "a@x.de"}\n{"email": "b@x.de"}]', r"element 1 \(line 2\) .*comma is missing"),
        ('[{"email": "a@x.de"},\n{"email": "b@', r"element 2 \(line 2\) .*Unterminated string"),
        ('[{"email": "a@x.de"},', r"element 2 \(line 1\) .*Expecting value"),
        ('[{"email": "a@x.de"}', r"element 1 \(line 1\) .*breaks off"),
        ("[", r"element 1 \(line 1\) .*Expecting value"),
        ('[{"email": "a@x.de"}]\n\n]', r"element 1 \(line 3\) .*more after the end"),
        ('[{"email": "a@x.de"},]', r"element 2 .*Expecting value"),
        ("[" * 100_000, r"element 1 .*nested too deeply"),
        ("a@x.de", "must hold an array"),
        ("[]", "is empty"),
        (" \n", "is empty"),
        ("[{}, {}]", "no JSON object with a key"),
        ("[1]", "no JSON object with a key"),
        ('[{"email": null}]', "has a header and no rows"),
        ('[{"name": "A"}]', "no email column"),
    ],
)
@pytest.mark.parametrize("piece", [1, 1 << 16])
def test_an_array_that_cannot_be_read_is_told_with_the_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, message: str, piece: int
) -> None:
    """Before a row is: an array that breaks off is half a list."""
    monkeypatch.setattr(json_array, "_PIECE_CHARS", piece)
    with pytest.raises(errors.ValidationError, match=message) as caught:
        open_list(write(tmp_path, text, "people.json"))
    assert "a@x.de" not in str(caught.value)


@pytest.mark.parametrize("piece", [1, 2, 5])
def test_an_array_is_read_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece: int) -> None:
    """Wherever a piece ends: within a number, a name of two bytes, between an element and its comma."""
    monkeypatch.setattr(json_array, "_PIECE_CHARS", piece)
    text = '\ufeff [1234,\r\n{"email":"ä@x.de","phone":1234567}\r\n,\t{"email":"\\u00fc@x.de"} ,"x"]\n '
    number, first, second, name = read(write(tmp_path, text, "people.json"))
    assert (first.values, number.cells[-1]) == ({"email": "ä@x.de", "phone": "1234567"}, "1234")
    assert (second.values["email"], name.cells[-1], name.line) == ("ü@x.de", '"x"', 4)


def test_what_is_too_much_for_one_object_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line or an element without end, and objects whose keys are data."""
    monkeypatch.setattr(settings, "MAX_ITEM_CHARS", 100)
    monkeypatch.setattr(json_array, "_PIECE_CHARS", 10)
    with pytest.raises(errors.ValidationError, match="Line 2: it has more than 100 characters"):
        open_list(write(tmp_path, f'{{"email": "a@x.de"}}\n{{"email": "{"x" * 100}"}}', "people.jsonl"))
    with pytest.raises(errors.ValidationError, match=r"element 1 .*Unterminated string"):
        open_list(write(tmp_path, f'[{{"email": "{"x" * 1000}', "people.json"))
    monkeypatch.setattr(settings, "IMPORT_MOST_COLUMNS", 2)
    with pytest.raises(errors.ValidationError, match="more than 2 different keys"):
        open_list(write(tmp_path, '{"email": "a@x.de"}\n{"a": 1}\n{"b": 1}', "people.jsonl"))


def test_a_file_that_changes_while_it_is_read_is_told(tmp_path: Path) -> None:
    """A key that was not there when the header was made has no column."""
    path = write(tmp_path, '{"email": "a@x.de"}\n', "people.jsonl")
    file = open_list(path)
    path.write_text('{"email": "a@x.de", "phone": "1"}\n')
    with pytest.raises(errors.ValidationError, match="was changed"):
        list(file.rows())


@pytest.mark.parametrize("name", ["people.jsonl", "people.json"])
def test_memory_does_not_grow_with_the_file(tmp_path: Path, name: str) -> None:
    """Ten thousand objects, of which there are never more than a few."""
    lines = [json.dumps({"email": f"p{number}@x.de", "name": "x" * 500}) for number in range(10_000)]
    path = write(tmp_path, "\n".join(lines) if name.endswith("l") else f"[{','.join(lines)}]", name)
    tracemalloc.start()
    try:
        assert sum(1 for _ in open_list(path).rows()) == 10_000
        assert tracemalloc.get_traced_memory()[1] < path.stat().st_size / 4
    finally:
        tracemalloc.stop()
