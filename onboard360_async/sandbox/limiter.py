"""The minute: which requests of a key are refused with 429, cut in any of several ways. Knows neither HTTP nor a clock.

Source: API page, "Error Handling" (429, 100 requests/minute).

Times come in as seconds and are kept in whole nanoseconds, so that all here is exact: sums, comparisons and what
`wait_s` and `remaining` tell. The times of a key must not go back. "Any window" is one that begins with a request and
ends just before `window_s` have passed.
"""

import math
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping
from typing import Final, Generic, NamedTuple, Protocol, TypeVar

__all__ = [
    "LIMITERS",
    "Bucket",
    "Fixed",
    "FixedFromFirst",
    "Gcra",
    "Limiter",
    "SlidingCounter",
    "SlidingLog",
    "make_limiter",
]

# UNDOCUMENTED: how the service cuts its minute. We take the first, which holds the limit in any window; pinned by
# tests/sandbox/test_limit.py. What each of the others lets through is pinned by tests/sandbox/test_limiter_modes.py.
LIMITERS: Final[Mapping[str, str]] = {
    "sliding": "at most the limit in any window, by a log of times",
    "fixed": "windows aligned to the clock; up to 2 x limit where two meet",
    "fixed-from-first": "a window begins with the first request after the last one; up to 2 x limit - 1 where two meet",
    "counter": "this aligned window's count plus the last one's, weighted by its overlap; up to 2 x limit - 1",
    "bucket": "a token bucket of the limit, refilled evenly over a window; up to 2 x limit - 1 in the first",
    "gcra": "the generic cell rate algorithm with a burst of the limit; lets through what `bucket` does",
    "off": "nobody is refused",
}
"""The ways to cut the minute, and what each lets through."""
_NS: Final = 1_000_000_000  # nanoseconds in a second
_MOST: Final = 1_000_000_000  # of requests, and of seconds: whatever is more cannot be meant

State = TypeVar("State")


class Limiter(Protocol):
    """Counts requests of keys, each for itself, and says which are refused."""

    refused: int  # so far, of all keys

    def admit(self, key: int, at: float) -> bool:
        """Whether the request of this key, at this second, is served. Counts it."""

    def wait_s(self, key: int, at: float) -> float:
        """Seconds until this key is served again, if it sends nothing until then; 0 if it would be now.

        `at + wait_s` is served, and no moment that is earlier by two nanoseconds (or by what a float of that size can
        tell apart, if that is more).
        """

    def remaining(self, key: int, at: float) -> int:
        """How many requests of this key would be served at this second, one after the other."""

    def clear(self) -> None:
        """Forget everything, `refused` too."""


class _Counting(ABC, Generic[State]):
    """What all have in common: the checks, the state of each key, whether a refused request counts.

    UNDOCUMENTED: whether a refused request counts too; by default it does not. Pinned by tests/sandbox/test_limit.py.
    """

    def __init__(self, *, limit: int, window_s: float, count_refused: bool) -> None:
        if not (isinstance(limit, int) and 1 <= limit <= _MOST):
            raise ValueError(f"limit must be a whole number from 1 to {_MOST}, not {limit!r}")
        if not (isinstance(window_s, int | float) and 1 / _NS <= window_s <= _MOST):
            raise ValueError(f"window_s must be a number of seconds, a nanosecond to {_MOST} s, not {window_s!r}")
        self.refused: int = 0
        self._limit = limit
        self._window = _ns(window_s)
        self._count_refused = count_refused
        self._states: dict[int, State] = {}

    def admit(self, key: int, at: float) -> bool:
        now = _ns(at)
        state = self._state(key, now)
        admitted = self._room(state, now) > 0
        if admitted or self._count_refused:
            state = self._counted(state, now)
        self._states[key] = state
        self.refused += not admitted
        return admitted

    def wait_s(self, key: int, at: float) -> float:
        now = _ns(at)
        state = self._state(key, now)
        return 0.0 if self._room(state, now) > 0 else _seconds_until(self._opens(state, now), at)

    def remaining(self, key: int, at: float) -> int:
        now = _ns(at)
        return max(0, self._room(self._state(key, now), now))

    def clear(self) -> None:
        self._states.clear()
        self.refused = 0

    def _state(self, key: int, now: int) -> State:
        return self._states[key] if key in self._states else self._start(now)

    @abstractmethod
    def _start(self, now: int) -> State:
        """The state of a key that has sent nothing."""

    @abstractmethod
    def _room(self, state: State, now: int) -> int:
        """How many would be served now; none if it is 0 or less."""

    @abstractmethod
    def _opens(self, state: State, now: int) -> int:
        """When there is room again, in nanoseconds. Asked only while there is none."""

    @abstractmethod
    def _counted(self, state: State, now: int) -> State:
        """The state after a request, which was served if there was room."""


class SlidingLog(_Counting[deque[int]]):
    """At most `limit` requests of a key in any window: an exact log, of `limit` times a key.

    A refused request that counts holds a place for `window_s` like any other.
    """

    def _start(self, now: int) -> deque[int]:  # noqa: ARG002 - as all
        return deque(maxlen=self._limit)  # older ones decide nothing

    def _room(self, state: deque[int], now: int) -> int:
        while state and now - state[0] >= self._window:
            state.popleft()
        return self._limit - len(state)

    def _opens(self, state: deque[int], now: int) -> int:  # noqa: ARG002 - as all
        return state[0] + self._window

    def _counted(self, state: deque[int], now: int) -> deque[int]:
        state.append(now)
        return state


class _Window(NamedTuple):
    """How many were counted since a window began."""

    began: int
    held: int


class Fixed(_Counting[_Window]):
    """At most `limit` in each window; windows are aligned to the clock: they begin at multiples of `window_s` since 0.

    In any window that is 2 x `limit` at most. A refused request changes nothing, counted or not: its window is full.
    """

    def _start(self, now: int) -> _Window:
        return _Window(now - now % self._window, 0)

    def _room(self, state: _Window, now: int) -> int:
        return self._limit - (state.held if now < state.began + self._window else 0)

    def _opens(self, state: _Window, now: int) -> int:  # noqa: ARG002 - as all
        return state.began + self._window

    def _counted(self, state: _Window, now: int) -> _Window:
        began, held = state if now < state.began + self._window else self._start(now)
        return _Window(began, held + 1)


class FixedFromFirst(Fixed):
    """At most `limit` in each window; a window begins with the first request after the last one ended.

    In any window that is 2 x `limit` - 1 at most: the first of two that meet is in its own alone. A refused request
    changes nothing, counted or not.
    """

    def _start(self, now: int) -> _Window:
        return _Window(now, 0)


class _Counts(NamedTuple):
    """How many were counted since an aligned window began, and in the one before it."""

    began: int
    held: int
    before: int


class SlidingCounter(_Counting[_Counts]):
    """Two aligned windows: the count of the last one, as far as it overlaps, and of this one are at most `limit`.

    In any window that is 2 x `limit` - 1 at most. A refused request that counts weighs on the next window, too: who
    sends many is refused for up to two windows more.
    """

    def _start(self, now: int) -> _Counts:
        return _Counts(now - now % self._window, 0, 0)

    def _moved(self, state: _Counts, now: int) -> _Counts:
        """The same two counts as seen from now."""
        past = (now - state.began) // self._window  # windows that have ended since
        if past == 0:
            return state
        return _Counts(state.began + past * self._window, 0, state.held if past == 1 else 0)

    def _room(self, state: _Counts, now: int) -> int:
        began, held, before = self._moved(state, now)
        overlap = began + self._window - now
        return (self._limit * self._window - before * overlap) // self._window - held

    def _opens(self, state: _Counts, now: int) -> int:
        began, held, before = self._moved(state, now)
        while True:  # two windows on both counts are 0, and there is room
            spare = self._limit - 1 - held  # what may overlap
            if spare >= 0:
                overlap = min(self._window, spare * self._window // before) if before else self._window
                if overlap > 0:
                    return began + self._window - overlap
            began, held, before = began + self._window, 0, held

    def _counted(self, state: _Counts, now: int) -> _Counts:
        began, held, before = self._moved(state, now)
        return _Counts(began, held + 1, before)


class _Level(NamedTuple):
    """What was in the bucket at a time, in tokens times the window's nanoseconds."""

    level: int
    seen: int


class Bucket(_Counting[_Level]):
    """A token bucket: it holds `limit` tokens, is refilled by `limit` a window, evenly, and a request takes one.

    In any window that is 2 x `limit` - 1 at most: a full bucket, and what flows in. A refused request that counts
    takes what is there, less than a token: the bucket is empty then, and never owes.
    """

    def _start(self, now: int) -> _Level:
        return _Level(self._limit * self._window, now)

    def _level(self, state: _Level, now: int) -> int:
        return min(self._limit * self._window, state.level + (now - state.seen) * self._limit)

    def _room(self, state: _Level, now: int) -> int:
        return self._level(state, now) // self._window

    def _opens(self, state: _Level, now: int) -> int:
        return now + _ceil(self._window - self._level(state, now), self._limit)

    def _counted(self, state: _Level, now: int) -> _Level:
        return _Level(max(0, self._level(state, now) - self._window), now)


class Gcra(_Counting[int]):
    """The generic cell rate algorithm: `window_s` / `limit` between requests, and a burst of `limit`.

    All it keeps is the theoretical arrival time, here times `limit`: a request moves it on by one interval, and is
    refused if that is more than a window ahead. This lets through exactly what the token bucket does. A refused
    request that counts moves it on as far as it may be, to a window ahead: the empty bucket.
    """

    def _start(self, now: int) -> int:
        return now * self._limit

    def _ahead(self, arrival: int, now: int) -> int:
        return max(0, arrival - now * self._limit)

    def _room(self, state: int, now: int) -> int:
        return (self._limit * self._window - self._ahead(state, now)) // self._window

    def _opens(self, state: int, now: int) -> int:  # noqa: ARG002 - as all
        return _ceil(state - (self._limit - 1) * self._window, self._limit)

    def _counted(self, state: int, now: int) -> int:
        ahead = min(self._ahead(state, now) + self._window, self._limit * self._window)
        return now * self._limit + ahead


_MAKERS: Final[Mapping[str, Callable[..., Limiter]]] = {
    "sliding": SlidingLog,
    "fixed": Fixed,
    "fixed-from-first": FixedFromFirst,
    "counter": SlidingCounter,
    "bucket": Bucket,
    "gcra": Gcra,
}


def make_limiter(name: str, *, limit: int, window_s: float, count_refused: bool) -> Limiter | None:
    """The limiter of that name; None for `off`. ValueError says what is wrong with name or numbers."""
    if name not in tuple(LIMITERS):
        raise ValueError(f"there is no limiter {name!r}; choose one of: {', '.join(LIMITERS)}")
    made = _MAKERS.get(name, SlidingLog)(limit=limit, window_s=window_s, count_refused=count_refused)
    return None if name == "off" else made  # whose numbers are checked all the same: they are shown, and kept


def _ns(seconds: float) -> int:
    numerator, denominator = seconds.as_integer_ratio()  # exact: a product of floats would be rounded twice
    return (2 * numerator * _NS + denominator) // (2 * denominator)


def _ceil(amount: int, divisor: int) -> int:
    return -(-amount // divisor)


def _seconds_until(moment: int, at: float) -> float:
    """What must be added to `at`, in floats, to come to this nanosecond or just past it."""
    goal = moment / _NS
    while _ns(goal) < moment:
        goal = math.nextafter(goal, math.inf)
    wait_s = goal - at
    while at + wait_s < goal:
        wait_s = math.nextafter(wait_s, math.inf)
    return wait_s
