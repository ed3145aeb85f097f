"""The project's own script: it makes its environment once, says one line when it cannot, and hides no failure."""

import ast
import subprocess
import sys
import threading
import tomllib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import coverage
import pytest

ROOT = Path(__file__).parents[1]
SOURCE = (ROOT / "dev").read_text()
Done = subprocess.CompletedProcess[str]
Answer = Callable[[list[str]], Done | None]


class Maker:
    """Stands in for venv and pip: remembers what was asked, and leaves behind what they would."""

    def __init__(self, dev: ModuleType) -> None:
        self.dev = dev
        self.asked: list[str] = []
        self.answer: Answer = lambda _: None

    def __call__(self, command: list[str]) -> Done:
        self.asked.append(" ".join(command[1:]))
        answer = self.answer(command)
        if answer is None and "venv" in command:
            self.dev.BIN.mkdir(parents=True)
            (self.dev.BIN / "python").touch()
            if "--without-pip" not in command:
                inside = self.dev.VENV / "lib" / "python3.11" / "site-packages" / "pip" / "__main__.py"
                inside.parent.mkdir(parents=True)
                inside.touch()
        return answer or subprocess.CompletedProcess(command, 0, "", "")

    def told(self) -> list[str]:
        """What was asked since last time, in one word each."""
        words = ("--without-pip", "--require-hashes", "--no-deps", "venv", "--version", "uv")
        told = [next(word for word in words if word in asked.split()) for asked in self.asked]
        self.asked.clear()
        return told


WHOLE = ["venv", "--require-hashes", "--no-deps"]
GROUPS = ("bench", "docs")


def load(folder: Path) -> ModuleType:
    """The script as it is, at home in that folder."""
    module = ModuleType("dev")
    module.__file__ = str(folder / "dev")
    exec(compile(SOURCE, module.__file__, "exec"), module.__dict__)
    return module


@pytest.fixture
def dev(tmp_path: Path) -> ModuleType:
    """The script in a small project of its own."""
    pins = (".ci/requirements-dev.txt", *(f".ci/requirements-{name}.txt" for name in GROUPS))
    for name in (*pins, "pyproject.toml", "onboard360_async/__init__.py"):
        path = tmp_path / "project" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("as it was\n")
    return load(tmp_path / "project")


@pytest.fixture
def maker(dev: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Maker:
    """Nothing is really installed."""
    made = Maker(dev)
    monkeypatch.setattr(dev, "quietly", made)
    return made


def run(code: str, **environment: str) -> Done:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=15)


# --- the environment ---


def test_the_environment_is_made_once(dev: ModuleType, maker: Maker) -> None:
    """The second time nothing is asked of venv or pip, and so nothing of the network."""
    dev.prepare()
    assert maker.told() == WHOLE
    dev.prepare()
    assert maker.told() == []


def _half_made(dev: ModuleType) -> None:
    dev.STAMP.unlink()


def _other_pins(dev: ModuleType) -> None:
    dev.PINS.write_text("moved\n")


def _python_gone(dev: ModuleType) -> None:
    (dev.BIN / "python").unlink()
    (dev.BIN / "python").symlink_to("/nowhere/python")


@pytest.mark.parametrize("damage", [_half_made, _other_pins, _python_gone])
def test_an_environment_that_no_longer_fits_is_made_anew(
    damage: Callable[[ModuleType], None], dev: ModuleType, maker: Maker
) -> None:
    """Interrupted, of other pins, or with an interpreter that is gone: nothing of it is kept."""
    dev.prepare()
    maker.told()
    damage(dev)
    dev.prepare()
    assert maker.told() == WHOLE


def test_a_moved_project_makes_its_environment_anew(dev: ModuleType, maker: Maker, tmp_path: Path) -> None:
    """An environment knows its place by heart: in another one it is of no use."""
    dev.prepare()
    moved = load((tmp_path / "project").rename(tmp_path / "elsewhere"))
    assert moved.standing() != moved.stamp()
    assert moved.standing()[0] != moved.stamp()[0]


@pytest.mark.parametrize("name", ["pyproject.toml", "onboard360_async/__init__.py"])
def test_new_project_data_only_refreshes_the_projects_entry(name: str, dev: ModuleType, maker: Maker) -> None:
    """A changed setting or version needs no network and no minute, and is tried again if it failed."""
    dev.prepare()
    maker.told()
    (dev.ROOT / name).write_text("changed\n")
    maker.answer = lambda command: Done(command, 1, "", "interrupted")
    with pytest.raises(SystemExit, match="interrupted"):
        dev.prepare()
    maker.answer = lambda _: None
    dev.prepare()
    dev.prepare()
    assert maker.told() == ["--no-deps", "--no-deps"]


def test_without_ensurepip_the_outer_pip_installs(dev: ModuleType, maker: Maker) -> None:
    """Debian splits ensurepip off; this Python's own pip can work from outside."""
    maker.answer = lambda command: Done(command, 1, "", "no ensurepip") if command[-2] == "venv" else None
    dev.prepare()
    assert [dev.pip()[:1], dev.pip()[3]] == [[dev.BASE], "--python"]
    assert maker.told() == ["venv", "--version", "--without-pip", *WHOLE[1:]]


def test_without_any_pip_it_says_what_to_install(dev: ModuleType, maker: Maker) -> None:
    """One clear line with the package's name, and what was said."""
    maker.answer = lambda command: Done(command, 1, "", "ensurepip is not available")
    with pytest.raises(SystemExit, match="apt install python3-venv"):
        dev.prepare()
    assert not dev.STAMP.exists()


OFFLINE = """WARNING: Retrying after connection broken by 'NewConnectionError(...)': /simple/x/
ERROR: Could not find a version that satisfies the requirement x==1 (from versions: none)
ERROR: No matching distribution found for x==1
"""
WRONG_HASH = """WARNING: Retrying after connection broken by 'NewConnectionError(...)': /simple/x/
ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.
    Expected sha256 aaaa
"""


@pytest.mark.parametrize(
    ("said", "lines", "holds"),
    [(OFFLINE, 1, "needs a network"), (WRONG_HASH, 3, "Expected sha256 aaaa"), ("Disk full\n" * 50, 9, "Disk full")],
)
def test_a_failed_install_is_told_in_few_lines(
    said: str, lines: int, holds: str, dev: ModuleType, maker: Maker
) -> None:
    """No network: one line. Anything else: pip's last lines, and never that the network is missing."""
    maker.answer = lambda command: Done(command, 1, "", said) if "--require-hashes" in command else None
    with pytest.raises(SystemExit) as stopped:
        dev.prepare()
    message = str(stopped.value.code)
    assert (message.count("\n") + 1, holds in message) == (lines, True)
    assert not dev.STAMP.exists()


def test_two_at_once_make_it_once(dev: ModuleType, maker: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second waits for the first, says so, and finds the work done."""
    waiting = threading.Event()
    monkeypatch.setattr(dev, "say", lambda line: waiting.set() if "waiting" in line else None)
    second = threading.Thread(target=dev.prepare)
    with dev.alone():
        second.start()
        assert waiting.wait(10)
        dev.make()
        dev.STAMP.write_text("\n".join(dev.stamp()))
    second.join(10)
    assert maker.told() == WHOLE[:2]


def test_pip_hears_where_packages_are_and_nothing_else(dev: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """An outer environment may name an index and a proxy; it may not lead pip out of ours."""
    astray = {"PIP_TARGET": "/t", "PIP_ROOT": "/r", "PIP_DRY_RUN": "1", "PYTHONPATH": "/p", "PYTHONHOME": "/h"}
    for name, value in (astray | {"PIP_INDEX_URL": "file:///i", "PIP_PROXY": "p", "PIP_USER": "1"}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PYTHONWARNINGS", "error")
    done = dev.quietly([sys.executable, "-c", "import os; print(dict(os.environ))"])
    heard = ast.literal_eval(done.stdout)
    assert not {*astray, "PYTHONWARNINGS"} & heard.keys()
    assert (heard["PIP_INDEX_URL"], heard["PIP_PROXY"], heard["PIP_USER"]) == ("file:///i", "p", "0")


def test_missing_pins_are_said_in_one_line(dev: ModuleType) -> None:
    """With the command that makes them."""
    dev.PINS.unlink()
    with pytest.raises(SystemExit, match="dev lock"):
        dev.prepare()


# --- what one task alone needs ---


@pytest.mark.parametrize("group", GROUPS)
def test_what_one_task_needs_is_installed_once_and_only_for_it(group: str, dev: ModuleType, maker: Maker) -> None:
    """Making the environment leaves it out; the second time pip is not asked, and so no network is needed."""
    dev.prepare()
    assert not [asked for asked in maker.asked if group in asked]
    maker.told()
    dev.prepare_group(group)
    assert [asked.split()[-1] for asked in maker.asked] == [str(dev.pins_of(group))]
    assert maker.told() == ["--require-hashes"]
    dev.prepare_group(group)
    assert maker.told() == []


@pytest.mark.parametrize("group", GROUPS)
def test_what_one_task_needs_is_installed_anew_when_it_must(group: str, dev: ModuleType, maker: Maker) -> None:
    """Other pins, an environment that was made anew, or an installation that failed."""
    dev.prepare()
    dev.prepare_group(group)
    maker.told()
    dev.pins_of(group).write_text("moved\n")
    maker.answer = lambda command: Done(command, 1, "", "interrupted")
    with pytest.raises(SystemExit, match=f"could not install {dev.GROUPS[group]}"):
        dev.prepare_group(group)
    maker.answer = lambda _: None
    dev.prepare_group(group)
    dev.PINS.write_text("moved\n")
    dev.prepare()
    dev.prepare_group(group)
    assert maker.told() == ["--require-hashes", "--require-hashes", *WHOLE, "--require-hashes"]


@pytest.mark.parametrize("group", GROUPS)
def test_a_groups_missing_pins_are_said_in_one_line(group: str, dev: ModuleType) -> None:
    """With the command that makes them."""
    dev.pins_of(group).unlink()
    with pytest.raises(SystemExit, match=rf"requirements-{group}.txt is missing; `python3 dev lock`"):
        dev.prepare_group(group)


def test_every_group_is_of_the_project() -> None:
    """Those of `dev` are installed with the environment, each of the others by a task of its name."""
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    dev = load(ROOT)
    assert set(groups) == {"dev", *dev.GROUPS} == {"dev", *GROUPS}
    assert set(dev.GROUPS) <= {task.__name__ for task in dev.TASKS}


@pytest.mark.parametrize(
    ("task", "runs"), [("bench", ("-m", "benchmarks")), ("docs", (".ci/site.py",))], ids=lambda said: said[0]
)
def test_a_task_installs_what_it_needs_before_it_begins(
    task: str, runs: tuple[str, ...], dev: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And hands its arguments on."""
    told: list[object] = []
    monkeypatch.setattr(dev, "prepare_group", told.append)
    monkeypatch.setattr(dev, "become", lambda *command: told.append(command[1:]))
    getattr(dev, task)(["one", "--other"])
    assert told == [task, (*runs, "one", "--other")]


# --- the tasks ---


def call(*arguments: str, folder: Path = ROOT) -> Done:
    command = [sys.executable, "-S", str(ROOT / "dev"), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_it_lists_its_tasks(tmp_path: Path) -> None:
    """One line each, from whatever folder it is called."""
    said = call(folder=tmp_path)
    assert said.returncode == 0
    for task in ("demo", "test", "lint", "types", "docs", "bench", "matrix", "lock"):
        assert f"\n  {task}" in said.stdout
    assert max(map(len, said.stdout.splitlines())) <= 100


@pytest.mark.parametrize("task", ["tset", "-x"])
def test_an_unknown_task_is_a_usage_error(task: str) -> None:
    """Exit 2, with the list."""
    said = call(task)
    assert (said.returncode, "\n  test" in said.stdout, said.stderr) == (2, True, "")


def test_a_step_that_fails_hides_no_other(dev: ModuleType, capfd: pytest.CaptureFixture[str]) -> None:
    """All run; the summary names the one that failed, and so does the exit code."""
    say = (sys.executable, "-c", "print('ran')")
    fail = (sys.executable, "-c", "raise SystemExit(3)")
    assert dev.steps({"one": fail, "two": say}) == 1
    said = capfd.readouterr().out
    assert "ran" in said
    assert [line.split()[:2] for line in said.splitlines()[-2:]] == [["FAILED", "one"], ["ok", "two"]]
    assert dev.steps({"two": say}) == 0


def test_what_runs_beside_is_told_whole_and_counts(dev: ModuleType, capfd: pytest.CaptureFixture[str]) -> None:
    """It begins before the steps, is told in its own place among them, and its failure is theirs."""
    say = (sys.executable, "-c", "print('ran')")
    told = (sys.executable, "-c", "import os; print(os.environ['WHERE']); raise SystemExit(3)")
    with dev.beside(told, WHERE="elsewhere") as ended:
        assert dev.steps({"one": say, "other": ended}) == 1
    said = capfd.readouterr().out
    assert said.index("ran") < said.index("== other") < said.index("elsewhere")
    assert "FAILED other" in said


def test_the_gate_is_over_the_whole_package() -> None:
    """To the last branch; what it leaves out is neither a room nor a file, but a line that says why."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["coverage"]
    assert (settings["run"]["source"], settings["run"]["branch"]) == (["onboard360_async"], True)
    assert settings["report"] == {"exclude_also": ["if TYPE_CHECKING:"]}
    assert not {"omit", "include"} & settings["run"].keys()
    gate = load(ROOT).GATE
    assert "--fail-under=100" in gate
    assert [part for part in map(str, gate) if part.startswith(("--include", "--omit", "-i"))] == []


@pytest.mark.no_cover
def test_what_is_marked_so_is_not_measured() -> None:
    """Simulations that counting lines would make four times slower: not by --cov, and not by `coverage run`."""
    assert coverage.Coverage.current() is None


def test_no_test_is_left_out() -> None:
    """What runs beside the others, and what runs alone, is there; all else is what neither of them is."""
    dev = load(ROOT)
    aside = [*dev.BESIDE, *dev.ALONE]
    assert [path for path in aside if not (ROOT / path).exists()] == []
    assert [part for part in dev.TESTS if str(part).startswith("--ignore")] == [f"--ignore={path}" for path in aside]
    assert set(dev.ALONE) <= set(dev.SHARING)


@pytest.fixture
def uv(dev: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A uv that writes into the pins what stands in a file beside it, and the index that it was told."""
    fake = tmp_path / "uv"
    copy, tell = f'cat {tmp_path}/pins > "$last"', f'echo "$UV_DEFAULT_INDEX" > {fake}.told'
    fake.write_text(f"#!/bin/sh\nfor last; do :; done\n{copy}\n{tell}\n")
    fake.chmod(0o755)
    monkeypatch.setattr(dev, "find_uv", lambda _: fake)
    monkeypatch.delenv("UV_DEFAULT_INDEX", raising=False)
    monkeypatch.setenv("PIP_INDEX_URL", "file:///index")
    return fake


def test_lock_writes_pins_and_hands_the_index_on_unwritten(dev: ModuleType, uv: Path, tmp_path: Path) -> None:
    """What pip is told reaches uv by its environment alone."""
    (tmp_path / "pins").write_text("x==1 --hash=sha256:aa\n")
    assert dev.lock([]) == 0
    for pins in (dev.PINS, *map(dev.pins_of, GROUPS)):
        assert pins.read_text() == "x==1 --hash=sha256:aa\n"
    assert Path(f"{uv}.told").read_text() == "file:///index\n"


def test_lock_refuses_pins_that_hold_an_address(dev: ModuleType, uv: Path, tmp_path: Path) -> None:
    """What was pinned stays as it was."""
    (tmp_path / "pins").write_text("--index-url file:///index\nx==1\n")
    with pytest.raises(SystemExit, match="not written"):
        dev.lock([])
    assert {pins.read_text() for pins in (dev.PINS, *map(dev.pins_of, GROUPS))} == {"as it was\n"}


def test_what_several_sets_of_pins_hold_has_one_version(dev: ModuleType, uv: Path, tmp_path: Path) -> None:
    """They are installed side by side: each is made under the constraint of all that were made before it."""
    (tmp_path / "pins").write_text("x==1 --hash=sha256:aa\n")
    asked = 'echo "$@" >> ' + f"{uv}.asked"
    uv.write_text(uv.read_text() + asked + "\n")
    dev.lock(["--upgrade"])
    before: list[str] = []
    for name, line in zip(("dev", *GROUPS), Path(f"{uv}.asked").read_text().splitlines(), strict=True):
        said = line.split()
        assert [said[place + 1] for place, word in enumerate(said) if word == "-c"] == before
        assert [said[place + 1] for place, word in enumerate(said) if word == "--group"] == [name]
        assert "--upgrade" in said
        before.append(said[said.index("-o") + 1])


# --- the Python it is started with ---

OLDER = f"import sys; sys.version_info = (3, 10, 1); sys.argv = ['dev', 'x']; exec(compile({SOURCE!r}, 'dev', 'exec'))"


def test_an_older_python_is_told_what_is_missing() -> None:
    """One line, no traceback."""
    done = run(OLDER, PATH="/nowhere")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "dev: this needs Python 3.11 or newer, and this is 3.10.1\n"


def test_an_older_python_hands_over_to_a_newer_one(tmp_path: Path) -> None:
    """To the first on the path that really starts: a name may be a shim that leads nowhere."""
    for name, script in {"python3.13": "exit 127", "python3.12": 'test "$1" = -c || echo "took over: $@"'}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    done = run(OLDER, PATH=str(tmp_path))
    assert (done.returncode, done.stdout, done.stderr) == (0, "took over: dev x\n", "")


def test_it_needs_nothing_but_the_standard_library() -> None:
    """And is written so that an older Python can read it as far as the line that is for it."""
    tree = ast.parse(SOURCE, feature_version=(3, 7))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in imported} <= sys.stdlib_module_names
