"""Which endpoints hear of an event, and the log of what became of it. Sends nothing: a carrier does.

May be used from any thread.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Final, Protocol

from attrs import define, evolve, field, frozen

from onboard360_async.sandbox.events import Event
from onboard360_async.sandbox.sealing import seal
from onboard360_async.sandbox.webhooks import Webhook

if TYPE_CHECKING:
    from concurrent.futures import Future

__all__ = ["Attempt", "Carrier", "Deliveries", "Delivery", "Parcel"]

_KEPT: Final = 100_000  # deliveries; older ones are forgotten, so that a sandbox may run for weeks


@frozen
class Attempt:
    """One try to send a delivery."""

    at: float  # seconds, of the sandbox's clock (`time.monotonic` unless another was given)
    status: int | None  # None if there was no answer
    error: str = ""  # why there was none

    @property
    def succeeded(self) -> bool:
        """UNDOCUMENTED: what the service takes for received; we take any 2xx.

        Pinned by tests/sandbox/test_deliveries.py (test_what_fails_is_sent_again).
        """
        return self.status is not None and self.status // 100 == 2


@frozen(kw_only=True)
class Delivery:
    """One message to one endpoint, with all its attempts so far."""

    id: str
    webhook_id: str
    url: str = field(repr=False)  # a query may hold a secret
    event: str
    client_id: str | None
    body: bytes = field(repr=False)  # personal; what was sent, to the byte
    headers: Mapping[str, str] = field(repr=False)
    attempts: tuple[Attempt, ...] = ()
    state: str  # "pending" (for ever, if the sandbox ended before it was over), "delivered" or "failed"
    copy_of: str | None = None  # the delivery with the same bytes that this is a duplicate or a resending of


@define(kw_only=True, eq=False)
class Parcel:
    """A delivery under way."""

    id: str
    webhook: Webhook
    event: str
    client_id: str | None
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    copy_of: str | None = None
    attempts: list[Attempt] = field(factory=list)
    state: str = "pending"

    def record(self) -> Delivery:
        """How it stands."""
        return Delivery(
            id=self.id,
            webhook_id=self.webhook.id,
            url=self.webhook.url,
            event=self.event,
            client_id=self.client_id,
            body=self.body,
            headers=self.headers,
            attempts=tuple(self.attempts),
            state=self.state,
            copy_of=self.copy_of,
        )


class Carrier(Protocol):
    """Whoever sends; every method returns at once."""

    def send(self, parcels: Sequence[Parcel], *, may_hold: bool) -> None:
        """Send these, of one endpoint and with the same bytes, and report each attempt to the log."""

    def let_go(self) -> None:
        """Send what is held back for reordering: nothing is to come that it could come after."""

    def drop(self) -> None:
        """Give up all that is under way; called on the loop."""


class Deliveries:
    """The endpoints and the log; without a carrier, from the sandbox's end on, nothing is sent nor logged."""

    def __init__(self, on_change: Callable[[], None] = lambda: None) -> None:
        self._lock = threading.Lock()
        self._on_change = on_change
        self._webhooks: list[Webhook] = []
        self._log: OrderedDict[str, Parcel] = OrderedDict()
        self._noted = 0
        self._pending: set[str] = set()
        self._waiting: list[Future[None]] = []
        self._carrier: Carrier | None = None

    @property
    def webhooks(self) -> tuple[Webhook, ...]:
        """All endpoints."""
        with self._lock:
            return tuple(self._webhooks)

    def add_webhook(self, webhook: Webhook) -> None:
        """One endpoint more; it hears of what happens from now on."""
        with self._lock:
            self._webhooks.append(webhook)

    def is_heard(self, event: str) -> bool:
        """Whether any endpoint takes this event."""
        with self._lock:
            return any(event in webhook.events for webhook in self._webhooks)

    # --- what is to be sent ---

    def fire(self, event: Event) -> list[Delivery]:
        """Tell every endpoint that takes it."""
        with self._lock:
            if self._carrier is None:
                return []
            noted: list[Parcel] = []
            for webhook in self._webhooks:
                if event.name in webhook.events:
                    parcels = self._sealed(webhook, event)
                    self._carrier.send(parcels, may_hold=True)
                    noted += parcels
            return [parcel.record() for parcel in noted]

    def resend(self, delivery_id: str) -> Delivery:
        """The same bytes once more, as a delivery of its own; ValueError if the log has none of this id."""
        with self._lock:
            if self._carrier is None:
                raise RuntimeError("the sandbox is not running; it sends nothing")
            if delivery_id not in self._log:
                raise ValueError(f"there is no delivery {delivery_id}")
            copy = self._copy(self._log[delivery_id])
            self._carrier.send([copy], may_hold=False)
            return copy.record()

    def _sealed(self, webhook: Webhook, event: Event) -> list[Parcel]:
        """The delivery, and its duplicates."""
        body, headers = seal(event, *webhook.secrets, tamper=webhook.tamper)
        first = Parcel(
            id=self._new_id(),
            webhook=webhook,
            event=event.name,
            client_id=event.client_id,
            body=body,
            headers=headers,
        )
        self._note(first)
        return [first, *(self._copy(first) for _ in range(webhook.duplicates))]

    def _copy(self, parcel: Parcel) -> Parcel:
        copy_of = parcel.copy_of or parcel.id
        copy = evolve(parcel, id=self._new_id(), copy_of=copy_of, attempts=[], state="pending")
        self._note(copy)
        return copy

    def _new_id(self) -> str:
        self._noted += 1
        return f"dlv_{self._noted}"

    def _note(self, parcel: Parcel) -> None:
        self._log[parcel.id] = parcel
        self._pending.add(parcel.id)
        self._on_change()
        if len(self._log) > _KEPT:
            self._log.popitem(last=False)

    # --- what became of it ---

    def records(self) -> list[Delivery]:
        """All deliveries, oldest first; at most the last 100,000."""
        with self._lock:
            return [parcel.record() for parcel in self._log.values()]

    def last(self, number: int) -> list[Delivery]:
        """The youngest of them, oldest first."""
        with self._lock:
            return [parcel.record() for parcel in islice(reversed(self._log.values()), number)][::-1]

    def clear(self, webhooks: Iterable[Webhook]) -> None:
        """Forget all of them, give up what is pending, and have these endpoints and no others; from the loop."""
        with self._lock:
            self._webhooks = list(webhooks)
            self._log.clear()
            self._noted = 0
            self._pending.clear()
            self._tell_those_who_wait()
            if self._carrier is not None:
                self._carrier.drop()
        self._on_change()

    def tried(self, parcel: Parcel, attempt: Attempt, *, is_last: bool) -> None:
        """Note an attempt, and whether another is to follow."""
        with self._lock:
            parcel.attempts.append(attempt)
            self._on_change()
            if not is_last:
                return
            parcel.state = "delivered" if attempt.succeeded else "failed"
            self._pending.discard(parcel.id)
            if not self._pending:
                self._tell_those_who_wait()

    def ended(self) -> "Future[None]":
        """Done as soon as nothing is pending, or when the carrier goes; what is held back is sent for it."""
        from concurrent.futures import Future  # only here, so that importing the sandbox does not cost it

        future: Future[None] = Future()
        future.set_running_or_notify_cancel()  # from now on nobody can cancel it under our hands
        with self._lock:
            if self._carrier is None or not self._pending:
                future.set_result(None)
            else:
                self._waiting.append(future)
                self._carrier.let_go()
        return future

    def attach(self, carrier: Carrier) -> None:
        """From now on this one sends."""
        with self._lock:
            self._carrier = carrier

    def detach(self) -> None:
        """From now on nobody sends; what is pending stays so, and nobody waits for it any more."""
        with self._lock:
            self._carrier = None
            self._pending.clear()
            self._tell_those_who_wait()

    def _tell_those_who_wait(self) -> None:
        for future in self._waiting:
            future.set_result(None)
        self._waiting.clear()
