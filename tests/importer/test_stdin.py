"""What is piped in: kept in a private file, and nowhere once it failed."""

import io
import os
from pathlib import Path

import pytest

from onboard360_async import errors
from onboard360_async.importer.stdin import spool_stdin
from tests.importer.lists import read


def test_what_is_piped_in_can_be_read_twice(tmp_path: Path) -> None:
    """It stands beside the journal, byte for byte, for its owner alone; its form is seen from its first bytes."""
    text = b'{"email": "a@x.de"}\n' * 10_000
    path = spool_stdin(io.BytesIO(text), tmp_path / "people.db")
    assert (path.parent, path.read_bytes(), path.stat().st_mode & 0o777) == (tmp_path, text, 0o600)
    assert len(read(path)) == len(read(path)) == 10_000


def test_a_pipe_is_read_to_its_end(tmp_path: Path) -> None:
    """Not only what is there at once."""
    inside, outside = os.pipe()
    with os.fdopen(inside, "rb") as stream:
        os.write(outside, b"email\n")
        os.write(outside, b"a@x.de\n")
        os.close(outside)
        assert spool_stdin(stream, tmp_path / "people.db").read_bytes() == b"email\na@x.de\n"


def test_nothing_piped_in_is_told_as_an_empty_file_is(tmp_path: Path) -> None:
    """And leaves none behind."""
    with pytest.raises(errors.ValidationError, match="is empty: there is no header and no row"):
        spool_stdin(io.BytesIO(), tmp_path / "people.db")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), KeyboardInterrupt()])
def test_a_pipe_that_breaks_leaves_nothing(tmp_path: Path, error: BaseException) -> None:
    """Half a list of people is nobody's to find, nor to import."""

    class Broken(io.BytesIO):
        def read(self, _size: int | None = -1) -> bytes:
            raise error

    wanted = errors.ConfigurationError if isinstance(error, OSError) else KeyboardInterrupt
    with pytest.raises(wanted):
        spool_stdin(Broken(), tmp_path / "people.db")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_to_is_told(tmp_path: Path) -> None:
    """Such as one that is not there."""
    with pytest.raises(errors.ConfigurationError, match="Cannot write to"):
        spool_stdin(io.BytesIO(b"email\n"), tmp_path / "none" / "people.db")
