"""What `diagnose` tells of a webhook that was refused: the one thing that explains it, and nothing that is secret."""

import base64
import gzip
import hashlib
import hmac
import html
import json
import subprocess
import sys
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onboard360_async import settings
from onboard360_async.errors import ConfigurationError, WebhookError
from onboard360_async.webhooks import Diagnosis, WebhookVerifier, diagnose, sign
from onboard360_async.webhooks.suspects import keys, texts

SECRET = "whsec_aHVzaGh1c2ghaHVzaA"
OTHER = "whsec_zebra"
NAME = settings.SIGNATURE_HEADER
VALUE = {
    "event": "client.created",
    "data": {"link": "https://a/b", "first_name": "Zoë <&>", "n": 1.5, "list": [1, {}]},
    "timestamp": "2024-01-15T09:00:00Z",
}
BODY = json.dumps(VALUE, ensure_ascii=False, separators=(",", ":")).encode()
SPACED = json.dumps(VALUE).encode()
RIGHT = sign(BODY, SECRET)
WRONG = f"sha256={'0' * 64}"


def mac(body: bytes, key: bytes) -> str:
    return f"sha256={hmac.new(key, body, 'sha256').hexdigest()}"


def found(raw: Any, header: Any, *secrets: str) -> Diagnosis:
    """What is found; it never shows a secret or anything of the body."""
    diagnosis = diagnose(raw, header, secrets or (SECRET,))
    shown = repr(diagnosis)
    assert all(hidden not in shown for hidden in ("aHVz", "hush", "zebra", "Zo", "a/b", "client.created"))
    assert all(finding and finding == finding.strip() for finding in diagnosis.findings)
    assert diagnosis.findings
    return diagnosis


def first(raw: Any, header: Any, *secrets: str) -> str:
    diagnosis = found(raw, header, *secrets)
    assert not diagnosis.ok
    return diagnosis.findings[0]


@pytest.mark.parametrize("form", ["raw", "js", "python"])
@pytest.mark.parametrize("number", [1, 2])
def test_what_is_right(form: Any, number: int) -> None:
    """Says which secret signed it, and in which form."""
    secrets = (SECRET, OTHER) if number == 1 else (OTHER, SECRET)
    raw = SPACED.replace(b"1.5", b"1.50")
    diagnosis = found(raw, sign(raw, SECRET, form), *secrets)
    assert (diagnosis.ok, diagnosis.form, diagnosis.secret) == (True, form, number)
    assert diagnosis.findings[0].startswith(f"The signature is right. Secret {number} signed the body as ")


# --- the header ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {NAME: RIGHT},
        [(b"x-360onboard-signature", RIGHT.encode())],
        [("Host", "x"), (NAME.upper(), [WRONG, RIGHT]), ("odd",), None],
        RIGHT,
        f"sha1=00, {RIGHT}",
    ],
)
def test_a_header_or_all_of_them(headers: Any) -> None:
    """Both are taken, as the verifier takes them."""
    assert found(BODY, headers).ok


@pytest.mark.parametrize(
    ("header", "told"),
    [
        (None, "there is no X-360onboard-Signature header"),
        ({"Host": "x"}, "there is no X-360onboard-Signature header"),
        ({NAME: None}, "there is no X-360onboard-Signature header"),
        ("", "the header X-360onboard-Signature is empty"),
        ({NAME: " "}, "the header X-360onboard-Signature is empty"),
        ({"HTTP_X_360ONBOARD_SIGNATURE": RIGHT}, "not its environ"),
        (f"sha256={RIGHT[-63:]}", "has 63 hexadecimal digits, not 64 (was it cut?)"),
        (f"sha1={'a' * 40}", "has 40 hexadecimal digits, not 64 (as of SHA-1)"),
        (f"sha512={'a' * 128}", "(as of SHA-512)"),
        ("sha256=<signature>", "is no hexadecimal number"),
        ("whsec_aHVzaA", "is no hexadecimal number"),
    ],
)
def test_a_header_that_holds_no_signature(header: Any, told: str) -> None:
    """Missing, empty, cut, of another kind: said in these words, before anything else."""
    diagnosis = found(BODY, header)
    assert told in diagnosis.findings[0]
    assert (diagnosis.ok, diagnosis.form, diagnosis.secret) == (False, None, None)


@pytest.mark.parametrize(
    ("header", "told"),
    [
        (f'"{RIGHT}"', "has quotes or brackets around it"),
        (f"<{RIGHT}>", "has quotes or brackets around it"),
        (RIGHT.replace("=", ":"), "names another scheme"),
        (RIGHT.replace("sha256", "v1"), "names another scheme"),
        (base64.b64encode(bytes.fromhex(RIGHT[7:])).decode(), "is written in Base64"),
        (f"sha256={base64.urlsafe_b64encode(bytes.fromhex(RIGHT[7:])).decode()}", "is written in Base64"),
    ],
)
def test_a_right_signature_that_is_written_otherwise(header: str, told: str) -> None:
    """Says what is odd about it, and that it is right but for that; also beside others that are well formed."""
    for value in (header, f"{WRONG} {header}"):
        diagnosis = found(BODY, value)
        assert told in diagnosis.findings[0]
        assert "right but for how it is written" in diagnosis.findings[1]
        assert (diagnosis.ok, diagnosis.form, diagnosis.secret) == (False, "raw", 1)


def test_a_signature_behind_too_many_others() -> None:
    """Is found, where the verifier stops."""
    assert "behind too many others: the first 8" in first(BODY, ",".join([WRONG] * 8 + [RIGHT]))


def test_a_signature_that_needs_no_secret() -> None:
    """The plain hash of the body proves nothing, and is not to be believed."""
    assert "without a secret" in first(BODY, f"sha256={hashlib.sha256(BODY).hexdigest()}")


# --- the secret ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "signer", "told"),
    [
        (f" {SECRET}", SECRET.encode(), "Secret 2 has white space around it, which counts: remove it."),
        (f"{SECRET}\n", SECRET.encode(), "Secret 2 has white space around it, which counts: remove it."),
        (SECRET, f"{SECRET}\n".encode(), "Secret 2 matches only with a newline behind it"),
        (SECRET, f"{SECRET}\r\n".encode(), "Secret 2 matches only with CR LF behind it"),
        (SECRET, f" {SECRET}".encode(), "Secret 2 matches only with a space before it"),
        (f'"{SECRET}"', SECRET.encode(), "Secret 2 has quotes around it"),
        (SECRET, SECRET[6:].encode(), "Secret 2 matches without its whsec_"),
        (SECRET[6:], SECRET.encode(), "Secret 2 matches with whsec_ before it"),
        (SECRET, b"hushhush!hush", "Secret 2 matches when it is decoded from Base64, without its whsec_."),
        (SECRET[6:], b"hushhush!hush", "Secret 2 matches when it is decoded from Base64."),
        (
            f"whsec_{b'hush'.hex()}",
            b"hush",
            "Secret 2 matches when it is decoded from hexadecimal, without its whsec_.",
        ),
    ],
)
def test_a_secret_that_is_nearly_right(given: str, signer: bytes, told: str) -> None:
    """Says by its number which one, what about it, and what to do; in any form of the body."""
    for form, raw in (("raw", BODY), ("js", SPACED)):
        diagnosis = found(raw, mac(BODY, signer), OTHER, given)
        assert diagnosis.findings[0].startswith(told)
        assert (diagnosis.ok, diagnosis.form, diagnosis.secret) == (False, form, 2)


@pytest.mark.parametrize("beginning", ["sk_live_", "sk_test_"])
def test_an_api_key_in_place_of_the_secret(beginning: str) -> None:
    """Is seen by how it begins, and the sentence says where the right one is."""
    told = first(BODY, RIGHT, f"{beginning}hush")
    assert told.startswith(f"Secret 1 begins with {beginning}, as API keys do")
    assert "(Settings, APIs & Webhooks, Webhooks)" in told
    assert found(BODY, sign(BODY, SECRET), f"{beginning}hush", SECRET).ok


def test_secrets_as_the_verifier_takes_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """One or several, or from the environment; what the verifier refuses is refused, and nothing is warned of twice."""
    assert diagnose(BODY, RIGHT, SECRET).ok
    assert diagnose(BODY, RIGHT, iter([OTHER, SECRET])).secret == 2
    assert diagnose(BODY, RIGHT, [f"{SECRET} ", SECRET]).secret == 2  # which needs no change
    for wrong in ("", [""], [OTHER] * 9, ()):
        with pytest.raises(ConfigurationError):
            diagnose(BODY, RIGHT, wrong)
    monkeypatch.setenv("ONBOARD360_WEBHOOK_SECRET", SECRET)
    assert diagnose(BODY, RIGHT).secret == 1


def test_a_secret_that_is_not_among_them() -> None:
    """Where nothing explains the signature, the last word is what to look at."""
    diagnosis = found(BODY, WRONG, SECRET, OTHER)
    assert [finding.partition(":")[0] for finding in diagnosis.findings] == [
        "No secret of these signed this body in any form we know"
    ]
    assert (diagnosis.ok, diagnosis.form, diagnosis.secret) == (False, None, None)


# --- the body -----------------------------------------------------------------------------------------------------

PRETTY = json.dumps(VALUE, indent=2, ensure_ascii=False).encode()
EURO = BODY.replace(b"1.5", '"€"'.encode())
CHANGED = {
    "white space was added around it": (SPACED, SPACED + b"\n"),
    "a newline at its end is gone": (SPACED + b"\n", SPACED),
    "a newline (CR LF) at its end is gone": (SPACED + b"\r\n", SPACED),
    "its line feeds have become CR LF": (PRETTY, PRETTY.replace(b"\n", b"\r\n")),
    "its CR LF have become line feeds": (PRETTY.replace(b"\n", b"\r\n"), PRETTY),
    "a byte order mark was put before it": (BODY, b"\xef\xbb\xbf" + BODY),
    "the byte order mark before it is gone": (b"\xef\xbb\xbf" + BODY, BODY),
    "it is in UTF-16 or UTF-32": (BODY, BODY.decode().encode("utf-16")),
    "it was compressed with gzip": (BODY, gzip.compress(BODY)),
    "it was wrapped into a field of a web form": (BODY, urlencode({"x": "1", "payload": BODY}).encode()),
    "it was percent-encoded": (BODY, quote(BODY).encode()),
    "it was wrapped into a JSON string": (BODY, json.dumps(BODY.decode()).encode()),
    "it was escaped as HTML": (BODY, html.escape(BODY.decode()).encode()),
    "its UTF-8 was read as Latin-1": (BODY, BODY.decode("latin-1").encode()),
    "its UTF-8 was read as Windows-1252": (EURO, EURO.decode("cp1252").encode()),
    "it is in Latin-1": (BODY, BODY.decode().encode("latin-1")),
    "it is in Windows-1252": (EURO, EURO.decode().encode("cp1252")),
    "written otherwise: with a space behind each comma and colon, in ASCII. ": (SPACED, BODY),
    "written otherwise: with a space behind each comma and colon. ": (
        json.dumps(VALUE, ensure_ascii=False).encode(),
        BODY,
    ),
    "written otherwise: indented by 2, in ASCII. ": (json.dumps(VALUE, indent=2).encode(), BODY),
    "written otherwise: indented by 2. ": (PRETTY, BODY),
    "written otherwise: indented by 4, and with a newline at its end. ": (
        json.dumps(VALUE, indent=4, ensure_ascii=False).encode() + b"\n",
        BODY,
    ),
    "compact, in ASCII, with slashes escaped (as PHP does)": (
        json.dumps(VALUE, separators=(",", ":")).replace("/", "\\/").encode(),
        BODY,
    ),
    "compact, with <, > and & escaped (as Go does)": (
        BODY.replace(b"<", b"\\u003c").replace(b">", b"\\u003e").replace(b"&", b"\\u0026"),
        BODY,
    ),
    "compact, in ASCII, with its names sorted": (
        json.dumps(VALUE, separators=(",", ":"), sort_keys=True).encode(),
        BODY,
    ),
}


@pytest.mark.parametrize("told", CHANGED)
def test_a_body_that_was_changed_on_its_way(told: str) -> None:
    """Says what was done to it, which secret is right, and to hand over the bytes as they came."""
    signed, came = CHANGED[told]
    diagnosis = found(came, sign(signed, SECRET), OTHER, SECRET)
    assert told in diagnosis.findings[0]
    assert "Hand over the bytes as they came" in diagnosis.findings[0]
    assert diagnosis.findings[1] == "Secret 2 is the right one."
    assert (diagnosis.ok, diagnosis.form, diagnosis.secret) == (False, None, 2)


def test_two_things_at_once() -> None:
    """A secret with a newline and a body that was written anew are both told."""
    diagnosis = found(BODY, sign(SPACED, SECRET), f"{SECRET}\n")
    assert "written otherwise" in diagnosis.findings[0]
    assert "white space around it" in diagnosis.findings[1]
    assert len(diagnosis.findings) == 2


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (b"", "The body is empty: something read it before"),
        (b"<html>", "The body cannot be read as JSON in UTF-8"),
        (b"\x1f\x8bhush", "The body is compressed (gzip)"),
        (BODY.replace("ë".encode(), "\ufffd".encode()), "The body has U+FFFD in it"),
        (b" " * 300_000, "The body is larger than 262,144 bytes, so no other form of it was tried."),
    ],
)
@pytest.mark.parametrize("header", [RIGHT, None])
def test_a_body_that_is_lost(raw: bytes, told: str, header: str | None) -> None:
    """What can be seen of it is told, also where the signature is missing as well."""
    assert told in found(raw, header).findings[0 if header else 1]


@pytest.mark.parametrize(("raw", "kind"), [(BODY.decode(), "text"), (VALUE, "a dict"), (None, "a NoneType")])
def test_a_body_that_is_not_bytes(raw: Any, kind: str) -> None:
    """Says so in the verifier's words."""
    assert first(raw, RIGHT).startswith(f"The body is {kind}, not bytes: hand over the bytes")


@pytest.mark.parametrize(
    ("raw", "form", "told"),
    [
        (b'{"data":{}}', "raw", "does not say which event it is. Ask the sender"),
        (BODY.decode().encode("utf-16"), "raw", "not JSON in UTF-8. Ask the sender"),
        (BODY + b" " * 300_000, "raw", "larger than 262,144 bytes. Raise max_body_bytes."),
        (BODY + b" " * 20_000, "js", "of up to 16,384 bytes only: raise fallback_max_bytes."),
    ],
)
def test_a_right_signature_of_what_is_not_taken(raw: bytes, form: Any, told: str) -> None:
    """The secret is not to blame, and that is said first."""
    diagnosis = found(raw, sign(raw, SECRET, form))
    assert diagnosis.findings[0].startswith("Secret 1 signed the body as ")
    assert told in diagnosis.findings[0]
    assert (diagnosis.ok, diagnosis.form, diagnosis.secret) == (False, form, 1)


# --- whatever comes in --------------------------------------------------------------------------------------------


@given(
    raw=st.binary(max_size=80) | st.text(max_size=20).map(lambda text: json.dumps({"event": text}).encode()),
    header=st.none()
    | st.text(max_size=70)
    | st.lists(st.tuples(st.just(NAME), st.sampled_from([RIGHT, WRONG, None, 5]))),
    secrets=st.lists(st.sampled_from([SECRET, OTHER, "ü", '"', "whsec_"]), min_size=1, max_size=3),
    signed=st.none() | st.sampled_from(["raw", "js", "python"]),
)
def test_it_says_what_the_verifier_says(raw: bytes, header: Any, secrets: list[str], signed: Any) -> None:
    """Nothing escapes, something is always found, and `ok` is the verifier's own word, down to the form."""
    try:
        header = sign(raw, secrets[-1], signed) if signed else header
        headers = {NAME: header} if isinstance(header, str) else header or {}
        event = WebhookVerifier(*secrets).verify(raw, headers)
    except WebhookError:
        event = None
    diagnosis = diagnose(raw, header, secrets)
    assert diagnosis.findings
    assert diagnosis.ok == (event is not None)
    assert event is None or diagnosis.form == event.form


def test_what_is_nested_deeply_is_only_not_explained() -> None:
    """Deep nesting and long numbers end no diagnosis."""
    for raw in (b"[" * 50_000, b'{"a":' * 300 + b"1" + b"}" * 300, b"[" * 900 + b"]" * 900, b"9" * 5_000):
        assert "No secret of these" in found(raw, WRONG).findings[-1]


def test_a_large_hostile_body_is_not_indented(monkeypatch: pytest.MonkeyPatch) -> None:
    """A deeply nested body of 200 kB would be written as megabytes, again and again; a small one may be."""
    indents: set[object] = set()

    def dumps(value: object, indent: object = None, **_: object) -> str:
        indents.add(indent)
        return "1"

    monkeypatch.setattr(json, "dumps", dumps)
    assert list(texts(b"[" * 300 + b"0," * 100_000 + b"0" + b"]" * 300))
    assert indents == {None}
    assert list(texts(BODY))
    assert indents == {None, 2, 4, "\t"}


def test_what_is_tried_shows_nothing_either() -> None:
    """Texts and keys are kept out of `repr`, for those whose crash reports hold local variables."""
    shown = repr([*texts(BODY), *keys(1, SECRET)])
    assert all(hidden not in shown for hidden in ("aHVz", "hush", "Zo", "a/b"))


@pytest.mark.parametrize("before", ["", "import onboard360_async.webhooks.diagnosis\n"])
def test_the_door_has_the_function(before: str) -> None:
    """Whatever was imported before: no module stands in its place."""
    program = (
        f"{before}from onboard360_async.webhooks import Diagnosis, diagnose\nassert diagnose(b'', None, 'x').findings"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=15)
