"""A file that is there whole or not at all, and that only its owner can read. Knows not what is written into it."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from onboard360_async.errors import ConfigurationError

__all__ = ["check_writable", "part_of", "whole_file"]


def part_of(path: Path) -> Path:
    """Where a file stands while it is being written."""
    return path.parent / f".{path.name}.part"


def check_writable(path: Path) -> None:
    """ConfigurationError if no file can be written at `path`; what stands there is left."""
    part = part_of(path)
    try:
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT, 0o600))
        part.unlink()
    except OSError as error:
        raise ConfigurationError(f"Cannot write {path}: {error.strerror or error}. Nothing was sent.") from None


@contextmanager
def whole_file(path: Path) -> Iterator[TextIO]:
    """Write under a temporary name beside `path`; what stood at `path` gives way when all of it is on the disk.

    Raises ConfigurationError if that cannot be; then `path` is as it was, and nothing is left beside it.
    """
    part = part_of(path)
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        part.unlink(missing_ok=True)  # of a run that was killed
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogatepass", newline="") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        part.replace(path)
        _flush_folder(path.parent)
    except OSError as error:
        reason = f"Cannot write {path}: {error.strerror or error}."
        raise ConfigurationError(f"{reason} Nothing is lost: every row stands in the journal.") from None
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)  # whatever went wrong: half a list of people is nobody's to find


def _flush_folder(folder: Path) -> None:
    """The name, too, must be on the disk."""
    if not hasattr(os, "O_DIRECTORY"):  # pragma: no cover - Windows, which opens no folders
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
