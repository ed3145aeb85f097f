"""Headers that ask for a wait: each form that servers use, and none that is believed too much."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from onboard360_async.budget.feedback import Told
from onboard360_async.transport.rate_headers import retry_after_s, told_by

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
        ({"Retry-After": "Tue, 24 Nov 99999999999999999999 12:00:00 GMT"}, None),
        ({"Retry-After": "Tue, 24 Nov 2026 12:00:20 +99999999999999"}, None),
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


def test_a_date_is_held_against_the_servers_own() -> None:
    """Our clock may be wrong by minutes; the difference of two of the server's is not."""
    headers = {"Retry-After": "Tue, 24 Nov 2015 12:00:20 GMT", "Date": "Tue, 24 Nov 2015 12:00:05 GMT"}
    assert retry_after_s(headers) == 15.0
    assert retry_after_s(headers | {"Date": "today"}) == 0.0


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ({}, None),
        ({"Retry-After": "30", "Date": "Tue, 24 Nov 2026 12:00:00 GMT"}, None),
        ({"X-RateLimit-Limit": "60"}, Told(60)),
        ({"x-ratelimit-limit": "60", "x-ratelimit-remaining": "5", "x-ratelimit-reset": "9"}, Told(60)),
        ({"X-RateLimit-Limit": "60", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "9"}, Told(60, 9.0)),
        ({"X-Rate-Limit-Remaining": "0"}, Told()),
        ({"X-RateLimit-Limit": "many", "X-RateLimit-Remaining": "none"}, Told()),
        ({"RateLimit-Limit": "0"}, Told()),
        ({"RateLimit-Limit": "100, 100;w=60, 1000;w=3600"}, Told(16)),
        ({"RateLimit-Limit": "10, 10;w=1"}, Told()),
        ({"RateLimit-Policy": '"burst";q=10;w=1, "default";q=80;w=60'}, Told(80)),
        ({"RateLimit-Policy": '"day";q=100;w=86400'}, Told(1)),
        ({"RateLimit": "limit=50, remaining=0, reset=12"}, Told(50, 12.0)),
        ({"RateLimit": '"default";r=0;t=17', "RateLimit-Policy": '"default";q=100;w=60'}, Told(100, 17.0)),
        ({"RateLimit": '"default";r=40;t=17'}, Told()),
        ({"RateLimit": '"default";r=0;t=17', "Retry-After": "3"}, Told(None, 17.0)),
    ],
)
def test_what_the_headers_say_of_the_limit(headers: dict[str, str], told: Told | None) -> None:
    """The lowest limit of a minute or more, and a wait if nothing is left; a rule for seconds says nothing."""
    assert told_by(CIMultiDict(headers)) == told


@given(
    st.dictionaries(
        st.sampled_from(("RateLimit", "RateLimit-Policy", "RateLimit-Limit", "X-RateLimit-Remaining", "Retry-After")),
        st.text(alphabet='0123456789;,="wqrt -.eE', max_size=30),
    )
)
def test_whatever_the_headers_say(headers: dict[str, str]) -> None:
    """Never an error, never a limit below one, never a negative wait."""
    told = told_by(CIMultiDict(headers))
    assert told is None or ((told.limit is None or told.limit >= 1) and (told.wait_s is None or told.wait_s >= 0))
    wait_s = retry_after_s(CIMultiDict(headers))
    assert wait_s is None or wait_s >= 0


def test_without_a_moment_given_it_is_now() -> None:
    """A date long past asks for no wait."""
    assert retry_after_s({"Retry-After": "Tue, 24 Nov 2015 12:00:20 GMT"}) == 0.0
