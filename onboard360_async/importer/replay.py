"""Outcomes as the journal tells them: the same for a row that was dealt with just now and one of an earlier run."""

import json
from collections.abc import Iterator

from onboard360_async.importer.journal import Journal, Record, State
from onboard360_async.importer.outcomes import (
    Adopted,
    Created,
    Invalid,
    Outcome,
    Rejected,
    SkippedDuplicate,
    SkippedExisting,
    Unresolved,
)
from onboard360_async.importer.rows import Problem

__all__ = ["outcome_of", "outcomes_since", "skipped"]


def outcomes_since(journal: Journal, seq: int) -> Iterator[Outcome]:
    """What became of rows, in the order in which it was noted, after the outcome with this number."""
    return map(outcome_of, journal.told_since(seq))


def skipped(journal: Journal) -> Iterator[Outcome]:
    """The rows that are not sent."""
    return map(outcome_of, journal.told_since(0, State.INVALID, State.DUPLICATE, State.EXISTING))


def outcome_of(record: Record) -> Outcome:
    """The outcome of a row that has one."""
    line, seq, state = record["line"], record["seq"], record["state"]
    email = json.loads(record["client"])["email"] if record["client"] else ""
    match state:
        case State.INVALID:
            problem = Problem(line, record["field"], record["error"], record["details"] or "")
            return Invalid(line, email, problem, seq=seq)
        case State.DUPLICATE:
            return SkippedDuplicate(line, email, record["first_line"], seq=seq)
        case State.EXISTING:
            return SkippedExisting(line, email, record["client_id"], seq=seq)
        case State.CREATED:
            return Created(line, email, record["client_id"], record["link"], seq=seq)
        case State.ADOPTED:
            return Adopted(line, email, record["client_id"] or "", record["link"], seq=seq)
        case State.REJECTED:
            return Rejected(line, email, record["status"], record["error"], record["details"], seq=seq)
        case _:
            return Unresolved(line, email, record["error"] or "", bool(record["created"]), seq=seq)
