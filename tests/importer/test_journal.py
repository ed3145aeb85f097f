"""The books: what stays when a list is read again, long lists in steps, and journals that are old or damaged."""

import asyncio
import json
import sqlite3
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from attrs import asdict
from hypothesis import given, settings
from hypothesis import strategies as st

from onboard360_async import errors
from onboard360_async.importer import Created, SkippedExisting, Unresolved, tables
from onboard360_async.importer import listed as listed_module
from onboard360_async.importer import load as load_module
from onboard360_async.importer import run as run_module
from onboard360_async.importer import spool as spool_module
from onboard360_async.importer.journal import Journal
from onboard360_async.models import NewClient
from onboard360_async.sqlite import open_database
from tests.importer.double import CAMPAIGN, Service, adds_up, finish, job_of, lost, people, results

BOOKS = "people.csv.onboard360.db"
OLD_STATES = ["planned", "sending", "created", "rejected", "unresolved", "skipped_existing"]


def stored(folder: Path, query: str) -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(folder / BOOKS)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def write_old(path: Path, version: int, states: dict[str, str], ids: dict[str, str]) -> None:
    """A journal as an older version of the package left it, with one row for each name."""
    db = open_database(path, application_id=tables.APPLICATION_ID, upgrades=tables.UPGRADES[:version])
    facts = {"header": '["Email", "Name"]', "source": str(path.with_name("people.csv")), "mark": ""}
    db.executemany("INSERT INTO facts VALUES (?, ?)", facts.items())
    for number, (name, state) in enumerate(states.items(), 1):
        client = json.dumps(asdict(NewClient(CAMPAIGN, f"{name}@x.de")))
        db.execute(
            "INSERT INTO rows (campaign_id, email_key, occurrence, position, line, cells, client, state, compared,"
            " client_id, sending_at, ended_at) VALUES (?, ?, 1, ?, ?, ?, ?, ?, 1, ?, ?, ?)",
            (CAMPAIGN, f"{name}@x.de", number, number + 1, "[]", client, state, ids.get(name), number, number),
        )
    db.close()


def damage(path: Path, table: str) -> bytes:
    """Write nonsense over the first page of a table or an index; the file as it is then."""
    connection = sqlite3.connect(path)
    page, size = connection.execute(
        "SELECT rootpage, page_size FROM sqlite_master, pragma_page_size WHERE name = ?", (table,)
    ).fetchone()
    connection.close()
    with path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)
    return path.read_bytes()


async def turns_during(job: Any, *, run: bool = False) -> int:
    """How often another task had its turn while a list was loaded, or was told that nobody is to be sent."""
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    async with job:
        await job.load()
        if run:
            turns = 0
            async for _ in job.run():
                pass
        task.cancel()
    return turns


async def test_a_long_list_leaves_the_loop_to_others(
    tmp_path: Path, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who exists is skipped in steps, and so is the list before forgotten: between two of them others have a turn."""
    monkeypatch.setattr(listed_module, "STEP", 2)
    monkeypatch.setattr(spool_module, "STEP", 2)
    path = people(tmp_path, *(f"p{number:02}@x.de" for number in range(40)))
    assert await turns_during(job_of(path, service)) >= 20  # compared with who exists
    assert await turns_during(job_of(path, service)) >= 20  # forgotten, and compared already
    assert service.listings == 1
    monkeypatch.setattr(load_module, "_PAUSE_EVERY", 2)
    assert await turns_during(job_of([{"email": f"p{number:02}@x.de"} for number in range(40)], service)) >= 40


def test_many_lost_rows_cost_one_way_through_the_books() -> None:
    """Where nobody is a witness all rows of the campaign are looked through: once for a listing, not for each row."""
    journal, queries = Journal(None), list[str]()
    seen = listed_module.Seen(journal, CAMPAIGN)
    journal.db.set_trace_callback(queries.append)
    assert not any(seen.has_witness(ended_at) for ended_at in range(100))
    assert len(queries) == 1
    journal.close()


async def test_many_skipped_rows_leave_the_loop_to_others(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are told without waiting for anything: between some of them others have a turn all the same."""
    monkeypatch.setattr(run_module, "STEP", 2)
    rows = [{"email": "nobody"} for _ in range(100)]
    assert await turns_during(job_of(rows, service, skip_invalid=True), run=True) >= 50


async def test_a_list_is_forgotten_whole_in_steps(
    tmp_path: Path, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever a step ends, no invalid or doubled row of an old list is left in the books."""
    monkeypatch.setattr(spool_module, "STEP", 3)
    mixed = ["nobody", "a@x.de", "a@x.de", "b@x.de", "b@x.de", "none", "c@x.de", "nowhere", "a@x.de", "no"]
    await finish(job_of(people(tmp_path, *mixed), service, skip_invalid=True))
    _, _, summary = await finish(job_of(people(tmp_path, "c@x.de"), service))
    assert (summary.rows, summary.created) == (1, 1)
    assert stored(tmp_path, "SELECT state, count(*) FROM rows GROUP BY state") == [("created", 3)]


async def test_steps_skip_who_exists_in_each_campaign(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two campaigns in one list, row by row: each is compared with its own listing, to the last row."""
    monkeypatch.setattr(listed_module, "STEP", 2)
    service.create("one", "p1@x.de")
    service.create("two", "p2@x.de")
    service.create("two", "p9@x.de")
    rows = [{"email": f"p{number}@x.de", "campaign_id": name} for number in range(10) for name in ("one", "two")]
    _, outcomes, summary = await finish(job_of(rows, service, campaign=None))
    assert [outcome.line for outcome in outcomes if isinstance(outcome, SkippedExisting)] == [3, 6, 20]
    assert (summary.created, summary.skipped_existing) == (17, 3)
    assert service.listings == 4  # and two to look back


async def test_who_starts_again_is_told_again_that_the_listing_may_be_cut(tmp_path: Path, service: Service) -> None:
    """Nobody said yes by closing the terminal: the books know how many were listed, though nobody is listed again."""
    for number in range(100):
        service.create(CAMPAIGN, f"old{number}@x.de")
    path = people(tmp_path, "a@x.de")
    for source in (path, path, None):
        async with job_of(source, service, journal=tmp_path / BOOKS) as job:
            assert (await job.load()).may_be_capped
    assert service.listings == 1
    async with job_of(path, service, campaign="other") as job:
        assert not (await job.load()).may_be_capped  # what was listed for another list is not this one's matter


async def test_what_was_sent_stays_in_the_books_as_it_was_sent(tmp_path: Path, service: Service) -> None:
    """The list may say another name by now: nobody can take back a request. What waits is sent as the list says now."""
    service.faults["a"] = lost()

    def named(name: str, *letters: str) -> Any:
        rows = [{"email": f"{letter}@x.de", "first_name": name} for letter in letters]
        return job_of(rows, service, journal=tmp_path / BOOKS)

    await finish(named("Before", "a", "b"))
    async with named("Before", "c") as job:
        await job.load()  # and no more
    await finish(named("After", "a", "b", "c"))
    kept = [json.loads(client) for (client,) in stored(tmp_path, "SELECT client FROM rows ORDER BY position")]
    assert [client["first_name"] for client in kept] == ["Before", "Before", "After"]


async def test_a_mended_row_is_compared_anew(tmp_path: Path, service: Service) -> None:
    """It was refused, then somebody added them by hand: a new listing finds them, and the old refusal is forgotten."""
    service.faults["a"] = errors.BadRequestError(400, "Bad request", "first name")
    path = tmp_path / "people.csv"
    path.write_text("Email,First name\na@x.de,\n")
    await finish(job_of(path, service))
    assert results(tmp_path)[0]["error"] == "Bad request: first name"
    by_hand = service.create(CAMPAIGN, "a@x.de")
    path.write_text("Email,First name\na@x.de,Anna\n")
    _, outcomes, summary = await finish(job_of(path, service))
    assert outcomes == [SkippedExisting(2, "a@x.de", by_hand.id)]
    assert (summary.skipped_existing, service.created, service.listings) == (1, [by_hand], 2)  # nothing was created
    assert [results(tmp_path)[0][name] for name in ("status", "error")] == ["skipped_existing", ""]


async def test_half_a_character_in_a_row_is_told(service: Service) -> None:
    """A row that a program cut within a character: a problem of that row, and the books take it."""
    rows: list[dict[str, object]] = [
        {"email": "a\ud83d@x.de"},
        {"email": "b@x.de", "first_name": "B\udc00"},
        {"email": "c@x.de", "\ud83d": "x"},
        {"email": "d@x.de"},
    ]
    async with job_of(rows, service, skip_invalid=True) as job:
        problems = (await job.load()).problems
        assert [(problem.line, problem.field) for problem in problems] == [(1, "email"), (2, "first_name"), (3, "?")]
        assert "half a character" in problems[1].reason
        assert [outcome.line async for outcome in job.run() if isinstance(outcome, Created)] == [4]


@pytest.mark.parametrize("version", [1, 2])
async def test_a_journal_of_an_older_version_goes_on(tmp_path: Path, service: Service, version: int) -> None:
    """Somebody upgrades in the middle of an import: what was done stays done, and what was in doubt is looked for."""
    made = service.create(CAMPAIGN, "made@x.de")
    people(tmp_path, "made@x.de", "done@x.de", "lost@x.de", "left@x.de")
    done = service.create(CAMPAIGN, "done@x.de")
    states = {"made": "unresolved", "done": "created", "lost": "unresolved", "left": "planned"}
    write_old(tmp_path / BOOKS, version, states, {"done": done.id})
    plan, _, summary = await finish(job_of(tmp_path / "people.csv", service))
    assert (plan.done, plan.ambiguous, plan.to_send) == (1, 2, 1)
    assert (summary.adopted, summary.created) == (1, 3)
    assert sorted(service.emails) == ["done@x.de", "left@x.de", "lost@x.de", "made@x.de"]
    assert [row["client_id"] for row in results(tmp_path)[:2]] == [made.id, done.id]


@pytest.mark.parametrize("version", [1, 2])
async def test_what_an_older_version_left_in_doubt_is_told_once(tmp_path: Path, service: Service, version: int) -> None:
    """It was never looked for: no outcome before that is done, not before the run and not after each look."""
    states = {"lost": "unresolved", "done": "created", "left": "planned"}
    write_old(tmp_path / BOOKS, version, states, {"done": "id-9"})  # who is not there: nothing may be argued
    async with job_of(None, service, journal=tmp_path / BOOKS) as job:
        assert [type(outcome) async for outcome in job.outcomes()] == [Created]
        outcomes = [outcome async for outcome in job.run()]
    assert [type(outcome) for outcome in outcomes] == [Created, Unresolved]
    assert outcomes[0].seq < outcomes[1].seq


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from(OLD_STATES), max_size=30), st.sampled_from([1, 2]))
def test_old_journals_stay_readable(states: list[str], version: int) -> None:
    """Whatever stands in one of an older version: each row is there in the state it was, and doubts are doubts."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / BOOKS
        write_old(path, version, {f"p{number}": state for number, state in enumerate(states)}, {})
        journal = Journal(path)
        try:
            found = [record["state"] for record in journal.records()]
            summary = journal.summary()
        finally:
            journal.close()
    in_doubt = {"sending": "ambiguous", "unresolved": "ambiguous"}
    assert found == [in_doubt.get(state, state) for state in states]
    adds_up(summary)
    assert summary.rows == len(states)


async def test_a_journal_that_is_damaged_in_the_middle_is_told(tmp_path: Path, service: Service) -> None:
    """One page of nonsense: the error names the file, and leaves it as it is for whoever can mend it."""
    path = people(tmp_path, *(f"p{number:03}@x.de" for number in range(200)))
    async with job_of(path, service) as job:
        await job.load()
    damaged = damage(tmp_path / BOOKS, "rows_by_position")
    job = await job_of(path, service).__aenter__()
    with pytest.raises(errors.ConfigurationError, match=f"Cannot use .*{BOOKS}.*left as it is"):
        await job.load()
    with pytest.raises(errors.ConfigurationError, match=f"Cannot use .*{BOOKS}.*left as it is"):
        await job.__aexit__(None, None, None)
    assert (tmp_path / BOOKS).read_bytes() == damaged
    assert service.created == []


async def test_a_journal_that_cannot_be_opened_is_let_go(tmp_path: Path, service: Service) -> None:
    """Damaged where it is looked at first: told as such, and not held for the rest of the process."""
    async with job_of(people(tmp_path, "a@x.de"), service) as job:
        await job.load()
    damage(tmp_path / BOOKS, "rows_by_state")
    for _ in range(2):
        with pytest.raises(errors.ConfigurationError, match="left as it is"):
            Journal(tmp_path / BOOKS)


async def test_a_journal_without_a_list_is_told(tmp_path: Path, service: Service) -> None:
    """Killed before its list was whole: there is nothing to go on with, and the list must be named again."""
    Journal(tmp_path / BOOKS).close()
    async with job_of(None, service, journal=tmp_path / BOOKS) as job:
        with pytest.raises(errors.ConfigurationError, match="no list"):
            await job.load()


async def test_a_listing_that_breaks_off_leaves_nothing_behind(tmp_path: Path, service: Service) -> None:
    """Half a listing says of nobody that they are not there: none of it is kept, and the next start lists anew."""
    known = [service.create(CAMPAIGN, f"old{number}@x.de") for number in range(4)]
    whole = service.listing

    async def broken(campaign_id: str) -> Any:
        async for batch in whole(campaign_id):
            yield batch
            raise errors.NotSentError("Could not connect.")

    service.listing = broken  # type: ignore[method-assign]  # the double is ours to bend
    path = people(tmp_path, "a@x.de", known[0].email)
    async with job_of(path, service) as job:
        with pytest.raises(errors.NotSentError):
            await job.load()
    assert stored(tmp_path, "SELECT * FROM known") == []
    service.listing = whole  # type: ignore[method-assign]  # as above
    _, _, summary = await finish(job_of(path, service))
    assert (summary.created, summary.skipped_existing) == (1, 1)


async def test_a_list_that_breaks_off_leaves_the_one_before(tmp_path: Path, service: Service) -> None:
    """The new list goes in whole or not at all; what was to be sent before can still be sent."""
    path = people(tmp_path, "a@x.de", "b@x.de")
    async with job_of(path, service) as job:
        await job.load()

    def breaking() -> Any:
        yield {"email": "c@x.de"}
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await finish(job_of(breaking(), service, journal=tmp_path / BOOKS))
    _, _, summary = await finish(job_of(None, service, journal=tmp_path / BOOKS))
    assert (summary.rows, sorted(service.emails)) == (2, ["a@x.de", "b@x.de"])
