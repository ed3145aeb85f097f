"""Where the command keeps the budget, and `onboard360 budget`: what it says, and what it must never say."""

import asyncio
import csv
import io
import json
import os
import re
import shlex
import signal
import stat
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType

import pytest
from attrs import evolve

from onboard360_async import Budget, settings
from onboard360_async.budget import BudgetState
from onboard360_async.budget.registry import name_for
from onboard360_async.budget.slot import Slot
from onboard360_async.cli.flags import Access
from onboard360_async.cli.stores import chosen_store, without_password
from onboard360_async.errors import BudgetStoreError, ConfigurationError
from onboard360_async.sandbox import Sandbox
from tests.cli.conftest import Command, Said

CAMPAIGN = "550e8400-e29b-41d4-a716-446655440000"
ADD = ("clients", "add", "--campaign", CAMPAIGN, "--email", "john@example.com")
NOWHERE = "redis://reader:s3cret@127.0.0.1:9/0"
IDLE = BudgetState(
    limit=100, effective_limit=100, in_flight=0, used=12, available=88, next_free_s=0.0, waiting=0, paused_s=0.0
)
BUSY = BudgetState(
    limit=100,
    effective_limit=88,
    in_flight=3,
    used=88,
    available=0,
    next_free_s=12.34567,
    waiting=0,
    paused_s=7.0,
    held_by=MappingProxyType({"build-server-7.example.com:4711": 2, "laptop:12": 1}),
)
Shown = Callable[[BudgetState], None]


def state_folder() -> Path:
    return Path(os.environ["XDG_STATE_HOME"]) / "onboard360-async"


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Shown:
    """What every look at the budget will see."""
    states = [IDLE]

    async def refresh(_budget: Budget) -> BudgetState:
        return states[-1]

    monkeypatch.setattr(Budget, "refresh", refresh)
    return states.append


# --- where the budget is kept ---


def test_the_flag_goes_before_the_environment_and_that_before_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty variable says nothing; without locks on files there is no budget in one."""
    assert chosen_store(None) == "file"
    monkeypatch.setenv(settings.BUDGET_VARIABLE, "")
    assert chosen_store(None) == "file"
    monkeypatch.setenv(settings.BUDGET_VARIABLE, "memory")
    assert chosen_store(None) == "memory"
    assert chosen_store("file") == "file"
    monkeypatch.delenv(settings.BUDGET_VARIABLE)
    monkeypatch.setattr("onboard360_async.cli.stores.find_spec", lambda _: None)
    assert chosen_store(None) == "memory"


def test_a_command_leaves_a_private_file_that_names_nobody(service: Sandbox, command: Command) -> None:
    """0600 in a folder of 0700 in the user's state directory; neither key nor person in its name or content."""
    assert command(*ADD).code == 0
    (path,) = state_folder().iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(state_folder().stat().st_mode) == 0o700
    assert path.name == f"budget-{name_for(service.api_key, f'{service.url}/api/v1')}.json"
    for secret in (service.api_key, "john", "example.com", "127.0.0.1"):
        assert secret not in path.name + path.read_text()


def test_in_memory_no_file_is_left(service: Sandbox, command: Command) -> None:
    """By flag or by environment."""
    assert command(*ADD, "--budget", "memory").code == 0
    assert not state_folder().exists()


@pytest.mark.parametrize("store", ["", "memroy", "redis://", "redis://:s3cret@host:port/0"])
def test_a_bad_store_is_one_clear_line(
    service: Sandbox, command: Command, monkeypatch: pytest.MonkeyPatch, store: str
) -> None:
    """Exit 2 before anything is sent; it says where it was said, and what can be said."""
    for arguments in (("campaigns", "list"), ("clients", "list"), ADD, ("budget",), ("import", "none.csv")):
        more = ("--campaign", CAMPAIGN) if arguments[0] == "import" else ()
        said = command(*arguments, *more, "--budget", store)
        assert (said.code, said.err.count("\n")) == (2, 1)
        assert said.err.startswith("Error: --budget: The budget's store must be")
        assert "s3cret" not in said.err
    if store:
        monkeypatch.setenv(settings.BUDGET_VARIABLE, store)
        assert command("campaigns", "list").err.startswith("Error: ONBOARD360_BUDGET: The budget's store must be")
    assert service.requests == []


@pytest.mark.parametrize("arguments", [ADD, ("budget",), ("budget", "--watch")], ids=lambda words: words[0])
def test_a_store_that_cannot_be_used_is_one_clear_line(
    service: Sandbox, command: Command, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    """Exit 2, nothing sent, what to do; and the password is not shown."""
    monkeypatch.setattr(settings, "STORE_PATIENCE_S", 0.1)
    said = command(*arguments, "--budget", NOWHERE)
    assert (said.code, said.err.count("\n"), said.out) == (2, 1, "")
    assert said.err.startswith("Error: The budget's store cannot be used (Redis at 127.0.0.1: ")
    assert "--budget memory" in said.err
    assert "s3cret" not in said.err
    assert service.requests == []


def test_a_state_directory_that_cannot_be_made_is_one_clear_line(
    service: Sandbox, command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It names the folder and the way round it."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    said = command(*ADD)
    assert (said.code, said.err.count("\n"), service.requests) == (2, 1, [])
    assert said.err.startswith(f"Error: Cannot keep the budget in {tmp_path / 'file'}")
    assert "--budget memory" in said.err
    assert command(*ADD, "--budget", "memory").code == 0


def test_an_import_whose_store_fails_stops_early_and_goes_on(
    service: Sandbox, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit 8; nothing was sent, so no row is in doubt, and the command that is told finishes the rest."""
    path = tmp_path / "people.csv"
    path.write_text("email\na@x.de\nb@x.de\n")
    assert command("import", path, "--campaign", CAMPAIGN, "--dry-run").code == 0
    for file in state_folder().iterdir():
        file.unlink()
        file.mkdir()  # no file that can be read or written
    monkeypatch.setattr(settings, "STORE_PATIENCE_S", 0.1)
    stopped = command("imports", "resume", path, "--yes", "--budget", "file")
    assert (stopped.code, service.clients()) == (8, [])
    assert "Stopped early: The import cannot go on. The budget's store cannot be used" in stopped.err
    assert "--budget memory" in stopped.err
    told = re.search("^To go on: onboard360 (.*)$", stopped.err, re.MULTILINE)
    assert told is not None
    assert told[1] == f"imports resume {path} --yes --budget file"
    for file in state_folder().iterdir():
        file.rmdir()
    said = command(*shlex.split(told[1]))
    assert (said.code, "2 rows: 2 created." in said.err) == (0, True)


def test_a_row_that_was_refused_and_then_finds_no_store_is_not_in_doubt(
    service: Sandbox, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The request left and was answered 429; the next attempt never left: the row is still to be sent."""
    path = tmp_path / "people.csv"
    path.write_text("email\na@x.de\n")
    service.add_fault("429", method="POST", times=1)
    take = Slot.take

    def taken(slot: Slot) -> bool:
        if any(request.method == "POST" for request in service.requests):
            raise BudgetStoreError("The budget's store cannot be used.")
        return take(slot)

    monkeypatch.setattr(Slot, "take", taken)
    stopped = command("import", path, "--campaign", CAMPAIGN, "--yes")
    assert (stopped.code, "unresolved" in stopped.err) == (8, False)
    monkeypatch.setattr(Slot, "take", take)
    assert command("imports", "resume", path, "--yes", "--budget", "memory").code == 0
    assert len(service.clients()) == 1


@pytest.mark.parametrize(
    ("store", "said"),
    [
        ("file", "file"),
        ("redis://host", "redis://host"),
        ("redis://user@host:1/2", "redis://user@host:1/2"),
        ("redis://:s3cret@host:6379/0?a=b", "redis://:<password>@host:6379/0?a=b"),
        ("rediss://user:s3cret@host", "rediss://user:<password>@host"),
        ("redis://user:s3@cret@host", "redis://user:<password>@host"),
        ("redis://user:12/s3cret@host", "redis://user:<password>@host"),
        ("redis://host/0?db=1&password=s3cret", "redis://host/0?db=1&password=<password>"),
        ("redis://host?p%61ssword=s3cret", "redis://host?password=<password>"),
        ("unix://user:s3cret@/run/redis@1.sock?db=1", "unix://user:<password>@/run/redis@1.sock?db=1"),
        ("unix:///run/redis@1.sock", "unix:///run/redis@1.sock"),
    ],
)
def test_a_password_is_never_said(store: str, said: str) -> None:
    """Wherever in the address it stands; all else stays, so that one sees which store it is."""
    assert without_password(store) == said


def test_the_command_that_goes_on_names_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it was typed; a password is to be filled in, or left to the environment that says the same."""
    assert Access("key.txt", None, "file").flags() == ["--api-key-file", "key.txt", "--budget", "file"]
    assert Access(None, None, None).flags() == []
    assert Access(None, None, NOWHERE).flags() == ["--budget", "redis://reader:<password>@127.0.0.1:9/0"]
    monkeypatch.setenv(settings.BUDGET_VARIABLE, NOWHERE)
    assert Access(None, None, NOWHERE).flags() == []
    assert Access(None, None, "redis://host").flags() == ["--budget", "redis://host"]


# --- onboard360 budget ---


TABLE = """\
budget           now
limit            100 requests a minute
effective limit  88, lowered by 429s or by the server's own headers
used             88
available        0
in flight        3
held by          build-server-7.example.com:4711 2
                 laptop:12 1
next free in     12.3 s
paused for       7.0 s
store            file
"""


def _trimmed(text: str) -> str:
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines())


def test_the_budget_is_shown_as_a_table(service: Sandbox, command: Command, shown: Shown) -> None:
    """For people: within 80 columns, and what is out of the ordinary is said in words."""
    shown(BUSY)
    said = command("budget")
    assert (said.code, said.err, _trimmed(said.out)) == (0, "", TABLE)
    assert max(map(len, said.out.splitlines())) <= 80
    shown(IDLE)
    quiet = _trimmed(command("budget").out)
    for line in (
        "effective limit  100",
        "held by          nobody",
        "next free in     0 s",
        "paused for       not paused",
    ):
        assert f"{line}\n" in quiet


def test_the_budget_is_shown_by_its_fields_names(service: Sandbox, command: Command, shown: Shown) -> None:
    """JSON and JSON lines nest who holds what; CSV says it in one cell."""
    shown(BUSY)
    record = {
        "limit": 100,
        "effective_limit": 88,
        "in_flight": 3,
        "used": 88,
        "available": 0,
        "next_free_s": 12.346,
        "waiting": 0,
        "paused_s": 7.0,
        "held_by": {"build-server-7.example.com:4711": 2, "laptop:12": 1},
        "store": "file",
    }
    assert command("budget", "--format", "json").out == f"[{json.dumps(record)}]\n"
    assert command("budget", "--format", "jsonl").out == f"{json.dumps(record)}\n"
    (row,) = csv.DictReader(io.StringIO(command("budget", "--format", "csv").out))
    flat = {name: str(value) for name, value in record.items()}
    assert row == flat | {"held_by": "build-server-7.example.com:4711 2; laptop:12 1"}


def test_the_budget_goes_to_a_private_file(service: Sandbox, command: Command, shown: Shown, tmp_path: Path) -> None:
    """By --output, as everywhere."""
    shown(BUSY)
    path = tmp_path / "budget.txt"
    assert command("budget", "--output", path) == Said(0, "", "")
    assert _trimmed(path.read_text()) == TABLE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_budget_is_the_one_that_others_share(service: Sandbox, command: Command) -> None:
    """What a command sent is used; what somebody holds is named by host and process; looking takes nothing."""
    assert command(*ADD).code == 0
    holding = Budget(store="file")
    holding.name_books(name_for(service.api_key, f"{service.url}/api/v1"))

    async def held() -> list[dict[str, object]]:
        async with holding.slot():
            said = await asyncio.to_thread(command, "budget", "--format", "json")
        states: list[dict[str, object]] = json.loads(said.out)
        return states

    (state,) = asyncio.run(held())
    assert (state["used"], state["in_flight"]) == (2, 1)
    assert [str(name).rpartition(":")[2] for name in dict(state["held_by"])] == [str(os.getpid())]  # type: ignore[call-overload]  # JSON
    (after,) = json.loads(command("budget", "--format", "json").out)
    assert (after["used"], after["in_flight"], after["held_by"]) == (1, 0, {})  # the slot was given back unused
    assert len(service.requests) == 1
    other = json.loads(command("budget", "--format", "json", "--base-url", "http://127.0.0.1:9").out)
    assert other[0]["used"] == 0


def test_a_budget_in_memory_cannot_be_looked_at(
    service: Sandbox, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It lives in one process only, and the line says so."""
    said = command("budget", "--budget", "memory")
    assert (said.code, said.out, said.err.count("\n")) == (2, "", 1)
    assert "lives in one process only" in said.err
    monkeypatch.setenv(settings.BUDGET_VARIABLE, "memory")
    assert command("budget") == said


def test_a_budget_needs_a_key(command: Command) -> None:
    """Since it is kept by key."""
    said = command("budget")
    assert (said.code, "No API key" in said.err) == (2, True)


def test_a_file_that_cannot_be_read_is_a_full_window(
    service: Sandbox, command: Command, caplog: pytest.LogCaptureFixture
) -> None:
    """One warning, and everybody waits for a minute: what is not known may have been sent."""
    assert command("budget").code == 0
    name = name_for(service.api_key, f"{service.url}/api/v1")
    (state_folder() / f"budget-{name}.json").write_bytes(b'{"bytes": 7}\n\xff\x00 torn')
    (state,) = json.loads(command("budget", "--format", "json").out)
    assert (state["used"], state["available"]) == (100, 0)
    assert 60 < state["next_free_s"] < 62
    warnings = [record for record in caplog.records if record.levelname == "WARNING"]
    assert [record.name for record in warnings] == ["onboard360_async"]


def test_the_help_says_what_it_needs(command: Command) -> None:
    """The stores, the variable, and that it sends nothing."""
    said = " ".join(command("budget", "--help").out.split())
    for what in ("memory|file|redis://...", "ONBOARD360_BUDGET", "--watch", "Sends nothing", "until Ctrl-C"):
        assert what in said
    assert "--budget" in command("imports", "resume", "--help").out


# --- --watch ---


@pytest.fixture
def three_looks(monkeypatch: pytest.MonkeyPatch, shown: Shown) -> None:
    """Three looks, in between which something happens; then Ctrl-C."""
    states = [IDLE, BUSY, evolve(IDLE, next_free_s=0.25)]
    looks = iter(states[1:])
    shown(states[0])

    async def turn() -> None:
        state = next(looks, None)
        if state is not None:
            shown(state)
        else:
            signal.raise_signal(signal.SIGINT)
            await asyncio.Event().wait()

    monkeypatch.setattr("onboard360_async.cli.budget._until_next_look", turn)


@pytest.mark.usefixtures("three_looks")
def test_a_watch_that_is_piped_says_a_line_for_each_look(service: Sandbox, command: Command) -> None:
    """And ends at Ctrl-C with 130, without a word more."""
    assert command("budget", "--watch") == Said(
        130,
        "12 of 100 used, 88 available, 0 in flight\n"
        "88 of 100 used, 0 available, effective limit 88, 3 in flight (build-server-7.example.com:4711 2; laptop:12 1),"
        " next free in 12.3 s, paused for 7.0 s\n"
        "12 of 100 used, 88 available, 0 in flight, next free in 0.2 s\n",
        "",
    )


@pytest.mark.usefixtures("three_looks")
@pytest.mark.parametrize("form", ["json", "jsonl", "csv"])
def test_a_watch_writes_a_record_for_each_look(service: Sandbox, command: Command, form: str) -> None:
    """What was begun is ended at Ctrl-C: the JSON array is whole."""
    said = command("budget", "--watch", "--format", form)
    assert (said.code, said.err) == (130, "")
    if form == "csv":
        used = [row["used"] for row in csv.DictReader(io.StringIO(said.out))]
        assert used == ["12", "88", "12"]
    else:
        records = json.loads(said.out) if form == "json" else [json.loads(line) for line in said.out.splitlines()]
        assert [record["used"] for record in records] == [12, 88, 12]


@pytest.mark.usefixtures("three_looks")
def test_a_watch_fills_a_file(service: Sandbox, command: Command, tmp_path: Path) -> None:
    """It appears at the end, with a row for each look."""
    path = tmp_path / "budget.txt"
    assert command("budget", "--watch", "--output", path).code == 130
    assert len(path.read_text().splitlines()) == 4


def test_a_watch_that_is_cancelled_otherwise_is_no_interruption(
    service: Sandbox, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only a signal ends it with an exit code."""

    async def cancelled() -> None:
        raise asyncio.CancelledError

    monkeypatch.setattr("onboard360_async.cli.budget._until_next_look", cancelled)
    with pytest.raises(asyncio.CancelledError):
        command("budget", "--watch")


def test_a_store_that_needs_a_package_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis without its extra."""
    monkeypatch.setattr("onboard360_async.budget.stores.find_spec", lambda _: None)
    with pytest.raises(ConfigurationError, match=r"^--budget: A budget in Redis needs one more package: pip install"):
        chosen_store("redis://host")
