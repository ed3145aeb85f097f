"""A person, looked for in an import's books or in an inbox: above all for the link, which the API says only once."""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from attrs import field, frozen

from onboard360_async.importer.journal import Journal
from onboard360_async.importer.upkeep.glance import moment_of
from onboard360_async.models import email_key
from onboard360_async.sqlite import storable
from onboard360_async.webhooks.events import ClientData
from onboard360_async.webhooks.store import InboxStore, pages

__all__ = ["Found", "find_in_inbox", "find_person"]


@frozen
class Found:
    """A row of somebody in a list of today or of an earlier day, or an event about them.

    `status` is the row's, or the event's name; `journal` where it stands, an inbox perhaps. `at`: when the row's fate
    was noted, if it was sent, or the event was received.
    """

    email: str = field(repr=False)
    campaign_id: str | None
    client_id: str | None
    status: str
    link: str | None = field(repr=False)
    journal: Path | None
    at: datetime | None


def find_person(journal: Journal, email: str) -> Iterator[Found]:
    """The rows of this email, however it was written. A link that only a stored webhook told counts, too."""
    query = """SELECT rows.*, coalesce(rows.link, events.link) AS known_link FROM rows
               LEFT JOIN events ON events.campaign_id = rows.campaign_id AND events.client_id = rows.client_id
               WHERE rows.email_key = ? ORDER BY rows.id"""
    for record in journal.db.execute(query, (storable(email_key(email)),)):
        yield Found(
            email=json.loads(record["client"])["email"],
            campaign_id=record["campaign_id"],
            client_id=record["client_id"],
            status=record["state"],
            link=record["known_link"],
            journal=journal.path,
            at=moment_of(record["ended_at"] or record["sending_at"]),
        )


def find_in_inbox(store: InboxStore, email: str, path: Path) -> Iterator[Found]:
    """The events of an inbox that are about this email, however it was written, in the order in which they came."""
    for page in pages(store, email_key=email_key(email)):
        for event in (kept.event() for kept in page):
            if isinstance(event.data, ClientData):  # pragma: no branch - no other has an email to be found by
                yield Found(
                    email=event.data.email or email,
                    campaign_id=event.data.campaign_id,
                    client_id=event.data.client_id,
                    status=event.name,
                    link=event.data.link,
                    journal=path,
                    at=event.received_at,
                )
