"""Listings, as the journal takes them in: who was there before anything was sent, and who is there now.

Knows no HTTP; it is given clients batch by batch, and holds none of them in memory.
"""

from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType
from typing import Final, Self

from onboard360_async.importer.journal import Journal
from onboard360_async.importer.tables import STEP, State
from onboard360_async.models import Client, email_key
from onboard360_async.sqlite import transaction

__all__ = ["Baseline", "Seen"]

_KNOWN: Final = "FROM known WHERE known.campaign_id = rows.campaign_id AND known.email_key = rows.email_key"
_NOTE: Final = """INSERT OR REPLACE INTO known SELECT :campaign, :client, :key
    WHERE NOT EXISTS (SELECT 1 FROM rows WHERE campaign_id = :campaign AND client_id = :client)
    AND NOT EXISTS (SELECT 1 FROM rows WHERE campaign_id = :campaign AND email_key = :key
                    AND state IN ('sending', 'ambiguous', 'created_no_id', 'unresolved'))"""
_SEEN: Final = """CREATE TEMP TABLE IF NOT EXISTS seen (
    client_id TEXT PRIMARY KEY, email_key TEXT NOT NULL) WITHOUT ROWID"""
# What a listing is asked when it is at its end. The books know more by then than when it began (`:began`).
_UNSEEN: Final = "NOT EXISTS (SELECT 1 FROM seen WHERE seen.client_id = {}.client_id)"
_OURS: Final = "FROM rows WHERE campaign_id = :campaign AND client_id IS NOT NULL AND ended_at <= :began"
_LACKS_KNOWN: Final = "SELECT 1 FROM known WHERE campaign_id = :campaign AND " + _UNSEEN.format("known")  # noqa: S608 - our own words, here and below
_LACKS_OURS: Final = f"SELECT 1 {_OURS} AND " + _UNSEEN.format("rows")
_RENAMED: Final = f"""SELECT 1 {_OURS} AND state = 'created' AND EXISTS (
    SELECT 1 FROM seen WHERE seen.client_id = rows.client_id AND seen.email_key != rows.email_key)"""  # noqa: S608 - as above
_WITNESS: Final = f"""SELECT coalesce(max(sending_at), 0) {_OURS} AND state = 'created' AND EXISTS (
    SELECT 1 FROM seen WHERE seen.client_id = rows.client_id)"""  # noqa: S608 - as above
_MISSING: Final = f"SELECT id {_OURS} AND state IN ('created', 'adopted') AND " + _UNSEEN.format("rows")
_DOUBLED: Final = """SELECT min(rows.id) AS id FROM rows JOIN (
        SELECT email_key, count(*) AS clients FROM seen
        WHERE client_id NOT IN (SELECT client_id FROM known WHERE campaign_id = :campaign) GROUP BY email_key
    ) AS shown ON shown.email_key = rows.email_key
    WHERE rows.campaign_id = :campaign AND rows.sending_at IS NOT NULL
    GROUP BY rows.email_key, shown.clients HAVING shown.clients > count(*)"""


class Baseline:
    """A block in which those who were there before are noted, and planned rows of theirs skipped: all or none.

    A list that grew is compared anew. Then whoever may be the client of a row in doubt is not taken for somebody who
    was there before, or that row would be sent again.
    """

    def __init__(self, journal: Journal, campaign_id: str) -> None:
        self._journal, self._db, self._campaign_id = journal, journal.db, campaign_id
        self._transaction = transaction(self._db)
        self.count: int = 0

    def __enter__(self) -> Self:
        self._transaction.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._transaction.__exit__(kind, error, trace)

    def add(self, clients: Iterable[tuple[str, str]]) -> None:
        """Some of them, as (client id, email)."""
        rows = [
            {"campaign": self._campaign_id, "client": client_id, "key": email_key(email)}
            for client_id, email in clients
        ]
        self.count += len(rows)
        self._db.executemany(_NOTE, rows)

    def compare(self, *, skip: bool) -> Iterator[None]:
        """At the end of the listing: skip the list's planned rows of those who are there, some rows a step.

        `skip` False: note only that they were compared; they are to be sent all the same.
        """
        yield from _compare(self._journal, self._campaign_id, skip=skip)
        self._journal.note(f"listed {self._campaign_id}", str(self.count))

    @staticmethod
    def again(journal: Journal, campaign_id: str) -> Iterator[None]:
        """Skip those who are known to be there, though an earlier run was told to send them all the same."""
        yield from _compare(journal, campaign_id, skip=True)


def _compare(journal: Journal, campaign_id: str, *, skip: bool) -> Iterator[None]:
    """Rows by their position, so that no step is long; those compared before, too: somebody may be there by now."""
    within = "+campaign_id = ? AND state = ? AND position > ? AND position <= ?"  # +: not by campaign
    last = "SELECT max(position) FROM (SELECT position FROM rows WHERE state = ? AND position > ? LIMIT ?)"
    exists = f"""UPDATE rows SET state = ?, seq = ? + position, client_id = (SELECT client_id {_KNOWN} LIMIT 1)
                 WHERE {within} AND EXISTS (SELECT 1 {_KNOWN})"""  # noqa: S608 - our own words
    after, seq = 0, journal.next_seq()
    while (until := journal.db.execute(last, (State.PLANNED, after, STEP)).fetchone()[0]) is not None:
        which = (campaign_id, State.PLANNED, after, until)
        if skip:
            journal.db.execute(exists, (State.EXISTING, seq, *which))
            journal.next_seq(seq + until)
        journal.db.execute(f"UPDATE rows SET compared = 1 WHERE {within} AND NOT compared", which)  # noqa: S608 - as above
        after = until
        yield


class Seen:
    """Who a later listing of a campaign shows; asked against the books when it is at its end. One at a time."""

    def __init__(self, journal: Journal, campaign_id: str) -> None:
        self._journal, self._db = journal, journal.db
        self.began_at: int = journal.now()
        self._which = {"campaign": campaign_id, "began": self.began_at}
        self._witness_at: int | None = None  # when the request of the last one began
        self._db.execute(_SEEN)
        self._db.execute("DELETE FROM seen")

    def add(self, clients: Sequence[Client]) -> None:
        """Some of them."""
        rows = [(client.id, email_key(client.email)) for client in clients]
        self._db.executemany("INSERT OR IGNORE INTO seen VALUES (?, ?)", rows)

    def fault(self) -> str | None:
        """The canary: why nothing may be argued from absence in this listing; None if it may.

        Every client that the books knew when it began must be there, under the address that we sent.
        """
        if self._has(_LACKS_KNOWN):
            return "the listing lacks a client who was there before: it is cut, paged or out of date"
        if self._has(_LACKS_OURS):
            return "the listing lacks a client of this import: it is cut, paged or out of date"
        # UNDOCUMENTED: whether the service keeps an address as it was sent. If not, nobody can be looked for by it
        # (tests/importer/test_settle.py).
        if self._has(_RENAMED):
            return "the service shows a client of this import under another address than the one that was sent"
        return None

    def has_witness(self, ended_at: int) -> bool:
        """Whether it shows a client that we created by a request that began after this moment."""
        if self._witness_at is None:  # once for all rows in doubt: it goes through the whole books
            self._witness_at = int(self._db.execute(_WITNESS, self._which).fetchone()[0])
        return self._witness_at > ended_at

    def missing(self) -> list[int]:
        """The rows that have a client of their own who is not shown."""
        return [record["id"] for record in self._db.execute(_MISSING, self._which)]

    def doubled(self) -> list[int]:
        """The first row of each email for which more clients are shown than rows were sent."""
        return [record["id"] for record in self._db.execute(_DOUBLED, self._which)]

    def _has(self, query: str) -> bool:
        return self._db.execute(query, self._which).fetchone() is not None
