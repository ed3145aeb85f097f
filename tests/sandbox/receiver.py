"""Whoever receives webhooks in these tests, and the API page's two ways of checking them."""

import asyncio
import hashlib
import hmac
import json
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
from types import TracebackType
from typing import Any, NamedTuple, Self

from aiohttp import web
from aiohttp.typedefs import Handler

__all__ = [
    "BlockingReceiver",
    "Received",
    "Receiver",
    "Stuck",
    "accepts_bytes",
    "answers",
    "node_sample",
]


class Received(NamedTuple):
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def email(self) -> str:
        return str(json.loads(self.body)["data"]["email"])


async def ok(_: web.Request) -> web.StreamResponse:
    return web.Response()


class Receiver:
    """`async with` it; it keeps what comes to `url`, and answers what `answer` says."""

    def __init__(self, answer: Handler = ok) -> None:
        self.answer = answer
        self.got: list[Received] = []
        self._news = asyncio.Condition()

    async def _receive(self, request: web.Request) -> web.StreamResponse:
        self.got.append(Received(request.path, dict(request.headers), await request.read()))
        async with self._news:
            self._news.notify_all()
        return await self.answer(request)

    async def until(self, number: int) -> None:
        """Return when so many have come."""
        async with self._news:
            await self._news.wait_for(lambda: len(self.got) >= number)

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._receive)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.01)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{self.port}/hook"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()


def answers(*statuses: int, **options: Any) -> Handler:
    """One after the other, the last for ever."""
    rest = list(statuses)

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=rest.pop(0) if len(rest) > 1 else rest[0], **options)

    return answer


class Stuck:
    """Answers nobody, or nobody with these letters in the email, until it is `freed`."""

    def __init__(self, only: str = "") -> None:
        self.freed = asyncio.Event()
        self._only = only

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        if self._only in json.loads(await request.read())["data"]["email"]:
            await self.freed.wait()
        return web.Response()


class BlockingReceiver:
    """The same for a program without a loop: `with` it; it answers 204 and puts what came into `got`."""

    def __init__(self) -> None:
        got: Queue[Received] = Queue()

        class Hook(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(204)
                self.end_headers()
                got.put(Received(self.path, dict(self.headers), body))

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.got = got
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def accepts_bytes(body: bytes, signature: str, secret: str) -> bool:
    """Whether the signature is that of the bytes as they came."""
    expected = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(signature.replace("sha256=", "").encode(), expected.encode())


def node_sample(payload: Any, signature: str, secret: str) -> bool:
    """The page's Node sample. `JSON.stringify` is spelled out here for text without control characters."""
    return accepts_bytes(stringify(payload).encode(), signature, secret)


def stringify(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ",".join(f"{stringify(name)}:{stringify(each)}" for name, each in value.items()) + "}"
    if value is None:
        return "null"
    assert isinstance(value, str)
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
