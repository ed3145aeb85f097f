"""Where a command writes to: a reader that goes away, a terminal without colours, a stream that cannot show a name."""

import os
import re
import stat
import sys
from pathlib import Path
from typing import Final

import pytest

if sys.platform == "win32":
    pytest.skip("Windows has neither such pipes nor such terminals", allow_module_level=True)

import io

from onboard360_async.cli.app import run
from onboard360_async.sandbox import Sandbox
from onboard360_async.webhooks import sign
from onboard360_async.webhooks.factories import SECRET, client_created
from tests.cli.conftest import Command
from tests.cli.hooks import inbox_of
from tests.cli.terminal import on_terminal
from tests.cli.test_calls import CAMPAIGN, NAME
from tests.cli.test_import import SEND, people

EVENT: Final = client_created(timestamp="2024-01-15T09:00:00Z")
SIGNED: Final = ("body.json", "--signature", sign(EVENT.body, SECRET))
FORMS: Final = ("table", "json", "jsonl", "csv")
MANY: Final = 501  # rows: more than what a stream keeps until it is flushed, and no round number
PRINT: Final = [
    *(("clients", "list", "--format", form) for form in FORMS),
    *(("campaigns", "list", "--format", form) for form in FORMS),
    *(("imports", "results", "people.csv", "--output", "-", "--format", form) for form in FORMS),
    *(("webhooks", "list", "--format", form) for form in FORMS),
    *(("webhooks", "replay", "--since", "2020-01-01", "--dry-run", "--format", form) for form in FORMS),
    ("imports", "list"), ("imports", "show", "people.csv"), ("imports", "show", "people.csv", "--format", "json"),
    ("links", "find", "p1@example.com"), ("links", "find", "p1@example.com", "--format", "csv"),
    ("webhooks", "verify", *SIGNED), ("webhooks", "sign", "body.json"), ("webhooks", "diagnose", *SIGNED),
    ("budget", "--budget", "file"), ("clients", "list", "--help"), ("--help",),
]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An import of many, an inbox of many, a body; they are made by the first test."""
    return tmp_path_factory.mktemp("streams")


@pytest.fixture
def world(service: Sandbox, command: Command, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That folder, a service with many clients, and a terminal that has colours."""
    service.seed({"clients": [{"campaign": NAME, "email": f"p{number}@example.com"} for number in range(MANY)]})
    monkeypatch.chdir(folder)
    monkeypatch.setenv("ONBOARD360_WEBHOOK_SECRET", SECRET)
    monkeypatch.setenv("ONBOARD360_BUDGET", "memory")
    monkeypatch.setenv("TERM", "xterm-256color")
    for name in ("COLUMNS", "NO_COLOR", "FORCE_COLOR", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    if not Path("people.csv").exists():
        command("import", people(folder, *(f"p{number}@example.com" for number in range(MANY))), *SEND)
        inbox_of(Path("onboard360-inbox.db"), *(client_created(client_id=str(number)) for number in range(MANY)))
        Path("body.json").write_bytes(EVENT.body)


@pytest.mark.usefixtures("world")
@pytest.mark.parametrize("words", PRINT, ids=" ".join)
def test_a_reader_that_goes_away_is_no_error(
    words: tuple[str, ...], command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`| head -1`, gone before the first line: no traceback, nothing that is ignored in some destructor, exit 0."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w", encoding="utf-8") as gone:
        monkeypatch.setattr("sys.stdout", gone)
        said = command(*words)
        assert (said.code, said.err) == (0, "")


@pytest.mark.usefixtures("world")
@pytest.mark.parametrize("words", PRINT, ids=" ".join)
def test_without_colour_and_in_a_pipe_no_escape_is_written(
    words: tuple[str, ...], command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NO_COLOR and TERM=dumb on a terminal, and a pipe as it is."""
    assert "\x1b" not in command(*words).out
    for name, value in (("NO_COLOR", "1"), ("TERM", "dumb")):
        with monkeypatch.context() as patch:
            patch.setenv(name, value)
            said = on_terminal(list(words), 80)
            assert (said.code, "\x1b" in said.out + said.err) == (0, False)


@pytest.mark.usefixtures("world")
@pytest.mark.parametrize("no_color", ["", "1"])
def test_what_is_drawn_in_place_has_no_colour_either(
    service: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_color: str
) -> None:
    """An import's bar moves, and that is all; an empty NO_COLOR is none."""
    monkeypatch.setenv("NO_COLOR", no_color)
    path = people(tmp_path, "new@example.com")
    said = on_terminal(["import", str(path), "--campaign", CAMPAIGN, "--yes"], 80)
    assert (said.code, bool(re.search(r"\x1b\[[\d;]*m", said.err))) == (0, not no_color)
    assert "\x1b[2K" in said.err  # it was drawn


@pytest.mark.usefixtures("world")
@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_a_stream_that_lacks_a_sign_fails_on_no_name(
    service: Sandbox, command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, encoding: str
) -> None:
    """PYTHONIOENCODING=ascii, an old console: each form is written, JSON is still JSON."""
    service.add_client(CAMPAIGN, "wang@example.cn", first_name="王")
    for form in FORMS:
        file = tmp_path / form
        with file.open("w", encoding=encoding, newline="") as narrow:
            monkeypatch.setattr("sys.stdout", narrow)
            assert command("clients", "list", "--format", form).code == 0
        assert r"\u738b" in file.read_text(encoding=encoding)


def test_what_stands_in_the_place_of_a_half_file_is_not_followed(
    service: Sandbox, command: Command, tmp_path: Path
) -> None:
    """A link with its name leads nowhere; what it led to stays as it was, and the file is private."""
    (victim := tmp_path / "victim").write_text("mine", encoding="utf-8")
    (tmp_path / ".out.json.part").symlink_to(victim)
    assert command("campaigns", "list", "--format", "json", "--output", tmp_path / "out.json").code == 0
    assert victim.read_text(encoding="utf-8") == "mine"
    assert not (tmp_path / "out.json").is_symlink()
    assert stat.S_IMODE((tmp_path / "out.json").stat().st_mode) == 0o600


def test_results_go_to_a_stdout_that_is_no_file(
    service: Sandbox, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever calls the command from a program may have put something else in its place."""
    path = people(tmp_path, "a@x.de")
    assert command("import", path, *SEND).code == 0
    monkeypatch.setattr(sys, "stdout", out := io.StringIO())
    assert run(["imports", "results", str(path), "--output", "-"]) == 0
    assert "a@x.de" in out.getvalue()


def test_a_stdout_that_is_no_file_is_written_to(
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As a notebook has it: nothing can be set there, and nothing need be."""
    said = io.StringIO()
    monkeypatch.setattr(sys, "stdout", said)
    assert command("--version").code == 0
    assert said.getvalue().startswith("onboard360, version ")
    (tmp_path / "inbox.db").write_text("")
    assert command("demo", "--folder", tmp_path).code == 2
