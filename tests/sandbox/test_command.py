"""The command: what it prints, how it ends, and how it says that it cannot."""

import http.client
import importlib
import inspect
import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from onboard360_async.sandbox import KINDS, LIMITERS, PRESETS, SWITCHES, TAMPERINGS, Sandbox, command
from onboard360_async.sandbox.command import PORT, main


def started(*flags: str) -> tuple["subprocess.Popen[str]", str]:
    """The running command, and what it printed at its start."""
    arguments = [sys.executable, "-m", "onboard360_async.sandbox", "--port", "0", *flags]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    return process, "".join(process.stdout.readline() for _ in range(5))


@pytest.mark.usefixtures("children_are_measured")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_prints_where_it_is_serves_and_ends_quietly(number: signal.Signals) -> None:
    """URL, key and two lines to paste; one request works; Ctrl-C or SIGTERM ends it with 0 and no word more."""
    process, printed = started("--campaign", "Zoë's", "--fault", "429:nth=2", "--limit", "2", "--retry-after")
    with process:
        url = re.findall(r"^export ONBOARD360_BASE_URL=(http://127\.0\.0\.1:\d+)$", printed, re.MULTILINE)[0]
        key = re.findall(r"^export ONBOARD360_API_KEY=(sk_test_\w+)$", printed, re.MULTILINE)[0]
        assert url in printed.splitlines()[0]
        assert key in printed.splitlines()[0]
        connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=10)
        answers = []
        for _ in range(3):
            connection.request("GET", "/api/v1/campaigns", headers={"Authorization": f"Bearer {key}"})
            with connection.getresponse() as answer:
                answers.append((answer.status, answer.headers["Retry-After"] is not None, answer.read().decode()))
        process.send_signal(number)
        output, errors = process.communicate(timeout=10)
        connection.close()
    assert (process.returncode, output, errors) == (0, "", "")
    assert [answer[:2] for answer in answers] == [(200, False), (429, True), (429, True)]
    assert "Zoë's" in answers[0][2]


def test_interrupted_before_it_serves_it_ends_quietly(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C while it still begins: 0, and not a word."""

    def interrupted(*_: object) -> Sandbox:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "_sandbox", interrupted)
    assert command.main([]) == 0
    assert capsys.readouterr() == ("", "")


def test_who_only_imports_its_command_starts_nothing() -> None:
    """Tools that look into every module, as those that write documentation, are not kept by a server."""
    assert importlib.import_module("onboard360_async.sandbox.__main__").__all__ == []


def complaint(capsys: pytest.CaptureFixture[str], *flags: str) -> str:
    """The one line on stderr with which it refused."""
    assert main(flags) == 2
    output, errors = capsys.readouterr()
    assert output == ""
    assert errors.startswith("onboard360 sandbox: ")
    assert errors.count("\n") == 1
    return errors


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["--fault", "sneeze"], "drop-before"),
        (["--fault", "429:nth=x"], "nth"),
        (["--fault", "429:nth=0"], "nth"),
        (["--fault", "cut-listing:keep=-1"], "keep"),
        (["--key", "sk_live_1"], "--allow-live-keys"),
        (["--limit", "0"], "limit"),
        (["--limit", "many"], "--limit"),
        (["--window", "0"], "window"),
        (["--limiter", "tumbling"], "sliding"),
        (["--port", "70000"], "port"),
        (["--nonsense"], "--nonsense"),
        (["--db", "/nowhere/at/all.db"], "/nowhere/at/all.db"),
    ],
)
def test_a_bad_flag_is_one_line_and_2(flags: list[str], expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It names what to change; there is no traceback, and no port is taken."""
    assert expected in complaint(capsys, "--port", "0", *flags)


def test_a_file_that_is_no_database_is_one_line_and_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The file is named and left as it was."""
    (path := tmp_path / "notes.txt").write_text("not a database " * 100)
    assert str(path) in complaint(capsys, "--port", "0", "--db", str(path))
    assert path.read_text() == "not a database " * 100


@pytest.mark.parametrize(
    ("seed", "expected"),
    [(None, "No such file"), ("{", "no JSON"), ("[" * 100_000, "no JSON"), ('{"clients": [5]}', "clients[0]")],
)
def test_a_seed_that_cannot_be_used_is_one_line_and_2(
    tmp_path: Path, seed: str | None, expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that is not there, that is no JSON, and JSON that is no seed."""
    path = tmp_path / "seed.json"
    if seed is not None:
        path.write_text(seed)
    assert expected in complaint(capsys, "--port", "0", "--seed", str(path))


def test_a_seed_and_a_file_by_flag(tmp_path: Path) -> None:
    """The seed is there at the start and after a reset; started again with the same file, it does not come twice."""
    (seed := tmp_path / "seed.json").write_text(
        '{"campaigns": [{"id": "1", "name": "A"}], "clients": [{"campaign": "A", "email": "a@example.com"}]}'
    )
    for path, body in (("clients", None), ("reset", b""), ("clients", b'{"campaign_id": "1", "email": "b@x.yz"}')):
        process, printed = started("--seed", str(seed), "--db", str(tmp_path / "state.db"))
        with process:
            url = re.findall(r"^page: (http://127\.0\.0\.1:\d+)/$", printed, re.MULTILINE)[0]
            with urlopen(f"{url}/_sandbox/{path}", body):
                pass
            with urlopen(f"{url}/_sandbox/clients") as answer:
                clients = json.load(answer)["clients"]
            process.send_signal(signal.SIGTERM)
            assert process.communicate(timeout=10)[1] == ""
        assert [(client["email"], client["campaign_id"]) for client in clients][:1] == [("a@example.com", "1")]
        assert len(clients) == (1 if path == "reset" or body is None else 2)


def test_a_port_in_use_is_one_line_and_2(capsys: pytest.CaptureFixture[str]) -> None:
    """The port is named, and the flag that helps."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        refused = complaint(capsys, "--port", port)
    assert port in refused
    assert "--port" in refused


def test_every_flag_reaches_the_sandbox(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without flags the sandbox's own defaults stand; with flags, theirs."""
    made: list[dict[str, Any]] = []

    def fake(**options: Any) -> None:
        made.append(options)
        raise ValueError("seen enough")

    monkeypatch.setattr(command, "Sandbox", fake)
    main([])
    flags = "--port 1 --limit 2 --window 3.5 --limiter off --count-refused --retry-after --db f --key a --key b"
    flags += " --preset hostile --paging link --page-size 7 --order newest --duplicate-email 409 --created-status 200"
    flags += " --unknown-campaign 400 --link-in-listings --blanks empty --error-body html --extra-fields --rate-limit"
    (seed := tmp_path / "seed.json").write_text('{"campaigns": ["A"]}', encoding="utf-8-sig")
    flags += f" --seed {seed} --allow-live-keys --campaign C --campaign D --allow-remote"
    main(flags.split())
    defaults = inspect.signature(Sandbox).parameters
    assert made[0] == {name: defaults[name].default for name in made[0]} | {"port": PORT}
    assert made[1] == {
        "port": 1,
        "limit": 2,
        "window_s": 3.5,
        "limiter": "off",
        "count_refused": True,
        "preset": "hostile",
        "paging": "link",
        "page_size": 7,
        "order": "newest",
        "duplicate_email": "409",
        "created_status": 200,
        "unknown_campaign": "400",
        "link_in_listings": True,
        "blanks": "empty",
        "error_body": "html",
        "extra_fields": True,
        "retry_after": "seconds",
        "rate_limit": True,
        "db": "f",
        "api_keys": ["a", "b"],
        "allow_live_keys": True,
        "campaigns": ["C", "D"],
        "seed": {"campaigns": ["A"]},
        "webhooks": (),
        "allow_remote": True,
    }


def test_help_tells_every_flag_and_every_fault(capsys: pytest.CaptureFixture[str]) -> None:
    """--help ends with 0 and is complete."""
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    for word in (*KINDS, *TAMPERINGS, "--webhook ", "--webhook-secret-file", "ONBOARD360_WEBHOOK_SECRET"):
        assert word in shown
    flags = [f"--{name.replace('_', '-')}" for name in SWITCHES]
    for word in ("--preset", *PRESETS, *LIMITERS, *flags, "--seed"):
        assert word in shown
    for word in ("--port", "--limit", "--window", "--limiter", "--db", "--key", "--campaign", str(PORT)):
        assert word in shown


def test_a_live_key_and_several_keys_by_flag() -> None:
    """--key is served as given, the first is printed; --allow-live-keys lifts the guard."""
    process, printed = started("--key", "sk_live_1", "--key", "sk_test_2", "--allow-live-keys", "--limiter", "off")
    with process:
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=10)[1] == ""
    assert "export ONBOARD360_API_KEY=sk_live_1\n" in printed
    assert process.returncode == 0
