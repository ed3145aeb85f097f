"""The command's door: what happens before any command is there, and what leaves it that no command has caught."""

import sqlite3
import subprocess
import sys
from types import ModuleType

import click
import pytest

from onboard360_async import AsyncOnboard360
from onboard360_async.cli import main
from onboard360_async.cli.app import onboard360
from onboard360_async.cli.commands import COMMANDS
from tests.cli.conftest import Command


class Slow(ModuleType):
    """A module that Ctrl-C comes in the middle of."""

    @property
    def run(self) -> None:
        raise KeyboardInterrupt


def test_an_interruption_while_it_begins_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first moments are spent on imports: 130 and no traceback then, as later."""
    monkeypatch.setitem(sys.modules, "onboard360_async.cli.app", Slow("app"))
    with pytest.raises(SystemExit) as ended:
        main()
    assert (ended.value.code, capsys.readouterr()) == (130, ("", "Interrupted.\n"))


def test_without_its_packages_the_command_says_which_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line and exit 2 where the extra is missing; whatever else is missing is a bug, and its traceback is shown."""
    monkeypatch.delitem(sys.modules, "onboard360_async.cli.app")
    monkeypatch.delattr("onboard360_async.cli.app")
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "click", None)
        with pytest.raises(SystemExit) as ended:
            main()
    assert ended.value.code == 2
    assert capsys.readouterr().err == ("The command needs some more packages: pip install 'onboard360-async[cli]'\n")
    monkeypatch.setitem(sys.modules, "onboard360_async.cli.screen", None)
    with pytest.raises(ModuleNotFoundError, match=r"cli\.screen"):
        main()


def test_help_waits_for_no_command() -> None:
    """Neither a connection nor a database nor a table is loaded for it, and each command has its line."""
    code = (
        "import sys; HEAVY = {'aiohttp', 'asyncio', 'cattrs', 'rich', 'sqlite3'}; sys.argv = ['onboard360', '--help']\n"
        "from onboard360_async.cli import main\n"
        "try: main()\n"
        "except SystemExit: print('loaded', *HEAVY.intersection(sys.modules))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.splitlines()[-1] == "loaded"
    for name, command in COMMANDS.items():
        assert f"  {name} " in said
        assert command.does in said


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_what_the_table_says(name: str) -> None:
    """Each name leads to a command that is called so, and a group's half line names only what is in it."""
    command = onboard360.get_command(click.Context(onboard360), name)
    assert command is not None
    assert command.name == name
    if isinstance(command, click.Group):
        _, _, named = COMMANDS[name].does.partition(": ")
        assert {each.strip() for each in named.rstrip(".").replace(" and more", "").split(",")} <= set(command.commands)


def test_the_sandbox_is_a_command_too(command: Command) -> None:
    """With the flags of its own, and its own exit code for what it cannot use."""
    said = command("sandbox", "--limiter", "none-such")
    assert (said.code, said.out) == (2, "")
    assert "none-such" in said.err


def test_a_word_that_is_no_command_is_told(command: Command) -> None:
    """And leads nowhere, but to what may have been meant, if this click says so (8.4 does)."""
    said = command("impor")
    assert (said.code, said.out) == (2, "")
    assert "No such command 'impor'" in said.err
    assert ("'import', 'imports'" in said.err) == hasattr(click, "NoSuchCommand")


def test_a_bug_shows_where_it_is(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is no mistake of the user's, of the disk or of the service is not made into one line."""

    def invoke(_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(onboard360, "invoke", invoke)
    with pytest.raises(ZeroDivisionError):
        command("budget")


@pytest.mark.parametrize(
    ("error", "told"),
    [(sqlite3.OperationalError("disk I/O error"), "disk I/O error"), (OSError("half"), "half")],
    ids=repr,
)
def test_what_the_system_says_in_words_of_its_own_is_told_so(
    error: Exception, told: str, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error without a number is no bug, and no traceback."""

    async def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setenv("ONBOARD360_API_KEY", "sk_test_1")
    monkeypatch.setattr(AsyncOnboard360, "list_campaigns", fail)
    said = command("campaigns", "list")
    assert (said.code, said.out, said.err) == (1, "", f"Error: {told}\n")
