"""The command's door: what happens before any command is there."""

import subprocess
import sys
from types import ModuleType

import click
import pytest

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


def test_a_word_that_is_no_command_is_told(command: Command) -> None:
    """And leads nowhere, but to what may have been meant, if this click says so (8.4 does)."""
    said = command("impor")
    assert (said.code, said.out) == (2, "")
    assert "No such command 'impor'" in said.err
    assert ("'import', 'imports'" in said.err) == hasattr(click, "NoSuchCommand")
