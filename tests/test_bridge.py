"""The bridge, tortured: no hang, no noise, and nothing of a parent's is touched, with every warning an error."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextvars import ContextVar
from pathlib import Path

import pytest

from onboard360_async.bridge import iterate, run

ROOT = Path(__file__).parents[1]

SCRIPTS = {
    "interrupted": ["ended", "interrupted", "onboard360"],
    "interrupted_iteration": ["1", "closed", "interrupted"],
    "exits": ["exit 3", "onboard360"],
    "in_a_loop": ["1 RuntimeWarning", "MainThread", "MainThread", "MainThread"],
    "reentered": ["refused", "refused"],
    "threads": ["16 {'onboard360'} 1"],
    "forked": ["child onboard360", "0", "onboard360", "child onboard360", "0", "child onboard360", "0 onboard360"],
    "forked_and_left": ["0"],
    "forked_handle": ["1", "1 [200, 200, 200]"],
    "pools": ["['onboard360', 'onboard360']", "['onboard360', 'onboard360']", "onboard360"],
    "left_open": ["0", "closed", "ended"],
    "from_del": ["too late"],
    "collected": ["0", "closed", "0", "closed"],
}


@pytest.mark.parametrize("script", SCRIPTS)
def test_torture(script: str) -> None:
    """Each script of bridge_torture, in a process of its own, says exactly this and nothing on stderr."""
    flags = ["-X", "dev", "-W", "error"]
    if sys.version_info >= (3, 12):  # forking beside threads is the user's own risk there, and Python says so
        flags += ["-W", "ignore:This process:DeprecationWarning"]
    command = [sys.executable, *flags, "-m", "tests.bridge_torture", script]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=15, check=False)
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert (sorted(lines) if script == "left_open" else lines) == (
        sorted(SCRIPTS[script]) if script == "left_open" else SCRIPTS[script]
    )
    assert done.returncode == 0


def test_a_call_gives_its_result_or_its_own_error() -> None:
    """The very exception, with the line that raised it."""
    error = ValueError("mine")

    async def fail() -> None:
        raise error

    for _ in range(3):
        error.__traceback__ = None
        with pytest.raises(ValueError, match="mine") as caught:
            run(fail)
        assert caught.value is error
        assert len(caught.traceback) < 10


def test_the_callers_context_is_copied() -> None:
    """Values are seen there; what is set there stays there."""
    variable: ContextVar[int] = ContextVar("variable", default=0)
    variable.set(1)

    async def look() -> int:
        seen = variable.get()
        variable.set(2)
        return seen

    assert (run(look), variable.get()) == (1, 1)


def test_an_iteration_is_one_batch_ahead() -> None:
    """While one batch is used the next is fetched, and no more than that."""
    made: list[int] = []
    fetched = ContextVar[int]("fetched", default=0)

    async def batches() -> AsyncGenerator[int, None]:
        for number in range(10):
            made.append(number)
            fetched.set(number)
            yield number

    async def settle() -> None:
        for _ in range(5):
            await asyncio.sleep(0)

    reader = iterate(batches)
    assert next(reader) == 0
    run(settle)
    assert made == [0, 1]
    assert next(reader) == 1
    run(settle)
    assert made == [0, 1, 2]
    reader.close()
    assert fetched.get() == 0


def test_an_iteration_ends_as_it_should() -> None:
    """All of it, early by break, or with the error of the generator after what came before it."""
    closed: list[str] = []

    async def batches(fails: bool) -> AsyncGenerator[int, None]:
        try:
            yield 1
            yield 2
            if fails:
                raise ZeroDivisionError
        finally:
            closed.append("closed")

    assert list(iterate(lambda: batches(False))) == [1, 2]
    for number in iterate(lambda: batches(False)):
        assert number == 1
        break
    seen: list[int] = []
    with pytest.raises(ZeroDivisionError):
        seen.extend(iterate(lambda: batches(True)))
    assert closed == ["closed"] * 3
