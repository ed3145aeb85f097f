"""A service as the importer sees it: two callables, durable books of its own, and faults by name of the person.

And what the tests of an import do again and again: a list, the whole way, the results.
"""

import csv
import json
import os
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from attrs import asdict, evolve

from onboard360_async import errors
from onboard360_async.importer import ImportJob, Outcome, Plan, Rules, Summary
from onboard360_async.importer.source import Rows
from onboard360_async.models import Client, NewClient

__all__ = ["CAMPAIGN", "Service", "adds_up", "find_campaign", "finish", "job_of", "lost", "once", "people", "results"]

CAMPAIGN = "550e8400-e29b-41d4-a716-446655440000"


class Once:
    """A fault that comes once."""

    def __init__(self, fault: object) -> None:
        self._fault: object = fault

    def take(self) -> object:
        """The fault, the first time."""
        fault, self._fault = self._fault, None
        return fault


def once(fault: object) -> Once:
    """The same fault, but only for the first request that it is about."""
    return Once(fault)


class Service:
    """Who was created, in order; kept in `books` (one JSON line each) if a crash must not lose it.

    `faults` maps the first letters of an email to what happens to it: an error to raise before (`Exception`) or after
    (`("created", Exception)`) it was created. `die_at` names the moment at which this process is killed.
    """

    def __init__(self, books: Path | None = None, *, die_at: str = "") -> None:
        self.books = books
        self.faults: dict[str, object] = {}
        self.die_at = die_at
        self.listings = 0
        self.asked: list[str] = []  # the email of each request, whatever became of it
        self.under_way = self.most_under_way = 0
        self.created: list[Client] = []
        if books is not None and books.exists():
            self.created = [_client(**json.loads(line)) for line in books.read_text().splitlines()]

    def die(self, moment: str) -> None:
        """Be killed here, for real, if this is the moment."""
        if moment == self.die_at:
            os.kill(os.getpid(), signal.SIGKILL)

    async def add(self, new: NewClient, before_send: Callable[[], None]) -> Client:
        """Create a client, or fail as told."""
        fault = next((self.faults[start] for start in self.faults if new.email.startswith(start)), None)
        self.die("before sending")
        before_send()
        self.asked.append(new.email)
        self.die("sending noted")
        if isinstance(fault, Once):
            fault = fault.take()
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            if isinstance(fault, Exception):
                raise fault
            client = self.create(new.campaign_id, new.email)
            self.die("created")
            if isinstance(fault, tuple):
                raise fault[1]
        finally:
            self.under_way -= 1
        return client

    def create(self, campaign_id: str, email: str) -> Client:
        """Somebody is there now, whatever becomes of the answer."""
        client = _client(number=len(self.created) + 1, campaign_id=campaign_id, email=email)
        self.created.append(client)
        if self.books is not None:
            with self.books.open("a") as books:
                books.write(
                    json.dumps({"number": len(self.created), "campaign_id": campaign_id, "email": email}) + "\n"
                )
                books.flush()
                os.fsync(books.fileno())
        return client

    async def listing(self, campaign_id: str) -> AsyncIterator[Sequence[Client]]:
        """Everybody in a campaign, two at a time, without links."""
        self.listings += 1
        self.die("listing")
        there = [evolve(client, link=None) for client in self.created if client.campaign_id == campaign_id]
        for start in range(0, len(there), 2):
            yield there[start : start + 2]

    @property
    def emails(self) -> list[str]:
        """Who was created, in order."""
        return [client.email for client in self.created]


def _client(number: int, campaign_id: str, email: str) -> Client:
    link = f"https://example.com/c/{number:012}"
    return Client(f"id-{number}", campaign_id, email, created_at=datetime(2026, 1, 1, tzinfo=UTC), link=link)


async def find_campaign(id_or_name: str) -> str:
    """Every campaign is called by its id here."""
    return id_or_name


def job_of(
    source: str | Path | Rows | None,
    service: Service,
    *,
    campaign: str | None = CAMPAIGN,
    skip_invalid: bool = False,
    rules: Rules | None = None,
    **options: object,
) -> ImportJob:
    """An import of `source` into the double; it waits for nothing unless `rules` say so."""
    return ImportJob(
        source,
        add=service.add,
        listing=service.listing,
        find_campaign=find_campaign,
        campaign=campaign,
        rules=rules or Rules(settle_s=0, skip_invalid=skip_invalid),
        **options,  # type: ignore[arg-type]  # options of many kinds
    )


def lost() -> errors.OutcomeUnknownError:
    """A POST whose answer did not come."""
    return errors.OutcomeUnknownError("POST /clients was sent, but not answered (timed out).", CAMPAIGN, "0" * 64)


def people(folder: Path, *emails: str, header: str = "Email;Name") -> Path:
    """A list with one row for each email."""
    path = folder / "people.csv"
    path.write_text("\n".join([header, *(f"{email};P" for email in emails)]) + "\n")
    return path


async def finish(job: ImportJob) -> tuple[Plan, list[Outcome], Summary]:
    """The whole way of an import; its books add up."""
    async with job:
        plan = await job.load()
        outcomes = [outcome async for outcome in job.run()]
        summary = job.summary
    adds_up(summary)
    return plan, outcomes, summary


def adds_up(summary: Summary) -> None:
    """Each row is counted once."""
    counts = asdict(summary)
    assert counts.pop("rows") == sum(counts.values())


def results(folder: Path, name: str = "results", *, of: str = "people") -> list[dict[str, str]]:
    """What stands in the file of results, or of errors."""
    with (folder / f"{of}.{name}.csv").open(newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))
