"""What the user takes away: every cell comes back, under its own header, and there is a whole file or none."""

import csv
import errno
import os
import sqlite3
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from onboard360_async import errors
from onboard360_async.models import Client
from tests.importer.double import Service, finish, job_of, people, results


def lines(folder: Path, kind: str) -> list[list[str]]:
    with (folder / f"people.{kind}.csv").open(newline="") as file:
        return list(csv.reader(file))


async def test_a_row_too_long_keeps_all_its_cells_after_ours(tmp_path: Path, service: Service) -> None:
    """Ours stand in their own columns for each row, and no cell is lost."""
    path = people(tmp_path, "a@x.de", header="Email;Name")
    path.write_text("Email;Name\na@x.de;Doe;John\nb@x.de;P\n")
    await finish(job_of(path, service, skip_invalid=True))
    header, long, short = lines(tmp_path, "results")
    assert header == ["Email", "Name", "status", "client_id", "link", "error"]
    assert (long[:5], long[6:]) == (["a@x.de", "Doe", "invalid", "", ""], ["John"])
    assert (short[2], len(short)) == ("created", 6)
    header, long = lines(tmp_path, "errors")
    assert header == ["Email", "Name", "_line", "_error"]
    assert (long[:3], long[4:]) == (["a@x.de", "Doe", "2"], ["John"])


async def test_a_row_too_long_stays_so_until_somebody_mends_it(tmp_path: Path, service: Service) -> None:
    """An errors file imported as it is, however often: never a shorter row that is sent with wrong cells."""
    path = tmp_path / "people.csv"
    path.write_text("Email,Last name,First name\na@x.de,Doe, John,Dr.\n")
    for _ in range(3):
        plan, _, summary = await finish(job_of(path, service, skip_invalid=True))
        assert ["more cells" in problem.reason for problem in plan.problems] == [True]
        assert (summary.invalid, service.created) == (1, [])
        path = path.with_name(f"{path.stem}.errors.csv")


@pytest.mark.parametrize(
    "fault", [OSError(errno.ENOSPC, "No space left on device"), sqlite3.DatabaseError("malformed")]
)
async def test_half_a_file_is_taken_away(
    tmp_path: Path, service: Service, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    """A full disk, a journal that breaks off: what stood there before stays whole, and no part of the new is left."""
    path = people(tmp_path, "a@x.de", "b@x.de")
    await finish(job_of(path, service))
    before = (tmp_path / "people.results.csv").read_bytes()

    def failing(_: int) -> None:
        raise fault

    job = await job_of(path, service).__aenter__()
    await job.load()
    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(errors.ConfigurationError, match=r"No space left.*Nothing is lost|malformed"):
        await job.__aexit__(None, None, None)
    assert (tmp_path / "people.results.csv").read_bytes() == before
    assert sorted(each.name for each in tmp_path.iterdir()) == [
        "people.csv", "people.csv.onboard360.db", "people.results.csv",
    ]  # fmt: skip


async def test_what_a_kill_left_is_written_over(tmp_path: Path, service: Service) -> None:
    """A part of an earlier run, readable for all, is not what the new one is written into."""
    part = tmp_path / ".people.results.csv.part"
    part.write_text("half")
    part.chmod(0o644)
    await finish(job_of(people(tmp_path, "a@x.de"), service))
    assert (results(tmp_path)[0]["status"], part.exists()) == ("created", False)
    assert (tmp_path / "people.results.csv").stat().st_mode & 0o777 == 0o600


async def test_errors_that_cannot_be_removed_are_told(tmp_path: Path, service: Service) -> None:
    """An errors file that is out of date misleads, so that it stays is no small matter."""
    (tmp_path / "people.errors.csv").mkdir()
    with pytest.raises(errors.ConfigurationError, match=r"Cannot remove .*people\.errors\.csv"):
        await finish(job_of(people(tmp_path, "a@x.de"), service))
    assert results(tmp_path)[0]["status"] == "created"


async def test_a_column_of_the_same_name_is_not_ours(tmp_path: Path, service: Service) -> None:
    """A list with a column `status` keeps it, and ours is called another name."""
    await finish(job_of(people(tmp_path, "a@x.de", header="Email;status"), service))
    assert list(results(tmp_path)[0]) == ["Email", "status", "onboard360_status", "client_id", "link", "error"]


async def test_created_and_not_to_be_found_is_told_so(tmp_path: Path, service: Service) -> None:
    """The server said that it created somebody and the rest was lost; no listing shows them: nobody adds them again."""
    service.faults["a"] = ("created", errors.OutcomeUnknownError("cut", created=True))

    async def nobody(campaign_id: str) -> AsyncIterator[Sequence[Client]]:
        yield [client for client in service.created if client.id == campaign_id]  # an id is no campaign

    service.listing = nobody  # type: ignore[method-assign]  # the double is ours to bend
    await finish(job_of(people(tmp_path, "a@x.de"), service))
    said = "unresolved: created, but its id and link are unknown: the listing does not show whom"
    assert results(tmp_path, "errors")[0]["_error"] == said
    assert service.emails == ["a@x.de"]


@pytest.mark.parametrize(("encoding", "mark"), [("utf-8-sig", True), ("utf-8", False)])
async def test_a_byte_order_mark_comes_back(tmp_path: Path, service: Service, encoding: str, mark: bool) -> None:
    """A spreadsheet that wrote one wants one; whoever saved the list without gets none, also from an old journal."""
    path = tmp_path / "people.csv"
    path.write_text("Email\na@x.de\n", encoding="utf-8-sig")
    await finish(job_of(path, service))
    path.write_text("Email\na@x.de\n", encoding=encoding)
    await finish(job_of(path, service))
    assert (tmp_path / "people.results.csv").read_bytes().startswith("\ufeff".encode()) is mark


async def test_rows_of_a_program_do_not_write_over_a_files_results(tmp_path: Path, service: Service) -> None:
    """One journal, first for a file and then for rows: these have no file, and leave the results of that one alone."""
    path = people(tmp_path, "a@x.de")
    await finish(job_of(path, service))
    before = (tmp_path / "people.results.csv").read_bytes()
    job = job_of([{"email": "b@x.de"}], service, journal=tmp_path / "people.csv.onboard360.db")
    await finish(job)
    assert (job.files, (tmp_path / "people.results.csv").read_bytes()) == (None, before)
