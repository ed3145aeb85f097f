"""Users' code as a type checker sees it, mypy and pyright, both strict: what is right passes, each mistake is refused.

The code stands in tests/typing, and in tests/typing/mistakes with the expected error on its very line. Both look at the
package as it is installed elsewhere, in an environment of its own, and know nothing of this project's settings.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable, Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import onboard360_async

ROOT = Path(__file__).parents[1]
CODE = Path(__file__).parent / "typing"
CACHE = ROOT / ".mypy_cache" / "users"  # what others' packages look like need not be found out anew each time
EXPECTED = re.compile(r"# error: (?P<mypy>\S+) (?P<pyright>\S+)$")
SLOW = pytest.mark.timeout(180)  # a checker that starts without a cache, on a machine that is busy
# Not annotated, since each is made of its async twin: a checker has to follow `sync._blocking` for its type, and both
# do, to the same end (tests/typing/blocking_calls.py).
TWINS = frozenset(
    f"onboard360_async.sync.Onboard360.{name}"
    for name in (
        "add_client", "ensure_client", "find_campaign", "find_client", "iter_clients", "list_campaigns",
        "list_clients", "open_import", "request", "with_options",
    )
)  # fmt: skip
# What pyright says in strict mode of all that hangs on a mistake, besides the mistake itself.
FOLLOWS = frozenset(
    ("reportUnknownArgumentType", "reportUnknownMemberType", "reportUnknownVariableType", "reportUnusedImport",
     "reportUntypedFunctionDecorator")
)  # fmt: skip
Found = set[tuple[str, int, str]]  # the file, the line, and the checker's name for the kind of error


class Outside(NamedTuple):
    """Somebody's project, and the environment that it has."""

    project: Path
    python: Path

    def run(self, *command: str | Path) -> str:
        """What a checker says, in English, and with no network to be had."""
        ours = ("MYPY", "PYRIGHT", "PYTHON", "VIRTUAL_ENV")
        env = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        env |= {"PATH": f"{self.python.parent}{os.pathsep}{os.environ['PATH']}", "LC_ALL": "en_US.UTF-8"}
        env |= dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
        done = subprocess.run(
            [str(part) for part in command], cwd=self.project, env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode in (0, 1), done.stderr
        return done.stdout


def need(package: str) -> str:
    """Where it stands; without it there is nothing to test."""
    try:
        spec = find_spec(package)
    except ModuleNotFoundError:  # one that it would stand in
        spec = None
    if spec is None or spec.origin is None:
        pytest.skip(f"the package {package} is not installed")
    return spec.origin


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Outside:
    """The package installed where nothing else of the project is; all that it needs is borrowed from this one."""
    for framework in (
        "aiohttp",
        "django",
        "fastapi",
        "flask",
        "opentelemetry.trace",
    ):  # users' code is written with them
        need(framework)
    folder = tmp_path_factory.mktemp("outside")
    made, project = folder / "env", folder / "project"
    venv.EnvBuilder(with_pip=False, symlinks=os.name != "nt").create(made)
    places = sysconfig.get_paths("venv", {"base": str(made), "platbase": str(made)})
    site = Path(places["purelib"])
    package = Path(onboard360_async.__file__).parent
    shutil.copytree(package, site / package.name, ignore=shutil.ignore_patterns("__pycache__"))
    (site / "borrowed.pth").write_text("\n".join({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}))
    shutil.copytree(CODE, project / "users", ignore=shutil.ignore_patterns("__pycache__"))
    for room in (project / "users", project / "users" / "mistakes"):
        (room / "__init__.py").touch()
    return Outside(project, next(Path(places["scripts"]).glob("python[.3]*"), Path(places["scripts"]) / "python"))


def bundled() -> tuple[str, Path]:
    """Node, and pyright as its package brings it: started so, it never looks for another one to download."""
    script, node = Path(need("pyright")).parent / "dist" / "index.js", shutil.which("node")
    if node is None:
        pytest.skip("pyright runs on Node.js, which is not here")
    return node, script


def expected(checker: str) -> Found:
    """The mistakes as they stand in the files."""
    found: Found = set()
    for path in sorted(CODE.rglob("*.py")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if "# error:" in line:
                match = EXPECTED.search(line)
                assert match is not None, f"{path.name}:{number} does not say how both call it"
                for kind in match[checker].split(",") if match[checker] != "-" else ():
                    found.add((path.relative_to(CODE).as_posix(), number, kind))
    return found


def by_mypy(outside: Outside) -> Iterator[tuple[Path, int, str, str]]:
    (outside.project / "mypy.ini").write_text("[mypy]\nstrict = True\n")
    need("mypy")
    mypy = (sys.executable, "-m", "mypy", "--python-executable", outside.python, "--cache-dir", CACHE)
    for line in outside.run(*mypy, "--output", "json", "users").splitlines():
        said = json.loads(line)
        if said["severity"] == "error":
            yield outside.project / said["file"], said["line"], str(said["code"]), said["message"]


def by_pyright(outside: Outside) -> Iterator[tuple[Path, int, str, str]]:
    node, script = bundled()
    (outside.project / "pyrightconfig.json").write_text(json.dumps({"typeCheckingMode": "strict"}))
    said: dict[str, Any] = json.loads(outside.run(node, script, "--outputjson", "--pythonpath", outside.python))
    for each in said["generalDiagnostics"]:
        path, line, rule = Path(each["file"]), each["range"]["start"]["line"] + 1, each.get("rule", "?")
        if path.parent.name != "mistakes" or rule not in FOLLOWS:
            yield path, line, rule, each["message"]


def missing_and_beside(wanted: Found, found: Iterable[tuple[str, int, str, str]]) -> list[str]:
    """What should be refused and is not, and what should not be and is."""
    said = {(file, line, kind): message for file, line, kind, message in found}
    return sorted(
        [f"{file}:{line}: {kind} is not found" for file, line, kind in wanted - said.keys()]
        + [f"{file}:{line}: {kind}: {said[file, line, kind]}" for file, line, kind in said.keys() - wanted]
    )


@SLOW
@pytest.mark.parametrize("look", [by_mypy, by_pyright])
def test_what_is_right_passes_and_what_is_wrong_is_refused(
    look: Callable[[Outside], Iterator[tuple[Path, int, str, str]]], outside: Outside
) -> None:
    """Each call gives what users' code says it does, and a mistake is found on its line, by its kind, and no other."""
    users = outside.project.resolve() / "users"
    found = [
        (path.resolve().relative_to(users).as_posix(), line, kind, message)
        for path, line, kind, message in look(outside)
    ]
    wrong = missing_and_beside(expected(look.__name__.removeprefix("by_")), found)
    assert not wrong, "\n".join(wrong)


def test_a_mistake_that_is_not_seen_would_be_told() -> None:
    """And so would one that nobody expected."""
    wanted = {("mistakes/names.py", 3, "attr-defined")}
    assert missing_and_beside(wanted, [("mistakes/names.py", 3, "attr-defined", "...")]) == []
    assert missing_and_beside(wanted, []) == ["mistakes/names.py:3: attr-defined is not found"]
    assert missing_and_beside(set(), [("calls.py", 1, "misc", "No.")]) == ["calls.py:1: misc: No."]


@SLOW
def test_the_type_of_every_name_is_known(outside: Outside) -> None:
    """To pyright, by `--verifytypes`, without a guess; but for the blocking calls, which are made of the others."""
    node, script = bundled()
    said = json.loads(
        outside.run(node, script, "--verifytypes", "onboard360_async", "--ignoreexternal", "--outputjson")
    )
    symbols = said["typeCompleteness"]["symbols"]
    assert {each["name"] for each in symbols} > TWINS  # it found the package
    unsure = {
        each["name"]: [one["message"] for one in each["diagnostics"]]
        for each in symbols
        if not each["isTypeKnown"] or each["isTypeAmbiguous"]
    }
    # The class itself is unsure, since they are, and so is its name at the door.
    beside = {"onboard360_async.Onboard360", "onboard360_async.sync.Onboard360"}
    assert {name: why for name, why in unsure.items() if name not in TWINS | beside} == {}
    assert unsure.keys() == TWINS | beside
