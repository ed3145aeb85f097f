"""A client that says exactly the bytes it is told: what aiohttp's is too polite for."""

import socket
from collections.abc import Iterable, Sequence
from email.message import Message
from http.client import HTTPException, HTTPResponse

from attrs import frozen

from onboard360_async import settings
from onboard360_async.webhooks import sign
from onboard360_async.webhooks.factories import SECRET

__all__ = ["PATIENCE_S", "Headers", "Reply", "ask", "chunks", "head", "post", "signed"]

Headers = Sequence[tuple[str, str | bytes]]
PATIENCE_S = 8.0  # for an answer, which must come at once


@frozen
class Reply:
    """What came back."""

    status: int
    headers: Message
    body: bytes


def head(path: str, headers: Headers = (), method: str = "POST") -> bytes:
    """A request up to its body."""
    lines = [f"{method} {path} HTTP/1.1".encode(), b"Host: 127.0.0.1", b"Connection: close"]
    lines += [
        name.encode() + b": " + (value if isinstance(value, bytes) else value.encode()) for name, value in headers
    ]
    return b"\r\n".join([*lines, b"", b""])


def signed(body: bytes, of: bytes | None = None) -> Headers:
    """The headers of a genuine webhook; `of` is what was signed, if it is not the body as it is."""
    signature = sign(body if of is None else of, SECRET)
    return [("Content-Type", "application/json"), (settings.SIGNATURE_HEADER, signature)]


def chunks(pieces: Iterable[bytes], *, end: bool = True) -> bytes:
    """A chunked body, which may never come to its end."""
    framed = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return framed + b"0\r\n\r\n" if end else framed


def ask(port: int, *parts: bytes, shut: bool = False, method: str = "POST") -> Reply | None:
    """The answer to these bytes; None if the connection was closed without one. `shut`: nothing more will be sent."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as connection:
        try:
            connection.sendall(b"".join(parts))  # at once: a server that refuses the head would reset what comes after
            if shut:
                connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it has answered already
        answer = HTTPResponse(connection, method=method)
        try:
            answer.begin()
            return Reply(answer.status, answer.headers, answer.read())
        except (ConnectionError, HTTPException):
            return None
        finally:
            answer.close()


def post(port: int, path: str, body: bytes, headers: Headers | None = None, *, chunked: bool = False) -> Reply:
    """The answer to a webhook, which is genuine if no headers are given."""
    said = signed(body) if headers is None else headers
    if chunked:
        middle = len(body) // 2
        pieces = [piece for piece in (body[:middle], body[middle:]) if piece]
        reply = ask(port, head(path, [*said, ("Transfer-Encoding", "chunked")]), chunks(pieces))
    else:
        reply = ask(port, head(path, [*said, ("Content-Length", str(len(body)))]), body)
    assert reply is not None, "no answer"
    return reply
