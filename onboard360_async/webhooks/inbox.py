"""The inbox: what is acknowledged is stored, and what is stored is handled, whatever happens in between.

Knows no HTTP and no framework; adapters hand it verified events. Its promise to handlers is *at least once*: a process
that dies in the middle of one leaves the event to the next worker.
"""

import asyncio
import os
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from types import TracebackType

from onboard360_async import settings
from onboard360_async.errors import ConfigurationError, InboxError
from onboard360_async.webhooks.events import Event
from onboard360_async.webhooks.router import Handler, Router
from onboard360_async.webhooks.sqlite_store import SqliteStore
from onboard360_async.webhooks.store import Counts, Dedupe, InboxStore, Kept, NewEvent
from onboard360_async.webhooks.worker import Worker
from onboard360_async.webhooks.writer import Writer

__all__ = ["Inbox", "Running"]


class Inbox:
    """Keeps verified events in a SQLite file until your handlers are done with them.

    `store` is the file's path, or a function that opens another store (called in the inbox's own thread). `router` has
    the handlers; a single function will do; None if another process handles what this one receives. `dedupe`: "id"
    knows a second delivery by the bytes that were signed, "semantic" by what happened to whom, for a sender that
    stamps its retries anew (then a thing that happens to a client twice is kept once). Up to `concurrency` events are
    handled at once, those of one client one after another. A worker that dies leaves its events to the next after
    `lease_s` seconds. An event that failed is tried again after a growing time, and is a dead letter after
    `max_attempts`. `clock` gives seconds since 1970.
    """

    def __init__(
        self,
        store: str | os.PathLike[str] | Callable[[], InboxStore],
        router: Router | Handler | None = None,
        *,
        dedupe: Dedupe = "id",
        concurrency: int = settings.INBOX_CONCURRENCY,
        lease_s: float = settings.INBOX_LEASE_S,
        max_attempts: int = settings.INBOX_MOST_ATTEMPTS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if dedupe not in ("id", "semantic"):
            raise ConfigurationError('dedupe is "id" or "semantic".')
        if concurrency < 1 or max_attempts < 1 or not lease_s > 0:
            raise ConfigurationError("concurrency, max_attempts and lease_s must be more than 0.")
        self._writer = Writer(store if callable(store) else _opener(store))
        self._router = _router_of(router)
        self._dedupe: Dedupe = dedupe
        self._concurrency, self._lease_s, self._max_attempts = concurrency, lease_s, max_attempts
        self._clock = clock
        self._workers: set[Worker] = set()

    # --- in ---

    async def receive(self, event: Event) -> bool:
        """Keep an event; True when it is on the disk, False if it was there before. Only then may it be acknowledged.

        InboxError (503), with nothing kept, if it cannot be stored now.
        """
        new = NewEvent.of(event, self._dedupe)
        try:
            kept = await self._writer.begin(new)
        except ConfigurationError as error:
            raise InboxError(f"The inbox cannot be opened: {error}") from None
        self._wake()
        return kept

    def keep(self, event: Event) -> bool:
        """The same for threads, as those of a WSGI server: it blocks until the event is on the disk."""
        new = NewEvent.of(event, self._dedupe)
        try:
            kept = self._writer.submit(new).result()
        except ConfigurationError as error:
            raise InboxError(f"The inbox cannot be opened: {error}") from None
        self._wake()
        return kept

    def _wake(self) -> None:
        for worker in self._workers.copy():
            worker.wake()

    # --- out ---

    def running(self) -> "Running":
        """The worker: `async with inbox.running():` on this loop, `with inbox.running():` in a thread of its own."""
        return Running(self)

    async def work(self) -> int:
        """Handle all that is due now, once; how many attempts that were. For tests, and for jobs of a scheduler."""
        return await self._worker().drain()

    def _worker(self) -> Worker:
        if self._router is None:
            raise ConfigurationError("This inbox has no router, so nobody can handle what it keeps.")
        return Worker(
            self._router,
            self._writer,
            clock=self._clock,
            concurrency=self._concurrency,
            lease_s=self._lease_s,
            max_attempts=self._max_attempts,
        )

    # --- by hand ---

    async def replay(
        self, ids: Iterable[str] = (), *, since: datetime | None = None, dead_letters: bool = False
    ) -> int:
        """Have events handled again, as if they had just come: those of these ids, those received since a moment, or
        all dead letters; how many. Those that still wait or were purged are not among them.
        """
        now, named = self._clock(), (ids,) if isinstance(ids, str) else tuple(ids)
        moment = None if since is None else _seconds(since)
        count = await self._writer.done(lambda store: store.replay(now=now, ids=named, since=moment, dead=dead_letters))
        self._wake()
        return count

    async def purge(self, before: datetime) -> int:
        """Wipe the events that were received before a moment and have ended, people and links with them; how many.

        What stays is a mark of each, so that a late delivery is still known for a duplicate.
        """
        moment = _seconds(before)
        return await self._writer.done(lambda store: store.purge(before=moment))

    async def dead_letters(self, *, after: int = 0, most: int = settings.INBOX_PAGE) -> list[Kept]:
        """The events that were given up, oldest first; the next page is `after` the last one's `seq`."""
        return await self._writer.done(lambda store: store.select(state="dead", after=after, most=most))

    async def counts(self) -> Counts:
        """How many events stand where."""
        return await self._writer.done(lambda store: store.counts())

    def close(self) -> None:
        """Close the store, once what waits for it is done. Whatever comes later opens it again."""
        self._writer.close()


class Running:
    """An inbox's worker at work: entered by `async with`, or by `with` in a thread of its own. Not twice at once."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._work: tuple[Worker, asyncio.Task[None]] | None = None
        self._thread: threading.Thread | None = None
        self._stop: Callable[[], object] | None = None
        self._failed: BaseException | None = None

    async def __aenter__(self) -> Inbox:
        try:
            await self._inbox.counts()  # what cannot be used is told now, not to the first sender
            worker = self._inbox._worker()  # noqa: SLF001 - two halves of one thing
        except BaseException:
            self._inbox.close()
            raise
        self._work = worker, asyncio.create_task(worker.run())
        self._inbox._workers.add(worker)  # noqa: SLF001 - the same
        return self._inbox

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._work is None:
            return
        (worker, task), self._work = self._work, None
        self._inbox._workers.discard(worker)  # noqa: SLF001 - the same
        worker.stop()
        try:
            await task
        finally:
            with ThreadPoolExecutor(1) as own:  # the loop's own may be full of handlers that do not end
                await asyncio.get_running_loop().run_in_executor(own, self._inbox.close)

    def __enter__(self) -> Inbox:
        begun = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(begun,), name="onboard360-inbox-worker", daemon=True)
        self._thread.start()
        begun.wait()
        if self._failed is not None:
            self._thread.join()
            raise self._failed
        return self._inbox

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._stop is not None and self._thread is not None:
            with suppress(RuntimeError):  # its loop has ended before
                self._stop()
            self._thread.join()
            if self._failed is not None and error is None:
                raise self._failed

    def _run(self, begun: threading.Event) -> None:
        async def until_told() -> None:
            async with self:
                told = asyncio.Event()
                loop = asyncio.get_running_loop()
                self._stop = lambda: loop.call_soon_threadsafe(told.set)
                begun.set()
                await told.wait()

        try:
            asyncio.run(until_told())
        except BaseException as error:  # noqa: BLE001 - it is told to who entered
            self._failed = error
        finally:
            begun.set()


def _opener(path: str | os.PathLike[str]) -> Callable[[], InboxStore]:
    if os.fspath(path) == ":memory:":
        raise ConfigurationError("An inbox keeps its events in a file; one in memory would lose them.")
    there = Path(path).absolute()  # the same file wherever the process goes
    return lambda: SqliteStore(there)


def _router_of(router: Router | Handler | None) -> Router | None:
    if router is None or isinstance(router, Router):
        return router
    one = Router()
    one.on("*")(router)
    return one


def _seconds(moment: datetime) -> float:
    if moment.tzinfo is None:
        raise ConfigurationError("A moment needs a time zone, as in datetime.now(UTC).")
    return moment.timestamp()
