"""`onboard360 imports`: imports that were begun, looked at, gone on with, and decided about by hand."""

import asyncio
import csv
import io
import json
import os
from pathlib import Path

import pytest

from onboard360_async import AsyncOnboard360
from onboard360_async.cli import shelf
from onboard360_async.importer.journal import Journal
from onboard360_async.sandbox import Sandbox
from tests.cli.conftest import Command
from tests.cli.test_asking import posts
from tests.cli.test_import import CAMPAIGN, SEND, people, rows

HOLD = (*SEND, "--on-ambiguous", "hold")


def unresolved(service: Sandbox, command: Command, folder: Path) -> Path:
    """A list with somebody who was created, and one of whom nobody can tell."""
    path = people(folder, "a@x.de", "b@x.de")
    service.add_fault("drop-before", method="POST", email="b@x.de", times=1)
    assert command("import", path, *HOLD).code == 6
    service.clear_faults()
    return path


# --- list ---


def test_the_imports_of_this_command_are_listed_wherever_they_are(
    service: Sandbox, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those in the current folder and those that were begun elsewhere, each once; with folders named, theirs alone."""
    here, there, gone = (tmp_path / name for name in ("here", "there", "gone"))
    for folder in (here, there, gone):
        folder.mkdir()
        path = people(folder, f"a@{folder.name}.de", f"b@{folder.name}.de")
        assert command("import", path, *SEND, "--limit", 1).code == 8
    (gone / "people.csv.onboard360.db").unlink()
    monkeypatch.chdir(here)
    said = command("imports", "list", "--format", "jsonl")
    records = [json.loads(line) for line in said.out.splitlines()]
    assert [record["journal"] for record in records] == [
        "people.csv.onboard360.db", str(there / "people.csv.onboard360.db"),
    ]  # fmt: skip
    assert {(record["state"], record["rows"], record["planned"]) for record in records} == {("unfinished", 2, 1)}
    assert all(record["last_run"].endswith("Z") for record in records)
    named = command("imports", "list", there, "--format", "csv").out
    assert [row["created"] for row in csv.DictReader(io.StringIO(named))] == ["1"]
    (shelf,) = Path(os.environ["XDG_STATE_HOME"]).rglob("imports.jsonl")
    assert shelf.stat().st_mode & 0o777 == 0o600
    assert shelf.read_text().count("\n") == 3


def test_a_journal_that_cannot_be_read_is_listed_as_such(service: Sandbox, command: Command, tmp_path: Path) -> None:
    """Held by a run, damaged, without a list: the others are told all the same."""
    command("import", people(tmp_path, "a@x.de"), *SEND)
    (tmp_path / "broken.onboard360.db").write_bytes(b"no database at all" * 100)
    Journal(tmp_path / "empty.onboard360.db").close()
    held = Journal(tmp_path / "held.onboard360.db")
    said = command("imports", "list", tmp_path)
    held.close()
    table = [line.split("  ")[0] for line in said.out.splitlines()]
    assert table == ["state", "unreadable", "empty", "held by a run", "finished"]
    assert said.err.count("\n") == 1
    assert f"{tmp_path / 'broken.onboard360.db'}: " in said.err


def test_an_import_without_a_journal_is_not_remembered() -> None:
    """There is nothing to be found again, and no file is made for it."""
    shelf.remember(None)
    assert list(Path(os.environ["XDG_STATE_HOME"]).iterdir()) == []


# --- show ---


def test_an_import_is_shown_with_what_to_do_next(service: Sandbox, command: Command, tmp_path: Path) -> None:
    """Counts, campaign and run as data; whom nobody can tell about, and the commands that go on."""
    path = unresolved(service, command, tmp_path)
    said = command("imports", "show", path)
    assert said.code == 0
    for line in (f"List: {path}", f"Campaign: {CAMPAIGN}", "2 rows: 1 created, 1 unresolved."):
        assert line in said.out.splitlines()
    assert "line 3 (b@x.de): its request created nobody; it was not sent again" in said.err
    assert f"To look for them again: onboard360 imports reconcile {path}" in said.err
    assert f"To decide yourself: onboard360 imports resolve {path} --line N --created (or --not-created)" in said.err
    whole = json.loads(command("imports", "show", tmp_path / "people.csv.onboard360.db", "--format", "json").out)
    assert whole["summary"]["unresolved"] == 1
    assert [row["line"] for row in whole["unresolved"]] == [3]
    assert [run["ending"] for run in whole["runs"]] == ["finished"]
    assert whole["audit"] == {"missing": [], "doubled": []}
    missing = command("imports", "show", tmp_path / "other.csv")
    assert (missing.code, "There is no journal" in missing.err) == (2, True)


async def _begin(sandbox: Sandbox, journal: Path) -> None:
    async with AsyncOnboard360(sandbox.api_key, base_url=sandbox.url) as api:
        people = [{"email": "a@x.de"}, {"email": "b@x.de"}]
        async with api.open_import(people, campaign=CAMPAIGN, journal=journal, limit=1) as job:
            _ = [outcome async for outcome in job.run()]


def test_an_import_that_code_began_is_gone_on_with(service: Sandbox, command: Command, tmp_path: Path) -> None:
    """Its rows came from no file, so there are no results beside one, and none are named."""
    journal = tmp_path / "rows.onboard360.db"
    asyncio.run(_begin(service, journal))
    said = command("imports", "resume", journal, "--yes")
    assert (said.code, len(service.clients())) == (0, 2)
    assert f"Journal: {journal}" in said.err
    assert "Results:" not in said.err


# --- reconcile and resolve ---


def test_a_lost_answer_is_looked_for_and_nobody_sent(service: Sandbox, command: Command, tmp_path: Path) -> None:
    """Who is there is found, without a --yes; who is shown to be absent is left for the next run."""
    path = people(tmp_path, "a@x.de")
    service.add_fault("commit-then-drop", method="POST", times=1)
    assert command("import", path, *SEND, "--max-ambiguous", 1).code == 8
    said = command("imports", "reconcile", path, "--settle", 0.05)
    assert (said.code, "1 row: 1 adopted." in said.err, posts(service)) == (0, True, 1)
    assert "Looking for 1 row in doubt." in said.err
    assert "No row is in doubt." in command("imports", "reconcile", path).err
    path = people(tmp_path, "a@x.de", "b@x.de")
    service.add_fault("drop-before", method="POST", email="b@x.de", times=1)
    assert command("import", path, *SEND, "--max-ambiguous", 1).code == 8
    said = command("imports", "reconcile", path, "--settle", 0.05)
    assert (said.code, f"To go on: onboard360 imports resume {path}" in said.err, posts(service)) == (8, True, 2)
    assert command("imports", "resume", path, "--yes").code == 0
    assert [row["status"] for row in rows(tmp_path)] == ["adopted", "created"]


def test_a_humans_word_settles_a_row(service: Sandbox, command: Command, tmp_path: Path) -> None:
    """With id and link it stands in the results; nobody is asked or sent."""
    path = unresolved(service, command, tmp_path)
    before = len(service.requests)
    said = command(
        "imports", "resolve", path, "--line", 3, "--created", "--client-id", "id-b", "--link", "https://l.de"
    )
    assert (said.code, "Line 3: in the campaign." in said.err) == (0, True)
    assert "2 rows: 1 created, 1 adopted." in said.err
    assert (rows(tmp_path)[1]["client_id"], rows(tmp_path)[1]["link"]) == ("id-b", "https://l.de")
    assert not (tmp_path / "people.errors.csv").exists()
    assert len(service.requests) == before


def test_whom_a_human_did_not_find_is_sent_again(service: Sandbox, command: Command, tmp_path: Path) -> None:
    """By the next run, which the last line names."""
    path = unresolved(service, command, tmp_path)
    sent = posts(service)
    said = command("imports", "resolve", path, "--email", "B@x.de", "--not-created")
    assert (said.code, f"To go on: onboard360 imports resume {path}" in said.err) == (0, True)
    assert command("imports", "resume", path, "--yes").code == 0
    assert [row["status"] for row in rows(tmp_path)] == ["created", "created"]
    assert posts(service) == sent + 1


def test_half_a_word_is_a_usage_error(service: Sandbox, command: Command, tmp_path: Path) -> None:
    """No row, two rows, no verdict, an id of nobody; and a row that is in no doubt is told as invalid."""
    path = unresolved(service, command, tmp_path)
    for flags in (
        ["--created"],
        ["--line", 3, "--email", "b@x.de", "--created"],
        ["--line", 3],
        ["--line", 3, "--not-created", "--client-id", "id-b"],
    ):
        assert command("imports", "resolve", path, *flags).code == 2
    said = command("imports", "resolve", path, "--line", 2, "--created")
    assert (said.code, "is in no doubt: it is created" in said.err) == (3, True)


# --- results ---


def test_results_are_written_when_asked_for(service: Sandbox, command: Command, tmp_path: Path) -> None:
    """Beside the list again, in the other form, or alone to stdout or a file: private, and the journal stays so."""
    path = unresolved(service, command, tmp_path)
    (tmp_path / "people.results.csv").unlink()
    said = command("imports", "results", path)
    assert said.err.splitlines() == [str(tmp_path / "people.results.csv"), str(tmp_path / "people.errors.csv")]
    assert [row["status"] for row in rows(tmp_path)] == ["created", "unresolved"]
    out = command("imports", "results", path, "--output", "-", "--format", "jsonl").out
    assert [json.loads(line)["status"] for line in out.splitlines()] == ["created", "unresolved"]
    assert command("imports", "results", path, "--output", tmp_path / "out.csv").code == 0
    assert (tmp_path / "out.csv").read_bytes() == (tmp_path / "people.results.csv").read_bytes()
    assert (tmp_path / "out.csv").stat().st_mode & 0o777 == 0o600
    command("imports", "results", path, "--format", "jsonl")
    assert (tmp_path / "people.results.jsonl").exists()
    assert not (tmp_path / "people.results.csv").exists()


def test_rows_of_a_program_have_no_list_to_be_beside(command: Command, tmp_path: Path) -> None:
    """Then a place must be named."""
    journal = Journal(tmp_path / "rows.onboard360.db")
    journal.note("header", '["email"]')
    journal.close()
    said = command("imports", "results", tmp_path / "rows.onboard360.db")
    assert (said.code, "say --output FILE, or -" in said.err) == (2, True)
    said = command("imports", "results", tmp_path / "rows.onboard360.db", "--output", "-")
    assert said.out.splitlines() == ["email,status,client_id,link,error"]


# --- purge ---


def test_a_purge_says_what_it_takes_and_leaves_the_list(
    service: Sandbox, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without --yes nothing happens where nobody can be asked, nor if the answer is no; then everything goes."""
    path = unresolved(service, command, tmp_path)
    said = command("imports", "purge", path)
    assert (said.code, f"To be deleted: {tmp_path / 'people.errors.csv'}" in said.err) == (2, True)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    answers = iter([False, True])
    monkeypatch.setattr("click.confirm", lambda *_, **__: next(answers))
    assert command("imports", "purge", path).code == 8
    assert (tmp_path / "people.results.csv").exists()
    assert command("imports", "purge", path).code == 0
    assert sorted(each.name for each in tmp_path.iterdir()) == ["people.csv", "people.csv.onboard360.db"]
    assert b"x.de" not in (tmp_path / "people.csv.onboard360.db").read_bytes()
    shown = command("imports", "show", path)
    assert "2 rows: 1 created, 1 unresolved." in shown.out
    assert (": purged" in shown.out, shown.err) == (True, "")
    for again in (command("import", path, *SEND), command("imports", "results", path, "--output", "-")):
        assert (again.code, "was purged" in again.err, again.out) == (2, True, "")


def test_an_unfinished_import_is_purged_by_force_alone(service: Sandbox, command: Command, tmp_path: Path) -> None:
    """Who is still to be sent would be lost."""
    path = people(tmp_path, "a@x.de", "b@x.de")
    assert command("import", path, *SEND, "--limit", 1).code == 8
    said = command("imports", "purge", path, "--yes")
    assert (said.code, "rows to be sent or looked for: 1" in said.err) == (2, True)
    assert command("imports", "purge", path, "--yes", "--force").code == 0


@pytest.mark.parametrize("folder", [".", "/", "", ".."])
def test_a_folder_is_no_list(
    service: Sandbox, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    """Nor is it a file to write to: one clear line, before anybody is added."""
    path = people(tmp_path, "a@x.de")
    assert command("import", path, *SEND, "--limit", "1").code == 0
    monkeypatch.chdir(tmp_path)
    for name in ("show", "results", "resume", "reconcile"):
        assert command("imports", name, folder).code == 2
    assert command("import", folder, *SEND).code == 2
    assert command("imports", "results", path, "--output", folder).code == 2
    assert command("links", "find", "a@x.de", "--output", folder).code == 2
    people(tmp_path, "a@x.de", "b@x.de")
    assert command("import", path, *SEND, "--report", folder).code == 2
    assert len(service.clients()) == 1
    assert command("imports", "purge", path, "--yes", "--force").code == 0
