"""Campaigns and clients in SQLite, in memory or in a file: one code path. Knows no HTTP and no host name.

Every method may be called from any thread, and takes microseconds, however many clients there are.
"""

import os
import sqlite3
import threading
from bisect import bisect_right
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from operator import itemgetter
from typing import Final, NamedTuple

from onboard360_async.sandbox.body import NewClient

__all__ = ["Store", "StoreError", "StoredCampaign", "StoredClient", "time_text"]

_APPLICATION: Final = 0x33363053  # "360S": marks a file as ours
_VERSION: Final = 2  # of the tables below
_TABLES: Final = f"""
BEGIN;
CREATE TABLE campaigns (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, name TEXT NOT NULL,
    created_at TEXT NOT NULL, updated_at TEXT NOT NULL
);
CREATE INDEX campaigns_by_name ON campaigns (name);
CREATE TABLE clients (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, campaign_id TEXT NOT NULL, first_name TEXT, last_name TEXT,
    email TEXT NOT NULL, company_name TEXT, phone TEXT, code TEXT NOT NULL UNIQUE, created_at TEXT NOT NULL,
    completed_at TEXT
);
CREATE INDEX clients_by_campaign ON clients (campaign_id, seq);
CREATE INDEX clients_by_email ON clients (campaign_id, email COLLATE NOCASE);
PRAGMA application_id = {_APPLICATION};
PRAGMA user_version = {_VERSION};
COMMIT;
"""
_FROM_1: Final = f"""
BEGIN;
ALTER TABLE clients ADD COLUMN completed_at TEXT;
CREATE INDEX clients_by_email ON clients (campaign_id, email COLLATE NOCASE);
PRAGMA user_version = {_VERSION};
COMMIT;
"""
_PAGES: Final = {  # of each order: what lies between a client and the last one, and how it is sorted
    "created": ("seq > :after AND seq <= :last", "seq"),
    "newest": ("seq < :after", "seq DESC"),
    "by-id": ("id > :after AND +seq <= :last", "id"),
}
_LAST_SEQ: Final = 2**63 - 1  # that a row can have
_JOURNAL_MODES: Final = slice(18, 20)  # sqlite.org/fileformat.html: 1 for a journal, 2 for a log
_INSERT: Final = "INSERT INTO clients VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL) RETURNING *"
_NAMES: Final = ("first_name", "last_name", "company_name")
_SEARCHED: Final = " || ' ' || ".join(("email", *(f"ifnull({name}, '')" for name in _NAMES)))
_LAST_OF_ALL: Final = "SELECT max(seq) FROM (SELECT seq FROM clients ORDER BY seq LIMIT :number)"
_LAST_OF_ONE: Final = (
    "SELECT max(seq) FROM (SELECT seq FROM clients WHERE campaign_id = :campaign ORDER BY seq LIMIT :number)"
)


class StoreError(Exception):
    """The database cannot be used; the message says which file, and why."""


class StoredCampaign(NamedTuple):
    """A published campaign, field by field as the API lists it. Source: API page, "List Campaigns"."""

    id: str
    name: str
    created_at: str
    updated_at: str


class StoredClient(NamedTuple):
    """A client as a row. `seq` is its place in the order of creation, `code` the end of its link."""

    seq: int
    id: str
    campaign_id: str
    first_name: str | None
    last_name: str | None
    email: str
    company_name: str | None
    phone: str | None
    code: str
    created_at: str
    completed_at: str | None = None  # when onboarding was finished

    def as_json(self, *, origin: str | None = None) -> dict[str, str | None]:
        """The client as the API shows it; with the link if `origin` says where links lead.

        Source: API page, "List Clients" (without link) and "Add Client" (with it).
        """
        link = {} if origin is None else {"link": f"{origin}/c/{self.code}"}
        return {
            "id": self.id,
            "campaign_id": self.campaign_id,
            "first_name": self.first_name,
            "last_name": self.last_name,
            "email": self.email,
            "company_name": self.company_name,
            "phone": self.phone,
            **link,
            "created_at": self.created_at,
        }


class Store:
    """The state of one sandbox. Every change is committed when its method returns."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        now: Callable[[], datetime],
        clock: Callable[[], float],
        new_id: Callable[[], str],
        new_code: Callable[[], str],
    ) -> None:
        self._now = now
        self._clock = clock
        self._added: list[tuple[float, int]] = []  # when this run created whom (`seq`), by the clock
        self.new_id = new_id
        self._new_code = new_code
        self._lock = threading.Lock()
        self.era: int = 0  # how often all was forgotten or replaced; what is read in pieces must not span two
        try:
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        except sqlite3.Error as error:
            raise StoreError(f"cannot use {os.fspath(path)} as database: {error}") from error
        try:
            self._prepare()
        except (sqlite3.Error, StoreError) as error:
            self._db.close()
            raise StoreError(f"cannot use {os.fspath(path)} as database: {error}") from error
        self._last_of_before = self.last_client()  # whoever an earlier run created was created long ago

    def _prepare(self) -> None:
        is_new = self._db.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is None
        if not is_new and _marks(self._db) not in ((_APPLICATION, 1), (_APPLICATION, _VERSION)):
            raise StoreError("it is a database of something else, or of another version of the sandbox")
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.execute("PRAGMA secure_delete = OFF")  # a reset is to be fast, and nobody here is a secret
        if is_new:
            self._db.executescript(_TABLES)
        elif _marks(self._db)[1] == 1:
            self._db.executescript(_FROM_1)

    def close(self) -> None:
        """Give the file back; a second time does nothing."""
        with self._lock:
            self._db.close()

    # --- as a whole ---

    def clear(self) -> None:
        """Forget all campaigns and clients."""
        with self._lock, self._db:
            self._db.execute("BEGIN")
            self._db.execute("DELETE FROM clients")
            self._db.execute("DELETE FROM campaigns")
            self._added.clear()
            self._last_of_before = 0
            self.era += 1

    def snapshot(self) -> bytes:
        """All campaigns and clients, as a small database of its own."""
        with closing(sqlite3.connect(":memory:")) as copy:
            with self._lock:
                self._db.backup(copy)
            image = bytearray(copy.serialize())
        image[_JOURNAL_MODES] = b"\1\1"  # a file's says that it has a log beside it, which this has not
        return bytes(image)

    def restore(self, snapshot: bytes) -> None:
        """Have the campaigns and clients of a snapshot, and no others; ValueError for what is none, nothing changed."""
        with closing(sqlite3.connect(":memory:")) as copy:
            try:
                copy.deserialize(snapshot)
                is_ours = _marks(copy) == (_APPLICATION, _VERSION)
                is_ours = is_ours and copy.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
                for table, fields in (
                    ("campaigns", ("seq", *StoredCampaign._fields)),
                    ("clients", StoredClient._fields),
                ):
                    columns = copy.execute("SELECT name FROM pragma_table_info(?)", (table,)).fetchall()
                    is_ours = is_ours and columns == [(field,) for field in fields]
            except (sqlite3.Error, TypeError, OverflowError, MemoryError):  # the last for no bytes at all
                is_ours = False
            if not is_ours:
                raise ValueError("this is no snapshot of a sandbox")
            with self._lock:
                copy.backup(self._db)
                self._added.clear()
                self.era += 1
        self._last_of_before = self.last_client()

    # --- campaigns ---

    def add_campaign(
        self, name: str, id_: str | None = None, *, created_at: str | None = None, updated_at: str | None = None
    ) -> str:
        """Publish a campaign and get its id; ValueError if the id is taken."""
        id_ = self.new_id() if id_ is None else id_
        created_at = created_at or time_text(self._now())
        row = (id_, name, created_at, updated_at or created_at)
        try:
            with self._lock:
                self._db.execute("INSERT INTO campaigns (id, name, created_at, updated_at) VALUES (?, ?, ?, ?)", row)
        except sqlite3.IntegrityError:
            raise ValueError(f"there is a campaign {id_} already") from None
        return id_

    def has_campaign(self, *, id_: str | None = None, name: str | None = None) -> bool:
        """Whether a campaign has this id or this name."""
        with self._lock:
            found = self._db.execute("SELECT 1 FROM campaigns WHERE id = ? OR name = ? LIMIT 1", (id_, name)).fetchone()
        return found is not None

    def campaigns(self) -> list[StoredCampaign]:
        """All campaigns. UNDOCUMENTED: their order; we take that of creation."""
        with self._lock:
            rows = self._db.execute("SELECT id, name, created_at, updated_at FROM campaigns ORDER BY seq").fetchall()
        return [StoredCampaign._make(row) for row in rows]

    def campaign(self, id_: str) -> StoredCampaign | None:
        """The campaign of this id, or None."""
        query = "SELECT id, name, created_at, updated_at FROM campaigns WHERE id = ?"
        with self._lock:
            row = self._db.execute(query, (id_,)).fetchone()
        return None if row is None else StoredCampaign._make(row)

    def campaign_of(self, client: StoredClient) -> StoredCampaign:
        """The campaign that the client is in."""
        return self.campaign(client.campaign_id) or StoredCampaign(client.campaign_id, "", "", "")

    # --- clients ---

    def client(self, id_: str) -> StoredClient | None:
        """The client of this id, or None."""
        return self._found("SELECT * FROM clients WHERE id = ?", id_)

    def client_by_code(self, code: str) -> StoredClient | None:
        """The client whose link ends so, or None."""
        return self._found("SELECT * FROM clients WHERE code = ?", code)

    def client_by_email(self, campaign_id: str, email: str) -> StoredClient | None:
        """The first client of a campaign who has this email, in any capitals, or None."""
        query = "SELECT * FROM clients WHERE campaign_id = ? AND email = ? COLLATE NOCASE ORDER BY seq LIMIT 1"
        return self._found(query, campaign_id, email)

    def _found(self, query: str, *values: str) -> StoredClient | None:
        with self._lock:
            row = self._db.execute(query, values).fetchone()
        return None if row is None else StoredClient._make(row)

    def complete(self, code: str) -> StoredClient | None:
        """Note that the client with this code has finished onboarding; None if it was noted before, or is unknown."""
        query = "UPDATE clients SET completed_at = ? WHERE code = ? AND completed_at IS NULL RETURNING *"
        with self._lock:
            row = self._db.execute(query, (time_text(self._now()), code)).fetchone()
        return None if row is None else StoredClient._make(row)

    def add_client(self, new: NewClient) -> StoredClient | None:
        """Create a client, or None if there is no such campaign.

        UNDOCUMENTED: an email that the campaign has already; we create a second client.
        """
        if not self.has_campaign(id_=new.campaign_id):
            return None
        names = (new.first_name, new.last_name, new.email, new.company_name, new.phone)
        row = (self.new_id(), new.campaign_id, *names, self._new_code(), time_text(self._now()))
        with self._lock:
            made = self._db.execute(_INSERT, row)
            client = StoredClient._make(made.fetchone())
            self._added.append((self._clock(), client.seq))
        return client

    def last_client(self) -> int:
        """The `seq` of the youngest client, 0 if there is none."""
        with self._lock:
            (last,) = self._db.execute("SELECT max(seq) FROM clients").fetchone()
        return last or 0

    def last_client_at(self, moment: float) -> int:
        """The `seq` of the client that was the youngest at this second of the clock, 0 if there was none."""
        with self._lock:
            count = bisect_right(self._added, moment, key=itemgetter(0))
            return self._added[count - 1][1] if count else self._last_of_before

    def last_of_oldest(self, number: int, campaign_id: str | None = None) -> int:
        """The `seq` of the youngest of so many oldest clients, of one campaign or of all; 0 if that is nobody."""
        query = _LAST_OF_ALL if campaign_id is None else _LAST_OF_ONE
        values = {"campaign": campaign_id, "number": min(number, _LAST_SEQ)}
        with self._lock:
            (last,) = self._db.execute(query, values).fetchone()
        return last or 0

    def clients(
        self,
        *,
        last: int,
        after: StoredClient | None = None,
        campaign_id: str | None = None,
        order: str = "created",
        skip: int = 0,
        most: int = -1,
        max_chars: int | None = None,
    ) -> list[StoredClient]:
        """Clients up to the `last` one (a `seq`), of one campaign or of all, those behind `after` in their order.

        `skip` of them are left out, and no more than `most` are given, nor many more than `max_chars` characters.
        A campaign that is not there has no clients.
        """
        between, sorting = _PAGES[order]
        values = {"last": last, "after": 0, "campaign": campaign_id, "most": most, "skip": skip}
        if order == "by-id":
            values["after"] = "" if after is None else after.id
        elif order == "newest":
            values["after"] = last + 1 if after is None else min(last + 1, after.seq)
        elif after is not None:
            values["after"] = after.seq
        # By id SQLite would rather sort the whole campaign for each piece; the plus keeps it from that.
        plus = "+" if order == "by-id" else ""
        of_one = "" if campaign_id is None else f"AND {plus}campaign_id = :campaign"
        query = f"SELECT * FROM clients WHERE {between} {of_one} ORDER BY {sorting} LIMIT :most OFFSET :skip"  # noqa: S608 - our own words
        clients = []
        chars = 0
        with self._lock, closing(self._db.execute(query, values)) as rows:
            for row in rows:
                clients.append(StoredClient._make(row))
                if max_chars is not None:
                    chars += sum(map(len, filter(None, row[1:])))
                    if chars >= max_chars:
                        break
        return clients

    def count_clients(self, campaign_id: str | None = None, *, last: int | None = None) -> int:
        """How many clients there are, in one campaign or in all, up to the `last` one (a `seq`)."""
        of_one = "" if campaign_id is None else "AND campaign_id = :campaign"
        query = f"SELECT count(*) FROM clients WHERE (:last IS NULL OR seq <= :last) {of_one}"  # noqa: S608 - our own words
        with self._lock:
            (count,) = self._db.execute(query, {"campaign": campaign_id, "last": last}).fetchone()
        return int(count)

    def campaign_counts(self) -> dict[str, int]:
        """How many clients each campaign has, by its id; one that has none is left out."""
        with self._lock:
            return dict(self._db.execute("SELECT campaign_id, count(*) FROM clients GROUP BY campaign_id").fetchall())

    def find_clients(
        self, *, text: str = "", campaign_id: str | None = None, before: int | None = None, most: int = 50
    ) -> list[StoredClient]:
        """The newest clients whose email, name or company holds a text, in any capitals; those `before` a `seq`."""
        wheres = {"campaign_id = ?": campaign_id, "seq < ?": before}
        values: list[object] = [value for value in wheres.values() if value is not None]
        where = " AND ".join(["1", *(where for where, value in wheres.items() if value is not None)])
        if text:
            where += f" AND instr(lower({_SEARCHED}), lower(?))"
            values.append(text)
        query = f"SELECT * FROM clients WHERE {where} ORDER BY seq DESC LIMIT ?"  # noqa: S608 - our own words
        with self._lock:
            return [StoredClient._make(row) for row in self._db.execute(query, (*values, most))]


def _marks(db: sqlite3.Connection) -> tuple[int, int]:
    """Whose database it is, and of which version."""
    application, version = (db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version"))
    return application, version


def time_text(moment: datetime) -> str:
    """A moment as the API page writes times: UTC, whole seconds, Z."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
