"""A server in memory that says its bytes at moments of the loop's own time: time-outs without sockets, virtually.

A `PipeServer` has connectors: `aiohttp.ClientSession(connector=server.given())`, and `server.own` in place of the one
of our own sessions (at CONNECTOR). Each request is answered with the next of `answers`: pieces, each a number of
seconds and the bytes that come so much later; None closes the connection. Everything above it is aiohttp itself.
"""

import asyncio
from collections.abc import Iterable, Iterator
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler

from onboard360_async.transport.connector import Connector
from onboard360_async.transport.under_way import UnderWay

__all__ = ["CONNECTOR", "Piece", "PipeServer", "answer", "drip"]

CONNECTOR = "onboard360_async.transport.pool.Connector"
Piece = tuple[float, bytes | None]


def answer(body: bytes, status: str = "200 OK", *, more: str = "", length: int | None = None) -> bytes:
    """A whole answer."""
    size = len(body) if length is None else length
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {size}\r\n{more}\r\n"
    return head.encode() + body


def drip(begin: bytes, every_s: float, piece: bytes = b" ") -> Iterator[Piece]:
    """Something, and then a little of it for ever."""
    yield 0.0, begin
    while True:
        yield every_s, piece


class PipeServer:
    """The connections of one session, and who answers on them."""

    def __init__(self, *answers: Iterable[Piece], connect_s: float = 0.0) -> None:
        self.answers = list(answers)
        self.connect_s = connect_s
        self.requests: list[bytes] = []
        self._connector: aiohttp.BaseConnector | None = None

    @property
    def busy(self) -> int:
        """Connections in use."""
        return 0 if self._connector is None else len(self._connector._acquired)

    def given(self) -> aiohttp.BaseConnector:
        """For a session of the user's."""
        self._connector = _Given(self)
        return self._connector

    def own(self, under_way: UnderWay) -> Connector:
        """For one of ours."""
        self._connector = own = _Own(self, under_way)
        return own

    async def connect(self) -> ResponseHandler:
        """A new connection."""
        loop = asyncio.get_running_loop()
        connected: asyncio.Future[None] = loop.create_future()
        timer = loop.call_later(self.connect_s, connected.set_result, None)
        try:
            await connected
        finally:
            timer.cancel()
        protocol = ResponseHandler(loop)
        protocol.connection_made(_Pipe(self, protocol))
        return protocol


class _Given(aiohttp.BaseConnector):
    def __init__(self, server: PipeServer) -> None:
        super().__init__()
        self._server = server

    async def _create_connection(self, req: Any, traces: Any, timeout: Any) -> ResponseHandler:
        return await self._server.connect()


class _Own(Connector):
    def __init__(self, server: PipeServer, under_way: UnderWay) -> None:
        super().__init__(under_way)
        self._server = server

    async def _create_connection(self, req: Any, traces: Any, timeout: Any) -> ResponseHandler:
        return await self._server.connect()


class _Pipe(asyncio.Transport):
    """One connection."""

    def __init__(self, server: PipeServer, protocol: ResponseHandler) -> None:
        super().__init__()
        self._server, self._protocol = server, protocol
        self._heard = b""
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._heard += bytes(data)
        head, end, body = self._heard.partition(b"\r\n\r\n")
        lengths = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
        if end and len(body) >= (int(lengths[0][15:]) if lengths else 0):
            self._server.requests.append(self._heard)
            self._heard = b""
            self._say(iter(self._server.answers.pop(0)))

    def _say(self, pieces: Iterator[Piece]) -> None:
        piece = next(pieces, None)
        if piece is None:
            return

        def come() -> None:
            if piece[1] is None:
                self.close()
            elif not self._closed:
                self._protocol.data_received(piece[1])
                self._say(pieces)

        self._timer = asyncio.get_running_loop().call_later(piece[0], come)

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            if self._timer is not None:
                self._timer.cancel()
            asyncio.get_running_loop().call_soon(self._protocol.connection_lost, None)

    abort = close

    def is_closing(self) -> bool:
        return self._closed

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass
