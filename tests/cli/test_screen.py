"""What other people wrote, on the user's screen: a terminal obeys escapes, and so nobody's may reach it."""

import os
from pathlib import Path

from onboard360_async.cli.screen import on_screen
from onboard360_async.importer.journal import Journal
from onboard360_async.sandbox import Sandbox
from tests.cli.conftest import Command
from tests.cli.test_import import CAMPAIGN, SEND, people

EVIL = "\x1b]0;owned\x07\x1b[2J\nFAKE"


def test_what_a_terminal_would_obey_is_shown() -> None:
    """Controls and what turns a line round; letters of any script, and joined ones, stay."""
    assert on_screen("a\x1b[2J\x07\r\n\tb\x9b1m\u202e\u2066") == r"a\x1b[2J\x07\r\n\tb\x9b1m\u202e\u2066"
    assert on_screen("Zoë 王 👩‍💻 \u00a0") == "Zoë 王 👩‍💻 \u00a0"


def test_a_cell_gives_the_terminal_no_orders(service: Sandbox, command: Command, tmp_path: Path) -> None:
    """A value that is shown since it cannot be sent, a column's name among candidates, a line in other encodings."""
    path = tmp_path / "people.csv"
    path.write_text(f'email\n"{EVIL}"\n', newline="")
    said = command("import", path, "--campaign", CAMPAIGN).err
    assert r"(\x1b]0;owned\x07\x1b[2J\nFAKE)" in said
    path.write_text("who\x1b[2J\na@x.de\n")
    said += command("import", path, "--campaign", CAMPAIGN).err
    assert r"  who\x1b[2J" in said
    path.write_bytes(b"email,name\na@x.de,\xff\x1b[2J\n")
    said += command("import", path, "--campaign", CAMPAIGN).err
    assert "\x1b" not in said


def test_the_service_gives_the_terminal_no_orders(service: Sandbox, command: Command, tmp_path: Path) -> None:
    """A campaign's name, a link, and what is said of a row that nobody can tell about."""
    service.add_campaign(EVIL)
    assert r"\x1b]0;owned\x07\x1b[2J" in command("campaigns", "list").out
    path = people(tmp_path, "a@x.de", "b@x.de")
    assert command("import", path, *SEND).code == 0
    journal = Journal(tmp_path / "people.csv.onboard360.db")
    journal.db.execute("UPDATE rows SET link = ? WHERE line = 2", (EVIL,))
    journal.db.execute("UPDATE rows SET state = 'unresolved', error = ? WHERE line = 3", (EVIL,))
    journal.close()
    said = [command("links", "find", "a@x.de", "--journal", path), command("imports", "show", path)]
    assert r"link:        \x1b]0;owned\x07\x1b[2J\nFAKE" in said[0].out
    assert r"  line 3 (b@x.de): \x1b]0;owned\x07\x1b[2J\nFAKE" in said[1].err
    assert "\x1b" not in "".join(each.out + each.err for each in said)
    said = [command("imports", "show", f"{EVIL}.csv")]
    assert r"Error: There is no journal \x1b]0;owned\x07\x1b[2J\nFAKE.csv" in said[0].err
    assert "\x1b" not in said[0].err


def test_a_screen_is_not_flooded(service: Sandbox, command: Command, tmp_path: Path) -> None:
    """Of a long text its beginning, of many columns the first; the list itself has all."""
    path = tmp_path / "people.csv"
    path.write_text("email\n" + "x" * 10_000 + "\n")
    said = command("import", path, "--campaign", CAMPAIGN)
    assert (said.code, max(map(len, said.err.splitlines())) < 600) == (3, True)
    path.write_text(",".join(f"column {number}" for number in range(1000)) + "\na@x.de\n")
    said = command("import", path, "--campaign", CAMPAIGN)
    assert (said.code, said.err.splitlines()[-1]) == (3, "  and 900 more")
    path.write_text("email," + ",".join(f"column {number}" for number in range(1000)) + "\na@x.de\n")
    said = command("import", path, "--campaign", CAMPAIGN, "--dry-run")
    assert ("  note: column 'column 99' is not sent\n" in said.err, len(said.err.splitlines()) < 110) == (True, True)
    assert "  and 900 more notes\n" in said.err


ODD = os.fsdecode(b"caf\xe9")


def test_a_name_that_is_no_text_is_a_name_all_the_same(service: Sandbox, command: Command, tmp_path: Path) -> None:
    """A list whose file's name came from another system: imported, listed, found, reported, purged."""
    path = tmp_path / f"{ODD}.csv"
    path.write_text("email\na@x.de\n")
    assert command("import", path, *SEND, "--report", tmp_path / f"{ODD}.html").code == 0
    assert command("import", path, *SEND, "--journal", tmp_path / f"{ODD}.db").code == 0
    for form in ("table", "json", "csv"):
        assert command("links", "find", "a@x.de", "--format", form, "--output", tmp_path / "found").code == 0
        assert "created" in (tmp_path / "found").read_text()
    for name in ("show", "results", "resume"):
        assert command("imports", name, path).code == 0
    assert command("imports", "purge", path, "--yes").code == 0
    assert (tmp_path / f"{ODD}.results.csv").exists() is False


def test_an_argument_that_is_no_text_is_nobody(service: Sandbox, command: Command, tmp_path: Path) -> None:
    """Typed in a terminal with another encoding: one clear line."""
    path = people(tmp_path, "a@x.de")
    assert command("import", path, *SEND).code == 0
    assert command("links", "find", f"{ODD}@x.de").code == 1
    assert command("imports", "resolve", path, "--email", f"{ODD}@x.de", "--created").code == 3
    assert command("import", path, "--campaign", ODD, "--yes").code == 3
    assert command("import", path, *SEND, "--map", f"email={ODD}").code == 3
    assert command("import", path, *SEND, "--encoding", ODD).code == 2
    assert command("import", path, *SEND, "--delimiter", ODD[-1]).code == 3
