"""A service on its port, and the thread that can carry it. Knows neither options nor routes."""

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import Final, Self, TypeVar

from aiohttp import web
from attrs import field, frozen

from onboard360_async.sandbox.courier import Courier
from onboard360_async.sandbox.desk import Desk
from onboard360_async.sandbox.server import Service

__all__ = ["LoopThread", "Running", "listen"]

T = TypeVar("T")
_HOST: Final = "127.0.0.1"  # and no other: the sandbox is for this machine
_SHUTDOWN_S: Final = 0.25  # seconds that answers under way may take when the sandbox ends


def listen(port: int) -> tuple[socket.socket, str]:
    """A listening socket on this machine only, and its origin; OSError if the port is in use."""
    listener = socket.create_server((_HOST, port))
    return listener, f"http://{_HOST}:{listener.getsockname()[1]}"


@frozen(eq=False)
class Running:
    """A service that answers, until `stop`."""

    url: str
    desk: Desk
    service: Service
    runner: web.AppRunner
    courier: Courier
    loop: asyncio.AbstractEventLoop
    _calling: threading.Lock = field(factory=threading.Lock, init=False)
    _over: threading.Event = field(factory=threading.Event, init=False)  # from then on the loop takes no call

    @classmethod
    async def start(cls, desk: Desk, listener: socket.socket, url: str) -> Self:
        """Answer on this socket from now on; it is closed by `stop`."""
        service = Service(desk)
        runner = web.AppRunner(
            service.application(), access_log=None, handle_signals=False, shutdown_timeout=_SHUTDOWN_S
        )
        await runner.setup()
        await web.SockSite(runner, listener).start()
        courier = Courier(desk.deliveries, clock=desk.clock)
        desk.deliveries.attach(courier)
        return cls(url, desk, service, runner, courier, asyncio.get_running_loop())

    def call(self, work: Callable[[], T]) -> T:
        """Have something done on the loop, from whatever thread, and get its result."""
        try:
            is_here = asyncio.get_running_loop() is self.loop
        except RuntimeError:
            is_here = False
        if is_here:
            return work()
        future: Future[T] = Future()

        def do() -> None:
            try:
                future.set_result(work())
            except BaseException as error:  # noqa: BLE001 - handed to the thread that waits for it
                future.set_exception(error)

        with self._calling:
            if self._over.is_set():
                raise RuntimeError("the sandbox is not running any more")
            self.loop.call_soon_threadsafe(do)
        return future.result()

    async def stop(self) -> None:
        """Close the port and all connections, also those whose answer is still waiting, and the store; send no more."""
        await self.service.stop()
        try:
            await self.runner.cleanup()
        finally:
            self.desk.deliveries.detach()
            await self.courier.close()
            self.desk.close()
            with self._calling:
                self._over.set()
            await asyncio.sleep(0)  # what other threads have asked for until now gets its answer, or they wait for ever


class LoopThread:
    """Runs `start`, and at the end `stop`, on a loop in a thread of its own."""

    def __init__(self, start: Callable[[], Awaitable[None]], stop: Callable[[], Awaitable[None]]) -> None:
        self._start = start
        self._stop = stop
        self._ready: Future[asyncio.AbstractEventLoop] = Future()
        self._ended = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="onboard360-sandbox", daemon=True)

    def open(self) -> None:
        """Return when `start` is done; raises what it raises, and the thread is gone by then."""
        self._thread.start()
        try:
            self._ready.result()
        except Exception:
            self._thread.join()
            raise

    def close(self) -> None:
        """Return when `stop` is done and the thread has ended."""
        self._ready.result().call_soon_threadsafe(self._ended.set)
        self._thread.join()

    def _run(self) -> None:
        living = self._live()
        try:
            asyncio.run(living)
        except BaseException as error:
            living.close()
            if self._ready.done():
                raise
            self._ready.set_exception(error)  # no loop could be made, where a plugin forbids sockets

    async def _live(self) -> None:
        try:
            await self._start()
        except BaseException as error:  # noqa: BLE001 - handed to the thread that waits in `open`
            self._ready.set_exception(error)
            return
        self._ready.set_result(asyncio.get_running_loop())
        await self._ended.wait()
        await self._stop()
