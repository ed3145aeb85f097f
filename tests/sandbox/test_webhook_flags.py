"""The command's flags about webhooks: each reaches its switch, and no secret is ever a flag."""

import http.client
import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from attrs import fields

from onboard360_async.sandbox import EVENTS, Webhook, command
from onboard360_async.sandbox.command import main
from tests.sandbox.calls import JOHN
from tests.sandbox.receiver import BlockingReceiver, accepts_bytes

HOOK = "http://127.0.0.1:9/hook"
VARIABLE = "ONBOARD360_WEBHOOK_SECRET"


def asked_for(monkeypatch: pytest.MonkeyPatch, *flags: str) -> dict[str, Any]:
    """What the command makes its sandbox of."""
    made: list[dict[str, Any]] = []

    def fake(**options: Any) -> None:
        made.append(options)
        raise ValueError("seen enough")

    monkeypatch.setattr(command, "Sandbox", fake)
    main(flags)
    return made[0]


def switches(webhook: Webhook) -> dict[str, Any]:
    return {each.name: getattr(webhook, each.name) for each in fields(Webhook) if each.name not in ("id", "secrets")}


def test_without_switches_the_endpoints_own_defaults_stand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each --webhook is an endpoint of its own, all with one secret, a new one."""
    first, second = asked_for(monkeypatch, "--webhook", HOOK, "--webhook", f"{HOOK}/2")["webhooks"]
    assert switches(first) == switches(Webhook(url=HOOK))
    assert switches(second) == switches(Webhook(url=f"{HOOK}/2"))
    assert first.id != second.id
    assert first.secret == second.secret
    assert first.secret.startswith("whsec_test_")


def test_every_switch_can_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a flag each, for every endpoint."""
    flags = (
        f"--webhook {HOOK} --webhook {HOOK} --webhook-events client.completed,client.created --webhook-retries 5,.5"
        " --webhook-time-scale 0.1 --webhook-duplicates 2 --webhook-reorder 0.3 --webhook-seed 4 --tamper spaced"
    )
    webhooks = asked_for(monkeypatch, *flags.split())["webhooks"]
    expected = {
        "url": HOOK,
        "events": ("client.created", "client.completed"),
        "retries": (5.0, 0.5),
        "time_scale": 0.1,
        "duplicates": 2,
        "reorder": 0.3,
        "seed": 4,
        "tamper": "spaced",
    }
    assert [switches(webhook) for webhook in webhooks] == [expected, expected]
    for name, retries in (("none", ()), ("standard", Webhook(url=HOOK).retries)):
        (webhook,) = asked_for(monkeypatch, "--webhook", HOOK, "--webhook-retries", name)["webhooks"]
        assert webhook.retries == retries


def test_the_secret_comes_from_a_file_or_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The file wins: its first line, without a mark, blank lines before it and its end; an empty variable is none."""
    (path := tmp_path / "secret").write_text("of the file\n")
    monkeypatch.setenv(VARIABLE, "of the environment")
    flags = ("--webhook", HOOK)
    assert asked_for(monkeypatch, *flags)["webhooks"][0].secret == "of the environment"
    assert asked_for(monkeypatch, *flags, "--webhook-secret-file", str(path))["webhooks"][0].secret == "of the file"
    path.write_bytes("\ufeff\r\n öf the file \r\nold\r\n".encode())
    assert asked_for(monkeypatch, *flags, "--webhook-secret-file", str(path))["webhooks"][0].secret == "öf the file"
    monkeypatch.setenv(VARIABLE, "")
    assert asked_for(monkeypatch, *flags)["webhooks"][0].secret.startswith("whsec_test_")


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["--webhook", "http://example.com/"], "--allow-remote"),
        (["--webhook", "hook"], "URL"),
        (["--webhook", HOOK, "--tamper", "sneeze"], "no-signature"),
        (["--webhook", HOOK, "--webhook-events", "client.sneezed"], EVENTS[1]),
        (["--webhook", HOOK, "--webhook-retries", "daily"], "standard"),
        (["--webhook", HOOK, "--webhook-retries", "-1"], "retries"),
        (["--webhook", HOOK, "--webhook-duplicates", "x"], "--webhook-duplicates"),
        (["--webhook", HOOK, "--webhook-reorder", "2"], "reorder"),
        (["--webhook", HOOK, "--webhook-secret-file", "/nowhere/at/all"], "/nowhere/at/all: No such file"),
        (["--tamper", "spaced"], "--webhook URL"),
        (["--webhook-seed", "0"], "--webhook URL"),
        (["--webhook-secret-file", "{empty}"], "--webhook URL"),
        (["--webhook", HOOK, "--webhook-secret-file", "{empty}"], "secret"),
        (["--webhook", HOOK, "--webhook-secret-file", "{binary}"], "UTF-8"),
    ],
)
def test_a_bad_flag_is_one_line_and_2(
    flags: list[str], expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It names what to change; nothing is served."""
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "binary").write_bytes(b"\xff")
    named = [flag.format(empty=tmp_path / "empty", binary=tmp_path / "binary") for flag in flags]
    assert main(["--port", "0", *named]) == 2
    output, errors = capsys.readouterr()
    assert output == ""
    assert expected in errors
    assert errors.count("\n") == 1


@pytest.mark.usefixtures("children_are_measured")
@pytest.mark.parametrize("is_given", [True, False])
def test_a_new_secret_is_printed_to_paste_and_a_given_one_is_not(
    is_given: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With it a receiver accepts what the command sends; Ctrl-C ends all without a word more."""
    if is_given:
        monkeypatch.setenv(VARIABLE, "ours")
    with BlockingReceiver() as receiver:
        arguments = [sys.executable, "-m", "onboard360_async.sandbox", "--port", "0", "--webhook", receiver.url]
        process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        with process:
            assert process.stdout is not None
            assert process.stderr is not None
            printed = "".join(process.stdout.readline() for _ in range(5 if is_given else 6))
            found = dict(re.findall(r"^export (\w+)=(\S+)$", printed, re.MULTILINE))
            connection = http.client.HTTPConnection(found["ONBOARD360_BASE_URL"].removeprefix("http://"), timeout=10)
            key = {"Authorization": f"Bearer {found['ONBOARD360_API_KEY']}"}
            connection.request("POST", "/api/v1/clients", json.dumps(JOHN), key)
            with connection.getresponse() as answer:
                assert answer.status == 201
            connection.close()
            got = receiver.got.get(timeout=10)
            process.send_signal(signal.SIGINT)
            output, errors = process.stdout.read(), process.stderr.read()
        assert (process.returncode, output, errors) == (0, "", "")
    assert (VARIABLE in found) is not is_given
    assert accepts_bytes(got.body, got.headers["X-360onboard-Signature"], found.get(VARIABLE, "ours"))
