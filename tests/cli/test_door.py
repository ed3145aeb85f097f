"""The command's door: what happens before any command is there."""

import sys
from types import ModuleType

import pytest

from onboard360_async.cli import main


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
