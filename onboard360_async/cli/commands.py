"""The commands by name, each imported when it is called: `--help` waits for none of them.

Knows what each is for, in half a line, and no more of it.
"""

from collections.abc import MutableMapping
from importlib import import_module
from typing import TYPE_CHECKING, Final, NamedTuple

import click

from onboard360_async.cli.signals import ended_at_once

if TYPE_CHECKING:  # for whoever presses TAB alone
    from click.shell_completion import CompletionItem

__all__ = ["COMMANDS", "Commands"]


class _Command(NamedTuple):
    room: str  # of this package
    name: str  # there
    does: str


COMMANDS: Final = {
    "budget": _Command("budget", "budget", "How much of the 100 requests a minute is left."),
    "campaigns": _Command("clients", "campaigns", "Campaigns: list."),
    "clients": _Command("clients", "clients", "Clients: list, add."),
    "completion": _Command("completing", "completion", "The script that completes commands in bash, zsh or fish."),
    "demo": _Command("demo", "demo", "See it all at work: sandbox, import, links, webhooks."),
    "doctor": _Command("doctor", "doctor", "What the service is like where its page says nothing."),
    "help": _Command("helping", "help_on", "Guides to it all, and the help of any command."),
    "import": _Command("importing", "import_file", "Add everybody in a file to a campaign, each exactly once."),
    "imports": _Command("imports", "imports", "Imports that were begun: list, show, resume, results and more."),
    "links": _Command("links", "links", "Onboarding links: find."),
    "request": _Command("requesting", "request", "Any other call of the API, inside the same budget."),
    "sandbox": _Command("sandbox", "sandbox", "Play 360Onboard on this machine."),
    "webhooks": _Command("webhooks", "webhooks", "Webhooks: listen, list, verify, sign, diagnose, replay."),
}


class Commands(click.Group):
    """A group that imports a command when somebody calls it."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's
        """All names."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The one of this name, imported now."""
        if cmd_name not in COMMANDS:
            if ctx.resilient_parsing:  # somebody pressed TAB behind it, and is told nothing
                return None
            there = {name: self._imported(name) for name in COMMANDS}
            self.commands: MutableMapping[str, click.Command] = there  # where click looks for what was meant
            return None
        return self._imported(cmd_name)

    def _imported(self, name: str) -> click.Command:
        found = COMMANDS[name]
        with ended_at_once():
            command = getattr(import_module(f"{__package__}.{found.room}"), found.name)
        assert isinstance(command, click.Command)  # noqa: S101 - a test calls each
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> "list[CompletionItem]":
        """The names that begin so, without importing any; behind a dash the flags."""
        from click.shell_completion import CompletionItem

        named = [CompletionItem(name, help=each.does) for name, each in COMMANDS.items() if name.startswith(incomplete)]
        return [*named, *click.Command.shell_complete(self, ctx, incomplete)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's
        """What each is for, without importing it."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.does) for name, command in COMMANDS.items()])
