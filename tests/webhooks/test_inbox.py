"""The inbox: acknowledged only when stored, each event once, whatever the disk, threads and forks do."""

import asyncio
import os
import signal
import sqlite3
import threading
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from onboard360_async import errors, settings
from onboard360_async.webhooks import Event, Inbox
from onboard360_async.webhooks.factories import client_completed
from onboard360_async.webhooks.sqlite_store import SqliteStore
from onboard360_async.webhooks.store import Counts
from tests.webhooks.hands import Seen, created


async def test_what_is_received_is_stored_before_it_is_told(tmp_path: Path) -> None:
    """When `receive` returns, another connection sees the event; a second delivery is told from the first."""
    inbox = Inbox(tmp_path / "inbox.db")
    assert await inbox.receive(created(1)) is True
    other = SqliteStore(tmp_path / "inbox.db")
    with other.transaction():
        assert other.counts() == Counts(waiting=1)
    other.close()
    assert await inbox.receive(created(1, timestamp="2026-01-01T00:00:00Z")) is True  # other bytes: another event
    event = created(2)
    assert [await inbox.receive(event), await inbox.receive(event)] == [True, False]
    inbox.close()


async def test_retries_that_are_stamped_anew_can_be_known_by_what_happened(tmp_path: Path) -> None:
    """With dedupe="semantic": one thing that happened to one client is kept once, another one too."""
    inbox = Inbox(tmp_path / "inbox.db", dedupe="semantic")
    kept = [
        await inbox.receive(created(1, timestamp=stamp)) for stamp in ("2026-01-01T00:00:00Z", "2026-01-01T00:01:00Z")
    ]
    assert [*kept, await inbox.receive(client_completed(client_id="c1"))] == [True, False, True]
    inbox.close()


async def test_ten_thousand_events_with_doubles_are_handled_once_each(tmp_path: Path) -> None:
    """7,000 events and 3,000 second deliveries, in any order and at once: 7,000 are kept, each is handled once."""
    seen = Seen()
    inbox = Inbox(tmp_path / "inbox.db", seen, concurrency=100)
    events = [created(number) for number in range(7_000)]
    deliveries = sorted([*events, *events[:3_000]], key=lambda event: event.id)
    room = asyncio.Semaphore(200)

    async def deliver(event: Event) -> bool:
        async with room:
            return await inbox.receive(event)

    kept = await asyncio.gather(*map(deliver, deliveries))
    assert (sum(kept), len(kept)) == (7_000, 10_000)
    assert await inbox.work() == 7_000
    assert sorted(map(str, seen.ids)) == sorted(f"c{number}" for number in range(7_000))
    assert await inbox.counts() == Counts(done=7_000)
    inbox.close()


async def test_what_waits_together_is_committed_together(tmp_path: Path) -> None:
    """A hundred deliveries at once cost a handful of commits, not a hundred; one after another cost one each."""
    commits: list[str] = []

    def opened() -> SqliteStore:
        store = SqliteStore(tmp_path / "inbox.db")
        store.db.set_trace_callback(lambda text: commits.append(text) if text == "COMMIT" else None)
        return store

    inbox = Inbox(opened)
    await inbox.counts()
    commits.clear()
    await asyncio.gather(*(inbox.receive(created(number)) for number in range(100)))
    assert len(commits) <= 10
    commits.clear()
    for number in range(100, 110):
        await inbox.receive(created(number))
    assert len(commits) == 10
    inbox.close()


async def test_an_inbox_that_is_closed_opens_again(tmp_path: Path) -> None:
    """Also while the first is still ending: each thread has its own work, and nobody waits for ever."""
    inbox = Inbox(tmp_path / "inbox.db")
    for number in range(20):
        closing = asyncio.create_task(asyncio.to_thread(inbox.close))
        assert await inbox.receive(created(number)) is True
        await closing
    inbox.close()


async def test_what_cannot_be_stored_is_never_acknowledged(tmp_path: Path) -> None:
    """A full disk is an InboxError (503) for everybody who waits; with room again the same delivery is kept."""
    stores: list[SqliteStore] = []

    def opened() -> SqliteStore:
        stores.append(SqliteStore(tmp_path / "inbox.db"))
        return stores[-1]

    inbox = Inbox(opened)
    await inbox.counts()
    await asyncio.wrap_future(inbox._writer.submit(lambda store: _limit(store, 1)))
    results = await asyncio.gather(*(inbox.receive(created(number)) for number in range(300)), return_exceptions=True)
    refused = [number for number, result in enumerate(results) if isinstance(result, errors.InboxError)]
    assert refused
    counts = await inbox.counts()
    assert counts.waiting + len(refused) == 300
    assert {type(result) for result in results} == {bool, errors.InboxError}
    await asyncio.wrap_future(inbox._writer.submit(lambda store: _limit(store, 99_999)))
    assert await inbox.receive(created(refused[0])) is True
    inbox.close()


def _limit(store: Any, pages: int) -> None:
    store.db.execute(f"PRAGMA max_page_count = {pages}")


async def test_one_that_cannot_be_stored_does_not_take_the_others_with_it(tmp_path: Path) -> None:
    """They share a transaction, and then they do not."""

    class Picky(SqliteStore):
        def add(self, news: Any) -> list[bool]:
            if any(new.subject == "c5" for new in news):
                raise sqlite3.OperationalError("disk I/O error")
            return super().add(news)

    inbox = Inbox(lambda: Picky(tmp_path / "inbox.db"))
    await inbox.counts()
    results = await asyncio.gather(*(inbox.receive(created(number)) for number in range(9)), return_exceptions=True)
    assert [type(result) for result in results].count(errors.InboxError) == 1
    assert isinstance(results[5], errors.InboxError)
    assert (await inbox.counts()).waiting == 8
    inbox.close()


async def test_a_place_that_cannot_be_used_is_told_at_once_or_is_a_503(tmp_path: Path) -> None:
    """To who starts it a ConfigurationError; to a sender an InboxError, until the place is there."""
    path = tmp_path / "later" / "inbox.db"
    inbox = Inbox(path)
    with pytest.raises(errors.ConfigurationError, match="Cannot write"):
        async with Inbox(path, Seen()).running():
            pass
    with pytest.raises(errors.InboxError, match="Cannot write"):
        await inbox.receive(created(1))
    with pytest.raises(errors.InboxError, match="Cannot write"):
        inbox.keep(created(1))
    path.parent.mkdir()
    assert await inbox.receive(created(1)) is True
    inbox.close()


async def test_too_many_that_wait_for_the_disk_are_told_to_come_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that hangs does not eat the memory: an InboxError, with nothing kept of those."""
    monkeypatch.setattr(settings, "INBOX_MOST_WAITING", 5)
    opening, go = threading.Event(), threading.Event()

    def opened() -> SqliteStore:
        opening.set()
        go.wait()
        return SqliteStore(tmp_path / "inbox.db")

    inbox = Inbox(opened)
    first = asyncio.create_task(inbox.receive(created(0)))
    await asyncio.to_thread(opening.wait)
    waiting = [asyncio.create_task(inbox.receive(created(number))) for number in range(1, 6)]
    await asyncio.sleep(0)
    with pytest.raises(errors.InboxError, match="Too many"):
        await inbox.receive(created(9))
    go.set()
    assert await asyncio.gather(first, *waiting) == [True] * 6
    inbox.close()


def test_threads_keep_events_and_a_thread_handles_them(tmp_path: Path) -> None:
    """`keep` and `with inbox.running()`: the same for a server that knows no loop."""
    handled = threading.Event()
    seen: list[str | None] = []

    def handle(event: Event) -> None:
        seen.append(event.data.subject)
        if len(seen) == 8:
            handled.set()

    inbox = Inbox(tmp_path / "inbox.db", handle)
    with inbox.running():
        threads = [threading.Thread(target=inbox.keep, args=(created(number),)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert inbox.keep(created(0, timestamp="2026-01-01T00:00:00Z")) is True
        assert handled.wait(10)
    assert set(seen) == {f"c{number}" for number in range(8)}
    with pytest.raises(errors.ConfigurationError, match="no router"), Inbox(tmp_path / "inbox.db").running():
        pass
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("onboard360-inbox")]


def open_files(path: Path) -> list[str]:
    """Which of a database's files this process has open."""
    found = [str(each.readlink()) for each in Path("/proc/self/fd").iterdir() if each.exists()]
    return [each for each in found if each.startswith(str(path))]


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="what a process has open is told by /proc alone")
def test_a_forked_child_has_an_inbox_of_its_own(tmp_path: Path) -> None:
    """Used before the fork, as a preloading server may: the child finds no file open, and both keep their events."""
    inbox = Inbox(path := tmp_path / "inbox.db")
    inbox.keep(created(0))
    child = os.fork()
    if child == 0:
        signal.alarm(10)  # a child that hangs ends, and is seen
        code = 1
        try:
            code = 0 if not open_files(path) and inbox.keep(created(1)) and open_files(path) else 2
        finally:
            os._exit(code)
    assert inbox.keep(created(2)) is True
    assert os.waitpid(child, 0)[1] == 0
    assert [inbox.keep(created(number)) for number in range(4)] == [False, False, False, True]
    inbox.close()


async def test_purged_events_are_gone_but_still_known(tmp_path: Path) -> None:
    """By the moment at which they were received; a late delivery of one is a duplicate."""
    inbox = Inbox(tmp_path / "inbox.db", Seen())
    event = created(1)
    await inbox.receive(event)
    await inbox.work()
    assert await inbox.purge(event.received_at) == 0
    assert await inbox.purge(event.received_at + timedelta(seconds=1)) == 1
    assert await inbox.receive(event) is False
    assert await inbox.counts() == Counts(purged=1)
    assert await inbox.replay(event.id) == 0
    with pytest.raises(errors.ConfigurationError, match="time zone"):
        await inbox.purge(datetime(2026, 1, 1))  # noqa: DTZ001 - that is the mistake
    inbox.close()


async def test_events_are_replayed_by_id_or_time(tmp_path: Path) -> None:
    """As if they had just come, in an inbox that runs, too."""
    seen = Seen()
    inbox = Inbox(tmp_path / "inbox.db", seen)
    events = [created(number) for number in range(3)]
    for event in events:
        await inbox.receive(event)
    await inbox.work()
    assert await inbox.replay([events[0].id, events[2].id]) == 2
    assert await inbox.work() == 2
    assert await inbox.replay(since=events[0].received_at) == 3
    assert await inbox.work() == 3
    assert len(seen.ids) == 8
    inbox.close()


@pytest.mark.parametrize(
    "options",
    [{"dedupe": "body"}, {"concurrency": 0}, {"lease_s": 0.0}, {"lease_s": float("nan")}, {"max_attempts": 0}],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, options: dict[str, Any]) -> None:
    """Before any file is made."""
    with pytest.raises(errors.ConfigurationError):
        Inbox(tmp_path / "inbox.db", **options)
    assert list(tmp_path.iterdir()) == []
