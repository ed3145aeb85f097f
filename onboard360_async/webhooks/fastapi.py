"""The adapter of FastAPI: a dependency that gives an endpoint the event, offered as `asgi.verified`.

Knows no signature, and Starlette, on which FastAPI stands, only once `verified` is called.
"""

from collections.abc import AsyncGenerator, Callable
from http import HTTPStatus
from typing import TYPE_CHECKING

from onboard360_async.errors import WebhookError
from onboard360_async.webhooks.answers import answer_to
from onboard360_async.webhooks.bodies import read_asgi
from onboard360_async.webhooks.events import Event
from onboard360_async.webhooks.signature import WebhookVerifier

if TYPE_CHECKING:
    from starlette.requests import Request

__all__ = ["verified"]


def verified(verifier: WebhookVerifier) -> "Callable[[Request], AsyncGenerator[Event, None]]":
    """A dependency that takes no model: `event: Annotated[Event, Depends(verified(verifier))]`.

    A WebhookError, the verifier's or the endpoint's own, becomes its status by Starlette's HTTPException. An endpoint
    that takes the body as a model too is answered 422 by FastAPI before anything is verified: take the event alone.
    """
    from starlette.exceptions import HTTPException
    from starlette.requests import ClientDisconnect, Request

    async def event_of(request: Request) -> AsyncGenerator[Event, None]:
        try:
            raw = await read_asgi(request.scope, request.stream(), verifier.max_body_bytes)
            yield verifier.verify(raw, request.headers.raw)
        except WebhookError as error:
            answer = answer_to(error)
            raise HTTPException(answer.status, answer.text, dict(answer.headers)) from None
        except ClientDisconnect:
            raise HTTPException(HTTPStatus.BAD_REQUEST) from None

    return event_of
