"""What only POSIX has is used where it is asked for first; text has an encoding: Windows has neither."""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import pytest

PACKAGE: Final = Path(__file__).parents[1] / "onboard360_async"
FILES: Final = sorted(PACKAGE.rglob("*.py"))
MODULES: Final = {"fcntl", "grp", "posix", "pty", "pwd", "readline", "resource", "syslog", "termios", "tty"}
# What is an attribute of os, signal, socket, or a loop, and not on Windows.
NAMES: Final = {
    *("chown", "chroot", "fchdir", "fchmod", "fchown", "fork", "forkpty", "getegid", "geteuid", "getgid", "getgroups"),
    *("getloadavg", "getpgid", "getpgrp", "getuid", "initgroups", "killpg", "lchown", "mkfifo", "mknod", "nice"),
    *("openpty", "posix_fadvise", "posix_spawn", "pread", "pwrite", "preadv", "pwritev", "register_at_fork"),
    *("sched_getaffinity", "sendfile", "setgid", "setsid", "setuid", "statvfs", "sysconf", "uname"),
    *("O_ASYNC", "O_CLOEXEC", "O_DIRECTORY", "O_DSYNC", "O_NOATIME", "O_NOCTTY", "O_NOFOLLOW", "O_NONBLOCK", "O_SYNC"),
    *("SIGALRM", "SIGCHLD", "SIGCONT", "SIGHUP", "SIGKILL", "SIGPIPE", "SIGQUIT", "SIGSTOP", "SIGTSTP", "SIGUSR1"),
    *("SIGUSR2", "SIGWINCH", "alarm", "pthread_kill", "pthread_sigmask", "setitimer", "siginterrupt"),
    *("sigwait", "AF_UNIX", "SO_REUSEPORT", "fromfd", "socketpair_unix"),
    *("add_signal_handler", "remove_signal_handler", "create_unix_connection", "create_unix_server"),
}
OWNERS: Final = {"os", "signal", "socket", "loop", "asyncio", "self.loop", "asyncio.get_running_loop()"}
# Used all the same, by what is not reached there.
ASKED_BEFORE: Final[Mapping[tuple[str, str], str]] = {
    ("budget/file_store.py", "pwrite"): "a store in a file is refused by state_file, where there is no fcntl",
    ("budget/file_store.py", "pread"): "the same",
    ("bridge.py", "register_at_fork"): "in what a fork calls; the other one asks",
    ("transport/pool.py", "register_at_fork"): "in what a fork calls; the other one asks",
}


def parents(tree: ast.AST) -> dict[ast.AST, ast.AST]:
    return {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}


def uses(tree: ast.AST) -> Iterator[tuple[ast.AST, str]]:
    """Each import of such a module and each such attribute."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            named = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [str(node.module)]
            yield from ((node, name) for name in named if name.partition(".")[0] in MODULES)
            if isinstance(node, ast.ImportFrom) and node.module in OWNERS:
                yield from ((node, alias.name) for alias in node.names if alias.name in NAMES)
        elif isinstance(node, ast.Attribute) and node.attr in NAMES and ast.unparse(node.value) in OWNERS:
            yield node, node.attr


def is_asked_for(node: ast.AST, name: str, above: Mapping[ast.AST, ast.AST]) -> bool:
    """Is it under an `if` that asks for it or for the system, behind one that leaves, or in a `try` of an import?"""
    asks = (
        f"hasattr(os, '{name}')",
        f"hasattr(signal, '{name}')",
        f"hasattr(socket, '{name}')",
        "sys.platform",
        "os.name",
    )
    here: ast.AST | None = node
    while here is not None:
        up = above.get(here)
        if isinstance(up, ast.If) and here is not up.test and any(ask in ast.unparse(up.test) for ask in asks):
            return True
        if isinstance(up, ast.Try) and isinstance(node, ast.Import | ast.ImportFrom):
            return any("ImportError" in ast.unparse(each.type) for each in up.handlers if each.type is not None)
        for before in getattr(up, "body", []) if isinstance(up, ast.FunctionDef | ast.AsyncFunctionDef) else []:
            leaves = isinstance(before, ast.If) and isinstance(before.body[-1], ast.Return | ast.Raise)
            if before is not here and leaves and any(ask in ast.unparse(before.test) for ask in asks):
                return True
        here = up
    return False


def unasked(source: str) -> list[str]:
    tree = ast.parse(source)
    above = parents(tree)
    return [name for node, name in uses(tree) if not is_asked_for(node, name, above)]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_what_only_posix_has_is_asked_for_first(path: Path) -> None:
    """Or is not reached without it, for a reason that stands above."""
    file = path.relative_to(PACKAGE).as_posix()
    assert [name for name in unasked(path.read_text(encoding="utf-8")) if (file, name) not in ASKED_BEFORE] == []


def test_no_exception_is_left_over() -> None:
    """Each is still needed."""
    for file, name in ASKED_BEFORE:
        assert name in unasked((PACKAGE / file).read_text(encoding="utf-8")), (file, name)


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import fcntl", ["fcntl"]),
        ("def f():\n    import pwd", ["pwd"]),
        ("from termios import ECHO", ["termios"]),
        ("from os import fork", ["fork"]),
        ("import os\nos.getuid()", ["getuid"]),
        ("import os\nif os.getuid(): pass", ["getuid"]),
        ("import os\nif hasattr(os, 'fork'):\n    os.getuid()", ["getuid"]),
        ("loop.add_signal_handler(2, f)", ["add_signal_handler"]),
        ("import signal\nsignal.SIGKILL", ["SIGKILL"]),
        ("try:\n    import fcntl\nexcept ImportError:\n    fcntl = None", []),
        ("import os\nif hasattr(os, 'getuid'):\n    os.getuid()", []),
        ("import sys, os\nif sys.platform != 'win32':\n    os.fork()", []),
        ("import os\ndef f():\n    if not hasattr(os, 'fork'):\n        return\n    os.fork()", []),
        ("import signal\nsignal.SIGTERM, signal.SIGINT", []),
    ],
)
def test_the_watchman_sees_what_is_unasked(source: str, found: list[str]) -> None:
    """In an import, a function, a test; and lets pass what was asked for."""
    assert unasked(source) == found


# --- text ---


def unsaid(source: str) -> list[str]:
    """Calls that open a file as text and say no encoding, or in a file that knows CSV no line's end."""
    tree = ast.parse(source)
    knows_csv = any(isinstance(node, ast.Import) and "csv" in ast.unparse(node) for node in ast.walk(tree))
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        name, words = called.rpartition(".")[2], {each.arg for each in node.keywords}
        if name in ("read_text", "write_text"):
            found += [called] * ("encoding" not in words)
        elif called in ("open", "os.fdopen") or (name == "open" and called != "os.open" and is_of_a_file(node, words)):
            place = 1 if called in ("open", "os.fdopen") else 0
            modes = [*node.args[place : place + 1], *(word.value for word in node.keywords if word.arg == "mode")]
            is_text = "b" not in "".join(map(ast.unparse, modes))
            found += [called] * (is_text and not ("encoding" in words and ("newline" in words or not knows_csv)))
    return found


def is_of_a_file(call: ast.Call, words: set[str | None]) -> bool:
    """`path.open("r")` is; what else is opened takes no mode, and no encoding."""
    first = call.args[0].value if call.args and isinstance(call.args[0], ast.Constant) else ""
    return bool({"encoding", "newline", "mode"} & words) or (
        isinstance(first, str) and bool(first) and set(first) <= set("rwxabt+")
    )


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_text_says_how_it_is_written(path: Path) -> None:
    """An encoding, always: Windows has another one by itself. Where CSV is known, the line's end, too."""
    assert unsaid(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("open('x')", ["open"]),
        ("open('x', 'w', encoding='utf-8')", []),
        ("import csv\nopen('x', 'w', encoding='utf-8')", ["open"]),
        ("import csv\nopen('x', 'w', encoding='utf-8', newline='')", []),
        ("open('x', 'rb')", []),
        ("path.read_text()", ["path.read_text"]),
        ("path.open('a')", ["path.open"]),
        ("path.open('rb')", []),
        ("api.open()", []),
        ("os.open('x', os.O_RDONLY)", []),
        ("os.fdopen(1, 'w', encoding='utf-8')", []),
    ],
)
def test_the_watchman_sees_text_without_an_encoding(source: str, found: list[str]) -> None:
    """And lets pass what says it, what is bytes, and what is no file."""
    assert unsaid(source) == found
