"""Rows whose answers were lost: when they are looked for, what is believed of a listing, and that nobody is doubled."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from onboard360_async import errors
from onboard360_async.importer import Adopted, Audit, Created, Unresolved
from onboard360_async.importer.upkeep.books import open_books
from onboard360_async.importer.upkeep.glance import glance_at
from onboard360_async.models import Client, NewClient
from tests.budget.virtual import VirtualLoop, run
from tests.importer.world import CAMPAIGN, SETTLE_S, World, finish, played, rows


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
