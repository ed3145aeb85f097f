"""How the house is kept: sizes, docstrings, no sleeping tests, no printing outside the command."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = sorted((ROOT / "onboard360_async").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
FOLDERS = (".ci", ".github", "benchmarks", "onboard360_async", "tests")
KINDS = (".py", ".md", ".toml", ".txt", ".csv", "")  # "": dev, .ci/run, LICENSE
WRITTEN = [
    path
    for path in [
        *sorted(ROOT.glob("[!.]*")),
        *(each for folder in FOLDERS for each in sorted((ROOT / folder).rglob("*"))),
    ]
    if path.is_file() and path.suffix in KINDS
]
# Where waiting costs no time (a virtual loop, tests/budget/conftest.py), and the one server whose network is slow.
TIMELESS = (
    ROOT / "tests" / "budget",
    ROOT / "tests" / "transport" / "test_under_way.py",
    ROOT / "tests" / "importer" / "world.py",
    ROOT / "tests" / "foreign.py",
)


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", [*PACKAGE, ROOT / "dev", *sorted((ROOT / ".ci").glob("*.py"))], ids=name)
def test_a_file_can_be_read_in_one_sitting(path: Path) -> None:
    """At most 400 lines, functions of at most 50, and a docstring that says what the file is."""
    text = path.read_text()
    assert text.count("\n") <= 400
    assert ast.get_docstring(ast.parse(text))
    assert [each.name for each in functions(path) if (each.end_lineno or 0) - each.lineno >= 50] == []


def test_the_blocking_handle_is_thin() -> None:
    """Under 150 lines, so that one sees that it does nothing of its own."""
    assert (ROOT / "onboard360_async" / "sync.py").read_text().count("\n") < 150


@pytest.mark.parametrize("path", TESTS, ids=name)
def test_every_test_says_what_it_holds(path: Path) -> None:
    """In its docstring."""
    for each in functions(path):
        if each.name.startswith("test_"):
            assert ast.get_docstring(each), each.name


def calls(source: str) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def sleeps(path: Path, source: str) -> list[str]:
    """The calls that wait on the wall clock. asyncio.sleep(0) only lets others go first."""
    timeless = any(path.is_relative_to(place) for place in TIMELESS)
    return [
        ast.unparse(node)
        for called, node in calls(source)
        if called in ("time.sleep", "sleep")
        or (called == "asyncio.sleep" and not timeless and [ast.unparse(each) for each in node.args] != ["0"])
    ]


@pytest.mark.parametrize("path", TESTS, ids=name)
def test_no_test_sleeps_on_the_wall_clock(path: Path) -> None:
    """Time is turned, or waited out by an event."""
    assert sleeps(path, path.read_text()) == []


def test_a_sleeping_test_would_be_seen() -> None:
    """However short, and whatever the file says of virtual time; in the budget's room time is virtual indeed."""
    for call in ("asyncio.sleep(0.1)", "asyncio.sleep(wait_s)", "time.sleep(0)"):
        assert sleeps(ROOT / "tests" / "test_api.py", f"# virtual\n{call}") == [call]
    assert sleeps(ROOT / "tests" / "test_api.py", "asyncio.sleep(0)") == []
    assert sleeps(ROOT / "tests" / "budget" / "test_gate.py", "asyncio.sleep(61)\ntime.sleep(1)") == ["time.sleep(1)"]


def unreasoned(line: str) -> bool:
    """Whether it is left out of coverage, and does not say why in some words."""
    return bool(re.search(r"(?i)pragma[:\s]?\s*no", line)) and not re.search(
        r"# pragma: no (cover|branch) - \w.{9,}$", line
    )


def test_what_no_test_reaches_says_why() -> None:
    """Each exemption from the coverage carries its reason, beside the line that it is about."""
    lines = [(name(path), line) for path in PACKAGE for line in path.read_text().splitlines()]
    assert [(file, line) for file, line in lines if unreasoned(line)] == []
    for line in (
        "x = 1  # pragma: no cover",
        "if x:  # pragma: no branch - no",
        "if x:  #pragma:nobranch - a good reason",
        "x = 1  # pragma no cover",
        "x = 1  # PRAGMA: NO COVER",
    ):
        assert unreasoned(line)
    assert not unreasoned("if x:  # pragma: no branch - Windows does not fork")


@pytest.mark.parametrize("path", PACKAGE, ids=name)
def test_only_the_commands_print(path: Path) -> None:
    """Everything else logs."""
    if path.parent.name != "cli" and path != ROOT / "onboard360_async" / "sandbox" / "command.py":
        assert not [called for called, _ in calls(path.read_text()) if called == "print"]


def test_what_is_assumed_is_pinned() -> None:
    """Each UNDOCUMENTED mark says something."""
    for path in PACKAGE:
        for line in path.read_text().splitlines():
            if "UNDOCUMENTED:" in line:
                assert len(line.partition("UNDOCUMENTED:")[2].strip()) > 10, line


def test_what_pins_an_assumption_is_there() -> None:
    """A file of tests that is named in the package exists, and has the test that is named with it."""
    named = [
        found.groups()
        for path in PACKAGE
        for found in re.finditer(r"(tests/[\w/]+\.py)(?:\s+\((test_\w+))?", path.read_text())
    ]
    assert len(named) > 20
    assert [file for file, _ in named if not (ROOT / file).exists()] == []
    assert [test for file, test in named if test and f"def {test}(" not in (ROOT / file).read_text()] == []


def test_pins_have_hashes_and_no_host() -> None:
    """They name packages, and no place to get them from; one set is for all, others for one task each."""
    for which in ("dev", "bench", "docs"):
        pins = (ROOT / ".ci" / f"requirements-{which}.txt").read_text()
        assert "://" not in pins
        assert "--hash=sha256:" in pins
    assert not [path for path in ROOT.iterdir() if path.name in ("uv.lock", "pylock.toml")]


@pytest.mark.parametrize("path", WRITTEN, ids=name)
def test_no_file_names_a_registry(path: Path) -> None:
    """Where packages come from is the machine's business: no index address, in the form that they all share."""
    assert re.findall(r"://[^\s\"'`]+/simple\b", path.read_text()) == []


def test_the_golden_files_are_of_the_versions_that_are_pinned() -> None:
    """Or none of them would be compared, where it counts."""
    pins = (ROOT / ".ci" / "requirements-dev.txt").read_text()
    drawn = (ROOT / "tests" / "cli" / "golden" / "versions.txt").read_text().strip().split(", ")
    assert len(drawn) == 2
    assert [each for each in drawn if f"\n{each.replace(' ', '==')} " not in pins] == []
