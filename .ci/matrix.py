"""`python3 dev matrix`: what a stranger gets. Builds the packages, installs them everywhere, and tries them there.

Standard library only. Every Python of this machine, with the oldest dependencies that are promised and with the newest,
without extras, with each by itself and with all. Knows which cells there are; jobs, packages and strangers do the rest.
"""

import argparse
import json
import os
import re
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from jobs import FailedError, NotHereError, Row, Series, line, plain, run, run_all, table
from packages import Packages, build, extras, floors, look_through, metadata, same, sound
from strangers import strangers

__all__ = ["Cell", "Python", "cells_of", "main"]

BASE = Path(getattr(sys, "_base_executable", None) or sys.executable)
SMOKE = Path(__file__).resolve().with_name("smoke.py")
LEAST = (3, 11)
SETS = ("oldest", "newest")
NONE = "none"  # no extra
TEST_S = 120  # for one test: two suites run at a time
# What --tests leaves out unless it is named: by the clock, by other people's programs, or for `dev` alone.
SLOW = (
    "tests/importer/test_crash.py",
    "tests/sandbox/test_browser.py",
    "tests/stores",
    "tests/test_benchmarks.py",
    "tests/test_benchmarks_listing.py",
    "tests/test_soak.py",
)
LOOK = """
import json, os, sys, sysconfig
managed = os.path.exists(os.path.join(sysconfig.get_path("stdlib"), "EXTERNALLY-MANAGED"))
print(json.dumps([getattr(sys, "_base_executable", sys.executable), sys.version_info[:3], sys.base_prefix, managed]))
"""


@dataclass(frozen=True)
class Python:
    """One that runs here."""

    path: Path
    version: tuple[int, ...]
    is_managed: bool = False  # by the system's packages: pip may install nothing into it

    def __str__(self) -> str:
        return ".".join(map(str, self.version)) + (" (managed)" if self.is_managed else "")


@dataclass(frozen=True)
class Cell:
    """One environment that is made and tried."""

    python: Python
    which: str  # of SETS
    extra: str

    def __str__(self) -> str:
        return f"{self.python} {self.which} {self.extra}"


# --- the Pythons ---


def candidates() -> Iterator[Path]:
    """By name on the path; and beside this one, where several lie side by side, as pyenv and uv have them."""
    folders = [*map(Path, plain()["PATH"].split(os.pathsep)), *sorted(BASE.resolve().parents[2].glob("*/bin"))]
    seen = set()
    for path in (path for folder in folders for path in sorted(folder.glob("python3.*"))):
        minor = re.fullmatch(r"python3\.(\d+)", path.name)
        if minor and int(minor[1]) >= LEAST[1] and path.resolve() not in seen:
            seen.add(path.resolve())
            yield path


def look(path: Path) -> tuple[str, Python] | None:
    """Where it is at home and what it is; None if it does not run, as a shim may that leads nowhere."""
    try:
        home, version, prefix, managed = json.loads(run(path, "-I", "-c", LOOK))
    except (FailedError, ValueError):
        return None
    return prefix, Python(Path(home), tuple(version), managed)


def pythons(wanted: Sequence[str]) -> list[Python]:
    """All that are here, the oldest first. A version among `wanted` leaves only its own, a path adds one."""
    versions = [each for each in wanted if re.fullmatch(r"3\.\d+", each)]
    told = [Path(each) for each in wanted if each not in versions]
    found: dict[str, Python] = {}
    for path in [*told, *candidates()]:
        seen = look(path)
        if seen is None and path in told:
            raise FailedError(f"{path} does not run")
        if seen and seen[1].version >= LEAST and (path in told or _is_of(seen[1], versions)):
            found.setdefault(*seen)
    return sorted(found.values(), key=lambda each: (each.version, each.is_managed))


def _is_of(python: Python, versions: Sequence[str]) -> bool:
    return not versions or ".".join(map(str, python.version[:2])) in versions


# --- the cells ---


def cells_of(here: Sequence[Python], sets: Sequence[str], wanted: Sequence[str], *, once: bool = False) -> list[Cell]:
    """All combinations; `once`: the oldest set on the oldest Python, the newest on the newest."""
    ends = {"oldest": here[:1], "newest": here[-1:]}
    return [
        Cell(python, which, extra)
        for which in sets
        for python in (ends[which] if once else here)
        for extra in wanted
    ]  # fmt: skip


class Bench:
    """Where cells are made: each Python's own pip, the packages, and what is promised of dependencies."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.packages: Packages | None = None
        self.floors = folder / "floors.txt"
        self._pips: dict[Path, tuple[str | Path, ...]] = {}
        self._making = threading.Lock()

    def pip(self, python: Path) -> tuple[str | Path, ...]:
        """The pip that came with it. NotHereError if there is none."""
        with self._making:
            if python not in self._pips:
                self._pips[python] = self._make_pip(python, self.folder / f"pip-{len(self._pips)}")
            return self._pips[python]

    def _make_pip(self, python: Path, venv: Path) -> tuple[str | Path, ...]:
        for pip in ((venv / "bin" / "python", "-m", "pip"), (python, "-m", "pip")):
            try:
                if pip[0] != python:
                    run(python, "-m", "venv", venv)
                run(*pip, "--version")
            except FailedError:
                continue
            return pip
        raise NotHereError("this Python has neither ensurepip nor pip")

    def build(self) -> list[Row]:
        """The packages; without them there is nothing more to do."""

        def step() -> str:
            self.packages = build(self.folder, self.pip(BASE))
            self.floors.write_text("\n".join(floors(metadata(self.packages.wheel))))
            return self.packages.wheel.name

        return run_all([{"build": step}])

    def checks(self, packages: Packages) -> list[Series]:
        """What is looked at in the packages themselves."""
        return [
            {
                "packages: contents": partial(look_through, packages),
                "packages: built again": partial(same, packages, self.folder),
            },
            {"packages: metadata": partial(sound, packages, self.folder / "twine", self.pip(BASE), BASE)},
        ]

    def install(self, cell: Cell, extra: str, packages: Packages) -> Path:
        """An empty environment with the package in it, as its Python's own pip puts it there; nothing is compiled."""
        pip, venv = self.pip(cell.python.path), self.folder / f"{cell}".replace(" ", "-")
        run(cell.python.path, "-m", "venv", "--without-pip", venv)
        within: tuple[str | Path, ...] = (*pip, "--python", venv / "bin" / "python")
        what = f"{packages.wheel}{'' if extra == NONE else f'[{extra}]'}"
        how: tuple[str | Path, ...] = ("--constraint", self.floors) if cell.which == "oldest" else ()
        run(*within, "install", "--quiet", "--only-binary", ":all:", *how, what, where=self.folder)
        run(*within, "check", where=self.folder)
        return venv

    def smoke(self, cell: Cell, packages: Packages, every: Sequence[str]) -> str:
        """The package does there what it promises, and says nothing that it was not asked."""
        venv = self.install(cell, cell.extra, packages)
        chosen = [] if cell.extra == NONE else every if cell.extra == "all" else [cell.extra]
        (venv / "work").mkdir()
        said = run(venv / "bin" / "python", "-I", "-W", "error", SMOKE, *chosen, where=venv / "work")
        if said:
            raise FailedError(said)
        shutil.rmtree(venv)
        return ""

    def tests(self, cell: Cell, packages: Packages, paths: Sequence[str]) -> str:
        """The sdist's tests pass there."""
        venv = self.install(cell, "test", packages)
        tree = venv / "tree"
        shutil.copytree(packages.tree, tree)
        what = [*(paths or [f"--ignore={path}" for path in SLOW]), f"--timeout={TEST_S}"]
        env = {"PATH": f"{venv / 'bin'}{os.pathsep}{plain()['PATH']}", "CI": "1"}  # then hypothesis sets no deadline
        said = run(venv / "bin" / "python", "-m", "pytest", "-q", "-p", "no:cacheprovider", *what, where=tree, env=env)
        shutil.rmtree(venv)
        return said.strip().splitlines()[-1].strip("= ")


# --- the command ---


def flags() -> argparse.ArgumentParser:
    """What may be asked."""
    parser = argparse.ArgumentParser(
        prog="python3 dev matrix",
        description="Build the packages, look through them, install them into empty environments and try them there;"
        " then run `dev` as strangers do. Without flags: all but --tests. With flags about environments: those alone.",
    )
    add = parser.add_argument
    add("--python", action="append", default=[], metavar="WHICH", help="3.12: only such; a path: this one, too")
    add("--oldest", action="store_true", help="only the oldest dependencies that are promised")
    add("--newest", action="store_true", help="only the newest that there are")
    add("--extra", action="append", default=[], metavar="NAME", help="only this extra, may be repeated; none, or all")
    add("--once", action="store_true", help="oldest on the oldest Python, newest on the newest; with none and all")
    add("--tests", nargs="*", metavar="PATH", help="run the tests instead, all but slow ones, or those of the paths")
    add("--strangers", action="store_true", help="dev as nobody, offline, moved, on Debian's Python, without ensurepip")
    return parser


def main(arguments: Sequence[str]) -> int:
    """Build, try, tell."""
    told = flags().parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="matrix-") as name:
        folder = Path(name)
        folder.chmod(0o711)  # nobody passes through it
        bench = Bench(folder)
        rows = bench.build()
        if bench.packages:
            rows += run_all([*bench.checks(bench.packages), *chosen(told, bench, bench.packages)])
    said, code = table(rows)
    print(f"\n{said}")
    return code


def chosen(told: argparse.Namespace, bench: Bench, packages: Packages) -> list[Series]:
    """The cells and the strangers that were asked for."""
    here, every = pythons(told.python), extras(metadata(packages.wheel))
    if not here:
        raise FailedError(f"there is no such Python here: {' '.join(told.python)}")
    wanted = told.extra or ([NONE, "all"] if told.once else [NONE, *every])
    if unknown := [each for each in wanted if each not in (NONE, *every)]:
        raise FailedError(f"there is no extra {' '.join(unknown)}; there are {', '.join([NONE, *every])}")
    sets = [which for which in SETS if getattr(told, which)] or SETS
    about_cells = told.oldest or told.newest or told.extra or told.once or told.tests is not None
    series: list[Series] = []
    if told.tests is not None:
        cells = cells_of(here, sets, ["tests"], once=told.once)
        series += [{f"{cell}": partial(bench.tests, cell, packages, told.tests)} for cell in cells]
    elif about_cells or not told.strangers:
        cells = cells_of(here, sets, wanted, once=told.once)
        series += [{f"{cell}": partial(bench.smoke, cell, packages, every)} for cell in cells]
    if told.strangers or not about_cells:
        managed = [each.path for each in here if each.is_managed]
        series += strangers(packages.tree, bench.folder, [each.path for each in here], managed)
    return series


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (FailedError, NotHereError) as error:
        print(line(Row("dev matrix", "FAILED")), error, sep="\n")
        sys.exit(2)
