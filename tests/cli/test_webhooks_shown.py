"""How events are shown: what a terminal that is drawn on costs a sender, and what no event can break."""

import asyncio
import contextlib
import io
import json
import logging
import sys
import threading
from pathlib import Path

import pytest
from attrs import evolve
from rich.console import Console
from rich.live import Live
from rich.text import Text

from onboard360_async.cli.app import run
from onboard360_async.cli.arrivals import Arrivals, _Drawn, _Lines, _widths
from onboard360_async.cli.listening import _Desk, _logged, _ToldStore
from onboard360_async.cli.replaying import kept_row
from onboard360_async.webhooks import Inbox, sign
from onboard360_async.webhooks.events import UnknownData
from onboard360_async.webhooks.factories import SECRET, client_created, unknown_event
from onboard360_async.webhooks.sqlite_store import SqliteStore
from onboard360_async.webhooks.store import Kept
from tests.cli.hooks import inbox_of, kept_in


def nested(depth: int) -> list[object]:
    found: list[object] = []
    for _ in range(depth):
        found = [found]
    return found


async def test_nothing_is_drawn_while_a_sender_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many events come: those without room are printed above the table at once, with the next drawing."""
    console = Console(file=io.StringIO(), force_terminal=True, width=80, height=8, highlight=False, markup=False)
    monkeypatch.setattr(sys, "stderr", console.file)
    monkeypatch.setattr(console.file, "isatty", lambda: True)
    events = [client_created(client_id=str(number), email=":smile:@x.de") for number in range(50)]
    with Live(console=console, auto_refresh=False) as live:
        drawn = _Drawn(live)
        before = console.file.getvalue()  # type: ignore[attr-defined]  # it is a StringIO
        for event in events:
            drawn.arrived(event, "stored")
        drawn.tell("a line")
        assert console.file.getvalue() == before  # type: ignore[attr-defined]  # the same
        printed: list[object] = []
        monkeypatch.setattr(console, "print", lambda text, **_: printed.append(text))
        drawn.draw()
        drawn.draw()
    (text,) = (each for each in printed if isinstance(each, Text))  # beside it the table's own controls
    lines = str(text).splitlines()
    assert [line.split()[1] for line in lines[:-1]] == [event.id[:12] for event in events[:45]]
    assert ":smile:@x.de" in lines[0]
    assert lines[-1] == "a line"


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


@pytest.mark.parametrize("state", ["stored", "duplicate", "forwarded"])
@pytest.mark.parametrize("width", [60, 80, 200])
def test_every_column_has_room_on_a_terminal_of_sixty(width: int, state: str) -> None:
    """What is never cut is whole, and all together is no wider than the terminal."""
    row = ["09:00:00", "a" * 12, "e" * 300, "m" * 300, "c" * 9, "js event-header old", state]
    widths = _widths([row, [*row[:2], "", "", "", "", state]], width)
    assert list(widths) == ["time", "id", "event", "email", "campaign", "form", "state"]
    assert (widths["time"], widths["id"], widths["state"]) == (8, 12, len(state))
    assert sum(widths.values()) + 12 <= width
    assert min(widths.values()) >= 4


def test_data_that_cannot_be_written_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    """Nested too deeply, or a number with more digits than Python writes: id, event and state are shown."""
    for odd in (nested(5000), 10**5000):
        event = evolve(unknown_event("x"), data=UnknownData({"odd": odd, "email": odd}))
        Arrivals().arrived(event, "stored")
        said = json.loads(capsys.readouterr().out)
        assert (said["id"], said["event"], said["state"], said["data"]) == (event.id, "x", "stored", None)
        _Lines().arrived(event, "stored")
        assert capsys.readouterr().out.split()[1:] == [event.id[:12], "x", "…", "raw", "stored"]


def test_a_list_shows_an_event_of_any_shape(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands where an email should be is JSON; what cannot be written is left out."""
    (kept,) = kept_in(inbox_of(tmp_path / "box.db", unknown_event("x", email=["a"], campaign_id=7)))
    assert [kept_row(kept)[name] for name in ("email", "campaign_id")] == ['["a"]', "7"]
    deep = evolve(kept.event(), data=UnknownData({"email": nested(5000)}))
    monkeypatch.setattr(Kept, "event", lambda _: deep)
    assert kept_row(kept)["email"] == "…"


async def test_an_event_that_cannot_be_shown_at_all_is_kept(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever showing it raises, the sender has nothing to do with it; no word of the event is logged."""

    class Broken(Arrivals):
        def arrived(self, *_: object) -> None:
            raise RecursionError("ada@x.de")

    inbox = Inbox(lambda: SqliteStore(None))
    desk = _Desk(Broken(), asyncio.Event())
    desk.inbox = inbox
    await desk.receive(client_created())
    assert (await inbox.counts()).waiting == 1
    inbox.close()
    assert caplog.messages == ["webhook event could not be shown: RecursionError"]


def test_json_is_valid_whatever_stdout_can_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    r"""Where it is no UTF-8, a sign that it lacks is written as JSON does, never as `\U0001f600`."""
    monkeypatch.setenv("ONBOARD360_WEBHOOK_SECRET", SECRET)
    email = "jörg李😀@x.de"
    event = client_created(email=email)
    (tmp_path / "body").write_bytes(event.body)
    inbox = inbox_of(tmp_path / "box.db", event)
    verify = ("webhooks", "verify", tmp_path / "body", "--signature", sign(event.body, SECRET), "--format", "json")
    for words in (("webhooks", "list", "--inbox", inbox, "--format", "jsonl"), verify, ()):
        for encoding in ("cp1252", "utf-8"):
            raw = io.BytesIO()
            monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding, errors="backslashreplace"))
            if words:
                assert run([str(word) for word in words]) == 0
            else:
                Arrivals().arrived(event, "stored")
            sys.stdout.flush()
            said = json.loads(raw.getvalue())
            assert said.get("email", said.get("data", {}).get("email")) == email
            assert (email.encode() in raw.getvalue()) is (encoding == "utf-8")


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
