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

from onboard360_async.sandbox.clock import Clock
from onboard360_async.sandbox.deliveries import Delivery
from onboard360_async.sandbox.desk import Desk
from onboard360_async.sandbox.faults import Fault, FaultOptions
from onboard360_async.sandbox.keys import checked_keys
from onboard360_async.sandbox.recorder import RequestRecord
from onboard360_async.sandbox.store import Store
from onboard360_async.sandbox.switches import Minute, Preset, Settings, Switches, SwitchOptions, settle
from onboard360_async.sandbox.webhooks import Webhook, WebhookOptions

if TYPE_CHECKING:
    from onboard360_async.sandbox.running import LoopThread, Running

__all__ = ["Sandbox"]

_CODE_LETTERS: Final = string.ascii_lowercase + string.digits
_CODE_CHARS: Final = 12


class Sandbox:
    """360Onboard on a loopback port: `async with` runs it on the running loop, `with` on a thread of its own.

    `preset` (`PRESETS`, a JSON file, or what is in one) and `switches` (`SWITCHES`) say how the service is that the API
    page leaves open. `limit` requests of a key in `window_s` seconds, counted as the `limiter` (`LIMITERS`) does;
    `count_refused` counts 429s too. `clock` (seconds) and `now` are what the sandbox's own clock runs by, `new_id` and
    `new_code` name what is created, and must not repeat themselves. `db` is a file that keeps the state, `port` 0 a
    free one, `link_origin` where links lead (to the sandbox itself). `campaigns` are names, or pairs of id and name;
    `seed` is what `seed()` takes, there from the start and after each reset; a `db` that was used before does without
    it.
    Keys that begin with `sk_live_` are refused unless `allow_live_keys`: they have no place in a double. `webhooks`
    are URLs or `Webhook`s, see `add_webhook`; those of other machines are refused unless `allow_remote`.

    ValueError for options that cannot be meant; on entering, StoreError for a `db` and OSError for a `port` that
    cannot be used.
    """

    def __init__(
        self,
        *,
        api_keys: Iterable[str] | None = None,
        preset: Preset = "documented",
        limit: int | None = None,
        window_s: float | None = None,
        limiter: str | None = None,
        count_refused: bool | None = None,
        db: str | os.PathLike[str] = ":memory:",
        port: int = 0,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        new_id: Callable[[], str] = lambda: str(uuid.uuid4()),
        new_code: Callable[[], str] = lambda: "".join(secrets.choice(_CODE_LETTERS) for _ in range(_CODE_CHARS)),
        campaigns: Iterable[str | tuple[str, str]] | None = None,
        seed: object = None,
        allow_live_keys: bool = False,
        link_origin: str | None = None,
        webhooks: Iterable[str | Webhook] = (),
        allow_remote: bool = False,
        **switches: Unpack[SwitchOptions],
    ) -> None:
        if not 0 <= port <= 65535:
            raise ValueError(f"port must be between 0 and 65535, not {port}")
        minute = {"limit": limit, "window_s": window_s, "limiter": limiter, "count_refused": count_refused}
        options = {name: value for name, value in minute.items() if value is not None}
        self._desk = Desk(
            settle(Settings(Minute(), Switches()), preset, {**options, **switches}),
            Clock(clock, now),
            keys=checked_keys(api_keys, allow_live_keys=allow_live_keys),
            campaigns=campaigns,
            seed=seed,
            allow_remote=allow_remote,
        )
        self._db = db
        self._port = port
        self._new_id = new_id
        self._new_code = new_code
        self._link_origin = link_origin
        for webhook in [webhooks] if isinstance(webhooks, str) else webhooks:
            self._desk.add_webhook(Webhook(url=webhook) if isinstance(webhook, str) else webhook)
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
        return next(iter(self._desk.keys))

    def new_key(self) -> str:
        """From now on one new key is served and no other; it has a minute of its own."""
        return self._up.call(self._desk.new_key)

    @property
    def requests(self) -> list[RequestRecord]:
        """What reached the API, oldest first; still there when the sandbox has ended."""
        return self._desk.recorder.records()

    @property
    def refused(self) -> int:
        """How many requests the limit has answered with 429; injected ones are not among them."""
        return 0 if self._desk.limiter is None else self._desk.limiter.refused

    # --- what is in it ---

    def add_campaign(self, name: str, id: str | None = None) -> str:  # noqa: A002 - the API's own name for it
        """Publish a campaign without a request, and get its id; ValueError if the id is taken.

        The webhooks hear of it (`flow.created`).
        """
        return self._desk.add_campaign(name, id)

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
        fields = {
            "campaign_id": campaign_id,
            "email": email,
            "first_name": first_name,
            "last_name": last_name,
            "company_name": company_name,
            "phone": phone,
        }
        return self._desk.add_client(fields).id

    def complete(self, client_id: str) -> bool:
        """Have a client finish onboarding, as on the page of their link; False if they had before.

        The webhooks hear of it, once (`client.completed`). ValueError for an unknown client.
        """
        client = self._desk.store.client(client_id)
        if client is None:
            raise ValueError(f"there is no client {client_id}")
        return bool(self._desk.complete(client.code))

    def clients(self, campaign_id: str | None = None) -> list[dict[str, str | None]]:
        """What is stored, in the order of creation and with links; of one campaign, or of all."""
        store = self._desk.store
        stored = store.clients(last=store.last_client(), campaign_id=campaign_id)
        return [client.as_json(origin=self._desk.origin) for client in stored]

    # --- as a whole ---

    def reset(self) -> None:
        """Be as at the start, within some milliseconds: for the next test.

        What was stored, recorded, sent, changed and broken since is forgotten, and what is under way is dropped;
        a `db` is emptied. The keys stay.
        """
        self._up.call(self._desk.reset)

    def seed(self, data: object) -> dict[str, int]:
        """Store campaigns and clients at once, and tell no webhook; how many of each.

        As in `{"campaigns": ["One", {"id": "2", "name": "Two"}], "clients": [{"campaign": "One", "email": "a@b.c"}]}`;
        a client may have the API's fields, and `"completed": true`. ValueError, with nothing stored, says where
        something is wrong.
        """
        return self._desk.seed(data)

    def snapshot(self) -> bytes:
        """All campaigns and clients, to be restored later, here or in another sandbox."""
        return self._desk.snapshot()

    def restore(self, snapshot: bytes) -> None:
        """Have the campaigns and clients of a snapshot, and no others; ValueError, nothing changed, if it is none."""
        self._desk.restore(snapshot)

    # --- how it behaves ---

    @property
    def clock(self) -> Clock:
        """Its time: `advance(seconds)`, `freeze()` and `go_on()`; limit, dates, retries and delays go by it."""
        return self._desk.clock

    @property
    def switches(self) -> Switches:
        """How the switches stand."""
        return self._desk.switches

    @property
    def limiter(self) -> Minute:
        """How requests are counted."""
        return self._desk.settings.minute

    def configure(
        self,
        *,
        preset: Preset | None = None,
        limit: int | None = None,
        window_s: float | None = None,
        limiter: str | None = None,
        count_refused: bool | None = None,
        **switches: Unpack[SwitchOptions],
    ) -> None:
        """From now on behave so; a preset decides everything that is not given. ValueError, with nothing changed."""
        minute = {"limit": limit, "window_s": window_s, "limiter": limiter, "count_refused": count_refused}
        options = {name: value for name, value in minute.items() if value is not None}
        self._desk.configure(preset, {**options, **switches})

    # --- what is to go wrong ---

    def add_fault(self, kind: str, **options: Unpack[FaultOptions]) -> None:
        """From now on requests fail in this way (`KINDS`): those of a `method`, a `path`, an `email`; or all.

        `nth`: the first to fail, from 1. `times`: how many; without it all, or one if `nth` is given. `probability`
        of each, with `seed`. `delay_s`: seconds, for `delay`, `late-commit`, `slow-drip` and `stale-listing`; `keep`:
        clients, for `cut-listing`; `status` and `body`, for `status`. One request: the header `X-Sandbox-Fault: KIND`.
        """
        self._desk.add_fault(kind, **options)

    def clear_faults(self) -> None:
        """From now on all goes well."""
        self._desk.clear_faults()

    @property
    def faults(self) -> tuple[Fault, ...]:
        """The rules in force, oldest first."""
        return self._desk.faults.rules

    # --- webhooks ---

    @property
    def webhooks(self) -> tuple[Webhook, ...]:
        """The endpoints, with their secrets."""
        return self._desk.deliveries.webhooks

    def add_webhook(self, url: str, **options: Unpack[WebhookOptions]) -> Webhook:
        """From now on what happens is sent there; ValueError for what cannot be meant, and for other machines.

        `secret` signs (a new one, to be read from the result; of several each does), `events` are sent (all). `retries`
        "none", "standard" or the seconds before each, times `time_scale`. `duplicates`: how many times more each is
        sent. `reorder`: the probability, with `seed`, that one is held back until the next is sent. `tamper`: one of
        `TAMPERINGS`.
        """
        return self._desk.add_webhook(Webhook(url=url, **options))

    @property
    def deliveries(self) -> list[Delivery]:
        """What was sent to the endpoints, oldest first; still there when the sandbox has ended."""
        return self._desk.deliveries.records()

    async def delivered(self) -> None:
        """Wait until no delivery is pending; what is held back is sent now.

        All retries included: with the "standard" ones of an endpoint that never answers 2xx that is more than three
        days, unless the clock is set forward or a `time_scale` shortens it.
        """
        import asyncio  # only here, so that importing the sandbox does not cost it

        await asyncio.wrap_future(self._desk.deliveries.ended())

    def wait_delivered(self, *, timeout_s: float | None = None) -> None:
        """`delivered` for a program that blocks; TimeoutError if that takes longer, RuntimeError on a loop."""
        if _is_on_a_loop():
            raise RuntimeError("this would block the running loop; `await sandbox.delivered()` does not")
        self._desk.deliveries.ended().result(timeout_s)

    def resend(self, delivery_id: str) -> Delivery:
        """Send the bytes of a logged delivery again, as a new one; ValueError if the log does not have it."""
        return self._desk.deliveries.resend(delivery_id)

    def trigger(self, event: str, *, client_id: str | None = None, campaign_id: str | None = None) -> list[Delivery]:
        """Send an event by hand, dated now, and get its deliveries; ValueError for what is not known.

        `flow.created` is about a campaign, the others are about a client.
        """
        return self._desk.trigger(event, client_id=client_id, campaign_id=campaign_id)

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

        if self._running is not None:
            raise RuntimeError("the sandbox is running already")
        with ExitStack() as undo:
            listener, url = listen(self._port)
            undo.callback(listener.close)
            store = Store(
                self._db, now=self._desk.clock.now, clock=self._desk.clock, new_id=self._new_id, new_code=self._new_code
            )
            undo.callback(store.close)
            self._desk.open(store, url=url, origin=self._link_origin or url)
            undo.callback(self._desk.close)
            self._running = await Running.start(self._desk, listener, url)
            undo.pop_all()

    async def _stop(self) -> None:
        running, self._running = self._running, None
        if running is not None:
            await running.stop()


def _is_on_a_loop() -> bool:
    import asyncio  # as above

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
