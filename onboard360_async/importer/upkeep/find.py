"""A person, looked for in the books of an import: above all for the link, which the API says only once."""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from attrs import field, frozen

from onboard360_async.importer.journal import Journal
from onboard360_async.importer.upkeep.glance import moment_of
from onboard360_async.models import email_key
from onboard360_async.sqlite import storable

__all__ = ["Found", "find_person"]


@frozen
class Found:
    """A row of somebody, in a list of today or of an earlier day. `at`: when its fate was noted, if it was sent."""

    email: str = field(repr=False)
    campaign_id: str
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
