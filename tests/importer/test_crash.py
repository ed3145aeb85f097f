"""A real import over a faulty service, killed for real wherever something changes, and run again until it is done.

Nobody is lost, nobody is created twice, no link is somebody else's, and each row has one final state.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.importer.scene import ALL, SETTLE_S, Fault, Scene, Zygote

BLOCKS = 6
SIDE_BY_SIDE = 12  # most of a run is waiting
ROUNDS = 4  # of imports killed at random, unless more are asked for


# --- once at every point ---


@pytest.fixture(scope="module")
def points(zygote: Zygote, tmp_path_factory: pytest.TempPathFactory) -> int:
    """How many points a run passes that nobody kills; and without a kill all ends well."""
    with Scene(zygote, tmp_path_factory.mktemp("counted") / "run", ALL) as scene:
        passed = scene.run().points
        assert scene.finish() == []
    return passed


@pytest.mark.timeout(60)
@pytest.mark.parametrize("block", range(BLOCKS))
def test_killed_anywhere_it_ends_well(
    zygote: Zygote, points: int, tmp_path: Path, block: int, record_property: Any
) -> None:
    """One kill at each point, then the same import again until it is done; every sixth point in a block."""
    print(f"{points} points")
    record_property("points", points)
    killed = []

    def kill(point: int) -> list[str]:
        with Scene(zygote, tmp_path / str(point), ALL) as scene:
            if scene.run(kill_at=point).was_killed:
                killed.append(point)
            return scene.finish()

    mine = range(1 + block, points + 1, BLOCKS)
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        wrong = dict(zip(mine, pool.map(kill, mine), strict=True))
    assert {point: what for point, what in wrong.items() if what} == {}
    assert len(killed) > 0.9 * len(mine)  # no run is quite like the one that was counted


def test_a_second_run_is_refused_while_the_first_is_under_way(zygote: Zygote, tmp_path: Path) -> None:
    """The journal is held by the operating system; the first goes on as if nothing had been."""
    slow = Fault("delay", "slow@x.de", {"delay_s": 2.0})
    with Scene(zygote, tmp_path / "run", [slow], timeout_s=10.0) as scene, ThreadPoolExecutor(1) as pool:
        first = pool.submit(scene.run)
        while not any(client["email"] == "slow@x.de" for client in scene.sandbox.clients()):
            assert not first.done()
        second = scene.tried()
        assert not first.done()
        assert (second.code, "ImportLockedError" in second.said) == (1, True)
        assert first.result().code == 0
        assert scene.compared() == []


# --- again and again, anywhere, with any faults ---


@frozen
class Play:
    """What happens to one import."""

    kills: Sequence[int]  # of all points, in its first runs
    faults: Sequence[Fault]


def plays() -> st.SearchStrategy[Play]:
    """Up to three kills; up to eight people whose POST fails once or twice; listings that fail, are late or cut.

    The first listing is told before anything is sent, and nothing can be held against it: it shows whoever is there.
    """
    times = st.fixed_dictionaries({"times": st.integers(1, 2)})
    posts = st.sampled_from(
        ["drop-before", "commit-then-drop", "500-before", "500-after", "429", "truncated-201", "hang-after-commit"]
    )
    late = st.fixed_dictionaries({"times": st.just(1), "delay_s": st.floats(0.0, SETTLE_S / 10)})
    person = st.tuples(posts, times) | st.tuples(st.just("late-commit"), late)
    nth = {"nth": st.integers(1, 8), "times": st.integers(1, 2)}
    stale = st.fixed_dictionaries({**nth, "delay_s": st.floats(0.0, SETTLE_S / 2) | st.just(60.0)})
    cut = st.fixed_dictionaries({**nth, "keep": st.integers(1, 20)})
    broken = st.sampled_from(["500-before", "drop-before", "commit-then-drop", "hang-after-commit", "429"])
    listing = (
        st.tuples(st.just("stale-listing"), stale)
        | st.tuples(st.just("cut-listing"), cut)
        | st.tuples(broken, st.fixed_dictionaries({"nth": st.integers(1, 8)}))
    )

    def faults(people: list[Any], listings: list[Any]) -> list[Fault]:
        named = [Fault(kind, f"{index}-{kind}@x.de", options) for index, (kind, options) in enumerate(people)]
        return named + [Fault(kind, None, options) for kind, options in listings]

    both = st.builds(faults, st.lists(person, max_size=8), st.lists(listing, max_size=4))
    return st.builds(Play, st.lists(st.integers(1, 700), min_size=1, max_size=3), both)


@pytest.mark.timeout(0)
def test_killed_at_random_it_ends_well(zygote: Zygote, tmp_path: Path, pytestconfig: pytest.Config) -> None:
    """A few rounds of imports side by side, always the same; others, and as many as you like, with
    `pytest tests/importer/test_crash.py -k random --long-crash ROUNDS --hypothesis-seed SEED` (three seconds each).
    """
    rounds = pytestconfig.getoption("--long-crash")
    folders = (tmp_path / str(number) for number in count())

    def play(what: Play, folder: Path) -> list[str]:
        with Scene(zygote, folder, what.faults, every=True) as scene:
            for point in what.kills:
                scene.run(kill_at=point)
            return scene.finish()

    @settings(
        max_examples=rounds or ROUNDS, deadline=None, derandomize=rounds is None, phases=[Phase.generate]
    )  # an example that fails is told as it is: to shrink it takes too long
    @given(st.lists(plays(), min_size=SIDE_BY_SIDE // 2, max_size=SIDE_BY_SIDE))
    def check(many: list[Play]) -> None:
        with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
            wrong = list(pool.map(play, many, folders))
        assert [(what, sentences) for what, sentences in zip(many, wrong, strict=True) if sentences] == []

    check()
