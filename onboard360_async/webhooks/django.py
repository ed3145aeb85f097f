"""The adapter of Django, under WSGI and ASGI. Knows no signature, and Django only once a view is made."""

from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any, overload

from onboard360_async.errors import WebhookError
from onboard360_async.webhooks.answers import OK, Answer, answer_to, call_blocking
from onboard360_async.webhooks.bodies import read_django
from onboard360_async.webhooks.events import Event
from onboard360_async.webhooks.router import Handler, call, is_async
from onboard360_async.webhooks.signature import WebhookVerifier

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

__all__ = ["view"]


@overload
def view(
    verifier: WebhookVerifier, receive: Callable[[Event], Coroutine[None, None, object]]
) -> "Callable[[HttpRequest], Coroutine[None, None, HttpResponse]]": ...
@overload
def view(verifier: WebhookVerifier, receive: Handler) -> "Callable[[HttpRequest], HttpResponse]": ...


def view(
    verifier: WebhookVerifier, receive: Handler
) -> "Callable[[HttpRequest], HttpResponse | Awaitable[HttpResponse]]":
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
            call_blocking(receive, verifier.verify(read_django(request, verifier.max_body_bytes), request.headers))
        except WebhookError as error:
            return said(answer_to(error))
        return said(OK)

    async def on_a_loop(request: Any) -> HttpResponse:
        try:
            await call(
                receive, verifier.verify(read_django(request, verifier.max_body_bytes), request.headers), plain=False
            )
        except WebhookError as error:
            return said(answer_to(error))
        return said(OK)

    return csrf_exempt(on_a_loop if is_async(receive) else blocking)  # type: ignore[no-any-return]  # Django has no types
