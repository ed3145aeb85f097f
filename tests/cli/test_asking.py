"""Before anybody is added: the plan, the question, and what is done where nobody can be asked."""

import fcntl
import os
import pty
import re
import shlex
import struct
import subprocess
import termios
from pathlib import Path

import pytest

from onboard360_async.sandbox import Sandbox
from tests.cli.conftest import Command
from tests.cli.test_import import CAMPAIGN, NAME, SEND, START, people, rows
from tests.cli.test_processes import _rest


def posts(service: Sandbox) -> int:
    return sum(request.method == "POST" for request in service.requests)


def test_where_nobody_can_be_asked_nothing_is_sent(service: Sandbox, command: Command, tmp_path: Path) -> None:
    """Without --yes: exit 2, and what to do is told; a run in which nothing would be sent needs no --yes."""
    path = people(tmp_path, "a@x.de")
    said = command("import", path, "--campaign", CAMPAIGN)
    assert (said.code, posts(service)) == (2, 0)
    assert "The service may write to everybody who is added" in said.err
    assert "Nothing was sent: nobody can be asked here. Look at the plan, and say --yes to go on." in said.err
    assert command("imports", "resume", path).code == 2
    assert command("import", path, *SEND).code == 0
    assert command("import", path, "--campaign", CAMPAIGN).code == 0
    assert posts(service) == 1


@pytest.mark.parametrize(("answer", "code", "sent"), [("n\n", 8, 0), ("y\n", 0, 3)])
def test_on_a_terminal_it_asks(service: Sandbox, tmp_path: Path, answer: str, code: int, sent: int) -> None:
    """80 columns wide: the plan, the question, the bar; `no` sends nothing and can be gone back on."""
    path = people(tmp_path, "a@x.de", "b@x.de", "c@x.de")
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
    importing = [*START, "import", str(path), "--campaign", CAMPAIGN]
    with subprocess.Popen(
        importing, stdin=theirs, stdout=theirs, stderr=theirs, env=environment | {"TERM": "xterm"}
    ) as running:
        os.close(theirs)
        said = ""
        while "Add 3 clients? [y/N]: " not in said:
            said += os.read(ours, 65_536).decode()
        assert posts(service) == 0
        os.write(ours, answer.encode())
        said += _rest(ours)
    os.close(ours)
    assert (running.returncode, posts(service)) == (code, sent)
    plain = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", said)
    assert "3 rows: 3 to send." in plain
    bars = [line for line in re.split(r"[\r\n]+", plain) if re.search(r" 3/3 3 created; budget \d+ of 100", line)]
    assert bool(bars) is (answer == "y\n")
    assert max([0, *map(len, bars)]) <= 80


def test_a_list_from_stdin_is_kept_only_while_it_is_read(service: Sandbox, tmp_path: Path) -> None:
    """Its journal and results stand in the current folder under `stdin`; nobody can be asked, so it needs --yes."""
    text = "Email\na@x.de\nb@x.de\n"

    def piped(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [*START, "import", "-", *arguments]
        return subprocess.run(command, input=text, cwd=tmp_path, capture_output=True, text=True, check=False)

    refused = piped("--campaign", CAMPAIGN)
    assert (refused.returncode, posts(service)) == (2, 0)
    done = piped(*SEND)
    assert (done.returncode, posts(service)) == (0, 2), done.stderr
    assert "2 rows: 2 created." in done.stderr
    assert sorted(each.name for each in tmp_path.iterdir()) == ["stdin.onboard360.db", "stdin.results.csv"]
    assert "key cannot both come from stdin" in piped(*SEND, "--api-key-file", "-").stderr
    other = piped(*SEND, "--journal", "other.db")
    assert (other.returncode, "*.onboard360.db" in other.stderr) == (2, True)
    assert piped(*SEND, "--journal", "other.onboard360.db").returncode == 0
    assert (tmp_path / "other.results.csv").exists()
    assert not list(tmp_path.glob("stdin-*"))


def test_a_list_without_any_campaign_is_told_once(service: Sandbox, command: Command, tmp_path: Path) -> None:
    """A usage error with the columns, not one problem for each row; a column of campaigns, by id or name, will do."""
    path = people(tmp_path, "a@x.de", "b@x.de")
    said = command("import", path, "--yes")
    assert (said.code, said.err.count("\n"), service.requests) == (2, 1, [])
    assert "No campaign was named, and people.csv has no campaign column" in said.err
    path.write_text(f"Email,Where\na@x.de,{NAME}\nb@x.de,{CAMPAIGN}\n")
    assert command("import", path, "--yes", "--map", "campaign_id=Where").code == 0
    assert {client["campaign_id"] for client in service.clients()} == {CAMPAIGN}


def test_who_exists_may_end_an_import_before_it_begins(service: Sandbox, command: Command, tmp_path: Path) -> None:
    """--if-exists fail is 3, with nothing sent; send sends them all the same."""
    service.add_client(CAMPAIGN, "old@x.de")
    path = people(tmp_path, "old@x.de", "new@x.de")
    said = command("import", path, *SEND, "--if-exists", "fail")
    assert (said.code, posts(service)) == (3, 0)
    assert "Nothing was sent: 1 row in the campaign already (--if-exists fail)." in said.err
    assert command("import", path, *SEND, "--if-exists", "send").code == 0
    assert posts(service) == 2


def test_a_part_is_sent_and_the_rest_goes_on(service: Sandbox, command: Command, tmp_path: Path) -> None:
    """--limit ends with 8 as long as rows are left, and the command to go on sends the next part in the same way."""
    path = people(tmp_path, *(f"p{number}@x.de" for number in range(5)))
    said = command("import", path, *SEND, "--limit", 2, "--rate", 60_000, "--results-format", "jsonl", "--excel-safe")
    assert (said.code, posts(service)) == (8, 2)
    assert "2 rows of them now (--limit). It will take about" in said.err
    assert "5 rows: 2 created, 3 to send." in said.err
    for code, sent in ((8, 4), (0, 5)):
        told = re.search("^To go on: onboard360 (.*)$", said.err, re.MULTILINE)
        assert told is not None
        assert told[1] == f"imports resume {path} --settle 0.05 --limit 2 --rate 60000.0 --yes"
        said = command(*shlex.split(told[1]))
        assert (said.code, posts(service)) == (code, sent)
    assert "To go on" not in said.err
    assert (tmp_path / "people.results.jsonl").read_text().count('"created"') == 5


def test_the_pace_that_was_asked_for_is_in_the_plan(service: Sandbox, command: Command, tmp_path: Path) -> None:
    """Three rows, two a minute: no budget would make it slower."""
    path = people(tmp_path, "a@x.de", "b@x.de", "c@x.de")
    said = command("import", path, "--campaign", CAMPAIGN, "--rate", 2, "--dry-run")
    assert "It will take about 1 min 30 s." in said.err


def test_lost_answers_of_an_earlier_run_are_in_the_plan(service: Sandbox, command: Command, tmp_path: Path) -> None:
    """How many, and how long it may take to look for them; since one may be sent again, that is asked about, too."""
    path = people(tmp_path, "a@x.de")
    service.add_fault("commit-then-drop", method="POST", times=1)
    assert command("import", path, *SEND, "--max-ambiguous", 1).code == 8
    doubt = "1 row in doubt: the answers were lost. They are looked for after the others"
    for flags, plan in (
        (["--settle", 60], f"{doubt}, for up to 3 min; who is shown to be absent is sent again.\n"),
        (["--settle", 0], f"{doubt}; who is shown to be absent is sent again.\n"),
    ):
        said = command("import", path, "--campaign", CAMPAIGN, *flags)
        assert (said.code, "1 row: 0 to send, 1 in doubt." in said.err) == (2, True)
        assert plan in said.err.replace("2 min 59 s", "3 min")
    said = command("imports", "resume", path, "--settle", 0, "--on-ambiguous", "hold")
    assert (said.code, f"{doubt}.\n" in said.err, posts(service)) == (0, True, 1)
    assert [row["status"] for row in rows(tmp_path)] == ["adopted"]
