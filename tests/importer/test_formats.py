"""Results and errors in each form: no cell is lost, and none is left to be taken for a formula."""

import csv
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onboard360_async import errors
from onboard360_async.importer.forms.table import is_blank
from onboard360_async.importer.journal import Journal
from onboard360_async.importer.places import journal_beside
from onboard360_async.importer.results import guarded, write_as, write_beside, write_results, written
from onboard360_async.importer.rows import Problem, Row
from onboard360_async.importer.source import open_list
from onboard360_async.importer.spool import Spool
from onboard360_async.importer.upkeep.books import open_books
from onboard360_async.models import NewClient
from tests.importer.double import CAMPAIGN, Service, finish, job_of, people

CELLS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)
RISKY = st.one_of(CELLS, st.builds("{}{}".format, st.sampled_from("=+-@\t\r'"), CELLS))


def unguarded(cell: str) -> str:
    """The rule by which a list with the column `_excel_safe` is read."""
    return cell.removeprefix("'")


def books(folder: Path, header: list[str], rows: list[list[str]], *, valid: bool) -> Journal:
    """A journal that holds these rows, as if they stood in `people.csv`."""
    journal = Journal(folder / "people.csv.onboard360.db")
    with Spool(journal, {"header": json.dumps(header), "source": str(folder / "people.csv"), "mark": ""}) as spool:
        for _ in spool.forget():
            pass
        for line, cells in enumerate(rows, 2):
            row = Row(line, cells, {})
            if valid:
                spool.valid(row, NewClient(CAMPAIGN, f"p{line}@x.de"))
            else:
                spool.invalid(row, Problem(line, "email", "it is odd"))
    return journal


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.lists(RISKY, min_size=2, max_size=2), min_size=1, max_size=4), st.lists(RISKY, min_size=2, max_size=2)
)
def test_guarded_files_come_back_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]], header: list[str]
) -> None:
    """Any text, in cells and header: no cell begins a formula, and one apostrophe less gives all of them back."""
    folder = tmp_path_factory.mktemp("guarded")
    journal = books(folder, header, rows, valid=False)
    write_as(journal, None, excel_safe=True)
    files = write_beside(journal)
    journal.close()
    assert files is not None
    assert files.errors is not None
    for path, columns in ((files.results, 6), (files.errors, 5)):
        with path.open(newline="", encoding="utf-8") as text:
            lines = list(csv.reader(text))
        assert not [cell for line in lines for cell in line if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
        back = [[unguarded(cell) for cell in line] for line in lines]
        if not {"_line", "_error", "_excel_safe"} & set(header):
            assert [line[:2] for line in back] == [header, *rows]
            assert {len(line) for line in back} == {columns}
    assert back[0][-3:] == ["_line", "_error", "_excel_safe"]
    assert {line[-1] for line in back[1:]} == {"yes"}


@settings(deadline=None, max_examples=30)
@given(st.lists(st.lists(RISKY, min_size=2, max_size=3), min_size=1, max_size=4))
def test_a_guarded_errors_file_is_read_as_the_list_was(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]]
) -> None:
    """By the same reader: cell for cell; a row that was too long still is."""
    journal = books(tmp_path_factory.mktemp("again"), ["Email", "=1+1"], rows, valid=False)
    write_as(journal, None, excel_safe=True)
    files = write_beside(journal)
    journal.close()
    assert files is not None
    assert files.errors is not None
    again = open_list(files.errors)
    assert again.header == ("Email", "=1+1", "_line", "_error", "_excel_safe")
    for row, cells in zip(again.rows(), rows, strict=True):
        assert list(row.cells[:2]) == cells[:2]
        assert (row.problem is not None) is (not is_blank(cells[2:]))


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.sampled_from(["Email", "status", "link", "more", "onboard360_status", "", "ä\u2028"]), min_size=1),
    st.lists(st.text(st.characters(exclude_categories=[]), max_size=5), min_size=1, max_size=9),
)
def test_lines_of_json_lose_no_cell(
    tmp_path_factory: pytest.TempPathFactory, header: list[str], cells: list[str]
) -> None:
    """Columns of one name, of ours, of none; rows that are too long; half a character: a line is one whole object."""
    cells += [""] * (len(header) - len(cells))
    folder = tmp_path_factory.mktemp("lines")
    journal = books(folder, header, [cells], valid=True)
    write_as(journal, "jsonl")
    files = write_beside(journal)
    journal.close()
    assert files is not None
    (line,) = files.results.read_bytes().splitlines()
    row = json.loads(line)
    ours, more = list(row)[-4:], cells[len(header) :]
    assert [row[name] for name in ours] == ["planned", None, None, None]
    assert not set(ours) & set(header)
    theirs = [row[name] for name in list(row)[:-4]]
    assert theirs == [*cells[: len(header)], *([more] if more else [])]


async def test_results_as_lines_of_json_are_remembered(tmp_path: Path, service: Service) -> None:
    """Whoever goes on says nothing; the results in the other form, which are out of date now, are taken away."""
    path = people(tmp_path, "a@x.de", "b@x.de")
    service.faults["b"] = errors.NotFoundError(404, "No such campaign", None, "POST", "/clients")
    await finish(job_of(path, service))
    job = job_of(path, service)
    async with job:
        job.write_as("jsonl")
    await finish(job_of(None, service, journal=journal_beside(path)))
    rows = [json.loads(line) for line in (tmp_path / "people.results.jsonl").read_text().splitlines()]
    assert (tmp_path / "people.results.jsonl").stat().st_mode & 0o777 == 0o600
    link = f"https://example.com/c/{1:012}"
    assert rows[0] == {
        "Email": "a@x.de",
        "Name": "P",
        "status": "created",
        "client_id": "id-1",
        "link": link,
        "error": None,
    }
    assert (rows[1]["status"], rows[1]["link"], rows[1]["error"]) == ("rejected", None, "No such campaign")
    assert sorted(each.name for each in tmp_path.iterdir()) == [
        "people.csv", "people.csv.onboard360.db", "people.errors.csv", "people.results.jsonl",
    ]  # fmt: skip


async def test_an_errors_file_is_not_a_guarded_list_by_itself(tmp_path: Path, service: Service) -> None:
    """What `_excel_safe` says of the list that was read is not said of the results that were written."""
    path = people(tmp_path, "a@x.de", header="Email;_excel_safe")
    await finish(job_of(path, service))
    with (tmp_path / "people.results.csv").open(newline="") as text:
        assert next(csv.reader(text)) == ["Email", "status", "client_id", "link", "error"]


async def test_what_was_written_is_known_wherever_it_was_moved(tmp_path: Path, service: Service) -> None:
    """Files beside the journal go with it; others stay where they were written."""
    (tmp_path / "was").mkdir()
    path = people(tmp_path / "was", "a@x.de")
    await finish(job_of(path, service))
    (tmp_path / "was").rename(tmp_path / "now")
    with open_books(journal_beside(tmp_path / "now" / "people.csv")) as journal:
        write_results(journal, tmp_path / "more.csv")
        write_results(journal, tmp_path / "more.csv")
        assert written(journal) == [tmp_path / "now" / "people.results.csv", tmp_path / "more.csv"]
    assert (tmp_path / "more.csv").stat().st_mode & 0o777 == 0o600


def test_an_unknown_form_is_told(tmp_path: Path) -> None:
    """And a journal in memory, of rows that no file held, has nothing beside it."""
    journal = Journal(None)
    with pytest.raises(errors.ConfigurationError, match="csv or jsonl, not as 'xml'"):
        write_as(journal, "xml")
    write_results(journal, tmp_path / "results.csv")
    assert (written(journal), write_beside(journal)) == ([], None)
    journal.close()


def test_half_a_character_is_said_in_escapes(tmp_path: Path) -> None:
    """JSON can say it, and UTF-8 cannot: the line stays readable."""
    journal = books(tmp_path, ["Email"], [["\ud83d"]], valid=True)
    write_results(journal, tmp_path / "out.jsonl", "jsonl")
    journal.close()
    assert (tmp_path / "out.jsonl").read_text().startswith('{"Email": "\\ud83d", "status": "planned"')


def test_what_begins_a_formula_is_guarded() -> None:
    """By an apostrophe, so that a cell that begins with one gets another."""
    assert [guarded(cell) for cell in ("=1", "+49", "'a", "a", "")] == ["'=1", "'+49", "''a", "a", ""]
