"""`onboard360 doctor`: its report whatever the service does, its exit codes, its preset, and what it never shows."""

import asyncio
import csv
import io
import json
import os
import re
import socket
import stat
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from onboard360_async import Budget, settings
from onboard360_async.budget.file_store import FileStore
from onboard360_async.budget.registry import name_for
from onboard360_async.budget.store import StoreError
from onboard360_async.doctor.signed import look_into
from onboard360_async.sandbox import KINDS, Sandbox
from onboard360_async.webhooks import sign
from onboard360_async.webhooks.factories import SECRET, client_completed, client_created, flow_created, unknown_event
from tests.cli.conftest import Command, Said
from tests.cli.hooks import secret_file
from tests.doctor.service import CAMPAIGN, about, populate
from tests.leaks import found_in

PARTS = ("key", "campaigns", "clients", "clock", "budget", "signature")


def sent(service: Sandbox) -> list[tuple[str, str]]:
    return [(request.method, request.path.removeprefix("/api/v1")) for request in service.requests]


# --- the report ---


def test_two_gets_are_sent_and_nothing_else(service: Sandbox, command: Command) -> None:
    """Each once, through the budget that the other commands share; what was spent is said."""
    populate(service)
    said = command("doctor", "--format", "json")
    assert said.code == 0
    assert sent(service) == [("GET", "/campaigns"), ("GET", "/clients")]
    assert said.err.endswith("Sent: 2 requests.\n")
    found = about(said.out)
    assert {name: found[name][0] for name in PARTS} == dict.fromkeys(PARTS[:-1], "ok") | {"signature": "unknown"}
    (state,) = json.loads(command("budget", "--format", "json").out)
    assert state["used"] == 2
    again = json.loads(command("doctor", "--format", "json").out)
    assert "2 of 100 were used before. 2 spent by this" in next(
        each["why"] for each in again if each["about"] == "budget"
    )


def test_every_assumption_has_its_line(service: Sandbox, command: Command) -> None:
    """A 1 to A 9, each with the reason; two GETs prove none of those that are about POSTs."""
    populate(service)
    found = [each for each in json.loads(command("doctor", "--format", "json").out) if each["kind"] == "assumption"]
    assert [each["about"] for each in found] == [f"A {number}" for number in range(1, 10)]
    assert {each["verdict"] for each in found} == {"unknown"}
    assert all(each["why"] for each in found)


def test_the_report_has_every_form(service: Sandbox, command: Command, tmp_path: Path) -> None:
    """A table for people, the same findings for programs, and a file by --output."""
    populate(service)
    columns = ["kind", "about", "verdict", "seen", "why", "next"]
    found = json.loads(command("doctor", "--format", "json").out)
    assert [list(each) for each in found] == [columns] * len(found)
    lines = command("doctor", "--format", "jsonl").out.splitlines()
    rows = list(csv.DictReader(io.StringIO(command("doctor", "--format", "csv").out)))
    names = [each["about"] for each in found]
    assert [json.loads(line)["about"] for line in lines] == [row["about"] for row in rows] == names
    table = command("doctor")
    assert re.findall(r"^\S.*?(?=  )", table.out, re.MULTILINE) == ["about", *names]
    assert "Would tell: the audit at an import's end" in table.out
    path = tmp_path / "report.json"
    assert command("doctor", "--format", "json", "--output", path).out == ""
    assert [each["about"] for each in json.loads(path.read_text())] == names


def test_a_large_listing_is_looked_at_in_part(service: Sandbox, command: Command) -> None:
    """As many clients as were asked for, and it is said that the rest was not."""
    populate(service, 40)
    found = json.loads(command("doctor", "--clients", "25", "--format", "json").out)
    (clients,) = [each for each in found if each["about"] == "clients"]
    assert (clients["verdict"], "the first 25 clients were looked at" in clients["why"]) == ("ok", True)
    for number in ("0", str(settings.DOCTOR_MOST_CLIENTS + 1)):
        assert command("doctor", "--clients", number).code == 2


# --- whatever the service does ---


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("path", ["/campaigns", "/clients"])
def test_a_service_that_fails_gets_a_report(
    service: Sandbox, command: Command, monkeypatch: pytest.MonkeyPatch, kind: str, path: str
) -> None:
    """With every line, an exit code and no traceback; no request is sent again, and none is a POST."""
    if kind == "hang-after-commit":
        monkeypatch.setattr(settings, "DOCTOR_READ_S", 1.5)
    populate(service)
    service.add_fault(kind, path=path, delay_s=0.05)
    healthy = kind in ("delay", "wrong-type", "slow-drip", "truncated-201", "stale-listing", "cut-listing")
    said = command("doctor", "--format", "json")
    found = about(said.out)
    assert (said.code, found[path[1:]][0]) == ((0, "ok") if healthy else (1, "failed"))
    is_alone = kind == "429" and path == "/campaigns"
    assert sent(service) == [("GET", "/campaigns"), ("GET", "/clients")][: 1 if is_alone else 2]
    if path == "/campaigns" and not is_alone:
        assert found["blanks"] == ("observed", "null")  # of the answer that did come
    if path == "/clients" and not healthy and kind != "truncated":
        assert (found["blanks"], found["order"]) == (("unknown", ""), ("unknown", ""))


def test_what_came_before_an_answer_broke_off_is_told(service: Sandbox, command: Command) -> None:
    """Of those clients; how it goes on is unknown."""
    populate(service, 20)
    service.add_fault("truncated", path="/clients")
    found = about(command("doctor", "--format", "json").out)
    assert found["clients"] == ("failed", "200")
    assert (found["blanks"], found["paging"]) == (("observed", "null"), ("unknown", ""))


def test_a_key_that_is_refused_ends_it(service: Sandbox, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit 4 after one request; all else is unknown, but what an error is like."""
    monkeypatch.setenv("ONBOARD360_API_KEY", "sk_test_wrong")
    said = command("doctor", "--format", "json")
    assert (said.code, sent(service)) == (4, [("GET", "/campaigns")])
    found = about(said.out)
    assert (found["key"], found["campaigns"], found["clients"]) == (
        ("failed", "refused"),
        ("failed", "401"),
        ("unknown", ""),
    )
    assert found["error_body"] == ("observed", "object")
    assert {name for name, (verdict, _) in found.items() if verdict == "observed"} == {"error_body", "date"}
    assert "sk_test_wrong" not in said.out + said.err


@pytest.mark.parametrize(("key", "seen"), [("", "none"), ("sk_live_a b", "")])
def test_without_a_key_nothing_is_sent(
    service: Sandbox, command: Command, monkeypatch: pytest.MonkeyPatch, key: str, seen: str
) -> None:
    """Exit 2, and a report that says so."""
    monkeypatch.setenv("ONBOARD360_API_KEY", key)
    said = command("doctor", "--format", "json")
    found = about(said.out)
    assert (said.code, found["key"], sent(service)) == (2, ("failed", seen), [])
    assert found["budget"] == ("unknown", "file")


def test_a_key_from_a_file_is_looked_at_as_it_is_written(service: Sandbox, command: Command, tmp_path: Path) -> None:
    """A newline at its end is every editor's; a blank before it is a slip."""
    path = tmp_path / "key"
    for text, verdict in ((f"{service.api_key}\n", "ok"), (f" {service.api_key}\n", "warning")):
        path.write_text(text)
        said = command("doctor", "--format", "json", "--api-key-file", path)
        assert (said.code, about(said.out)["key"]) == (0, (verdict, "sk_test_"))


def test_where_nobody_listens_one_request_is_tried(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second would only meet the same."""
    monkeypatch.setenv("ONBOARD360_API_KEY", "sk_test_x")
    said = command("doctor", "--format", "json", "--base-url", "http://127.0.0.1:9")
    found = about(said.out)
    assert (said.code, found["campaigns"], found["clients"]) == (1, ("failed", "no answer"), ("unknown", ""))
    assert found["key"] == ("unknown", "sk_test_")
    assert said.err.startswith("39 unknown, 1 ok, 1 failed. Sent: 0 requests.")


# --- the budget ---


def books(service: Sandbox) -> Budget:
    """The budget that the command shares, in another hand."""
    budget = Budget(store="file")
    budget.name_books(name_for(service.api_key, f"{service.url}/api/v1"))
    return budget


def test_a_budget_that_others_use_up_is_told(
    service: Sandbox, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is sent, and it is said what to do."""
    monkeypatch.setattr(settings, "DOCTOR_MAX_WAIT_S", 0.0)

    async def use_up() -> None:
        others = books(service)
        others.pause(50)
        await others.refresh()

    asyncio.run(use_up())
    said = command("doctor", "--format", "json")
    found = {each["about"]: each for each in json.loads(said.out)}
    assert (said.code, sent(service)) == (1, [])
    assert (found["campaigns"]["verdict"], found["clients"]["verdict"]) == ("failed", "unknown")
    assert "onboard360 budget" in found["campaigns"]["next"]


def test_a_folder_that_others_can_read_is_told(
    service: Sandbox, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is made private where that can be; where it cannot, that is a warning."""
    assert about(command("doctor", "--format", "json").out)["budget"] == ("ok", "file")
    folder = Path(os.environ["XDG_STATE_HOME"]) / "onboard360-async"
    monkeypatch.setattr("onboard360_async.budget.file_store._make_private", lambda *_: None)
    folder.chmod(0o755)
    said = command("doctor", "--format", "json")
    assert (said.code, about(said.out)["budget"]) == (0, ("warning", "file"))
    assert "mode 0755" in said.out


def test_a_budget_in_memory_is_a_warning(service: Sandbox, command: Command) -> None:
    """No other command knows of it."""
    said = command("doctor", "--format", "json", "--budget", "memory")
    assert (said.code, about(said.out)["budget"]) == (0, ("warning", "memory"))
    assert "share it: --budget file" in said.out


def test_a_store_that_fails_is_told_and_nothing_is_sent(
    service: Sandbox, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit 2 with a report; the password of its address is nowhere."""
    monkeypatch.setattr(settings, "STORE_PATIENCE_S", 0.1)
    said = command("doctor", "--format", "json", "--budget", "redis://reader:s3cret@127.0.0.1:9/0")
    assert (said.code, sent(service)) == (2, [])
    found = about(said.out)
    assert found["budget"] == ("failed", "redis://reader:<password>@127.0.0.1:9/0")
    assert found["campaigns"] == found["clients"] == ("unknown", "")  # nobody waits for it once more
    assert "s3cret" not in said.out + said.err


def test_a_store_that_can_be_read_and_not_written_is_told(
    service: Sandbox, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a full disk's; exit 2, and nothing is sent."""

    async def full(*_: object) -> bool:
        raise StoreError("No space left on device", is_final=True)

    monkeypatch.setattr(FileStore, "swap", full)
    said = command("doctor", "--format", "json")
    found = about(said.out)
    assert (said.code, sent(service)) == (2, [])
    assert (found["budget"], found["campaigns"], found["clients"]) == (
        ("failed", "file"),
        ("failed", "no answer"),
        ("unknown", ""),
    )


def test_who_else_uses_the_budget_is_counted(service: Sandbox, command: Command) -> None:
    """And not named: `onboard360 budget` does that."""

    async def held() -> Said:
        async with books(service).slot():
            return await asyncio.to_thread(command, "doctor", "--format", "json")

    said = asyncio.run(held())
    assert about(said.out)["budget"] == ("ok", "file")
    assert "1 other process has requests under way (`onboard360 budget` names it)." in said.out
    assert socket.gethostname() not in said.out


def test_a_limit_that_was_lowered_is_a_warning(service: Sandbox, command: Command) -> None:
    """By a header of an answer before, say."""
    service.configure(rate_limit=True, limiter="sliding", limit=40)
    assert about(command("doctor", "--format", "json").out)["limit"] == ("observed", "40")
    said = command("doctor", "--format", "json")
    assert (said.code, about(said.out)["budget"]) == (0, ("warning", "file"))
    assert "have lowered the limit to 40" in said.out


# --- a webhook ---


class Hook:
    """A body in a file, and how it was signed."""

    def __init__(self, folder: Path, body: bytes) -> None:
        self.file, self.body = folder / "body", body
        self.file.write_bytes(body)

    def flags(self, form: Any = "raw", secret: str = SECRET) -> tuple[object, ...]:
        return ("--webhook", self.file, "--signature", sign(self.body, secret, form))


PLAIN = client_created().body
JÖRG = client_created(first_name="Jörg", score=1.0).body
SPACED = json.dumps(json.loads(JÖRG)).encode()
LOOSE = json.dumps(json.loads(JÖRG), ensure_ascii=False, indent=1).encode()


@pytest.fixture
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """As `webhooks verify` has it."""
    monkeypatch.setenv("ONBOARD360_WEBHOOK_SECRET", SECRET)


@pytest.mark.usefixtures("secret")
@pytest.mark.parametrize(
    ("body", "form", "seen"),
    [
        (LOOSE, "raw", "raw"),
        (LOOSE, "js", "js"),
        (LOOSE, "python", "python"),
        (JÖRG, "raw", "raw, js"),
        (PLAIN, "js", "raw, js, python"),
    ],
)
def test_the_form_that_was_signed_is_told(
    service: Sandbox, command: Command, tmp_path: Path, body: bytes, form: str, seen: str
) -> None:
    """Which of the three, or all that are the same bytes: then nobody can tell."""
    said = command("doctor", "--format", "json", *Hook(tmp_path, body).flags(form))
    found = about(said.out)
    assert said.code == 0
    assert (found["A 9"], found["signature"]) == (("observed", seen), ("ok", "secret 1"))
    assert ("cannot tell" in said.out) == ("," in seen)
    assert found["webhook_client"] == ("observed", "client_id")


def test_which_secret_signed_is_told_by_its_place(service: Sandbox, command: Command, tmp_path: Path) -> None:
    """The secrets themselves are not."""
    secrets = secret_file(tmp_path, f"another\n{SECRET}\n")
    said = command("doctor", "--format", "json", *Hook(tmp_path, LOOSE).flags(), "--secret-file", secrets)
    assert about(said.out)["signature"] == ("ok", "secret 2")
    assert SECRET not in said.out


@pytest.mark.usefixtures("secret")
def test_a_webhook_that_nobody_signed_says_nothing(service: Sandbox, command: Command, tmp_path: Path) -> None:
    """Another secret is no word against A 9; the signature failed, and exit 1 says so."""
    said = command("doctor", "--format", "json", *Hook(tmp_path, JÖRG).flags(secret="other"))
    found = about(said.out)
    assert (said.code, found["A 9"], found["signature"]) == (1, ("unknown", ""), ("failed", "refused"))
    assert found["webhook_client"] == found["webhook_extra"] == ("unknown", "")


def test_a_secret_with_a_slip_in_it_shows_the_form_all_the_same(
    service: Sandbox, command: Command, tmp_path: Path
) -> None:
    """White space around it: the signature is refused, and what of the body was signed is known."""
    secrets = secret_file(tmp_path, f" {SECRET}\n")
    said = command("doctor", "--format", "json", *Hook(tmp_path, LOOSE).flags("js"), "--secret-file", secrets)
    found = about(said.out)
    assert (said.code, found["A 9"], found["signature"]) == (1, ("observed", "js"), ("failed", "refused"))
    assert found["webhook_client"] == ("unknown", "")


@pytest.mark.usefixtures("secret")
def test_a_body_that_was_signed_in_no_form_we_know_contradicts(
    service: Sandbox, command: Command, tmp_path: Path
) -> None:
    """The secret is right, and what came is not what was signed: A 9 does not hold for it."""
    hook = Hook(tmp_path, JÖRG)
    said = command("doctor", "--format", "json", "--webhook", hook.file, "--signature", sign(SPACED, SECRET))
    found = about(said.out)
    assert (said.code, found["A 9"], found["signature"]) == (1, ("contradicted", "other"), ("failed", "refused"))
    assert "Wrong: A 9 (contradicted)" in said.err


@pytest.mark.usefixtures("secret")
@pytest.mark.parametrize(
    ("event", "client", "extra", "flags"),
    [
        (client_created(), ("observed", "client_id"), "none", ("observed", "none")),
        (client_created(client_id=None, id="7"), ("contradicted", "id"), "some", ("observed", "none")),
        (client_created(client_id=None), ("contradicted", "neither"), "none", ("observed", "none")),
        (client_created(score=1), ("observed", "client_id"), "some", ("observed", "none")),
        (client_completed(), ("unknown", ""), "none", ("observed", "none")),
        (flow_created(), ("unknown", ""), "none", ("observed", "none")),
        (unknown_event(more=1), ("unknown", ""), "none", ("observed", "none")),
        (client_created(timestamp="2020-01-01T00:00:00Z"), ("observed", "client_id"), "none", ("observed", "old")),
        (client_created(timestamp=""), ("observed", "client_id"), "none", ("contradicted", "undated")),
    ],
)
def test_what_a_webhook_is_like(
    service: Sandbox, command: Command, tmp_path: Path, event: Any, client: Any, extra: str, flags: Any
) -> None:
    """How it names its client, what it has beyond the page, and what the verifier flags."""
    said = command("doctor", "--format", "json", *Hook(tmp_path, event.body).flags())
    found = about(said.out)
    assert (found["webhook_client"], found["webhook_flags"]) == (client, flags)
    assert found["webhook_extra"] == ("observed", extra)
    assert said.code == ("contradicted" in (client[0], flags[0]))


@pytest.mark.usefixtures("secret")
def test_a_header_that_names_another_event_is_told(service: Sandbox, command: Command, tmp_path: Path) -> None:
    """If it is said; nobody signs it."""
    hook = Hook(tmp_path, PLAIN)
    for event, flags in (("client.created", ("observed", "none")), ("x", ("contradicted", "event-header"))):
        found = about(command("doctor", "--format", "json", *hook.flags(), "--event", event).out)
        assert found["webhook_flags"] == flags


@pytest.mark.usefixtures("secret")
def test_a_client_whose_webhook_came_and_who_is_not_listed_is_told(
    service: Sandbox, command: Command, tmp_path: Path
) -> None:
    """Which is no proof against A 3, since they may be deleted; one who is listed is none for it."""
    known = service.add_client(CAMPAIGN, "john@example.com")
    for client_id, is_told in ((known, False), ("nobody", True)):
        hook = Hook(tmp_path, client_created(client_id=client_id).body)
        said = command("doctor", "--format", "json", *hook.flags())
        assert about(said.out)["A 3"] == ("unknown", "")
        assert ("the webhook's client is not in the listing" in said.out) == is_told


def test_a_webhook_is_looked_at_without_a_key(
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, secret: None
) -> None:
    """What can be told is told."""
    said = command("doctor", "--format", "json", *Hook(tmp_path, LOOSE).flags("python"))
    assert (said.code, about(said.out)["A 9"]) == (2, ("observed", "python"))


@pytest.mark.parametrize("words", [("--signature", "x"), ("--event", "x"), ("--secret-file", "x"), ("--webhook", "x")])
def test_flags_of_a_webhook_go_together(service: Sandbox, command: Command, words: tuple[str, ...]) -> None:
    """Before anything is sent."""
    assert (command("doctor", *words).code, sent(service)) == (2, [])


def test_two_things_cannot_both_come_from_stdin(service: Sandbox, command: Command, secret: None) -> None:
    """The key and the body, say."""
    said = command("doctor", "--api-key-file", "-", "--webhook", "-", "--signature", "x")
    assert (said.code, said.err) == (2, "Error: Only one of key, body and secret can come from stdin.\n")


def test_a_body_that_no_other_form_can_be_made_of_is_no_error() -> None:
    """Bytes that are no JSON, and a signature that is none."""
    found = look_into(b"\xff", sign(b"\xff", SECRET), None, (SECRET,))
    assert (found.forms, found.event, found.is_other_form) == ((), None, False)
    assert look_into(b"{}", "nonsense", None, (SECRET,)).forms == ()


# --- the preset, and what is never shown ---


def test_a_preset_is_written_whole_or_not_at_all(
    service: Sandbox, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only what was observed is in it; where nothing was, or nothing can be written, what stood there stays."""
    populate(service)
    path = tmp_path / "preset.json"
    said = command("doctor", "--save", path)
    assert f"Preset: {path}" in said.err
    assert json.loads(path.read_text())["blanks"] == "null"
    before = path.read_text()
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    full = command("doctor", "--save", path)
    assert (full.code, "Error: No space left on device.\n" in full.err) == (1, True)
    monkeypatch.undo()
    nothing = command("doctor", "--save", path)
    assert "No preset was written" in nothing.err  # the environment's key is gone
    assert (path.read_text(), list(tmp_path.iterdir())) == (before, [path])


@pytest.mark.parametrize("name", ["preset", "preset.txt", "no/folder/preset.json"])
def test_where_no_preset_can_be_is_told_before_anything_is_sent(
    service: Sandbox, command: Command, tmp_path: Path, name: str
) -> None:
    """A name that the sandbox would not take, or a folder that is not there."""
    assert (command("doctor", "--save", tmp_path / name).code, sent(service)) == (2, [])


@pytest.mark.parametrize("preset", ["documented", "hostile"])
def test_no_person_and_no_secret_is_in_a_report(
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, preset: str, secret: None
) -> None:
    """Nor name or id of a campaign, in any form, with any answer, on any stream, nor in the preset."""
    with Sandbox(preset=preset, limiter="off", campaigns=["Acme Corp"]) as service:
        (campaign,) = [each["id"] for each in _campaigns(service)]
        for number in range(9):
            service.add_client(campaign, f"john{number}@example.com", first_name="John", phone="+1234567890")
        monkeypatch.setenv("ONBOARD360_API_KEY", service.api_key)
        monkeypatch.setenv("ONBOARD360_BASE_URL", service.url)
        hook = Hook(tmp_path, client_created(**{"doe@example.com": "Doe"}).body)
        shown = ""
        for form in ("table", "json", "jsonl", "csv"):
            said = command("doctor", "--format", form, "--save", tmp_path / "p.json", *hook.flags())
            shown += said.out + said.err
        shown += (tmp_path / "p.json").read_text()
        told = [each for each in found_in(shown) if each not in ("sk_live_", "sk_test_")]
        assert told == []
        for word in (campaign, service.api_key, SECRET, "Doe", *(str(each["id"]) for each in service.clients())):
            assert word not in shown


def _campaigns(service: Sandbox) -> list[dict[str, Any]]:
    request = urllib.request.Request(f"{service.url}/api/v1/campaigns")
    request.add_header("Authorization", f"Bearer {service.api_key}")
    with urllib.request.urlopen(request) as answer:
        found: list[dict[str, Any]] = json.load(answer)["campaigns"]
    return found


def test_a_report_in_a_file_is_its_owners(service: Sandbox, command: Command, tmp_path: Path) -> None:
    """As every --output."""
    assert command("doctor", "--output", tmp_path / "report").code == 0
    assert stat.S_IMODE((tmp_path / "report").stat().st_mode) == 0o600
