"""`onboard360 help`: the guides on the screen, and the help of any command. Knows what is in neither."""

import shutil
import sys
from typing import TYPE_CHECKING

import click

from onboard360_async import settings
from onboard360_async.cli.commands import COMMANDS
from onboard360_async.cli.guide import about, for_screen, guides, text_of
from onboard360_async.cli.screen import short
from onboard360_async.errors import ConfigurationError

if TYPE_CHECKING:  # for whoever presses TAB alone
    from click.shell_completion import CompletionItem

__all__ = ["help_on"]


def _offered(context: click.Context, _parameter: click.Parameter, incomplete: str) -> "list[CompletionItem]":
    """Guides and commands; behind a group's name, what is in it."""
    from click.shell_completion import CompletionItem

    words = context.params.get("words") or ()
    if not words:
        named = {name: each.does for name, each in COMMANDS.items()} | {name: about(name) for name in guides()}
    else:
        found = _found(context, words)
        group = None if found is None else found.command
        named = {name: each.get_short_help_str() for name, each in _within(found, group).items()}
    return [CompletionItem(name, help=what) for name, what in sorted(named.items()) if name.startswith(incomplete)]


@click.command("help")
@click.argument("words", nargs=-1, metavar="[TOPIC | COMMAND [SUBCOMMAND]]", shell_complete=_offered)
@click.pass_context
def help_on(context: click.Context, words: tuple[str, ...]) -> None:
    """Show a guide, or the help of a command; without a word, which guides there are.

    What is both (`imports`) is the guide; `onboard360 imports --help` is the command's.

    A guide is shown page by page if it is longer than the screen (PAGER says by what), and written as plain Markdown
    to a pipe or a file.
    """
    name = "-".join(words).casefold()
    if not words:
        _list_guides()
    elif name in guides():
        _show(name)
    elif (found := _found(context, words)) is not None:
        click.echo(found.get_help())
    else:
        raise ConfigurationError(_unknown(context, words))


# --- guides ---


def _list_guides() -> None:
    names = guides()
    width = max(map(len, names))
    columns = min(shutil.get_terminal_size().columns, settings.HELP_COLUMNS)
    click.echo("Guides: onboard360 help TOPIC\n")
    for name in names:
        click.echo(f"  {name:{width}}  {_cut(about(name), columns - width - 4)}")
    click.echo("\nThe help of a command: onboard360 help COMMAND [SUBCOMMAND]")


def _cut(text: str, most: int) -> str:
    """As many whole words as there is room for."""
    return text if len(text) <= most else f"{text[: max(0, most - 1)].rpartition(' ')[0]}…"


def _show(name: str) -> None:
    """On a terminal as it can show it, page by page if it is long; elsewhere as it was written."""
    text = text_of(name)
    if not sys.stdout.isatty():
        click.echo(text, nl=False)
        return
    from onboard360_async.cli.drawing import drawn  # rich, for a terminal alone

    if name in COMMANDS:
        text = f"*The guide. The command's flags: `onboard360 {name} --help`*\n\n{text}"
    shown, height = drawn(for_screen(text))
    if sys.stdin.isatty() and shown.count("\n") >= height:
        click.echo_via_pager(shown)
    else:
        click.echo(shown, nl=False)


# --- commands ---


def _found(context: click.Context, words: tuple[str, ...]) -> click.Context | None:
    """The command that these words lead to, as if it were called."""
    context = context.find_root()
    for word in words:
        group = context.command
        if not isinstance(group, click.Group) or word not in group.list_commands(context):
            return None
        command = group.get_command(context, word)
        assert command is not None  # noqa: S101 - it was listed
        context = click.Context(command, info_name=word, parent=context)
    return context


def _within(context: click.Context | None, group: click.Command | None) -> dict[str, click.Command]:
    """What is in a group; nothing in what is none."""
    if context is None or not isinstance(group, click.Group):
        return {}
    named = ((name, group.get_command(context, name)) for name in group.list_commands(context))
    return {name: command for name, command in named if command is not None}


def _unknown(context: click.Context, words: tuple[str, ...]) -> str:
    """What is said of words that lead nowhere, with what may have been meant."""
    from difflib import get_close_matches  # for whoever made a mistake alone

    group = _found(context, words[:1])
    within = [] if group is None else _within(group, group.command)
    known = [f"{words[0]} {name}" for name in within] or [*guides(), *COMMANDS]
    wanted = " ".join(words)
    close = list(dict.fromkeys(get_close_matches(wanted, known)))
    perhaps = f"Perhaps: {', '.join(close)}." if close else "`onboard360 help` lists the guides."
    return f"There is no guide and no command {short(wanted)!r}. {perhaps}"
