"""One client added at the prompt: nothing is sent that cannot be meant or answered, and no link is lost."""

import errno
import io
import os
from pathlib import Path

import pytest

from onboard360_async import AsyncOnboard360
from onboard360_async.sandbox import Sandbox
from tests.cli.conftest import Command
from tests.cli.test_calls import CAMPAIGN, NAME

ADD = ("clients", "add", "--campaign", CAMPAIGN, "--email", "john@example.com")


class Full(io.StringIO):
    """A disk with no room."""

    def write(self, _: str) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_where_the_answer_cannot_be_written_nobody_is_added(service: Sandbox, command: Command, tmp_path: Path) -> None:
    """The API says a link once: a file that cannot be there is told before, not when the link is lost."""
    for output in (tmp_path / "none" / "x.csv", tmp_path):
        said = command(*ADD, "--output", output)
        assert (said.code, "Cannot write" in said.err, service.clients()) == (2, True, [])
    assert command(*ADD, "--output", tmp_path / "x.csv", "--format", "csv").code == 0
    assert str(service.clients()[0]["link"]) in (tmp_path / "x.csv").read_text(encoding="utf-8")


def test_an_answer_that_cannot_be_written_after_all_is_told(
    service: Sandbox, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that is full: the link stands on stderr."""
    monkeypatch.setattr("sys.stdout", Full())
    said = command(*ADD)
    monkeypatch.undo()
    (client,) = service.clients()
    assert said.code == 1
    assert said.err == (f"The client was added; the link is {client['link']}\nError: {os.strerror(errno.ENOSPC)}.\n")


def test_a_link_that_nobody_was_given_is_not_told(
    service: Sandbox, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What breaks before the client is there says nothing of one."""

    async def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(AsyncOnboard360, "add_client", fail)
    said = command("clients", "add", "--campaign", CAMPAIGN, "--email", "ada@example.com")
    assert (said.code, said.out, said.err) == (1, "", "Error: No space left on device.\n")


def test_an_error_leaves_no_half_answer(service: Sandbox, command: Command) -> None:
    """Not even the header of a CSV."""
    service.add_fault("500-before")
    said = command(*ADD, "--format", "csv")
    assert (said.code != 0, said.out) == (True, "")
    assert command("clients", "list", "--format", "csv").out == ""


@pytest.mark.parametrize("dry", [(), ("--dry-run",)])
@pytest.mark.parametrize("campaign", [CAMPAIGN, NAME])
def test_what_cannot_be_sent_is_told_before_anything_is_asked(
    service: Sandbox, command: Command, dry: tuple[str, ...], campaign: str
) -> None:
    """A dry run says what the run would; each in the words of the command line."""
    said = command("clients", "add", "--campaign", campaign, "--email", "john.example.com", *dry)
    assert (said.code, said.err) == (3, "Error: email is not an email address; nothing was sent.\n")
    said = command("clients", "add", "--campaign", " ", "--email", "john@example.com", *dry)
    assert (said.code, said.err) == (3, "Error: --campaign is empty; nothing was sent.\n")
    assert command("clients", "list", "--campaign", "").err == "Error: --campaign is empty; nothing was sent.\n"
    assert service.requests == []
