"""Imports: of a file, of rows in any form, of models; each outcome by its kind."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import assert_type

from onboard360_async import AsyncOnboard360, NewClient, Onboard360
from onboard360_async.blocking import BlockingImport
from onboard360_async.importer import (
    Adopted,
    Audit,
    Created,
    Files,
    ImportJob,
    Invalid,
    Outcome,
    Plan,
    Problem,
    Rejected,
    SkippedDuplicate,
    SkippedExisting,
    Summary,
    Unresolved,
    journal_beside,
)

CAMPAIGN = "550e8400-e29b-41d4-a716-446655440000"


async def of_a_file(api: AsyncOnboard360, path: Path) -> None:
    async with api.open_import(
        path, campaign="Client Onboarding Flow", mapping={"email": "E-Mail"}, settle_s=5.0, max_errors=None
    ) as job:
        assert_type(job, ImportJob)
        plan = await job.load()
        assert_type(plan, Plan)
        assert_type(plan.problems, tuple[Problem, ...])
        async for outcome in job.run():
            assert_type(outcome, Outcome)
            print(told(outcome))
        assert_type(job.summary, Summary)
        assert_type(job.summary.created, int)
        assert_type(job.audit, Audit | None)
    assert_type(job.files, Files | None)
    assert_type(job.journal_path, Path | None)
    assert_type(journal_beside(path), Path)


def told(outcome: Outcome) -> str | None:
    """Which it is, by the names of its fields."""
    match outcome:
        case Created(link=link, client_id=client_id):
            assert_type(client_id, str)
            assert_type(link, str | None)
            return link
        case Adopted() | SkippedExisting():
            return outcome.client_id
        case SkippedDuplicate(first_line=line):
            return f"as on line {line}"
        case Rejected(status=status, details=details):
            assert_type(details, str | None)
            return f"{status}"
        case Invalid(problem=problem):
            assert_type(problem, Problem)
            return problem.reason
        case Unresolved():
            return outcome.reason
        case _:
            return None


async def of_rows(api: AsyncOnboard360) -> None:
    people = [{"email": "jane@example.com", "first_name": "Jane"}, {"email": "jim@example.com"}]
    numbers: list[dict[str, str | int | None]] = [{"email": "jane@example.com", "phone": 123, "last_name": None}]
    models = [NewClient(CAMPAIGN, "jane@example.com"), NewClient(CAMPAIGN, "jim@example.com")]
    mixed: list[dict[str, str] | NewClient] = [*people, *models]
    for rows in (people, numbers, models, mixed, iter(people), (row for row in models)):
        api.open_import(rows, campaign=CAMPAIGN, on_ambiguous="hold", if_exists="fail", duplicates="send")
    api.open_import(some(), journal="people.db", events_from=["inbox.db", Path("events.jsonl")])
    api.open_import(None, journal=Path("people.db"), rate=30, limit=100)


async def some() -> AsyncIterator[NewClient]:
    yield NewClient(CAMPAIGN, "jane@example.com")


def blocking(api: Onboard360, path: Path) -> None:
    with api.open_import(path, campaign="Client Onboarding Flow", skip_invalid=True) as job:
        assert_type(job, BlockingImport)
        assert_type(job.load(), Plan)
        assert_type(job.run(), Iterator[Outcome])
        for outcome in job.outcomes(since=0):
            assert_type(outcome.line, int)
        assert_type(job.summary.unresolved, int)
        job.stop()
