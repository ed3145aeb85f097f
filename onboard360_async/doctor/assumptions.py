"""A 1 to A 9, what the promises of an import and of the webhooks rest on: what two GETs can say of each.

Pure. That is little: most are about POSTs, which the doctor never sends. It says which, and what would tell.
"""

from typing import Final

from onboard360_async.codec.continuation import places_of
from onboard360_async.doctor.findings import Finding, Kind, Verdict, so_many, unknown
from onboard360_async.doctor.seen import Seen
from onboard360_async.transport.rate_headers import remaining

__all__ = ["findings_of_assumptions"]

_AUDIT: Final = "the audit at an import's end"
_TOTALS: Final = ("total", "total_count")


def findings_of_assumptions(seen: Seen) -> list[Finding]:
    """One for each."""
    return [
        _nothing("A 1", "a POST creates one client or none: only POSTs can show it", _AUDIT),
        _nothing("A 2", "a refused POST created nobody: only POSTs can show it", _AUDIT),
        _whole_listing(seen),
        _nothing("A 4", "nobody is created long after a connection ended: only POSTs can show it", _AUDIT),
        _nothing("A 5", "this disk keeps what was written: no request can tell"),
        _nothing("A 6", "one run per journal: it is locked on this machine, and no request can tell"),
        _nobody_else(seen),
        _counted_by_its_answer(seen),
        _signed_form(seen),
    ]


def _nothing(about: str, why: str, advice: str = "") -> Finding:
    return unknown(about, why, advice, kind=Kind.ASSUMPTION)


def _is(verdict: Verdict, about: str, seen: str, why: str, advice: str = "") -> Finding:
    return Finding(Kind.ASSUMPTION, about, verdict, seen, why, advice)


def _whole_listing(seen: Seen) -> Finding:
    """A 3. What is not listed cannot be seen; but a listing may say itself that it is not whole."""
    listing = seen.listing
    if listing is None:
        return _nothing("A 3", "a listing shows everybody: there was none that could be read")
    count = listing.census.count
    if listing.is_astray:
        return _is(Verdict.CONTRADICTED, "A 3", "not whole", "it goes on where we cannot follow")
    if not listing.is_whole or listing.goes_on:
        return _nothing(
            "A 3", f"a listing shows everybody: only a part of this one was looked at ({so_many(count, 'client')})"
        )
    total = _total(listing.envelope)
    if total is not None and total > count:
        why = f"it says that there are {total:,}, shows {count:,}, and does not go on"
        return _is(Verdict.CONTRADICTED, "A 3", "not whole", why, "ask 360Onboard how a listing goes on")
    if (webhook := seen.webhook) is not None and webhook.named is not None and not listing.census.has_wanted:
        return _nothing("A 3", "the webhook's client is not in the listing: deleted since, or the listing is not whole")
    return _nothing(
        "A 3", f"nothing speaks against it in {so_many(count, 'client')}; who is not listed cannot be seen", _AUDIT
    )


def _total(envelope: dict[str, object]) -> int | None:
    told = [place[name] for place in places_of(envelope) for name in _TOTALS if type(place.get(name)) is int]
    return max((number for number in told if isinstance(number, int)), default=None)


def _nobody_else(seen: Seen) -> Finding:
    """A 7. Two moments say nothing of what others do during an import."""
    why = "nobody else adds the same email during an import: two GETs see no import"
    again = 0 if seen.listing is None else seen.listing.census.people_again
    if again:
        why += f"; {so_many(again, 'client')} with the email of another one, so somebody did once"
    return _nothing("A 7", why, _AUDIT)


def _counted_by_its_answer(seen: Seen) -> Finding:
    """A 8: what is left, where the service tells it, is shown; that a request was counted by its own answer, is not."""
    left = [number for answer in seen.answers if (number := remaining(answer.headers)) is not None]
    if len(left) < 2:
        return _nothing("A 8", "a request is counted by its answer: no two answers say how many are left")
    first, second = left
    # Should it fall by 1, the first was counted before the second's answer; perhaps after its own.
    why = f"what is left went from {first} to {second} from one answer to the next, which does not tell by whose"
    return _nothing("A 8", why)


def _signed_form(seen: Seen) -> Finding:
    """A 9. One webhook that is genuine shows it; one that a secret of ours signed as another text speaks against it."""
    webhook = seen.webhook
    if webhook is None:
        return _nothing("A 9", "what of a body is signed: no webhook was given", "--webhook FILE --signature VALUE")
    if webhook.forms:
        said = ", ".join(webhook.forms)
        why = "of this webhook" if len(webhook.forms) == 1 else "of this webhook these are the same bytes: cannot tell"
        advice = "" if len(webhook.forms) == 1 else "a webhook with a letter beyond ASCII, as in a name"
        return _is(Verdict.OBSERVED, "A 9", said, why, advice)
    if webhook.refused_form is not None:
        why = "of this webhook, which is refused for another reason; the first form that fits"
        return _is(Verdict.OBSERVED, "A 9", webhook.refused_form, why)
    if webhook.is_other_form:
        why = "a secret of ours signed another text than what came, in none of the three forms"
        return _is(Verdict.CONTRADICTED, "A 9", "other", why, "look whether the body was changed on the way")
    return _nothing("A 9", "no secret of these signed this body, so it says nothing of the form")
