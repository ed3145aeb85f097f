"""Before anybody is added: the plan, the question, and what is done where nobody can be asked."""

import io
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from onboard360_async.sandbox import Sandbox
from tests.cli.conftest import Command
from tests.cli.terminal import beside
from tests.cli.test_import import CAMPAIGN, NAME, SEND, START, people, rows


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


@pytest.mark.usefixtures("children_are_measured")
@pytest.mark.parametrize(("answer", "code", "sent"), [("n\n", 8, 0), ("y\n", 0, 3)])
def test_on_a_terminal_it_asks(service: Sandbox, tmp_path: Path, answer: str, code: int, sent: int) -> None:
    """80 columns wide: the plan, the question, the bar; `no` sends nothing and can be gone back on."""
    path = people(tmp_path, "a@x.de", "b@x.de", "c@x.de")
    with beside([*START, "import", str(path), "--campaign", CAMPAIGN], columns=80) as seat:
        said = seat.until("Add 3 clients? [y/N]: ")
        assert posts(service) == 0
        seat.type(answer)
        said += seat.rest()
    assert (seat.process.returncode, posts(service)) == (code, sent)
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


def test_a_list_that_is_typed_is_asked_for(
    service: Sandbox, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing seems to happen where stdin is a terminal, so it is told what is waited for, and how to end it."""
    typed = io.TextIOWrapper(io.BytesIO(b"Email\na@x.de\n"))
    monkeypatch.setattr(typed, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdin", typed)
    monkeypatch.chdir(tmp_path)
    said = command("import", "-", *SEND)
    assert said.err.startswith("Reading the list from this terminal; end it with Ctrl-D, twice if need be.\n")
    assert (said.code, len(service.clients())) == (0, 1)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--api-key-file", "-"), "The list and the key cannot both come from stdin"),
        (("--journal", "books.db"), r"name that \*\.onboard360\.db"),
    ],
)
def test_a_list_from_stdin_that_cannot_be_kept_apart_is_not_read(
    command: Command, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], told: str
) -> None:
    """Exit 2 before a byte of it is taken, so that it can be piped in again."""
    monkeypatch.setattr(sys, "stdin", piped := io.TextIOWrapper(io.BytesIO(b"Email\na@x.de\n")))
    said = command("import", "-", *SEND, *arguments)
    assert (said.code, piped.buffer.tell()) == (2, 0)
    assert re.search(told, said.err)


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


@pytest.mark.usefixtures("children_are_measured")
def test_a_wait_for_lost_answers_is_told_and_can_be_left(service: Sandbox, tmp_path: Path) -> None:
    """Nothing is sent for a minute, and it says why; Ctrl-C ends it at once, and says how to go on."""
    service.add_fault("commit-then-drop", method="POST", times=1)
    path = people(tmp_path, "a@x.de", "b@x.de")
    importing = [*START, "import", str(path), "--campaign", CAMPAIGN, "--yes", "--settle", "300"]
    with subprocess.Popen(importing, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        for line in running.stderr:
            if re.fullmatch(r"Waiting (5 min|4 min \d+ s), then looking for 1 row whose answers were lost\.\n", line):
                running.send_signal(signal.SIGINT)
                break
        said = running.stderr.read()
    assert running.returncode == 130
    assert "2 rows: 1 created, 1 in doubt." in said
    assert f"To go on: onboard360 imports resume {path} --settle 300.0 --yes" in said


def test_a_report_is_written_and_purged(service: Sandbox, command: Command, tmp_path: Path) -> None:
    """A page that names nobody unless it is asked to; a folder that is not there is told before anybody is added."""
    path, report = people(tmp_path, "a@x.de", "b@x.de"), tmp_path / "report.html"
    service.add_fault("drop-before", method="POST", email="b@x.de", times=1)
    said = command("import", path, *SEND, "--report", tmp_path / "none" / "report.html")
    assert (said.code, "there is no such folder" in said.err, posts(service)) == (2, True, 0)
    flags = (*SEND, "--on-ambiguous", "hold", "--report", report)
    said = command("import", path, *flags)
    assert (said.code, f"Report:  {report}" in said.err) == (6, True)
    assert ("x.de" in report.read_text(), report.stat().st_mode & 0o777) == (False, 0o600)
    command("import", path, *flags, "--report-people")
    assert "b@x.de" in report.read_text()
    assert command("imports", "purge", path, "--yes").code == 0
    assert not report.exists()


def test_mended_errors_of_a_guarded_import_go_in_as_they_are(
    service: Sandbox, command: Command, tmp_path: Path
) -> None:
    """What looks like a formula is guarded in both files, and comes to the service as it stood in the list."""
    path = tmp_path / "people.csv"
    path.write_text("Email,First name,Phone\n=a@x.de,'n,+49 1\nbad,=cmd(),-1\n")
    said = command("import", path, *SEND, "--skip-invalid", "--excel-safe")
    assert said.code == 0
    errors = tmp_path / "people.errors.csv"
    assert "bad,'=cmd(),'-1,3," in errors.read_text()
    assert "'=a@x.de,''n,'+49 1,created," in (tmp_path / "people.results.csv").read_text()
    errors.write_text(errors.read_text().replace("bad,", "good@x.de,"))
    assert command("import", errors, *SEND).code == 0
    sent = [(client["email"], client["first_name"], client["phone"]) for client in service.clients()]
    assert sorted(map(str, sent)) == ["('=a@x.de', \"'n\", '+49 1')", "('good@x.de', '=cmd()', '-1')"]


@pytest.mark.parametrize(
    ("flags", "text"),
    [(["--format", "jsonl"], '{"Email": "a@x.de"}\n'), (["--delimiter", ";"], "Email;A,B,C\na@x.de;\n")],
)
def test_a_list_is_read_as_it_is_told(
    service: Sandbox, command: Command, tmp_path: Path, flags: list[str], text: str
) -> None:
    """Its form and its delimiter; results stand under the whole name, since people.csv may be there, too."""
    path = tmp_path / "people.txt"
    path.write_text(text)
    assert command("import", path, *SEND, *flags).code == 0
    assert [client["email"] for client in service.clients()] == ["a@x.de"]
    assert (tmp_path / "people.txt.results.csv").exists()


def test_what_cannot_be_sent_stands_in_a_report_too(service: Sandbox, command: Command, tmp_path: Path) -> None:
    """Whoever asks for a page about the import gets one, whether anybody was sent or not."""
    path = people(tmp_path, "a@x.de", "nobody")
    page = tmp_path / "page.html"
    said = command("import", path, *SEND, "--report", page)
    assert (said.code, posts(service), f"Report:  {page}" in said.err) == (3, 0, True)
    assert "Rows that need a hand: 1" in page.read_text()
    page.unlink()
    assert command("imports", "resume", path, "--skip-invalid", "--dry-run", "--report", page).code == 0
    assert "Nothing was sent yet." in page.read_text()


@pytest.mark.usefixtures("children_are_measured")
@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("import", "people.csv", "--campaign", CAMPAIGN), 2),
        (("import", "-", "--campaign", CAMPAIGN, "--yes"), 3),
        (("imports", "purge", "people.csv", "--force"), 2),
        (("campaigns", "list", "--api-key-file", "-"), 2),
    ],
)
def test_where_there_is_no_stdin_nobody_is_asked(
    service: Sandbox, command: Command, tmp_path: Path, arguments: tuple[str, ...], code: int
) -> None:
    """A service manager may start the command without one: one clear line, as with an empty one."""
    people(tmp_path, "a@x.de")
    assert command("import", tmp_path / "people.csv", "--campaign", CAMPAIGN, "--dry-run").code == 0
    shell = ["bash", "-c", f"{shlex.join((*START, *arguments))} <&-"]
    done = subprocess.run(shell, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, "Traceback" in done.stderr, posts(service)) == (code, False, 0)


def test_a_listing_that_may_be_cut_is_told_once(service: Sandbox, command: Command, tmp_path: Path) -> None:
    """A hundred exactly are there: the plan says so in its own words, and no log line stands beside it."""
    for number in range(100):
        service.add_client(CAMPAIGN, f"old{number}@x.de")
    said = command("import", people(tmp_path, "a@x.de"), "--campaign", CAMPAIGN, "--dry-run")
    assert said.err.count("it may be cut") == 1
    assert "a listing ended" not in said.err


def test_results_that_cannot_be_written_are_told_before_anybody_is_added(
    service: Sandbox, command: Command, tmp_path: Path
) -> None:
    """The journal is elsewhere, and where the results belong nothing can be made: nobody is sent, one clear line."""
    path = people(tmp_path, "a@x.de")
    (tmp_path / ".people.results.csv.part").mkdir()  # root may write anywhere, but not over a folder
    said = command("import", path, *SEND, "--journal", tmp_path / "books.db")
    assert (said.code, posts(service)) == (2, 0)
    assert "Cannot write" in said.err
    assert "Traceback" not in said.err


def test_what_is_no_list_leaves_no_journal(service: Sandbox, command: Command, tmp_path: Path) -> None:
    """A wrong encoding: told, and nothing stands beside the file that anybody would have to explain."""
    path = tmp_path / "people.csv"
    path.write_bytes("email,first_name\na@x.de,Zoë\n".encode("cp1252"))
    assert command("import", path, *SEND).code == 3
    assert [each.name for each in tmp_path.iterdir() if each.is_file()] == ["people.csv"]
    assert posts(service) == 0
