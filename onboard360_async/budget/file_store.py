"""The books in a file of this machine: what several runs and processes of one user share.

Read and written whole, under a lock that a killed process gives back. Its clock is the machine's monotonic one as long
as the machine runs, and the wall clock from one boot to the next; it goes on from what stands in the file, and never
back. Knows nothing of what it keeps.
"""

import asyncio
import errno
import json
import os
import random
import stat
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeVar

from onboard360_async import settings
from onboard360_async.budget.shared import HELD_AT_FORKS
from onboard360_async.budget.store import Loaded, StoreError, version_of
from onboard360_async.errors import ConfigurationError

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows, which has no such locks
    fcntl = None  # type: ignore[assignment]  # asked for before it is used

__all__ = ["FileStore", "state_file", "state_folder"]

T = TypeVar("T")
_FOLDER: Final = "onboard360-async"
_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")


def state_file(name: str) -> Path:
    """Where the books of a key stand: in the user's state directory, which only the user can read.

    ConfigurationError if that cannot be told or made.
    """
    if fcntl is None:
        raise ConfigurationError("A budget in a file needs file locks, which this system does not have.")
    folder = state_folder()
    file = folder / f"budget-{name}.json"
    try:
        if file.exists():
            _make_private(file, 0o600)
    except OSError as error:
        raise ConfigurationError(f"Cannot keep the budget in {folder}: {error.strerror}.") from None
    return file


def state_folder() -> Path:
    """The user's state directory of ours, which only the user can read. ConfigurationError if it cannot be made."""
    from platformdirs import user_state_path

    folder = user_state_path(_FOLDER)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _make_private(folder, 0o700)
    except OSError as error:
        raise ConfigurationError(f"Cannot keep the budget in {folder}: {error.strerror}.") from None
    return folder


def _make_private(path: Path, mode: int) -> None:
    """It tells when somebody works, and who: nobody else's business, whatever it was before."""
    if stat.S_IMODE(path.stat().st_mode) & ~mode:
        path.chmod(mode)


class FileStore:
    """Books in one file, mode 0600."""

    posts_at_once = True

    def __init__(self, path: Path, clock: Callable[[], int], wall: Callable[[], int] = time.time_ns) -> None:
        self.path = path
        self._clock = clock
        self._wall = wall

    async def load(self) -> Loaded:
        """What is there now."""
        return await self._alone(self._load, os.O_RDWR)

    async def swap(self, blob: bytes, version: str) -> bool:
        """Write, if what is there is still of this version; whether it was."""
        return await self._alone(lambda file: self._swap(file, blob, version), os.O_RDWR | os.O_CREAT)

    async def close(self) -> None:
        """Nothing stays open."""

    # --- the file, locked ---

    async def _alone(self, act: Callable[[int | None], T], flags: int) -> T:
        """Act on the locked file. It is never waited for by blocking: whoever holds it may have been stopped."""
        while True:
            try:
                with HELD_AT_FORKS:  # a child of a fork would hold the lock on
                    return self._act(act, flags)
            except BlockingIOError:
                await asyncio.sleep(random.uniform(0.5, 1.5) * settings.STORE_LOCK_S)  # noqa: S311 - no secret
            except OSError as error:
                raise StoreError(f"{self.path}: {error.strerror}", is_final=True) from None

    def _act(self, act: Callable[[int | None], T], flags: int) -> T:
        try:
            file = os.open(self.path, flags, 0o600)
        except FileNotFoundError:
            if flags & os.O_CREAT:
                raise
            return act(None)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return act(file)
        finally:
            os.close(file)

    def _load(self, file: int | None) -> Loaded:
        blob, now_ns = self._read(file)
        return Loaded(blob, version_of(blob), now_ns)

    def _swap(self, file: int | None, blob: bytes, version: str) -> bool:
        assert file is not None  # noqa: S101 - it was created
        there, now_ns = self._read(file)
        if version_of(there) != version:
            return False
        whole = self._head(blob, now_ns) + blob
        if os.pwrite(file, whole, 0) != len(whole):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.ftruncate(file, len(whole))
        return True

    # --- what stands in it: one line about the clock and the rest, then the rest ---

    def _head(self, blob: bytes, now_ns: int) -> bytes:
        head = {
            "bytes": len(blob),  # a kill may leave the end of a longer text behind them
            "sha1": version_of(blob),  # a kill may have torn what does not fit in one page
            "now_ns": now_ns,
            "clock_ns": self._clock(),
            "wall_ns": self._wall(),
            "boot": _boot(),
        }
        return json.dumps(head, separators=(",", ":")).encode() + b"\n"

    def _read(self, file: int | None) -> tuple[bytes | None, int]:
        """What is kept, and the moment. What cannot be read is given as it is, for the books to stumble over."""
        raw = b"" if file is None else os.pread(file, settings.STORE_MOST_BYTES, 0)
        if not raw:  # a process that was killed before it wrote granted nothing
            return None, self._wall()
        line, _, rest = raw.partition(b"\n")
        try:
            head = json.loads(line)
            blob = rest[: head["bytes"]]
            if version_of(blob) == head["sha1"]:
                return blob, head["now_ns"] + self._since(head)
        except (ValueError, TypeError, KeyError, RecursionError):
            pass
        return raw, self._wall()

    def _since(self, head: dict[str, Any]) -> int:
        """How long ago it was written. The wall clock alone knows across a boot; set back, it says no time at all."""
        boot = _boot()
        if boot and boot == head["boot"]:
            return max(0, self._clock() - int(head["clock_ns"]))
        return max(0, self._wall() - int(head["wall_ns"]))


@cache
def _boot() -> str:
    """What is the same until the machine starts anew; empty where that cannot be told."""
    try:
        return _BOOT.read_text(encoding="ascii").strip()
    except OSError:
        return ""
