"""The books of an import: every row and what became of it, on the disk before anything else sees it.

SQLite beside the input; knows no API and no file format. A row is known by (campaign, email key, occurrence), never by
its line, so that the list may be mended and sorted between two runs. A journal in memory is gone with its process.
"""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from sqlite3 import Connection
from sqlite3 import Row as Record
from typing import Final

from attrs import field, frozen

from onboard360_async.importer.outcomes import Summary
from onboard360_async.importer.tables import APPLICATION_ID, STEP, UPGRADES, State
from onboard360_async.models import NewClient
from onboard360_async.sqlite import open_database, storable, told, transaction

__all__ = ["Doubt", "Entry", "Journal", "Record", "State"]

_ENDED: Final = "The run ended while the request was under way."
_KILLED: Final = """UPDATE runs SET ending = 'killed', ended_at = max(began_at, coalesce(
    (SELECT at FROM requests ORDER BY rowid DESC LIMIT 1), 0)) WHERE ending IS NULL"""  # it lived until then, at least
_IN_DOUBT: Final = (State.SENDING, State.AMBIGUOUS, State.CREATED_NO_ID)
_NO_OUTCOME: Final = (State.PLANNED, *_IN_DOUBT)  # somebody has still to do something about the row


@frozen
class Entry:
    """A planned row that may be sent."""

    id: int
    key: tuple[str, str]  # campaign and email key: who else has it is the same person
    client: NewClient


@frozen
class Doubt:
    """A row whose request left, and nobody knows what became of it. Times are nanoseconds since the epoch."""

    id: int
    campaign_id: str
    email_key: str
    client: NewClient = field(repr=False)
    began_at: int
    ended_at: int
    created: bool  # the server said that it created somebody


class Journal:
    """One import's rows. `path` None: in memory. `now`: nanoseconds since the epoch."""

    def __init__(self, path: Path | None, *, now: Callable[[], int] = time.time_ns) -> None:
        self.path = path
        self.now = now  # a run sets one that nobody can set back meanwhile
        self.db: Connection = open_database(path, application_id=APPLICATION_ID, upgrades=UPGRADES)
        try:
            with told(path):
                self._seq = int(self.fact("seq") or 0)
                last = self.db.execute("SELECT max(seq) FROM rows").fetchone()[0]
                self._seq = max(self._seq, last or 0)
                self.doubt_what_was_under_way()
                self._take_back_what_is_to_come()
                self._take_back_what_seems_old()
                self.db.execute(_KILLED)
        except BaseException:
            self.db.close()
            raise

    def doubt_what_was_under_way(self) -> None:
        """What was under way when a run ended may or may not have been created; it ended now, at the latest."""
        self.db.execute(
            "UPDATE rows SET state = ?, error = ?, ended_at = ? WHERE state = ?",
            (State.AMBIGUOUS, _ENDED, self.now(), State.SENDING),
        )

    def _take_back_what_is_to_come(self) -> None:
        """Our clock was set back: what is noted for later than now ended now, at the latest; its begin is not known.

        Else a run would wait until that moment, and take who came before a lost row for one who came after it.
        """
        last = self.db.execute("SELECT at FROM requests ORDER BY rowid DESC LIMIT 1").fetchone()
        if last is not None and last["at"] > (now := self.now()):
            self.db.execute(
                "UPDATE rows SET ended_at = min(ended_at, :now),"
                " sending_at = CASE WHEN sending_at > :now THEN 0 ELSE sending_at END"
                " WHERE ended_at > :now OR sending_at > :now",
                {"now": now},
            )

    def clock_went_ahead(self) -> None:
        """The machine slept while a run counted its own time, or its clock was set: nobody knows by how much."""
        self.note("clock", "ahead")

    def _take_back_what_seems_old(self) -> None:
        """Requests of such a run ended later than it noted: now, at the latest."""
        if self.fact("clock") is not None:
            states = (State.AMBIGUOUS, State.CREATED_NO_ID, State.UNRESOLVED)
            self.db.execute("UPDATE rows SET ended_at = ? WHERE state IN (?, ?, ?)", (self.now(), *states))
            self.db.execute("DELETE FROM facts WHERE name = 'clock'")

    def close(self) -> None:
        """Let go of the file."""
        self.db.close()

    def next_seq(self, until: int | None = None) -> int:
        """The number of the next outcome; `until`: all up to this one are given."""
        self._seq = self._seq + 1 if until is None else max(self._seq, until)
        return self._seq

    def keep_seq(self) -> None:
        """Note the last number: its row is about to lose it, and it is not to be given again by a later run."""
        self.note("seq", str(self._seq))

    # --- the list ---

    def fact(self, name: str) -> str | None:
        """Something noted about the list."""
        found = self.db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return None if found is None else str(found["value"])

    def note(self, name: str, value: str) -> None:
        """Note something about the list."""
        self.db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))

    def to_compare(self) -> list[str]:
        """Campaigns with planned rows that were not compared with who exists."""
        query = "SELECT DISTINCT campaign_id FROM rows WHERE state = ? AND position IS NOT NULL AND NOT compared"
        return [record["campaign_id"] for record in self.db.execute(query, (State.PLANNED,))]

    def listed(self) -> list[int]:
        """How many there were when each campaign of the list was listed."""
        query = """SELECT value FROM facts WHERE name LIKE 'listed %' AND EXISTS (
                       SELECT 1 FROM rows WHERE campaign_id = substr(name, 8) AND position IS NOT NULL)"""
        return [int(record["value"]) for record in self.db.execute(query)]

    def campaigns(self) -> list[str]:
        """The campaigns of the list."""
        query = "SELECT DISTINCT campaign_id FROM rows WHERE position IS NOT NULL AND campaign_id IS NOT NULL"
        return [record["campaign_id"] for record in self.db.execute(query)]

    def send_existing(self) -> None:
        """Plan the rows of those who were there before, too."""
        self.keep_seq()
        self.db.execute(
            "UPDATE rows SET state = ?, seq = NULL, client_id = NULL WHERE state = ? AND sending_at IS NULL",
            (State.PLANNED, State.EXISTING),
        )

    def compare_anew(self) -> None:
        """Compare planned rows that are not in the list anew, should they come back into it."""
        self.db.execute(
            "UPDATE rows SET compared = 0 WHERE state = ? AND position IS NULL AND compared", (State.PLANNED,)
        )

    def was_there(self, campaign_id: str, client_id: str) -> bool:
        """Whether a client was in the campaign before this import began."""
        query = "SELECT 1 FROM known WHERE campaign_id = ? AND client_id = ?"
        return self.db.execute(query, (campaign_id, client_id)).fetchone() is not None

    def who_was_there(self, campaign_id: str, key: str) -> str | None:
        """The id of somebody with this email key who was in the campaign before, if anybody was."""
        query = "SELECT client_id FROM known WHERE campaign_id = ? AND email_key = ? LIMIT 1"
        found = self.db.execute(query, (campaign_id, key)).fetchone()
        return None if found is None else str(found["client_id"])

    def is_credited(self, campaign_id: str, client_id: str) -> bool:
        """Whether a client is another row's already."""
        query = "SELECT 1 FROM rows WHERE campaign_id = ? AND client_id = ?"
        return self.db.execute(query, (campaign_id, client_id)).fetchone() is not None

    # --- a run ---

    def begin_run(self) -> None:
        """Somebody sends from now on."""
        self.db.execute("INSERT INTO runs (began_at) VALUES (?)", (self.now(),))

    def end_run(self, ending: str) -> None:
        """Nobody sends any more; `ending` says why."""
        self.db.execute("UPDATE runs SET ended_at = ?, ending = ? WHERE ending IS NULL", (self.now(), ending))

    def requested(self, what: str) -> None:
        """A request leaves: `add` or `list`."""
        self.db.execute("INSERT INTO requests VALUES (?, ?)", (self.now(), what))

    # --- one row's way; each step is on the disk when the method returns ---

    def next_planned(self, after: int) -> tuple[int, Entry] | None:
        """The first planned row whose position is beyond `after`, and its position.

        A row whose person may have been created by another row's request is passed over until that one is settled.
        """
        same = "FROM rows AS other WHERE other.campaign_id = rows.campaign_id AND other.email_key = rows.email_key"
        found = self.db.execute(
            f"SELECT * FROM rows WHERE state = ? AND position > ? AND NOT EXISTS (SELECT 1 {same}"  # noqa: S608 - our own words
            " AND (other.state IN (?, ?, ?) OR other.state = ? AND NOT other.absent)) ORDER BY position LIMIT 1",
            (State.PLANNED, after, *_IN_DOUBT, State.UNRESOLVED),
        ).fetchone()
        if found is None:
            return None
        key = (found["campaign_id"], found["email_key"])
        return found["position"], Entry(found["id"], key, NewClient(**json.loads(found["client"])))

    def sending(self, row_id: int) -> None:
        """The request is about to leave."""
        with transaction(self.db):
            self._set(row_id, State.SENDING, sending_at=self.now(), ended_at=None)
            self.requested("add")

    def planned(self, row_id: int) -> None:
        """The request certainly created nothing, and may be sent again."""
        self._set(row_id, State.PLANNED, sending_at=None)

    def created(self, row_id: int, client_id: str, link: str | None) -> None:
        """The server said who was created."""
        self._set(row_id, State.CREATED, client_id=client_id, link=link, created=1, ended_at=self.now())

    def adopted(self, row_id: int, client_id: str | None, link: str | None) -> None:
        """Somebody who is there counts as this row's client; None if nobody could say their id."""
        self._set(row_id, State.ADOPTED, client_id=client_id, link=link, ended_at=self.now())

    def existing(self, row_id: int, client_id: str, link: str | None) -> None:
        """The row needs nobody: this client, who is not its own, is there."""
        self._set(row_id, State.EXISTING, client_id=client_id, link=link, ended_at=self.now())

    def linked(self, row_id: int, link: str) -> None:
        """A webhook told the link."""
        self.db.execute("UPDATE rows SET link = ?, seq = ? WHERE id = ?", (storable(link), self.next_seq(), row_id))

    def rejected(self, row_id: int, status: int, error: str, details: str | None) -> None:
        """The server refused it; nothing was created."""
        self._set(row_id, State.REJECTED, status=status, error=error, details=details, ended_at=self.now())

    def doubt(self, row_id: int, reason: str, *, created: bool) -> None:
        """Nobody knows whether it was created, or who it is that was."""
        state = State.CREATED_NO_ID if created else State.AMBIGUOUS
        self._set(row_id, state, error=reason, created=int(created), ended_at=self.now())

    # --- rows in doubt ---

    def doubts(self) -> list[Doubt]:
        """The rows that are to be looked for."""
        query = "SELECT * FROM rows WHERE state IN (?, ?) ORDER BY id"
        return [_doubt(record) for record in self.db.execute(query, (State.AMBIGUOUS, State.CREATED_NO_ID))]

    def in_doubt(self) -> int:
        """How many they are."""
        query = "SELECT count(*) FROM rows WHERE state IN (?, ?)"
        return int(self.db.execute(query, (State.AMBIGUOUS, State.CREATED_NO_ID)).fetchone()[0])

    def under_way(self) -> int:
        """How many rows of the list have a request whose answer is awaited."""
        query = "SELECT count(*) FROM rows WHERE position IS NOT NULL AND state = ?"
        return int(self.db.execute(query, (State.SENDING,)).fetchone()[0])

    def planned_again(self, row_id: int) -> None:
        """It was shown that its request created nobody: it may be sent again."""
        self.keep_seq()
        self._set(row_id, State.PLANNED, sending_at=None, ended_at=None, absent=0, created=0)

    def unresolved(self, row_id: int, reason: str, *, absent: bool = False) -> None:
        """It was looked for, and stays as it is; `absent`: its request created nobody, and it was not sent again."""
        self._set(row_id, State.UNRESOLVED, error=reason, absent=int(absent))

    def reopen(self, *, plan: bool) -> None:
        """Rows that an earlier run left unresolved: those that were shown to be absent are planned again if `plan`, the
        others are looked for again.
        """
        with transaction(self.db):
            self.keep_seq()
            if plan:
                self.db.execute(
                    "UPDATE rows SET state = ?, absent = 0, error = NULL, seq = NULL, sending_at = NULL"
                    " WHERE state = ? AND absent",
                    (State.PLANNED, State.UNRESOLVED),
                )
            self.db.execute(
                "UPDATE rows SET state = CASE created WHEN 1 THEN ? ELSE ? END, seq = NULL"
                " WHERE state = ? AND NOT absent",
                (State.CREATED_NO_ID, State.AMBIGUOUS, State.UNRESOLVED),
            )

    # --- looking ---

    def record(self, row_id: int) -> Record:
        """One row."""
        found: Record = self.db.execute("SELECT * FROM rows WHERE id = ?", (row_id,)).fetchone()
        return found

    def records(self, *states: str) -> Iterator[Record]:
        """The rows of the list in its order, all or those in some states."""
        marks = ", ".join("?" * len(states))
        where = f"AND state IN ({marks})" if states else ""
        query = f"SELECT * FROM rows WHERE position IS NOT NULL {where} ORDER BY position"  # noqa: S608 - question marks only
        yield from self.db.execute(query, states)

    def first_invalid(self, most: int) -> list[Record]:
        """The first rows of the list that cannot be sent."""
        query = "SELECT * FROM rows WHERE state = ? AND position IS NOT NULL ORDER BY position LIMIT ?"
        return self.db.execute(query, (State.INVALID, most)).fetchall()

    def absent(self) -> int:
        """How many rows of the list are unresolved although it was shown that their requests created nobody."""
        query = "SELECT count(*) FROM rows WHERE state = ? AND absent AND position IS NOT NULL"
        return int(self.db.execute(query, (State.UNRESOLVED,)).fetchone()[0])

    def told_since(self, seq: int, *states: str) -> Iterator[Record]:
        """The rows of the list with an outcome (all or those in some states), in the order in which it was noted, after
        the one with this number.
        """
        marks = ", ".join("?" * len(states))
        where = f"position IS NOT NULL AND +state IN ({marks})" if states else "position IS NOT NULL"  # +: by seq
        query = f"SELECT * FROM rows WHERE seq > ? AND {where} ORDER BY seq LIMIT ?"  # noqa: S608 - question marks only
        while found := self.db.execute(query, (seq, *states, STEP)).fetchall():
            yield from found
            seq = found[-1]["seq"]

    def summary(self) -> Summary:
        """The rows of the list, counted by state."""
        query = "SELECT state, count(*) AS number FROM rows WHERE position IS NOT NULL GROUP BY state"
        counts = {record["state"]: record["number"] for record in self.db.execute(query)}
        return Summary(
            rows=sum(counts.values()),
            created=counts.get(State.CREATED, 0),
            adopted=counts.get(State.ADOPTED, 0),
            skipped_existing=counts.get(State.EXISTING, 0),
            skipped_duplicate=counts.get(State.DUPLICATE, 0),
            rejected=counts.get(State.REJECTED, 0),
            invalid=counts.get(State.INVALID, 0),
            unresolved=counts.get(State.UNRESOLVED, 0),
            ambiguous=sum(counts.get(state, 0) for state in _IN_DOUBT),
            planned=counts.get(State.PLANNED, 0),
        )

    # --- inside ---

    def _set(self, row_id: int, state: str, **changes: object) -> None:
        seq = None if state in _NO_OUTCOME else self.next_seq()
        values = {"error": None, "details": None, "status": None} | changes | {"state": state, "seq": seq}
        names = ", ".join(f"{name} = ?" for name in values)
        self.db.execute(f"UPDATE rows SET {names} WHERE id = ?", (*map(storable, values.values()), row_id))  # noqa: S608 - our own names


def _doubt(record: Record) -> Doubt:
    ended_at = record["ended_at"] or 0  # an older version did not note when a killed run's ended: long ago
    return Doubt(
        id=record["id"],
        campaign_id=record["campaign_id"],
        email_key=record["email_key"],
        client=NewClient(**json.loads(record["client"])),
        began_at=record["sending_at"] or 0,
        ended_at=ended_at,
        created=record["state"] == State.CREATED_NO_ID,
    )
