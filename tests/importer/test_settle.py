"""Rows whose answers were lost: when they are looked for, what is believed of a listing, and that nobody is doubled."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from copy import deepcopy
from itertools import pairwise
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onboard360_async import errors
from onboard360_async.importer import Adopted, Audit, Created, ImportJob, Invalid, SkippedExisting, Unresolved
from onboard360_async.importer.upkeep.books import open_books
from onboard360_async.importer.upkeep.glance import glance_at
from onboard360_async.importer.upkeep.resolve import resolve_not_created, row_in_doubt
from onboard360_async.models import Client, NewClient
from tests.budget.virtual import VirtualLoop, run
from tests.importer.double import adds_up
from tests.importer.world import CAMPAIGN, FATES, SETTLE_S, World, finish


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


def test_a_listing_comes_when_all_have_settled() -> None:
    """One listing for both lost rows, a minute after the later of them ended, not before."""
    world, outcomes, summary = played("abcdefgh", {"a": ["committed"], "b": ["committed"]})
    assert (summary.created, summary.adopted) == (6, 2)
    _, looked, back = world.listings
    first = next(at for at, what in world.requests if what != "list")
    assert first + world.slow_s + SETTLE_S <= looked <= first + world.slow_s + SETTLE_S + 1
    assert [outcome.line for outcome in outcomes][-2:] == [1, 2]
    assert back > looked


def test_without_a_witness_it_waits_once_more() -> None:
    """Nobody was created after the lost row: its absence counts only after a second wait as long."""
    world, _, summary = played("a", {"a": ["dropped"]})
    assert (summary.created, world.times()["a@x.de"]) == (1, 1)
    base, first, second, _ = world.listings
    assert second - first >= SETTLE_S - 1
    sent = [at for at, what in world.requests if what != "list"]
    assert sent[1] >= second > sent[0] + 2 * SETTLE_S - 1
    assert base < sent[0]


@pytest.mark.parametrize("lag_s", [0, 30, SETTLE_S, 1.5 * SETTLE_S])
def test_a_listing_that_lags_doubles_nobody(lag_s: float) -> None:
    """It shows who was there a while ago: the row that was created since is not called absent."""
    world, outcomes, summary = played("abcde", {"e": ["committed"]}, lag_s=lag_s, slow_s=0.1)
    assert world.times()["e@x.de"] == 1
    assert summary.created + summary.adopted == 5
    assert [type(outcome) for outcome in outcomes].count(Adopted) == 1


@pytest.mark.parametrize("keep", [slice(0, 2), slice(-2, None)])
def test_a_listing_that_is_cut_argues_nobody_away(keep: slice) -> None:
    """Whichever end is missing: somebody whom the books know is not there, so absence means nothing; nobody is sent."""
    world, outcomes, summary = played(
        "abcde", {"c": ["committed"], "d": ["dropped"]}, hidden=lambda shown: shown[keep], slow_s=0.1
    )
    assert max(world.times().values()) == 1
    assert summary.unresolved >= 1
    told = [outcome.reason for outcome in outcomes if isinstance(outcome, Unresolved)]
    assert "cut, paged or out of date" in told[0]


def test_a_service_that_writes_addresses_its_own_way_argues_nobody_away() -> None:
    """Who cannot be found by the address that was sent may be there all the same."""

    def renamed(shown: Sequence[Client]) -> Sequence[Client]:
        return [Client(c.id, c.campaign_id, c.email.replace("@", "+360@"), created_at=c.created_at) for c in shown]

    world, outcomes, summary = played("ab", {"b": ["committed"]}, hidden=renamed)
    assert (world.times()["b@x.de"], summary.unresolved) == (1, 1)
    assert "another address" in outcomes[-1].reason


def test_who_was_added_by_others_meanwhile_is_not_sent_beside_them() -> None:
    """Our request was dropped, and somebody added the person by hand: there is nobody to be added any more."""

    async def main(loop: VirtualLoop) -> Any:
        world = World(loop)
        world.fates["a@x.de"] = ["dropped"]
        async with world.job(rows("a", "b")) as job:
            await job.load()
            outcomes: list[Any] = []
            async for outcome in job.run():
                if not outcomes:
                    world.commit(NewClient(CAMPAIGN, "a@x.de"))
                outcomes.append(outcome)
        return world, outcomes

    world, outcomes = run(main)
    assert world.times()["a@x.de"] == 1
    assert isinstance(outcomes[1], Adopted)  # nobody can tell it from our own: A 7


def test_more_clients_than_requests_are_left_to_a_human() -> None:
    """Two are there and one request was in doubt: which of them is ours cannot be said, and nobody is sent again."""

    async def main(loop: VirtualLoop) -> Any:
        world = World(loop)
        world.fates["a@x.de"] = ["committed"]
        async with world.job(rows("a", "b")) as job:
            await job.load()
            outcomes = []
            async for outcome in job.run():
                outcomes.append(outcome)
                world.commit(NewClient(CAMPAIGN, "a@x.de"))
        return outcomes

    outcomes = run(main)
    assert isinstance(outcomes[1], Unresolved)
    assert "2 clients with this email" in outcomes[1].reason


def test_the_same_person_twice_is_sent_one_after_the_other() -> None:
    """While nobody knows what became of the first the second waits; at the end there are two, a row each."""
    world, outcomes, summary = played(["a", "a", "b"], {"a": ["committed"]}, rules={"duplicates": "send"})
    assert (summary.created, summary.adopted, world.times()["a@x.de"]) == (2, 1, 2)
    ids = [outcome.client_id for outcome in outcomes]
    assert len(set(ids)) == 3
    sent = [at for at, what in world.requests if what == "a@x.de"]
    assert sent[1] - sent[0] > SETTLE_S


def test_the_same_person_is_never_twice_under_way() -> None:
    """Rows that wait for the budget together, or one that comes when the first is in doubt: one at a time."""

    async def main(loop: VirtualLoop, names: str) -> World:
        world = World(loop, {"a@x.de": ["committed"]})
        add, under_way = world.add, Counter[str]()

        async def budgeted(new: NewClient, before_send: Any) -> Client:
            under_way[new.email] += 1
            assert under_way[new.email] == 1
            await asyncio.sleep(0)
            try:
                return await add(new, before_send)
            finally:
                under_way[new.email] -= 1

        world.add = budgeted  # type: ignore[method-assign]  # the world is ours to bend
        await finish(world.job(rows(*names), duplicates="send"))
        return world

    for names in ("aab", "abcdefga"):
        world = run(main, names)
        sent = [at for at, what in world.requests if what == "a@x.de"]
        assert world.times()["a@x.de"] == 2
        assert sent[1] - sent[0] > SETTLE_S


def test_only_who_came_later_is_a_witness() -> None:
    """The listing shows what was there before the lost row and nothing since: it proves nothing about that one."""
    world, outcomes, _ = played("ab", {"b": ["committed"]}, rules={"rate": 1}, lag_s=70)
    assert world.times()["b@x.de"] == 1
    assert isinstance(outcomes[-1], Adopted)


def test_a_longer_list_does_not_take_the_lost_for_strangers(tmp_path: Path) -> None:
    """New rows are compared with a new listing: whoever may be the lost row's client is not a stranger in it."""

    async def main(loop: VirtualLoop) -> Any:
        world, journal = World(loop, {"a@x.de": ["committed"]}), tmp_path / "books.db"
        async with world.job(rows("a", "b"), journal) as job:
            async for _ in job.run():
                job.stop()
        return world, *await finish(world.job(rows("a", "b", "c"), journal))

    world, _, summary = run(main)
    assert (summary.adopted, summary.created) == (1, 2)
    assert max(world.times().values()) == 1


def test_who_is_not_in_the_list_any_more_is_settled_and_not_told(tmp_path: Path) -> None:
    """Their lines are those of another list, where somebody else stands now: neither an outcome nor the look back
    names them. Back in the list, each has what became of them.
    """

    async def main(loop: VirtualLoop) -> Any:
        world, journal = World(loop, {"a@x.de": ["committed"]}), tmp_path / "books.db"
        async with world.job(rows("a", "b"), journal) as job:
            async for _ in job.run():
                job.stop()
        async with world.job(rows("c", "d"), journal) as job:
            await job.load()
            outcomes = []
            async for outcome in job.run():
                outcomes.append(outcome)
                world.hidden = lambda shown: [client for client in shown if client.email != "b@x.de"]
        assert job.audit == Audit((), ())
        return outcomes, *await finish(world.job(rows("a", "b"), journal))

    outcomes, _, summary = run(main)
    assert [(type(outcome), outcome.line, outcome.email) for outcome in outcomes] == [
        (Created, 1, "c@x.de"),
        (Created, 2, "d@x.de"),
    ]
    assert (summary.created, summary.adopted) == (1, 1)


def test_numbers_of_outcomes_are_never_given_twice(tmp_path: Path) -> None:
    """A list that is read anew forgets its invalid rows, not their numbers: who keeps the last misses nothing."""

    async def main(loop: VirtualLoop) -> Any:
        world, journal = World(loop), tmp_path / "books.db"
        async with world.job([{"email": "nobody"}], journal, skip_invalid=True) as job:
            last = max([outcome.seq async for outcome in job.run()])
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


@pytest.mark.parametrize("ahead_s", [-3600.0, 0.0, 3600.0])
def test_somebody_older_than_the_request_is_not_credited(ahead_s: float) -> None:
    """By the server's own clock: not ours, and yet there, so nobody is sent beside them. Sent on purpose: left open."""

    async def main(loop: VirtualLoop, policy: str) -> Any:
        world = World(loop, {"a@x.de": ["dropped"]}, ahead_s=ahead_s)
        async with world.job(rows("a", "b"), if_exists=policy) as job:
            await job.load()
            world.commit(NewClient(CAMPAIGN, "a@x.de"))  # after the listing, before the request
            loop.skip(60)
            return world, [outcome async for outcome in job.run()]

    for policy, kind in (("skip", SkippedExisting), ("send", Unresolved)):
        world, outcomes = run(main, policy)
        assert isinstance(outcomes[-1], kind)
        assert world.times()["a@x.de"] == 1


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


def test_held_looks_and_never_sends_again() -> None:
    """Found: adopted. Absent: told so, and the next run with reconcile plans it anew."""
    world, outcomes, summary = played("abc", {"a": ["committed"], "b": ["dropped"]}, rules={"on_ambiguous": "hold"})
    assert (summary.adopted, summary.unresolved, summary.created) == (1, 1, 1)
    assert [what for _, what in world.requests].count("b@x.de") == 1
    assert [type(outcome) for outcome in outcomes] == [Created, Adopted, Unresolved]


def test_many_lost_rows_are_looked_for_while_others_are_sent() -> None:
    """After twenty the looking begins beside the sending: the wait costs nobody their turn."""
    names = [f"p{number:03}" for number in range(300)]
    lost = {name: ["committed"] for name in names[:60:3]}
    world, outcomes, summary = played(names, lost, slow_s=1.0)
    assert (summary.created, summary.adopted) == (280, 20)
    looked, sent = world.listings[1], [at for at, what in world.requests if what != "list"]
    assert sum(at > looked for at in sent) > 20  # it came in the middle
    assert max(later - sooner for sooner, later in pairwise(sent)) <= world.slow_s + 0.01
    adopted = [number for number, outcome in enumerate(outcomes) if isinstance(outcome, Adopted)]
    assert max(adopted) < len(outcomes) - 20


def test_a_listing_that_fails_leaves_rows_in_doubt(tmp_path: Path) -> None:
    """The service is down when the lost are looked for: the run fails, and the next one finds them."""

    async def main(loop: VirtualLoop) -> Any:
        world, journal = World(loop), tmp_path / "books.db"
        world.fates["a@x.de"] = ["committed"]
        async with world.job(rows("a"), journal) as job:
            await job.load()
            world.is_up = False
            with pytest.raises(errors.ImportFailedError, match="cannot look for the rows"):
                assert [_ async for _ in job.run()]
            assert job.summary.ambiguous == 1
        with open_books(journal) as books:
            assert [each.ending for each in glance_at(books).runs] == ["failed"]
        world.is_up = True
        return world, *await finish(world.job(None, journal))

    world, outcomes, summary = run(main)
    assert (summary.adopted, world.times()["a@x.de"]) == (1, 1)
    assert [type(outcome) for outcome in outcomes] == [Adopted]


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


@pytest.mark.parametrize("is_listed", [True, False])
def test_a_server_that_gives_back_who_was_there_is_believed(is_listed: bool) -> None:
    """An answer with a client who is older than the request, or was listed before: adopted, with the link."""

    async def main(loop: VirtualLoop) -> Any:
        world = World(loop)
        old = world.commit(NewClient(CAMPAIGN, "a@x.de"))
        loop.skip(3600)
        add = world.add

        async def same(new: NewClient, before_send: Any) -> Client:
            before_send()
            return old if new.email == "a@x.de" else await add(new, before_send)

        world.add = same  # type: ignore[method-assign]  # the world is ours to bend
        world.hidden = lambda shown: shown if is_listed else shown[1:]
        return old, *await finish(world.job(rows("b", "a"), if_exists="send"))

    old, outcomes, summary = run(main)
    (adopted,) = (outcome for outcome in outcomes if isinstance(outcome, Adopted))
    assert (adopted.client_id, adopted.link) == (old.id, old.link)
    assert (summary.created, summary.adopted) == (1, 1)


def test_whom_we_created_is_no_stranger_to_a_longer_list(tmp_path: Path) -> None:
    """Once more in the list, and wanted twice: who was created for the first row does not stand for the second."""

    async def main(loop: VirtualLoop) -> Any:
        world, journal = World(loop), tmp_path / "books.db"
        await finish(world.job(rows("a"), journal, duplicates="send"))
        return await finish(world.job(rows("a", "a"), journal, duplicates="send"))

    _, summary = run(main)
    assert (summary.created, summary.skipped_existing) == (2, 0)


def test_what_nobody_could_tell_is_looked_for_again(tmp_path: Path) -> None:
    """A listing that was cut left a row unresolved; the next run finds a whole one, and settles it."""

    async def main(loop: VirtualLoop) -> Any:
        world, journal = World(loop, {"a@x.de": ["committed"]}, hidden=lambda shown: shown[:0]), tmp_path / "books.db"
        _, before = await finish(world.job(rows("a", "b"), journal))
        world.hidden = lambda shown: shown
        return before, *await finish(world.job(None, journal)), world

    before, outcomes, summary, world = run(main)
    assert (before.unresolved, summary.unresolved, summary.adopted) == (1, 0, 1)
    assert [type(outcome) for outcome in outcomes] == [Adopted]
    assert world.times()["a@x.de"] == 1


@pytest.mark.parametrize(("policy", "created", "existing"), [("skip", 1, 1), ("send", 2, 0)])
def test_who_exists_is_skipped_or_sent_as_one_likes(policy: str, created: int, existing: int) -> None:
    """Skipped by default; sent all the same, the old client is not taken for the new one."""

    async def main(loop: VirtualLoop) -> Any:
        world = World(loop)
        world.commit(NewClient(CAMPAIGN, "a@x.de"))
        world.fates["a@x.de"] = ["dropped"]
        return world, *await finish(world.job(rows("a", "b"), if_exists=policy))

    world, outcomes, summary = run(main)
    assert (summary.created, summary.skipped_existing) == (created, existing)
    assert world.times()["a@x.de"] == created
    assert len([outcome for outcome in outcomes if isinstance(outcome, SkippedExisting)]) == existing


def test_who_was_added_by_others_before_the_list_grew_is_skipped(tmp_path: Path) -> None:
    """The listing that is read for the new rows shows somebody who is still to be sent: nobody is sent beside them."""

    async def main(loop: VirtualLoop) -> Any:
        world, journal = World(loop), tmp_path / "books.db"
        await finish(world.job(rows("a", "b"), journal, limit=1))
        world.commit(NewClient(CAMPAIGN, "b@x.de"))
        return world, *await finish(world.job(rows("a", "b", "c"), journal))

    world, _, summary = run(main)
    assert (summary.created, summary.skipped_existing, world.times()["b@x.de"]) == (2, 1, 1)


@pytest.mark.parametrize("is_settled", [True, False])
def test_who_was_sent_all_the_same_and_lost_is_skipped_if_that_is_wanted_now(tmp_path: Path, is_settled: bool) -> None:
    """Their request created nobody, and somebody was there before: the run that is to skip sends nobody beside them."""

    async def main(loop: VirtualLoop) -> Any:
        world, journal = World(loop, {"a@x.de": ["dropped"] * 3}), tmp_path / "books.db"
        world.commit(NewClient(CAMPAIGN, "a@x.de"))
        async with world.job(rows("a", "b"), journal, if_exists="send") as job:
            async for _ in job.run():
                if not is_settled:
                    job.stop()
        return world, *await finish(world.job(rows("a", "b"), journal))

    world, outcomes, summary = run(main)
    assert (summary.created, summary.skipped_existing, world.times()["a@x.de"]) == (1, 1, 1)
    assert [type(outcome) for outcome in outcomes] == [SkippedExisting]


def test_who_was_to_be_sent_all_the_same_is_skipped_when_they_come_back(tmp_path: Path) -> None:
    """Not in the list when the import was told to skip those who exist, and in it again later: skipped."""

    async def main(loop: VirtualLoop) -> Any:
        world, journal = World(loop), tmp_path / "books.db"
        world.commit(NewClient(CAMPAIGN, "a@x.de"))
        for names, policy in (("ab", "send"), ("b", "skip")):
            async with world.job(rows(*names), journal, if_exists=policy) as job:
                await job.load()
        return world, *await finish(world.job(rows("a", "b"), journal))

    world, _, summary = run(main)
    assert (summary.skipped_existing, summary.created, world.times()["a@x.de"]) == (1, 1, 1)


def test_who_was_skipped_and_is_sent_later_is_sent_as_the_list_says_then(tmp_path: Path) -> None:
    """Nothing of the row has left: the name that was mended since is the one that is sent."""

    async def main(loop: VirtualLoop) -> Any:
        world, journal = World(loop), tmp_path / "books.db"
        world.commit(NewClient(CAMPAIGN, "a@x.de"))
        for name, policy in (("Ana", "skip"), ("Anna", "send")):
            await finish(world.job([{"email": "a@x.de", "first_name": name}], journal, if_exists=policy))
        return [client.first_name for _, client in world.committed]

    assert run(main) == [None, "Anna"]


def test_who_exists_may_end_the_import_before_it_begins() -> None:
    """`fail`: nothing is sent, and it says how many there are."""

    async def main(loop: VirtualLoop) -> Any:
        world = World(loop)
        world.commit(NewClient(CAMPAIGN, "a@x.de"))
        async with world.job(rows("a", "b"), if_exists="fail") as job:
            await job.load()
            with pytest.raises(errors.ValidationError, match="1 rows are in their campaign already"):
                job.run()
        return world

    assert {what for _, what in run(main).requests} == {"list"}


WORLDS = st.fixed_dictionaries(
    {
        "fates": st.dictionaries(
            st.sampled_from([f"p{number}@x.de" for number in range(8)]), st.lists(st.sampled_from(FATES), max_size=3)
        ),
        "lag_s": st.sampled_from([0.0, 1.0, 29.0, 59.0]),
        "late_s": st.sampled_from([0.1, 5.0, 30.0, 59.0]),
        "slow_s": st.sampled_from([0.01, 1.0, 20.0]),
        "ahead_s": st.sampled_from([-7200.0, 0.0, 0.9]),
        "is_dated": st.booleans(),
    }
)


@settings(max_examples=100, deadline=None)
@given(WORLDS, st.lists(st.floats(0.1, 200), max_size=3), st.sampled_from(["skip", "send"]))
def test_whatever_is_lost_everybody_is_there_once(world: dict[str, Any], ends: list[float], duplicates: str) -> None:
    """Any faults, late commits, a listing that lags, an end at any moment: run until done, each is there once.

    Each of late commits and lag stays within the minute that is waited: that is what is assumed (A 3, A 4).
    """
    names = [f"p{number}" for number in range(8)] + ["p0", "p3"]

    async def main(loop: VirtualLoop, journal: Path) -> Any:
        there = World(loop, **deepcopy(world))
        for after_s in ends:
            await ended_after(there.job(rows(*names), journal, duplicates=duplicates, max_ambiguous=99), loop, after_s)
        for _ in range(4):  # a row is given up after three tries, and planned anew by the next run
            _, summary = await finish(there.job(rows(*names), journal, duplicates=duplicates, max_ambiguous=99))
        return there, summary, await told(there, journal)

    with TemporaryDirectory() as folder:
        there, summary, outcomes = run(main, Path(folder) / "books.db")
    adds_up(summary)
    assert (summary.planned, summary.ambiguous, summary.unresolved) == (0, 0, 0)
    wanted = dict.fromkeys({f"{name}@x.de" for name in names}, 1)
    if duplicates == "send":
        wanted |= {"p0@x.de": 2, "p3@x.de": 2}
    rejected = [outcome.email for outcome in outcomes if type(outcome).__name__ == "Rejected"]
    for email, number in wanted.items():
        assert there.times()[email] == number - rejected.count(email)
    links = there.links()
    for outcome in outcomes:
        if isinstance(outcome, Created | Adopted):
            assert outcome.link in (None, links[outcome.client_id])
            assert isinstance(outcome, Adopted) or outcome.link is not None
    credited = [outcome.client_id for outcome in outcomes if isinstance(outcome, Created | Adopted)]
    assert len(credited) == len(set(credited)) == len(there.committed)


async def ended_after(job: ImportJob, loop: VirtualLoop, seconds: float) -> None:
    """Run an import, and leave its block in the middle."""
    async with job:
        await job.load()
        try:
            outcomes = job.run()
            until = loop.time() + seconds
            async for _ in outcomes:
                if loop.time() > until:
                    break
        except errors.ImportFailedError:
            pass


async def told(world: World, journal: Path) -> list[Any]:
    """What became of all rows, as the books tell it."""
    async with world.job(None, journal) as job:
        return [outcome async for outcome in job.outcomes()]
