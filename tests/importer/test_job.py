"""Imports: each row at most once, always; whatever happens the books add up, and a second run goes on from them."""

import asyncio
import sqlite3
import stat
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from onboard360_async import errors
from onboard360_async.importer import (
    Adopted,
    Audit,
    Created,
    Invalid,
    Rejected,
    Rules,
    SkippedDuplicate,
    SkippedExisting,
    Unresolved,
)
from onboard360_async.models import NewClient
from tests.importer.double import CAMPAIGN, Service, adds_up, finish, job_of, lost, once, people, results


async def test_a_list_goes_in_and_links_come_out(tmp_path: Path, service: Service) -> None:
    """Three people: three created, their links in the results, in the list's order, beside its own columns."""
    path = people(tmp_path, "a@x.de", "b@x.de", "c@x.de")
    plan, outcomes, summary = await finish(job_of(path, service))
    assert (plan.rows, plan.to_send) == (3, 3)
    assert sorted(outcome.line for outcome in outcomes if isinstance(outcome, Created)) == [2, 3, 4]
    assert (summary.rows, summary.created) == (3, 3)
    rows = results(tmp_path)
    assert list(rows[0]) == ["Email", "Name", "status", "client_id", "link", "error"]
    assert [row["Email"] for row in rows] == ["a@x.de", "b@x.de", "c@x.de"]
    links = {client.email: client.link for client in service.created}
    assert all(row["link"] == links[row["Email"]] and row["status"] == "created" for row in rows)
    assert not (tmp_path / "people.errors.csv").exists()


async def test_only_the_owner_can_read_what_it_writes(tmp_path: Path, service: Service) -> None:
    """Journal, results and errors hold people and links: mode 0600, whatever the umask."""
    service.faults["b"] = errors.BadRequestError(400, "taken")
    async with job_of(people(tmp_path, "a@x.de", "b@x.de"), service) as job:
        await job.load()
        assert [_ async for _ in job.run()]
        job.write_files()
        written = [path for path in tmp_path.iterdir() if path.name != "people.csv"]
        assert {path.name for path in written} >= {
            "people.csv.onboard360.db",
            "people.results.csv",
            "people.errors.csv",
        }
        assert {stat.S_IMODE(path.stat().st_mode) for path in written} == {0o600}


async def test_nothing_is_sent_while_a_row_is_invalid(tmp_path: Path, service: Service) -> None:
    """All problems are told with line, field, reason and value, and `run` refuses until they may be skipped."""
    path = people(tmp_path, "a@x.de", "nobody", "", "c d@x.de")
    async with job_of(path, service) as job:
        plan = await job.load()
        assert [(problem.line, problem.field, problem.value) for problem in plan.problems] == [
            (3, "email", "nobody"),
            (4, "email", ""),
            (5, "email", "c d@x.de"),
        ]
        assert "nobody" not in repr(plan)
        with pytest.raises(errors.ValidationError, match="3 rows"):
            job.run()
    assert (service.listings, service.created) == (0, [])
    _, outcomes, summary = await finish(job_of(path, service, skip_invalid=True))
    assert [outcome.line for outcome in outcomes if isinstance(outcome, Invalid)] == [3, 4, 5]
    assert (summary.created, summary.invalid) == (1, 3)
    assert [row["_line"] for row in results(tmp_path, "errors")] == ["3", "4", "5"]


async def test_the_errors_file_imports_again_once_it_is_mended(tmp_path: Path, service: Service) -> None:
    """Its columns are the list's own and two of ours, which are no news to us."""
    await finish(job_of(people(tmp_path, "a@x.de", "nobody"), service, skip_invalid=True))
    mended = tmp_path / "mended.csv"
    mended.write_text((tmp_path / "people.errors.csv").read_text().replace("nobody", "nobody@x.de"))
    plan, outcomes, _ = await finish(job_of(mended, service))
    assert plan.warnings == ("column 'Name' is not sent",)
    assert [outcome.line for outcome in outcomes if isinstance(outcome, Created)] == [2]


async def test_errors_that_are_over_leave_no_file(tmp_path: Path, service: Service) -> None:
    """Once nothing needs a hand any more, the errors file of the run before is gone."""
    await finish(job_of(people(tmp_path, "a@x.de", "nobody"), service, skip_invalid=True))
    assert (tmp_path / "people.errors.csv").exists()
    await finish(job_of(people(tmp_path, "a@x.de", "nobody@x.de"), service))
    assert not (tmp_path / "people.errors.csv").exists()


async def test_who_stands_twice_is_sent_once(tmp_path: Path, service: Service) -> None:
    """The same address in other capitals or with spaces around is one person; the second row names the first."""
    path = people(tmp_path, "a@x.de", "b@x.de", " A@X.DE ")
    _, outcomes, summary = await finish(job_of(path, service))
    assert [(o.line, o.first_line) for o in outcomes if isinstance(o, SkippedDuplicate)] == [(4, 2)]
    assert (summary.created, summary.skipped_duplicate) == (2, 1)
    assert len(service.created) == 2


async def test_who_is_there_already_is_skipped(tmp_path: Path, service: Service) -> None:
    """One listing before the first request; who is in it is not sent."""
    known = service.create(CAMPAIGN, "B@x.de")
    _, outcomes, summary = await finish(job_of(people(tmp_path, "a@x.de", "b@x.de"), service))
    assert [(o.line, o.client_id) for o in outcomes if isinstance(o, SkippedExisting)] == [(3, known.id)]
    assert (summary.created, summary.skipped_existing) == (1, 1)
    assert service.listings == 2  # and one to look back at the end


async def test_a_listing_that_may_be_cut_is_said_in_the_plan(tmp_path: Path, service: Service) -> None:
    """A hundred exactly may be a silent cap."""
    for number in range(100):
        service.create(CAMPAIGN, f"old{number}@x.de")
    plan, _, _ = await finish(job_of(people(tmp_path, "a@x.de"), service))
    assert plan.may_be_capped


async def test_each_refusal_is_kept_with_its_row(tmp_path: Path, service: Service) -> None:
    """A 4xx created nothing: the row is rejected, with the server's words, and the others go on."""
    service.faults["b"] = errors.BadRequestError(400, "Bad request", "email is taken")
    _, outcomes, summary = await finish(job_of(people(tmp_path, "a@x.de", "b@x.de", "c@x.de"), service))
    (rejected,) = (outcome for outcome in outcomes if isinstance(outcome, Rejected))
    assert (rejected.line, rejected.status, rejected.details) == (3, 400, "email is taken")
    assert "taken" not in repr(rejected)
    assert (summary.created, summary.rejected) == (2, 1)
    assert results(tmp_path, "errors")[0]["_error"] == "rejected: Bad request: email is taken"


@pytest.mark.parametrize("created", [False, True])
async def test_held_is_never_sent_again(tmp_path: Path, service: Service, created: bool) -> None:
    """A lost answer is looked for: found, its client is the row's; else it stays unresolved, however often it runs."""
    service.faults["b"] = ("created", lost()) if created else lost()
    path, hold = people(tmp_path, "a@x.de", "b@x.de", "c@x.de"), Rules(settle_s=0, on_ambiguous="hold")
    _, outcomes, summary = await finish(job_of(path, service, rules=hold))
    assert [outcome.line for outcome in outcomes if isinstance(outcome, Adopted | Unresolved)] == [3]
    assert (summary.created, summary.adopted, summary.unresolved) == (2, int(created), int(not created))
    service.faults.clear()
    for source in (path, None):
        job = job_of(source, service, rules=hold, journal=tmp_path / "people.csv.onboard360.db")
        _, outcomes, again = await finish(job)
        assert again == summary
        assert not outcomes
    assert service.emails.count("b@x.de") == int(created)
    row = results(tmp_path)[1]
    assert (row["status"], bool(row["client_id"]), row["link"]) == (
        "adopted" if created else "unresolved", created, "",
    )  # fmt: skip


@pytest.mark.parametrize("created", [False, True])
async def test_a_lost_answer_is_settled_in_the_same_run(tmp_path: Path, service: Service, created: bool) -> None:
    """Nobody is there: sent again, and created. Somebody is there: not sent again, and the row's."""
    service.faults["b"] = once(("created", lost()) if created else lost())
    _, outcomes, summary = await finish(job_of(people(tmp_path, "a@x.de", "b@x.de", "c@x.de"), service))
    (second,) = (outcome for outcome in outcomes if outcome.line == 3)
    assert isinstance(second, Adopted if created else Created)
    assert (summary.created, summary.adopted) == ((2, 1) if created else (3, 0))
    assert service.emails.count("b@x.de") == 1
    assert second.client_id == next(client.id for client in service.created if client.email == "b@x.de")
    assert results(tmp_path)[1]["link"] == (second.link or "")


async def test_a_row_is_sent_three_times_in_a_run_at_most(tmp_path: Path, service: Service) -> None:
    """Shown absent each time: then it is unresolved, and the next run plans it anew."""
    service.faults["b"] = lost()
    path = people(tmp_path, "a@x.de", "b@x.de")
    plan, outcomes, summary = await finish(job_of(path, service))
    assert [outcome.reason for outcome in outcomes if isinstance(outcome, Unresolved)] == [
        "its request created nobody; it was not sent again"
    ]
    assert (summary.unresolved, service.asked.count("b@x.de")) == (1, 3)
    service.faults.clear()
    plan, _, summary = await finish(job_of(path, service))
    assert (plan.to_send, plan.unresolved, summary.created) == (1, 0, 2)


async def test_a_dead_server_stops_the_import_before_all_are_in_doubt(tmp_path: Path, service: Service) -> None:
    """Ten unknown outcomes in a row end the run; the rest stay planned and are sent when it is run again."""
    emails = [f"p{number:02}@x.de" for number in range(40)]
    service.faults["p"] = lost()
    async with job_of(people(tmp_path, *emails), service) as job:
        await job.load()
        with pytest.raises(errors.ImportFailedError, match="answers were lost"):
            assert [_ async for _ in job.run()]
        assert 10 <= job.summary.ambiguous <= 14
        assert job.summary.planned == 40 - job.summary.ambiguous


async def test_a_wrong_campaign_does_not_burn_the_whole_list(tmp_path: Path, service: Service) -> None:
    """Ten rows in a row that are not found: the run stops and asks whether the campaign is right."""
    service.faults["p"] = errors.NotFoundError(404, "Not found")
    async with job_of(people(tmp_path, *(f"p{number}@x.de" for number in range(40))), service) as job:
        await job.load()
        with pytest.raises(errors.ImportFailedError, match="campaign"):
            assert [_ async for _ in job.run()]
        assert 10 <= job.summary.rejected <= 14
        adds_up(job.summary)


@pytest.mark.parametrize(
    "error",
    [
        errors.AuthenticationError(401),
        errors.ApiError(403),
        errors.ApiError(302),
        errors.DeadlineError("late"),
        errors.BudgetExhaustedError(3.0),
    ],
)
async def test_what_concerns_all_rows_stops_the_run(
    tmp_path: Path, service: Service, error: errors.Onboard360Error
) -> None:
    """A wrong key, a redirect, no connection: nothing was created, all rows stay planned, and running again goes on."""
    service.faults["b"] = error
    path = people(tmp_path, "a@x.de", "b@x.de", "c@x.de")
    async with job_of(path, service) as job:
        await job.load()
        with pytest.raises(errors.ImportFailedError, match="run the import again") as caught:
            assert [_ async for _ in job.run()]
        assert caught.value.__cause__ is error
        assert job.summary.planned >= 1
        adds_up(job.summary)
    service.faults.clear()
    _, _, summary = await finish(job_of(path, service))
    assert summary.created == 3
    assert sorted(service.emails) == ["a@x.de", "b@x.de", "c@x.de"]


async def test_a_429_is_sent_again_later_in_the_same_run(tmp_path: Path, service: Service) -> None:
    """It was not applied: the row is planned again and comes after the others; endless refusals end the run."""
    refusals = [errors.RateLimitError(429)] * 3
    add = service.add

    async def refusing(new: NewClient, before_send: Any) -> Any:
        if new.email.startswith("b") and refusals:
            before_send()
            raise refusals.pop()
        return await add(new, before_send)

    service.add = refusing  # type: ignore[method-assign]  # the double is ours to bend
    _, _, summary = await finish(job_of(people(tmp_path, "a@x.de", "b@x.de", "c@x.de"), service))
    assert (summary.created, service.emails.count("b@x.de")) == (3, 1)
    refusals = [errors.RateLimitError(429)] * 1_000
    async with job_of(people(tmp_path, "b2@x.de"), service) as job:
        await job.load()
        with pytest.raises(errors.ImportFailedError, match="one too many"):
            assert [_ async for _ in job.run()]
        assert job.summary.planned == 1


async def test_a_fault_of_ours_leaves_the_books_right(tmp_path: Path, service: Service) -> None:
    """An unexpected error after the request left: the row is in doubt, the run ends with that error."""
    service.faults["b"] = ("created", ZeroDivisionError())
    async with job_of(people(tmp_path, "a@x.de", "b@x.de"), service) as job:
        await job.load()
        with pytest.raises(ZeroDivisionError):
            assert [_ async for _ in job.run()]
        assert job.summary.ambiguous == 1


async def test_a_journal_that_fails_sends_nothing_more(
    tmp_path: Path, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the outcome cannot be written (a full disk), the run ends, and the row is in doubt for whoever looks later."""
    path = people(tmp_path, *(f"p{number}@x.de" for number in range(20)))

    def full(*_: object) -> None:
        raise OSError("disk full")

    async with job_of(path, service) as job:
        await job.load()
        monkeypatch.setattr("onboard360_async.importer.journal.Journal.created", full)
        with pytest.raises(errors.ImportFailedError, match="disk full"):
            assert [_ async for _ in job.run()]
    sent = len(service.created)
    assert sent <= 4
    monkeypatch.undo()
    _, _, summary = await finish(job_of(path, service))
    assert (summary.adopted, summary.created) == (sent, 20 - sent)
    assert len(set(service.emails)) == len(service.emails) == 20


async def test_a_client_is_credited_to_one_row_only(tmp_path: Path, service: Service) -> None:
    """A server that gives somebody back whom another row has: that is not a second creation."""
    add = service.add

    async def same(new: NewClient, before_send: Any) -> Any:
        if service.created:
            before_send()
            return service.created[0]
        return await add(new, before_send)

    service.add = same  # type: ignore[method-assign]  # as above
    _, _, summary = await finish(job_of(people(tmp_path, "a@x.de", "b@x.de"), service))
    assert (summary.created, summary.skipped_existing) == (1, 1)


async def test_half_a_character_from_the_server_does_not_lose_a_row(tmp_path: Path, service: Service) -> None:
    """A message that was cut within a character is kept as far as it can be, with the row's fate."""
    service.faults["b"] = errors.BadRequestError(400, "cut \ud83d", "\udc00")
    _, _, summary = await finish(job_of(people(tmp_path, "a@x.de", "b@x.de"), service))
    assert (summary.created, summary.rejected) == (1, 1)


async def test_the_list_may_be_mended_sorted_and_extended(tmp_path: Path, service: Service) -> None:
    """A second run knows who is done by who they are, not by their line; only the new and the mended are sent."""
    service.faults["b"] = errors.BadRequestError(400, "no")
    await finish(job_of(people(tmp_path, "a@x.de", "b@x.de", "c@x.de"), service))
    service.faults.clear()
    unchanged, _, _ = await finish(job_of(people(tmp_path, "c@x.de", "b@x.de", "a@x.de"), service))
    assert (unchanged.done, unchanged.rejected, unchanged.to_send) == (2, 1, 0)
    path = tmp_path / "people.csv"
    path.write_text("Email;First name\nnew@x.de;N\nc@x.de;\nb@x.de;Bea\n")
    plan, outcomes, summary = await finish(job_of(path, service))
    assert (plan.rows, plan.done, plan.to_send) == (3, 1, 2)
    assert sorted(outcome.line for outcome in outcomes if isinstance(outcome, Created)) == [2, 4]
    assert summary.created == 3
    assert sorted(service.emails) == ["a@x.de", "b@x.de", "c@x.de", "new@x.de"]
    assert [row["Email"] for row in results(tmp_path)] == ["new@x.de", "c@x.de", "b@x.de"]


async def test_going_on_lists_nobody_again(tmp_path: Path, service: Service) -> None:
    """The baseline was taken before the first row was sent; a resume never repeats it."""
    path = people(tmp_path, *(f"p{number}@x.de" for number in range(9)), "P0@x.de")
    async with job_of(path, service) as job:
        await job.load()
        async for outcome in job.run():
            if isinstance(outcome, Created):
                job.stop()
    _, outcomes, summary = await finish(job_of(None, service, journal=tmp_path / "people.csv.onboard360.db"))
    assert (summary.created, summary.skipped_duplicate) == (9, 1)
    assert service.listings == 2  # the other one looks back at the end
    assert {type(outcome) for outcome in outcomes} == {Created}  # what was skipped was told the first time


async def test_rows_of_a_program_need_no_file(service: Service) -> None:
    """Mappings and NewClient, plain or async, with a campaign for all or each its own."""

    async def coming() -> AsyncIterator[NewClient]:
        yield NewClient("other", "c@x.de")

    rows: list[Mapping[str, object] | NewClient] = [{"email": "a@x.de"}, NewClient(CAMPAIGN, "b@x.de")]
    _, outcomes, summary = await finish(job_of(rows, service))
    assert sorted(outcome.line for outcome in outcomes) == [1, 2]
    await finish(job_of(coming(), service, campaign=None))
    assert [client.campaign_id for client in service.created] == [CAMPAIGN, CAMPAIGN, "other"]
    assert summary.created == 2


@pytest.mark.parametrize("row", [{"email": 5}, {"mail": "a@x.de"}, {"email": "a@x.de", "phone": 49}, {}])
async def test_rows_of_a_wrong_kind_are_problems(service: Service, row: dict[str, Any]) -> None:
    """A value that is no text, or a field that is none, is told by row and name."""
    async with job_of([row], service) as job:
        assert (await job.load()).problems[0].line == 1


async def test_each_row_names_its_campaign_or_all_have_one(service: Service) -> None:
    """Without a campaign a row that names none is a problem, not a guess."""
    async with job_of([{"email": "a@x.de"}], service, campaign=None) as job:
        assert [problem.field for problem in (await job.load()).problems] == ["campaign_id"]


async def test_an_import_is_used_in_its_order(tmp_path: Path, service: Service) -> None:
    """Enter, load once, run once: anything else says so."""
    job = job_of([{"email": "a@x.de"}], service)
    with pytest.raises(errors.ConfigurationError, match="block"):
        await job.load()
    async with job:
        await job.load()
        with pytest.raises(errors.ConfigurationError, match="already"):
            await job.load()
        job.run()
        with pytest.raises(errors.ConfigurationError, match="already"):
            job.run()
    with pytest.raises(errors.ConfigurationError, match="journal"):
        job_of(None, service)
    with pytest.raises(errors.ConfigurationError, match="no journal"):
        async with job_of(None, service, journal=tmp_path / "none.db"):
            pass


async def test_a_second_run_of_the_same_list_is_refused(tmp_path: Path, service: Service) -> None:
    """The journal is held from entering to leaving."""
    path = people(tmp_path, "a@x.de")
    async with job_of(path, service):
        with pytest.raises(errors.ImportLockedError, match="Another run"):
            async with job_of(path, service):
                pass
    await finish(job_of(path, service))


@pytest.mark.parametrize("status", [204, 299, 500])
async def test_an_answer_that_may_mean_created_is_a_doubt(tmp_path: Path, service: Service, status: int) -> None:
    """A success nobody knows, a fault of the server: the row may be there, so it is never sent again unseen."""
    service.faults["a"] = errors.ApiError(status)
    path = people(tmp_path, "a@x.de")
    async with job_of(path, service) as job:
        await job.load()
        with pytest.raises(errors.ImportFailedError, match="cannot go on"):
            assert [_ async for _ in job.run()]
        assert job.summary.ambiguous == 1
    service.faults.clear()
    _, _, summary = await finish(job_of(path, service))
    assert (summary.created, service.emails) == (1, ["a@x.de"])


async def test_a_journal_that_cannot_note_the_request_sends_none(
    tmp_path: Path, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`sending` must be on the disk before a request leaves; else it does not leave, and the row stays planned."""

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr("onboard360_async.importer.journal.Journal.sending", full)
    async with job_of(people(tmp_path, "a@x.de", "b@x.de"), service) as job:
        await job.load()
        with pytest.raises(errors.ImportFailedError, match="journal cannot be written"):
            assert [_ async for _ in job.run()]
        assert (job.summary.planned, service.created) == (2, [])


async def test_the_first_fault_is_the_one_that_is_told(service: Service) -> None:
    """Those that were under way may fail for its sake; the rows stay planned, also those whose request never left."""
    faults: list[errors.Onboard360Error] = [errors.AuthenticationError(401), errors.BudgetExhaustedError(3.0)]
    first, both = faults[0], asyncio.Barrier(2)

    async def add(new: NewClient, before_send: Any) -> Any:
        await both.wait()
        if isinstance(faults[0], errors.AuthenticationError):
            before_send()
            before_send()  # another attempt of the same request
        raise faults.pop(0)

    service.add = add  # type: ignore[method-assign]  # as above
    async with job_of([{"email": "a@x.de"}, {"email": "b@x.de"}], service) as job:
        await job.load()
        with pytest.raises(errors.ImportFailedError) as caught:
            assert [_ async for _ in job.run()]
        assert (caught.value.__cause__, faults, job.summary.planned) == (first, [], 2)


async def test_a_summary_needs_an_import_that_was_entered(service: Service) -> None:
    """Within the block and after it there are numbers; before there are none, and that is said."""
    job = job_of([{"email": "a@x.de"}], service)
    with pytest.raises(errors.ConfigurationError, match="never entered"):
        _ = job.summary
    await finish(job)
    assert (job.summary.rows, job.summary.created) == (1, 1)
    assert job.audit == Audit((), ())


async def test_a_lost_row_of_another_list_stops_nobody(tmp_path: Path, service: Service) -> None:
    """Its campaign is gone, and so is its listing; today's list is for another one, and comes to its end."""
    service.faults["a"] = once(lost())
    listing, path = service.listing, people(tmp_path, "a@x.de", "b@x.de")

    async def partly(campaign_id: str) -> Any:
        if campaign_id == "gone" and service.created:
            raise errors.NotFoundError(404)
        async for batch in listing(campaign_id):
            yield batch

    service.listing = partly  # type: ignore[method-assign]  # the double is ours to bend
    with pytest.raises(errors.ImportFailedError, match="cannot look for"):
        await finish(job_of(path, service, campaign="gone"))
    for _ in range(2):
        _, _, summary = await finish(job_of(path, service, campaign="new"))
        assert (summary.created, summary.rows) == (2, 2)
    async with job_of(path, service, campaign="gone") as job:
        assert (await job.load()).ambiguous == 1
