"""An import: its list, its journal, its plan. What happens to a row is `run`'s.

Knows no HTTP: it takes callables, one that adds a client and one that lists a campaign. The whole list is checked and
spooled before anything is sent, and who exists is listed once before the first row is.
"""

import asyncio
import time
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from onboard360_async import settings
from onboard360_async.errors import ConfigurationError, ValidationError
from onboard360_async.importer.audit import audited
from onboard360_async.importer.events import fill_links, take_events
from onboard360_async.importer.journal import Journal
from onboard360_async.importer.listed import Baseline
from onboard360_async.importer.load import Campaigns, FindCampaign, Reading, load_list
from onboard360_async.importer.outcomes import Audit, Outcome, Plan, Summary
from onboard360_async.importer.places import journal_beside
from onboard360_async.importer.replay import outcomes_since
from onboard360_async.importer.report import write_report
from onboard360_async.importer.results import Files, check_may_write, note_written, write_as, write_beside
from onboard360_async.importer.rows import Problem
from onboard360_async.importer.rules import Rules
from onboard360_async.importer.run import Add, Listing, Outcomes
from onboard360_async.importer.source import Rows
from onboard360_async.importer.tables import STEP
from onboard360_async.importer.upkeep.books import check_there
from onboard360_async.importer.upkeep.glance import Glance, glance_at, is_purged
from onboard360_async.models import NewClient
from onboard360_async.sqlite import told

__all__ = ["ImportJob"]


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
        find_campaign: FindCampaign,
        campaign: str | None = None,
        journal: str | Path | None = None,
        reading: Reading | None = None,
        events_from: str | Path | Sequence[str | Path] | None = None,
        rules: Rules | None = None,
        skew_s: Callable[[], float | None] = lambda: None,
        now: Callable[[], int] = time.time_ns,
    ) -> None:
        self._source = Path(source) if isinstance(source, str) else source
        self._is_once = isinstance(source, Iterator | AsyncIterator)  # gone once it was read
        self._was_begun = False
        self._warnings: list[str] | None = None  # of the list, once it is in the journal
        if journal is None and isinstance(self._source, Path):
            journal = journal_beside(self._source)
        if source is None and journal is None:
            raise ConfigurationError("An import needs a list, or the journal of one to go on with.")
        self.journal_path: Path | None = Path(journal) if journal is not None else None
        self.rules: Rules = rules or Rules()
        self._add, self._listing, self._skew_s, self._now = add, listing, skew_s, now
        self._campaigns = Campaigns(campaign, find_campaign)
        self._reading = reading or Reading()
        self._events_from = _paths(events_from)
        self._journal: Journal | None = None
        self._plan: Plan | None = None
        self._outcomes: Outcomes | None = None
        self._stopped = self._is_new = False
        self._last: tuple[Summary, Audit | None] | None = None
        self.files: Files | None = None  # where the results stand, once they are written

    async def __aenter__(self) -> Self:
        if isinstance(self._source, Path):
            _check_readable(self._source)  # before a journal is made beside something that is not there
        elif self._source is None and self.journal_path is not None:
            check_there(self.journal_path)
        with suppress(OSError):  # the journal itself will say it better
            self._is_new = self.journal_path is not None and not self.journal_path.exists()
        self._journal = Journal(self.journal_path, now=self._now)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        journal = self._open()
        try:
            with told(self.journal_path):
                if self._outcomes is not None:
                    await self._outcomes.aclose()
                self._last = journal.summary(), audited(journal)
                self.write_files()
                is_empty = journal.fact("header") is None
        finally:
            journal.close()
            self._journal = None
        if self._is_new and is_empty and self.journal_path is not None:
            self.journal_path.unlink(missing_ok=True)  # no list got into it: nobody needs to wonder what it is

    def hand_over(
        self, rows: AsyncIterable[Mapping[str, object] | NewClient]
    ) -> Iterable[Mapping[str, object] | NewClient] | None:
        """The plain rows of this import, for whoever reads them elsewhere and gives them back as `rows`; None if it
        has a file, or rows that only an event loop can read.
        """
        source = self._source
        if not isinstance(source, Iterable) or isinstance(source, str | AsyncIterable):
            return None
        self._source = rows
        return source

    async def load(self) -> Plan:
        """Read and check the whole list, note it in the journal, list who exists; nothing is sent.

        ValidationError if it is no list at all; rows that cannot be sent are the plan's `problems`, and unless invalid
        rows are to be skipped, `run` will refuse. An API error of the listing leaves the journal as it should be; load
        again then, and a list that is noted is not read a second time.
        """
        with told(self.journal_path):
            return await self._load(self._open())

    async def _load(self, journal: Journal) -> Plan:
        if self._plan is not None:
            raise ConfigurationError("This import is loaded already.")
        if is_purged(journal):
            raise ConfigurationError(
                f"The journal {self.journal_path} was purged, so that nobody in it can be recognised. Move it away to"
                " begin a new import; who is in the campaign then is skipped."
            )
        if self._source is not None and self._warnings is None:
            await self._campaigns.look_up()
            if self._was_begun and self._is_once:
                raise ConfigurationError("These rows can be read only once, and that broke off; hand them over anew.")
            self._was_begun = True
            self._warnings = await load_list(
                journal,
                self._source if not isinstance(self._source, str) else Path(self._source),
                self._campaigns,
                reading=self._reading,
                send_twice=self.rules.duplicates == "send",
            )
            check_may_write(journal)  # now, not when everybody is added
        elif journal.fact("header") is None:
            raise ConfigurationError(f"The journal {self.journal_path} holds no list to go on with.")
        if not journal.summary().invalid or self.rules.skip_invalid:
            await self._compare(journal)
        for path in self._events_from:
            for _ in take_events(journal, path):
                await asyncio.sleep(0)
        if self._events_from:
            fill_links(journal)
        self._plan = _plan(journal, self.rules, tuple(self._warnings or ()))
        return self._plan

    def run(self) -> Outcomes:
        """Send what is planned: `async for outcome in job.run()`, once; loads the list if nobody did.

        ValidationError, with nothing sent, if rows are invalid and not to be skipped, or exist and are not to. While it
        runs, ImportFailedError says why it stopped early; every row stands in the journal, and running the import again
        goes on from there. Who reads slowly slows the sending; leaving the import's block cancels what is under way.
        """
        return self._begin(send=True)

    def reconcile(self) -> Outcomes:
        """Look for the rows whose answers were lost, and send nothing: `async for outcome in job.reconcile()`.

        Rows that are shown to be absent are planned again, for the next run. Errors as for `run`.
        """
        return self._begin(send=False)

    def _begin(self, *, send: bool) -> Outcomes:
        journal = self._open()
        if self._outcomes is not None:
            raise ConfigurationError("This import is running already.")
        if self._plan is not None:
            self._check_may_run(self._plan)
        self._outcomes = Outcomes(
            journal,
            self._add,
            self._listing,
            self.rules,
            skew_s=self._skew_s,
            begin=self._ready,
            tell_skipped=self._source is not None,
            send=send,
        )
        if self._stopped:
            self._outcomes.stop()
        return self._outcomes

    async def _ready(self) -> None:
        """What must be done before the first row."""
        journal = self._open()
        if self._plan is None:
            self._check_may_run(await self.load())
        plan = self.rules.on_ambiguous == "reconcile" and journal.absent() > 0
        journal.reopen(plan=plan)
        if plan and self.rules.if_exists != "send":
            await self._skip_known(journal)

    def _check_may_run(self, plan: Plan) -> None:
        if plan.invalid and not self.rules.skip_invalid:
            message = f"{plan.invalid} rows cannot be sent; nothing was sent. Mend them, or skip invalid rows."
            raise ValidationError(message)
        if plan.existing and self.rules.if_exists == "fail":
            message = f"{plan.existing} rows are in their campaign already; nothing was sent (if_exists is 'fail')."
            raise ValidationError(message)

    def stop(self) -> None:
        """Begin no further row; those under way finish, and the iteration ends. Before `run`: none will begin."""
        self._stopped = True
        if self._outcomes is not None:
            self._outcomes.stop()

    async def outcomes(self, *, since: int = 0) -> AsyncGenerator[Outcome, None]:
        """What became of the rows, in the order in which the journal noted it, after the outcome with this `seq`.

        Of earlier runs, too: whoever keeps the `seq` of the last outcome that was dealt with misses none, whatever
        crashed. A row whose outcome changed since is told again.
        """
        for number, outcome in enumerate(outcomes_since(self._open(), since), 1):
            yield outcome
            if number % STEP == 0:
                await asyncio.sleep(0)

    @property
    def summary(self) -> Summary:
        """All rows of the list by what became of them."""
        return self._open().summary() if self._journal is not None else self._at_the_end()[0]

    @property
    def audit(self) -> Audit | None:
        """What the last listing said against the books; None if no run came to its end."""
        return audited(self._open()) if self._journal is not None else self._at_the_end()[1]

    def write_files(self) -> Files | None:
        """Write results and errors beside the list, as the books stand now; None for rows without a file."""
        self.files = write_beside(self._open())
        return self.files

    def write_as(self, form: str | None = None, *, excel_safe: bool | None = None) -> None:
        """How results are written from now on, "csv" or "jsonl", by the runs that go on with this one too.

        `excel_safe`: no cell of a CSV file is left to be taken for a formula. None: as before.
        """
        write_as(self._open(), form, excel_safe=excel_safe)

    def note_written(self, path: Path) -> None:
        """Note a further file with people in it, to be deleted when the import is purged."""
        note_written(self._open(), path)

    def write_report(self, path: Path, *, people: bool = False, limit: int, window_s: float) -> None:
        """Write a page about the import as it stands now; `limit` requests a `window_s` are what it was held to."""
        journal = self._open()
        note_written(journal, path)
        write_report(journal, path, people=people, limit=limit, window_s=window_s)

    def glance(self) -> Glance:
        """The books as they stand now: counts, runs, and which rows nobody can tell about."""
        return glance_at(self._open())

    # --- inside ---

    def _open(self) -> Journal:
        if self._journal is None:
            raise ConfigurationError("Use an import within its block: async with api.open_import(...) as job.")
        return self._journal

    def _at_the_end(self) -> tuple[Summary, Audit | None]:
        if self._last is None:
            raise ConfigurationError("This import was never entered.")
        return self._last

    async def _compare(self, journal: Journal) -> None:
        """List who exists, once for every campaign, and skip them unless they are to be sent all the same."""
        skip = self.rules.if_exists != "send"
        for campaign_id in journal.to_compare():
            with Baseline(journal, campaign_id) as baseline:
                journal.requested("list")
                async for batch in self._listing(campaign_id):
                    baseline.add((client.id, client.email) for client in batch)
                for _ in baseline.compare(skip=skip):
                    await asyncio.sleep(0)
        if not skip:
            journal.send_existing()
        elif journal.fact("if_exists") == "send":
            journal.compare_anew()
            await self._skip_known(journal)
        journal.note("if_exists", self.rules.if_exists)

    async def _skip_known(self, journal: Journal) -> None:
        for campaign_id in journal.campaigns():
            for _ in Baseline.again(journal, campaign_id):
                await asyncio.sleep(0)


def _paths(given: str | Path | Sequence[str | Path] | None) -> tuple[Path, ...]:
    if given is None:
        return ()
    return (Path(given),) if isinstance(given, str | Path) else tuple(map(Path, given))


def _check_readable(source: Path) -> None:
    """A file is read more than once, which a pipe does not survive: it would hang, or seem empty."""
    try:
        if source.exists() and not source.is_file() and not source.is_dir():
            raise ConfigurationError(f"Cannot read {source}: it is no regular file; save the list to one first.")
        source.open("rb").close()
    except OSError as error:
        raise ConfigurationError(f"Cannot read {source}: {error.strerror}.") from None


def _plan(journal: Journal, rules: Rules, warnings: tuple[str, ...]) -> Plan:
    summary, absent = journal.summary(), journal.absent() if rules.on_ambiguous == "reconcile" else 0
    return Plan(
        rows=summary.rows,
        to_send=summary.planned + absent,
        done=summary.created + summary.adopted,
        existing=summary.skipped_existing,
        duplicates=summary.skipped_duplicate,
        rejected=summary.rejected,
        unresolved=summary.unresolved - absent,
        ambiguous=summary.ambiguous,
        invalid=summary.invalid,
        problems=tuple(
            Problem(record["line"], record["field"], record["error"], record["details"] or "")
            for record in journal.first_invalid(settings.IMPORT_PROBLEMS)
        ),
        warnings=warnings,
        # Asked of the books, not of this listing: whoever said no, and starts again, is told again.
        may_be_capped=any(number in settings.ROUND_COUNTS for number in journal.listed()),
    )
