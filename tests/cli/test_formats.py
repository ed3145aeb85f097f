"""Every command that prints data prints it in every form, to stdout or a file; what each form has, is said here."""

import csv
import io
import json
from pathlib import Path
from typing import Final

import click
import pytest
from attrs import evolve

from onboard360_async.cli.app import onboard360
from onboard360_async.cli.arrivals import arrivals
from onboard360_async.cli.show import FORMATS
from onboard360_async.sandbox import Sandbox
from onboard360_async.webhooks import sign
from onboard360_async.webhooks.events import UnknownData
from onboard360_async.webhooks.factories import SECRET, client_created, unknown_event
from tests.cli.conftest import Command, commands
from tests.cli.hooks import inbox_of
from tests.cli.test_import import SEND, people
from tests.cli.test_imports import unresolved

# What prints no data: what it says is progress and messages, or a story; or its --format is that of the list it reads.
NO_DATA: Final = {
    ("completion",), ("demo",), ("help",), ("sandbox",),
    ("import",), ("imports", "resume"), ("imports", "reconcile"), ("imports", "purge"),
}  # fmt: skip
ALONE: Final = {("webhooks", "listen")}  # writes on and on, to stdout alone
DRY: Final = {
    ("clients", "add"),
    ("request",),
    ("import",),
    ("imports", "resume"),
    ("webhooks", "replay"),
}  # what sends


@pytest.mark.parametrize(("path", "each"), list(commands(onboard360)), ids=str)
def test_every_form_is_offered_wherever_data_comes_out(path: tuple[str, ...], each: click.Command) -> None:
    """`--format table|json|jsonl|csv` and `--output`, by walking all commands: also those that come later."""
    if isinstance(each, click.Group) or path in NO_DATA:
        return
    options = {name: option for option in each.params for name in option.opts}
    assert "--format" in options, f"{path}: add it, or say in NO_DATA why not"
    choice = options["--format"].type
    assert isinstance(choice, click.Choice)
    assert set(choice.choices) == set(FORMATS)
    assert ("--output" in options) or path in ALONE


@pytest.mark.parametrize("path", sorted(DRY), ids=str)
def test_what_sends_can_be_tried(path: tuple[str, ...]) -> None:
    """`--dry-run`; that nothing is sent then, each command's own tests hold."""
    each = dict(commands(onboard360))[path]
    assert any("--dry-run" in option.opts for option in each.params)


def test_an_import_is_shown_in_every_form(service: Sandbox, command: Command, tmp_path: Path) -> None:
    """An object for a program, a row as in the list for a sheet; to a file, too. `text` is a table's other name."""
    path = people(tmp_path, "a@x.de")
    assert command("import", path, *SEND).code == 0
    table = command("imports", "show", path)
    assert f"{path}.onboard360.db: finished\n" in table.out
    assert command("imports", "show", path, "--format", "text") == table
    whole = json.loads(command("imports", "show", path, "--format", "json").out)
    line = command("imports", "show", path, "--format", "jsonl")
    assert (json.loads(line.out), line.out.count("\n"), line.err) == (whole, 1, "")
    (row,) = csv.DictReader(io.StringIO(command("imports", "show", path, "--format", "csv").out))
    (listed,) = csv.DictReader(io.StringIO(command("imports", "list", path, "--format", "csv").out))
    assert (row, row["created"], row["state"]) == (listed, "1", "finished")
    for form in FORMATS:
        said = command("imports", "show", path, "--format", form, "--output", tmp_path / "out")
        assert (said.code, said.out) == (0, "")
        same = command("imports", "show", path, "--format", form).out
        assert (tmp_path / "out").read_text(encoding="utf-8") == same


def test_results_are_written_in_every_form(service: Sandbox, command: Command, tmp_path: Path) -> None:
    """What is no file of an import's own goes to stdout, or to the file that is named."""
    path = people(tmp_path, "a@x.de", "b@x.de")
    assert command("import", path, *SEND).code == 0
    rows = json.loads(command("imports", "results", path, "--format", "json").out)
    lines = command("imports", "results", path, "--format", "jsonl", "--output", "-").out
    assert [json.loads(line) for line in lines.splitlines()] == rows
    table = command("imports", "results", path, "--format", "table", "--output", tmp_path / "table.txt")
    assert (table.code, table.out) == (0, "")
    words = (tmp_path / "table.txt").read_text(encoding="utf-8").split()
    assert {"a@x.de", "created", rows[0]["link"]} <= set(words)
    assert json.loads(command("imports", "results", path, "--format", "json", "--output", "-").out) == rows


def test_a_decision_shows_the_import_to_a_program(service: Sandbox, command: Command, tmp_path: Path) -> None:
    """As it stands then; without --format all is said on stderr, as it always is."""
    path = unresolved(service, command, tmp_path)
    said = command("imports", "resolve", path, "--line", "3", "--not-created", "--format", "json")
    assert (said.code, "Line 3: to be sent again." in said.err) == (0, True)
    assert json.loads(said.out)["summary"]["planned"] == 1


def test_a_body_is_verified_signed_and_diagnosed_in_every_form(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For people and for programs, with the same exit code."""
    monkeypatch.setenv("ONBOARD360_WEBHOOK_SECRET", SECRET)
    event = client_created()
    body = tmp_path / "body.json"
    body.write_bytes(event.body)
    signature = sign(event.body, SECRET)
    whole = json.loads(command("webhooks", "verify", body, "--signature", signature, "--format", "json").out)
    line = command("webhooks", "verify", body, "--signature", signature, "--format", "jsonl").out
    assert (json.loads(line), line.count("\n")) == (whole, 1)
    sheet = command("webhooks", "verify", body, "--signature", signature, "--format", "csv").out
    (row,) = csv.DictReader(io.StringIO(sheet))
    assert (row["event"], json.loads(row["data"])) == ("client.created", whole["data"])
    assert command("webhooks", "sign", body).out == f"{signature}\n"
    assert json.loads(command("webhooks", "sign", body, "--format", "json").out) == [
        {"signature": signature, "form": "raw"}
    ]
    for given, code in ((signature, 0), (f"sha256={'0' * 64}", 1)):
        lines = command("webhooks", "diagnose", body, "--signature", given)
        rows = command("webhooks", "diagnose", body, "--signature", given, "--format", "json")
        assert (lines.code, rows.code) == (code, code)
        assert [row["finding"] for row in json.loads(rows.out)] == lines.out.splitlines() != []


def test_a_replay_tells_a_program_of_each_event(command: Command, tmp_path: Path) -> None:
    """Their whole ids, and what would become of them, or becomes."""
    events = [client_created(client_id="1"), client_created(client_id="2")]
    inbox = inbox_of(tmp_path / "inbox.db", *events)
    for words, fate in ((("--dry-run",), "waits already"), ((), "waits already")):
        said = command(
            "webhooks", "replay", *(each.id for each in events), "--inbox", inbox, *words, "--format", "json"
        )
        assert [(row["id"], row["fate"]) for row in json.loads(said.out)] == [(each.id, fate) for each in events]
    table = command("webhooks", "list", "--inbox", inbox).out
    assert (events[0].id[:12] in table, events[0].id in table) == (True, False)
    assert events[0].id in command("webhooks", "list", "--inbox", inbox, "--format", "csv").out


@pytest.mark.parametrize("form", ["json", "jsonl", "csv"])
def test_what_is_listened_for_comes_in_every_form(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A row for each delivery, at once; whole at the end, also where an event's data cannot be written."""
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    event = client_created()
    hopeless = evolve(unknown_event("client.renamed"), data=UnknownData({"deep": deep}))
    with arrivals(form) as show:
        show.arrived(event, "stored")
        assert event.id in capsys.readouterr().out
        show.arrived(event, "duplicate")
        show.arrived(hopeless, "stored")
        show.settled(event, "forwarded", "")
    out = capsys.readouterr().out
    if form == "csv":
        header = "id,event,received_at,timestamp,form,flags,state,data\n"
        rows: list[dict[str, object]] = [*csv.DictReader(io.StringIO(header + out))]
        assert [row["data"] for row in rows][1:] == ["…"]
        assert json.loads(str(rows[0]["data"]))["email"] == "john@example.com"
    else:
        rows = json.loads(f"[{{}}{out}")[1:] if form == "json" else [json.loads(line) for line in out.splitlines()]
        assert [row["data"] is None for row in rows] == [False, True]
    assert [row["state"] for row in rows] == ["duplicate", "stored"]
