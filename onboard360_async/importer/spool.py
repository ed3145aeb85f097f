"""A list on its way into the journal, row by row, in one transaction. Knows no file."""

import json
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Final, Self

from attrs import asdict

from onboard360_async.importer.journal import Journal, Record
from onboard360_async.importer.rows import Problem, Row
from onboard360_async.importer.tables import STEP, State
from onboard360_async.models import NewClient, email_key
from onboard360_async.sqlite import storable, transaction

__all__ = ["Spool"]

_ABOUT_THE_LIST: Final = ("header", "source", "mark")  # facts that go with a list; the others are about campaigns


class Spool:
    """A block in which a new list is written, whole or not at all.

    Rows that earlier runs have dealt with keep what became of them. A row that was rejected is planned again if it was
    changed since (it was certainly not created); what is no longer in the list stays in the books and is not counted.
    A row whose request has left keeps the client that was sent, whatever the list says now. `send_twice`: the same
    email again in a campaign is another occurrence, to be sent too, not a duplicate.
    """

    def __init__(self, journal: Journal, facts: Mapping[str, str], *, send_twice: bool = False) -> None:
        self._journal, self._db, self._facts = journal, journal.db, facts
        self._send_twice = send_twice
        self._transaction = transaction(self._db)
        self._position = 0

    def __enter__(self) -> Self:
        self._transaction.__enter__()
        self._db.executemany("DELETE FROM facts WHERE name = ?", [(name,) for name in _ABOUT_THE_LIST])
        facts = [(name, storable(value)) for name, value in self._facts.items()]  # a file's name may be no text
        self._db.executemany("INSERT INTO facts VALUES (?, ?)", facts)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._transaction.__exit__(kind, error, trace)

    def forget(self) -> Iterator[None]:
        """Take the list before this one off the books' order, some rows a step; what became of its rows stays."""
        self._journal.note("seq", str(self._journal.next_seq()))  # the numbers of rows that go are not given again
        gone = "DELETE FROM rows WHERE id IN (SELECT id FROM rows WHERE state IN (?, ?) LIMIT ?)"
        while self._db.execute(gone, (State.INVALID, State.DUPLICATE, STEP)).rowcount:
            yield
        off = "UPDATE rows SET position = NULL WHERE id IN (SELECT id FROM rows WHERE position IS NOT NULL LIMIT ?)"
        while self._db.execute(off, (STEP,)).rowcount:
            yield

    def invalid(self, row: Row, problem: Problem) -> None:
        """A row that cannot be sent."""
        said = {"field": problem.field, "error": problem.reason, "details": problem.value}
        values = {name: storable(value) for name, value in said.items()}
        self._insert(row, state=State.INVALID, seq=self._journal.next_seq(), **values)

    def valid(self, row: Row, client: NewClient) -> None:
        """A row that can be sent, if the list does not name the same person before."""
        # UNDOCUMENTED: what the server does with one email twice in a campaign; unless somebody wants it so, nobody is
        # added twice by a list that names them twice (tests/importer/test_job.py).
        key = email_key(client.email)
        known = self._next_occurrence(client.campaign_id, key)
        text = json.dumps(asdict(client, recurse=False))
        if isinstance(known, int):
            identity = {"campaign_id": client.campaign_id, "email_key": key, "occurrence": known}
            self._insert(row, state=State.PLANNED, client=text, **identity)
        elif known["position"] is not None:
            first = known["line"]
            values = {"client": text, "first_line": first, "error": f"same email as line {first}"}
            self._insert(row, state=State.DUPLICATE, seq=self._journal.next_seq(), **values)
        else:
            self._take_up(known, row, text)

    def _next_occurrence(self, campaign_id: str, key: str) -> Record | int:
        """The row that the journal has for this person, or the number of the occurrence that is to be made."""
        found: Record | None = self._db.execute(
            "SELECT id, state, client, position, line, sending_at FROM rows WHERE campaign_id = ? AND email_key = ?"
            " AND occurrence = 1",
            (campaign_id, key),
        ).fetchone()
        if found is None:
            return 1
        if found["position"] is None or not self._send_twice:
            return found
        free: Record | None = self._db.execute(
            "SELECT id, state, client, position, line, sending_at FROM rows WHERE campaign_id = ? AND email_key = ?"
            " AND position IS NULL ORDER BY occurrence LIMIT 1",
            (campaign_id, key),
        ).fetchone()
        if free is not None:
            return free
        query = "SELECT max(occurrence) + 1 FROM rows WHERE campaign_id = ? AND email_key = ?"
        return int(self._db.execute(query, (campaign_id, key)).fetchone()[0])

    def _take_up(self, known: Record, row: Row, text: str) -> None:
        """A row that the journal knows from an earlier run."""
        self._position += 1
        self._db.execute(
            "UPDATE rows SET position = ?, line = ?, cells = ? WHERE id = ?",
            (self._position, row.line, json.dumps(list(row.cells)), known["id"]),
        )
        if known["client"] == text:
            return
        if known["state"] == State.PLANNED or (known["state"] == State.EXISTING and known["sending_at"] is None):
            self._db.execute("UPDATE rows SET client = ? WHERE id = ?", (text, known["id"]))
        elif known["state"] == State.REJECTED:  # compared anew, too: somebody may have added them by hand since
            self._db.execute(
                "UPDATE rows SET client = ?, state = ?, compared = 0, seq = NULL, error = NULL, details = NULL,"
                " status = NULL WHERE id = ?",
                (text, State.PLANNED, known["id"]),
            )

    def _insert(self, row: Row, **values: object) -> None:
        self._position += 1
        values |= {"position": self._position, "line": row.line, "cells": json.dumps(list(row.cells))}
        names, marks = ", ".join(values), ", ".join("?" * len(values))
        self._db.execute(f"INSERT INTO rows ({names}) VALUES ({marks})", tuple(values.values()))  # noqa: S608 - our own names
