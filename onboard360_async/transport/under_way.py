"""The requests that are under way on one loop, and the one timer by which those end that take too long.

Knows no key, no budget and no API. aiohttp's own time-out is a timer for each request, which costs a tenth of it.
"""

import asyncio
import math
from abc import ABC, abstractmethod
from typing import Any, Self

import aiohttp

__all__ = ["Attempt", "UnderWay"]


class Attempt(ABC):
    """One request on its way: told when its headers go out, and ended when there is no answer in time."""

    __slots__ = ("__weakref__", "ends_at", "is_late", "is_tried", "protocol")

    ends_at: float  # when its answer's headers must be in, by the loop's clock
    is_late: bool
    is_tried: bool  # a connection was asked for
    protocol: Any  # aiohttp's, of its connection; None before there is one

    @abstractmethod
    def headers_sent(self) -> None:
        """Called just before the first byte of a request leaves."""

    def __deepcopy__(self, _: object) -> Self:
        """Itself: mocks such as aioresponses copy what a request was called with, and an attempt cannot be copied."""
        return self


class UnderWay(dict[int, Attempt]):
    """Attempts by the `id` of the task that sends them, so that a task that its loop left behind can end.

    A trace would tell whose a request is as well, and costs a fifth of it; a context variable would not do, since
    several tasks may run in one context.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None
        self._looks_at = math.inf

    def begin(self, task: int, attempt: Attempt) -> None:
        """It is under way until it is popped, or ends when its time is over."""
        self[task] = attempt
        if attempt.ends_at < self._looks_at:
            self._look_at(attempt.ends_at)

    def end(self) -> None:
        """The session is about to be closed: nothing that is under way waits for an answer any more."""
        self._stop()
        for attempt in list(self.values()):
            _cut(attempt, aiohttp.ClientConnectionError("the handle was closed"))

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._looks_at = None, math.inf

    def _look_at(self, at: float) -> None:
        self._stop()
        self._timer, self._looks_at = self._loop.call_at(at, self._look), at

    def _look(self) -> None:
        self._stop()
        now, next_at = self._loop.time(), math.inf
        for attempt in list(self.values()):
            if attempt.ends_at > now:
                next_at = min(next_at, attempt.ends_at)
            elif not attempt.is_late:
                attempt.is_late = True
                _cut(attempt, aiohttp.SocketTimeoutError("no answer in time"))
        if next_at < math.inf:
            self._look_at(next_at)


def _cut(attempt: Attempt, error: Exception) -> None:
    """End it, unless its connection is another one's by now."""
    protocol = attempt.protocol
    if protocol is not None and getattr(protocol, "onboard360_attempt", id(attempt)) == id(attempt):
        protocol.set_exception(error)
