"""What other people wrote, on the user's screen: a terminal obeys escapes, and so nobody's may reach it."""

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
