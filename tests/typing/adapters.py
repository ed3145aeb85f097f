"""The adapters: what they make fits where the framework wants it."""

from collections.abc import Awaitable, Callable
from typing import Annotated, assert_type

from aiohttp import web
from fastapi import Depends, FastAPI
from flask import Flask
from flask.typing import ResponseReturnValue
from starlette.applications import Starlette
from starlette.routing import Mount, Route

from onboard360_async.webhooks import Event, Inbox, Router, WebhookVerifier, asgi, wsgi
from onboard360_async.webhooks.aiohttp import handler
from onboard360_async.webhooks.asgi import verified
from onboard360_async.webhooks.django import view

verifier = WebhookVerifier("whsec_1")


async def receive(event: Event) -> None:
    print(event.name)


def plain(event: Event) -> None:
    print(event.name)


def of_aiohttp(router: Router, inbox: Inbox) -> web.Application:
    app = web.Application()
    assert_type(handler(verifier, receive), Callable[[web.Request], Awaitable[web.Response]])
    for each in (receive, plain, router, inbox.receive):
        app.router.add_post("/webhooks", handler(verifier, each))
    return app


def of_starlette(inbox: Inbox) -> Starlette:
    hook = asgi.app(verifier, inbox.receive)
    return Starlette(routes=[Route("/webhooks", hook), Mount("/mounted", asgi.app(verifier, plain))])


api = FastAPI()
Verified = Annotated[Event, Depends(verified(verifier))]


@api.post("/webhooks")
async def endpoint(event: Verified) -> None:
    assert_type(event, Event)


flask = Flask(__name__)


@flask.post("/webhooks")
def flask_view() -> ResponseReturnValue:
    return wsgi.app(verifier, plain)


def of_django(router: Router) -> None:
    # Django comes without types: what it takes and gives is only as good as what the checker reads there.
    blocking = view(verifier, plain)
    on_a_loop = view(verifier, receive)
    by_router = view(verifier, router)
    print(blocking, on_a_loop, by_router)
