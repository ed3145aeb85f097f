"""Ctrl-C and SIGTERM, in whatever moment they come: told, never a traceback, and the handler before is there again."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from onboard360_async.cli.signals import ended_at_once, on_signals, run
from onboard360_async.importer import ImportJob, Outcomes
from onboard360_async.sandbox import Sandbox
from tests.cli.conftest import Command
from tests.cli.test_import import SEND, people

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
