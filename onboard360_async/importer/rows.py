"""One row of somebody's list: what it says of each field, and whether it can be sent.

Knows no column, no file and no journal. A problem names the field and the reason; the value goes with it for the
user's own eyes and stays out of every repr.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final

import attrs
from attrs import frozen

from onboard360_async import settings
from onboard360_async.models import NewClient

__all__ = ["EXCEL_SAFE", "FIELDS", "OURS", "Problem", "Row", "check_row"]

FIELDS: Final = ("campaign_id", "email", "first_name", "last_name", "company_name", "phone")  # "Add Client"
EXCEL_SAFE: Final = "_excel_safe"  # a column that says: an apostrophe before a cell is there for spreadsheets alone
OURS: Final = ("_line", "_error", EXCEL_SAFE)  # columns of an errors file, which imports again as it is

# What no request can carry: a NUL, half a character.
_UNSENDABLE: Final = re.compile("[\0\ud800-\udfff]")
_EXCEL_DAMAGE: Final = re.compile(r"\d([.,]\d+)?E\+\d+|\+?\d+\.0", re.IGNORECASE)
_LOST_PLUS: Final = re.compile(r"[1-9][0-9]{10,}")  # 11 digits are a country's code and a number
# An address as nearly all are, which nobody need look at twice: dots between other signs, a domain of usual labels.
_ATOM: Final = r"[\w!#$%&'*+/=?^`{|}~-]+"
_LABEL: Final = r"[^\W_](?:(?:[^\W_]|-)*[^\W_])?"
_USUAL_NAME: Final = re.compile(rf"{_ATOM}(?:\.{_ATOM})*")
_USUAL_EMAIL: Final = re.compile(rf"{_USUAL_NAME.pattern}@(?:{_LABEL}\.)+(?!.\Z){_LABEL}")


@frozen
class Problem:
    """Why a row cannot be sent. `value` is what stands there, for the user's own screen."""

    line: int
    field: str
    reason: str
    value: str = attrs.field(default="", repr=False)


@frozen
class Row:
    """A row as it was read: its line, its cells as they stand, and what they say about each field."""

    line: int
    cells: Sequence[str] = attrs.field(repr=False)
    values: Mapping[str, str] = attrs.field(repr=False)
    problem: Problem | None = None  # found while reading


def check_row(row: Row, campaign_id: str | None) -> tuple[NewClient | None, Problem | None, list[str]]:
    """The client to be added, or the problem; and what looks odd but may be sent, without the value itself."""
    if row.problem is not None:
        return None, row.problem, []
    values = {name: value for name, value in row.values.items() if value}
    if campaign_id is not None:
        values["campaign_id"] = campaign_id
    for name in ("campaign_id", "email"):
        if name not in values:
            return None, Problem(row.line, name, "it is empty"), []
    if reason := _email_fault(values["email"]):
        return None, Problem(row.line, "email", reason, values["email"]), []
    for name, value in values.items():
        if found := _UNSENDABLE.search(value):
            reason = "a NUL character" if found[0] == "\0" else "half a character, which no request can carry"
            return None, Problem(row.line, name, f"it holds {reason}"), []
    client = NewClient(**{name: values.get(name) for name in FIELDS})  # type: ignore[arg-type]  # both required ones are there
    odd = [reason for reason in (_odd_email(client.email), _odd_phone(client.phone)) if reason]
    return client, None, [f"line {row.line}: {reason}" for reason in odd]


def _email_fault(email: str) -> str | None:
    """Only what no address can be; anything stricter would lose people, anything laxer would stop at the request.

    Invisible characters come with addresses that were copied from a page; inside one they are nobody's.
    """
    name, at, host = email.partition("@")
    if not at or "@" in host:
        return "it must have one @"
    if " " in email or not email.isprintable():
        return "it holds a space or an invisible character"
    if not name or "." not in host.strip(".") or host.startswith(".") or host.endswith("."):
        return "it is not an email address"
    if len(email) > settings.MAX_EMAIL_CHARS:
        return f"it is longer than {settings.MAX_EMAIL_CHARS} characters"
    return None


def _odd_email(email: str) -> str | None:
    """What hardly anybody's address has; a mailbox may have it all the same."""
    if _USUAL_EMAIL.fullmatch(email):
        return None
    name, _, host = email.partition("@")
    labels = host.split(".")
    if ".." in email:
        return "the email has two dots in a row"
    if name.startswith(".") or name.endswith("."):
        return "the email has a dot beside its beginning or its @"
    if not _USUAL_NAME.fullmatch(name):
        return "the email has an unusual character before its @"
    if any(label.startswith("-") or label.endswith("-") for label in labels):
        return "the email's domain has a hyphen beside a dot"
    if len(labels[-1]) == 1:
        return "the email's domain ends with a single letter"
    return "the email's domain has an unusual character"


def _odd_phone(phone: str | None) -> str | None:
    """What a spreadsheet does to a number; phones are free text otherwise."""
    if phone is None:
        return None
    if _EXCEL_DAMAGE.fullmatch(phone):
        return "the phone looks damaged by a spreadsheet"
    return "the phone may have lost its +" if _LOST_PLUS.fullmatch(phone) else None
