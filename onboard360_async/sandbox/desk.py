"""What can be done to a sandbox without its API: the one place that the handle, the control API and the pages call.

Knows no HTTP and no port. Methods may be called from any thread but `reset`, which belongs to the sandbox's loop.
"""

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Unpack

from attrs import asdict, evolve

from onboard360_async.sandbox import body, events
from onboard360_async.sandbox.body import NewClient
from onboard360_async.sandbox.clock import Clock
from onboard360_async.sandbox.deliveries import Deliveries, Delivery
from onboard360_async.sandbox.faults import Fault, FaultOptions, Faults
from onboard360_async.sandbox.keys import new_key
from onboard360_async.sandbox.limiter import Limiter, make_limiter
from onboard360_async.sandbox.recorder import Recorder
from onboard360_async.sandbox.seeds import read_seed
from onboard360_async.sandbox.store import Store, StoredClient, time_text
from onboard360_async.sandbox.switches import Minute, Preset, Settings, Switches, settle
from onboard360_async.sandbox.webhooks import Webhook

__all__ = ["Desk"]

# The page's own campaign, dates included. Source: API page, "List Campaigns"
_PAGE_CAMPAIGN: Final = ("Client Onboarding Flow", "550e8400-e29b-41d4-a716-446655440000")
_PAGE_DATES: Final = {"created_at": "2024-01-01T00:00:00Z", "updated_at": "2024-01-15T10:30:00Z"}


class Desk:
    """One sandbox's state, and all that changes it."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        *,
        keys: Iterable[str],
        campaigns: Iterable[str | tuple[str, str]] | None,
        seed: object,
        allow_remote: bool,
    ) -> None:
        self.clock = clock
        self.settings: Settings = settings
        self.limiter = _made(settings.minute)
        self.keys: dict[str, int] = {key: index for index, key in enumerate(keys)}
        self.faults: Faults = Faults()
        self.recorder: Recorder = Recorder()
        self.deliveries: Deliveries = Deliveries(on_change=self.changed)
        self.on_change: list[Callable[[], None]] = []  # called from any thread when something has changed
        self.on_reset: list[Callable[[], None]] = []  # called on the loop; what is under way is to be dropped
        self.era: int = 0  # how often it began anew
        self.url: str = ""  # where it listens
        self.origin: str = ""  # of links
        self._allow_remote = allow_remote
        self._seed = seed
        self._campaigns = None if campaigns is None else list(campaigns)
        self._store: Store | None = None
        self._whole = threading.RLock()  # held by what replaces or fills the store step by step; a reset seeds
        self._begin: Callable[[], None] = lambda: None

    @property
    def switches(self) -> Switches:
        """How the switches stand."""
        return self.settings.switches

    @property
    def store(self) -> Store:
        """The campaigns and clients; RuntimeError if the sandbox is not running."""
        if self._store is None:
            raise RuntimeError("the sandbox is not running; use it inside `with Sandbox() as sandbox`")
        return self._store

    # --- from beginning to end ---

    def open(self, store: Store, *, url: str, origin: str) -> None:
        """From now on this is the state; it gets the campaigns that it does not have yet, and the seed if it is new."""
        self._store, self.url, self.origin = store, url, origin
        is_new = not store.campaigns()
        try:
            self._fill(store, is_new=is_new)
        except BaseException:
            self._store = None
            raise
        settings, faults, webhooks = self.settings, self.faults.rules, self.deliveries.webhooks

        def begin() -> None:
            self._settle(settings, is_new=True)
            self.faults.clear()
            for fault in faults:
                self.faults.add(evolve(fault))  # its counts begin anew
            self.deliveries.clear(webhooks)

        self._begin = begin

    def close(self) -> None:
        """From now on there is no store."""
        store, self._store = self._store, None
        if store is not None:
            store.close()

    def reset(self) -> None:
        """Be as at the start: what was stored, recorded, sent, changed and broken since is forgotten, and so is time.

        What is under way is dropped: answers, late commits, deliveries. A `db` that held clients is empty then.
        """
        self.era += 1
        for listener in self.on_reset:
            listener()
        with self._whole:
            self.store.clear()
            self.clock.reset()
            self.recorder.clear()
            self._begin()
            self._fill(self.store, is_new=True)
        self.changed()

    def _fill(self, store: Store, *, is_new: bool) -> None:
        for campaign in self._campaigns or ():
            id_, name = (None, campaign) if isinstance(campaign, str) else campaign
            if not store.has_campaign(id_=id_, name=name if id_ is None else None):  # a file may hold it already
                store.add_campaign(name, id_)
        if self._campaigns is None and not store.campaigns():
            store.add_campaign(*_PAGE_CAMPAIGN, **_PAGE_DATES)
        if is_new and self._seed is not None:
            self.seed(self._seed)

    def changed(self) -> None:
        """Tell those who listen."""
        for listener in self.on_change:
            listener()

    def new_key(self) -> str:
        """From now on one new key is served and no other; on the loop."""
        key = new_key()
        number = 1 + max(self.keys.values())
        self.keys = {key: number}  # at once: another thread may ask for the key just now
        return key

    # --- campaigns and clients ---

    def add_campaign(self, name: str, id_: str | None = None) -> str:
        """Publish a campaign and tell the webhooks; its id. ValueError if the id is taken."""
        id_ = self.store.add_campaign(
            body.check_text("name", name), None if id_ is None else body.check_text("id", id_)
        )
        campaign = self.store.campaign(id_)
        if campaign is not None and self.deliveries.is_heard(events.FLOW_CREATED):
            self.deliveries.fire(events.flow_created(campaign, timestamp=campaign.created_at))
        self.changed()
        return id_

    def add_client(self, fields: Mapping[str, object]) -> StoredClient:
        """Create a client and tell the webhooks; ValueError where the API would refuse it."""
        new = body.check(fields)
        is_refused = self.switches.duplicate_email in ("400", "409")
        if is_refused and self.store.client_by_email(new.campaign_id, new.email) is not None:
            raise ValueError("this email was added before")
        client = self.create(new)
        if client is None:
            raise ValueError(f"there is no campaign {new.campaign_id}")
        return client

    def create(self, new: NewClient) -> StoredClient | None:
        """The same of one that was checked; None if there is no such campaign.

        UNDOCUMENTED: whether a webhook may come before the answer; it may. Pinned by tests/sandbox/test_webhooks.py
        (test_the_answer_does_not_wait_for_the_webhook).
        """
        client = self.store.add_client(new)
        if client is not None:
            self._tell(events.CLIENT_CREATED, client, timestamp=client.created_at)
            self.changed()
        return client

    def complete(self, code: str) -> bool | None:
        """Have the client with this code finish onboarding, and tell the webhooks once.

        False if that was done before, None if nobody has the code.
        """
        client = self.store.complete(code)
        if client is None:
            return None if self.store.client_by_code(code) is None else False
        self._tell(events.CLIENT_COMPLETED, client, timestamp=client.completed_at or "")
        self.changed()
        return True

    def seed(self, data: object) -> dict[str, int]:
        """Store campaigns and clients without telling anybody; how many of each. ValueError, with nothing stored."""
        with self._whole:
            campaigns, clients = read_seed(data, self.store)
            for campaign in campaigns:
                self.store.add_campaign(campaign.pop("name"), campaign.pop("id"), **campaign)
            codes = [stored.code for new, _ in clients if (stored := self.store.add_client(new)) is not None]
            for code, (_, is_completed) in zip(codes, clients, strict=True):
                if is_completed:
                    self.store.complete(code)
        self.changed()
        return {"campaigns": len(campaigns), "clients": len(clients)}

    def snapshot(self) -> bytes:
        """All campaigns and clients, to be restored later, here or elsewhere."""
        return self.store.snapshot()

    def restore(self, snapshot: bytes) -> None:
        """Have the campaigns and clients of a snapshot, and no others; ValueError for what is none."""
        with self._whole:
            self.store.restore(snapshot)
        self.changed()

    # --- webhooks ---

    def add_webhook(self, webhook: Webhook) -> Webhook:
        """From now on what happens is sent there; ValueError for another machine, unless those are allowed."""
        if not (webhook.is_local or self._allow_remote):
            raise ValueError(
                "webhooks are sent to this machine only (localhost, 127.0.0.1 or [::1]), unless other machines are"
                " allowed (allow_remote=True, --allow-remote)"
            )
        self.deliveries.add_webhook(webhook)
        self.changed()
        return webhook

    def trigger(self, event: str, *, client_id: str | None = None, campaign_id: str | None = None) -> list[Delivery]:
        """Send an event by hand, dated now; ValueError for one that is unknown, or about whom nobody knows."""
        if event == events.FLOW_CREATED:
            campaign = None if campaign_id is None else self.store.campaign(campaign_id)
            if campaign is None:
                raise ValueError(f"{event} is about a campaign; there is no campaign_id {campaign_id}")
            return self.deliveries.fire(events.flow_created(campaign, timestamp=time_text(self.clock.now())))
        if event not in events.EVENTS:
            raise ValueError(f"there is no event {event!r}; choose one of: {', '.join(events.EVENTS)}")
        client = None if client_id is None else self.store.client(client_id)
        if client is None:
            raise ValueError(f"{event} is about a client; there is no client_id {client_id}")
        return self._tell(event, client, timestamp=time_text(self.clock.now()))

    def _tell(self, event: str, client: StoredClient, *, timestamp: str) -> list[Delivery]:
        if not self.deliveries.is_heard(event):
            return []
        make = events.client_created if event == events.CLIENT_CREATED else events.client_completed
        campaign = self.store.campaign_of(client)
        return self.deliveries.fire(make(client, campaign, origin=self.origin, timestamp=timestamp))

    def resend(self, delivery_id: str) -> Delivery:
        """Send the bytes of a logged delivery again; ValueError if the log does not have it."""
        return self.deliveries.resend(delivery_id)

    # --- how it behaves ---

    def add_fault(self, kind: str, **options: Unpack[FaultOptions]) -> None:
        """From now on requests fail in this way; ValueError for what cannot be meant."""
        self.faults.add(Fault(kind=kind, **options))
        self.changed()

    def clear_faults(self) -> None:
        """From now on all goes well."""
        self.faults.clear()
        self.changed()

    def configure(self, preset: Preset | None = None, options: Mapping[str, object] | None = None) -> None:
        """Change switches and limiter, all of them by a preset; ValueError, with nothing changed.

        A limiter that is changed forgets what it counted.
        """
        self._settle(settle(self.settings, preset, options))
        self.changed()

    def _settle(self, settings: Settings, *, is_new: bool = False) -> None:
        if is_new or settings.minute != self.settings.minute:
            limiter: Limiter | None = _made(settings.minute)
            self.limiter = limiter
        self.settings = settings


def _made(minute: Minute) -> Limiter | None:
    options: dict[str, Any] = asdict(minute)
    return make_limiter(options.pop("limiter"), **options)
