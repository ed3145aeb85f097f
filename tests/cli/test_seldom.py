"""What seldom happens at a prompt: a second Ctrl-C, a package that is missing, a stream that is none, a bug of ours."""

import asyncio
import contextlib
import io
import json
import logging
import os
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest
from rich.console import Console
from rich.live import Live

from onboard360_async import AsyncOnboard360, Budget, errors
from onboard360_async.budget import BudgetState
from onboard360_async.cli import budget as budget_command
from onboard360_async.cli import main, shelf, signals
from onboard360_async.cli.app import onboard360, run
from onboard360_async.cli.arrivals import Arrivals, _Drawn
from onboard360_async.cli.demo import _list_in, _show_webhooks, _Watch
from onboard360_async.cli.exits import Exit, exit_code
from onboard360_async.cli.import_flags import Wishes
from onboard360_async.cli.interruption import Interruption
from onboard360_async.cli.listening import _logged, _ToldStore
from onboard360_async.cli.running import run_import
from onboard360_async.sandbox import Sandbox
from onboard360_async.transport.options import Event
from onboard360_async.webhooks.factories import client_created
from tests.cli.conftest import Command
from tests.cli.hooks import inbox_of, kept_in
from tests.cli.terminal import on_terminal
from tests.cli.test_import import CAMPAIGN, SEND, START, people, rows

# --- interrupted ---


@pytest.mark.usefixtures("children_are_measured")
def test_a_second_interruption_cancels_what_is_under_way(service: Sandbox, tmp_path: Path) -> None:
    """The first waits for the answer that is due; the second does not, and its row is in doubt, not lost."""
    service.add_fault("delay", method="POST", delay_s=60.0)
    path = people(tmp_path, "a@x.de")
    with subprocess.Popen([*START, "import", str(path), *SEND], stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        while not any(request.method == "POST" for request in service.requests):
            assert running.poll() is None
        running.send_signal(signal.SIGINT)
        for line in running.stderr:
            if line == "Finishing what is under way; once more cancels it.\n":
                break
        running.send_signal(signal.SIGTERM)
        said = running.stderr.read()
    assert running.returncode == 130  # the first says how it ends
    assert "1 row: 1 in doubt." in said
    assert "To go on: onboard360 imports resume" in said
    assert [row["status"] for row in rows(tmp_path)] == ["ambiguous"]


async def test_a_third_interruption_is_one_too_many(capsys: pytest.CaptureFixture[str]) -> None:
    """What is under way is cancelled once, and the books are closed in peace, however often Ctrl-C comes by then."""
    seen: list[object] = []

    class Job:
        def stop(self) -> None:
            seen.append("stop")

    async def interrupted() -> None:
        interruption = Interruption(Job())  # type: ignore[arg-type]  # all that it needs of an import
        task = asyncio.current_task()
        assert task is not None
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGINT):
            interruption._heard(number)
            seen.append(task.cancelling())
        seen.append(interruption.number)
        await asyncio.sleep(0)

    with pytest.raises(asyncio.CancelledError):
        await asyncio.create_task(interrupted())
    assert seen == ["stop", 0, 1, 1, signal.SIGINT]
    assert capsys.readouterr().err.count("Finishing what is under way") == 1


async def test_an_import_that_others_cancel_is_not_taken_for_interrupted(tmp_path: Path, budget: Budget) -> None:
    """Code that runs a command on a loop of its own, and cancels it: the cancellation is its own, and leaves."""
    async with (
        Sandbox(limiter="off") as sandbox,
        AsyncOnboard360(sandbox.api_key, base_url=sandbox.url, budget=budget) as api,
    ):
        sandbox.add_fault("delay", method="POST", delay_s=60.0)
        path = people(tmp_path, "a@x.de")
        job = api.open_import(path, campaign=CAMPAIGN)
        running = asyncio.create_task(run_import(api, job, Wishes(file=str(path), yes=True)))
        while not any(request.method == "POST" for request in sandbox.requests):
            assert not running.done()
            await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running


async def test_a_second_signal_ends_a_watch_no_sooner(capsys: pytest.CaptureFixture[str]) -> None:
    """One cancellation is enough, and the first signal says how it ends: 143, and what was begun is whole."""
    state = Budget().snapshot()

    async def look() -> BudgetState:
        for number in (signal.SIGTERM, signal.SIGINT):
            os.kill(os.getpid(), number)
        return state

    assert await budget_command._watch(look, "memory", "json", None) == 143
    assert [each["used"] for each in json.loads(capsys.readouterr().out)] == [0]


# --- what is not there ---


def test_without_its_packages_the_command_says_which_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line and exit 2 where the extra is missing; whatever else is missing is a bug, and its traceback is shown."""
    monkeypatch.delitem(sys.modules, "onboard360_async.cli.app")
    monkeypatch.delattr("onboard360_async.cli.app")
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "click", None)
        with pytest.raises(SystemExit) as ended:
            main()
    assert ended.value.code == 2
    assert capsys.readouterr().err == ("The command needs some more packages: pip install 'onboard360-async[cli]'\n")
    monkeypatch.setitem(sys.modules, "onboard360_async.cli.screen", None)
    with pytest.raises(ModuleNotFoundError, match=r"cli\.screen"):
        main()


def test_a_bug_shows_where_it_is(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is no mistake of the user's, of the disk or of the service is not made into one line."""

    def invoke(_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(onboard360, "invoke", invoke)
    with pytest.raises(ZeroDivisionError):
        command("budget")


@pytest.mark.parametrize(
    ("error", "told"),
    [(sqlite3.OperationalError("disk I/O error"), "disk I/O error"), (OSError("half"), "half")],
    ids=repr,
)
def test_what_the_system_says_in_words_of_its_own_is_told_so(
    error: Exception, told: str, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error without a number is no bug, and no traceback."""

    async def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setenv("ONBOARD360_API_KEY", "sk_test_1")
    monkeypatch.setattr(AsyncOnboard360, "list_campaigns", fail)
    said = command("campaigns", "list")
    assert (said.code, said.out, said.err) == (1, "", f"Error: {told}\n")


def test_a_link_that_nobody_was_given_is_not_told(
    service: Sandbox, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What breaks before the client is there says nothing of one."""

    async def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(AsyncOnboard360, "add_client", fail)
    said = command("clients", "add", "--campaign", CAMPAIGN, "--email", "ada@example.com")
    assert (said.code, said.out, said.err) == (1, "", "Error: No space left on device.\n")


def test_results_go_to_a_stdout_that_is_no_file(
    service: Sandbox, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever calls the command from a program may have put something else in its place."""
    path = people(tmp_path, "a@x.de")
    assert command("import", path, *SEND).code == 0
    monkeypatch.setattr(sys, "stdout", out := io.StringIO())
    assert run(["imports", "results", str(path), "--output", "-"]) == 0
    assert "a@x.de" in out.getvalue()


def test_a_guide_that_is_longer_than_the_screen_is_paged(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is both a guide and a command says where the flags are."""
    paged: list[str] = []
    monkeypatch.setattr("click.echo_via_pager", paged.append)
    assert on_terminal(["help", "budget"], 80).out == ""
    assert "onboard360 budget --help" in paged[0]


@pytest.mark.parametrize("stderr", [None, io.StringIO()])
def test_an_end_at_once_is_one_line_where_there_is_one(
    stderr: io.StringIO | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And 130, whatever the interpreter is in the middle of."""
    codes: list[int] = []
    monkeypatch.setattr(os, "_exit", codes.append)
    monkeypatch.setattr(sys, "stderr", stderr)
    signals._end()
    assert codes == [130]
    assert stderr is None or stderr.getvalue() == "Interrupted.\n"


def test_a_stdout_that_is_no_file_is_written_to(
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As a notebook has it: nothing can be set there, and nothing need be."""
    said = io.StringIO()
    monkeypatch.setattr(sys, "stdout", said)
    assert command("--version").code == 0
    assert said.getvalue().startswith("onboard360, version ")
    (tmp_path / "inbox.db").write_text("")
    assert command("demo", "--folder", tmp_path).code == 2


# --- imports ---


def test_a_key_that_is_taken_away_meanwhile_is_exit_4() -> None:
    """The import stopped early, but what to mend is the key."""
    stopped = errors.ImportFailedError("stopped")
    assert exit_code(stopped) is Exit.STOPPED
    stopped.__cause__ = errors.AuthenticationError(401, "Unauthorized", None, "POST", "/clients", None, "")
    assert exit_code(stopped) is Exit.NOT_AUTHENTICATED


def test_a_list_that_is_typed_is_asked_for(
    service: Sandbox, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing seems to happen where stdin is a terminal, so it is told what is waited for, and how to end it."""
    typed = io.TextIOWrapper(io.BytesIO(b"Email\na@x.de\n"))
    monkeypatch.setattr(typed, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdin", typed)
    monkeypatch.chdir(tmp_path)
    said = command("import", "-", *SEND)
    assert said.err.startswith("Reading the list from this terminal; end it with Ctrl-D, twice if need be.\n")
    assert (said.code, len(service.clients())) == (0, 1)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--api-key-file", "-"), "The list and the key cannot both come from stdin"),
        (("--journal", "books.db"), r"name that \*\.onboard360\.db"),
    ],
)
def test_a_list_from_stdin_that_cannot_be_kept_apart_is_not_read(
    command: Command, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], told: str
) -> None:
    """Exit 2 before a byte of it is taken, so that it can be piped in again."""
    monkeypatch.setattr(sys, "stdin", piped := io.TextIOWrapper(io.BytesIO(b"Email\na@x.de\n")))
    said = command("import", "-", *SEND, *arguments)
    assert (said.code, piped.buffer.tell()) == (2, 0)
    assert re.search(told, said.err)


async def _begin(sandbox: Sandbox, journal: Path) -> None:
    async with AsyncOnboard360(sandbox.api_key, base_url=sandbox.url) as api:
        people = [{"email": "a@x.de"}, {"email": "b@x.de"}]
        async with api.open_import(people, campaign=CAMPAIGN, journal=journal, limit=1) as job:
            _ = [outcome async for outcome in job.run()]


def test_an_import_that_code_began_is_gone_on_with(service: Sandbox, command: Command, tmp_path: Path) -> None:
    """Its rows came from no file, so there are no results beside one, and none are named."""
    journal = tmp_path / "rows.onboard360.db"
    asyncio.run(_begin(service, journal))
    said = command("imports", "resume", journal, "--yes")
    assert (said.code, len(service.clients())) == (0, 2)
    assert f"Journal: {journal}" in said.err
    assert "Results:" not in said.err


# --- where things are remembered ---


def test_an_import_without_a_journal_is_not_remembered() -> None:
    """There is nothing to be found again, and no file is made for it."""
    shelf.remember(None)
    assert list(Path(os.environ["XDG_STATE_HOME"]).iterdir()) == []


def test_a_folder_that_goes_while_it_is_looked_at_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was there for the journals, and is not for the inboxes: told as any that cannot be read."""
    monkeypatch.setattr(shelf, "journals_in", lambda folder: folder.rmdir() or [])
    with pytest.raises(errors.ConfigurationError, match=r"Cannot read the folder .*: No such file"):
        shelf.inboxes([tmp_path])


# --- the demo, the sandbox ---


def test_a_demo_that_is_given_no_folder_makes_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A new one each time, in the machine's place for such things, with the list in it."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    first, second = _list_in(None), _list_in(None)
    assert first.parent != second.parent
    assert {first.parent.parent, second.parent.parent} == {tmp_path}
    assert first.read_text() == second.read_text() != ""


def test_a_demo_that_went_wrong_says_so(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Its own 429s are counted, and where no webhook came none is shown."""
    watch = _Watch()
    for status in (200, 429, 429):
        watch(Event("answered", "GET", "/campaigns", 1, status=status))
    assert (watch.refused, watch.granted) == (2, 0)
    _show_webhooks(3, [], tmp_path / "inbox.db")
    assert capsys.readouterr().out.endswith("and handled. The first one:\n")


def test_the_sandbox_is_a_command_too(command: Command) -> None:
    """With the flags of its own, and its own exit code for what it cannot use."""
    said = command("sandbox", "--limiter", "none-such")
    assert (said.code, said.out) == (2, "")
    assert "none-such" in said.err


# --- webhooks as they are shown ---


async def test_a_failing_target_is_told_once_and_its_events_stay_in_their_rows(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A hundred events that fail for one reason are one line beside the table; each row says where its event stands."""
    console = Console(file=io.StringIO(), force_terminal=True, width=120, height=24, highlight=False, markup=False)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False)
    first, second = client_created(client_id="1"), client_created(client_id="2")
    with Live(console=console, auto_refresh=False) as live:
        drawn = _Drawn(live)
        for event in (first, second):
            drawn.arrived(event, "stored")
            drawn.settled(event, "retrying", "answered 500")
        drawn.settled(first, "forwarded", "")
        drawn.settled(second, "retrying", "answered 503")
        states = [cells[-1] for cells in drawn._rows.values()]
    assert states == ["forwarded", "retrying"]
    assert capsys.readouterr().err.splitlines() == [
        f"{first.id[:12]} retrying: answered 500",
        f"{second.id[:12]} retrying: answered 503",
    ]


def test_what_another_receiver_settled_is_not_told_as_ours(tmp_path: Path) -> None:
    """Its lease was over, and the event is another's by now: the note is not taken, and nothing is said of it."""
    path = inbox_of(tmp_path / "inbox.db", client_created())
    told: list[str] = []
    store = _ToldStore(path, lambda kept, state, error: told.append(state))
    (kept,) = store.lease(lease="ours", now=kept_in(path)[0].due_at, until=0.0, most=1)
    assert not store.settle(kept.seq, "another's", state="done", due_at=0.0, attempts=1, handled=(), error="")
    store.close()
    assert told == []


def test_what_another_thread_logs_is_told_between_the_events(capsys: pytest.CaptureFixture[str]) -> None:
    """On the loop, where they are shown; what comes when the loop has ended is left unsaid, and breaks nothing."""
    logger = logging.getLogger("onboard360_async")

    class Show(Arrivals):
        def tell(self, line: str) -> None:
            assert threading.current_thread() is threading.main_thread()
            super().tell(line)

    async def listen(stack: contextlib.ExitStack) -> None:
        stack.enter_context(_logged(Show()))
        await asyncio.to_thread(logger.warning, "the inbox is %s", "slow")

    with contextlib.ExitStack() as stack:
        asyncio.run(listen(stack))
        late = threading.Thread(target=logger.warning, args=("too late",))
        late.start()
        late.join()
    assert capsys.readouterr().err == "The inbox is slow\n"
