"""What seldom happens to a sandbox: it is ended twice, or breaks while it ends, or its caller is gone."""

import importlib
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from onboard360_async.sandbox import Sandbox, Webhook, command
from onboard360_async.sandbox.deliveries import Deliveries
from onboard360_async.sandbox.failing import _cut
from onboard360_async.sandbox.live import TICK_S, Hub
from onboard360_async.sandbox.running import LoopThread
from tests.budget.virtual import VirtualLoop, run
from tests.sandbox.calls import add, call
from tests.sandbox.test_live import Sections, begun, read

# --- its end ---


async def test_it_may_be_ended_twice() -> None:
    """On a loop and on a thread of its own: the second time does nothing, and what it saw can still be read."""
    async with Sandbox() as sandbox:
        await call(sandbox, "GET", "/campaigns")
    await sandbox.__aexit__(None, None, None)
    sandbox._desk.close()
    assert len(sandbox.requests) == 1
    with Sandbox() as blocking:
        pass
    blocking.__exit__(None, None, None)


def test_what_breaks_at_its_end_is_shown_and_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug in its end is not kept silent, and whoever waits for the end is not left waiting."""
    shown: list[type[BaseException] | None] = []
    monkeypatch.setattr(threading, "excepthook", lambda told: shown.append(told.exc_type))

    async def start() -> None:
        """All is well."""

    async def stop() -> None:
        raise ZeroDivisionError

    thread = LoopThread(start, stop)
    thread.open()
    thread.close()
    assert shown == [ZeroDivisionError]


def test_interrupted_before_it_serves_it_ends_quietly(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C while it still begins: 0, and not a word."""

    def interrupted(*_: object) -> Sandbox:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "_sandbox", interrupted)
    assert command.main([]) == 0
    assert capsys.readouterr() == ("", "")


def test_who_only_imports_its_command_starts_nothing() -> None:
    """Tools that look into every module, as those that write documentation, are not kept by a server."""
    assert importlib.import_module("onboard360_async.sandbox.__main__").__all__ == []


# --- what it keeps ---


async def test_a_file_of_the_first_version_goes_on(tmp_path: Path) -> None:
    """Its clients are still there, and may be completed, which that version did not know."""
    path = tmp_path / "state.db"
    async with Sandbox(db=path) as sandbox:
        await add(sandbox)
    with closing(sqlite3.connect(path)) as database:
        database.execute("DROP INDEX clients_by_email")
        database.execute("ALTER TABLE clients DROP COLUMN completed_at")
        database.execute("PRAGMA user_version = 1")
    async with Sandbox(db=path) as sandbox:
        (client,) = sandbox.clients()
        sandbox.complete(str(client["id"]))
        (client,) = sandbox.clients()
        assert client["email"] == "john@example.com"
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("SELECT count(*) FROM clients WHERE completed_at NOT NULL").fetchone() == (1,)


def test_endpoints_can_be_replaced_before_anything_is_carried() -> None:
    """Nobody carries what is sent before the sandbox runs, so there is nobody to be told."""
    changes: list[str] = []
    deliveries = Deliveries(lambda: changes.append("changed"))
    webhook = Webhook(url="http://127.0.0.1:1/hook")
    deliveries.clear([webhook])
    assert (deliveries.webhooks, changes) == ((webhook,), ["changed"])


# --- who it talks to ---


def test_news_that_change_nothing_are_not_sent() -> None:
    """What was drawn is as it was: the page hears nothing until something is another, or it has been quiet for long."""

    async def main(loop: VirtualLoop) -> None:
        hub, sections = Hub(), Sections(one="1")
        stream = hub.pieces(sections)
        await begun(stream)
        began_at, drawn = loop.time(), sections.drawn
        loop.call_later(TICK_S / 2, hub.changed)
        loop.call_later(2.5 * TICK_S, sections.texts.update, {"one": "2"})
        loop.call_later(2.5 * TICK_S, hub.changed)
        assert read(await anext(stream)) == {"one": "2"}
        assert loop.time() - began_at > 2 * TICK_S
        assert sections.drawn - drawn > 1
        await stream.aclose()

    run(main)


async def test_an_answer_that_was_to_be_cut_to_nobody_is_left() -> None:
    """The caller went while half of it was written: there is no connection to be closed any more."""
    request = make_mocked_request("GET", "/clients")

    async def gone(_: object) -> None:
        request._protocol.transport = None

    request._payload_writer.write.side_effect = gone  # type: ignore[attr-defined]  # it is a mock
    cut = await _cut(request, web.Response(text="an answer"))
    assert cut is not None
    assert cut.content_length == len("an answer")
    assert request.transport is None
