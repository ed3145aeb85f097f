"""What `dev matrix` decides by itself: which floors are promised, which cells there are, what is told at the end.

That packages are built, installed and tried, the matrix itself holds.
"""

import importlib
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
TOLD = """Name: x
Requires-Dist: aiohttp<4,>=3.13
Requires-Dist: attrs>=24.2
Provides-Extra: all
Requires-Dist: click>=8.1; extra == 'all'
Provides-Extra: cli
Requires-Dist: click>=8.1; extra == 'cli'
Requires-Dist: zstd~=1.5; (python_version < '3.14') and extra == 'cli'
Provides-Extra: test
Requires-Dist: pytest; extra == 'test'

Requires-Dist: this is the description
"""


@pytest.fixture(autouse=True)
def scripts(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The matrix's files find each other where they lie, as when they are run."""
    monkeypatch.syspath_prepend(str(ROOT / ".ci"))
    yield
    for name in ("matrix", "jobs", "packages", "strangers"):
        sys.modules.pop(name, None)


def load(name: str) -> Any:
    return importlib.import_module(name)


# --- floors ---


def test_a_floor_is_the_first_release_that_is_promised() -> None:
    """Each dependency once, with its own condition; what only tests need is left out."""
    assert load("packages").floors(TOLD) == [
        "aiohttp==3.13",
        "attrs==24.2",
        "click==8.1",
        "zstd==1.5 ; (python_version < '3.14')",
    ]


def test_a_dependency_without_a_floor_is_refused() -> None:
    """Nobody could try what is promised of it."""
    with pytest.raises(load("jobs").FailedError, match="rich has no floor"):
        load("packages").floors("Requires-Dist: rich<16; extra == 'cli'\n")


def test_every_floor_of_ours_can_be_read() -> None:
    """Those of pyproject.toml, in the form that a wheel has them in."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = {name: each for name, each in project["optional-dependencies"].items() if name not in ("all", "test")}
    asked = [*project["dependencies"], *(each for needed in extras.values() for each in needed)]
    found = load("packages").floors("".join(f"Requires-Dist: {each}\n" for each in asked))
    assert len(found) == len(asked) > 10
    assert all(f"{each.partition('==')[0]}>={each.partition('==')[2]}" in " ".join(asked) for each in found)


def test_the_extras_are_those_for_users() -> None:
    """As the wheel names them."""
    assert load("packages").extras(TOLD) == ["all", "cli"]


def test_the_pins_constrain_a_build_without_their_hashes() -> None:
    """One line each, with its condition: pip takes no hash in a constraint of what it builds with."""
    lines = ("a==1 \\", "    --hash=sha256:aa", "b.c==2 ; sys_platform == 'win32' \\", "    --hash=sha256:bb \\")
    pins = "\n".join([*lines, "    --hash=sha256:cc", ""])
    assert load("packages").unhashed(pins) == ["a==1", "b.c==2 ; sys_platform == 'win32'"]
    ours = load("packages").unhashed((ROOT / ".ci" / "requirements-dev.txt").read_text())
    assert any(each.startswith("hatchling==") for each in ours)
    assert "hash" not in "".join(ours)


# --- what a wheel holds ---


def whole(packages: Any) -> set[str]:
    """The names in the smallest wheel that is whole."""
    inside = {f"onboard360_async/{name}" for name in (*packages.MUST, "api.py", "importer/run.py")}
    return inside | {f"x.dist-info/{name}" for name in packages.INFO}


def test_a_wheel_that_is_whole_is_taken() -> None:
    """The package and what is told of it."""
    assert load("packages").misplaced(whole(load("packages")), "x.dist-info") == []


@pytest.mark.parametrize(
    "name",
    [
        "tests/test_api.py",
        "benchmarks/calls.py",
        "dev",
        "onboard360_async/api.pyc",
        "onboard360_async/__pycache__/api.cpython-311.pyc",
        "onboard360_async/.cache/x.py",
        "onboard360_async/tests/api.py",
        "onboard360_async/notes.txt",
        "x.dist-info/notes.txt",
    ],
)
def test_what_does_not_belong_into_a_wheel_is_seen(name: str) -> None:
    """Tests, benchmarks, what Python leaves behind, what is hidden, and what nobody has named."""
    assert load("packages").misplaced({*whole(load("packages")), name}, "x.dist-info") == [name]


@pytest.mark.parametrize("name", ["onboard360_async/py.typed", "x.dist-info/licenses/LICENSE"])
def test_what_is_missing_in_a_wheel_is_seen(name: str) -> None:
    """The types' mark, the licence and the like."""
    packages = load("packages")
    assert packages.misplaced(whole(packages) - {name}, "x.dist-info") == [f"no {name}"]


# --- cells ---


def test_every_python_meets_every_set_and_every_extra() -> None:
    """Unless it is for once: then the oldest meet, and the newest do."""
    matrix = load("matrix")
    here = [matrix.Python(Path(f"/{minor}"), (3, minor, 1)) for minor in (11, 12, 13)]
    assert len(set(matrix.cells_of(here, matrix.SETS, ["none", "cli"]))) == 3 * 2 * 2
    once = [str(cell) for cell in matrix.cells_of(here, matrix.SETS, ["none", "all"], once=True)]
    assert once == ["3.11.1 oldest none", "3.11.1 oldest all", "3.13.1 newest none", "3.13.1 newest all"]
    alone = matrix.cells_of(here[:1], matrix.SETS, ["none"], once=True)
    assert [str(cell) for cell in alone] == ["3.11.1 oldest none", "3.11.1 newest none"]


def test_the_pythons_that_are_here_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each once, by whatever names, beside this one, too; a name that leads nowhere is passed by, one told is not."""
    matrix = load("matrix")
    ours = f"python3.{sys.version_info.minor}"
    for folder in ("path", "versions/one/bin", "versions/two/bin"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / ours).symlink_to(matrix.BASE.resolve())
    again = f'exec {matrix.BASE.resolve()} "$@"'  # another name for the same one
    scripts = {"python3.99": "exit 127", "python3.98": again, "python3.10": f": > {tmp_path}/ran; {again}"}
    for name, script in scripts.items():
        shim = tmp_path / "path" / name
        shim.write_text(f"#!/bin/sh\n{script}\n")
        shim.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/path:/usr/bin/nowhere")
    monkeypatch.setattr(matrix, "BASE", tmp_path / "versions" / "two" / "bin" / "python")
    (tmp_path / "versions" / "two" / "bin" / "python").touch()
    assert [each.version for each in matrix.pythons([])] == [sys.version_info[:3]]
    assert matrix.pythons(["3.99"]) == []
    assert [each.version for each in matrix.pythons(["3.99", sys.executable])] == [sys.version_info[:3]]
    assert not (tmp_path / "ran").exists(), "too old by its name"
    with pytest.raises(load("jobs").FailedError, match="does not run"):
        matrix.pythons([str(tmp_path / "path" / "python3.99")])
    monkeypatch.setenv("PATH", "/usr/bin/nowhere")
    assert [each.version for each in matrix.pythons([])] == [sys.version_info[:3]], "where several lie side by side"


# --- jobs ---


def fails() -> str:
    raise load("jobs").FailedError("it was\nlike this")


def absent() -> str:
    raise load("jobs").NotHereError("nobody is here")


def test_what_fails_hides_nothing_and_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """What comes after it runs; the table says it last, and so does the exit code."""
    jobs = load("jobs")
    rows = jobs.run_all([{"one": fails, "two": lambda: "well"}, {"three": lambda: ""}])
    assert "it was\nlike this" in capsys.readouterr().out
    said, code = jobs.table(rows)
    assert [line.split(" (")[0].split() for line in said.splitlines()[:-1]] == [
        ["ok", "two"],
        ["ok", "three"],
        ["FAILED", "one"],
    ]
    assert (said.splitlines()[-1], code) == ("2 ok, 0 not here, 1 FAILED", 1)


def test_what_cannot_be_tried_here_is_no_success(capsys: pytest.CaptureFixture[str]) -> None:
    """It takes with it what would have come after, and says why; it is no failure either. Nothing at all is one."""
    jobs = load("jobs")
    rows = jobs.run_all([{"one": absent, "two": fails}, {"three": lambda: ""}])
    said, code = jobs.table(rows)
    assert [line.split(" (")[0].split() for line in said.splitlines()[1:3]] == [
        ["not", "here", "one"],
        ["not", "here", "two"],
    ]
    assert said.count("nobody is here") == 2
    assert (said.splitlines()[-1], code) == ("1 ok, 2 not here, 0 FAILED", 0)
    assert jobs.table([])[1] == 1
    assert jobs.table([row for row in rows if row.state == "not here"])[1] == 1


def test_two_jobs_run_at_a_time() -> None:
    """Each waits here for the other."""
    meeting = threading.Barrier(2, timeout=10)
    rows = load("jobs").run_all([{str(number): lambda: str(meeting.wait())} for number in range(2)])
    assert sorted(row.said for row in rows) == ["0", "1"]


def test_a_command_that_fails_is_shown_with_what_it_said() -> None:
    """Its last lines, both streams, and its exit code."""
    jobs = load("jobs")
    code = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"
    with pytest.raises(jobs.FailedError, match=r"out\nerr\nexit code 3|err\nout\nexit code 3"):
        jobs.run(sys.executable, "-c", code)
    with pytest.raises(jobs.FailedError, match="no-such-program"):
        jobs.run("no-such-program")


def test_a_command_does_not_see_the_environment_that_runs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stranger has no `.venv` of ours on the path, and no flag of Python's that was ours."""
    ours = str(Path(sys.prefix, "bin"))
    monkeypatch.setenv("PATH", f"{ours}:/somewhere")
    monkeypatch.setenv("PYTHONPATH", "/astray")
    said = load("jobs").run(sys.executable, "-c", "import os; print(os.environ['PATH'], 'PYTHONPATH' in os.environ)")
    assert said.split() == ["/somewhere", "False"]


def test_the_matrix_tells_what_it_can() -> None:
    """`--help` names every flag, and builds nothing."""
    command = [sys.executable, str(ROOT / ".ci" / "matrix.py"), "--help"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for flag in ("--python", "--oldest", "--newest", "--extra", "--once", "--tests", "--strangers"):
        assert flag in said


def test_all_that_the_matrix_leaves_out_is_there() -> None:
    """A slow test that moves is not left out any more, unseen or seen."""
    slow: tuple[str, ...] = load("matrix").SLOW
    assert [path for path in slow if not (ROOT / path).exists()] == []


def test_it_needs_nothing_but_the_standard_library() -> None:
    """But smoke.py, which runs where the package is installed."""
    names = ("matrix", "jobs", "packages", "strangers")
    modules: list[ModuleType] = [load(name) for name in names]
    assert len(modules) == len(names)
    code = f"import sys; sys.path.insert(0, {str(ROOT / '.ci')!r}); import {', '.join(names)}"
    subprocess.run([sys.executable, "-S", "-I", "-c", code], check=True)
