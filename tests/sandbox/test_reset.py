"""The state as a whole: reset, seed, snapshot and restore."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from onboard360_async.sandbox import Sandbox
from tests.sandbox.calls import CAMPAIGN, add, call, some_turns, until
from tests.sandbox.receiver import Receiver, answers

SEED = {
    "campaigns": ["One", {"id": "2", "name": "Two", "created_at": "2024-01-01T00:00:00Z"}],
    "clients": [
        {"campaign": "One", "email": "a@example.com", "first_name": "A", "completed": True},
        {"campaign_id": "2", "email": "b@example.com", "phone": None},
    ],
}


def told(sandbox: Sandbox) -> dict[str, Any]:
    """All that a test could see of a sandbox, but for what is new each time: ids, and the second of the clock."""
    new = {"id": "", "created_at": "", "updated_at": ""}
    return {
        "campaigns": [campaign._asdict() | new for campaign in sandbox._desk.store.campaigns()],
        "clients": sandbox.clients(),
        "requests": sandbox.requests,
        "refused": sandbox.refused,
        "deliveries": sandbox.deliveries,
        "webhooks": sandbox.webhooks,
        "faults": [fault.as_json() for fault in sandbox.faults],
        "switches": sandbox.switches,
        "limiter": sandbox.limiter,
        "frozen": sandbox.clock.is_frozen,
    }


@pytest.mark.parametrize("threaded", [True, False])
async def test_reset_is_as_at_the_start(threaded: bool) -> None:
    """Whatever was stored, asked, sent, broken or changed since; what it was made with is there again, counts at 0."""
    async with Receiver() as receiver:
        sandbox = Sandbox(limit=3, created_status=200, campaigns=["One"], webhooks=[receiver.url])
        sandbox.add_fault("500-before", nth=2)
        running = sandbox.__enter__() if threaded else await sandbox.__aenter__()
        try:
            first, at, key = told(running), running.clock(), running.api_key
            running.add_client(running.add_campaign("Two"), "a@example.com")
            assert [(await call(running, "GET", "/clients")).status for _ in range(4)] == [200, 500, 200, 429]
            assert running.refused == 1
            running.add_fault("429")
            running.add_webhook(f"{receiver.url}/other")
            running.configure(preset="hostile", limiter="off")
            running.clock.advance(3600)
            running.clock.freeze()
            await running.delivered()
            assert len(receiver.got) == 2
            assert {name for name, value in told(running).items() if value == first[name]} == {
                "refused"
            }  # another limiter
            running.reset()
            assert told(running) == first
            assert (running.clock() < at + 3600, running.api_key) == (True, key)
            assert [(await call(running, "GET", "/clients")).status for _ in range(4)] == [200, 500, 200, 429]
        finally:
            sandbox.__exit__(None, None, None) if threaded else await sandbox.__aexit__(None, None, None)


async def test_reset_drops_what_is_under_way() -> None:
    """An answer that hangs, a commit that is to come, and a delivery between two attempts: none goes on."""
    async with Receiver(answers(500)) as receiver, Sandbox(limiter="off") as sandbox:
        sandbox.add_webhook(receiver.url, retries=[3600])
        await add(sandbox)
        hung = asyncio.create_task(add(sandbox, fault="hang-after-commit"))
        late = asyncio.create_task(add(sandbox, fault="late-commit:delay=3600"))
        await receiver.until(2)
        await until(lambda: len(sandbox.clock._sleepers) == 3)  # two deliveries and the late commit
        sandbox.reset()
        for task in (hung, late):
            with pytest.raises(aiohttp.ServerDisconnectedError):
                await task
        sandbox.clock.advance(7200)
        await some_turns()
        assert (await call(sandbox, "GET", "/clients")).body["clients"] == []
        assert (sandbox.clients(), sandbox.deliveries, len(receiver.got)) == ([], [], 2)
        assert sandbox._running is not None
        assert sandbox._running.courier._tasks == set()
        await sandbox.delivered()
        assert (await add(sandbox)).status == 201


async def test_what_was_fired_before_a_reset_is_not_sent_after_it() -> None:
    """Not even what had not begun yet."""
    async with Receiver() as receiver, Sandbox(webhooks=[receiver.url]) as sandbox:
        sandbox.add_client(CAMPAIGN, "a@example.com")
        sandbox.reset()
        sandbox.add_client(CAMPAIGN, "b@example.com")
        await sandbox.delivered()
        assert [got.email for got in receiver.got] == ["b@example.com"]


async def test_whoever_waits_for_deliveries_is_let_go_by_a_reset() -> None:
    """There is nothing to wait for any longer."""
    async with Receiver(answers(500)) as receiver, Sandbox() as sandbox:
        sandbox.add_webhook(receiver.url, retries=[3600])
        await add(sandbox)
        waiting = asyncio.create_task(sandbox.delivered())
        await receiver.until(1)
        sandbox.reset()
        async with asyncio.timeout(10):
            await waiting


def test_reset_empties_a_file(tmp_path: Path) -> None:
    """And what it was made with is in it again."""
    path = tmp_path / "state.db"
    with Sandbox(db=path) as sandbox:
        sandbox.seed(SEED)
        sandbox.reset()
    with Sandbox(db=path) as sandbox:
        assert (sandbox.clients(), len(sandbox._desk.store.campaigns())) == ([], 1)


def test_a_new_key_has_a_minute_of_its_own() -> None:
    """The old one is none any longer, and is not what the new one is counted as."""
    with Sandbox(limit=1, api_keys=["sk_test_1", "sk_test_2"]) as sandbox:
        assert asyncio.run(add(sandbox)).status == 201
        new = sandbox.new_key()
        assert (new, new[:8]) == (sandbox.api_key, "sk_test_")
        assert asyncio.run(add(sandbox, key="sk_test_2")).status == 401
        assert [asyncio.run(add(sandbox)).status for _ in range(2)] == [201, 429]
        assert [request.key for request in sandbox.requests] == [0, None, 2, 2]


def test_there_is_a_key_at_every_moment() -> None:
    """Whoever looks while another thread asks for a new one finds the old or the new one, never none."""
    with Sandbox() as sandbox:
        old, keys = sandbox.api_key, sandbox._desk.keys
        assert sandbox.new_key() != old
        assert list(keys) == [old]  # what somebody may be reading stays as it is


def test_a_seed_is_stored_and_told_to_nobody() -> None:
    """Campaigns by name or by id, clients of either, finished or not; how many is told, and no webhook."""
    with Sandbox(campaigns=[], webhooks=["http://127.0.0.1:9/"]) as sandbox:
        assert sandbox.seed(SEED) == {"campaigns": 2, "clients": 2}
        one, two = sandbox._desk.store.campaigns()
        assert (one.name, two) == ("One", ("2", "Two", "2024-01-01T00:00:00Z", "2024-01-01T00:00:00Z"))
        assert [(client["campaign_id"], client["email"]) for client in sandbox.clients()] == [
            (one.id, "a@example.com"), ("2", "b@example.com")
        ]  # fmt: skip
        assert [client.completed_at is None for client in sandbox._desk.store.find_clients()] == [True, False]
        assert sandbox.deliveries == []
        assert sandbox.seed({}) == {"campaigns": 0, "clients": 0}


def test_a_seed_that_it_was_made_with_is_there_again(tmp_path: Path) -> None:
    """After each reset, beside the campaigns; a file that was used before is left as it is."""
    for is_first in (True, False):
        with Sandbox(campaigns=["C"], seed=SEED, db=tmp_path / "a.db") as sandbox:
            assert len(sandbox.clients()) == (2 if is_first else 3)
            sandbox.seed({"campaigns": ["Late"]})
            sandbox.reset()
            assert [campaign.name for campaign in sandbox._desk.store.campaigns()] == ["C", "One", "Two"]
            assert [client["email"] for client in sandbox.clients()] == ["a@example.com", "b@example.com"]
            assert sandbox.deliveries == []
            sandbox.add_client("2", "c@example.com")
    refused = Sandbox(seed={"campaigns": [{"name": "x", "colour": 1}]})
    with pytest.raises(ValueError, match="colour"), refused:
        pass
    with pytest.raises(RuntimeError, match="not running"):
        refused.clients()


async def test_reset_gives_the_minute_back() -> None:
    """Though nothing was changed of how it is counted, and no time has passed."""
    async with Sandbox(limit=1) as sandbox:
        for _ in range(2):
            sandbox.clock.freeze()
            assert [(await call(sandbox, "GET", "/clients")).status for _ in range(2)] == [200, 429]
            sandbox.reset()
        assert sandbox.refused == 0


def test_of_campaigns_of_one_name_a_seed_means_the_first() -> None:
    """And an id, where there is one, whatever the name."""
    with Sandbox(campaigns=[("1", "A"), ("2", "A"), ("3", "B")]) as sandbox:
        sandbox.seed({"clients": [{"campaign": "A", "email": "a@x.yz"}]})
        sandbox.seed({"clients": [{"campaign": "A", "campaign_id": "3", "email": "b@x.yz"}]})
        assert [client["campaign_id"] for client in sandbox.clients()] == ["1", "3"]


def test_a_client_of_the_only_campaign_need_not_name_it() -> None:
    """Of several it must."""
    with Sandbox() as sandbox:
        sandbox.seed({"clients": [{"email": "a@example.com"}]})
        assert sandbox.clients()[0]["campaign_id"] == CAMPAIGN
        with pytest.raises(ValueError, match=r"clients\[0\]: campaign_id is required"):
            sandbox.seed({"campaigns": ["B"], "clients": [{"email": "a@example.com"}]})


@pytest.mark.parametrize(
    ("seed", "match"),
    [
        ([], "object"),
        ({"client": []}, "object"),
        ({"campaigns": {}}, "campaigns must be a list"),
        ({"campaigns": [{}]}, r"campaigns\[0\]: name is required"),
        ({"campaigns": [{"name": 5}]}, r"campaigns\[0\]: name must be a string"),
        ({"campaigns": ["a", {"name": "\ud800"}]}, r"campaigns\[1\]: name holds half"),
        ({"campaigns": [{"id": CAMPAIGN, "name": "x"}]}, "already"),
        ({"campaigns": [{"id": "1", "name": "x"}, {"id": "1", "name": "y"}]}, r"campaigns\[1\].*already"),
        ({"campaigns": [{"name": "x", "colour": 1}]}, "colour"),
        ({"clients": [5]}, r"clients\[0\] must be an object"),
        ({"clients": [{"email": "a@x.y"}, {"email": "nobody"}]}, r"clients\[1\]: email must be an email"),
        ({"clients": [{"email": "a@x.y", "campaign": "Nine"}]}, r"clients\[0\]: there is no campaign of this name"),
        ({"clients": [{"email": "a@x.y", "campaign_id": "9"}]}, r"clients\[0\]: there is no campaign with this"),
        ({"clients": [{"email": "a@x.y", "completed": "yes"}]}, r"clients\[0\]: completed"),
        ({"clients": [{"email": "a@x.y", "link": "x"}]}, "link"),
    ],
)
def test_a_seed_that_cannot_be_meant_stores_nothing(seed: object, match: str) -> None:
    """ValueError says where; whatever else was in it is not stored either."""
    with Sandbox() as sandbox:
        with pytest.raises(ValueError, match=match):
            sandbox.seed(seed)
        assert (sandbox.clients(), len(sandbox._desk.store.campaigns())) == ([], 1)


@pytest.mark.parametrize(("before", "after"), [(False, False), (True, True), (True, False), (False, True)])
def test_a_snapshot_is_restored_here_and_elsewhere(tmp_path: Path, before: bool, after: bool) -> None:
    """From memory or a file, into memory or a file: the same campaigns, clients and links, and nobody else."""
    with Sandbox(db=tmp_path / "a.db" if before else ":memory:") as sandbox:
        sandbox.seed(SEED)
        clients = [dict(client, link=str(client["link"])[-12:]) for client in sandbox.clients()]
        snapshot = sandbox.snapshot()
        sandbox.add_client("2", "late@example.com")
        sandbox.restore(snapshot)
        assert [dict(client, link=str(client["link"])[-12:]) for client in sandbox.clients()] == clients
    with Sandbox(db=tmp_path / "b.db" if after else ":memory:") as other:
        other.add_client(CAMPAIGN, "other@example.com")
        other.restore(snapshot)
        assert [dict(client, link=str(client["link"])[-12:]) for client in other.clients()] == clients
        assert asyncio.run(call(other, "GET", "/clients", fault="stale-listing:delay=0.0")).body["clients"]
        added = asyncio.run(call(other, "POST", "/clients", json={"campaign_id": "2", "email": "c@example.com"}))
        assert added.status == 201


@pytest.mark.parametrize("snapshot", [b"", b"x" * 5000, "of something else", "with our marks", None, 5])
def test_what_is_no_snapshot_changes_nothing(tmp_path: Path, snapshot: Any) -> None:
    """ValueError; a database of something else is none either."""
    if isinstance(snapshot, str):
        with closing(sqlite3.connect(":memory:")) as database:
            database.execute("CREATE TABLE campaigns (id)")
            if snapshot == "with our marks":
                database.execute(f"PRAGMA application_id = {0x33363053}")
                database.execute("PRAGMA user_version = 2")
            snapshot = database.serialize()
    with Sandbox() as sandbox:
        sandbox.add_client(CAMPAIGN, "a@example.com")
        with pytest.raises(ValueError, match="no snapshot"):
            sandbox.restore(snapshot)
        assert len(sandbox.clients()) == 1
