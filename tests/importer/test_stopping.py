"""Stopping: by the user, by leaving the block, by a reader who takes his time; the books are right afterwards."""

import asyncio
import itertools
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from onboard360_async import errors
from onboard360_async.importer import Adopted, Created, Rules, SkippedDuplicate
from onboard360_async.importer.audit import audited, make_audit
from onboard360_async.importer.journal import Journal
from onboard360_async.importer.outcomes import Audit
from onboard360_async.importer.settle import Settling
from onboard360_async.models import Client, NewClient
from tests.importer.double import Service, finish, job_of, lost, people


async def test_stopping_lets_those_under_way_finish(tmp_path: Path, service: Service) -> None:
    """After stop() no row begins, those under way are noted, and running again does the rest."""
    emails = [f"p{number:02}@x.de" for number in range(30)]
    path = people(tmp_path, *emails)
    async with job_of(path, service) as job:
        await job.load()
        async for _ in job.run():
            job.stop()
        assert 1 <= job.summary.created <= 6
        assert job.summary.unresolved == 0
    await finish(job_of(path, service))
    assert sorted(service.emails) == emails


async def test_stopping_waits_for_answers(tmp_path: Path, service: Service) -> None:
    """A request that has left is under way: stop() leaves it alone, and its answer is noted."""
    left, answer = asyncio.Event(), asyncio.Event()
    add = service.add

    async def slow(new: NewClient, before_send: Any) -> Any:
        client = await add(new, before_send)
        left.set()
        await answer.wait()
        return client

    service.add = slow  # type: ignore[method-assign]  # as above
    async with job_of(people(tmp_path, "a@x.de"), service) as job:
        await job.load()
        reader = asyncio.create_task(anext(job.run()))
        await left.wait()
        job.stop()
        await asyncio.sleep(0)  # who waits is called back now
        answer.set()
        assert isinstance(await reader, Created)


async def test_stopping_calls_back_who_waits_for_the_budget(tmp_path: Path, service: Service) -> None:
    """A row whose request has not left is not under way: stop() does not wait for its slot, and it stays planned."""
    never = asyncio.Event()
    add = service.add

    async def waiting(new: NewClient, before_send: Any) -> Any:
        if not new.email.startswith("p0"):
            await never.wait()  # no slot
        return await add(new, before_send)

    service.add = waiting  # type: ignore[method-assign]  # the double is ours to bend
    async with job_of(people(tmp_path, *(f"p{number}@x.de" for number in range(8))), service) as job:
        await job.load()
        async for _ in job.run():
            job.stop()
        assert (job.summary.created, job.summary.planned, job.summary.unresolved) == (1, 7, 0)


async def test_leaving_the_block_cancels_what_is_under_way(tmp_path: Path, service: Service) -> None:
    """A break out of the loop: no worker is left, what was sent without an answer is in doubt, never sent again."""
    never = asyncio.Event()
    add = service.add

    async def hanging(new: NewClient, before_send: Any) -> Any:
        client = await add(new, before_send)
        if not new.email.startswith("p00"):
            await never.wait()
        return client

    service.add = hanging  # type: ignore[method-assign]  # as above
    path = people(tmp_path, *(f"p{number:02}@x.de" for number in range(10)))
    async with job_of(path, service) as job:
        await job.load()
        async for _ in job.run():
            break
    assert job.summary.ambiguous == len(service.created) - 1
    assert [task for task in asyncio.all_tasks() if "onboard360" in task.get_name()] == []
    sent = len(service.created)
    service.add = add  # type: ignore[method-assign]  # as above
    _, _, summary = await finish(job_of(path, service))
    assert (summary.created, summary.adopted) == (11 - sent, sent - 1)
    assert len(set(service.emails)) == len(service.emails) == 10


async def test_a_slow_reader_slows_the_sending(tmp_path: Path, service: Service) -> None:
    """Nobody reads the outcomes: a handful of rows are sent, not all; and never more than four at once."""
    path = people(tmp_path, *(f"p{number:02}@x.de" for number in range(50)))
    async with job_of(path, service) as job:
        await job.load()
        outcomes = job.run()
        await anext(outcomes)
        for _ in range(200):
            await asyncio.sleep(0)
        assert len(service.created) <= 8
    assert service.most_under_way <= 4


async def test_stopping_before_it_begins_begins_nothing(tmp_path: Path, service: Service) -> None:
    """Ctrl-C while the plan is read: what is skipped is told, no row is sent, and running again does all."""
    path = people(tmp_path, "a@x.de", "b@x.de", "A@x.de")
    async with job_of(path, service) as job:
        job.stop()
        await job.load()
        assert [type(outcome) async for outcome in job.run()] == [SkippedDuplicate]
        assert (job.summary.planned, service.created) == (2, [])
    _, _, summary = await finish(job_of(path, service))
    assert summary.created == 2


async def test_another_thread_may_stop_it(tmp_path: Path, service: Service) -> None:
    """The loop is woken in the way that threads must; those who wait for a slot are called back."""
    waiting, thread = asyncio.Event(), threading.Thread(target=lambda: job.stop())

    async def add(new: NewClient, before_send: Any) -> Any:
        waiting.set()
        await asyncio.Event().wait()  # no slot, ever

    service.add = add  # type: ignore[method-assign]  # as above
    asyncio.get_running_loop().set_debug(True)  # what a thread must not call raises then
    async with job_of(people(tmp_path, "a@x.de", "b@x.de"), service) as job:
        await job.load()
        reader = asyncio.create_task(anext(job.run(), None))
        await waiting.wait()
        thread.start()
        assert await reader is None
        assert job.summary.planned == 2
    thread.join()


def test_stopping_what_is_over_does_no_harm(tmp_path: Path, service: Service) -> None:
    """A signal that comes late: the loop is closed, and nothing waits there."""
    job = job_of(people(tmp_path, "a@x.de"), service)
    with asyncio.Runner() as runner:
        runner.run(finish(job))
    job.stop()
    assert job.summary.created == 1


@pytest.mark.parametrize("sent", [False, True])
async def test_a_cancellation_from_within_is_a_fault(tmp_path: Path, service: Service, sent: bool) -> None:
    """Nobody stopped it, so its end is an error that says so; the row is in doubt if its request has left."""

    async def add(new: NewClient, before_send: Any) -> Any:
        if sent:
            before_send()
        raise asyncio.CancelledError

    service.add = add  # type: ignore[method-assign]  # as above
    async with job_of(people(tmp_path, "a@x.de"), service) as job:
        await job.load()
        with pytest.raises(errors.ImportFailedError, match=r"^A request was cancelled from within\. Every row stands"):
            assert [_ async for _ in job.run()]
        assert (job.summary.ambiguous, job.summary.planned) == ((1, 0) if sent else (0, 1))


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


async def test_leaving_among_the_skipped_has_sent_nothing(tmp_path: Path, service: Service) -> None:
    """Requests come after all that is skipped was told; and what was not asked for is not told outside the block."""
    path = people(tmp_path, "a@x.de", "A@x.de", "A@X.de", "b@x.de")
    async with job_of(path, service) as job:
        await job.load()
        outcomes = job.run()
        assert isinstance(await anext(outcomes), SkippedDuplicate)
        await outcomes.aclose()
        assert [_ async for _ in outcomes] == []
    assert [_ async for _ in outcomes] == []
    assert (job.summary.planned, service.created) == (2, [])


async def test_leaving_the_block_ends_whoever_reads(tmp_path: Path, service: Service) -> None:
    """A reader in another task is not left waiting for an outcome that will not come."""
    began = asyncio.Event()

    async def add(new: NewClient, before_send: Any) -> Any:
        began.set()
        await asyncio.Event().wait()  # no slot, ever

    service.add = add  # type: ignore[method-assign]  # as above
    async with job_of(people(tmp_path, "a@x.de"), service) as job:
        await job.load()
        outcomes = job.run()
        reader = asyncio.create_task(anext(outcomes, "over"))
        await began.wait()
    assert await reader == "over"
    assert job.summary.planned == 1
    await outcomes.aclose()  # once more does no harm


@pytest.mark.parametrize("is_loaded", [True, False])
async def test_two_readers_share_the_outcomes(tmp_path: Path, service: Service, is_loaded: bool) -> None:
    """Each outcome goes to one of them, and both come to an end; the list is loaded once if nobody did."""

    async def read() -> list[int]:
        return [outcome.line async for outcome in outcomes]

    async with job_of(people(tmp_path, *(f"p{number}@x.de" for number in range(6))), service) as job:
        if is_loaded:
            await job.load()
        outcomes = job.run()
        lines = await asyncio.gather(read(), read(), read())
    assert sorted(itertools.chain.from_iterable(lines)) == [2, 3, 4, 5, 6, 7]


async def test_two_readers_share_one_fault(tmp_path: Path, service: Service) -> None:
    """One of them is told why it ended, the others that it did."""

    async def read() -> list[int]:
        return [outcome.line async for outcome in outcomes]

    service.faults["a"] = errors.AuthenticationError(401)
    async with job_of(people(tmp_path, "a@x.de"), service) as job:
        await job.load()
        outcomes = job.run()
        ends = await asyncio.gather(read(), read(), read(), return_exceptions=True)
    assert sorted(type(end).__name__ for end in ends) == ["ImportFailedError", "list", "list"]


# --- within a look ---

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
