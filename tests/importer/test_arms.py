"""The tests of killed imports can see: with one safeguard switched off they find what it prevents."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.importer.scene import Fault, Scene, Zygote

SETTLE_S = 1.0  # longer than elsewhere: how late a listing is must decide, and not how busy this machine is
LOST = Fault("commit-then-drop", "lost@x.de", {"times": 1})


def cut_listings(scene: Scene) -> None:
    """Somebody's answer is lost, and the listings after the first ones show the oldest client alone."""
    scene.add("lost@x.de")
    scene.break_by(LOST, Fault("cut-listing", None, {"nth": 3, "times": 2}))


def stale_listings(scene: Scene) -> None:
    """The last answer of all is lost, and every listing is as old as almost two times to settle."""
    scene.run()
    scene.much_later()
    scene.add("lost@x.de")
    scene.break_by(LOST, Fault("stale-listing", None, {"delay_s": 1.8 * SETTLE_S}))


def lost_answer(scene: Scene) -> None:
    """Somebody's answer is lost."""
    scene.add("lost@x.de")
    scene.break_by(LOST)


def wrong_after(begin: Callable[[Scene], None], zygote: Zygote, folder: Path, arm: str) -> list[str]:
    """What is wrong when the import is done."""
    with Scene(zygote, folder, (), arm=arm, options={"settle_s": SETTLE_S}) as scene:
        begin(scene)
        return scene.finish()


@pytest.mark.parametrize(
    ("arm", "begin"),
    [("no canary", cut_listings), ("no witness", stale_listings), ("resend when unsure", lost_answer)],
)
def test_each_safeguard_holds_a_double_off(
    zygote: Zygote, tmp_path: Path, arm: str, begin: Callable[[Scene], None]
) -> None:
    """Without it somebody is created twice, and the comparison of the books says so; with it nothing is wrong."""
    assert "created twice: lost@x.de" in wrong_after(begin, zygote, tmp_path / "without", arm)
    assert wrong_after(begin, zygote, tmp_path / "with", "") == []


def test_a_witness_who_came_before_all_had_settled_proves_nothing(zygote: Zygote, tmp_path: Path) -> None:
    """A commit half of the time to settle late, and a listing that is a little staler: it shows those who came right
    after the lost answer, and not yet the lost one.
    """
    late = Fault("late-commit", "late@x.de", {"times": 1, "delay_s": SETTLE_S / 2})
    stale = Fault("stale-listing", None, {"nth": 3, "times": 1, "delay_s": 0.8 * SETTLE_S})
    with Scene(zygote, tmp_path / "run", [late, stale], options={"settle_s": SETTLE_S}) as scene:
        scene.add(*(f"p{number}@x.de" for number in range(8)))
        assert scene.finish() == []
