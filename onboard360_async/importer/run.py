"""The sending of an import: at most once for every row, always, and nobody lost from the books.

For each row `sending` is on the disk before the request leaves, and its outcome before anybody sees it. Knows no HTTP,
no file and no list: it takes the planned rows from the journal, and a callable that adds a client.
"""

import asyncio
import json
import logging
import sqlite3
from collections import deque
from collections.abc import Awaitable, Callable, Generator
from contextlib import suppress
from typing import Final, Self

from onboard360_async import settings
from onboard360_async.errors import (
    ApiError,
    BudgetExhaustedError,
    BudgetStoreError,
    DeadlineError,
    ImportFailedError,
    NotSentError,
    Onboard360Error,
    OutcomeUnknownError,
    RateLimitError,
)
from onboard360_async.importer.journal import Entry, Journal, Record, State
from onboard360_async.importer.outcomes import (
    Created,
    Invalid,
    Outcome,
    Rejected,
    SkippedDuplicate,
    SkippedExisting,
    Unresolved,
)
from onboard360_async.importer.rows import Problem
from onboard360_async.models import Client, NewClient

__all__ = ["Add", "Outcomes"]

Add = Callable[[NewClient, Callable[[], None]], Awaitable[Client]]  # the second is called before each attempt is sent
logger: Final = logging.getLogger("onboard360_async")


class Outcomes:
    """The outcomes of an import as they come: `async for outcome in job.run()`.

    Rows that are not sent come first. A few rows are under way at once; whoever reads slowly slows them down. It ends
    when all is sent, after `stop`, or with the error that stopped it, once what was under way is in the books.
    A row that waits for the budget is not under way: `stop` calls it back.
    """

    def __init__(self, journal: Journal, add: Add, *, tell_skipped: bool) -> None:
        self._journal, self._add = journal, add
        self._skipped = _skipped(journal, tell=tell_skipped)
        self._ready: asyncio.Queue[Outcome | None] = asyncio.Queue(maxsize=1)
        self._again: deque[Entry] = deque()  # refused by a 429, to be sent again
        self._position = 0
        self._refusals = 0  # 429s in a row
        self._lost = 0  # unknown outcomes in a row
        self._not_found = 0  # 404s in a row
        self._stopping = False
        self._failure: BaseException | None = None
        self._waiting: set[asyncio.Task[None]] = set()  # workers whose row's request has not left
        self._task: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._over = False

    def stop(self) -> None:
        """Begin no further row. From any thread."""
        self._stopping = True
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop is closed: nothing waits there
                self._loop.call_soon_threadsafe(self._call_back)

    def _call_back(self) -> None:
        for worker in tuple(self._waiting):
            worker.cancel()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Outcome:
        if self._over:
            raise StopAsyncIteration
        if (skipped := next(self._skipped, None)) is not None:
            return skipped
        if self._task is None:
            self._loop = asyncio.get_running_loop()
            self._task = asyncio.create_task(self._work_all(), name="onboard360 import")
        outcome = await self._ready.get()
        if outcome is not None:
            return outcome
        self._ready.put_nowait(None)  # for whoever else waits
        if self._over:
            raise StopAsyncIteration
        self._over = True
        if self._failure is not None:
            raise self._failure
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Cancel what is under way; a row whose request has left stays in doubt, and is never sent again unseen."""
        self._over = True
        self._skipped.close()
        task, self._task = self._task, None
        if task is None:
            return
        task.cancel()
        await asyncio.wait((task,))
        self._journal.doubt_what_was_under_way()
        while not self._ready.empty():
            self._ready.get_nowait()  # it is in the books
        self._ready.put_nowait(None)  # whoever still reads, in another task, is not left waiting

    # --- the workers ---

    async def _work_all(self) -> None:
        try:
            async with asyncio.TaskGroup() as workers:
                for _ in range(settings.IMPORT_CONCURRENCY):
                    workers.create_task(self._work(), name="onboard360 import row")
        except BaseExceptionGroup as group:  # the journal itself failed: what was under way stays in doubt there
            self._stop_for(group.exceptions[0])
        await self._ready.put(None)

    async def _work(self) -> None:
        while (entry := self._next()) is not None:
            outcome = await self._send(entry)
            if outcome is not None:
                await self._ready.put(outcome)

    def _next(self) -> Entry | None:
        if self._stopping:
            return None
        if self._again:
            return self._again.popleft()
        found = self._journal.next_planned(self._position)
        if found is None:
            return None
        self._position, entry = found
        return entry

    async def _send(self, entry: Entry) -> Outcome | None:
        sent, worker = False, asyncio.current_task()
        assert worker is not None  # noqa: S101 - it runs in the group

        def before_send() -> None:
            nonlocal sent
            if not sent:
                self._journal.sending(entry.id)
                sent = True
                self._waiting.discard(worker)

        self._waiting.add(worker)
        try:
            client = await self._add(entry.client, before_send)
        except Onboard360Error as error:
            return self._judge(entry, error, sent=sent)
        except asyncio.CancelledError as error:
            if worker.cancelling():
                if self._stopping and not sent:
                    return None  # called back: it is still planned
                raise
            # Nobody cancelled us: a fault of the callable, which a TaskGroup would take for an orderly end.
            self._stop_for(_failed("A request was cancelled from within.", error, self._journal))
            return self._doubt(entry, type(error).__name__) if sent else None
        except Exception as error:  # noqa: BLE001 - a fault of ours or the callable's: the row's fate must be noted first
            self._stop_for(error)
            return self._doubt(entry, type(error).__name__) if sent else None
        finally:
            self._waiting.discard(worker)
        self._refusals = self._lost = self._not_found = 0
        return self._note(entry, client)

    def _note(self, entry: Entry, client: Client) -> Outcome:
        if self._journal.is_known(entry.client.campaign_id, client.id):
            self._journal.existing(entry.id, client.id, client.link)
            return SkippedExisting(entry.line, entry.client.email, client.id)
        self._journal.created(entry.id, client.id, client.link)
        return Created(entry.line, entry.client.email, client.id, client.link)

    def _judge(self, entry: Entry, error: Onboard360Error, *, sent: bool) -> Outcome | None:
        """What an error says about its row, and whether the import can go on."""
        if isinstance(error, OutcomeUnknownError):
            self._lost += 1
            if self._lost >= settings.IMPORT_MOST_LOST:
                self._stop_for(_failed(f"The last {self._lost} answers were lost.", error, self._journal))
            return self._doubt(entry, error.message, created=error.created)
        if isinstance(error, RateLimitError):
            self._refusals += 1
            if self._refusals >= settings.IMPORT_MOST_REFUSED:
                self._stop_for(_failed("The server refuses every request as one too many.", error, self._journal))
            else:
                self._again.append(entry)  # the budget pauses everybody, so this is no storm
            self._put_back(entry, sent=sent)
            return None
        if isinstance(error, ApiError) and 400 <= error.status < 500 and error.status not in (401, 403):
            return self._reject(entry, error)
        self._stop_for(_failed("The import cannot go on.", error, self._journal))
        if sent and not _created_nothing(error):
            return self._doubt(entry, type(error).__name__)
        self._put_back(entry, sent=sent)
        return None

    def _reject(self, entry: Entry, error: ApiError) -> Outcome:
        self._refusals = self._lost = 0
        self._not_found = self._not_found + 1 if error.status == 404 else 0
        if self._not_found >= settings.IMPORT_MOST_NOT_FOUND:
            self._stop_for(_failed("Every row is not found; is the campaign the right one?", error, self._journal))
        self._journal.rejected(entry.id, error.status, error.error or f"status {error.status}", error.details)
        return Rejected(entry.line, entry.client.email, error.status, error.error, error.details)

    def _doubt(self, entry: Entry, reason: str, *, created: bool = False) -> Outcome:
        self._journal.unresolved(entry.id, reason, created=created)
        return Unresolved(entry.line, entry.client.email, reason, created)

    def _put_back(self, entry: Entry, *, sent: bool) -> None:
        if sent:
            self._journal.planned(entry.id)

    def _stop_for(self, error: BaseException) -> None:
        self._stopping = True
        if isinstance(error, OSError | sqlite3.Error):
            error = _failed("The journal cannot be written.", error, self._journal)
        if self._failure is None:
            self._failure = error
            logger.info("the import stops early: %s", type(error.__cause__ or error).__name__)


def _created_nothing(error: Onboard360Error) -> bool:
    if isinstance(error, ApiError):
        return 300 <= error.status < 500
    return isinstance(error, NotSentError | BudgetExhaustedError | BudgetStoreError | DeadlineError)


def _failed(what: str, cause: BaseException, journal: Journal) -> ImportFailedError:
    again = "Every row stands in the journal; run the import again to go on."
    said = " ".join(part for part in (what, str(cause), again) if part)
    error = ImportFailedError(said, None if journal.path is None else str(journal.path))
    error.__cause__ = cause
    return error


def _skipped(journal: Journal, *, tell: bool) -> Generator[Outcome, None, None]:
    """The rows that are not sent, in the list's order, as they are asked for; requests come after them."""
    if tell:
        for record in journal.records(State.INVALID, State.DUPLICATE, State.EXISTING):
            yield _outcome(record)


def _outcome(record: Record) -> Outcome:
    line = record["line"]
    email = json.loads(record["client"])["email"] if record["client"] else ""
    if record["state"] == State.INVALID:
        return Invalid(line, email, Problem(line, record["field"], record["error"], record["details"] or ""))
    if record["state"] == State.DUPLICATE:
        return SkippedDuplicate(line, email, record["first_line"])
    return SkippedExisting(line, email, record["client_id"])
