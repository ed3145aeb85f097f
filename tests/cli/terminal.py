"""A terminal of a given size, for a command in this process or for a process of its own.

In this process they are three, so that the streams can be told apart; a process has one, as a user sees it.
"""

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from attrs import frozen

from onboard360_async.cli.app import run
from tests.cli.conftest import Said

__all__ = ["Seat", "beside", "of_a_process", "on_terminal"]

_LINES = 40
_STARTED = (sys.executable, "-c", "from onboard360_async.cli import main; main()")
_OF_THE_USER = ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "TERM", "LESS", "PAGER")


def on_terminal(words: list[str], columns: int, typed: str = "") -> Said:
    """`onboard360 WORDS` where stdin, stdout and stderr are terminals of so many columns; what was typed is its input.

    What a terminal makes of a line's end is left out: lines end in a newline.
    """
    with ExitStack() as stack:
        tell, _ = stack.enter_context(_terminal(0, columns))
        _, out = stack.enter_context(_terminal(1, columns))
        _, err = stack.enter_context(_terminal(2, columns))
        stack.enter_context(_streams())
        os.write(tell, typed.encode())
        code = run(words)
    return Said(code, b"".join(out).decode(), b"".join(err).decode())


@contextmanager
def _terminal(number: int, columns: int) -> Iterator[tuple[int, list[bytes]]]:
    """One in the place of a stream: where to type, and what was written, which is whole when the block has ended."""
    ours, theirs = _pair(columns, _LINES)
    modes = termios.tcgetattr(theirs)
    modes[1] &= ~termios.OPOST
    modes[3] &= ~termios.ECHO
    termios.tcsetattr(theirs, termios.TCSANOW, modes)
    written: list[bytes] = []
    reading = threading.Thread(target=_read, args=(ours, written))
    before = os.dup(number)
    os.dup2(theirs, number)
    os.close(theirs)
    reading.start()
    try:
        yield ours, written
    finally:
        os.dup2(before, number)
        os.close(before)
        reading.join()
        os.close(ours)


def _pair(columns: int, lines: int) -> tuple[int, int]:
    """Both ends of a new terminal of this size: the one to look at, and the one to write to."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    return ours, theirs


def _read(terminal: int, written: list[bytes]) -> None:
    try:
        while piece := os.read(terminal, 65_536):
            written.append(piece)
    except OSError:
        pass  # its last user has gone


@contextmanager
def _streams() -> Iterator[None]:
    """Python's own streams, on those of the process."""
    before = sys.stdin, sys.stdout, sys.stderr
    with (
        open(0, encoding="utf-8", closefd=False) as stdin,
        open(1, "w", encoding="utf-8", closefd=False, buffering=1) as stdout,
        open(2, "w", encoding="utf-8", closefd=False, buffering=1) as stderr,
    ):
        sys.stdin, sys.stdout, sys.stderr = stdin, stdout, stderr
        try:
            yield
        finally:
            sys.stdin, sys.stdout, sys.stderr = before


# --- a process of its own ---


@frozen
class Seat:
    """Where the user of a process sits: what it shows is read here, what is typed goes to it from here."""

    process: "subprocess.Popen[bytes]"
    terminal: int

    def until(self, text: str) -> str:
        """What is shown from now on, as soon as this text is among it."""
        said = b""
        while text.encode() not in said:
            said += os.read(self.terminal, 65_536)
        return said.decode()

    def rest(self) -> str:
        """What is shown until the last user of the terminal has gone."""
        said: list[bytes] = []
        _read(self.terminal, said)
        return b"".join(said).decode()

    def type(self, text: str) -> None:
        """As keys that are pressed."""
        os.write(self.terminal, text.encode())


@contextmanager
def beside(
    program: Sequence[str],
    columns: int,
    lines: int = 24,
    *,
    typed: bool = True,
    env: Mapping[str, str | None] | None = None,
    cwd: Path | None = None,
) -> Iterator[Seat]:
    """A process on a terminal of this size, which ends with the block at the latest.

    Nothing of the user's is in its environment that is about terminals; PAGER is `cat`, so that nobody has to turn
    pages. Without `typed` there is nobody at its keys.
    """
    ours, theirs = _pair(columns, lines)
    environment: dict[str, str | None] = {**os.environ, **dict.fromkeys(_OF_THE_USER), "TERM": "xterm", "PAGER": "cat"}
    environment |= env or {}
    with subprocess.Popen(
        program,
        stdin=theirs if typed else subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
        env={name: value for name, value in environment.items() if value is not None},
        cwd=cwd,
    ) as process:
        os.close(theirs)
        try:
            yield Seat(process, ours)
            process.wait()
        finally:
            process.kill()  # which it is too late for, if all went well
            os.close(ours)


def of_a_process(
    words: Sequence[str],
    columns: int = 80,
    lines: int = 24,
    *,
    typed: bool = True,
    env: Mapping[str, str | None] | None = None,
) -> str:
    """All that `onboard360 WORDS`, as a process, shows on a terminal of this size; lines end in a newline."""
    with beside([*_STARTED, *words], columns, lines, typed=typed, env=env) as seat:
        return seat.rest().replace("\r\n", "\n")
