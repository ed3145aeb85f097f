"""A table on a terminal of any width: what is to be copied is never folded, and nothing is cut without a word."""

import io
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from onboard360_async.cli.show import Rows
from onboard360_async.cli.table import Layout, apart, console_on, shared_out

FEW = settings(deadline=None, derandomize=True, max_examples=150)
ID = "550e8400-e29b-41d4-a716-446655440000"
COLUMNS = ("id", "name", "email", "phone")
ROWS = [
    {"id": ID, "name": "Client Onboarding Flow of the year", "email": "john@example.com", "phone": None},
    {"id": ID, "name": "王" * 20, "email": "wang@example.cn", "phone": None},
]


class Terminal(io.StringIO):
    """What a command writes to; how wide it is, COLUMNS says."""

    def isatty(self) -> bool:
        return True


def shown(
    monkeypatch: pytest.MonkeyPatch,
    columns: int,
    *spare: str,
    prose: tuple[str, ...] = ("name",),
    out: io.StringIO | None = None,
) -> str:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "xterm")
    out = Terminal() if out is None else out
    rows = Rows("table", COLUMNS, out, spare=spare, prose=prose)
    rows.write(ROWS)
    rows.close()
    return re.sub(r"\x1b\[\d*m", "", out.getvalue())


def test_what_fits_is_a_table_and_prose_alone_is_folded(monkeypatch: pytest.MonkeyPatch) -> None:
    """On any terminal that is wide enough: no id or address is in two lines, no line is too long or ends in blanks."""
    for width in (70, 90, 140):
        lines = shown(monkeypatch, width, "phone").splitlines()
        assert max(map(cell_len, lines)) <= width
        assert lines[0].split() == ["id", "name", "email", *(["phone"] if width > 70 else [])]
        assert [line for line in lines if line.startswith(ID)][1:] != []
        assert "".join(lines).count("john@example.com") == 1
        assert [line for line in lines if line.endswith(" ")] == []
    assert len(shown(monkeypatch, 140, "phone").splitlines()) == 3


def test_what_has_no_room_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Spare columns go in their order, those without a word to say first and in silence."""
    assert "john@" in shown(monkeypatch, 80, "phone", "email")
    assert capsys.readouterr().err == ""
    assert "john@" not in shown(monkeypatch, 60, "phone", "email")
    assert capsys.readouterr().err == "No room for email: see --format json, or a wider terminal.\n"


def test_what_does_not_fit_at_all_stands_in_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line for each thing that there is, whole; a blank line between two rows."""
    assert shown(monkeypatch, 50).splitlines()[:5] == [
        f"id:    {ID}",
        "name:  Client Onboarding Flow of the year",
        "email: john@example.com",
        "",
        f"id:    {ID}",
    ]
    assert list(apart(("a_b",), [["one\ntwo"]])) == ["a b: one", "     two"]


def test_nothing_is_folded_that_is_not_said_to_be_prose(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a column is called: who does not know what is in it says of none."""
    assert shown(monkeypatch, 90, prose=()).splitlines()[1] == "name:  Client Onboarding Flow of the year"
    assert shown(monkeypatch, 90).splitlines()[0].split() == list(COLUMNS)


def test_a_file_or_a_pipe_has_all_the_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever COLUMNS says."""
    lines = shown(monkeypatch, 20, "phone", out=io.StringIO()).splitlines()
    assert lines[0].split() == list(COLUMNS)
    assert lines[1] == f"{ID}  Client Onboarding Flow of the year        john@example.com"


def test_no_row_is_no_table(capsys: pytest.CaptureFixture[str]) -> None:
    """Not even a header; what is missing is said on stderr, for any form."""
    for form, left in (("table", ""), ("json", "[]\n"), ("jsonl", ""), ("csv", "id\n")):
        out = io.StringIO()
        Rows(form, ("id",), out, nothing="No client.").close()
        assert (out.getvalue(), capsys.readouterr().err) == (left, "No client.\n")


def test_without_colour_nothing_is_bold(monkeypatch: pytest.MonkeyPatch) -> None:
    """NO_COLOR, TERM=dumb and a pipe have no escape code; a terminal has a bold header."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)

    def drawn(out: io.StringIO) -> str:
        rows = Rows("table", ("id",), out)
        rows.write([{"id": "1"}])
        rows.close()
        return out.getvalue()

    assert drawn(Terminal()) == "\x1b[1mid\x1b[0m\n1\n"
    assert drawn(io.StringIO()) == "id\n1\n"
    for name, value in (("NO_COLOR", "1"), ("TERM", "dumb")):
        monkeypatch.setenv(name, value)
        assert drawn(Terminal()) == "id\n1\n"
    assert console_on(Terminal()).color_system is None


@FEW
@given(st.dictionaries(st.text(max_size=3), st.integers(0, 200), max_size=6), st.integers(-5, 400))
def test_room_is_shared_out_and_not_exceeded(needs: dict[str, int], room: int) -> None:
    """Nobody gets more than they need, and all of them no more than there is; what is left, somebody would need."""
    widths = shared_out(needs, room)
    assert set(widths) == set(needs)
    assert all(widths[name] <= need for name, need in needs.items())
    assert sum(widths.values()) <= max(room, 0)
    if sum(widths.values()) < max(room, 0) - len(needs):
        assert widths == needs


CELLS = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "Zs")), max_size=30)


@FEW
@given(st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=4), st.integers(20, 120))
def test_every_letter_that_has_room_is_shown(rows: list[tuple[str, str, str]], room: int) -> None:
    """Whatever the letters, folded or not; and within the room."""
    columns = ("id", "name", "error")
    layout = Layout.of(columns, rows, room, spare=("error",), prose=("name", "error"))
    if layout is None:
        assert max(cell_len(id_) for id_, *_ in rows) + 2 + 4 > room - 12
        return
    for row in rows:
        lines = list(layout.lines(columns, row))
        assert max(map(cell_len, lines)) <= room
        assert row[0].rstrip(" ") in lines[0]
        said = "".join("".join(lines).split())
        shown = [cell for name, cell in zip(columns, row, strict=True) if name in layout.columns]
        assert sorted(said) == sorted("".join("".join(shown).split()))
