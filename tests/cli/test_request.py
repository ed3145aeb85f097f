"""`onboard360 request`: what is sent is what was typed, what comes back is shown whole, and nothing else is reached."""

import csv
import io
import json
import stat
from pathlib import Path

import pytest

from onboard360_async import settings
from onboard360_async.sandbox import Sandbox
from tests.cli.conftest import Command

CAMPAIGN = "550e8400-e29b-41d4-a716-446655440000"
JOHN = {"campaign_id": CAMPAIGN, "email": "john@example.com"}


@pytest.mark.parametrize("path", ["/campaigns", "campaigns", "/api/v1/campaigns", "api/v1/campaigns"])
def test_a_path_may_be_typed_as_one_has_it(service: Sandbox, command: Command, path: str) -> None:
    """With or without the slash, and what the base URL ends in; the answer is the API's own, pretty."""
    said = command("request", "get", path)
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith('{\n "campaigns": [\n  {\n   "id": "')
    assert json.loads(said.out)["campaigns"][0]["id"] == CAMPAIGN
    assert [(each.method, each.path) for each in service.requests] == [("GET", "/api/v1/campaigns")]


def test_a_query_is_typed_or_named(service: Sandbox, command: Command) -> None:
    """Behind a question mark or by --param, both at once; a name that is there twice is refused before anything."""
    service.add_client(CAMPAIGN, "john@example.com")
    command("request", "GET", f"clients?campaign_id={CAMPAIGN}", "--param", "note=a b&c")
    assert [each.query for each in service.requests] == [f"campaign_id={CAMPAIGN}&note=a b%26c"]
    twice = command("request", "GET", "clients?limit=1", "--param", "limit=2")
    assert (twice.code, "'limit' is there twice" in twice.err) == (3, True)
    assert command("request", "GET", "clients", "--param", "limit").code == 2
    assert len(service.requests) == 1


@pytest.mark.parametrize(
    "path", ["http://example.com/clients", "https://app.360onboard.com/api/v1/clients", "//example.com/clients"]
)
def test_no_other_host_is_asked(service: Sandbox, command: Command, path: str) -> None:
    """Not even the service's own is taken from the path: the key goes where the base URL says."""
    said = command("request", "GET", path)
    assert (said.code, said.err.count("\n"), service.requests) == (3, 1, [])
    assert "PATH is below the base URL" in said.err


@pytest.mark.parametrize("path", ["", "/", "/a/../../x", "/clients/", "/cli ents", "/clients#x", "/api/v1/"])
def test_a_path_that_leads_nowhere_is_one_clear_line(service: Sandbox, command: Command, path: str) -> None:
    """Nothing is sent, and a rehearsal says the same."""
    for rehearsal in ((), ("--dry-run",)):
        said = command("request", "GET", path, *rehearsal)
        assert (said.code, said.err.count("\n"), service.requests) == (3, 1, [])
        assert "must look like /clients" in said.err


def test_a_post_is_sent_as_it_was_said(
    service: Sandbox, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the line, in a file, or on stdin; the answer with the link is shown in each form."""
    file = tmp_path / "john.json"
    file.write_text(json.dumps(JOHN), encoding="utf-8-sig")
    whole = json.loads(command("request", "POST", "/clients", "--data", json.dumps(JOHN)).out)
    assert whole["client"]["link"].startswith(service.url)
    (row,) = csv.DictReader(
        io.StringIO(command("request", "POST", "clients", "--data", f"@{file}", "--format", "csv").out)
    )
    assert row["link"].startswith(service.url)
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(JOHN)))
    assert f"{service.url}/c/" in command("request", "POST", "clients", "--data", "-", "--format", "table").out
    assert [client["email"] for client in service.clients()] == ["john@example.com"] * 3


@pytest.mark.parametrize(
    ("data", "code", "reason"),
    [
        ('{"email": "john@example.com"', 3, "--data is not JSON (Expecting"),
        ("[NaN]", 3, "--data is not JSON (a number without end"),
        ("[1e999]", 3, "--data is not JSON (a number without end"),
        ("[" * 100_000, 3, "--data is not JSON"),
        ("null", 3, "leave it out to send none"),
        ("@nowhere.json", 2, "Cannot read the body from nowhere.json: No such file"),
    ],
)
def test_a_body_that_is_none_is_told_without_showing_it(
    service: Sandbox, command: Command, data: str, code: int, reason: str
) -> None:
    """It may hold people, and nothing of it was sent."""
    said = command("request", "POST", "/clients", "--data", data)
    assert (said.code, reason in said.err, "john" in said.err, service.requests) == (code, True, False, [])


def test_a_get_has_no_body_and_stdin_is_read_once(service: Sandbox, command: Command) -> None:
    """Both are told before anything is sent."""
    body = command("request", "GET", "/clients", "--data", "{}")
    assert (body.code, "A GET has no body" in body.err) == (2, True)
    both = command("request", "POST", "/clients", "--data", "-", "--api-key-file", "-")
    assert (both.code, "cannot both come from stdin" in both.err, service.requests) == (2, True, [])


def test_a_rehearsal_shows_what_would_be_asked(service: Sandbox, command: Command) -> None:
    """The very address that is asked without it; neither the key nor the body, of which it says the length."""
    asked = ("clients?campaign_id=x", "--param", "email=a b@example.com")
    said = command("request", "GET", *asked, "--dry-run")
    assert (said.code, service.requests) == (0, [])
    command("request", "GET", *asked)
    (request,) = service.requests
    assert said.out.replace("+", " ") == f"GET {service.url}{request.path}?{request.query}\n"
    assert "Would be sent with no body; nothing was sent." in said.err
    post = command("request", "POST", "clients", "--data", '{"email": "john@example.com"}', "--dry-run")
    assert post.out == f"POST {service.url}/api/v1/clients\n"
    assert "a body of 28 bytes" in post.err
    assert not {"john", service.api_key} & {word for word in ("john", service.api_key) if word in post.out + post.err}
    assert (len(service.requests), service.clients()) == (1, [])


def test_a_rehearsal_needs_what_the_request_would(
    service: Sandbox, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key, and a base URL that may be asked."""
    assert command("request", "GET", "/clients", "--dry-run", "--base-url", "http://example.com").code == 2
    monkeypatch.delenv(settings.API_KEY_VARIABLE)
    assert command("request", "GET", "/clients", "--dry-run").code == 2


# --- what comes back ---


def answered(service: Sandbox, body: object, status: int = 200) -> None:
    """What the service says to all that is asked."""
    service.clear_faults()
    service.add_fault("status", status=status, body=body if isinstance(body, str) else json.dumps(body))


@pytest.mark.parametrize(
    ("body", "rows", "beside"),
    [
        ({"clients": [{"id": 1}, {"name": "x"}]}, [{"id": "1", "name": ""}, {"id": "", "name": "x"}], ""),
        ([{"id": 1}], [{"id": "1"}], ""),
        ({"client": {"id": "a"}}, [{"id": "a"}], ""),
        ({"clients": [{"id": 1}], "next_cursor": "c"}, [{"id": "1"}], "next_cursor"),
        ({"a": [{"b": 1}], "c": [{"d": 2}]}, [{"a": '[{"b": 1}]', "c": '[{"d": 2}]'}], ""),
        ({"ok": True, "none": None, "tags": ["ä"]}, [{"ok": "true", "none": "", "tags": '["ä"]'}], ""),
        ([1, "x", None], [{"value": "1"}, {"value": "x"}, {"value": ""}], ""),
        ("17", [{"value": "17"}], ""),
    ],
)
def test_any_answer_has_rows(service: Sandbox, command: Command, body: object, rows: object, beside: str) -> None:
    """Its list, its one object or itself; what is left out is named, and nothing of another shape is refused."""
    answered(service, body)
    said = command("request", "GET", "/anything", "--format", "csv")
    assert (said.code, list(csv.DictReader(io.StringIO(said.out)))) == (0, rows)
    assert said.err == (f"Not shown: {beside} (--format json shows all of it).\n" if beside else "")
    assert command("request", "GET", "/anything", "--format", "table").code == 0
    lines = command("request", "GET", "/anything", "--format", "jsonl").out.splitlines()
    assert len(lines) == len(list(csv.DictReader(io.StringIO(said.out))))
    whole = command("request", "GET", "/anything").out
    assert json.loads(whole) == (17 if body == "17" else body)


@pytest.mark.parametrize("body", ["", "[]", '{"clients": []}'])
def test_an_answer_without_rows_says_so(service: Sandbox, command: Command, body: str) -> None:
    """On stderr: stdout is for what there is."""
    answered(service, body)
    for form in ("csv", "jsonl", "table"):
        said = command("request", "GET", "/anything", "--format", form)
        assert (said.code, said.out, said.err) == (0, "", "The answer holds no rows.\n")
    assert json.loads(command("request", "GET", "/anything").out) == (json.loads(body) if body else None)


def test_a_terminal_obeys_nothing_of_it(service: Sandbox, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sign that begins an order is shown on the screen, and kept for a program."""
    answered(service, '{"name": "\u009b2J"}')
    assert "\u009b" in command("request", "GET", "/anything").out
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    shown = command("request", "GET", "/anything").out
    assert ("\u009b" in shown, r"\x9b2J" in shown) == (False, True)


def test_the_file_for_the_answer_is_opened_before_a_post_is_sent(
    service: Sandbox, command: Command, tmp_path: Path
) -> None:
    """The link is said only once, so nothing is sent that could not be kept; what is kept is the owner's."""
    data = ("--data", json.dumps(JOHN))
    said = command("request", "POST", "clients", *data, "--output", tmp_path / "none" / "answer.json")
    assert (said.code, service.clients()) == (2, [])
    file = tmp_path / "answer.json"
    assert command("request", "POST", "clients", *data, "--output", file).out == ""
    assert json.loads(file.read_text())["client"]["email"] == "john@example.com"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    before = file.read_text()
    service.add_fault("500-before")
    assert command("request", "POST", "clients", *data, "--output", file).code == 6
    assert (file.read_text(), list(tmp_path.iterdir())) == (before, [file])


# --- what goes wrong ---


@pytest.mark.parametrize(("status", "code"), [(400, 1), (401, 4), (403, 1), (404, 1), (302, 1)])
@pytest.mark.parametrize(
    "words", [("request", "GET", "/clients"), ("campaigns", "list"), ("clients", "list")], ids=" ".join
)
def test_a_refusal_is_the_exit_code_of_all_commands(
    service: Sandbox, command: Command, words: tuple[str, ...], status: int, code: int
) -> None:
    """One line, and nothing on stdout."""
    service.add_fault("status", status=status, body='{"error": "No"}')
    said = command(*words)
    assert (said.code, said.out, said.err.count("\n")) == (code, "", 1)
    assert f" was answered {status}" in said.err


@pytest.mark.parametrize("fault", ["commit-then-drop", "500-after", "truncated-201"])
def test_a_post_whose_fate_is_unknown_is_told_and_not_sent_again(
    service: Sandbox, command: Command, fault: str
) -> None:
    """Exit 6: somebody has to look first."""
    service.add_fault(fault, method="POST")
    said = command("request", "POST", "/clients", "--data", json.dumps(JOHN))
    assert (said.code, said.out, "Do not send it again unseen" in said.err) == (6, "", True)
    assert len(service.requests) == len(service.clients()) == 1


def test_the_status_of_each_attempt_can_be_told(
    service: Sandbox, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On stderr, and of those that were asked again, too; the answer on stdout is the same."""
    monkeypatch.setattr("onboard360_async.transport.call.random.uniform", lambda *_: 0.0)
    service.add_fault("500-before", times=1)
    said = command("request", "GET", "/campaigns", "--status")
    assert [line.split()[0] for line in said.err.splitlines()] == ["500", "200"]
    assert "campaigns" in json.loads(said.out)


def test_it_shares_the_budget_of_the_other_commands(service: Sandbox, command: Command) -> None:
    """What it sends is counted where the others look."""
    assert command("request", "GET", "/campaigns").code == 0
    assert json.loads(command("budget", "--format", "json").out)[0]["used"] == 1


def test_no_member_is_folded_whatever_it_is_called(
    service: Sandbox, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody knows what is in it: it may be what is to be copied."""
    answered(service, json.dumps({"name": "a b " * 30, "reason": "c d " * 30}))
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "60")
    shown = command("request", "GET", "/anything", "--format", "table").out
    assert shown == f"name:   {('a b ' * 30).rstrip()}\nreason: {('c d ' * 30).rstrip()}\n"


@pytest.mark.parametrize("flags", [(), ("--status",)], ids=str)
@pytest.mark.parametrize(
    "body", [{"error": "No", "details": "campaign_id is\x1b[2J required."}, {"error": "No"}], ids=str
)
def test_why_the_service_refuses_is_told_to_who_asks(
    service: Sandbox, command: Command, flags: tuple[str, ...], body: dict[str, str]
) -> None:
    """By --status alone, since it may name people; without what a terminal would obey."""
    answered(service, body, 400)
    said = command("request", "POST", "/clients", "--data", "{}", *flags)
    is_told = bool(flags) and "details" in body
    assert (said.code, "The service says: campaign_id is\\x1b[2J required.\n" in said.err) == (1, is_told)
    assert ("campaign_id" in said.err) is is_told


def test_a_fragment_is_no_part_of_a_request(service: Sandbox, command: Command) -> None:
    """Browsers keep it to themselves; so it is refused, in a query as well."""
    said = command("request", "GET", "/clients?limit=1#top")
    assert (said.code, said.out, list(service.requests)) == (3, "", [])
    assert "%23" in said.err
