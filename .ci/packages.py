"""The project's own packages: built, compared and looked through, and the floors that they promise.

Standard library only; hatchling is the pinned one of `dev`'s environment, and pip another's. Knows nothing of Pythons.
"""

import re
import sys
import tarfile
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from jobs import FailedError, run

__all__ = ["Packages", "build", "extras", "floors", "look_through", "metadata", "misplaced", "same", "sound"]

ROOT = Path(__file__).resolve().parents[1]
PINS = ROOT / ".ci" / "requirements-dev.txt"
EPOCH_S = "1577836800"  # what all builds take for the time
# Our choice: so that the wheel grows by somebody's will alone. On 2026-11-26 it had 565,509 bytes: the sources as they
# are (of 0.8.0's 475,000, some 357,000 would be left without any docstring or comment) and the guides.
MOST_WHEEL_BYTES = 600_000
KINDS = (".py", ".md", ".csv", ".css", ".js", ".json", ".svg", ".typed")
MUST = ("py.typed", "guides/webhooks.md", "sandbox/openapi.json", "sandbox/web/page.js", "cli/people.csv")
INFO = ("METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE")
ENTRIES = (
    "[console_scripts]\nonboard360 = onboard360_async.cli:main\n\n[pytest11]\nonboard360 = onboard360_async.testing\n"
)
# What somebody needs who has the sdist alone: to build, to test, and to read.
SDIST_MUST = ("LICENSE", "README.md", "CHANGELOG.md", "dev", "pyproject.toml", "PKG-INFO", ".ci/requirements-dev.txt")
VALID = (
    "import sys; from packaging.metadata import Metadata;"
    " print(Metadata.from_email(open(sys.argv[1], 'rb').read(), validate=True).metadata_version)"
)


@dataclass(frozen=True)
class Packages:
    """What was built, and the sdist unpacked."""

    sdist: Path
    wheel: Path
    tree: Path


def hatch(kind: str, tree: Path, into: Path) -> Path:
    """One package by the pinned hatchling."""
    into.mkdir(parents=True, exist_ok=True)
    run(sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", into, where=tree, env=_clock())
    return next(path for path in into.iterdir() if path.name.endswith(".whl" if kind == "wheel" else ".tar.gz"))


def _clock() -> dict[str, str]:
    return {"SOURCE_DATE_EPOCH": EPOCH_S}


def build(folder: Path, pip: Sequence[str | Path]) -> Packages:
    """The sdist from the tree; the wheel from the sdist, as pip builds it for a stranger: isolated, with our pins."""
    sdist = hatch("sdist", ROOT, folder / "dist")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder / "tree", filter="data")
    pins = folder / "build-pins.txt"
    pins.write_text("\n".join(unhashed(PINS.read_text())))
    told = _clock() | {"PIP_CONSTRAINT": str(pins), "PIP_BUILD_CONSTRAINT": str(pins)}  # by an older pip, by a newer
    run(*pip, "wheel", "--quiet", "--no-deps", "--wheel-dir", folder / "dist", sdist, env=told)
    return Packages(sdist, next((folder / "dist").glob("*.whl")), next((folder / "tree").iterdir()))


def unhashed(pins: str) -> list[str]:
    """Pins that pip takes as constraints: one line each, without hashes."""
    return [found.strip() for found in re.findall(r"^([\w.-]+==[^\\\n]*)", pins, re.MULTILINE)]


def same(packages: Packages, folder: Path) -> str:
    """The tree makes the wheel that the sdist makes, and the sdist makes itself: byte for byte."""
    pairs = {
        packages.wheel: hatch("wheel", ROOT, folder / "again"),
        packages.sdist: hatch("sdist", packages.tree, folder / "again"),
    }
    for one, other in pairs.items():
        if one.name != other.name or one.read_bytes() != other.read_bytes():
            raise FailedError(f"{one.name} is another one when it is built again: {differences(one, other)}")
    return "byte for byte, from the tree and from the sdist"


def differences(one: Path, other: Path) -> list[str]:
    """The files that are in one only, or not alike."""

    def files(path: Path) -> dict[str, object]:
        if path.suffix == ".whl":
            with zipfile.ZipFile(path) as wheel:
                return {each.filename: (each.CRC, each.external_attr, each.date_time) for each in wheel.infolist()}
        with tarfile.open(path) as sdist:
            return {each.name: (each.size, each.mode, each.mtime, each.chksum) for each in sdist}

    here, there = files(one), files(other)
    return sorted(name for name in here.keys() | there.keys() if here.get(name) != there.get(name))


def look_through(packages: Packages) -> str:
    """The wheel holds all that it needs and nothing else; the sdist is a project of its own."""
    with zipfile.ZipFile(packages.wheel) as wheel:
        names, entries = wheel.namelist(), wheel.read(f"{_info(packages)}/entry_points.txt").decode()
    wrong = misplaced(names, _info(packages))
    if wrong or entries.strip() != ENTRIES.strip():
        raise FailedError(f"in the wheel: {wrong or entries}")
    with tarfile.open(packages.sdist) as sdist:
        held = {name.partition("/")[2] for name in sdist.getnames()}
    lacking = [name for name in SDIST_MUST if name not in held] + [name for name in held if "__pycache__" in name]
    if lacking:
        raise FailedError(f"in the sdist: {lacking}")
    size = packages.wheel.stat().st_size
    if size > MOST_WHEEL_BYTES:
        raise FailedError(
            f"the wheel has {size:,} bytes; more than {MOST_WHEEL_BYTES:,} want a reason, and another bound"
        )
    return f"{size:,} bytes in {len(names)} files, {packages.sdist.stat().st_size:,} the sdist"


def _info(packages: Packages) -> str:
    return "-".join(packages.wheel.name.split("-")[:2]) + ".dist-info"


def misplaced(names: Iterable[str], info: str) -> list[str]:
    """What must not be in a wheel, or is not and must be."""
    held, package = set(names), "onboard360_async/"
    must = {f"{package}{name}" for name in MUST} | {f"{info}/{name}" for name in INFO}
    inside = [name for name in held if name.startswith(package)]
    odd = [
        name
        for name in inside
        if not name.endswith(KINDS) or any(part[:1] == "." or part[:4] == "test" for part in name.split("/")[1:-1])
    ]
    return sorted([*(held - set(inside) - must), *odd, *(f"no {name}" for name in must - held)])


def metadata(wheel: Path) -> str:
    """What the wheel tells of itself, and the README below it."""
    with zipfile.ZipFile(wheel) as file:
        return file.read(next(name for name in file.namelist() if name.endswith(".dist-info/METADATA"))).decode()


def _told(field: str, told: str) -> list[str]:
    """What stands in a field that may be there more than once."""
    return re.findall(rf"^{field}: (.*)$", told.partition("\n\n")[0], re.MULTILINE)


def sound(packages: Packages, folder: Path, pip: Sequence[str | Path], python: Path) -> str:
    """Twine has no objection, the README is rendered, and the metadata is valid by the specification."""
    run(python, "-m", "venv", "--without-pip", folder)
    run(*pip, "--python", folder / "bin" / "python", "install", "--quiet", "twine")
    run(folder / "bin" / "twine", "check", "--strict", packages.sdist, packages.wheel)
    told = folder / "METADATA"
    told.write_text(metadata(packages.wheel), encoding="utf-8")
    return f"twine and packaging agree, version {run(folder / 'bin' / 'python', '-c', VALID, told).strip()}"


# --- what is promised ---


def extras(told: str) -> list[str]:
    """Those for users: `test` is ours."""
    return [name for name in _told("Provides-Extra", told) if name != "test"]


def floors(told: str) -> list[str]:
    """A constraint for each dependency of the package and its extras: the first release that is promised to do.

    FailedError for one that promises none. What only tests need is theirs.
    """
    found: dict[str, str] = {}
    for line in _told("Requires-Dist", told):
        wanted, _, marker = (part.strip() for part in line.partition(";"))
        where, _, extra = marker.rpartition("extra == ")
        if extra.strip("'\"") == "test":
            continue
        name, versions = re.match(r"([\w.-]+)\s*(?:\[[^\]]*\])?\s*\(?([^)]*)", wanted).groups()  # type: ignore[union-attr]
        floor = re.search(r"(?:>=|~=|==)\s*([\w.]+)", versions)
        if not floor:
            raise FailedError(f"{name} has no floor: {line}")
        where = where.strip().removesuffix("and").strip()
        found[f"{name}; {where}"] = f"{name}=={floor[1]}{f' ; {where}' if where else ''}"
    return sorted(found.values())
