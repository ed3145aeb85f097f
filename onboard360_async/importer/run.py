"""The sending of an import: at most once for every row, always, and nobody lost from the books.

For each row `sending` is on the disk before the request leaves, and its outcome before anybody sees it. Knows no HTTP,
no file and no list: it takes the planned rows from the journal, a callable that adds a client and one that lists a
campaign. What an error says about a row is for `verdicts`, how rows in doubt are looked for is `settle`'s.
"""

import asyncio
import logging
import sqlite3
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any, Final, Self

from aiolimiter import AsyncLimiter

from onboard360_async import settings
from onboard360_async.errors import ApiError, Onboard360Error, OutcomeUnknownError
from onboard360_async.importer.audit import make_audit
from onboard360_async.importer.clock import RunClock
from onboard360_async.importer.journal import Entry, Journal
from onboard360_async.importer.outcomes import Outcome
from onboard360_async.importer.reconcile import began_before
from onboard360_async.importer.replay import outcome_of, skipped
from onboard360_async.importer.rules import Rules
from onboard360_async.importer.settle import Settling
from onboard360_async.importer.tables import STEP
from onboard360_async.importer.verdicts import Fate, Verdicts, failed
from onboard360_async.models import Client, NewClient

__all__ = ["Add", "Listing", "Outcomes"]

Listing = Callable[[str], AsyncIterator[Sequence[Client]]]
"""What gives everybody in a campaign, some at a time, by its id."""
Add = Callable[[NewClient, Callable[[], None]], Awaitable[Client]]
"""What adds a client; the second argument is called before each attempt is sent."""
logger: Final = logging.getLogger("onboard360_async")
_MINUTE_S: Final = 60.0


class Outcomes:
    """The outcomes of an import as they come: `async for outcome in job.run()`.

    Rows that are not sent come first; all come in the order of their `seq`. A few rows are under way at once; whoever
    reads slowly slows them down. It ends when all is sent and settled, after `stop`, or with the error that stopped it,
    once what was under way is in the books. A row that waits for the budget is not under way: `stop` calls it back.
    """

    def __init__(
        self,
        journal: Journal,
        add: Add,
        listing: Listing,
        rules: Rules,
        *,
        skew_s: Callable[[], float | None],
        begin: Callable[[], Awaitable[None]],
        tell_skipped: bool,
        send: bool = True,
    ) -> None:
        self._journal, self._add, self._listing, self._rules = journal, add, listing, rules
        self._clock, self._begin = RunClock(journal, skew_s), begin
        self._tell_skipped, self._may_begin = tell_skipped, send
        self._skipped: Iterator[Outcome] = iter(())
        self._asked = 0  # how often somebody wanted an outcome
        self._ready: asyncio.Queue[Outcome | None] = asyncio.Queue()  # in the order in which they were noted
        self._room = asyncio.Semaphore(1)  # ... and one of them may lie there before whoever noted it goes on
        self._again: deque[Entry] = deque()  # refused by a 429, to be sent again
        self._position = 0
        self._begun: set[int] = set()  # rows that were sent in this run, and those on their way
        self._doubted: Counter[int] = Counter()  # how often nobody knew what became of a row in this run
        self._people: set[tuple[str, str]] = set()  # whose rows are under way
        self._verdicts = Verdicts(rules)
        self._settling = Settling(
            journal, self._read, rules, skew_s=self._clock.ahead_s, until=self._quietly_until, may_send=self._may_send
        )
        self._is_settling = self._settle_soon = False
        self._stopping = False
        self._halt = asyncio.Event()
        self._quiet_until: int | None = None  # a moment of the journal's clock
        self._failure: BaseException | None = None
        self._waiting: set[asyncio.Task[Any]] = set()  # workers whose row's request has not left, and listings
        self._task: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._starting = asyncio.Lock()
        self._pace: AsyncLimiter | None = None
        self._over = False

    def stop(self) -> None:
        """Begin no further row. From any thread."""
        self._stopping = True
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop is closed: nothing waits there
                self._loop.call_soon_threadsafe(self._call_back)

    @property
    def quiet_s(self) -> float | None:
        """Seconds until a listing is read, if nobody is sent before that; None if something is under way."""
        if self._quiet_until is None or self._people:
            return None
        return max(0.0, (self._quiet_until - self._journal.now()) / 1e9)

    @property
    def under_way(self) -> int:
        """Rows whose request has left and whose answer is awaited."""
        return self._journal.under_way()

    def _call_back(self) -> None:
        self._halt.set()
        for worker in tuple(self._waiting):
            worker.cancel()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Outcome:
        self._asked += 1
        if self._asked % STEP == 0:
            await asyncio.sleep(0)  # whoever is told of skipped rows alone waits for nothing, and others need a turn
        if self._over:
            raise StopAsyncIteration
        if self._loop is None:
            async with self._starting:  # two may read
                if self._loop is None:
                    await self._start()
        if (outcome := next(self._skipped, None)) is not None:
            return outcome
        if self._task is None:
            self._task = asyncio.create_task(self._work_all(), name="onboard360 import")
        outcome = await self._ready.get()
        if outcome is not None:
            self._room.release()
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
        self._skipped = iter(())
        task, self._task = self._task, None
        if task is None:
            return
        task.cancel()
        await asyncio.wait((task,))
        self._clock.mind()
        self._journal.doubt_what_was_under_way()
        self._journal.end_run("cancelled")
        while not self._ready.empty():
            self._ready.get_nowait()  # it is in the books
        self._ready.put_nowait(None)  # whoever still reads, in another task, is not left waiting

    async def _start(self) -> None:
        await self._begin()
        self._loop = asyncio.get_running_loop()
        self._clock.start()
        if self._rules.rate is not None:
            self._pace = AsyncLimiter(1, _MINUTE_S / self._rules.rate)
        if self._tell_skipped:
            self._skipped = skipped(self._journal)

    # --- the whole ---

    async def _work_all(self) -> None:
        ending = "failed"
        try:
            self._journal.begin_run()
            await self._send_and_settle()
            if self._failure is None:
                ending = self._ending()
        except BaseExceptionGroup as group:  # the journal itself failed: what was under way stays in doubt there
            self._stop_for(group.exceptions[0])
        except Onboard360Error as error:
            what = "The import cannot look for the rows whose answers were lost."
            self._stop_for(failed(what, error, self._journal.path))
        except Exception as error:  # noqa: BLE001 - whatever it is, whoever reads must hear of it
            self._stop_for(error)
        with suppress(sqlite3.Error):
            self._journal.end_run(ending)
        self._ready.put_nowait(None)

    def _ending(self) -> str:
        if self._stopping:
            return "stopped"
        return "limit reached" if self._may_begin and self._is_at_limit() else "finished"

    async def _tell(self, *outcomes: Outcome) -> None:
        """Hand outcomes to whoever reads. No await between their notes and this, or their order would be another."""
        for outcome in outcomes:
            self._ready.put_nowait(outcome)
        for _ in outcomes:
            await self._room.acquire()

    async def _send_and_settle(self) -> None:
        """Send all, settle what is in doubt, send what is planned again, until nothing is left; then look back."""
        while True:
            self._position = 0
            async with asyncio.TaskGroup() as workers:
                for _ in range(settings.IMPORT_CONCURRENCY):
                    workers.create_task(self._work(), name="onboard360 import row")
            if self._stopping:
                return
            if self._journal.in_doubt():
                await self._settle(settings.IMPORT_LOOKS, finally_=True)
            if self._stopping or self._is_at_limit() or self._journal.next_planned(0) is None:
                break  # nothing is left that may be sent
        if self._begun and not self._stopping:
            await self._look_back()

    async def _settle(self, looks: int, *, finally_: bool) -> None:
        self._is_settling, self._settle_soon = True, False
        try:
            async for outcomes in self._settling.settle(looks, finally_=finally_):
                await self._tell(*outcomes)
        finally:
            self._is_settling = False

    async def _look_back(self) -> None:
        async def again() -> bool:
            return await self._quietly_until(self._journal.now() + int(self._rules.settle_s * 1e9))

        try:
            await make_audit(self._journal, self._read, again)
        except Onboard360Error as error:  # everything is in the books: no reason to call the import failed
            logger.info("the look back at an import failed: %s", type(error).__name__)

    async def _until(self, moment: int) -> bool:
        """Wait for a moment of the journal's clock; False if the run is stopped before."""
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, (moment - self._journal.now()) / 1e9)):
                await self._halt.wait()
        return not self._stopping

    async def _quietly_until(self, moment: int) -> bool:
        """The same, before a listing is read."""
        self._quiet_until = moment
        try:
            return await self._until(moment)
        finally:
            self._quiet_until = None

    async def _read(self, campaign_id: str, take: Callable[[Sequence[Client]], None]) -> bool:
        """Hand a campaign's listing over as it comes; False if the run is stopped before its end."""
        reading = asyncio.create_task(self._read_whole(campaign_id, take), name="onboard360 import listing")
        self._waiting.add(reading)
        try:
            await reading
        except asyncio.CancelledError:
            if not (reading.cancelled() and self._stopping) or _is_cancelled():
                raise
            return False  # called back
        finally:
            self._waiting.discard(reading)
        return True

    async def _read_whole(self, campaign_id: str, take: Callable[[Sequence[Client]], None]) -> None:
        if self._pace is not None:
            await self._pace.acquire()
        self._journal.requested("list")
        async for batch in self._listing(campaign_id):
            take(batch)

    # --- the workers ---

    async def _work(self) -> None:
        while (entry := self._next()) is not None:
            self._people.add(entry.key)
            try:
                is_told = await self._send(entry)
            finally:
                self._people.discard(entry.key)
            if is_told:
                await self._tell(outcome_of(self._journal.record(entry.id)))
            if self._verdicts.rest_s and not self._stopping:
                await self._until(self._journal.now() + int(self._verdicts.rest_s * 1e9))
            if self._settle_soon and not self._is_settling and not self._stopping:
                await self._settle(1, finally_=False)  # the others go on meanwhile

    def _next(self) -> Entry | None:
        if self._stopping:
            return None
        if self._again:
            return self._again.popleft()
        while not self._is_at_limit() and (found := self._journal.next_planned(self._position)) is not None:
            self._position, entry = found
            if entry.key not in self._people:  # else it waits for the next round
                return entry
        return None

    def _is_at_limit(self) -> bool:
        limit = self._rules.limit if self._may_begin else 0
        return limit is not None and len(self._begun) >= limit

    def _may_send(self, row_id: int) -> bool:
        return self._doubted[row_id] < settings.IMPORT_MOST_SENT

    async def _send(self, entry: Entry) -> bool:
        """Send one row, and note what became of it; whether it has an outcome now."""
        sent, worker = False, asyncio.current_task()
        assert worker is not None  # noqa: S101 - it runs in the group

        def before_send() -> None:
            nonlocal sent
            if sent:
                self._journal.requested("add")
                return
            self._journal.sending(entry.id)
            sent = True
            self._waiting.discard(worker)

        self._begun.add(entry.id)
        self._waiting.add(worker)
        try:
            if self._pace is not None:
                await self._pace.acquire()
            client = await self._add(entry.client, before_send)
        except Onboard360Error as error:
            return self._judge(entry, error, sent=sent)
        except asyncio.CancelledError as error:
            if worker.cancelling():
                if self._stopping and not sent:
                    return False  # called back: it is still planned
                raise
            # Nobody cancelled us: a fault of the callable, which a TaskGroup would take for an orderly end.
            self._stop_for(failed("A request was cancelled from within.", error, self._journal.path))
            return self._fault(entry, error, sent=sent)
        except Exception as error:  # noqa: BLE001 - a fault of ours or the callable's: the row's fate must be noted first
            self._stop_for(error)
            return self._fault(entry, error, sent=sent)
        finally:
            self._waiting.discard(worker)
        self._verdicts.answered()
        self._note(entry, client)
        return True

    def _note(self, entry: Entry, client: Client) -> None:
        """The server said who it is. Somebody older than our request was there before it."""
        journal, campaign_id = self._journal, entry.client.campaign_id
        sent_at, skew_s = journal.record(entry.id)["sending_at"], self._clock.ahead_s()
        is_old = skew_s is not None and began_before(client.created_at, sent_at, skew_s)
        if journal.is_credited(campaign_id, client.id):
            journal.existing(entry.id, client.id, client.link)
        elif is_old or journal.was_there(campaign_id, client.id):
            journal.adopted(entry.id, client.id, client.link)
        else:
            journal.created(entry.id, client.id, client.link)

    def _judge(self, entry: Entry, error: Onboard360Error, *, sent: bool) -> bool:
        """Note what an error says about its row; whether it has an outcome now."""
        fate, reason = self._verdicts.judge(error, sent=sent)
        if reason is not None:
            self._stop_for(failed(reason, error, self._journal.path))
        if fate is Fate.DOUBT:
            is_created = isinstance(error, OutcomeUnknownError) and error.created
            said = error.message if isinstance(error, OutcomeUnknownError) else type(error).__name__
            self._doubt(entry, said, created=is_created)
        elif fate is Fate.REJECTED and isinstance(error, ApiError):
            self._journal.rejected(entry.id, error.status, error.error or f"status {error.status}", error.details)
            return True
        elif sent:
            self._journal.planned(entry.id)
        if fate is Fate.AGAIN:
            self._again.append(entry)
            self._settle_soon = self._journal.in_doubt() > 0  # there is a pause anyway
        return False

    def _fault(self, entry: Entry, error: BaseException, *, sent: bool) -> bool:
        if sent:
            self._doubt(entry, type(error).__name__)
        return False

    def _doubt(self, entry: Entry, reason: str, *, created: bool = False) -> None:
        self._clock.mind()
        self._journal.doubt(entry.id, reason, created=created)
        self._doubted[entry.id] += 1
        self._settle_soon = self._settle_soon or self._journal.in_doubt() >= settings.IMPORT_SETTLE_AT

    def _stop_for(self, error: BaseException) -> None:
        self._stopping = True
        self._halt.set()
        if isinstance(error, OSError | sqlite3.Error):
            error = failed("The journal cannot be written.", error, self._journal.path)
        if self._failure is None:
            self._failure = error
            logger.info("the import stops early: %s", type(error.__cause__ or error).__name__)


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
