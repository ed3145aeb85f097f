"""What Ctrl-C and SIGTERM mean: told on the loop while a command works, the end at once while it only begins.

Knows no command. Also where loops know no signals, as on Windows.
"""

import os
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final, TypeVar

__all__ = ["INTERRUPTED", "ended_at_once", "on_signals", "run"]

T = TypeVar("T")
# Exit.INTERRUPTED again: what is interrupted here may be the import of `exits` itself.
INTERRUPTED: Final = 128 + signal.SIGINT
_STOPS: Final = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def on_signals(heard: Callable[[int], object], *, once: bool = False) -> Iterator[None]:
    """A block in which the running loop calls `heard` for each. `once`: the second does what it does elsewhere."""
    import asyncio  # whoever wants to be told has it

    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in _STOPS}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def tell(number: int, _: object) -> None:
        if once:
            restore()
        loop.call_soon_threadsafe(heard, number)

    for number in _STOPS:
        signal.signal(number, tell)
    try:
        yield
    finally:
        restore()


@contextmanager
def ended_at_once() -> Iterator[None]:
    """A block that imports or prepares, and has nothing to lose: Ctrl-C ends the process with one line.

    An exception would come in the middle of an import, or of a loop that is being made, and be told as their fault.
    """
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:  # ignored, as by nohup, or told already
        yield
        return
    try:
        signal.signal(signal.SIGINT, _end)
    except ValueError:  # in another thread there is no Ctrl-C
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _end(*_: object) -> None:
    if sys.stderr is not None:
        sys.stderr.write("Interrupted.\n")
        sys.stderr.flush()
    os._exit(INTERRUPTED)


def run(work: Coroutine[Any, Any, T]) -> T:
    """`asyncio.run`, but that Ctrl-C while the loop is made leaves no trace."""
    import asyncio

    with ExitStack() as stack:
        with ended_at_once():
            runner = stack.enter_context(asyncio.Runner())
        return runner.run(work)
