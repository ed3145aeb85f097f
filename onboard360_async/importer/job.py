"""An import: its list, its journal, its plan. What happens to a row is `run`'s.

Knows no HTTP: it takes two callables, one that adds a client and one that lists a campaign. The whole list is checked
and spooled before anything is sent, and who exists is listed once before the first row is.
"""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from onboard360_async import settings
from onboard360_async.errors import ConfigurationError, ValidationError
from onboard360_async.importer.journal import Journal, Spool, State
from onboard360_async.importer.outcomes import Plan, Summary
from onboard360_async.importer.results import Files, write_files
from onboard360_async.importer.rows import FIELDS, Problem, Row, check_row
from onboard360_async.importer.run import Add, Outcomes
from onboard360_async.importer.source import ListFile, Rows, open_list, rows_of
from onboard360_async.models import Client
from onboard360_async.sqlite import told

__all__ = ["ImportJob", "Listing", "journal_beside"]

Listing = Callable[[str], AsyncIterator[Sequence[Client]]]
_SUFFIX: Final = ".onboard360.db"
_PAUSE_EVERY: Final = 500  # rows checked between two turns of the loop
_SHOWN: Final = 20  # warnings of one kind


def journal_beside(source: Path) -> Path:
    """Where the journal of a list stands; a journal is its own."""
    return source if source.name.endswith(_SUFFIX) else source.with_name(source.name + _SUFFIX)


class ImportJob:
    """One import: `async with job`, then `load`, then `run`.

    `source` is a file, rows (mappings or NewClient, also async), or None to go on with a journal. The journal of a
    file stands beside it; rows have none unless one is named, and then a crash loses what was known of them.
    ImportLockedError on entering if another run holds the journal.
    """

    def __init__(
        self,
        source: str | Path | Rows | None,
        *,
        add: Add,
        listing: Listing,
        campaign: Callable[[], Awaitable[str | None]],
        journal: str | Path | None = None,
        mapping: Mapping[str, str] | None = None,
        encoding: str | None = None,
        skip_invalid: bool = False,
    ) -> None:
        self._source = Path(source) if isinstance(source, str) else source
        if journal is None and isinstance(self._source, Path):
            journal = journal_beside(self._source)
        if source is None and journal is None:
            raise ConfigurationError("An import needs a list, or the journal of one to go on with.")
        self.journal_path = Path(journal) if journal is not None else None
        self._add, self._listing, self._campaign = add, listing, campaign
        self._mapping, self._encoding, self.skip_invalid = mapping, encoding, skip_invalid
        self._journal: Journal | None = None
        self._plan: Plan | None = None
        self._outcomes: Outcomes | None = None
        self._stopped = False
        self._last_summary: Summary | None = None
        self.files: Files | None = None  # where the results stand, once they are written

    async def __aenter__(self) -> Self:
        if self._source is None and self.journal_path is not None and not self.journal_path.exists():
            raise ConfigurationError(f"There is no journal {self.journal_path}.")
        if isinstance(self._source, Path):
            _check_readable(self._source)  # before a journal is made beside something that is not there
        self._journal = Journal(self.journal_path)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        journal = self._open()
        try:
            with told(self.journal_path):
                if self._outcomes is not None:
                    await self._outcomes.aclose()
                self._last_summary = journal.summary()
                self.write_files()
        finally:
            journal.close()
            self._journal = None

    async def load(self) -> Plan:
        """Read and check the whole list, note it in the journal, list who exists; nothing is sent.

        ValidationError if it is no list at all; rows that cannot be sent are the plan's `problems`, and unless invalid
        rows are to be skipped, `run` will refuse. An API error of the listing leaves the journal as it should be.
        """
        with told(self.journal_path):
            return await self._load(self._open())

    async def _load(self, journal: Journal) -> Plan:
        if self._plan is not None:
            raise ConfigurationError("This import is loaded already.")
        warnings: list[str] = []
        if self._source is not None:
            campaign_id = await self._campaign()
            warnings = await self._spool(journal, campaign_id)
        elif journal.fact("header") is None:
            raise ConfigurationError(f"The journal {self.journal_path} holds no list to go on with.")
        problems = tuple(
            Problem(record["line"], record["field"], record["error"], record["details"] or "")
            for record in journal.records(State.INVALID)
        )
        if not problems or self.skip_invalid:
            for campaign in journal.to_compare():
                await self._compare(journal, campaign)
        # Asked of the books, not of this listing: whoever said no, and starts again, is told again.
        capped = any(number in settings.ROUND_COUNTS for number in journal.listed())
        self._plan = _plan(journal.summary(), problems, tuple(warnings), capped=capped)
        return self._plan

    def run(self) -> Outcomes:
        """Send what is planned: `async for outcome in job.run()`, once, after `load`.

        ValidationError, with nothing sent, if rows are invalid and not to be skipped. While it runs, ImportFailedError
        says why it stopped early; every row stands in the journal, and running the import again goes on from there.
        Who reads slowly slows the sending; leaving the import's block cancels what is under way.
        """
        journal = self._open()
        if self._plan is None:
            raise ConfigurationError("Call load() before run().")
        if self._outcomes is not None:
            raise ConfigurationError("This import is running already.")
        if self._plan.problems and not self.skip_invalid:
            number = len(self._plan.problems)
            raise ValidationError(f"{number} rows cannot be sent; nothing was sent. Mend them, or skip invalid rows.")
        self._outcomes = Outcomes(journal, self._add, tell_skipped=self._source is not None)
        if self._stopped:
            self._outcomes.stop()
        return self._outcomes

    def stop(self) -> None:
        """Begin no further row; those under way finish, and the iteration ends. Before `run`: none will begin."""
        self._stopped = True
        if self._outcomes is not None:
            self._outcomes.stop()

    @property
    def summary(self) -> Summary:
        """All rows of the list by what became of them."""
        if self._journal is not None:
            return self._journal.summary()
        if self._last_summary is None:
            raise ConfigurationError("This import was never entered.")
        return self._last_summary

    async def counted(self) -> Summary:
        """The same, for callers on another thread than the journal's."""
        return self.summary

    def write_files(self) -> Files | None:
        """Write results and errors beside the list, as the books stand now; None for rows without a file."""
        journal = self._open()
        source = journal.fact("source")
        if source is not None and journal.path is not None:
            self.files = write_files(journal, _source_beside(journal.path, Path(source)))
        return self.files

    # --- inside ---

    def _open(self) -> Journal:
        if self._journal is None:
            raise ConfigurationError("Use an import within its block: async with api.open_import(...) as job.")
        return self._journal

    async def _spool(self, journal: Journal, campaign_id: str | None) -> list[str]:
        """The list into the journal, whole or not at all; what looks odd."""
        file = None
        if isinstance(self._source, Path):
            file = open_list(self._source, mapping=self._mapping, encoding=self._encoding)
        warnings = [*file.notes, *(f"column {name!r} is not sent" for name in file.unknown)] if file is not None else []
        if file is not None and "campaign_id" in file.columns and campaign_id is not None:
            warnings.append("the campaign column is not sent: everybody goes to the campaign that was named")
        odd: list[str] = []
        more = number = 0
        with journal.spool(_facts(file)) as spool:
            for _ in spool.forget():
                await asyncio.sleep(0)
            async for row in self._rows(file):
                notes = _spool_row(spool, row, campaign_id)
                more += len(notes) if len(odd) >= _SHOWN else 0
                odd += notes if len(odd) < _SHOWN else []
                number += 1
                if number % _PAUSE_EVERY == 0:
                    await asyncio.sleep(0)
        return warnings + odd + ([f"and {more} more like these"] if more else [])

    async def _rows(self, file: ListFile | None) -> AsyncIterator[Row]:
        if file is not None:
            for row in file.rows():
                yield row
        elif self._source is not None and not isinstance(self._source, str | Path):
            try:
                async for row in rows_of(self._source):
                    yield row
            except sqlite3.Error as error:  # their database, not our journal: else it would be told as ours
                raise ValidationError("The rows cannot be read to their end; the cause says why.", "rows") from error

    async def _compare(self, journal: Journal, campaign_id: str) -> None:
        """Skip who exists."""
        with journal.baseline(campaign_id) as baseline:
            async for batch in self._listing(campaign_id):
                baseline.add((client.id, client.email) for client in batch)
            for _ in baseline.skip():
                await asyncio.sleep(0)


def _check_readable(source: Path) -> None:
    """A file is read more than once, which a pipe does not survive: it would hang, or seem empty."""
    try:
        if source.exists() and not source.is_file() and not source.is_dir():
            raise ConfigurationError(f"Cannot read {source}: it is no regular file; save the list to one first.")
        source.open("rb").close()
    except OSError as error:
        raise ConfigurationError(f"Cannot read {source}: {error.strerror}.") from None


def _facts(file: ListFile | None) -> dict[str, str]:
    if file is None:
        return {"header": json.dumps(FIELDS)}
    return {
        "header": json.dumps(file.header),
        "source": str(file.path.absolute()),
        "mark": "yes" if file.marked else "",
    }


def _spool_row(spool: Spool, row: Row, campaign_id: str | None) -> list[str]:
    client, problem, odd = check_row(row, campaign_id)
    if client is None:
        spool.invalid(row, problem or Problem(row.line, "row", "it cannot be read"))
    else:
        spool.valid(row, client)
    return odd


def _source_beside(journal: Path, source: Path) -> Path:
    """The list of a journal, wherever the two were moved together."""
    beside = journal.with_name(journal.name.removesuffix(_SUFFIX))
    return beside if journal.name.endswith(_SUFFIX) else source


def _plan(summary: Summary, problems: tuple[Problem, ...], warnings: tuple[str, ...], *, capped: bool) -> Plan:
    return Plan(
        rows=summary.rows,
        to_send=summary.planned,
        done=summary.created,
        existing=summary.skipped_existing,
        duplicates=summary.skipped_duplicate,
        rejected=summary.rejected,
        unresolved=summary.unresolved,
        problems=problems,
        warnings=warnings,
        may_be_capped=capped,
    )
