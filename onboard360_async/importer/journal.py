"""The books of an import: every row and what became of it, on the disk before anything else sees it.

SQLite beside the input; knows no API and no file format. A row is known by (campaign, email key, occurrence), never by
its line, so that the list may be mended and sorted between two runs. A journal in memory is gone with its process.
"""

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from sqlite3 import Connection
from sqlite3 import Row as Record
from types import TracebackType
from typing import Final, Self

from attrs import asdict, frozen

from onboard360_async.importer.outcomes import Summary
from onboard360_async.importer.rows import Problem, Row
from onboard360_async.models import NewClient, email_key
from onboard360_async.sqlite import open_database, told

__all__ = ["Baseline", "Entry", "Journal", "Record", "Spool", "State"]

_APPLICATION_ID: Final = 0x33364F4A  # "36OJ"
_UPGRADES: Final = (
    """
    CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE rows (
        id INTEGER PRIMARY KEY,
        campaign_id TEXT, email_key TEXT, occurrence INTEGER,
        position INTEGER, line INTEGER NOT NULL, cells TEXT NOT NULL, client TEXT,
        state TEXT NOT NULL, compared INTEGER NOT NULL DEFAULT 0, created INTEGER NOT NULL DEFAULT 0,
        client_id TEXT, link TEXT, field TEXT, error TEXT, details TEXT, status INTEGER, first_line INTEGER,
        sending_at INTEGER, ended_at INTEGER
    );
    CREATE UNIQUE INDEX rows_by_identity ON rows (campaign_id, email_key, occurrence);
    CREATE INDEX rows_by_position ON rows (position);
    CREATE INDEX rows_by_state ON rows (state, position);
    CREATE TABLE known (
        campaign_id TEXT NOT NULL, client_id TEXT NOT NULL, email_key TEXT NOT NULL,
        PRIMARY KEY (campaign_id, client_id)
    ) WITHOUT ROWID;
    CREATE INDEX known_by_key ON known (campaign_id, email_key)
    """,
    "CREATE INDEX rows_by_client ON rows (campaign_id, client_id) WHERE client_id IS NOT NULL",
)
_ABOUT_THE_LIST: Final = ("header", "source", "mark")  # facts that go with a list; the others are about campaigns
_STEP: Final = 5_000  # rows that are changed at once: the loop has other things to do


class State:
    """Where a row stands."""

    INVALID: Final = "invalid"
    DUPLICATE: Final = "skipped_duplicate"
    EXISTING: Final = "skipped_existing"
    PLANNED: Final = "planned"
    SENDING: Final = "sending"
    CREATED: Final = "created"
    REJECTED: Final = "rejected"
    UNRESOLVED: Final = "unresolved"


_ENDED: Final = "The run ended while the request was under way."


@frozen
class Entry:
    """A planned row that may be sent."""

    id: int
    line: int
    client: NewClient


class Journal:
    """One import's rows. `path` None: in memory."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._db = open_database(path, application_id=_APPLICATION_ID, upgrades=_UPGRADES)
        try:
            with told(path):
                self.doubt_what_was_under_way()
        except BaseException:
            self._db.close()
            raise

    def doubt_what_was_under_way(self) -> None:
        """What was under way when a run ended may or may not have been created: at most once, always."""
        self._db.execute(
            "UPDATE rows SET state = ?, error = ? WHERE state = ?", (State.UNRESOLVED, _ENDED, State.SENDING)
        )

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    # --- the list ---

    def fact(self, name: str) -> str | None:
        """Something noted about the list."""
        found = self._db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return None if found is None else str(found["value"])

    def spool(self, facts: Mapping[str, str]) -> "Spool":
        """A block in which a new list is written, whole or not at all."""
        return Spool(self._db, facts)

    def to_compare(self) -> list[str]:
        """Campaigns with planned rows that were not compared with who exists."""
        query = "SELECT DISTINCT campaign_id FROM rows WHERE state = ? AND position IS NOT NULL AND NOT compared"
        return [record["campaign_id"] for record in self._db.execute(query, (State.PLANNED,))]

    def baseline(self, campaign_id: str) -> "Baseline":
        """A block in which those who exist are noted, and planned rows of theirs skipped: all or none."""
        return Baseline(self._db, campaign_id)

    def listed(self) -> list[int]:
        """How many there were when each campaign of the list was listed."""
        query = """SELECT value FROM facts WHERE name LIKE 'listed %' AND EXISTS (
                       SELECT 1 FROM rows WHERE campaign_id = substr(name, 8) AND position IS NOT NULL)"""
        return [int(record["value"]) for record in self._db.execute(query)]

    def is_known(self, campaign_id: str, client_id: str) -> bool:
        """Whether a client was there before this import began, or is another row's already."""
        query = """SELECT 1 FROM known WHERE campaign_id = :campaign AND client_id = :client
                   UNION ALL SELECT 1 FROM rows WHERE campaign_id = :campaign AND client_id = :client"""
        return self._db.execute(query, {"campaign": campaign_id, "client": client_id}).fetchone() is not None

    # --- one row's way; each step is on the disk when the method returns ---

    def next_planned(self, after: int) -> tuple[int, Entry] | None:
        """The first planned row whose position is beyond `after`, and its position."""
        found = self._db.execute(
            "SELECT * FROM rows WHERE state = ? AND position > ? ORDER BY position LIMIT 1", (State.PLANNED, after)
        ).fetchone()
        if found is None:
            return None
        return found["position"], Entry(found["id"], found["line"], NewClient(**json.loads(found["client"])))

    def sending(self, row_id: int) -> None:
        """The request is about to leave."""
        self._set(row_id, State.SENDING, sending_at=time.time_ns())

    def planned(self, row_id: int) -> None:
        """The request certainly created nothing, and may be sent again."""
        self._set(row_id, State.PLANNED, sending_at=None)

    def created(self, row_id: int, client_id: str, link: str | None) -> None:
        """The server said who was created."""
        self._set(row_id, State.CREATED, client_id=client_id, link=link, created=1, ended_at=time.time_ns())

    def existing(self, row_id: int, client_id: str, link: str | None) -> None:
        """The server returned somebody who was there before."""
        self._set(row_id, State.EXISTING, client_id=client_id, link=link, ended_at=time.time_ns())

    def rejected(self, row_id: int, status: int, error: str, details: str | None) -> None:
        """The server refused it; nothing was created."""
        self._set(row_id, State.REJECTED, status=status, error=error, details=details, ended_at=time.time_ns())

    def unresolved(self, row_id: int, reason: str, *, created: bool) -> None:
        """Nobody knows whether it was created, or what its id and link are."""
        self._set(row_id, State.UNRESOLVED, error=reason, created=int(created), ended_at=time.time_ns())

    # --- looking ---

    def records(self, *states: str) -> Iterator[Record]:
        """The rows of the list in its order, all or those in some states."""
        marks = ", ".join("?" * len(states))
        where = f"AND state IN ({marks})" if states else ""
        query = f"SELECT * FROM rows WHERE position IS NOT NULL {where} ORDER BY position"  # noqa: S608 - question marks only
        yield from self._db.execute(query, states)

    def summary(self) -> Summary:
        """The rows of the list, counted by state."""
        query = "SELECT state, count(*) AS number FROM rows WHERE position IS NOT NULL GROUP BY state"
        counts = {record["state"]: record["number"] for record in self._db.execute(query)}
        return Summary(
            rows=sum(counts.values()),
            created=counts.get(State.CREATED, 0),
            skipped_existing=counts.get(State.EXISTING, 0),
            skipped_duplicate=counts.get(State.DUPLICATE, 0),
            rejected=counts.get(State.REJECTED, 0),
            invalid=counts.get(State.INVALID, 0),
            unresolved=counts.get(State.UNRESOLVED, 0),
            planned=counts.get(State.PLANNED, 0) + counts.get(State.SENDING, 0),
        )

    # --- inside ---

    def _set(self, row_id: int, state: str, **changes: object) -> None:
        values = {"error": None, "details": None, "status": None} | changes | {"state": state}
        names = ", ".join(f"{name} = ?" for name in values)
        self._db.execute(f"UPDATE rows SET {names} WHERE id = ?", (*map(_storable, values.values()), row_id))  # noqa: S608 - our own names


def _storable(value: object) -> object:
    """A server that cuts its messages may cut a character in half; SQLite refuses that, and the row's fate with it."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


@contextmanager
def _transaction(db: Connection) -> Iterator[None]:
    """All of it, or nothing."""
    db.execute("BEGIN")
    try:
        yield
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")


class Baseline:
    """Who is in a campaign before anything is sent."""

    def __init__(self, db: Connection, campaign_id: str) -> None:
        self._db, self._campaign_id = db, campaign_id
        self._transaction = _transaction(db)
        self.count = 0

    def __enter__(self) -> Self:
        self._transaction.__enter__()
        return self

    def add(self, clients: Iterable[tuple[str, str]]) -> None:
        """Some of them, as (client id, email)."""
        rows = [(self._campaign_id, client_id, email_key(email)) for client_id, email in clients]
        self.count += len(rows)
        self._db.executemany("INSERT OR REPLACE INTO known VALUES (?, ?, ?)", rows)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._transaction.__exit__(kind, error, trace)

    def skip(self) -> Iterator[None]:
        """At the end of the listing: skip the list's planned rows of those who are there, some rows a step."""
        within = "+campaign_id = ? AND state = ? AND position > ? AND position <= ? AND NOT compared"  # +: by position
        last = "SELECT max(position) FROM (SELECT position FROM rows WHERE state = ? AND position > ? LIMIT ?)"
        known = "FROM known WHERE known.campaign_id = rows.campaign_id AND known.email_key = rows.email_key"
        skip = f"""UPDATE rows SET state = ?, client_id = (SELECT client_id {known} LIMIT 1)
                   WHERE {within} AND EXISTS (SELECT 1 {known})"""  # noqa: S608 - our own words
        after = 0
        while (until := self._db.execute(last, (State.PLANNED, after, _STEP)).fetchone()[0]) is not None:
            which = (self._campaign_id, State.PLANNED, after, until)
            self._db.execute(skip, (State.EXISTING, *which))
            self._db.execute(f"UPDATE rows SET compared = 1 WHERE {within}", which)  # noqa: S608 - as above
            after = until
            yield
        fact = (f"listed {self._campaign_id}", str(self.count))
        self._db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", fact)


class Spool:
    """A list on its way into the journal, row by row, in one transaction.

    Rows that earlier runs have dealt with keep what became of them. A row that was rejected is planned again if it was
    changed since (it was certainly not created); what is no longer in the list stays in the books and is not counted.
    A row whose request has left keeps the client that was sent, whatever the list says now.
    """

    def __init__(self, db: Connection, facts: Mapping[str, str]) -> None:
        self._db, self._facts = db, facts
        self._transaction = _transaction(db)
        self._position = 0

    def __enter__(self) -> Self:
        self._transaction.__enter__()
        self._db.executemany("DELETE FROM facts WHERE name = ?", [(name,) for name in _ABOUT_THE_LIST])
        self._db.executemany("INSERT INTO facts VALUES (?, ?)", self._facts.items())
        return self

    def forget(self) -> Iterator[None]:
        """Take the list before this one off the books' order, some rows a step; what became of its rows stays."""
        gone = "DELETE FROM rows WHERE id IN (SELECT id FROM rows WHERE state IN (?, ?) LIMIT ?)"
        while self._db.execute(gone, (State.INVALID, State.DUPLICATE, _STEP)).rowcount:
            yield
        off = "UPDATE rows SET position = NULL WHERE id IN (SELECT id FROM rows WHERE position IS NOT NULL LIMIT ?)"
        while self._db.execute(off, (_STEP,)).rowcount:
            yield

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._transaction.__exit__(kind, error, trace)

    def invalid(self, row: Row, problem: Problem) -> None:
        """A row that cannot be sent."""
        self._insert(row, state=State.INVALID, field=problem.field, error=problem.reason, details=problem.value)

    def valid(self, row: Row, client: NewClient) -> None:
        """A row that can be sent, if the list does not name the same person before."""
        key = email_key(client.email)
        # UNDOCUMENTED: what the server does with one email twice in a campaign; occurrence is always 1 in this version,
        # so that nobody is added twice by a list that names them twice (tests/importer/test_job.py).
        known = self._db.execute(
            "SELECT id, state, client, position, line FROM rows WHERE campaign_id = ? AND email_key = ?"
            " AND occurrence = 1",
            (client.campaign_id, key),
        ).fetchone()
        text = json.dumps(asdict(client))
        if known is None:
            identity = {"campaign_id": client.campaign_id, "email_key": key, "occurrence": 1}
            self._insert(row, state=State.PLANNED, client=text, **identity)
        elif known["position"] is not None:
            first = known["line"]
            self._insert(row, state=State.DUPLICATE, client=text, first_line=first, error=f"same email as line {first}")
        else:
            self._take_up(known, row, text)

    def _take_up(self, known: Record, row: Row, text: str) -> None:
        """A row that the journal knows from an earlier run."""
        self._position += 1
        self._db.execute(
            "UPDATE rows SET position = ?, line = ?, cells = ? WHERE id = ?",
            (self._position, row.line, json.dumps(list(row.cells)), known["id"]),
        )
        if known["client"] == text:
            return
        if known["state"] == State.PLANNED:
            self._db.execute("UPDATE rows SET client = ? WHERE id = ?", (text, known["id"]))
        elif known["state"] == State.REJECTED:  # compared anew, too: somebody may have added them by hand since
            self._db.execute(
                "UPDATE rows SET client = ?, state = ?, compared = 0, error = NULL, details = NULL, status = NULL"
                " WHERE id = ?",
                (text, State.PLANNED, known["id"]),
            )

    def _insert(self, row: Row, **values: object) -> None:
        self._position += 1
        values |= {"position": self._position, "line": row.line, "cells": json.dumps(list(row.cells))}
        names, marks = ", ".join(values), ", ".join("?" * len(values))
        self._db.execute(f"INSERT INTO rows ({names}) VALUES ({marks})", tuple(map(_storable, values.values())))  # noqa: S608 - our own names
