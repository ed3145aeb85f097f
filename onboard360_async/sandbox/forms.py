"""The forms of the live page: what one types into, and what was typed into a form that was refused.

Each is a plain POST, or a GET that looks for something, so that it works without a script. Knows no route's doing.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from onboard360_async.sandbox.events import EVENTS
from onboard360_async.sandbox.faults import KINDS
from onboard360_async.sandbox.markup import NOTHING, Markup, html, shortened, when
from onboard360_async.sandbox.view import STATES, View

__all__ = [
    "ACTIONS",
    "FAULT_FIELDS",
    "add_client",
    "add_fault",
    "clear_faults",
    "find_clients",
    "find_deliveries",
    "publish",
    "resend",
    "reset",
]

ACTIONS: Final = "/_page/do"  # what forms are sent to is below it
_MOST_CHOICES: Final = 100  # campaigns to choose from, the newest
_LABEL_CHARS: Final = 60

# What a fault may be told beside its kind: the label, and what an empty field means.
FAULT_FIELDS: Final[Mapping[str, tuple[str, str]]] = {
    "path": ("Path", "any, or /clients"),
    "email": ("Email in the body", "any"),
    "nth": ("First to fail", "1"),
    "times": ("How many fail", "all"),
    "probability": ("Probability", "1"),
    "delay_s": ("Delay, in seconds", "1"),
    "keep": ("Clients to keep", "1"),
    "status": ("Status", "503"),
    "body": ("Body", "an error"),
}
_NUMERIC: Final = ("nth", "times", "keep", "status")
_DECIMAL: Final = ("probability", "delay_s")


def publish(view: View) -> Markup:
    """Publish a campaign."""
    fields = _field("Name", "name", _typed(view, "publish"), is_required=True, hint="Client Onboarding Flow")
    return _form(view, "publish", fields, "Publish campaign")


def add_client(view: View) -> Markup:
    """Add a client, as the API would."""
    typed = _typed(view, "add-client")
    chosen = typed.get("campaign_id", view.asked.campaign)
    fields = html(
        '<label class="field">Campaign <select name="campaign_id" required>{campaigns}</select></label>{rest}',
        campaigns=_campaigns(view, chosen),
        rest=[
            _field("Email", "email", typed, kind="email", is_required=True, hint="ada@example.com"),
            _field("First name", "first_name", typed),
            _field("Last name", "last_name", typed),
            _field("Company", "company_name", typed),
            _field("Phone", "phone", typed, kind="tel"),
        ],
    )
    return _form(view, "add-client", fields, "Add client")


def add_fault(view: View) -> Markup:
    """Make something go wrong."""
    typed = _typed(view, "add-fault")
    kinds = [(kind, f"{kind}: {meaning.replace('`', '')}") for kind, meaning in KINDS.items()]
    methods = [("", "any"), ("GET", "GET"), ("POST", "POST")]
    fields = html(
        '<label class="field whole">What goes wrong <select name="kind" required>{kinds}</select></label>'
        '<details id="fault-options"{is_open}><summary>Which requests, and how</summary><div class="fields">'
        '<label class="field">Method <select name="method">{methods}</select></label>{rest}</div></details>',
        kinds=_options(kinds, typed.get("kind", "")),
        is_open=when(typed, html(" open")),
        methods=_options(methods, typed.get("method", "")),
        rest=[_field(label, name, typed, kind=_kind(name), hint=hint) for name, (label, hint) in FAULT_FIELDS.items()],
    )
    return _form(view, "add-fault", fields, "Add fault")


def clear_faults(view: View) -> Markup:
    """Let all go well again."""
    return _form(view, "clear-faults", NOTHING, "Clear all faults", style="quiet")


def resend(view: View, delivery_id: str) -> Markup:
    """Send a delivery again."""
    return html(
        '<form method="post" action="{action}"><input type="hidden" name="id" value="{id}">'
        '<button class="quiet small" id="resend-{id}">Resend<span class="unseen"> delivery {id}</span></button></form>',
        action=_action(view, "resend"),
        id=delivery_id,
    )


def reset(view: View) -> Markup:
    """Begin anew; in two steps, since nothing brings it back."""
    return html(
        '<details id="reset" class="reset"><summary>Reset the sandbox…</summary><p>Clients, deliveries, requests and'
        " faults are forgotten, and so are campaigns that were published since the start.</p>{form}</details>",
        form=_form(view, "reset", NOTHING, "Reset everything", style="danger"),
    )


def find_clients(view: View) -> Markup:
    """Look for clients; what is asked about deliveries stays as it is."""
    asked = view.asked
    every = [("", "All campaigns")]
    return html(
        '<form class="find" method="get" action="/#clients" role="search" aria-label="Clients">{kept}'
        '<label class="field">Campaign <select name="campaign">{every}{campaigns}</select></label>{text}'
        '<div class="buttons"><button class="quiet">Find</button>{clear}</div></form>',
        kept=_kept(view, "campaign", "text", "before"),
        every=_options(every, asked.campaign),
        campaigns=_campaigns(view, asked.campaign),
        text=_field("Name, email or company", "text", {"text": asked.text}, kind="search"),
        clear=when(
            asked.campaign or asked.text,
            html('<a href="{all}#clients">Show all</a>', all=asked.address(campaign="", text="", before=None)),
        ),
    )


def find_deliveries(view: View) -> Markup:
    """Look for deliveries; what is asked about clients stays as it is."""
    asked = view.asked
    events = [("", "All events"), *((event, event) for event in EVENTS)]
    states = [("", "All states"), *((state, state) for state in STATES)]
    return html(
        '<form class="find" method="get" action="/#deliveries" role="search" aria-label="Deliveries">{kept}'
        '<label class="field">Event <select name="event">{events}</select></label>'
        '<label class="field">State <select name="state">{states}</select></label>'
        '<div class="buttons"><button class="quiet">Find</button>{clear}</div></form>',
        kept=_kept(view, "event", "state"),
        events=_options(events, asked.event),
        states=_options(states, asked.state),
        clear=when(
            asked.event or asked.state,
            html('<a href="{all}#deliveries">Show all</a>', all=asked.address(event="", state="")),
        ),
    )


# --- what they are made of ---


def _typed(view: View, form: str) -> Mapping[str, str]:
    return view.notice.typed if view.notice is not None and view.notice.form == form else {}


def _action(view: View, name: str) -> str:
    """Where the form goes, and by its query back to what is shown now."""
    return f"{ACTIONS}/{name}{view.asked.address().removeprefix('/')}"


def _form(view: View, name: str, fields: Markup, button: str, *, style: str = "") -> Markup:
    return html(
        '<form class="act" method="post" action="{action}">{fields}<button class="{style}">{button}</button></form>',
        action=_action(view, name),
        fields=when(fields, html('<div class="fields">{fields}</div>', fields=fields)),
        style=style,
        button=button,
    )


def _field(
    label: str,
    name: str,
    typed: Mapping[str, str],
    *,
    kind: str = "text",
    is_required: bool = False,
    hint: str = "",
) -> Markup:
    return html(
        '<label class="field">{label} <input type="{kind}" name="{name}" value="{value}"{hint}{more} autocomplete="off"'
        ' spellcheck="false"></label>',
        label=label,
        kind=kind,
        name=name,
        value=typed.get(name, ""),
        hint=when(hint, html(' placeholder="{hint}"', hint=hint)),
        more=[
            when(is_required, html(" required")),
            when(kind == "number", html(' step="{step}" min="0"', step="any" if name in _DECIMAL else "1")),
        ],
    )


def _kind(name: str) -> str:
    return "number" if name in (*_NUMERIC, *_DECIMAL) else "text"


def _options(choices: Iterable[tuple[str, str]], chosen: str) -> list[Markup]:
    return [
        html(
            '<option value="{value}"{selected}>{label}</option>',
            value=value,
            selected=when(value == chosen, html(" selected")),
            label=label,
        )
        for value, label in choices
    ]


def _campaigns(view: View, chosen: str) -> list[Markup]:
    newest = view.campaigns[::-1][:_MOST_CHOICES]
    return _options(((each.id, shortened(each.name, _LABEL_CHARS)) for each in newest), chosen)


def _kept(view: View, *but: str) -> list[Markup]:
    return [
        html('<input type="hidden" name="{name}" value="{value}">', name=name, value=value)
        for name, value in view.asked.items(*but)
    ]
