"""Ten ways to get the rule wrong, as changes to the text of window.py, and the checks that must notice each of them.

`load(name)` gives the changed module; it fails if a text to be changed is not there exactly once, so that no mutation
turns into nothing unseen. `python -m tests.budget.mutations` prints which check notices which.
"""

import random
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Final

from onboard360_async.budget import window as original
from tests.budget.histories import Traffic, agree, play, random_steps
from tests.budget.servers import servers_of

Changes = tuple[tuple[str, str], ...]

MUTATIONS: Final[Mapping[str, Changes]] = {
    "history cut to 1 W": (("oldest = now - 2 * self.span_ns", "oldest = now - self.span_ns"),),
    "settle 6 % early": (
        (
            "        self._held -= 1\n        if at <",
            "        self._held -= 1\n        at -= self.span_ns * 6 // 100\n        if at <",
        ),
    ),
    "phases dropped": (("        if self._held + len(self._times) >= limit", "        if False"),),
    "phases never drawn": (
        ("            if not self._is_drawn:\n                self._draw()\n            wait", "            wait"),
    ),
    "phases drawn too late": (
        ("        if self._held + len(self._times) >= limit", "        if self._held + len(self._times) > limit + 1"),
    ),
    "a late settle before the last window not told apart": (
        ("            self._draw()\n        elif", "            pass\n        elif"),
    ),
    "only the phases settle + W dropped": (("                self._mark_leaving(index)\n", "                pass\n"),),
    "(a - W, a] for [a - W, a)": (
        ("if not times or times[-1] != at:", "if True:"),
        ("            before = self._base + len(times)\n", "            before = self._base + len(times) + 1\n"),
        ("times[before] < at:", "times[before] <= at:"),
    ),
    "in flight not counted": (
        ("over = self._held + settled + 1", "over = settled + 1"),
        ("out = self.span_ns, self._out - limit", "out = self.span_ns, self._out - self._held - limit"),
    ),
    "a late settle appended unsorted": (("insort(self._times, at)", "self._times.append(at)"),),
}


def load(name: str) -> ModuleType:
    """window.py with a mutation; AssertionError if it does not hold the text to be changed any more."""
    source = Path(str(original.__file__)).read_text(encoding="utf-8")
    for old, new in MUTATIONS[name]:
        assert source.count(old) == 1, f"{name}: the text to be changed is not in window.py exactly once: {old!r}"
        source = source.replace(old, new)
    module = ModuleType("mutated_window")
    exec(compile(source, "mutated window.py", "exec"), module.__dict__)
    return module


def by_the_letter(module: ModuleType, *, rounds: int = 300) -> None:
    """Grant for grant the rule by the letter, over random histories in windows of a few nanoseconds."""
    rng = random.Random(7)
    for _ in range(rounds):
        agree(module, rng.randint(1, 6), rng.randint(1, 20), random_steps(rng, 80))


def tiny_servers(module: ModuleType, *, rounds: int = 60) -> None:
    """No 429 in windows of a few nanoseconds, where a server at *every* alignment fits and most events coincide."""
    rng = random.Random(11)
    for _ in range(rounds):
        limit, window = rng.randint(1, 6), rng.randint(6, 20)
        traffic = Traffic(60, gap=rng.choice((0, 2, window)), trip=rng.choice((0, 3, window)), late=0.4, unsent=0.1)
        servers = servers_of(limit, window, tuple(range(window)))
        assert play(module, limit, window, traffic, servers, rng).refused == 0


def real_servers(module: ModuleType, *, requests: int = 1000) -> None:
    """No 429 at 100 a minute, with 0 to 1.2 s from sending to answer, stalls and answers told late."""
    rng = random.Random(13)
    second = 10**9
    for traffic in (
        Traffic(requests, trip=1_200_000_000),
        Traffic(requests, gap=second, trip=25 * second, lost=0.2, late=0.3),
    ):
        servers = servers_of(100, 60 * second, tuple(rng.randrange(60 * second) for _ in range(4)))
        assert play(module, 100, 60 * second, traffic, servers, rng).refused == 0


CHECKS: Final[tuple[Callable[[ModuleType], None], ...]] = (by_the_letter, tiny_servers, real_servers)


def noticed_by(name: str) -> list[str]:
    """The checks that a mutation fails."""
    found, mutated = [], load(name)
    for check in CHECKS:
        try:
            check(mutated)
        except AssertionError:
            found.append(check.__name__)
    return found


if __name__ == "__main__":
    for mutation in MUTATIONS:
        print(f"{mutation:35} {', '.join(noticed_by(mutation)) or 'NOT NOTICED'}")
