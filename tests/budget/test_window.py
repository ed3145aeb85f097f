"""The window: grant for grant the rule by the letter, no 429 from any server, and a pause only grows."""

import random
from collections.abc import Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from onboard360_async.budget import window as window_module
from onboard360_async.budget.window import Window
from tests.budget.histories import KINDS, Traffic, agree, play
from tests.budget.letter import LetterWindow
from tests.budget.servers import SlidingLog, servers_of

pytestmark = pytest.mark.no_cover  # counting lines makes simulations four times slower; others reach these lines

SECOND = 10**9
MINUTE = 60 * SECOND
FEW = settings(deadline=None, derandomize=True, max_examples=150)
MANY = settings(deadline=None, derandomize=True, max_examples=1500)

STEPS = st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 30)), max_size=80)
LIMITS = st.integers(1, 6) | st.just(100)
SEEDS = st.integers(0, 2**32)


@MANY
@given(st.integers(1, 6), st.integers(1, 20), STEPS)
def test_it_agrees_with_the_rule_by_the_letter(limit: int, window_ns: int, steps: Sequence[tuple[str, int]]) -> None:
    """Over any history, late settles, releases, pauses and `keep` included, both grant the same."""
    agree(window_module, limit, window_ns, steps)


@settings(FEW, max_examples=40)
@given(SEEDS, st.sampled_from((0, 2, 30)), st.sampled_from((0, 5, 60)))
def test_it_agrees_with_the_rule_at_100(seed: int, gap: int, trip: int) -> None:
    """The same where many settle times are forgotten together and many phases compete."""
    rng = random.Random(seed)
    window, letter = Window(100, 50), LetterWindow(100, 50)
    now, held = 1000, 0
    for _ in range(300):
        now += rng.randint(0, gap)
        if rng.random() < 0.5 and held:
            at = now - rng.randint(0, 1) * rng.randint(0, trip)
            window.settle(at)
            letter.settle(at)
            held -= 1
        else:
            granted = letter.reserve(now)
            assert (window.reserve(now) == 0) == granted
            held += granted
        letter.settled = [t for t in letter.settled if t >= now - 3 * 50]


@FEW
@given(LIMITS, SEEDS, st.data())
def test_no_server_refuses(limit: int, seed: int, data: st.DataObject) -> None:
    """For any arrivals, latencies and alignments, without a margin: not one 429, and never more than the limit."""
    shares = st.sampled_from((0.0, 0.001, 0.05, 0.7, 2.0))
    traffic = Traffic(
        requests=3 * limit + 50,
        gap=int(data.draw(shares) * MINUTE),
        trip=int(data.draw(shares) * MINUTE),
        steady=data.draw(st.booleans()),
        lost=data.draw(st.sampled_from((0.0, 0.3))),
        unsent=data.draw(st.sampled_from((0.0, 0.3))),
        late=data.draw(st.sampled_from((0.0, 0.3))),
    )
    rng = random.Random(seed)
    servers = servers_of(limit, MINUTE, tuple(rng.randrange(MINUTE) for _ in range(5)))
    outcome = play(window_module, limit, MINUTE, traffic, servers, rng)
    assert outcome.refused == 0
    assert outcome.most_used <= limit


@FEW
@given(st.integers(1, 6), st.integers(2, 24), SEEDS)
def test_no_server_refuses_at_any_alignment_at_all(limit: int, window_ns: int, seed: int) -> None:
    """Windows of a few nanoseconds: every alignment is tried, and grants, counts and answers coincide."""
    rng = random.Random(seed)
    traffic = Traffic(80, gap=rng.choice((0, 1, window_ns)), trip=rng.choice((0, 2, window_ns)), late=0.3, lost=0.1)
    servers = servers_of(limit, window_ns, tuple(range(window_ns)))
    assert play(window_module, limit, window_ns, traffic, servers, rng).refused == 0


def test_the_default_margin_covers_servers_that_count_in_whole_seconds() -> None:
    """A log that keeps whole seconds and counts both ends refuses some without the margin, and none with it."""
    refused = {}
    for margin in (0, SECOND):
        server = SlidingLog(100, MINUTE, grain=SECOND)
        traffic = Traffic(3000, trip=SECOND // 10)
        refused[margin] = play(window_module, 100, MINUTE + margin, traffic, [server], random.Random(3)).refused
    assert refused[0] > 10
    assert refused[SECOND] == 0


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5, 6, 100])
@pytest.mark.parametrize(
    ("longest", "steady", "share"),
    [
        (0.0, True, 0.98),
        (0.02, True, 0.98),
        (0.3, True, 0.98),
        (3.0, True, 0.98),
        (0.05, False, 0.98),
        (1.0, False, 0.92),
    ],
)
def test_the_rate_of_the_rule_itself(limit: int, longest: float, steady: bool, share: float) -> None:
    """98 % of (limit - 1) / (W + mean round trip), and limit 1 one request in two windows at the least.

    So it is for round trips of any one length, and for such as vary by up to a twentieth of a window (3 s a minute).
    Trips that vary by a whole window cost the rule itself up to 8 %: what is under way counts in full in every phase.
    """
    traffic = Traffic(requests=max(300, 25 * limit), trip=int(longest * MINUTE), steady=steady)
    outcome = play(window_module, limit, MINUTE, traffic, [], random.Random(5))
    assert outcome.rate >= share * max(limit - 1, 0.5) / (MINUTE + outcome.mean_trip)


@FEW
@given(LIMITS, SEEDS)
def test_every_wait_ends_once_all_is_settled(limit: int, seed: int) -> None:
    """No starvation: after any history, with nothing under way, a request is granted within two windows."""
    rng = random.Random(seed)
    window, now = Window(limit, MINUTE), 10**12
    for _ in range(3 * limit):
        now += rng.randrange(MINUTE // limit)
        if window.reserve(now) == 0 and rng.random() < 0.9:
            window.settle(now)
    for _ in range(window.held):
        window.settle(now)
    asked_at, asks = now, 0
    while wait := window.reserve(now):
        now += wait
        asks += 1
    assert now - asked_at <= 2 * MINUTE + 2
    assert asks < 2 * limit + 10


def test_with_all_under_way_only_a_settle_or_a_release_helps() -> None:
    """None says that no time will do; a release gives back at once, a settle after a window."""
    window = Window(2, MINUTE)
    assert [window.reserve(0), window.reserve(0), window.reserve(5)] == [0, 0, None]
    window.release()
    assert window.reserve(5) == 0
    window.settle(7)
    assert window.reserve(8) == MINUTE


@FEW
@given(st.lists(st.integers(-100, 100), min_size=1))
def test_a_pause_only_grows(moments: Sequence[int]) -> None:
    """However pauses are asked for, the longest holds to its end, and not a nanosecond longer."""
    window = Window(100, MINUTE)
    for at in moments:
        window.pause_until(at)
    end = max(moments)
    assert window.paused_ns(-100) == end + 100
    assert window.available(end - 1) == 0
    assert window.reserve(end - 1) == 1
    assert window.reserve(end) == 0


def test_a_limit_of_one_gives_one_in_two_windows() -> None:
    """What a sliding counter needs: the one of the window before has no weight only after a second window."""
    window = Window(1, 100)
    assert window.reserve(0) == 0
    window.settle(0)
    assert window.reserve(150) == 50
    assert window.reserve(200) == 0


def test_a_moment_before_the_last_one_is_taken_for_the_last_one() -> None:
    """Time never goes back, whatever a clock says."""
    window = Window(1, 100)
    window.reserve(1000)
    window.settle(1000)
    window.used(1200)
    assert window.reserve(900) == 0


def test_a_copy_leaves_the_window_alone() -> None:
    """A future can be tried out."""
    window = Window(3, 100)
    window.reserve(0)
    window.settle(0)
    twin = window.copy()
    assert [twin.reserve(1), twin.reserve(1)] == [0, 0]
    twin.settle(2)
    assert (window.held, window.used(1), twin.held, twin.used(2)) == (0, 1, 1, 3)


@example(70)
@FEW
@given(st.integers(1, 300))
def test_what_is_long_past_is_forgotten(requests: int) -> None:
    """Two windows after the last answer nothing is kept of it."""
    window, now = Window(100, 1000), 0
    for _ in range(requests):
        while wait := window.reserve(now):
            now += wait
        window.settle(now)
        now += 3
    window.used(now + 2001)
    assert not window._times
    assert not window._groups
