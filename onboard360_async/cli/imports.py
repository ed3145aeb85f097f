"""`onboard360 imports`: the imports that were begun, looked at, gone on with, and decided about by hand."""

import io
import sys
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import click

from onboard360_async.api import AsyncOnboard360
from onboard360_async.cli.exits import Exit
from onboard360_async.cli.flags import Access, access_flags, output_flags
from onboard360_async.cli.import_flags import Wishes, run_flags, settle_flags, wishes_of
from onboard360_async.cli.looking import list_books, show_books
from onboard360_async.cli.running import run_with
from onboard360_async.cli.screen import say
from onboard360_async.cli.shelf import events_from, journals
from onboard360_async.cli.show import show
from onboard360_async.cli.signals import run
from onboard360_async.cli.telling import next_lines, summary_lines
from onboard360_async.errors import ConfigurationError
from onboard360_async.importer import ImportJob
from onboard360_async.importer.places import journal_of
from onboard360_async.importer.results import FORMATS, result_objects, write_as, write_beside, write_results
from onboard360_async.importer.upkeep.books import check_not_purged, check_there, open_books
from onboard360_async.importer.upkeep.glance import Stand, glance_at
from onboard360_async.importer.upkeep.purge import check_may_purge, files_to_purge, purge
from onboard360_async.importer.upkeep.resolve import resolve_created, resolve_not_created, row_in_doubt

__all__ = ["imports"]

_PATH: Final = click.Path(path_type=Path)
_FILE: Final = click.argument("file", type=_PATH)
_FOR_EYES: Final = ("json", "table")
_STDOUT: Final = Path("-")


@click.group()
def imports() -> None:
    """Imports that were begun: list, show, resume, reconcile, results, resolve, purge.

    FILE is the list or its journal.
    """


@imports.command("list", short_help="The imports here, and all that were begun.")
@click.argument("folders", nargs=-1, metavar="[FOLDER]...", type=_PATH)
@output_flags
def list_imports(folders: tuple[Path, ...], form: str, output: Path | None) -> None:
    """The imports of these folders; else those of the current folder and all that were begun by this command."""
    for path in folders:
        if not path.is_dir():
            check_there(journal_of(path))
    list_books(journals(folders), form, output)


@imports.command("show", short_help="How an import stands, and what to do next.")
@_FILE
@output_flags
def show_import(file: Path, form: str, output: Path | None) -> None:
    """How an import stands: its rows, campaigns and runs, whom nobody can tell about, and what to do next."""
    with open_books(journal_of(file)) as journal:
        glance = glance_at(journal)
    show_books(glance, form, output)
    if form == "table" and glance.stand is not Stand.PURGED:
        say(next_lines(glance, Wishes(file=str(file))))


@imports.command("resume")
@_FILE
@run_flags
@access_flags
@click.pass_context
def resume_import(context: click.Context, /, access: Access, file: Path, **options: Any) -> int:
    """Go on with an import where it was, from its journal alone.

    Rows whose answers were lost are looked for, and sent again only if it is shown that nobody was created.
    """
    wishes = wishes_of(context, access, file, options)
    options["events_from"] = events_from(options["events_from"])

    def opened(api: AsyncOnboard360) -> ImportJob:
        return api.open_import(None, journal=journal_of(file), **options)

    return run(run_with(access, opened, wishes))


@imports.command("reconcile")
@_FILE
@settle_flags
@access_flags
def reconcile_import(access: Access, file: Path, **options: Any) -> int:
    """Look for the rows whose answers were lost. Adds nobody; who is shown to be absent is left for `resume`."""
    options["events_from"] = events_from(options["events_from"])

    def opened(api: AsyncOnboard360) -> ImportJob:
        return api.open_import(None, journal=journal_of(file), skip_invalid=True, **options)

    wishes = Wishes(file=str(file), access=access.flags())
    return run(run_with(access, opened, wishes, send=False))


@imports.command("results", short_help="Write results and errors anew.")
@_FILE
@click.option(
    "--format",
    "form",
    type=click.Choice((*FORMATS, *_FOR_EYES)),
    help="Else as the import writes them; json and table go to stdout or FILE alone.",
)
@click.option("--output", type=click.Path(path_type=Path, allow_dash=True), metavar="FILE", help="- for stdout.")
def write_import(file: Path, form: str | None, output: Path | None) -> None:
    """Write results and errors beside the list, as the books stand now; or the results alone to FILE or stdout."""
    with open_books(journal_of(file)) as journal:
        check_not_purged(journal)
        if form in _FOR_EYES:
            names, objects = result_objects(journal)
            target, error = None if output == _STDOUT else output, names[-1]
            with closing(objects), show(form, names, target, prose=(error,), nothing="No row.") as found:
                found.write(objects)
            return
        if output is not None:
            if isinstance(sys.stdout, io.TextIOWrapper):
                sys.stdout.reconfigure(newline="")  # its lines end as a file's do, on Windows, too
            write_results(journal, sys.stdout if output == _STDOUT else output, form)
            sys.stdout.flush()
            return
        write_as(journal, form)
        if (files := write_beside(journal)) is None:
            raise ConfigurationError("This journal has no list to write results beside; say --output FILE, or -.")
        say(str(path) for path in (files.results, files.errors) if path is not None)


@imports.command("resolve", short_help="Decide about a row that nobody can tell about.")
@_FILE
@click.option("--line", type=int, metavar="N", help="The row on this line of the list ...")
@click.option("--email", metavar="EMAIL", help="... or of this email.")
@click.option("--created/--not-created", "created", default=None, help="Are they in the campaign?")
@click.option("--client-id", metavar="ID", help="With --created: who they are there.")
@click.option("--link", metavar="URL", help="With --created: their onboarding link.")
@output_flags
def resolve_row(
    file: Path,
    line: int | None,
    email: str | None,
    created: bool | None,
    client_id: str | None,
    link: str | None,
    form: str,
    output: Path | None,
) -> None:
    """Decide about a row of which nobody can tell whether it was created. With --not-created it is sent again.

    What was done is told on stderr; with --format or --output the import is shown as it stands then, as by `show`.
    """
    if (line is None) == (email is None):
        raise click.UsageError("Say which row: either --line or --email.")
    if created is None:
        raise click.UsageError("Say what you found: --created or --not-created.")
    if not created and (client_id or link):
        raise click.UsageError("Who was not created has neither --client-id nor --link.")
    with open_books(journal_of(file)) as journal:
        row = row_in_doubt(journal, line=line, email=email)
        if created:
            resolve_created(journal, row, client_id, link)
        else:
            resolve_not_created(journal, row)
        glance = glance_at(journal)
        write_beside(journal)
    if form != "table" or output is not None:
        show_books(glance, form, output)
    say([f"Line {row['line']}: {'in the campaign' if created else 'to be sent again'}."])
    say(summary_lines(glance.summary, glance.audit))
    say(next_lines(glance, Wishes(file=str(file))))


@imports.command("purge", short_help="Wipe the people from an import's books.")
@_FILE
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--force", is_flag=True, help="Even if rows are still to be sent or looked for.")
def purge_import(file: Path, yes: bool, force: bool) -> int:
    """Wipe the people from an import's journal, and delete the results, errors and reports that it wrote.

    Counts, client ids and times stay, and so does your list. Nothing of it can be undone, and nobody in it can be
    recognised afterwards: links that stand nowhere else are lost.
    """
    with open_books(journal_of(file)) as journal:
        if not force:
            check_may_purge(journal)
        say(f"To be deleted: {path}" for path in files_to_purge(journal))
        say([f"To be wiped:   {journal.path}"])
        if not yes and not sys.stdin.isatty():
            say(["Nothing was purged: nobody can be asked here. Say --yes to go on."])
            return Exit.USAGE
        if not yes and not click.confirm("Purge?", err=True):
            say(["Nothing was purged."])
            return Exit.STOPPED
        purge(journal)
    say(["Purged. The list itself was left."])
    return Exit.DONE
