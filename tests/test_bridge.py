"""The bridge, tortured: no hang, no noise, and nothing of a parent's is touched, with every warning an error."""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextvars import ContextVar
from pathlib import Path

import pytest

from onboard360_async.bridge import iterate, run
from tests.bridge_peer import Peer

ROOT = Path(__file__).parents[1]

SCRIPTS = {
    "interrupted": ["ended", "interrupted", "onboard360"],
    "interrupted_iteration": ["1", "closed", "interrupted"],
    "exits": ["exit 3", "onboard360"],
    "in_a_loop": ["1 RuntimeWarning", "MainThread", "MainThread", "MainThread"],
    "reentered": ["refused", "refused"],
    "threads": ["16 {'onboard360'} 1"],
    "forked": ["child onboard360", "0", "onboard360", "child onboard360", "0", "child onboard360", "0 onboard360"],
    "forked_and_left": ["0"],
    "forked_handle": ["1", "1 [200, 200, 200]"],
    "forked_twice": [*"11111", "[200, 200, 200, 200, 200]"],
    "forked_in_an_iteration": ["0", "ConfigurationError", "0", "0", "closed", "[1, 2, 3, 4]"],
    "pools": ["['onboard360', 'onboard360']", "['onboard360', 'onboard360']", "onboard360"],
    "left_open": ["0", "closed", "ended"],
    "from_del": ["too late"],
    "collected": ["0", "closed", "0", "closed"],
    "started_twice": ["onboard360 ['onboard360'] 1"],
}


CALL = "a 360Onboard handle was never clos"
# What each script of handle_torture says, how many requests the peer saw, and how many were left by the other side.
HANDLES = {
    "interrupted_requests": (
        [f"{kind} {method} 1/1 0/1 0/0" for kind in ("KeyboardInterrupt", "SystemExit") for method in ("GET", "POST")],
        4,
        4,
    ),
    "interrupted_waits": (["KeyboardInterrupt 0 0 1 cancelled", "SystemExit 0 0 1 cancelled"], 2, 0),
    "left_by_a_signal": ([], 1, 1),
    "called_by_a_signal": (["answered"], 2, 0),
    "refused_from_a_key": (["refused", "[]"], 1, 0),
    "forked_handles": (["0"] * 5, 9, 0),
    "handles_in_pools": (["False", "False"], 7, 0),
    "left_open_handles": (["ended", "too late"], 3, 0),
    "collected_handles": (["ResourceWarning", "ResourceWarning " * 2 + "ResourceWarning", f"{{{CALL!r}}}"], 3, 0),
    "three_runs": (["RuntimeWarning", "True"], 12, 0),
    "closed_from_another_loop": (["stood still", "ran", "ResourceWarning"], 6, 0),
    "debugged": (["True True"], 2, 0),
    "sixteen_threads": (["1"], 128, 0),
}
# uvloop itself, with nothing of ours, ends a forked child that has open handles of its parent by SIGSEGV (0.23.0).
ON_UVLOOP = (
    *("interrupted_requests", "interrupted_waits", "handles_in_pools", "left_open_handles"),
    *("collected_handles", "closed_from_another_loop", "sixteen_threads"),
)
FLAGS = ("-X", "dev", "-W", "error")
# Forking beside threads is the user's own risk from Python 3.12 on, which says so.
FLAGS_SINCE_3_12 = (*FLAGS, "-W", "ignore:This process:DeprecationWarning")
NEEDED = "import sys; assert sys.version_info >= (3, 11); import aiohttp, aiolimiter, attrs, cattrs; "


def run_script(script: str, peer: Peer | None = None, *, python: str = sys.executable, loop: str = "asyncio") -> None:
    """Run it in a process of its own, and look at all that it says, and at its exit code."""
    flags = FLAGS if sys.version_info < (3, 12) and python == sys.executable else FLAGS_SINCE_3_12
    command = [python, *flags, "-m", "tests.bridge_torture", script]
    env = {**os.environ, "TORTURE_LOOP": loop, "PEER": peer.url if peer else ""}
    if "pools" in script:
        env.pop("COVERAGE_PROCESS_START", None)  # a pool ends its processes in the middle of whatever they write
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=15, check=False)
    assert done.stderr == ""
    lines, wanted = done.stdout.splitlines(), SCRIPTS.get(script) or HANDLES[script][0]
    if script == "left_open_handles":  # whether a daemon thread or a `__del__` still speaks at the very end is luck
        wanted = [line for line in wanted if line in lines]
    if script.startswith("left_open"):
        lines, wanted = sorted(lines), sorted(wanted)
    assert lines == wanted
    assert done.returncode == (7 if script == "left_by_a_signal" else 0)


def run_on_wire(script: str, *, python: str = sys.executable, loop: str = "asyncio") -> None:
    """The same for a script about handles; and the peer saw what it should, and nobody on another's connection."""
    with Peer() as peer:
        run_script(script, peer, python=python, loop=loop)
        _, seen, gone = HANDLES[script]
        assert len(peer.seen) == seen
        assert [who for who in peer.connections.values() if len(who) > 1] == []
        peer.let_go()
        assert peer.wait_for(gone=gone, open=0)


@pytest.mark.usefixtures("children_are_measured")
@pytest.mark.parametrize("script", SCRIPTS)
def test_torture(script: str) -> None:
    """Each script of bridge_torture, in a process of its own, says exactly this and nothing on stderr."""
    run_script(script)


@pytest.mark.usefixtures("children_are_measured")
@pytest.mark.parametrize("script", HANDLES)
def test_handles(script: str) -> None:
    """Each script of handle_torture says exactly this, the peer saw exactly so many requests, and nobody is left."""
    run_on_wire(script)


@pytest.mark.parametrize("script", ON_UVLOOP)
def test_handles_on_uvloop(script: str) -> None:
    """With uvloop's policy set, the private loop is one of uvloop's, and all is the same."""
    pytest.importorskip("uvloop", reason="uvloop is in the dev group")
    run_on_wire(script, loop="uvloop")


def other_pythons() -> list[str]:
    """What else is on this machine, by one path each; ONBOARD360_TEST_PYTHONS names more, such as environments."""
    told = os.environ.get("ONBOARD360_TEST_PYTHONS", "")
    found = [Path(path) for path in told.split(os.pathsep) if path]
    found += sorted(Path("/usr/bin").glob("python3.[1-9][0-9]"))
    found += sorted((Path.home() / ".pyenv" / "versions").glob("3.[1-9][0-9].*/bin/python"))
    return [str(path) for path in found if path.exists() and not path.samefile(sys.executable)]


@pytest.mark.timeout(120)
@pytest.mark.parametrize("python", other_pythons())
def test_torture_on_another_python(python: str) -> None:
    """All scripts, on each other Python of this machine that is new enough and has what the package needs."""
    told = subprocess.run([python, "-c", NEEDED], capture_output=True, text=True, timeout=15, check=False)
    if told.returncode != 0:
        pytest.skip(f"{python}: {told.stderr.splitlines()[-1]}")
    for script in SCRIPTS:
        run_script(script, python=python)
    for script in HANDLES:
        run_on_wire(script, python=python)


def test_gunicorn_forks_after_the_handle_was_used(tmp_path: Path) -> None:
    """Two workers, and a handle that their parent made and used: each has connections of its own; no noise, no hang."""
    pytest.importorskip("gunicorn", reason="gunicorn is in the test extra")
    place = tmp_path / "socket"
    command = [
        *(sys.executable, *FLAGS_SINCE_3_12, "-W", "ignore::DeprecationWarning", "-m", "gunicorn"),
        *("--preload", "--workers", "2", "--threads", "4", "--bind", f"unix:{place}", "--log-level", "warning"),
        *("--graceful-timeout", "5", "--worker-tmp-dir", str(tmp_path), "tests.handle_torture:make_app()"),
    ]
    with Peer() as peer:
        env = {**os.environ, "PEER": peer.url}
        with subprocess.Popen(command, cwd=ROOT, env=env, stderr=subprocess.PIPE, text=True) as server:
            assert peer.event("worker 2 is here").wait(10)
            workers = {http_get(place) for _ in range(40)}
            server.terminate()
            assert (server.communicate(timeout=10)[1], server.returncode) == ("", 0)
        assert len(peer.seen) == 1 + 2 + 40
        assert workers < set.union(*peer.connections.values())
        assert [who for who in peer.connections.values() if len(who) > 1] == []
        assert peer.wait_for(open=0)


def http_get(place: Path) -> str:
    """The body of one answer over a Unix socket."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(place))
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        answer = b""
        while more := connection.recv(65_536):
            answer += more
    assert answer.startswith(b"HTTP/1.0 200"), answer
    return answer.rpartition(b"\r\n\r\n")[2].decode()


def test_a_call_gives_its_result_or_its_own_error() -> None:
    """The very exception, with the line that raised it."""
    error = ValueError("mine")

    async def fail() -> None:
        raise error

    for _ in range(3):
        error.__traceback__ = None
        with pytest.raises(ValueError, match="mine") as caught:
            run(fail)
        assert caught.value is error
        assert len(caught.traceback) < 10


def test_the_callers_context_is_copied() -> None:
    """Values are seen there; what is set there stays there."""
    variable: ContextVar[int] = ContextVar("variable", default=0)
    variable.set(1)

    async def look() -> int:
        seen = variable.get()
        variable.set(2)
        return seen

    assert (run(look), variable.get()) == (1, 1)


def test_an_iteration_is_one_batch_ahead() -> None:
    """While one batch is used the next is fetched, and no more than that."""
    made: list[int] = []
    fetched = ContextVar[int]("fetched", default=0)

    async def batches() -> AsyncGenerator[int, None]:
        for number in range(10):
            made.append(number)
            fetched.set(number)
            yield number

    async def settle() -> None:
        for _ in range(5):
            await asyncio.sleep(0)

    reader = iterate(batches)
    assert next(reader) == 0
    run(settle)
    assert made == [0, 1]
    assert next(reader) == 1
    run(settle)
    assert made == [0, 1, 2]
    reader.close()
    assert fetched.get() == 0


def test_an_iteration_ends_as_it_should() -> None:
    """All of it, early by break, or with the error of the generator after what came before it."""
    closed: list[str] = []

    async def batches(fails: bool) -> AsyncGenerator[int, None]:
        try:
            yield 1
            yield 2
            if fails:
                raise ZeroDivisionError
        finally:
            closed.append("closed")

    assert list(iterate(lambda: batches(False))) == [1, 2]
    for number in iterate(lambda: batches(False)):
        assert number == 1
        break
    seen: list[int] = []
    with pytest.raises(ZeroDivisionError):
        seen.extend(iterate(lambda: batches(True)))
    assert closed == ["closed"] * 3
