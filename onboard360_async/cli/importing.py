"""`onboard360 import`: a list, and what to do with it."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import click

from onboard360_async.api import AsyncOnboard360
from onboard360_async.cli.flags import Access, access_flags
from onboard360_async.cli.import_flags import run_flags, wishes_of
from onboard360_async.cli.running import run_with
from onboard360_async.cli.shelf import events_from
from onboard360_async.cli.signals import run
from onboard360_async.errors import ConfigurationError
from onboard360_async.importer import ImportJob, Rules, journal_beside
from onboard360_async.importer.rules import CHOICES
from onboard360_async.importer.source import FORMS
from onboard360_async.importer.stdin import spool_stdin

__all__ = ["import_file"]

_STDIN: Final = Path("-")


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@click.option("--campaign", metavar="ID|NAME", help="Where everybody is added; else each row's own campaign column.")
@click.option("--map", "mapping", multiple=True, metavar="FIELD=COLUMN", help="Which column is which field.")
@click.option("--format", "form", type=click.Choice(FORMS), help="What FILE is, if its name does not say it.")
@click.option("--encoding", help="How FILE was written, if it is not UTF-8 (cp1252, mac_roman, ...).")
@click.option("--delimiter", metavar="SIGN", help="What stands between cells, if that is not seen from the header.")
@click.option(
    "--duplicates",
    type=click.Choice(CHOICES["duplicates"]),
    default=Rules().duplicates,
    show_default=True,
    help="The same email again in the list.",
)
@click.option(
    "--journal", type=click.Path(path_type=Path), metavar="FILE", help="Where the books are kept; else beside FILE."
)
@run_flags
@access_flags
@click.pass_context
def import_file(
    context: click.Context,
    /,
    access: Access,
    file: Path,
    mapping: tuple[str, ...],
    journal: Path | None,
    **options: Any,
) -> int:
    """Add everybody in FILE (- for stdin) to a campaign, each at most once.

    The whole list is checked first; who is in the campaign already is skipped. The journal beside the file survives a
    crash: run the same command again, or `onboard360 imports resume FILE`, and it goes on where it was. Results stand
    in FILE's .results.csv, rows that need a hand in .errors.csv, which can be mended and imported as it is.

    The service may write to everybody who is added. So the plan is shown first, and you are asked; a script says --yes.

    Exit codes: 0 all is done, 3 nothing was sent (invalid rows, --if-exists fail), 5 rows were rejected, 6 nobody can
    tell about some rows, 8 rows are left to be sent or looked for (--limit, stopped early, or you said no).
    """
    if file == _STDIN and access.api_key_file == "-":
        raise ConfigurationError("The list and the key cannot both come from stdin; say another --api-key-file.")
    columns = _columns(mapping)
    with _list_of(file, journal) as (source, books):
        meant = file if books is None else books
        wishes = wishes_of(context, access, meant, options, spooled=source if source != file else None)
        options["events_from"] = events_from(options["events_from"])

        def opened(api: AsyncOnboard360) -> ImportJob:
            return api.open_import(source, journal=books, mapping=columns or None, **options)

        return run(run_with(access, opened, wishes))


def _columns(pairs: Sequence[str]) -> dict[str, str]:
    columns = {}
    for pair in pairs:
        name, sign, column = pair.partition("=")
        if not sign:
            raise click.BadParameter(f"{pair!r} is not FIELD=COLUMN", param_hint="--map")
        columns[name.strip()] = column
    return columns


@contextmanager
def _list_of(file: Path, journal: Path | None) -> Iterator[tuple[Path, Path | None]]:
    """The list and the journal that was named for it; what comes from stdin is kept in a file as long as it is read."""
    if file != _STDIN:
        yield file, journal
        return
    books = journal_beside(Path("stdin")) if journal is None else journal
    if books != journal_beside(books):
        raise ConfigurationError("What comes from stdin has its results beside its journal: name that *.onboard360.db.")
    if sys.stdin.isatty():
        click.echo("Reading the list from this terminal; end it with Ctrl-D, twice if need be.", err=True)
    spooled = spool_stdin(sys.stdin.buffer, books)
    try:
        yield spooled, books
    finally:
        spooled.unlink(missing_ok=True)
