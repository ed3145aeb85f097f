"""A server that says anything at all: every answer is a result or one of our errors, and says what is known."""

import gzip
import json
import zlib
from typing import Any, NamedTuple

import pytest

from onboard360_async import AsyncOnboard360, Budget, errors
from onboard360_async.transport.wire import no_people
from tests.transport.raw import RawServer

PERSON = {
    "id": "1",
    "campaign_id": "c",
    "email": "john@example.com",
    "first_name": "John",
    "last_name": "Doe",
    "company_name": "Acme Corp",
    "phone": "+1234567890",
    "link": "https://app.360onboard.com/c/abc123xyz789",
    "created_at": "2026-01-01T00:00:00Z",
}
CAMPAIGN = {"id": "c", "name": "Flow", "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z"}
# One body that answers all three calls, so that each case is what the wire does to it and nothing else.
BODY = json.dumps({"client": PERSON, "clients": [PERSON], "campaigns": [CAMPAIGN]}).encode()
LOGIN = b"<!doctype html><title>Log in</title><p>Welcome back, John Doe"


def said(body: bytes = BODY, status: str = "200 OK", more: str = "", length: int | None = None) -> bytes:
    size = len(body) if length is None else length
    return f"HTTP/1.1 {status}\r\nContent-Length: {size}\r\n{more}\r\n".encode() + body


def chunked(body: bytes = BODY, end: bytes = b"0\r\n\r\n", more: str = "") -> bytes:
    head = f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n{more}\r\n".encode()
    halves = body[:20], body[20:]
    return head + b"".join(b"%x;ext=1\r\n%b\r\n" % (len(half), half) for half in halves) + end


def moved(status: str) -> bytes:
    return said(LOGIN, status, "Location: https://login.example/sign-in?next=/c/abc123xyz789\r\n")


class Told(NamedTuple):
    """What a call ended with: the error (none if it went well), whether a client was created, words of the message."""

    error: type[errors.Onboard360Error] | None
    created: bool = False
    words: str = ""


GOOD = Told(None)
CALLS = ("post", "get", "listing")  # a GET is read whole, a listing is streamed; below, what each of them is told
LOST = (Told(errors.OutcomeUnknownError), Told(errors.AnswerLostError), Told(errors.AnswerLostError))
CUT = (Told(errors.OutcomeUnknownError, created=True), Told(errors.AnswerLostError), Told(errors.AnswerLostError))
WRONG = (Told(errors.OutcomeUnknownError, created=True), Told(errors.DecodeError), Told(errors.DecodeError))
PAGE = tuple(told._replace(words="web page") for told in WRONG)
MOVED = (Told(errors.ApiError, words="https://login.example"),) * 3


def refused(status: str) -> bytes:
    """With the documented body, which names somebody as a server would."""
    body = (
        b'{"error": "no john@example.com or +1 (234) 567-890 at /c/abc123xyz789 of sk_test_1", "details": "John Doe"}'
    )
    return said(body, status, "Content-Type: application/json\r\n")


def all_told(error: type[errors.Onboard360Error], words: str = "") -> tuple[Told, ...]:
    return (Told(error, words=words),) * 3


FAILED = (Told(errors.ServerOutcomeUnknownError, words="find_client"), *all_told(errors.ServerError)[1:])
SWITCHED = (FAILED[0], *all_told(errors.ApiError)[1:])

CASES: dict[str, tuple[bytes | None, tuple[Told, ...]]] = {
    # a status
    "400": (refused("400 Bad Request"), all_told(errors.BadRequestError, "<number> at <link> of <key>")),
    "401": (refused("401 Unauthorized"), all_told(errors.AuthenticationError, "API key")),
    "403": (refused("403 Forbidden"), all_told(errors.ApiError, "403")),
    "404": (refused("404 Not Found"), all_told(errors.NotFoundError, "base URL")),
    "408": (refused("408 Request Timeout"), all_told(errors.ApiError, "408")),
    "409": (refused("409 Conflict"), all_told(errors.ApiError, "409")),
    "422": (refused("422 Unprocessable Content"), all_told(errors.ApiError, "422")),
    "429": (refused("429 Too Many Requests"), all_told(errors.RateLimitError, "try again later")),
    "500": (refused("500 Internal Server Error"), FAILED),
    "502": (said(LOGIN, "502 Bad Gateway"), FAILED),
    "503, cut": (said(LOGIN, "503 Service Unavailable", length=999), FAILED),
    "599": (said(b"", "599 Whatever"), FAILED),
    "101 to who asked for no other protocol": (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", SWITCHED),
    # redirects, and pages of somebody else
    "301 to a login page": (moved("301 Moved"), MOVED),
    "302 to a login page": (moved("302 Found"), MOVED),
    "307, which would take a POST along": (moved("307 Temporary Redirect"), MOVED),
    "308, which would take a POST along": (moved("308 Permanent Redirect"), MOVED),
    "a redirect to nowhere": (said(b"", "302 Found"), (Told(errors.ApiError, words="base URL"),) * 3),
    "a redirect to what is no URL": (said(b"", "302 Found", "Location: http://[\r\n"), (Told(errors.ApiError),) * 3),
    "HTML 200": (said(LOGIN, more="Content-Type: text/html\r\n"), PAGE),
    "HTML that says it is JSON": (said(LOGIN, more="Content-Type: application/json\r\n"), PAGE),
    "JSON that says it is HTML": (said(more="Content-Type: text/html\r\n"), (GOOD,) * 3),
    "JSON that says nothing": (said(), (GOOD,) * 3),
    "JSON in another alphabet": (said(more="Content-Type: application/json; charset=latin-1\r\n"), (GOOD,) * 3),
    "no body": (said(b""), (WRONG[0], WRONG[1], LOST[2])),
    "204": (b"HTTP/1.1 204 No Content\r\n\r\n", (WRONG[0], WRONG[1], LOST[2])),
    # bodies cut and over-long
    "a body cut by its length": (said(length=999), CUT),
    "a body cut in a chunk": (chunked(end=b"ff\r\nabc"), CUT),
    "a body cut between chunks": (chunked(end=b""), CUT),
    "a body longer than it says": (said(length=len(BODY) - 9), LOST),
    "a body and more behind it": (said() + b"HTTP/1.1 200 OK\r\n\r\n", (GOOD,) * 3),
    "a body and garbage behind it": (said() + b"\x00garbage\r\n\r\n", LOST),
    "a body until the end": (b"HTTP/1.0 200 OK\r\n\r\n" + BODY, (GOOD,) * 3),
    "JSON and more JSON": (said(BODY + b" {}"), WRONG),
    # compressed
    "gzip": (said(gzip.compress(BODY), more="Content-Encoding: gzip\r\n"), (GOOD,) * 3),
    "deflate": (said(zlib.compress(BODY), more="Content-Encoding: deflate\r\n"), (GOOD,) * 3),
    "raw deflate": (said(zlib.compress(BODY)[2:-4], more="Content-Encoding: deflate\r\n"), (GOOD,) * 3),
    "gzip, cut": (said(gzip.compress(BODY)[:60], more="Content-Encoding: gzip\r\n"), (WRONG[0], WRONG[1], LOST[2])),
    "gzip that is none": (said(more="Content-Encoding: gzip\r\n"), CUT),
    "an encoding that nobody knows": (said(more="Content-Encoding: rot13\r\n"), (GOOD,) * 3),
    # heads
    "200 headers": (said(more="".join(f"X-{number}: 1\r\n" for number in range(200))), LOST),
    "a header of 64 KiB": (said(more=f"X-Long: {'x' * 65_536}\r\n"), LOST),
    "a header without a name": (said(more=": nameless\r\n"), LOST),
    "a header with a control character": (said(more="X-Odd: a\x00b\r\n"), LOST),
    "two lengths": (said(more="Content-Length: 3\r\n"), LOST),
    "a length that is none": (said(more="").replace(b"Content-Length: ", b"Content-Length: -"), LOST),
    "a status of four digits": (said(status="2000 OK"), LOST),
    "a status in letters": (said(status="OK 200"), LOST),
    "another protocol": (b"220 mail.example ESMTP ready for john@example.com\r\n", LOST),
    "a version of the future": (said().replace(b"HTTP/1.1", b"HTTP/7.3"), LOST),
    "TLS to who speaks none": (b"\x15\x03\x01\x00\x02\x02\x46", LOST),
    "half a status line": (b"HTTP/1.1 20", LOST),
    "nothing": (None, LOST),
    # 1xx
    "100 before the answer": (b"HTTP/1.1 100 Continue\r\n\r\n" + said(), (GOOD,) * 3),
    "103 before the answer": (b"HTTP/1.1 103 Early Hints\r\nLink: </c/abc123xyz789>\r\n\r\n" + said(), (GOOD,) * 3),
    "100 and no answer": (b"HTTP/1.1 100 Continue\r\n\r\n", LOST),
    # chunks
    "chunks": (chunked(), (GOOD,) * 3),
    "chunks with trailers": (chunked(end=b"0\r\nX-Sum: 1\r\nX-For: john@example.com\r\n\r\n"), (GOOD,) * 3),
    "a chunk whose size is none": (chunked(end=b"zz\r\n"), LOST),
}


async def outcome(answer: bytes | None, call: str, **options: Any) -> tuple[errors.Onboard360Error | None, int]:
    """What one call ended with, and how many requests the server saw."""
    budget = Budget(limit=1_000, burst=1_000, window_s=1.0)
    options = {"max_retries": 0, "timeout_s": 2.0} | options
    async with (
        RawServer(answer, closes=True) as server,
        AsyncOnboard360("sk_test_1", base_url=server.url, budget=budget, **options) as api,
    ):
        try:
            if call == "post":
                client = await api.add_client(campaign_id="c", email="john@example.com", first_name="John")
                assert client.phone == "+1234567890"
            elif call == "get":
                assert [each.name for each in await api.list_campaigns()] == ["Flow"]
            else:
                assert [each.first_name for each in await api.list_clients()] == ["John"]
        except errors.Onboard360Error as error:
            return error, len(server.requests)
        return None, len(server.requests)


MAY_PASS = ("200 headers", "a header with a control character")  # aiohttp before 3.14 takes them


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("case", CASES)
async def test_whatever_a_server_says_it_is_a_result_or_an_error_that_says_what_is_known(case: str, call: str) -> None:
    """For a POST, a GET and a listing; whatever it is, one request was sent, and (conftest) nobody is shown."""
    answer, table = CASES[case]
    told = table[CALLS.index(call)]
    error, requests = await outcome(answer, call)
    assert requests == 1
    if error is None and case in MAY_PASS:
        return
    if told.error is None or error is None:
        assert (error, told.error) == (None, None)
        return
    assert type(error) is told.error, error
    assert getattr(error, "created", False) is told.created
    assert told.words in str(error)
    assert error.attempts == 1


async def test_what_was_sent_is_not_shown_where_the_server_repeats_it() -> None:
    """A name is no address that one could know by its form; but we know what we sent. An id may be shown."""
    server_says = said(b'{"error": "john (JOHN), Johnson of c: taken"}', "400 Bad Request")
    error, _ = await outcome(server_says, "post")
    assert isinstance(error, errors.BadRequestError)
    assert error.error == "<sent> (<sent>), Johnson of c: taken"


@pytest.mark.parametrize("sent", [b"[1]", b"no JSON", None])
def test_a_body_that_names_nobody_hides_nothing(sent: bytes | None) -> None:
    """Only what an object says of a person is taken out of an error's text."""
    assert no_people("the id is unknown", sent) == "the id is unknown"
