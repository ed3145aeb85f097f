"""`onboard360 links find`: the link that the API says only once, found again in the journals."""

import json
from pathlib import Path

import pytest

from onboard360_async.importer.journal import Journal
from onboard360_async.sandbox import Sandbox
from tests.cli.conftest import Command
from tests.cli.test_import import CAMPAIGN, SEND, people


def test_a_link_is_found_wherever_it_was_imported(
    service: Sandbox, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From another folder, however the email is written; with no key, and nobody is asked."""
    (tmp_path / "list").mkdir()
    path = people(tmp_path / "list", "ada@x.de", "b@x.de")
    assert command("import", path, *SEND).code == 0
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    monkeypatch.delenv("ONBOARD360_API_KEY")
    asked = len(service.requests)
    said = command("links", "find", "ADA@x.de", "--format", "json")
    (found,) = json.loads(said.out)
    (ada,) = (client for client in service.clients() if client["email"] == "ada@x.de")
    assert (found["email"], found["client_id"], found["link"]) == ("ada@x.de", ada["id"], ada["link"])
    assert (found["campaign_id"], found["status"]) == (CAMPAIGN, "created")
    assert (found["journal"], found["when"][-1]) == (str(path) + ".onboard360.db", "Z")
    assert (said.code, said.err, len(service.requests)) == (0, "", asked)
    lines = command("links", "find", "ada@x.de").out.splitlines()
    assert lines[:5] == [
        "email:       ada@x.de",
        f"campaign id: {CAMPAIGN}",
        f"client id:   {ada['id']}",
        "status:      created",
        f"link:        {ada['link']}",
    ]


def test_it_looks_where_it_is_told(service: Sandbox, command: Command, tmp_path: Path) -> None:
    """In a folder, a list's journal, or a journal by its name; nobody found is one clear line and 1."""
    path = people(tmp_path, "a@x.de")
    assert command("import", path, *SEND).code == 0
    for place in (tmp_path, path, tmp_path / "people.csv.onboard360.db"):
        assert command("links", "find", "a@x.de", "--journal", place).code == 0
    (tmp_path / "empty").mkdir()
    said = command("links", "find", "a@x.de", "--journal", tmp_path / "empty")
    assert (said.code, said.out, said.err) == (1, "", "Nobody with this email is in 0 journals.\n")
    said = command("links", "find", "c@x.de", "--journal", path)
    assert (said.code, said.err) == (1, "Nobody with this email is in 1 journal.\n")


def test_a_person_of_two_imports_is_told_twice(service: Sandbox, command: Command, tmp_path: Path) -> None:
    """Once with the link, once without: nobody sent them again."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        assert command("import", people(tmp_path / name, "a@x.de"), *SEND).code == 0
    places = ("--journal", tmp_path / "one", "--journal", tmp_path / "two")
    lines = command("links", "find", "a@x.de", *places).out.splitlines()
    assert [line for line in lines if not line or line.startswith("status")] == [
        "status:      created", "", "status:      skipped_existing",
    ]  # fmt: skip
    assert lines.count("link:        unknown") == 1


def test_what_cannot_be_looked_into_is_named_and_passed(service: Sandbox, command: Command, tmp_path: Path) -> None:
    """A journal that is held, damaged, or not there; the person is found in the next one all the same."""
    assert command("import", people(tmp_path, "a@x.de"), *SEND).code == 0
    (tmp_path / "broken.onboard360.db").write_bytes(b"no database at all" * 100)
    held = Journal(tmp_path / "held.onboard360.db")
    places = ("--journal", tmp_path, "--journal", tmp_path / "none.csv")
    said = command("links", "find", "a@x.de", *places, "--format", "csv")
    nobody = command("links", "find", "c@x.de", *places)
    held.close()
    assert (said.code, said.out.count("\n")) == (0, 2)
    assert [line.partition(": ")[0] for line in said.err.splitlines()] == [
        f"Passed over {tmp_path / name}.onboard360.db" for name in ("broken", "held", "none.csv")
    ]
    assert nobody.code == 1
    assert nobody.err.splitlines()[-1] == "Nobody with this email is in 1 journal; 3 more could not be looked into."


def test_without_a_state_folder_the_current_one_is_left(
    service: Sandbox, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An import needs no place to remember journals in, nor does a search; a line that was cut is passed over."""
    path = people(tmp_path, "a@x.de")
    monkeypatch.setenv("XDG_STATE_HOME", "/proc/none")
    assert command("import", path, *SEND, "--budget", "memory").code == 0
    monkeypatch.chdir(tmp_path)
    assert command("links", "find", "a@x.de").code == 0
    state = tmp_path / "state"
    monkeypatch.setenv("XDG_STATE_HOME", str(state))
    (state / "onboard360-async").mkdir(parents=True)
    (state / "onboard360-async" / "imports.jsonl").write_text('"/some/where\n17\n')
    assert command("links", "find", "a@x.de").code == 0
