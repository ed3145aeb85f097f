"""Who is in the campaign already: before the list, since then, or by the server's word; skipped, or sent as wanted."""

from pathlib import Path
from typing import Any

import pytest

from onboard360_async import errors
from onboard360_async.importer import Adopted, SkippedExisting, Unresolved
from onboard360_async.models import Client, NewClient
from tests.budget.virtual import VirtualLoop, run
from tests.importer.world import CAMPAIGN, World, finish, rows


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
