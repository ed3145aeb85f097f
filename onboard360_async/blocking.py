"""What the blocking handle gives where it is more than a value: a listing, an import. Knows no call of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from itertools import chain, islice
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeVar

from onboard360_async import importer
from onboard360_async.bridge import begin, iterate, run
from onboard360_async.listing import ClientListing
from onboard360_async.models import Client, NewClient

__all__ = ["BlockingImport", "BlockingListing"]

T = TypeVar("T")
Item = Mapping[str, object] | NewClient
_BATCH: Final = 500  # rows handed over at once


class BlockingListing:
    """The clients of one listing: `for client in listing`, or by `listing.batches()` as they arrive."""

    def __init__(self, listing: ClientListing) -> None:
        self._listing = listing

    def __iter__(self) -> Iterator[Client]:
        for batch in self.batches():
            yield from batch

    def batches(self) -> Iterator[list[Client]]:
        """Lists of clients as they arrive; the next one is fetched while this one is read."""
        return iterate(self._listing.batches)


class BlockingImport:
    """One import: `with job`, then `load`, then `for outcome in job.run()`; as ImportJob, without await."""

    def __init__(self, job: importer.ImportJob) -> None:
        self._job = job
        self.stop: Callable[[], None] = job.stop
        self._handed = _Handed()
        self._rows = job.hand_over(self._handed)
        self._is_loaded = False

    def __enter__(self) -> Self:
        run(self._job.__aenter__)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        run(lambda: self._job.__aexit__(kind, error, trace))

    def load(self) -> importer.Plan:
        """Read and check the whole list, note it in the journal, list who exists; nothing is sent."""
        plan = run(self._job.load) if self._rows is None else self._feed(self._rows)
        self._is_loaded = True
        return plan

    def _feed(self, rows: Iterable[Item]) -> importer.Plan:
        """Load rows that are read here, on the caller's own thread: a cursor of a database may belong to it."""
        handed, rows = self._handed, iter(rows)
        loading = begin(lambda: handed.while_wanted(self._job.load))
        try:
            more = True
            while more:
                batch = list(islice(rows, _BATCH))
                was_wanted = run(lambda: handed.hand(batch))  # noqa: B023 - it is over before the next turn
                more = was_wanted and bool(batch)
                if not was_wanted and self._rows is rows:
                    self._rows = chain(batch, rows)  # if it is loaded once more
        except BaseException:
            loading.cancel_and_wait()
            raise
        return loading.result()

    def run(self) -> Iterator[importer.Outcome]:
        """Send what is planned, and give each outcome as it comes; loads the list if nobody did."""
        if not self._is_loaded:
            self.load()
        return self._told(self._job.run)

    def reconcile(self) -> Iterator[importer.Outcome]:
        """Look for the rows whose answers were lost, and send nothing."""
        if not self._is_loaded:
            self.load()
        return self._told(self._job.reconcile)

    def outcomes(self, *, since: int = 0) -> Iterator[importer.Outcome]:
        """What became of the rows after the outcome with this `seq`, of earlier runs, too."""
        return iterate(lambda: self._job.outcomes(since=since))

    def write_files(self) -> importer.Files | None:
        """Write results and errors beside the list, as the books stand now; None for rows without a file."""
        return self._at_once(self._job.write_files)

    def write_as(self, form: str | None = None, *, excel_safe: bool | None = None) -> None:
        """How results are written from now on, "csv" or "jsonl", by the runs that go on with this one too."""
        self._at_once(lambda: self._job.write_as(form, excel_safe=excel_safe))

    def write_report(self, path: Path, *, people: bool = False, limit: int, window_s: float) -> None:
        """Write a page about the import as it stands now; `limit` requests a `window_s` are what it was held to."""
        self._at_once(lambda: self._job.write_report(path, people=people, limit=limit, window_s=window_s))

    def _at_once(self, call: Callable[[], T]) -> T:
        """Done over there, where the journal is."""

        async def called() -> T:
            return call()

        return run(called)

    def _told(self, begin: Callable[[], importer.Outcomes]) -> Iterator[importer.Outcome]:
        outcomes = self._at_once(begin)
        return iterate(lambda: _each(outcomes))

    @property
    def summary(self) -> importer.Summary:
        """All rows of the list by what became of them."""
        return self._at_once(lambda: self._job.summary)

    @property
    def audit(self) -> importer.Audit | None:
        """What the last listing said against the books; None if no run came to its end."""
        return self._at_once(lambda: self._job.audit)

    @property
    def files(self) -> importer.Files | None:
        """Where the results stand, once the block is left."""
        return self._job.files


class _Handed:
    """Rows that come from the caller's thread, some at a time, each time somebody over here wants more."""

    def __init__(self) -> None:
        self._batch: list[Item] = []
        self._wanted, self._there = asyncio.Event(), asyncio.Event()
        self._is_over = False

    async def while_wanted(self, load: Callable[[], Awaitable[importer.Plan]]) -> importer.Plan:
        """Load, and tell whoever hands rows over when nobody wants them any more."""
        self._batch, self._is_over = [], False  # it may be the second time: the first listing failed
        self._wanted.clear()
        self._there.clear()
        try:
            return await load()
        finally:
            self._is_over = True
            self._wanted.set()

    async def hand(self, batch: list[Item]) -> bool:
        """Give some, or none at the end; whether anybody wanted them."""
        await self._wanted.wait()
        self._wanted.clear()
        self._batch = batch
        self._there.set()
        return not self._is_over

    async def __aiter__(self) -> AsyncIterator[Item]:
        while True:
            self._wanted.set()
            await self._there.wait()
            self._there.clear()
            if not self._batch:
                return
            for item in self._batch:
                yield item


async def _each(outcomes: importer.Outcomes) -> AsyncGenerator[importer.Outcome, None]:
    async for outcome in outcomes:
        yield outcome
