"""One run of an import: its limits and its pace, its clocks, how it is stopped, and the look back at its end."""

import asyncio
from collections import Counter
from contextlib import nullcontext
from pathlib import Path
from shutil import copyfile
from typing import Any

import pytest

from onboard360_async import errors
from onboard360_async.importer import Adopted, Audit, Created, Invalid
from onboard360_async.importer.upkeep.books import open_books
from onboard360_async.importer.upkeep.glance import glance_at
from onboard360_async.importer.upkeep.resolve import resolve_not_created, row_in_doubt
from onboard360_async.models import NewClient
from tests.budget.virtual import VirtualLoop, run
from tests.importer.world import CAMPAIGN, SETTLE_S, World, finish, played, rows


def test_numbers_of_outcomes_are_never_given_twice(tmp_path: Path) -> None:
    """A list that is read anew forgets its invalid rows, not their numbers: who keeps the last misses nothing."""

    async def main(loop: VirtualLoop) -> Any:
        world, journal = World(loop), tmp_path / "books.db"
        async with world.job([{"email": "nobody"}], journal, skip_invalid=True) as job:
            await job.load()
            last = max([outcome.seq async for outcome in job.outcomes()])
        async with world.job(rows("a"), journal) as job:
            await job.load()  # and no more: the books hold no outcome now
        async with world.job([{"email": "none"}], journal, skip_invalid=True) as job:
            await job.load()
            return [type(outcome) async for outcome in job.outcomes(since=last)]

    assert run(main) == [Invalid]


def test_a_number_is_not_given_again_to_a_row_that_is_open_again(tmp_path: Path) -> None:
    """The last outcome was taken back, by a human or a run that failed: its number stays that of what was told."""

    async def main(loop: VirtualLoop, by_hand: bool) -> Any:
        world, journal = World(loop, {"b@x.de": ["dropped"]}), tmp_path / f"{by_hand}.db"
        outcomes, _ = await finish(world.job(rows("a", "b"), journal, on_ambiguous="hold"))
        if by_hand:
            with open_books(journal) as books:
                resolve_not_created(books, row_in_doubt(books, email="b@x.de"))
        else:
            world.down_until_s = loop.time() + 600
            with pytest.raises(errors.ImportFailedError):
                await finish(world.job(None, journal))
            loop.skip(600)
        await finish(world.job(None, journal))
        async with world.job(None, journal) as job:
            return [type(outcome) async for outcome in job.outcomes(since=outcomes[-1].seq)]

    for by_hand in (True, False):
        assert run(main, by_hand) == [Created]


def test_a_rate_is_kept() -> None:
    """Thirty a minute: never more in any minute, listings included; the budget has nothing to say."""
    names = [f"p{number:02}" for number in range(90)]
    world, _, summary = played(names, {}, rules={"rate": 30}, slow_s=0.1)
    assert summary.created == 90
    times = [at for at, what in world.requests[1:]]
    assert all(later - sooner >= 60 - 0.01 for sooner, later in zip(times, times[31:], strict=False))


def test_each_run_says_how_it_ended(tmp_path: Path) -> None:
    """For whoever looks at the journal later: at its limit, cancelled, failed, stopped, or finished."""

    async def main(loop: VirtualLoop) -> Any:
        world, journal = World(loop, {"c@x.de": ["committed"]}), tmp_path / "books.db"
        await finish(world.job(rows(*"abcde"), journal, limit=1))
        async with world.job(None, journal) as job:
            async for _ in job.run():
                break
        async with world.job(None, journal) as job:
            await job.load()
            world.is_up = False
            with pytest.raises(errors.ImportFailedError):
                assert [_ async for _ in job.run()]
        world.is_up = True
        async with world.job(None, journal) as job:
            await job.load()
            job.stop()
            assert [_ async for _ in job.run()] == []
        async with world.job(None, journal) as job:
            assert [_ async for _ in job.run()]
            return [run.ending for run in job.glance().runs]

    assert run(main) == ["limit reached", "cancelled", "failed", "stopped", "finished"]


def test_a_killed_run_ended_with_its_last_request_at_least(tmp_path: Path) -> None:
    """Nobody could note its end; what it sent last says how long it lived."""

    async def main(loop: VirtualLoop) -> Any:
        world, journal, killed = World(loop), tmp_path / "books.db", tmp_path / "killed.db"
        async with world.job(rows(*"abcdefgh"), journal, rate=6) as job:
            async for outcome in job.run():
                if outcome.line == 4:
                    copyfile(journal, killed)
                    copyfile(f"{journal}-wal", f"{killed}-wal")  # what a kill leaves on the disk
                    break
        with open_books(killed) as books:
            return glance_at(books).runs

    (run_,) = run(main)
    assert run_.ending == "killed"
    assert 30 <= (run_.ended_at - run_.began_at).total_seconds() <= 61


def test_a_limit_is_kept() -> None:
    """Five rows of this run, those that were refused or lost included; the rest is planned."""
    names = [f"p{number:02}" for number in range(9)]
    world, _, summary = played(names, {"p00": ["refused"], "p01": ["dropped"]}, rules={"limit": 5})
    assert (summary.created, summary.planned) == (4, 5)
    assert {what for _, what in world.requests} == {"list", *(f"{name}@x.de" for name in names[:5])}


def test_as_many_errors_as_one_allows() -> None:
    """The third rejected row ends the run; lost answers count in a row."""

    async def main(loop: VirtualLoop, fate: str, rule: str) -> Any:
        world = World(loop, {f"p{number}@x.de": [fate] for number in range(9)})
        async with world.job(rows(*(f"p{number}" for number in range(9))), **{rule: 3}) as job:
            with pytest.raises(errors.ImportFailedError, match="3"):
                assert [_ async for _ in job.run()]
        return job.summary

    assert 3 <= run(main, "rejected", "max_errors").rejected <= 6
    assert 3 <= run(main, "dropped", "max_ambiguous").ambiguous <= 6


@pytest.mark.parametrize(("down_s", "created"), [(3, 6), (600, 0)])
def test_a_service_that_cannot_be_reached_is_tried_again_for_a_while(down_s: int, created: int) -> None:
    """Nothing left, so all rows stay planned; a short outage costs a few seconds, a long one ends the run."""

    async def main(loop: VirtualLoop) -> Any:
        world = World(loop)
        async with world.job(rows(*"abcdef")) as job:
            await job.load()
            world.down_until_s = loop.time() + down_s
            gives_up = pytest.raises(errors.ImportFailedError, match="cannot be reached")
            with nullcontext() if created else gives_up:
                assert [_ async for _ in job.run()]
        return world, job.summary

    world, summary = run(main)
    assert (summary.created, summary.planned) == (created, 6 - created)
    assert len([what for _, what in world.requests if what != "list"]) < 20
    assert all(times == 1 for times in world.times().values())


@pytest.mark.parametrize("fate", ["committed", "dropped"])
def test_a_clock_that_was_set_back_holds_nobody_up(tmp_path: Path, fate: str) -> None:
    """Two hours ahead when the answer was lost: whoever goes on waits for minutes, and the client is the row's."""

    async def main(loop: VirtualLoop) -> Any:
        world, journal = World(loop, {"a@x.de": [fate]}), tmp_path / "books.db"
        async with world.job(rows("a", "b"), journal) as job:
            await job.load()
            world.ahead_s = -7200.0
            async for _ in job.run():
                job.stop()
        world.set_clock(-7200.0)
        world.ahead_s = 0.0
        start = loop.time()
        outcomes, _ = await finish(world.job(None, journal))
        return world, outcomes, loop.time() - start

    world, outcomes, took_s = run(main)
    assert took_s < 4 * SETTLE_S
    assert [type(outcome) for outcome in outcomes] == [Adopted if fate == "committed" else Created]
    assert world.times()["a@x.de"] == 1


@pytest.mark.parametrize("how", ["left", "failed", "killed"])
def test_a_machine_that_slept_makes_no_doubt_old(tmp_path: Path, how: str) -> None:
    """The run's own time stood still for ten minutes, and the answer was lost after that: who goes on at once by the
    machine's clock does not take it for settled, or a late commit would be there twice.
    """

    async def main(loop: VirtualLoop) -> Any:
        world, journal = World(loop, {"a@x.de": ["late"]}, late_s=SETTLE_S - 5), tmp_path / "books.db"
        async with world.job(rows("a"), journal, max_ambiguous=1 if how == "failed" else 9) as job:
            await job.load()
            reader = asyncio.create_task(anext(job.run()))
            loop.call_later(world.slow_s / 2, world.set_clock, 600.0)
            await asyncio.wait((reader,), timeout=1.5 * world.slow_s)
            if how == "killed":
                copyfile(journal, tmp_path / "killed.db")
                copyfile(f"{journal}-wal", tmp_path / "killed.db-wal")
                journal = tmp_path / "killed.db"
            reader.cancel()
            await asyncio.wait((reader,))
        await finish(world.job(None, journal))
        return world

    world = run(main)
    assert [what for _, what in world.requests].count("a@x.de") == world.times()["a@x.de"] == 1


def test_a_clock_that_is_set_back_in_the_middle_makes_nobody_old() -> None:
    """An hour ahead until somebody noticed: those whom we create after that were not there before us."""

    async def main(loop: VirtualLoop) -> Any:
        world = World(loop, {"c@x.de": ["committed"]}, ahead_s=-3600.0)
        async with world.job(rows(*"abcdefgh")) as job:
            await job.load()
            outcomes: list[Any] = []
            async for outcome in job.run():
                if not outcomes:
                    world.set_clock(-3600.0)
                    world.ahead_s = 0.0
                outcomes.append(outcome)
        return outcomes

    assert Counter(map(type, run(main))) == {Created: 7, Adopted: 1}


def test_stopping_does_not_wait_for_the_lost(tmp_path: Path) -> None:
    """Whoever stops while rows settle, or while the listing waits, is not held for a minute; they stay in doubt."""

    async def main(loop: VirtualLoop) -> Any:
        world = World(loop)
        world.fates["a@x.de"] = ["committed"]
        async with world.job(rows("a", "b"), tmp_path / "books.db") as job:
            await job.load()
            start = loop.time()
            loop.call_later(10, job.stop)
            outcomes = [outcome async for outcome in job.run()]
            return outcomes, job.summary, loop.time() - start

    outcomes, summary, took_s = run(main)
    assert (summary.created, summary.ambiguous) == (1, 1)
    assert 10 <= took_s < 11
    assert [type(outcome) for outcome in outcomes] == [Created]


def test_only_looking_sends_nothing(tmp_path: Path) -> None:
    """`reconcile` finds who was created, and plans the absent for the next run, without a request of its own."""

    async def main(loop: VirtualLoop) -> Any:
        world, journal = World(loop), tmp_path / "books.db"
        world.fates.update({"a@x.de": ["committed"], "b@x.de": ["dropped"]})
        async with world.job(rows("a", "b", "c"), journal) as job:
            await job.load()
            async for _ in job.run():
                job.stop()
        sent = len(world.requests)
        async with world.job(None, journal) as job:
            outcomes = [outcome async for outcome in job.reconcile()]
            found = job.summary
        assert {what for _, what in world.requests[sent:]} == {"list"}
        return outcomes, found, world, await finish(world.job(None, journal))

    outcomes, found, world, (_, summary) = run(main)
    assert [type(outcome) for outcome in outcomes] == [Adopted]
    assert (found.adopted, found.planned) == (1, 1)
    assert (summary.adopted, summary.created) == (1, 2)
    assert max(world.times().values()) == 1


def test_the_look_back_tells_who_is_missing_and_who_is_there_twice() -> None:
    """After the end a listing is held against the books: by the list's lines, whatever is not as it should be."""

    async def main(loop: VirtualLoop) -> Any:
        world = World(loop)
        async with world.job(rows("a", "b", "c")) as job:
            await job.load()
            async for outcome in job.run():
                if isinstance(outcome, Created) and outcome.email == "a@x.de":
                    world.commit(NewClient(CAMPAIGN, "A@x.de"))  # somebody adds them once more by hand
                    world.hidden = lambda shown: [client for client in shown if client.email != "b@x.de"]
            return job.audit

    assert run(main) == Audit(missing=(2,), doubled=(1,))


def test_a_look_back_waits_for_a_listing_that_lags() -> None:
    """The last ones are not in the listing yet: read again after a while, all is well."""
    world, _, summary = played("abc", {}, lag_s=20)
    assert summary.created == 3
    assert len(world.listings) == 3


def test_a_look_back_that_failed_has_found_nothing(tmp_path: Path) -> None:
    """What an earlier run found says nothing of who was added since."""

    async def main(loop: VirtualLoop) -> Any:
        world, journal = World(loop), tmp_path / "books.db"
        async with world.job(rows("a"), journal) as job:
            _ = [outcome async for outcome in job.run()]
            before = job.audit
        async with world.job(rows("a", "b"), journal) as job:
            await job.load()
            world.is_up = False
            _ = [outcome async for outcome in job.run()]
            return before, job.audit, job.summary.created

    assert run(main) == (Audit((), ()), None, 2)


def test_a_listing_that_fails_once_is_read_again() -> None:
    """The first look for a lost row finds the service down: the second, a while later, settles it."""

    async def main(loop: VirtualLoop) -> Any:
        world = World(loop, {"b@x.de": ["committed"]})
        async with world.job(rows("a", "b")) as job:
            await job.load()
            world.is_up = False
            loop.call_later(1.5 * SETTLE_S, setattr, world, "is_up", True)
            outcomes = [outcome async for outcome in job.run()]
        return world, outcomes, job.summary

    world, outcomes, summary = run(main)
    assert [type(outcome) for outcome in outcomes] == [Created, Adopted]
    assert (summary.adopted, world.times()["b@x.de"]) == (1, 1)


@pytest.mark.parametrize(("slow_from_s", "stop_at_s", "listed"), [(5.0, 61, 2), (60.8, 62, 3)])
def test_stopping_does_not_wait_for_a_listing(tmp_path: Path, slow_from_s: float, stop_at_s: int, listed: int) -> None:
    """A listing that takes long, for the lost row or for the look back: it is given up at once, and nothing is lost."""

    async def main(loop: VirtualLoop) -> Any:
        world, journal = World(loop, {"a@x.de": ["committed"]}), tmp_path / "books.db"
        async with world.job(rows("a", "b"), journal) as job:
            await job.load()
            start = loop.time()
            loop.call_later(slow_from_s, setattr, world, "slow_s", 60.0)
            loop.call_later(stop_at_s, job.stop)
            assert [_ async for _ in job.run()]
            took_s = loop.time() - start
        assert len(world.listings) == listed  # the slow one had begun
        world.slow_s = 0.5
        return took_s, *await finish(world.job(None, journal)), world

    took_s, _, summary, world = run(main)
    assert took_s <= stop_at_s + 1
    assert (summary.adopted + summary.created, max(world.times().values())) == (2, 1)
