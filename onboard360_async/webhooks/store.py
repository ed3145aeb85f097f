"""Where an inbox keeps its events: what any store must do, and what is kept of an event. Knows no database.

`tests/webhooks/store_suite.py` is the suite that every store has to pass, as it stands.
"""

import json
from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from hashlib import sha256
from json.encoder import encode_basestring_ascii as quoted
from typing import Literal, Protocol, Self

from attrs import field, frozen

from onboard360_async import settings
from onboard360_async.models import email_key
from onboard360_async.webhooks.events import ClientData, Event, FormName, read_event

__all__ = ["Counts", "Dedupe", "InboxStore", "Kept", "NewEvent", "State", "pages"]

State = Literal["waiting", "done", "dead", "purged"]
"""Where a kept event stands: it waits, was handled, was given up, or is only a mark."""
Dedupe = Literal["id", "semantic"]
"""What makes two deliveries one event: the bytes that were signed, or what happened to whom."""


@frozen(kw_only=True, slots=False)  # made for every delivery; without slots, attrs does that in half the time
class NewEvent:
    """An event as it is stored. `key` is what makes it the same as another; `subject` whom it is about.

    `received_at` is in seconds since 1970. `headers` is JSON text of pairs.
    """

    key: str
    id: str
    name: str
    subject: str | None
    email_key: str | None = field(repr=False)
    received_at: float
    form: FormName
    body: bytes = field(repr=False)
    headers: str = field(repr=False)

    @classmethod
    def of(cls, event: Event, dedupe: Dedupe) -> Self:
        """An event to be kept once: by what was signed, or by what happened to whom."""
        email = event.data.email if isinstance(event.data, ClientData) else None
        return cls(
            # A digest, too, since it outlives a purge.
            key=event.id if dedupe == "id" else sha256(json.dumps(event.semantic_key).encode()).hexdigest(),
            id=event.id,
            name=event.name,
            subject=event.data.subject,
            email_key=None if email is None else email_key(email),
            received_at=event.received_at.timestamp(),
            form=event.form,
            body=event.body,
            headers=_json(event.headers),
        )


def _json(headers: tuple[tuple[str, str], ...]) -> str:
    """As `json.dumps`, which takes as long for three pairs as the rest of an event does."""
    return f"[{','.join([f'[{quoted(name)},{quoted(value)}]' for name, value in headers])}]"


@frozen(kw_only=True)
class Kept:
    """A stored event. `seq` is its place in the order of arrival; times are seconds since 1970.

    While it is `waiting`, it is due at `due_at`; leased to the holder of `lease` until then, if there is one.
    `handled` are the names of the handlers that are done with it; `error` says what failed: the reason of a
    WebhookError, else an error's kind, since its words may name people.
    """

    seq: int
    id: str
    name: str
    subject: str | None
    received_at: float
    form: FormName
    body: bytes = field(repr=False)
    headers: str = field(repr=False)
    state: State
    attempts: int
    due_at: float
    lease: str | None
    handled: tuple[str, ...]
    error: str | None

    def event(self) -> Event:
        """The event, read again from the bytes that were signed. PayloadError if it was purged."""
        headers = tuple((name, value) for name, value in json.loads(self.headers))
        received_at = datetime.fromtimestamp(self.received_at, UTC)
        return read_event(self.body, id=self.id, form=self.form, received_at=received_at, headers=headers)


@frozen
class Counts:
    """How many events stand where."""

    waiting: int = 0
    done: int = 0
    dead: int = 0
    purged: int = 0


class InboxStore(Protocol):
    """What an inbox needs of a database. One thread calls it, always within `transaction`.

    Whatever goes wrong with it is an InboxError, and then nothing of the transaction was kept.
    """

    def transaction(self) -> AbstractContextManager[object]:
        """A block whose changes are durable when it ends, all of them, or none."""
        ...

    def add(self, news: Sequence[NewEvent]) -> list[bool]:
        """Keep events, to be handled at once; False for each of whose key one is kept already (a purged one, too)."""
        ...

    def lease(self, *, now: float, until: float, lease: str, most: int) -> list[Kept]:
        """Up to `most` waiting events that are due, those due first; nobody else is given them before `until`.

        It counts as an attempt, which may never be settled.

        Of one subject only the first in the order of arrival, and none while that one is leased or to be tried again,
        nor while any other is leased: one that is replayed may have come before.
        """
        ...

    def renew(self, seqs: Collection[int], lease: str, until: float) -> None:
        """Prolong a lease, where it still holds."""
        ...

    def settle(
        self, seq: int, lease: str, *, state: State, due_at: float, attempts: int, handled: Collection[str], error: str
    ) -> bool:
        """Note what became of a leased event, and end its lease. False, with nothing noted, if it was lost."""
        ...

    def replay(self, *, now: float, ids: Collection[str] = (), since: float | None = None, dead: bool = False) -> int:
        """Let events that have ended wait again, as if they had just arrived; how many.

        Those of these ids, those received `since`, or the dead ones; purged ones are not among them.
        """
        ...

    def purge(self, *, before: float) -> int:
        """Wipe events that have ended and were received before: who, and all they said; how many.

        Their keys stay, so that a late delivery is still known for a duplicate.
        """
        ...

    def select(
        self,
        *,
        after: int = 0,
        most: int,
        ids: Collection[str] = (),
        name: str | None = None,
        state: State | None = None,
        email_key: str | None = None,
        since: float | None = None,
    ) -> list[Kept]:
        """Events in the order of their arrival, `most` of those behind `after` (a `seq`) to which all of this applies.

        Purged ones are not among them.
        """
        ...

    def counts(self) -> Counts:
        """How many events stand where."""
        ...

    def close(self) -> None:
        """Give it back."""
        ...


def pages(
    store: InboxStore,
    *,
    ids: Collection[str] = (),
    name: str | None = None,
    state: State | None = None,
    email_key: str | None = None,
    since: float | None = None,
) -> Iterator[list[Kept]]:
    """All that `select` finds, page by page, each in a transaction of its own: nobody waits long for a reader."""
    after = 0
    while True:
        with store.transaction():
            page = store.select(
                after=after, most=settings.INBOX_PAGE, ids=ids, name=name, state=state, email_key=email_key, since=since
            )
        if not page:
            return
        yield page
        after = page[-1].seq
