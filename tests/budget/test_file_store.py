"""The file that processes of one user share: private, locked, told by its own clock, and never half believed."""

import asyncio
import fcntl
import json
import os
import stat
from pathlib import Path

import pytest

from onboard360_async import AsyncOnboard360
from onboard360_async.budget import Budget, file_store
from onboard360_async.budget.file_store import FileStore, state_file
from onboard360_async.budget.shared import HELD_AT_FORKS
from onboard360_async.budget.store import StoreError, version_of
from onboard360_async.budget.stores import check_store
from onboard360_async.errors import BudgetStoreError, ConfigurationError
from tests.budget.virtual import VirtualLoop

SECOND = 10**9


class Clocks:
    """A machine's two clocks, turned by hand."""

    def __init__(self) -> None:
        self.mono, self.wall = 5 * SECOND, 10**18

    def on(self, seconds: float) -> None:
        self.mono += int(seconds * SECOND)
        self.wall += int(seconds * SECOND)


@pytest.fixture
def clocks() -> Clocks:
    """Both go on together, unless a test says otherwise."""
    return Clocks()


@pytest.fixture
def store(tmp_path: Path, clocks: Clocks) -> FileStore:
    """A file that is not there yet."""
    return FileStore(tmp_path / "budget.json", lambda: clocks.mono, lambda: clocks.wall)


@pytest.fixture
def booted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which boot of the machine it is."""
    boots = ["first"]
    monkeypatch.setattr(file_store, "_boot", lambda: boots[-1])
    return boots


async def test_load_and_swap(store: FileStore) -> None:
    """Nothing was there, then what was written; whoever knows an older state must not write."""
    empty = await store.load()
    assert (empty.blob, empty.version) == (None, "")
    assert not store.path.exists()
    assert await store.swap(b"one", empty.version)
    assert not await store.swap(b"other", empty.version)
    one = await store.load()
    assert (one.blob, one.version) == (b"one", version_of(b"one"))
    assert await store.swap(b"a longer one", one.version)
    assert await store.swap(b"short", version_of(b"a longer one"))
    assert (await store.load()).blob == b"short"
    await store.close()


async def test_only_the_owner_can_read_it(store: FileStore) -> None:
    """Mode 0600 from its first byte."""
    await store.swap(b"one", "")
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600


async def test_time_goes_on_while_nobody_looks(store: FileStore, clocks: Clocks) -> None:
    """As the machine's own clock goes, whatever becomes of the wall clock."""
    await store.swap(b"one", "")
    written = (await store.load()).now_ns
    for set_by_s in (0, -3600, 3600):
        clocks.on(10)
        clocks.wall += set_by_s * SECOND
        assert (await store.load()).now_ns - written == 10 * SECOND
        written += 10 * SECOND


async def test_across_a_boot_the_wall_clock_tells(store: FileStore, clocks: Clocks, booted: list[str]) -> None:
    """The machine's own clock began anew; a wall clock that was set back says that no time has passed."""
    await store.swap(b"one", "")
    written = (await store.load()).now_ns
    booted.append("second")
    clocks.mono, clocks.wall = SECOND, clocks.wall + 40 * SECOND
    assert (await store.load()).now_ns - written == 40 * SECOND
    clocks.wall -= 3600 * SECOND
    assert (await store.load()).now_ns == written


async def test_where_the_boot_cannot_be_told_the_wall_clock_tells(
    store: FileStore, clocks: Clocks, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """On a system without boot ids."""
    monkeypatch.setattr(file_store, "_BOOT", tmp_path / "none")
    file_store._boot.cache_clear()
    await store.swap(b"one", "")
    written = (await store.load()).now_ns
    clocks.wall += 3 * SECOND
    assert (await store.load()).now_ns - written == 3 * SECOND
    monkeypatch.undo()
    file_store._boot.cache_clear()


@pytest.mark.parametrize("content", [b"not ours", b"\xff\xfe\0", b"{}\n{}", b"[1]\nx", b'{"bytes": "x", "sha1": ""}\n'])
async def test_what_is_not_ours_is_given_as_it_is(store: FileStore, content: bytes) -> None:
    """For the books to stumble over: they take the window for used up, and write over it."""
    store.path.write_bytes(content)
    loaded = await store.load()
    assert loaded.blob == content
    assert await store.swap(b"ours", loaded.version)
    assert (await store.load()).blob == b"ours"


async def test_what_a_kill_has_torn_is_not_believed(store: FileStore) -> None:
    """The first page of the new text, and the rest of the old one."""
    await store.swap(b"x" * 9000, "")
    raw = store.path.read_bytes()
    await store.swap(b"y" * 9000, version_of(b"x" * 9000))
    torn = store.path.read_bytes()[:4096] + raw[4096:]
    store.path.write_bytes(torn)
    assert (await store.load()).blob == torn


async def test_a_file_without_a_byte_was_never_written(store: FileStore) -> None:
    """A process that was killed between making and writing it granted nothing."""
    store.path.touch()
    loaded = await store.load()
    assert (loaded.blob, loaded.version) == (None, "")
    assert await store.swap(b"one", "")


async def test_a_lock_that_another_holds_is_waited_for_without_blocking(loop: VirtualLoop, store: FileStore) -> None:
    """Whoever holds it may have been stopped: others on this loop go on meanwhile."""
    await store.swap(b"one", "")
    with store.path.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        waiting = asyncio.create_task(store.load())
        await asyncio.sleep(1)
        assert not waiting.done()
        fcntl.flock(other, fcntl.LOCK_UN)
    assert (await waiting).blob == b"one"


async def test_what_cannot_be_opened_is_told(store: FileStore) -> None:
    """By its name and the system's own words."""
    store.path.mkdir()
    with pytest.raises(StoreError, match=r"budget\.json: Is a directory"):
        await store.load()
    with pytest.raises(StoreError, match=r"budget\.json"):
        await store.swap(b"one", "")


async def test_a_folder_that_is_gone_is_told(store: FileStore) -> None:
    """Reading, there is nothing; writing, there is nowhere."""
    store.path = store.path.parent / "gone" / "budget.json"
    assert (await store.load()).blob is None
    with pytest.raises(StoreError, match="No such file or directory"):
        await store.swap(b"one", "")


async def test_a_full_disk_is_told(store: FileStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was half written is not believed afterwards."""
    await store.swap(b"one", "")
    pwrite = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda file, text, at: pwrite(file, text[:150], at))
    with pytest.raises(StoreError, match="No space left"):
        await store.swap(b"x" * 300, version_of(b"one"))
    assert (await store.load()).blob not in (b"one", b"x" * 300, None)


# --- as a budget uses it ---


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's state directory."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path / "onboard360-async"


async def test_budgets_of_one_name_share_the_file(loop: VirtualLoop, home: Path) -> None:
    """Two processes of one key: what the one used is used, at once."""
    one, other = (Budget(3, store="file", scope="acme", clock=loop.clock) for _ in range(2))
    for budget in (one, other, one):
        async with budget.slot() as slot:
            slot.sent()
            slot.answered()
    await asyncio.sleep(0.001)  # the pump tells it
    state = await other.refresh()
    assert (state.used, state.in_flight, state.available) == (3, 0, 0)
    (file,) = home.iterdir()
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert (await Budget(3, store="file", scope="other", clock=loop.clock).refresh()).used == 0


async def test_what_others_could_read_is_made_private(loop: VirtualLoop, home: Path) -> None:
    """A folder or file with a looser mode, from wherever it came."""
    budget = Budget(store="file", scope="acme", clock=loop.clock)
    async with budget.slot() as slot:
        slot.answered()
    (file,) = home.iterdir()
    home.chmod(0o755)
    file.chmod(0o644)
    await Budget(store="file", scope="acme", clock=loop.clock).refresh()
    assert [stat.S_IMODE(path.stat().st_mode) for path in (home, file)] == [0o700, 0o600]


async def test_what_was_answered_is_told_at_once(loop: VirtualLoop, home: Path) -> None:
    """A file costs nothing, so nothing waits to be told: the next run sees it settled."""
    budget = Budget(store="file", scope="acme", clock=loop.clock)
    async with budget.slot() as slot:
        slot.sent()
        slot.answered()
        await asyncio.sleep(0.0001)
        page = json.loads(next(home.iterdir()).read_text().partition("\n")[2])
        assert (page["leases_ns"], len(page["gaps_ns"])) == ({}, 1)


def test_neither_the_name_nor_the_content_shows_the_key(home: Path) -> None:
    """A hash of key and base URL names the file."""

    async def main() -> None:
        key = "sk_test_0123456789abcdef"
        async with AsyncOnboard360(key, base_url="http://127.0.0.1:1/", budget="file") as api:
            await api.budget.refresh()
            async with api.budget.slot() as slot:
                slot.answered()
        (file,) = home.iterdir()
        assert key not in f"{file} {file.read_text()}"

    asyncio.run(main())


async def test_a_directory_that_cannot_be_made_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is sent."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    with pytest.raises(ConfigurationError, match="Cannot keep the budget in"):
        await Budget(store="file", scope="acme").refresh()


async def test_a_file_that_cannot_be_used_sends_nothing(loop: VirtualLoop, home: Path) -> None:
    """The error names the file."""
    state_file("x")
    budget = Budget(store="file", clock=loop.clock)
    budget.name_books("x")
    (home / "budget-x.json").mkdir()
    with pytest.raises(BudgetStoreError, match=r"budget-x\.json: Is a directory"):
        await budget.refresh()


def test_a_system_without_locks_has_no_such_store(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rather than two processes that do not see each other."""
    monkeypatch.setattr(file_store, "fcntl", None)
    with pytest.raises(ConfigurationError, match="file locks"):
        state_file("x")


@pytest.mark.parametrize(
    ("package", "store", "extra"), [("platformdirs", "file", "cli"), ("redis", "redis://x", "redis")]
)
def test_a_package_that_is_missing_is_named(
    package: str, store: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what to install."""
    monkeypatch.setattr("onboard360_async.budget.stores.find_spec", lambda name: None if name == package else name)
    with pytest.raises(ConfigurationError, match=rf"onboard360-async\[{extra}\]"):
        check_store(store)


def test_no_lock_is_held_while_a_fork_is_made(tmp_path: Path) -> None:
    """A child would hold it on: the fork waits for the file, not the file for the child."""
    store = FileStore(tmp_path / "budget.json", lambda: 0)
    seen = []

    def look(_file: int | None) -> None:
        seen.append(HELD_AT_FORKS.locked())

    store._act(look, os.O_RDWR | os.O_CREAT)
    asyncio.run(store._alone(look, os.O_RDWR))
    assert seen == [False, True]


def test_a_file_that_cannot_be_looked_at_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the folder allows."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    state_file("x").touch()

    def refuse(path: Path, _mode: int) -> None:
        if path.is_file():
            raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(file_store, "_make_private", refuse)
    with pytest.raises(ConfigurationError, match=r"Cannot keep the budget in .*: Operation not permitted"):
        state_file("x")
