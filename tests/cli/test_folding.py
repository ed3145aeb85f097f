"""What each command lets be folded on a narrow terminal: its table stays one, with all its columns."""

import time
from collections.abc import Iterator
from contextlib import chdir, closing
from pathlib import Path

import pytest
from rich.cells import cell_len

from onboard360_async.sandbox import Sandbox
from onboard360_async.webhooks.factories import client_created
from onboard360_async.webhooks.sqlite_store import SqliteStore
from tests.cli.conftest import Command
from tests.cli.hooks import inbox_of

LONG = "Client Onboarding Flow of the year"
NARROWER = 4  # columns; each text that is to be folded has more to give


@pytest.fixture
def folder(service: Sandbox, command: Command, tmp_path: Path) -> Iterator[None]:
    """A folder with an import and an inbox, and a service whose campaign has a long name."""
    campaign_id = service.add_campaign(LONG)
    service.add_client(campaign_id, "jane@example.com", company_name=LONG)
    with chdir(tmp_path):
        Path("people.csv").write_text("email\njohn@example.com\njohn@example.com\n")
        assert command("import", "people.csv", "--campaign", LONG, "--yes").code == 0
        with closing(SqliteStore(inbox_of(Path("inbox.db"), client_created()))) as store, store.transaction():
            (kept,) = store.lease(now=time.time(), until=9e9, lease="x", most=1)
            error = "forward: no connection at all"
            store.settle(kept.seq, "x", state="dead", due_at=0.0, attempts=1, handled=(), error=error)
        yield


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    "words",
    [
        "budget",
        "campaigns list",
        "clients list",
        f"clients add --email new@example.com --last-name|{LONG}|--campaign|{LONG}",
        "doctor",
        "imports results people.csv --format table",
        "webhooks list --inbox inbox.db",
    ],
    ids=lambda words: "-".join(words.split()[:2]),
)
def test_prose_gives_way_before_a_column_or_the_table(
    command: Command, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    """Some columns fewer than it needs, and all of it is there still; nothing else is folded."""
    typed = [word for number, part in enumerate(words.split("|")) for word in ([part] if number % 2 else part.split())]
    needed = command(*typed).out.splitlines()
    room = max(map(cell_len, needed)) - NARROWER
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", str(room))
    said = command(*typed)
    lines = said.out.splitlines()
    assert lines[0].split() == needed[0].split()
    assert max(map(cell_len, lines)) <= room
    assert len(lines) > len(needed)
    assert "No room" not in said.err
