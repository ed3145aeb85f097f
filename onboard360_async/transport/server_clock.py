"""How far the server's clock is ahead of ours, by the `Date` of its answers. Knows no request.

UNDOCUMENTED: that answers carry a `Date`; without one nothing is known (tests/transport/test_server_clock.py).
"""

import time
from collections.abc import Callable, Mapping

from aiohttp.hdrs import DATE

from onboard360_async.transport.rate_headers import date_of

__all__ = ["ServerClock"]

_HALF_S = 0.5  # a Date is whole seconds, cut off


class ServerClock:
    """What the last answer said. Every answer comes by here, so it is read only when somebody asks."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._last: tuple[str, float] | None = None

    def heard(self, headers: Mapping[str, str]) -> None:
        """An answer came."""
        if (text := headers.get(DATE)) is not None:
            self._last = text, self._now()

    def skew_s(self) -> float | None:
        """Seconds, exact to about one; None if no answer said its date."""
        if self._last is None:
            return None
        text, heard_at = self._last
        moment = date_of(text)
        return None if moment is None else moment.timestamp() + _HALF_S - heard_at
