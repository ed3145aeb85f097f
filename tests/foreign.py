"""A foreign server of the API, in raw asyncio: five ways to cut a minute, and a network with random latency.

Written from the API page alone, and from nothing of ours: neither the SDK nor its sandbox.
"""

import asyncio
import json
import random
import time
from collections import deque
from collections.abc import Callable

from tests.listening import Listening

__all__ = ["LIMITERS", "Admit", "Foreign", "every_way"]

Admit = Callable[[float], bool]


def fixed(limit: int, window: float, phase: float = 0.37) -> Admit:
    """Windows that stand still: at the clock's own full minutes, or at any other phase."""
    counts: dict[int, int] = {}

    def admit(now: float) -> bool:
        number = int((now + phase * window) // window)
        counts[number] = counts.get(number, 0) + 1
        return counts[number] <= limit

    return admit


def fixed_from_first(limit: int, window: float) -> Admit:
    """A window that begins with the first request after the last one ended."""
    began, count = -1e9, 0

    def admit(now: float) -> bool:
        nonlocal began, count
        if now - began >= window:
            began, count = now, 0
        count += 1
        return count <= limit

    return admit


def sliding(limit: int, window: float) -> Admit:
    """A log of all requests, the refused ones too."""
    log: deque[float] = deque()

    def admit(now: float) -> bool:
        while log and log[0] <= now - window:
            log.popleft()
        log.append(now)
        return len(log) <= limit

    return admit


def sliding_counter(limit: int, window: float, phase: float = 0.61) -> Admit:
    """This window's count, and the last one's as far as it reaches in."""
    counts: dict[int, int] = {}

    def admit(now: float) -> bool:
        number, into = divmod((now + phase * window) / window, 1.0)
        before, here = counts.get(int(number) - 1, 0), counts.get(int(number), 0)
        if before * (1 - into) + here + 1 > limit:
            return False
        counts[int(number)] = here + 1
        return True

    return admit


def token_bucket(limit: int, window: float) -> Admit:
    """A bucket of `limit` that fills evenly."""
    level, last = float(limit), 0.0

    def admit(now: float) -> bool:
        nonlocal level, last
        level = min(limit, level + (now - last) * limit / window) if last else float(limit)
        last = now
        if level < 1:
            return False
        level -= 1
        return True

    return admit


LIMITERS: dict[str, Callable[[int, float], Admit]] = {
    "fixed": fixed,
    "fixed from first": fixed_from_first,
    "sliding": sliding,
    "sliding counter": sliding_counter,
    "token bucket": token_bucket,
}


def every_way(limit: int, window: float) -> Admit:
    """Refuses whenever any of them would: what no server refuses, none of them refuses."""
    ways = [make(limit, window) for make in LIMITERS.values()]

    def admit(now: float) -> bool:
        return all([way(now) for way in ways])  # noqa: C419 - each must count

    return admit


class Foreign(Listening):
    """The API on a free port. Each request takes up to `latency_s` on its way here, and as much back."""

    def __init__(self, admit: Admit, *, latency_s: float, seed: int = 0, port: int = 0) -> None:
        self.refused = self.created = 0
        self.began = self.ended = 0.0
        self._admit, self._latency_s = admit, latency_s
        self._dice = random.Random(seed)
        super().__init__(port)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lengths = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
                body = await reader.readexactly(int(lengths[0][15:]) if lengths else 0)
                await self._travel()
                status, answer = self._answer(body)
                await self._travel()
                text = json.dumps(answer).encode()
                headers = (
                    f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n"
                )
                writer.write(headers.encode() + text)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _travel(self) -> None:
        await asyncio.sleep(self._dice.uniform(0, self._latency_s))

    def _answer(self, body: bytes) -> tuple[int, dict[str, object]]:
        now = time.monotonic()
        self.began = self.began or now
        self.ended = now
        if not self._admit(now):
            self.refused += 1
            return 429, {"error": "Rate limit exceeded", "details": ""}
        if not body:
            return 200, {"clients": []}
        self.created += 1
        client = json.loads(body) | {
            "id": str(self.created),
            "created_at": "2026-01-01T00:00:00Z",
            "link": "https://x/c/1",
        }
        return 201, {"client": client}
