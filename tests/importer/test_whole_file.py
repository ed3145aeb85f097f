"""A file that is there whole or not at all."""

import errno
import os
from pathlib import Path
from typing import TextIO

import pytest

from onboard360_async.errors import ConfigurationError
from onboard360_async.importer.whole_file import whole_file


def test_it_is_whole_and_private(tmp_path: Path) -> None:
    """What was written stands there as it was, for its owner alone, and nothing beside it."""
    path = tmp_path / "people.txt"
    path.write_text("old")
    path.chmod(0o644)
    with whole_file(path) as out:
        out.write("Zoë\r\n\ud800")
        assert path.read_text() == "old"
    assert path.read_bytes() == "Zoë\r\n\ud800".encode(errors="surrogatepass")
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def fail_midway(out: TextIO) -> None:
    out.write("half")
    raise KeyError


def test_what_fails_changes_nothing(tmp_path: Path) -> None:
    """Whoever writes may fail in any way: the old file stays, and no part of the new one is left."""
    path = tmp_path / "people.txt"
    path.write_text("old")
    with pytest.raises(KeyError), whole_file(path) as out:
        fail_midway(out)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_killed_run_leaves_nothing_in_the_way(tmp_path: Path) -> None:
    """A part of a file that a killed run left is written anew, by its owner alone."""
    (tmp_path / ".people.txt.part").write_text("half")
    with whole_file(tmp_path / "people.txt") as out:
        out.write("all")
    assert (tmp_path / "people.txt").read_text() == "all"
    assert not (tmp_path / ".people.txt.part").exists()


def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In words, with where the rows are."""

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    told = r"Cannot write .*people.txt: No space left on device\. Nothing is lost: every row stands in the journal\."
    with pytest.raises(ConfigurationError, match=told), whole_file(tmp_path / "people.txt") as out:
        out.write("all")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    """Before anything is written."""
    with (
        pytest.raises(ConfigurationError, match="No such file or directory"),
        whole_file(tmp_path / "none" / "people.txt"),
    ):
        pytest.fail("nothing to write to")
