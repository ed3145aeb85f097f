"""The look back at the end: is everybody whom the books name in the campaign, and nobody twice?"""

import json
from collections.abc import Awaitable, Callable

from onboard360_async.importer.journal import Journal
from onboard360_async.importer.listed import Seen
from onboard360_async.importer.outcomes import Audit
from onboard360_async.importer.settle import Read

__all__ = ["audited", "make_audit"]

_FACT = "audit"


async def make_audit(journal: Journal, read: Read, again: Callable[[], Awaitable[bool]]) -> None:
    """One listing for each campaign of the list in which somebody was added; what was found is noted in the journal.

    A listing may lag behind what was just created: where somebody is missing, `again` waits, and it is read once more.
    """
    journal.db.execute("DELETE FROM facts WHERE name = ?", (_FACT,))  # an earlier one's, should this one fail
    missing: list[int] = []
    doubled: list[int] = []
    for campaign_id in _campaigns(journal):
        seen = Seen(journal, campaign_id)
        if not await read(campaign_id, seen.add):
            return
        unseen = seen.missing()
        if unseen and await again():
            seen = Seen(journal, campaign_id)
            if not await read(campaign_id, seen.add):
                return
            unseen = seen.missing()
        missing += unseen
        doubled += seen.doubled()
    journal.note(_FACT, json.dumps({"missing": missing, "doubled": doubled}))


def audited(journal: Journal) -> Audit | None:
    """What the last look back found, by the lines of today's list; None if there was none."""
    text = journal.fact(_FACT)
    if text is None:
        return None
    found = json.loads(text)
    return Audit(_lines(journal, found["missing"]), _lines(journal, found["doubled"]))


def _lines(journal: Journal, row_ids: list[int]) -> tuple[int, ...]:
    records = (journal.record(row_id) for row_id in row_ids)
    return tuple(sorted(record["line"] for record in records if record is not None and record["position"] is not None))


def _campaigns(journal: Journal) -> list[str]:
    query = """SELECT DISTINCT campaign_id FROM rows
               WHERE position IS NOT NULL AND state IN ('created', 'adopted') ORDER BY campaign_id"""
    return [record["campaign_id"] for record in journal.db.execute(query)]
