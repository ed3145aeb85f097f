"""Both handles at work while much goes wrong: nothing is left, and memory stays where it was. Longer by `--soak`."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from tests.soak import FAULTS

ROOT = Path(__file__).parents[1]
SHORT_S = 15
MARGIN_S = 60  # for both processes to start and end
MOST_GROWTH_BYTES = 4 * 1024 * 1024  # between the middle and the end: allocators keep some, and a leak takes more
MOST_GROWTH_OBJECTS = 3_000


@contextmanager
def service() -> Iterator[dict[str, str]]:
    """The sandbox in a process of its own, with all its faults; the variables that lead to it."""
    faults = [part for fault in FAULTS for part in ("--fault", fault)]
    command = [sys.executable, "-m", "onboard360_async.sandbox", "--port", "0", "--limiter", "off", *faults]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            told: dict[str, str] = {}
            while len(told) < 2:
                told |= dict(re.findall(r"^export (\w+)=(\S+)$", process.stdout.readline(), re.MULTILINE))
            yield told
        finally:
            process.terminate()


def soaked(seconds: float) -> dict[str, Any]:
    """What a soak saw and left."""
    with service() as variables:
        done = subprocess.run(
            [sys.executable, "-X", "dev", "-W", "error", "-m", "tests.soak", str(seconds)],
            cwd=ROOT,
            env=os.environ | variables,
            capture_output=True,
            text=True,
            timeout=seconds + MARGIN_S,
            check=False,
        )
    assert (done.returncode, done.stderr) == (0, "")
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen


def check(seen: dict[str, Any], seconds: float) -> None:
    """Nothing is left, memory is flat, and it was not for want of work."""
    assert seen["here"] == seen["on_the_bridge"] == {"tasks": 0, "timers": 0}
    assert seen["waiting"] == 0
    # What stays until the process ends: the private loop's thread, its selector and its pair of sockets.
    assert (seen["threads"], seen["descriptors"]) == (1, 3)
    told = seen["seen"]
    ends = sum(told[name] for name in ("done", "failed", "cancelled", "left"))
    assert ends > 10 * seconds
    for name in ("retried", "cancelled", "left", "OutcomeUnknownError", "AnswerLostError", "DeadlineError"):
        assert told.get(name, 0) > 0, name
    sizes, objects = zip(*seen["samples"], strict=True)
    for values, most in ((sizes, MOST_GROWTH_BYTES), (objects, MOST_GROWTH_OBJECTS)):
        third = len(values) // 3
        assert median(values[-third:]) - median(values[third : 2 * third]) < most, values


@pytest.mark.soak
@pytest.mark.timeout(SHORT_S + MARGIN_S + 10)
def test_nothing_is_left_after_a_while() -> None:
    """A quarter of a minute with a fault in every fourth request: no task, timer, socket or file, and flat memory."""
    check(soaked(SHORT_S), SHORT_S)


@pytest.mark.soak
@pytest.mark.timeout(0)  # as long as it was told, and the margin
def test_nothing_is_left_after_a_long_while(pytestconfig: pytest.Config) -> None:
    """The same for as many minutes as `--soak` says: what leaks a little shows in ten of them."""
    minutes = pytestconfig.getoption("--soak")
    if not minutes:
        pytest.skip("only with --soak MINUTES")
    seconds = 60 * minutes
    check(soaked(seconds), seconds)
