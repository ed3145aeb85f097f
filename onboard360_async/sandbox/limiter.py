"""The minute: which requests of a key are refused with 429. Knows neither HTTP nor the wall clock.

Source: API page, "Error Handling" (429, 100 requests/minute).
"""

import math
from collections import deque
from typing import Final

__all__ = ["LIMITERS", "SlidingLog", "make_limiter"]

LIMITERS: Final = ("sliding", "off")


class SlidingLog:
    """At most `limit` requests of a key in any `window_s` seconds; the window slides with each request.

    UNDOCUMENTED: how the service cuts its minute; this is the strictest reading. Pinned by tests/sandbox/test_limit.py.
    """

    def __init__(self, *, limit: int, window_s: float, count_refused: bool) -> None:
        if limit < 1:
            raise ValueError(f"limit must be at least 1, not {limit}")
        if not (math.isfinite(window_s) and window_s > 0):
            raise ValueError(f"window_s must be a positive number of seconds, not {window_s}")
        self.refused = 0  # requests refused so far, of all keys
        self._limit = limit
        self._window_s = window_s
        self._count_refused = count_refused
        self._counted: dict[int, deque[float]] = {}  # of each key, the last `limit` times: older ones decide nothing

    def admit(self, key: int, at: float) -> bool:
        """Whether the request of this key, at this second, is served; it is counted if it is.

        UNDOCUMENTED: whether a refused request counts too; by default it does not.
        """
        counted = self._counted.setdefault(key, deque(maxlen=self._limit))
        admitted = len(counted) < self._limit or at - counted[0] >= self._window_s
        if admitted or self._count_refused:
            counted.append(at)
        if not admitted:
            self.refused += 1
        return admitted

    def wait_s(self, key: int, at: float) -> float:
        """Seconds until this key is served again, if it sends nothing until then; 0 if it would be now."""
        counted = self._counted.get(key)
        if counted is None or len(counted) < self._limit:
            return 0.0
        return max(0.0, counted[0] + self._window_s - at)


def make_limiter(name: str, *, limit: int, window_s: float, count_refused: bool) -> SlidingLog | None:
    """The limiter of that name; None for `off`. ValueError says what is wrong with name or numbers."""
    if name not in LIMITERS:
        raise ValueError(f"there is no limiter {name!r}; choose one of: {', '.join(LIMITERS)}")
    return None if name == "off" else SlidingLog(limit=limit, window_s=window_s, count_refused=count_refused)
