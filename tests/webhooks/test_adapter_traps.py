"""What the frameworks do that a webhook could be lost by, one by one."""

import asyncio
import io
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import flask
import pytest
from aiohttp import StreamReader, web
from aiohttp.base_protocol import BaseProtocol
from aiohttp.test_utils import make_mocked_request
from starlette.applications import Starlette
from starlette.routing import Mount, Route

from onboard360_async.errors import ConfigurationError
from onboard360_async.webhooks import aiohttp, asgi, django, wsgi
from onboard360_async.webhooks.factories import client_created
from tests.webhooks.frameworks import MOST, Desk, configure_django, fastapi_app
from tests.webhooks.wire import Headers, signed

BODY = client_created(first_name="Zoë").body


@pytest.fixture
def desk() -> Desk:
    return Desk()


# --- ASGI ---------------------------------------------------------------------------------------------------------


async def played(
    app: Any, *messages: Mapping[str, object], headers: Headers | None = None, **scope: object
) -> list[dict[str, Any]]:
    """What an app sends that receives these messages."""
    left, sent = list(messages), list[dict[str, Any]]()
    pairs = [
        (name.lower().encode(), value if isinstance(value, bytes) else value.encode())
        for name, value in (signed(BODY) if headers is None else headers)
    ]

    async def take() -> Mapping[str, object]:
        return left.pop(0)

    async def give(message: dict[str, Any]) -> None:
        sent.append(message)

    base = {"type": "http", "method": "POST", "path": "/hook", "query_string": b"", "headers": pairs}
    await app({**base, **scope}, take, give)
    return sent


@pytest.mark.parametrize(
    ("make", "statuses"),
    [(lambda desk: asgi.app(desk.verifier, desk.receive), []), (fastapi_app, [400])],
    ids=["app", "verified"],
)
async def test_a_sender_that_leaves_in_the_middle(
    desk: Desk, make: Callable[[Desk], Any], statuses: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody receives half an event, and nothing is raised or logged with a traceback."""
    part = {"type": "http.request", "body": BODY[:9], "more_body": True}
    with caplog.at_level(logging.DEBUG):
        sent = await played(make(desk), part, {"type": "http.disconnect"})
    assert [message["status"] for message in sent if "status" in message] == statuses
    assert desk.events == []
    assert not [record for record in caplog.records if record.exc_info]


async def test_a_body_in_pieces(desk: Desk) -> None:
    """Is one body; empty pieces, and messages without one, are nothing."""
    pieces = [{"type": "http.request", "body": piece, "more_body": True} for piece in (BODY[:9], b"", BODY[9:])]
    sent = await played(asgi.app(desk.verifier, desk.receive), *pieces, {"type": "http.request"})
    assert sent[0]["status"] == 200
    assert [event.body for event in desk.events] == [BODY]


async def test_chunks_count_and_not_what_is_declared_beside_them(desk: Desk) -> None:
    """A sender that says both must not make a failure of it."""
    headers = [*signed(BODY), ("Transfer-Encoding", "chunked"), ("Content-Length", str(len(BODY) + 1))]
    sent = await played(asgi.app(desk.verifier, desk.receive), {"type": "http.request", "body": BODY}, headers=headers)
    assert sent[0]["status"] == 200


@pytest.mark.parametrize("declared", [True, False])
async def test_what_a_dependency_may_not_do_before(desk: Desk, declared: bool) -> None:
    """The error says what to do instead."""
    headers = [*signed(BODY), *([("Content-Length", str(len(BODY)))] if declared else [])]
    with pytest.raises(ConfigurationError, match=r"read it by `await request\.body\(\)`"):
        await played(fastapi_app(desk), {"type": "http.request", "body": BODY}, headers=headers, path="/lost")


async def test_an_app_that_runs_bare(desk: Desk) -> None:
    """It says to its server that it is ready, and that it is done."""
    messages = ({"type": "lifespan.startup"}, {"type": "lifespan.shutdown"})
    sent = await played(asgi.app(desk.verifier, desk.receive), *messages, type="lifespan")
    assert [message["type"] for message in sent] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


async def test_no_websocket_is_opened(desk: Desk) -> None:
    """It is closed, and no failure that anybody could cause."""
    sent = await played(asgi.app(desk.verifier, desk.receive), type="websocket")
    assert sent == [{"type": "websocket.close"}]


async def test_a_mount_wants_a_slash(desk: Desk) -> None:
    """Starlette redirects a POST without one, which a sender may not follow; a route is what it says."""
    hook = asgi.app(desk.verifier, desk.receive)
    message = {"type": "http.request", "body": BODY}
    routed = await played(Starlette(routes=[Route("/hook", hook)]), message)
    mounted = [
        await played(Starlette(routes=[Mount("/hook", hook)]), message, path=path) for path in ("/hook", "/hook/")
    ]
    assert [sent[0]["status"] for sent in (routed, *mounted)] == [200, 307, 200]


@pytest.mark.parametrize(
    ("body", "headers"), [(b"no JSON", []), (BODY, None)], ids=["no JSON, unverified", "genuine, not the model"]
)
async def test_an_endpoint_that_takes_a_model_answers_by_itself(
    desk: Desk, body: bytes, headers: Headers | None
) -> None:
    """FastAPI's own 422, before anything is verified or in spite of it; an endpoint that takes the event alone does."""
    said = [("Content-Type", "application/json"), *(signed(body) if headers is None else headers)]
    message = {"type": "http.request", "body": body}
    model, alone = [await played(fastapi_app(desk), message, headers=said, path=path) for path in ("/model", "/hook")]
    assert model[0]["status"] == 422
    assert alone[0]["status"] == (200 if headers is None else 401)
    assert len(desk.events) == (headers is None)


# --- WSGI ---------------------------------------------------------------------------------------------------------


class Broken(io.RawIOBase):
    """A connection that was reset."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        raise ConnectionResetError


def called(desk: Desk, stream: Any, length: str | None = None, **environ: Any) -> tuple[str, Iterable[bytes]]:
    """The status and the body of a WSGI app's answer."""
    statuses: list[str] = []
    said = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in signed(BODY)}
    base = {"REQUEST_METHOD": "POST", "wsgi.input": stream, **said}
    base |= {} if length is None else {"CONTENT_LENGTH": length}
    hook = wsgi.app(desk.verifier, desk.receive)
    body = hook({**base, **environ}, lambda status, headers: statuses.append(status))
    return statuses[0], body


def test_what_a_wsgi_server_may_hand_over(desk: Desk) -> None:
    """A stream that goes on behind the body, or ends with it, or too early, or breaks; with and without its length."""
    ends: dict[str, Any] = {"wsgi.input_terminated": True}
    chunked: dict[str, Any] = {"HTTP_TRANSFER_ENCODING": "chunked"}
    length = str(len(BODY))
    assert called(desk, io.BytesIO(BODY + b"POST / HTTP/1.1"), length)[0] == "200 OK"
    assert called(desk, io.BytesIO(BODY), length, **ends)[0] == "200 OK"
    assert called(desk, io.BytesIO(BODY), **ends)[0] == "200 OK"
    assert called(desk, io.BytesIO(BODY), "", **ends)[0] == "200 OK"
    assert called(desk, io.BytesIO(BODY), **ends, **chunked)[0] == "200 OK"
    assert len(desk.events) == 5
    assert called(desk, io.BytesIO(BODY), **chunked)[0] == "400 Bad Request"
    assert called(desk, io.BytesIO(BODY))[0] == "401 Unauthorized"  # no length, so no body
    assert called(desk, io.BytesIO(BODY[:-1]), length)[0] == "400 Bad Request"
    assert called(desk, Broken(), length)[0] == "400 Bad Request"
    assert called(desk, io.BytesIO(bytes(MOST + 9)), **ends)[0].startswith("413 ")
    assert len(desk.events) == 5


def test_an_error_of_a_server_that_is_none_of_a_body_is_not_hidden(desk: Desk) -> None:
    """It is no stranger's doing."""
    with pytest.raises(AttributeError):
        called(desk, None, "1")


def test_no_more_is_read_than_the_limit(desk: Desk) -> None:
    """One byte more, by which it is known."""
    stream = io.BytesIO(bytes(MOST * 9))
    ends: dict[str, Any] = {"wsgi.input_terminated": True}
    assert called(desk, stream, **ends)[0].startswith("413 ")
    assert stream.tell() == MOST + 1


def test_a_head_has_no_body(desk: Desk) -> None:
    """It would be taken for the next answer."""
    assert called(desk, io.BytesIO(), REQUEST_METHOD="HEAD") == ("405 Method Not Allowed", [])


def flask_hook(desk: Desk, read_first: Callable[[], object], **settings: object) -> Any:
    """A client of a Flask app that lets errors through."""
    app = flask.Flask(__name__)
    app.config.update(TESTING=True, **settings)

    @app.before_request
    def before() -> None:
        read_first()

    hook = wsgi.app(desk.verifier, desk.receive)
    app.add_url_rule("/hook", "hook", lambda: hook, methods=["POST"])
    return app.test_client()


@pytest.mark.parametrize(
    "read_first", [lambda: flask.request.form, lambda: flask.request.data, lambda: flask.request.get_json(silent=True)]
)
def test_what_flask_may_look_at_before(desk: Desk, read_first: Callable[[], object]) -> None:
    """A form that is none, the data or the JSON: all of it leaves the body there, or keeps it."""
    assert flask_hook(desk, read_first).post("/hook", data=BODY, headers=dict(signed(BODY))).status_code == 200
    assert [event.body for event in desk.events] == [BODY]


def test_what_flask_may_not_do_before(desk: Desk) -> None:
    """The error says what to do instead."""
    client = flask_hook(desk, lambda: flask.request.get_data(cache=False))
    with pytest.raises(ConfigurationError, match="without `cache=False`"):
        client.post("/hook", data=BODY, headers=dict(signed(BODY)))


def test_a_limit_of_flask_that_is_lower_holds_too(desk: Desk) -> None:
    """MAX_CONTENT_LENGTH: 413, and not the 500 that Flask makes of its own error when it comes from a returned app."""
    client = flask_hook(desk, lambda: None, MAX_CONTENT_LENGTH=len(BODY) - 1)
    assert client.post("/hook", data=BODY, headers=dict(signed(BODY))).status_code == 413
    assert desk.events == []


# --- Django -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("most", "status"), [(len(BODY), 200), (len(BODY) - 1, 413), (None, 200)])
async def test_a_limit_of_django_that_is_lower_holds_too(desk: Desk, most: int | None, status: int) -> None:
    """DATA_UPLOAD_MAX_MEMORY_SIZE: 413, where Django itself would say 400; in a view of either kind."""
    configure_django()
    from django.test import AsyncRequestFactory, RequestFactory, override_settings

    said: dict[str, Any] = {"data": BODY, "content_type": "application/json", "headers": dict(signed(BODY))}
    with override_settings(DATA_UPLOAD_MAX_MEMORY_SIZE=most):
        answer = await django.view(desk.verifier, desk.receive)(AsyncRequestFactory().post("/hook", **said))
        blocking = django.view(desk.verifier, desk.plain)(RequestFactory().post("/hook", **said))
    assert (answer.status_code, blocking.status_code) == (status, status)
    assert len(desk.events) == (2 if status == 200 else 0)


async def test_no_more_of_a_spooled_body_is_read_than_the_limit(desk: Desk) -> None:
    """Django under ASGI has written it to disk by then, however large; it must not come to memory."""
    configure_django()
    from django.core.handlers.asgi import ASGIRequest

    spooled = io.BytesIO(bytes(MOST * 9))
    scope = {"type": "http", "method": "POST", "path": "/hook", "headers": [(b"transfer-encoding", b"chunked")]}
    answer = await django.view(desk.verifier, desk.receive)(ASGIRequest(scope, spooled))
    assert (answer.status_code, spooled.tell()) == (413, MOST + 1)


def test_a_body_that_breaks_off_is_no_failure_of_django(desk: Desk) -> None:
    """It is refused."""
    configure_django()
    from django.test import RequestFactory

    said: dict[str, Any] = {"headers": dict(signed(BODY)), "wsgi.input": Broken()}
    answer = django.view(desk.verifier, desk.plain)(RequestFactory().post("/hook", BODY, "application/json", **said))
    assert answer.status_code == 400


def test_what_django_may_not_do_before(desk: Desk) -> None:
    """The error says what to do instead."""
    configure_django()
    from django.test import RequestFactory

    request = RequestFactory().post("/hook", BODY, "application/json", headers=dict(signed(BODY)))
    request.read()
    with pytest.raises(ConfigurationError, match=r"read by `request\.body`"):
        django.view(desk.verifier, desk.plain)(request)


# --- aiohttp ----------------------------------------------------------------------------------------------------------


def aiohttp_request(*, body: bytes = b"", error: Exception | None = None) -> web.Request:
    """A request whose body comes, and then may break off."""
    stream = StreamReader(BaseProtocol(asyncio.get_running_loop()), 2**16, loop=asyncio.get_running_loop())
    stream.feed_data(body)
    if error is None:
        stream.feed_eof()
    else:
        stream.set_exception(error)
    return make_mocked_request("POST", "/hook", headers=dict(signed(BODY)), payload=stream)


@pytest.mark.parametrize("error", [ConnectionResetError(), TimeoutError(), web.RequestPayloadError()])
async def test_a_body_that_breaks_off_is_no_failure_of_aiohttp(desk: Desk, error: Exception) -> None:
    """It is refused; a log full of tracebacks is nothing that a stranger may write."""
    answer = await aiohttp.handler(desk.verifier, desk.receive)(aiohttp_request(body=BODY, error=error))
    assert answer.status == 400
    assert desk.events == []


async def test_what_a_middleware_of_aiohttp_may_not_do_before(desk: Desk) -> None:
    """The error says what to do instead."""
    request = aiohttp_request(body=BODY)
    await request.content.read()
    with pytest.raises(ConfigurationError, match=r"read by `await request\.read\(\)`"):
        await aiohttp.handler(desk.verifier, desk.receive)(request)
