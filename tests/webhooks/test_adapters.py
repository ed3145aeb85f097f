"""One conformance suite over all adapters, each on its real framework and a real socket."""

import gzip
import json
import logging
import socket
from collections.abc import Iterator, Mapping
from http import HTTPStatus

import pytest

from onboard360_async import settings
from onboard360_async.errors import InboxError, TimestampError
from onboard360_async.webhooks import ClientCreated, UnknownEvent, sign
from onboard360_async.webhooks.factories import SECRET, client_created, unknown_event
from tests.webhooks.frameworks import CHUNKLESS, MOST, NAMES, Desk, house
from tests.webhooks.wire import PATIENCE_S, Headers, Reply, ask, chunks, head, post, signed

DESK = Desk()
EMAIL = "zoë@example.com"
BODY = client_created(email=EMAIL, first_name="Zoë", company_name="日本 & Søn").body
SPACED = json.dumps(json.loads(BODY), indent=2, ensure_ascii=False).encode()
PYTHON = json.dumps(json.loads(BODY), separators=(",", ":")).encode()
SIGNATURE = settings.SIGNATURE_HEADER
WRONG = "sha256=" + "0" * 64
SIX = 6_000  # characters: more than is looked at, and less than servers refuse
BUFFERING = "django asgi"  # reads the whole body, to disk, before any view is asked


@pytest.fixture(scope="module")
def ports() -> Iterator[Mapping[str, int]]:
    with house(DESK) as found:
        yield found


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    DESK.events.clear()
    DESK.error = None
    return str(request.param)


@pytest.fixture
def port(ports: Mapping[str, int], name: str) -> int:
    return ports[name]


def padded(size: int) -> bytes:
    """A genuine body of exactly that size."""
    short = len(client_created(pad="").body)
    body = client_created(pad="x" * (size - short)).body
    assert len(body) == size
    return body


def refused(reply: Reply | None, status: int) -> None:
    """It says its status and nothing else, and nobody received anything."""
    assert reply is not None
    assert reply.status == status
    phrase = HTTPStatus(status).phrase
    assert reply.body in (phrase.encode(), json.dumps({"detail": phrase}, separators=(",", ":")).encode())
    assert DESK.events == []


@pytest.mark.parametrize(
    ("body", "signed_body", "form"),
    [
        (BODY, BODY, "raw"),
        (BODY + b"\n", BODY + b"\n", "raw"),
        (client_created(first_name="nul \0 and \x7f").body, None, "raw"),
        (SPACED, BODY, "js"),
        (SPACED, PYTHON, "python"),
        (SPACED, SPACED, "raw"),
    ],
    ids=["compact", "new line", "NUL", "spaced, signed as JavaScript", "spaced, signed as Python", "spaced"],
)
def test_a_genuine_webhook_is_received(port: int, body: bytes, signed_body: bytes | None, form: str) -> None:
    """Once, from the very bytes that were signed, whatever form of them came."""
    assert post(port, "/hook", body, signed(body, signed_body)).status == 200
    (event,) = DESK.events
    assert isinstance(event, ClientCreated)
    assert (event.body, event.form) == (signed_body or body, form)
    assert (SIGNATURE, sign(signed_body or body, SECRET)) in event.headers
    assert ("Content-Type", "application/json") in event.headers


def test_what_a_plain_function_receives(port: int) -> None:
    """The same."""
    assert post(port, "/plain", BODY).status == 200
    assert [event.body for event in DESK.events] == [BODY]


def test_a_router_is_something_that_receives(port: int) -> None:
    """On every framework, blocking ones too."""
    assert post(port, "/router", BODY).status == 200
    assert [event.body for event in DESK.events] == [BODY]


def test_an_event_that_nobody_knows_is_taken(port: int) -> None:
    """An event that the page names tomorrow must not be sent again for days."""
    assert post(port, "/hook", unknown_event("client.renamed").body).status == 200
    assert [type(event) for event in DESK.events] == [UnknownEvent]


def test_a_webhook_that_comes_twice_is_taken_twice(port: int) -> None:
    """With the same id, by which it can be told."""
    assert [post(port, "/hook", BODY).status for _ in range(2)] == [200, 200]
    assert len({event.id for event in DESK.events}) == 1


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (BODY, [], 401),
        (BODY, [(SIGNATURE, "")], 401),
        (BODY, [(SIGNATURE, WRONG)], 401),
        (BODY, [(SIGNATURE, "sha256=" + "é" * 64)], 401),
        (BODY, [(SIGNATURE, b"\xff\xfe" * 8)], 401),
        (BODY, [(SIGNATURE, "0" * SIX)], 401),
        (BODY, [(SIGNATURE, f"{WRONG}," * (SIX // 72))], 401),
        (BODY[:-1] + b" }", signed(BODY, BODY + b" "), 401),
        (b"", [], 401),
        (b"", None, 400),
        (b"\0\xff\xfe", None, 400),
        (b"[]", None, 400),
        (b'{"event":""}', None, 400),
        (b"[" * 1_500, None, 400),
    ],
    ids=[
        "no signature", "empty signature", "wrong", "not ASCII", "no text", "long", "many", "changed", "empty",
        "empty and signed", "no text and signed", "a list and signed", "no event and signed", "deep and signed",
    ],
)  # fmt: skip
def test_what_is_no_webhook_is_refused(port: int, body: bytes, headers: Headers | None, status: int) -> None:
    """401 without a signature of ours, 400 for what is signed and no event; nobody receives it."""
    refused(post(port, "/hook", body, headers), status)


@pytest.mark.parametrize("order", [1, -1], ids=["right one last", "right one first"])
def test_a_repeated_signature_header(port: int, order: int) -> None:
    """Each is tried. WSGI's servers join them by a comma, as these two do; both ways are read."""
    headers = [(SIGNATURE, WRONG), (SIGNATURE, sign(BODY, SECRET))][::order]
    assert post(port, "/hook", BODY, headers).status == 200
    assert len(DESK.events) == 1


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
def test_another_method_is_refused(port: int, name: str, method: str) -> None:
    """405, which says what is allowed, and that without a body where there must be none."""
    reply = ask(port, head("/hook", [*signed(BODY), ("Content-Length", "0")], method), method=method)
    assert reply is not None
    if (name, method) == ("flask", "OPTIONS"):
        assert reply.status == 200  # Flask's own answer to those who ask what is allowed
    else:
        assert reply.status == 405
    assert "POST" in str(reply.headers["Allow"])
    assert DESK.events == []


# --- size and framing -------------------------------------------------------------------------------------------------


def test_a_body_of_the_greatest_size_is_taken(port: int) -> None:
    """The limit is the last size that is read."""
    assert post(port, "/hook", padded(MOST)).status == 200


def test_a_body_of_one_byte_more_is_refused(port: int) -> None:
    """Signed or not."""
    refused(post(port, "/hook", padded(MOST + 1)), 413)


@pytest.mark.parametrize("length", [str(MOST + 1), str(10**15)])
def test_a_body_that_is_declared_too_large_is_refused_unread(port: int, name: str, length: str) -> None:
    """None of it is sent, and the answer comes all the same; Django's ASGI handler waits for all of it first."""
    body = []
    if name == BUFFERING:
        length, body = str(MOST + 1), [b"x" * (MOST + 1)]
    refused(ask(port, head("/hook", [("Content-Length", length)]), *body), 413)


@pytest.mark.parametrize("length", ["-1", "1e3", "+5", "1_0", "9" * 5_000, "٣"])
def test_a_length_that_is_none_is_refused(port: int, length: str) -> None:
    """By the server or by us; never taken, and no failure."""
    reply = ask(port, head("/hook", [*signed(BODY), ("Content-Length", length)]), BODY)
    assert reply is not None
    assert reply.status == 400
    assert DESK.events == []


def test_a_chunked_body_is_taken(port: int, name: str) -> None:
    """Where the server decodes it; where it does not, its end could not be told."""
    reply = post(port, "/hook", padded(MOST), chunked=True)
    if name == CHUNKLESS:
        refused(reply, 400)
    else:
        assert reply.status == 200
        assert len(DESK.events) == 1


def test_a_chunked_body_of_one_byte_more_is_refused(port: int, name: str) -> None:
    """Nobody declares the size of those."""
    refused(post(port, "/hook", padded(MOST + 1), chunked=True), 400 if name == CHUNKLESS else 413)


def test_a_chunked_body_without_an_end_is_refused(port: int, name: str) -> None:
    """Reading stops at the limit, and does not wait for more."""
    endless = chunks([b"x" * MOST, b"x"], end=name == BUFFERING)
    reply = ask(port, head("/hook", [("Transfer-Encoding", "chunked")]), endless)
    refused(reply, 400 if name == CHUNKLESS else 413)


def test_chunks_overrule_what_is_declared(port: int) -> None:
    """A declared length beside them deceives nobody: no failure, and nothing is taken in part."""
    headers = [*signed(BODY), ("Transfer-Encoding", "chunked"), ("Content-Length", str(len(BODY) - 1))]
    reply = ask(port, head("/hook", headers), chunks([BODY]))
    assert reply is not None
    assert reply.status in (200, 400)
    assert [event.body for event in DESK.events] in ([], [BODY])


def test_broken_chunks_are_refused(port: int, name: str) -> None:
    """What is no chunk is no failure of ours."""
    headers = [*signed(BODY), ("Transfer-Encoding", "chunked")]
    reply = ask(port, head("/hook", headers), b"5\r\nabcdeXX\r\nnothing\r\n\r\n")
    assert reply is not None
    assert reply.status == 400
    assert DESK.events == []


def test_a_body_that_breaks_off_is_not_taken(port: int) -> None:
    """Shorter than its Content-Length: 400 where anybody is still there to be answered."""
    reply = ask(port, head("/hook", [*signed(BODY), ("Content-Length", str(len(BODY) + 9))]), BODY, shut=True)
    assert reply is None or reply.status == 400
    assert DESK.events == []


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "x-ours", "identity, gzip"])
def test_a_compressed_body_is_refused_unread(port: int, name: str, encoding: str) -> None:
    """One framework inflates it and others do not: what was signed could not be told from what was sent."""
    body = gzip.compress(BODY)
    parts = [body] if name == BUFFERING else []
    headers = [*signed(BODY), ("Content-Encoding", encoding), ("Content-Length", str(len(body)))]
    refused(ask(port, head("/hook", headers), *parts), 400)


def test_a_gzip_bomb_bursts_nowhere(port: int) -> None:
    """A thousand times its size is never seen."""
    bomb = gzip.compress(bytes(MOST * 500))
    assert len(bomb) < MOST
    refused(post(port, "/hook", bomb, [*signed(bomb), ("Content-Encoding", "gzip")]), 400)


@pytest.mark.parametrize("name", ["aiohttp"], indirect=True)
def test_a_gzip_bomb_is_not_inflated_after_its_answer(ports: Mapping[str, int], name: str) -> None:
    """The connection ends with the answer; aiohttp would read on for ten seconds, and inflate all it gets."""
    headers = [("Content-Encoding", "gzip"), ("Content-Length", "1000000")]
    with socket.create_connection(("127.0.0.1", ports[name]), timeout=PATIENCE_S) as connection:
        connection.sendall(head("/hook", headers) + gzip.compress(bytes(100_000)))
        said = b"".join(iter(lambda: connection.recv(1_000), b""))
    assert said.startswith(b"HTTP/1.1 400 ")


def test_a_body_that_is_not_encoded_says_so(port: int) -> None:
    """`identity` is no encoding."""
    assert post(port, "/hook", BODY, [*signed(BODY), ("Content-Encoding", "identity")]).status == 200


# --- what receives fails --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("route", ["/hook", "/plain"])
def test_a_store_that_is_down_asks_to_come_again(port: int, route: str) -> None:
    """503 and when: never a 200 for what was not kept."""
    DESK.error = InboxError("The disk is full.", retry_after_s=30.2)
    reply = post(port, route, BODY)
    assert reply.headers["Retry-After"] == "31"
    DESK.events.clear()
    refused(reply, 503)


def test_a_webhook_error_of_the_receiver_is_its_status(port: int) -> None:
    """Whoever receives may refuse, too."""
    DESK.error = TimestampError("Before we opened.")
    reply = post(port, "/hook", BODY)
    DESK.events.clear()
    refused(reply, 401)


@pytest.mark.parametrize("route", ["/hook", "/plain", "/router"])
def test_another_error_of_the_receiver_is_the_users(port: int, route: str) -> None:
    """It reaches the framework, which answers 500: the sender comes again, and is told nothing."""
    DESK.error = ValueError(f"no row for {EMAIL}")
    reply = post(port, route, BODY)
    assert reply.status == 500
    assert EMAIL.encode() not in reply.body
    assert b"ValueError" not in reply.body


def test_a_failure_is_over_when_it_is_over(port: int) -> None:
    """The next webhook is taken."""
    DESK.error = ValueError("once")
    assert post(port, "/hook", BODY).status == 500
    DESK.error = None
    assert post(port, "/hook", BODY).status == 200


# --- who was here before us -------------------------------------------------------------------------------------------

MIDDLE = [name for name in NAMES if name not in ("asgi", "wsgiref", "werkzeug")]  # has something before a view


@pytest.mark.parametrize("route", ["/lost", "/nibbled"])
@pytest.mark.parametrize("name", MIDDLE, indirect=True)
def test_a_body_that_was_read_before_is_a_clear_error(ports: Mapping[str, int], name: str, route: str) -> None:
    """All of it or some: 500 for the developer to see, and no 401 that looks like a wrong secret."""
    reply = post(ports[name], route, BODY)
    assert reply.status == 500
    assert EMAIL.encode() not in reply.body
    assert DESK.events == []


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("aiohttp", 500),
        ("fastapi", 500),
        ("flask", 500),
        ("django asgi", 500),
        ("starlette", 401),  # nothing tells a chunked body that a middleware has taken from an empty one
        ("django wsgi", 200),  # Django reads no chunks under WSGI, so nobody can have taken them
    ],
    indirect=["name"],
)
def test_a_chunked_body_that_was_read_before(ports: Mapping[str, int], name: str, status: int) -> None:
    """The same, where it can be known."""
    assert post(ports[name], "/lost", BODY, chunked=True).status == status
    assert len(DESK.events) == (status == 200)


@pytest.mark.parametrize("chunked", [False, True], ids=["declared", "chunked"])
@pytest.mark.parametrize("name", MIDDLE, indirect=True)
def test_a_body_that_was_read_and_kept_is_verified(ports: Mapping[str, int], name: str, chunked: bool) -> None:
    """In the way in which each framework keeps it."""
    assert post(ports[name], "/kept", BODY, chunked=chunked).status == 200
    assert [event.body for event in DESK.events] == [BODY]


@pytest.mark.parametrize("name", MIDDLE, indirect=True)
def test_a_body_that_was_read_and_kept_has_the_same_limit(ports: Mapping[str, int], name: str) -> None:
    """Whoever read it."""
    refused(post(ports[name], "/kept", padded(MOST + 1), chunked=True), 413)


@pytest.mark.parametrize("name", MIDDLE, indirect=True)
def test_an_empty_body_that_was_read_and_kept_is_empty(ports: Mapping[str, int], name: str) -> None:
    """Anybody may send one: it is refused, and no error of the developer's."""
    refused(post(ports[name], "/kept", b"", [], chunked=True), 401)


# --- what is told ---------------------------------------------------------------------------------------------------


def test_the_reason_is_in_the_log_and_in_no_answer(port: int, caplog: pytest.LogCaptureFixture) -> None:
    """One line at WARNING; the log in its turn holds no secret, no signature, no email."""
    with caplog.at_level(logging.DEBUG):
        refused(post(port, "/hook", BODY, [(SIGNATURE, WRONG)]), 401)
        post(port, "/hook", BODY)
    (refusal,) = [record for record in caplog.records if record.name == "onboard360_async"]
    assert (refusal.levelname, refusal.getMessage()[:27]) == ("WARNING", "webhook refused (401): The ")
    for secret in (SECRET, EMAIL, WRONG, sign(BODY, SECRET)[7:]):
        assert secret not in caplog.text
