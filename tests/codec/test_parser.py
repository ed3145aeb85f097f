"""Two parsers, one answer: the same values and the same refusals, where json and orjson agree and where they differ."""

import importlib
import json
import sys
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from onboard360_async import settings
from onboard360_async.codec import parser
from onboard360_async.codec.answers import decode_client, decode_json
from onboard360_async.errors import DecodeError

CLIENT = b'"id": "1", "campaign_id": "2", "email": "a@b.c", "created_at": "2024-01-15T09:00:00Z"'
DIFFERENT = [
    b"NaN",
    b"Infinity",
    b"-Infinity",
    b'"\\ud800"',
    b'{"\\udfff": 1}',
    b'"\\ud83d\\ude00"',
    b'\xef\xbb\xbf"a"',
    b'\xef\xbb\xbf\xef\xbb\xbf"a"',
    b"123456789012345678",
    b"1234567890123456789",
    b"18446744073709551615",
    b"18446744073709551616",
    b"-9223372036854775808",
    b"-9223372036854775809",
    b"123456789012345678901234567890",
    b"0." + b"1" * 40,
    b"9" * 5_000,
    b"1e400",
    b"-1e400",
    b"1e-400",
    b"1" + b"0" * 18 + b"e5",
    b"-0",
    b"-0.0",
    b"1E+2",
    b"01",
    b"1.",
    b".5",
    b"+1",
    b"-",
    b'{"a": 1, "a": 2}',
    b'{"a": {"b": 1}, "a": {"c": 2}}',
    b'"\xff"',
    b'"\xed\xa0\x80"',
    b'"\xc3"',
    b'"\x00"',
    b'"\x1f"',
    b'"\x7f"',
    b'"\\u0000"',
    b'"\\x41"',
    b'"\\u12"',
    b"\x0c1",
    b"1\x00",
    b"\xa01",
    b"[1,]",
    b'{"a": 1,}',
    b"[1 2]",
    b"// no\n1",
    b"1 1",
    b"tru",
    '"é"'.encode("utf-16"),
    '["é"]'.encode("utf-32-le"),
    b'"' + "é€😀".encode() + b'"',
    b"[" * 100 + b"]" * 100,
]


def told(body: bytes) -> tuple[str, str]:
    try:
        return "value", repr(decode_json(body))
    except DecodeError as error:
        return "refused", str(error)


@pytest.fixture
def both(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What is told with each of the parsers."""
    orjson = pytest.importorskip("orjson")

    def told_by_both(body: bytes) -> list[tuple[str, str]]:
        answers = []
        for quick in (None, orjson.loads):
            monkeypatch.setattr(parser, "_quick", quick)
            answers.append(told(body))
        return answers

    return told_by_both


@pytest.mark.parametrize("document", DIFFERENT, ids=lambda document: repr(document[:24]))
@pytest.mark.parametrize("around", [b"%b", b"[0, %b]", b'{"a": [%b]}'])
def test_the_parsers_agree_where_they_differ(both: Any, document: bytes, around: bytes) -> None:
    """Each kind of document that one of them takes otherwise: the same value, or the same words."""
    body = around % document
    with_json, with_orjson = both(body)
    assert with_json == with_orjson
    try:
        meant = json.loads(body)
    except ValueError:
        assert with_json[0] == "refused"
    else:
        assert with_json == ("value", repr(meant))


@pytest.mark.parametrize("depth", [settings.MAX_NESTING - 1, settings.MAX_NESTING, 900, 1_000, 1_023, 1_024, 100_000])
@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_both_refuse_what_is_nested_too_deeply(both: Any, depth: int, opening: bytes, closing: bytes) -> None:
    """Their own limits are others, and that of json depends on the caller's stack: ours stands below both."""
    with_json, with_orjson = both(opening * depth + b"1" + closing * depth)
    assert with_json == with_orjson
    assert with_json[0] == ("value" if depth <= settings.MAX_NESTING else "refused")
    if depth > settings.MAX_NESTING:
        assert "nested too deeply" in with_json[1]


@pytest.mark.parametrize("body", [b"", b" \r\n"])
def test_an_empty_body_is_none_with_both(both: Any, body: bytes) -> None:
    """No parser is asked."""
    assert both(body) == [("value", "None")] * 2


@given(
    st.binary(max_size=40)
    | st.text(alphabet='{}[]":,\\ue+-.01234567890123456789 \n\x00tfralsnN', max_size=60).map(str.encode)
)
@example(b'{"a": 12345678901234567890123}')
def test_any_bytes_are_the_same_to_both(body: bytes) -> None:
    """Garbage, and what looks like JSON."""
    pytest.importorskip("orjson")
    quick, answers = parser._quick, []
    for each in (None, importlib.import_module("orjson").loads):
        parser._quick = each
        answers.append(told(body))
    parser._quick = quick
    assert answers[0] == answers[1]


numbers = st.integers() | st.floats() | st.integers(-(10**30), 10**30) | st.floats(allow_nan=False).map(lambda x: -x)
values = st.recursive(
    st.none() | st.booleans() | numbers | st.text(st.characters(exclude_categories=[]), max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@given(values, st.booleans())
def test_any_value_is_the_same_to_both(value: object, ascii_only: bool) -> None:
    """What Python writes as JSON is read back alike, to the last digit."""
    pytest.importorskip("orjson")
    body = json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    quick, answers = parser._quick, []
    for each in (None, importlib.import_module("orjson").loads):
        parser._quick = each
        answers.append(told(body))
    parser._quick = quick
    assert answers[0] == answers[1] == ("value", repr(json.loads(body)))


def test_a_client_with_a_long_number_is_read_by_json(either_parser: str) -> None:
    """Its digits are all there: orjson alone would round them."""
    client = decode_client(b'{"client": {%b, "tax_id": 123456789012345678901}}' % CLIENT)
    assert client.extra == {"tax_id": 123456789012345678901}


def test_bytes_that_hide_themselves_are_read_by_orjson_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Since orjson takes no class derived from bytes: ours that are hidden are no reason to fall back in silence."""
    pytest.importorskip("orjson")
    monkeypatch.setattr(parser, "json", None)  # whoever falls back fails
    monkeypatch.setattr(parser, "_quick", importlib.import_module("orjson").loads)
    from onboard360_async.hidden import hidden

    assert decode_json(hidden(b'{"a": [1]}')) == {"a": [1]}


@pytest.mark.parametrize("is_there", [True, False])
def test_orjson_is_used_where_it_is_installed(is_there: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """And only there."""
    if is_there:
        pytest.importorskip("orjson")
    else:
        monkeypatch.setitem(sys.modules, "orjson", None)
    before = vars(parser).copy()
    try:
        assert (importlib.reload(parser)._quick is not None) == is_there
    finally:
        vars(parser).update(before)
