"""The documentation as a site: README, guides, CHANGELOG, and the reference from the docstrings, in .docs/site.

`python3 dev docs` calls it in the project's environment. Lays out the pages that `.docs.toml` names, with their links
led to where the pages stand there, has zensical build them, and looks whether every link of the result leads somewhere.
Knows nothing of what the pages say.
"""

import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePosixPath
from posixpath import normpath, relpath
from urllib.parse import unquote

ROOT = Path(__file__).resolve().parents[1]
CONFIG = ROOT / ".docs.toml"
PAGES, SITE = ROOT / ".docs" / "pages", ROOT / ".docs" / "site"
# Where a page or picture of the site is kept, if that is not where its name says.
KEPT = {
    "index.md": "README.md",
    "CONTRIBUTING.md": ".github/CONTRIBUTING.md",
    "guides": "onboard360_async/guides",
    "pictures": ".github/pictures",
}
REFERENCE = "reference/"
LINK = re.compile(r"(?<=\]\()(?!\w+:|#)([^)#\s]+)")
STYLE = ROOT / ".ci" / "site.css"
PORT = 8000


def pages(nav: object) -> Iterator[str]:
    """The pages in a part of the navigation, in their order."""
    if isinstance(nav, str):
        yield nav
    for part in nav if isinstance(nav, list) else nav.values() if isinstance(nav, dict) else ():
        yield from pages(part)


def lay_out() -> None:
    """Write all pages to where zensical reads them, and beside them the pictures that they show."""
    shutil.rmtree(PAGES, ignore_errors=True)
    wanted = list(pages(tomllib.loads(CONFIG.read_text(encoding="utf-8"))["project"]["nav"]))
    places = {kept(page): page for page in wanted}
    for page in wanted:
        target = PAGES / page
        target.parent.mkdir(parents=True, exist_ok=True)
        if page.startswith(REFERENCE):
            name = page.removeprefix(REFERENCE).removesuffix(".md")
            short = name.removeprefix("onboard360_async.")
            target.write_text(f"# {short}\n\n`{name}`\n\n::: {name}\n", encoding="utf-8")
        else:
            text = (ROOT / kept(page)).read_text(encoding="utf-8")
            target.write_text(LINK.sub(partial(led, page, places), text), encoding="utf-8")
    shutil.copy(STYLE, PAGES)


def kept(page: str) -> str:
    """Where in the project a page of the site is kept."""
    folder, _, name = page.rpartition("/")
    return KEPT.get(page) or f"{KEPT.get(folder, folder)}/{name}".lstrip("/")


def led(page: str, places: dict[str, str], found: re.Match[str]) -> str:
    """A link of that page, as it must be where the page stands in the site. What is no page there is put beside it."""
    source = normpath(PurePosixPath(kept(page)).parent / found[1])
    place = places.get(source)
    if place is None:
        if not (ROOT / source).is_file():
            sys.exit(f"{kept(page)}: nothing is at {found[1]}")
        place = f"files/{PurePosixPath(source).name}"
        (PAGES / "files").mkdir(exist_ok=True)
        shutil.copy(ROOT / source, PAGES / place)
    return relpath(place, PurePosixPath(page).parent)


# --- what was built ---


class Links(HTMLParser):
    """What a page leads to, what it loads, and the places in it that can be led to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.loaded: list[str] = []
        self.ids = {""}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take down what this one says."""
        said = dict(attrs)
        self.ids.add(said.get("id") or "")
        if said.get("src") or tag == "link":
            self.loaded.append(said.get("src") or said.get("href") or "")
        elif said.get("href"):
            self.targets.append(said["href"] or "")


def faults() -> Iterator[str]:
    """Links of the site that lead nowhere within it, and what its pages would load from elsewhere."""
    read = {path: Links(path.read_text(encoding="utf-8")) for path in sorted(SITE.rglob("*.html"))}
    for path, links in read.items():
        if path.name == "404.html":  # made for a server's root
            continue
        for target in (*links.targets, *links.loaded):
            if re.match(r"\w+:", target):
                if target in links.loaded:
                    yield f"{path.name} loads {target}"
                continue
            file, _, place = unquote(target).partition("#")
            there = (path.parent / file).resolve() if file else path
            if there.is_dir():
                there /= "index.html"
            if not there.is_file() or (there in read and place not in read[there].ids):
                yield f"{path.name} leads to {target}"


def show() -> None:
    """Serve it on this machine, until Ctrl-C."""
    with ThreadingHTTPServer(("127.0.0.1", PORT), partial(SimpleHTTPRequestHandler, directory=SITE)) as server:
        print(f"http://127.0.0.1:{PORT}/", flush=True)
        with suppress(KeyboardInterrupt):
            server.serve_forever()


def main(arguments: list[str]) -> int:
    """Build it; with --serve show it, too."""
    if arguments not in ([], ["--serve"]):
        sys.exit("python3 dev docs [--serve]")
    lay_out()
    shutil.rmtree(SITE, ignore_errors=True)
    zensical = Path(sys.executable).parent / "zensical"
    if subprocess.call([zensical, "build", "--clean", "--strict", "--config-file", CONFIG], cwd=ROOT) != 0:
        return 1
    wrong = list(faults())
    print(*wrong, sep="\n", end="\n" if wrong else "")
    if wrong:
        return 1
    print(f"{SITE / 'index.html'} (to search it, --serve)")
    if arguments:
        show()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
