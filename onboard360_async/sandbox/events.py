"""What a webhook tells: the documented events, and the words of each. Knows no endpoint, no signature, no HTTP.

Source: API page, "Supported Events" and "Webhook Format".
"""

from typing import Final

from attrs import field, frozen

from onboard360_async.sandbox.store import StoredCampaign, StoredClient

__all__ = [
    "CLIENT_COMPLETED",
    "CLIENT_CREATED",
    "EVENTS",
    "FLOW_CREATED",
    "Event",
    "client_completed",
    "client_created",
    "flow_created",
]

CLIENT_CREATED: Final = "client.created"
FLOW_CREATED: Final = "flow.created"
CLIENT_COMPLETED: Final = "client.completed"
EVENTS: Final = (CLIENT_CREATED, FLOW_CREATED, CLIENT_COMPLETED)
"""The names of the events that are sent. Source: API page, "Supported Events"."""


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
    data = _of_client(client, campaign, origin)
    return Event(name=CLIENT_CREATED, client_id=client.id, data=data, timestamp=timestamp)


def client_completed(client: StoredClient, campaign: StoredCampaign, *, origin: str, timestamp: str) -> Event:
    """A client has finished onboarding.

    UNDOCUMENTED: its data; we take that of `client.created`. Pinned by tests/sandbox/test_publishing.py
    (test_what_client_completed_says).
    """
    data = _of_client(client, campaign, origin)
    return Event(name=CLIENT_COMPLETED, client_id=client.id, data=data, timestamp=timestamp)


def flow_created(campaign: StoredCampaign, *, timestamp: str) -> Event:
    """A campaign was published.

    UNDOCUMENTED: its data; we take the names that `client.created` has for the same things. Pinned by
    tests/sandbox/test_publishing.py (test_what_flow_created_says).
    """
    data: dict[str, str | None] = {
        "campaign_id": campaign.id,
        "campaign_name": campaign.name,
        "created_at": campaign.created_at,
    }
    return Event(name=FLOW_CREATED, client_id=None, data=data, timestamp=timestamp)


def _of_client(client: StoredClient, campaign: StoredCampaign, origin: str) -> dict[str, str | None]:
    shown = client.as_json(origin=origin)
    about = {"client_id": shown.pop("id"), "campaign_id": shown.pop("campaign_id"), "campaign_name": campaign.name}
    return about | shown
