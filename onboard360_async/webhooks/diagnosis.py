"""Why a webhook was refused: which secret, form or change on the way would explain its signature.

For a person who has a request that should have been right. Judges by the verifier itself; knows no framework, and what
may have happened only as `suspects` tells it. No secret and nothing of a body is in what it says.
(Not named after its function, which would hide behind the module at the package's door.)
"""

import hashlib
import hmac
import os
import re
import warnings
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from typing import Any, Final, cast

from attrs import frozen

from onboard360_async import settings
from onboard360_async.errors import PayloadError, WebhookError
from onboard360_async.webhooks.events import FormName
from onboard360_async.webhooks.signature import Headers, WebhookVerifier
from onboard360_async.webhooks.suspects import (
    Key,
    Text,
    is_compressed,
    is_json,
    keys,
    looks_like_an_api_key,
    read_word,
    texts,
)

__all__ = ["Diagnosis", "diagnose"]

_BETWEEN: Final = re.compile(r"[,\s]+")
_WHERE: Final = "(Settings, APIs & Webhooks, Webhooks)"
_FORMS: Final = {
    "raw": "as it came",
    "js": "as JavaScript writes it (JSON.stringify)",
    "python": "as Python writes it (compact json.dumps)",
}


@frozen(kw_only=True)
class Diagnosis:
    """What `WebhookVerifier` with these secrets says, and why.

    `ok`: it takes the webhook. `form` is the form of the body that was signed, and `secret` the number of the secret
    that signed it, from 1; both None where none fits. A secret or body that fits only when it is changed is told of in
    `findings`: sentences for people, the most telling first.
    """

    ok: bool
    form: FormName | None
    secret: int | None
    findings: tuple[str, ...]


@frozen
class _Word:
    """One value of the signature header: its digest, if it has one, and what is wrong with how it is written."""

    digest: bytes | None
    complaint: str


@frozen
class _Match:
    text: Text
    key: Key
    word: _Word


@frozen(repr=False)
class _Case:
    """What came, what it was held against, and what was found."""

    body: bytes
    headers: list[tuple[object, object]]
    words: list[_Word]
    secrets: tuple[str, ...]
    match: _Match | None
    refusal: WebhookError | None


def diagnose(raw: bytes, header: str | Headers | None, secrets: str | Iterable[str] = ()) -> Diagnosis:
    """What is wrong with a webhook, if anything is, and what to do next.

    `raw` are the bytes as they came, `header` the value of X-360onboard-Signature or all headers, `secrets` as for
    WebhookVerifier (none: ONBOARD360_WEBHOOK_SECRET), whose ConfigurationError it raises. Takes its time (up to some
    seconds for a large body): for a person's question, not for every request. Source: API page, "Verifying Signatures".
    """
    given = _given(secrets)
    headers = _pairs(header)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what it would warn of is found below
        verifier = WebhookVerifier(*given)
    refusal: WebhookError | None = None
    try:
        verifier.verify(raw, headers)
    except WebhookError as error:
        refusal = error
    if not issubclass(type(raw), (bytes, bytearray, memoryview)):
        return Diagnosis(ok=False, form=None, secret=None, findings=(str(refusal),))
    body = bytes(raw)
    words = [_Word(*read_word(word)) for value in _signatures(headers) for word in _BETWEEN.split(value) if word]
    match = _match(body, words, given)
    case = _Case(body, headers, words, given, match, refusal)
    return Diagnosis(
        ok=refusal is None,
        form=match.text.form if match else None,
        secret=match.key.number if match else None,
        findings=tuple(dict.fromkeys(_findings(case))),
    )


# --- what is looked at --------------------------------------------------------------------------------------------


def _given(secrets: str | Iterable[str]) -> tuple[str, ...]:
    given = (secrets,) if isinstance(secrets, str) else tuple(secrets)
    found = os.environ.get(settings.WEBHOOK_SECRET_VARIABLE)
    return given if given or found is None else (found,)


def _pairs(header: str | Headers | None) -> list[tuple[object, object]]:
    if header is None:
        return []
    if isinstance(header, str):
        return [(settings.SIGNATURE_HEADER, header)]
    pairs = header.items() if hasattr(header, "items") else header
    known = [pair for pair in cast("Iterable[Any]", pairs) if isinstance(pair, tuple | list)]
    return [(pair[0], pair[1]) for pair in known if len(pair) == 2]


def _text(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _signatures(headers: list[tuple[object, object]]) -> list[str]:
    """The values of the signature header."""
    found = [value for name, value in headers if _text(name).lower() == settings.SIGNATURE_HEADER.lower()]
    values = [each for value in found for each in (value if isinstance(value, tuple | list) else [value])]
    return [_text(value) for value in values if isinstance(value, str | bytes)]


def _match(body: bytes, words: list[_Word], secrets: tuple[str, ...]) -> _Match | None:
    """The first of the likely texts and keys that explains a signature; those as they were given come first."""
    readable = [(word.digest, word) for word in words if word.digest is not None]
    if not readable:
        return None
    tried = sorted((key for number, secret in enumerate(secrets, 1) for key in keys(number, secret)), key=_is_changed)
    keyed = [(key, hmac.new(key.key, digestmod="sha256")) for key in tried]
    few = [(key, mac) for key, mac in keyed if not key.told]
    for text in texts(body):
        small = not text.told or len(body) <= settings.WEBHOOK_FALLBACK_MAX_BYTES  # else it would take a minute
        for key, start in keyed if small else few:
            mac = start.copy()
            mac.update(text.body)
            expected = mac.digest()
            for digest, word in readable:
                if hmac.compare_digest(expected, digest):
                    return _Match(text, key, word)
    return None


def _is_changed(key: Key) -> bool:
    return bool(key.told)


# --- what is said -------------------------------------------------------------------------------------------------


def _findings(case: _Case) -> Iterator[str]:
    if case.refusal is None and case.match is not None:
        yield f"The signature is right. {_who(case.match)}."
        return
    yield from _of_the_header(case)
    yield from _of_a_match(case, case.match) if case.match is not None else _of_no_match(case)


def _who(match: _Match) -> str:
    return f"Secret {match.key.number} signed the body {_FORMS[match.text.form or 'raw']}"


def _of_the_header(case: _Case) -> Iterator[str]:
    name = settings.SIGNATURE_HEADER
    if case.words:
        is_malformed = all(word.complaint for word in case.words)
        shown = case.words if is_malformed else [case.match.word] if case.match else []
        for word in shown[: settings.WEBHOOK_MOST_SIGNATURES]:
            if word.complaint:
                yield f"The signature {word.complaint}. Expected are 64 hexadecimal digits, alone or behind sha256=."
    elif _signatures(case.headers):
        yield f"The signature is missing: the header {name} is empty."
    elif any(_text(other).upper() == f"HTTP_{name.upper().replace('-', '_')}" for other, _ in case.headers):
        yield "The headers are named as in a WSGI environ: hand over the request's headers, not its environ."
    else:
        yield f"The signature is missing: there is no {name} header. Look whether a proxy drops it on the way."


def _of_a_match(case: _Case, match: _Match) -> Iterator[str]:
    if match.text.told or match.key.told:
        yield from (told for told in (match.text.told, match.key.told) if told)
        if not match.key.told:
            yield f"Secret {match.key.number} is the right one."
        return
    who = _who(match)
    if isinstance(case.refusal, PayloadError):
        is_large = case.refusal.http_status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        advice = "Raise max_body_bytes." if is_large else "Ask the sender what it is."
        yield f"{who}, so the signature is right. {case.refusal.reason} {advice}"
    elif match.word.complaint:
        yield f"{who}, so the signature is right but for how it is written."
    elif match.text.form != "raw" and len(case.body) > settings.WEBHOOK_FALLBACK_MAX_BYTES:
        most = settings.WEBHOOK_FALLBACK_MAX_BYTES
        yield f"{who}, which is tried on bodies of up to {most:,} bytes only: raise fallback_max_bytes."
    else:
        most = settings.WEBHOOK_MOST_SIGNATURES
        yield f"{who}, but that signature stands behind too many others: the first {most} are tried."


def _of_no_match(case: _Case) -> Iterator[str]:
    if not case.body:
        yield "The body is empty: something read it before (a framework, a middleware). Take its bytes first of all."
    for number, secret in enumerate(case.secrets, 1):
        if beginning := looks_like_an_api_key(secret):
            yield f"Secret {number} begins with {beginning}, as API keys do: take the webhooks' own secret {_WHERE}."
    if any(hashlib.sha256(case.body).digest() == word.digest for word in case.words):
        yield "The signature is the SHA-256 of the body without a secret, as anybody can make it: do not believe it."
    if is_compressed(case.body):
        yield "The body is compressed (gzip): have it inflated before it is verified."
    elif len(case.body) > settings.WEBHOOK_MAX_BODY_BYTES:
        yield f"The body is larger than {settings.WEBHOOK_MAX_BODY_BYTES:,} bytes, so no other form of it was tried."
    elif case.body and not is_json(case.body):
        yield "The body cannot be read as JSON in UTF-8: look at what reads it, and at its encoding, on the way."
    if "\ufffd".encode() in case.body:
        yield "The body has U+FFFD in it, which stands for what could not be read: what was signed was lost on the way."
    if any(word.digest is not None for word in case.words):
        yield (
            "No secret of these signed this body in any form we know: copy the secret anew from 360Onboard"
            f" {_WHERE}, and hand over the body's bytes as they came."
        )
