"""What a server says of its limit in headers: how long to wait, and how much is allowed at all.

Knows no request. Everything here is optional input, and may only make us slower.
UNDOCUMENTED: the API page promises none of these headers; how each form is read is pinned by
tests/transport/test_rate_headers.py.
"""

import math
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from multidict import istr

from onboard360_async import settings
from onboard360_async.budget.feedback import Told

__all__ = ["date_of", "remaining", "retry_after_s", "seconds_of", "told_by"]

_NUMBER: Final = re.compile(r"\d{1,9}")
_PAIR: Final = re.compile(r"(\w+)\s*=\s*\"?(\d{1,9})")  # `q=100` of `"default";q=100;w=60`, `remaining=0`
_WHATS: Final = ("Limit", "Remaining", "Reset")
_PREFIXES: Final = ("RateLimit-", "X-RateLimit-", "X-Rate-Limit-")
_NAMES: Final = tuple(
    map(istr, ("RateLimit", "RateLimit-Policy", *(f"{prefix}{what}" for prefix in _PREFIXES for what in _WHATS)))
)  # as aiohttp's headers find them without making them lower case first
_EPOCH: Final = 1e9  # a larger number is a moment (Unix seconds), not a wait


def retry_after_s(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Seconds to wait by `Retry-After` (seconds or date), else by the rate limit headers; None if none says so.

    A date is one of the server's, so it is held against the answer's own `Date` where there is one.
    """
    now = now or date_of(headers.get("Date", "")) or datetime.now(UTC)
    if (text := headers.get("Retry-After")) is not None:
        wait_s = seconds_of(text, now)
        if wait_s is None and (moment := date_of(text)) is not None:
            wait_s = max(0.0, (moment - now).total_seconds())
        return wait_s
    pairs = _pairs(headers.get("RateLimit", ""))
    reset = pairs.get("t", pairs.get("reset"))
    if reset is not None:
        return float(reset)
    for prefix in _PREFIXES:
        if (text := headers.get(f"{prefix}Reset")) is not None:
            return seconds_of(text, now)
    return None


def told_by(headers: Mapping[str, str]) -> Told | None:
    """What the headers of an answer that was no 429 say: the limit of one window, and a wait if nothing is left."""
    for name in _NAMES:  # every answer comes by here, and most say nothing
        if name in headers:
            return _told(headers)
    return None


def _told(headers: Mapping[str, str]) -> Told:
    limits = [quota for quota in _quotas(headers) if quota > 0]
    wait_s = retry_after_s({name: text for name, text in headers.items() if name.lower() != "retry-after"})
    return Told(min(limits, default=None), wait_s if remaining(headers) == 0 else None)


def _quotas(headers: Mapping[str, str]) -> Iterator[int]:
    """Every limit that is named, as so many in one window of ours.

    One for a shorter time (10 a second) says nothing of the minute, one for a longer (1,000 an hour) bounds it.
    """
    for name in ("RateLimit-Policy", *(f"{prefix}Limit" for prefix in _PREFIXES)):
        items = headers.get(name, "").split(",")
        windows = [item for item in items if "w" in _pairs(item)]
        for item in windows or items:  # `10, 10;w=1, 50;w=60` names the first again, with its window
            pairs, number = _pairs(item), _NUMBER.match(item.strip())
            quota = pairs.get("q", int(number[0]) if number is not None else 0)
            window_s = pairs.get("w", math.ceil(settings.WINDOW_S))
            if window_s >= settings.WINDOW_S:
                yield max(1, int(quota * settings.WINDOW_S / window_s)) if quota else 0
    yield _pairs(headers.get("RateLimit", "")).get("limit", 0)


def remaining(headers: Mapping[str, str]) -> int | None:
    """How many requests the headers of an answer leave in this window; None if none says so."""
    pairs = _pairs(headers.get("RateLimit", ""))
    left = pairs.get("r", pairs.get("remaining"))
    for prefix in _PREFIXES:
        number = _NUMBER.fullmatch(headers.get(f"{prefix}Remaining", "").strip())
        if left is None and number is not None:
            left = int(number[0])
    return left


def _pairs(text: str) -> dict[str, int]:
    return {name.lower(): int(number) for name, number in _PAIR.findall(text)}


def seconds_of(text: str, now: datetime) -> float | None:
    """A wait that is written as a number, of seconds or of a moment; None for what is none."""
    try:
        value = float(text)
    except ValueError:
        return None
    if not math.isfinite(value) or value < 0:
        return None
    return max(0.0, value - now.timestamp()) if value > _EPOCH else value


def date_of(text: str) -> datetime | None:
    """The moment that a header names, or None."""
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):  # the latter for a year or a zone that no machine word holds
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
