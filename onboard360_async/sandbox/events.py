"""What a webhook tells: the documented events, and the words of each. Knows no endpoint, no signature, no HTTP.

Source: API page, "Supported Events" and "Webhook Format".
"""

from typing import Final

from attrs import field, frozen

from onboard360_async.sandbox.store import StoredCampaign, StoredClient

__all__ = ["CLIENT_CREATED", "EVENTS", "TRIGGERS", "Event", "client_created"]

CLIENT_CREATED: Final = "client.created"
EVENTS: Final = (CLIENT_CREATED, "flow.created", "client.completed")
TRIGGERS: Final = (CLIENT_CREATED,)  # those that can be fired by hand


@frozen(kw_only=True)
class Event:
    """Something that happened, and to whom."""

    name: str
    client_id: str | None
    data: dict[str, str | None] = field(repr=False)  # personal
    timestamp: str  # when it happened: every attempt tells the same, however late it is

    def as_json(self) -> dict[str, object]:
        """The body, in the page's order. Source: API page, "Webhook Format"."""
        return {"event": self.name, "data": self.data, "timestamp": self.timestamp}


def client_created(client: StoredClient, campaign: StoredCampaign, *, origin: str, timestamp: str) -> Event:
    """A client was added to a campaign; `origin` is where links lead.

    UNDOCUMENTED: a field that the client does not have; we send null, as the answer does. Pinned by
    tests/sandbox/test_webhooks.py (test_what_a_client_does_not_have_is_null).
    """
    shown = client.as_json(origin=origin)
    data = {"client_id": shown.pop("id"), "campaign_id": shown.pop("campaign_id"), "campaign_name": campaign.name}
    return Event(name=CLIENT_CREATED, client_id=client.id, data=data | shown, timestamp=timestamp)
