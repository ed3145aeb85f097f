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
from onboard360_async.sandbox import KINDS, Sandbox
from onboard360_async.webhooks.factories import SECRET, client_created
from tests.cli.conftest import Command, Said
from tests.cli.hooks import Hook
from tests.doctor.service import about, populate
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
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, preset: str
) -> None:
    """Nor name or id of a campaign, in any form, with any answer, on any stream, nor in the preset."""
    with Sandbox(preset=preset, limiter="off", campaigns=["Acme Corp"]) as service:
        (campaign,) = [each["id"] for each in _campaigns(service)]
        for number in range(9):
            service.add_client(campaign, f"john{number}@example.com", first_name="John", phone="+1234567890")
        monkeypatch.setenv("ONBOARD360_API_KEY", service.api_key)
        monkeypatch.setenv("ONBOARD360_BASE_URL", service.url)
        monkeypatch.setenv("ONBOARD360_WEBHOOK_SECRET", SECRET)
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
