"""How the house is kept: sizes, docstrings, no sleeping tests, no printing outside the command."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = sorted((ROOT / "onboard360_async").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", PACKAGE, ids=name)
def test_a_file_can_be_read_in_one_sitting(path: Path) -> None:
    """At most 400 lines, functions of at most 50, and a docstring that says what the file is."""
    text = path.read_text()
    assert text.count("\n") <= 400
    assert ast.get_docstring(ast.parse(text))
    assert [each.name for each in functions(path) if body_lines(each) > 50] == []


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of what is done, without signature and docstring."""
    first = function.body[1] if ast.get_docstring(function) and len(function.body) > 1 else function.body[0]
    return (function.end_lineno or 0) - first.lineno + 1


def test_the_blocking_handle_is_thin() -> None:
    """Under 150 lines, so that one sees that it does nothing of its own."""
    assert (ROOT / "onboard360_async" / "sync.py").read_text().count("\n") < 150


@pytest.mark.parametrize("path", TESTS, ids=name)
def test_every_test_says_what_it_holds(path: Path) -> None:
    """In one docstring, and it asserts something."""
    for each in functions(path):
        if each.name.startswith("test_"):
            assert ast.get_docstring(each), each.name


def calls(path: Path) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


@pytest.mark.parametrize("path", [path for path in TESTS if path.name != "foreign.py"], ids=name)
def test_no_test_sleeps_on_the_wall_clock(path: Path) -> None:
    """Time is turned, or waited out by an event; only asyncio.sleep(0) lets others go first. (The foreign server's
    network takes its time on purpose.)
    """
    for called, node in calls(path):
        assert called != "time.sleep"
        if called == "asyncio.sleep":
            assert [ast.unparse(argument) for argument in node.args] == ["0"] or "virtual" in path.read_text()


@pytest.mark.parametrize("path", PACKAGE, ids=name)
def test_only_the_commands_print(path: Path) -> None:
    """Everything else logs."""
    if path.parent.name != "cli" and path != ROOT / "onboard360_async" / "sandbox" / "command.py":
        assert not [node for called, node in calls(path) if called == "print"]


def test_what_is_assumed_is_pinned() -> None:
    """Each UNDOCUMENTED mark says something."""
    for path in PACKAGE:
        for line in path.read_text().splitlines():
            if "UNDOCUMENTED:" in line:
                assert len(line.partition("UNDOCUMENTED:")[2].strip()) > 10, line


def test_no_pins_hold_a_host() -> None:
    """The pinned requirements name packages and hashes, and no place to get them from."""
    pins = (ROOT / ".ci" / "requirements-dev.txt").read_text()
    assert "://" not in pins
    assert "--hash=sha256:" in pins
    assert not [path for path in ROOT.iterdir() if path.name in ("uv.lock", "pylock.toml")]
