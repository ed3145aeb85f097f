"""What the command's tests share: a sandbox on its own thread, and the command run in this process."""

from collections.abc import Callable, Iterator

import click
import pytest
from attrs import frozen

from onboard360_async.cli.app import run
from onboard360_async.sandbox import Sandbox


@frozen
class Said:
    """What a command left: its exit code and its two streams."""

    code: int
    out: str
    err: str


Command = Callable[..., Said]


def commands(group: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """All that can be typed below a group, groups as well, each with the words that lead there."""
    if not isinstance(group, click.Group):
        return
    context = click.Context(group)
    for name in group.list_commands(context):
        each = group.get_command(context, name)
        assert each is not None
        yield (*path, name), each
        yield from commands(each, (*path, name))


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """A sandbox, and an environment that leads to it."""
    with Sandbox(limiter="off") as running:
        monkeypatch.setenv("ONBOARD360_API_KEY", running.api_key)
        monkeypatch.setenv("ONBOARD360_BASE_URL", running.url)
        yield running


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    """`onboard360 ARGUMENTS`; no traceback may ever be among what it says."""

    def called(*arguments: object) -> Said:
        code = run([str(argument) for argument in arguments])
        said = capsys.readouterr()
        assert "Traceback" not in said.out + said.err
        return Said(code, said.out, said.err)

    return called
