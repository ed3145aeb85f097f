"""How long a server asks us to wait, as far as it says so in a header.

Knows no request. Everything here is optional input.
UNDOCUMENTED: the API page promises none of these headers; how each form is read is pinned by
tests/transport/test_retry_after.py.
"""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

__all__ = ["retry_after_s"]

_PARAMETER: Final = re.compile(r"(?:^|[;,\s])(?:t|reset)\s*=\s*(\d+)")  # `RateLimit: "default";r=0;t=30`, `reset=30`
_RESETS: Final = ("RateLimit-Reset", "X-RateLimit-Reset", "X-Rate-Limit-Reset")
_EPOCH: Final = 1e9  # a larger number is a moment (Unix seconds), not a wait


def retry_after_s(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Seconds to wait by `Retry-After` (seconds or date), else by the rate limit headers; None if none says so."""
    now = now or datetime.now(UTC)
    if (text := headers.get("Retry-After")) is not None:
        wait_s = _seconds(text, now)
        return wait_s if wait_s is not None else _until(text, now)
    if (match := _PARAMETER.search(headers.get("RateLimit", ""))) is not None:
        return float(match[1])
    for name in _RESETS:
        if (text := headers.get(name)) is not None:
            return _seconds(text, now)
    return None


def _seconds(text: str, now: datetime) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    if not math.isfinite(value) or value < 0:
        return None
    return max(0.0, value - now.timestamp()) if value > _EPOCH else value


def _until(text: str, now: datetime) -> float | None:
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())
