"""Whether we can work at all: the key, the two answers, the clocks, the budget, the signature; and what to do if not.

Pure. Shows no key: only how it begins, where that says what kind it is.
"""

from http import HTTPStatus
from typing import Final

from onboard360_async import settings
from onboard360_async.budget import BudgetState
from onboard360_async.doctor.findings import Finding, Kind, Verdict
from onboard360_async.doctor.looking import Looked
from onboard360_async.doctor.seen import BudgetSeen, KeySeen, Seen
from onboard360_async.errors import BudgetExhaustedError

__all__ = ["findings_of_checks"]

_LIVE: Final = "sk_live_"  # Source: API page, "Authentication"
_TEST: Final = "sk_test_"  # of the sandbox
_NEW_KEY: Final = "make one in Settings, APIs & Webhooks"
_OPEN_TO_OTHERS: Final = 0o077


def findings_of_checks(seen: Seen) -> list[Finding]:
    """One for each."""
    return [
        _key(seen),
        _answer("campaigns", seen.campaigns),
        _answer("clients", seen.clients),
        _clock(seen),
        _budget(seen),
        _signature(seen),
    ]


def _is(about: str, verdict: Verdict, seen: str, why: str, advice: str = "") -> Finding:
    return Finding(Kind.CHECK, about, verdict, seen, why.removesuffix("."), advice)


def _key(seen: Seen) -> Finding:
    key = seen.key
    if key.fault:
        return _is("key", Verdict.FAILED, "none" if not key.text.strip() else "", key.fault)
    statuses = [answer.status for answer in seen.answers if answer.status is not None]
    if HTTPStatus.UNAUTHORIZED in statuses:
        return _is("key", Verdict.FAILED, "refused", f"the service answered 401. {_oddities(key)}".strip(), _NEW_KEY)
    odd = _oddities(key)
    if not any(answer.was_read for answer in seen.answers):
        return _is("key", Verdict.UNKNOWN, _beginning(key), f"no answer says whether it is accepted. {odd}".strip())
    verdict = Verdict.WARNING if odd else Verdict.OK
    return _is("key", verdict, _beginning(key), f"accepted. {odd}".strip())


def _beginning(key: KeySeen) -> str:
    text = key.text.strip()
    return next((kind for kind in (_LIVE, _TEST) if text.startswith(kind)), "other")


def _oddities(key: KeySeen) -> str:
    """What is unusual in how it is written."""
    said = []
    if key.text.rstrip("\r\n") != key.text.strip():
        said.append("There is white space around it, which is not sent.")
    kind = _beginning(key)
    if kind == "other":
        said.append(f"The API page shows keys that begin with {_LIVE}.")
    elif kind == _TEST and not key.is_loopback:
        said.append(f"{_TEST} is how the sandbox's keys begin.")
    return " ".join(said)


def _answer(about: str, looked: Looked | None) -> Finding:
    if looked is None:
        return _is(about, Verdict.UNKNOWN, "", "it was not asked for")
    status = "no answer" if looked.status is None else str(looked.status)
    if looked.fault:
        return _is(about, Verdict.FAILED, status, looked.fault, _advice(looked))
    if looked.stopped and not looked.has_objects:
        return _is(about, Verdict.FAILED, status, f"nothing of it could be read: {looked.stopped}")
    if looked.stopped:
        return _is(about, Verdict.OK, status, f"a part was read: {looked.stopped}")
    return _is(about, Verdict.OK, status, "read to its end")


def _advice(looked: Looked) -> str:
    if looked.status == HTTPStatus.TOO_MANY_REQUESTS:
        return "somebody else uses this key: share one budget with them (--budget), and run this again in a minute"
    if looked.error is BudgetExhaustedError:
        return "run this again when the others are done; `onboard360 budget` names them"
    return ""


def _clock(seen: Seen) -> Finding:
    skew_s = seen.skew_s
    if skew_s is None:
        return _is("clock", Verdict.UNKNOWN, "", "no answer said its Date")
    most_s = settings.IMPORT_CLOCK_TOLERANCE_S
    if abs(skew_s) <= most_s:
        return _is("clock", Verdict.OK, "alike", f"within {most_s:g} s of the service's")
    direction = "behind" if skew_s > 0 else "ahead of"
    why = f"ours is {abs(skew_s):,.0f} s {direction} the service's; an import allows for that"
    advice = "set this machine's clock (its time zone does not matter)"
    if abs(skew_s) <= settings.WEBHOOK_AHEAD_S:
        return _is("clock", Verdict.WARNING, "apart", why, advice)
    return _is("clock", Verdict.FAILED, "apart", f"{why}, but every webhook will be flagged or refused", advice)


# --- the budget ---


def _budget(seen: Seen) -> Finding:
    budget = seen.budget
    if budget.fault:
        return _is("budget", Verdict.FAILED, budget.store, budget.fault, "mend that, or keep it elsewhere: --budget")
    if budget.state is None:
        return _is("budget", Verdict.UNKNOWN, budget.store, "it is kept by key, so without one it was not looked at")
    said = [_shared_with(budget), *_in_use(budget.state), f"{budget.spent} spent by this."]
    odd = _oddities_of(budget)
    verdict = Verdict.WARNING if odd or budget.store == "memory" else Verdict.OK
    advice = "share it: --budget file, or redis://..." if budget.store == "memory" else ""
    return _is("budget", verdict, budget.store, " ".join(said + odd), advice)


def _shared_with(budget: BudgetSeen) -> str:
    if budget.store == "memory":
        return "It is this process' alone: no other command knows what was sent."
    what = "read and written" if budget.spent else "read"
    if budget.store == "file":
        return f"Could be {what}; shared with the commands and programs of this user on this machine."
    return f"Could be {what}; shared with all that use this Redis."


def _in_use(state: BudgetState) -> list[str]:
    said = [f"{state.used} of {state.limit} were used before."]
    if state.held_by:
        is_one, number = len(state.held_by) == 1, len(state.held_by)
        who = "1 other process has" if is_one else f"{number} other processes have"
        said.append(f"{who} requests under way (`onboard360 budget` names {'it' if is_one else 'them'}).")
    return said


def _oddities_of(budget: BudgetSeen) -> list[str]:
    said = []
    state = budget.state
    if state is not None and state.effective_limit < state.limit:
        said.append(f"429s or headers have lowered the limit to {state.effective_limit}.")
    if budget.mode is not None and budget.mode & _OPEN_TO_OTHERS:
        said.append(f"Its folder is open to others (mode {budget.mode:04o}).")
    if budget.skew_s is not None and abs(budget.skew_s) > settings.IMPORT_CLOCK_TOLERANCE_S:
        said.append(f"Its clock is {abs(budget.skew_s):,.0f} s from ours, which does no harm.")
    return said


# --- the webhook ---


def _signature(seen: Seen) -> Finding:
    webhook = seen.webhook
    if webhook is None:
        return _is("signature", Verdict.UNKNOWN, "", "no webhook was given", "--webhook FILE --signature VALUE")
    if webhook.forms:
        said = " ".join(webhook.findings[:1])
        return _is("signature", Verdict.OK, f"secret {webhook.secret}", said)
    return _is("signature", Verdict.FAILED, "refused", " ".join(webhook.findings))
