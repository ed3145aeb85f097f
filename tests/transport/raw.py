"""A server that says exactly the bytes it is told, and closes when it is told: what no well-behaved double can do."""

import asyncio
from collections import deque

from tests.listening import Listening

__all__ = ["RawServer"]


class RawServer(Listening):
    """Answers each request with the next of `answers`; None closes the connection without a byte.

    `closes` closes after each answer though the answer did not say so.
    """

    def __init__(self, *answers: bytes | None, closes: bool = False) -> None:
        self.answers = deque(answers)
        self.closes = closes
        self.requests: list[bytes] = []
        self.connections = 0
        super().__init__()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while self.answers:
                head = await reader.readuntil(b"\r\n\r\n")
                lengths = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
                await reader.readexactly(int(lengths[0][15:]) if lengths else 0)
                self.requests.append(head)
                answer = self.answers.popleft()
                if answer is None:
                    break
                writer.write(answer)
                await writer.drain()
                if self.closes or b"Content-Length: 999" in answer or b"\r\n\r\n" not in answer:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
