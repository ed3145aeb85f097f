"""The end of an import's personal data: in the journal, and in the files that were written from it.

What stays: how many rows became what, client ids, times, and that it was purged; so the list is not taken for a new one
by mistake. Knows no command. The list itself is the user's own and is left.
"""

from pathlib import Path
from typing import Final

from onboard360_async.errors import ConfigurationError
from onboard360_async.importer.journal import Journal
from onboard360_async.importer.results import written
from onboard360_async.importer.whole_file import part_of
from onboard360_async.sqlite import transaction

__all__ = ["check_may_purge", "files_to_purge", "purge"]

_WIPES: Final = (
    "UPDATE rows SET cells = '[]', client = NULL, email_key = NULL, link = NULL, field = NULL, error = NULL,"
    " details = NULL",
    "DELETE FROM known",
    "DELETE FROM events",
    "DELETE FROM facts WHERE name IN ('header', 'source', 'mark', 'written')",
    "DROP TABLE IF EXISTS temp.seen",
)


def check_may_purge(journal: Journal) -> None:
    """ConfigurationError while rows are to be sent or in doubt: what is known of them would be lost."""
    summary = journal.summary()
    open_rows = summary.planned + max(summary.ambiguous, journal.in_doubt())
    if open_rows:
        raise ConfigurationError(
            f"This import is not finished (rows to be sent or looked for: {open_rows}), and who they are would be lost."
            " Finish it first, or say --force."
        )


def files_to_purge(journal: Journal) -> list[Path]:
    """The files that this import has written and that are still there, with what a killed run left of them."""
    return [each for path in written(journal) for each in (path, part_of(path)) if each.exists()]


def purge(journal: Journal) -> list[Path]:
    """Delete the files, then wipe the journal so that the bytes are gone; the files that were deleted.

    ConfigurationError, with the journal as it was, if a file cannot be deleted.
    """
    files = files_to_purge(journal)
    for path in files:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise ConfigurationError(
                f"Cannot delete {path}: {error.strerror}. The journal was left as it is."
            ) from None
    journal.db.execute("PRAGMA secure_delete = ON")
    with transaction(journal.db):
        for wipe in _WIPES:
            journal.db.execute(wipe)
        journal.note("purged", str(journal.now()))
    for step in ("PRAGMA wal_checkpoint(TRUNCATE)", "VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"):
        journal.db.execute(step).fetchall()
    return files
