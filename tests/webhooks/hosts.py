"""Servers on free ports of this machine: aiohttp's and uvicorn's on a loop in a thread, blocking ones in threads."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager
from socketserver import TCPServer
from typing import Any, TypeVar
from wsgiref import simple_server

import uvicorn
import werkzeug.serving
from aiohttp import web

__all__ = ["aiohttp_server", "loop_in_a_thread", "uvicorn_server", "werkzeug_server", "wsgiref_server"]

T = TypeVar("T")
POLL_S = 0.02  # how often a blocking server looks whether it is to end
PATIENCE_S = 10.0  # for a server to start or to end


@contextmanager
def loop_in_a_thread() -> Iterator[Callable[[Coroutine[Any, Any, T]], T]]:
    """What runs a coroutine on a loop of its own and waits for it; what it left running goes on until the end."""
    loop: Future[asyncio.AbstractEventLoop] = Future()
    end = asyncio.Event()

    async def live() -> None:
        loop.set_result(asyncio.get_running_loop())
        await end.wait()

    thread = threading.Thread(target=asyncio.run, args=(live(),))
    thread.start()
    running = loop.result(PATIENCE_S)
    try:
        yield lambda coroutine: asyncio.run_coroutine_threadsafe(coroutine, running).result(PATIENCE_S)
    finally:
        running.call_soon_threadsafe(end.set)
        thread.join(PATIENCE_S)


@asynccontextmanager
async def aiohttp_server(application: web.Application) -> AsyncIterator[int]:
    """Its port."""
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield runner.addresses[0][1]
    await runner.cleanup()


class _Uvicorn(uvicorn.Server):
    """Says when it listens."""

    def __init__(self, app: Any) -> None:
        super().__init__(uvicorn.Config(app, log_config=None, access_log=False, ws="none", http="h11"))
        self.up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()


@asynccontextmanager
async def uvicorn_server(app: Any) -> AsyncIterator[int]:
    """Its port. The app's lifespan is played if it knows one."""
    bound = socket.socket()
    bound.bind(("127.0.0.1", 0))
    server = _Uvicorn(app)
    task = asyncio.create_task(server.serve(sockets=[bound]))
    await server.up.wait()
    yield bound.getsockname()[1]
    server.should_exit = True
    await task


@contextmanager
def _in_a_thread(server: TCPServer) -> Iterator[int]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": POLL_S})
    thread.start()
    try:
        yield server.socket.getsockname()[1]
    finally:
        server.shutdown()
        thread.join(PATIENCE_S)
        server.server_close()


class _QuietWsgiref(simple_server.WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the library
        """Nobody reads it."""


class _QuietWerkzeug(werkzeug.serving.WSGIRequestHandler):
    def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002 - its name in the library
        """Nobody reads it."""


def wsgiref_server(app: Any) -> Any:
    """A context with its port. It shows an app nothing of where a chunked body ends."""
    return _in_a_thread(simple_server.make_server("127.0.0.1", 0, app, handler_class=_QuietWsgiref))


def werkzeug_server(app: Any) -> Any:
    """A context with its port. It decodes chunked bodies."""
    return _in_a_thread(werkzeug.serving.make_server("127.0.0.1", 0, app, request_handler=_QuietWerkzeug))
