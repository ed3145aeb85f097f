"""The sandbox as an object: started on the running loop, or on a thread of its own. Knows no route and no SQL."""

import os
import secrets
import string
import time
import uuid
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self, Unpack

from onboard360_async.sandbox import body
from onboard360_async.sandbox.deliveries import Deliveries, Delivery
from onboard360_async.sandbox.events import TRIGGERS
from onboard360_async.sandbox.faults import Fault, FaultOptions, Faults
from onboard360_async.sandbox.limiter import make_limiter
from onboard360_async.sandbox.recorder import Recorder, RequestRecord
from onboard360_async.sandbox.store import Store, time_text
from onboard360_async.sandbox.webhooks import Webhook, WebhookOptions

if TYPE_CHECKING:
    from onboard360_async.sandbox.running import LoopThread, Running

__all__ = ["LIMIT", "WINDOW_S", "Sandbox"]

LIMIT: Final = 100  # requests per window. Source: API page, "Error Handling"
WINDOW_S: Final = 60.0  # seconds. Source: the same
_LIVE: Final = "sk_live_"
_CODE_LETTERS: Final = string.ascii_lowercase + string.digits
_CODE_CHARS: Final = 12
# The page's own campaign, dates included. Source: API page, "List Campaigns"
_PAGE_CAMPAIGN: Final = ("Client Onboarding Flow", "550e8400-e29b-41d4-a716-446655440000")
_PAGE_DATES: Final = {"created_at": "2024-01-01T00:00:00Z", "updated_at": "2024-01-15T10:30:00Z"}


class Sandbox:
    """360Onboard on a loopback port: `async with` runs it on the running loop, `with` on a thread of its own.

    `limit` requests of a key in `window_s` seconds (`limiter` "sliding", or "off"); `count_refused` counts 429s too,
    `retry_after` tells the seconds to wait. `clock` (seconds) turns the limit's time and that of
    stale listings, `now` dates what is created,
    `new_id` and `new_code` name it and must not repeat themselves. `db` is a file that keeps the state, `port` 0 a
    free one, `link_origin` where links lead (to the sandbox itself). `campaigns` are names, or pairs of id and name.
    Keys that begin with `sk_live_` are refused unless `allow_live_keys`: they have no place in a double. `webhooks`
    are URLs or `Webhook`s, see `add_webhook`; those of other machines are refused unless `allow_remote`.

    ValueError for options that cannot be meant; on entering, StoreError for a `db` and OSError for a `port` that
    cannot be used.
    """

    def __init__(
        self,
        *,
        api_keys: Iterable[str] | None = None,
        limit: int = LIMIT,
        window_s: float = WINDOW_S,
        limiter: str = "sliding",
        retry_after: bool = False,
        count_refused: bool = False,
        db: str | os.PathLike[str] = ":memory:",
        port: int = 0,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        new_id: Callable[[], str] = lambda: str(uuid.uuid4()),
        new_code: Callable[[], str] = lambda: "".join(secrets.choice(_CODE_LETTERS) for _ in range(_CODE_CHARS)),
        campaigns: Iterable[str | tuple[str, str]] | None = None,
        allow_live_keys: bool = False,
        link_origin: str | None = None,
        webhooks: Iterable[str | Webhook] = (),
        allow_remote: bool = False,
    ) -> None:
        if not 0 <= port <= 65535:
            raise ValueError(f"port must be between 0 and 65535, not {port}")
        self._keys = _checked_keys(api_keys, allow_live_keys=allow_live_keys)
        self._limiter = make_limiter(limiter, limit=limit, window_s=window_s, count_refused=count_refused)
        self._retry_after = retry_after
        self._db = db
        self._port = port
        self._clock = clock
        self._now = now
        self._new_id = new_id
        self._new_code = new_code
        self._campaigns = None if campaigns is None else list(campaigns)
        self._link_origin = link_origin
        self._faults = Faults()
        self._recorder = Recorder()
        self._deliveries = Deliveries()
        self._allow_remote = allow_remote
        for webhook in [webhooks] if isinstance(webhooks, str) else webhooks:
            self._add_webhook(Webhook(url=webhook) if isinstance(webhook, str) else webhook)
        self._running: Running | None = None
        self._thread: LoopThread | None = None

    # --- where it is, and what reached it ---

    @property
    def url(self) -> str:
        """The base URL, as in http://127.0.0.1:8360; the API is below it under /api/v1."""
        return self._up.url

    @property
    def api_key(self) -> str:
        """A key that is served; the first of them."""
        return self._keys[0]

    @property
    def requests(self) -> list[RequestRecord]:
        """What reached the API, oldest first; still there when the sandbox has ended."""
        return self._recorder.records()

    @property
    def refused(self) -> int:
        """How many requests the limit has answered with 429; injected ones are not among them."""
        return 0 if self._limiter is None else self._limiter.refused

    # --- what is in it ---

    def add_campaign(self, name: str, id: str | None = None) -> str:  # noqa: A002 - the API's own name for it
        """Publish a campaign without a request, and get its id; ValueError if the id is taken."""
        return self._up.store.add_campaign(name, id)

    def add_client(
        self,
        campaign_id: str,
        email: str,
        *,
        first_name: str | None = None,
        last_name: str | None = None,
        company_name: str | None = None,
        phone: str | None = None,
    ) -> str:
        """Create a client without a request, and get its id; ValueError where the API would refuse it.

        The webhooks hear of it as they do of one that came by a request.
        """
        new = body.check(
            {
                "campaign_id": campaign_id,
                "email": email,
                "first_name": first_name,
                "last_name": last_name,
                "company_name": company_name,
                "phone": phone,
            }
        )
        client = self._up.service.add_client(new)
        if client is None:
            raise ValueError(f"there is no campaign {campaign_id}")
        return client.id

    def clients(self, campaign_id: str | None = None) -> list[dict[str, str | None]]:
        """What is stored, in the order of creation and with links; of one campaign, or of all."""
        up = self._up
        stored = up.store.clients(last=up.store.last_client(), campaign_id=campaign_id)
        return [client.as_json(origin=up.service.origin) for client in stored]

    # --- what is to go wrong ---

    def add_fault(self, kind: str, **options: Unpack[FaultOptions]) -> None:
        """From now on requests fail in this way (`KINDS`): those of a `method`, a `path`, an `email`; or all.

        `nth`: the first to fail, from 1. `times`: how many; without it all, or one if `nth` is given. `probability`
        of each, with `seed`. `delay_s`: seconds, for `delay`, `late-commit` and `stale-listing`; `keep`: clients, for
        `cut-listing`. One request: the header `X-Sandbox-Fault: KIND`.
        """
        self._faults.add(Fault(kind=kind, **options))

    def clear_faults(self) -> None:
        """From now on all goes well."""
        self._faults.clear()

    # --- webhooks ---

    @property
    def webhooks(self) -> tuple[Webhook, ...]:
        """The endpoints, with their secrets."""
        return self._deliveries.webhooks

    def add_webhook(self, url: str, **options: Unpack[WebhookOptions]) -> Webhook:
        """From now on what happens is sent there; ValueError for what cannot be meant, and for other machines.

        `secret` signs (a new one, to be read from the result), `events` are sent (all). `retries` "none", "standard"
        or the seconds before each, times `time_scale`. `duplicates`: how many times more each is sent. `reorder`: the
        probability, with `seed`, that one is held back until the next is sent. `tamper`: one of `TAMPERINGS`.
        """
        return self._add_webhook(Webhook(url=url, **options))

    def _add_webhook(self, webhook: Webhook) -> Webhook:
        if not (webhook.is_local or self._allow_remote):
            raise ValueError(
                "webhooks are sent to this machine only (localhost, 127.0.0.1 or [::1]), unless other machines are"
                " allowed (allow_remote=True, --allow-remote)"
            )
        self._deliveries.add_webhook(webhook)
        return webhook

    @property
    def deliveries(self) -> list[Delivery]:
        """What was sent to the endpoints, oldest first; still there when the sandbox has ended."""
        return self._deliveries.records()

    async def delivered(self) -> None:
        """Wait until no delivery is pending; what is held back is sent now.

        All retries included: with the "standard" ones of an endpoint that never answers 2xx that is more than an
        hour, unless a `time_scale` shortens it.
        """
        import asyncio  # only here, so that importing the sandbox does not cost it

        await asyncio.wrap_future(self._deliveries.ended())

    def wait_delivered(self, *, timeout_s: float | None = None) -> None:
        """`delivered` for a program that blocks; TimeoutError if that takes longer, RuntimeError on a loop."""
        if _is_on_a_loop():
            raise RuntimeError("this would block the running loop; `await sandbox.delivered()` does not")
        self._deliveries.ended().result(timeout_s)

    def resend(self, delivery_id: str) -> Delivery:
        """Send the bytes of a logged delivery again, as a new one; ValueError if the log does not have it."""
        return self._deliveries.resend(delivery_id)

    def trigger(self, event: str, *, client_id: str) -> list[Delivery]:
        """Send an event by hand, dated now, and get its deliveries; ValueError for an unknown event or client."""
        if event not in TRIGGERS:
            raise ValueError(f"{event!r} cannot be triggered; choose one of: {', '.join(TRIGGERS)}")
        client = self._up.store.client(client_id)
        if client is None:
            raise ValueError(f"there is no client {client_id}")
        return self._up.service.tell_created(client, timestamp=time_text(self._now()))

    # --- running ---

    @property
    def _up(self) -> "Running":
        if self._running is None:
            raise RuntimeError("the sandbox is not running; use it inside `with Sandbox() as sandbox`")
        return self._running

    async def __aenter__(self) -> Self:
        await self._start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stop()

    def __enter__(self) -> Self:
        from onboard360_async.sandbox.running import LoopThread

        thread = LoopThread(self._start, self._stop)
        thread.open()
        self._thread = thread
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.close()

    async def _start(self) -> None:
        # Only here, so that importing the sandbox does not cost a web server.
        from onboard360_async.sandbox.running import Running, listen
        from onboard360_async.sandbox.server import Service

        if self._running is not None:
            raise RuntimeError("the sandbox is running already")
        with ExitStack() as undo:
            listener, url = listen(self._port)
            undo.callback(listener.close)
            store = self._filled_store()
            undo.callback(store.close)
            service = Service(
                origin=self._link_origin or url,
                keys={key: index for index, key in enumerate(self._keys)},
                store=store,
                faults=self._faults,
                recorder=self._recorder,
                deliveries=self._deliveries,
                limiter=self._limiter,
                retry_after=self._retry_after,
                clock=self._clock,
            )
            self._running = await Running.start(service, listener, url)
            undo.pop_all()

    async def _stop(self) -> None:
        running, self._running = self._running, None
        if running is not None:
            await running.stop()

    def _filled_store(self) -> Store:
        store = Store(self._db, now=self._now, clock=self._clock, new_id=self._new_id, new_code=self._new_code)
        try:
            for campaign in self._campaigns or ():
                id_, name = (None, campaign) if isinstance(campaign, str) else campaign
                if not store.has_campaign(id_=id_, name=name if id_ is None else None):  # a file may hold it already
                    store.add_campaign(name, id_)
            if self._campaigns is None and not store.campaigns():
                store.add_campaign(*_PAGE_CAMPAIGN, **_PAGE_DATES)
        except BaseException:
            store.close()
            raise
        return store


def _is_on_a_loop() -> bool:
    import asyncio  # as above

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _checked_keys(keys: Iterable[str] | None, *, allow_live_keys: bool) -> tuple[str, ...]:
    """The keys to serve, a new one if none is given; no message shows a key."""
    if keys is None:
        return (f"sk_test_{secrets.token_hex(16)}",)
    checked = tuple(dict.fromkeys([keys] if isinstance(keys, str) else keys))
    if not checked:
        raise ValueError("api_keys must hold at least one key")
    for key in checked:
        if not (key.isascii() and key.isprintable() and key and " " not in key):
            raise ValueError("an API key must be visible ASCII characters without spaces")
        if key.startswith(_LIVE) and not allow_live_keys:
            raise ValueError(
                f"a key that begins with {_LIVE} belongs to the real service; give the sandbox a key of its own,"
                " or allow live keys (allow_live_keys=True, --allow-live-keys)"
            )
    return checked
