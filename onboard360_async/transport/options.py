"""The plain values of a call: how it may wait, what it sends, what it tells.

Knows neither how a request is sent nor what is in it.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

from attrs import Attribute, evolve, field, frozen

from onboard360_async import settings
from onboard360_async.budget import Priority
from onboard360_async.errors import ConfigurationError

__all__ = ["Event", "Options", "Request"]


@frozen
class Event:
    """What happened to a call, for `on_event`.

    `name` is queued, granted, sent, answered, settled (the slot counts) or released (it does not, nothing was sent),
    retried, failed, listing_may_be_capped, or drift: an answer holds something that the API page does not name, which
    is kept in `extra`. `where` is its path (`$.clients[].status`), and each path is told once.

    `seconds` is the wait for the budget (granted), the time until the answer
    (answered) or the wait before the next attempt (retried). No event holds a key, a person or a query.
    """

    name: str
    method: str
    path: str
    attempt: int
    status: int | None = None
    seconds: float | None = None
    where: str | None = None


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
    """How a call may wait and retry; all times in seconds. ConfigurationError for what cannot be meant."""

    timeout_s: float = field(default=settings.TIMEOUT_S, validator=_positive)
    max_retries: int = field(default=settings.MAX_RETRIES, validator=_count)
    priority: Priority = Priority.INTERACTIVE
    deadline_s: float | None = field(default=None, validator=_not_negative)
    max_wait_s: float | None = field(default=None, validator=_not_negative)

    def but(self, **changes: Any) -> "Options":
        """The same with some of them changed."""
        return evolve(self, **changes) if changes else self


@frozen
class Request:
    """What is to be sent, and whom it concerns, so that an error can say so without naming anybody."""

    method: str
    path: str
    params: Mapping[str, str] | None = field(default=None, repr=False)
    body: bytes | None = field(default=None, repr=False)
    campaign_id: str | None = None
    email_hash: str | None = None
    before_send: Callable[[], None] | None = None  # called when the slot is granted, before each attempt
