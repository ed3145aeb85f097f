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
_VERSION: Final = 1  # of the tables below
_TABLES: Final = f"""
BEGIN;
CREATE TABLE campaigns (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, name TEXT NOT NULL,
    created_at TEXT NOT NULL, updated_at TEXT NOT NULL
);
CREATE INDEX campaigns_by_name ON campaigns (name);
CREATE TABLE clients (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, campaign_id TEXT NOT NULL, first_name TEXT, last_name TEXT,
    email TEXT NOT NULL, company_name TEXT, phone TEXT, code TEXT NOT NULL UNIQUE, created_at TEXT NOT NULL
);
CREATE INDEX clients_by_campaign ON clients (campaign_id, seq);
PRAGMA application_id = {_APPLICATION};
PRAGMA user_version = {_VERSION};
COMMIT;
"""
_ALL: Final = "SELECT * FROM clients WHERE seq > ? AND seq <= ? ORDER BY seq"
_OF_ONE: Final = "SELECT * FROM clients WHERE campaign_id = ? AND seq > ? AND seq <= ? ORDER BY seq"
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
        self._new_id = new_id
        self._new_code = new_code
        self._lock = threading.Lock()
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
        marks = tuple(self._db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version"))
        is_new = self._db.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is None
        if not is_new and marks != (_APPLICATION, _VERSION):
            raise StoreError("it is a database of something else, or of another version of the sandbox")
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        if is_new:
            self._db.executescript(_TABLES)

    def close(self) -> None:
        """Give the file back; a second time does nothing."""
        with self._lock:
            self._db.close()

    def add_campaign(
        self, name: str, id_: str | None = None, *, created_at: str | None = None, updated_at: str | None = None
    ) -> str:
        """Publish a campaign and get its id; ValueError if the id is taken."""
        id_ = self._new_id() if id_ is None else id_
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

    def campaign_of(self, client: StoredClient) -> StoredCampaign:
        """The campaign that the client is in; there is one, since none is ever taken away."""
        query = "SELECT id, name, created_at, updated_at FROM campaigns WHERE id = ?"
        with self._lock:
            return StoredCampaign._make(self._db.execute(query, (client.campaign_id,)).fetchone())

    def client(self, id_: str) -> StoredClient | None:
        """The client of this id, or None."""
        with self._lock:
            row = self._db.execute("SELECT * FROM clients WHERE id = ?", (id_,)).fetchone()
        return None if row is None else StoredClient._make(row)

    def add_client(self, new: NewClient) -> StoredClient | None:
        """Create a client, or None if there is no such campaign.

        UNDOCUMENTED: an email that the campaign has already; we create a second client.
        """
        if not self.has_campaign(id_=new.campaign_id):
            return None
        names = (new.first_name, new.last_name, new.email, new.company_name, new.phone)
        row = (self._new_id(), new.campaign_id, *names, self._new_code(), time_text(self._now()))
        with self._lock:
            made = self._db.execute("INSERT INTO clients VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING *", row)
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
        with self._lock:
            (last,) = self._db.execute(query, {"campaign": campaign_id, "number": number}).fetchone()
        return last or 0

    def clients(
        self, *, after: int = 0, last: int, campaign_id: str | None = None, max_chars: int | None = None
    ) -> list[StoredClient]:
        """Clients younger than `after` up to `last`, of one campaign or of all, until they hold `max_chars` characters.

        UNDOCUMENTED: their order; we take that of creation. A campaign that is not there has no clients.
        """
        clients = []
        chars = 0
        query, values = (_ALL, (after, last)) if campaign_id is None else (_OF_ONE, (campaign_id, after, last))
        with self._lock, closing(self._db.execute(query, values)) as rows:
            for row in rows:
                clients.append(StoredClient._make(row))
                if max_chars is not None:
                    chars += sum(map(len, filter(None, row[1:])))
                    if chars >= max_chars:
                        break
        return clients


def time_text(moment: datetime) -> str:
    """A moment as the API page writes times: UTC, whole seconds, Z."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
