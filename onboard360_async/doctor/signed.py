"""One captured webhook: whether it is genuine, by which form and which secret, and what of its shape can be told.

Judges by the verifier and the diagnosis that users have. Keeps nothing of the body but names of members.
"""

import json
import warnings
from collections.abc import Sequence
from typing import Any, Final, cast

from attrs import define

from onboard360_async import settings
from onboard360_async.codec.drift import path_of
from onboard360_async.errors import WebhookError
from onboard360_async.webhooks.canonical import FORMS
from onboard360_async.webhooks.diagnosis import diagnose
from onboard360_async.webhooks.events import ClientCreated, Event, FormName, UnknownEvent
from onboard360_async.webhooks.signature import WebhookVerifier

__all__ = ["Webhook", "look_into"]

_TOP: Final = frozenset(("event", "data", "timestamp"))


@define(kw_only=True)
class Webhook:
    """What was found. `forms`: those by which it is genuine; several, where they are the same bytes."""

    forms: tuple[FormName, ...]
    secret: int | None  # the number of the secret that signed it, from 1
    refused_form: FormName | None  # that fits, though the webhook is refused: for how it or a secret is written
    is_other_form: bool  # a secret of ours signed it, and none of the forms
    findings: tuple[str, ...]
    event: str | None = None  # None: nobody has signed it, so it says nothing
    client_id: str = ""  # how `client.created` names its client: "client_id", "id" or "neither"
    named: str | None = None  # the id, to be looked for in the listing
    flags: frozenset[str] = frozenset()
    extra: frozenset[str] = frozenset()


def look_into(body: bytes, signature: str, event_header: str | None, secrets: Sequence[str]) -> Webhook:
    """What can be told of a webhook. ConfigurationError for a secret that is none."""
    headers = [(settings.SIGNATURE_HEADER, signature)]
    if event_header is not None:
        headers.append((settings.EVENT_HEADER, event_header))
    found = diagnose(body, headers, secrets)
    events = {form: event for form in FORMS if (event := _verified(body, headers, secrets, form)) is not None}
    # Another text of ours was signed: the secret is right, and what came is none of the forms.
    is_other = found.form is None and found.secret is not None
    webhook = Webhook(
        forms=tuple(cast("FormName", form) for form in events),
        secret=found.secret,
        refused_form=None if found.ok else found.form,
        is_other_form=is_other,
        findings=found.findings,
    )
    for event in list(events.values())[:1]:
        _describe(webhook, event)
    return webhook


def _verified(body: bytes, headers: list[tuple[str, str]], secrets: Sequence[str], form: str) -> Event | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the diagnosis tells
        verifier = WebhookVerifier(*secrets, forms=(cast("FormName", form),))
    try:
        return verifier.verify(body, headers)
    except WebhookError:
        return None


def _describe(webhook: Webhook, event: Event) -> None:
    webhook.event, webhook.flags = event.name, event.flags
    members: dict[str, Any] = json.loads(event.body)
    webhook.extra = frozenset(path_of("$", name) for name in members.keys() - _TOP)
    if isinstance(event, UnknownEvent):
        return
    webhook.extra |= {path_of("$.data", name) for name in event.data.extra}
    if isinstance(event, ClientCreated):
        webhook.named = event.data.client_id
        webhook.client_id = "client_id" if webhook.named else "id" if "id" in event.data.extra else "neither"
