"""The routes of the live page and of the onboarding page: what they show, and what their forms do.

Reads and changes a sandbox by its `Desk` alone. Draws nothing itself, and never hands out a key or a secret.
"""

import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import parse_qsl

from aiohttp import web

from onboard360_async.sandbox import forms, onboarding
from onboard360_async.sandbox.browsers import is_for_here, is_from_here
from onboard360_async.sandbox.deliveries import Delivery
from onboard360_async.sandbox.desk import Desk
from onboard360_async.sandbox.faults import FaultOptions
from onboard360_async.sandbox.lists import MOST_ROWS
from onboard360_async.sandbox.live import Hub
from onboard360_async.sandbox.markup import Markup
from onboard360_async.sandbox.plot import MOST_RECORDS, WINDOWS, Plot, counted
from onboard360_async.sandbox.render import SECTIONS, page
from onboard360_async.sandbox.switches import PRESETS, Minute, Settings, Switches, settle
from onboard360_async.sandbox.view import Asked, Endpoint, Notice, View

__all__ = ["HEADERS", "Pages"]

HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';"
    " img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_WEB: Final = Path(__file__).parent / "web"
_KINDS: Final = {"page.css": "text/css", "page.js": "text/javascript", "icon.svg": "image/svg+xml"}
_MOST_NOTICES: Final = 100  # that wait to be shown
_LOOKED_AT: Final = 1000  # deliveries among which some are looked for
_MOST_FIELDS: Final = 50  # of a form
_CLIENT_FIELDS: Final = ("campaign_id", "email", "first_name", "last_name", "company_name", "phone")
_WHOLE: Final = ("nth", "times", "keep", "status", "seed")
_DECIMAL: Final = ("probability", "delay_s")

_Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Pages:
    """The pages of one sandbox."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._hub = Hub()
        self._notices: OrderedDict[str, Notice] = OrderedDict()
        self._actions: Mapping[str, Callable[[Mapping[str, str]], str]] = {
            "publish": self._publish,
            "add-client": self._add_client,
            "add-fault": self._add_fault,
            "clear-faults": self._clear_faults,
            "resend": self._resend,
            "reset": self._reset,
        }
        desk.on_change.append(self._hub.changed)

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """The pages, what they are made of, and where their forms go."""
        router.add_get("/", _for_here(self._page))
        router.add_get("/c/{code}", _for_here(self._onboarding))
        router.add_get("/_page/{name:page[.]css|page[.]js|icon[.]svg}", _for_here(self._file))
        router.add_get("/_page/live", _from_here(self._live), allow_head=False)
        router.add_post("/c/{code}", _from_here(self._finish))
        router.add_post(f"{forms.ACTIONS}/{{action:{'|'.join(self._actions)}}}", _from_here(self._act))

    async def close(self) -> None:
        """End the streams of open pages, at once."""
        self._desk.on_change.remove(self._hub.changed)
        await self._hub.close()

    # --- what is shown ---

    async def _page(self, request: web.Request) -> web.Response:
        notice = self._notices.pop(request.query.get("notice", ""), None)
        return _shown(page(_view(self._desk, _asked(request), request.host, notice)))

    async def _live(self, request: web.Request) -> web.StreamResponse:
        asked, host = _asked(request), request.host

        def draw() -> Mapping[str, str]:
            view = _view(self._desk, asked, host)
            return {name: section(view) for name, section in SECTIONS.items()}

        return await self._hub.serve(request, draw)

    async def _file(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        text = (_WEB / name).read_text(encoding="utf-8")
        return web.Response(text=text, content_type=_KINDS[name], headers=HEADERS)

    async def _onboarding(self, request: web.Request) -> web.Response:
        client = self._desk.store.client_by_code(request.match_info["code"])
        if client is None:
            return _shown(onboarding.unknown(), status=404)
        return _shown(onboarding.onboarding(client, self._desk.store.campaign_of(client)))

    # --- what is done ---

    async def _finish(self, request: web.Request) -> web.Response:
        if self._desk.complete(request.match_info["code"]) is None:
            return _shown(onboarding.unknown(), status=404)
        return _sent_to(request.rel_url.raw_path)

    async def _act(self, request: web.Request) -> web.Response:
        """Do what the form asks for, and go back to the page that it stood on."""
        action = request.match_info["action"]
        typed: Mapping[str, str] = {}
        try:
            typed = _typed(await request.read())
            notice = Notice(text=self._actions[action](typed))
        except web.RequestPayloadError:
            notice = Notice(text="The body is not encoded as its headers say.", kind="refused")
        except (ValueError, RuntimeError) as error:
            notice = Notice(text=_sentence(str(error)), kind="refused", form=action, typed=typed)
        token = secrets.token_hex(8)
        self._notices[token] = notice
        if len(self._notices) > _MOST_NOTICES:
            self._notices.popitem(last=False)
        return _sent_to(_asked(request).address(notice=token))

    def _publish(self, typed: Mapping[str, str]) -> str:
        name = typed.get("name", "").strip()
        if not name:
            raise ValueError("a campaign needs a name")
        self._desk.add_campaign(name)
        return "The campaign is published."

    def _add_client(self, typed: Mapping[str, str]) -> str:
        self._desk.add_client({name: typed.get(name, "").strip() or None for name in _CLIENT_FIELDS})
        return "The client is added."

    def _add_fault(self, typed: Mapping[str, str]) -> str:
        kind = typed.get("kind", "")
        self._desk.add_fault(kind, **_options(typed))
        return f"The fault {kind} is in force."

    def _clear_faults(self, _: Mapping[str, str]) -> str:
        self._desk.clear_faults()
        return "No fault is in force any more."

    def _resend(self, typed: Mapping[str, str]) -> str:
        again = self._desk.resend(typed.get("id", ""))
        return f"{again.copy_of} is sent again, as {again.id}."

    def _reset(self, _: Mapping[str, str]) -> str:
        self._desk.reset()
        return "The sandbox is as at its start."


# --- requests and answers ---


def _for_here(answer: _Answer) -> _Answer:
    return _guarded(answer, is_for_here)


def _from_here(answer: _Answer) -> _Answer:
    return _guarded(answer, is_from_here)


def _guarded(answer: _Answer, is_welcome: Callable[[web.Request], bool]) -> _Answer:
    async def guarded(request: web.Request) -> web.StreamResponse:
        return await answer(request) if is_welcome(request) else _shown(onboarding.refused(), status=403)

    return guarded


def _shown(markup: Markup, *, status: int = 200) -> web.Response:
    return web.Response(text=markup, status=status, content_type="text/html", headers=HEADERS)


def _sent_to(address: str) -> web.Response:
    return web.Response(status=303, headers={**HEADERS, "Location": address})


def _asked(request: web.Request) -> Asked:
    return Asked.of(request.query)


def _typed(body: bytes) -> dict[str, str]:
    """The fields of a form; the last, where a name comes twice. ValueError for too many."""
    return dict(parse_qsl(body.decode("ascii", "replace"), keep_blank_values=True, max_num_fields=_MOST_FIELDS))


def _options(typed: Mapping[str, str]) -> FaultOptions:
    """What a fault is told; ValueError for what should be a number and is none."""
    options: dict[str, Any] = {}
    for name in FaultOptions.__annotations__:
        text = typed.get(name, "").strip()
        try:
            if text:
                options[name] = int(text) if name in _WHOLE else float(text) if name in _DECIMAL else text
        except ValueError:
            raise ValueError(f"{name} of a fault must be a number, not {text!r}") from None
    return cast("FaultOptions", options)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


# --- what there is to see ---


def _view(desk: Desk, asked: Asked, host: str, notice: Notice | None = None) -> View:
    store, minute = desk.store, desk.settings.minute
    at, now = desk.clock(), desk.clock.now()
    found = store.find_clients(
        text=asked.text, campaign_id=asked.campaign or None, before=asked.before, most=MOST_ROWS + 1
    )
    return View(
        asked=asked,
        notice=notice,
        url=f"http://{host}",
        now=now,
        at=at,
        is_frozen=desk.clock.is_frozen,
        limiter=minute.limiter,
        limit=minute.limit,
        window_s=minute.window_s,
        left=_left(desk, at),
        refused=0 if desk.limiter is None else desk.limiter.refused,
        plot=_plot(desk, at),
        preset=_preset(desk.settings),
        switched=_switched(desk.settings),
        campaigns=store.campaigns(),
        counts=store.campaign_counts(),
        clients=found[:MOST_ROWS],
        has_older=len(found) > MOST_ROWS,
        all_clients=store.count_clients(),
        endpoints=[Endpoint(url=each.url.partition("?")[0], events=each.events) for each in desk.deliveries.webhooks],
        deliveries=_deliveries(desk, asked),
        requests=desk.recorder.last(MOST_ROWS)[::-1],
        faults=desk.faults.rules,
    )


def _plot(desk: Desk, at: float) -> Plot:
    minute = desk.settings.minute
    since = at - (WINDOWS + 1) * minute.window_s
    records = desk.recorder.last(MOST_RECORDS)
    return counted(
        [record for record in records if record.at > since],
        at=at,
        limit=None if desk.limiter is None else minute.limit,
        window_s=minute.window_s,
        count_refused=minute.count_refused,
        is_cut=len(records) == MOST_RECORDS and records[0].at > since,
    )


def _left(desk: Desk, at: float) -> int | None:
    """Of the key that has the least left."""
    if desk.limiter is None:
        return None
    return min(desk.limiter.remaining(key, at) for key in desk.keys.values())


def _deliveries(desk: Desk, asked: Asked) -> list[Delivery]:
    if not (asked.event or asked.state):
        return desk.deliveries.last(MOST_ROWS)[::-1]
    found = [
        each
        for each in reversed(desk.deliveries.last(_LOOKED_AT))
        if asked.event in ("", each.event) and asked.state in ("", each.state)
    ]
    return found[:MOST_ROWS]


def _preset(settings: Settings) -> str:
    """The preset that this is, or the one that it differs from the least."""
    usual, told = Settings(Minute(), Switches()), settings.as_json().items()
    changes = {name: len(told - settle(usual, name).as_json().items()) for name in PRESETS}
    nearest = min(changes, key=lambda name: changes[name])
    return f"{nearest}, with changes" if changes[nearest] else nearest


def _switched(settings: Settings) -> list[tuple[str, str]]:
    usual = Settings(Minute(), Switches()).as_json()
    shown = (item for item in settings.as_json().items() if item[0] not in ("limiter", "limit", "window_s"))
    return [(name, str(value)) for name, value in shown if value != usual[name]]
