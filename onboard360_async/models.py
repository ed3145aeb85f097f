"""The API's nouns as plain values: campaigns, clients, and clients to be.

Knows no JSON, no HTTP and no handle; how bytes become models is `codec`'s.
"""

import unicodedata
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

from attrs import field, fields_dict, frozen

__all__ = ["NOTHING_EXTRA", "Campaign", "Client", "NewClient", "WithExtra", "email_key"]

NOTHING_EXTRA: Mapping[str, object] = MappingProxyType({})


def email_key(email: str) -> str:
    """The form in which two spellings of one address are equal: stripped, NFC, lower case.

    UNDOCUMENTED: whether the server itself takes addresses that differ in case for one; the stricter reading
    is that it may mail both, so we take them for one person.
    """
    return unicodedata.normalize("NFC", email.strip()).lower()


class WithExtra:
    """A model whose read-only `extra` survives pickling and copying, which a mapping proxy alone does not."""

    __slots__ = ("__weakref__",)

    def __reduce__(self) -> tuple[object, ...]:
        values = {name: getattr(self, name) for name in fields_dict(type(self))}  # type: ignore[arg-type]  # all are attrs'
        return _rebuilt, (type(self), values | {"extra": dict(values["extra"])})


def _rebuilt(model: type[WithExtra], values: dict[str, Any]) -> WithExtra:
    return model(**values | {"extra": MappingProxyType(values["extra"])})


@frozen
class Campaign(WithExtra):
    """A published campaign; times are in UTC. Source: API page, "List Campaigns"."""

    id: str
    name: str
    created_at: datetime
    updated_at: datetime
    extra: Mapping[str, object] = field(default=NOTHING_EXTRA, repr=False, hash=False)  # what the page does not name


def _required_created_at() -> datetime:
    # Required, though it stands behind optional fields: so the API page has its fields in their order.
    raise TypeError("a Client needs created_at")


@frozen
class Client(WithExtra):
    """A client of a campaign; times are in UTC. Source: API page, "List Clients" and "Add Client".

    `link` is the onboarding link. The API says it once, in the answer that creates the client; listings have None.
    """

    id: str
    campaign_id: str
    email: str = field(repr=False)
    first_name: str | None = field(default=None, repr=False)
    last_name: str | None = field(default=None, repr=False)
    company_name: str | None = field(default=None, repr=False)
    phone: str | None = field(default=None, repr=False)
    created_at: datetime = field(factory=_required_created_at)
    link: str | None = field(default=None, repr=False)
    extra: Mapping[str, object] = field(default=NOTHING_EXTRA, repr=False, hash=False)


@frozen
class NewClient:
    """A client to be added. Source: API page, "Add Client" (required: campaign_id, email)."""

    campaign_id: str
    email: str = field(repr=False)
    first_name: str | None = field(default=None, repr=False)
    last_name: str | None = field(default=None, repr=False)
    company_name: str | None = field(default=None, repr=False)
    phone: str | None = field(default=None, repr=False)
