"""What is said of a list before anything is sent: files that are none, columns and rows that look odd."""

import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from onboard360_async import errors
from tests.importer.double import CAMPAIGN, Service, finish, job_of


async def test_what_is_no_regular_file_is_refused(tmp_path: Path, service: Service) -> None:
    """A pipe can be read once, and a list is read more often; it would hang. Nothing is left beside it."""
    os.mkfifo(tmp_path / "people.csv")
    with pytest.raises(errors.ConfigurationError, match="no regular file"):
        await finish(job_of(tmp_path / "people.csv", service))
    assert [path.name for path in tmp_path.iterdir()] == ["people.csv"]


async def test_a_name_that_no_file_can_have_is_told(tmp_path: Path, service: Service) -> None:
    """Whatever the system says of it, it is an error of ours with the path."""
    with pytest.raises(errors.ConfigurationError, match="Cannot read"):
        await finish(job_of(tmp_path / ("x" * 300), service))


@pytest.mark.parametrize("campaign", [CAMPAIGN, None])
async def test_a_campaign_column_that_does_not_count_is_told(
    tmp_path: Path, service: Service, campaign: str | None
) -> None:
    """Whoever names a campaign means it for everybody; that a column says other ones is worth a warning."""
    path = tmp_path / "people.csv"
    path.write_text("Email,Campaign ID\na@x.de,other\n")
    plan, _, _ = await finish(job_of(path, service, campaign=campaign))
    assert [client.campaign_id for client in service.created] == [campaign or "other"]
    assert ["campaign column is not sent" in warning for warning in plan.warnings] == ([True] if campaign else [])


@pytest.mark.parametrize(("odd", "more"), [(20, ()), (25, ("and 5 more like these",))])
async def test_many_odd_rows_are_summed_up(service: Service, odd: int, more: tuple[str, ...]) -> None:
    """Twenty lines are read, a thousand are not."""
    rows = [{"email": f"p{number}@x.de", "phone": "1.55512E+10"} for number in range(odd)]
    async with job_of(rows, service) as job:
        warnings = (await job.load()).warnings
    assert (len(warnings[:20]), warnings[20:]) == (20, more)
    assert warnings[19] == "line 20: the phone looks damaged by a spreadsheet"


async def test_a_fault_of_the_users_own_database_is_theirs(tmp_path: Path, service: Service) -> None:
    """Rows that come out of somebody's SQLite: its error is not told as one of our journal, and its cause is there."""

    def out_of_theirs() -> Iterator[Mapping[str, object]]:
        yield {"email": "a@x.de"}
        with closing(sqlite3.connect(":memory:")) as theirs:
            yield from theirs.execute("SELECT * FROM people")

    async with job_of(out_of_theirs(), service, journal=tmp_path / "a.db") as job:
        with pytest.raises(errors.ValidationError, match="rows cannot be read") as caught:
            await job.load()
        assert isinstance(caught.value.__cause__, sqlite3.OperationalError)
        assert job.summary.rows == 0


@pytest.mark.parametrize("kind", [list, iter])
async def test_loading_again_does_not_read_again(service: Service, kind: Any) -> None:
    """The listing failed, and the rows can be read only once: they are in the journal, and none is lost."""
    rows, listing, is_up = kind([{"email": "a@x.de"}, {"email": "b@x.de"}]), service.listing, False

    async def often_down(campaign_id: str) -> Any:
        if not is_up:
            raise errors.NotSentError("Could not connect.")
        async for batch in listing(campaign_id):
            yield batch

    service.listing = often_down  # type: ignore[method-assign]  # the double is ours to bend
    async with job_of(rows, service) as job:
        with pytest.raises(errors.NotSentError):
            await job.load()
        is_up = True
        assert (await job.load()).to_send == 2


async def test_rows_that_broke_off_and_are_gone_are_not_taken_for_all(service: Service) -> None:
    """A generator that raised gives no more: that is not an empty list."""

    def breaking() -> Iterator[Mapping[str, object]]:
        yield {"email": "a@x.de"}
        raise ZeroDivisionError

    async with job_of(breaking(), service) as job:
        with pytest.raises(ZeroDivisionError):
            await job.load()
        with pytest.raises(errors.ConfigurationError, match="hand them over anew"):
            await job.load()
