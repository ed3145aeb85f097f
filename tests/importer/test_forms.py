"""A list in any form goes the whole way: sent, and back as results and errors that a spreadsheet opens."""

import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onboard360_async import errors
from onboard360_async.importer.rows import check_row
from onboard360_async.importer.source import FORMS, open_list
from tests.importer.double import Service, finish, job_of, results
from tests.importer.lists import write
from tests.importer.workbook import write_workbook

HEADER = ("E-Mail", "Vorname", "Shoe")
PEOPLE = (("a@x.de", "Ann", "43"), ("b@x.de", "Bo", "=1+1"))


def written(folder: Path, form: str) -> Path:
    """The same two people."""
    path = folder / f"people.{form}"
    objects = [json.dumps(dict(zip(HEADER, row, strict=True))) for row in PEOPLE]
    if form == "xlsx":
        return write_workbook(path, [HEADER, *PEOPLE])
    if form in ("jsonl", "json"):
        return write(folder, "\n".join(objects) if form == "jsonl" else f"[{','.join(objects)}]", path.name)
    return write(folder, "\n".join(("\t" if form == "tsv" else ",").join(row) for row in (HEADER, *PEOPLE)), path.name)


@pytest.mark.parametrize("form", FORMS)
async def test_everybody_arrives_whatever_the_form(tmp_path: Path, service: Service, form: str) -> None:
    """And the results have the list's own columns; a second run sends nothing."""
    path = written(tmp_path, form)
    plan, _, summary = await finish(job_of(path, service))
    assert (plan.warnings, summary.created) == (("column 'Shoe' is not sent",), 2)
    name = path.name.removesuffix(".csv")  # people.csv may be there, too
    assert [(each["E-Mail"], each["Vorname"], each["status"]) for each in results(tmp_path, of=name)] == [
        ("a@x.de", "Ann", "created"),
        ("b@x.de", "Bo", "created"),
    ]
    await finish(job_of(path, service))
    assert service.emails == ["a@x.de", "b@x.de"]


async def test_other_sheets_are_named_in_the_plan(tmp_path: Path, service: Service) -> None:
    """Before anything is sent."""
    path = write_workbook(tmp_path / "people.xlsx", [HEADER, *PEOPLE], others={"More": [HEADER]})
    plan, _, _ = await finish(job_of(path, service))
    assert "only the sheet 'People' is read" in plan.warnings[0]


async def test_a_broken_line_comes_back_in_the_errors_and_is_not_sent_from_there(
    tmp_path: Path, service: Service
) -> None:
    """It stands there with its text; who imports the errors unmended is told again."""
    good, bad = '{"email": "a@x.de"}', '{"email": "b@x.de"'
    await finish(job_of(write(tmp_path, f"{good}\n{bad}\n", "people.jsonl"), service, skip_invalid=True))
    (error,) = results(tmp_path, "errors", of="people.jsonl")
    assert bad in str(error)
    plan, _, _ = await finish(job_of(tmp_path / "people.jsonl.errors.csv", service, skip_invalid=True))
    assert [problem.field for problem in plan.problems] == ["row"]
    assert service.emails == ["a@x.de"]


PIECES = ["email", "a@x.de", ",", ";", "\t", '"', "'", "\n", "\r", "\0", "sep=|", "[", "]", "{", "}", ":", "1", "null"]
MARKS = [b"\xef\xbb\xbf", b"\xff\xfe", b"\xff", b"\xc3", b"PK\x03\x04"]
some_bytes = st.lists(st.sampled_from([*(piece.encode() for piece in PIECES), *MARKS]), max_size=30).map(b"".join)


starts = st.sampled_from([b"", b"email\n", b"email,phone\n", b'{"email": "a@x.de"}\n', b'[{"email": "a@x.de"},'])


@given(start=starts, text=some_bytes | st.binary(max_size=50), form=st.sampled_from([None, *FORMS]))
def test_any_file_is_read_or_told(
    tmp_path_factory: pytest.TempPathFactory, start: bytes, text: bytes, form: str | None
) -> None:
    """Whatever it holds: rows, problems, or one of our errors, and never another."""
    path = write(tmp_path_factory.getbasetemp(), start + text, "people")
    with suppress(errors.ConfigurationError, errors.ValidationError):
        file = open_list(path, form=form)
        for row in file.rows():
            client, problem, _ = check_row(row, "c")
            assert (client is None) == (problem is not None)
            assert len(row.cells) == len(file.header) or row.problem
