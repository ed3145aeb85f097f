"""The clients of the budget's benchmark: ours, the limiters of others, and those that only retry.

Each of the others is its real package, used as its documentation tells an asyncio user to; how, and how its clock is
turned by hand in virtual time, is said at each. Knows no server.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from datetime import timedelta
from importlib.metadata import version
from types import SimpleNamespace
from typing import Any, Protocol
from unittest.mock import patch

from aiolimiter import AsyncLimiter
from attrs import define, frozen

from onboard360_async import Budget, Priority
from tests.budget.virtual import VirtualLoop

__all__ = ["CLIENTS", "OURS", "Client", "Limiter", "Retry", "Terms", "Ticket", "chosen"]


@frozen
class Terms:
    """What a limiter is to hold to, and in whose time: `virtual` is the loop that turns it, None the real one."""

    limit: int
    window_s: float
    virtual: VirtualLoop | None = None

    def turned(self, module: object, name: str, stand_in: object) -> AbstractContextManager[object]:
        """In virtual time, a name of a module that is another for as long; in real time nothing."""
        return patch.object(module, name, stand_in) if self.virtual else contextlib.nullcontext()


class Ticket(Protocol):
    """The right to send one request; only some limiters want to hear what becomes of it."""

    def sent(self) -> None: ...

    def answered(self) -> None: ...

    def refused(self, retry_after_s: float | None) -> None: ...


class Limiter(Protocol):
    """What is asked before each try of each request. `person` says that somebody waits for it."""

    def slot(self, *, person: bool) -> AbstractAsyncContextManager[Ticket]: ...


Open = Callable[[Terms], AbstractContextManager[Limiter]]


@frozen
class Retry:
    """When a request that met a 429 is tried again."""

    tries: int
    pause_s: Callable[[int, random.Random], float]  # before the try of that number, which is 1 for the second


def _cookbook_s(again: int, dice: random.Random) -> float:
    """tenacity's `wait_random_exponential(min=1, max=60)`, as cookbooks for rate limited APIs have it."""
    return dice.uniform(1.0, min(60.0, 2.0 ** (again - 1)))


def _sdk_s(again: int, dice: random.Random) -> float:
    """Half a second, doubled each time up to eight, up to a quarter less: the big SDKs' own."""
    return min(8.0, 0.5 * 2.0 ** (again - 1)) * dice.uniform(0.75, 1.0)


COOKBOOK = Retry(6, _cookbook_s)  # `stop_after_attempt(6)`, same source
SDK = Retry(3, _sdk_s)


@frozen
class Client:
    """One line of the tables. `package` is the one whose version is told, if any."""

    name: str
    open: Open
    package: str | None = None
    retry: Retry = COOKBOOK

    def version(self) -> str:
        """The package's version that runs here."""
        return version(self.package) if self.package else ""


# --- limiters that are asked, and told nothing ---


class _Untold:
    """The ticket of a limiter that does not want to hear."""

    def sent(self) -> None:
        """Nothing."""

    answered = sent

    def refused(self, retry_after_s: float | None) -> None:
        """Nothing."""


_UNTOLD = _Untold()


@frozen
class Asked:
    """A limiter that only has something to be awaited before each request."""

    turn: Callable[[], Awaitable[object]]

    @contextlib.asynccontextmanager
    async def slot(self, *, person: bool) -> AsyncIterator[Ticket]:  # noqa: ARG002 - no lane for a person
        """Whoever waits, in one queue."""
        await self.turn()
        yield _UNTOLD


@contextlib.contextmanager
def none(_terms: Terms) -> Iterator[Limiter]:
    """No limiter: send, and see."""

    async def turn() -> None:
        """At once."""

    yield Asked(turn)


def aiolimiter(rate: float | None = None, per_window: float = 1.0) -> Open:
    """`async with AsyncLimiter(...)` around each request. It asks the running loop for the time, also a virtual one."""

    @contextlib.contextmanager
    def opened(terms: Terms) -> Iterator[Limiter]:
        limiter = AsyncLimiter(rate or terms.limit, per_window * terms.window_s)
        yield Asked(limiter.acquire)  # all that `async with` does: its exit is empty

    return opened


@contextlib.contextmanager
def pyrate(terms: Terms) -> Iterator[Limiter]:
    """PyrateLimiter's README, "asyncio & event loops": an InMemoryBucket in a BucketAsyncWrapper, try_acquire_async.

    In virtual time the bucket is given a clock, as in "Custom & distributed clocks", option B.
    """
    from pyrate_limiter import BucketAsyncWrapper, InMemoryBucket, Rate
    from pyrate_limiter import Limiter as PyrateLimiter

    bucket = InMemoryBucket([Rate(terms.limit, int(terms.window_s * 1000))])
    if loop := terms.virtual:
        bucket._clock = SimpleNamespace(now=lambda: loop.clock() // 1_000_000)
    limiter = PyrateLimiter(BucketAsyncWrapper(bucket))
    try:
        yield Asked(lambda: limiter.try_acquire_async("360Onboard"))
    finally:
        limiter.close()


@contextlib.contextmanager
def moving_window(terms: Terms) -> Iterator[Limiter]:
    """limits' README with `limits.aio`: `hit`, and after a False sleep until `get_window_stats().reset_time`.

    In virtual time the storage's `time.time` is the loop's, and what it hands to a thread is done at once: a thread
    knows no virtual time.
    """
    from limits import parse
    from limits.aio.storage import MemoryStorage, memory
    from limits.aio.strategies import MovingWindowRateLimiter

    now = terms.virtual.time if terms.virtual else time.time
    limiter = MovingWindowRateLimiter(MemoryStorage())
    rate = parse(f"{terms.limit} per {terms.window_s:.0f} second")

    async def turn() -> None:
        while not await limiter.hit(rate, "360Onboard"):
            window = await limiter.get_window_stats(rate, "360Onboard")
            await asyncio.sleep(max(0.0, window.reset_time - now()))

    async def at_once(call: Callable[..., object], *arguments: object) -> object:
        return call(*arguments)

    with (
        terms.turned(memory, "time", SimpleNamespace(time=now)),
        terms.turned(asyncio, "to_thread", at_once),
    ):
        yield Asked(turn)


@contextlib.contextmanager
def throttled(terms: Terms) -> Iterator[Limiter]:
    """throttled-py's README, "Wait & Retry" with GCRA, from `throttled.asyncio`; its time-out is long enough for all.

    In virtual time its `time.monotonic` is the loop's.
    """
    from throttled.asyncio import (
        MemoryStore,
        RateLimiterType,
        Throttled,
        per_duration,
        utils,
    )

    quota = per_duration(timedelta(seconds=terms.window_s), terms.limit, burst=terms.limit)
    gcra: Any = Throttled(
        using=RateLimiterType.GCRA.value, quota=quota, store=MemoryStore(), timeout=100 * terms.window_s
    )
    now = terms.virtual.time if terms.virtual else time.monotonic
    with terms.turned(utils, "time", SimpleNamespace(monotonic=now)):
        yield Asked(lambda: gcra.limit("360Onboard"))


# --- limiters that are told what becomes of a request ---


@define
class _FreedLater:
    """A slot that is free again one window after its request's answer."""

    slots: asyncio.Semaphore
    window_s: float

    def sent(self) -> None:
        """Not yet."""

    def answered(self) -> None:
        """From now on it takes one window."""
        asyncio.get_running_loop().call_later(self.window_s, self.slots.release)

    def refused(self, retry_after_s: float | None) -> None:  # noqa: ARG002 - the server names none
        """A refusal may be counted, too."""
        self.answered()

    @contextlib.asynccontextmanager
    async def slot(self, *, person: bool) -> AsyncIterator[Ticket]:  # noqa: ARG002 - no lane for a person
        """Whoever waits, in one queue."""
        await self.slots.acquire()
        yield self


@contextlib.contextmanager
def freed_later(terms: Terms) -> Iterator[Limiter]:
    """What one writes by hand: a semaphore, each slot given back one window after the answer."""
    yield _FreedLater(asyncio.Semaphore(terms.limit), terms.window_s)


@frozen
class _Ours:
    budget: Budget

    def slot(self, *, person: bool) -> AbstractAsyncContextManager[Ticket]:
        """A person goes first."""
        return self.budget.slot(priority=Priority.INTERACTIVE if person else Priority.BULK)


def ours(margin_s: float | None = None) -> Open:
    """A Budget, as the handles use it."""

    @contextlib.contextmanager
    def opened(terms: Terms) -> Iterator[Limiter]:
        clock = terms.virtual.clock if terms.virtual else None
        yield _Ours(Budget(terms.limit, window_s=terms.window_s, margin_s=margin_s, clock=clock))

    return opened


OURS = Client("ours", ours())
CLIENTS = (
    Client("no limiter, 6 tries with backoff", none),
    Client("no limiter, retry twice as SDKs do", none, retry=SDK),
    Client("AsyncLimiter(100, 60)", aiolimiter(), "aiolimiter"),
    Client("AsyncLimiter(10, 6.67)", aiolimiter(10, 6.67 / 60), "aiolimiter"),
    Client("PyrateLimiter", pyrate, "pyrate-limiter"),
    Client("limits moving window", moving_window, "limits"),
    Client("throttled-py GCRA", throttled, "throttled-py"),
    Client("slot freed a window after answer", freed_later),
    Client("ours, margin 0", ours(0.0)),
    OURS,
)


def chosen(*names: str) -> tuple[Client, ...]:
    """The clients of these names, in this order."""
    by_name = {client.name: client for client in CLIENTS}
    return tuple(by_name[name] for name in names)
