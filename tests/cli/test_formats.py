"""Every command that prints data prints it in every form, to stdout or a file; and in each stands what is promised.

What a script may rely on is in the guide `formats`.
"""

import csv
import io
import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click
import pytest
from attrs import evolve, fields

from onboard360_async import settings
from onboard360_async.cli.app import onboard360
from onboard360_async.cli.arrivals import arrivals
from onboard360_async.cli.show import FORMATS
from onboard360_async.models import Campaign, Client
from onboard360_async.sandbox import Sandbox
from onboard360_async.webhooks import sign
from onboard360_async.webhooks.events import UnknownData
from onboard360_async.webhooks.factories import SECRET, client_created, unknown_event
from tests.cli.conftest import Command, commands
from tests.cli.hooks import handled, inbox_of
from tests.cli.terminal import of_a_process
from tests.cli.test_adding import ADD
from tests.cli.test_import import CAMPAIGN, SEND, START, people
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
    """Their whole ids, and what would become of them, or becomes: one that waits is left waiting."""
    events = [client_created(client_id="1"), client_created(client_id="2")]
    inbox = inbox_of(tmp_path / "inbox.db", *events)
    handled(inbox)
    for words, fate in ((("--dry-run",), "would be handled again"), ((), "to be handled again")):
        said = command(
            "webhooks", "replay", *(each.id for each in events), "--inbox", inbox, *words, "--format", "json"
        )
        fates = [(row["id"], row["fate"]) for row in json.loads(said.out)]
        assert fates == [(events[0].id, fate), (events[1].id, "waits already")]
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


# --- what a script may rely on ---


@pytest.fixture
def talkative(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """A service that says more than the API page."""
    with Sandbox(limiter="off", extra_fields=True) as running:
        monkeypatch.setenv(settings.API_KEY_VARIABLE, running.api_key)
        monkeypatch.setenv(settings.BASE_URL_VARIABLE, running.url)
        yield running


def test_the_names_and_their_order_are_the_apis(service: Sandbox, command: Command) -> None:
    """In all three forms for programs, and a link where there is one."""
    client = [field.name for field in fields(Client) if field.name not in ("extra", "link")]
    campaign = [field.name for field in fields(Campaign) if field.name != "extra"]
    service.add_client(CAMPAIGN, "john@example.com")
    for words, names in (
        (("clients", "list"), client),
        (("campaigns", "list"), campaign),
        (ADD, [*client, "link"]),
    ):
        assert command(*words, "--format", "csv").out.splitlines()[0] == ",".join(names)
        for form in ("json", "jsonl"):
            said = json.loads(command(*words, "--format", form).out)
            (row, *_) = said if isinstance(said, list) else [said]
            assert set(names) <= set(row)


def test_what_is_not_there_is_null_or_empty(service: Sandbox, command: Command) -> None:
    """A time is in UTC and says so."""
    service.add_client(CAMPAIGN, "john@example.com", first_name="")
    (row,) = json.loads(command("clients", "list", "--format", "json").out)
    assert (row["last_name"], row["first_name"]) == (None, "")
    assert row["created_at"].endswith("Z")
    (cells,) = csv.DictReader(io.StringIO(command("clients", "list", "--format", "csv").out))
    assert (cells["last_name"], cells["first_name"]) == ("", "")


def test_what_the_page_does_not_name_is_in_json_alone(talkative: Sandbox, command: Command) -> None:
    """Behind the rest; a table and CSV have the columns that are known."""
    known = {field.name for field in fields(Client)}
    talkative.add_client(CAMPAIGN, "john@example.com")
    row = json.loads(command("clients", "list", "--format", "jsonl").out)
    (*_, last) = row
    more = set(row) - known
    assert more
    assert last in more
    for form in ("csv", "table"):
        said = command("clients", "list", "--format", form)
        assert (said.code, [name for name in more if name in said.out]) == (0, [])


def test_a_table_is_folded_on_a_terminal_and_never_cut_elsewhere(service: Sandbox, command: Command) -> None:
    """Every letter is on the screen, within its width; in a pipe a row is one line."""
    name = "".join(f"x{number:02}z" for number in range(100))
    service.add_campaign(name)
    assert name in command("campaigns", "list").out
    shown = of_a_process(["campaigns", "list"], 80, env={"TERM": "dumb"})
    assert max(map(len, shown.splitlines())) <= 80
    assert name not in shown
    assert "".join(re.findall(r"\b[xz\d]*[xz][xz\d]*\b", shown)) == name


def test_a_listing_that_breaks_off_is_not_closed(service: Sandbox, command: Command) -> None:
    """What came stands there, and the exit code says that it is not all."""
    for number in range(3_000):
        service.add_client(CAMPAIGN, f"p{number}@example.com")
    service.add_fault("truncated", path="/clients")
    said = command("clients", "list", "--format", "json")
    assert said.code == 1
    assert said.out.startswith('[{"id": "')
    assert not said.out.rstrip().endswith("]")
    lines = command("clients", "list", "--format", "jsonl")
    assert lines.code == 1
    assert 0 < len([json.loads(line) for line in lines.out.splitlines()]) < 3_000


def test_a_forced_colour_is_in_tables_alone(service: Sandbox) -> None:
    """Not in what is written for programs, nor in a guide."""
    environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}

    def said(*arguments: str) -> str:
        return subprocess.run(
            [*START, *arguments], env=environment | {"FORCE_COLOR": "1"}, capture_output=True, text=True, check=True
        ).stdout

    assert "\x1b[1m" in said("campaigns", "list")
    for words in (("campaigns", "list", "--format", "csv"), ("request", "GET", "/campaigns"), ("help", "budget")):
        assert "\x1b" not in said(*words)
