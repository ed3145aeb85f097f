"""What else the answers and the webhook were like: what the API page does say, and what we take for granted beside it.

Pure. Knows no switch: these points the sandbox has as the API page has them.
"""

import re
from collections.abc import Iterator
from http import HTTPStatus
from typing import Final

from aiohttp.hdrs import CONTENT_TYPE

from onboard360_async import settings
from onboard360_async.doctor.findings import Finding, Kind, Verdict, so_many, unknown
from onboard360_async.doctor.seen import Seen
from onboard360_async.doctor.signed import Webhook
from onboard360_async.errors import DecodeError

__all__ = ["findings_of_answers"]

_MEDIA_TYPE: Final = re.compile(r"none|[a-z]+/[a-z0-9.+-]+")  # nothing else is shown: it may hold anything


def findings_of_answers(seen: Seen) -> list[Finding]:
    """Status, kind, shape, ids and times of the answers, then the webhook's shape."""
    told = [_status(seen), _content_type(seen), _shape(seen), _campaigns_go_on(seen)]
    return [*told, _ids(seen), _times(seen), _date(seen), *_webhook(seen)]


def _said(about: str, seen: str, why: str) -> Finding:
    return Finding(Kind.ANSWER, about, Verdict.OBSERVED, seen, why)


def _wrong(about: str, seen: str, why: str, advice: str = "") -> Finding:
    return Finding(Kind.ANSWER, about, Verdict.CONTRADICTED, seen, why, advice)


def _nothing(about: str, why: str, advice: str = "") -> Finding:
    return unknown(about, why, advice, kind=Kind.ANSWER)


# --- answers ---


def _status(seen: Seen) -> Finding:
    codes = sorted({answer.status for answer in seen.answers if answer.is_success and answer.status is not None})
    if not codes:
        return _nothing("status", "no answer was a success")
    said = ", ".join(map(str, codes))
    if codes == [HTTPStatus.OK]:
        return _said("status", said, "as the API page has it")
    return _wrong("status", said, "the API page has 200 for a listing")


def _content_type(seen: Seen) -> Finding:
    told = {
        answer.headers.get(CONTENT_TYPE, "none").partition(";")[0].strip().lower()
        for answer in seen.answers
        if answer.is_success
    }
    if not told:
        return _nothing("content_type", "no answer was a success")
    kind = ", ".join(sorted(_plain(each) for each in told))
    return _said("content_type", kind, "of the answers; it is not gone by, their text is")


def _plain(kind: str) -> str:
    return kind if len(kind) <= settings.DOCTOR_WORD_CHARS and _MEDIA_TYPE.fullmatch(kind) else "(not shown)"


def _shape(seen: Seen) -> Finding:
    for answer in seen.answers:
        if answer.is_success and answer.error is not None and issubclass(answer.error, DecodeError):
            return _wrong("shape", "other", f"{answer.path}: {answer.fault}", "check the base URL")
    census = None if seen.listing is None else seen.listing.census
    if census is not None and census.odd:
        return _wrong(
            "shape", "other", f"{census.odd:,} of {so_many(census.count, 'client')}, the first at {census.fault}"
        )
    if not any(answer.has_objects for answer in seen.answers):
        return _nothing("shape", "no campaign and no client was seen")
    parts = (
        [] if seen.campaigns is None or not seen.campaigns.has_objects else [so_many(seen.campaigns.count, "campaign")]
    )
    parts += [] if census is None or not census.count else [so_many(census.count, "client")]
    return _said("shape", "as on the page", f"each of {' and '.join(parts)} has what the API page shows")


def _campaigns_go_on(seen: Seen) -> Finding:
    campaigns = seen.campaigns
    if campaigns is None or not campaigns.is_whole:
        return _nothing("campaigns_go_on", "the campaigns could not be read")
    if campaigns.goes_on or campaigns.is_astray:
        why = "there is a further page of campaigns, and only the first is read: name those behind it by their ids"
        return _wrong("campaigns_go_on", "yes", why)
    return _said(
        "campaigns_go_on", "no", f"{so_many(campaigns.count, 'campaign')} in one answer, without a sign of pages"
    )


def _ids(seen: Seen) -> Finding:
    listing = seen.listing
    if listing is None or not listing.has_objects:
        return _nothing("ids", "no client was seen")
    if again := listing.census.ids_again:
        return _wrong(
            "ids", "twice", f"{so_many(again, 'client')} with the id of another one: nothing else tells them apart"
        )
    return _said("ids", "each once", f"of {so_many(listing.census.count, 'client')} that were looked at")


def _times(seen: Seen) -> Finding:
    zones = {} if seen.listing is None else seen.listing.census.zones
    if not zones:
        return _nothing("times", "no client was seen")
    said = ", ".join(sorted(zones))
    return _said("times", said, "how created_at ends; a time without a zone is taken for UTC")


def _date(seen: Seen) -> Finding:
    answered = [answer for answer in seen.answers if answer.headers]
    if not answered:
        return _nothing("date", "there was no answer")
    if seen.skew_s is None:
        return _said("date", "none", "no Date that can be read, so an import takes the clocks for alike")
    return _said("date", "there", "an import goes by it when it looks for lost answers")


# --- the webhook ---


def _webhook(seen: Seen) -> Iterator[Finding]:
    webhook = seen.webhook
    if webhook is None or webhook.event is None:
        why = "no webhook was given" if webhook is None else "what nobody has signed says nothing"
        advice = "--webhook FILE --signature VALUE" if webhook is None else ""
        for about in ("webhook_client", "webhook_extra", "webhook_flags"):
            yield _nothing(about, why, advice)
        return
    yield _webhook_client(webhook)
    names = sorted(webhook.extra)
    shown = ", ".join(names[: settings.DOCTOR_SHOWN]) or "none beyond the API page"
    yield _said("webhook_extra", "some" if names else "none", shown)
    yield _webhook_flags(webhook)


def _webhook_client(webhook: Webhook) -> Finding:
    if not webhook.client_id:
        return _nothing("webhook_client", "the event is no client.created", "a webhook of client.created")
    if webhook.client_id == "client_id":
        return _said("webhook_client", "client_id", "as the API page has it")
    why = "client.created does not say client_id, so no import can take a link from it"
    return _wrong("webhook_client", webhook.client_id, why)


_FLAGS = {
    "event-header": "the header names another event than the body",
    "old": "its time stamp is days ago, as that of a captured one may be",
    "ahead": "its time stamp is ahead of our clock",
    "undated": "it has no time stamp that can be read",
    "data": "a field is not of the kind that the API page shows",
}


def _webhook_flags(webhook: Webhook) -> Finding:
    flags = sorted(webhook.flags)
    if not flags:
        return _said("webhook_flags", "none", "event header, time stamp and fields are as the API page has them")
    why = "; ".join(_FLAGS[flag] for flag in flags)
    if webhook.flags & {"event-header", "undated", "data"}:
        return _wrong("webhook_flags", ", ".join(flags), why)
    return _said("webhook_flags", ", ".join(flags), why)
