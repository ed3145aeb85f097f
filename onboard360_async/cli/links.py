"""`onboard360 links find`: a person's onboarding link in the journals, since the API says it only once."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from onboard360_async.cli.exits import Exit
from onboard360_async.cli.flags import output_flags
from onboard360_async.cli.screen import on_screen
from onboard360_async.cli.shelf import journals
from onboard360_async.cli.show import show, to_the_second
from onboard360_async.errors import ConfigurationError, ImportLockedError
from onboard360_async.importer.upkeep.books import open_books
from onboard360_async.importer.upkeep.find import Found, find_person

__all__ = ["links"]

_COLUMNS: Final = ("email", "campaign_id", "client_id", "status", "link", "journal", "when")


@click.group()
def links() -> None:
    """Onboarding links: find."""


@links.command("find")
@click.argument("email")
@click.option(
    "--journal",
    "named",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE|FOLDER",
    help="Look here (again and again); else in the current folder and in every import of this command.",
)
@output_flags
def find_link(email: str, named: tuple[Path, ...], form: str, output: Path | None) -> int:
    """Look for a person's link in the journals of imports. Exit code 1 if nobody is found."""
    paths = journals(named)
    found, passed = _find(paths, email)
    if not found:
        but = f"; {passed} more could not be looked into" if passed else ""
        click.echo(f"Nobody with this email is in {_journals(len(paths) - passed)}{but}.", err=True)
        return Exit.ERROR
    if form == "table" and output is None:
        _say(found)
    else:
        with show(form, _COLUMNS, output) as rows:
            rows.write(map(_row, found))
    return Exit.DONE


def _say(found: Sequence[Found]) -> None:
    """A line for each thing, not a table: a link is to be pasted, and no terminal is to fold it."""
    for number, row in enumerate(map(_row, found)):
        if number:
            click.echo()
        for name in _COLUMNS:
            click.echo(f"{name.replace('_', ' ') + ':':<12} {on_screen(str(row[name] or 'unknown'))}")


def _find(paths: Sequence[Path], email: str) -> tuple[list[Found], int]:
    """Who was found, and how many journals could not be looked into."""
    found: list[Found] = []
    passed = 0
    for path in paths:
        try:
            with open_books(path) as journal:
                found += find_person(journal, email)
        except (ConfigurationError, ImportLockedError) as error:
            passed += 1
            click.echo(on_screen(f"Passed over {path}: {error}"), err=True)
    return found, passed


def _journals(number: int) -> str:
    return "1 journal" if number == 1 else f"{number} journals"


def _row(found: Found) -> dict[str, object]:
    return {
        "email": found.email,
        "campaign_id": found.campaign_id,
        "client_id": found.client_id,
        "status": found.status,
        "link": found.link,
        "journal": str(found.journal),
        "when": to_the_second(found.at),
    }
