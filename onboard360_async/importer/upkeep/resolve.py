"""A human's word on a row that no listing could settle. Asks nobody and sends nothing."""

from onboard360_async.errors import ValidationError
from onboard360_async.importer.journal import Journal, Record, State
from onboard360_async.importer.upkeep.books import check_not_purged
from onboard360_async.models import email_key
from onboard360_async.sqlite import storable

__all__ = ["resolve_created", "resolve_not_created", "row_in_doubt"]

_IN_DOUBT = (State.AMBIGUOUS, State.CREATED_NO_ID, State.UNRESOLVED)


def row_in_doubt(journal: Journal, *, line: int | None = None, email: str | None = None) -> Record:
    """The row on this line of the list, or of this email, about which nobody can tell.

    ValidationError if there is none, if there are several, or if its fate is known.
    """
    check_not_purged(journal)
    if line is not None:
        found = journal.db.execute("SELECT * FROM rows WHERE position IS NOT NULL AND line = ?", (line,)).fetchall()
        what = f"on line {line}"
    else:
        key = storable(email_key(email or ""))
        found = journal.db.execute("SELECT * FROM rows WHERE email_key = ? ORDER BY id", (key,)).fetchall()
        what = "of this email"
    if not found:
        raise ValidationError(f"There is no row {what} in this import.", "row")
    rows = [record for record in found if record["state"] in _IN_DOUBT]
    if not rows:
        raise ValidationError(f"The row {what} is in no doubt: it is {found[0]['state']}.", "row")
    if len(rows) > 1:
        lines = tuple(f"line {record['line']}, campaign {record['campaign_id']}" for record in rows)
        raise ValidationError(f"More than one row {what} is in doubt; say which by its line:", "row", lines)
    record: Record = rows[0]
    return record


def resolve_created(journal: Journal, record: Record, client_id: str | None, link: str | None) -> None:
    """Somebody looked, and the person is there. ValidationError if the client with this id is another row's."""
    if client_id is not None and journal.is_credited(record["campaign_id"], client_id):
        raise ValidationError(f"The client {client_id} is another row's of this import.", "client_id")
    journal.adopted(record["id"], client_id, link)


def resolve_not_created(journal: Journal, record: Record) -> None:
    """Somebody looked, and nobody is there: the next run sends the row again."""
    journal.planned_again(record["id"])
