"""Clients and campaigns out of decoded objects, many at a time: the quick way for what the API page shows.

Knows no JSON and no error of ours: what is none raises, and `structure` says what is wrong with it. Frozen
classes are slow to make, attribute by attribute through `object.__setattr__`; so each client is filled while it is of
an open subclass, and becomes a Client when it is whole.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from operator import itemgetter
from types import MappingProxyType
from typing import Any, Final

from attrs import fields

from onboard360_async import settings
from onboard360_async.codec.parser import is_deep
from onboard360_async.codec.times import utc_time
from onboard360_async.models import NOTHING_EXTRA, Campaign, Client

__all__ = ["build", "build_alike", "build_campaigns", "extra_of", "names_of"]


def names_of(model: type[Campaign] | type[Client]) -> frozenset[str]:
    """What the API page names of a model."""
    return frozenset(field.name for field in fields(model)) - {"extra"}


_KNOWN: Final = names_of(Client)
_OF_A_CAMPAIGN: Final = names_of(Campaign)
_OPTIONAL: Final = sorted(_KNOWN - {"id", "campaign_id", "email", "created_at"})
_IN_A_LISTING: Final = len(_KNOWN - {"link"})  # members that an object has where listings show them all
_required: Final = itemgetter("id", "campaign_id", "email", "created_at")
_listed: Final = itemgetter(
    "id", "campaign_id", "email", "created_at", "first_name", "last_name", "company_name", "phone"
)
_moment: Final = datetime.fromisoformat


class _OpenClient(Client):
    __slots__ = ()
    __setattr__ = object.__setattr__  # as of a class that nobody has frozen
    __delattr__ = object.__delattr__  # one slot of C with the former
    __init__ = object.__init__  # makes an empty one, quicker than `object.__new__` does


def build(items: Iterable[Any], into: list[Client], shared: dict[str, str]) -> bool:
    """Append the client of each item; what is none raises, when those before it are appended.

    Whether any of them has something in `extra`. `shared` holds the campaign ids that were seen, so that a million
    clients do not hold a million copies of one.
    """
    if len(shared) > settings.SHARED_IDS:
        shared.clear()
    append, one_of, last, has_extra = into.append, shared.setdefault, "", False
    open_client: Any = _OpenClient
    listed, moment_of, utc, text, nothing = _listed, _moment, UTC, str, NOTHING_EXTRA
    for item in items:
        client: Any = open_client()
        try:
            key, campaign_id, email, time, first, second, company, phone = listed(item)
        except KeyError:  # of those that may be missing, perhaps
            key, campaign_id, email, time = _required(item)
            is_plain = False
        else:
            # As nearly every listing shows nearly everybody.
            is_plain = (
                len(item) == _IN_A_LISTING
                and (type(first) is text or first is None)
                and (type(second) is text or second is None)
                and (type(company) is text or company is None)
                and (type(phone) is text or phone is None)
            )
        if not (type(key) is text and type(campaign_id) is text and type(email) is text):
            raise TypeError
        if campaign_id != last:
            last = one_of(campaign_id, campaign_id)
        moment = moment_of(time)
        client.id, client.campaign_id, client.email = key, last, email
        client.created_at = moment if moment.tzinfo is utc else utc_time(time)
        if is_plain:
            client.first_name, client.last_name, client.company_name, client.phone = first, second, company, phone
            client.link, client.extra = None, nothing
        elif _fill(client, item):
            has_extra = True
        client.__class__ = Client
        append(client)
    return has_extra


def build_alike(rows: Iterable[tuple[str, ...]], into: list[Client], shared: dict[str, str]) -> None:
    """Append the client of each row, as `alike` has them; ValueError or OverflowError for what is no time."""
    if len(shared) > settings.SHARED_IDS:
        shared.clear()
    append, one_of, last = into.append, shared.setdefault, ""
    open_client: Any = _OpenClient
    moment_of, utc, nothing = _moment, UTC, NOTHING_EXTRA
    for key, campaign_id, first, second, email, company, phone, time, link in rows:
        client: Any = open_client()
        if campaign_id != last:
            last = one_of(campaign_id, campaign_id)
        moment = moment_of(time)
        client.id, client.campaign_id, client.email = key, last, email
        client.created_at = moment if moment.tzinfo is utc else utc_time(time)
        client.first_name, client.last_name = first or None, second or None
        client.company_name, client.phone, client.link = company or None, phone or None, link or None
        client.extra = nothing
        client.__class__ = Client
        append(client)


def _fill(client: Any, item: dict[str, object]) -> bool:
    """What may be missing, null or unknown, into a client that is not whole yet; whether something is in `extra`."""
    for name in _OPTIONAL:
        value = item.get(name)
        if value is not None and type(value) is not str:
            raise TypeError
        setattr(client, name, value)
    client.extra = NOTHING_EXTRA if item.keys() <= _KNOWN else extra_of(item, _KNOWN)
    return client.extra is not NOTHING_EXTRA


class _OpenCampaign(Campaign):
    __slots__ = ()
    __setattr__ = object.__setattr__  # as above
    __delattr__ = object.__delattr__  # as above
    __init__ = object.__init__  # as above


def build_campaigns(items: Iterable[Any]) -> list[Campaign]:
    """The campaign of each item; what is none raises."""
    campaigns: list[Campaign] = []
    open_campaign: Any = _OpenCampaign
    for item in items:
        campaign = open_campaign()
        campaign.id = key = item["id"]
        campaign.name = name = item["name"]
        campaign.created_at = utc_time(item["created_at"])
        campaign.updated_at = utc_time(item["updated_at"])
        if not type(key) is type(name) is str:
            raise TypeError
        campaign.extra = NOTHING_EXTRA if len(item) == len(_OF_A_CAMPAIGN) else extra_of(item, _OF_A_CAMPAIGN)
        campaign.__class__ = Campaign
        campaigns.append(campaign)
    return campaigns


def extra_of(item: dict[str, object], known: frozenset[str]) -> Mapping[str, object]:
    """What an object has beside what is known; TypeError if it goes deeper than an answer may."""
    extra = {}
    for name in sorted(item.keys() - known):
        extra[name] = value = item[name]
        if (type(value) is dict or type(value) is list) and is_deep(value):
            raise TypeError("the answer is nested too deeply")
    return MappingProxyType(extra)
