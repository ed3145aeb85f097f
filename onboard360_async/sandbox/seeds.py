"""What a sandbox can be filled with at once: campaigns and clients as JSON. Checks all of it, stores none of it."""

from collections.abc import Mapping
from typing import Any, Final

from onboard360_async.sandbox import body
from onboard360_async.sandbox.body import NewClient
from onboard360_async.sandbox.store import Store

__all__ = ["read_seed"]

_OF_CAMPAIGNS: Final = ("id", "name", "created_at", "updated_at")
_OF_CLIENTS: Final = (
    "campaign_id",
    "campaign",
    "email",
    "first_name",
    "last_name",
    "company_name",
    "phone",
    "completed",
)


def read_seed(data: object, store: Store) -> tuple[list[dict[str, Any]], list[tuple[NewClient, bool]]]:
    """The campaigns (`id`, `name` and, if they are told, dates) and the clients (and whether they have finished).

    As in `{"campaigns": ["One", {"id": "2", "name": "Two"}], "clients": [{"campaign": "One", "email": "a@b.c"}]}`:
    a client names its campaign by `campaign_id` or by name. ValueError says where something is wrong.
    """
    if not isinstance(data, Mapping) or data.keys() - {"campaigns", "clients"}:
        raise ValueError('a seed is an object with the lists "campaigns" and "clients"')
    campaigns: list[dict[str, Any]] = []
    known = {campaign.id: campaign.name for campaign in store.campaigns()}
    for place, value in _items(data, "campaigns"):
        campaign = _campaign(place, value)
        if campaign["id"] is None:
            campaign["id"] = store.new_id()
        if campaign["id"] in known:
            raise ValueError(f"{place}: there is a campaign {campaign['id']} already")
        known[campaign["id"]] = campaign["name"]
        campaigns.append(campaign)
    by_name = {name: id_ for id_, name in reversed(known.items())}
    return campaigns, [_client(place, value, known, by_name) for place, value in _items(data, "clients")]


def _items(data: Mapping[str, object], name: str) -> list[tuple[str, object]]:
    items = data.get(name, [])
    if not isinstance(items, list):
        raise ValueError(f"{name} must be a list")  # noqa: TRY004 - as all that is told
    return [(f"{name}[{number}]", item) for number, item in enumerate(items)]


def _campaign(place: str, value: object) -> dict[str, Any]:
    fields = _fields(place, {"name": value} if isinstance(value, str) else value, _OF_CAMPAIGNS)
    if fields.get("name") is None:
        raise ValueError(f"{place}: name is required")
    texts = {name: body.check_text(f"{place}: {name}", text) for name, text in fields.items() if text is not None}
    return {"id": None} | texts


def _client(place: str, value: object, known: Mapping[str, str], by_name: Mapping[str, str]) -> tuple[NewClient, bool]:
    fields = _fields(place, value, _OF_CLIENTS)
    is_completed = fields.pop("completed", False)
    if not isinstance(is_completed, bool):
        raise ValueError(f"{place}: completed must be true or false")  # noqa: TRY004 - as all that is told
    name = fields.pop("campaign", None)
    if name is not None:
        if not isinstance(name, str) or name not in by_name:
            raise ValueError(f"{place}: there is no campaign of this name")
        fields.setdefault("campaign_id", by_name[name])
    if len(known) == 1:
        fields.setdefault("campaign_id", next(iter(known)))
    try:
        new = body.check(fields)
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from None
    if new.campaign_id not in known:
        raise ValueError(f"{place}: there is no campaign with this campaign_id")
    return new, is_completed


def _fields(place: str, value: object, names: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(f"{place} must be an object")  # noqa: TRY004 - as all that is told
    unknown = value.keys() - set(names)
    if unknown:
        raise ValueError(f"{place}: there is no field {min(unknown)!r}; its fields: {', '.join(names)}")
    return dict(value)
