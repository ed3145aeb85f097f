"""The control API below /_sandbox/: what a test in any language says to the sandbox, beside what it says to the API.

Each path is a method of `Sandbox`; JSON in, JSON out. Knows no limit and no key, and refuses what another site sends.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from sys import float_info
from typing import Any, Final

from aiohttp import web
from attrs import asdict

from onboard360_async.sandbox.answers import json_answer
from onboard360_async.sandbox.browsers import is_from_here
from onboard360_async.sandbox.deliveries import Delivery
from onboard360_async.sandbox.desk import Desk
from onboard360_async.sandbox.faults import read_options
from onboard360_async.sandbox.openapi import describe
from onboard360_async.sandbox.store import StoredClient, time_text
from onboard360_async.sandbox.switches import versioned
from onboard360_async.sandbox.webhooks import Webhook

__all__ = ["CONTROL_PATH", "Control"]

CONTROL_PATH: Final = "/_sandbox"
_MAX_BODY_BYTES: Final = 256 * 1024 * 1024  # of a seed or a snapshot
_MOST: Final = 1000  # records in one answer, unless `last` asks for others
_LONGEST_S: Final = 60.0  # that `delivered` waits, unless `timeout_s` says otherwise

Work = Callable[[web.Request], Awaitable[object]]


class Control:
    """The control API of one desk."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """All paths; each method of a path is a line."""
        for method, path, work in (
            ("GET", "/", self._state),
            ("POST", "/reset", self._reset),
            ("POST", "/seed", self._seed),
            ("GET", "/snapshot", self._snapshot),
            ("POST", "/restore", self._restore),
            ("GET", "/clock", self._clock),
            ("POST", "/clock", self._turn_clock),
            ("GET", "/switches", self._switches),
            ("POST", "/switches", self._switch),
            ("GET", "/limiter", self._limiter),
            ("POST", "/limiter", self._set_limiter),
            ("GET", "/faults", self._faults),
            ("POST", "/faults", self._add_fault),
            ("DELETE", "/faults", self._clear_faults),
            ("POST", "/keys", self._new_key),
            ("GET", "/requests", self._requests),
            ("GET", "/campaigns", self._campaigns),
            ("POST", "/campaigns", self._add_campaign),
            ("GET", "/clients", self._clients),
            ("POST", "/clients", self._add_client),
            ("POST", "/complete", self._complete),
            ("GET", "/webhooks", self._webhooks),
            ("POST", "/webhooks", self._new_webhook),
            ("GET", "/deliveries", self._deliveries),
            ("POST", "/deliveries/{id}/resend", self._resend),
            ("POST", "/delivered", self._delivered),
            ("POST", "/trigger", self._trigger),
            ("GET", "/openapi.json", self._openapi),
        ):
            router.add_route(method, f"{CONTROL_PATH}{path}", _guarded(work))

    # --- as a whole ---

    async def _state(self, _: web.Request) -> object:
        desk = self._desk
        return {
            "url": desk.url,
            "campaigns": len(desk.store.campaigns()),
            "clients": desk.store.count_clients(),
            "settings": desk.settings.as_json(),
            "clock": self._time(),
        }

    async def _reset(self, _: web.Request) -> object:
        self._desk.reset()
        return {}

    async def _seed(self, request: web.Request) -> object:
        return self._desk.seed(_json(await _body(request)))

    async def _snapshot(self, _: web.Request) -> object:
        return web.Response(body=self._desk.snapshot(), content_type="application/vnd.sqlite3")

    async def _restore(self, request: web.Request) -> object:
        self._desk.restore(await _body(request))
        return {}

    # --- how it behaves ---

    def _time(self) -> dict[str, object]:
        clock = self._desk.clock
        return {"now": time_text(clock.now()), "seconds": clock(), "frozen": clock.is_frozen}

    async def _clock(self, _: web.Request) -> object:
        return self._time()

    async def _turn_clock(self, request: web.Request) -> object:
        told = await _told(request, "advance_s", "frozen")
        clock = self._desk.clock
        if told.get("frozen") not in (None, True, False):
            raise ValueError("frozen must be true or false")
        if "advance_s" in told:
            clock.advance(told["advance_s"])
        if told.get("frozen") is not None:
            (clock.freeze if told["frozen"] else clock.go_on)()
        self._desk.changed()
        return self._time()

    async def _switches(self, _: web.Request) -> object:
        return asdict(self._desk.switches)

    async def _switch(self, request: web.Request) -> object:
        told = await _told(request)
        preset = told.pop("preset", None)
        if preset is not None and (not isinstance(preset, str) or preset.endswith(".json")):
            raise ValueError("preset must be a name; send what is in a file as it stands")
        self._desk.configure(preset, versioned(told))
        return self._desk.settings.as_json()

    async def _limiter(self, _: web.Request) -> object:
        limiter = self._desk.limiter
        return asdict(self._desk.settings.minute) | {"refused": 0 if limiter is None else limiter.refused}

    async def _set_limiter(self, request: web.Request) -> object:
        self._desk.configure(None, await _told(request, *asdict(self._desk.settings.minute)))
        return await self._limiter(request)

    async def _faults(self, _: web.Request) -> object:
        return {"faults": [fault.as_json() for fault in self._desk.faults.rules]}

    async def _add_fault(self, request: web.Request) -> object:
        told = await _told(request)
        kind = told.pop("kind", None)
        self._desk.add_fault(f"{kind}", **read_options({name: told[name] for name in told if told[name] is not None}))
        return await self._faults(request)

    async def _clear_faults(self, _: web.Request) -> object:
        self._desk.clear_faults()
        return {"faults": []}

    async def _new_key(self, _: web.Request) -> object:
        return {"api_key": self._desk.new_key()}

    # --- what is in it ---

    async def _requests(self, request: web.Request) -> object:
        return {"requests": [asdict(record) for record in self._desk.recorder.last(_last(request))]}

    async def _campaigns(self, _: web.Request) -> object:
        return {"campaigns": [campaign._asdict() for campaign in self._desk.store.campaigns()]}

    async def _add_campaign(self, request: web.Request) -> object:
        told = await _told(request, "name", "id")
        name: Any = told.get("name")  # which the desk checks
        return {"id": self._desk.add_campaign(name, told.get("id"))}

    async def _clients(self, request: web.Request) -> object:
        campaign_id = request.query.get("campaign_id")
        store = self._desk.store
        found = store.find_clients(text=request.query.get("text", ""), campaign_id=campaign_id, most=_last(request))
        return {"clients": [self._client(client) for client in reversed(found)]}

    async def _add_client(self, request: web.Request) -> object:
        told = await _told(request)
        return {"client": self._client(self._desk.add_client(told))}

    def _client(self, client: StoredClient) -> dict[str, object]:
        return {**client.as_json(origin=self._desk.origin), "completed_at": client.completed_at}

    async def _complete(self, request: web.Request) -> object:
        id_ = (await _told(request, "client_id")).get("client_id")
        client = self._desk.store.client(id_) if isinstance(id_, str) else None
        if client is None:
            raise ValueError("there is no client with this client_id")
        return {"completed": bool(self._desk.complete(client.code))}

    # --- webhooks ---

    async def _webhooks(self, _: web.Request) -> object:
        """Without their secrets, which only whoever adds one is told."""
        return {"webhooks": [_endpoint(webhook) for webhook in self._desk.deliveries.webhooks]}

    async def _new_webhook(self, request: web.Request) -> object:
        told = await _told(request)
        unknown = told.keys() - {"url", *_endpoint_options()}
        if unknown:
            raise ValueError(f"a webhook has no option {min(unknown)!r}; its options: {', '.join(_endpoint_options())}")
        webhook = self._desk.add_webhook(Webhook(**{"url": None, **told}))
        return _endpoint(webhook) | {"secret": webhook.secret}

    async def _deliveries(self, request: web.Request) -> object:
        found = self._desk.deliveries.last(_last(request))
        wanted = {name: request.query[name] for name in ("event", "state", "client_id") if name in request.query}
        chosen = (each for each in found if all(getattr(each, name) == value for name, value in wanted.items()))
        return {"deliveries": [_delivery(each) for each in chosen]}

    async def _resend(self, request: web.Request) -> object:
        return _delivery(self._desk.resend(request.match_info["id"]))

    async def _delivered(self, request: web.Request) -> object:
        """Wait until nothing is pending; false if that takes longer than `timeout_s`."""
        told = await _told(request, "timeout_s")
        timeout_s = told.get("timeout_s", _LONGEST_S)
        if (
            isinstance(timeout_s, bool)
            or not isinstance(timeout_s, int | float)
            or not 0 <= timeout_s <= float_info.max
        ):
            raise ValueError("timeout_s must be a number of seconds")
        try:
            async with asyncio.timeout(timeout_s):
                await asyncio.wrap_future(self._desk.deliveries.ended())
        except TimeoutError:
            return {"delivered": False}
        return {"delivered": True}

    async def _trigger(self, request: web.Request) -> object:
        told = await _told(request, "event", "client_id", "campaign_id")
        for name, value in told.items():
            if not isinstance(value, str):
                raise ValueError(f"{name} must be a string")  # noqa: TRY004 - as all that is told
        fired = self._desk.trigger(told.pop("event", ""), **told)
        return {"deliveries": [_delivery(delivery) for delivery in fired]}

    async def _openapi(self, _: web.Request) -> object:
        return describe(self._desk.url)


def _guarded(work: Work) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """The handler: only for this machine's own programs, and with an error body for what cannot be meant."""

    async def handle(request: web.Request) -> web.StreamResponse:
        if not is_from_here(request):
            return _refused(403, "Forbidden", "The sandbox is controlled from this machine, and not by other sites.")
        try:
            value = await work(request)
        except ValueError as error:
            return _refused(400, "Bad request", str(error))
        except web.RequestPayloadError:
            return _refused(400, "Bad request", "The body is not encoded as its headers say.")
        return value if isinstance(value, web.StreamResponse) else json_answer(200, value)

    return handle


def _refused(status: int, error: str, details: str) -> web.Response:
    return json_answer(status, {"error": error, "details": details})


async def _body(request: web.Request) -> bytes:
    """All of it; not by `request.read`, which holds the API's own limit."""
    pieces: list[bytes] = []
    size = 0
    async for piece in request.content.iter_any():
        size += len(piece)
        if size > _MAX_BODY_BYTES:
            raise ValueError(f"a body may have {_MAX_BODY_BYTES} bytes")
        pieces.append(piece)
    return b"".join(pieces)


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise ValueError("the body is not JSON") from None


async def _told(request: web.Request, *names: str) -> dict[str, Any]:
    """The members of the body, all of them among `names` if there are any; an empty body says nothing."""
    body = await _body(request)
    value = _json(body) if body.strip() else {}
    if not isinstance(value, dict):
        raise ValueError("the body must be an object")  # noqa: TRY004 - as all that is told
    unknown = value.keys() - set(names) if names else set()
    if unknown:
        raise ValueError(f"there is no {min(unknown)!r} here; choose from: {', '.join(names)}")
    return value


def _last(request: web.Request) -> int:
    asked = request.query.get("last", str(_MOST))
    if not (asked.isascii() and asked.isdecimal() and len(asked) < 10):
        raise ValueError("last must be a number")
    return int(asked)


def _endpoint_options() -> tuple[str, ...]:
    return ("secret", "events", "retries", "time_scale", "duplicates", "reorder", "seed", "tamper")


def _endpoint(webhook: Webhook) -> dict[str, object]:
    shown: Mapping[str, object] = asdict(webhook)
    return {name: value for name, value in shown.items() if name not in ("secret", "secrets")}


def _delivery(delivery: Delivery) -> dict[str, object]:
    """A delivery with its body as text, which it is in every form that is sent."""
    return {
        "id": delivery.id,
        "webhook_id": delivery.webhook_id,
        "url": delivery.url,
        "event": delivery.event,
        "client_id": delivery.client_id,
        "state": delivery.state,
        "copy_of": delivery.copy_of,
        "headers": dict(delivery.headers),
        "body": delivery.body.decode("utf-8", "replace"),
        "attempts": [asdict(attempt) for attempt in delivery.attempts],
    }
