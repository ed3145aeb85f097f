"""What the package promises to whoever imports it, one line a name: the source is read, and nothing of it imported.

`python3 -m tests.public_api` writes the lines to tests/public_api.txt, which tests/test_public_api.py holds the package
to, and marks what changed with the version that it was changed at or after. Read off the source, a line is the same on
every Python.
"""

import ast
import re
import runpy
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TypeAlias

ROOT = Path(__file__).parents[1]
PACKAGE = "onboard360_async"
# What one imports from. All that stands in their `__all__` is public, and so is what that gives or takes.
DOORS = (
    PACKAGE,
    f"{PACKAGE}.blocking",
    f"{PACKAGE}.budget",
    f"{PACKAGE}.errors",
    f"{PACKAGE}.importer",
    f"{PACKAGE}.listing",
    f"{PACKAGE}.otel",
    f"{PACKAGE}.sandbox",
    f"{PACKAGE}.testing",
    f"{PACKAGE}.webhooks",
    f"{PACKAGE}.webhooks.aiohttp",
    f"{PACKAGE}.webhooks.asgi",
    f"{PACKAGE}.webhooks.django",
    f"{PACKAGE}.webhooks.factories",
    f"{PACKAGE}.webhooks.store",
    f"{PACKAGE}.webhooks.wsgi",
)
# Which of them one is handed, and never makes: how they are made is nobody's business. So it is with all that is met
# behind a door only.
HANDED_OUT = {
    f"{PACKAGE}.blocking.BlockingImport",
    f"{PACKAGE}.blocking.BlockingListing",
    f"{PACKAGE}.importer.ImportJob",
    f"{PACKAGE}.importer.Outcomes",
    f"{PACKAGE}.listing.ClientListing",
}
UNSAID = {"__slots__", "__repr__", "__str__", "__reduce__"}  # which anybody may have or not
Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Place:
    """Where something is written: the module, and its name there; no name is the module itself."""

    module: str
    name: str = ""

    def __str__(self) -> str:
        return f"{self.module}.{self.name}" if self.name else self.module


@dataclass
class Module:
    """A file: what stands at its top, and what it takes from others."""

    own: dict[str, list[ast.stmt]] = field(default_factory=dict)
    taken: dict[str, Place] = field(default_factory=dict)
    public: tuple[str, ...] = ()
    fixtures: tuple[str, ...] = ()  # of pytest, which nobody imports: their names are asked for


@cache
def read(name: str) -> Module | None:
    """A module of the package; None if it is none."""
    path = ROOT.joinpath(*name.split("."))
    file = next((each for each in (path / "__init__.py", path.with_suffix(".py")) if each.is_file()), None)
    if file is None or not f"{name}.".startswith(f"{PACKAGE}."):
        return None
    module = Module()
    for node in _top(ast.parse(file.read_text(encoding="utf-8")).body):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                module.taken[alias.asname or alias.name] = Place(str(node.module), alias.name)
        for each in _bound(node):
            module.own.setdefault(each, []).append(node)
            value = getattr(node, "value", None)
            if each == "__all__" and value is not None:
                module.public = tuple(ast.literal_eval(value))
            if isinstance(node, ast.FunctionDef) and _is_public(each) and "pytest.fixture" in _words(node):
                module.fixtures += (each,)
    return module


def _top(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """What stands at the top, and what stands there for types alone."""
    for node in body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            yield from _top(node.body)
        elif not isinstance(node, ast.If):
            yield node


def _bound(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]


def found(place: Place) -> Place | None:
    """Where a name is written that may only pass through here; None for what is not ours."""
    module = read(place.module)
    if module is None:
        return None
    if not place.name or place.name in module.own:
        return place
    if place.name in module.taken:
        taken = module.taken[place.name]
        return Place(str(taken)) if read(str(taken)) is not None else found(taken)
    below = f"{place.module}.{place.name}"
    return Place(below) if read(below) is not None else None


# --- in words ---


class _Unquoted(ast.NodeTransformer):
    """Annotations without the quotes that only say when they are read; those of a Literal are its values."""

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        return node if ast.unparse(node.value) == "Literal" else self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        return ast.parse(node.value, mode="eval").body if isinstance(node.value, str) else node


def plain(annotation: ast.expr) -> ast.expr:
    """An annotation as it is meant."""
    return ast.parse(ast.unparse(_Unquoted().visit(ast.parse(ast.unparse(annotation), mode="eval"))), mode="eval").body


SETTING = re.compile(r"\bsettings\.([A-Z][A-Z0-9_]*)")
NUMBERS = runpy.run_path(str(ROOT / PACKAGE / "settings.py"))  # which imports nothing of ours


def signature(node: Function) -> str:
    """What it takes and gives, as written; a default that stands in `settings` by its value."""
    arguments = ast.parse(ast.unparse(node)).body[0]
    assert isinstance(arguments, ast.FunctionDef | ast.AsyncFunctionDef)
    for each in ast.walk(arguments.args):
        if isinstance(each, ast.arg) and each.annotation is not None:
            each.annotation = plain(each.annotation)
    gives = "" if arguments.returns is None else f" -> {ast.unparse(plain(arguments.returns))}"
    return SETTING.sub(lambda found: repr(NUMBERS[found[1]]), f"({ast.unparse(arguments.args)})") + gives


def _words(node: Function) -> tuple[str, ...]:
    return tuple(ast.unparse(each).split("(")[0] for each in node.decorator_list)


def _kind(node: Function, *, within: bool) -> str:
    words = {"property", "classmethod", "staticmethod", "pytest.fixture"} & {*_words(node)}
    kind = " ".join(sorted(words)) or ("method" if within else "function")
    return f"async {kind}" if isinstance(node, ast.AsyncFunctionDef) else kind


def _is_public(name: str) -> bool:
    return name not in UNSAID if name.startswith("__") and name.endswith("__") else not name.startswith("_")


@dataclass
class Walk:
    """From the doors to all that one meets behind them."""

    lines: dict[str, list[str]] = field(default_factory=dict)  # by the name of what they are about
    called: dict[Place, str] = field(default_factory=dict)  # by the first door at which it stands, else by its file
    left: list[Place] = field(default_factory=list)

    def all(self) -> list[str]:
        """Every line, in the order of names."""
        for door in DOORS:
            module = read(door)
            assert module is not None, door
            for name in (*module.public, *module.fixtures):
                place = found(Place(door, name))
                assert place is not None, f"{door}.{name}"
                if place.name:
                    self.called.setdefault(place, f"{door}.{name}")
                    self._say(f"{door}.{name}", f"is {self.called[place]}", when=self.called[place] != f"{door}.{name}")
                else:
                    self._say(f"{door}.{name}", "module")
        self.left = list(self.called)
        while self.left:
            self._tell(self.left.pop())
        return [line for name in sorted(self.lines) for line in self.lines[name]]

    def _say(self, name: str, what: str, *, when: bool = True) -> None:
        if when:
            self.lines.setdefault(name, []).append(f"{name}: {what}")

    def _follow(self, module: str, *nodes: ast.AST | None) -> None:
        """What is named here is public, too, if it is ours."""
        for node in nodes:
            for each in ast.walk(node) if node is not None else ():
                text = ast.unparse(each) if isinstance(each, ast.Name | ast.Attribute) else ""
                head, _, rest = text.partition(".")
                place = found(Place(module, head)) if head else None
                while place is not None and rest and not place.name:
                    head, _, rest = rest.partition(".")
                    place = found(Place(place.module, head))
                if place is not None and place.name and _is_public(place.name) and place not in self.called:
                    self.called[place] = str(place)
                    self.left.append(place)

    def _tell(self, place: Place) -> None:
        module = read(place.module)
        assert module is not None
        name = self.called[place]
        nodes = module.own[place.name]
        for node in _seen(nodes):
            if isinstance(node, ast.ClassDef):
                self._class(place.module, name, node)
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                self._function(place.module, name, node, within=False)
            elif isinstance(node, ast.AnnAssign | ast.Assign):
                self._value(place.module, name, node, "value")

    def _function(self, module: str, name: str, node: Function, *, within: bool) -> None:
        overload = "overload " if "overload" in _words(node) else ""
        self._say(name, f"{overload}{_kind(node, within=within)} {signature(node)}")
        arguments = [each.annotation for each in ast.walk(node.args) if isinstance(each, ast.arg)]
        self._follow(module, *(plain(each) for each in [*arguments, node.returns] if each is not None))

    def _value(self, module: str, name: str, node: ast.AnnAssign | ast.Assign, kind: str) -> None:
        annotation = plain(node.annotation) if isinstance(node, ast.AnnAssign) else None
        said = "" if annotation is None else f" {ast.unparse(annotation)}"
        value = plain(node.value) if said == " TypeAlias" and node.value is not None else node.value
        if isinstance(value, ast.Dict):  # a table: what may be asked for, not in which words it is explained
            value = ast.Tuple([key for key in value.keys if key is not None], ast.Load())
        self._say(name, f"{kind}{said}{'' if value is None else f' = {ast.unparse(value)}'}")
        self._follow(module, annotation, value if said in ("", " TypeAlias") else None)

    def _class(self, module: str, name: str, node: ast.ClassDef) -> None:
        bases = ", ".join(ast.unparse(each) for each in [*node.bases, *node.keywords])
        made = " ".join(f"@{ast.unparse(each)}" for each in node.decorator_list)
        self._say(name, " ".join(word for word in ("class", f"({bases})" if bases else "", made) if word))
        self._follow(module, *node.bases)
        members: dict[str, list[ast.stmt]] = {}
        for each in node.body:
            for member in _bound(each):
                members.setdefault(member, []).append(each)
        is_made = name.rpartition(".")[0] in DOORS and name not in HANDED_OUT
        for member, nodes in members.items():
            for each in _seen(nodes) if _is_public(member) and (is_made or member != "__init__") else ():
                if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef):
                    self._function(module, f"{name}.{member}", each, within=True)
                elif isinstance(each, ast.AnnAssign | ast.Assign):
                    self._value(module, f"{name}.{member}", each, "field" if made else "value")
        for each in node.body:
            if isinstance(each, ast.FunctionDef) and each.name == "__init__":
                for member, annotation, value in _attributes(each):
                    if _is_public(member) and member not in members:
                        said = f": {ast.unparse(annotation)}" if annotation is not None else f" = {value}"
                        self._say(f"{name}.{member}", f"attribute{said.removeprefix(':')}")
                        self._follow(module, annotation)


def _seen(nodes: Iterable[ast.stmt]) -> list[ast.stmt]:
    """Of a function with overloads only these: nobody sees the one behind them. Of a property, and its setter, both."""
    every = list(nodes)
    return [node for node in every if isinstance(node, Function) and "overload" in _words(node)] or every


def _attributes(node: ast.FunctionDef) -> Iterator[tuple[str, ast.expr | None, str]]:
    """What `__init__` hangs on the object: its type, if it is said there or is an argument's, else the value."""
    said = {
        each.arg: plain(each.annotation)
        for each in ast.walk(node.args)
        if isinstance(each, ast.arg) and each.annotation
    }
    for each in ast.walk(node):
        if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Attribute):
            yield each.target.attr, plain(each.annotation), ""
        for target in each.targets if isinstance(each, ast.Assign) else ():
            assert isinstance(each, ast.Assign)
            pairs = [(target, each.value)]
            if isinstance(target, ast.Tuple):
                values = each.value.elts if isinstance(each.value, ast.Tuple) else [each.value] * len(target.elts)
                pairs = list(zip(target.elts, values, strict=True))
            for one, value in pairs:
                if isinstance(one, ast.Attribute) and ast.unparse(one.value) == "self":
                    yield one.attr, said.get(ast.unparse(value)), ast.unparse(value)


def lines() -> list[str]:
    """The public names of the package as it stands."""
    return Walk().all()


# --- the file ---

FILE = ROOT / "tests" / "public_api.txt"
HEAD = """\
# What may be imported, and how it is called: tests/public_api.py reads it off the source.
# To write it anew: python3 -m tests.public_api
# What ends in a version has changed at or after that one, and CHANGELOG.md names it there, or later.
"""
MARK = re.compile(r"  # (\d+\.\d+\.\d+)$")
REMOVED = "removed"

Written = Mapping[str, tuple[tuple[str, ...], str]]  # by name: its lines, and the version at their end, if there is one


def parsed(text: str) -> Written:
    """What a file says."""
    found: dict[str, tuple[tuple[str, ...], str]] = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            mark, said = MARK.search(line), MARK.sub("", line)
            name = said.partition(": ")[0]
            found[name] = (*found.get(name, ((), ""))[0], said), mark[1] if mark else ""
    return found


def renewed(before: Written, now: Iterable[str], version: str) -> str:
    """The file for what is there now, with this version where that is not what was written before."""
    after = parsed("\n".join(now))
    lines = list(HEAD.splitlines())
    for name in sorted(before.keys() | after.keys()):
        was, mark = before.get(name, ((), ""))
        gone = (f"{name}: {REMOVED}",)
        said = after.get(name, (gone, ""))[0]
        if said != was:
            mark = version
        elif said == gone and mark != version:
            continue  # it was told
        lines += [f"{line}  # {mark}" if mark else line for line in said]
    return "\n".join(lines) + "\n"


def unnamed(written: Written, changelog: str) -> list[str]:
    """What has changed and is not named, in `code`, in the section of that version or a later one.

    A member is named by its own name, or with the class that came or went with it; what has no name of its own, as
    `__init__`, by its class.
    """
    parts = re.split(r"^## ", changelog, flags=re.MULTILINE)[1:]
    missing = []
    for name, (_, version) in written.items():
        owner, _, own = name.rpartition(".")
        if not version or _marks(written, owner) == {version}:
            continue
        word = owner.rpartition(".")[2] if own.startswith("__") else own
        told = [part for part in parts if _version(part) >= _version(version)]
        if not any(re.search(rf"\b{word}\b", code) for part in told for code in re.findall(r"`[^`]+`", part)):
            missing.append(f"{name} ({version})")
    return missing


def _marks(written: Written, owner: str) -> set[str]:
    """How a class and all its members are marked: of one that came or went as a whole, alike. Nothing for a module."""
    if owner not in written:
        return set()
    return {mark for name, (_, mark) in written.items() if name == owner or name.startswith(f"{owner}.")}


def _version(text: str) -> tuple[float, ...]:
    """What a section is of; one without a number is of what comes next."""
    found = re.match(r"\[?(\d+)\.(\d+)\.(\d+)", text)
    return tuple(float(part) for part in found.groups()) if found else (float("inf"),)


def version() -> str:
    """The version of the package."""
    module = read(PACKAGE)
    assert module is not None
    (node,) = module.own["__version__"]
    assert isinstance(node, ast.Assign)
    return str(ast.literal_eval(node.value))


if __name__ == "__main__":
    if sys.argv[1:] == ["--print"]:
        print("\n".join(lines()))
    else:
        if not FILE.exists():
            sys.exit(f"{FILE} is missing: take it from the last commit, since what has changed is told by it.")
        before = parsed(FILE.read_text(encoding="utf-8"))
        FILE.write_text(renewed(before, lines(), version()), encoding="utf-8", newline="\n")
