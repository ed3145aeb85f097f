"""The live page as HTML, whole and by sections: the same functions draw it at first and when something changed.

Everything comes from a `View`; knows no request, no store and no clock.
"""

from collections.abc import Callable, Mapping
from typing import Final

from onboard360_async.sandbox import forms, lists
from onboard360_async.sandbox.markup import NOTHING, Markup, html, when
from onboard360_async.sandbox.plot import in_words, picture, seconds
from onboard360_async.sandbox.view import View

__all__ = ["SECTIONS", "document", "page"]


def document(title: str, body: Markup, *, has_script: bool = False) -> Markup:
    """A whole page."""
    return html(
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark"><link rel="stylesheet" href="/_page/page.css">'
        '<link rel="icon" type="image/svg+xml" href="/_page/icon.svg">{script}</head>{body}</html>\n',
        title=title,
        script=when(has_script, html('<script src="/_page/page.js" defer></script>')),
        body=body,
    )


def page(view: View) -> Markup:
    """The live page."""
    body = html(
        '<body><a class="skip" href="#main">Skip to the content</a>{head}<main id="main" tabindex="-1">{notice}'
        '<div class="columns"><div class="wide">{plot}{clients}{deliveries}{requests}</div>'
        '<div class="narrow">{campaigns}{faults}{reset}</div></div></main></body>',
        head=_head(view),
        notice=_notice(view),
        plot=_card("plot", "Requests against the limit", _live(view, "plot")),
        clients=_card(
            "clients",
            "Clients",
            _live(view, "find-clients"),
            _live(view, "clients"),
            _more("add-client", "Add a client", _live(view, "add-client"), is_open=_is_refused(view, "add-client")),
        ),
        deliveries=_card("deliveries", "Webhook deliveries", forms.find_deliveries(view), _live(view, "deliveries")),
        requests=_card("requests", "Requests", _live(view, "requests")),
        campaigns=_card("campaigns", "Campaigns", _live(view, "campaigns"), forms.publish(view)),
        faults=_card("faults", "Faults in force", _live(view, "faults"), forms.add_fault(view)),
        reset=forms.reset(view),
    )
    return document("360Onboard sandbox", body, has_script=True)


# --- the frame ---


def _head(view: View) -> Markup:
    places = ("clients", "deliveries", "requests", "campaigns", "faults")
    return html(
        '<header><div class="title"><h1>360Onboard <b>sandbox</b></h1>'
        '<span class="pill" id="connection" role="status" hidden></span></div>'
        '<p class="base"><span>Base URL</span> <code id="base">{url}</code> '
        '<button class="quiet small" type="button" id="copy" aria-live="polite" hidden>Copy</button></p>'
        '<p class="hint">The API is below it, under <code>/api/v1</code>. Its key was printed where the sandbox was'
        ' started.</p><noscript><p class="hint">Without a script this page shows how things stood when it was loaded.'
        '</p></noscript>{state}<nav aria-label="Sections"><ul>{places}</ul></nav></header>',
        url=view.url,
        state=_live(view, "state"),
        places=[html('<li><a href="#{place}">{name}</a></li>', place=each, name=each.title()) for each in places],
    )


def _notice(view: View) -> Markup:
    """Always there: what is put into it later is read out."""
    notice = view.notice
    text = NOTHING if notice is None else html('<p class="{kind}">{text}</p>', kind=notice.kind, text=notice.text)
    return html('<div id="notice" role="status">{text}</div>', text=text)


def _card(place: str, title: str, *parts: Markup) -> Markup:
    return html(
        '<section class="card" id="{place}" aria-labelledby="{place}-title" tabindex="-1">'
        '<h2 id="{place}-title">{title}</h2>{parts}</section>',
        place=place,
        title=title,
        parts=parts,
    )


def _more(id_: str, title: str, inside: Markup, *, is_open: bool) -> Markup:
    return html(
        '<details id="{id}" class="more"{open}><summary>{title}</summary>{inside}</details>',
        id=id_,
        open=when(is_open, html(" open")),
        title=title,
        inside=inside,
    )


def _live(view: View, name: str) -> Markup:
    return html('<div id="live-{name}">{inside}</div>', name=name, inside=SECTIONS[name](view))


def _is_refused(view: View, form: str) -> bool:
    return view.notice is not None and view.notice.form == form


# --- the sections ---


def _state(view: View) -> Markup:
    facts = [
        ("Limiter", "off" if view.limiter == "off" else f"{view.limiter}, {view.limit:,} per {seconds(view.window_s)}"),
        ("Left now", "no limit" if view.left is None else f"{view.left:,} of {view.limit:,}"),
        ("Refused", f"{view.refused:,}"),
        ("Clock", f"{view.now:%Y-%m-%d %H:%M:%S} UTC{', frozen' if view.is_frozen else ''}"),
        ("Preset", view.preset),
    ]
    return html(
        '<dl class="facts">{facts}</dl>{switched}',
        facts=[html("<div><dt>{name}</dt><dd>{value}</dd></div>", name=name, value=value) for name, value in facts],
        switched=when(
            view.switched,
            html(
                '<p class="hint">Not as by default: {switches}</p>',
                switches=[
                    html("<code>{name} {value}</code> ", name=name, value=value) for name, value in view.switched
                ],
            ),
        ),
    )


def _plot(view: View) -> Markup:
    keys = [("level", f"counted in {seconds(view.window_s)}"), ("served", "served"), ("refused", "refused (429)")]
    if any(bar.keyless for bar in view.plot.bars):
        keys.append(("keyless", "without a key (401)"))
    return html(
        '<figure>{picture}<figcaption><ul class="legend">{keys}</ul><p>{words}</p></figcaption></figure>',
        picture=picture(view.plot),
        keys=[html('<li><i class="{name}"></i>{text}</li>', name=name, text=text) for name, text in keys],
        words=in_words(view.plot),
    )


SECTIONS: Final[Mapping[str, Callable[[View], Markup]]] = {
    "state": _state,
    "plot": _plot,
    "find-clients": forms.find_clients,
    "clients": lists.clients,
    "add-client": forms.add_client,
    "deliveries": lists.deliveries,
    "requests": lists.requests,
    "campaigns": lists.campaigns,
    "faults": lists.faults,
}
