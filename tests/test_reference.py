"""The reference guides (commands, exit codes, environment, formats) against what they are about, in both directions."""

import ast
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path

import click
import pytest
from attrs import frozen

from onboard360_async import settings
from onboard360_async.cli.app import onboard360
from onboard360_async.cli.exits import Exit
from onboard360_async.cli.show import FORMATS
from onboard360_async.sandbox.command import _parser, flags
from tests.cli.conftest import commands

PACKAGE = Path(__file__).parents[1] / "onboard360_async"
README = (PACKAGE.parent / "README.md").read_text(encoding="utf-8")
GUIDES = {path.stem: path.read_text(encoding="utf-8") for path in (PACKAGE / "guides").glob("*.md")}

# --- commands ---

LEAVES = {" ".join(path): command for path, command in commands(onboard360) if not isinstance(command, click.Group)}
SECTIONS = dict(re.findall(r"^## onboard360 (.*?)\n(.*?)(?=^## |\Z)", GUIDES["commands"], re.MULTILINE | re.DOTALL))
SHARED = dict(re.findall(r"^\*\*The (\w+) flags\*\*.*?\n\n(.*?)\n\n", GUIDES["commands"], re.MULTILINE | re.DOTALL))


def lines_of(section: str) -> dict[str, str]:
    """Each flag that a section names, with its line."""
    found: dict[str, str] = {}
    for item in re.findall(r"^- (.*?)(?=\n- |\n\n|\Z)", section, re.MULTILINE | re.DOTALL):
        line = " ".join(item.split())
        head, _, _ = line.partition("`: ")
        for flag in re.findall(r"`(--[\w-]+)", head + "`"):
            assert flag not in found, flag
            found[flag] = line
    return found


def told(name: str) -> dict[str, str]:
    """Each flag that the guide tells of a command, those of many commands as well."""
    found = lines_of(SECTIONS[name])
    for taken in re.findall(r"Takes the ([\w, ]+?) flags\.", " ".join(SECTIONS[name].split())):
        for shared in re.split(r", | and ", taken):
            found = lines_of(SHARED[shared] + "\n\n") | found
    return found


@frozen
class Flag:
    """What help says of a flag: its value's name (None: a page of flags that names none), choices and default."""

    value: str | None
    choices: tuple[str, ...]
    default: object

    @classmethod
    def of(cls, each: click.Option) -> "Flag":
        """A command's; choices are their own name, and what has no other is called by its type."""
        choices = tuple(each.type.choices) if isinstance(each.type, click.Choice) else ()
        value = "" if each.is_flag else each.metavar or "|".join(choices) or each.type.name.upper()
        return cls(value, choices, each.default if each.show_default and not each.is_flag else None)


def options(name: str) -> dict[str, Flag]:
    """Each flag that a command has."""
    if name == "sandbox":
        return {
            flag: Flag(None, each.choices, None)
            for each in flags()
            for flag in each.names
            if flag not in ("-h", "--help")
        }
    found: dict[str, Flag] = {}
    for each in LEAVES[name].params:
        if isinstance(each, click.Option):
            found |= dict.fromkeys((*each.opts, *each.secondary_opts), Flag.of(each))
    return found


def value_of(line: str, flag: str) -> str:
    """What a flag's line calls its value; "" if it has none."""
    found = re.search(rf"`{flag}(?: ([^`]+))?`", line)
    assert found is not None
    return found[1] or ""


def test_the_guide_has_a_section_for_each_command() -> None:
    """And for none that is not there."""
    assert set(SECTIONS) == set(LEAVES)


@pytest.mark.parametrize("name", LEAVES)
def test_the_guide_names_each_flag_of_a_command(name: str) -> None:
    """With its value as help has it, choices and default, and none that does not exist; each says what it is for."""
    lines, there = told(name), options(name)
    assert set(lines) == set(there)
    for flag, its in there.items():
        assert len(lines[flag].partition("`: ")[2]) > 10, flag
        assert its.value is None or value_of(lines[flag], flag) == its.value, flag
        assert [choice for choice in its.choices if choice not in lines[flag]] == [], flag
        assert its.default is None or f"`{its.default}`" in lines[flag], flag


def examples() -> Iterator[tuple[str, str]]:
    """Each command that the README or a guide says to type, with the page."""
    for name, text in {"README": README, **GUIDES}.items():
        for block in re.findall(r"^```console\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
            for line in re.findall(r"(?:^|\$ )(onboard360 [^|;#\n]+)", block, re.MULTILINE):
                yield name, line.strip()


@pytest.mark.parametrize(("guide", "line"), list(examples()))
def test_what_a_guide_says_to_type_can_be_typed(guide: str, line: str) -> None:
    """Each example is read by the parser of its command; nothing is done."""
    _, *words = shlex.split(line)
    if words[0] == "sandbox":
        _parser().parse_args(words[1:])
        return
    context = click.Context(onboard360, info_name="onboard360", **onboard360.context_settings)  # kept with the command
    group: click.Command = onboard360
    while isinstance(group, click.Group):
        _, command, words = group.resolve_command(context, words)
        assert command is not None
        context, group = click.Context(command, parent=context), command
    group.make_context(None, list(words), parent=context.parent)


def test_each_command_has_an_example_of_its_own() -> None:
    """In its section."""
    for name, section in SECTIONS.items():
        assert f"\n$ onboard360 {name}" in section


# --- exit codes ---


def test_the_guide_names_each_exit_code() -> None:
    """Once, in order, with what to do next and the test that holds it; and none that is not there."""
    rows = re.findall(r"^\| (\d+) \| (.+) \| (.+) \|$", GUIDES["exit-codes"], re.MULTILINE)
    assert [int(code) for code, *_ in rows] == [int(code) for code in Exit]
    assert all(len(meaning) > 3 and len(next_step) > 3 for _, meaning, next_step in rows)
    held = re.findall(r"^- (\d+): `test_\w+`$", GUIDES["exit-codes"], re.MULTILINE)
    assert held == [code for code, *_ in rows]
    handled = re.findall(r"^  ([\d|]+)\)", GUIDES["exit-codes"], re.MULTILINE)
    assert {int(code) for codes in handled for code in codes.split("|")} < {int(code) for code in Exit}


# --- the environment ---

# What others read for us: by which call of ours, or for which of our uses.
FOR_US = {
    "COMP_WORDS": "get_completion_args",
    "COMP_CWORD": "get_completion_args",
    "HTTPS_PROXY": "getproxies",
    "NO_PROXY": "proxy_bypass",
    "XDG_STATE_HOME": "user_state_path",
    "TMPDIR": "mkdtemp",
    "NO_COLOR": "Console",
    "FORCE_COLOR": "Console",
    "TERM": "is_dumb_terminal",
    "COLUMNS": "get_terminal_size",
    "LINES": "Console",
    "PAGER": "echo_via_pager",
    "LESS": "echo_via_pager",
    "SSL_CERT_FILE": "TCPConnector",
    "SSL_CERT_DIR": "TCPConnector",
}
NOT_READ = {"HTTP_PROXY", "ALL_PROXY"}


def read_by(source: str) -> Iterator[ast.expr]:
    """What stands for a name where a file reads the environment."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(func=ast.Attribute(attr="get" | "pop" | "setdefault", value=mapping), args=[name, *_]):
                if ast.unparse(mapping) in ("os.environ", "environ"):
                    yield name
            case ast.Call(func=function, args=[name, *_]) if ast.unparse(function) in ("os.getenv", "getenv"):
                yield name
            case ast.Subscript(value=mapping, slice=name) if ast.unparse(mapping) == "os.environ":
                yield name
            case ast.Compare(left=name, ops=[ast.In() | ast.NotIn()], comparators=[mapping]):
                if ast.unparse(mapping) == "os.environ":
                    yield name


def variables(constants: Mapping[str, str]) -> set[str]:
    """The variables that the package reads by itself."""
    found = set()
    for path in PACKAGE.rglob("*.py"):
        if path.parent.name == "webhooks" and path.name in ("bodies.py", "wsgi.py"):
            continue  # WSGI's environ is a request
        for name in read_by(path.read_text(encoding="utf-8")):
            text = ast.unparse(name)
            found.add(ast.literal_eval(name) if isinstance(name, ast.Constant) else constants[text.rpartition(".")[2]])
    return found


def test_the_guide_names_each_variable_that_is_read() -> None:
    """Those that the source reads, and those that others read for us; none that nobody reads."""
    constants = {name: value for name, value in vars(settings).items() if name.endswith("_VARIABLE")}
    ours = variables({**constants, "VARIABLE": settings.WEBHOOK_SECRET_VARIABLE})
    assert set(constants.values()) <= ours
    calls = {
        ast.unparse(node.func).rpartition(".")[2] if isinstance(node, ast.Call) else node.attr
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call | ast.Attribute)
    }
    assert {call for call in FOR_US.values() if call not in calls} == set()
    named = set(re.findall(r"`(_?[A-Z][A-Z0-9]+(?:_[A-Z0-9]+)*)`", GUIDES["environment"]))
    assert named - NOT_READ == ours | set(FOR_US)


def test_each_variable_names_the_test_that_holds_it() -> None:
    """At the end, in the order of the tables."""
    rows = re.findall(r"^\| `(_?[A-Z]\w+)` \|", GUIDES["environment"], re.MULTILINE)
    assert len(rows) > 12
    assert re.findall(r"^- `(\w+)`: `test_\w+`$", GUIDES["environment"], re.MULTILINE) == rows


def test_a_reading_of_the_environment_would_be_seen() -> None:
    """In each of the ways in which one may be written."""
    for text in (
        "os.environ.get('A')",
        "os.environ['A']",
        "os.getenv('A')",
        "'A' in os.environ",
        "os.environ.pop('A')",
    ):
        assert [ast.literal_eval(name) for name in read_by(f"x = {text}")] == ["A"]


# --- formats ---


def test_the_guide_names_each_format() -> None:
    """In its table, in the order of the flag's choices."""
    assert tuple(re.findall(r"^\| `(\w+)` \|", GUIDES["formats"], re.MULTILINE)) == FORMATS
