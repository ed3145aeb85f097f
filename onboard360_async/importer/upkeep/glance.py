"""The books of an import at a glance: what became of the rows, who sent when, and where somebody has to decide."""

from collections.abc import Iterator
from datetime import UTC, datetime
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Final, cast

from attrs import frozen

from onboard360_async import settings
from onboard360_async.importer.audit import audited
from onboard360_async.importer.journal import Journal, State
from onboard360_async.importer.outcomes import Audit, Summary, Unresolved
from onboard360_async.importer.replay import outcome_of

__all__ = ["Glance", "Run", "Stand", "glance_at", "is_purged", "moment_of"]

_NS: Final = 1e9


class Stand(StrEnum):
    """How far an import is."""

    EMPTY = "empty"  # no list was read to its end
    UNFINISHED = "unfinished"  # rows are to be sent, or to be looked for
    FINISHED = "finished"
    PURGED = "purged"  # nobody in it can be recognised any more


@frozen
class Run:
    """A time in which rows were sent or looked for. `ending`: finished, stopped, failed, cancelled, or killed."""

    began_at: datetime
    ended_at: datetime | None
    ending: str | None


@frozen
class Glance:
    """The books of one import. `unresolved` are the first of those rows; the summary counts all."""

    journal: Path | None
    source: str | None
    stand: Stand
    summary: Summary
    campaigns: tuple[str, ...]
    runs: tuple[Run, ...]
    audit: Audit | None
    unresolved: tuple[Unresolved, ...]
    doubted_at: datetime | None  # when the last of the rows in doubt was


def glance_at(journal: Journal) -> Glance:
    """What the books say now."""
    summary = journal.summary()
    return Glance(
        journal=journal.path,
        source=journal.fact("source"),
        stand=_stand(journal, summary),
        summary=summary,
        campaigns=tuple(journal.campaigns()),
        runs=tuple(_runs(journal)),
        audit=audited(journal),
        unresolved=tuple(_unresolved(journal)),
        doubted_at=_doubted_at(journal),
    )


def is_purged(journal: Journal) -> bool:
    """Whether nobody in it can be recognised any more."""
    return journal.fact("purged") is not None


def moment_of(at: int | None) -> datetime | None:
    """A moment of the journal."""
    return None if at is None else datetime.fromtimestamp(at / _NS, UTC)


def _stand(journal: Journal, summary: Summary) -> Stand:
    if is_purged(journal):
        return Stand.PURGED
    if journal.fact("header") is None:
        return Stand.EMPTY
    return Stand.UNFINISHED if summary.planned or summary.ambiguous else Stand.FINISHED


def _runs(journal: Journal) -> Iterator[Run]:
    for record in journal.db.execute("SELECT * FROM runs ORDER BY id"):
        began_at = datetime.fromtimestamp(record["began_at"] / _NS, UTC)
        yield Run(began_at, moment_of(record["ended_at"]), record["ending"])


def _unresolved(journal: Journal) -> Iterator[Unresolved]:
    for record in islice(journal.records(State.UNRESOLVED), settings.IMPORT_PROBLEMS):
        yield cast("Unresolved", outcome_of(record))


def _doubted_at(journal: Journal) -> datetime | None:
    query = "SELECT max(ended_at) FROM rows WHERE state IN (?, ?) OR state = ? AND NOT absent"
    states = (State.AMBIGUOUS, State.CREATED_NO_ID, State.UNRESOLVED)
    return moment_of(journal.db.execute(query, states).fetchone()[0])
