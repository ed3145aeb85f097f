"""What a webhook says, as typed values: one class for each event of the API page, and one for all others.

An event is read from the bytes that were signed and from nothing else. Knows no signature and no HTTP.
Source: API page, "Supported Events" and "Webhook Format" (which shows the data of `client.created` alone).
"""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, Literal

from attrs import field, frozen

from onboard360_async import settings
from onboard360_async.codec.times import utc_time
from onboard360_async.errors import PayloadError
from onboard360_async.models import NOTHING_EXTRA, WithExtra
from onboard360_async.webhooks.canonical import strict_json

__all__ = [
    "ClientCompleted",
    "ClientCreated",
    "ClientData",
    "Event",
    "Flag",
    "FlowCreated",
    "FlowData",
    "FormName",
    "UnknownData",
    "UnknownEvent",
    "read_event",
]

FormName = Literal["raw", "js", "python"]
Flag = Literal["old", "ahead", "undated", "event-header", "data"]
_NO_FLAGS: Final[frozenset[Flag]] = frozenset()
_EVENT_HEADER: Final = settings.EVENT_HEADER


# No class here has slots: attrs makes a frozen object without them in half the time.
@frozen(slots=False)
class ClientData(WithExtra):
    """The client of an event. Every field may be None; what the page does not name is in `extra`.

    UNDOCUMENTED: the page shows these fields for `client.created` alone; for `client.completed` we take the same,
    and no event is refused for what it lacks or adds (tests/webhooks/test_events.py).
    """

    client_id: str | None = None
    campaign_id: str | None = None
    campaign_name: str | None = None
    first_name: str | None = field(default=None, repr=False)
    last_name: str | None = field(default=None, repr=False)
    email: str | None = field(default=None, repr=False)
    company_name: str | None = field(default=None, repr=False)
    phone: str | None = field(default=None, repr=False)
    link: str | None = field(default=None, repr=False)
    created_at: datetime | None = None
    extra: Mapping[str, object] = field(default=NOTHING_EXTRA, repr=False, hash=False)

    @property
    def subject(self) -> str | None:
        """Which client the event is about. Never the campaign: its clients are not one."""
        return self.client_id or None


@frozen(slots=False)
class FlowData(WithExtra):
    """The campaign of an event. Every field may be None; what we do not name is in `extra`.

    UNDOCUMENTED: the page does not show the data of `flow.created`; we take the names that `client.created` has
    (tests/webhooks/test_events.py).
    """

    campaign_id: str | None = None
    campaign_name: str | None = None
    created_at: datetime | None = None
    extra: Mapping[str, object] = field(default=NOTHING_EXTRA, repr=False, hash=False)

    @property
    def subject(self) -> str | None:
        """Which campaign the event is about."""
        return self.campaign_id


@frozen(slots=False)
class UnknownData(WithExtra):
    """The data of an event that we do not know, all of it in `extra`."""

    extra: Mapping[str, object] = field(default=NOTHING_EXTRA, repr=False, hash=False)

    @property
    def subject(self) -> str | None:
        """Which client the event seems to be about."""
        found = self.extra.get("client_id")
        return found if found and isinstance(found, str) else None


@frozen(kw_only=True, slots=False)
class Event:
    """A webhook whose signature was right.

    `id` is the SHA-256 of the bytes that were signed, in hex: the same for every delivery of the same bytes.
    `form` says which text of the body was signed: as it came, as JavaScript or as Python writes it.
    `timestamp` is the sender's, `received_at` our own clock's; both in UTC. `body` is what was signed, and `headers`
    are the documented ones as they came, so that the event can be kept and handed on.

    `flags`: "old" (more than 4 days before it was received), "ahead" (more than 10 minutes after), "undated" (no
    readable time stamp), "event-header" (the header, which nobody signs, names another event), "data" (a field is
    not of the kind that the page shows; it is in `extra`).
    """

    id: str
    name: str
    timestamp: datetime | None
    received_at: datetime
    form: FormName
    flags: frozenset[Flag] = _NO_FLAGS
    data: ClientData | FlowData | UnknownData
    body: bytes = field(repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    @property
    def semantic_key(self) -> tuple[str, str]:
        """What happened to whom: the same for deliveries that were stamped anew, and for a thing that happens again.

        Of an event that we do not know, or that does not say whom it is about, it is its `id`.
        """
        known = None if isinstance(self.data, UnknownData) else self.data.subject
        return self.name, known or self.id


@frozen(kw_only=True, slots=False)
class ClientCreated(Event):
    """`client.created`: a new client was added to a campaign; `data.link` is their onboarding link."""

    data: ClientData


@frozen(kw_only=True, slots=False)
class ClientCompleted(Event):
    """`client.completed`: a client finished onboarding."""

    data: ClientData


@frozen(kw_only=True, slots=False)
class FlowCreated(Event):
    """`flow.created`: a campaign was published."""

    data: FlowData


@frozen(kw_only=True, slots=False)
class UnknownEvent(Event):
    """An event that the API page does not name (yet). It is to be answered 200 like the others."""

    data: UnknownData


_KINDS: Final[Mapping[str, tuple[type[Event], type[Any]]]] = {
    "client.created": (ClientCreated, ClientData),
    "client.completed": (ClientCompleted, ClientData),
    "flow.created": (FlowCreated, FlowData),
}
_UNKNOWN: Final = (UnknownEvent, UnknownData)
_TEXTS: Final = {
    ClientData: (
        "client_id", "campaign_id", "campaign_name", "first_name", "last_name", "email", "company_name", "phone", "link"
    ),
    FlowData: ("campaign_id", "campaign_name"),
}  # fmt: skip
_TEXT: Final = frozenset((str, type(None)))
_KNOWN: Final = {shape: frozenset((*names, "created_at")) for shape, names in _TEXTS.items()}


def read_event(
    body: bytes,
    *,
    id: str,  # noqa: A002 - the event's own name for it
    form: FormName,
    received_at: datetime,
    headers: tuple[tuple[str, str], ...] = (),
) -> Event:
    """The event in bytes that were signed.

    PayloadError if they hold no event at all; anything that can be kept is kept.
    """
    try:
        value = strict_json(body)
    except (ValueError, RecursionError):
        raise PayloadError("The body is not JSON in UTF-8.") from None
    if type(value) is not dict:
        raise PayloadError("The body is no JSON object.")
    name = value.get("event")
    if type(name) is not str or not name:
        raise PayloadError("The body does not say which event it is.")
    kind, shape = _KINDS.get(name, _UNKNOWN)
    flags: list[Flag] = []
    timestamp = _moment(value.get("timestamp"))
    if timestamp is None:
        flags.append("undated")
    else:
        age_s = (received_at - timestamp).total_seconds()
        if age_s > settings.WEBHOOK_OLD_S:
            flags.append("old")
        elif age_s < -settings.WEBHOOK_AHEAD_S:
            flags.append("ahead")
    for header, said in headers:
        if header == _EVENT_HEADER and said.strip() != name:
            flags.append("event-header")
    return kind(
        id=id,
        name=name,
        timestamp=timestamp,
        received_at=received_at,
        form=form,
        data=_data(shape, value.get("data"), flags),
        flags=frozenset(flags) if flags else _NO_FLAGS,
        body=body,
        headers=headers,
    )


def _moment(value: object) -> datetime | None:
    if type(value) is not str:
        return None
    try:
        return utc_time(value)
    except ValueError:
        return None


def _data(shape: type[Any], value: object, flags: list[Flag]) -> Any:
    """The data with what fits into its fields there, and all the rest in `extra`."""
    if type(value) is not dict:
        flags.append("data")
        return shape()
    if shape is UnknownData:
        return UnknownData(MappingProxyType(value))
    names, known = _TEXTS[shape], _KNOWN[shape]
    texts = list(map(value.get, names))
    moment = _moment(value.get("created_at"))
    if moment is not None and known.issuperset(value) and _TEXT.issuperset(map(type, texts)):
        return shape(*texts, moment)  # just as the page shows it
    fitting = [text if type(text) is str else None for text in texts]
    odd = {name for name, text in zip(names, texts, strict=True) if type(text) not in _TEXT}
    if moment is None and value.get("created_at") is not None:
        odd.add("created_at")
    if odd:
        flags.append("data")
    extra = {name: said for name, said in value.items() if name in odd or name not in known}
    return shape(*fitting, moment, MappingProxyType(extra))
