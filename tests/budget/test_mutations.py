"""The checks of the window have teeth: each way to get the rule wrong is noticed, by the rule and by a server."""

import pytest

from onboard360_async.budget import window
from tests.budget.mutations import CHECKS, MUTATIONS, load, noticed_by


def test_the_window_as_it_is_passes_every_check() -> None:
    """Else a mutation that is noticed would prove nothing."""
    for check in CHECKS:
        check(window)


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_mutation_is_noticed(name: str) -> None:
    """It grants where the rule by the letter does not, and a server answers 429."""
    assert {"by_the_letter", "tiny_servers"} <= set(noticed_by(name))


def test_a_text_that_is_gone_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mutation that changes nothing must not pass for one that was caught."""
    monkeypatch.setattr("tests.budget.mutations.MUTATIONS", {"gone": (("no such text", ""),)})
    with pytest.raises(AssertionError, match=r"not in window\.py exactly once"):
        load("gone")
