"""The values of a call: how it may wait, and until when, what it sends, what it tells.

Knows neither how a request is sent nor what is in it.
"""

import asyncio
import hashlib
import math
from collections.abc import Awaitable, Callable, Mapping
from enum import Enum
from typing import Any, Final, TypeVar

from attrs import Attribute, define, evolve, field, frozen

from onboard360_async import settings
from onboard360_async.budget import Priority
from onboard360_async.errors import ConfigurationError, DeadlineError
from onboard360_async.models import email_key

__all__ = ["UNSET", "Deadline", "Event", "Options", "Request", "Unset"]

T = TypeVar("T")


class Unset(Enum):
    """The type of UNSET, which stands for an argument that was left out: None would be a value of its own."""

    UNSET = "left out"


UNSET: Final = Unset.UNSET


@frozen
class Event:
    """What happened to a call, for `on_event`: plain values, no key, no person and no value of a query.

    A call tells, for each attempt: queued (it asks for a slot of the budget), granted (after `seconds` of waiting),
    sent (the first byte is about to leave), answered (`status`, `seconds` from granted to the answer's headers),
    settled (the slot counts) or released (it does not, nothing was sent); retried where another attempt follows,
    `seconds` later (after a 429 the budget waits instead, so 0). It ends with exactly one of: done, failed (`error`,
    the class's name, and `status` where there was one), cancelled (from outside), left (a listing whose reader had
    enough; the blocking handle reads ahead, so there it may be cancelled). Before the end there may be
    listing_may_be_capped, and drift: an answer holds something that the API page does not name, which is kept in
    `extra`; `where` is its path (`$.clients[].status`), each told once. A listing in pages tells of each page as of a
    call, the next of which may begin before this one ends; an import tells of each of its calls. Several are under way
    at once, and `call` tells them apart.
    `unknown`: it ended, and what came of it is not known (a POST that was sent and not answered, or not readably).
    `call` is a number that only this call has in this process, `at_ns` the time (Unix, nanoseconds), `url` the whole
    address with its values hidden. In `path` and `url` an email is hidden, too.

    The hook is called at once, on the call's own loop and in the caller's context (`contextvars`); with the blocking
    handle on the private loop's thread. What it raises is logged and goes no further (but for what ends a program:
    KeyboardInterrupt, SystemExit). While it works the loop does nothing else: its time is part of `timeout_s` and
    `deadline_s`, and whoever has much to do hands the event to a queue. It cannot make a request leave too late: what
    was held up past its slot of the budget, or past its deadline, is not sent.
    Held by tests/test_events.py.
    """

    name: str
    method: str
    path: str
    attempt: int
    status: int | None = None
    seconds: float | None = None
    error: str | None = None
    unknown: bool = False
    where: str | None = None
    call: int = 0
    at_ns: int = 0
    url: str = ""


def _positive(_options: object, attribute: "Attribute[float]", value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise ConfigurationError(f"{attribute.name} must be a number of seconds above 0.")


def _not_negative(_options: object, attribute: "Attribute[float | None]", value: object) -> None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0):
        raise ConfigurationError(f"{attribute.name} must be None or a number of seconds, 0 or more.")


def _count(_options: object, attribute: "Attribute[int]", value: object) -> None:
    if type(value) is not int or value < 0:
        raise ConfigurationError(f"{attribute.name} must be a whole number, 0 or more.")


@frozen
class Options:
    """How a call may wait and retry; all times in seconds. ConfigurationError for what cannot be meant.

    `timeout_s` is finite and above 0. `deadline_s`: None or infinite is none, 0 has passed already.
    """

    timeout_s: float = field(default=settings.TIMEOUT_S, validator=_positive)
    max_retries: int = field(default=settings.MAX_RETRIES, validator=_count)
    priority: Priority = Priority.INTERACTIVE
    deadline_s: float | None = field(default=None, validator=_not_negative)
    max_wait_s: float | None = field(default=None, validator=_not_negative)

    def but(self, **changes: Any) -> "Options":
        """The same with some of them changed."""
        return evolve(self, **changes) if changes else self


class Deadline:
    """When a call must be over, by the running loop's clock; `at` is None if it need not."""

    __slots__ = ("_loop", "at")

    def __init__(self, deadline_s: float | None) -> None:
        self._loop = asyncio.get_running_loop()
        self.at: float | None = None if deadline_s is None or deadline_s == math.inf else self._loop.time() + deadline_s

    def left_s(self) -> float | None:
        """Seconds that are left, 0 if it is over."""
        return None if self.at is None else max(0.0, self.at - self._loop.time())

    def within(self, limit_s: float) -> float:
        """How long something may take that begins now; never quite 0, which aiohttp takes for "for ever"."""
        left_s = self.left_s()
        return limit_s if left_s is None else max(min(limit_s, left_s), settings.SHORTEST_TIMEOUT_S)

    def is_over(self) -> bool:
        """Whether there is no time left in which anything could be done."""
        left_s = self.left_s()
        return left_s is not None and left_s < settings.SHORTEST_TIMEOUT_S

    def error(self, wait_s: float | None = None) -> DeadlineError:
        """What is raised when it is over, or would be by the end of a wait."""
        return DeadlineError("deadline_s passed before there was an answer.", wait_s)

    async def keep(self, work: Awaitable[T]) -> T:
        """Wait for something until then. DeadlineError when it is over."""
        try:
            async with asyncio.timeout_at(self.at):
                return await work
        except TimeoutError:
            if self.is_over():
                raise self.error() from None
            raise


@define(eq=False)  # not frozen: there is one for each call, and attrs makes it in a third of the time
class Request:
    """What is to be sent, and whom it concerns, so that an error can say so without naming anybody."""

    method: str
    path: str
    params: Mapping[str, str] | None = field(default=None, repr=False)
    body: bytes | None = field(default=None, repr=False)
    campaign_id: str | None = None
    email: str | None = field(default=None, repr=False)
    before_send: Callable[[], None] | None = None  # called when the slot is granted, before each attempt
    query: str | None = field(default=None, repr=False)  # as it is sent, in place of params: a server told us

    def email_hash(self) -> str | None:
        """What stands for the person in an error."""
        if self.email is None:
            return None
        return hashlib.sha256(email_key(self.email).encode("utf-8", "surrogatepass")).hexdigest()
