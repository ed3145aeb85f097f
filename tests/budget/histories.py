"""Histories for the window: random steps held against the rule by the letter, and traffic held against servers.

All functions take the module that has the `Window`, so that a mutated one can be tried in its place.
"""

import heapq
import random
from collections.abc import Iterable
from types import ModuleType
from typing import Final

from attrs import define, frozen

from onboard360_async.budget.window import Window
from tests.budget.letter import LetterWindow
from tests.budget.servers import Server

Step = tuple[str, int]
KINDS: Final = ("ask", "ask", "ask", "settle", "settle", "late", "release", "wait", "wait", "window", "pause")


def random_steps(rng: random.Random, count: int) -> list[Step]:
    """Steps as `agree` takes them."""
    return [(rng.choice(KINDS), rng.randrange(30)) for _ in range(count)]


def agree(module: ModuleType, limit: int, window_ns: int, steps: Iterable[Step]) -> None:
    """Play the steps on the window and on the rule by the letter; AssertionError where they differ."""
    window, letter = module.Window(limit, window_ns), LetterWindow(limit, window_ns)
    now = 1000
    for kind, number in steps:
        if kind == "ask":
            _ask(window, letter, now, number if number < limit else 0)
        elif kind == "wait":
            now += number
        elif kind == "window":
            now += window_ns
        elif kind == "pause":
            window.pause_until(now + number - 15)
            letter.pause_until(now + number - 15)
        elif window.held:
            _end(window, letter, kind, now, number)
        assert window.held == letter.held
        assert window.used(now) == letter.used(now)


def _ask(window: Window, letter: LetterWindow, now: int, keep: int) -> None:
    assert window.copy().available(now) == letter.available(now)  # of a copy: to look draws what a grant may not need
    wait = window.reserve(now, keep)
    allowed = letter.reserve(now, keep)
    assert (wait == 0) == allowed
    if wait is None:
        assert not letter.allows(now + 100 * letter.window_ns, keep)
    elif wait:
        assert not letter.allows(now + wait - 1, keep)


def _end(window: Window, letter: LetterWindow, kind: str, now: int, number: int) -> None:
    if kind == "release":
        window.release()
        letter.release()
    else:
        at = now - number if kind == "late" else now
        window.settle(at)
        letter.settle(at)


@frozen
class Traffic:
    """How requests come, and what becomes of them. Times in nanoseconds."""

    requests: int
    gap: int = 0  # the longest time between two that come; 0: as many as there may be
    trip: int = 0  # the longest time from sending to answer
    steady: bool = False  # every trip is the longest
    lost: float = 0.0  # the share that is sent and never answered: a lease of one longest trip
    unsent: float = 0.0  # the share that is never sent: released after up to a trip
    late: float = 0.0  # the share whose settle is told only after up to a trip more


@define
class Outcome:
    """What a history came to."""

    granted: int = 0
    refused: int = 0  # 429s, over all servers
    most_used: int = 0
    trips: int = 0
    first: int = 0
    last: int = 0

    @property
    def rate(self) -> float:
        """Grants per nanosecond after the first."""
        return (self.granted - 1) / max(1, self.last - self.first)

    @property
    def mean_trip(self) -> float:
        """Nanoseconds."""
        return self.trips / max(1, self.granted)


class _Play:
    """One history: what is under way, in order of time."""

    def __init__(self, window: Window, servers: Iterable[Server], traffic: Traffic, rng: random.Random) -> None:
        self.window, self.servers, self.traffic, self.rng = window, list(servers), traffic, rng
        self.events: list[tuple[int, int, str, int]] = []
        self.outcome = Outcome()
        self.now = 10**12 + rng.randrange(10**9)

    def later(self, at: int, what: str, settle_at: int = 0) -> None:
        heapq.heappush(self.events, (at, self.rng.getrandbits(30), what, settle_at))

    def play(self) -> Outcome:
        outcome, traffic = self.outcome, self.traffic
        outcome.first = self.now
        while outcome.granted < traffic.requests:
            wait = self.window.reserve(self.now)
            if wait == 0:
                outcome.granted += 1
                outcome.last = self.now
                self.send()
                wait = self.rng.randint(0, traffic.gap)
            outcome.most_used = max(outcome.most_used, self.window.used(self.now))
            self.pass_time(self.now + wait if wait is not None else None)
        while self.events:
            self.pass_time(None)
        return outcome

    def pass_time(self, until: int | None) -> None:
        """On to `until`, or to the next that settles or is given back, whichever is first."""
        while self.events and (until is None or self.events[0][0] <= until):
            self.now, _, what, settle_at = heapq.heappop(self.events)
            if what == "count":
                self.outcome.refused += sum(not server.admits(self.now) for server in self.servers)
                continue
            if what == "release":
                self.window.release()
            else:
                self.window.settle(settle_at)
            return
        if until is not None:
            self.now = until

    def send(self) -> None:
        rng, traffic = self.rng, self.traffic
        trip = traffic.trip if traffic.steady else rng.randint(0, traffic.trip)
        fate = rng.random()
        if fate < traffic.unsent:
            self.later(self.now + trip, "release")
            return
        if fate < traffic.unsent + traffic.lost:
            trip = traffic.trip
        self.outcome.trips += trip
        answered_at = self.now + trip
        self.later(self.now + rng.randint(0, trip), "count")
        told_at = answered_at + (rng.randint(0, traffic.trip) if rng.random() < traffic.late else 0)
        self.later(told_at, "settle", answered_at)


def play(
    module: ModuleType, limit: int, window_ns: int, traffic: Traffic, servers: Iterable[Server], rng: random.Random
) -> Outcome:
    """Send the traffic through a window, and count it at the servers somewhere between sending and answer."""
    return _Play(module.Window(limit, window_ns), servers, traffic, rng).play()
