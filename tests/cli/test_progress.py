"""What is said while an import runs, and about it: counts that add up, and why nothing seems to happen."""

from datetime import UTC, datetime

import attrs
import pytest

from onboard360_async import Budget, settings
from onboard360_async.cli.import_flags import Wishes
from onboard360_async.cli.progress import Progress, duration
from onboard360_async.cli.telling import next_lines, plan_lines, sent_at_most, summary_lines
from onboard360_async.doctor.findings import so_many
from onboard360_async.importer import Audit, Plan, Problem, Rules, Summary, Unresolved
from onboard360_async.importer.upkeep.glance import Glance, Stand

NOTHING = dict.fromkeys(attrs.fields_dict(Summary), 0)
PLAN = Plan(
    rows=10, to_send=6, done=1, existing=0, duplicates=0, rejected=0, unresolved=1, ambiguous=2, invalid=0,
    problems=(), warnings=(), may_be_capped=False,
)  # fmt: skip


def summary(**counts: int) -> Summary:
    return Summary(**NOTHING | counts)


def test_settled_rows_are_progress_whatever_they_became(
    capsys: pytest.CaptureFixture[str], budget: Budget, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Created, adopted, found to exist: all count as done; what is in doubt does not, and is told."""
    monkeypatch.setattr(settings, "PROGRESS_LEAST_S", 0.0)
    with Progress(PLAN, 6, budget) as progress:
        progress.show(summary(created=1, planned=6, ambiguous=3))
        progress.show(summary(created=3, adopted=1, skipped_existing=1, planned=1, ambiguous=4))
        progress.show(summary(created=8, adopted=1, skipped_existing=1))
    said = [line.partition("; ")[0] for line in capsys.readouterr().err.splitlines()]
    assert said == ["0 of 9: 0 created, 3 in doubt", "4 of 9: 3 created, 4 in doubt", "9 of 9: 8 created"]


def test_who_is_under_way_is_in_no_doubt(
    capsys: pytest.CaptureFixture[str], budget: Budget, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A healthy service that takes its time alarms nobody."""
    monkeypatch.setattr(settings, "PROGRESS_LEAST_S", 0.0)
    with Progress(PLAN, 6, budget) as progress:
        progress.show(summary(created=1, planned=4, ambiguous=4), under_way=4)
        progress.show(summary(created=1, planned=4, ambiguous=4), under_way=1)
    said = [line.partition("; ")[0] for line in capsys.readouterr().err.splitlines()]
    assert said == ["1 of 9: 0 created", "1 of 9: 0 created, 3 in doubt"]


def test_a_wait_is_told_once(capsys: pytest.CaptureFixture[str], budget: Budget) -> None:
    """And again when there is another one; a moment is not worth a line."""
    with Progress(PLAN, 6, budget) as progress:
        for quiet_s in (60.0, 59.0, None, 0.2, 120.0):
            progress.show(summary(created=6, ambiguous=3), quiet_s)
        progress.show(summary(created=6, adopted=3), 30.0)
        progress.show(summary(created=6, adopted=3))
        progress.show(summary(created=6, adopted=3), 30.0)
    assert capsys.readouterr().err.splitlines() == [
        "Waiting 1 min, then looking for 3 rows whose answers were lost.",
        "Waiting 2 min, then looking for 3 rows whose answers were lost.",
        "Waiting 30 s, then looking once more whether everybody is there.",
    ]


def test_times_and_rows_are_said_as_people_say_them() -> None:
    """Never 0 s, and no plural of one."""
    assert [duration(each) for each in (0, 59.6, 61, 7260)] == ["1 s", "1 min", "1 min 1 s", "2 h 1 min"]
    assert [so_many(each, "row") for each in (0, 1, 1200)] == ["0 rows", "1 row", "1,200 rows"]


def test_a_plan_names_what_is_odd_and_no_more_than_fits(budget: Budget) -> None:
    """The first invalid rows with their values, notes, and a listing that may be cut."""
    problems = tuple(Problem(line, "email", "it is odd", "x") for line in range(30))
    plan = attrs.evolve(PLAN, invalid=30, problems=problems, warnings=("column 'A' is not sent",), may_be_capped=True)
    said = list(plan_lines(plan, Rules(), budget, datetime.now(UTC)))
    assert said[0] == "10 rows: 6 to send, 1 created before, 30 invalid, 3 in doubt."
    assert said[1:3] == ["  note: column 'A' is not sent", "  line 0, email: it is odd (x)"]
    assert "  and 10 more" in said
    assert any("it may be cut" in line for line in said)
    assert sent_at_most(plan, Rules(limit=4)) == 4


def test_a_summary_says_what_the_last_listing_found() -> None:
    """By the lines of the list."""
    audit = Audit(missing=tuple(range(2, 30)), doubled=(7,))
    first, missing, doubled = summary_lines(summary(rows=3, created=2, skipped_existing=1), audit)
    assert first == "3 rows: 2 created, 1 skipped existing."
    assert missing.startswith("The last listing lacks 28 who were created (lines 2, 3, 4,")
    assert "20, 21, ...)" in missing
    assert "more clients than rows for 1 email (line 7)" in doubled
    assert list(summary_lines(summary(), None)) == ["0 rows: nothing."]


def test_what_to_do_next_names_the_first_rows(budget: Budget) -> None:
    """Not all of a thousand; a path with a space can be pasted."""
    found = tuple(Unresolved(line, f"p{line}@x.de", "why") for line in range(2, 42))
    glance = Glance(None, None, Stand.FINISHED, summary(unresolved=40, rows=40), (), (), None, found, None)
    said = list(next_lines(glance, Wishes(file="my list.csv")))
    assert said[1] == "  line 2 (p2@x.de): why"
    assert said[21:23] == ["  and 20 more", "To look for them again: onboard360 imports reconcile 'my list.csv'"]
    assert not any(line.startswith("To go on") for line in said)
