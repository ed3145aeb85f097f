"""The API over HTTP: keys, limit and faults before the three calls, as documented. Knows no port and no thread.

Source: API page. What the page leaves open is marked UNDOCUMENTED here, in `body`, `limiter` and `store`.
"""

import asyncio
import json
import math
from collections.abc import Callable, Mapping
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler
from attrs import define, field

from onboard360_async.sandbox import body
from onboard360_async.sandbox.body import NewClient
from onboard360_async.sandbox.deliveries import Deliveries, Delivery
from onboard360_async.sandbox.events import CLIENT_CREATED, client_created
from onboard360_async.sandbox.faults import API_PATH, CLIENTS, OF_LISTINGS, Fault, Faults, parse_fault
from onboard360_async.sandbox.limiter import Limiter
from onboard360_async.sandbox.recorder import Recorder
from onboard360_async.sandbox.store import Store, StoredClient

__all__ = ["FAULT_HEADER", "Listing", "Service"]

FAULT_HEADER: Final = "X-Sandbox-Fault"  # `KIND`, `delay:delay=SECONDS`, `cut-listing:keep=NUMBER`
_MAX_BODY_BYTES: Final = 1024 * 1024  # UNDOCUMENTED: a larger body is 413, and nothing was done
_PIECE_CHARS: Final = 16 * 1024  # of a listing, written at once


@define(kw_only=True, eq=False)
class Service:
    """One sandbox's answers. UNDOCUMENTED: a request is judged by its key first, then by the limit, then for itself.

    A 401 does not count against the limit; every other request below /api/v1 does, one with an injected fault
    included.
    """

    origin: str  # of links
    keys: Mapping[str, int]
    store: Store
    faults: Faults
    recorder: Recorder
    deliveries: Deliveries
    limiter: Limiter | None
    retry_after: bool  # UNDOCUMENTED: the page promises no Retry-After
    clock: Callable[[], float]
    _stopping: asyncio.Event = field(factory=asyncio.Event, init=False)
    _late: set[asyncio.Task[None]] = field(factory=set, init=False)  # commits that are still to come

    def application(self) -> web.Application:
        """The routes, with the gate before them."""
        app = web.Application(middlewares=[self._gate], client_max_size=_MAX_BODY_BYTES)
        app.router.add_get(f"{API_PATH}/campaigns", self._list_campaigns, allow_head=False)
        app.router.add_get(CLIENTS, self._list_clients, allow_head=False)
        app.router.add_post(CLIENTS, self._add_client)
        return app

    async def stop_waiting(self) -> None:
        """Drop the connections of answers that wait, and forget late commits: nobody needs to wait for them."""
        self._stopping.set()
        await asyncio.gather(*self._late)

    # --- what is also done without a request ---

    def add_client(self, new: NewClient) -> StoredClient | None:
        """Create a client and tell the webhooks, or None if there is no such campaign.

        UNDOCUMENTED: whether a webhook may come before the answer; it may. Pinned by tests/sandbox/test_webhooks.py
        (test_the_answer_does_not_wait_for_the_webhook).
        """
        client = self.store.add_client(new)
        if client is not None:
            self.tell_created(client, timestamp=client.created_at)
        return client

    def tell_created(self, client: StoredClient, *, timestamp: str) -> list[Delivery]:
        """Tell the webhooks that this client was created, as of this time."""
        if not self.deliveries.is_heard(CLIENT_CREATED):
            return []
        campaign = self.store.campaign_of(client)
        return self.deliveries.fire(client_created(client, campaign, origin=self.origin, timestamp=timestamp))

    # --- before the calls ---

    @web.middleware
    async def _gate(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if not request.path.startswith(f"{API_PATH}/"):
            return await _in_json(request, handler)
        at = self.clock()
        key = self._key_of(request)
        entry = self.recorder.arrived(
            at=at, method=request.method, path=request.path, query=request.query_string, key=key
        )
        answer = await self._judge(request, handler, key, at)
        if answer is None:
            return _drop(request)
        entry.status = answer.status
        return answer

    def _key_of(self, request: web.Request) -> int | None:
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        return self.keys.get(key.strip()) if scheme.lower() == "bearer" else None

    async def _judge(
        self, request: web.Request, handler: Handler, key: int | None, at: float
    ) -> web.StreamResponse | None:
        """The answer, not yet sent; None if the connection is to be dropped instead."""
        if key is None:
            return _problem(401, "Unauthorized", "Send one of the sandbox's keys: Authorization: Bearer sk_test_…")
        if self.limiter is not None and not self.limiter.admit(key, at):
            return self._too_many(key, at, "The limit of requests per minute is reached.")
        try:
            content = await request.read()
            fault = self._fault_for(request, content)
        except web.HTTPException as error:
            return _as_problem(error)
        except web.RequestPayloadError:
            return _problem(400, "Bad request", "The body is not encoded as its headers say.")
        except ConnectionError:
            return None  # the sender is gone
        except ValueError as error:
            return _problem(400, "Bad request", f"{FAULT_HEADER}: {error}")
        if fault is None:
            return await _in_json(request, handler)
        if fault.kind == "429":
            return self._too_many(key, at, "Injected fault: 429.")
        return await self._fail(fault, request, handler)

    def _fault_for(self, request: web.Request, content: bytes) -> Fault | None:
        """The fault that the rules or the request itself ask for; ValueError if the request asks for nonsense."""
        due = self.faults.due(request.method, request.path, content)
        if FAULT_HEADER not in request.headers:
            return due
        kind, options = parse_fault(request.headers[FAULT_HEADER])
        if options.keys() - {"delay_s", "keep"}:
            raise ValueError("a request can only say the kind of its fault, its delay and its keep")
        fault = Fault(kind=kind, **options)
        if not fault.is_about(request.method, request.path, content):
            raise ValueError(f"{kind} is about GET {CLIENTS} alone")
        return fault

    async def _fail(self, fault: Fault, request: web.Request, handler: Handler) -> web.StreamResponse | None:
        if fault.kind == "drop-before":
            return None
        if fault.kind == "500-before":
            return _problem(500, "Server error", "Injected fault: 500-before; nothing was done.")
        if fault.kind in OF_LISTINGS:
            return self._bad_listing(fault, request)
        if fault.kind == "late-commit":
            late = asyncio.create_task(self._carry_out_late(fault, request, handler))
            self._late.add(late)
            late.add_done_callback(self._late.discard)
            return None
        answer = await _in_json(request, handler)
        if fault.kind == "commit-then-drop":
            return None
        if fault.kind == "500-after":
            return _problem(500, "Server error", "Injected fault: 500-after; the request was carried out.")
        if fault.kind == "truncated-201":
            return await _cut(request, answer) if answer.status == 201 else answer
        return answer if await self._passes(None if fault.kind == "hang-after-commit" else fault.delay_s) else None

    async def _passes(self, delay_s: float | None) -> bool:
        """Wait so long, None: for ever; False as soon as the sandbox ends."""
        try:
            async with asyncio.timeout(delay_s):
                await self._stopping.wait()
        except TimeoutError:
            return True
        return False

    async def _carry_out_late(self, fault: Fault, request: web.Request, handler: Handler) -> None:
        if await self._passes(fault.delay_s):
            await _in_json(request, handler)

    def _bad_listing(self, fault: Fault, request: web.Request) -> web.Response:
        campaign_id = request.query.get("campaign_id")
        if fault.kind == "stale-listing":
            last = self.store.last_client_at(self.clock() - fault.delay_s)
        else:
            last = self.store.last_of_oldest(fault.keep, campaign_id)
        return _listed(Listing(self.store, campaign_id, last=last))

    def _too_many(self, key: int, at: float, details: str) -> web.Response:
        answer = _problem(429, "Rate limit exceeded", details)
        if self.retry_after:
            wait_s = self.limiter.wait_s(key, at) if self.limiter is not None else 0.0
            answer.headers["Retry-After"] = str(max(1, math.ceil(wait_s)))
        return answer

    # --- the three calls ---

    async def _list_campaigns(self, _: web.Request) -> web.Response:
        """Source: API page, "List Campaigns"."""
        return _json(200, {"campaigns": [campaign._asdict() for campaign in self.store.campaigns()]})

    async def _list_clients(self, request: web.Request) -> web.Response:
        """Source: API page, "List Clients". UNDOCUMENTED: a campaign that is not there gives an empty listing."""
        return _listed(Listing(self.store, request.query.get("campaign_id")))

    async def _add_client(self, request: web.Request) -> web.Response:
        """Source: API page, "Add Client". UNDOCUMENTED: a campaign that is not there is 404."""
        try:
            new = body.read(await request.read())
        except body.BodyError as error:
            return _problem(400, "Bad request", str(error))
        client = self.add_client(new)
        if client is None:
            return _problem(404, "Not found", "There is no campaign with this campaign_id.")
        return _json(201, {"client": client.as_json(origin=self.origin)})


class Listing:
    """The JSON of a listing, some KB at a time: of the clients that are there when it begins, or of those up to `last`.

    However many they are, it holds a few of them at once, and lets the loop turn between two pieces.
    """

    def __init__(self, store: Store, campaign_id: str | None, *, last: int | None = None) -> None:
        self._store = store
        self._campaign_id = campaign_id
        self._last = store.last_client() if last is None else last
        self._after = 0
        self._lead = '{"clients":['
        self._ended = False

    def __aiter__(self) -> "Listing":
        return self

    async def __anext__(self) -> bytes:
        if self._ended:
            raise StopAsyncIteration
        await asyncio.sleep(0)  # a write alone does not let others go on while the reader keeps up
        clients = self._store.clients(
            after=self._after, last=self._last, campaign_id=self._campaign_id, max_chars=_PIECE_CHARS
        )
        if not clients:
            self._ended = True
            return (self._lead if self._after == 0 else "").encode() + b"]}"
        piece = self._lead + ",".join(_text(client.as_json()) for client in clients)
        self._lead = ","
        self._after = clients[-1].seq
        return piece.encode()


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _json(status: int, value: object) -> web.Response:
    return web.Response(status=status, text=_text(value), content_type="application/json")


def _listed(listing: Listing) -> web.Response:
    return web.Response(body=listing, content_type="application/json", charset="utf-8")


def _problem(status: int, error: str, details: str) -> web.Response:
    """Source: API page, "Error Response"."""
    return _json(status, {"error": error, "details": details})


async def _in_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The handler's answer; UNDOCUMENTED: what has no route (404, 405) gets an error body as well."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        return _as_problem(error)


def _as_problem(error: web.HTTPException) -> web.Response:
    details = {
        404: "There is nothing at this path.",
        405: "This path does not know this method.",
        413: f"A body may have {_MAX_BODY_BYTES} bytes.",
    }
    answer = _problem(error.status, error.reason, details.get(error.status, error.reason))
    if "Allow" in error.headers:
        answer.headers["Allow"] = error.headers["Allow"]
    return answer


async def _cut(request: web.Request, answer: web.StreamResponse) -> web.StreamResponse | None:
    """Send the head of an answer and half of its body, and close the connection; None if the sender is gone."""
    assert isinstance(answer, web.Response)  # noqa: S101 - nothing but `_json` makes a 201
    assert isinstance(answer.body, bytes)  # noqa: S101 - the same
    cut = web.StreamResponse(status=answer.status, headers=answer.headers)
    cut.content_length = len(answer.body)
    try:
        await cut.prepare(request)
        await cut.write(answer.body[: len(answer.body) // 2])
    except ConnectionError:
        return None
    if request.transport is not None:
        request.transport.close()
    return cut


def _drop(request: web.Request) -> web.Response:
    """Close the connection without a byte; what is returned is not sent any more, and nothing is logged."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()
