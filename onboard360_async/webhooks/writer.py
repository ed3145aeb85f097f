"""The one thread that touches an inbox's store: what is waiting when it comes round shares one transaction.

A durable commit costs the disk's own time however much is in it, so a busy endpoint pays for a handful of commits
where it would pay for hundreds. Knows no event.
"""

import asyncio
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, Final, TypeVar, overload
from weakref import WeakSet

from onboard360_async import settings
from onboard360_async.errors import InboxError
from onboard360_async.webhooks.store import InboxStore, NewEvent

__all__ = ["Writer"]

T = TypeVar("T")
_END: Final = None


_Work = Callable[[InboxStore], Any] | NewEvent
# Work, and the future that its outcome is told to: one of this loop or, without, one of threads.
_Job = tuple[_Work, Future[Any] | asyncio.Future[Any], asyncio.AbstractEventLoop | None]
_Jobs = SimpleQueue[_Job | None]
_Outcome = tuple[list[_Job], list[Any], BaseException | None]  # their results, or what they all failed with
_Told = list[tuple[Future[Any] | asyncio.Future[Any], Any]]  # who waits, and the result


class Writer:
    """Runs work on a store, what comes from one loop or thread in its order. The thread starts with the first of it.

    `open_store` is called on the thread, again for each piece of work while it fails. A fork finds the store closed, as
    a child must not have a database open that its parent has opened; both open it anew with their next work.
    """

    def __init__(self, open_store: Callable[[], InboxStore]) -> None:
        self._open_store = open_store
        self._lock = threading.Lock()
        self._jobs: _Jobs = SimpleQueue()
        self._gathered: dict[asyncio.AbstractEventLoop, list[_Job]] = {}
        self._thread: threading.Thread | None = None
        _WRITERS.add(self)

    @overload
    def submit(self, work: Callable[[InboxStore], T]) -> Future[T]: ...
    @overload
    def submit(self, work: NewEvent) -> Future[bool]: ...

    def submit(self, work: _Work) -> Future[Any]:
        """Have it done within a transaction; the result is told when it is durable. An event is kept, once.

        InboxError, with nothing done, if too much waits for the disk already.
        """
        future = Future[Any]()
        with self._lock:
            self._make_ready(work, self._jobs.qsize())
            self._jobs.put((work, future, None))
        return future

    @overload
    def begin(self, work: Callable[[InboxStore], T]) -> asyncio.Future[T]: ...
    @overload
    def begin(self, work: NewEvent) -> asyncio.Future[bool]: ...

    def begin(self, work: _Work) -> asyncio.Future[Any]:
        """The same for who waits on the running loop: it is woken once for all that ends together.

        What comes in one turn of the loop is handed over at its end, so that it is not torn apart.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        with self._lock:
            gathered = self._gathered.setdefault(loop, [])
            self._make_ready(work, self._jobs.qsize() + len(gathered))
            gathered.append((work, future, loop))
        if len(gathered) == 1:
            loop.call_soon(self._hand_over, loop)
        return future

    def _hand_over(self, loop: asyncio.AbstractEventLoop) -> None:
        with self._lock:
            for job in self._gathered.pop(loop, ()):
                self._jobs.put(job)

    async def done(self, work: Callable[[InboxStore], T]) -> T:
        """Have it done, and wait for it on this loop."""
        return await self.begin(work)

    def _make_ready(self, work: _Work, waiting: int) -> None:
        if self._thread is None:
            self._begin_thread()
        # What became of an event must be noted, or it is handled again: only new ones are told to come again.
        if isinstance(work, NewEvent) and waiting >= settings.INBOX_MOST_WAITING:
            raise InboxError("Too many events wait for the inbox's disk.")

    def _begin_thread(self) -> None:
        jobs: _Jobs = SimpleQueue()  # of this thread alone: another may still be ending
        thread = threading.Thread(target=self._run, args=(jobs,), name="onboard360-inbox", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            raise InboxError("The inbox's thread cannot be started: this process may have too many.") from None
        self._jobs, self._thread = jobs, thread

    def close(self) -> None:
        """Do what is waiting, close the store, and end the thread. Work that comes later opens it anew."""
        with self._lock:
            thread = self._end()
        if thread is not None:
            thread.join()

    def _end(self) -> threading.Thread | None:
        """Have the thread end, when it has done what is waiting."""
        thread, self._thread = self._thread, None
        if thread is not None:
            for loop in list(self._gathered):
                for job in self._gathered.pop(loop):
                    self._jobs.put(job)
            self._jobs.put(_END)
        return thread

    def hold(self) -> None:
        """Close the store, and keep it so until `go_on`: a fork is to come."""
        self._lock.acquire()
        thread = self._end()
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def go_on(self) -> None:
        """The fork is done, here or in the child."""
        self._lock.release()

    def _run(self, waiting: _Jobs) -> None:
        store: InboxStore | None = None
        expected = 0
        while True:
            batch = _batch(waiting, expected)
            ended = _END in batch
            jobs = [job for job in batch if job is not None and _is_awaited(job)]
            if jobs and store is None:
                store = self._opened(jobs)
            outcomes = _done(store, jobs) if jobs and store is not None else []
            # Those in it are back in a moment, once they are told; who came meanwhile waits: so many are under way.
            expected = len(batch) + waiting.qsize()
            while outcomes:
                _tell(*outcomes.pop(0))
            if ended:
                break
        if store is not None:
            store.close()

    def _opened(self, jobs: list[_Job]) -> InboxStore | None:
        try:
            return self._open_store()
        except BaseException as error:  # noqa: BLE001 - it is told to those who wait, whatever it is
            _tell(jobs, [None] * len(jobs), error)
            return None


_WRITERS: Final[WeakSet[Writer]] = WeakSet()
_HELD: Final[list[Writer]] = []
_FORKING: Final = threading.Lock()  # one at a time


def _before_fork() -> None:
    _FORKING.acquire()
    for writer in list(_WRITERS):
        writer.hold()
        _HELD.append(writer)


def _after_fork() -> None:
    while _HELD:
        _HELD.pop().go_on()
    _FORKING.release()


if hasattr(os, "register_at_fork"):  # pragma: no branch - Windows does not fork
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)


def _is_awaited(job: _Job) -> bool:
    """False if nobody waits for it any longer."""
    future = job[1]
    return future.set_running_or_notify_cancel() if isinstance(future, Future) else not future.cancelled()


def _batch(waiting: _Jobs, expected: int) -> list[_Job | None]:
    """All that is waiting, at least one, and nothing behind the end.

    If more are `expected`, they come one after another: it is worth a short wait to have them all in one commit.
    """
    batch = [waiting.get()]
    _take(waiting, batch)
    missing = expected - len(batch)
    if missing > 0 and batch[-1] is not _END:
        time.sleep(min(missing * settings.INBOX_GATHER_S, settings.INBOX_GATHER_MOST_S))
        _take(waiting, batch)
    return batch


def _take(waiting: _Jobs, batch: list[_Job | None]) -> None:
    with suppress(Empty):
        while batch[-1] is not _END:
            batch.append(waiting.get_nowait())


def _done(store: InboxStore, jobs: list[_Job]) -> list[_Outcome]:
    """All of them in one transaction. If one of them fails, each in its own, so that it takes no other with it."""
    failed = False
    try:
        with store.transaction():
            try:
                results = _results(store, jobs)
            except BaseException:
                failed = True
                raise
    except BaseException as error:  # noqa: BLE001 - it is told to those who wait, whatever it is
        if failed and len(jobs) > 1:
            return [outcome for job in jobs for outcome in _done(store, [job])]
        # It did not begin, or did not end: it is not to be waited for once for each of them.
        return [(jobs, [None] * len(jobs), error)]
    return [(jobs, results, None)]


def _results(store: InboxStore, jobs: list[_Job]) -> list[Any]:
    """The events of all jobs are kept together, before anything else is done."""
    news = [work for work, _, _ in jobs if isinstance(work, NewEvent)]
    kept = iter(store.add(news) if news else ())
    return [next(kept) if isinstance(work, NewEvent) else work(store) for work, _, _ in jobs]


def _tell(jobs: list[_Job], results: list[Any], error: BaseException | None) -> None:
    """Tell those who wait; each loop once for all who wait on it, since to wake it costs more than to keep an event."""
    by_loop: dict[asyncio.AbstractEventLoop | None, _Told] = {}
    for (_, future, loop), result in zip(jobs, results, strict=True):
        by_loop.setdefault(loop, []).append((future, result))
    for loop, told in by_loop.items():
        if loop is None:
            _set(told, error)
            continue
        with suppress(RuntimeError):  # it has ended, and whoever waited on it
            loop.call_soon_threadsafe(_set, told, error)


def _set(told: _Told, error: BaseException | None) -> None:
    for future, result in told:
        if future.done():  # cancelled meanwhile, which only a loop's own can be
            continue
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)
