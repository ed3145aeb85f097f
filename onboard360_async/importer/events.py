"""Stored `client.created` webhooks, of an inbox or as JSON lines: the only documented second source of a link.

They are taken as they are: an inbox holds what was verified, and so should a file. Events of campaigns that an import
does not know and of other kinds are passed over. Source: API page, "Webhook Format".
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Final

from onboard360_async import settings
from onboard360_async.errors import ConfigurationError, InboxError, ValidationError
from onboard360_async.importer.journal import Journal
from onboard360_async.importer.reconcile import Sight
from onboard360_async.models import email_key
from onboard360_async.sqlite import storable, transaction

__all__ = ["fill_links", "sights_by_events", "take_events"]

_NOTE: Final = """INSERT INTO events VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
    email_key = excluded.email_key, link = coalesce(excluded.link, link), client = excluded.client"""
_DETAILS: Final = ("first_name", "last_name", "company_name", "phone")
_MOST_CHARS: Final = 1 << 20  # of a line; a webhook is far shorter


def take_events(journal: Journal, path: Path) -> Iterator[None]:
    """Note the events of this import's campaigns, a page a step: all of them, or none if a line is no event.

    `path` is an inbox, which others may be using, or a file of JSON lines. ConfigurationError if it cannot be read,
    ValidationError with the line that is no JSON object.
    """
    campaigns = {record[0] for record in journal.db.execute("SELECT DISTINCT campaign_id FROM rows")}
    with transaction(journal.db):
        for number, event in enumerate(_bodies(path), 1):
            data = event.get("data")
            if event.get("event") == "client.created" and isinstance(data, dict):
                _take(journal, data, campaigns)
            if number % settings.INBOX_PAGE == 0:
                yield


# --- where they come from ---


def _bodies(path: Path) -> Iterator[Mapping[str, object]]:
    """The events of either kind of file."""
    from onboard360_async.webhooks.sqlite_store import is_inbox  # few imports are given events

    return _of_inbox(path) if is_inbox(path) else _of_lines(path)


def _of_inbox(path: Path) -> Iterator[Mapping[str, object]]:
    from onboard360_async.webhooks.sqlite_store import open_inbox
    from onboard360_async.webhooks.store import pages

    try:
        with closing(open_inbox(path)) as store:
            for page in pages(store, name="client.created"):
                for kept in page:
                    yield json.loads(kept.body)
    except InboxError as error:
        raise ConfigurationError(f"Cannot read {path}: {error}") from None


def _of_lines(path: Path) -> Iterator[Mapping[str, object]]:
    try:
        with path.open(encoding="utf-8-sig") as lines:
            for number, line in enumerate(iter(lambda: lines.readline(_MOST_CHARS), ""), 1):
                yield _event(path, number, line) if line.strip() else {}
    except UnicodeDecodeError:
        raise ValidationError(f"{path.name} is not UTF-8; events are JSON lines.", "events") from None
    except OSError as error:
        raise ConfigurationError(f"Cannot read {path}: {error.strerror}.") from None


def _event(path: Path, number: int, line: str) -> Mapping[str, object]:
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        event = None
    if not isinstance(event, dict):
        raise ValidationError(f"{path.name}, line {number}: this is no JSON object; nothing was taken.", "events")
    return event


# --- what is taken of them ---


def _take(journal: Journal, data: Mapping[str, object], campaigns: set[object]) -> None:
    campaign_id, client_id, email, link = (data.get(name) for name in ("campaign_id", "client_id", "email", "link"))
    if campaign_id not in campaigns or not (isinstance(client_id, str) and isinstance(email, str)):
        return
    client = {name: value if isinstance(value := data.get(name), str) else None for name in (*_DETAILS, "created_at")}
    values = (campaign_id, client_id, email_key(email), link if isinstance(link, str) else None, json.dumps(client))
    journal.db.execute(_NOTE, tuple(map(storable, values)))


def sights_by_events(journal: Journal, campaign_id: str, key: str) -> dict[str, Sight]:
    """The clients with this email of whom events told, by id."""
    query = "SELECT client_id, link, client FROM events WHERE campaign_id = ? AND email_key = ?"
    sights = {}
    for client_id, link, text in journal.db.execute(query, (campaign_id, key)):
        client = json.loads(text)
        details = tuple(client[name] or None for name in _DETAILS)
        sights[client_id] = Sight(client_id, _moment(client["created_at"]), details, link)
    return sights


def _moment(text: str | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None


def fill_links(journal: Journal) -> list[int]:
    """Links that only an event told, for the rows whose client is known; those rows."""
    told = "FROM events WHERE events.campaign_id = rows.campaign_id AND events.client_id = rows.client_id"
    query = f"""SELECT id, (SELECT link {told}) AS link FROM rows
                WHERE state IN ('created', 'adopted') AND link IS NULL AND (SELECT link {told}) IS NOT NULL"""  # noqa: S608 - our own words
    found = journal.db.execute(query).fetchall()
    with transaction(journal.db):
        for record in found:
            journal.linked(record["id"], record["link"])
    return [record["id"] for record in found]
