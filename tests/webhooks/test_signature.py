"""The ladder, rung by rung: size, header, signature, forms, bounds. Whatever comes in, only WebhookErrors go out."""

import hmac
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from onboard360_async import settings
from onboard360_async.errors import ConfigurationError, PayloadError, SignatureError, TimestampError, WebhookError
from onboard360_async.webhooks import Event, WebhookVerifier, factories, sign
from onboard360_async.webhooks.events import FormName

SECRET = "whsec_of_these_tests"
STAMP = "2024-01-15T09:00:00Z"
AT = datetime(2024, 1, 15, 9, tzinfo=UTC).timestamp()
BODY = f'{{"event":"client.created","data":{{}},"timestamp":"{STAMP}"}}'.encode()
RIGHT = sign(BODY, SECRET)
DIGITS = RIGHT.removeprefix("sha256=")
WRONG = f"sha256={'0' * 64}"
NAME = settings.SIGNATURE_HEADER
VERIFIER = WebhookVerifier(SECRET, clock=lambda: AT)


def verified(headers: Any, body: bytes = BODY) -> Event:
    return VERIFIER.verify(body, headers)


def reason(headers: Any, body: bytes = BODY) -> str:
    with pytest.raises(SignatureError) as caught:
        verified(headers, body)
    assert caught.value.http_status == 401
    return caught.value.reason.partition(":")[0]


# --- the header ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {NAME: RIGHT},
        {NAME.lower(): RIGHT, "Accept": "*/*"},
        {NAME.upper().encode(): RIGHT.encode()},
        [(NAME.swapcase(), RIGHT)],
        ((name, value) for name, value in [("Host", "x"), (NAME, RIGHT)]),
        CIMultiDict([(NAME, WRONG), (NAME, RIGHT)]),
        [(b"host", b"x"), (NAME.lower().encode(), RIGHT.encode())],
        {NAME: [WRONG, RIGHT]},
        {NAME: (RIGHT.encode(),)},
        [(NAME, WRONG), (NAME.lower(), RIGHT)],
        [
            ("X-Request-Id", "1"),
            ("odd",),
            "odd",
            None,
            7,
            (None, None),
            ([], []),
            (NAME, 5),
            (NAME, None),
            (NAME, RIGHT),
        ],
    ],
    ids=["dict", "lower", "bytes", "pairs", "generator", "multi", "asgi", "list", "tuple", "repeated", "odd"],
)
def test_headers_as_frameworks_have_them(headers: Any) -> None:
    """A mapping or pairs, text or bytes, in any case, repeated or in a list; what is no header is passed over."""
    assert verified(headers).form == "raw"


@pytest.mark.parametrize(
    "value",
    [
        DIGITS,
        RIGHT.upper(),
        f"  {RIGHT}\t",
        f"{WRONG},{RIGHT}",
        f"{WRONG} , {RIGHT}",
        f"sha1=00 {RIGHT}",
        f"t=1,v1={WRONG},{RIGHT}",
        ",".join([WRONG] * (settings.WEBHOOK_MOST_SIGNATURES - 1) + [RIGHT]),
        ",".join(["junk"] * 50 + [RIGHT]),
    ],
)
def test_one_of_several_values_is_enough(value: str) -> None:
    """Separated by commas or spaces; with `sha256=` in any case, or without; other schemes do not count."""
    assert verified({NAME: value}).name == "client.created"


@pytest.mark.parametrize("headers", [{}, [], {"X-Other": RIGHT}, {NAME: None}, {NAME + "s": RIGHT}, {NAME: []}])
def test_a_missing_signature(headers: Any) -> None:
    """Is said to be missing."""
    assert reason(headers) == "The signature is missing"


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        "sha256=",
        DIGITS[:-1],
        f"{DIGITS}0",
        f"sha256:{DIGITS}",
        f"sha1={DIGITS[:40]}",
        f"sha1={DIGITS}",
        f"sha256=sha256={DIGITS}",
        f'"{RIGHT}"',
        DIGITS.replace(DIGITS[0], "\u0661"),
        f"{DIGITS[:-1]}\uff11",
        f"\u017fha256={DIGITS}",
        f"{DIGITS[:32]} {DIGITS[32:]}",
        "\x00" * 64,
        "\udcff" * 64,
        f"{'x' * 5000} {RIGHT}",
    ],
)
def test_a_malformed_signature(value: str) -> None:
    """Is said to be malformed: 64 ASCII digits, no other scheme, nothing beyond what eight signatures could need."""
    assert reason({NAME: value}) == "The signature is malformed"


def test_a_wrong_signature() -> None:
    """Is said to be wrong, be it another body's, another secret's, or nobody's."""
    assert reason({NAME: WRONG}) == "The signature is wrong"
    assert reason({NAME: sign(BODY, "another")}) == "The signature is wrong"
    assert reason({NAME: RIGHT}, BODY + b" x") == "The signature is wrong"


def test_at_most_eight_signatures_are_tried() -> None:
    """The first eight that are well formed: a long list buys nobody more tries."""
    assert reason({NAME: ",".join([WRONG] * settings.WEBHOOK_MOST_SIGNATURES + [RIGHT])}) == "The signature is wrong"
    assert reason([(NAME, WRONG)] * settings.WEBHOOK_MOST_SIGNATURES + [(NAME, RIGHT)]) == "The signature is wrong"


def test_digests_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """By `hmac.compare_digest`, as bytes of one length, which alone says what is right."""
    compared: list[tuple[Any, Any]] = []

    def compare(ours: Any, theirs: Any) -> bool:
        compared.append((ours, theirs))
        return False

    monkeypatch.setattr(hmac, "compare_digest", compare)
    assert reason({NAME: f"{WRONG} {RIGHT}"}) == "The signature is wrong"
    assert {(type(side), len(side)) for pair in compared for side in pair} == {(bytes, 32)}
    assert (bytes.fromhex(DIGITS), bytes.fromhex(DIGITS)) in compared


# --- the body -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_a_body_of_bytes_of_any_kind(kind: Callable[[bytes], Any]) -> None:
    """What is handed on is bytes of our own."""
    event = verified({NAME: RIGHT}, kind(BODY))
    assert type(event.body) is bytes
    assert event.body == BODY


@pytest.mark.parametrize(("body", "what"), [(BODY.decode(), "text"), (None, "a NoneType"), ({"event": "x"}, "a dict")])
def test_a_body_that_was_read_too_early(body: Any, what: str) -> None:
    """Is told from a wrong signature: what was decoded cannot be verified any more."""
    with pytest.raises(PayloadError, match=f"^The body is {what}, not bytes: hand over the bytes as they came"):
        verified({NAME: RIGHT}, body)


@pytest.mark.parametrize("headers", [{}, {NAME: "junk"}, {NAME: WRONG}, {NAME: RIGHT}])
def test_size_comes_first(headers: dict[str, str]) -> None:
    """A body that is too large is refused with 413, whatever its headers; the largest that is allowed is looked at."""
    verifier = WebhookVerifier(SECRET, max_body_bytes=len(BODY) - 1)
    with pytest.raises(PayloadError, match="larger") as caught:
        verifier.verify(BODY, headers)
    assert caught.value.http_status == 413
    assert WebhookVerifier(SECRET, max_body_bytes=len(BODY)).verify(BODY, {NAME: RIGHT}).body == BODY


@pytest.fixture
def no_parsing(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whoever parses JSON fails the test."""

    def parsed(*_: object) -> None:
        pytest.fail("it was parsed")

    with monkeypatch.context() as patched:
        patched.setattr(json.JSONDecoder, "decode", parsed)
        patched.setattr(json.JSONDecoder, "raw_decode", parsed)
        yield


@pytest.mark.parametrize("most", [settings.WEBHOOK_MAX_BODY_BYTES, 2 * 2**20])
@pytest.mark.parametrize("filling", [b"[" * 2**20, b'{"a":' * 2**18, b"1" * 2**20, b"[1e5,%s1]" % (b"0," * 2**19)])
@pytest.mark.usefixtures("no_parsing")
def test_a_hostile_megabyte_is_never_parsed(filling: bytes, most: int) -> None:
    """Before it is authenticated nothing but its hash is taken, even where bodies of that size are allowed."""
    with pytest.raises(WebhookError):
        WebhookVerifier(SECRET, max_body_bytes=most).verify(filling, {NAME: f"{WRONG} {RIGHT}"})


@pytest.mark.usefixtures("no_parsing")
@pytest.mark.parametrize("headers", [{}, {NAME: "junk"}, {NAME: f"sha1={DIGITS[:40]}"}])
def test_nothing_is_parsed_without_a_signature(headers: dict[str, str]) -> None:
    """However small the body."""
    with pytest.raises(SignatureError):
        verified(headers)


@pytest.mark.parametrize("form", ["js", "python"])
def test_other_forms_are_tried_up_to_a_size(form: FormName) -> None:
    """`fallback_max_bytes` is the last size that is parsed; above it the raw bytes alone count, of any size."""
    spaced = BODY.replace(b":{}", b': {"n": 1.0}')
    headers = {NAME: sign(spaced, SECRET, form)}
    assert WebhookVerifier(SECRET, fallback_max_bytes=len(spaced)).verify(spaced, headers).form == form
    strict = WebhookVerifier(SECRET, fallback_max_bytes=len(spaced) - 1)
    with pytest.raises(SignatureError, match="wrong"):
        strict.verify(spaced, headers)
    assert strict.verify(spaced, {NAME: sign(spaced, SECRET)}).form == "raw"


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 10_000 + b"]" * 6_000,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"event":' * 20_000,
        b'{"event":"x","n":%s}' % (b"9" * 5_000),
        b'{"event":%s}' % (b"9" * 5_000),
        b"",
        b"null",
        b'"event"',
        b"{}",
        b'{"event":""}',
        b'{"event":1}',
        b'{"event":["client.created"]}',
        b"\xff",
    ],
)
def test_what_no_parser_likes_is_no_event(body: bytes) -> None:
    """Nesting without end, digits without end, no event at all: SignatureError, or PayloadError once it is signed."""
    assert reason({NAME: RIGHT}, body) == "The signature is wrong"
    with pytest.raises(PayloadError) as caught:
        verified({NAME: sign(body, SECRET)}, body)
    assert caught.value.http_status == 400


# --- the bounds ---------------------------------------------------------------------------------------------------


def at(age_s: float, **options: Any) -> Event:
    """The event, `age_s` after it was stamped."""
    return WebhookVerifier(SECRET, clock=lambda: AT + age_s, **options).verify(BODY, {NAME: RIGHT})


def test_an_odd_age_is_flagged() -> None:
    """More than four days old, or more than ten minutes ahead of our clock; both are taken."""
    assert at(0).flags == at(settings.WEBHOOK_OLD_S).flags == at(-settings.WEBHOOK_AHEAD_S).flags == frozenset()
    assert at(settings.WEBHOOK_OLD_S + 1).flags == {"old"}
    assert at(-settings.WEBHOOK_AHEAD_S - 1).flags == {"ahead"}
    assert at(5).received_at == datetime(2024, 1, 15, 9, 0, 5, tzinfo=UTC)


def test_bounds_that_were_asked_for_are_kept() -> None:
    """To the second, each on its own side."""
    assert at(300, max_age_s=300).name == at(-60, max_future_s=60).name == "client.created"
    assert at(10_000, max_future_s=60).name == at(-10_000, max_age_s=300).name == "client.created"
    with pytest.raises(TimestampError, match="too old") as caught:
        at(301, max_age_s=300)
    assert caught.value.http_status == 401
    with pytest.raises(TimestampError, match="ahead"):
        at(-61, max_future_s=60)


@pytest.mark.parametrize("stamp", ["", ',"timestamp":null', ',"timestamp":5', ',"timestamp":"soon"'])
@pytest.mark.parametrize("bound", ["max_age_s", "max_future_s"])
def test_an_event_without_a_readable_time_stamp(stamp: str, bound: str) -> None:
    """Is flagged; with bounds it is refused, since it cannot be within them."""
    body = f'{{"event":"client.created","data":{{}}{stamp}}}'.encode()
    headers = {NAME: sign(body, SECRET)}
    assert verified(headers, body).flags == {"undated"}
    bounds: dict[str, Any] = {bound: 1e9}
    with pytest.raises(TimestampError, match="no time stamp"):
        WebhookVerifier(SECRET, **bounds).verify(body, headers)


# --- whatever comes in --------------------------------------------------------------------------------------------

texts = st.text(st.characters(exclude_categories=[]), max_size=80)
odd = st.none() | st.integers() | texts | st.binary(max_size=80)
header_names = st.sampled_from([NAME, NAME.lower(), NAME.encode(), settings.EVENT_HEADER]) | odd
header_values = st.sampled_from([RIGHT, WRONG, RIGHT.encode(), "sha256="]) | odd | st.lists(odd, max_size=3)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
stamps = st.datetimes().map(datetime.isoformat) | st.sampled_from(
    ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2024-W03-1", "2024-01-15T09:00:00.123456789Z"]
)
event_values = st.fixed_dictionaries(
    {"event": st.sampled_from(["client.created", "client.completed", "flow.created", "x"]) | json_values},
    optional={
        "data": st.dictionaries(st.sampled_from(["client_id", "email", "created_at", "x"]), json_values | stamps)
        | json_values,
        "timestamp": stamps | json_values,
    },
)


@given(
    raw=st.binary(max_size=200) | json_values.map(json.dumps).map(str.encode) | st.just(BODY),
    headers=st.lists(st.tuples(header_names, header_values) | odd | st.tuples(odd), max_size=4)
    | st.dictionaries(header_names, header_values, max_size=3),
)
def test_nothing_but_webhook_errors_escapes(raw: bytes, headers: Any) -> None:
    """Random bytes under random headers: an event that was signed, or a WebhookError."""
    try:
        event = verified(headers, raw)
    except WebhookError:
        return
    assert raw == event.body == BODY


@given(value=json_values | event_values, bounds=st.booleans(), form=st.sampled_from(["raw", "js", "python"]))
def test_nothing_but_webhook_errors_escapes_of_what_was_signed(value: object, bounds: bool, form: FormName) -> None:
    """A sender who holds the secret may sign any JSON: it is an event, or no event."""
    raw = json.dumps(value).encode()
    verifier = WebhookVerifier(SECRET, max_age_s=1e9 if bounds else None, clock=lambda: AT)
    try:
        event = verifier.verify(raw, {NAME: sign(raw, SECRET, form)})
    except (PayloadError, TimestampError):
        return
    assert isinstance(value, dict)
    assert event.name == json.loads(event.body)["event"]
    assert event.semantic_key[0] == event.name


# --- what we were given -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("forms", [(), ("js", "xml"), "xml"])
def test_forms_that_are_none(forms: Any) -> None:
    """Are refused at once, and the sentence names those that there are."""
    with pytest.raises(ConfigurationError, match="raw, js, python"):
        WebhookVerifier(SECRET, forms=forms)
    with pytest.raises(ConfigurationError, match="raw, js, python"):
        sign(BODY, SECRET, "xml")  # type: ignore[arg-type]  # the slip that is tested


@pytest.mark.parametrize("name", ["max_body_bytes", "fallback_max_bytes", "max_age_s", "max_future_s"])
@pytest.mark.parametrize("number", [-1, float("nan"), float("inf")])
def test_bounds_that_cannot_be_meant(name: str, number: float) -> None:
    """Are refused at once: nothing is older than NaN, so that all would be believed."""
    with pytest.raises(ConfigurationError, match=f"{name} must be a number from"):
        WebhookVerifier(SECRET, **{name: number})  # type: ignore[arg-type]  # the slip that is tested
    with pytest.raises(ConfigurationError, match="max_body_bytes must be a number from 1"):
        WebhookVerifier(SECRET, max_body_bytes=0)


def test_no_headers_at_all() -> None:
    """A gateway that says null for none: the signature is missing, as with an empty mapping."""
    with pytest.raises(SignatureError, match="missing"):
        WebhookVerifier(SECRET).verify(BODY, None)  # type: ignore[arg-type]  # what comes in from there


@pytest.mark.parametrize("form", ["js", "python"])
@pytest.mark.parametrize("body", [b"{", b"\xff", b"[" * 100_000])
def test_sign_refuses_what_has_no_other_form(form: FormName, body: bytes) -> None:
    """A body that is no JSON is signed raw or not at all."""
    with pytest.raises(PayloadError, match="no other form to sign"):
        sign(body, SECRET, form)
    assert sign(body, SECRET).startswith("sha256=")


def test_sign_takes_text_and_bytes() -> None:
    """Of the same characters it is the same signature."""
    assert sign("Zoë", SECRET) == sign("Zoë".encode(), SECRET)


def test_events_for_tests_are_signed() -> None:
    """What the factories make is taken by a verifier with their secret."""
    made = factories.client_created(first_name="Zoë")
    assert WebhookVerifier(factories.SECRET).verify(made.body, made.headers).data == made.data
