"""What tests of webhook commands share: inboxes, a target that takes what is forwarded, and `listen` as a process."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit

from onboard360_async.webhooks import Event, sign
from onboard360_async.webhooks.factories import SECRET
from onboard360_async.webhooks.sqlite_store import SqliteStore
from onboard360_async.webhooks.store import Kept, NewEvent, pages
from tests.webhooks.store_suite import add

__all__ = ["ROOT", "Got", "Hook", "Listener", "Target", "handled", "inbox_of", "kept_in", "post", "secret_file"]

ROOT = Path(__file__).parents[2]
FAST = {"INBOX_BACKOFF_S": 0.01, "INBOX_POLL_S": 0.02, "INBOX_LEASE_S": 0.3}
PATIENCE_S = 10.0


def inbox_of(path: Path, *events: Event) -> Path:
    """An inbox that holds these, all waiting."""
    store = SqliteStore(path)
    with store.transaction():
        for event in events:
            add(store, NewEvent.of(event, "id"))
    store.close()
    return path


def handled(path: Path) -> None:
    """The first event of an inbox is done."""
    store = SqliteStore(path)
    with store.transaction():
        (kept,) = store.lease(now=time.time(), until=9e9, lease="x", most=1)
        store.settle(kept.seq, "x", state="done", due_at=0.0, attempts=1, handled=(), error="")
    store.close()


def kept_in(path: Path) -> list[Kept]:
    """All that an inbox holds."""
    store = SqliteStore(path)
    kept = [each for page in pages(store) for each in page]
    store.close()
    return kept


def secret_file(folder: Path, text: str = f"{SECRET}\n") -> Path:
    """A file of secrets, as an editor writes it."""
    path = folder / "secret"
    path.write_text(text)
    return path


class Hook:
    """A body in a file, and how it was signed."""

    def __init__(self, folder: Path, body: bytes) -> None:
        self.file, self.body = folder / "body", body
        self.file.write_bytes(body)

    def flags(self, form: Any = "raw", secret: str = SECRET) -> tuple[object, ...]:
        return ("--webhook", self.file, "--signature", sign(self.body, secret, form))


def post(url: str, event: Event, *, body: bytes | None = None, signature: str | None = None) -> int:
    """Deliver an event as the service does; the status of the answer."""
    headers = dict(event.headers)
    if signature is not None:
        headers["X-360onboard-Signature"] = signature
    address = urlsplit(url)
    connection = HTTPConnection(str(address.hostname), address.port or 80, timeout=PATIENCE_S)
    try:
        connection.request("POST", address.path, event.body if body is None else body, headers)
        return connection.getresponse().status
    finally:
        connection.close()


class Got(NamedTuple):
    """A request that a target got."""

    path: str
    headers: list[tuple[str, str]]
    body: bytes


class Target:
    """A server in a thread that answers with these statuses, one after another, and then with 200.

    0: not at all; -1: it closes the connection instead.
    """

    def __init__(self, *statuses: int) -> None:
        self._statuses = iter(statuses)
        self._got: queue.Queue[Got] = queue.Queue()
        self._ended = threading.Event()
        target = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                target.answer(self)

            def do_GET(self) -> None:
                target.answer(self)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Note it, and answer."""
        body = request.rfile.read(int(request.headers["Content-Length"] or 0))
        status = next(self._statuses, 200)
        self._got.put(Got(request.path, request.headers.items(), body))
        if status < 1:
            if status == 0:
                self._ended.wait(PATIENCE_S)
            return
        request.send_response(status)
        request.send_header("Location", "/elsewhere")
        request.send_header("Content-Length", "0")
        request.end_headers()

    def next(self) -> Got:
        """The next that comes."""
        return self._got.get(timeout=PATIENCE_S)

    def rest(self) -> list[Got]:
        """All that has come and was not asked for."""
        return [self._got.get_nowait() for _ in range(self._got.qsize())]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Listener:
    """`onboard360 webhooks listen` in a process of its own, in this folder, with these settings."""

    def __init__(
        self,
        folder: Path,
        *arguments: object,
        numbers: Mapping[str, float] | None = None,
        stdout: int = subprocess.PIPE,
    ) -> None:
        words = ["webhooks", "listen", "--port", "0", *map(str, arguments)]
        if "--secret-file" not in words:
            words += ["--secret-file", str(secret_file(folder))]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.cli.minute", json.dumps(FAST | dict(numbers or {})), *words],
            cwd=folder,
            env={
                name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"
            }  # it would hide a flush
            | {"PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        self.banner = ""
        self.url = ""

    def __enter__(self) -> Self:
        assert self._process.stderr is not None
        while "Enter in Settings" not in self.banner:
            line = self._process.stderr.readline()
            assert line, self.banner
            self.banner += line
        self.url = self.banner.partition("Listening on ")[2].split()[0].rstrip(",")
        return self

    def line(self) -> dict[str, Any]:
        """The next event that it shows."""
        assert self._process.stdout is not None
        said: dict[str, Any] = json.loads(self._process.stdout.readline())
        return said

    def said(self) -> str:
        """The next line that it says on stderr."""
        assert self._process.stderr is not None
        return self._process.stderr.readline()

    def leave(self) -> None:
        """Read nothing any more of what it shows."""
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._process.stdout = None

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str, str]:
        """Tell it to stop: its exit code, and what it said since."""
        self.tell(number)
        return self.wait()

    def tell(self, number: int) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def wait(self) -> tuple[int, str, str]:
        """Its exit code when it has ended, and what it said since."""
        out, err = self._process.communicate(timeout=PATIENCE_S)
        assert "Traceback" not in err
        return self._process.returncode, out or "", err

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()
        self._process.wait()
