"""An event loop whose time is turned by hand: minutes pass in milliseconds, and no test sleeps.

`run(main, *args)` runs the coroutine function `main(loop, *args)` on a new `VirtualLoop`. The loop's time starts at
`START_S`; it jumps to the next timer when nothing is ready, and a pass of the loop takes a nanosecond. `loop.clock`
gives the same time in nanoseconds, for `Budget(clock=loop.clock)`, and `loop.skip` lets time pass at once. For
pytest-asyncio: a hook as in tests/budget/conftest.py, which gives a whole folder this loop. A test that would wait for
something that never comes fails at once: with nothing ready and no timer the time cannot move (`StalledError`).
Knows nothing of the package. Real sockets and threads do not go together with it.
"""

import asyncio
import math
import selectors
from collections.abc import Awaitable, Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

START_S = 1000
_SECOND = 1_000_000_000

P = ParamSpec("P")
T = TypeVar("T")


class StalledError(AssertionError):
    """Everybody waits and no timer is set: it would be for ever."""


class _TurningSelector(selectors.SelectSelector):
    """Polls, and lets the loop's time pass instead of waiting."""

    def __init__(self) -> None:
        super().__init__()
        self.now_ns = START_S * _SECOND

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if timeout is None and not ready:
            raise StalledError("nothing is ready and no timer is set")
        # A pass of the loop takes time in the real world too, and a timer set for "now" must not stop the world.
        self.now_ns += 1 if ready or not timeout else math.ceil(timeout * _SECOND)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in virtual time, kept in whole nanoseconds."""

    def __init__(self) -> None:
        self._turning = _TurningSelector()
        super().__init__(self._turning)
        self._clock_resolution = 1e-10  # below our nanosecond: no timer runs before its time, and each at its time

    def time(self) -> float:
        """Virtual seconds."""
        return self._turning.now_ns / _SECOND

    def clock(self) -> int:
        """Virtual nanoseconds."""
        return self._turning.now_ns

    def skip(self, seconds: float) -> None:
        """Let time pass at once, as when the machine sleeps or the loop is held up."""
        self._turning.now_ns += int(seconds * _SECOND)


def run(main: Callable[Concatenate[VirtualLoop, P], Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
    """What `main(loop, ...)` returns, run to its end on a loop of its own."""

    async def wrapped() -> T:
        loop: Any = asyncio.get_running_loop()
        return await main(loop, *args, **kwargs)

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(wrapped())
