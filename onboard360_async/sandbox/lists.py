"""The lists of the live page: campaigns, clients, deliveries, requests, faults; and what to do where one is empty.

No list is longer than `MOST_ROWS`, and no text in it than a few hundred characters. Knows not where they stand.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from urllib.parse import quote

from onboard360_async.sandbox import forms
from onboard360_async.sandbox.deliveries import Attempt, Delivery
from onboard360_async.sandbox.events import EVENTS
from onboard360_async.sandbox.faults import KINDS, Fault, FaultOptions
from onboard360_async.sandbox.markup import Markup, html, shortened, when
from onboard360_async.sandbox.recorder import RequestRecord
from onboard360_async.sandbox.store import StoredClient
from onboard360_async.sandbox.view import View

__all__ = ["MOST_ROWS", "campaigns", "clients", "deliveries", "faults", "requests"]

MOST_ROWS: Final = 50  # of any list
_MOST_ATTEMPTS: Final = 10  # of a delivery, the last
_MOST_BODY_CHARS: Final = 5000
_CODE_CHARS: Final = 24
_NONE: Final = "\N{EN DASH}"
_GOOD, _BAD, _OPEN = "good", "bad", "open"
_OF_STATE: Final = {"delivered": _GOOD, "failed": _BAD}
_SECRET: Final = re.compile(r"((?:sk|whsec)_(?:live|test)_)\w+")  # somebody put a key where it does not belong
_ADD_WEBHOOK: Final = "onboard360 sandbox --webhook http://127.0.0.1:8000/hook"


def campaigns(view: View) -> Markup:
    """Each with how many clients it has, and a link to them."""
    if not view.campaigns:
        return _empty("There is no campaign yet, and clients need one. Publish the first below.")
    shown = view.campaigns[::-1][:MOST_ROWS]
    rows = [
        html(
            '<tr id="campaign-{id}"><th scope="row"><a href="{clients}#clients"><bdi>{name}</bdi></a>'
            '<code class="id">{id}</code></th><td class="number">{count}</td></tr>',
            id=each.id,
            clients=view.asked.address(campaign=each.id, text="", before=None),
            name=shortened(each.name) or "(without a name)",
            count=f"{view.counts.get(each.id, 0):,}",
        )
        for each in shown
    ]
    heads = [("Campaign", ""), ("Clients", "number")]
    return html(
        "{table}{more}",
        table=_table("Campaigns, the newest first", heads, rows),
        more=_left_out(len(view.campaigns) - len(shown), "campaigns"),
    )


def clients(view: View) -> Markup:
    """Those that are asked for, with their links."""
    asked = view.asked
    if not view.clients:
        if asked.text or asked.campaign or asked.before:
            return _empty("No client is like that. Look for something else, or show all.")
        return _empty("There is no client yet. Add one below, or by a POST to /api/v1/clients.")
    names = {each.id: each.name for each in view.campaigns}
    heads = [("Client", ""), ("Company", ""), ("Campaign", ""), ("State", ""), ("Onboarding link", ""), ("Added", "")]
    return html(
        "{table}{pages}",
        table=_table(
            "Clients, the newest first", heads, [_client(each, names, view.now) for each in view.clients], is_cards=True
        ),
        pages=_pages(view),
    )


def _client(client: StoredClient, names: Mapping[str, str], now: datetime) -> Markup:
    name = f"{shortened(client.first_name)} {shortened(client.last_name)}".strip()
    state = (_GOOD, "onboarded") if client.completed_at else (_OPEN, "waiting")
    return html(
        '<tr id="client-{seq}"><th scope="row"><bdi>{name}</bdi><span class="under"><bdi>{email}</bdi></span></th>'
        '<td data-label="Company"><bdi>{company}</bdi></td><td data-label="Campaign"><bdi>{campaign}</bdi></td>'
        '<td data-label="State">{state}</td><td data-label="Onboarding link" class="link"><a href="/c/{path}">'
        '<code>/c/{code}</code></a></td><td data-label="Added">{added}</td></tr>',
        seq=client.seq,
        name=name or "(without a name)",
        email=shortened(client.email),
        company=shortened(client.company_name) or _NONE,
        campaign=shortened(names.get(client.campaign_id)) or _NONE,
        state=_pill(*state),
        path=quote(client.code, safe="", errors="replace"),
        code=shortened(client.code, _CODE_CHARS),
        added=_written(client.created_at, now),
    )


def _pages(view: View) -> Markup:
    asked, last = view.asked, view.clients[-1].seq
    return html(
        '<p class="pages"><span>{shown}</span>{newest}{older}</p>',
        shown=f"{len(view.clients)} shown, {view.all_clients:,} in all",
        newest=when(asked.before, html('<a href="{a}#clients">Newest</a>', a=asked.address(before=None))),
        older=when(view.has_older, html('<a href="{a}#clients">Older</a>', a=asked.address(before=last))),
    )


def deliveries(view: View) -> Markup:
    """Where webhooks go, and what became of each."""
    where = html(
        '<p class="hint">Sent to {endpoints}</p>',
        endpoints=[
            html(
                "<code>{url}</code> ({events}) ",
                url=shortened(each.url),
                events="every event" if len(each.events) == len(set(EVENTS)) else ", ".join(each.events),
            )
            for each in view.endpoints[:MOST_ROWS]
        ],
    )
    if not view.endpoints:
        where = html(
            '<p class="hint">No endpoint is told of anything. Start the sandbox with one: <code>{command}</code></p>',
            command=_ADD_WEBHOOK,
        )
    if not view.deliveries:
        nothing = "Nothing was sent yet. Add a client, publish a campaign, or finish onboarding by a client's link."
        found = "No delivery is like that. Choose another event or state, or show all."
        asked = view.asked.event or view.asked.state
        return html("{where}{empty}", where=where, empty=when(view.endpoints, _empty(found if asked else nothing)))
    heads = [("Event", ""), ("Endpoint", ""), ("State", ""), ("Attempts", ""), ("Again", "")]
    rows = [_delivery(view, each) for each in view.deliveries]
    return html("{where}{table}", where=where, table=_table("Deliveries, the newest first", heads, rows, is_cards=True))


def _delivery(view: View, sent: Delivery) -> Markup:
    headers = "\n".join(f"{name}: {value}" for name, value in sent.headers.items())
    return html(
        '<tr id="{id}" class="told"><th scope="row"><code>{event}</code></th>'
        '<td data-label="Endpoint"><code>{url}</code></td><td data-label="State">{state}</td>'
        '<td data-label="Attempts">{attempts}</td><td>{resend}</td></tr>'
        '<tr id="{id}-more" class="telling"><td colspan="5"><details id="{id}-body"><summary>{id}{copy}: headers'
        " and body</summary><pre>{headers}</pre><pre>{body}</pre></details></td></tr>",
        id=sent.id,
        event=sent.event,
        copy=when(sent.copy_of, html(" (again {id})", id=sent.copy_of)),
        url=shortened(sent.url.partition("?")[0]),
        state=_pill(_OF_STATE.get(sent.state, _OPEN), sent.state),
        attempts=_attempts(view, sent.attempts),
        resend=forms.resend(view, sent.id),
        headers=headers,
        body=shortened(sent.body.decode(errors="replace"), _MOST_BODY_CHARS),
    )


def _attempts(view: View, attempts: Sequence[Attempt]) -> Markup:
    if not attempts:
        return html('<span class="under">none yet</span>')
    items = [
        html(
            '<li>{time} <span class="{kind}">{answer}</span></li>',
            time=_time(view.date(each.at), view.now),
            kind=_GOOD if each.succeeded else _BAD,
            answer=each.status if each.status is not None else each.error,
        )
        for each in attempts[-_MOST_ATTEMPTS:]
    ]
    return html(
        '{more}<ol class="attempts">{items}</ol>',
        more=_left_out(len(attempts) - _MOST_ATTEMPTS, "attempts before"),
        items=items,
    )


def requests(view: View) -> Markup:
    """What reached the API last."""
    if not view.requests:
        return html(
            '<p class="empty">No request came yet. Try one: <code>curl -H "Authorization: Bearer $ONBOARD360_API_KEY"'
            " {url}/api/v1/campaigns</code></p>",
            url=view.url,
        )
    heads = [("Time", ""), ("Method", ""), ("Path", ""), ("Status", "number")]
    return html(
        '<div class="scrolling" tabindex="0" role="region" aria-labelledby="requests-title">{table}</div>',
        table=_table("The last requests, the newest first", heads, [_request(view, each) for each in view.requests]),
    )


def _request(view: View, request: RequestRecord) -> Markup:
    kind = _OPEN if request.status is None else _GOOD if request.status < 400 else _BAD
    return html(
        '<tr><td>{time}</td><td><code>{method}</code></td><td><code>{path}</code></td><td class="number">{status}</td>'
        "</tr>",
        time=_time(view.date(request.at), view.now),
        method=shortened(request.method, _CODE_CHARS),
        path=shortened(_SECRET.sub(r"\1…", f"{request.path}?{request.query}" if request.query else request.path)),
        status=_pill(kind, "no answer" if request.status is None else str(request.status)),
    )


def faults(view: View) -> Markup:
    """What goes wrong, and with which requests."""
    if not view.faults:
        return _empty("All goes well. Add a fault to see how your program takes it.")
    items = [
        html(
            '<li><code>{kind}</code> {meaning}<span class="under">{options}</span></li>',
            kind=each.kind,
            meaning=KINDS[each.kind].replace("`", ""),
            options=" · ".join(_told(each)),
        )
        for each in view.faults[:MOST_ROWS]
    ]
    return html(
        '<ul class="faults">{items}</ul>{more}{clear}',
        items=items,
        more=_left_out(len(view.faults) - MOST_ROWS, "faults"),
        clear=forms.clear_faults(view),
    )


def _told(fault: Fault) -> list[str]:
    """What the fault was told that is not as by default, and how often it has fired."""
    usual = Fault(kind=fault.kind)
    names = [name for name in FaultOptions.__annotations__ if getattr(fault, name) != getattr(usual, name)]
    told = [f"{name} {shortened(str(getattr(fault, name)), _CODE_CHARS * 2)}" for name in names]
    return [*told, f"fired {fault.fired} times" if fault.fired != 1 else "fired once"]


# --- what they are made of ---


def _table(caption: str, heads: Sequence[tuple[str, str]], rows: Sequence[Markup], *, is_cards: bool = False) -> Markup:
    return html(
        '<table{cards}><caption class="unseen">{caption}</caption><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody>'
        "</table>",
        cards=when(is_cards, html(' class="cards"')),
        caption=caption,
        heads=[html('<th scope="col" class="{style}">{name}</th>', style=style, name=name) for name, style in heads],
        rows=rows,
    )


def _pill(kind: str, text: str) -> Markup:
    return html('<span class="pill {kind}">{text}</span>', kind=kind, text=text)


def _empty(text: str) -> Markup:
    return html('<p class="empty">{text}</p>', text=text)


def _left_out(number: int, what: str) -> Markup:
    return when(number > 0, html('<p class="hint">and {number} more {what}</p>', number=f"{number:,}", what=what))


def _time(moment: datetime, now: datetime) -> Markup:
    return _written(f"{moment:%Y-%m-%dT%H:%M:%SZ}", now)


def _written(at: str, now: datetime) -> Markup:
    """The time of day, with the date if that is another than today's."""
    date, _, time = at.removesuffix("Z").partition("T")
    text = time if date == f"{now:%Y-%m-%d}" else f"{date} {time}"
    return html('<time datetime="{at}">{text}</time>', at=at, text=text)
