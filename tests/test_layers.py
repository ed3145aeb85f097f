"""The house: an import goes down, never up or round, whether it stands at the top, in a function or for types alone."""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "onboard360_async"
ROOT = "onboard360_async"

# What each room may import beside itself and the ground. Floors as DESIGN draws them, from the ground up.
GROUND = {"settings", "errors", "models"}
ROOMS: Mapping[str, set[str]] = {
    "settings": set(),
    "errors": set(),
    "models": set(),
    "codec": set(),
    "sqlite": set(),
    "budget": set(),
    "transport": {"budget", "codec"},
    "importer": {"sqlite"},
    "listing": {"codec", "transport"},
    "checks": set(),
    "api": {"budget", "checks", "codec", "importer", "listing", "transport"},
    "bridge": set(),
    "blocking": {"bridge", "importer", "listing"},
    "sync": {"api", "blocking", "bridge", "budget", "transport"},
    "sandbox": set(),
    "cli": {"api", "budget", "checks", "importer", "sandbox", "transport"},
}


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(source: str) -> Iterator[str]:
    """The rooms that a file imports, wherever in it; "" for the package's own door."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are written out in full"
            names = (
                [f"{node.module}.{alias.name}" for alias in node.names] if node.module == ROOT else [str(node.module)]
            )
        else:
            continue
        for name in names:
            if name == ROOT or name.startswith(f"{ROOT}."):
                yield name.removeprefix(ROOT).removeprefix(".").partition(".")[0]


def faults(room: str, source: str) -> list[str]:
    """What a file of this room imports and must not."""
    allowed = ROOMS[room] | {room} | (set() if room in ("settings", "errors", "sandbox") else GROUND)
    if room == "models":
        allowed = {"models"}
    return [other for other in imports(source) if other not in allowed]


FILES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_down(path: Path) -> None:
    """No file reaches up, round, or through the package's door."""
    assert room_of(path) in ROOMS, "a new room: draw it above"
    assert faults(room_of(path), path.read_text()) == []


def test_no_room_is_drawn_that_is_not_there() -> None:
    """The drawing is the house."""
    assert {room_of(path) for path in FILES} == set(ROOMS)


def test_the_drawing_has_no_circle() -> None:
    """Every room can be built after those it stands on."""
    built = set(GROUND)
    while rest := {room for room in ROOMS if room not in built and ROOMS[room] <= built}:
        built |= rest
    assert built == set(ROOMS)


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
    ],
)
def test_the_watchman_sees(room: str, source: str) -> None:
    """A deliberately wrong import is found: upwards, in a function, for types, through the door."""
    assert faults(room, source)
