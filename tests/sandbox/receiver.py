"""Whoever receives webhooks in these tests, and the API page's two ways of checking them."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import Mapping
from types import TracebackType
from typing import Any, NamedTuple, Self

from aiohttp import web
from aiohttp.typedefs import Handler

__all__ = ["Received", "Receiver", "accepts_bytes", "node_sample", "python_sample"]


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


def python_sample(payload: Any, signature: str, secret: str) -> bool:
    """The page's Python sample, word for word."""
    signature_value = signature.replace("sha256=", "")
    expected_signature = hmac.new(
        secret.encode("utf-8"), json.dumps(payload, separators=(",", ":")).encode("utf-8"), hashlib.sha256
    ).hexdigest()
    return hmac.compare_digest(signature_value, expected_signature)
