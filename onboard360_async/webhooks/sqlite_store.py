"""An inbox in a SQLite file, which several processes may share. Knows no event from within."""

import json
import logging
import os
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from operator import attrgetter
from pathlib import Path
from typing import Final

from onboard360_async import settings
from onboard360_async.errors import ConfigurationError, ImportLockedError, InboxError
from onboard360_async.sqlite import application_of, open_database, opened_as, storable, transaction
from onboard360_async.webhooks.store import Counts, Kept, NewEvent, State

__all__ = ["SqliteStore", "is_inbox", "open_inbox"]

_LOG: Final = logging.getLogger("onboard360_async")
APPLICATION_ID: Final = 0x33364F57  # "36OW"
UPGRADES: Final = (
    """
    CREATE TABLE events (
        seq INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, id TEXT NOT NULL, name TEXT NOT NULL,
        subject TEXT, email_key TEXT, received_at REAL NOT NULL,
        form TEXT NOT NULL, body BLOB NOT NULL, headers TEXT NOT NULL,
        state TEXT NOT NULL DEFAULT 'waiting', attempts INTEGER NOT NULL DEFAULT 0,
        due_at REAL NOT NULL, lease TEXT, handled TEXT NOT NULL DEFAULT '[]', error TEXT
    );
    CREATE INDEX events_due ON events (due_at, seq) WHERE state = 'waiting';
    CREATE INDEX events_waiting ON events (subject, seq) WHERE state = 'waiting';
    CREATE INDEX events_by_id ON events (id) WHERE id != key
    """,  # none by email: each index costs an acknowledgement 6 µs, and people are looked for seldom
)
# No other event of the subject waits before this one, or is being handled: one that is replayed may have come before.
_FREE: Final = """state = 'waiting' AND NOT EXISTS (SELECT 1 FROM events AS other
    WHERE other.subject = events.subject AND other.state = 'waiting' AND other.seq != events.seq
    AND (other.seq < events.seq OR other.lease IS NOT NULL AND other.due_at > :now))"""
# The key is the id itself, unless an event is known by what happened to whom: a second index would hold it twice.
_OF_ID: Final = "(key = ? OR id != key AND id = ?)"
_OF_IDS: Final = _OF_ID.replace("= ?", "IN (SELECT value FROM json_each(?))")
_AFRESH: Final = "state = 'waiting', attempts = 0, due_at = ?, lease = NULL, handled = '[]', error = NULL"
_WIPED: Final = "state = 'purged', subject = NULL, email_key = NULL, body = x'', headers = '[]', error = NULL"
_FIELDS: Final = ("key", "id", "name", "subject", "email_key", "received_at", "form", "body", "headers")
_COLUMNS: Final = f"{', '.join(_FIELDS)}, due_at"
_ROW: Final = f"({'?, ' * len(_FIELDS)}0.0)"
_values: Final = attrgetter(*_FIELDS)
_AT_ONCE: Final = 90  # events in one statement: an older SQLite takes 999 values


def is_inbox(path: Path) -> bool:
    """Is this file an inbox? It is not locked, nor opened where this process uses it."""
    try:
        return application_of(path) == APPLICATION_ID
    except OSError:
        return False


def open_inbox(path: Path) -> "SqliteStore":
    """The inbox at `path`, which others may be using. ConfigurationError if there is none; no file is made."""
    try:
        is_there = application_of(path) == APPLICATION_ID
    except OSError as error:
        raise ConfigurationError(f"Cannot read the inbox {path}: {error.strerror}.") from None
    if not is_there:
        raise ConfigurationError(f"{path} is no inbox.")
    return SqliteStore(path)


class SqliteStore:
    """An inbox's events in a file that only its owner can read; in memory without a path.

    ConfigurationError if the file cannot be used or is not ours, InboxError if another process keeps it for too long.
    """

    def __init__(self, path: str | os.PathLike[str] | None) -> None:
        if path is not None and os.fspath(path) == ":memory:":
            raise ConfigurationError("An inbox in memory has no path: give None.")
        # Absolute: the same file wherever the process goes.
        self.path: Path | None = None if path is None else Path(path).absolute()
        try:
            self.db: sqlite3.Connection = open_database(
                self.path, application_id=APPLICATION_ID, upgrades=UPGRADES, shared=True
            )
        except ImportLockedError:
            raise InboxError("The inbox is held by another process.") from None
        self.db.execute("PRAGMA secure_delete = ON")  # what is purged is gone from the file ...
        self._purged = False

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of it on the disk at its end, or nothing; InboxError then."""
        try:
            with transaction(self.db):
                self._check_place()
                yield
        except sqlite3.Error as error:
            # Without a name of SQLite's it is Python's, and quotes a text that stands there: a person's, perhaps.
            what = str(error) if hasattr(error, "sqlite_errorname") else "it holds a text that cannot be read"
            raise InboxError(f"The inbox cannot be used: {what}.") from None
        if self._purged:
            self._forget()

    def _check_place(self) -> None:
        """What is written to a file that was deleted or replaced, nobody will ever find."""
        if self.path is not None and opened_as(self.path) is None:
            raise InboxError(f"The inbox {self.path} was moved or deleted while it was in use; start again.")

    def _forget(self) -> None:
        """Purged people are gone from the file; have them gone from the log beside it, once nobody reads there."""
        try:
            self.db.execute("PRAGMA busy_timeout = 0")
            busy = self.db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            self._purged = bool(busy)
        except sqlite3.Error as error:
            _LOG.warning("what was purged from a webhook inbox is still in its log: %s", type(error).__name__)
        finally:
            self.db.execute(f"PRAGMA busy_timeout = {round(settings.SHARED_PATIENCE_S * 1000)}")

    def add(self, news: Sequence[NewEvent]) -> list[bool]:
        """Keep those that are not kept, by one statement for many: each of them costs two switches of threads."""
        told: list[bool] = []
        for begin in range(0, len(news), _AT_ONCE):
            told += self._add(news[begin : begin + _AT_ONCE])
        return told

    def _add(self, news: Sequence[NewEvent]) -> list[bool]:
        # OR ROLLBACK: what fails ends the transaction, as it would anyway. Otherwise SQLite copies each page into a
        # temporary file before it is changed, to be able to undo this statement alone: a quarter of all its work.
        rows = ", ".join([_ROW] * len(news))
        values = list(chain.from_iterable(map(_values, news)))
        query = f"INSERT OR ROLLBACK INTO events ({_COLUMNS}) VALUES {rows} ON CONFLICT DO NOTHING"  # noqa: S608 - our own words
        try:
            inserted = self.db.execute(query, values)
        except UnicodeEncodeError:  # half a character, seldom; nothing was done by then
            inserted = self.db.execute(query, list(map(storable, values)))
        if inserted.rowcount == len(news):
            return [True] * len(news)
        # The new ones are the last in the order of arrival.
        newest = "SELECT key FROM events ORDER BY seq DESC LIMIT ?"
        fresh = {record["key"] for record in self.db.execute(newest, (inserted.rowcount,))}
        told = []
        for new in news:
            told.append(new.key in fresh)
            fresh.discard(new.key)  # the first of two that are the same
        return told

    def lease(self, *, now: float, until: float, lease: str, most: int) -> list[Kept]:
        """Those that are due and free."""
        # What is due later than anything can be was noted by a clock that was fast, and has been set right since.
        far = until + settings.INBOX_BACKOFF_MOST_S
        self.db.execute("UPDATE events SET due_at = ? WHERE state = 'waiting' AND due_at > ?", (now, far))
        query = f"SELECT seq FROM events WHERE due_at <= :now AND {_FREE} ORDER BY due_at, seq LIMIT :most"  # noqa: S608 - our own words
        seqs = [record["seq"] for record in self.db.execute(query, {"now": now, "most": most})]
        note = "UPDATE events SET lease = ?, due_at = ?, attempts = attempts + 1 WHERE seq = ?"
        self.db.executemany(note, [(lease, until, seq) for seq in seqs])
        records = (self.db.execute("SELECT * FROM events WHERE seq = ?", (seq,)).fetchone() for seq in seqs)
        return [_kept(record) for record in records]

    def renew(self, seqs: Collection[int], lease: str, until: float) -> None:
        """Prolong what still holds."""
        query = "UPDATE events SET due_at = ? WHERE seq = ? AND lease = ? AND state = 'waiting'"
        self.db.executemany(query, [(until, seq, lease) for seq in seqs])

    def settle(
        self, seq: int, lease: str, *, state: State, due_at: float, attempts: int, handled: Collection[str], error: str
    ) -> bool:
        """Note it, if the lease still holds."""
        query = """UPDATE events SET state = ?, due_at = ?, attempts = ?, handled = ?, error = ?, lease = NULL
                   WHERE seq = ? AND lease = ? AND state = 'waiting'"""
        values = (state, due_at, attempts, json.dumps(list(handled)), storable(error) or None, seq, lease)
        return self.db.execute(query, values).rowcount == 1

    def replay(self, *, now: float, ids: Collection[str] = (), since: float | None = None, dead: bool = False) -> int:
        """Those that have ended wait again."""
        again = f"UPDATE events SET {_AFRESH} WHERE state IN ('done', 'dead')"  # noqa: S608 - our own words
        count = 0
        for id_ in dict.fromkeys(ids):
            count += self.db.execute(f"{again} AND {_OF_ID}", (now, id_, id_)).rowcount
        if since is not None:
            count += self.db.execute(f"{again} AND received_at >= ?", (now, since)).rowcount
        if dead:
            count += self.db.execute(f"{again} AND state = 'dead'", (now,)).rowcount
        return count

    def purge(self, *, before: float) -> int:
        """Wipe them, so that the bytes are gone."""
        query = f"UPDATE events SET {_WIPED} WHERE state IN ('done', 'dead') AND received_at < ?"  # noqa: S608 - our own words
        self._purged = True
        return self.db.execute(query, (before,)).rowcount

    def select(
        self,
        *,
        after: int = 0,
        most: int,
        ids: Collection[str] = (),
        name: str | None = None,
        state: State | None = None,
        email_key: str | None = None,
        since: float | None = None,
    ) -> list[Kept]:
        """Those that fit, in their order."""
        asked: dict[str, object] = {
            "seq > ?": after,
            "name = ?": name,
            "state = ?": state,
            "email_key = ?": storable(email_key),
            "received_at >= ?": since,
        }
        wheres = ["state != 'purged'", *(where for where, value in asked.items() if value is not None)]
        values = [value for value in asked.values() if value is not None]
        named = list(dict.fromkeys(ids))
        if named:
            wheres.append(_OF_IDS)
            values += [json.dumps(named)] * 2
        query = f"SELECT * FROM events WHERE {' AND '.join(wheres)} ORDER BY seq LIMIT ?"  # noqa: S608 - our own words
        return [_kept(record) for record in self.db.execute(query, (*values, most))]

    def ids_like(self, beginning: str) -> list[str]:
        """The ids that begin so, the first two of them: enough to tell whether one is meant."""
        query = """SELECT DISTINCT id FROM events
            WHERE (key >= :first AND key < :end OR id != key AND id >= :first AND id < :end)
            AND instr(id, :first) = 1 AND state != 'purged' ORDER BY id LIMIT 2"""
        values = {"first": storable(beginning), "end": storable(beginning + "\U0010ffff")}
        return [record["id"] for record in self.db.execute(query, values)]

    def counts(self) -> Counts:
        """By state."""
        query = "SELECT state, count(*) AS number FROM events GROUP BY state"
        return Counts(**{record["state"]: record["number"] for record in self.db.execute(query)})

    def close(self) -> None:
        """Close the file."""
        self.db.close()


def _kept(record: sqlite3.Row) -> Kept:
    named = {name: record[name] for name in record.keys() if name not in ("key", "email_key", "handled")}  # noqa: SIM118 - a Row is no mapping
    return Kept(**named, handled=tuple(json.loads(record["handled"])))
