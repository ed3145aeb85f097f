"""One row of somebody's list: which column is which field, and whether it can be sent.

Knows no file and no journal. A problem names the field and the reason; the value goes with it for the user's own eyes
and stays out of every repr.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Final

import attrs
from attrs import frozen

from onboard360_async import settings
from onboard360_async.errors import ValidationError
from onboard360_async.models import NewClient

__all__ = ["EXCEL_SAFE", "FIELDS", "OURS", "Problem", "Row", "check_row", "columns_of"]

FIELDS: Final = ("campaign_id", "email", "first_name", "last_name", "company_name", "phone")  # "Add Client"
EXCEL_SAFE: Final = "_excel_safe"  # a column that says: an apostrophe before a cell is there for spreadsheets alone
OURS: Final = ("_line", "_error", EXCEL_SAFE)  # columns of an errors file, which imports again as it is

_ALIASES: Final[Mapping[str, tuple[str, ...]]] = {
    "campaign_id": ("campaign id",),
    "email": ("email", "e mail", "email address", "e mail address", "mail", "e mail adresse"),
    "first_name": ("first name", "given name", "forename", "vorname"),
    "last_name": ("last name", "surname", "family name", "nachname"),
    "company_name": ("company name", "company", "organisation", "organization", "firma", "unternehmen"),
    "phone": ("phone", "phone number", "telephone", "mobile", "telefon", "handy"),
}
_EXCEL_DAMAGE: Final = re.compile(r"\d(\.\d+)?E\+\d+|\d+\.0", re.IGNORECASE)


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


def columns_of(header: Sequence[str], mapping: Mapping[str, str] | None) -> tuple[dict[str, int], list[str]]:
    """Which column holds which field, and the columns that nobody knows.

    By `mapping` (field to column), else by usual names. ValidationError if there is no email column, if a mapped column
    is not there, or if two columns could be meant.
    """
    columns: dict[str, int] = {}
    names = [_plain(name) for name in header]
    for name, wanted in (mapping or {}).items():
        if name not in FIELDS:
            raise ValidationError(f"There is no field {name!r} to map; the fields are:", "mapping", FIELDS)
        if names.count(_plain(wanted)) != 1:
            raise ValidationError(f"There is no one column {wanted!r}; the columns are:", "mapping", tuple(header))
        columns[name] = names.index(_plain(wanted))
    for name, aliases in _ALIASES.items():
        fits = [index for index, column in enumerate(names) if column in aliases and index not in columns.values()]
        if name in columns or not fits:
            continue
        if len(fits) > 1:
            both = tuple(header[index] for index in fits)
            raise ValidationError(f"More than one column could be {name}; say which with a mapping:", name, both)
        columns[name] = fits[0]
    if "email" not in columns:
        message = "There is no email column; map one of these with email=COLUMN:"
        raise ValidationError(message, "email", tuple(header))
    known = set(columns.values())
    return columns, [name for index, name in enumerate(header) if index not in known and name not in OURS]


def _plain(name: str) -> str:
    return " ".join(re.sub(r"[\s_\-.:]+", " ", unicodedata.normalize("NFKC", name)).casefold().split())


def check_row(row: Row, campaign_id: str | None) -> tuple[NewClient | None, Problem | None, list[str]]:
    """The client to be added, or the problem; and what looks odd but may be sent."""
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
        if "\0" in value:
            return None, Problem(row.line, name, "it holds a NUL character"), []
        if any("\ud800" <= char <= "\udfff" for char in value):
            return None, Problem(row.line, name, "it holds half a character, which no request can carry"), []
    client = NewClient(**{name: values.get(name) for name in FIELDS})  # type: ignore[arg-type]  # both required ones are there
    odd = [f"line {row.line}: the phone looks damaged by a spreadsheet"] if _is_damaged(client.phone) else []
    return client, None, odd


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


def _is_damaged(phone: str | None) -> bool:
    return phone is not None and _EXCEL_DAMAGE.fullmatch(phone) is not None
