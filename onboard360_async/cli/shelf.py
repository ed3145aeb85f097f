"""Where journals and inboxes are: in the folder where one stands, and wherever this command has kept one before.

Two private files in the user's state directory keep their paths. Knows of a journal and an inbox only
whether they can be read.
"""

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

import click

from onboard360_async import settings
from onboard360_async.budget.file_store import state_folder
from onboard360_async.cli.screen import on_screen
from onboard360_async.errors import ConfigurationError, InboxError
from onboard360_async.importer.places import journal_of, journals_in
from onboard360_async.webhooks.sqlite_store import is_inbox, open_inbox

__all__ = ["events_from", "inboxes", "journals", "remember", "remember_inbox"]

_IMPORTS: Final = "imports.jsonl"  # a path a line, as a JSON text: a path may hold anything
_INBOXES: Final = "inboxes.jsonl"
_SUFFIXES: Final = (".db", ".sqlite", ".sqlite3")  # of the files of a folder that are looked at
_WORD: Final = Path("inbox")


def remember(journal: Path | None) -> None:
    """Keep the path of a journal. Whoever has no state directory has only the folder where they stand."""
    if journal is not None:
        _note(_IMPORTS, journal)


def remember_inbox(inbox: Path) -> None:
    """Keep the path of an inbox, as of a journal."""
    _note(_INBOXES, inbox)


def journals(named: Iterable[Path]) -> list[Path]:
    """The journals of these folders, lists or journals; with none named, those of the default place, each once.

    ConfigurationError for a folder that cannot be read.
    """
    paths = list(named)
    found = [each for path in paths for each in (journals_in(path) if path.is_dir() else [journal_of(path)])]
    if not paths:
        found = [*journals_in(Path()), *(path for path in _remembered(_IMPORTS) if path.exists())]
    return _each_once(found)


def inboxes(named: Iterable[Path]) -> list[Path]:
    """The inboxes of these folders and files; with none named, those of the default place, each once.

    ConfigurationError for a folder that cannot be read.
    """
    paths = list(named)
    found = [each for path in paths for each in (_inboxes_in(path) if path.is_dir() else [path])]
    if not paths:
        found = [*_inboxes_in(Path()), *(path for path in _remembered(_INBOXES) if path.exists())]
    return _each_once(found)


def events_from(typed: Path | None) -> tuple[Path, ...]:
    """The files of events that are meant: the bare word `inbox` means the inbox of the current folder, else all that
    this command has kept. ConfigurationError if there is none.
    """
    if typed is None:
        return ()
    if typed != _WORD or typed.exists():
        return (typed,)
    here = Path(settings.INBOX_FILE)
    if is_inbox(here):
        return (here,)
    kept = _each_once(path for path in _remembered(_INBOXES) if is_inbox(path))
    if not kept:
        raise ConfigurationError(
            f"There is no inbox: no {here} in this folder, and none of `onboard360 webhooks listen` elsewhere."
            " Name the file of events."
        )
    found = tuple(filter(_can_be_read, kept))
    if not found:
        raise ConfigurationError("None of the inboxes that are known can be read. Name the file of events.")
    return found


def _can_be_read(inbox: Path) -> bool:
    """Whether its events can be gone through; if not, that is told: another one may hold what is looked for."""
    try:
        with closing(open_inbox(inbox)) as store, store.transaction():
            store.counts()
    except (ConfigurationError, InboxError) as error:
        click.echo(on_screen(f"Passed over {inbox}: {error}"), err=True)
        return False
    return True


def _inboxes_in(folder: Path) -> list[Path]:
    """Those that are there, and what nobody can look into, so that whoever opens it says so."""
    books = set(journals_in(folder))
    try:
        files = sorted(path for path in folder.iterdir() if path.suffix in _SUFFIXES and path.is_file())
    except OSError as error:
        raise ConfigurationError(f"Cannot read the folder {folder}: {error.strerror}.") from None
    return [path for path in files if is_inbox(path) or (path not in books and not os.access(path, os.R_OK))]


def _each_once(found: Iterable[Path]) -> list[Path]:
    return list({path.absolute(): path for path in reversed(list(found))}.values())[::-1]


def _note(shelf: str, file: Path) -> None:
    if (path := file.absolute()) in _remembered(shelf):
        return
    with suppress(ConfigurationError, OSError):
        opened = os.open(_file(shelf), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(opened, f"{json.dumps(os.fspath(path))}\n".encode())
        finally:
            os.close(opened)


def _remembered(shelf: str) -> Iterator[Path]:
    with suppress(ConfigurationError, OSError):
        for line in _file(shelf).read_text(encoding="utf-8").splitlines():
            with suppress(ValueError, TypeError):  # a line that a full disk cut
                yield Path(json.loads(line))


def _file(shelf: str) -> Path:
    return state_folder() / shelf
