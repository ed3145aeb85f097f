"""What one attempt proves: a pure function from what the wire showed to what may be done next.

Knows no connection and no exception: only whether the request's headers were written, whether a real response came,
and what became of its body. A request that changes something is never sent again while its fate is unknown.
"""

from enum import Enum

from onboard360_async.errors import (
    ApiError,
    AuthenticationError,
    BadRequestError,
    NotFoundError,
    RateLimitError,
    ServerError,
)

__all__ = ["Body", "Verdict", "error_class", "judge"]


class Body(Enum):
    """What became of the body of a 2xx answer."""

    WHOLE = "whole"
    CUT = "cut"  # it did not arrive to its end
    WRONG = "wrong"  # it arrived, and is not what the API page shows


class Verdict(Enum):
    """What is known after one attempt."""

    DONE = "done"
    NOT_SENT = "not sent"  # no byte left us: sending again is safe
    NOT_APPLIED = "not applied"  # 429: sending again is safe, once the budget's pause is over
    REFUSED = "refused"  # a 4xx: nothing was created, and sending the same again is of no use
    REDIRECTED = "redirected"  # a 3xx: the base URL is wrong; nothing was created
    FAILED = "failed"  # a 5xx to a request that only reads: asking again is safe
    LOST = "lost"  # the answer to a request that only reads did not arrive whole: asking again is safe
    WRONG = "wrong"  # the answer to a request that only reads is not what the API page shows
    CREATED = "created, answer lost"  # a 2xx to a request that changes something, without a readable body
    UNKNOWN = "unknown"  # it may or may not have been applied

    @property
    def again(self) -> bool:
        """Whether the same request may be sent again by itself."""
        return self in _AGAIN


_AGAIN = frozenset((Verdict.NOT_SENT, Verdict.NOT_APPLIED, Verdict.FAILED, Verdict.LOST))
_READS = frozenset(("GET", "HEAD", "OPTIONS"))  # methods that change nothing; RFC 9110, 9.2.1


def judge(method: str, *, sent: bool, status: int | None = None, body: Body = Body.WHOLE) -> Verdict:
    """The verdict on one attempt.

    `sent`: the headers were, or may have been, written. `status`: of a real response, None if there was none; an
    exception's status is not one. `body` counts only after a 2xx.
    UNDOCUMENTED: that a 4xx, 429 included, created nothing (A 2). tests/transport/test_verdict.py holds the table.
    """
    reads = method.upper() in _READS
    if status is None:
        if not sent:
            return Verdict.NOT_SENT
        return Verdict.LOST if reads else Verdict.UNKNOWN
    if status == 429:
        return Verdict.NOT_APPLIED
    if 200 <= status < 300:
        return _judge_body(body, reads=reads)
    if 300 <= status < 400:
        return Verdict.REDIRECTED
    if 400 <= status < 500:
        return Verdict.REFUSED
    return Verdict.FAILED if reads else Verdict.UNKNOWN


def _judge_body(body: Body, *, reads: bool) -> Verdict:
    if body is Body.WHOLE:
        return Verdict.DONE
    if not reads:
        return Verdict.CREATED
    return Verdict.LOST if body is Body.CUT else Verdict.WRONG


def error_class(status: int) -> type[ApiError]:
    """The error that stands for a status that is no success. Source: API page, "Error Handling"."""
    if status >= 500:
        return ServerError
    named = {400: BadRequestError, 401: AuthenticationError, 404: NotFoundError, 429: RateLimitError}
    return named.get(status, ApiError)
