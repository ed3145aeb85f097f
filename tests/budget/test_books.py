"""The books: written down and read at any time they keep the rule; what we did not write is never believed."""

import json
import random
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onboard360_async.budget.books import Books, Terms
from tests.budget.letter import LetterWindow
from tests.budget.servers import servers_of

SECOND = 10**9
MINUTE = 60 * SECOND
START = 10**18
FEW = settings(deadline=None, derandomize=True, max_examples=150)
TERMS = Terms(100, MINUTE, 100)


def books_of(limit: int = 100, window_ns: int = MINUTE, burst: int = 100) -> Books:
    return Books(Terms(limit, window_ns, burst), "epoch")


def used_up(books: Books, now: int, requests: int) -> None:
    for number in range(requests):
        assert books.grant(now, f"us.{number}", keep=0, lease_ns=MINUTE) == 0
        books.settle(f"us.{number}", now)


# --- written and read ---


@FEW
@given(st.integers(1, 6), st.integers(1, 20), st.integers(0, 2**32))
def test_written_and_read_at_any_time_they_grant_what_the_rule_grants(limit: int, window_ns: int, seed: int) -> None:
    """Grant for grant the rule by the letter, with a copy read anew after every few steps."""
    rng, now = random.Random(seed), START
    books, letter = books_of(limit, window_ns, 10**6), LetterWindow(limit, window_ns)
    held: list[str] = []
    for number in range(80):
        kind = rng.choice(("ask", "ask", "settle", "late", "release", "wait", "keep"))
        if kind == "ask":
            granted = books.grant(now, f"us.{number}", keep=0, lease_ns=10**9) == 0
            assert granted == letter.reserve(now)
            held += [f"us.{number}"] * granted
        elif kind == "wait":
            now += rng.randrange(window_ns + 2)
        elif kind == "keep":
            books = Books.read(books.write(now), now, books.terms)
        elif held:
            ticket = held.pop(rng.randrange(len(held)))
            if kind == "release":
                books.release(ticket)
                letter.release()
            else:
                at = now - rng.randrange(window_ns) if kind == "late" else now
                books.settle(ticket, at)
                letter.settle(at)
        assert (books.window.held, books.window.used(now)) == (letter.held, letter.used(now))


def test_what_is_long_past_takes_no_room() -> None:
    """Settle times that nobody needs are forgotten also where nothing is written down."""
    books, now = books_of(), START
    for number in range(1200):
        now += SECOND
        books.advance(now)
        assert books.grant(now, f"us.{number}", keep=0, lease_ns=MINUTE) == 0
        books.settle(f"us.{number}", now)
    assert len(books.settled) < 1200


@settings(FEW, max_examples=60)
@given(st.integers(1, 6) | st.just(100), st.integers(0, 2**32), st.sampled_from((0, 2, 70)))
def test_no_server_refuses_whoever_reads_and_whatever_the_clock_says(limit: int, seed: int, back_s: int) -> None:
    """Every request by a process that only knows what was written, with a clock that is set back again and again."""
    rng, now, back, refused = random.Random(seed), START, 0, 0
    servers = servers_of(limit, MINUTE, tuple(rng.randrange(MINUTE) for _ in range(3)))
    blob = books_of(limit, burst=20).write(now)
    for number in range(2 * limit + 30):
        while True:
            books = Books.read(blob, now - back, Terms(limit, MINUTE, 20))
            wait = books.grant(now - back, f"us.{number}", keep=0, lease_ns=MINUTE)
            blob = books.write(now - back)
            if wait == 0:
                break
            now += wait or 0
        sent, now = now, now + rng.choice((0, SECOND, 20 * SECOND))
        counted = rng.randint(sent, now)
        refused += sum(not server.admits(counted) for server in servers)
        books = Books.read(blob, now - back, Terms(limit, MINUTE, 20))
        books.settle(f"us.{number}", now - back)
        blob = books.write(now - back)
        if rng.random() < 0.1:
            back += rng.randint(0, back_s) * SECOND
    assert refused == 0


def test_all_of_it_is_kept() -> None:
    """Leases, holders, turns, bucket, pause, limits: read a second later, each is a second nearer its end."""
    books = books_of()
    for number in range(3):
        books.grant(START, f"us.{number}", keep=0, lease_ns=30 * SECOND)
    books.holders = {"us": "host:1", "gone": "host:2"}
    books.settle("us.0", START)
    books.take_turn(START, "them", 1, served=False)
    books.keep_turn("them", START + 5 * SECOND)
    books.window.pause_until(START + 10 * SECOND)
    books.feedback.refused(START, None, used=3, paused=True)
    books.feedback.refusals = 2
    books.feedback.heard(60)
    books.apply_feedback()
    again = Books.read(books.write(START), START + SECOND, books.terms)
    assert again.leases == {"us.1": START + 30 * SECOND, "us.2": START + 30 * SECOND}
    assert again.holders == {"us": "host:1"}
    assert again.turns == {"them": (1, START + 5 * SECOND)}
    assert again.bucket_at == books.bucket_at > START
    assert again.window.paused_ns(START + SECOND) == 9 * SECOND
    assert (again.window.used(START + SECOND), again.window.limit) == (3, 48)
    assert (again.feedback.told, again.feedback.refusals, again.feedback.cut_at) == (60, 2, START)
    assert (again.epoch, again.sequence) == (books.epoch, 1)


def test_it_is_about_two_kilobytes_and_names_no_one() -> None:
    """A full minute of a busy key, the one before it too."""
    books, now = books_of(), START
    for number in range(400):
        while wait := books.grant(now, f"0123abcd.{number}", keep=0, lease_ns=MINUTE):
            now += wait
        books.settle(f"0123abcd.{number}", now)
        now += 123_456_789
    written = books.write(now)
    assert 1000 < len(written) < 2600
    assert not re.search(rb"sk_|@|https?:|/api", written)


@pytest.mark.parametrize("back_s", [0, 1, 3600])
def test_a_clock_that_was_set_back_makes_the_past_younger(back_s: int) -> None:
    """What was used stays used for a window from now, and a lease or a pause lasts no longer than it had left."""
    books = books_of(3)
    used_up(books, START, 2)
    books.grant(START, "us.9", keep=0, lease_ns=MINUTE)
    books.window.pause_until(START + MINUTE)
    blob, now = books.write(START + SECOND), START + SECOND - back_s * SECOND
    again = Books.read(blob, now, books.terms)
    assert again.window.used(now) == 3
    assert again.leases == {"us.9": now + MINUTE - SECOND}
    assert again.window.paused_ns(now) == MINUTE - SECOND
    again.release("us.9")
    assert Books.read(again.write(now), now + MINUTE, books.terms).window.used(now + MINUTE) == 0


def test_a_clock_that_was_set_ahead_makes_nothing_older() -> None:
    """Known by how much, that time has not passed; what was written after that is taken for just written."""
    hour = 3600 * SECOND
    books = books_of(3)
    used_up(books, START, 2)
    now = START + hour + 10 * SECOND
    again = Books.read(books.write(START), now, books.terms, ahead=hour)
    assert again.window.used(now) == 2
    assert again.window.used(now + 50 * SECOND) == 2
    assert again.window.used(now + 51 * SECOND) == 0
    later = Books.read(again.write(now), now + SECOND, books.terms, ahead=hour)
    assert later.window.used(now + 51 * SECOND) == 2
    assert later.window.used(now + 52 * SECOND) == 0


def test_a_lease_that_nobody_ends_is_a_settle_at_its_end() -> None:
    """A worker was killed: its slot counts until then and a window more, and telling afterwards changes nothing."""
    books = books_of(1)
    books.grant(START, "dead.1", keep=0, lease_ns=30 * SECOND)
    again = Books.read(books.write(START), START + 31 * SECOND, books.terms)
    assert (again.window.held, again.window.used(START + 31 * SECOND)) == (0, 1)
    again.release("dead.1")
    again.settle("dead.1", 0)
    assert again.window.used(START + 89 * SECOND) == 1
    assert again.window.used(START + 91 * SECOND) == 0


def test_an_attempt_that_outlived_its_lease_is_held_anew() -> None:
    """It was told late that the attempt goes on: it counts until then, whatever its lease has come to."""
    books = books_of(3)
    books.grant(START, "us.1", keep=0, lease_ns=SECOND)
    books.advance(START + 2 * SECOND)
    books.extend("us.1", START + 30 * SECOND)
    assert (books.window.held, books.window.used(START + 2 * SECOND)) == (1, 2)
    assert Books.read(books.write(START + 2 * SECOND), START + 31 * SECOND, books.terms).window.held == 0


def test_a_longer_window_of_others_keeps_its_history() -> None:
    """A process that goes by three seconds does not cut what one that goes by sixty needs."""
    long, short = Terms(3, MINUTE, 3), Terms(3, 3 * SECOND, 3)
    books = Books(long, "epoch")
    used_up(books, START, 3)
    now = START + 20 * SECOND
    between = Books.read(books.write(START), now, short)
    assert between.window.used(now) == 0
    assert Books.read(between.write(now), now, long).window.used(now) == 3


def test_a_tighter_bucket_says_when() -> None:
    """The bucket holds the burst and gains one at the pace of the limit; what it refuses is not held."""
    books = books_of(burst=2)
    used_up(books, START, 2)
    wait = books.grant(START, "us.2", keep=0, lease_ns=MINUTE) or 0
    assert wait == pytest.approx(0.6 * SECOND, rel=0.001)
    assert books.window.held == 0
    assert books.tokens(START) == 0
    assert books.grant(START + wait, "us.2", keep=0, lease_ns=MINUTE) == 0


def test_the_longer_of_two_waits_is_told() -> None:
    """Or a process would ask again and again while the window is full."""
    books = books_of(2, burst=2)
    used_up(books, START, 2)
    assert books.grant(START, "us.2", keep=0, lease_ns=MINUTE) == MINUTE + 1
    held = books_of(1)
    held.grant(START, "us.0", keep=0, lease_ns=MINUTE)
    assert held.grant(START, "us.1", keep=0, lease_ns=MINUTE) is None


# --- turns ---


def test_turns() -> None:
    """First come first served among processes, INTERACTIVE before BULK; the served go last, the late lose theirs."""
    books = books_of()
    for place, holder in enumerate(("a", "b", "c")):
        assert books.take_turn(START, holder, 1, served=False) == place
        books.keep_turn(holder, START + SECOND)
    assert books.take_turn(START, "person", 0, served=False) == 0
    books.keep_turn("person", START + SECOND)
    assert books.take_turn(START, "a", 1, served=True) == 3
    assert books.take_turn(START, "b", 1, served=False) == 1
    books.keep_turn("c", START + 2 * SECOND)
    assert books.take_turn(START + SECOND, "b", 1, served=False) == 1
    assert list(books.turns) == ["c", "b"]


def test_a_place_in_line_has_a_time() -> None:
    """The third in line sleeps until three requests could have been granted."""
    books = books_of(100, burst=2)
    used_up(books, START, 2)
    assert books.eta_ns(START, 3) == pytest.approx(1.8 * SECOND, rel=0.001)


# --- a store that lost it ---


def test_a_writer_knows_whether_its_last_words_are_there() -> None:
    """Older books miss them; with more writers than the books name nobody takes that for a loss."""
    books = books_of()
    books.wrote = {"us": 7}
    assert [books.misses("us", sequence) for sequence in (0, 7, 8)] == [False, False, True]
    assert books.misses("them", 1)
    books.wrote = {f"writer {number}": number for number in range(70)}
    again = Books.read(books.write(START), START, books.terms)
    assert (len(again.wrote), again.wrote["writer 69"]) == (64, 69)
    assert not again.misses("writer 1", 1)


def test_two_copies_are_added_up() -> None:
    """What both know counts once, what one knows counts; limits and pauses are the stricter ones."""
    one = books_of()
    used_up(one, START, 5)
    other = Books.read(one.write(START), START, one.terms)
    for number, books in enumerate((one, other)):
        books.grant(START + 1, f"us{number}.1", keep=0, lease_ns=MINUTE)
        books.grant(START + 2 + number, f"us{number}.2", keep=0, lease_ns=MINUTE)
        books.settle(f"us{number}.2", START + 2 + number)
    other.window.pause_until(START + MINUTE)
    other.feedback.heard(30)
    other.holders = {"us1": "host:1"}
    one.absorb(other, START + 10)
    assert set(one.leases) == {"us0.1", "us1.1"}
    assert one.window.used(START + 10) == 5 + 2 + 2
    assert one.window.paused_ns(START + 10) == MINUTE - 10
    assert (one.window.limit, one.holders) == (30, {"us1": "host:1"})


def test_a_copy_by_another_clock_is_moved() -> None:
    """The other's clock was an hour behind: its past lies as far back by ours."""
    hour = 3600 * SECOND
    one, other = books_of(), books_of()
    used_up(other, START - hour, 5)
    other.grant(START - hour, "us.9", keep=0, lease_ns=MINUTE)
    one.absorb(other, START + SECOND, ahead=hour)
    assert one.window.used(START + SECOND) == 6
    assert one.leases == {"us.9": START + MINUTE}
    assert one.window.used(START + MINUTE - 1) == 6
    assert one.window.used(START + MINUTE + SECOND) == 1


def test_a_copy_ahead_of_the_clock_is_taken_for_now() -> None:
    """Nothing lies in the future, where it would count for too long."""
    one, other = books_of(), books_of()
    used_up(other, START + SECOND, 5)
    one.absorb(other, START)
    assert Books.read(one.write(START), START, one.terms).window.used(START) == 5
    assert one.window.used(START + MINUTE + 1) == 0


# --- what cannot be read ---


def page(**changes: Any) -> bytes:
    books = books_of()
    used_up(books, START, 3)
    books.grant(START, "us.9", keep=0, lease_ns=MINUTE)
    books.take_turn(START, "us", 0, served=False)
    whole = json.loads(books.write(START)) | changes
    return json.dumps({name: value for name, value in whole.items() if value != "gone"}).encode()


def test_the_page_as_it_is_can_be_read() -> None:
    """Else a page that cannot be read would prove nothing."""
    assert Books.read(page(), START, TERMS).window.used(START) == 4


@pytest.mark.parametrize(
    "changes",
    [
        {"format": 2},
        {"format": "gone"},
        {"epoch": 3},
        {"sequence": -1},
        {"written_ns": 1.5},
        {"written_ns": 2**63},
        {"gaps_ns": {}},
        {"gaps_ns": [-1]},
        {"gaps_ns": ["1"]},
        {"gaps_ns": "gone"},
        {"leases_ns": []},
        {"leases_ns": {"us.1": True}},
        {"holders": {"us": 1}},
        {"turns_ns": {"us": 1}},
        {"turns_ns": {"us": [1]}},
        {"turns_ns": {"us": [1, 2, 3]}},
        {"bucket_ns": None},
        {"paused_ns": -1},
        {"level": 1.01},
        {"level": "1"},
        {"level": float("nan")},
        {"told": "60"},
        {"refusals": None},
    ],
)
def test_a_page_that_is_not_as_we_write_it_is_refused(changes: dict[str, Any]) -> None:
    """Another format, something missing, something that cannot be meant: never half believed."""
    with pytest.raises(ValueError, match=r"\w"):
        Books.read(page(**changes), START, TERMS)


@settings(deadline=None, derandomize=True, max_examples=400)
@given(
    st.binary(max_size=60)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
        max_leaves=10,
    ).map(lambda value: json.dumps(value).encode())
)
def test_nothing_but_a_value_error_comes_of_any_bytes(blob: bytes) -> None:
    """Whatever somebody wrote there."""
    with pytest.raises(ValueError, match=r"\w"):
        Books.read(blob, START, TERMS)


def test_too_deep_for_json() -> None:
    """Even a text made to exhaust the parser is a text that cannot be read."""
    with pytest.raises(ValueError, match="RecursionError"):
        Books.read(b"[" * 100_000, START, TERMS)
