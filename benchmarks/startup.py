"""`python3 dev bench startup`: what a whole process takes that only imports, ours beside those of others.

CPU and wall milliseconds from the start of Python to its end, and the memory that is resident after the import. In each
round every one has its turn; the first, which warms the disk's cache and compiles what was not compiled yet, does not
count. A figure is the median of the rounds, a ratio the median of what each round says. Ours is as it is installed by
default, without orjson. Options: --rounds.
"""

import argparse
import importlib.util
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final

from attrs import frozen

from benchmarks.orders import ROOT, beside
from benchmarks.table import Row, Table, print_all

__all__ = ["PROGRAMS", "Program", "main", "run", "tables"]

ROUNDS = 11
MOST_MS, MOST_BESIDE = 35, 1.05  # CPU; beside aiohttp, attrs, cattrs and aiolimiter alone; the targets
OURS_ALONE: Final = "import aiohttp, attrs, cattrs, aiolimiter"
_WITHOUT: Final = "import sys; sys.modules['orjson'] = None"
_RESIDENT: Final = """
import sys
for line in open("/proc/self/status"):
    if line.startswith("VmRSS"):
        sys.stderr.write(line.split()[1])
"""


@frozen
class Program:
    """One line: what Python is given, and what has to be installed for it."""

    name: str
    arguments: tuple[str, ...]
    needs: tuple[str, ...] = ()
    most_ms: int | None = None

    @property
    def is_there(self) -> bool:
        """Whether it can be run."""
        return all(importlib.util.find_spec(name) for name in self.needs)

    @property
    def command(self) -> list[str]:
        """As it is run."""
        return [sys.executable, *self.arguments]


def _importing(code: str, *, most_ms: int | None = None, name: str = "") -> Program:
    imported = code.replace("import ", "").partition(" ")[0] if code.startswith("import ") else "onboard360_async"
    run = f"{_WITHOUT}; {code}" if "onboard360" in code else code
    return Program(name or code, ("-c", run), (imported.strip(",").partition(".")[0],), most_ms)


HANDLES: Final = "from onboard360_async import AsyncOnboard360, Onboard360"
PROGRAMS: Final = (
    Program("pass", ("-c", "pass")),
    _importing("import onboard360_async", most_ms=MOST_MS),
    _importing("import onboard360_async.webhooks", most_ms=MOST_MS),
    _importing("from onboard360_async.webhooks import WebhookVerifier", name="... with the verifier"),
    _importing("from onboard360_async import AsyncOnboard360", name="... AsyncOnboard360"),
    _importing(HANDLES, name="... AsyncOnboard360, Onboard360"),
    _importing(OURS_ALONE),
    _importing("import requests"),
    _importing("import httpx"),
    _importing("import stripe"),
    _importing("import openai"),
)
_COMMAND: Final = "from onboard360_async.cli import main; main()"  # as its script does
COMMANDS: Final = (
    Program("onboard360 --help", ("-c", _COMMAND, "--help"), ("onboard360_async.cli", "click", "rich")),
    _importing("import click, rich.console", name="import click, rich.console"),
    Program("pip --help", ("-m", "pip", "--help"), ("pip",)),
    Program("flask --help", ("-m", "flask", "--help"), ("flask",)),
)


def compiled(folder: str) -> dict[str, str]:
    """An environment in which every module is compiled once, as installed ones are, whatever ours says."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPYCACHEPREFIX": folder}


def run(program: Program, env: Mapping[str, str] | None = None) -> tuple[float, float]:
    """CPU milliseconds, and milliseconds. CalledProcessError if it did not work."""
    began = time.perf_counter()
    process = subprocess.Popen(program.command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=ROOT, env=env)
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, used = os.wait4(process.pid, 0)
    took = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stderr.close()
    if process.returncode != 0:
        raise subprocess.CalledProcessError(process.returncode, program.command, stderr=said)
    return (used.ru_utime + used.ru_stime) * 1000, took * 1000


def resident_mb(program: Program) -> float | None:
    """Megabytes after the import; None where the system does not tell."""
    if program.arguments[0] != "-c" or len(program.arguments) > 2 or not Path("/proc/self/status").exists():
        return None
    command = [sys.executable, "-c", program.arguments[1] + _RESIDENT]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
    return int(done.stderr) / 1024


def _measured(
    name: str, title: str, programs: Sequence[Program], base: str, rounds: int, env: Mapping[str, str]
) -> Table:
    there = [program for program in programs if program.is_there]
    cpu: dict[str, list[float]] = {program.name: [] for program in there}
    wall: dict[str, list[float]] = {program.name: [] for program in there}
    for number in range(rounds + 1):
        for program in there:
            cpu_ms, wall_ms = run(program, env)
            if number:
                cpu[program.name].append(cpu_ms)
                wall[program.name].append(wall_ms)
    rows = []
    for program in there:
        resident = resident_mb(program)
        memory = "" if resident is None else f", {resident:5.1f} MB resident"
        note = f"{median(wall[program.name]):4.0f} ms by the clock{memory}"
        ratio = beside(cpu, program.name, base)
        rows.append(Row(program.name, median(cpu[program.name]), ratio, _target(program), note))
    return Table(
        name, f"{title}: CPU of a whole process, median of {rounds} interleaved rounds", "ms", tuple(rows), base
    )


def _target(program: Program) -> str:
    if program.most_ms is not None:
        return f"<= {program.most_ms} ms"
    return f"<= {MOST_BESIDE}" if "AsyncOnboard360" in program.name else ""


def tables(arguments: Sequence[str] = ()) -> list[Table]:
    """Both."""
    options = argparse.ArgumentParser(prog="python3 dev bench startup", description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--rounds", type=int, default=ROUNDS)
    rounds = options.parse_args(arguments).rounds
    with TemporaryDirectory() as folder:
        env = compiled(folder)
        return [
            _measured("imports", "Imports", PROGRAMS, OURS_ALONE, rounds, env),
            _measured("help", "Help at the prompt", COMMANDS, "import click, rich.console", rounds, env),
        ]


def main(arguments: Sequence[str] = ()) -> None:
    """Print them."""
    print_all(tables(arguments))


if __name__ == "__main__":
    main(sys.argv[1:])
