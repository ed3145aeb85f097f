"""The API over HTTP: keys, limit and faults before the three calls, as documented. Knows no port and no thread.

Source: API page. What the page leaves open is a switch (`switches`), or marked UNDOCUMENTED here and in `body`.
"""

import math
from collections.abc import Callable, Mapping
from datetime import timedelta
from email.utils import format_datetime
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler

from onboard360_async.sandbox import body
from onboard360_async.sandbox.answers import campaign_json, client_json, envelope_extra, json_answer, problem
from onboard360_async.sandbox.control import Control
from onboard360_async.sandbox.desk import Desk
from onboard360_async.sandbox.failing import Failing
from onboard360_async.sandbox.faults import API_PATH, CLIENTS, OF_LISTINGS, Fault, parse_fault
from onboard360_async.sandbox.listings import Listed, Listing, page_asked
from onboard360_async.sandbox.pages import Pages
from onboard360_async.sandbox.store import StoredClient
from onboard360_async.sandbox.switches import Switches

__all__ = ["FAULT_HEADER", "Service"]

FAULT_HEADER: Final = "X-Sandbox-Fault"  # `KIND`, `delay:delay=SECONDS`, `cut-listing:keep=NUMBER`, `status:status=418`
_MAX_BODY_BYTES: Final = 1024 * 1024  # UNDOCUMENTED: a larger body is 413, and nothing was done
_OF_A_REQUEST: Final = {"delay_s", "keep", "status", "body"}  # what the header may say of its fault


class Service:
    """One sandbox's answers. UNDOCUMENTED: a request is judged by its key first, then by the limit, then for itself.

    A 401 does not count against the limit; every other request below /api/v1 does, one with an injected fault
    included.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._failing = Failing(desk.clock)
        desk.on_reset.append(self._failing.drop)
        self._pages = Pages(desk)

    def application(self) -> web.Application:
        """The routes, with the gate before them."""
        app = web.Application(middlewares=[self._gate], client_max_size=_MAX_BODY_BYTES + 1)
        app.router.add_get(f"{API_PATH}/campaigns", self._list_campaigns, allow_head=False)
        app.router.add_get(CLIENTS, self._list_clients, allow_head=False)
        app.router.add_post(CLIENTS, self._add_client)
        Control(self._desk).add_routes(app.router)
        self._pages.add_routes(app.router)
        return app

    async def stop(self) -> None:
        """Wait for nothing any longer: what hangs is dropped."""
        self._desk.on_reset.remove(self._failing.drop)
        await self._pages.close()
        await self._failing.stop()

    # --- before the calls ---

    @web.middleware
    async def _gate(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if not request.path.startswith(f"{API_PATH}/"):
            try:
                return await self._in_json(request, handler, Switches())
            except ConnectionError:  # the sender is gone
                return _drop(request)
        at = self._desk.clock()
        key = self._key_of(request)
        entry = self._desk.recorder.arrived(
            at=at, method=request.method, path=request.path, query=request.query_string, key=key
        )
        self._desk.changed()
        answer = await self._judge(request, handler, key, at)
        if answer is None:
            return _drop(request)
        entry.status = answer.status
        self._desk.changed()
        return answer

    def _key_of(self, request: web.Request) -> int | None:
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        return self._desk.keys.get(key.strip()) if scheme.lower() == "bearer" else None

    async def _judge(
        self, request: web.Request, handler: Handler, key: int | None, at: float
    ) -> web.StreamResponse | None:
        """The answer, not yet sent; None if the connection is to be dropped instead."""
        if key is None:
            return self._problem(401, "Unauthorized", "Send one of the sandbox's keys: Authorization: Bearer sk_test_…")
        limiter = self._desk.limiter
        if limiter is not None and not limiter.admit(key, at):
            return self._too_many(key, at, "The limit of requests per minute is reached.")
        limits = self._limits(key, at)
        answer = await self._serve(request, handler, limits, lambda: self._too_many(key, at, "Injected fault: 429."))
        if answer is not None and not answer.prepared:
            answer.headers.update(limits)  # what a fault or a refusal has made tells of them as well
        return answer

    async def _serve(
        self, request: web.Request, handler: Handler, limits: Mapping[str, str], too_many: Callable[[], web.Response]
    ) -> web.StreamResponse | None:
        """The same of a request that the limit lets through."""
        era = self._desk.era
        try:
            content = await _content(request)
            if era != self._desk.era:  # a reset while it came: what began before is not to reach the new state
                return None
            fault = self._fault_for(request, content)
        except web.HTTPException as error:
            return self._as_problem(error, self._desk.switches)
        except web.RequestPayloadError:
            return self._problem(400, "Bad request", "The body is not encoded as its headers say.")
        except ConnectionError:
            return None  # the sender is gone
        except ValueError as error:
            return self._problem(400, "Bad request", f"{FAULT_HEADER}: {error}")

        async def carry_out() -> web.StreamResponse:
            answer = await self._in_json(request, handler)
            answer.headers.update(limits)  # here already: what a fault cuts or drips copies them
            return answer

        if fault is None:
            return await carry_out()
        if fault.kind == "429":
            return too_many()
        if fault.kind in OF_LISTINGS:
            return self._list(request, fault)
        return await self._failing.fail(fault, request, carry_out, self._desk.switches)

    def _fault_for(self, request: web.Request, content: bytes) -> Fault | None:
        """The fault that the rules or the request itself ask for; ValueError if the request asks for nonsense."""
        due = self._desk.faults.due(request.method, request.path, content)
        if FAULT_HEADER not in request.headers:
            return due
        kind, options = parse_fault(request.headers[FAULT_HEADER])
        if options.keys() - _OF_A_REQUEST:
            raise ValueError("a request can only say the kind of its fault, its delay, keep, status and body")
        fault = Fault(kind=kind, **options)
        if not fault.is_about(request.method, request.path, content):
            raise ValueError(f"{kind} is about GET {CLIENTS} alone")
        return fault

    # --- what is told of the limit ---

    def _limits(self, key: int, at: float) -> Mapping[str, str]:
        """The headers of the IETF draft, where the switch wants them."""
        limiter, minute = self._desk.limiter, self._desk.settings.minute
        if limiter is None or not self._desk.switches.rate_limit:
            return {}
        left = limiter.remaining(key, at)
        wait_s = max(1, math.ceil(limiter.wait_s(key, at))) if left == 0 else math.ceil(minute.window_s)
        return {
            "RateLimit-Policy": f'"default";q={minute.limit};w={math.ceil(minute.window_s)}',
            "RateLimit": f'"default";r={left};t={wait_s}',
        }

    def _too_many(self, key: int, at: float, details: str) -> web.Response:
        """UNDOCUMENTED: the page promises no Retry-After; whether there is one is a switch."""
        answer = self._problem(429, "Rate limit exceeded", details)
        answer.headers.update(self._limits(key, at))
        limiter = self._desk.limiter
        wait_s = max(1, math.ceil(0.0 if limiter is None else limiter.wait_s(key, at)))
        if self._desk.switches.retry_after == "seconds":
            answer.headers["Retry-After"] = str(wait_s)
        elif self._desk.switches.retry_after == "date":
            now = self._desk.clock.now().replace(microsecond=0)
            answer.headers["Date"] = format_datetime(now, usegmt=True)  # of the same clock, or it would be no date
            answer.headers["Retry-After"] = format_datetime(now + timedelta(seconds=wait_s), usegmt=True)
        return answer

    # --- the three calls ---

    async def _list_campaigns(self, _: web.Request) -> web.Response:
        """Source: API page, "List Campaigns"."""
        switches = self._desk.switches
        campaigns = [campaign_json(campaign, switches) for campaign in self._desk.store.campaigns()]
        return json_answer(200, {"campaigns": campaigns, **envelope_extra(switches)})

    async def _list_clients(self, request: web.Request) -> web.Response:
        """Source: API page, "List Clients". UNDOCUMENTED: a campaign that is not there gives an empty listing."""
        return self._list(request)

    def _list(self, request: web.Request, fault: Fault | None = None) -> web.Response:
        store, switches = self._desk.store, self._desk.switches
        campaign_id = request.query.get("campaign_id")
        if fault is None:
            last = store.last_client()
        elif fault.kind == "stale-listing":
            last = store.last_client_at(self._desk.clock() - fault.delay_s)
        else:
            last = store.last_of_oldest(fault.keep, campaign_id)
        try:
            page = page_asked(request, store, switches, last=last)
        except ValueError as error:
            return self._problem(400, "Bad request", str(error))
        return Listed(Listing(store, switches, campaign_id, last=last, page=page, origin=self._desk.origin), page)

    async def _add_client(self, request: web.Request) -> web.Response:
        """Source: API page, "Add Client"."""
        switches = self._desk.switches
        try:
            new = body.read(await _content(request))
        except body.BodyError as error:
            return self._problem(400, "Bad request", str(error))
        if switches.duplicate_email != "allowed":
            known = self._desk.store.client_by_email(new.campaign_id, new.email)
            if known is not None:
                return self._answer_known(known)
        client = self._desk.create(new)
        if client is None:
            details = "There is no campaign with this campaign_id."
            if switches.unknown_campaign == "400":
                return self._problem(400, "Bad request", details)
            return self._problem(404, "Not found", details)
        return self._one(switches.created_status, client)

    def _answer_known(self, client: StoredClient) -> web.Response:
        """UNDOCUMENTED: an email that the campaign has already; in the preset `documented` it is allowed."""
        kind = self._desk.switches.duplicate_email
        if kind == "existing":
            return self._one(200, client)
        return self._problem(int(kind), "Bad request" if kind == "400" else "Conflict", "This email was added before.")

    def _one(self, status: int, client: StoredClient) -> web.Response:
        switches = self._desk.switches
        shown = client_json(client, switches, origin=self._desk.origin)
        return json_answer(status, {"client": shown, **envelope_extra(switches)})

    # --- errors ---

    def _problem(self, status: int, error: str, details: str) -> web.Response:
        return problem(status, error, details, self._desk.switches)

    async def _in_json(
        self, request: web.Request, handler: Handler, switches: Switches | None = None
    ) -> web.StreamResponse:
        """The handler's answer; UNDOCUMENTED: what has no route (404, 405) gets an error body as well."""
        try:
            return await handler(request)
        except web.HTTPException as error:
            return self._as_problem(error, switches or self._desk.switches)

    def _as_problem(self, error: web.HTTPException, switches: Switches) -> web.Response:
        details = {
            404: "There is nothing at this path.",
            405: "This path does not know this method.",
            413: f"A body may have {_MAX_BODY_BYTES} bytes.",
        }
        answer = problem(error.status, error.reason, details.get(error.status, error.reason), switches)
        if "Allow" in error.headers:
            answer.headers["Allow"] = error.headers["Allow"]
        return answer


async def _content(request: web.Request) -> bytes:
    """The body; 413 if it is too large: aiohttp 3.13 refuses what it is told and 3.14 what is above, so we count."""
    content = await request.read()
    if len(content) > _MAX_BODY_BYTES:
        raise web.HTTPRequestEntityTooLarge(_MAX_BODY_BYTES, len(content))
    return content


def _drop(request: web.Request) -> web.Response:
    """Close the connection without a byte; what is returned is not sent any more, and nothing is logged."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()
