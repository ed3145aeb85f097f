"""How an answer is written: JSON as documented, or as the switches would have it. Knows no campaign and no request."""

import json
from collections.abc import Mapping
from http.client import responses
from typing import Final

from aiohttp import web

from onboard360_async.sandbox.store import StoredCampaign, StoredClient
from onboard360_async.sandbox.switches import Switches

__all__ = ["campaign_json", "client_json", "envelope_extra", "json_answer", "problem", "text_of"]

_OPTIONAL: Final = ("first_name", "last_name", "company_name", "phone")
# Members that the page does not name, and that a program is to live with; with what trips up a careless reader.
_EXTRA: Final[Mapping[str, Mapping[str, object]]] = {
    "campaign": {"status": "published", "steps": [{"id": 1, "title": 'Sign "here" }]'}], "archived_at": None},
    "client": {"status": "invited", "tags": ["new", "]}"], "owner": {"id": 7, "clients": []}, "score": 1.5e3},
    "envelope": {"object": "list", "meta": {"request_id": "req_1", "clients": [], "warnings": None}},
}


def text_of(value: object) -> str:
    """JSON without white space."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def json_answer(status: int, value: object) -> web.Response:
    """An answer with this value."""
    return web.Response(status=status, text=text_of(value), content_type="application/json")


def problem(status: int, error: str, details: str, switches: Switches) -> web.Response:
    """An error. Source: API page, "Error Response"."""
    if switches.error_body == "html":
        title = f"{status} {responses.get(status, 'Error')}"  # a fault may have a status without a name
        page = f"<html><head><title>{title}</title></head><body><h1>{title}</h1><hr>sandbox</body></html>"
        return web.Response(status=status, text=page, content_type="text/html")
    if switches.error_body == "empty":
        return web.Response(status=status)
    return json_answer(status, {"error": error, "details": details})


def client_json(client: StoredClient, switches: Switches, *, origin: str | None) -> dict[str, object]:
    """A client as the API shows it, with the link where there is an `origin`.

    UNDOCUMENTED: a field that the client does not have is null in the preset `documented`.
    """
    shown: dict[str, object] = {**client.as_json(origin=origin)}
    if switches.blanks != "null":
        for name in _OPTIONAL:
            if shown[name] is None:
                shown[name] = ""
                if switches.blanks == "missing":
                    del shown[name]
    return {**shown, **(_EXTRA["client"] if switches.extra_fields else {})}


def campaign_json(campaign: StoredCampaign, switches: Switches) -> dict[str, object]:
    """A campaign as the API shows it."""
    return {**campaign._asdict(), **(_EXTRA["campaign"] if switches.extra_fields else {})}


def envelope_extra(switches: Switches) -> Mapping[str, object]:
    """What stands beside the list in an answer."""
    return _EXTRA["envelope"] if switches.extra_fields else {}
