"""A terminal of a given width for a command in this process: three of them, so that its streams can be told apart."""

import fcntl
import os
import pty
import struct
import sys
import termios
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from onboard360_async.cli.app import run
from tests.cli.conftest import Said

__all__ = ["on_terminal"]

_LINES = 40


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
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", _LINES, columns, 0, 0))
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
