"""The adapter of aiohttp.web. Knows no signature, and aiohttp only once a handler is made."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from onboard360_async.errors import PayloadError, WebhookError
from onboard360_async.webhooks.answers import OK, answer_to
from onboard360_async.webhooks.bodies import Body, check_before_reading, read_too_early
from onboard360_async.webhooks.router import Handler, call, is_async
from onboard360_async.webhooks.signature import WebhookVerifier

if TYPE_CHECKING:
    from aiohttp import web

__all__ = ["handler"]


def handler(verifier: WebhookVerifier, receive: Handler) -> "Callable[[web.Request], Awaitable[web.Response]]":
    """A handler that gives genuine events to `receive` and answers the others; a plain `receive` runs in a thread.

    A WebhookError of `receive` becomes its status; any other error is aiohttp's to report (500).
    """
    from aiohttp import web

    plain = not is_async(receive)

    async def handle(request: web.Request) -> web.Response:
        try:
            raw = await _read(request, verifier.max_body_bytes, web.RequestPayloadError)
            await call(receive, verifier.verify(raw, request.headers), plain=plain)
        except WebhookError as error:
            answer = answer_to(error)
            response = web.Response(status=answer.status, text=answer.text, headers=dict(answer.headers))
            if "Content-Encoding" in request.headers:  # or aiohttp goes on to inflate what nobody will read
                await response.prepare(request)
                await response.write_eof()
                request.protocol.force_close()
            return response
        return web.Response(text=OK.text)

    return handle


async def _read(request: "web.Request", most: int, broken: type[Exception]) -> bytes:
    check_before_reading(request.method, *map(request.headers.get, ("Content-Encoding", "Content-Length")), most=most)
    body, content = Body(most), request.content
    try:
        while not content.is_eof():
            body.add(await content.readany())
        body.add(content.read_nowait())
    except (OSError, broken):
        raise PayloadError("The body broke off.") from None
    if body.size < content.total_bytes:  # somebody read before us; `request.read()` keeps what it reads
        body.clear()
        body.add(await request.read())
        if body.size < content.total_bytes:
            raise read_too_early("before it, read by `await request.read()`, not from `request.content`.")
    return body.whole()
