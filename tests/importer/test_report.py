"""The report: one page, whole and private, that says what became of the list and names nobody unless told to."""

import json
import re
import time
from collections.abc import Callable, Sequence
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onboard360_async.errors import ConfigurationError
from onboard360_async.importer.journal import Journal
from onboard360_async.importer.report import write_report
from onboard360_async.importer.report.axis import SECOND, Scale, local, make_axis, next_step, zone
from onboard360_async.importer.report.data import GROUPS, Fates, axis_of, fates_of, requests_of, runs_of
from onboard360_async.importer.report.plot import draw_fates
from onboard360_async.importer.report.words import clock, duration, escaped, masked, number, share
from onboard360_async.importer.rows import Problem, Row
from onboard360_async.importer.spool import Spool
from onboard360_async.models import NewClient
from onboard360_async.sqlite import transaction
from tests.importer.double import CAMPAIGN

BEGAN = 1_790_000_000 * SECOND
DAY = 86_400 * SECOND
FEW = settings(deadline=None)
WORDS = "this email is not a deliverable address of anybody"


class Clock:
    """A hand-turned one."""

    def __init__(self) -> None:
        self.at = BEGAN

    def __call__(self) -> int:
        return self.at

    def turn(self, seconds: float) -> None:
        self.at += int(seconds * SECOND)


def books(rows: int, *, name: str = "people.csv", invalid: int = 0) -> tuple[Journal, Clock]:
    """A list of so many people, and after them so many rows that cannot be sent."""
    journal, turned = Journal(None), Clock()
    journal.now = turned
    with Spool(journal, {"header": '["email", "name"]', "source": f"/lists/{name}", "mark": ""}) as spool:
        for line in range(2, rows + 2):
            email, first = f"person{line}@mail.example", f"Given{line}"
            spool.valid(Row(line, (email, first), {}), NewClient(campaign_id=CAMPAIGN, email=email, first_name=first))
        for line in range(rows + 2, rows + 2 + invalid):
            spool.invalid(Row(line, (f"person{line}", "X"), {}), Problem(line, "email", "it must have one @", "person"))
    return journal, turned


def send(journal: Journal, turned: Clock, fates: Sequence[Callable[[int], None]], *, ending: str = "finished") -> None:
    """A run: what becomes of the next rows."""
    journal.begin_run()
    journal.requested("list")
    ids = [row_id for (row_id,) in journal.db.execute("SELECT id FROM rows WHERE state = 'planned' ORDER BY position")]
    for row_id, fate in zip(ids, fates, strict=False):
        turned.turn(0.4)
        journal.sending(row_id)
        turned.turn(0.2)
        fate(row_id)
    journal.end_run(ending)


def all_fates(journal: Journal) -> list[Callable[[int], None]]:
    """One row of each kind."""
    return [
        lambda row_id: journal.created(row_id, "id-1", "https://link.example/1"),
        lambda row_id: journal.adopted(row_id, "id-2", None),
        lambda row_id: journal.existing(row_id, "id-3", None),
        lambda row_id: journal.rejected(row_id, 422, WORDS, "the details"),
        lambda row_id: journal.unresolved(row_id, "nobody can tell"),
        lambda row_id: journal.doubt(row_id, "the answer was lost", created=False),
        lambda row_id: journal.doubt(row_id, "the answer was lost", created=True),
        lambda row_id: journal.planned(row_id),
    ]


def page(journal: Journal, folder: Path, *, people: bool = False, limit: int = 100) -> str:
    """The report, as text."""
    path = folder / "people.report.html"
    write_report(journal, path, people=people, limit=limit, window_s=60.0)
    journal.close()
    return path.read_text(encoding="utf-8")


class Seen(HTMLParser):
    """The tags of a page, what they point at, and the text of each cell by its name."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.names: list[str] = []
        self.cells: list[tuple[str, str]] = []
        self._cell: str | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.names += [name for name, _ in attrs]
        if tag == "td":
            self._cell = dict(attrs).get("data-name")
            if self._cell:
                self.cells.append((self._cell, ""))

    def handle_endtag(self, tag: str) -> None:
        if tag == "td":
            self._cell = None

    def handle_data(self, data: str) -> None:
        if self._cell:
            name, text = self.cells[-1]
            self.cells[-1] = (name, text + data)

    def all(self, name: str) -> list[str]:
        return [text for cell, text in self.cells if cell == name]


# --- the page ---


def test_it_says_what_became_of_every_row(tmp_path: Path) -> None:
    """Every state that is not empty, together as many as the list has, and what is left to do."""
    journal, turned = books(9, invalid=1)
    send(journal, turned, all_fates(journal), ending="stopped")
    journal.note("audit", json.dumps({"missing": [1], "doubled": [2, 3]}))
    text = page(journal, tmp_path)
    counted = dict(re.findall(r'</i>([a-z ]+)</th><td class="number">(\d+)</td>', text))
    states = ["created", "adopted", "existing", "rejected", "invalid", "unresolved"]
    assert counted == dict.fromkeys(states, "1") | {"in doubt": "2", "still to be sent": "2"}
    assert '<th scope="row">together</th><td class="number">10</td>' in text
    assert "All rows of the list." in text
    assert "Not finished: 4 rows have no outcome yet." in text
    assert "2 rows still to be sent; 2 rows to be looked for, whose answer was lost; 1 row to be looked for" in text
    assert "<code>onboard360 imports resume people.csv</code>" in text
    assert (
        "Not in the campaign any more, or not yet: line 2. More clients with this email than rows: lines 3, 4." in text
    )
    assert CAMPAIGN in text
    assert "stopped" in text


@pytest.mark.parametrize("people", [False, True])
def test_it_needs_and_runs_nothing(tmp_path: Path, *, people: bool) -> None:
    """No address of anything, no script, no handler; the policy forbids them, too."""
    journal, turned = books(8)
    send(journal, turned, all_fates(journal))
    text = page(journal, tmp_path, people=people)
    seen = Seen(text)
    assert not {"script", "link", "img", "iframe", "object", "base", "a", "form", "use", "image"} & set(seen.tags)
    assert not [name for name in seen.names if name in ("src", "href", "xlink:href", "srcset") or name.startswith("on")]
    assert not re.findall(r"https?:|url\(|@import", text)
    assert "default-src 'none'" in text
    assert seen.tags.count("svg") == 4
    assert seen.tags.count("desc") == 4


def test_a_mask_beside_a_letter_may_be_what_another_cell_says() -> None:
    """What is left after one cell is hidden is looked at again, and after a long message is cut."""
    assert masked("abc d", ["a…", "bc"]) == "… d"
    assert "y…" not in masked("y" * 200, ["y…"])


def test_it_names_nobody_unless_told_to(tmp_path: Path) -> None:
    """With `people` emails and names stand there, and what the server said about them; else none of it."""
    private = ("person5@mail.example", "Given5", "the details", "https://link.example/1", "id-1", "person10")
    for people in (False, True):
        journal, turned = books(8, invalid=1)
        send(journal, turned, all_fates(journal))
        text = page(journal, tmp_path, people=people)
        assert [word for word in private[:3] if word in text] == (list(private[:3]) if people else [])
        assert not [word for word in private[3:] if word in text]
        assert "/lists/" not in text
        assert WORDS in text


def test_every_text_is_only_text(tmp_path: Path) -> None:
    """Tags and quotes in a name, a message or the file's name are letters, and nothing turns the line round."""
    evil = '<script>alert("1")</script>\u202e&amp;'
    journal, turned = books(0, name="<script>.csv")
    client = NewClient(campaign_id="<b>", email="a@x.de", first_name=evil)
    with Spool(journal, {"source": "/lists/<script>.csv"}) as spool:
        spool.valid(Row(2, ("a@x.de",), {}), client)
        spool.invalid(Row(3, ("b",), {}), Problem(3, "<script>", evil, evil))
    send(journal, turned, [lambda row_id: journal.rejected(row_id, 400, evil, evil)], ending="<script>")
    text = page(journal, tmp_path, people=True)
    assert "<script" not in text
    assert "\u202e" not in text
    assert "&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp;amp;" in text
    assert "Import of <bdi>&lt;script&gt;.csv</bdi>" in text


def test_a_journal_with_nothing_in_it(tmp_path: Path) -> None:
    """No picture of nothing."""
    text = page(Journal(None), tmp_path)
    assert "The list has no rows." in text
    assert "Nothing was sent yet." in text
    assert "rows from a program" in text
    assert "<svg" not in text


def test_one_row(tmp_path: Path) -> None:
    """The shortest import has a picture, and good words."""
    journal, turned = books(1)
    send(journal, turned, all_fates(journal)[:1])
    journal.note("audit", json.dumps({"missing": [], "doubled": []}))
    text = page(journal, tmp_path)
    assert "Finished: every row has a good end." in text
    assert "Everybody whom the books name is in the campaign, and nobody twice." in text
    assert "in one run" in text
    assert "At the end: 1 created." in text


def test_one_row_that_needs_a_hand_and_came_from_a_program(tmp_path: Path) -> None:
    """There is no file to go on with, and none in which it stands."""
    journal, turned = books(1)
    journal.db.execute("DELETE FROM facts WHERE name = 'source'")
    send(journal, turned, [lambda row_id: journal.doubt(row_id, "it was lost", created=True)])
    (row_id,) = journal.db.execute("SELECT id FROM rows").fetchone()
    journal.unresolved(row_id, "nobody can tell")
    text = page(journal, tmp_path)
    assert "Finished; 1 row needs a hand." in text
    assert "and it goes on where it was.</p>" in text
    assert Seen(text).all("reason") == ["created, but its id and link are unknown: nobody can tell"]


def test_only_listings(tmp_path: Path) -> None:
    """An import that found everybody there, or nobody to send, has no picture of rows."""
    journal, turned = books(0)
    send(journal, turned, [])
    text = page(journal, tmp_path)
    assert "1 request, 1 of them for listings" in text
    assert "How far it came" not in text


def test_a_limit_that_was_passed_is_told(tmp_path: Path) -> None:
    """By somebody who set it lower since, say."""
    journal, turned = books(8)
    send(journal, turned, all_fates(journal))
    assert "At most 9 requests left in any 60 s, <strong>more than</strong> the 5 that are" in page(
        journal, tmp_path, limit=5
    )


def test_several_runs_with_days_between_them(tmp_path: Path) -> None:
    """The pauses are cut out and named, and a run that was killed ends with its last request."""
    journal, turned = books(9)
    fates = all_fates(journal)[:1] * 3
    send(journal, turned, fates, ending="killed")
    journal.db.execute("UPDATE runs SET ended_at = began_at")
    turned.turn(3 * 86_400)
    send(journal, turned, fates, ending="stopped")
    turned.turn(5 * 3600 + 120)
    send(journal, turned, fates)
    runs = runs_of(journal)
    assert [run.ending for run in runs] == ["killed", "stopped", "finished"]
    assert [run.requests for run in runs] == [4, 4, 4]
    assert runs[0].ended_at - runs[0].began_at == int(1.6 * SECOND)
    text = page(journal, tmp_path)
    assert "pauses between runs are cut out: 3 d, 5 h 2 min." in text
    assert "3 d cut out" in text
    assert "in 3 runs" in text


def test_a_long_list_makes_a_page_that_can_be_opened(tmp_path: Path) -> None:
    """At most so many rows are listed, and it says where the others stand."""
    journal, _ = books(20_000)
    with transaction(journal.db):
        journal.db.execute("INSERT INTO runs VALUES (1, ?, ?, 'finished')", (BEGAN, BEGAN + 12_000 * SECOND))
        journal.db.execute(
            "INSERT INTO requests SELECT ? + position * 600000000, 'add' FROM rows WHERE position", (BEGAN,)
        )
        journal.db.execute(
            "UPDATE rows SET state = 'rejected', status = 422, error = ?, ended_at = ? + position * 600000000",
            ("<" * 150, BEGAN),
        )
    text = page(journal, tmp_path)
    assert len(text) < 400_000
    listed = len(Seen(text).all("line"))
    assert 100 < listed <= 1_000
    assert f"And {20_000 - listed:,} more, which stand in people.errors.csv." in text


def test_many_runs_campaigns_and_lines_are_named_to_a_point(tmp_path: Path) -> None:
    """And it says how many more there are."""
    journal, turned = books(0)
    with Spool(journal, {}) as spool:
        for line in range(60):
            client = NewClient(campaign_id=f"campaign-{line}", email="a@x.de")
            spool.valid(Row(line, (), {}), client)
    for _ in range(60):
        send(journal, turned, [])
        turned.turn(86_400)
    journal.note("audit", json.dumps({"missing": list(range(1, 61)), "doubled": []}))
    text = page(journal, tmp_path)
    assert text.count("and 10 more") == 2
    assert "And 10 runs before these." in text
    assert "1 d, 1 d, 1 d, 1 d, 1 d, 1 d and 14 more." in text


def test_it_is_whole_and_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Readable by its owner alone; one that cannot be written leaves the one before it as it was."""
    journal, _ = books(1)
    path = tmp_path / "people.report.html"
    write_report(journal, path, limit=100, window_s=60.0)
    assert path.stat().st_mode & 0o777 == 0o600
    before = path.read_bytes()

    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(ConfigurationError, match="every row stands in the journal"):
        write_report(journal, path, limit=50, window_s=60.0)
    journal.close()
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


# --- what is hidden ---

LETTERS = st.text(st.sampled_from("abAB1 .@/…é\u0301ßK\u212a<&-"), max_size=6)


@FEW
@given(cells=st.lists(st.text(max_size=8) | LETTERS, max_size=4), between=st.lists(LETTERS, min_size=5, max_size=5))
def test_nothing_of_a_row_is_in_what_is_shown_of_a_message(cells: list[str], between: list[str]) -> None:
    """Whatever the row's cells hold, and however a server weaves them into its words."""
    woven = "".join(word + cell for word, cell in zip(between, [*cells, *[""] * 5], strict=False))
    for said in (woven, woven.upper(), woven.lower(), woven.casefold()):
        shown = masked(said, cells)
        for cell in cells:
            if len(cell) > 1:
                assert cell not in shown
                assert cell.lower() not in shown


@settings(FEW, max_examples=40)
@given(cell=st.text(min_size=2, max_size=12), said=LETTERS)
def test_nothing_of_a_row_is_on_the_page(tmp_path_factory: pytest.TempPathFactory, cell: str, said: str) -> None:
    """The same, all the way from the journal to the cell in which a reason is shown."""
    journal, turned = books(0)
    with Spool(journal, {}) as spool:
        spool.valid(Row(2, (cell,), {}), NewClient(campaign_id=CAMPAIGN, email="someone@mail.example"))
    words = f"{said}{cell} for Someone@mail.example"
    send(journal, turned, [lambda row_id: journal.rejected(row_id, 422, words, cell)])
    (reason,) = Seen(page(journal, tmp_path_factory.mktemp("report"))).all("reason")
    assert cell not in reason
    assert "omeone" not in reason
    assert "mail" not in reason


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("ann@x.de is taken", "… is taken"),
        ("call +49 170 123-4567 now", "call +… now"),
        ("see https://x.de/y, or www.x.de, or x.de/y", "see … or … or …"),
        ("ANN LEE is known, and so is Lee, not Leeds", "… is known, and so is …, not Leeds"),
        ("status 422 at line 12", "status 422 at line 12"),
        ("it must have one @", "it must have one @"),
        ("a @ b", "a … b"),
        ("either/or", "either/or"),
        ("x" * 5_000, "A message of 5,000 characters."),
        ("y" * 200, "y" * 160 + "…"),
        ("two\u200b\twords", "two words"),
    ],
)
def test_what_is_hidden_and_what_is_not(said: str, shown: str) -> None:
    """Addresses, links, long numbers, the row's cells and the words of its fields; plain words stay."""
    assert masked(said, ["Ann Lee", "z"], ["Ann Lee"]) == shown


# --- time, numbers and pictures ---


def test_a_rolling_window_is_counted_as_it_was_promised() -> None:
    """The most requests in any window that ends in a bin; an empty bin still has those before it in its window."""
    journal, _ = books(1)
    for at in (0, 1, 59.9, 60, 60.5, 62):
        journal.db.execute("INSERT INTO requests VALUES (?, 'add')", (BEGAN + int(at * SECOND),))
    journal.db.execute("INSERT INTO requests VALUES (?, 'list')", (BEGAN + 130 * SECOND,))
    axis = axis_of(journal, 60.0)
    assert axis is not None
    counts = requests_of(journal, axis, 60.0)
    assert counts.total() == 7
    assert (axis.step, axis.bins) == (SECOND, 131)
    assert [counts.rolling[at] for at in (0, 1, 2, 59, 60, 61, 62, 118, 122, 130)] == [1, 2, 2, 3, 4, 4, 4, 4, 1, 1]
    journal.close()


def test_rows_of_an_older_journal_have_no_time() -> None:
    """What is known of them counts from the beginning."""
    journal, turned = books(2)
    send(journal, turned, all_fates(journal)[:1])
    journal.db.execute("UPDATE rows SET state = 'created' WHERE state = 'planned'")
    axis = axis_of(journal, 60.0)
    assert axis is not None
    fates = fates_of(journal, axis)
    assert fates.before["created"] == 1
    assert fates.reached["created"][-1] == fates.total == 2
    journal.close()


def test_a_quiet_time_within_a_run_is_no_pause() -> None:
    """Only what lies between two runs is cut out, and only if it is worth it."""
    hour = 3600 * SECOND
    spans = [
        (BEGAN, BEGAN + hour),
        (BEGAN + 9 * hour, BEGAN + 10 * hour),
        (BEGAN + 10 * hour + SECOND, BEGAN + 11 * hour),
    ]
    assert len(make_axis(spans, {BEGAN}, 1).pieces) == 1
    axis = make_axis(spans, {begin for begin, _ in spans}, 1)
    assert [piece.pause for piece in axis.pieces] == [0, 8 * hour]
    assert axis.bin_of(0) == 0
    assert axis.bin_of(BEGAN + 5 * hour) == axis.pieces[1].first - 1
    assert axis.bin_of(BEGAN + 99 * hour) == axis.bins - 1


@FEW
@given(
    spans=st.lists(st.tuples(st.integers(0, 10**18), st.integers(0, 10**15)), min_size=1, max_size=40),
    least_s=st.sampled_from([0.001, 0.1, 1, 10]),
)
def test_an_axis_holds_every_time_and_no_more_bins_than_a_screen(spans: list[tuple[int, int]], least_s: float) -> None:
    """Bins are bounded, pieces are in order, and marks stand within the drawing and apart from each other."""
    axis = make_axis([(start, start + length) for start, length in spans], {start for start, _ in spans}, least_s)
    assert axis.bins <= 240 + 11 * 21
    ends = [piece.start + piece.bins * axis.step for piece in axis.pieces]
    assert all(end <= piece.start for end, piece in zip(ends, axis.pieces[1:], strict=False))
    assert all(0 <= axis.bin_of(start) < axis.bins for start, _ in spans)
    for width in (300.0, 850.0):
        scale = Scale(axis, 40.0, width)
        assert scale.lefts[-1] + scale.widths[-1] == pytest.approx(40 + width)
        xs = [tick.x for tick in scale.ticks(62)]
        assert all(40 <= x <= 40.01 + width for x in xs)
        assert all(after - before > 60 for before, after in pairwise(xs))


@pytest.mark.parametrize("days", [0.001, 0.2, 3, 900])
def test_no_two_labels_stand_in_one_place(days: float) -> None:
    """Times and dates are beside each other, and within the drawing, on a telephone too."""
    axis = make_axis([(BEGAN, BEGAN + int(days * DAY))], {BEGAN}, 1)
    nobody = Fates({name: [0] * axis.bins for name, _ in GROUPS}, {name: 0 for name, _ in GROUPS}, 7)
    for drawing, width in zip(draw_fates(axis, nobody).split("</svg>"), (920, 380), strict=False):
        labels = re.findall(r'"time" x="([\d.]+)" y="([\d.]+)"', drawing)
        assert labels
        for row in {y for _, y in labels}:
            xs = [float(x) for x, y in labels if y == row]
            assert all(after - before >= 55 for before, after in pairwise(xs))
            assert 27 <= xs[0] <= xs[-1] <= width - 27


def test_steps_are_round() -> None:
    """From a fraction of a second to as many weeks as one likes."""
    asked = [0.00001, 0.003, 0.7, 1, 7, 45, 3700, 90_000, 10 * 86_400]
    assert [next_step(each) for each in asked] == [0.0001, 0.005, 1, 1, 10, 60, 7200, 2 * 86_400, 14 * 86_400]


def test_numbers_and_times_as_people_write_them() -> None:
    """Thousands, shares that do not lie, durations in two units, and times with their zone."""
    assert [number(each) for each in (1234567, 1.6666, 2.0, 1234.5)] == ["1,234,567", "1.67", "2", "1,234.5"]
    assert [share(*each) for each in ((0, 9), (9, 9), (1, 10_000), (9_999, 10_000), (1, 3), (0, 0))] == [
        *("0 %", "100 %", "0.1 %", "99.9 %", "33.3 %", "0 %")
    ]
    asked = [0, 0.25, 59.6, 60, 3_601, 86_400 * 2 + 7_300, -1]
    assert [duration(int(each * SECOND)) for each in asked] == [
        "0 s",
        "0.25 s",
        "1 min",
        "1 min",
        "1 h",
        "2 d 2 h",
        "0 s",
    ]
    assert clock(BEGAN).endswith(f":20 {zone(BEGAN)}")
    assert local(BEGAN).timestamp() * SECOND == BEGAN
    assert escaped("<" * 9, 3) == "&lt;&lt;&lt;…"


def test_the_zone_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the clock on the wall, at that time."""
    for name, said in (("UTC", "UTC"), ("Asia/Kolkata", "UTC+05:30"), ("UTC+3", "UTC-03:00")):
        monkeypatch.setenv("TZ", name)
        time.tzset()
        assert zone(BEGAN) == said
    monkeypatch.undo()
    time.tzset()
