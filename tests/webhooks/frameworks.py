"""Each framework with the same routes, as its users would write them.

`/hook` has an async `receive`, `/plain` a plain one and `/router` a Router; the body of `/lost` was read before the
verifier saw it, some of that of `/nibbled`, and that of `/kept` in the way in which the framework keeps it.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, ExitStack, aclosing, contextmanager
from types import ModuleType
from typing import Annotated, Any

import flask
from aiohttp import web
from fastapi import Depends, FastAPI, Request
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.routing import Mount, Route

from onboard360_async.webhooks import Event, Router, WebhookVerifier, aiohttp, asgi, django, wsgi
from onboard360_async.webhooks.factories import SECRET
from onboard360_async.webhooks.router import Handler
from tests.webhooks import hosts

__all__ = ["CHUNKLESS", "MOST", "NAMES", "ROUTES", "Desk", "configure_django", "fastapi_app", "house"]

NAMES = ("aiohttp", "asgi", "starlette", "fastapi", "wsgiref", "werkzeug", "flask", "django wsgi", "django asgi")
CHUNKLESS = "wsgiref"  # does not decode chunked bodies, as the page of WSGI allows

ROUTES = ("hook", "plain", "router", "lost", "nibbled", "kept")
MOST = 2_000  # bytes of a body
BITE = 5  # bytes


class Desk:
    """Receives events, in three ways; and fails as it is told."""

    def __init__(self) -> None:
        self.verifier = WebhookVerifier(SECRET, max_body_bytes=MOST)
        self.events: list[Event] = []
        self.error: Exception | None = None
        self.router = Router()
        self.router.on("*")(self.plain)

    def plain(self, event: Event) -> None:
        self.events.append(event)
        if self.error is not None:
            raise self.error

    async def receive(self, event: Event) -> None:
        self.plain(event)

    def of(self, route: str) -> Handler:
        """What receives the events of a route."""
        receives: dict[str, Handler] = {"plain": self.plain, "router": self.router}
        return receives.get(route, self.receive)


# --- aiohttp --------------------------------------------------------------------------------------------------------


@web.middleware
async def _aiohttp_reads_first(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    if request.path == "/lost":
        await request.content.read()
    elif request.path == "/nibbled":
        await request.content.read(BITE)
    elif request.path == "/kept":
        await request.read()
    return await handler(request)


def aiohttp_app(desk: Desk) -> web.Application:
    application = web.Application(middlewares=[_aiohttp_reads_first])
    for route in ROUTES:
        application.router.add_route("*", f"/{route}", aiohttp.handler(desk.verifier, desk.of(route)))
    return application


# --- ASGI -----------------------------------------------------------------------------------------------------------


class _StarletteReadsFirst(BaseHTTPMiddleware):
    async def dispatch(self, request: Request, call_next: Callable[[Request], Awaitable[Any]]) -> Any:
        if request.url.path.strip("/") == "lost":
            await _take_the_stream(request)
        elif request.url.path == "/nibbled":
            await _take_a_piece(request)
        elif request.url.path.strip("/") == "kept":
            await request.body()
        return await call_next(request)


def asgi_app(desk: Desk) -> Any:
    """No framework at all: every path is a hook."""
    plain, on_a_loop = asgi.app(desk.verifier, desk.plain), asgi.app(desk.verifier, desk.receive)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await (plain if scope.get("path") == "/plain" else on_a_loop)(scope, receive, send)

    return app


def starlette_app(desk: Desk) -> Starlette:
    hooks = {route: asgi.app(desk.verifier, desk.of(route)) for route in ROUTES}
    routes = [Route(f"/{route}", hook) for route, hook in hooks.items()]
    mounted = Mount("/mounted", hooks["hook"])
    return Starlette(routes=[*routes, mounted], middleware=[Middleware(_StarletteReadsFirst)])


async def _take_the_stream(request: Request) -> None:
    async for _ in request.stream():
        pass


async def _take_a_piece(request: Request) -> None:
    async with aclosing(request.stream()) as pieces:
        await anext(pieces)


async def _take_the_body(request: Request) -> None:
    await request.body()


def fastapi_app(desk: Desk) -> FastAPI:
    app = FastAPI()
    verified = Annotated[Event, Depends(asgi.verified(desk.verifier))]

    @app.post("/hook")
    async def hook(event: verified) -> None:
        await desk.receive(event)

    @app.post("/plain")
    def plain(event: verified) -> None:
        desk.plain(event)

    @app.post("/router")
    async def router(event: verified) -> None:
        await desk.router(event)

    @app.post("/lost", dependencies=[Depends(_take_the_stream)])
    async def lost(event: verified) -> None:
        await desk.receive(event)

    @app.post("/nibbled", dependencies=[Depends(_take_a_piece)])
    async def nibbled(event: verified) -> None:
        await desk.receive(event)

    @app.post("/kept", dependencies=[Depends(_take_the_body)])
    async def kept(event: verified) -> None:
        await desk.receive(event)

    @app.post("/model")
    async def model(payload: dict[str, int], event: verified) -> None:
        await desk.receive(event)

    return app


# --- WSGI -----------------------------------------------------------------------------------------------------------


def wsgi_app(desk: Desk) -> Any:
    """No framework at all: every path is a hook."""
    hooks = {f"/{route}": wsgi.app(desk.verifier, desk.of(route)) for route in ROUTES}

    def app(environ: Mapping[str, Any], start_response: Any) -> Any:
        return hooks[environ["PATH_INFO"]](environ, start_response)

    return app


def flask_app(desk: Desk) -> flask.Flask:
    app = flask.Flask(__name__)

    @app.before_request
    def read_first() -> None:
        if flask.request.path == "/lost":
            flask.request.get_data(cache=False)
        elif flask.request.path == "/nibbled":
            flask.request.stream.read(BITE)
        elif flask.request.path == "/kept":
            flask.request.get_data()

    for route in ROUTES:
        hook = wsgi.app(desk.verifier, desk.of(route))
        app.add_url_rule(f"/{route}", route, lambda hook=hook: hook, methods=["POST"])
    return app


# --- Django ---------------------------------------------------------------------------------------------------------


def django_reads_first(get_response: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def middleware(request: Any) -> Any:
        if request.path == "/lost":
            request.read()
        elif request.path == "/nibbled":
            request.read(BITE)
        elif request.path == "/kept":
            _ = request.body
            request.read()  # and again, which Django allows
        return get_response(request)

    return middleware


def configure_django() -> None:
    """Once in a process: as little as there can be, and the check of forms that every site has."""
    from django.conf import settings

    if not settings.configured:
        settings.configure(
            ALLOWED_HOSTS=["127.0.0.1"],
            LOGGING_CONFIG=None,
            MIDDLEWARE=[
                "django.middleware.csrf.CsrfViewMiddleware",
                f"{__name__}.django_reads_first",
            ],
            ROOT_URLCONF=None,
            SECRET_KEY="of nothing",
        )


def django_urls(desk: Desk) -> ModuleType:
    from django.urls import path

    urls = ModuleType("urls_of_the_tests")
    urls.urlpatterns = [path(route, django.view(desk.verifier, desk.of(route))) for route in ROUTES]  # type: ignore[attr-defined]  # a module of our own making
    return urls


# --- all of them ----------------------------------------------------------------------------------------------------


@contextmanager
def house(desk: Desk) -> Iterator[Mapping[str, int]]:
    """All of them, served; the port of each."""
    configure_django()
    from django.core.asgi import get_asgi_application
    from django.core.wsgi import get_wsgi_application
    from django.test import override_settings

    on_uvicorn = {"asgi": asgi_app, "starlette": starlette_app, "fastapi": fastapi_app}
    ports: dict[str, int] = {}
    with ExitStack() as stack, override_settings(ROOT_URLCONF=django_urls(desk)):
        run = stack.enter_context(hosts.loop_in_a_thread())
        on_the_loop = AsyncExitStack()
        stack.callback(lambda: run(on_the_loop.aclose()))

        def add(name: str, server: Any) -> None:
            ports[name] = run(on_the_loop.enter_async_context(server))

        add("aiohttp", hosts.aiohttp_server(aiohttp_app(desk)))
        for name, make in on_uvicorn.items():
            add(name, hosts.uvicorn_server(make(desk)))
        add("django asgi", hosts.uvicorn_server(get_asgi_application()))
        ports["wsgiref"] = stack.enter_context(hosts.wsgiref_server(wsgi_app(desk)))
        ports["werkzeug"] = stack.enter_context(hosts.werkzeug_server(wsgi_app(desk)))
        ports["flask"] = stack.enter_context(hosts.werkzeug_server(flask_app(desk)))
        ports["django wsgi"] = stack.enter_context(hosts.werkzeug_server(get_wsgi_application()))
        yield ports
