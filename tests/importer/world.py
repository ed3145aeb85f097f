"""A service in virtual time that loses answers, commits late and lists what was there some time ago.

What happens to each request is written down beforehand, person by person; its own books tell the truth afterwards.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from attrs import define, evolve, field

from onboard360_async import errors
from onboard360_async.importer import ImportJob, Outcome, Rules, Summary
from onboard360_async.importer.source import Rows
from onboard360_async.models import Client, NewClient
from tests.budget.virtual import VirtualLoop, run
from tests.importer.double import adds_up, find_campaign

__all__ = ["CAMPAIGN", "FATES", "SETTLE_S", "World", "finish", "played", "rows"]

CAMPAIGN = "550e8400-e29b-41d4-a716-446655440000"
SETTLE_S = 60.0
FATES = ("fine", "dropped", "committed", "late", "truncated", "refused", "fault", "rejected")


@define(eq=False, slots=False)
class World:
    """`fates` are what happens to each request for an email, in order; after the last of them all is fine.

    `lag_s`: listings show who was there so long ago. `hidden` tells which of them a listing leaves out. `late_s`: how
    long after its connection ended a late request is committed. `slow_s`: how long a request takes. `ahead_s`: how far
    the service's clock is ahead of ours; its answers say so unless `is_dated` is false.
    """

    loop: VirtualLoop
    fates: dict[str, list[str]] = field(factory=dict)
    lag_s: float = 0.0
    late_s: float = 0.0
    slow_s: float = 0.5
    ahead_s: float = 0.0
    is_dated: bool = True
    hidden: Callable[[Sequence[Client]], Sequence[Client]] = lambda shown: shown
    is_up: bool = True  # listings are answered
    down_until_s: float = 0.0  # nothing reaches it before this moment of the loop
    committed: list[tuple[float, Client]] = field(factory=list)
    requests: list[tuple[float, str]] = field(factory=list)  # when, and the email, or "list"

    def __attrs_post_init__(self) -> None:
        self._epoch_s = time.time() - self.loop.time()

    def now(self) -> datetime:
        """The service's clock."""
        return datetime.fromtimestamp(self._epoch_s + self.loop.time() + self.ahead_s, UTC)

    def set_clock(self, by_s: float) -> None:
        """Set our own clock; the service's goes with it unless `ahead_s` says otherwise."""
        self._epoch_s += by_s

    def commit(self, new: NewClient) -> Client:
        """Somebody is there from now on."""
        number = len(self.committed) + 1
        client = Client(
            f"id-{number}", new.campaign_id, new.email, new.first_name,
            created_at=self.now().replace(microsecond=0), link=f"https://example.com/c/{number:012}",
        )  # fmt: skip
        self.committed.append((self.loop.time(), client))
        return client

    async def add(self, new: NewClient, before_send: Callable[[], None]) -> Client:
        """One request, as its fate has it."""
        before_send()
        self.requests.append((self.loop.time(), new.email))
        if self.loop.time() < self.down_until_s:
            raise errors.NotSentError("Could not connect.")
        fates = self.fates.get(new.email)
        fate = fates.pop(0) if fates else "fine"
        commits = fate in ("fine", "committed", "truncated", "fault", "late")
        try:
            await asyncio.sleep(self.slow_s)
        except asyncio.CancelledError:
            if commits:
                self.loop.call_later(self.late_s, self.commit, new)
            raise
        if fate == "refused":
            raise errors.RateLimitError(429)
        if fate == "rejected":
            raise errors.BadRequestError(400, "no")
        if fate == "late":
            self.loop.call_later(self.late_s, self.commit, new)
        elif commits:
            client = self.commit(new)
            if fate == "fine":
                return client
        raise errors.OutcomeUnknownError("lost", CAMPAIGN, "0" * 64, created=fate == "truncated")

    async def listing(self, campaign_id: str) -> AsyncIterator[Sequence[Client]]:
        """Who was there `lag_s` ago."""
        self.requests.append((self.loop.time(), "list"))
        if not self.is_up:
            raise errors.AnswerLostError("down")
        until = self.loop.time() - self.lag_s
        shown = [evolve(client, link=None) for at, client in self.committed if at <= until]
        await asyncio.sleep(self.slow_s)
        yield self.hidden([client for client in shown if client.campaign_id == campaign_id])

    def job(self, source: Rows | None, journal: object = None, **rules: object) -> ImportJob:
        """An import into this world."""
        return ImportJob(
            source,
            add=self.add,
            listing=self.listing,
            find_campaign=find_campaign,
            campaign=CAMPAIGN,
            journal=journal,  # type: ignore[arg-type]  # a path or None
            rules=Rules(**{"settle_s": SETTLE_S, **rules}),  # type: ignore[arg-type]  # options of many kinds
            skew_s=lambda: self.ahead_s if self.is_dated else None,
            now=lambda: int((self._epoch_s + self.loop.time()) * 1e9),
        )

    @property
    def listings(self) -> list[float]:
        """When it was listed."""
        return [at for at, what in self.requests if what == "list"]

    def times(self) -> Counter[str]:
        """How often each email is there."""
        return Counter(client.email for _, client in self.committed)

    def links(self) -> dict[str, str | None]:
        """The link of each id."""
        return {client.id: client.link for _, client in self.committed}


def rows(*names: str) -> list[dict[str, str]]:
    return [{"email": f"{name}@x.de"} for name in names]


def played(
    names: Sequence[str], fates: dict[str, list[str]], *, rules: dict[str, Any] | None = None, **world: Any
) -> Any:
    """One import of these people into a world with these fates; the world, the outcomes and the summary."""

    async def main(loop: VirtualLoop) -> Any:
        there = World(loop, **world)
        there.fates.update({f"{name}@x.de": list(fate) for name, fate in fates.items()})
        outcomes, summary = await finish(there.job(rows(*names), **(rules or {})))
        adds_up(summary)
        return there, outcomes, summary

    return run(main)


async def finish(job: ImportJob) -> tuple[list[Outcome], Summary]:
    """The whole way of an import; its outcomes come in their order."""
    async with job:
        await job.load()
        outcomes = [outcome async for outcome in job.run()]
    numbers = [outcome.seq for outcome in outcomes]
    assert numbers == sorted(set(numbers))  # or whoever keeps the last one would miss some
    return outcomes, job.summary
