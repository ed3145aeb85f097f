"""The books of an import, opened by hand: to look, to write out, to change, to wipe. Nobody is sent."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from onboard360_async.errors import ConfigurationError
from onboard360_async.importer.journal import Journal
from onboard360_async.importer.upkeep.glance import is_purged
from onboard360_async.sqlite import told

__all__ = ["check_not_purged", "check_there", "open_books"]


@contextmanager
def open_books(path: Path) -> Iterator[Journal]:
    """A block that holds the journal at `path`.

    ImportLockedError if a run holds it; ConfigurationError if there is none, or it is damaged or no journal of ours.
    """
    check_there(path)
    with told(path):
        journal = Journal(path)
        try:
            yield journal
        finally:
            journal.close()


def check_not_purged(journal: Journal) -> None:
    """ConfigurationError if nobody in it can be recognised any more."""
    if is_purged(journal):
        raise ConfigurationError(f"The journal {journal.path} was purged; nobody is left in it.")


def check_there(path: Path) -> None:
    """ConfigurationError if there is no file at `path`: else opening it would make one."""
    try:
        if path.exists():
            return
    except OSError as error:
        raise ConfigurationError(f"Cannot read {path}: {error.strerror}.") from None
    raise ConfigurationError(f"There is no journal {path}.")
