"""Processes that take orders: each way that is measured has one of its own, and all have their turn in every round.

An order is a line of words on stdin, its answer a line of JSON on stdout. Knows neither a benchmark nor HTTP.
"""

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

__all__ = ["Worker", "beside", "interleaved", "medians", "obey", "workers"]

ROOT: Final = Path(__file__).parents[1]

Rounds = Mapping[str, Sequence[float]]  # by way, a figure a round


class Worker:
    """The process of one way."""

    def __init__(self, command: Sequence[str], env: Mapping[str, str] | None = None) -> None:
        self._command = " ".join(command)
        self._process = subprocess.Popen(
            [sys.executable, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=env
        )

    def order(self, *words: object) -> Any:
        """Have it done, and be told how it went."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(*words, file=self._process.stdin, flush=True)
        if not (line := self._process.stdout.readline()):
            raise RuntimeError(f"{self._command} ended at {words}")
        return json.loads(line)

    def end(self) -> None:
        """There is nothing left to do."""
        self._process.communicate()


@contextlib.contextmanager
def workers(commands: Mapping[str, Sequence[str]], env: Mapping[str, str] | None = None) -> Iterator[dict[str, Worker]]:
    """One for each way, until the block ends."""
    with contextlib.ExitStack() as stack:
        hired: dict[str, Worker] = {}
        for name, command in commands.items():
            hired[name] = Worker(command, env)
            stack.callback(hired[name].end)
        yield hired


def obey(carry_out: Callable[[Sequence[str]], object]) -> None:
    """The other side: until stdin ends, one order after another."""
    for line in sys.stdin:
        print(json.dumps(carry_out(line.split())), flush=True)


def interleaved(turns: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """A figure a round for each way, in rounds in which every way has its turn, after one that warms up."""
    took: dict[str, list[float]] = {name: [] for name in turns}
    for number in range(rounds + 1):
        for name, turn in turns.items():
            figure = turn()
            if number:
                took[name].append(figure)
    return took


def medians(took: Rounds) -> dict[str, float]:
    """Of each way."""
    return {name: median(each) for name, each in took.items()}


def beside(took: Rounds, name: str, base: str) -> float:
    """How much a way took beside another: the median of what each round says, whatever else the machine did then."""
    return median(mine / theirs for mine, theirs in zip(took[name], took[base], strict=True))
