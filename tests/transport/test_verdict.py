"""The verdict: the whole table of what the wire can tell, and what may be sent again."""

import itertools

import pytest

from onboard360_async import errors
from onboard360_async.transport.verdict import Body, Verdict, error_class, judge

WIRE = [
    # what happened, POST, GET
    ("refused, DNS, TLS, connect time-out: headers never written", False, None, Body.WHOLE, "NOT_SENT", "NOT_SENT"),
    ("429", True, 429, Body.WHOLE, "NOT_APPLIED", "NOT_APPLIED"),
    ("400", True, 400, Body.WHOLE, "REFUSED", "REFUSED"),
    ("401", True, 401, Body.WHOLE, "REFUSED", "REFUSED"),
    ("403", True, 403, Body.WHOLE, "REFUSED", "REFUSED"),
    ("404", True, 404, Body.WHOLE, "REFUSED", "REFUSED"),
    ("409", True, 409, Body.WHOLE, "REFUSED", "REFUSED"),
    ("422", True, 422, Body.WHOLE, "REFUSED", "REFUSED"),
    ("200 with a body", True, 200, Body.WHOLE, "DONE", "DONE"),
    ("201 with a client", True, 201, Body.WHOLE, "DONE", "DONE"),
    ("2xx, body truncated", True, 201, Body.CUT, "CREATED", "LOST"),
    ("2xx, body not JSON", True, 200, Body.WRONG, "CREATED", "WRONG"),
    ("500", True, 500, Body.WHOLE, "UNKNOWN", "FAILED"),
    ("503", True, 503, Body.CUT, "UNKNOWN", "FAILED"),
    ("599", True, 599, Body.WHOLE, "UNKNOWN", "FAILED"),
    ("reset, end of stream, read time-out, garbage after headers", True, None, Body.WHOLE, "UNKNOWN", "LOST"),
    ("307", True, 307, Body.WHOLE, "REDIRECTED", "REDIRECTED"),
    ("301 to a login page", True, 301, Body.WHOLE, "REDIRECTED", "REDIRECTED"),
    ("a mock that answers without headers ever written", False, 201, Body.WHOLE, "DONE", "DONE"),
]


@pytest.mark.parametrize(("event", "sent", "status", "body", "post", "get"), WIRE)
def test_what_the_wire_can_tell(event: str, sent: bool, status: int | None, body: Body, post: str, get: str) -> None:
    """Each row of the table, for a request that changes something and for one that reads."""
    assert judge("POST", sent=sent, status=status, body=body) is Verdict[post]
    assert judge("GET", sent=sent, status=status, body=body) is Verdict[get]


def test_a_post_that_may_have_been_applied_is_never_sent_again() -> None:
    """Whatever happens, a POST goes out again only if it never left or was answered 429."""
    for sent, status, body in itertools.product((True, False), (None, *range(100, 600)), Body):
        if judge("POST", sent=sent, status=status, body=body).again:
            assert status == 429 or (status is None and not sent)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "post", "ANYTHING"])
def test_only_reading_methods_are_asked_again(method: str) -> None:
    """A method that is not known to read counts as one that changes something."""
    assert judge(method, sent=True) is Verdict.UNKNOWN
    assert judge("get", sent=True) is Verdict.LOST


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, errors.BadRequestError),
        (401, errors.AuthenticationError),
        (404, errors.NotFoundError),
        (429, errors.RateLimitError),
        (500, errors.ServerError),
        (503, errors.ServerError),
        (302, errors.ApiError),
        (403, errors.ApiError),
        (418, errors.ApiError),
    ],
)
def test_each_status_has_its_error(status: int, error: type[errors.ApiError]) -> None:
    """The documented statuses have errors of their own, any other is an ApiError."""
    assert error_class(status) is error
