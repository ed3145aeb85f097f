"""The public API is what tests/public_api.txt says, name by name, and what of it changes stands in CHANGELOG.md.

After a change that is meant: `python3 -m tests.public_api`, and a line in the changelog that names it in `code`.
"""

import difflib
import re
import subprocess
from importlib import import_module
from pathlib import Path

import pytest

from tests import public_api
from tests.public_api import (
    DOORS,
    FILE,
    PACKAGE,
    Place,
    found,
    lines,
    parsed,
    read,
    renewed,
    unnamed,
)
from tests.test_bridge import other_pythons

ROOT = Path(__file__).parents[1]
CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
ASKED = re.compile(rf"^ *from ({PACKAGE}[\w.]*) import ([\w, ]+)", re.MULTILINE)
PAGES = [
    path
    for path in (ROOT / "README.md", *sorted((ROOT / PACKAGE / "guides").glob("*.md")))
    if ASKED.search(path.read_text(encoding="utf-8"))
]
BEFORE = """\
a.Client: class @frozen
a.Client.email: field str
a.Client.id: field str
a.list_clients: function () -> list[Client]
"""


@pytest.fixture(scope="module")
def now() -> list[str]:
    """The lines of the package as it stands."""
    return lines()


# --- what is promised ---


def test_the_public_api_is_what_is_written(now: list[str]) -> None:
    """Every name, with its signature, its fields or its value."""
    written = [line for said, _ in parsed(FILE.read_text(encoding="utf-8")).values() for line in said]
    written = [line for line in written if not line.endswith(f": {public_api.REMOVED}")]
    differences = [line for line in difflib.unified_diff(written, now, n=0, lineterm="") if line[:2] != "@@"]
    advice = "If that is meant: python3 -m tests.public_api, and a line in CHANGELOG.md that names it in `code`."
    assert not differences, "\n".join(["The public API has changed.", *differences[2:], advice])


def test_the_changelog_names_what_has_changed() -> None:
    """Each name, in the section of the version at which it did, or a later one."""
    assert unnamed(parsed(FILE.read_text(encoding="utf-8")), CHANGELOG) == []


def test_the_file_is_as_it_would_be_written(now: list[str]) -> None:
    """In its order, with nothing but what belongs there."""
    text = FILE.read_text(encoding="utf-8")
    assert renewed(parsed(text), now, public_api.version()) == text


def test_no_public_signature_says_any(now: list[str]) -> None:
    """Nor an alias that stands in one: what a caller may give or gets has a type."""
    assert [line for line in now if re.search(r"\bAny\b", line)] == []


@pytest.mark.parametrize("door", DOORS)
def test_every_name_of_a_door_is_there(door: str) -> None:
    """What the source says is what one imports."""
    module, source = import_module(door), read(door)
    assert source is not None
    assert tuple(module.__all__) == source.public
    assert set(module.__all__) <= set(dir(module))
    for name in (*source.public, *source.fixtures):
        assert getattr(module, name) is not None


def test_the_doors_are_what_the_guide_names(now: list[str]) -> None:
    """Each module whose `__all__` is promised, once, and no other; a name told beside them stands in the file."""
    guide = " ".join((ROOT / PACKAGE / "guides" / "upgrading.md").read_text(encoding="utf-8").split())
    told = re.search(r"- \*\*Names\*\* .*? modules of it: (.*?); and (.*?)\. ", guide)
    assert told is not None
    modules, beside = (re.findall(r"`([\w.]+)`", part) for part in told.groups())
    assert {PACKAGE, *(f"{PACKAGE}.{name}" for name in modules)} == set(DOORS)
    assert len(modules) + 1 == len(DOORS)
    assert {f"{PACKAGE}.{name}" for name in beside} <= set(parsed("\n".join(now)))


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_the_docs_import_what_is_public(path: Path, now: list[str]) -> None:
    """From a door, or from where the file of names says that it is written."""
    names = set(parsed("\n".join(now)))
    text = re.sub(r"\(\n([^)]*)\)", lambda match: re.sub(r"\s+", " ", match[1]), path.read_text(encoding="utf-8"))
    for module, imported in ASKED.findall(text):
        for name in re.split(r", *", imported.strip()):
            assert f"{module}.{name}" in names or f"{module}.{name}" in DOORS, f"{module}.{name}"


# --- how it is read ---


def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **files: str) -> list[str]:
    """The lines of a package of these files, whose one door is `room`."""
    for name, source in files.items():
        (tmp_path / PACKAGE).mkdir(exist_ok=True)
        (tmp_path / PACKAGE / f"{name}.py").write_text(source)
    monkeypatch.setattr(public_api, "ROOT", tmp_path)
    monkeypatch.setattr(public_api, "DOORS", (f"{PACKAGE}.room",))
    read.cache_clear()
    try:
        return [line.removeprefix(f"{PACKAGE}.") for line in lines()]
    finally:
        read.cache_clear()


ROOM = f"""
from {PACKAGE}.within import Given, Kind
__all__ = ["Thing", "call"]
class Thing(Given):
    MOST = 5
    def __init__(self, size: "int | None" = None, *, of: Kind = "a") -> None:
        self.size, self._of = size, of
    @property
    def first(self) -> "Given": ...
    async def rest(self, /, *more: int, **others: object) -> list[str]: ...
    def _inside(self) -> None: ...
@overload
def call(one: int) -> int: ...
@overload
def call(one: str) -> str: ...
def call(one: object) -> object: ...
def nobody() -> None: ...
"""
WITHIN = """
from attrs import field, frozen
from typing import Literal
Kind = Literal["a", "b"]
@frozen(kw_only=True)
class Given:
    made: int = field(default=0)
    _known: int = 1
    def __init__(self, how: Hidden) -> None: ...
class Hidden: ...
"""


def test_a_name_is_followed_to_all_that_it_gives_or_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Into other files, through bases and aliases; not to what is private, nor to how a thing is made that is given."""
    assert written(tmp_path, monkeypatch, room=ROOM, within=WITHIN) == [
        "room.Thing: class (Given)",
        "room.Thing.MOST: value = 5",
        "room.Thing.__init__: method (self, size: int | None=None, *, of: Kind='a') -> None",
        "room.Thing.first: property (self) -> Given",
        "room.Thing.rest: async method (self, /, *more: int, **others: object) -> list[str]",
        "room.Thing.size: attribute int | None",
        "room.call: overload function (one: int) -> int",
        "room.call: overload function (one: str) -> str",
        "within.Given: class @frozen(kw_only=True)",
        "within.Given.made: field int = field(default=0)",
        "within.Kind: value = Literal['a', 'b']",
    ]


def test_what_passes_through_a_door_is_found_where_it_is_written() -> None:
    """By way of `if TYPE_CHECKING`, of another door, and of a module that is itself a name."""
    assert found(Place(PACKAGE, "Budget")) == Place(f"{PACKAGE}.budget.budget", "Budget")
    assert found(Place(f"{PACKAGE}.webhooks.asgi", "verified")) == Place(f"{PACKAGE}.webhooks.fastapi", "verified")
    assert found(Place(PACKAGE, "errors")) == Place(f"{PACKAGE}.errors")
    assert found(Place(f"{PACKAGE}.api", "aiohttp")) is None


@pytest.mark.parametrize("python", other_pythons())
def test_the_lines_are_the_same_on_another_python(python: str, now: list[str]) -> None:
    """Each one of this machine that is new enough reads what this one does."""
    if subprocess.call([python, "-c", "import sys; sys.exit(sys.version_info < (3, 11))"]) != 0:
        pytest.skip(f"{python} is older than Python 3.11")
    told = subprocess.run(
        [python, "-m", "tests.public_api", "--print"], cwd=ROOT, capture_output=True, text=True, timeout=15, check=True
    )
    assert told.stdout.splitlines() == now


# --- what changes, and who says so ---


def changed(*now: str, before: str = BEFORE, version: str = "1.1.0") -> list[str]:
    """The file's lines after a change, but for its head."""
    return [line for line in renewed(parsed(before), now, version).splitlines() if line[0] != "#"]


def test_what_changes_is_marked() -> None:
    """With the version, on its own line; what comes, goes or is another is a change, and what stays is none."""
    after = changed(
        "a.Client: class @frozen", "a.Client.id: field int", "a.Client.link: field str", BEFORE.splitlines()[3]
    )
    assert after == [
        "a.Client: class @frozen",
        "a.Client.email: removed  # 1.1.0",
        "a.Client.id: field int  # 1.1.0",
        "a.Client.link: field str  # 1.1.0",
        "a.list_clients: function () -> list[Client]",
    ]
    said = [line.partition("  # ")[0] for line in after if "removed" not in line]
    assert changed(*said, before="\n".join(after)) == after
    later = changed(*said, before="\n".join(after), version="1.2.0")
    assert later == [line for line in after if "removed" not in line]


def test_what_is_not_named_is_told() -> None:
    """By its own name, in `code`, in the section of its version or a later one; an older one will not do."""
    after = parsed("\n".join(changed(*BEFORE.splitlines()[:3], "a.list_clients: function (x: int) -> list[Client]")))
    assert unnamed(after, "## 1.1.0 - 2027-01-31\n- The list.\n") == ["a.list_clients (1.1.0)"]
    assert unnamed(after, "## 1.1.0 - 2027-01-31\n- list_clients\n") == ["a.list_clients (1.1.0)"]
    assert unnamed(after, "## 1.1.0 - 2027-01-31\n- `list_clients_fast`\n") == ["a.list_clients (1.1.0)"]
    assert unnamed(after, "## 1.1.0 - 2027-01-31\n## 1.0.0 - 2026-01-31\n- `list_clients`\n") == [
        "a.list_clients (1.1.0)"
    ]
    for head in ("1.1.0 - 2027-01-31", "1.10.0 - 2027-01-31", "Unreleased", "[1.2.0]"):
        assert unnamed(after, f"# Changelog\n\n## {head}\n\n- `a.list_clients(x=1)` is new.\n") == []


def test_a_class_that_comes_or_goes_is_named_once() -> None:
    """Its members come with it; a member alone is named itself, and one that has no name of its own by its class."""
    (*client, call), section = BEFORE.splitlines(), "## 1.1.0 - 2027-01-31\n- `Client`\n"
    assert unnamed(parsed("\n".join(changed(*client, call, before=f"{call}\n"))), section) == []
    assert unnamed(parsed("\n".join(changed(call))), section) == []
    assert unnamed(parsed("\n".join(changed(*client, "a.Client.link: field str", call))), section) == [
        "a.Client.link (1.1.0)"
    ]
    assert unnamed(parsed("\n".join(changed(*client, "a.Client.__init__: method ()", call))), section) == []
    assert len(unnamed(parsed("\n".join(changed(call))), "## 1.1.0 - 2027-01-31\n")) == 1
