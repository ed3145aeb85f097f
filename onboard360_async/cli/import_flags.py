"""The flags of an import: what it may do, what it writes, whether it asks; and the command that goes on with it.

Knows no command. Defaults are those of the rules.
"""

import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import click
from attrs import field, fields, frozen
from click.core import ParameterSource

from onboard360_async import settings
from onboard360_async.cli.flags import Access
from onboard360_async.errors import ConfigurationError
from onboard360_async.importer.results import FORMATS
from onboard360_async.importer.rules import CHOICES, Rules

__all__ = ["Wishes", "run_flags", "settle_flags", "typed", "wishes_of"]

F = TypeVar("F", bound=Callable[..., Any])
_WISHED: Final = ("yes", "dry_run", "results_format", "excel_safe", "report", "report_people")
# What the command that goes on must be told, too; the journal itself keeps what is in the list, and how results are
# written.
_RULES_AGAIN: Final = {each.name for each in fields(Rules)} - {"duplicates"}
_AGAIN: Final = {*_RULES_AGAIN, "events_from", "yes", "report", "report_people"}
_RULES: Final = Rules()
_FILE: Final = click.Path(path_type=Path)


@frozen(kw_only=True)
class Wishes:
    """What the user wants of an import at the prompt, beside the rules."""

    file: str  # how other commands are told which import is meant
    access: Sequence[str] = field(default=(), repr=False)  # flags, for commands that reach the service
    again: Sequence[str] = ()  # flags, for the command that goes on
    spooled: Path | None = None  # the list, if it came from stdin; then nobody can be asked
    yes: bool = False
    dry_run: bool = False
    results_format: str | None = None
    excel_safe: bool | None = None
    report: Path | None = None
    report_people: bool = False

    @property
    def resume(self) -> str:
        """The exact command that goes on, to be pasted as it is."""
        return self.command("resume", *self.again, *self.access)

    def command(self, name: str, *flags: str) -> str:
        """A command about this import, to be pasted as it is."""
        file = f"./{self.file}" if self.file.startswith("-") else self.file  # else it would be taken for a flag
        return shlex.join(["onboard360", "imports", name, file, *flags])


def _choice(flag: str, what: str) -> Callable[[F], F]:
    name = flag.removeprefix("--").replace("-", "_")
    choices = click.Choice(CHOICES[name])
    return click.option(flag, type=choices, default=getattr(_RULES, name), show_default=True, help=what)


_SETTLE = (
    click.option(
        "--settle",
        "settle_s",
        type=float,
        metavar="SECONDS",
        default=_RULES.settle_s,
        show_default=True,
        help="How long after a lost answer its row is looked for.",
    ),
    click.option(
        "--events-from",
        type=_FILE,
        metavar="FILE|inbox",
        help="Stored client.created webhooks, for links no answer told: an inbox, or JSON lines. The word inbox: the"
        f" {settings.INBOX_FILE} of this folder, else all inboxes of `webhooks listen`.",
    ),
)
_RUN = (
    click.option("--skip-invalid", is_flag=True, help="Send the good rows even if others cannot be sent."),
    _choice("--if-exists", "Who is in the campaign already: skip, send all the same, or send nobody."),
    _choice("--on-ambiguous", "A row whose answer was lost and who is not there: send again, or leave it."),
    *_SETTLE,
    click.option(
        "--max-ambiguous",
        type=int,
        metavar="N",
        default=_RULES.max_ambiguous,
        show_default=True,
        help="Stop after N lost answers in a row.",
    ),
    click.option("--max-errors", type=int, metavar="N", help="Stop after N rejected rows."),
    click.option("--limit", type=int, metavar="N", help="Send at most N rows now; exit code 8 if any are left."),
    click.option("--rate", type=float, metavar="N", help="At most N requests a minute in this run."),
    click.option("--results-format", type=click.Choice(FORMATS), help=f"Of the results.  [default: {FORMATS[0]}]"),
    click.option("--excel-safe/--no-excel-safe", default=None, help="An apostrophe before what looks like a formula."),
    click.option("--report", type=_FILE, metavar="FILE.html", help="Write a page about the import."),
    click.option("--report-people", is_flag=True, help="Name people in it."),
    click.option("--yes", is_flag=True, help="Do not ask; needed where nobody can be asked."),
    click.option("--dry-run", is_flag=True, help="Show the plan, send nothing, ask nothing."),
)


def run_flags(command: F) -> F:
    """The flags of what sends: what it may do, what it writes, whether it asks."""
    return _with(_RUN, command)


def settle_flags(command: F) -> F:
    """The flags of what only looks."""
    return _with(_SETTLE, command)


def _with(options: Sequence[Callable[[F], F]], command: F) -> F:
    for option in reversed(options):
        command = option(command)
    return command


def typed(context: click.Context) -> list[str]:
    """The flags of a run as they were typed, without those that need not be said again."""
    words: list[str] = []
    for option in context.command.params:
        source = context.get_parameter_source(option.name or "")
        if option.name not in _AGAIN or source is not ParameterSource.COMMANDLINE:
            continue
        value = context.params[option.name]
        if isinstance(option, click.Option) and option.is_flag:
            words.append(option.opts[0])
        else:
            words += [option.opts[0], str(value)]
    return words


def wishes_of(
    context: click.Context, access: Access, file: Path, options: dict[str, Any], *, spooled: Path | None = None
) -> Wishes:
    """What was wished on the command line; those options are taken out, and the rules are left."""
    chosen = {name: options.pop(name) for name in _WISHED}
    report = chosen["report"]
    if report is not None and not report.absolute().parent.is_dir():  # told now, not when everybody is added
        raise ConfigurationError(f"Cannot write {report}: there is no such folder.")
    if report is not None and report.is_dir():
        raise ConfigurationError(f"Cannot write {report}: it is a folder.")
    return Wishes(file=str(file), access=access.flags(), again=typed(context), spooled=spooled, **chosen)
