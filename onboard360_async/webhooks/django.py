"""The adapter of Django, under WSGI and ASGI. Knows no signature, and Django only once a view is made."""

from collections.abc import Callable
from typing import Any

from onboard360_async.errors import PayloadError, WebhookError
from onboard360_async.webhooks.answers import OK, Answer, answer_to, call_blocking
from onboard360_async.webhooks.bodies import Body, check_before_reading, read_too_early, read_wsgi
from onboard360_async.webhooks.router import Handler, call, is_async
from onboard360_async.webhooks.signature import WebhookVerifier

__all__ = ["view"]


def view(verifier: WebhookVerifier, receive: Handler) -> Callable[[Any], Any]:
    """A csrf-exempt view, for a `path`, that gives genuine events to `receive`; it is async if `receive` is.

    A WebhookError of `receive` becomes its status; any other error is Django's to report (500).
    """
    from django.http import HttpResponse
    from django.views.decorators.csrf import csrf_exempt

    def said(answer: Answer) -> HttpResponse:
        headers = {"Content-Length": len(answer.text), **dict(answer.headers)}
        return HttpResponse(answer.text, "text/plain", answer.status, headers=headers)

    def blocking(request: Any) -> HttpResponse:
        try:
            call_blocking(receive, verifier.verify(_read(request, verifier.max_body_bytes), request.headers))
        except WebhookError as error:
            return said(answer_to(error))
        return said(OK)

    async def on_a_loop(request: Any) -> HttpResponse:
        try:
            await call(receive, verifier.verify(_read(request, verifier.max_body_bytes), request.headers), plain=False)
        except WebhookError as error:
            return said(answer_to(error))
        return said(OK)

    return csrf_exempt(on_a_loop if is_async(receive) else blocking)  # type: ignore[no-any-return]  # Django has no types


def _read(request: Any, most: int) -> bytes:
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
