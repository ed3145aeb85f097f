"""What is kept: in a file over a restart, at the same price for the 20,000th client as for the 1,000th."""

import shutil
import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from onboard360_async.sandbox import Sandbox, StoreError
from onboard360_async.sandbox.body import NewClient
from onboard360_async.sandbox.store import Store
from tests.sandbox.calls import CAMPAIGN, add, call


def a_store(path: str | Path = ":memory:", **options: Any) -> Store:
    numbers = iter(range(10**9))
    options = {"now": lambda: datetime.now(UTC), "clock": lambda: 0.0, "new_id": lambda: str(next(numbers)), **options}
    return Store(path, new_code=options["new_id"], **options)


def names_in(folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir()]


async def test_a_file_keeps_the_state(tmp_path: Path) -> None:
    """After a restart campaigns, clients and the ends of their links are the same, and seeds do not come twice."""
    path = tmp_path / "state.db"
    async with Sandbox(db=path) as sandbox:
        sandbox.add_campaign("Second")
        link = (await add(sandbox)).body["client"]["link"]
    async with Sandbox(db=path) as sandbox:
        campaigns = (await call(sandbox, "GET", "/campaigns")).body["campaigns"]
        assert [campaign["name"] for campaign in campaigns] == ["Client Onboarding Flow", "Second"]
        (client,) = sandbox.clients()
        assert str(client["link"]).rpartition("/")[2] == link.rpartition("/")[2]
    for _ in range(2):
        async with Sandbox(db=path, campaigns=["Second", "Third", (CAMPAIGN, "Other name")]) as sandbox:
            campaigns = (await call(sandbox, "GET", "/campaigns")).body["campaigns"]
            names = [campaign["name"] for campaign in campaigns]
            assert names == ["Client Onboarding Flow", "Second", "Third"]
    assert names_in(tmp_path) == [path.name]


async def test_a_file_of_the_first_version_goes_on(tmp_path: Path) -> None:
    """Its clients are still there, and may be completed, which that version did not know."""
    path = tmp_path / "state.db"
    async with Sandbox(db=path) as sandbox:
        await add(sandbox)
    with closing(sqlite3.connect(path)) as database:
        database.execute("DROP INDEX clients_by_email")
        database.execute("ALTER TABLE clients DROP COLUMN completed_at")
        database.execute("PRAGMA user_version = 1")
    async with Sandbox(db=path) as sandbox:
        (client,) = sandbox.clients()
        sandbox.complete(str(client["id"]))
        (client,) = sandbox.clients()
        assert client["email"] == "john@example.com"
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("SELECT count(*) FROM clients WHERE completed_at NOT NULL").fetchone() == (1,)


async def test_what_was_answered_survives_a_crash(tmp_path: Path) -> None:
    """Each POST is committed to the log when it is answered: a copy of the files taken then holds the client."""
    async with Sandbox(db=tmp_path / "state.db") as sandbox:
        await add(sandbox)
        assert "state.db-wal" in names_in(tmp_path)
        for name in names_in(tmp_path):
            shutil.copyfile(tmp_path / name, tmp_path / name.replace("state", "copy"))
        async with Sandbox(db=tmp_path / "copy.db") as copy:
            assert [client["email"] for client in copy.clients()] == ["john@example.com"]


def files_that_cannot_be_used(folder: Path) -> list[Path]:
    (text := folder / "text.db").write_text("no database " * 100)
    foreign = folder / "foreign.db"
    with closing(sqlite3.connect(foreign)) as database:
        database.execute("CREATE TABLE clients (id)")
    (newer := folder / "newer.db").touch()
    a_store(newer).close()
    with closing(sqlite3.connect(newer)) as database:
        database.execute("PRAGMA user_version = 99")
    return [text, foreign, newer, folder, folder / "nowhere" / "state.db"]


async def test_a_file_of_something_else_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """StoreError names the file, the file is as it was, and nothing stays open."""
    files, opened, connect = files_that_cannot_be_used(tmp_path), list[sqlite3.Connection](), sqlite3.connect

    def noted(*args: Any, **options: Any) -> sqlite3.Connection:
        opened.append(connect(*args, **options))
        return opened[-1]

    monkeypatch.setattr(sqlite3, "connect", noted)
    for path in files:
        before = path.read_bytes() if path.is_file() else None
        with pytest.raises(StoreError, match=r"cannot use .* as database") as caught:
            async with Sandbox(db=path):
                pass
        assert str(path) in str(caught.value)
        assert (path.read_bytes() if path.is_file() else None) == before
    assert len(opened) == 3
    for database in opened:
        with pytest.raises(sqlite3.ProgrammingError, match="closed"):
            database.execute("SELECT 1")


def test_adding_costs_the_same_at_any_size() -> None:
    """SQLite's own steps for adding a client, and for a page of a listing, do not grow from 1,000 to 20,000."""
    store = a_store()
    campaigns = [store.add_campaign(f"campaign {number}") for number in range(20)]

    def fill(until: int) -> None:
        for number in range(store.last_client(), until):
            store.add_client(NewClient(campaign_id=campaigns[number % 20], email=f"p{number}@example.com"))

    def steps() -> int:
        taken = 0
        middle = store.find_clients(before=store.last_client() // 2, most=1)[0]

        def count() -> int:
            nonlocal taken
            taken += 1
            return 0

        store._db.set_progress_handler(count, 1)
        last = store.last_client()
        store.add_client(NewClient(campaign_id=campaigns[7], email="p@example.com"))
        for order in ("created", "newest", "by-id"):
            assert store.clients(after=middle, last=last, max_chars=500, order=order)
        for order in ("created", "newest"):
            assert store.clients(after=middle, last=last, campaign_id=campaigns[7], max_chars=500, order=order)
        assert not store.clients(last=last, campaign_id=lonely)
        store._db.set_progress_handler(None, 0)
        return taken

    campaigns.append(lonely := store.add_campaign("of nobody"))
    fill(1_000)
    small = steps()
    fill(20_000)
    assert 0 < steps() < small * 1.2
    store.close()


def test_times_are_utc_in_whole_seconds() -> None:
    """Whatever zone `now` speaks, the API's form is that of its page."""
    store = a_store(now=lambda: datetime(2024, 1, 15, 11, 0, 0, 999_999, timezone(timedelta(hours=2))))
    store.add_campaign("A")
    assert store.campaigns()[0].created_at == "2024-01-15T09:00:00Z"
    store.close()


def test_the_past_is_known_by_the_clock(tmp_path: Path) -> None:
    """Who was the youngest at a moment: of this run by its own times, and whoever was there before it always was."""
    times = [10.0]
    for first in (1, 4):
        store = a_store(tmp_path / "state.db", clock=lambda: times[0], new_id=lambda: str(time.monotonic_ns()))
        campaign = store.add_campaign("A")
        for times[0] in (10.0, 20.0, 20.0):
            store.add_client(NewClient(campaign_id=campaign, email="p@example.com"))
        assert [store.last_client_at(at) - first for at in (0.0, 9.9, 10.0, 19.9, 20.0, 99.0)] == [-1, -1, 0, 0, 2, 2]
        store.close()


def test_the_oldest_are_counted_in_their_campaign() -> None:
    """So many of one campaign, or of all; fewer if there are no more."""
    store = a_store()
    first, second = store.add_campaign("A"), store.add_campaign("B")
    for campaign in (first, second, second, first):
        store.add_client(NewClient(campaign_id=campaign, email="p@example.com"))
    assert [store.last_of_oldest(number) for number in (0, 1, 2, 9)] == [0, 1, 2, 4]
    assert [store.last_of_oldest(number, second) for number in (0, 1, 2, 9)] == [0, 2, 3, 3]
    assert store.last_of_oldest(9, "nobody's") == 0
    store.close()


async def test_ids_that_are_taken_are_refused() -> None:
    """A campaign's id stands for one campaign."""
    async with Sandbox(campaigns=[]) as sandbox:
        assert sandbox.add_campaign("A", "a") == "a"
        with pytest.raises(ValueError, match="already"):
            sandbox.add_campaign("B", "a")
        assert (await call(sandbox, "GET", "/campaigns")).body["campaigns"][0]["name"] == "A"


async def test_seeding_is_as_strict_as_the_api() -> None:
    """add_client without a request: the same checks, as ValueError; what it creates is listed like any other."""
    async with Sandbox() as sandbox:
        seeded = sandbox.add_client(CAMPAIGN, "john@example.com", first_name="John", phone="1")
        (listed,) = (await call(sandbox, "GET", "/clients")).body["clients"]
        assert (listed["id"], listed["first_name"], listed["phone"]) == (seeded, "John", "1")
        for campaign, email in ((CAMPAIGN, "john"), ("x", "john@example.com")):
            with pytest.raises(ValueError, match=r"email|campaign"):
                sandbox.add_client(campaign, email)
        assert len(sandbox.clients(CAMPAIGN)) == len(sandbox.clients()) == 1
        assert sandbox.clients("x") == []
