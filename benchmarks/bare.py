"""A server that is never the limit: a protocol without a framework, with the API page's own answers ready as bytes.

It runs in a process of its own, on another core than whoever is measured (where there are two). It looks at nothing but
where a request ends, and remembers of each kind how many came, and the last: a benchmark that sends something else than
it says is found out. `/seen` tells. It never sleeps: to wake a process on another core is work of the machine's that
depends on how often it is asleep, and would be counted as its client's, a fifth of a request here. Source: API page,
"List Campaigns", "Add Client".
"""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Final, cast

from attrs import define, frozen

__all__ = ["CAMPAIGN", "KEY", "NEW_CLIENT", "Bare", "Seen", "bare_server", "pin"]

ROOT: Final = Path(__file__).parents[1]
KEY: Final = "sk_test_1"
CAMPAIGN: Final = "550e8400-e29b-41d4-a716-446655440000"
NEW_CLIENT: Final = {
    "campaign_id": CAMPAIGN, "first_name": "John", "last_name": "Doe", "email": "john@example.com",
    "company_name": "Acme Corp", "phone": "+1234567890",
}  # fmt: skip
_CAMPAIGNS: Final = {
    "campaigns": [
        {
            "id": CAMPAIGN, "name": "Client Onboarding Flow",
            "created_at": "2024-01-01T00:00:00Z", "updated_at": "2024-01-15T10:30:00Z",
        }
    ]
}  # fmt: skip
_ADDED: Final = {
    "client": {
        "id": "770e8400-e29b-41d4-a716-446655440002", **NEW_CLIENT,
        "link": "https://app.360onboard.com/c/abc123xyz789", "created_at": "2024-01-15T09:00:00Z",
    }
}  # fmt: skip


def _answer(status: str, body: object) -> bytes:
    content = json.dumps(body).encode()
    head = (
        f"HTTP/1.1 {status}\r\nDate: Mon, 15 Jan 2024 09:00:00 GMT\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


_ANSWERS: Final = {
    b"GET /api/v1/campaigns": _answer("200 OK", _CAMPAIGNS),
    b"POST /api/v1/clients": _answer("201 Created", _ADDED),
}
_NOT_FOUND: Final = _answer("404 Not Found", {"error": "Not found"})


@frozen
class Seen:
    """What came of one kind: how often, and the last of them."""

    many: int
    authorization: str
    body: str


class _Memory(dict[bytes, tuple[int, bytes, bytes]]):
    """By method and path: how many, and the last head and body."""

    def told(self) -> dict[str, tuple[int, str, str]]:
        """For `/seen`."""
        said = {}
        for line, (many, head, body) in self.items():
            values = (value for name, _, value in (part.partition(b":") for part in head.split(b"\r\n")[1:])
                      if name.lower() == b"authorization")  # fmt: skip
            said[line.decode()] = many, next(values, b"").strip().decode(), body.decode()
        return said


class _Protocol(asyncio.Protocol):
    def __init__(self, memory: _Memory) -> None:
        self._memory, self._buffer = memory, b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Answer each request that is whole."""
        buffer = self._buffer + data if self._buffer else data
        assert self._transport is not None
        while (end := buffer.find(b"\r\n\r\n")) >= 0:
            head, end = buffer[:end], end + 4
            if head.startswith(b"POST"):
                at = head.lower().index(b"content-length:") + 15
                end += int(head[at:].partition(b"\r\n")[0])
            if len(buffer) < end:
                break
            self._transport.write(self._answered(head, buffer[len(head) + 4 : end]))
            buffer = buffer[end:]
        self._buffer = buffer

    def _answered(self, head: bytes, body: bytes) -> bytes:
        line = head[: head.index(b" HTTP/1.1")]
        if line == b"GET /seen":
            return _answer("200 OK", self._memory.told())
        self._memory[line] = self._memory.get(line, (0, b"", b""))[0] + 1, head, body
        return _ANSWERS.get(line, _NOT_FOUND)


@define
class Bare:
    """Where it is."""

    port: int

    @property
    def url(self) -> str:
        """As a base URL."""
        return f"http://127.0.0.1:{self.port}"

    def seen(self) -> dict[str, Seen]:
        """What has come until now, by method and path."""
        with contextlib.closing(HTTPConnection("127.0.0.1", self.port)) as connection:
            connection.request("GET", "/seen")
            return {line: Seen(*each) for line, each in json.load(connection.getresponse()).items()}


def pin(which: int) -> None:
    """Stay on one core, where there are several: the measured on the first, the servers on the last."""
    if hasattr(os, "sched_setaffinity") and len(cores := sorted(os.sched_getaffinity(0))) > 1:
        os.sched_setaffinity(0, {cores[which]})


@contextlib.contextmanager
def bare_server() -> Iterator[Bare]:
    """One that runs until the block ends."""
    command = [sys.executable, "-m", "benchmarks.bare"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            assert process.stdout is not None
            yield Bare(int(process.stdout.readline()))
        finally:
            process.communicate()


async def _serve() -> None:
    loop, memory = asyncio.get_running_loop(), _Memory()
    server = await loop.create_server(lambda: _Protocol(memory), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)

    def stay_awake() -> None:
        """Look for requests again and again."""
        loop.call_soon(stay_awake)

    stay_awake()
    await loop.run_in_executor(None, sys.stdin.read)  # until whoever wanted it has enough
    server.close()


if __name__ == "__main__":
    pin(-1)
    asyncio.run(_serve())
