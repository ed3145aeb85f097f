"""The docs as a whole: every link leads somewhere on GitHub, in a terminal and in the site, and nothing is left out."""

import ast
import importlib
import inspect
import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from onboard360_async import errors
from tests.test_docs import GUIDES, ROOT

PACKAGE = ROOT / "onboard360_async"
PAGES = {
    str(path.relative_to(ROOT)): path
    for path in (ROOT / "README.md", *GUIDES, ROOT / "CHANGELOG.md", ROOT / ".github" / "CONTRIBUTING.md")
}
MANY = re.MULTILINE | re.DOTALL
LINK = re.compile(r"\]\((?!https?://)([^)#\s]*)(?:#([^)\s]+))?\)")


def load() -> ModuleType:
    """The script that makes the site."""
    module = ModuleType("site")
    path = ROOT / ".ci" / "site.py"
    module.__file__ = str(path)
    exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), module.__dict__)
    return module


SITE = load()
NAV = list(SITE.pages(tomllib.loads((ROOT / ".docs.toml").read_text(encoding="utf-8"))["project"]["nav"]))
REFERENCE = [page.removeprefix("reference/").removesuffix(".md") for page in NAV if page.startswith("reference/")]


def prose(path: Path) -> str:
    """A page without its code."""
    return re.sub(r"^```.*?^```$", "", path.read_text(encoding="utf-8"), flags=MANY)


def places(path: Path) -> set[str]:
    """The anchors that a page has on GitHub, a hyphen for each space, and in the site, one for several."""
    titles = [re.sub(r"[^\w -]", "", title.lower()) for title in re.findall(r"^#+ (.*)$", prose(path), re.MULTILINE)]
    return {re.sub(r"[ -]+", "-", title) for title in titles} & {title.replace(" ", "-") for title in titles}


def links(path: Path) -> Iterator[tuple[Path, str]]:
    """Where a page leads to within the project: the file, and the place in it."""
    for target, place in LINK.findall(prose(path)):
        yield (path.parent / target).resolve() if target else path, place


@pytest.mark.parametrize("path", PAGES.values(), ids=PAGES)
def test_every_link_leads_somewhere(path: Path) -> None:
    """To a file that is there, and to a heading of it; from the page where it stands, pictures too."""
    assert [
        f"{target.name}#{place}"
        for target, place in links(path)
        if not target.is_file() or (place and place not in places(target))
    ] == []


@pytest.mark.parametrize("path", GUIDES, ids=lambda path: path.name)
def test_a_guide_leads_to_guides_alone(path: Path) -> None:
    """They are what is installed: in a terminal there is neither a README nor a source."""
    assert [target.name for target, _ in links(path) if target not in GUIDES] == []


def test_every_guide_is_found_from_the_readme() -> None:
    """By as many links as it takes."""
    found = {ROOT / "README.md"}
    while more := {target for path in found for target, _ in links(path) if target.suffix == ".md"} - found:
        found |= more
    assert {path.name for path in GUIDES} - {path.name for path in found} == set()


@pytest.mark.parametrize("path", PAGES.values(), ids=PAGES)
def test_code_ends_where_it_is_meant_to(path: Path) -> None:
    """Fences open with a language, or bare, and close bare: what follows one that does not close is code, too."""
    fences = re.findall(r"^```(.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    assert [fence for fence in fences[1::2] if fence.strip()] == []
    assert len(fences) % 2 == 0


# --- the site ---


def test_the_site_has_every_page_once() -> None:
    """All that is written for users is in its navigation."""
    assert sorted(SITE.kept(page) for page in NAV if not page.startswith("reference/")) == sorted(PAGES)
    assert len(set(NAV)) == len(NAV)


def imported(block: str) -> Iterator[str]:
    """The modules of ours whose names a piece of code takes."""
    for node in ast.walk(ast.parse(block)):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            taken = [f"{node.module}.{alias.name}" for alias in node.names]
            whole = [name for name in taken if (PACKAGE.parent / f"{name.replace('.', '/')}.py").is_file()]
            names = whole or [str(node.module)]
        yield from (name for name in names if name.startswith("onboard360_async"))


def test_the_reference_has_every_public_module() -> None:
    """Each package that says what is public, and each module that a page imports from."""
    covered = {*REFERENCE, *(name.rpartition(".")[0] for name in REFERENCE if not is_module(name))}
    packages = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for path in PACKAGE.rglob("__init__.py")
        if getattr(importlib.import_module(".".join(path.parent.relative_to(ROOT).parts)), "__all__", [])
    }
    blocks = [
        block for path in PAGES.values() for block in re.findall(r"^```python\n(.*?)^```", path.read_text(), MANY)
    ]
    taken = {name for block in blocks for name in imported(block)}
    assert len(packages) >= 5
    assert len(taken) > 8
    assert packages - PRIVATE - covered == set()
    assert taken - covered == set()


def test_the_guide_to_upgrading_names_what_the_reference_has() -> None:
    """What is public is said once more, in words."""
    section = (PACKAGE / "guides" / "upgrading.md").read_text().partition("- **Errors**")[0]
    named = set(re.findall(r"`(?!test_|__)([\w.]+)`", section.partition("## What is public")[2]))
    assert {name.removeprefix("onboard360_async.") for name in REFERENCE} == named


# The command's own: it is public as a command.
PRIVATE = {"onboard360_async.cli", "onboard360_async.importer.forms", "onboard360_async.importer.report"}


def is_module(name: str) -> bool:
    try:
        return isinstance(importlib.import_module(name), ModuleType)
    except ModuleNotFoundError:
        return False


def public_names() -> Iterator[tuple[str, str]]:
    for name in REFERENCE:
        if is_module(name):
            yield from ((name, each) for each in importlib.import_module(name).__all__)
        else:
            module, _, each = name.rpartition(".")
            yield module, each


def doc_of_value(module: ModuleType, name: str) -> str:
    """What stands below an assignment, where the reference looks for it."""
    home = module
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(node, ast.ImportFrom) and name in [alias.name for alias in node.names]:
            home = importlib.import_module(str(node.module))
    for node, below in pairwise(ast.parse(inspect.getsource(home)).body):
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        if isinstance(target, ast.Name) and target.id == name and isinstance(below, ast.Expr):
            return str(ast.literal_eval(below.value))
    return ""


def members(kind: type) -> Iterator[tuple[str, Any]]:
    """The methods and properties that a class of ours has to explain."""
    for name, value in vars(kind).items():
        if not name.startswith("_") and (inspect.isfunction(value) or isinstance(value, property | classmethod)):
            yield name, value


@pytest.mark.parametrize(("module", "name"), list(public_names()), ids=str)
def test_every_public_name_says_what_it_is(module: str, name: str) -> None:
    """A sentence of its own, and one of each of its methods and properties."""
    value = getattr(importlib.import_module(module), name)
    if inspect.isclass(value):
        assert len(value.__dict__.get("__doc__") or "") > 15
        assert [each for each, member in members(value) if len(inspect.getdoc(member) or "") < 10] == []
    elif inspect.isfunction(value) or inspect.ismodule(value):
        assert len(value.__doc__ or "") > 15
    else:
        assert len(doc_of_value(importlib.import_module(module), name)) > 15


# --- what a guide must have all of ---


@pytest.mark.parametrize("name", errors.__all__)
def test_every_error_is_in_the_guide(name: str) -> None:
    """In a table, with what it carries."""
    guide = (PACKAGE / "guides" / "errors.md").read_text(encoding="utf-8")
    kind = getattr(errors, name)
    assert (
        f"\n| `{name}` |" in guide or f"`{name}`" in guide.partition("## Nothing was sent")[0] or kind.__subclasses__()
    )
    assert f"`{name}`" in guide
    assert [field for field in kind.__match_args__ if f"`{field}`" not in guide] == []


def test_every_assumption_is_in_the_guide() -> None:
    """As many rows name a file of the package as it marks points that the API page leaves open."""
    marked = Counter(
        {
            path.relative_to(PACKAGE).as_posix(): count
            for path in PACKAGE.rglob("*.py")
            if (count := path.read_text(encoding="utf-8").count("UNDOCUMENTED:"))
        }
    )
    guide = (PACKAGE / "guides" / "assumptions.md").read_text(encoding="utf-8")
    rows = [row for row in guide.splitlines() if row.startswith("|")]
    named = Counter(name for row in rows for name in re.findall(r"`([\w/]+\.py)`", row))
    assert marked.total() > 40
    assert named == marked
    assert [row for row in rows if ".py`" in row and "`test_" not in row] == []


def test_what_the_guide_says_is_needed_is_what_is_needed() -> None:
    """Each lower bound, of each extra, and the oldest Python."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    guide = (PACKAGE / "guides" / "upgrading.md").read_text(encoding="utf-8")
    extras = {name: needed for name, needed in project["optional-dependencies"].items() if name not in ("all", "test")}
    rows = {"always": project["dependencies"], **{f"`{name}`": needed for name, needed in extras.items()}}
    for row, needed in rows.items():
        bounds = sorted(each.partition(",")[0].replace(">=", " ") for each in needed)
        (said,) = re.findall(rf"^\| {row} \| (.*) \|$", guide, re.MULTILINE)
        assert sorted(each.partition(" (")[0] for each in said.split(", ")) == bounds
    assert f"Python {project['requires-python'].removeprefix('>=')} or newer" in guide


# --- the script that makes it ---


def test_a_link_is_led_to_where_its_page_stands_in_the_site() -> None:
    """From the README, whose guides lie deeper, and between guides; a place in a page stays."""
    places = {"README.md": "index.md", "onboard360_async/guides/budget.md": "guides/budget.md"}

    def led(page: str, text: str) -> str:
        return str(SITE.LINK.sub(lambda found: SITE.led(page, places, found), text))

    assert led("index.md", "[a](onboard360_async/guides/budget.md#which)") == "[a](guides/budget.md#which)"
    assert led("guides/imports.md", "[a](budget.md)") == "[a](budget.md)"
    assert led("CONTRIBUTING.md", "[a](../README.md)") == "[a](index.md)"
    assert led("index.md", "[a](#here) [b](https://example.com/x)") == "[a](#here) [b](https://example.com/x)"
    with pytest.raises(SystemExit, match=r"README.md: nothing is at nowhere.md"):
        led("index.md", "[a](nowhere.md)")


def test_what_is_wrong_with_a_site_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page or place that is not there, and whatever would be loaded from elsewhere."""
    monkeypatch.setattr(SITE, "SITE", tmp_path)
    (tmp_path / "a.html").write_text(
        '<h2 id="here"></h2><a href="b.html#there">b</a><a href="https://example.com/">c</a>'
    )
    (tmp_path / "b.html").write_text('<p id="there"></p><a href="a.html#here">a</a><a href="#there">b</a>')
    assert list(SITE.faults()) == []
    (tmp_path / "b.html").write_text(
        '<a href="c.html">c</a><a href="a.html#gone">a</a><script src="https://e.com/x.js">'
    )
    assert list(SITE.faults()) == [
        "a.html leads to b.html#there",
        "b.html leads to c.html",
        "b.html leads to a.html#gone",
        "b.html loads https://e.com/x.js",
    ]
