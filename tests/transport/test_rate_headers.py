"""Headers that ask for a wait: each form that servers use, and none that is believed too much."""

from datetime import UTC, datetime

import pytest

from onboard360_async.transport.rate_headers import retry_after_s

NOW = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({}, None),
        ({"Retry-After": "30"}, 30.0),
        ({"Retry-After": " 1.5 "}, 1.5),
        ({"Retry-After": "0"}, 0.0),
        ({"Retry-After": "-5"}, None),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "inf"}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "Tue, 24 Nov 2026 12:00:20 GMT"}, 20.0),
        ({"Retry-After": "Tue, 24 Nov 2026 12:00:20 -0000"}, 20.0),
        ({"Retry-After": "Tue, 24 Nov 2026 11:00:00 GMT"}, 0.0),
        ({"RateLimit": '"default";r=0;t=17'}, 17.0),
        ({"RateLimit": "limit=100, remaining=0, reset=12"}, 12.0),
        ({"RateLimit-Reset": "9"}, 9.0),
        ({"X-RateLimit-Reset": str(int(NOW.timestamp()) + 8)}, 8.0),
        ({"X-Rate-Limit-Reset": "x"}, None),
        ({"Retry-After": "3", "RateLimit-Reset": "50"}, 3.0),
    ],
)
def test_each_form_is_read(headers: dict[str, str], wait_s: float | None) -> None:
    """Seconds, a date, or the moment of the reset; nonsense is no wait at all."""
    assert retry_after_s(headers, NOW) == wait_s


def test_without_a_moment_given_it_is_now() -> None:
    """A date long past asks for no wait."""
    assert retry_after_s({"Retry-After": "Tue, 24 Nov 2015 12:00:20 GMT"}) == 0.0
