"""A receiver of webhooks on this machine: from its first line to its end. Its flags are `webhooks`' business.

What is acknowledged is stored; what is forwarded is what was stored.
"""

import asyncio
import logging
import os
import threading
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from aiohttp import web
from attrs import frozen
from yarl import URL

from onboard360_async import settings
from onboard360_async.cli.arrivals import Arrivals, arrivals
from onboard360_async.cli.exits import Exit
from onboard360_async.cli.forwarding import Forward, forward_session, shown
from onboard360_async.cli.signals import on_signals
from onboard360_async.errors import ConfigurationError
from onboard360_async.webhooks import Event, Inbox, Router, WebhookVerifier
from onboard360_async.webhooks.aiohttp import handler
from onboard360_async.webhooks.sqlite_store import SqliteStore
from onboard360_async.webhooks.store import Kept, State

__all__ = ["Wanted", "listen"]

_LOG: Final = logging.getLogger("onboard360_async")
_FORWARD: Final = "forward"  # as the inbox remembers it
_SAID_AS = {"done": "forwarded", "waiting": "retrying", "dead": "dead"}


@frozen(kw_only=True)
class Wanted:
    """What is listened for, where it is kept, and where it goes."""

    host: str
    port: int
    path: str | None
    inbox: Path
    forward_to: URL | None
    form: str | None


async def listen(verifier: WebhookVerifier, wanted: Wanted, on_opened: Callable[[], None]) -> int:
    """Receive until Ctrl-C or SIGTERM, then 0. `on_opened` is called when inbox and port are ours.

    ConfigurationError or InboxError if one of the two cannot be used.
    """
    stopped = asyncio.Event()
    with on_signals(lambda _: stopped.set(), once=True), arrivals(wanted.form) as show, _logged(show):
        desk = _Desk(show, stopped)
        async with AsyncExitStack() as stack:
            forward = None
            if wanted.forward_to is not None:
                forward = Forward(wanted.forward_to, await stack.enter_async_context(forward_session()))
            inbox = desk.inbox = Inbox(lambda: _ToldStore(wanted.inbox, desk.settled), _router(forward))
            stack.push_async_callback(asyncio.to_thread, inbox.close)
            waiting = (await inbox.counts()).waiting
            url = await stack.enter_async_context(_serving(verifier, desk, wanted))
            on_opened()
            for line in _banner(wanted, url, waiting):
                show.tell(line)
            if forward is None:
                await stopped.wait()
            else:
                await _forwarding(inbox, stopped, show)
    if desk.broken is not None:
        raise desk.broken
    return Exit.DONE


async def _forwarding(inbox: Inbox, stopped: asyncio.Event, show: Arrivals) -> None:
    """Have the inbox's events sent on until we are told to stop; those under way have some seconds then."""
    loop = asyncio.get_running_loop()
    async with inbox.running():
        await stopped.wait()
        seconds = f"{settings.INBOX_GRACE_S:g} s"
        line = (
            f"Events under way have {seconds} to be taken; Ctrl-C once more ends it at once, and they are sent again."
        )
        telling = loop.call_later(settings.WAITING_TOLD_S, show.tell, line)
    telling.cancel()


def _router(forward: Forward | None) -> Router | None:
    """Without a target the events wait in the inbox for whoever handles them."""
    if forward is None:
        return None
    router = Router()
    router.on("*", name=_FORWARD)(forward.send)
    return router


class _Desk:
    """Takes what the server lets in: stored first, shown then."""

    inbox: Inbox

    def __init__(self, show: Arrivals, stopped: asyncio.Event) -> None:
        self._show, self._stopped = show, stopped
        self._loop = asyncio.get_running_loop()
        self.broken: OSError | None = None

    async def receive(self, event: Event) -> None:
        """Keep an event, and show it."""
        kept = await self.inbox.receive(event)
        self._shown(lambda: self._show.arrived(event, "stored" if kept else "duplicate"))

    def settled(self, kept: Kept, state: State, error: str) -> None:
        """What the inbox tells, in its own thread, when it has noted what became of an event."""
        if state == "waiting" and not error:
            return  # it was given back because we are to stop
        why = error.removeprefix(f"{_FORWARD}: ")
        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._shown, lambda: self._show.settled(kept.event(), _SAID_AS[state], why))

    def _shown(self, show: Callable[[], None]) -> None:
        """Whoever read what we write has gone, or its disk is full: what was stored stays stored, and we end."""
        try:
            show()
        except OSError as error:
            self.broken = error
            self._stopped.set()
        except Exception as error:  # noqa: BLE001 - whatever an event holds, it is stored, and must be acknowledged
            _LOG.warning("webhook event could not be shown: %s", type(error).__name__)


class _ToldStore(SqliteStore):
    """An inbox that tells what becomes of the events that it has leased to us."""

    def __init__(self, path: Path, told: Callable[[Kept, State, str], None]) -> None:
        super().__init__(path)
        self._told = told
        self._leased: dict[int, Kept] = {}

    def lease(self, **asked: Any) -> list[Kept]:
        taken = super().lease(**asked)
        self._leased.update({kept.seq: kept for kept in taken})
        return taken

    def settle(
        self, seq: int, lease: str, *, state: State, due_at: float, attempts: int, handled: Collection[str], error: str
    ) -> bool:
        noted = super().settle(seq, lease, state=state, due_at=due_at, attempts=attempts, handled=handled, error=error)
        kept = self._leased.pop(seq, None)
        if noted and kept is not None:
            self._told(kept, state, error)
        return noted


# --- the server ---


@asynccontextmanager
async def _serving(verifier: WebhookVerifier, desk: _Desk, wanted: Wanted) -> AsyncIterator[str]:
    """A server on the port, and its address. ConfigurationError if it cannot be had."""
    app = web.Application()
    app.router.add_route("*", wanted.path or "/{any:.*}", handler(verifier, desk.receive))
    if wanted.path is not None:
        app.router.add_route("*", "/{any:.*}", _elsewhere)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=settings.LISTEN_GRACE_S)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, wanted.host, wanted.port).start()
        except (OSError, UnicodeError) as error:  # asyncio's words for a port in use are longer than the system's
            number = getattr(error, "errno", None) or 0
            reason = os.strerror(number) if number > 0 else "that is no address of this machine"
            where = f"{wanted.host}:{wanted.port}"
            raise ConfigurationError(f"Cannot listen on {where}: {reason}; choose another by --host, --port.") from None
        port = runner.addresses[0][1]
        host = f"[{wanted.host}]" if ":" in wanted.host else wanted.host
        yield f"http://{host}:{port}{wanted.path or '/'}"
    finally:
        await runner.cleanup()


async def _elsewhere(_: web.Request) -> web.Response:
    _LOG.warning("webhook refused (404): it came to another path")
    return web.Response(status=404, text="Not Found")


# --- what is said ---


def _banner(wanted: Wanted, url: str, waiting: int) -> Iterator[str]:
    anywhere = "" if wanted.path else ", any path"
    yield f"Listening on {url}{anywhere} (Ctrl-C ends it)."
    yield f"Every event is stored in {wanted.inbox} before it is acknowledged."
    if wanted.forward_to is not None:
        before = f" Waiting from before: {waiting:,}." if waiting else ""
        yield f"Forwarding to {shown(wanted.forward_to)}; what is not taken is tried again.{before}"
    yield (
        "Enter in Settings, APIs & Webhooks, Webhooks: the public https address that leads here (of a tunnel or a"
        f" reverse proxy){f', with the path {wanted.path}' if wanted.path else ''}."
    )


class _Told(logging.Handler):
    """What is logged while we listen, a line each, between what is shown."""

    def __init__(self, show: Arrivals) -> None:
        super().__init__(logging.WARNING)
        self._show, self._loop = show, asyncio.get_running_loop()

    def emit(self, record: logging.LogRecord) -> None:
        if record.module == "router":
            return  # that a handler failed is told with what becomes of the event
        line = f"{record.getMessage()[:1].upper()}{record.getMessage()[1:]}"
        if threading.current_thread() is threading.main_thread():
            with suppress(OSError):  # nobody listens, which is no reason to refuse a webhook
                self._show.tell(line)
            return
        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._show.tell, line)


@contextmanager
def _logged(show: Arrivals) -> Iterator[None]:
    told = _Told(show)
    loggers = [logging.getLogger(name) for name in ("onboard360_async", "aiohttp")]
    for logger in loggers:
        logger.addHandler(told)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(told)
