"""An inbox in a SQLite file: the suite of every store, and what is true of a file alone."""

import os
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from onboard360_async.errors import ConfigurationError, InboxError
from onboard360_async.webhooks.sqlite_store import SqliteStore, is_inbox
from tests.webhooks.store_suite import Opened, StoreSuite, end, lease_one, new


class TestSqliteStore(StoreSuite):
    """The suite, over a file."""

    @pytest.fixture
    def opened(self, tmp_path: Path) -> Opened:
        """The same file every time."""
        return lambda: SqliteStore(tmp_path / "inbox.db")


def test_only_its_owner_can_read_it(tmp_path: Path) -> None:
    """Mode 0600, its companions too: it holds people and links; and a commit is on the disk."""
    before = os.umask(0)
    try:
        store = SqliteStore(tmp_path / "inbox.db")
        with store.transaction():
            store.add(new())
        modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    finally:
        os.umask(before)
    assert modes == {0o600}
    pragmas = ("journal_mode", "synchronous", "locking_mode")
    assert [store.db.execute(f"PRAGMA {name}").fetchone()[0] for name in pragmas] == ["wal", 2, "normal"]
    store.close()


def test_in_memory_there_is_no_file() -> None:
    """For whoever needs none."""
    store = SqliteStore(None)
    with store.transaction():
        assert store.add(new())
    store.close()


def test_a_full_disk_keeps_nothing_and_says_so(tmp_path: Path) -> None:
    """An InboxError, which is a 503; when there is room again, it goes on."""
    store = SqliteStore(tmp_path / "inbox.db")
    pages = store.db.execute("PRAGMA page_count").fetchone()[0]
    store.db.execute(f"PRAGMA max_page_count = {pages}")

    def add(number: int) -> None:
        with store.transaction():
            store.add(new(number))

    with pytest.raises(InboxError, match="full") as caught:
        list(map(add, range(99)))
    assert caught.value.http_status == 503
    store.db.execute("PRAGMA max_page_count = 99999")
    with store.transaction():
        kept = store.counts().waiting
        assert store.add(new(98))
        assert store.counts().waiting == kept + 1
    store.close()


def test_whoever_keeps_it_locked_is_waited_for_and_then_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening and writing: an InboxError, not a hang."""
    monkeypatch.setattr("onboard360_async.settings.SHARED_PATIENCE_S", 0.01)
    store = SqliteStore(tmp_path / "inbox.db")
    holder = sqlite3.connect(tmp_path / "inbox.db", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(InboxError, match="locked"), store.transaction():
        store.add(new())
    holder.execute("ROLLBACK")
    holder.execute("PRAGMA locking_mode = EXCLUSIVE")
    store.close()
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(InboxError, match="another process"):
        SqliteStore(tmp_path / "inbox.db")
    holder.close()


def test_what_is_purged_is_gone_from_the_disk(tmp_path: Path) -> None:
    """Not one byte of a name, email or link is left in any of its files."""
    store = SqliteStore(tmp_path / "inbox.db")
    with store.transaction():
        for number in range(300):
            store.add(new(number))
    for number in range(300):
        assert end(store, lease_one(store, lease=str(number)))
    words = (b"Example.com", b"example.com", b"/c/abc123xyz789", b"Acme")
    assert any(word in path.read_bytes() for path in tmp_path.iterdir() for word in words)
    with store.transaction():
        assert store.purge(before=1e12) == 300
    assert [word for path in tmp_path.iterdir() for word in words if word in path.read_bytes()] == []
    store.close()


def test_two_that_open_a_new_file_at_once_make_one_inbox(tmp_path: Path) -> None:
    """Four processes, one file: each finds the tables, or makes them, and all keep their event."""
    code = (
        "import sys; from onboard360_async.webhooks.sqlite_store import SqliteStore;"
        "from tests.webhooks.store_suite import new; input(); s = SqliteStore(sys.argv[1])\n"
        "with s.transaction(): s.add(new(int(sys.argv[2])))"
    )
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", code, str(tmp_path / "inbox.db")]
    processes = [
        subprocess.Popen([*command, str(number)], cwd=root, stdin=subprocess.PIPE, text=True) for number in range(4)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    assert [process.wait() for process in processes if process.stdin and not process.stdin.close()] == [0] * 4
    store = SqliteStore(tmp_path / "inbox.db")
    with store.transaction():
        assert store.counts().waiting == 4
    store.close()


def test_an_inbox_is_told_from_other_files(tmp_path: Path) -> None:
    """By its first bytes; another's database, a text, a folder and nothing at all are none, and are left alone."""
    SqliteStore(tmp_path / "inbox.db").close()
    with sqlite3.connect(tmp_path / "other.db") as other:
        other.execute("CREATE TABLE theirs (a)")
    other.close()
    (tmp_path / "events.jsonl").write_text('{"event": "client.created"}\n')
    names = ("inbox.db", "other.db", "events.jsonl", "none", ".")
    assert [name for name in names if is_inbox(tmp_path / name)] == ["inbox.db"]
    with pytest.raises(ConfigurationError, match="another program"):
        SqliteStore(tmp_path / "other.db")


def test_thousands_of_waiting_events_are_leased_without_a_scan(tmp_path: Path) -> None:
    """SQLite's own plan for the lease walks an index in the order of the due time, and sorts nothing."""
    store = SqliteStore(tmp_path / "inbox.db")
    plans: list[str] = []
    store.db.set_trace_callback(plans.append)
    with store.transaction():
        store.lease(now=1.0, until=2.0, lease="a", most=1)
    store.db.set_trace_callback(None)
    (query,) = (plan for plan in plans if plan.startswith("SELECT seq"))
    told = " ".join(record["detail"] for record in store.db.execute(f"EXPLAIN QUERY PLAN {query}"))
    assert "events_due" in told
    assert "events_waiting" in told
    assert "B-TREE" not in told
    store.close()
