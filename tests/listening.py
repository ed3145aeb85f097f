"""A server in raw asyncio on a free port of this machine: the life of one, whatever it answers."""

import asyncio
import ssl
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

__all__ = ["Listening"]


class Listening(ABC):
    """`async with` it, and reach it at `url`."""

    tls: ssl.SSLContext | None = None  # set before it is entered, if it is to speak TLS

    def __init__(self, port: int = 0) -> None:
        self._server: asyncio.Server | None = None
        self._port = port
        self._serving: set[asyncio.Task[None]] = set()
        self.url = ""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port, ssl=self.tls)
        self.url = f"http{'s' if self.tls else ''}://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            await self.serve(reader, writer)
        except asyncio.CancelledError:  # who is still talked to when it is left is hung up on
            writer.transport.abort()
        finally:
            self._serving.discard(task)

    @abstractmethod
    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer on one connection, and close it."""
