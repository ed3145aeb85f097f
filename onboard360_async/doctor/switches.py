"""What the API page leaves open, one finding for each switch of the sandbox: what of it two GETs can show.

Pure. Has the sandbox's names and choices written anew, since it imports none of them; tests/doctor/test_switches.py
holds that they are the same, and that no switch is forgotten.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final

from onboard360_async import settings
from onboard360_async.codec.continuation import is_address, places_of
from onboard360_async.doctor.findings import Finding, Kind, Verdict, observed, so_many, unknown
from onboard360_async.doctor.looking import Clients
from onboard360_async.doctor.seen import Seen
from onboard360_async.transport.rate_headers import date_of, seconds_of

__all__ = ["JUDGES", "findings_of_switches"]

_AUDIT: Final = "an import: how the row of such an email ended"
_NO_CLIENT: Final = "no client was listed"
_NO_LISTING: Final = "the listing could not be read"
_NAME: Final = re.compile(f"[A-Za-z-]{{1,{settings.DOCTOR_WORD_CHARS}}}")
_NUMBER: Final = re.compile("[0-9]{1,9}")
_LIMITS: Final = ("x-ratelimit-limit", "x-rate-limit-limit", "ratelimit-limit")
_POLICY: Final = re.compile(r'\s*"?[\w-]*"?\s*;\s*q=(\d{1,9})\s*;\s*w=(\d{1,9})\s*')
_USUAL_PAGE: Final = min(settings.ROUND_COUNTS)
_ROUND: Final = 50  # clients: a page that ends a listing silently is a multiple of so many, most likely
_MOST_A_PAGE: Final = 1000  # that the sandbox can be told
_MOST_NUMBER: Final = 1_000_000_000  # likewise, of requests and of seconds
_BY_NUMBER: Final = "total_pages"
_BY_CURSOR: Final = frozenset(("next_cursor", "has_more"))
_BLANKS: Final = {"null": "null", "missing": "missing", "empty": '""'}


def findings_of_switches(seen: Seen) -> list[Finding]:
    """One for each switch, in the sandbox's order."""
    return [judge(seen) for judge in JUDGES.values()]


def _rate_headers(seen: Seen) -> list[str]:
    """The names of the headers that tell of the limit, as they were written; of all answers."""
    names = {name for answer in seen.answers for name in answer.headers if _tells_of_limit(name)}
    return sorted(name for name in names if _NAME.fullmatch(name))[: settings.DOCTOR_SHOWN]


def _tells_of_limit(name: str) -> bool:
    return name.lower().startswith(("ratelimit", "x-ratelimit", "x-rate-limit"))


# --- how a listing goes on ---


def _paging(seen: Seen) -> Finding:
    listing = seen.listing
    if listing is None:
        return unknown("paging", _NO_LISTING)
    if listing.is_astray:
        why = "it goes on in a way that we do not follow, so no listing can be read to its end"
        return Finding(
            Kind.SWITCH, "paging", Verdict.CONTRADICTED, "other", why, "tell us: what stands beside the clients"
        )
    kind = _kind_of_paging(listing)
    if kind is not None:
        how = {
            "link": "a Link header leads on",
            "cursor": "next_cursor or has_more stands beside the clients",
            "page": "total_pages stands beside the clients",
        }
        is_choice = kind in how
        why = how.get(kind, "an address of the next page stands beside the clients")
        return observed("paging", kind, f"{why}; no further page was asked for", is_choice=is_choice)
    if not listing.is_whole:
        return unknown("paging", f"the end was not seen: {_why_cut(listing)}", "a larger --clients, if that was it")
    count = listing.census.count
    if count and count % _ROUND == 0:
        return unknown("paging", f"{count:,} clients came, a round number: the others may be cut off without a sign")
    if count < _USUAL_PAGE:
        return unknown("paging", f"{so_many(count, 'client')} fit on a page, if there are any", "a listing of more")
    return observed("paging", "none", f"{count:,} clients came in one answer, without a sign of pages")


def _kind_of_paging(listing: Clients) -> str | None:
    """By what the answer shows; the first that we would follow."""
    if listing.link is not None:
        return "link"
    places = places_of(listing.envelope)
    names = {name for place in places for name in place}
    if any(is_address(place.get(name)) for place in places for name in ("next_url", "next")):
        return "address"
    if names & _BY_CURSOR:
        return "cursor"
    return "page" if _BY_NUMBER in names else None


def _page_size(seen: Seen) -> Finding:
    listing = seen.listing
    if listing is None:
        return unknown("page_size", _NO_LISTING)
    if not listing.goes_on:
        return unknown("page_size", "no page was seen that is full")
    if not listing.is_whole:
        return unknown("page_size", f"the page's end was not seen: {_why_cut(listing)}", "a larger --clients")
    count = listing.census.count
    return observed("page_size", count, "as many were on the first page", is_choice=1 <= count <= _MOST_A_PAGE)


def _why_cut(listing: Clients) -> str:
    return listing.stopped or "the answer could not be read to its end"


# --- what is in it ---


def _order(seen: Seen) -> Finding:
    listing = seen.listing
    if listing is None:
        return unknown("order", _NO_LISTING)
    order = listing.census.order
    possible = order.possible()
    if not possible:
        why = "neither by created_at, up or down, nor by id"
        return observed("order", "other", why, is_choice=False)
    if len(possible) > 1:
        fitting = ", ".join(possible)
        return unknown("order", f"of those that came, more than one order fits: {fitting}", "more clients")
    ((name, along),) = possible.items()
    if along < settings.DOCTOR_LEAST_ORDERED - 1:
        return unknown("order", f"{name} fits, but so few may stand so by chance", "more clients")
    return observed("order", name, f"all {listing.census.count:,} that were looked at stand so, and in no other order")


def _duplicate_email(seen: Seen) -> Finding:
    listing = seen.listing
    again = 0 if listing is None else listing.census.people_again
    if again:
        why = f"{so_many(again, 'client')} with an email that another one of the campaign has: it was allowed once"
        return observed("duplicate_email", "allowed", why)
    if listing is None:
        return unknown("duplicate_email", _NO_LISTING, _AUDIT)
    return unknown("duplicate_email", "no email is listed twice in a campaign, which may be chance", _AUDIT)


def _link_in_listings(seen: Seen) -> Finding:
    listing = seen.listing
    if listing is None or not (count := listing.census.links.total()):
        return unknown("link_in_listings", _NO_LISTING if listing is None else _NO_CLIENT)
    links = listing.census.links
    if links["text"] == count:
        return observed("link_in_listings", value=True, why=f"all {count:,} that were looked at have one")
    if links["text"]:
        why = f"{links['text']:,} of {count:,} have one"
        return observed("link_in_listings", "some", why, is_choice=False)
    why = f"none of the {count:,} that were looked at has one"
    return observed("link_in_listings", value=False, why=why + (", but a null" if links["null"] else ""))


def _blanks(seen: Seen) -> Finding:
    listing = seen.listing
    if listing is None:
        return unknown("blanks", _NO_LISTING)
    blanks = listing.census.blanks
    if not blanks:
        return unknown("blanks", "no client was seen that lacks a name, company or phone")
    # What was added as "" may stay so whatever the service makes of what was left out.
    kinds = [kind for kind in ("null", "missing") if blanks[kind]] or ["empty"]
    said = ", ".join(f"{number:,} {_BLANKS[kind]}" for kind, number in sorted(blanks.items()))
    if len(kinds) > 1:
        return observed("blanks", "mixed", f"of the fields without a value: {said}", is_choice=False)
    doubt = "; they may have been added so" if kinds == ["empty"] else ""
    return observed("blanks", kinds[0], f"of the fields without a value: {said}{doubt}")


def _extra_fields(seen: Seen) -> Finding:
    names = sorted({path for answer in seen.answers for path in answer.extra})
    if names:
        shown = ", ".join(names[: settings.DOCTOR_SHOWN])
        more = len(names) - settings.DOCTOR_SHOWN
        return observed("extra_fields", value=True, why=shown + (f" and {more} more" if more > 0 else ""))
    if not any(answer.has_objects for answer in seen.answers):
        return unknown("extra_fields", "no campaign and no client was seen")
    return observed("extra_fields", value=False, why="none in the campaigns and clients that were looked at")


# --- errors and the limit ---


def _error_body(seen: Seen) -> Finding:
    wrong = [answer for answer in seen.answers if answer.status is not None and answer.status >= HTTPStatus.BAD_REQUEST]
    kinds = {answer.error_body: answer.status for answer in wrong if answer.error_body is not None}
    if not kinds:
        return unknown("error_body", "no answer was an error that came whole", "the next error: `error` and `details`")
    if len(kinds) > 1:
        return observed("error_body", "mixed", ", ".join(map(str, kinds)), is_choice=False)
    ((kind, status),) = kinds.items()
    is_choice = kind != "other"
    return observed("error_body", kind, f"of the answer {status}", is_choice=is_choice)


def _retry_after(seen: Seen) -> Finding:
    refused = next((answer for answer in seen.answers if answer.status == 429), None)
    if refused is None:
        return unknown("retry_after", "no answer was a 429", "the next 429; the budget sees to it that there is none")
    text = refused.headers.get("Retry-After")
    if text is None:
        return observed("retry_after", "none", "a 429 came without it")
    if seconds_of(text, datetime.now(UTC)) is not None:
        return observed("retry_after", "seconds", "a 429 had it")
    is_date = date_of(text) is not None
    return observed("retry_after", "date" if is_date else "other", "a 429 had it", is_choice=is_date)


def _rate_limit(seen: Seen) -> Finding:
    names = _rate_headers(seen)
    if any(name.lower() == "ratelimit" for name in names):
        return observed("rate_limit", value=True, why=", ".join(names))
    if names:
        return observed("rate_limit", "other", ", ".join(names), is_choice=False)
    if not any(answer.was_read for answer in seen.answers):
        return unknown("rate_limit", "there was no answer that is the API's and no error")
    return observed("rate_limit", value=False, why="no answer had a RateLimit or X-RateLimit header")


def _limit(seen: Seen) -> Finding:
    policy = _policy(seen)
    if policy is not None:
        return observed("limit", policy[0], "by RateLimit-Policy", is_choice=1 <= policy[0] <= _MOST_NUMBER)
    for answer in seen.answers:
        for name, text in answer.headers.items():
            if name.lower() in _LIMITS and _NUMBER.fullmatch(text):
                return observed("limit", text, f"by {name}, which does not say of how long a time", is_choice=False)
    return unknown("limit", f"no header names it; the API page says {settings.LIMIT}, and the budget keeps to that")


def _window_s(seen: Seen) -> Finding:
    policy = _policy(seen)
    if policy is None:
        return unknown("window_s", "no header names it; the API page says a minute")
    return observed("window_s", policy[1], "by RateLimit-Policy", is_choice=1 <= policy[1] <= _MOST_NUMBER)


def _policy(seen: Seen) -> tuple[int, int] | None:
    """Quota and window, where exactly one is named; of several nobody knows which the sandbox should have."""
    for answer in seen.answers:
        if found := _POLICY.fullmatch(answer.headers.get("RateLimit-Policy", "")):
            return int(found[1]), int(found[2])
    return None


def _only_a_post(about: str, tells: str) -> Callable[[Seen], Finding]:
    return lambda _: unknown(about, "only a POST can show it", tells)


JUDGES: Final[Mapping[str, Callable[[Seen], Finding]]] = {
    "paging": _paging,
    "page_size": _page_size,
    "order": _order,
    "duplicate_email": _duplicate_email,
    "created_status": _only_a_post(
        "created_status", "`onboard360 request POST /clients --data @FILE --status`, when you next add somebody"
    ),
    "unknown_campaign": _only_a_post("unknown_campaign", "the same with the id of a campaign that is not there"),
    "link_in_listings": _link_in_listings,
    "blanks": _blanks,
    "error_body": _error_body,
    "extra_fields": _extra_fields,
    "retry_after": _retry_after,
    "rate_limit": _rate_limit,
    "limiter": lambda _: unknown("limiter", "two requests cannot show how a minute is cut; the budget fits them all"),
    "limit": _limit,
    "window_s": _window_s,
    "count_refused": lambda _: unknown("count_refused", "only a 429, and what follows it, can show it"),
}
