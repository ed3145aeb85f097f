"""The docs: the README's code runs as pasted, and what it says about the command is so."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from onboard360_async.cli.app import onboard360
from onboard360_async.cli.exits import Exit
from onboard360_async.sandbox import Sandbox

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
GUIDES = sorted((ROOT / "onboard360_async" / "guides").glob("*.md"))
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
    """Each block alone, in an empty folder, with every warning shown; it prints something and nothing goes wrong."""
    path = tmp_path / "pasted.py"
    path.write_text(block)
    command = [sys.executable, "-X", "dev", str(path)]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=15, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip()


def test_the_first_screen_holds_what_it_should() -> None:
    """One sentence, how to install, code, the sandbox, where to go next; and all of it under 200 lines."""
    screen = "\n".join(README.splitlines()[:30])
    for what in ("pip install onboard360-async", "iter_clients", "onboard360_async.sandbox", "Next:"):
        assert what in screen
    assert README.count("\n") < 200


def test_every_link_within_the_readme_leads_somewhere() -> None:
    """An anchor that is named is a heading that is there."""
    headings = {
        re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")
        for title in re.findall(r"^#+ (.*)$", README, re.MULTILINE)
    }
    assert set(re.findall(r"\(#([\w-]+)\)", README)) <= headings


@pytest.mark.parametrize("path", PAGES.values(), ids=PAGES)
def test_every_link_to_a_file_leads_somewhere(path: Path) -> None:
    """From the page where it stands, pictures too."""
    links = re.findall(r"\]\(([^#)\s]+)[^)]*\)", path.read_text())
    assert [link for link in links if "://" not in link and not (path.parent / link).exists()] == []


@pytest.mark.parametrize("path", GUIDES, ids=lambda path: path.name)
def test_what_a_guide_says_is_held_by_tests_that_are_there(path: Path) -> None:
    """A promise names its test; a test that was renamed must not leave the promise alone."""
    tests = "\n".join(each.read_text() for each in (ROOT / "tests").rglob("test_*.py"))
    named = set(re.findall(r"`(test_\w+)`", path.read_text()))
    assert len(named) > 5
    assert [name for name in named if f"def {name}(" not in tests] == []
    files = set(re.findall(r"`(?:tests/[\w/]+/)?(test_\w+\.py)`", path.read_text()))
    assert files <= {each.name for each in (ROOT / "tests").rglob("test_*.py")}


def commands(group: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    for name, each in getattr(group, "commands", {}).items():
        yield (*path, name), each
        yield from commands(each, (*path, name))


@pytest.mark.parametrize(("path", "command"), list(commands(onboard360)), ids=str)
def test_every_command_is_in_the_readme(path: tuple[str, ...], command: click.Command) -> None:
    """What can be typed is named there."""
    if not isinstance(command, click.Group):
        assert " ".join(path) in README


def test_the_exit_codes_in_the_readme_are_those_of_the_command() -> None:
    """The table names each of them."""
    table = README.partition("| exit code | means |")[2]
    listed = {int(code) for cell in re.findall(r"^\| ([\d, ]+) \|", table, re.MULTILINE) for code in cell.split(",")}
    assert listed == {int(code) for code in Exit}


def test_the_two_commands_are_told() -> None:
    """What the README tells to run is what CI runs."""
    assert "python3 dev demo" in README
    assert "python3 dev test" in README
    assert "python3 dev test" in (ROOT / ".ci" / "run").read_text()
