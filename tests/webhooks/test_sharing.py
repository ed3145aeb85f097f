"""One inbox, several processes: whoever looks, comes or goes, nothing of what was acknowledged is lost or doubled."""

import subprocess
import sys
from pathlib import Path

import pytest

from onboard360_async.webhooks import Inbox
from onboard360_async.webhooks.sqlite_store import SqliteStore, is_inbox
from tests.webhooks.hands import created
from tests.webhooks.service import handled

ROOT = Path(__file__).parents[2]
COUNT = """
import sys
from onboard360_async.webhooks.sqlite_store import SqliteStore
store = SqliteStore(sys.argv[1])
with store.transaction():
    print(store.counts().waiting)
store.close()
"""


def counted(path: Path) -> int:
    """What another process finds there; it opens the inbox, and closes it."""
    done = subprocess.run(
        [sys.executable, "-c", COUNT, str(path)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return int(done.stdout)


def log_of(path: Path) -> Path:
    """Where SQLite writes first."""
    return path.with_name(f"{path.name}-wal")


@pytest.mark.parametrize("look", ["none", "is_inbox", "another connection", "a second inbox"])
def test_a_look_from_outside_takes_nothing_away(tmp_path: Path, look: str) -> None:
    """Another process that closes the inbox must not take itself for the last one, whatever was done here before:
    it would delete the log that this process goes on to acknowledge into.
    """
    inbox = Inbox(path := tmp_path / "inbox.db")
    assert inbox.keep(created(0))
    if look == "is_inbox":
        assert is_inbox(path)
    elif look == "another connection":
        SqliteStore(path).close()
    elif look == "a second inbox":
        second = Inbox(path)
        assert second.keep(created(1))
        second.close()
    before = counted(path)
    assert log_of(path).exists()
    for number in range(10, 20):
        assert inbox.keep(created(number))
    assert counted(path) == before + 10
    assert log_of(path).exists()
    inbox.close()
    assert counted(path) == before + 10


def test_two_processes_handle_what_is_there_once(tmp_path: Path) -> None:
    """Both at work on one inbox: each of 300 events is leased to one of them."""
    inbox = Inbox(path := tmp_path / "inbox.db")
    for number in range(300):
        assert inbox.keep(created(number))
    command = [sys.executable, "-m", "tests.webhooks.service", str(path), str(tmp_path / "log"), "drain"]
    processes = [subprocess.Popen(command, cwd=ROOT) for _ in range(2)]
    assert [process.wait(15) for process in processes] == [0, 0]
    assert sorted(handled(tmp_path / "log")) == sorted(f"c{number}" for number in range(300))
    assert counted(path) == 0
    inbox.close()
