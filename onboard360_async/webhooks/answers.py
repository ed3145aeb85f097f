"""What every adapter does the same way: what it refuses unread, and what it answers.

Knows no framework. The reason of a refusal goes to the log and never into the answer, which anybody can ask for.
"""

import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from math import ceil
from typing import Final, NamedTuple

from onboard360_async import settings
from onboard360_async.errors import ConfigurationError, InboxError, PayloadError, WebhookError
from onboard360_async.webhooks.events import Event

__all__ = ["OK", "Answer", "Body", "Receive", "answer_to", "check_before_reading", "read_too_early"]

Receive = Callable[[Event], Awaitable[object] | object]
_LOG: Final = logging.getLogger("onboard360_async")


class Answer(NamedTuple):
    """An answer, which says nothing but its status."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def text(self) -> str:
        """The body: the status in words."""
        return HTTPStatus(self.status).phrase


OK: Final = Answer(200)


def answer_to(error: WebhookError) -> Answer:
    """The answer to a webhook that is not taken. Its reason is logged."""
    _LOG.warning("webhook refused (%d): %s", error.http_status, error.reason)
    if isinstance(error, InboxError):
        wait_s = settings.INBOX_RETRY_AFTER_S if error.retry_after_s is None else error.retry_after_s
        return Answer(error.http_status, (("Retry-After", str(ceil(wait_s))),))
    return Answer(error.http_status, (("Allow", "POST"),) if error.http_status == HTTPStatus.METHOD_NOT_ALLOWED else ())


def check_before_reading(method: str, encoding: str | None, length: str | int | None, most: int) -> None:
    """Raise the WebhookError of a request that is refused by its head alone.

    UNDOCUMENTED: the page shows no Content-Encoding. Some frameworks inflate such a body unasked and others do not, so
    that what was signed cannot be told from what was sent: it is 400 everywhere (tests/webhooks/test_adapters.py).
    """
    if method != "POST":
        raise WebhookError("It is no POST.", HTTPStatus.METHOD_NOT_ALLOWED)
    if encoding and encoding.strip().lower() != "identity":
        raise PayloadError("The body has a Content-Encoding; it must come as it was signed.")
    if length is not None and str(length).isdecimal() and int(length) > most:
        raise PayloadError(f"The body is larger than {most:,} bytes.", HTTPStatus.REQUEST_ENTITY_TOO_LARGE)


class Body:
    """A body that is read in pieces, and no further than its limit."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._pieces: list[bytes] = []
        self.size = 0

    def add(self, piece: bytes) -> None:
        """One more; PayloadError (413) when it is too many."""
        self.size += len(piece)
        if self.size > self._most:
            raise PayloadError(f"The body is larger than {self._most:,} bytes.", HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        self._pieces.append(piece)

    def whole(self) -> bytes:
        """All of them."""
        return b"".join(self._pieces)


def read_too_early(advice: str) -> ConfigurationError:
    """The error of an adapter whose body was taken by somebody before it: no webhook could ever be verified."""
    return ConfigurationError(
        f"The webhook's body was read before the verifier saw it, so its signature cannot be checked: {advice}"
    )
