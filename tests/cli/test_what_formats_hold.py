"""What a script may rely on in what commands write: the guide `formats` promises it."""

import csv
import io
import json
import os
import pty
import re
import struct
import subprocess
import sys
from collections.abc import Iterator

import pytest
from attrs import fields

from onboard360_async import settings
from onboard360_async.models import Campaign, Client
from onboard360_async.sandbox import Sandbox
from tests.cli.conftest import Command

CAMPAIGN = "550e8400-e29b-41d4-a716-446655440000"
ADD = ("clients", "add", "--campaign", CAMPAIGN, "--email", "john@example.com")
STARTED = "from onboard360_async.cli import main; main()"


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


def on_terminal(*arguments: str, columns: int) -> str:
    """What a terminal of this width is written."""
    import fcntl
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
    with subprocess.Popen(
        [sys.executable, "-c", STARTED, *arguments], stdout=theirs, env=environment | {"TERM": "dumb"}
    ):
        os.close(theirs)
        said = b""
        try:
            while piece := os.read(ours, 65_536):
                said += piece
        except OSError:  # how a terminal says that its last user has gone
            pass
    os.close(ours)
    return said.decode()


def test_a_table_is_folded_on_a_terminal_and_never_cut_elsewhere(service: Sandbox, command: Command) -> None:
    """Every letter is on the screen, within its width; in a pipe a row is one line."""
    name = "".join(f"x{number:02}z" for number in range(100))
    service.add_campaign(name)
    assert name in command("campaigns", "list").out
    shown = on_terminal("campaigns", "list", columns=80)
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
        started = [sys.executable, "-c", STARTED, *arguments]
        return subprocess.run(
            started, env=environment | {"FORCE_COLOR": "1"}, capture_output=True, text=True, check=True
        ).stdout

    assert "\x1b[1m" in said("campaigns", "list")
    for words in (("campaigns", "list", "--format", "csv"), ("request", "GET", "/campaigns"), ("help", "budget")):
        assert "\x1b" not in said(*words)
