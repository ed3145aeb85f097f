"""The books opened by hand: how an import stands, who is in it, a human's word, and the end of its personal data."""

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from onboard360_async import errors
from onboard360_async.importer import Adopted, Created, Outcomes, Rules, journal_beside
from onboard360_async.importer import job as job_module
from onboard360_async.importer.journal import Journal
from onboard360_async.importer.places import journal_of
from onboard360_async.importer.upkeep.books import open_books
from onboard360_async.importer.upkeep.find import find_person
from onboard360_async.importer.upkeep.glance import Stand, glance_at
from onboard360_async.importer.upkeep.purge import check_may_purge, files_to_purge, purge
from onboard360_async.importer.upkeep.resolve import resolve_created, resolve_not_created, row_in_doubt
from onboard360_async.importer.whole_file import part_of
from tests.importer.double import CAMPAIGN, Service, adds_up, finish, job_of, lost, people

HOLD = Rules(settle_s=0, on_ambiguous="hold", max_ambiguous=1_000)


async def unresolved(folder: Path, service: Service, *emails: str) -> Path:
    """An import with `a@x.de`, who was created, and these, of whom nobody can tell; its journal."""
    path = people(folder, "a@x.de", *emails)
    service.faults = {email: lost() for email in emails}
    await finish(job_of(path, service, rules=HOLD))
    service.faults = {}
    return journal_beside(path)


def test_books_that_are_not_there_are_told_and_not_made(tmp_path: Path) -> None:
    """Nor is a name that no file can have."""
    for name in ("none.onboard360.db", "n" * 5_000):
        with pytest.raises(errors.ConfigurationError), open_books(tmp_path / name):
            pass
    assert list(tmp_path.iterdir()) == []


# --- at a glance ---


async def test_a_glance_says_how_an_import_stands(tmp_path: Path, service: Service) -> None:
    """From no list at all to rows that nobody can tell about; the runs, campaigns and counts with it."""
    empty = tmp_path / "empty.onboard360.db"
    Journal(empty).close()
    with open_books(empty) as journal:
        assert (glance_at(journal).stand, glance_at(journal).runs) == (Stand.EMPTY, ())
    path = people(tmp_path, "a@x.de", "b@x.de")
    async with job_of(path, service) as job:
        await job.load()
        glance = job.glance()
        assert (glance.stand, glance.summary.planned, glance.doubted_at) == (Stand.UNFINISHED, 2, None)
    service.faults["b"] = lost()
    await finish(job_of(path, service, rules=HOLD))
    with open_books(journal_of(path)) as journal:
        glance = glance_at(journal)
    assert (glance.stand, glance.campaigns, glance.source) == (Stand.FINISHED, (CAMPAIGN,), str(path))
    (run,), (row,) = glance.runs, glance.unresolved
    assert (run.ending, row.line, row.email) == ("finished", 3, "b@x.de")
    assert run.ended_at is not None
    assert run.began_at < run.ended_at < datetime.now(UTC)
    assert glance.audit is not None


async def test_a_run_says_how_long_it_is_quiet(tmp_path: Path, service: Service) -> None:
    """While rows in doubt have to settle nobody is sent: a prompt must say so, or it seems to hang."""
    service.faults["b"] = ("created", lost())
    path = people(tmp_path, "a@x.de", "b@x.de")
    async with job_of(path, service, rules=Rules(settle_s=3600)) as job:
        outcomes = job.run()
        assert (await anext(outcomes)).line == 2
        reading = asyncio.create_task(anext(outcomes))
        assert 3500 < await first_quiet(outcomes) <= 3600
        assert outcomes.under_way == 0  # it is in doubt
        job.stop()
        with pytest.raises(StopAsyncIteration):
            await reading
        assert outcomes.quiet_s is None


async def first_quiet(outcomes: Outcomes) -> float:
    """What it says when it first says something."""
    while True:
        if (quiet_s := outcomes.quiet_s) is not None:
            return quiet_s
        await asyncio.sleep(0)


# --- who is in it ---


async def test_a_person_is_found_with_the_link(tmp_path: Path, service: Service) -> None:
    """However the email is written, also when it is no longer in the list; nobody else is."""
    path = people(tmp_path, "Ada@X.de", "b@x.de")
    await finish(job_of(path, service))
    await finish(job_of(people(tmp_path, "b@x.de"), service))
    with open_books(journal_of(path)) as journal:
        (found,) = find_person(journal, " ada@x.DE ")
        assert list(find_person(journal, "c@x.de")) == []
    assert (found.email, found.campaign_id, found.client_id, found.status) == ("Ada@X.de", CAMPAIGN, "id-1", "created")
    assert (found.link, found.journal) == (service.created[0].link, journal_of(path))
    assert found.at is not None
    assert "x.de" not in repr(found).lower().replace(str(tmp_path), "")


async def test_a_link_that_a_webhook_told_is_found(tmp_path: Path, service: Service) -> None:
    """Of somebody who was in the campaign before, whose link no answer said."""
    service.create(CAMPAIGN, "a@x.de")
    data = {"client_id": "id-1", "campaign_id": CAMPAIGN, "email": "a@x.de", "link": "https://example.com/c/told"}
    events = tmp_path / "events.jsonl"
    events.write_text(json.dumps({"event": "client.created", "data": data}) + "\n")
    path = people(tmp_path, "a@x.de")
    await finish(job_of(path, service, events_from=events))
    with open_books(journal_of(path)) as journal:
        (found,) = find_person(journal, "a@x.de")
    assert (found.status, found.link) == ("skipped_existing", "https://example.com/c/told")


# --- a human's word ---


async def test_somebody_who_is_there_counts_as_the_rows_client(tmp_path: Path, service: Service) -> None:
    """With id and link if they are known; and no run sends or looks for the row again."""
    books = await unresolved(tmp_path, service, "b@x.de", "c@x.de")
    with open_books(books) as journal:
        resolve_created(journal, row_in_doubt(journal, line=3), "id-b", "https://example.com/c/b")
        resolve_created(journal, row_in_doubt(journal, email="C@x.de"), None, None)
    async with job_of(None, service, journal=books) as job:
        await job.load()
        assert [outcome async for outcome in job.run()] == []
        outcomes = [outcome async for outcome in job.outcomes()]
    assert [type(outcome) for outcome in outcomes] == [Created, Adopted, Adopted]
    adopted = [(each.client_id, each.link) for each in outcomes if isinstance(each, Adopted)]
    assert adopted == [("id-b", "https://example.com/c/b"), ("", None)]
    assert service.emails == ["a@x.de"]


async def test_somebody_who_is_not_there_is_sent_again(tmp_path: Path, service: Service) -> None:
    """By the next run, also if the server had said that it created them."""
    path = people(tmp_path, "a@x.de", "b@x.de")
    service.faults["b"] = errors.OutcomeUnknownError("cut", created=True)
    await finish(job_of(path, service))
    with open_books(journal_of(path)) as journal:
        row = row_in_doubt(journal, line=3)
        assert row["created"]
        resolve_not_created(journal, row)
        assert not journal.record(row["id"])["created"]
    service.faults = {}
    _, _, summary = await finish(job_of(None, service, journal=journal_of(path)))
    assert (summary.created, service.emails) == (2, ["a@x.de", "b@x.de"])


async def test_only_rows_in_doubt_are_decided_about(tmp_path: Path, service: Service) -> None:
    """No such row, one whose fate is known, a client who is another row's, two rows at once: each is told."""
    books = await unresolved(tmp_path, service, "b@x.de")
    with open_books(books) as journal:
        with pytest.raises(errors.ValidationError, match="no row on line 9"):
            row_in_doubt(journal, line=9)
        with pytest.raises(errors.ValidationError, match="of this email is in no doubt: it is created"):
            row_in_doubt(journal, email="a@x.de")
        with pytest.raises(errors.ValidationError, match="id-1 is another row's"):
            resolve_created(journal, row_in_doubt(journal, line=3), "id-1", None)
        journal.db.execute("UPDATE rows SET email_key = 'b@x.de', occurrence = 2, state = 'ambiguous' WHERE line = 2")
        with pytest.raises(errors.ValidationError, match="More than one row of this email") as caught:
            row_in_doubt(journal, email="b@x.de")
        assert caught.value.candidates == (f"line 2, campaign {CAMPAIGN}", f"line 3, campaign {CAMPAIGN}")


# --- the end of personal data ---


async def test_a_purge_leaves_no_byte_of_anybody(tmp_path: Path, service: Service) -> None:
    """Neither in the journal nor in its companions nor in what was written; counts, ids and times stay."""
    books = await unresolved(tmp_path, service, *(f"secret{number}@x.de" for number in range(200)))
    part = part_of(tmp_path / "people.results.csv")
    part.write_text("half of an earlier run")
    (tmp_path / "people.csv").unlink()
    before = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    secrets = (b"secret", b"a@x.de", b"example.com/c/", b"created nobody")
    assert [secret in before for secret in secrets] == [True] * 4
    with open_books(books) as journal:
        summary = journal.summary()
        check_may_purge(journal)
        results, errors_file = tmp_path / "people.results.csv", tmp_path / "people.errors.csv"
        assert files_to_purge(journal) == [results, part, errors_file]
        assert purge(journal) == [results, part, errors_file]
        after = b"".join(path.read_bytes() for path in tmp_path.iterdir())  # the companions are still there
        assert [secret in after for secret in secrets] == [False] * 4
    assert list(tmp_path.iterdir()) == [books]
    assert not [secret for secret in secrets if secret in books.read_bytes()]
    with open_books(books) as journal:
        glance = glance_at(journal)
        assert (glance.stand, glance.summary) == (Stand.PURGED, summary)
        adds_up(glance.summary)
        assert journal.db.execute("SELECT client_id FROM rows WHERE state = 'created'").fetchone()[0] == "id-1"
        assert list(find_person(journal, "a@x.de")) == []
        with pytest.raises(errors.ConfigurationError, match="was purged"):
            row_in_doubt(journal, line=3)


async def test_a_purged_journal_takes_no_list(tmp_path: Path, service: Service) -> None:
    """Nobody in it would be recognised, and everybody sent again."""
    path = people(tmp_path, "a@x.de")
    await finish(job_of(path, service))
    with open_books(journal_of(path)) as journal:
        purge(journal)
    for source in (path, None):
        with pytest.raises(errors.ConfigurationError, match="was purged"):
            await finish(job_of(source, service, journal=journal_of(path)))
    assert service.emails == ["a@x.de"]
    assert not (tmp_path / "people.results.csv").exists()


async def test_what_is_still_to_be_done_is_not_purged(tmp_path: Path, service: Service) -> None:
    """Planned rows and rows in doubt, even of those who are no longer in the list."""
    path = people(tmp_path, "a@x.de")
    async with job_of(path, service) as job:
        await job.load()
    with open_books(journal_of(path)) as journal:
        with pytest.raises(errors.ConfigurationError, match="rows to be sent or looked for: 1"):
            check_may_purge(journal)
        journal.db.execute("UPDATE rows SET state = 'ambiguous', position = NULL")
        with pytest.raises(errors.ConfigurationError, match="looked for: 1"):
            check_may_purge(journal)


async def test_a_file_that_cannot_be_deleted_stops_a_purge(
    tmp_path: Path, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The journal still says then which files there are."""
    path = people(tmp_path, "a@x.de")
    await finish(job_of(path, service))
    results = tmp_path / "people.results.csv"
    results.unlink()
    results.mkdir()
    with open_books(journal_of(path)) as journal:
        with pytest.raises(errors.ConfigurationError, match=r"Cannot delete .*results.*left as it is"):
            purge(journal)
        assert (glance_at(journal).stand, files_to_purge(journal)) == (Stand.FINISHED, [results])


async def test_many_outcomes_are_read_with_turns_for_others(
    tmp_path: Path, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever reads the books of a hundred thousand rows holds up nobody else on the loop."""
    monkeypatch.setattr(job_module, "STEP", 2)
    path = people(tmp_path, *(f"p{number}@x.de" for number in range(7)))
    turns: list[int] = []
    read: list[int] = []

    async def other() -> None:
        while True:
            turns.append(len(read))
            await asyncio.sleep(0)

    async with job_of(path, service) as job:
        await job.load()
        _ = [outcome async for outcome in job.run()]
        beside = asyncio.create_task(other())
        async for outcome in job.outcomes():
            read += [outcome.line]
        beside.cancel()
    assert read == [2, 3, 4, 5, 6, 7, 8]
    assert turns == [2, 4, 6]
