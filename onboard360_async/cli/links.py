"""`onboard360 links find`: a person's onboarding link in journals and inboxes, since the API says it only once."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

import click

from onboard360_async.cli.exits import Exit
from onboard360_async.cli.flags import output_flags
from onboard360_async.cli.screen import on_screen
from onboard360_async.cli.shelf import inboxes, journals
from onboard360_async.cli.show import show, to_the_second
from onboard360_async.cli.table import apart
from onboard360_async.cli.webhook_flags import opened
from onboard360_async.doctor.findings import so_many
from onboard360_async.errors import ConfigurationError, ImportLockedError, InboxError
from onboard360_async.importer.upkeep.books import open_books
from onboard360_async.importer.upkeep.find import Found, find_in_inbox, find_person
from onboard360_async.webhooks.sqlite_store import is_inbox

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
    help="Look here (again and again). Without it and --inbox: in the current folder, and in every import and inbox of"
    " this command.",
)
@click.option(
    "--inbox",
    "boxes",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Look in this inbox (again and again), and else only where --journal says.",
)
@output_flags
def find_link(email: str, named: tuple[Path, ...], boxes: tuple[Path, ...], form: str, output: Path | None) -> int:
    """Look for a person's link in the journals of imports and in inboxes. Exit code 1 if nobody is found."""
    books, stores = _places(named, boxes)
    in_books, of_books = _find(books, email, _of_books)
    in_boxes, of_boxes = _find(stores, email, _of_inbox)
    found = in_books + in_boxes
    if not found:
        passed = len(books) - of_books + len(stores) - of_boxes
        but = f"; {passed} more could not be looked into" if passed else ""
        where = _counted(of_books, of_boxes, only_boxes=bool(boxes) and not named)
        click.echo(f"Nobody with this email is in {where}{but}.", err=True)
        return Exit.ERROR
    if form == "table" and output is None:
        _say(found)
    else:
        with show(form, _COLUMNS, output) as rows:
            rows.write(map(_row, found))
    return Exit.DONE


def _say(found: Sequence[Found]) -> None:
    """A line for each thing, not a table: a link is to be pasted, and no terminal is to fold it."""
    cells = ([on_screen(str(row[name] or "unknown")) for name in _COLUMNS] for row in map(_row, found))
    for line in apart(_COLUMNS, cells):
        click.echo(line)


def _places(named: Sequence[Path], boxes: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """The journals and the inboxes to look into; --journal may name an inbox, or a folder that holds some."""
    if not named and not boxes:
        return journals(()), inboxes(())
    books = [path for path in named if not is_inbox(path)]
    more = [path for path in named if path.is_dir() or is_inbox(path)]
    every = [*boxes, *more]
    return journals(books) if books else [], inboxes(every) if every else []


def _find(paths: Sequence[Path], email: str, look: Callable[[Path, str], Iterable[Found]]) -> tuple[list[Found], int]:
    """Who was found, and how many of these could be looked into; the others are named."""
    found: list[Found] = []
    looked = 0
    for path in paths:
        try:
            found += look(path, email)
            looked += 1
        except (ConfigurationError, ImportLockedError, InboxError) as error:
            click.echo(on_screen(f"Passed over {path}: {error}"), err=True)
    return found, looked


def _of_books(path: Path, email: str) -> list[Found]:
    with open_books(path) as journal:
        return list(find_person(journal, email))


def _of_inbox(path: Path, email: str) -> list[Found]:
    with opened(path) as store:
        return list(find_in_inbox(store, email, path))


def _counted(books: int, boxes: int, *, only_boxes: bool) -> str:
    in_boxes, in_books = so_many(boxes, "inbox", "inboxes"), so_many(books, "journal")
    if books and boxes:
        return f"{in_books} and {in_boxes}"
    return in_boxes if boxes or only_boxes else in_books


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
