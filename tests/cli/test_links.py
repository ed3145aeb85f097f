"""`onboard360 links find`: the link that the API says only once, found again in journals and inboxes."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from onboard360_async import errors, settings
from onboard360_async.cli import shelf
from onboard360_async.importer.journal import Journal
from onboard360_async.sandbox import Sandbox
from onboard360_async.webhooks.factories import client_completed, client_created, flow_created
from onboard360_async.webhooks.sqlite_store import SqliteStore
from tests.cli.conftest import Command
from tests.cli.hooks import Listener, inbox_of, post
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


# --- in inboxes ---


def test_a_link_that_a_webhook_told_is_found(tmp_path: Path, command: Command) -> None:
    """While `listen` still has the inbox, and from another folder; with the event for a status, and when it came."""
    with Listener(tmp_path) as listener:
        assert post(listener.url, client_created(email="Jörg@x.de", link="https://app.360onboard.com/c/one")) == 200
        said = command("links", "find", "jörg@x.de", "--format", "json")
        assert listener.end()[0] == 0
    (found,) = json.loads(said.out)
    assert (said.code, said.err) == (0, "")
    assert (found["email"], found["link"]) == ("Jörg@x.de", "https://app.360onboard.com/c/one")
    assert (found["status"], found["campaign_id"]) == ("client.created", CAMPAIGN)
    assert (found["client_id"], found["when"][-1]) == ("770e8400-e29b-41d4-a716-446655440002", "Z")
    assert found["journal"] == str(tmp_path / settings.INBOX_FILE)


def test_inboxes_are_looked_into_where_one_stands_and_where_it_is_said(
    service: Sandbox, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By default those of the folder, whatever they are called; by --inbox, by --journal, or in a folder. Behind the
    rows of imports; all that was told of a person, nothing of others.
    """
    assert command("import", people(tmp_path, "a@x.de"), *SEND).code == 0
    box = inbox_of(
        tmp_path / "box.db",
        client_created(email="a@x.de"),
        client_created(email="b@x.de"),
        flow_created(),
        client_completed(email="A@x.de", campaign_id=None),
    )
    monkeypatch.chdir(tmp_path)
    for places in ((), ("--journal", "."), ("--journal", "people.csv", "--inbox", "box.db")):
        said = command("links", "find", "a@x.de", *places, "--format", "jsonl")
        rows = [json.loads(line) for line in said.out.splitlines()]
        assert [row["status"] for row in rows] == ["created", "client.created", "client.completed"]
    for flag in ("--journal", "--inbox"):
        assert command("links", "find", "a@x.de", flag, box).out.count("link: ") == 2
        said = command("links", "find", "c@x.de", flag, box)
        assert (said.code, said.err) == (1, "Nobody with this email is in 1 inbox.\n")
    assert command("links", "find", "c@x.de").err == "Nobody with this email is in 1 journal and 1 inbox.\n"


def test_an_inbox_that_cannot_be_looked_into_is_named_and_passed(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Held for too long, damaged, none, or not there, which does not make it; the next one is looked into."""
    monkeypatch.setattr(settings, "SHARED_PATIENCE_S", 0.05)
    names = ("held.db", "broken.db", "none.csv", "missing.db", "good.db")
    for name in ("held.db", "broken.db", "good.db"):
        inbox_of(tmp_path / name, client_created(email="a@x.de"))
    damaged = (tmp_path / "broken.db").read_bytes()
    (tmp_path / "broken.db").write_bytes(damaged[:4096] + b"\xff" * (len(damaged) - 4096))
    (tmp_path / "none.csv").write_text("email\n")
    held = SqliteStore(tmp_path / "held.db")
    places = [word for name in names for word in ("--inbox", tmp_path / name)]
    with held.transaction():
        said = command("links", "find", "a@x.de", *places, "--format", "csv")
        nobody = command("links", "find", "c@x.de", *places)
    held.close()
    assert (said.code, said.out.count("\n")) == (0, 2)
    assert [line.partition(": ")[0] for line in said.err.splitlines()] == [
        f"Passed over {tmp_path / name}" for name in names[:4]
    ]
    assert nobody.err.splitlines()[-1] == "Nobody with this email is in 1 inbox; 4 more could not be looked into."
    assert not (tmp_path / "missing.db").exists()
    alone = command("links", "find", "c@x.de", "--inbox", tmp_path / "missing.db").err.splitlines()[-1]
    assert alone == "Nobody with this email is in 0 inboxes; 1 more could not be looked into."


def test_an_inbox_that_nobody_may_read_is_named(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a folder, where a file that is no inbox is passed in silence."""
    box = inbox_of(tmp_path / "box.db", client_created(email="a@x.de"))
    inbox_of(tmp_path / "good.db", client_created(email="a@x.de"))
    (tmp_path / "other.db").write_text("")
    opened, allowed = Path.open, os.access

    def denied(path: Path, *how: Any, **more: Any) -> Any:
        if path.name == "box.db":
            raise PermissionError(13, "Permission denied")
        return opened(path, *how, **more)

    monkeypatch.setattr(Path, "open", denied)  # nothing is denied to root
    monkeypatch.setattr(os, "access", lambda path, how: path != box and allowed(path, how))
    said = command("links", "find", "a@x.de", "--journal", tmp_path)
    assert (said.code, said.err) == (
        0,
        f"Passed over {box}: Cannot read the inbox {box}: Permission denied.\n",
    )


def test_a_folder_that_goes_while_it_is_looked_at_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was there for the journals, and is not for the inboxes: told as any that cannot be read."""
    monkeypatch.setattr(shelf, "journals_in", lambda folder: folder.rmdir() or [])
    with pytest.raises(errors.ConfigurationError, match=r"Cannot read the folder .*: No such file"):
        shelf.inboxes([tmp_path])
