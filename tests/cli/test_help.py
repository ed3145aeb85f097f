"""`onboard360 help`: guides on the screen and in a pipe, each command's help, one clear line for what is neither."""

import re
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import click
import pytest

from onboard360_async.cli import guide
from onboard360_async.cli.app import onboard360
from onboard360_async.cli.commands import COMMANDS
from onboard360_async.cli.drawing import drawn
from tests.cli.conftest import Command, commands
from tests.cli.terminal import of_a_process, on_terminal

FOLDER = Path(str(files("onboard360_async"))) / "guides"
GUIDES = {path.stem: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.md")}
HEAVY = "{'aiohttp', 'asyncio', 'cattrs', 'rich', 'sqlite3'}"
STARTED = "from onboard360_async.cli import main; main()"


def plain(text: str) -> str:
    """Without colours."""
    return re.sub(r"\x1b\[[\d;]*m", "", text)


def flat(text: str) -> str:
    """In one line."""
    return " ".join(text.split())


@pytest.mark.parametrize("name", GUIDES)
def test_a_pipe_gets_a_guide_as_it_was_written(command: Command, name: str) -> None:
    """Markdown, with its links and without an escape."""
    said = command("help", name)
    assert (said.code, said.out, said.err) == (0, GUIDES[name], "")


@pytest.mark.parametrize("name", GUIDES)
def test_a_guide_is_listed_with_half_a_line(command: Command, name: str) -> None:
    """Its heading or first sentence, from the guide itself; no line is longer than a screen of 80."""
    said = command("help")
    (line,) = re.findall(rf"^  {re.escape(name)} +(.*)$", said.out, re.MULTILINE)
    words = re.sub(r"\*\*|`|\[([^\]]*)\]\([^)]*\)", lambda mark: mark[1] or "", flat(GUIDES[name]))
    assert line.removesuffix("…").removesuffix(".") in words
    assert len(line) > 10
    assert max(map(len, said.out.splitlines())) <= 80
    assert said.out.splitlines()[-1].startswith("The help of a command:")


def test_a_guide_that_comes_is_there(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No second list: whatever file stands in the folder is a topic; a heading that says more than its name is said."""
    (tmp_path / "guides").mkdir()
    for name, text in {
        "one.md": "# The one\n\nIt is `first`, **of** [two](two.md). And more.\n",
        "two.md": "# Two that follow one\n\nSentence.\n",
        "three.txt": "no guide",
    }.items():
        (tmp_path / "guides" / name).write_text(text)
    monkeypatch.setattr(guide, "files", lambda _: tmp_path)
    said = command("help").out
    assert re.findall(r"^  (\w+) +(.*)$", said, re.MULTILINE) == [
        ("one", "It is first, of two."),
        ("two", "Two that follow one"),
    ]
    assert command("help", "one").out.startswith("# The one")


def test_a_narrow_screen_gets_whole_words(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """What has no room is left out, and a sign says so."""
    monkeypatch.setenv("COLUMNS", "50")
    lines = [line for line in command("help").out.splitlines() if line.endswith("…")]
    assert lines
    assert max(map(len, lines)) <= 50
    for line in lines:
        assert line[:-1].split()[-1].rstrip(",") in re.findall(r"[^\s`*,]+", "\n".join(GUIDES.values()))


@pytest.mark.parametrize(("columns", "most"), [(60, 60), (80, 80), (140, 100)])
def test_a_terminal_gets_it_rendered_within_its_width(columns: int, most: int) -> None:
    """No mark of Markdown is left, links between guides are commands, and a line is at most a hundred signs long."""
    said = of_a_process(["help", "network"], columns=columns, lines=1000)
    assert "\x1b[" in said
    shown = plain(said)
    assert "\x1b" not in shown
    assert max(map(len, map(str.rstrip, shown.splitlines()))) <= most
    for mark in ("**", "```", "## ", "|---"):
        assert mark not in shown
    assert "What is known after a failure" in shown


def test_no_cell_of_a_table_is_cut() -> None:
    """It may be a variable that is to be typed: what is too long for its column goes on below."""
    shown = plain(of_a_process(["help", "environment"], columns=60, lines=1000))
    assert "…" not in shown
    cells = [re.split(r"\s{2,}|[│┃]", line.strip(" │┃"))[0].strip() for line in shown.splitlines()]
    assert "ONBOARD360_WEBHOOK_SECRET" in "".join(cells)


def test_links_are_spelt_as_a_terminal_needs_them() -> None:
    """Another guide is a command, an address stays, a file that is not there is its words; code is left alone."""
    text = (
        "See [the budget](budget.md#which-store), [it](https://a.b/c), [readme](../../README.md),"
        " ![a picture](../x.png) and `[no](link.md)`.\n\n```python\nx = [a](b.md)\n```\n"
    )
    assert guide.for_screen(text) == (
        "See the budget (`onboard360 help budget`), [it](https://a.b/c), readme,"
        " a picture and `[no](link.md)`.\n\n```python\nx = [a](b.md)\n```\n"
    )


def test_an_address_is_written_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not hidden in an escape, of which a pager that knows none would show the half."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    shown, _ = drawn("See [it](https://a.b/c), **now**.")
    assert "\x1b[1m" in shown
    assert "\x1b]" not in shown
    assert "it (https://a.b/c)" in plain(shown)


def test_what_is_drawn_without_colours_is_not_bold_either(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the command takes out what is left: what draws a guide heeds NO_COLOR itself."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    shown, _ = drawn("# One\n\nSee [it](https://a.b/c), **now**.")
    assert "now" in shown
    assert "\x1b" not in shown


def test_every_link_between_guides_leads_to_one() -> None:
    """As it is shown on a terminal."""
    for text in GUIDES.values():
        assert set(re.findall(r"`onboard360 help ([\w-]+)`", guide.for_screen(text))) <= {*GUIDES, *COMMANDS}


@pytest.mark.parametrize(
    "env", [{"NO_COLOR": "1"}, {"NO_COLOR": "1", "PAGER": None, "LESS": "-X"}, {"TERM": "dumb", "PAGER": None}], ids=str
)
def test_colours_can_be_switched_off(env: dict[str, str | None]) -> None:
    """With NO_COLOR no escape is left, those for bold and underlined neither; nor on a terminal that can do nothing."""
    said = of_a_process(["help", "budget"], lines=200, env=env)
    assert "The budget" in said
    assert "\x1b" not in said


@pytest.mark.parametrize(("lines", "typed", "is_paged"), [(24, True, True), (1000, True, False), (24, False, False)])
def test_only_what_is_longer_than_the_screen_is_paged(tmp_path: Path, lines: int, typed: bool, is_paged: bool) -> None:
    """By the pager of PAGER, and only where somebody can press its keys; colours that it may not know are taken out."""
    pager = tmp_path / "pager"
    pager.write_text("#!/bin/sh\necho PAGED\ncat\n")
    pager.chmod(0o700)
    said = of_a_process(["help", "budget"], lines=lines, typed=typed, env={"PAGER": str(pager)})
    assert said.startswith("PAGED") is is_paged
    assert said.rstrip().endswith("what this process saw last.")
    assert ("\x1b" in said) is not is_paged


def test_a_guide_that_fits_the_screen_is_not_paged(monkeypatch: pytest.MonkeyPatch) -> None:
    """It stands there at once, and no key need be pressed."""
    monkeypatch.setenv("LINES", "1000")
    monkeypatch.setattr("click.echo_via_pager", None)
    assert "FAQ: questions and answers" in on_terminal(["help", "faq"], 80).out


def test_a_guide_that_is_longer_than_the_screen_is_paged(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is both a guide and a command says where the flags are."""
    paged: list[str] = []
    monkeypatch.setattr("click.echo_via_pager", paged.append)
    assert on_terminal(["help", "budget"], 80).out == ""
    assert "onboard360 budget --help" in paged[0]


def test_the_height_may_be_said(tmp_path: Path) -> None:
    """By LINES, and the width by COLUMNS: a terminal that is asked for neither is believed in neither."""
    pager = tmp_path / "pager"
    pager.write_text("#!/bin/sh\necho PAGED\ncat\n")
    pager.chmod(0o700)
    env: dict[str, str | None] = {"PAGER": str(pager), "LINES": "1000", "COLUMNS": "50"}
    said = plain(of_a_process(["help", "network"], env=env))
    assert not said.startswith("PAGED")
    assert max(map(len, map(str.rstrip, said.splitlines()))) <= 50


def test_a_word_that_is_both_is_the_guide_and_says_where_the_flags_are(command: Command) -> None:
    """`imports` is a guide and a command; a word that is no guide is the command."""
    both = GUIDES.keys() & COMMANDS.keys()
    assert {"budget", "imports", "sandbox", "webhooks"} <= both
    for name in both:
        assert command("help", name).out.startswith("# ")
    assert "onboard360 imports --help" in flat(plain(of_a_process(["help", "imports"])))[:120]
    assert "--help" not in flat(plain(of_a_process(["help", "network"])))[:120]


PATHS = [path for path, _ in commands(onboard360) if len(path) > 1 or path[0] not in GUIDES]


@pytest.mark.parametrize("path", PATHS, ids=" ".join)
def test_the_help_of_a_command_is_its_own(command: Command, path: tuple[str, ...]) -> None:
    """To the letter, for groups and for what is in them."""
    said = command("help", *path)
    assert (said.code, said.out, said.err) == (0, command(*path, "--help").out, "")
    assert f"Usage: onboard360 {' '.join(path)} " in said.out


def test_the_sandboxs_help_is_its_own_parsers(command: Command) -> None:
    """Of which click knows nothing; `help sandbox` is the guide."""
    sandbox = onboard360.get_command(click.Context(onboard360), "sandbox")
    assert sandbox is not None
    assert sandbox.get_help(click.Context(sandbox)) == command("sandbox", "--help").out.rstrip()


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["budgt"], "Perhaps: budget."),
        (["import-s"], "Perhaps: imports, import."),
        (["clients", "lst"], "Perhaps: clients list"),
        (["clients", "list", "more"], "Perhaps: clients list"),
        (["xyzzy"], "`onboard360 help` lists the guides."),
        (["\x1b[2J"], r"'\x1b[2J'"),
    ],
)
def test_a_word_that_is_neither_is_one_clear_line(command: Command, words: list[str], meant: str) -> None:
    """With what may have been meant, exit 2, and nothing on stdout."""
    said = command("help", *words)
    assert (said.code, said.out, said.err.count("\n")) == (2, "", 1)
    assert said.err.startswith("Error: There is no guide and no command ")
    assert meant in said.err


def test_a_topic_may_be_typed_in_words_and_capitals(command: Command) -> None:
    """As its heading reads: `help Exit codes`."""
    assert command("help", "Exit", "codes").out == command("help", "exit-codes").out == GUIDES["exit-codes"]


def test_a_guide_in_a_pipe_waits_for_nothing() -> None:
    """Neither what draws nor what connects is loaded for it."""
    code = (
        f"import sys; sys.argv = ['onboard360', 'help', 'imports']\nfrom onboard360_async.cli import main\n"
        f"try: main()\nexcept SystemExit: print('loaded', *{HEAVY}.intersection(sys.modules))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.splitlines()[-1] == "loaded"


def test_a_reader_of_a_guide_may_go_away() -> None:
    """`onboard360 help imports | head -1`."""
    shell = ["bash", "-o", "pipefail", "-c", f"'{sys.executable}' -c '{STARTED}' help webhooks | head -n 1"]
    done = subprocess.run(shell, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "# Receiving webhooks\n", "")
