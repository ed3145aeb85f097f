"""The page behind a client's link, as the client would see it: what is known of them, and one button.

Knows neither the route nor what finishing does.
"""

from onboard360_async.sandbox.markup import Markup, html, shortened
from onboard360_async.sandbox.render import document
from onboard360_async.sandbox.store import StoredCampaign, StoredClient

__all__ = ["onboarding", "refused", "unknown"]


def onboarding(client: StoredClient, campaign: StoredCampaign) -> Markup:
    """Welcomes the client; or says that all is done, if it is."""
    name = shortened((client.first_name or "").strip(), 80)
    welcome, done = (f"Welcome, {name}", f"All done, {name}") if name else ("Welcome", "All done")
    title = done if client.completed_at else welcome
    return _plain(
        title,
        html(
            '<p class="eyebrow"><bdi>{campaign}</bdi></p><h1><bdi>{title}</bdi></h1>{rest}',
            campaign=shortened(campaign.name) or "Onboarding",
            title=title,
            rest=_done(client) if client.completed_at else _form(client),
        ),
    )


def unknown() -> Markup:
    """For a link that nobody has."""
    text = "No client of this sandbox has this link. It may be from before the last start or reset."
    return _plain("Nothing here", html("<h1>Nothing here</h1><p>{text}</p>", text=text))


def refused() -> Markup:
    """For whoever comes from elsewhere."""
    text = (
        "Another web site sent this, or it was sent to a name that is not this machine's. The sandbox takes what comes"
        " from its own pages, at localhost, 127.0.0.1 or [::1]."
    )
    return _plain("Not from here", html("<h1>Not from here</h1><p>{text}</p>", text=text))


def _plain(title: str, inside: Markup) -> Markup:
    body = html(
        '<body class="onboarding"><p class="banner"><strong>Sandbox</strong> This is a double: nobody real is'
        ' onboarded. <a href="/">To the sandbox</a></p><main id="main" class="card">{inside}</main></body>',
        inside=inside,
    )
    return document(f"{title} · 360Onboard sandbox", body)


def _form(client: StoredClient) -> Markup:
    company = html(" for <strong><bdi>{company}</bdi></strong>", company=shortened(client.company_name))
    return html(
        "<p>Let us get you started{company}. Please check that we have this right.</p>{data}"
        '<form method="post"><button>Finish onboarding</button></form>',
        company=company if client.company_name else "",
        data=_data(client),
    )


def _done(client: StoredClient) -> Markup:
    at = client.completed_at or ""
    return html(
        '<p class="finished"><span class="pill good">onboarded</span> Onboarding was finished on'
        ' <time datetime="{at}">{text}</time>. There is nothing left to do; you can close this page.</p>{data}',
        at=at,
        text=f"{at.replace('T', ' ')[:16]} UTC",
        data=_data(client),
    )


def _data(client: StoredClient) -> Markup:
    name = f"{client.first_name or ''} {client.last_name or ''}".strip()
    known = (("Name", name), ("Email", client.email), ("Company", client.company_name), ("Phone", client.phone))
    return html(
        '<dl class="data">{known}</dl>',
        known=[
            html(
                "<div><dt>{label}</dt><dd><bdi>{value}</bdi></dd></div>",
                label=label,
                value=shortened(value) or "\N{EN DASH}",
            )
            for label, value in known
        ],
    )
