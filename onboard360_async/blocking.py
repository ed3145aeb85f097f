"""What the blocking handle gives where it is more than a value: a listing, an import. Knows no call of its own."""

from collections.abc import AsyncGenerator, Callable, Iterator
from types import TracebackType
from typing import Self

from onboard360_async.bridge import iterate, run
from onboard360_async.importer import Audit, Files, ImportJob, Outcome, Outcomes, Plan, Summary
from onboard360_async.listing import ClientListing
from onboard360_async.models import Client

__all__ = ["BlockingImport", "BlockingListing"]


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

    def __init__(self, job: ImportJob) -> None:
        self._job = job
        self.stop = job.stop

    def __enter__(self) -> Self:
        run(self._job.__aenter__)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        run(lambda: self._job.__aexit__(kind, error, trace))

    def load(self) -> Plan:
        """Read and check the whole list, note it in the journal, list who exists; nothing is sent."""
        return run(self._job.load)

    def run(self) -> Iterator[Outcome]:
        """Send what is planned, and give each outcome as it comes; loads the list if nobody did."""
        return self._told(self._job.run)

    def reconcile(self) -> Iterator[Outcome]:
        """Look for the rows whose answers were lost, and send nothing."""
        return self._told(self._job.reconcile)

    def outcomes(self, *, since: int = 0) -> Iterator[Outcome]:
        """What became of the rows after the outcome with this `seq`, of earlier runs, too."""
        return iterate(lambda: self._job.outcomes(since=since))

    def _told(self, begin: Callable[[], Outcomes]) -> Iterator[Outcome]:
        async def begun() -> Outcomes:
            return begin()

        outcomes = run(begun)  # the journal belongs to the private loop's thread
        return iterate(lambda: _each(outcomes))

    @property
    def summary(self) -> Summary:
        """All rows of the list by what became of them."""
        return run(self._job.counted)

    @property
    def audit(self) -> Audit | None:
        """What the last listing said against the books; None if no run came to its end."""
        return run(self._job.looked_back)

    @property
    def files(self) -> Files | None:
        """Where the results stand, once the block is left."""
        return self._job.files


async def _each(outcomes: Outcomes) -> AsyncGenerator[Outcome, None]:
    async for outcome in outcomes:
        yield outcome
