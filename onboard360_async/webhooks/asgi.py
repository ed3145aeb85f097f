"""The adapter of ASGI: `app` for a route, a mount or a bare server; and `verified` for an endpoint of FastAPI.

Knows no signature and no framework.
"""

from attrs import Factory, field, frozen

from onboard360_async.errors import WebhookError
from onboard360_async.webhooks.answers import OK, Answer, answer_to
from onboard360_async.webhooks.bodies import Give, Scope, SenderLeftError, Take, asgi_pieces, read_asgi
from onboard360_async.webhooks.fastapi import verified
from onboard360_async.webhooks.router import Handler, call, is_async
from onboard360_async.webhooks.signature import WebhookVerifier

__all__ = ["app", "verified"]


@frozen
class app:  # noqa: N801 - one writes app(verifier, receive), as with the other adapters
    """An ASGI 3 app that gives genuine events to `receive` and answers the others; a plain `receive` runs in a thread.

    A WebhookError of `receive` becomes its status; any other error is the server's to report (500).
    An object and no function, which Starlette's `Route("/webhooks", app(...))` would take for a view.
    """

    verifier: WebhookVerifier
    receive: Handler
    _plain: bool = field(init=False, default=Factory(lambda app: not is_async(app.receive), takes_self=True))

    async def __call__(self, scope: Scope, take: Take, give: Give) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return await _no_request(scope["type"], take, give)
        try:
            raw = await read_asgi(scope, asgi_pieces(take), self.verifier.max_body_bytes)
            event = self.verifier.verify(raw, scope["headers"])  # type: ignore[arg-type]  # pairs of bytes
            await call(self.receive, event, plain=self._plain)
        except SenderLeftError:
            return None
        except WebhookError as error:
            return await _give(answer_to(error), give)
        return await _give(OK, give)


async def _give(answer: Answer, give: Give) -> None:
    text = answer.text.encode()
    said = (("content-type", "text/plain"), ("content-length", str(len(text))), *answer.headers)
    headers = [(name.lower().encode(), value.encode()) for name, value in said]
    await give({"type": "http.response.start", "status": answer.status, "headers": headers})
    await give({"type": "http.response.body", "body": text})


async def _no_request(kind: object, take: Take, give: Give) -> None:
    if kind != "lifespan":
        return await give({"type": "websocket.close"})
    for phase in ("startup", "shutdown"):  # nothing to start, and nothing to stop
        await take()
        await give({"type": f"lifespan.{phase}.complete"})
    return None
