"""Where an import is killed: the points a process passes, and how it counts them. Only for a process of its own.

A point is passed before and after each public method of the importer's books, each statement of SQLite, each file
operation, and each piece of the wire's traffic. What a crash leaves behind differs only where something outside of the
process was changed in between, so that a point counts if a durable change, or traffic, came since the last that counted
(`every` counts them all).
"""

import inspect
import os
import signal
import socket
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FunctionType
from typing import Any

from onboard360_async.importer import journal, listed, settle, spool

__all__ = ["Points", "watch"]

FILE_OPERATIONS = ("open", "replace", "rename", "unlink", "fsync")


class Points:
    """Counts the points, and kills this process at the one that was chosen; 0: at none."""

    def __init__(self, kill_at: int = 0, *, every: bool = False) -> None:
        self.count = self.passed = 0
        self._kill_at, self._every = kill_at, every
        self._moved = True

    def moved(self) -> None:
        """Something changed that outlives this process."""
        self._moved = True

    def __call__(self) -> None:
        """Pass a point."""
        self.passed += 1
        if not (self._moved or self._every):
            return
        self._moved = False
        self.count += 1
        if self.count == self._kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    @contextmanager
    def around(self, *, moves: bool = False) -> Iterator[None]:
        """A step between two points, of which the second counts if it `moves` something."""
        self()
        yield
        if moves:
            self.moved()
        self()


def watch(points: Points) -> None:
    """From now on this process passes its points. There is no way back: it is for a process that ends soon."""
    for room in (journal.Journal, spool.Spool, listed.Baseline, listed.Seen, settle.Settling):
        for name, method in inspect.getmembers(room, inspect.isfunction):
            if not name.startswith("_") or name in ("__enter__", "__exit__"):
                is_static = isinstance(inspect.getattr_static(room, name), staticmethod)
                watched = _between(points, method)
                setattr(room, name, staticmethod(watched) if is_static else watched)
    for name in FILE_OPERATIONS:
        setattr(os, name, _between(points, getattr(os, name), moves=True))
    _watch_databases(points)
    _watch_sockets(points)


def _between(points: Points, function: Any, *, moves: bool = False) -> Callable[..., Any]:
    """The function with a point before and after it; the steps of a generator are its caller's."""
    assert moves or isinstance(function, FunctionType)

    def watched(*args: Any, **kwargs: Any) -> Any:
        with points.around(moves=moves):
            return function(*args, **kwargs)

    return watched


def _watch_databases(points: Points) -> None:
    """Every statement, and the end of a connection; what is within a transaction moves nothing before its end."""

    class Watched(sqlite3.Connection):
        def execute(self, sql: str, *args: Any) -> sqlite3.Cursor:
            reads = sql.split(maxsplit=1)[0].upper() in ("SELECT", "EXPLAIN")
            with points.around():
                cursor = super().execute(sql, *args)
                if not reads and not self.in_transaction:
                    points.moved()
            return cursor

        def executemany(self, *args: Any) -> sqlite3.Cursor:
            with points.around():
                cursor = super().executemany(*args)
                if not self.in_transaction:
                    points.moved()
            return cursor

        def executescript(self, *args: Any) -> sqlite3.Cursor:
            with points.around(moves=True):
                return super().executescript(*args)

        def close(self) -> None:
            with points.around(moves=True):
                super().close()

    connect = sqlite3.connect

    def watched(
        *args: Any, factory: type[sqlite3.Connection] = sqlite3.Connection, **options: Any
    ) -> sqlite3.Connection:
        kind = type("Watched", (Watched, factory), {})
        with points.around(moves=True):
            return connect(*args, **options, factory=kind)

    setattr(sqlite3, "connect", watched)  # noqa: B010 - the same for those who use it, but not for mypy


def _watch_sockets(points: Points) -> None:
    """Connecting, a request's bytes in two halves, and an answer's head and body one after the other."""
    send, recv, connect = socket.socket.send, socket.socket.recv, socket.socket.connect

    def watched_send(self: socket.socket, data: Any, *flags: int) -> int:
        if self.family == socket.AF_UNIX:  # a loop's own
            return send(self, data, *flags)
        is_whole = bytes(data[:5]) in (b"POST ", b"GET /")
        with points.around(moves=True):
            return send(self, data[: len(data) // 2] if is_whole else data, *flags)

    def watched_recv(self: socket.socket, size: int, *flags: int) -> bytes:
        if self.family == socket.AF_UNIX:
            return recv(self, size, *flags)
        head, end, _ = recv(self, size, socket.MSG_PEEK).partition(b"\r\n\r\n")
        with points.around(moves=True):
            return recv(self, len(head) + len(end) if end else size, *flags)

    def watched_connect(self: socket.socket, address: Any) -> None:
        with points.around(moves=True):
            connect(self, address)

    def sendmsg(self: socket.socket, pieces: Any, *_: Any) -> int:
        return self.send(b"".join(pieces))

    for watched in (watched_send, watched_recv, watched_connect, sendmsg):
        setattr(socket.socket, watched.__name__.removeprefix("watched_"), watched)
