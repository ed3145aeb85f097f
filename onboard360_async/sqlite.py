"""How we open a database: private to its owner, durable and versioned; held by one process, or shared by several.

Knows no table; who opens says what the tables are. A file that is not ours is named and left as it is.
"""

import os
import sqlite3
import stat
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from weakref import WeakSet

from onboard360_async import settings
from onboard360_async.errors import ConfigurationError, ImportLockedError

__all__ = ["application_of", "open_database", "opened_as", "storable", "told", "transaction"]

_MAGIC: Final = b"SQLite format 3\0"  # sqlite.org/fileformat.html: the first 16 bytes; the application's id is at 68
_ID_AT: Final = 68
_MODE: Final = 0o600  # readable by the owner alone: it holds people and links


class _Connection(sqlite3.Connection):
    """One that knows which file it has open, and whose that is."""

    place: tuple[int, int] | None = None  # device and inode
    application_id = 0

    def close(self) -> None:
        super().close()
        with _LOCK:
            _OPEN.discard(self)


_OPEN: Final[WeakSet[_Connection]] = WeakSet()
_LOCK: Final = threading.Lock()


def opened_as(path: Path) -> int | None:
    """The application id of the database that this process has open there; None if it has not.

    Then nobody in this process may open the file but SQLite: on POSIX whoever closes a file drops all locks that the
    process has on it, so that the next process would take itself for the only one, and delete the log that this one
    writes to.
    """
    try:
        found = path.stat()
    except OSError:
        return None
    with _LOCK:
        return next((each.application_id for each in _OPEN if each.place == (found.st_dev, found.st_ino)), None)


def application_of(path: Path) -> int | None:
    """The application id of the database in a file; None if it is none. OSError if it cannot be read.

    By its first bytes: it is not locked, nor opened where this process uses it (see `opened_as`).
    """
    known = opened_as(path)
    if known is not None:
        return known
    if not stat.S_ISREG(path.stat().st_mode):  # a pipe would lose what is read
        return None
    with path.open("rb") as file:
        head = file.read(_ID_AT + 4)
    return int.from_bytes(head[_ID_AT:]) if head.startswith(_MAGIC) else None


def open_database(
    path: Path | None, *, application_id: int, upgrades: Sequence[str], shared: bool = False
) -> sqlite3.Connection:
    """A connection that holds the file until it is closed, unless `shared`; None: a database in memory, gone with it.

    `upgrades` are the scripts that lead from each version of the tables to the next, from nothing to today's.
    Every transaction is on the disk when it is committed. ImportLockedError if another process holds the file;
    ConfigurationError if it cannot be used or is not ours.
    """
    if path is not None:
        _create_private(path)
    patience_s = settings.SHARED_PATIENCE_S if shared else 0.0
    connection = sqlite3.connect(path or ":memory:", isolation_level=None, timeout=patience_s, factory=_Connection)
    if path is not None:
        found = path.stat()
        connection.place, connection.application_id = (found.st_dev, found.st_ino), application_id
        with _LOCK:
            _OPEN.add(connection)
    try:
        with told(path):
            connection.row_factory = sqlite3.Row
            connection.execute(f"PRAGMA locking_mode = {'NORMAL' if shared else 'EXCLUSIVE'}")
            connection.execute("BEGIN")  # another process may be making it: all of that is seen, or nothing
            version = _version(connection, path, application_id, len(upgrades))
            connection.execute("COMMIT")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            if not shared or version < len(upgrades):
                _upgrade(connection, path, application_id, upgrades)
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """All of it, or nothing. It waits for other writers at its beginning, never in its middle."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:  # a full disk may have ended it
            db.execute("ROLLBACK")
        raise


def storable(value: object) -> object:
    """What SQLite takes: a server may cut a character in half, and a file's name may be no text."""
    if isinstance(value, str) and not value.isascii():
        return value.encode("utf-8", "replace").decode()
    return value


@contextmanager
def told(path: Path | None) -> Iterator[None]:
    """A block in which a database that cannot be used is an error of ours that names it.

    ImportLockedError if another process holds it; ConfigurationError if it is damaged, is none, or its disk is full.
    """
    try:
        yield
    except sqlite3.OperationalError as error:
        kind = getattr(error, "sqlite_errorname", None)
        if kind is None:  # it is Python's, and quotes a text that stands there: a person's, perhaps
            raise ConfigurationError(f"Cannot use {path}: it holds a text that cannot be read.") from None
        if kind.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            raise ImportLockedError("Another run holds this journal; wait for its end.", str(path)) from None
        raise ConfigurationError(f"Cannot use {path}: {error}.") from None
    except sqlite3.DatabaseError as error:
        if type(error) is not sqlite3.DatabaseError:
            raise  # its other kinds are faults of ours
        raise ConfigurationError(f"Cannot use {path}: {error}. It was left as it is.") from None


def _create_private(path: Path) -> None:
    """An empty file with the right mode, before SQLite would make one with the wrong; its companions inherit it.

    One that is there is not opened (see `opened_as`).
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, _MODE))
    except FileExistsError:
        if not stat.S_ISREG(path.stat().st_mode):
            raise ConfigurationError(f"Cannot write {path}: it is a folder, or no file.") from None
        if not os.access(path, os.R_OK | os.W_OK):
            raise ConfigurationError(f"Cannot write {path}: Permission denied.") from None
    except OSError as error:
        raise ConfigurationError(f"Cannot write {path}: {error.strerror}.") from None


def _version(connection: sqlite3.Connection, path: Path | None, application_id: int, newest: int) -> int:
    """The version of the tables that are there, once it is sure that they are ours; nothing was changed by then."""
    found, version, tables = (
        connection.execute(query).fetchone()[0]
        for query in ("PRAGMA application_id", "PRAGMA user_version", "SELECT count(*) FROM sqlite_master")
    )
    if tables and found != application_id:
        raise ConfigurationError(f"{path} is a database of another program; it was left as it is.")
    if version > newest:
        raise ConfigurationError(f"{path} was written by a newer version of onboard360-async; upgrade to read it.")
    return int(version)


def _upgrade(connection: sqlite3.Connection, path: Path | None, application_id: int, upgrades: Sequence[str]) -> None:
    connection.execute("BEGIN EXCLUSIVE")  # holds the file from here on, unless it is shared
    version = _version(connection, path, application_id, len(upgrades))  # another may have been quicker
    for script in upgrades[version:]:
        for statement in filter(str.strip, script.split(";")):
            connection.execute(statement)
    if version < len(upgrades):  # else nothing is written: the file may be damaged, and somebody may want to look
        connection.execute(f"PRAGMA application_id = {application_id}")
        connection.execute(f"PRAGMA user_version = {len(upgrades)}")
    connection.execute("COMMIT")
    if version < len(upgrades):
        connection.execute("PRAGMA wal_checkpoint")  # a new file says at once whose it is
