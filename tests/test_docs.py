"""The docs: the README's code runs as pasted, and what it says about the command is so."""

import os
import re
import shlex
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from onboard360_async import testing
from onboard360_async.sandbox import KINDS, Sandbox
from onboard360_async.sandbox.command import _parser
from onboard360_async.sandbox.limiter import LIMITERS
from onboard360_async.sandbox.switches import PRESETS, SWITCHES

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
GUIDES = sorted((ROOT / "onboard360_async" / "guides").glob("*.md"))
COMPARED = ("commands.md",)  # it promises nothing: tests/test_reference.py holds every line of it against the command
PAGES = {path.name: path for path in (ROOT / "README.md", *GUIDES)}
# Its blocks are servers: tests/webhooks/test_examples.py runs each of them, and sends it webhooks.
SERVERS = re.compile(r"^## Receive them$.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)
CAMPAIGN = "550e8400-e29b-41d4-a716-446655440000"
BLOCKS = {
    f"{name} {number}": block
    for name, path in PAGES.items()
    for number, block in enumerate(
        re.findall(r"^```python\n(.*?)^```", SERVERS.sub("", path.read_text()), re.MULTILINE | re.DOTALL)
    )
}


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[dict[str, str]]:
    """A sandbox with somebody in it, and the two variables that the README's reader has set."""
    with Sandbox() as sandbox:
        sandbox.add_client(CAMPAIGN, "ada@example.com", company_name="Acme Corp")
        yield os.environ | {"ONBOARD360_API_KEY": sandbox.api_key, "ONBOARD360_BASE_URL": sandbox.url}


@pytest.mark.parametrize("block", BLOCKS.values(), ids=BLOCKS)
def test_the_docs_code_runs_as_pasted(block: str, environment: dict[str, str], tmp_path: Path) -> None:
    """Each block alone, in an empty folder, with every warning shown; it prints something and nothing goes wrong.

    What holds tests is run by pytest.
    """
    path = tmp_path / "test_pasted.py"
    path.write_text(block)
    how: tuple[str, ...] = ()
    if re.search(r"^(async )?def test_", block, re.MULTILINE):
        how = ("-m", "pytest", "-W", "error", "--strict-markers", "-p", "onboard360", "-p", "asyncio")
        how = (*how, "-o", "asyncio_default_fixture_loop_scope=function")
        environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # no plugin but those that are named
    command = [sys.executable, "-X", "dev", *how, str(path)]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=15, check=False
    )
    slow = re.compile(r"^Executing <.* took \d+\.\d+ seconds\n", re.MULTILINE)  # asyncio's, on a machine that is busy
    assert (done.returncode, slow.sub("", done.stderr)) == (0, "")
    assert done.stdout.strip()


def test_the_first_screen_holds_what_it_should() -> None:
    """One sentence, how to install, code, the sandbox, where to go next; and all of it under 200 lines."""
    screen = "\n".join(README.splitlines()[:30])
    for what in ("pip install onboard360-async", "iter_clients", "onboard360_async.sandbox", "Next:"):
        assert what in screen
    assert README.count("\n") < 200


@pytest.mark.parametrize("path", PAGES.values(), ids=lambda path: path.name)
def test_what_a_guide_says_is_held_by_tests_that_are_there(path: Path) -> None:
    """A promise names its test, and nobody has to guess which: a name of a page is of one test, and was not renamed."""
    tests = "\n".join(each.read_text() for each in (ROOT / "tests").rglob("test_*.py"))
    there = Counter(re.findall(r"^ *(?:async )?def (test_\w+)\(", tests, re.MULTILINE))
    named = set(re.findall(r"`(test_\w+)`", path.read_text()))
    assert len(named) > 5 or path.name in COMPARED or path not in GUIDES
    assert {name: there[name] for name in named if there[name] != 1} == {}
    files = set(re.findall(r"`(?:tests/[\w/]+/)?(test_\w+\.py)`", path.read_text()))
    assert files <= {each.name for each in (ROOT / "tests").rglob("test_*.py")}


# --- the sandbox's guide ---

SANDBOX = (ROOT / "onboard360_async" / "guides" / "sandbox.md").read_text()


def test_the_sandboxs_guide_names_all_that_can_be_chosen() -> None:
    """Switches with all their choices, limiters, presets, kinds of faults, and the fixtures."""
    choices = {choice for switch in SWITCHES.values() for choice in switch.choices if isinstance(choice, str)}
    quoted = {f'"{name}"' for name in (*choices, *LIMITERS, *PRESETS)}
    ticked = {
        f"`{name}`" for name in (*SWITCHES, *KINDS, *(name for name in dir(testing) if name[:10] == "onboard360"))
    }
    assert [name for name in quoted | ticked if name not in SANDBOX] == []


def test_what_the_sandboxs_guide_says_to_type_can_be_typed() -> None:
    """Its flags are the command's."""
    lines = re.findall(r"^\$ onboard360 sandbox (.*)$", SANDBOX, re.MULTILINE)
    assert lines
    for line in lines:
        _parser().parse_args(shlex.split(line))


def test_what_the_sandboxs_guide_says_to_other_languages_is_heard() -> None:
    """Each of its requests is answered; that its table is whole, tests/sandbox/test_control.py holds."""
    lines = re.findall(r"^\$ curl (?:-X (\w+) )?http://127.0.0.1:8360(/\S+)(?: -d '(.*)')?$", SANDBOX, re.MULTILINE)
    assert len(lines) == SANDBOX.count("$ curl")
    with Sandbox() as sandbox:

        def answered(method: str, path: str, body: str) -> int:
            request = Request(sandbox.url + path, body.encode(), method=method)
            try:
                with urlopen(request) as answer:
                    return int(answer.status)
            except HTTPError as error:
                with error:
                    return error.code

        assert {answered(method or "GET", path, body) for method, path, body in lines} == {200}


def test_the_two_commands_are_told() -> None:
    """What the README tells to run is what CI runs."""
    assert "python3 dev demo" in README
    assert "python3 dev test" in README
    assert "python3 dev test" in (ROOT / ".ci" / "run").read_text()
