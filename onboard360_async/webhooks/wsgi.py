"""The adapter of WSGI: an app that a view of Flask may return, or that is mounted beside others.

Knows no signature and no framework; what Flask leaves in a request is for `bodies` to know.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from onboard360_async.errors import WebhookError
from onboard360_async.webhooks.answers import OK, answer_to, call_blocking
from onboard360_async.webhooks.bodies import read_wsgi
from onboard360_async.webhooks.router import Handler
from onboard360_async.webhooks.signature import WebhookVerifier

__all__ = ["app"]

StartResponse = Callable[[str, list[tuple[str, str]]], object]


def app(
    verifier: WebhookVerifier, receive: Handler
) -> Callable[[Mapping[str, object], StartResponse], Iterable[bytes]]:
    """A WSGI app that gives genuine events to `receive` and answers the others.

    What `receive` gives to be awaited (an `async def`, a Router) runs to its end, each in a loop of its own.
    A WebhookError of `receive` becomes its status; any other error is the server's to report (500).
    """

    def hook(environ: Mapping[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        try:
            raw = read_wsgi(environ, verifier.max_body_bytes)
            call_blocking(receive, verifier.verify(raw, _headers(environ)))
            answer = OK
        except WebhookError as error:
            answer = answer_to(error)
        text = answer.text.encode()
        headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(text))), *answer.headers]
        start_response(f"{answer.status} {answer.text}", headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [text]

    return hook


def _headers(environ: Mapping[str, Any]) -> dict[str, str]:
    """As they came, but for what the server did: it joins repeated headers by commas, or keeps one of them."""
    said = ("HTTP_", "CONTENT_TYPE")
    return {n.removeprefix("HTTP_").replace("_", "-"): value for n, value in environ.items() if n.startswith(said)}
