"""What a call tells while it runs: to the log, and to the one who listens. Knows neither budget nor wire."""

import asyncio
import logging
import time
from collections.abc import Callable
from itertools import count
from typing import Final

from yarl import URL

from onboard360_async.transport.options import Event, Request
from onboard360_async.transport.wire import no_people, nobodys

__all__ = ["Hook", "Story"]

Hook = Callable[[Event], None]
logger: Final = logging.getLogger("onboard360_async")
_CALLS: Final = count(1)
_HIDDEN: Final = "REDACTED"


class Story:
    """The events of one call. There is one only if somebody listens or the log is at DEBUG: else it costs nothing."""

    __slots__ = ("_call", "_hook", "_method", "_path", "_url")

    def __init__(self, request: Request, url: URL, hook: Hook | None) -> None:
        self._call, self._hook, self._method = next(_CALLS), hook, request.method
        self._path = nobodys(request.path)
        self._url = _shown(url)

    def tell(
        self,
        name: str,
        attempt: int,
        *,
        status: int | None = None,
        seconds: float | None = None,
        error: BaseException | None = None,
        unknown: bool = False,
        where: str | None = None,
    ) -> None:
        """Log what happened, and hand it on; what fails there is logged, since a request may be under way."""
        logger.debug(
            "%s %s %s (call %d, attempt %d, status %s, %s s) %s",
            *(self._method, self._path, name, self._call, attempt, status, seconds, where or ""),
        )
        if self._hook is None:
            return
        named = None if error is None else type(error).__name__
        rest = (where, self._call, time.time_ns(), self._url)
        try:
            self._hook(Event(name, self._method, self._path, attempt, status, seconds, named, unknown, *rest))
        except (Exception, asyncio.CancelledError):  # the latter as its own fault: nobody cancelled the call
            logger.exception("an on_event hook failed on %r", name)

    def end(self, error: BaseException | None, attempt: int, *, unknown: bool) -> None:
        """How the call ended."""
        if error is None:
            self.tell("done", attempt)
        elif isinstance(error, GeneratorExit):
            self.tell("left", attempt)
        elif isinstance(error, Exception):
            status = getattr(error, "status", None)
            self.tell("failed", attempt, status=status, error=error, unknown=unknown)
        else:
            self.tell("cancelled", attempt, error=error, unknown=unknown)


def _shown(url: URL) -> str:
    """The address without user, key or values."""
    plain = URL.build(scheme=url.scheme, host=url.host or "", port=url.explicit_port)
    names = "&".join(f"{no_people(name)}={_HIDDEN}" for name in url.query)
    return f"{plain}{nobodys(url.raw_path)}" + (f"?{names}" if names else "")
