r"""What every command says, word for word, on terminals of 80 and 140 columns: a change to it is seen, and is meant.

Each case is a file in tests/cli/golden: the command, its exit code, stdout and stderr as a terminal gets them, an
escape written as `\e`. The commands are in tests/cli/golden_cases.py; each help page is found by walking all commands.
To write the files anew, and remove those that nobody asks for any more, then look at what `git diff` shows:

    ONBOARD360_GOLDEN=write python -m pytest tests/cli/test_golden.py

The libraries that draw are part of what is seen, so the files say of which they are; with others nothing is compared.
"""

import os
import re
import shlex
import sys
from collections.abc import Iterator
from importlib.metadata import version
from itertools import count
from pathlib import Path
from typing import Final

import pytest

if sys.platform == "win32":
    pytest.skip("Windows has no such terminals", allow_module_level=True)

from datetime import UTC, datetime

from onboard360_async.cli.app import onboard360
from onboard360_async.sandbox import Sandbox
from tests.cli.conftest import Command, Said, commands
from tests.cli.golden_cases import CASES, CLIENTS, settle_in
from tests.cli.terminal import on_terminal

GOLDEN: Final = Path(__file__).parent / "golden"
WRITES: Final = os.environ.get("ONBOARD360_GOLDEN") == "write"
VERSIONS: Final = f"click {version('click')}, rich {version('rich')}\n"
VERSIONS_FILE: Final = GOLDEN / "versions.txt"
HELP_COLUMNS: Final = 80
HELPS: Final = {"-".join(("help", *path)): path for path in [(), *(path for path, _ in commands(onboard360))]}
SHOWN: Final = {f"{name}-{columns}": (case, columns) for name, case in CASES.items() for columns in case.widths}
_NEWER_ARGPARSE: Final = sys.version_info >= (3, 13)  # whose help has other words

pytestmark = pytest.mark.skipif(
    not WRITES and (not VERSIONS_FILE.exists() or VERSIONS_FILE.read_text(encoding="utf-8") != VERSIONS),
    reason="the golden files are of other versions of click and rich",
)


class Ids:
    """Ids and codes of links that can be foreseen."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """From the first one on."""
        self._ids, self._codes = count(1), count(1)

    def id(self) -> str:
        return f"00000000-0000-4000-8000-{next(self._ids):012}"

    def code(self) -> str:
        return f"code{next(self._codes):08}"


IDS: Final = Ids()


@pytest.fixture(scope="module")
def played() -> Iterator[Sandbox]:
    """A service whose ids, codes and dates never vary; an import takes nobody of so late a date for an old client."""
    with Sandbox(
        limiter="off",
        now=lambda: datetime(2099, 1, 15, 10, 30, tzinfo=UTC),
        new_id=IDS.id,
        new_code=IDS.code,
        link_origin="https://app.360onboard.com",
        seed=CLIENTS,
    ) as running:
        yield running


@pytest.fixture
def world(played: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """That service as at its start, a key and a budget of our own, a folder with the files of the cases."""
    IDS.begin()
    played.reset()
    monkeypatch.setenv("ONBOARD360_API_KEY", played.new_key())
    monkeypatch.setenv("ONBOARD360_BASE_URL", played.url)
    monkeypatch.setenv("ONBOARD360_BUDGET", "file")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setenv("PAGER", "cat")
    for name in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    settle_in()
    return played


def words_of(text: str) -> list[str]:
    """A command's words: apart by blanks, but for what stands between two bars."""
    return [word for number, part in enumerate(text.split("|")) for word in ([part] if number % 2 else part.split())]


def settled(text: str) -> str:
    """What varies, in the words of a placeholder that is as wide: all of it, and nowhere else."""
    text = re.sub(r"[^\n]*\r\x1b\[2K", "", text)  # of what is drawn in place, the last is left
    text = text.replace(f"{Path.cwd()}{os.sep}", "<folder>/")
    text = re.sub(r"(http://127\.0\.0\.1):\d{2,}", r"\1:<port>", text)
    text = re.sub(
        r"20(?!24|99)\d\d-\d\d-\d\d(T\d\d:\d\d:\d\dZ)?", lambda found: f"<{'time':.<{len(found[0]) - 2}}>", text
    )
    text = re.sub(r"budget \d of 100", "budget <n> of 100", text)  # how often was asked whether somebody is there
    return text.replace("\x1b", "\\e").replace("\r", "\\r")


def page(words: str, said: Said) -> str:
    """A golden file."""
    return (
        f"$ onboard360 {words}\n[exit {int(said.code)}]\n--- stdout\n{settled(said.out)}--- stderr\n{settled(said.err)}"
    )


def compare(name: str, found: str) -> None:
    """With its file, or write that."""
    file = GOLDEN / f"{name}.txt"
    if WRITES:
        GOLDEN.mkdir(exist_ok=True)
        file.write_text(found, encoding="utf-8", newline="\n")
    assert file.exists(), f"{file} is missing; see the top of {__file__}"
    assert found == file.read_text(encoding="utf-8"), f"see the top of {__file__} if this is meant"


@pytest.mark.parametrize("name", SHOWN)
def test_a_command_says_what_it_said(
    name: str, world: Sandbox, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Word for word, with the same exit code, on the same stream."""
    case, columns = SHOWN[name]
    if case.fault:
        world.add_fault(case.fault, **case.of)
    for words in case.before:
        command(*words_of(words))
    if not case.key:
        monkeypatch.delenv("ONBOARD360_API_KEY")
    said = on_terminal(words_of(case.words), columns, case.typed)
    assert "Traceback" not in said.out + said.err
    assert not re.search(re.escape(os.environ.get("ONBOARD360_API_KEY", "sk_")), said.out + said.err)
    compare(name, page(shlex.join(words_of(case.words)), said))


@pytest.mark.parametrize("name", HELPS)
def test_a_help_page_says_what_it_said(name: str, world: Sandbox) -> None:
    """At 80 columns, and no line of it is wider; no command's own line in a group's page is cut."""
    if name == "help-sandbox" and _NEWER_ARGPARSE:
        pytest.skip("the sandbox's own page is argparse's, whose words are other ones from Python 3.13 on")
    said = on_terminal([*HELPS[name], "--help"], HELP_COLUMNS)
    if name != "help-sandbox":
        assert max(map(len, said.out.splitlines())) <= HELP_COLUMNS
        assert not re.search(r"\.\.\.$", said.out.partition("\nCommands:\n")[2], re.MULTILINE), "say it in short_help"
    compare(f"{name}-{HELP_COLUMNS}", page(" ".join([*HELPS[name], "--help"]), said))


def test_no_golden_file_is_missing_or_left_over() -> None:
    """One for each case and width, and for each help page."""
    wanted = {f"{name}.txt" for name in (*SHOWN, *(f"{name}-{HELP_COLUMNS}" for name in HELPS))} | {VERSIONS_FILE.name}
    if WRITES:
        VERSIONS_FILE.write_text(VERSIONS, encoding="utf-8", newline="\n")
        for left in {file.name for file in GOLDEN.iterdir()} - wanted:
            (GOLDEN / left).unlink()
    assert {file.name for file in GOLDEN.iterdir()} == wanted


def test_no_golden_file_shows_what_varies() -> None:
    """No port, no folder of a machine, no date of today."""
    for file in GOLDEN.glob("*.txt"):
        text = file.read_text(encoding="utf-8")
        assert not re.search(r"127\.0\.0\.1:\d{4}|/tmp/|/home/|20(?!24|99|20)\d\d-\d\d-\d\d", text), file.name
