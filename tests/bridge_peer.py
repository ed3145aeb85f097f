"""A server in threads for tests/test_bridge.py: it holds answers back, sends signals, and sees who comes and goes."""

import contextlib
import http.server
import json
import os
import threading
from collections import defaultdict
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

__all__ = ["Peer"]


class Peer:
    """`with` it, and reach it at `url`: GET /campaigns, /held?name=, /free?name= and /kill?pid=&signal=."""

    def __init__(self) -> None:
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.peer = self
        self._changed = threading.Condition()
        self._events: defaultdict[str, threading.Event] = defaultdict(threading.Event)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.connections: dict[int, set[str]] = {}  # by the other side's port: who sent requests on it
        self.seen: list[str] = []  # paths, in order
        self.open = 0
        self.gone = 0  # requests that were left before their answer

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.let_go()
        self._server.shutdown()
        self._server.server_close()

    def let_go(self) -> None:
        """Whoever is held is answered."""
        with self._changed:
            for event in self._events.values():
                event.set()

    def wait_for(self, *, gone: int = 0, open: int | None = None) -> bool:  # noqa: A002 - how many are
        """Whether so many requests were left, and so many connections are open, within ten seconds."""

        def is_so() -> bool:
            return self.gone == gone and open in (None, self.open)

        with self._changed:
            return self._changed.wait_for(is_so, 10)

    def note(self, *, opened: int = 0, gone: int = 0) -> None:
        """Count, and tell who waits."""
        with self._changed:
            self.open += opened
            self.gone += gone
            self._changed.notify_all()

    def came(self, port: int, path: str, who: str) -> None:
        """A request has come."""
        with self._changed:
            self.seen.append(path)
            self.connections.setdefault(port, set()).add(who)

    def event(self, name: str) -> threading.Event:
        """What /held waits for and /free sets."""
        with self._changed:
            return self._events[name]


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    peer: Peer


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.server.peer.note(opened=1)

    def finish(self) -> None:
        try:
            super().finish()
        finally:
            self.server.peer.note(opened=-1)

    def do_GET(self) -> None:
        """Any path; what it is asked for is in its name."""
        peer, target = self.server.peer, urlsplit(self.path)
        path, told = target.path.removeprefix("/api/v1/"), dict(parse_qsl(target.query))
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        peer.came(self.client_address[1], path, told.get("who", ""))
        if path == "kill":
            os.kill(int(told["pid"]), int(told["signal"]))
            self.close_connection = True
            if self._is_left():
                peer.note(gone=1)
            return
        if path == "worker":
            peer.event(f"worker {peer.seen.count(path)} is here").set()
        if path == "held":
            peer.event(f"{told['name']} is here").set()
            peer.event(told["name"]).wait(10)
        if path == "free":
            peer.event(told["name"]).set()
        if path == "meet":
            peer.event(f"{told['name']} is here").wait(10)
        with contextlib.suppress(ConnectionError):  # nobody may be there any more
            self._answer(json.dumps({"campaigns": []}).encode())

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815 - the standard library's own name

    def _is_left(self) -> bool:
        self.connection.settimeout(10)
        try:
            return not self.connection.recv(1)
        except TimeoutError:
            return False
        except OSError:
            return True  # reset: left in a hurry, but left

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the standard library's own name
        """Nothing."""
