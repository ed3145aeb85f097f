"""Ctrl-C and SIGTERM, in whatever moment they come: told, never a traceback, and the handler before is there again."""

import asyncio
import io
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from onboard360_async import AsyncOnboard360, Budget
from onboard360_async.budget import BudgetState
from onboard360_async.cli import budget as budget_command
from onboard360_async.cli import signals
from onboard360_async.cli.import_flags import Wishes
from onboard360_async.cli.interruption import Interruption
from onboard360_async.cli.running import run_import
from onboard360_async.cli.signals import ended_at_once, on_signals, run
from onboard360_async.importer import ImportJob, Outcomes
from onboard360_async.sandbox import Sandbox
from tests.cli.conftest import Command
from tests.cli.test_import import CAMPAIGN, SEND, START, people, rows

AT_ONCE = "from onboard360_async.cli.signals import ended_at_once, run\nimport asyncio, signal\n"
INTERRUPT = "signal.raise_signal(signal.SIGINT)"


async def test_a_loop_that_knows_no_signals_hears_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Windows: each is told on the loop, and what heard them before hears them again."""

    def unknown(*_: object) -> None:
        raise NotImplementedError

    monkeypatch.setattr(asyncio.get_running_loop(), "add_signal_handler", unknown)
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    heard: list[int] = []
    with on_signals(heard.append):
        for number in before:
            signal.raise_signal(number)
            signal.raise_signal(number)
        assert heard == []  # not within whatever is running
        await asyncio.sleep(0)
    assert heard == [2, 2, 15, 15]
    assert {number: signal.getsignal(number) for number in before} == before


async def test_what_is_told_once_ends_the_second_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A loop that hangs is ended by the second Ctrl-C."""
    heard: list[int] = []
    caught: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: caught.append(number))
    try:
        with on_signals(heard.append, once=True):
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            await asyncio.sleep(0)
    finally:
        signal.signal(signal.SIGINT, before)
    assert (heard, caught) == ([2], [2])


@pytest.mark.parametrize(
    "code",
    [
        f"with ended_at_once():\n    {INTERRUPT}\n    print('went on')",
        "class Made(asyncio.SelectorEventLoop):\n"
        f"    def __init__(self):\n        {INTERRUPT}\n        super().__init__()\n"
        ""
        "class Policy(asyncio.DefaultEventLoopPolicy):\n    new_event_loop = lambda self: Made()\n"
        "asyncio.set_event_loop_policy(Policy())\nasync def work(): print('went on')\nrun(work())",
    ],
    ids=["an import", "a loop"],
)
def test_an_interruption_while_something_is_prepared_is_one_line(code: str) -> None:
    """130 and no traceback, however deep in an import or a loop that is being made."""
    said = subprocess.run([sys.executable, "-c", AT_ONCE + code], capture_output=True, text=True, check=False)
    assert (said.returncode, said.stdout, said.stderr) == (130, "", "Interrupted.\n")


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


def test_who_ignores_ctrl_c_goes_on_ignoring_it() -> None:
    """`nohup`, or a caller who has their own; in another thread nothing is changed either."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with ended_at_once():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
    seen: list[object] = []

    def elsewhere() -> None:
        with ended_at_once():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert seen == [before]


def test_work_is_done_and_given_back() -> None:
    """As `asyncio.run` does; Ctrl-C is Python's own again."""

    async def work() -> int:
        return 7

    assert run(work()) == 7
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_second_ctrl_c_at_the_very_end_is_no_traceback(
    service: Sandbox, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the last row is sent and only the progress is to be ended: all is done, and so is said."""

    async def tick(_job: ImportJob, _outcomes: Outcomes, _progress: object) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            for _ in range(3):
                os.kill(os.getpid(), signal.SIGINT)
                await asyncio.sleep(0)

    monkeypatch.setattr("onboard360_async.cli.running._tick", tick)
    said = command("import", people(tmp_path, "a@x.de", "b@x.de"), *SEND)
    assert (said.code, "2 rows: 2 created." in said.err) == (0, True)
    assert said.err.count("Finishing what is under way") == 1


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
