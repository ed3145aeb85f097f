"""An inbox in a SQLite file: the suite of every store, and what is true of a file alone."""

import os
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from attrs import evolve

from onboard360_async.errors import ConfigurationError, InboxError
from onboard360_async.webhooks import Inbox
from onboard360_async.webhooks.factories import client_created
from onboard360_async.webhooks.sqlite_store import SqliteStore, is_inbox
from onboard360_async.webhooks.store import Counts, NewEvent
from tests.webhooks.store_suite import Opened, StoreSuite, add, end, lease_one, new


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
            add(store, new())
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
        assert add(store, new())
    store.close()


def test_a_full_disk_keeps_nothing_and_says_so(tmp_path: Path) -> None:
    """An InboxError, which is a 503; when there is room again, it goes on."""
    store = SqliteStore(tmp_path / "inbox.db")
    pages = store.db.execute("PRAGMA page_count").fetchone()[0]
    store.db.execute(f"PRAGMA max_page_count = {pages}")

    def fill(number: int) -> None:
        with store.transaction():
            add(store, new(number))

    with pytest.raises(InboxError, match="full") as caught:
        list(map(fill, range(99)))
    assert caught.value.http_status == 503
    store.db.execute("PRAGMA max_page_count = 99999")
    with store.transaction():
        kept = store.counts().waiting
        assert add(store, new(98))
        assert store.counts().waiting == kept + 1
    store.close()


def test_one_that_cannot_be_kept_ends_the_transaction(tmp_path: Path) -> None:
    """Nothing of it is kept, neither what came before nor what stands beside it, and the next one is none the worse."""
    store = SqliteStore(tmp_path / "inbox.db")

    def keep(*news: NewEvent) -> None:
        with store.transaction():
            assert add(store, new(1))
            store.add(news)

    with pytest.raises(InboxError, match="NOT NULL"):
        keep(new(3), evolve(new(2), form=None))  # type: ignore[arg-type]  # a fault of ours, as none of a sender's gets so far
    with store.transaction():
        assert store.counts() == Counts()
        assert store.add([new(1), new(3)]) == [True, True]
    store.close()


def test_whoever_keeps_it_locked_is_waited_for_and_then_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening and writing: an InboxError, not a hang."""
    monkeypatch.setattr("onboard360_async.settings.SHARED_PATIENCE_S", 0.01)
    store = SqliteStore(tmp_path / "inbox.db")
    holder = sqlite3.connect(tmp_path / "inbox.db", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(InboxError, match="locked"), store.transaction():
        add(store, new())
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
            add(store, new(number))
    for number in range(300):
        assert end(store, lease_one(store, lease=str(number)))
    words = (b"Example.com", b"example.com", b"/c/abc123xyz789", b"Acme", b"x: E")
    assert any(word in path.read_bytes() for path in tmp_path.iterdir() for word in words)
    with store.transaction():
        assert store.purge(before=1e12) == 300
    assert [word for path in tmp_path.iterdir() for word in words if word in path.read_bytes()] == []
    store.close()


def test_what_is_purged_while_somebody_reads_is_gone_afterwards(tmp_path: Path) -> None:
    """The log beside the file cannot be emptied then: it is as soon as it can, and nobody waits for that."""
    store = SqliteStore(tmp_path / "inbox.db")
    with store.transaction():
        add(store, new(7))
    assert end(store, lease_one(store))
    reader = sqlite3.connect(tmp_path / "inbox.db", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM events").fetchone()
    with store.transaction():
        assert store.purge(before=1e12) == 1
    reader.close()
    with store.transaction():
        store.counts()
    assert [path for path in tmp_path.iterdir() if b"7@Example.com" in path.read_bytes()] == []
    store.close()


def test_a_log_that_cannot_be_emptied_fails_nothing_that_was_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The purge is done, and what comes next is kept and told so."""
    store = SqliteStore(tmp_path / "inbox.db")

    def refuse(action: int, argument: str | None, *_: object) -> int:
        return sqlite3.SQLITE_DENY if argument == "wal_checkpoint" else sqlite3.SQLITE_OK

    store.db.set_authorizer(refuse)
    with store.transaction():
        store.purge(before=1e12)
    with store.transaction():
        assert add(store, new(1))
    assert "still in its log" in caplog.text
    store.db.set_authorizer(None)
    store.close()


def test_a_file_that_was_deleted_keeps_nothing_more(tmp_path: Path) -> None:
    """Nobody would ever find it: an InboxError, not an acknowledgement."""
    store = SqliteStore(tmp_path / "inbox.db")
    (tmp_path / "inbox.db").rename(tmp_path / "moved.db")
    with pytest.raises(InboxError, match="moved or deleted"), store.transaction():
        add(store, new(1))
    store.close()


def test_a_path_that_means_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be a stray file, or lose what is acknowledged; and a relative path stays the same file."""
    with pytest.raises(ConfigurationError, match="memory"):
        SqliteStore(":memory:")
    with pytest.raises(ConfigurationError, match="memory"):
        Inbox(":memory:")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    inbox = Inbox("inbox.db")
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert inbox.keep(client_created())
    inbox.close()
    assert is_inbox(tmp_path / "inbox.db")


def test_a_pipe_loses_nothing_by_a_look(tmp_path: Path) -> None:
    """It is no inbox, and what is in it is left for who reads it."""
    reading, writing = os.pipe()
    os.write(writing, b'{"event": "client.created"}\n')
    assert not is_inbox(Path(f"/dev/fd/{reading}"))
    assert os.read(reading, 9) == b'{"event":'
    os.close(reading)
    os.close(writing)
    os.mkfifo(tmp_path / "pipe")
    assert not is_inbox(tmp_path / "pipe")


def test_two_that_open_a_new_file_at_once_make_one_inbox(tmp_path: Path) -> None:
    """Four processes, one file: each finds the tables, or makes them, and all keep their event."""
    code = (
        "import sys; from onboard360_async.webhooks.sqlite_store import SqliteStore;"
        "from tests.webhooks.store_suite import add, new; input(); s = SqliteStore(sys.argv[1])\n"
        "with s.transaction(): add(s, new(int(sys.argv[2])))"
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
