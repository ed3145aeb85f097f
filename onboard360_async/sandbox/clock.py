"""The sandbox's time: it runs as the wall clock does, until somebody sets it forward or stops it. Knows no request."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from math import inf
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Event

__all__ = ["Clock"]

_INSTANT_S: Final = 1e-7  # what is left by rounding, where a second is set forward in tenths, is nothing to wait for


class Clock:
    """Seconds by calling it, the date by `now()`. May be used from any thread.

    `seconds` and `now` are what it runs by: `time.monotonic` and the date, or what a test turns by hand.
    """

    def __init__(
        self,
        seconds: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._seconds = seconds
        self._now = now
        self._lock = threading.Lock()
        self._ahead_s = 0.0  # what it was set forward, less what it stood
        self._advanced_s = 0.0  # what it was set forward in all
        self._stopped: tuple[float, datetime] | None = None  # what both showed when it was stopped
        self._sleepers: set[tuple[AbstractEventLoop, Event]] = set()

    def __call__(self) -> float:
        """Seconds, since no moment in particular."""
        with self._lock:
            return (self._seconds() if self._stopped is None else self._stopped[0]) + self._ahead_s

    def now(self) -> datetime:
        """The date, in UTC."""
        with self._lock:
            return (self._now() if self._stopped is None else self._stopped[1]) + timedelta(seconds=self._ahead_s)

    @property
    def is_frozen(self) -> bool:
        """Whether it stands."""
        return self._stopped is not None

    def advance(self, seconds: float) -> None:
        """Set it forward: what waits for that moment is done now. ValueError for what is no time forward."""
        is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
        if not (is_number and 0 <= seconds < inf):
            raise ValueError(f"a clock is set forward by a number of seconds, not by {seconds!r}")
        with self._lock:
            before = self._now() if self._stopped is None else self._stopped[1]
            try:
                before + timedelta(seconds=self._ahead_s + seconds)
            except OverflowError:
                raise ValueError("a clock cannot be set forward beyond the year 9999") from None
            self._ahead_s += seconds
            self._advanced_s += seconds
        self._wake()

    def freeze(self) -> None:
        """Stop it; it can still be set forward."""
        with self._lock:
            if self._stopped is None:
                self._stopped = (self._seconds(), self._now())
        self._wake()

    def go_on(self) -> None:
        """Let it run again, from what it shows."""
        with self._lock:
            if self._stopped is not None:
                self._ahead_s -= self._seconds() - self._stopped[0]
                self._stopped = None
        self._wake()

    def reset(self) -> None:
        """Run again as what it runs by."""
        with self._lock:
            self._stopped, self._ahead_s = None, 0.0
        self._wake()

    async def sleep(self, seconds: float) -> None:
        """Wait until so many seconds have passed, or were skipped; they pass in real time, whatever it runs by."""
        import asyncio  # only here, so that importing the sandbox does not cost it

        loop, touched = asyncio.get_running_loop(), asyncio.Event()
        self._sleepers.add((loop, touched))  # before we look: who touches it after that wakes us
        left_s, advanced_s = seconds, self._advanced_s
        try:
            while left_s > _INSTANT_S:
                touched.clear()
                stands, began = self.is_frozen, time.monotonic()
                with suppress(TimeoutError):
                    async with asyncio.timeout(None if stands else left_s):
                        await touched.wait()
                if not stands:
                    left_s -= time.monotonic() - began
                before_s, advanced_s = advanced_s, self._advanced_s
                left_s -= advanced_s - before_s
        finally:
            self._sleepers.discard((loop, touched))

    def _wake(self) -> None:
        for loop, touched in self._sleepers.copy():
            with suppress(RuntimeError):  # it is closed, and nobody sleeps there any more
                loop.call_soon_threadsafe(touched.set)
