"""What is refused before anything is sent: arguments that cannot be meant.

Sends nothing. A message names the argument, never its value, which may be a person's.
"""

import re
from collections.abc import Callable, Sequence
from urllib.parse import unquote

from onboard360_async.errors import ValidationError
from onboard360_async.hidden import hidden
from onboard360_async.models import Campaign, NewClient

__all__ = ["IS_ID", "check_email", "check_new_client", "check_request", "check_text", "pick_campaign"]

IS_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}").fullmatch  # a UUID, as the page shows ids
_METHOD = re.compile(r"[A-Z]+")
_PATH = re.compile(r"(/(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})+)+")  # RFC 3986, without empty segments
_STEPS = frozenset((".", ".."))  # which lead elsewhere, however they are written
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
_OPTIONAL = ("first_name", "last_name", "company_name", "phone")


def check_text(name: str, value: object) -> str:
    """A required text. ValidationError if it is None, empty or no text: the failed look-up of somebody else."""
    if not isinstance(value, str):
        raise ValidationError(f"{name} must be text, not {type(value).__name__}; nothing was sent.", name)
    if not value.strip():
        raise ValidationError(f"{name} is empty; nothing was sent.", name)
    return value


def check_request(method: object, path: object) -> None:
    """What every request has: a method in capitals, and a path below the base URL that leads nowhere else."""
    if not isinstance(method, str) or not _METHOD.fullmatch(method):
        raise ValidationError("The method must be in capitals, such as GET.", "method")
    if not isinstance(path, str) or not _PATH.fullmatch(path) or _STEPS & set(re.split(r"[/\\]", unquote(path))):
        raise ValidationError("The path must look like /clients, without host, query, '.' or '..'.", "path")


def check_email(email: object) -> None:
    """What every address has: one @ with something on both sides, and neither spaces nor control characters."""
    text = hidden(check_text("email", email).strip())
    if not _EMAIL.fullmatch(text) or not text.isprintable():
        raise ValidationError("email is not an email address; nothing was sent.", "email")


def check_new_client(client: NewClient) -> None:
    """The fields of a client to be added. Source: API page, "Add Client" (required: campaign_id, email)."""
    check_text("campaign_id", client.campaign_id)
    check_email(client.email)
    for name in _OPTIONAL:
        value = getattr(client, name)
        if value is not None and not isinstance(value, str):
            raise ValidationError(f"{name} must be text or None, not {type(value).__name__}; nothing was sent.", name)


def pick_campaign(wanted: str, campaigns: Sequence[Campaign]) -> Campaign:
    """The one campaign with this id, else this name, else this name in other capitals.

    ValidationError, with the candidates, if there is none or more than one.
    """
    wanted = wanted.strip()
    ways: tuple[Callable[[Campaign], bool], ...] = (
        lambda campaign: campaign.id == wanted,
        lambda campaign: campaign.name.strip() == wanted,
        lambda campaign: campaign.name.strip().casefold() == wanted.casefold(),
    )
    for fits in ways:
        found = [campaign for campaign in campaigns if fits(campaign)]
        if len(found) == 1:
            return found[0]
        if found:
            message = f"{len(found)} campaigns are called {wanted!r}; give the id instead."
            raise ValidationError(message, "campaign", _named(found))
    from difflib import get_close_matches  # for whoever made a mistake alone

    close = get_close_matches(wanted, [campaign.name for campaign in campaigns], n=5, cutoff=0.5)
    near = [campaign for campaign in campaigns if campaign.name in close] or campaigns
    raise ValidationError(f"No published campaign is called {wanted!r}.", "campaign", _named(near))


def _named(campaigns: Sequence[Campaign]) -> tuple[str, ...]:
    return tuple(f"{campaign.name} ({campaign.id})" for campaign in campaigns)
