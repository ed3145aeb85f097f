"""The reconcile rule by itself: whom a row in doubt is credited with, and when nobody may be argued away."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from onboard360_async.importer.journal import Doubt
from onboard360_async.importer.reconcile import Absent, Adopt, Exists, Sight, Unclear, judge
from onboard360_async.models import NewClient

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
NOBODY = (None, None, None, None)


def doubt(number: int = 1, *, name: str | None = None, created: bool = False) -> Doubt:
    began_at = int(START.timestamp() * 1e9) + number
    client = NewClient("c", "a@x.de", name)
    return Doubt(number, "c", "a@x.de", client, began_at, began_at, created)


def sight(client_id: str, *, after_s: float = 1, name: str | None = None) -> Sight:
    return Sight(client_id, START + timedelta(seconds=after_s), (name, None, None, None))


def may_argue(_: Doubt) -> None:
    return None


def test_equal_names_are_credited_first() -> None:
    """Two rows of one email, two clients: each row gets the one with its names, whatever came first."""
    anna, bert = doubt(1, name="Anna"), doubt(2, name="Bert")
    shown = [sight("b", name="Bert"), sight("a", after_s=2, name="Anna")]
    verdicts = list(judge([anna, bert], shown, skew_s=0, no_argument=may_argue))
    assert verdicts == [Adopt(anna, shown[1]), Adopt(bert, shown[0])]


def test_among_equals_the_older_goes_to_the_first() -> None:
    """Nothing tells them apart: in the order of creation."""
    first, second = doubt(1), doubt(2)
    shown = [sight("late", after_s=3), sight("soon", after_s=2)]
    assert list(judge([second, first], shown, skew_s=0, no_argument=may_argue)) == [
        Adopt(first, shown[1]),
        Adopt(second, shown[0]),
    ]


def test_nothing_kept_is_as_good_as_an_empty_text() -> None:
    """A service that keeps "" as nothing, or nothing as "", still shows the same person."""
    row = Doubt(1, "c", "a@x.de", NewClient("c", "a@x.de", "", ""), 0, 0, created=False)
    other, same = Sight("other", START, ("X", None, None, None)), Sight("same", START + timedelta(1), NOBODY)
    verdicts = list(judge([row, doubt(2)], [other, same], skew_s=None, no_argument=may_argue))
    assert verdicts[0] == Adopt(row, same)


def test_who_was_certainly_created_is_never_called_absent() -> None:
    """The server said 201, and the listing shows nobody: not absent, and the only client goes to that row first."""
    sure, maybe = doubt(2, created=True), doubt(1)
    assert [type(verdict) for verdict in judge([sure], [], skew_s=0, no_argument=may_argue)] == [Unclear]
    shown = sight("a")
    assert list(judge([maybe, sure], [shown], skew_s=0, no_argument=may_argue)) == [Adopt(sure, shown), Absent(maybe)]


def test_a_date_counts_by_the_servers_clock_and_not_to_the_second() -> None:
    """Older than the request by more than clocks may err: somebody else's; without a server's clock no date counts."""
    for skew_s, after_s, kind in (
        (0, -6, Exists),
        (0, -4, Adopt),
        (-60, -59, Adopt),
        (60, 50, Exists),
        (None, -99, Adopt),
    ):
        verdicts = list(judge([doubt()], [sight("a", after_s=after_s)], skew_s=skew_s, no_argument=may_argue))
        assert [type(verdict) for verdict in verdicts] == [kind]


def test_a_client_without_a_date_may_be_ours() -> None:
    """A stored webhook may say none: better credited than sent again."""
    undated = Sight("a", None, NOBODY)
    assert list(judge([doubt()], [undated], skew_s=0, no_argument=may_argue)) == [Adopt(doubt(), undated)]


@given(
    st.lists(st.booleans(), min_size=1, max_size=5),
    st.lists(st.floats(-20, 20), max_size=5),
    st.one_of(st.none(), st.sampled_from([0.0, 60.0])),
    st.booleans(),
)
def test_every_row_gets_one_verdict_and_every_client_one_row(
    created: list[bool], shown: list[float], skew_s: float | None, is_cut: bool
) -> None:
    """Nobody is credited twice; nobody is absent while somebody unexplained is there, or nothing may be argued."""
    doubts = [doubt(number, created=sure) for number, sure in enumerate(created, 1)]
    sights = [sight(f"id-{number}", after_s=after_s) for number, after_s in enumerate(shown)]
    reason = "cut" if is_cut else None
    verdicts = list(judge(doubts, sights, skew_s=skew_s, no_argument=lambda _: reason))
    assert sorted(verdict.doubt.id for verdict in verdicts) == [doubt.id for doubt in doubts]
    adopted = [verdict.sight.client_id for verdict in verdicts if isinstance(verdict, Adopt)]
    assert len(adopted) == len(set(adopted))
    absent = [verdict.doubt for verdict in verdicts if isinstance(verdict, Absent)]
    assert not absent or (len(adopted) == len(sights) and not is_cut)
    assert not any(doubt.created for doubt in absent)
