"""How the raw body of a webhook is read: refused by its head where that will do, and no further than its limit.

Knows the two gateways of Python's web servers, ASGI and WSGI, and no framework but by what it leaves in them.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping, MutableMapping
from contextlib import aclosing, contextmanager
from http import HTTPStatus
from typing import Any

from onboard360_async.errors import ConfigurationError, Onboard360Error, PayloadError, WebhookError

__all__ = [
    "Body",
    "Give",
    "Scope",
    "SenderLeftError",
    "Take",
    "asgi_pieces",
    "check_before_reading",
    "read_asgi",
    "read_django",
    "read_too_early",
    "read_wsgi",
]

Scope = Mapping[str, object]
Take = Callable[[], Awaitable[Mapping[str, object]]]
Give = Callable[[MutableMapping[str, object]], Awaitable[None]]


class SenderLeftError(Exception):
    """The sender went away in the middle of the body, and waits for no answer: nobody's error, and none of `errors`."""


def check_before_reading(method: str, encoding: str | None, length: str | None, *, most: int) -> int | None:
    """The declared length of the body, if there is one. Raises the WebhookError of what is refused by its head alone.

    UNDOCUMENTED: the page shows no Content-Encoding. Some frameworks inflate such a body unasked and others do not, so
    that what was signed cannot be told from what was sent: it is 400 everywhere (tests/webhooks/test_adapters.py).
    """
    if method != "POST":
        raise WebhookError("It is no POST.", HTTPStatus.METHOD_NOT_ALLOWED)
    if encoding and encoding.strip().lower() != "identity":
        raise PayloadError("The body has a Content-Encoding; it must come as it was signed.")
    if not length:
        return None
    try:
        declared = int(length) if length.isascii() and length.isdecimal() else -1
    except ValueError:  # more digits than Python turns into a number
        declared = -1
    if declared < 0:
        raise PayloadError("The Content-Length is no number.")
    if declared > most:
        raise _too_large(most)
    return declared


def _too_large(most: int) -> PayloadError:
    return PayloadError(f"The body is larger than {most:,} bytes.", HTTPStatus.REQUEST_ENTITY_TOO_LARGE)


class Body:
    """A body that is read in pieces, and no further than its limit."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._pieces: list[bytes] = []
        self.size: int = 0

    def add(self, piece: bytes) -> None:
        """One more; PayloadError (413) when it is too many."""
        self.size += len(piece)
        if self.size > self._most:
            raise _too_large(self._most)
        self._pieces.append(piece)

    def read(self, stream: Any, wanted: int) -> None:
        """As many as these of a stream that blocks, or fewer if it ends."""
        while self.size < wanted and (piece := stream.read(wanted - self.size)):
            self.add(piece)

    def clear(self) -> None:
        """Begin anew."""
        self._pieces, self.size = [], 0

    def whole(self, declared: int | None = None) -> bytes:
        """All of them; PayloadError when they are fewer than was declared."""
        if self.size < (declared or 0):
            raise PayloadError("The body is shorter than its Content-Length.")
        return b"".join(self._pieces)


def read_too_early(advice: str) -> ConfigurationError:
    """The error of an adapter whose body was taken by somebody before it: no webhook could ever be verified."""
    return ConfigurationError(
        f"The webhook's body was read before the verifier saw it, so its signature cannot be checked: {advice}"
    )


# --- ASGI ---------------------------------------------------------------------------------------------------------


async def asgi_pieces(take: Take) -> AsyncGenerator[bytes, None]:
    """The body as a server gives it; SenderLeftError if it never comes to an end."""
    more = True
    while more:
        message: Mapping[str, Any] = await take()
        if message["type"] == "http.disconnect":
            raise SenderLeftError("The sender went away in the middle of the body.")
        yield message.get("body", b"")
        more = message.get("more_body", False)


async def read_asgi(scope: Mapping[str, Any], pieces: AsyncGenerator[bytes, None], most: int) -> bytes:
    """The body that these pieces are of. A WebhookError refuses it; ConfigurationError if parts of it are gone."""
    heads: dict[bytes, str] = {}
    for name, value in scope["headers"]:
        heads[name] = f"{heads[name]}, {value.decode('latin-1')}" if name in heads else value.decode("latin-1")
    encoding, length = heads.get(b"content-encoding"), heads.get(b"content-length")
    declared = check_before_reading(scope["method"], encoding, length, most=most)
    body = Body(most)
    advice = "read it by `await request.body()`, which Starlette keeps, and not by `request.stream()`, or not at all."
    try:
        async with aclosing(pieces):
            async for piece in pieces:
                body.add(piece)
    except RuntimeError as error:  # Starlette's: "Stream consumed"
        raise read_too_early(advice) from error
    # No server passes a body on that is shorter than declared; chunks, where there are any, overrule what is declared.
    if declared is not None and body.size < declared and b"transfer-encoding" not in heads:
        raise read_too_early(advice)
    return body.whole()


# --- WSGI ---------------------------------------------------------------------------------------------------------


def read_wsgi(environ: Mapping[str, Any], most: int) -> bytes:
    """The body of a request. A WebhookError refuses it; ConfigurationError if Flask or Werkzeug had read it before."""
    encoding, length = environ.get("HTTP_CONTENT_ENCODING"), environ.get("CONTENT_LENGTH")
    declared = check_before_reading(environ["REQUEST_METHOD"], encoding, length, most=most)
    ends = bool(environ.get("wsgi.input_terminated"))
    chunked = "HTTP_TRANSFER_ENCODING" in environ
    if chunked and not ends:  # its end could not be told, and on some servers reading on would wait for ever
        raise PayloadError("The body is chunked, which this WSGI server does not decode.")
    to_its_end = ends and (chunked or declared is None)
    wanted = most + 1 if to_its_end else declared or 0
    body = Body(most)
    with _refusals():
        _read_stream(environ, body, wanted, least=1 if to_its_end else wanted)
    return body.whole(None if to_its_end else wanted)


def _read_stream(environ: Mapping[str, Any], body: Body, wanted: int, *, least: int) -> None:
    request = environ.get("werkzeug.request")  # Flask's; its stream knows how much of it was read
    if request is None:
        body.read(environ["wsgi.input"], wanted)
        return
    if "_cached_data" in vars(request):  # somebody has read it by `get_data()`, `data` or `json`
        body.add(request.get_data())
        return
    seen = "stream" in vars(request)
    body.read(request.stream, wanted)
    if seen and body.size < least:
        raise read_too_early("before it, call `request.get_data()` without `cache=False`, or not at all.")


@contextmanager
def _refusals() -> Iterator[None]:
    """What a stream raises, as what it means: Werkzeug raises answers, which Flask would make a 500 at this point."""
    try:
        yield
    except Onboard360Error:
        raise
    except Exception as error:
        status = getattr(error, "code", HTTPStatus.BAD_REQUEST if isinstance(error, OSError) else None)
        if status not in (HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE):
            raise
        raise PayloadError("The body broke off, or is larger than Flask was told to allow.", status) from None


# --- Django -------------------------------------------------------------------------------------------------------


def read_django(request: Any, most: int) -> bytes:
    """The body of a request of Django's, under either gateway. Errors as of `read_wsgi`."""
    from django.conf import settings

    most, env = min(most, settings.DATA_UPLOAD_MAX_MEMORY_SIZE or most), request.META
    if "HTTP_TRANSFER_ENCODING" in env and hasattr(request, "environ"):
        return read_wsgi(request.environ, most)  # of chunks, Django shows nothing under WSGI
    said = check_before_reading(request.method, env.get("HTTP_CONTENT_ENCODING"), env.get("CONTENT_LENGTH"), most=most)
    kept = hasattr(request, "_body")  # somebody has read it, by `request.body`
    if not kept and getattr(request, "_read_started", False):
        raise read_too_early("before it, read by `request.body`, not by `request.read()`.")
    body = Body(most)
    try:
        body.add(request.body if kept else request.read(most + 1))
    except OSError:
        raise PayloadError("The body broke off.") from None
    return body.whole(said)
