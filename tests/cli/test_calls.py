"""`campaigns list`, `clients list`, `clients add`: data on stdout in four forms, one clear line for what is wrong."""

import csv
import io
import json
import stat
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from onboard360_async.cli.app import onboard360
from onboard360_async.sandbox import Sandbox
from tests.cli.conftest import Command, commands

CAMPAIGN = "550e8400-e29b-41d4-a716-446655440000"
NAME = "Client Onboarding Flow"


def test_campaigns_are_listed_in_every_form(service: Sandbox, command: Command) -> None:
    """A table for people, JSON, JSON lines and CSV for programs, with the API's own names."""
    table = command("campaigns", "list")
    assert table.code == 0
    assert CAMPAIGN in table.out
    assert NAME in table.out
    assert json.loads(command("campaigns", "list", "--format", "json").out)[0]["name"] == NAME
    assert json.loads(command("campaigns", "list", "--format", "jsonl").out)["id"] == CAMPAIGN
    rows = list(csv.DictReader(io.StringIO(command("campaigns", "list", "--format", "csv").out)))
    assert rows == [
        {"id": CAMPAIGN, "name": NAME, "created_at": "2024-01-01T00:00:00Z", "updated_at": "2024-01-15T10:30:00Z"}
    ]


@pytest.mark.parametrize("campaign", [CAMPAIGN, NAME])
def test_clients_are_listed_by_campaign(service: Sandbox, command: Command, campaign: str) -> None:
    """By id, which is used as it is, or by name."""
    other = service.add_campaign("Other")
    service.add_client(CAMPAIGN, "john@example.com", first_name="Jöhn")
    service.add_client(other, "jane@example.com")
    said = command("clients", "list", "--campaign", campaign, "--format", "jsonl")
    assert [json.loads(line)["first_name"] for line in said.out.splitlines()] == ["Jöhn"]
    everybody = json.loads(command("clients", "list", "--format", "json").out)
    assert [client["email"] for client in everybody] == ["john@example.com", "jane@example.com"]
    assert len([request for request in service.requests if request.path.endswith("/campaigns")]) == (campaign == NAME)


def test_an_empty_listing_is_empty_in_every_form(service: Sandbox, command: Command) -> None:
    """Nobody is no error."""
    assert json.loads(command("clients", "list", "--format", "json").out) == []
    assert command("clients", "list", "--format", "jsonl").out == ""
    assert command("clients", "list", "--format", "csv").out.count("\n") == 1
    assert command("clients", "list").code == 0


def test_a_client_is_added_and_the_link_is_shown(service: Sandbox, command: Command) -> None:
    """The link is said once, so it is never cut, not even where there is no terminal."""
    said = command("clients", "add", "--campaign", NAME, "--email", "john@example.com", "--first-name", "John")
    (client,) = service.clients()
    assert said.code == 0
    assert str(client["link"]) in said.out
    assert client["first_name"] == "John"


def test_a_dry_run_adds_nobody(service: Sandbox, command: Command) -> None:
    """Everything is looked up, nothing is sent."""
    said = command("clients", "add", "--campaign", NAME, "--email", "john@example.com", "--dry-run")
    assert (said.code, service.clients()) == (0, [])
    assert "nothing was sent" in said.err


def test_output_goes_to_a_private_file_when_it_is_whole(service: Sandbox, command: Command, tmp_path: Path) -> None:
    """A file with people in it is its owner's; a failed call leaves the old one alone."""
    service.add_client(CAMPAIGN, "john@example.com")
    path = tmp_path / "clients.csv"
    assert command("clients", "list", "--format", "csv", "--output", path).code == 0
    before = path.read_text()
    assert "john@example.com" in before
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    service.add_fault("500-before")
    assert command("clients", "list", "--format", "csv", "--output", path).code == 1
    assert path.read_text() == before
    assert list(tmp_path.iterdir()) == [path]
    service.clear_faults()
    nowhere = command("clients", "list", "--output", tmp_path / "none" / "x.csv")
    assert (nowhere.code, "Cannot write" in nowhere.err) == (2, True)


def test_the_key_comes_from_a_file_or_the_environment(
    service: Sandbox, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never from a flag's value; from stdin with a dash."""
    monkeypatch.delenv("ONBOARD360_API_KEY")
    path = tmp_path / "key"
    path.write_text(f"{service.api_key}\n")
    assert command("campaigns", "list", "--api-key-file", path).code == 0
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{service.api_key}\n"))
    assert command("campaigns", "list", "--api-key-file", "-").code == 0
    missing = command("campaigns", "list", "--api-key-file", tmp_path / "none")
    assert (missing.code, "Cannot read the key file" in missing.err) == (2, True)


def test_no_key_is_one_clear_line(command: Command) -> None:
    """It names the variable and the sandbox."""
    said = command("campaigns", "list")
    assert said.code == 2
    assert said.err.startswith("Error: No API key: set ONBOARD360_API_KEY")
    assert said.err.count("\n") == 1


@pytest.mark.parametrize("url", ["nonsense", "http://example.com", "https://", "https://a.b/?x"])
def test_a_bad_base_url_is_one_clear_line(service: Sandbox, command: Command, url: str) -> None:
    """Before anything is sent."""
    said = command("campaigns", "list", "--base-url", url)
    assert (said.code, said.err.count("\n")) == (2, 1)
    assert said.err.startswith("Error: The base URL")


def test_an_unknown_campaign_is_told_with_its_neighbours(service: Sandbox, command: Command) -> None:
    """Exit 3, nothing sent but the look-up."""
    said = command("clients", "add", "--campaign", "Client Onbording", "--email", "a@example.com")
    assert said.code == 3
    assert f"{NAME} ({CAMPAIGN})" in said.err
    assert service.clients() == []


def test_a_wrong_key_is_exit_4(service: Sandbox, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the key is not shown."""
    monkeypatch.setenv("ONBOARD360_API_KEY", "sk_test_wrong")
    said = command("campaigns", "list")
    assert (said.code, "sk_test_wrong" in said.err) == (4, False)


def test_an_add_whose_answer_is_lost_is_exit_6(service: Sandbox, command: Command) -> None:
    """The next step is named."""
    service.add_fault("commit-then-drop", method="POST")
    said = command("clients", "add", "--campaign", CAMPAIGN, "--email", "john@example.com")
    assert (said.code, "find_client" in said.err, "john" in said.err) == (6, True, False)


@pytest.mark.usefixtures("children_are_measured")
@pytest.mark.parametrize("closing", ["| head -n 1", ">&-", "2>&-"])
def test_a_stream_that_is_closed_is_no_error_of_a_process(service: Sandbox, closing: str) -> None:
    """A pipe that is closed, or a stream that never was: exit 0 and no traceback."""
    for number in range(2_001):
        service.add_client(CAMPAIGN, f"p{number}@example.com")
    started = f"'{sys.executable}' -c 'from onboard360_async.cli import main; main()'"
    shell = ["bash", "-o", "pipefail", "-c", f"{started} clients list --format jsonl {closing}"]
    done = subprocess.run(shell, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_every_command_has_help(command: Command) -> None:
    """Each command and each option says what it does."""
    for path, each in commands(onboard360):
        if path[-1] != "sandbox":
            assert each.help, path
            said = command(*path, "--help")
            assert (said.code, "Usage: onboard360" in said.out) == (0, True)
    assert command("--help").code == command("--version").code == 0


def test_usage_errors_are_exit_2(command: Command) -> None:
    """What click finds wrong with the words themselves."""
    for arguments in (("nonsense",), ("clients", "add"), ("campaigns", "list", "--format", "xml")):
        assert command(*arguments).code == 2


class _WebPage(BaseHTTPRequestHandler):
    """A server that answers everything with a page to log in."""

    def do_GET(self) -> None:
        """A page."""
        page = b"<!doctype html><title>Log in</title>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *_: object) -> None:
        """Nothing on stderr."""


def test_a_server_that_answers_html_is_one_clear_line(
    service: Sandbox, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A login page instead of the API: the base URL is named as the likely cause, and nothing is lost."""
    path = tmp_path / "people.csv"
    path.write_text("email\na@x.de\n")
    with HTTPServer(("127.0.0.1", 0), _WebPage) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        wrong = ("--base-url", f"http://127.0.0.1:{server.server_port}")
        for arguments in (("campaigns", "list"), ("clients", "list"), ("import", path, "--campaign", CAMPAIGN)):
            said = command(*arguments, *wrong)
            assert (said.code, said.err.count("\n")) == (1, 1)
            assert "web page, not JSON; check the base URL" in said.err
        server.shutdown()
    assert command("import", path, "--campaign", CAMPAIGN, "--yes").code == 0
    assert len(service.clients()) == 1
