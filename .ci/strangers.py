"""`python3 dev demo` and `test` on the machines of strangers: nobody's, Debian's, without ensurepip, offline, moved.

Standard library only. Each case is a copy of the project, unpacked from its sdist, in a folder with spaces and letters
of the world; what is run there is what a person types. Knows of `dev` only what it says and what it leaves behind.
"""

import os
import pwd
import shutil
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jobs import FailedError, NotHereError, Series, run

__all__ = ["strangers"]

PLACE = "a friend's disk (ü, ñ, 日本)"
DEMO = ("dev", "demo", "--window", "1")
TEST = ("dev", "test", "-q", "tests/test_house.py")
# Within a network of its own, where nothing is up: puts up the loopback, becomes that user, and then the command.
ALONE = """
import fcntl, os, socket, struct, sys
fcntl.ioctl(socket.socket(), 0x8914, struct.pack("16sH14x", b"lo", 1))
user = int(sys.argv[1])
if user:
    os.setgroups([]), os.setgid(user), os.setuid(user)
os.execvp(sys.argv[2], sys.argv[2:])
"""
DEAD = "http://127.0.0.1:9"  # the port on which, by old custom, all is thrown away; here nobody listens


@dataclass
class Copy:
    """The project in a place of its own, and who is there with what."""

    folder: Path
    python: Path
    env: Mapping[str, str]
    user: int | None = None

    def dev(self, *arguments: str, holds: str, offline: bool = False) -> str:
        """What `dev` says, which must hold this. FailedError if it does not."""
        command: tuple[str | Path, ...] = (self.python, *arguments)
        env, user, how = dict(self.env), self.user, ""
        if offline and _has_networks():
            command, user, how = (*_alone(), str(user or 0), *command), None, "in a network of its own"
        elif offline:
            env, how = env | _dead_ends(), "with an index and proxies that lead nowhere"
        said = run(*command, where=self.folder, env=env, user=user)
        if holds not in said or (offline and "dev:" in said):
            raise FailedError(f"it does not say {holds!r}, or more than that:\n{said[-4000:]}")
        return how

    def move(self) -> None:
        """Elsewhere, with all that was made in it."""
        self.folder = self.folder.rename(self.folder.with_name("moved here"))


def _alone() -> tuple[str | Path, ...]:
    return "unshare", "--net", sys.executable, "-c", ALONE


def _has_networks() -> bool:
    """May this process have a network of its own?"""
    try:
        run(*_alone(), "0", sys.executable, "-c", "")
    except FailedError:
        return False
    return True


def _dead_ends() -> dict[str, str]:
    proxies = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), DEAD)
    index = {"PIP_INDEX_URL": DEAD, "PIP_EXTRA_INDEX_URL": "", "PIP_FIND_LINKS": "", "PIP_RETRIES": "0"}
    return {**proxies, **index, "NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"}


def strangers(tree: Path, folder: Path, pythons: Sequence[Path], managed: Sequence[Path]) -> list[Series]:
    """All cases; `managed` are those of the Pythons that the system's packages own."""
    return [_nobody(tree, folder, pythons), _managed(tree, folder, managed), _without_ensurepip(tree, folder)]


def _copy(tree: Path, folder: Path, python: Path, env: Mapping[str, str], user: int | None = None) -> Copy:
    place = folder / PLACE
    shutil.copytree(tree, place)
    (folder / "tmp").mkdir()
    if user is not None:
        for path in (folder / "tmp", place, *place.rglob("*")):
            os.chown(path, user, user)
    return Copy(place, python, {"TMPDIR": str(folder / "tmp"), **env}, user)


def _nobody(tree: Path, folder: Path, pythons: Sequence[Path]) -> Series:
    """A user who owns the copy and nothing else: no home to write in, no cache, no settings."""
    made: list[Copy] = []

    def begin() -> str:
        user = _user()
        python = next((each for each in pythons if _may_run(each, user)), None)
        if python is None:
            raise NotHereError("nobody may run any of the Pythons here")
        home = folder / "nobody" / "home"
        home.mkdir(parents=True)
        made.append(_copy(tree, folder / "nobody", python, {"HOME": str(home), **_index()}, user))
        return made[0].dev(*DEMO, holds="429s = 0") or str(python)

    return {
        "nobody: dev demo": begin,
        "nobody: dev test": lambda: made[0].dev(*TEST, holds=" passed"),
        "nobody, offline: dev demo": lambda: made[0].dev(*DEMO, holds="429s = 0", offline=True),
        "nobody, offline: dev test": lambda: made[0].dev(*TEST, holds=" passed", offline=True),
    }


def _user() -> int:
    if os.geteuid() != 0:
        raise NotHereError("only root can become nobody")
    try:
        return pwd.getpwnam("nobody").pw_uid
    except KeyError:
        raise NotHereError("there is no user named nobody") from None


def _may_run(python: Path, user: int) -> bool:
    try:
        run(python, "-c", "import ssl, venv", where=Path("/"), user=user)
    except FailedError:
        return False
    return True


def _index() -> dict[str, str]:
    """Where packages come from, if that stands in a file which nobody may read. Only ever handed on."""
    try:
        told = run(sys.executable, "-m", "pip", "config", "get", "global.index-url").strip()
    except FailedError:  # which is how pip says that nothing is set
        return {}
    return {"PIP_INDEX_URL": os.environ.get("PIP_INDEX_URL", told)}


def _managed(tree: Path, folder: Path, managed: Sequence[Path]) -> Series:
    """A Python into which pip may install nothing, as Debian's; then the folder is moved, with its environment."""
    made: list[Copy] = []

    def begin() -> str:
        if not managed:
            raise NotHereError("no Python here is externally managed")
        made.append(_copy(tree, folder / "managed", managed[0], {}))
        return made[0].dev(*DEMO, holds="429s = 0") or str(managed[0])

    def moved() -> str:
        made[0].move()
        return made[0].dev(*TEST, holds=" passed")

    return {
        "externally managed: dev demo": begin,
        "externally managed, offline: dev test": lambda: made[0].dev(*TEST, holds=" passed", offline=True),
        "externally managed, moved: dev test": moved,
    }


def _without_ensurepip(tree: Path, folder: Path) -> Series:
    """This Python as if its ensurepip had been left out, as Debian does; and as if it had no pip either."""

    def without(*names: str, at: str) -> Copy:
        return _copy(tree, folder / at, _lesser(folder / at, names), {})

    def demo() -> str:
        copy = without("ensurepip", at="no ensurepip")
        copy.dev(*DEMO, holds="429s = 0")
        if list(copy.folder.glob(".venv/lib/python*/site-packages/pip")):
            raise FailedError("there is a pip in .venv: ensurepip was there")
        return "by the pip of the Python outside"

    def refused() -> str:
        copy = without("ensurepip", "site-packages", "dist-packages", at="no pip")
        try:
            run(copy.python, *DEMO, where=copy.folder)
        except FailedError as error:
            if "dev: could not make an environment (on Debian" not in str(error):
                raise
            return "says what to install"
        raise FailedError("an environment was made of nothing")

    return {"without ensurepip: dev demo": demo, "without ensurepip and pip: dev demo": refused}


def _lesser(folder: Path, names: Sequence[str]) -> Path:
    """A Python that is this one but for what bears those names: its program copied, its library linked to."""
    base = Path(os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable))
    library = Path(sysconfig.get_path("stdlib"))
    python, copied = folder / "python" / "bin" / "python3", folder / "python" / library.parent.name / library.name
    python.parent.mkdir(parents=True)
    copied.mkdir(parents=True)
    shutil.copy(base, python)
    for path in library.iterdir():
        if path.name not in names:
            (copied / path.name).symlink_to(path)
    debians = library.parent / "python3"
    if debians.is_dir() and "dist-packages" not in names:
        (copied.parent / "python3").symlink_to(debians)
    try:
        run(python, "-c", "import ssl, sys, venv; sys.exit('ensurepip' in sys.modules)")
    except FailedError:
        raise NotHereError("this Python does not run as a copy") from None
    return python
