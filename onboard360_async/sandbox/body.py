"""What the body of "Add Client" must be. Knows no campaign, no store and no HTTP.

Source: API page, "Add Client" (required: campaign_id, email).
"""

import json
from collections.abc import Mapping
from typing import Final, Never

from attrs import frozen

__all__ = ["BodyError", "NewClient", "check", "check_text", "read"]

_REQUIRED: Final = ("campaign_id", "email")
_OPTIONAL: Final = ("first_name", "last_name", "company_name", "phone")


class BodyError(ValueError):
    """The body is no client to be added; the message says why."""


@frozen(kw_only=True)
class NewClient:
    """A client to be added. UNDOCUMENTED: an optional field that is left out, or null, is null in the answers."""

    campaign_id: str
    email: str
    first_name: str | None = None
    last_name: str | None = None
    company_name: str | None = None
    phone: str | None = None


def read(body: bytes) -> NewClient:
    """The client in the body of a POST, else BodyError.

    UNDOCUMENTED: unknown fields are ignored, of a field that comes twice the last one counts, the Content-Type is not
    looked at. Pinned by tests/sandbox/test_api_page.py and test_robust.py.
    """
    try:
        value = json.loads(body, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise BodyError("The body is not JSON.") from None
    if not isinstance(value, dict):
        raise BodyError("The body must be a JSON object.")
    return check({name: value.get(name) for name in (*_REQUIRED, *_OPTIONAL)})


def check(fields: Mapping[str, object]) -> NewClient:
    """The client with these fields, else BodyError.

    UNDOCUMENTED: what makes a field bad; we take other types than text, half characters (lone surrogates) and an
    email without @.
    """
    fields = {**dict.fromkeys(_REQUIRED), **fields}
    unknown = fields.keys() - {*_REQUIRED, *_OPTIONAL}
    if unknown:
        raise BodyError(f"A client has no field {min(unknown)!r}.")
    texts: dict[str, str] = {}
    for name, value in fields.items():
        if value is None and name in _OPTIONAL:
            continue
        if value is None:
            raise BodyError(f"{name} is required.")
        texts[name] = check_text(name, value)
    if "@" not in texts["email"]:
        raise BodyError("email must be an email address.")
    return NewClient(**texts)


def check_text(name: str, value: object) -> str:
    """A text that can be stored, else BodyError."""
    if not isinstance(value, str):
        raise BodyError(f"{name} must be a string.")
    if not _is_unicode(value):
        raise BodyError(f"{name} holds half a character (a lone surrogate).")
    return value


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _refuse(constant: str) -> Never:
    raise ValueError(f"{constant} is not JSON")
