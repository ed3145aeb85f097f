"""Databases: private, held by one process, and never replaced when they are not ours."""

import os
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from onboard360_async.errors import ConfigurationError, ImportLockedError
from onboard360_async.sqlite import application_of, open_database, opened_as, told

OURS = 42
FIRST = "CREATE TABLE one (a)"
SECOND = "CREATE TABLE two (b); INSERT INTO one VALUES (7)"


def opened(path: Path | None, *upgrades: str) -> sqlite3.Connection:
    return open_database(path, application_id=OURS, upgrades=upgrades or (FIRST,))


def test_a_new_database_is_private_and_durable(tmp_path: Path) -> None:
    """Mode 0600 whatever the umask; every commit is on the disk."""
    before = os.umask(0)
    try:
        connection = opened(tmp_path / "a.db")
    finally:
        os.umask(before)
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}
    pragmas = ("journal_mode", "synchronous", "locking_mode")
    assert [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in pragmas] == ["wal", 2, "exclusive"]
    connection.close()


def test_one_holds_it_at_a_time(tmp_path: Path) -> None:
    """From opening to closing."""
    connection = opened(tmp_path / "a.db")
    with pytest.raises(ImportLockedError, match="Another run"):
        opened(tmp_path / "a.db")
    connection.close()
    opened(tmp_path / "a.db").close()


def test_a_second_try_here_frees_nothing_for_others(tmp_path: Path) -> None:
    """On POSIX whoever closes a file drops its process's locks: whoever is refused here must not have opened it."""
    connection = opened(path := tmp_path / "a.db")
    with pytest.raises(ImportLockedError):
        opened(path)
    assert opened_as(path) == OURS
    code = f"import sqlite3; sqlite3.connect({str(path)!r}, timeout=0).execute('SELECT count(*) FROM one')"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "database is locked" in other.stderr
    connection.close()
    assert opened_as(path) is None


def test_a_look_at_a_file_tells_whose_database_it_is(tmp_path: Path) -> None:
    """Ours, in use or not, somebody's, or none at all; a pipe is left as it is, and its locks to whoever uses it."""
    connection = opened(path := tmp_path / "a.db")
    assert application_of(path) == OURS
    connection.close()
    assert application_of(path) == OURS
    with sqlite3.connect(tmp_path / "other.db") as other:
        other.execute("CREATE TABLE theirs (a)")
    other.close()
    (tmp_path / "text").write_text("SQLite, but no format 3")
    os.mkfifo(tmp_path / "pipe")
    assert [application_of(tmp_path / name) for name in ("other.db", "text", "pipe", ".")] == [0, None, None, None]
    with pytest.raises(FileNotFoundError):
        application_of(tmp_path / "none")


def test_old_tables_are_led_to_todays(tmp_path: Path) -> None:
    """Each upgrade runs once, and what was written stays."""
    first = opened(tmp_path / "a.db")
    first.execute("INSERT INTO one VALUES (5)")
    first.close()
    for _ in range(2):
        second = opened(tmp_path / "a.db", FIRST, SECOND)
        assert [row["a"] for row in second.execute("SELECT a FROM one")] == [5, 7]
        second.close()
    with pytest.raises(ConfigurationError, match="newer version"):
        opened(tmp_path / "a.db")


def test_what_is_not_ours_is_named_and_left(tmp_path: Path) -> None:
    """Another program's database, a file that is none, a folder: a clear error, and not a byte changed."""
    other = tmp_path / "other.db"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE theirs (a)")
    connection.close()
    text = tmp_path / "text.db"
    text.write_text("this is no database at all, and somebody wants to keep it")
    for path, message in ((other, "another program"), (text, "left as it is"), (tmp_path, "Cannot write")):
        before = path.read_bytes() if path.is_file() else b""
        with pytest.raises(ConfigurationError, match=message):
            opened(path)
        assert not path.is_file() or path.read_bytes() == before
    with pytest.raises(ConfigurationError, match="Cannot write"):
        opened(tmp_path / "none" / "a.db")


def test_in_memory_there_is_no_file() -> None:
    """For rows whose journal nobody asked for."""
    connection = opened(None)
    connection.execute("INSERT INTO one VALUES (1)")
    connection.close()


def test_what_is_up_to_date_is_not_written(tmp_path: Path) -> None:
    """Whoever looks into a damaged file finds it as it was: opening it changes not a byte."""
    path = tmp_path / "a.db"
    opened(path).close()
    before = path.read_bytes()
    opened(path).close()
    assert path.read_bytes() == before


def test_a_held_database_is_told_as_locked(tmp_path: Path) -> None:
    """Also in the middle of the work, with the file's name."""
    path = tmp_path / "a.db"
    holder = opened(path)
    other = sqlite3.connect(path, timeout=0.0)
    with pytest.raises(ImportLockedError, match="Another run") as caught, told(path):
        other.execute("INSERT INTO one VALUES (1)")
    assert caught.value.journal == str(path)
    other.close()
    holder.close()


def test_a_full_disk_is_told_with_the_name(tmp_path: Path) -> None:
    """In the middle of the work: what it is, and which file."""
    path = tmp_path / "a.db"
    connection = opened(path)
    connection.execute("PRAGMA max_page_count = 3")
    with pytest.raises(ConfigurationError, match=r"Cannot use .*a\.db: .*full"), told(path):
        connection.execute("INSERT INTO one VALUES (zeroblob(100000))")
    connection.close()


def test_text_that_is_none_is_told_and_not_quoted(tmp_path: Path) -> None:
    """A byte that fell over on the disk: Python's own error has no code, and quotes what stands there."""
    connection = opened(tmp_path / "a.db")
    connection.execute("INSERT INTO one VALUES (CAST(x'5A6FFF' AS TEXT))")
    with pytest.raises(ConfigurationError, match="cannot be read") as caught, told(tmp_path / "a.db"):
        connection.execute("SELECT a FROM one").fetchone()
    assert "Zo" not in str(caught.value).replace(str(tmp_path), "")
    connection.close()


def test_faults_of_ours_are_not_told_as_the_users(tmp_path: Path) -> None:
    """A broken rule of our tables is no damaged file."""
    connection = opened(tmp_path / "a.db", "CREATE TABLE one (a UNIQUE)")
    connection.execute("INSERT INTO one VALUES (1)")
    with pytest.raises(sqlite3.IntegrityError), told(tmp_path / "a.db"):
        connection.execute("INSERT INTO one VALUES (1)")
    connection.close()


def test_what_is_not_ours_is_let_go(tmp_path: Path) -> None:
    """Its own program can write to it again at once, though somebody may still hold our error."""
    path = tmp_path / "other.db"
    theirs = sqlite3.connect(path, timeout=0.0, isolation_level=None)
    theirs.execute("CREATE TABLE theirs (a)")
    with pytest.raises(ConfigurationError, match="another program") as caught:
        opened(path)
    theirs.execute("INSERT INTO theirs VALUES (1)")
    assert caught.tb is not None
    theirs.close()


def test_a_file_of_somebody_else_is_told_before_it_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that this user may not read or write, whoever runs the tests: one line, and the file is as it was."""
    opened(path := tmp_path / "a.db").close()
    before = path.read_bytes()
    monkeypatch.setattr("onboard360_async.sqlite.os.access", lambda *_: False)
    with pytest.raises(ConfigurationError, match=r"Cannot write .*a\.db: Permission denied\."):
        opened(path)
    assert path.read_bytes() == before
