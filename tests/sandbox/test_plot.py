"""The picture of the minute: what is counted into it, and that it is one."""

import math
import re
from xml.etree import ElementTree as ET

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from onboard360_async.sandbox import RequestRecord
from onboard360_async.sandbox.plot import WINDOWS, Plot, counted, in_words, picture, seconds

NOW = 10_000.0
MINUTE = 60.0


def came(at: float, status: int | None = 200, key: int | None = 0) -> RequestRecord:
    return RequestRecord(at, "GET", "/api/v1/clients", "", key, status)


def plot(*records: RequestRecord, at: float = NOW, limit: int | None = 100, **options: bool) -> Plot:
    return counted(records, at=at, limit=limit, window_s=MINUTE, **options)


def test_a_request_is_in_the_bar_of_its_second() -> None:
    """The last bar is the second that is going on, the first the one of two windows ago; what is older is in none."""
    drawn = plot(came(NOW - 120), came(NOW - 119), came(NOW - 1), came(NOW - 1), came(NOW))
    assert len(drawn.bars) == 60 * WINDOWS
    assert [place for place, bar in enumerate(drawn.bars) if bar.served] == [0, 118, 119]
    assert [drawn.bars[place].served for place in (0, 118, 119)] == [1, 2, 1]


def test_kinds_of_answers_are_told_apart() -> None:
    """429 is refused, no key is 401 and counted by no limit; all else is served, what failed or hangs too."""
    bar = plot(came(NOW, 429), came(NOW, 401, key=None), came(NOW, 201), came(NOW, 500), came(NOW, None)).bars[-1]
    assert (bar.served, bar.refused, bar.keyless, bar.level) == (3, 1, 1, 3)


def test_refused_requests_are_counted_where_the_limiter_does() -> None:
    """By a switch, as the limiter's own."""
    records = [came(NOW), came(NOW, 429)]
    assert plot(*records).level == 1
    assert plot(*records, count_refused=True).level == 2


def test_the_line_is_of_the_busiest_key() -> None:
    """A limit is one key's: what two keys sent together says nothing of it."""
    drawn = plot(*[came(NOW - 5, key=0)] * 3, *[came(NOW - 4, key=1)] * 5)
    assert (drawn.level, drawn.bars[-2].level, drawn.bars[-5].level, drawn.keys) == (5, 5, 5, 2)
    assert "5 counted requests of the busiest key" in in_words(drawn)


def test_the_line_falls_when_a_request_leaves_the_window() -> None:
    """It is counted for the sixty bars that begin with its own."""
    levels = [bar.level for bar in plot(came(NOW - 100)).bars]
    assert levels == [0] * 19 + [1] * 60 + [0] * 41


@given(st.lists(st.floats(0, 180), max_size=40), st.floats(1000, 1e6))
@example([60.0, 59.999], NOW)
def test_the_last_number_is_exact(ages: list[float], now: float) -> None:
    """It is what the sliding limiter counts at this very moment, however the bars are cut."""
    records = [came(now - age) for age in sorted(ages, reverse=True)]
    assert plot(*records, at=now).level == sum(now - record.at < MINUTE for record in records)


def test_what_was_too_much_to_count_is_not_drawn_as_nothing() -> None:
    """Where only the youngest requests were looked at, the time before is marked; the line begins a window later."""
    records = [came(NOW - 50 + step / 10) for step in range(500)]
    drawn = plot(*records, is_cut=True)
    assert drawn.untold == 70
    assert "too many to count" in picture(drawn)
    assert re.search('class="level" d="M119 ', picture(drawn))
    assert "too many to count" not in picture(plot(*records))


@given(
    st.lists(
        st.builds(came, st.floats(9_000, 10_000), st.sampled_from([200, 429, None]), st.sampled_from([0, 1, None])),
        max_size=60,
    ),
    st.one_of(st.none(), st.integers(1, 10**9)),
    st.floats(0.001, 1e6),
)
def test_it_is_a_picture_whatever_came(records: list[RequestRecord], limit: int | None, window_s: float) -> None:
    """Well formed, without a style attribute, every number finite and every bar within its frame."""
    records.sort(key=lambda record: record.at)
    drawn = picture(counted(records, at=NOW, limit=limit, window_s=window_s))
    tree = ET.fromstring(drawn)
    assert "style" not in drawn
    for element in tree.iter():
        for name, value in element.attrib.items():
            if name in ("x", "y", "y1", "y2", "width", "height") and not value.endswith("%"):
                assert math.isfinite(float(value))
    for bar in tree.iter("rect"):
        if bar.attrib["class"] != "untold":
            assert float(bar.attrib["y"]) >= -0.1
            assert float(bar.attrib["y"]) + float(bar.attrib["height"]) <= 52.2


def test_the_limit_is_a_line_with_a_label() -> None:
    """Also where nothing came yet; and there is none without a limit."""
    assert ">limit 100</text>" in picture(plot())
    assert 'class="limit"' not in picture(plot(limit=None))
    assert "no limit" in in_words(plot(limit=None))


def test_it_says_in_words_what_there_is_to_see() -> None:
    """For those who do not see it."""
    drawn = plot(came(NOW - 70), came(NOW - 3), came(NOW - 2, 429))
    words = "In the last 60 s: 1 counted requests, the limit is 100. In the last 2 min: 2 served, 1 refused with 429."
    assert in_words(drawn) == words
    assert ET.fromstring(picture(drawn)).attrib["aria-label"] == words


@pytest.mark.parametrize(
    ("number", "text"), [(0.5, "0.5 s"), (60, "60 s"), (90, "90 s"), (120, "2 min"), (3600, "60 min"), (7200, "2 h")]
)
def test_a_length_of_time_reads_well(number: float, text: str) -> None:
    """In the unit of which there are two or more."""
    assert seconds(number) == text
