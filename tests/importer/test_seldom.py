"""What seldom happens to an import: it is stopped within a look, the service's own code breaks, an event is odd."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from onboard360_async import errors
from onboard360_async.importer import Adopted, Rules, Unresolved
from onboard360_async.importer import job as job_module
from onboard360_async.importer.audit import audited, make_audit
from onboard360_async.importer.journal import Journal
from onboard360_async.importer.outcomes import Audit
from onboard360_async.importer.settle import Settling
from onboard360_async.models import Client, NewClient
from tests.budget.virtual import VirtualLoop, run
from tests.importer.double import CAMPAIGN, Service, finish, job_of, lost, people
from tests.importer.test_events import event, stored
from tests.importer.world import World, rows

Take = Callable[[Sequence[Client]], None]


async def books(folder: Path, service: Service, *emails: str) -> Path:
    """The journal of an import that has come to its end."""
    path = people(folder, *emails)
    await finish(job_of(path, service))
    return folder / "people.csv.onboard360.db"


def reader(*looks: Sequence[Client] | None) -> Callable[[str, Take], Awaitable[bool]]:
    """What each listing shows; None: the run is stopped before its end."""
    left = list(looks)

    async def read(campaign_id: str, take: Take) -> bool:
        shown = left.pop(0)
        take(shown or ())
        return shown is not None

    return read


# --- stopped within a look ---


@pytest.mark.parametrize(
    ("looks", "found"),
    [
        ([None], None),
        ([[], None], None),
        ([[], []], Audit(missing=(2,), doubled=())),
        ([[], "all"], Audit((), ())),
        (["all"], Audit((), ())),
    ],
)
async def test_a_look_back_that_is_stopped_has_found_nothing(
    tmp_path: Path, service: Service, looks: list[Any], found: Audit | None
) -> None:
    """In its first listing, or in the one that is read once more where somebody is missing; else it tells who is."""
    journal = Journal(await books(tmp_path, service, "a@x.de"))
    shown = [service.created if look == "all" else look for look in looks]

    async def again() -> bool:
        return True

    await make_audit(journal, reader(*shown), again)
    assert audited(journal) == found
    journal.close()


async def test_a_look_that_is_stopped_settles_nobody(tmp_path: Path, service: Service) -> None:
    """What was read by then is no listing: the rows stay in doubt, and the next look settles them."""
    service.faults["a"] = ("created", lost())
    path = people(tmp_path, "a@x.de")
    async with job_of(path, service, rules=Rules(settle_s=0, max_ambiguous=1)) as job:
        await job.load()
        with pytest.raises(errors.ImportFailedError):
            _ = [outcome async for outcome in job.run()]
    journal = Journal(tmp_path / "people.csv.onboard360.db")
    assert journal.in_doubt() == 1

    async def until(_: int) -> bool:
        return True

    settling = Settling(
        journal,
        reader(None, service.created),
        Rules(settle_s=0),
        skew_s=lambda: None,
        until=until,
        may_send=lambda _: False,
    )
    told = [outcomes async for outcomes in settling.settle(3, finally_=True)]
    assert [[type(each) for each in outcomes] for outcomes in told] == [[], [Adopted]]
    journal.close()


# --- what breaks ---


async def test_a_bug_of_the_service_s_own_code_is_told_to_whoever_reads(tmp_path: Path, service: Service) -> None:
    """A listing that raises what is none of our errors: it leaves as it is, and the row stays in doubt in the books."""
    service.faults["a"] = ("created", lost())

    class Broken(Service):
        async def listing(self, campaign_id: str) -> AsyncIterator[Sequence[Client]]:
            async for batch in service.listing(campaign_id):
                yield batch
            if service.asked:
                raise ZeroDivisionError

    broken = Broken()
    broken.add = service.add  # type: ignore[method-assign]  # one that was created there
    path = people(tmp_path, "a@x.de")
    async with job_of(path, broken) as job:
        await job.load()
        with pytest.raises(ZeroDivisionError):
            _ = [outcome async for outcome in job.run()]
        assert job.summary.ambiguous == 1
    _, outcomes, _ = await finish(job_of(path, service))
    assert [type(outcome) for outcome in outcomes] == [Adopted]


# --- what is odd ---


def test_a_listing_that_lacks_who_was_there_before_argues_nobody_away() -> None:
    """Somebody whom the first listing showed is gone from a later one: it may be cut, so absence means nothing."""

    async def main(loop: VirtualLoop) -> Any:
        world = World(loop)
        world.commit(NewClient(CAMPAIGN, "before@x.de"))
        world.fates["a@x.de"] = ["dropped"]
        async with world.job(rows("a", "b")) as job:
            await job.load()
            world.hidden = lambda shown: [client for client in shown if client.email != "before@x.de"]
            return [outcome async for outcome in job.run()], world.times()["a@x.de"]

    outcomes, times = run(main)
    (unresolved,) = (outcome for outcome in outcomes if isinstance(outcome, Unresolved))
    assert "a client who was there before" in unresolved.reason
    assert times == 0


@pytest.mark.parametrize("created_at", ["yesterday", "2026-01-01T00:00:00", None])
async def test_an_event_whose_moment_cannot_be_read_still_gives_its_link(
    tmp_path: Path, service: Service, created_at: str | None
) -> None:
    """Who was created is known by it, and when is not: nothing is argued from a moment that is none."""
    service.faults["a"] = ("created", lost())
    link = "https://example.com/c/000000000001"
    events = stored(tmp_path, event("id-1", "a@x.de", link, created_at=created_at))
    _, outcomes, _ = await finish(job_of(people(tmp_path, "a@x.de"), service, events_from=events))
    assert [(type(outcome), outcome.link) for outcome in outcomes if isinstance(outcome, Adopted)] == [(Adopted, link)]


async def test_many_outcomes_are_read_with_turns_for_others(
    tmp_path: Path, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever reads the books of a hundred thousand rows holds up nobody else on the loop."""
    monkeypatch.setattr(job_module, "STEP", 2)
    path = people(tmp_path, *(f"p{number}@x.de" for number in range(7)))
    turns: list[int] = []
    read: list[int] = []

    async def other() -> None:
        while True:
            turns.append(len(read))
            await asyncio.sleep(0)

    async with job_of(path, service) as job:
        await job.load()
        _ = [outcome async for outcome in job.run()]
        beside = asyncio.create_task(other())
        async for outcome in job.outcomes():
            read += [outcome.line]
        beside.cancel()
    assert read == [2, 3, 4, 5, 6, 7, 8]
    assert turns == [2, 4, 6]
