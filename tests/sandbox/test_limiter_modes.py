"""Every way to cut the minute: what it lets through, and that it tells the truth about it."""

import math
from bisect import bisect_left
from collections import Counter
from copy import deepcopy
from fractions import Fraction
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onboard360_async.sandbox import Sandbox
from onboard360_async.sandbox.limiter import LIMITERS, Limiter, SlidingLog, make_limiter
from tests.budget import servers
from tests.sandbox.calls import Clock, call

MODES = [name for name in LIMITERS if name != "off"]
NS = 10**9
of_each_mode = pytest.mark.parametrize("mode", MODES)


class Play(NamedTuple):
    """Requests at these seconds, and how they are to be counted."""

    limit: int
    window_s: float
    count_refused: bool
    times: list[float]

    @property
    def window(self) -> int:
        return ns(self.window_s)

    def limiter(self, mode: str) -> Limiter:
        return make(mode, self.limit, self.window_s, count_refused=self.count_refused)


def make(mode: str, limit: int, window_s: float, *, count_refused: bool = False) -> Limiter:
    limiter = make_limiter(mode, limit=limit, window_s=window_s, count_refused=count_refused)
    assert limiter is not None
    return limiter


def ns(seconds: float) -> int:
    return math.floor(Fraction(seconds) * NS + Fraction(1, 2))


@st.composite
def plays(draw: st.DrawFn, *, starts: tuple[float, ...] = (0.0, 1000.1, 1.7e9), size: int = 25) -> Play:
    """Bursts, even trains, steps of just a window and random ones, on clocks of several sizes."""
    limit = draw(st.integers(1, 5))
    window_s = draw(st.sampled_from((60.0, 1.0, 0.1, 7.3)))
    steps = st.one_of(
        st.sampled_from((0.0, 0.0, 1 / limit, 0.5, 1.0 - 1e-9, 1.0)),
        st.floats(0, 2).map(lambda step: step / limit),
    )
    at = draw(st.sampled_from(starts))
    times = [at := at + step * window_s for step in draw(st.lists(steps, max_size=size))]
    return Play(limit, window_s, draw(st.booleans()), times)


def most_in_any_window(times: list[float], window: int) -> int:
    """The most in a window that begins with one of them and ends just before its length has passed."""
    found = [ns(time) for time in times]
    return max((bisect_left(found, time + window) - index for index, time in enumerate(found)), default=0)


def admitted(limiter: Limiter, times: list[float]) -> list[float]:
    return [at for at in times if limiter.admit(0, at)]


# --- what each lets through ---


@pytest.mark.parametrize("count_refused", [False, True])
@given(play=plays())
def test_the_log_is_its_definition(play: Play, count_refused: bool) -> None:
    """Served is who finds fewer than `limit` counted in the window before; so no window holds more than the limit."""
    limiter = make("sliding", play.limit, play.window_s, count_refused=count_refused)
    counted, served = list[int](), list[float]()
    for at in play.times:
        expected = sum(ns(at) - time < play.window for time in counted) < play.limit
        assert limiter.admit(0, at) is expected
        if expected or count_refused:
            counted.append(ns(at))
        if expected:
            served.append(at)
    assert most_in_any_window(served, play.window) <= play.limit


@pytest.mark.parametrize(
    ("mode", "model"),
    [
        ("fixed", servers.Fixed),
        ("fixed-from-first", servers.FixedFromFirst),
        ("counter", servers.SlidingCounter),
        ("bucket", servers.TokenBucket),
        ("gcra", servers.Gcra),
    ],
)
@given(play=plays())
def test_the_others_are_what_the_budgets_tests_take_for_them(mode: str, model: type[servers.Fixed], play: Play) -> None:
    """Against models that were written from the definitions for another room: the same requests are served."""
    limiter, reference = make(mode, play.limit, play.window_s), model(play.limit, play.window)
    assert [limiter.admit(0, at) for at in play.times] == [reference.admits(ns(at)) for at in play.times]


@given(plays())
def test_no_aligned_window_is_over_the_limit(play: Play) -> None:
    """Of `fixed`; of `counter` as well, which counts more than the window."""
    for mode in ("fixed", "counter"):
        served = admitted(play.limiter(mode), play.times)
        assert all(number <= play.limit for number in Counter(ns(at) // play.window for at in served).values())


def most(mode: str, limit: int) -> int:
    """What can be served in any window, and no more.

    fixed: a window touches two aligned ones, each of them full. fixed-from-first: the same, but it begins after the
    first request of the earlier one, or it would touch no other. counter: c of the last window and x of this one, up
    to the part f < 1 of it, where c * (1 - f) + x <= limit; so c + x <= limit + c * f < 2 * limit. bucket, gcra: no
    more than a full bucket, and what flows in before the window ends, less than `limit`.
    """
    return {"sliding": limit, "fixed": 2 * limit}.get(mode, 2 * limit - 1)


# At a limit of 3 in 60 seconds: these times, all of them served, are within less than 60 seconds of the first that
# counts, and as many as `most` says.
REACHED = {
    "sliding": [0.0, 0.0, 0.0],
    "fixed": [59.0, 59.0, 59.0, 60.0, 60.0, 60.0],
    "fixed-from-first": [0.0, 59.0, 59.0, 60.0, 60.0, 60.0],
    "counter": [59.0, 59.0, 59.0, 80.0, 100.0],
    "bucket": [0.0, 0.0, 0.0, 20.0, 40.0],
    "gcra": [0.0, 0.0, 0.0, 20.0, 40.0],
}


@of_each_mode
@given(play=plays(starts=(0.0,), size=40))
def test_no_window_lets_more_through_than_it_is_said_to(mode: str, play: Play) -> None:
    """At most the bound of `most`, whether refused requests count or not."""
    assert most_in_any_window(admitted(play.limiter(mode), play.times), play.window) <= most(mode, play.limit)


@of_each_mode
def test_as_many_as_is_said_are_let_through(mode: str) -> None:
    """The bound is reached by requests that can be written down, so the table of meanings says no less and no more."""
    limiter = make(mode, 3, 60.0)
    assert admitted(limiter, REACHED[mode]) == REACHED[mode]
    assert most_in_any_window(REACHED[mode], 60 * NS) == most(mode, 3)
    said = {3: "at most the limit", 6: "2 x limit where", 5: "`bucket`" if mode == "gcra" else "2 x limit - 1"}
    assert said[most(mode, 3)] in LIMITERS[mode]


@given(plays())
def test_gcra_and_the_bucket_are_one(play: Play) -> None:
    """They serve the same, and tell the same of it, refused requests counted or not."""
    bucket, gcra = play.limiter("bucket"), play.limiter("gcra")
    for at in play.times:
        assert bucket.admit(0, at) == gcra.admit(0, at)
        assert bucket.remaining(0, at) == gcra.remaining(0, at)
        assert bucket.wait_s(0, at) == gcra.wait_s(0, at)


# --- what they tell ---


def earlier(at: float) -> float:
    """Two nanoseconds, or what a float can tell apart if that is more."""
    return min(at - 2 / NS, math.nextafter(at, -math.inf))


@of_each_mode
@settings(max_examples=60)
@given(play=plays(size=15))
def test_wait_and_remaining_are_exact(mode: str, play: Play) -> None:
    """Served after just that wait, and not a moment before; `remaining` are served in a row, and no one more."""
    limiter = play.limiter(mode)
    for at in play.times:
        for _ in range(2):
            wait_s, remaining = limiter.wait_s(0, at), limiter.remaining(0, at)
            trial = deepcopy(limiter)
            assert [trial.admit(0, at) for _ in range(remaining + 1)] == [True] * remaining + [False]
            assert (wait_s == 0) == (remaining > 0)
            assert deepcopy(limiter).admit(0, at + wait_s)
            if wait_s > 0:
                before = max(at, earlier(at + wait_s))
                assert limiter.wait_s(0, before) > 0
                assert limiter.remaining(0, before) == 0
                assert not deepcopy(limiter).admit(0, before)
            limiter.admit(0, at)


def test_a_wait_is_long_enough_when_its_sum_is_rounded_down() -> None:
    """What must be added to a small time for a large one lies between two floats; the later of them is told."""
    at = 1000 + 2.0**-27  # half a step of the floats around 1e8
    limiter = make("sliding", 1, 1e8)
    assert limiter.admit(0, at)
    assert limiter.admit(0, at + limiter.wait_s(0, at))


@pytest.mark.parametrize("mode", ["sliding", "fixed-from-first", "bucket", "gcra"])
def test_a_window_later_is_a_window_later(mode: str) -> None:
    """However the sums of floats round: 60 s after it came a request gives its place back, and not 2 ns before."""
    for start in (1000.1, 3.3, 86_400.7, 1_234_567.89):
        limiter = make(mode, 1, 60.0)
        assert admitted(limiter, [start, start + 60 - 2 / NS, start + 60]) == [start, start + 60]


# At a limit of 2 in 10 seconds, served at 20 and 20, refused at 21 and 22: the seconds to wait then, if refused
# requests do not count, and if they do.
WAITS = {
    "sliding": (8.0, 9.0),  # until 20 is 10 s old; until 21 is
    "fixed": (8.0, 8.0),  # the window is full anyhow
    "fixed-from-first": (8.0, 8.0),
    "counter": (13.0, 15.5),  # until half of 2 overlaps; until a quarter of 4 does
    "bucket": (3.0, 5.0),  # 0.4 of a token is there; it was taken
    "gcra": (3.0, 5.0),
}


@of_each_mode
@pytest.mark.parametrize("count_refused", [False, True])
def test_what_a_refused_request_costs(mode: str, count_refused: bool) -> None:
    """Nothing by default; if it counts, what the mode's docstring says."""
    limiter = make(mode, 2, 10.0, count_refused=count_refused)
    assert [limiter.admit(0, at) for at in (20.0, 20.0, 21.0, 22.0)] == [True, True, False, False]
    assert limiter.wait_s(0, 22.0) == WAITS[mode][count_refused]
    assert limiter.refused == 2


@of_each_mode
@given(play=plays(), keys=st.lists(st.integers(0, 1), min_size=25, max_size=25))
def test_keys_are_independent(mode: str, play: Play, keys: list[int]) -> None:
    """Each is served as if it were alone, and the refused of all are summed."""
    alone, both = [play.limiter(mode), play.limiter(mode)], play.limiter(mode)
    for key, at in zip(keys, play.times, strict=False):
        assert both.admit(key, at) == alone[key].admit(0, at)
        assert both.remaining(key, at) == alone[key].remaining(0, at)
    assert both.refused == alone[0].refused + alone[1].refused


@of_each_mode
@given(play=plays())
def test_clear_forgets(mode: str, play: Play) -> None:
    """Then it is as new, `refused` too."""
    limiter, new = play.limiter(mode), play.limiter(mode)
    admitted(limiter, [at for at in play.times for _ in range(3)])
    limiter.clear()
    assert limiter.refused == 0
    assert [limiter.admit(0, at) for at in play.times] == [new.admit(0, at) for at in play.times]


@of_each_mode
def test_looking_changes_nothing(mode: str) -> None:
    """A key that was only asked about opens no window and takes no memory."""
    limiter = make(mode, 1, 60.0)
    assert (limiter.wait_s(0, 5.0), limiter.remaining(0, 5.0)) == (0.0, 1)
    assert limiter.admit(0, 50.0)
    assert limiter.wait_s(0, 50.0) == {"fixed": 10.0, "counter": 70.0}.get(mode, 60.0)


@of_each_mode
@pytest.mark.parametrize("count_refused", [False, True])
def test_what_is_kept_of_a_key_does_not_grow(mode: str, count_refused: bool) -> None:
    """The log keeps `limit` times at most, the others one, two or three numbers."""
    limiter = make(mode, 5, 60.0, count_refused=count_refused)
    for number in range(1000):
        limiter.admit(0, number / 10)
    state = limiter._states[0]  # type: ignore[attr-defined]  # what is inside
    if isinstance(limiter, SlidingLog):
        assert len(state) <= 5
    else:
        assert isinstance(state, int) or (len(state) <= 3 and all(isinstance(each, int) for each in state))


# --- who is never refused ---


def strict(play: Play, limit: int) -> list[float]:
    """Those of the times that leave never more than `limit` in a window, its last nanosecond included."""
    kept: list[float] = []
    for at in play.times:
        if len(kept) < limit or ns(at) - ns(kept[-limit]) > play.window:
            kept.append(at)
    return kept


@pytest.mark.parametrize("mode", [mode for mode in MODES if mode != "counter"])
@given(play=plays(size=60))
def test_a_strict_client_is_never_refused(mode: str, play: Play) -> None:
    """Whoever sends at most the limit in any window; by `counter` alone that can be refused, see below."""
    times = strict(play, play.limit)
    assert admitted(play.limiter(mode), times) == times


@given(play=plays(size=60))
def test_the_counter_never_refuses_half_the_limit(play: Play) -> None:
    """It takes the last window's requests as spread evenly: only half the limit in any window is safe from it."""
    times = strict(play, play.limit)
    assert admitted(make("counter", 2 * play.limit, play.window_s), times) == times
    limiter = make("counter", 3, 60.0)
    assert admitted(limiter, [60.0, 60.0, 121.0, 121.0]) == [60.0, 60.0, 121.0]  # never more than 2, and one too many


# --- over HTTP ---

ASKED = [1000.0, 1010.0, 1019.0, 1020.0, 1020.0, 1059.0, 1060.0, 1061.0, 1079.5, 1080.0]
SERVED = {  # at a limit of 2 in 60 seconds; aligned windows begin at 960, 1020 and 1080
    "sliding": [1000.0, 1010.0, 1060.0, 1079.5],
    "fixed": [1000.0, 1010.0, 1020.0, 1020.0, 1080.0],
    "fixed-from-first": [1000.0, 1010.0, 1060.0, 1061.0],
    "counter": [1000.0, 1010.0, 1059.0, 1080.0],
    "bucket": [1000.0, 1010.0, 1059.0, 1060.0],
    "gcra": [1000.0, 1010.0, 1059.0, 1060.0],
    "off": ASKED,
}


@pytest.mark.parametrize("mode", LIMITERS)
async def test_the_recorder_proves_the_mode(mode: str) -> None:
    """The same requests to a running sandbox of each mode: `requests` tells which were served, the rest were 429."""
    clock = Clock()
    async with Sandbox(limiter=mode, limit=2, clock=clock) as sandbox:
        for clock.at in ASKED:
            await call(sandbox, "GET", "/campaigns")
    assert [record.at for record in sandbox.requests] == ASKED
    assert [record.at for record in sandbox.requests if record.status == 200] == SERVED[mode]
    assert sum(record.status == 429 for record in sandbox.requests) == sandbox.refused == len(ASKED) - len(SERVED[mode])
