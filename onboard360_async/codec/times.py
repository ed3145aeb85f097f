"""Moments as the API writes them. Knows no model."""

from datetime import UTC, datetime

__all__ = ["utc_time"]


def utc_time(text: str) -> datetime:
    """The moment of an ISO 8601 text, aware and in UTC; ValueError, without the text, if it is none."""
    try:
        time = datetime.fromisoformat(text)
        if time.tzinfo is not UTC:
            # UNDOCUMENTED: a time without a zone; every example ends in Z, so we take it for UTC
            # (tests/codec/test_answers.py, test_times_come_back_aware_and_in_utc).
            time = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("expected an ISO 8601 time") from None
    return time
