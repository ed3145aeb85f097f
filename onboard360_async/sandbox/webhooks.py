"""An endpoint that webhooks are sent to: where, of what, signed with what, and how badly. Sends nothing itself."""

import math
import re
import secrets
import sys
from collections.abc import Iterable, Mapping
from typing import Final, TypedDict

from attrs import field, frozen

from onboard360_async.sandbox.events import EVENTS
from onboard360_async.sandbox.sealing import TAMPERINGS

__all__ = ["RETRIES", "Webhook", "WebhookOptions"]

# UNDOCUMENTED: whether and when the service sends again; seconds after each failed attempt. "standard" is the schedule
# that the Standard Webhooks specification gives as its example: nine times more within about three days.
# Pinned by tests/sandbox/test_deliveries.py (test_the_named_retries).
_MOST_DUPLICATES: Final = 100  # our choice: all are made at once, and the log keeps them
RETRIES: Final[Mapping[str, tuple[float, ...]]] = {
    "none": (),
    "standard": (5.0, 300.0, 1800.0, 7200.0, 18e3, 36e3, 50.4e3, 72e3, 86.4e3),
}
_URL: Final = re.compile(
    r"https?://(?P<host>\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?([/?#]\S*)?", re.IGNORECASE
)
_BYTE: Final = "(25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])"
_LOOPBACK: Final = re.compile(rf"localhost|127(\.{_BYTE}){{3}}|\[::1\]", re.IGNORECASE)


class WebhookOptions(TypedDict, total=False):
    """What an endpoint may be told beside its URL; see `Webhook`."""

    secret: str | Iterable[str] | None
    events: str | Iterable[str]
    retries: str | Iterable[float]
    time_scale: float
    duplicates: int
    reorder: float
    seed: int
    tamper: str | None


def _checked_secrets(secret: object) -> tuple[str, ...]:
    """The secrets, a new one if none is given; no message shows one."""
    if secret is None:
        return (f"whsec_test_{secrets.token_hex(16)}",)
    if isinstance(secret, str) or not isinstance(secret, Iterable):
        return (_checked_secret(secret),)
    checked = tuple(dict.fromkeys(map(_checked_secret, secret)))
    if not checked:
        raise ValueError("a webhook must have a secret, or several")
    return checked


def _checked_secret(secret: object) -> str:
    if not isinstance(secret, str):
        raise ValueError(f"the secret of a webhook must be text, not {type(secret).__name__}")  # noqa: TRY004 - as all
    if not secret or secret != secret.strip():
        raise ValueError("the secret of a webhook must not be empty, nor have white space around it")
    if any("\ud800" <= letter <= "\udfff" for letter in secret):
        raise ValueError("the secret of a webhook must be whole characters, no lone surrogates")
    return secret


def _checked_events(events: str | Iterable[str]) -> tuple[str, ...]:
    try:
        asked = {events} if isinstance(events, str) else set(events)
    except TypeError:
        asked = set()
    if not asked or asked - set(EVENTS):
        raise ValueError(f"the events of a webhook must be some of: {', '.join(EVENTS)}")
    return tuple(name for name in EVENTS if name in asked)


def _checked_retries(retries: str | Iterable[float]) -> tuple[float, ...]:
    if isinstance(retries, str):
        if retries not in RETRIES:
            raise ValueError(f"there are no retries {retries!r}; choose {' or '.join(RETRIES)}, or give the seconds")
        return RETRIES[retries]
    try:
        waits = tuple(map(float, retries))
    except (TypeError, ValueError, OverflowError):
        waits = (math.nan,)
    if not all(math.isfinite(wait_s) and wait_s >= 0 for wait_s in waits):
        raise ValueError(f"retries of a webhook must be numbers of seconds, as in (5, 30), not {retries!r}")
    return waits


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and abs(value) <= sys.float_info.max


@frozen(kw_only=True)
class Webhook:
    """One endpoint, and the switches for what goes wrong on the way to it. ValueError for what cannot be meant."""

    id: str = field(factory=lambda: f"wh_{secrets.token_hex(6)}")
    url: str = field(repr=lambda url: repr(url.partition("?")[0]))  # a query may hold a secret
    # Generated if none is given. UNDOCUMENTED: how a secret is replaced; of several each signs, in one header, between
    # commas. Pinned by tests/sandbox/test_publishing.py (test_of_several_secrets_each_signs).
    secrets: tuple[str, ...] = field(default=None, alias="secret", converter=_checked_secrets, repr=False)
    events: tuple[str, ...] = field(default=EVENTS, converter=_checked_events)  # the others are not sent here
    retries: tuple[float, ...] = field(default="standard", converter=_checked_retries)  # a name, or seconds before each
    time_scale: float = 1.0  # of the retries: 0.001 makes seconds of hours, 0 waits for nothing
    duplicates: int = 0  # how many times more each delivery is sent, with the same bytes and at the same time
    reorder: float = 0.0  # the probability that a delivery is held back, to be sent after the next one
    seed: int = 0  # of the dice that `reorder` throws: the same seed, the same order
    tamper: str | None = None  # one of TAMPERINGS

    def __attrs_post_init__(self) -> None:
        found = _URL.fullmatch(self.url) if isinstance(self.url, str) else None
        if found is None or not self.url.isascii() or not 1 <= int(found["port"] or 80) <= 65535:
            raise ValueError("the URL of a webhook must be as in http://127.0.0.1:8000/hook, in ASCII, without a user")
        if not (_is_number(self.time_scale) and self.time_scale >= 0):
            raise ValueError(f"time_scale of a webhook must be a number from 0, not {self.time_scale!r}")
        if not (isinstance(self.duplicates, int) and 0 <= self.duplicates <= _MOST_DUPLICATES):
            raise ValueError(
                f"duplicates of a webhook must be a whole number from 0 to {_MOST_DUPLICATES}, not {self.duplicates!r}"
            )
        if not (_is_number(self.reorder) and 0 <= self.reorder <= 1):
            raise ValueError(f"reorder of a webhook must be a number between 0 and 1, not {self.reorder!r}")
        if not isinstance(self.seed, int):
            raise ValueError(f"seed of a webhook must be a whole number, not {self.seed!r}")  # noqa: TRY004 - as all
        if self.tamper is not None and self.tamper not in tuple(TAMPERINGS):
            raise ValueError(f"there is no tampering {self.tamper!r}; choose one of: {', '.join(TAMPERINGS)}")

    @property
    def secret(self) -> str:
        """The first of the secrets."""
        return self.secrets[0]

    @property
    def is_local(self) -> bool:
        """Whether it is on this machine for sure: `localhost`, 127.0.0.0/8 or ::1."""
        found = _URL.fullmatch(self.url)
        return found is not None and _LOOPBACK.fullmatch(found["host"]) is not None

    @property
    def waits_s(self) -> tuple[float, ...]:
        """Seconds before each retry, as scaled."""
        return tuple(wait_s * self.time_scale for wait_s in self.retries)
