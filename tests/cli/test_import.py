"""`onboard360 import`: plan, progress, summary, files, exit codes; every mistake is one clear line."""

import csv
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from onboard360_async import errors
from onboard360_async.cli.exits import Exit, exit_code
from onboard360_async.sandbox import Sandbox
from onboard360_async.webhooks.sqlite_store import is_inbox
from tests.cli.conftest import Command

CAMPAIGN = "550e8400-e29b-41d4-a716-446655440000"
NAME = "Client Onboarding Flow"
START = [sys.executable, "-c", "from onboard360_async.cli import main; main()"]
SEND = ("--campaign", CAMPAIGN, "--yes", "--settle", "0.05")


def people(folder: Path, *emails: str) -> Path:
    path = folder / "people.csv"
    path.write_text("\n".join(["Email,First name", *(f"{email},P" for email in emails)]) + "\n")
    return path


def rows(folder: Path, kind: str = "results") -> list[dict[str, str]]:
    with (folder / f"people.{kind}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_an_import_says_plan_summary_and_files(service: Sandbox, command: Command, tmp_path: Path) -> None:
    """What will be done, what was done, and where it stands; the numbers add up."""
    service.add_client(CAMPAIGN, "old@x.de")
    path = people(tmp_path, "a@x.de", "b@x.de", "old@x.de", "A@x.de")
    said = command("import", path, "--campaign", NAME, "--yes")
    assert said.code == 0
    assert "4 rows: 2 to send, 1 in the campaign already, 1 twice in the list." in said.err
    assert "4 rows: 2 created, 1 skipped existing, 1 skipped duplicate." in said.err
    for kind in ("people.results.csv", "people.csv.onboard360.db"):
        assert str(tmp_path / kind) in said.err
    assert said.out == ""
    links = {str(client["email"]): client["link"] for client in service.clients()}
    assert [row["link"] for row in rows(tmp_path)][:2] == [links["a@x.de"], links["b@x.de"]]


def test_invalid_rows_send_nothing_and_are_all_told(service: Sandbox, command: Command, tmp_path: Path) -> None:
    """Exit 3 with line, field, reason and value; with --skip-invalid the others are sent."""
    path = people(tmp_path, "a@x.de", "nobody", "")
    said = command("import", path, *SEND)
    assert said.code == 3
    assert "line 3, email: it must have one @ (nobody)" in said.err
    assert "line 4, email: it is empty" in said.err
    assert service.requests == []
    assert [row["_line"] for row in rows(tmp_path, "errors")] == ["3", "4"]
    said = command("import", path, *SEND, "--skip-invalid")
    assert (said.code, len(service.clients())) == (0, 1)


def test_a_dry_run_shows_the_plan_and_sends_nobody(service: Sandbox, command: Command, tmp_path: Path) -> None:
    """The listing is read, no POST is sent, and a run after it does the work."""
    path = people(tmp_path, "a@x.de")
    said = command("import", path, "--campaign", CAMPAIGN, "--dry-run")
    assert (said.code, "1 to send" in said.err, service.clients()) == (0, True, [])
    assert command("import", path, *SEND).code == 0
    assert len(service.clients()) == 1


def test_rejected_is_5_and_a_lost_answer_is_found(service: Sandbox, command: Command, tmp_path: Path) -> None:
    """Who was rejected stands in the errors file; whose answer was lost is looked for, and found."""
    path = people(tmp_path, "a@x.de", "b@x.de")
    unknown = "00000000-0000-0000-0000-000000000000"
    assert command("import", path, "--campaign", unknown, "--yes").code == 5
    assert {row["_error"].partition(":")[0] for row in rows(tmp_path, "errors")} == {"rejected"}
    service.add_fault("commit-then-drop", method="POST", email="b@x.de")
    said = command("import", path, *SEND)
    assert (said.code, "2 rows: 1 created, 1 adopted." in said.err) == (0, True)


def test_a_run_that_stops_early_is_8_and_says_how_to_go_on(
    service: Sandbox, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No connection in the middle: nothing is lost, and `imports resume` finishes."""
    monkeypatch.setattr("onboard360_async.transport.call.random.uniform", lambda *_: 0.0)
    monkeypatch.setattr("onboard360_async.settings.IMPORT_MOST_UNSENT", 1)
    path = people(tmp_path, "a@x.de", "b@x.de")
    assert command("import", path, "--campaign", CAMPAIGN, "--dry-run").code == 0
    stopped = command("imports", "resume", path, "--yes", "--base-url", "http://127.0.0.1:9")
    assert stopped.code == 8
    assert f"To go on: onboard360 imports resume {path}" in stopped.err
    said = command("imports", "resume", path, "--yes")
    assert (said.code, "2 rows: 2 created." in said.err) == (0, True)


def test_the_command_to_go_on_works_as_it_is_told(
    service: Sandbox, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its flags and with a space in the path: what was skipped as invalid stays so."""
    monkeypatch.setattr("onboard360_async.transport.call.random.uniform", lambda *_: 0.0)
    folder = tmp_path / "my lists"
    folder.mkdir()
    path = people(folder, "nobody", *(f"p{number}@x.de" for number in range(8)))
    service.add_fault("drop-before", method="POST")
    stopped = command("import", path, *SEND, "--skip-invalid", "--max-ambiguous", 1, "--base-url", service.url)
    assert stopped.code == 8
    service.clear_faults()
    told = re.search("^To go on: onboard360 (.*)$", stopped.err, re.MULTILINE)
    assert told is not None
    assert told[1].endswith(f" --skip-invalid --settle 0.05 --max-ambiguous 1 --yes --base-url {service.url}")
    assert command(*shlex.split(told[1])).code == 0
    assert [row["status"] for row in rows(folder)] == ["invalid", *["created"] * 8]
    assert len(service.clients()) == 8


def test_a_wrong_key_is_4(service: Sandbox, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether the listing or an add finds out."""
    monkeypatch.setenv("ONBOARD360_API_KEY", "sk_test_wrong")
    assert command("import", people(tmp_path, "a@x.de"), *SEND).code == 4


def test_a_key_that_is_taken_away_meanwhile_is_exit_4() -> None:
    """The import stopped early, but what to mend is the key."""
    stopped = errors.ImportFailedError("stopped")
    assert exit_code(stopped) is Exit.STOPPED
    stopped.__cause__ = errors.AuthenticationError(401, "Unauthorized", None, "POST", "/clients", None, "")
    assert exit_code(stopped) is Exit.NOT_AUTHENTICATED


def test_bad_files_are_one_clear_line(service: Sandbox, command: Command, tmp_path: Path) -> None:
    """Unreadable is 2; what is no list of people is 3; nothing is sent, and no journal is left of what is not there."""
    path = tmp_path / "people.csv"
    missing = command("import", path, *SEND)
    assert (missing.code, missing.err.startswith("Error: Cannot read")) == (2, True)
    assert list(tmp_path.iterdir()) == []
    cases: dict[bytes, str] = {
        b"": "is empty",
        b"Email\n": "no rows",
        b"Name,Phone\nA,1\n": "no email column",
        "Email,First name\na@x.de,Zoë\n".encode("cp1252"): "line 2 cannot be read",
    }
    for content, message in cases.items():
        path.write_bytes(content)
        said = command("import", path, *SEND)
        assert (said.code, message in said.err) == (3, True), said
    assert service.requests == []
    assert command("import", path, *SEND, "--encoding", "cp1252").code == 0
    assert service.clients()[0]["first_name"] == "Zoë"


def test_an_unknown_campaign_sends_nothing(service: Sandbox, command: Command, tmp_path: Path) -> None:
    """Exit 3 with the candidates."""
    said = command("import", people(tmp_path, "a@x.de"), "--campaign", "Onboarding", "--yes")
    assert (said.code, NAME in said.err, service.clients()) == (3, True, [])


def test_a_column_can_be_mapped(service: Sandbox, command: Command, tmp_path: Path) -> None:
    """--map FIELD=COLUMN; a map that is none is a usage error."""
    path = tmp_path / "people.csv"
    path.write_text("work,private\nw@x.de,p@x.de\n")
    assert command("import", path, *SEND, "--map", "email=private").code == 0
    assert service.clients()[0]["email"] == "p@x.de"
    assert command("import", path, *SEND, "--map", "email").code == 2


def test_resuming_what_was_never_begun_is_told(command: Command, service: Sandbox, tmp_path: Path) -> None:
    """No journal: exit 2."""
    said = command("imports", "resume", tmp_path / "people.csv")
    assert (said.code, "There is no journal" in said.err) == (2, True)


@pytest.mark.usefixtures("children_are_measured")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_import_finishes_what_is_under_way(
    service: Sandbox, command: Command, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    """Ctrl-C and SIGTERM: rows under way are noted, files are written, the way on is told; going on loses nobody."""
    emails = [f"p{number:03}@x.de" for number in range(24)]
    path = people(tmp_path, *emails)
    with subprocess.Popen(
        [*START, "import", str(path), *SEND], stderr=subprocess.PIPE, text=True, env=dict(os.environ)
    ) as running:
        while not service.clients():
            assert running.poll() is None
        running.send_signal(number)
        _, err = running.communicate(timeout=15)
    assert running.returncode == code, err
    assert "To go on: onboard360 imports resume" in err
    assert "Traceback" not in err
    done = [row for row in rows(tmp_path) if row["status"] == "created"]
    assert len(done) == len(service.clients()) < 24
    said = command("imports", "resume", path, "--yes")
    assert (said.code, "24 rows: 24 created." in said.err) == (0, True)
    assert sorted(str(client["email"]) for client in service.clients()) == emails


def test_a_second_run_at_once_is_7_and_a_killed_one_goes_on(service: Sandbox, command: Command, tmp_path: Path) -> None:
    """The journal is held by the first until it is killed for real; then nobody is lost and nobody sent twice."""
    emails = [f"p{number:02}@x.de" for number in range(24)]
    path = people(tmp_path, *emails)
    with subprocess.Popen(
        [*START, "import", str(path), *SEND], stderr=subprocess.DEVNULL, env=dict(os.environ)
    ) as running:
        while not service.clients():
            assert running.poll() is None
        said = command("import", path, *SEND)
        running.send_signal(signal.SIGKILL)
    assert (said.code, "Another run" in said.err) == (7, True)
    assert command("imports", "resume", path, "--yes", "--settle", 0.05).code == 0
    made = [str(client["email"]) for client in service.clients()]
    assert len(made) == len(set(made))
    status = {row["Email"]: row["status"] for row in rows(tmp_path)}
    assert list(status) == emails == sorted(made)
    assert set(status.values()) <= {"created", "adopted"}
    assert list(status.values()).count("adopted") <= 4  # those that were under way


def test_the_demo_shows_the_whole_way(command: Command, tmp_path: Path) -> None:
    """250 people in a mess: 247 links, two bad rows, one duplicate, no 429, 247 webhooks; and the files are there."""
    said = command("demo", "--window", "0.4", "--folder", tmp_path)
    assert said.code == 0
    assert "247 created, 1 skipped duplicate, 2 invalid" in said.err
    assert "247 clients streamed back, 247 are in the sandbox" in said.out
    assert re.search(r"429s = 0 \(the sandbox counts 0\)", said.out)
    assert "247 were sent; 247 were received, verified, stored" in said.out
    told = re.search(r"^client\.created  (\S+)  (\S+)$", said.out, re.MULTILINE)
    assert told is not None
    assert told[2] in {row["link"] for row in rows(tmp_path) if told[1] in row.values()}
    assert is_inbox(tmp_path / "inbox.db")
    assert len([row for row in rows(tmp_path) if row["link"]]) == 247
    assert str(tmp_path) not in command("imports", "list").out  # it is no import of the user's


def test_a_list_whose_name_begins_with_a_dash_is_gone_on_with(
    service: Sandbox, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command that is to be pasted takes it for a file, not for a flag."""
    monkeypatch.chdir(tmp_path)
    people(tmp_path, "a@x.de", "b@x.de").rename("-people.csv")
    stopped = command("import", *SEND, "--limit", "1", "--", "-people.csv")
    told = re.search("^To go on: onboard360 (.*)$", stopped.err, re.MULTILINE)
    assert told is not None
    assert command(*shlex.split(told[1])).code == 0
    assert len(service.clients()) == 2


@pytest.mark.parametrize(("flag", "said"), [(("--settle", "1e308"), "settle_s"), (("--rate", "1e-300"), "rate")])
def test_no_wait_is_longer_than_a_clock(
    service: Sandbox, command: Command, tmp_path: Path, flag: tuple[str, str], said: str
) -> None:
    """A number that nobody can mean is refused before anything is sent."""
    refused = command("import", people(tmp_path, "a@x.de"), *SEND, *flag)
    assert (refused.code, refused.err.startswith(f"Error: {said} must be a number"), service.clients()) == (2, True, [])


def test_a_lost_answer_that_stops_an_import_is_told_plainly(service: Sandbox, command: Command, tmp_path: Path) -> None:
    """To look before sending again is what the import itself does; nobody is told to call a function."""
    service.add_fault("500-before", method="POST")
    said = command("import", people(tmp_path, "a@x.de"), *SEND, "--max-ambiguous", "1")
    assert (said.code, "find_client" in said.err) == (8, False)
    assert "Stopped early: The last answer was lost. The server failed while it handled a POST" in said.err


def test_what_to_say_of_a_list_is_told_in_words_that_fit_the_command(
    service: Sandbox, command: Command, tmp_path: Path
) -> None:
    """Not `encoding=`, which is an argument in code: here it is a flag."""
    (tmp_path / "a.csv").write_bytes(b"email,name\na@x.de,J\xf6rg\n")
    (tmp_path / "b.csv").write_bytes("email\nb@x.de\n".encode("utf-16-le"))
    (tmp_path / "c.csv").write_bytes(b"PK\x03\x04")
    (tmp_path / "d.json").write_text('"d@x.de"')
    said = [command("import", path, *SEND).err for path in sorted(tmp_path.iterdir())]
    told = re.findall(r"Say its encoding|its encoding utf-16-le\?|its format is \w+", " ".join(said))
    assert told == ["Say its encoding", "its encoding utf-16-le?", "its format is xlsx", "its format is jsonl"]
    assert not [each for each in said if re.search(r"\b(encoding|form)=", each)]
