"""Jobs that are run two at a time and told of in a table: what is made of `dev matrix`, whatever the jobs do.

Standard library only. Knows no package and no Python, only how a command is run and what became of it.
"""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

__all__ = ["FailedError", "NotHereError", "Row", "Series", "plain", "run", "run_all", "table"]

AT_ONCE = 2
PATIENCE_S = 1_800  # for one command: a whole test suite at most
LINES = 40  # the last of what a failed command said
# What a series does, one after the other, by name; each may say in a few words what it saw.
Series = Mapping[str, Callable[[], str]]


class FailedError(Exception):
    """It does not hold; the message is what is shown."""


class NotHereError(Exception):
    """It cannot be tried on this machine; the message says why."""


@dataclass(frozen=True)
class Row:
    """What became of one thing that was tried."""

    name: str
    state: str  # "ok", "FAILED" or "not here"
    seconds: float = 0.0
    said: str = ""


def plain() -> dict[str, str]:
    """The environment as the caller's shell has it: without the one that this runs in, and with pip left alone."""
    ours = str(Path(sys.prefix, "bin"))
    path = [part for part in os.environ.get("PATH", os.defpath).split(os.pathsep) if part != ours]
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONWARNINGS")}
    return kept | {"PATH": os.pathsep.join(path), "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"}


def run(
    *command: str | Path, where: Path | None = None, env: Mapping[str, str] | None = None, user: int | None = None
) -> str:
    """What the command said on stdout and stderr. FailedError, with the end of that, if it fails or takes too long."""
    groups: dict[str, object] = {} if user is None else {"user": user, "group": user, "extra_groups": []}
    try:
        done = subprocess.run(
            command,
            cwd=where,
            env={**plain(), **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=PATIENCE_S,
            check=False,
            **groups,  # type: ignore[call-overload]  # all of them are its own
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise FailedError(f"$ {' '.join(map(str, command))}\n{error}") from None
    said = str(done.stdout)
    if done.returncode != 0:
        lines = [line for line in said.splitlines() if not line.startswith("WARNING: Location")][-LINES:]
        raise FailedError("\n".join([f"$ {' '.join(map(str, command))}", *lines, f"exit code {done.returncode}"]))
    return said


def run_all(series: Sequence[Series]) -> list[Row]:
    """Each series in its order, two of them at a time; a line as each thing ends, and what a failed one said."""
    speaking = threading.Lock()

    def run_one(steps: Series) -> list[Row]:
        rows: list[Row] = []
        for name, step in steps.items():
            rows.append(_row(name, step, rows))
            with speaking:
                print(line(rows[-1]), flush=True)
                if rows[-1].state == "FAILED":
                    print(rows[-1].said, flush=True)
        return rows

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return [row for rows in pool.map(run_one, series) for row in rows]


def _row(name: str, step: Callable[[], str], before: Sequence[Row]) -> Row:
    """What became of it. What cannot be tried here takes all with it that would have come after it."""
    absent = next((row for row in before if row.state == "not here"), None)
    if absent:
        return Row(name, "not here", 0.0, absent.said)
    began = time.monotonic()
    try:
        state, said = "ok", step()
    except NotHereError as error:
        state, said = "not here", str(error)
    except FailedError as error:
        state, said = "FAILED", str(error)
    return Row(name, state, time.monotonic() - began, said)


def line(row: Row) -> str:
    """One line; of what a failure said nothing, since that is many."""
    said = "" if row.state == "FAILED" or not row.said else f": {row.said}"
    return f"{row.state:8} {row.name} ({row.seconds:.0f} s){said}"


def table(rows: Sequence[Row]) -> tuple[str, int]:
    """All lines, those last that need a look, and how many are of which kind.

    The exit code: 1 if one failed, or none is ok: what nobody could try does not hold.
    """
    states = ("ok", "not here", "FAILED")
    lines = [line(row) for state in states for row in rows if row.state == state]
    counts = ", ".join(f"{sum(row.state == state for row in rows)} {state}" for state in states)
    found = {row.state for row in rows}
    return "\n".join([*lines, counts]), int("ok" not in found or "FAILED" in found)
