"""The house: an import goes down, never up or round, whether it stands at the top, in a function or for types alone."""

import ast
from collections.abc import Iterator, Mapping
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "onboard360_async"
ROOT = "onboard360_async"

# What each room may import beside itself and the ground. Floors as DESIGN draws them, from the ground up.
GROUND = {"settings", "errors", "hidden", "models", "door"}
ROOMS: Mapping[str, set[str]] = {
    "settings": set(),
    "errors": set(),
    "hidden": set(),
    "door": set(),
    "models": set(),
    "codec": set(),
    "sqlite": set(),
    "budget": set(),
    "transport": {"budget", "codec"},
    "importer": {"sqlite", "webhooks"},
    "webhooks": {"codec", "sqlite"},
    "listing": {"codec", "transport"},
    "checks": set(),
    "api": {"budget", "checks", "codec", "importer", "listing", "transport"},
    "otel": {"budget", "transport"},
    "doctor": {"budget", "codec", "transport", "webhooks"},
    "bridge": set(),
    "blocking": {"bridge", "importer", "listing"},
    "sync": {"api", "blocking", "bridge", "budget", "transport"},
    "sandbox": set(),
    "testing": {"api", "budget", "sandbox", "sync", "webhooks"},
    "cli": {"api", "budget", "checks", "doctor", "importer", "sandbox", "sqlite", "transport", "webhooks"},
}


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(source: str) -> Iterator[str]:
    """The rooms that a file imports, wherever in it; "" for the package's own door, "." for a relative import."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                yield "."  # imports are written out in full
                continue
            names = (
                [f"{node.module}.{alias.name}" for alias in node.names] if node.module == ROOT else [str(node.module)]
            )
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
            # By a name that nobody can read off: the package's door alone may; a room's door stays within its room.
            names = [] if is_within(node) else [ROOT]
        else:
            continue
        for name in names:
            if name == ROOT or name.startswith(f"{ROOT}."):
                yield name.removeprefix(ROOT).removeprefix(".").partition(".")[0]


def named(source: str) -> set[str]:
    """The modules that a file imports, by their whole names, and what might be one."""
    found = set[str]()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def is_within(call: ast.Call) -> bool:
    """Is it the import of a name below the file's own, or beside it in a room, as `import_module(f"{__name__}.x")`?

    `door` is handed the `package` whose door it is.
    """
    match call.args:
        case [ast.JoinedStr(values=[ast.FormattedValue(value=ast.Name(base)), ast.Constant(str(dot)), *_])]:
            return base in ("__name__", "__package__", "package") and dot.startswith(".")
    return False


def faults(room: str, source: str) -> list[str]:
    """What a file of this room imports and must not."""
    allowed = ROOMS[room] | {room} | (set() if room in ("settings", "errors", "hidden", "door", "sandbox") else GROUND)
    if room == "models":
        allowed = {"models"}
    return [other for other in imports(source) if other not in allowed]


def unsaid(source: str) -> list[str]:
    """What every file says at its top, and this one does not."""
    tree = ast.parse(source)
    named = [
        ast.unparse(target)
        for node in tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
    ]
    said = {"docstring": bool(ast.get_docstring(tree)), "__all__": "__all__" in named}
    return [what for what, there in said.items() if not there]


FILES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_down(path: Path) -> None:
    """No file reaches up, round, or through the package's door."""
    assert room_of(path) in ROOMS, "a new room: draw it above"
    assert faults(room_of(path), path.read_text()) == []
    assert path.parent != PACKAGE or "__package__" not in path.read_text(), "there it is the whole house"


@pytest.mark.parametrize("path", [PACKAGE / "__init__.py", *FILES], ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_says_what_it_is_and_what_it_offers(path: Path) -> None:
    """By a docstring and `__all__`."""
    assert unsaid(path.read_text()) == []


def test_the_drawing_is_the_house() -> None:
    """No room is drawn that is not there, and no arrow that nobody walks."""
    walked: dict[str, set[str]] = {room_of(path): set() for path in FILES}
    for path in FILES:
        walked[room_of(path)] |= set(imports(path.read_text())) - GROUND - {room_of(path)}
    assert walked == ROOMS


def test_the_drawing_has_no_circle() -> None:
    """Every room can be built after those it stands on."""
    built = set(GROUND)
    while rest := {room for room in ROOMS if room not in built and ROOMS[room] <= built}:
        built |= rest
    assert built == set(ROOMS)


def test_no_files_import_each_other_in_a_circle() -> None:
    """Nor within a room, nor by an import inside a function: each file can be read after those it stands on."""
    names = {".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts): path for path in FILES}
    below = {name: named(path.read_text()) & names.keys() - {name} for name, path in names.items()}
    assert sum(map(len, below.values())) > 2 * len(below)
    assert list(TopologicalSorter(below).static_order())


@pytest.mark.parametrize(
    ("room", "source"),
    [
        ("budget", "from onboard360_async.transport.call import Call"),
        ("errors", "def f():\n    import onboard360_async.models"),
        ("models", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from onboard360_async import codec"),
        ("sandbox", "from onboard360_async import settings"),
        ("importer", "from onboard360_async.transport.call import Call"),
        ("api", "from onboard360_async.sync import Onboard360"),
        ("codec", "import onboard360_async"),
        ("codec", "from onboard360_async import AsyncOnboard360"),
        ("api", "from . import sync"),
        ("api", "from .codec import answers"),
        ("cli", "import importlib\nimportlib.import_module(name)"),
        ("webhooks", "import importlib\nimportlib.import_module(f'{name}.api')"),
    ],
)
def test_the_watchman_sees(room: str, source: str) -> None:
    """A deliberately wrong import is found: upwards, in a function, for types, through the door, relative, by name."""
    assert faults(room, source)


@pytest.mark.parametrize(
    ("room", "source"),
    [
        ("sync", "from onboard360_async.api import AsyncOnboard360"),
        ("sandbox", "from onboard360_async.sandbox.store import Store"),
        ("codec", "from onboard360_async import errors"),
        ("transport", "import asyncio\nimport onboard360_async.budget.gate as gate"),
        ("webhooks", "import importlib\nimportlib.import_module(f'{__name__}.events')"),
    ],
)
def test_the_watchman_lets_pass(room: str, source: str) -> None:
    """What the drawing allows: down, within the room, to the ground, and what is not ours."""
    assert faults(room, source) == []


@pytest.mark.parametrize(
    ("source", "missing"),
    [
        ("__all__ = []", "docstring"),
        ('"""A room."""', "__all__"),
        ('"""A room."""\ndef f():\n    __all__ = []', "__all__"),
    ],
)
def test_the_watchman_reads_the_sign_at_the_door(source: str, missing: str) -> None:
    """A file without a docstring or `__all__` at its top is found."""
    assert unsaid(source) == [missing]
