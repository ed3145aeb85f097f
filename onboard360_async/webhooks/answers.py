"""What every adapter answers, and how it hands an event on.

Knows no framework. The reason of a refusal goes to the log and never into the answer, which anybody can ask for.
"""

import asyncio
import inspect
import logging
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from http import HTTPStatus
from math import ceil
from typing import Final, NamedTuple

from onboard360_async import settings
from onboard360_async.errors import WebhookError
from onboard360_async.webhooks.events import Event
from onboard360_async.webhooks.router import Handler

__all__ = ["OK", "Answer", "answer_to", "call_blocking"]

_LOG: Final = logging.getLogger("onboard360_async")


class Answer(NamedTuple):
    """An answer, which says nothing but its status."""

    status: int
    text: str
    headers: tuple[tuple[str, str], ...] = ()


OK: Final = Answer(200, "OK")
_PHRASES: Final = {status.value: status.phrase for status in HTTPStatus}


def answer_to(error: WebhookError) -> Answer:
    """The answer to a webhook that is not taken. Its reason is logged."""
    status = error.http_status
    headers: tuple[tuple[str, str], ...] = ()
    _LOG.warning("webhook refused (%d): %s", status, error.reason)
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        wait_s = getattr(error, "retry_after_s", None) or settings.INBOX_RETRY_AFTER_S  # an InboxError may say it
        headers = (("Retry-After", str(ceil(wait_s))),)
    elif status == HTTPStatus.METHOD_NOT_ALLOWED:
        headers = (("Allow", "POST"),)
    return Answer(status, _PHRASES.get(status, "Refused"), headers)


def call_blocking(receive: Handler, event: Event) -> None:
    """Without a loop: a plain function is called, and what is to be awaited runs to its end in a loop of its own."""
    result = receive(event)
    if not inspect.isawaitable(result):
        return

    async def wait() -> None:
        await result

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        asyncio.run(wait())
        return
    # This thread's loop is running already (an async test that calls a blocking app): another thread has none.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(copy_context().run, asyncio.run, wait()).result()
