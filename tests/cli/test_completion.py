"""TAB: what the shells are answered, by their protocols and, where they are there, by themselves."""

import os
import pty
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import pytest

from onboard360_async import settings
from onboard360_async.cli import main
from onboard360_async.cli.commands import COMMANDS
from onboard360_async.cli.completing import answer
from onboard360_async.cli.guide import guides
from tests.cli.conftest import Command

ROOT = Path(__file__).parents[2]
SHELLS = ("bash", "zsh", "fish")
FORMATS = ["table", "json", "jsonl", "csv"]


def asked(shell: str, *words: str) -> dict[str, str]:
    """What a shell's script puts into the environment when TAB is pressed behind these words; "" begins a new one."""
    line = " ".join(["onboard360", *words])
    where = words[-1] if shell == "fish" else str(len(words))
    return {settings.COMPLETE_VARIABLE: f"{shell}_complete", "COMP_WORDS": line, "COMP_CWORD": where}


def read(shell: str, said: str) -> list[tuple[str, str, str]]:
    """Kind, value and meaning of each answer, as the shell's script reads them."""
    lines = said.splitlines()
    if shell == "zsh":
        return [(lines[at], lines[at + 1], lines[at + 2]) for at in range(0, len(lines) - 2, 3)]
    pairs = (line.partition(",") for line in lines if line)
    return [(kind, *value.partition("\t")[::2]) for kind, _, value in pairs]


class Completing:
    """The command, asked in this process as a shell asks it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._patch, self._capsys = monkeypatch, capsys

    def __call__(self, shell: str, *words: str) -> list[str]:
        """The words that may stand there; nothing is ever said on stderr."""
        return [value for kind, value, _ in self.whole(shell, *words) if kind == "plain"]

    def whole(self, shell: str, *words: str) -> list[tuple[str, str, str]]:
        """Kinds and meanings, too."""
        from onboard360_async.cli.app import run

        for name, value in asked(shell, *words).items():
            self._patch.setenv(name, value)
        self._patch.setattr(sys, "argv", ["onboard360"])
        code = run()
        said = self._capsys.readouterr()
        assert (code, said.err) == (0, "")
        return read(shell, said.out)


@pytest.fixture
def completing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Completing:
    """Asks as a shell does."""
    return Completing(monkeypatch, capsys)


@pytest.mark.parametrize("shell", SHELLS)
def test_each_shell_is_answered_in_its_own_way(completing: Completing, shell: str) -> None:
    """Commands, subcommands, flags, choices, files and topics; where a meaning can be shown, it is."""
    assert completing(shell, "") == list(COMMANDS)
    assert completing(shell, "c") == ["campaigns", "clients", "completion"]
    assert set(completing(shell, "--")) == {"--version", "--help"}
    assert completing(shell, "clients", "") == ["add", "list"]
    assert completing(shell, "clients", "list", "--f") == ["--format"]
    assert completing(shell, "clients", "list", "--format", "") == FORMATS
    assert completing(shell, "clients", "list", "--format", "j") == ["json", "jsonl"]
    assert completing(shell, "completion", "") == list(SHELLS)
    assert completing(shell, "request", "po") == ["POST"]
    assert completing.whole(shell, "import", "peo")[0][:2] == ("file", "peo")
    assert completing.whole(shell, "clients", "list", "--api-key-file", "k")[0][:2] == ("file", "k")
    assert completing(shell, "help", "") == sorted({*COMMANDS, *guides()})
    assert completing(shell, "help", "imports", "res") == ["resolve", "results", "resume"]
    assert completing(shell, "help", "budget", "") == completing(shell, "help", "nothing", "") == []
    if shell != "bash":
        assert [meaning for _, _, meaning in completing.whole(shell, "")] == [each.does for each in COMMANDS.values()]


@pytest.mark.parametrize("shell", SHELLS)
def test_a_choice_behind_an_equals_sign_is_completed(completing: Completing, shell: str) -> None:
    """For bash that is a word of its own, for the others a part of one, which they put in as a whole."""
    if shell == "bash":
        assert completing(shell, "clients", "list", "--format", "=", "j") == ["json", "jsonl"]
        assert completing(shell, "clients", "list", "--format", "=") == FORMATS
    else:
        assert completing(shell, "clients", "list", "--format=j") == ["--format=json", "--format=jsonl"]


@pytest.mark.parametrize("shell", SHELLS)
def test_the_sandboxs_own_flags_are_completed(completing: Completing, shell: str) -> None:
    """Which are no flags of click's; their choices and files as well."""
    assert completing(shell, "sandbox", "--lim") == ["--limit", "--limiter"]
    assert completing(shell, "sandbox", "--port", "0", "--limiter", "f") == ["fixed", "fixed-from-first"]
    assert completing.whole(shell, "sandbox", "--seed", "x")[0][:2] == ("file", "x")
    assert completing(shell, "sandbox", "--port", "") == completing(shell, "sandbox", "") == []


@pytest.mark.parametrize(
    "words",
    [["nonsense", ""], ["nonsense", "--"], ["clients", "nonsense", ""], ["demo", "--window", "x", "--"], ["'", ""]],
)
def test_a_line_with_a_mistake_in_it_says_nothing(completing: Completing, words: list[str]) -> None:
    """Least of all on stderr, where one is typing."""
    for shell in SHELLS:
        completing(shell, *words)


def test_what_no_shell_asks_is_refused_in_silence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A shell that is none, a question that is none, an environment without a line, Ctrl-C in the middle."""
    from onboard360_async.cli.app import onboard360

    for name in ("COMP_WORDS", "COMP_CWORD"):
        monkeypatch.delenv(name, raising=False)
    for question in ("nonsense", "csh_complete", "bash_", "bash_complete", "zsh_complete", "fish_complete"):
        assert answer(onboard360, question) == 1

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    for name, value in asked("bash", "").items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("onboard360_async.cli.completing._completer", interrupted)
    assert answer(onboard360, "bash_complete") == 1
    assert tuple(capsys.readouterr()) == ("", "")


@pytest.mark.parametrize(
    "trouble", [KeyboardInterrupt(), ModuleNotFoundError("No module named 'click'", name="click")], ids=repr
)
def test_what_goes_wrong_at_the_door_is_not_told_where_one_types(
    trouble: BaseException, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C while all is imported, or the extra that was removed: one line at a prompt, and silence behind TAB."""

    class Door(ModuleType):
        @property
        def run(self) -> None:
            raise trouble

    monkeypatch.setitem(sys.modules, "onboard360_async.cli.app", Door("app"))
    for is_asked in (False, True):
        if is_asked:
            monkeypatch.setenv(settings.COMPLETE_VARIABLE, "bash_complete")
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        assert (ended.value.code in (2, 130), said.out, said.err.count("\n")) == (True, "", 0 if is_asked else 1)


@pytest.mark.parametrize(
    "words", [[""], ["cl"], ["--"], ["help", ""], ["completion", ""], ["nonsense", ""]], ids=" ".join
)
def test_completing_what_stands_first_waits_for_no_command(words: list[str]) -> None:
    """Neither a connection nor a database nor a table is loaded for it."""
    code = (
        "import sys; HEAVY = {'aiohttp', 'asyncio', 'cattrs', 'rich', 'sqlite3'}; sys.argv = ['onboard360']\n"
        "from onboard360_async.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: print('loaded', end.code, *HEAVY.intersection(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | asked("zsh", *words), capture_output=True, text=True, check=True
    )
    assert (done.stdout.splitlines()[-1], done.stderr) == ("loaded 0", "")


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_is_printed_without_a_word_beside_it(
    command: Command, shell: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where there is no bash to ask for its version, and by click's own way to ask for it."""
    monkeypatch.setenv("PATH", str(tmp_path))
    said = command("completion", shell)
    assert (said.code, said.err) == (0, "")
    assert f"{settings.COMPLETE_VARIABLE}={shell}_complete" in said.out
    monkeypatch.setenv(settings.COMPLETE_VARIABLE, f"{shell}_source")
    started = [sys.executable, "-c", "from onboard360_async.cli import main; main()"]
    done = subprocess.run(started, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, said.out, "")


def test_the_help_says_the_line_for_each_shell(command: Command) -> None:
    """To be pasted as it is."""
    said = command("completion", "--help").out
    for line in ('eval "$(onboard360 completion bash)"', 'eval "$(onboard360 completion zsh)"', "fish | source"):
        assert line in said
    assert command("completion", "csh").code == 2


# --- by the shells themselves ---


@pytest.fixture
def there(tmp_path: Path) -> Mapping[str, str]:
    """An environment with `onboard360` on its path, and a folder with a file to be found."""
    script = tmp_path / "bin" / "onboard360"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "from onboard360_async.cli import main; main()" "$@"\n')
    script.chmod(0o700)
    (tmp_path / "people.csv").touch()
    path = f"{script.parent}{os.pathsep}{os.environ['PATH']}"
    return os.environ | {"PATH": path, "PYTHONPATH": str(ROOT), "HOME": str(tmp_path), "TERM": "dumb", "PS1": "$ "}


def typed(shell: list[str], line: str, keys: str, until: str, there: Mapping[str, str]) -> str:
    """What a shell at a terminal shows after it was told a line, and then keys, as soon as it shows `until`."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        shell, stdin=theirs, stdout=theirs, stderr=theirs, env=there, cwd=there["HOME"], start_new_session=True
    ) as process:
        os.close(theirs)
        try:
            os.write(ours, f"{line}; echo rea''dy\n".encode())
            _shown(ours, "ready")
            os.write(ours, keys.encode())
            return _shown(ours, until)
        finally:
            process.kill()
            os.close(ours)


def _shown(terminal: int, until: str) -> str:
    shown = ""
    while until not in shown:
        shown += os.read(terminal, 65_536).decode(errors="replace")
    return shown


IN_SHELLS = [
    ("onboard360 campa\t", "campaigns "),
    ("onboard360 request G\t", "GET "),
    ("onboard360 clients list --form\t", "--format"),
    ("onboard360 import peop\t", "people.csv"),
    ("onboard360 help exit\t", "exit-codes"),
]


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
@pytest.mark.parametrize(("keys", "until"), [*IN_SHELLS, ("onboard360 clients list --format=t\t", "=table")])
def test_bash_completes(there: Mapping[str, str], keys: str, until: str) -> None:
    """A real one, told the line that the help says, with a real TAB."""
    shell = ["bash", "--norc", "--noprofile", "-i"]
    assert "Error" not in typed(shell, 'eval "$(onboard360 completion bash)"', keys, until, there)


@pytest.mark.skipif(shutil.which("zsh") is None, reason="there is no zsh here")
@pytest.mark.parametrize(("keys", "until"), [*IN_SHELLS, ("onboard360 clients list --format=t\t", "=table")])
def test_zsh_completes(there: Mapping[str, str], keys: str, until: str) -> None:
    """A real one, told the line that the help says, with a real TAB."""
    line = 'autoload -U compinit; compinit -u -D; eval "$(onboard360 completion zsh)"'
    assert "Error" not in typed(["zsh", "-f", "-i"], line, keys, until, there)


@pytest.mark.skipif(shutil.which("fish") is None, reason="there is no fish here")
@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("onboard360 campa", "campaigns\tCampaigns: list."),
        ("onboard360 comple", f"completion\t{COMMANDS['completion'].does}"),
        ("onboard360 request G", "GET"),
        ("onboard360 import peop", "people.csv"),
        ("onboard360 help exit", "exit-codes"),
        ("onboard360 clients list --format=t", "--format=table"),
    ],
)
def test_fish_completes(there: Mapping[str, str], words: str, found: str) -> None:
    """A real one, asked by its own word for TAB; a meaning keeps its commas."""
    asks = f'onboard360 completion fish | source; complete -C "{words}"'
    done = subprocess.run(
        ["fish", "--no-config", "-c", asks], env=there, cwd=there["HOME"], capture_output=True, text=True, check=False
    )
    assert (done.stdout.startswith(found), done.stderr) == (True, "")
