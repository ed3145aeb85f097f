"""The other texts of a body: as V8 writes it, by cases and against Node itself; as the page's Python sample does."""

import hmac
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onboard360_async.webhooks.canonical import FORMS, js_form, python_form, strict_json
from tests.webhooks.bodies import random_bodies
from tests.webhooks.nodejs import needs_node, node
from tests.webhooks.page_samples import verify_webhook

FUZZED = 20_000

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=[]), max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("1.0", "1"),
        ("-0", "0"),
        ("-0.0", "0"),
        ("1e-400", "0"),
        ("1E+2", "100"),
        ("1e20", "100000000000000000000"),
        ("1e21", "1e+21"),
        ("123456789012345678901234567890", "1.2345678901234568e+29"),
        ("0.000001", "0.000001"),
        ("0.0000001", "1e-7"),
        ("0.00000123", "0.00000123"),
        ("1.5e-9", "1.5e-9"),
        ("9007199254740993", "9007199254740992"),
        ("-123.4560", "-123.456"),
        ("0.1000000000000000055", "0.1"),
        ("5e-324", "5e-324"),
        ("1e400", "null"),
        ("-1e400", "null"),
        (f"1{'0' * 5000}", "null"),
        (f"0.{'0' * 5000}1", "0"),
    ],
)
def test_a_number_as_v8_writes_it(text: str, written: str) -> None:
    """By ECMAScript's rules: one kind of number, 21 digits without an exponent, nothing that is not finite."""
    assert js_form(text.encode()) == written.encode()


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ('"\\u00e9\\/\\ud83d\\ude00"', '"é/😀"'),
        ('"\\u0000\\u001F\\u007f\\b\\f\\n\\r\\t\\"\\\\"', '"\\u0000\\u001f\x7f\\b\\f\\n\\r\\t\\"\\\\"'),
        ('"\u2028\u2029\ufeff"', '"\u2028\u2029\ufeff"'),
        ('"\\uD800"', '"\\ud800"'),
        ('"\\udfff\\ud800"', '"\\udfff\\ud800"'),
        (' { "b" : [ ] , "a" : { } } ', '{"b":[],"a":{}}'),
        ('{"b":1,"10":2,"9":3,"a":4}', '{"9":3,"10":2,"b":1,"a":4}'),
        ('{"01":3,"4294967295":1,"4294967294":2,"0":4}', '{"0":4,"4294967294":2,"01":3,"4294967295":1}'),
        ('{"a":1,"b":2,"a":3}', '{"a":3,"b":2}'),
        ('{"__proto__":1,"\\u005f_proto__":2,"constructor":3}', '{"__proto__":2,"constructor":3}'),
        ('{"\u0661":1,"1":2}', '{"1":2,"\u0661":1}'),
        ("[true,false,null]", "[true,false,null]"),
    ],
)
def test_a_text_as_v8_writes_it(text: str, written: str) -> None:
    """Characters as they are, lone surrogates escaped, array indices first, the last of two of one name."""
    assert js_form(text.encode()) == written.encode()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b"{} {}",
        b"[1,]",
        b"{'a':1}",
        b"NaN",
        b"-Infinity",
        b"01",
        b"+1",
        b"1.",
        b'"\t"',
        b'"\\x41"',
        b"\xa0{}",
        b"\xef\xbb\xbf{}",
        b'"\xff"',
        b'"\xed\xa0\x80"',
        b'"\xc0\xaf"',
        "{}".encode("utf-16"),
        "{}".encode("utf-16-le"),
        "{}".encode("utf-32"),
    ],
)
def test_what_is_no_json_in_utf_8_has_no_other_form(body: bytes) -> None:
    """Whatever `json.loads` would make of it: no guess at an encoding, no byte order mark, no NaN."""
    for read in (js_form, python_form, strict_json):
        with pytest.raises(ValueError, match=r"."):
            read(body)


def test_what_is_nested_too_deeply_is_refused() -> None:
    """As the RecursionError that the ladder expects."""
    for read in (js_form, python_form, strict_json):
        with pytest.raises(RecursionError):
            read(b"[" * 200_000 + b"]" * 200_000)


@given(values)
def test_the_js_form_means_the_same_and_is_its_own_form(value: object) -> None:
    """Writing it twice changes nothing more, and what JavaScript's numbers can hold is still there."""
    written = js_form(json.dumps(value).encode())
    assert js_form(written) == written
    assert like_javascript(json.loads(written.decode())) == like_javascript(value)


def like_javascript(value: object) -> object:
    """The value with each number as a double, and each text with its surrogates joined."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value) if abs(value) < 2**1023 else None
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
    if isinstance(value, dict):
        return {like_javascript(name): like_javascript(each) for name, each in value.items()}
    return [like_javascript(each) for each in value] if isinstance(value, list) else value


@given(values, st.booleans(), st.sampled_from([None, 2]))
def test_the_python_form_is_the_text_of_the_pages_sample(value: object, ascii_only: bool, indent: int | None) -> None:
    """The page's Python sample takes a signature of it, however the body was written."""
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    try:
        body = text.encode()
    except UnicodeEncodeError:
        body = json.dumps(value).encode()
    mac = hmac.new(b"secret", python_form(body), "sha256").hexdigest()
    assert verify_webhook(json.loads(body), f"sha256={mac}", "secret")


def test_the_python_form_knows_no_infinity() -> None:
    """Python would write a word that is no JSON, and nobody could read what was signed."""
    for text in ("1e400", "[-1e400]"):
        with pytest.raises(ValueError, match="JSON compliant"):
            python_form(text.encode())


def test_the_raw_form_is_the_body_itself() -> None:
    """Whatever its bytes."""
    assert FORMS["raw"](b"\xff\x00") == b"\xff\x00"


@needs_node
@pytest.mark.parametrize("seed", [360])
def test_node_writes_the_same(seed: int) -> None:
    """20,000 bodies, no difference: the same text, or refused by both (some 3 % are)."""
    bodies = list(random_bodies(seed, FUZZED))
    given_to_node = "".join(f"{json.dumps(body)}\n" for body in bodies).encode()
    expected = [json.loads(line) for line in node("canonical.mjs", given_to_node).splitlines()]
    written = [ours(body) for body in bodies]
    differences = [each for each in zip(bodies, expected, written, strict=True) if each[1] != each[2]]
    assert differences == []
    assert 200 < written.count(None) < 2_000


def ours(body: str) -> str | None:
    try:
        return js_form(body.encode()).decode()
    except (ValueError, RecursionError):
        return None
