"""Everybody is there once, whatever is lost: any faults in virtual time, held against the world's own books."""

from copy import deepcopy
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onboard360_async import errors
from onboard360_async.importer import Adopted, Created, ImportJob
from tests.budget.virtual import VirtualLoop, run
from tests.importer.double import adds_up
from tests.importer.world import FATES, World, finish, rows

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


@pytest.mark.timeout(90)  # a hundred whole imports, beside the other lane of tests
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
