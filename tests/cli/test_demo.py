"""`onboard360 demo`: what it cannot do is one clear line before anything is sent, and nobody's file is touched."""

import tempfile
from pathlib import Path

import pytest

from onboard360_async.cli.demo import _list_in, _show_links, _show_webhooks, _Watch
from onboard360_async.errors import ConfigurationError, InboxError
from onboard360_async.sandbox import Sandbox
from onboard360_async.transport.options import Event
from onboard360_async.webhooks import Inbox
from tests.cli.conftest import Command


@pytest.mark.parametrize("name", ["people.csv", "people.csv.onboard360.db", "inbox.db"])
def test_a_folder_is_used_once(command: Command, tmp_path: Path, name: str) -> None:
    """What an earlier demo, or somebody else, left there would be taken for this one's, or be written over."""
    (tmp_path / name).write_text("mine")
    said = command("demo", "--folder", tmp_path)
    assert (said.code, said.out, said.err.count("\n")) == (2, "", 1)
    assert f"holds a {name} already" in said.err
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(name, "mine")]


def test_a_folder_that_cannot_be_had_is_one_line(command: Command, tmp_path: Path) -> None:
    """A file of that name, or a place where nothing can be made: exit 2."""
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "below", "/proc/none"):
        said = command("demo", "--folder", folder)
        assert (said.code, said.out, said.err.count("\n")) == (2, "", 1)
        assert said.err.startswith(f"Error: Cannot write in the folder {folder}: ")


def test_the_demo_makes_its_folder_where_the_system_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By TMPDIR, if no folder is said."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)  # as in a process that has not looked yet
    people = _list_in(None)
    assert (people.name, people.parent.parent) == ("people.csv", tmp_path)


def test_a_demo_that_is_given_no_folder_makes_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A new one each time, in the machine's place for such things, with the list in it."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    first, second = _list_in(None), _list_in(None)
    assert first.parent != second.parent
    assert {first.parent.parent, second.parent.parent} == {tmp_path}
    assert first.read_text() == second.read_text() != ""


@pytest.mark.parametrize("window", ["0", "-1", "nan", "inf", "x"])
def test_a_window_is_a_number_of_seconds(command: Command, tmp_path: Path, window: str) -> None:
    """Exit 2, and no folder is made."""
    said = command("demo", "--window", window, "--folder", tmp_path / "new")
    assert (said.code, "--window" in said.err, (tmp_path / "new").exists()) == (2, True, False)


def test_an_inbox_that_cannot_be_used_is_told_before_anything_is_sent(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sandbox that sends to it would try again for an hour; what it sends is sent once."""

    async def counts(_: Inbox) -> None:
        raise InboxError("The disk is full.")

    started: list[Sandbox] = []
    monkeypatch.setattr(Inbox, "counts", counts)
    monkeypatch.setattr(Sandbox, "__aenter__", started.append)
    said = command("demo", "--folder", tmp_path)
    assert (said.code, said.out, said.err, started) == (2, "", "Error: The disk is full.\n", [])


def test_what_the_demo_is_sent_is_sent_once(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever goes wrong on this side, nobody waits for an hour of retries."""

    def add_webhook(_: Sandbox, url: str, **options: object) -> None:
        raise ConfigurationError(f"seen {options}")

    monkeypatch.setattr(Sandbox, "add_webhook", add_webhook)
    assert command("demo", "--folder", tmp_path).err == "Error: seen {'retries': 'none'}\n"


def test_a_link_that_the_demo_shows_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a terminal of eighty: it is what the demo is about, and is to be opened."""
    link = f"http://127.0.0.1:43531/c/{'x' * 12}"
    results = tmp_path / "people.results.csv"
    results.write_text(
        f"First name,Last name,Company,link\nİbrahim,Procházková,Müller Meier & Partner,{link}\n", encoding="utf-8"
    )
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    _show_links(results)
    said = capsys.readouterr()
    lines = said.out.splitlines()
    assert said.err == ""  # a name is folded before a column is left out
    assert [line for line in lines if line.endswith(link)]
    assert max(map(len, lines)) <= 80


def test_a_demo_that_went_wrong_says_so(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Its own 429s are counted, and where no webhook came none is shown."""
    watch = _Watch()
    for status in (200, 429, 429):
        watch(Event("answered", "GET", "/campaigns", 1, status=status))
    assert (watch.refused, watch.granted) == (2, 0)
    _show_webhooks(3, [], tmp_path / "inbox.db")
    assert capsys.readouterr().out.endswith("and handled. The first one:\n")
