"""`--events-from`: stored webhooks as a second source of links, by the name of a file or by the word `inbox`."""

from pathlib import Path
from typing import Any

import pytest

from onboard360_async import settings
from onboard360_async.cli.shelf import events_from, inboxes, remember_inbox
from onboard360_async.errors import ConfigurationError
from onboard360_async.sandbox import Sandbox
from onboard360_async.webhooks.factories import client_created
from tests.cli.conftest import Command
from tests.cli.hooks import inbox_of
from tests.cli.test_import import SEND, people, rows


@pytest.mark.parametrize("words", [("imports", "resume"), ("imports", "reconcile"), ("import",)], ids=" ".join)
def test_the_inbox_of_this_folder_tells_the_link(
    service: Sandbox, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    """That no answer told: whoever was adopted without one has it in the results, by each of the three commands."""
    monkeypatch.chdir(tmp_path)
    service.add_fault("commit-then-drop", method="POST", times=1)
    path = people(tmp_path, "a@x.de")
    assert command("import", path, *SEND).code == 0
    assert rows(tmp_path)[0]["link"] == ""
    (client,) = service.clients()
    known: dict[str, Any] = {name: value for name, value in client.items() if name not in ("id", "link")}
    link = "https://app.360onboard.com/c/told"
    inbox_of(tmp_path / settings.INBOX_FILE, client_created(**known, client_id=client["id"], link=link))
    more = SEND if words == ("import",) else ()
    assert command(*words, path, *more, "--events-from", "inbox").code == 0
    assert rows(tmp_path)[0]["link"] == link


def test_the_command_that_goes_on_says_the_word_again(
    service: Sandbox, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it was typed, not what it stood for that day."""
    monkeypatch.chdir(tmp_path)
    inbox_of(tmp_path / settings.INBOX_FILE)
    said = command("import", people(tmp_path, "a@x.de", "b@x.de"), *SEND, "--limit", 1, "--events-from", "inbox")
    assert said.code == 8
    assert "--events-from inbox" in said.err.splitlines()[-1]


def test_the_word_means_this_folders_inbox_else_all_that_are_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of that name goes before; what is no inbox any more is passed over."""
    monkeypatch.chdir(tmp_path)
    word = Path("inbox")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    boxes = [inbox_of(elsewhere / name) for name in ("one.db", "two.db")]
    for box in (*boxes, boxes[0], elsewhere / "gone.db"):
        remember_inbox(box)
    assert events_from(None) == ()
    assert events_from(Path("events.jsonl")) == (Path("events.jsonl"),)
    assert events_from(word) == tuple(boxes)
    assert inboxes(()) == boxes
    here = inbox_of(Path(settings.INBOX_FILE))
    assert events_from(word) == (here,)
    assert inboxes(()) == [here, *boxes]
    word.write_text("")
    assert events_from(word) == (word,)


def test_without_any_inbox_the_word_is_one_clear_line(
    service: Sandbox, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit 2, nobody is asked and nothing is made; so is a folder that cannot be read."""
    monkeypatch.chdir(tmp_path)
    said = command("import", people(tmp_path, "a@x.de"), *SEND, "--events-from", "inbox")
    assert (said.code, said.out, said.err.count("\n")) == (2, "", 1)
    assert "There is no inbox" in said.err
    assert service.requests == []
    assert [path.name for path in tmp_path.iterdir()] == ["people.csv"]
    monkeypatch.setattr(Path, "iterdir", lambda _: (_ for _ in ()).throw(PermissionError(13, "Permission denied")))
    with pytest.raises(ConfigurationError, match=r"Cannot read the folder \.: Permission denied"):
        inboxes(())


def test_a_damaged_inbox_is_passed_over_while_another_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One of those that are remembered, with a line that names it; alone it ends the command."""
    monkeypatch.chdir(tmp_path)
    (folder := tmp_path / "elsewhere").mkdir()
    broken, good = (inbox_of(folder / name, client_created()) for name in ("broken.db", "good.db"))
    whole = broken.read_bytes()
    broken.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))
    remember_inbox(broken)
    with pytest.raises(ConfigurationError, match="None of the inboxes that are known can be read"):
        events_from(Path("inbox"))
    remember_inbox(good)
    capsys.readouterr()
    assert events_from(Path("inbox")) == (good,)
    err = capsys.readouterr().err
    assert (err.startswith(f"Passed over {broken}: "), err.count("\n")) == (True, 1)
