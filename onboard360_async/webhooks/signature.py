"""The verification ladder: from bytes and headers that anybody may have sent to an event that is to be believed.

Pure: no I/O, no framework. Knows no event from within (`events` does) and how no other form is made (`canonical`).
Source: API page, "Verifying Signatures". Its two samples sign different texts of one body, so a body is tried as it
came and, if that fails, in both other forms; **what is handed on is decoded from the bytes that were signed**, never
from others that merely mean the same.
"""

import hmac
import os
import re
import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final, NamedTuple, TypeVar, cast

from onboard360_async import settings
from onboard360_async.errors import ConfigurationError, PayloadError, SignatureError, TimestampError
from onboard360_async.webhooks.canonical import FORMS
from onboard360_async.webhooks.events import Event, FormName, read_event

__all__ = ["Headers", "Signed", "WebhookVerifier", "sign"]

# A mapping, or pairs as frameworks have them; names and values as text or bytes, a value perhaps a list of them.
Headers = Mapping[str, object] | Mapping[bytes, object] | Iterable[tuple[object, object]]

N = TypeVar("N", int, float)
_SIGNATURE: Final = settings.SIGNATURE_HEADER
_NAMES: Final = ("Content-Type", _SIGNATURE, settings.EVENT_HEADER)
# Nearly every sender and framework spells them in one of these two ways, which saves making the second.
_DOCUMENTED: Final = {name: name for name in _NAMES} | {name.lower(): name for name in _NAMES}
_LENGTHS: Final = frozenset(map(len, _NAMES))  # most others are passed over by a look at their length
_SCHEME: Final = "sha256="
_DIGITS: Final = 64  # hexadecimal, of a SHA-256
_BETWEEN: Final = re.compile(r"[,\s]+")
_BLOCK_BYTES: Final = 64  # of SHA-256
_LIVE_KEY: Final = "sk_live_"
_MOST_HEADER_CHARS: Final = 4096  # of all signatures together; eight of them are some 600


class Signed(NamedTuple):
    """The bytes that were signed, and in which form; `headers` are the documented ones as they came."""

    body: bytes
    form: FormName
    headers: tuple[tuple[str, str], ...]

    def __repr__(self) -> str:
        return f"Signed(<{len(self.body)} bytes>, form={self.form!r})"


class _Keyed:
    """HMAC-SHA256 (RFC 2104) with the secret's half of the work done beforehand, which the library does each time."""

    __slots__ = ("_inner", "_outer")

    def __init__(self, secret: bytes) -> None:
        key = (sha256(secret).digest() if len(secret) > _BLOCK_BYTES else secret).ljust(_BLOCK_BYTES, b"\0")
        self._inner = sha256(bytes(byte ^ 0x36 for byte in key))
        self._outer = sha256(bytes(byte ^ 0x5C for byte in key))

    def digest(self, body: bytes) -> bytes:
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(body)
        outer.update(inner.digest())
        return outer.digest()


class WebhookVerifier:
    """Tells a webhook of 360Onboard from everything else, and reads it.

    1 to 8 `secrets` (several while one is replaced by the next); none: ONBOARD360_WEBHOOK_SECRET. `forms` are the texts
    of a body that may have been signed, tried in that order: "raw" as it came, "js" and "python" as the two samples of
    the API page write it; those two are tried on bodies of at most `fallback_max_bytes`. A body of more than
    `max_body_bytes` is refused unread. With `max_age_s` or `max_future_s` an event whose time stamp is older or further
    ahead is refused; without, it is flagged, since an event that was delivered again by hand is as true as before.
    `strict_event_header` refuses an event whose header names another. `clock` gives seconds since 1970.

    ConfigurationError for secrets or bounds that cannot be meant. Secrets are in no `repr`, log or error.
    """

    def __init__(
        self,
        *secrets: str,
        forms: Iterable[FormName] = ("raw", "js", "python"),
        max_body_bytes: int = settings.WEBHOOK_MAX_BODY_BYTES,
        fallback_max_bytes: int = settings.WEBHOOK_FALLBACK_MAX_BYTES,
        max_age_s: float | None = None,
        max_future_s: float | None = None,
        strict_event_header: bool = False,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self.max_body_bytes: int = _at_least("max_body_bytes", max_body_bytes, 1)
        self._keyed = [_Keyed(secret.encode()) for secret in _checked(secrets)]
        self._forms = _checked_forms(forms)
        self._fallback_max_bytes = _at_least("fallback_max_bytes", fallback_max_bytes, 0)
        self._max_age_s = None if max_age_s is None else _at_least("max_age_s", max_age_s, 0.0)
        self._max_future_s = None if max_future_s is None else _at_least("max_future_s", max_future_s, 0.0)
        self._strict_event_header = strict_event_header
        self._clock = time.time if clock is None else clock

    def __repr__(self) -> str:
        return f"WebhookVerifier(<{len(self._keyed)} secrets>, forms={self._forms})"

    def verify(self, raw: bytes, headers: Headers) -> Event:
        """The event in a body, once it is sure that a holder of the secret has signed it.

        `raw` are the bytes as they came, before any framework has read them; `headers` a mapping, pairs or ASGI's pairs
        of bytes. SignatureError (401) if the signature is missing, malformed or wrong, PayloadError (413) if the body
        is too large, or (400) if what was signed holds no event, TimestampError (401) if bounds were asked for.
        Nothing else is raised, whatever comes in. Source: API page, "Verifying Signatures".
        """
        signed = self.authenticate(raw, headers)
        event = read_event(
            signed.body,
            id=sha256(signed.body).hexdigest(),
            form=signed.form,
            received_at=datetime.fromtimestamp(self._clock(), UTC),
            headers=signed.headers,
        )
        self._check_bounds(event)
        return event

    def authenticate(self, raw: bytes, headers: Headers) -> Signed:
        """The signature alone: the bytes that were signed, undecoded. SignatureError or PayloadError as `verify`."""
        if type(raw) is not bytes:
            raw = _as_bytes(raw)
        if len(raw) > self.max_body_bytes:
            raise PayloadError(f"The body is larger than {self.max_body_bytes:,} bytes.", 413)
        kept, signatures = _documented(headers)
        digests = _digests(signatures)
        for form in self._forms:
            body = raw if form == "raw" else self._other_form(form, raw)
            if body is None:
                continue
            for keyed in self._keyed:
                expected = keyed.digest(body)
                for digest in digests:
                    if hmac.compare_digest(expected, digest):
                        return Signed(body, form, tuple(kept))
        raise SignatureError("The signature is wrong: no secret of ours has signed this body.")

    def _other_form(self, form: FormName, raw: bytes) -> bytes | None:
        """What another writer would have made of this body; None if it is none, or too large to be parsed unproved."""
        if len(raw) > self._fallback_max_bytes:
            return None
        try:
            return FORMS[form](raw)
        except (ValueError, RecursionError):
            return None

    def _check_bounds(self, event: Event) -> None:
        if self._strict_event_header and "event-header" in event.flags:
            raise PayloadError("The event header names another event than the body.")
        if self._max_age_s is None and self._max_future_s is None:
            return
        if event.timestamp is None:
            raise TimestampError("The event has no time stamp that can be read.")
        age_s = (event.received_at - event.timestamp).total_seconds()
        if self._max_age_s is not None and age_s > self._max_age_s:
            raise TimestampError("The event is too old.")
        if self._max_future_s is not None and -age_s > self._max_future_s:
            raise TimestampError("The event is stamped too far ahead of our clock.")


def sign(payload: bytes | str, secret: str, form: FormName = "raw") -> str:
    """The signature of a body, as the header X-360onboard-Signature says it: for tests, and for doubles of the service.

    `form`: what of the body is signed; "raw" the bytes as they are, "js" or "python" as a sender with the one or the
    other sample of the API page. ConfigurationError for a secret or form that is none; PayloadError for a body that is
    no JSON, which has no other form.
    """
    (checked,) = _checked((secret,))
    (name,) = _checked_forms((form,))
    body = payload.encode() if isinstance(payload, str) else bytes(payload)
    try:
        signed = FORMS[name](body)
    except (ValueError, RecursionError):
        raise PayloadError("The body is not JSON in UTF-8, so it has no other form to sign.") from None
    return f"sha256={hmac.new(checked.encode(), signed, 'sha256').hexdigest()}"


# --- what came in -------------------------------------------------------------------------------------------------


def _as_bytes(raw: object) -> bytes:
    if isinstance(raw, bytes | bytearray | memoryview):
        return bytes(raw)
    kind = "text" if isinstance(raw, str) else f"a {type(raw).__name__}"
    raise PayloadError(f"The body is {kind}, not bytes: hand over the bytes as they came, before they are decoded.")


def _documented(headers: Headers) -> tuple[list[tuple[str, str]], list[str]]:
    """The documented headers that are there, each of their values, and of these the signatures once more.

    What is no header is passed over.
    """
    kept: list[tuple[str, str]] = []
    signatures: list[str] = []
    pairs: Iterable[Any] = headers.items() if hasattr(headers, "items") else headers
    for pair in pairs if pairs is not None else ():  # some gateways say null for none
        try:
            name, value = pair
            if len(name) not in _LENGTHS:
                continue
            if type(name) is bytes:
                name = name.decode("latin-1")
            known = _DOCUMENTED.get(name) or _DOCUMENTED.get(name.lower())
        except (TypeError, ValueError, AttributeError):
            continue
        if known is None:
            continue
        if type(value) is bytes:
            value = value.decode("latin-1")
        if type(value) is str:
            kept.append((known, value))
            if known is _SIGNATURE:
                signatures.append(value)
        else:
            texts = _texts(value)
            kept += [(known, text) for text in texts]
            signatures += texts if known is _SIGNATURE else ()
    return kept, signatures


def _texts(value: object) -> list[str]:
    """The values of one header that came as a list, or as no text at all."""
    values = value if isinstance(value, tuple | list) else [value]
    decoded = [each.decode("latin-1") if isinstance(each, bytes) else each for each in values]
    return [each for each in decoded if isinstance(each, str)]


def _digests(signatures: list[str]) -> list[bytes]:
    """What the well-formed signatures say, of at most eight."""
    if not signatures:
        raise SignatureError(f"The signature is missing: there is no {_SIGNATURE} header.")
    if len(signatures) == 1 and (alone := _digest(signatures[0])) is not None:
        return [alone]
    words = _BETWEEN.split(",".join(signatures)[:_MOST_HEADER_CHARS])
    found = [digest for word in words if (digest := _digest(word)) is not None]
    if not found:
        raise SignatureError("The signature is malformed: 64 hexadecimal digits behind sha256= are expected.")
    return found[: settings.WEBHOOK_MOST_SIGNATURES]


def _digest(signature: str) -> bytes | None:
    """What a well-formed signature says; None if it is none."""
    digits = signature.removeprefix(_SCHEME)
    if len(digits) != _DIGITS:
        scheme, digits = signature[:-_DIGITS], signature[-_DIGITS:]
        if scheme.lower() != _SCHEME:
            return None
    try:
        digest = bytes.fromhex(digits)
    except ValueError:
        return None
    return digest if 2 * len(digest) == _DIGITS else None  # fewer when some is white space, which `fromhex` ignores


# --- what we were given -------------------------------------------------------------------------------------------


def _checked(secrets: tuple[str, ...]) -> tuple[str, ...]:
    """The secrets, all different; a warning for what looks like a slip. No message shows one."""
    if not secrets:
        found = os.environ.get(settings.WEBHOOK_SECRET_VARIABLE)
        if found is None:
            raise ConfigurationError(
                f"No webhook secret: give one, or set {settings.WEBHOOK_SECRET_VARIABLE}"
                " (Settings, APIs & Webhooks, Webhooks)."
            )
        secrets = (found,)
    if len(secrets) > settings.WEBHOOK_MOST_SECRETS:
        raise ConfigurationError(f"At most {settings.WEBHOOK_MOST_SECRETS} webhook secrets are tried.")
    for secret in secrets:
        if type(secret) is not str or not secret.strip():
            raise ConfigurationError("A webhook secret is text, and not empty or blank.")
        try:
            secret.encode()
        except UnicodeEncodeError:
            raise ConfigurationError("A webhook secret is text that can be written as UTF-8.") from None
        if secret != secret.strip():
            warnings.warn("A webhook secret has white space around it; it counts.", UserWarning, stacklevel=3)
        if secret.strip().startswith(_LIVE_KEY):
            warnings.warn(
                f"A webhook secret begins with {_LIVE_KEY}, as API keys do; webhooks have a secret of their own.",
                UserWarning,
                stacklevel=3,
            )
    return tuple(dict.fromkeys(secrets))


def _checked_forms(forms: Iterable[FormName]) -> tuple[FormName, ...]:
    names = tuple(dict.fromkeys((forms,) if isinstance(forms, str) else forms))
    if not names or not set(names) <= FORMS.keys():
        raise ConfigurationError(f"The forms of a body are some of {', '.join(FORMS)}.")
    return cast("tuple[FormName, ...]", names)


def _at_least(name: str, number: N, least: N) -> N:
    if not least <= number < float("inf"):  # NaN is neither
        raise ConfigurationError(f"{name} must be a number from {least}.")
    return number
