"""What a listing may cost: work in proportion to its bytes, memory to its largest client; counted, not timed."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from onboard360_async import settings
from onboard360_async.codec import stream as stream_module
from onboard360_async.codec.parser import loads_quickly
from onboard360_async.codec.stream import ClientStream
from onboard360_async.codec.walk import Walk
from onboard360_async.errors import DecodeError

pytestmark = pytest.mark.usefixtures("either_parser")

CLIENT = {"id": "1", "campaign_id": "2", "email": "a@b.c", "created_at": "2024-01-15T09:00:00Z"}
NESTED = CLIENT | {
    "address": {"city": "X", "geo": {"lat": 1.5}},
    "tags": [{"id": 1}, {"id": 2}],
    "at": {"a": 1},
    "z": 1,
}


def listing(*items: dict[str, Any]) -> bytes:
    return json.dumps({"clients": items}).encode()


def in_pieces(document: bytes, size: int) -> Iterator[bytes]:
    return (document[start : start + size] for start in range(0, len(document), size))


class Work:
    """What was parsed at once and what was walked over, in bytes or characters."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.parsed: list[int] = []
        self.walked: list[int] = []
        self.taken = 0
        read, take = Walk.read, ClientStream._take

        def counted_parse(part: bytes) -> object:
            self.parsed.append(len(part))
            return loads_quickly(part)

        def counted_read(walk: Walk, text: str, *, to_element: bool) -> int:
            self.walked.append(0 if to_element and walk.is_at_element else len(text))
            return read(walk, text, to_element=to_element)

        def counted_take(stream: ClientStream, value: object) -> None:
            self.taken += 1
            take(stream, value)

        monkeypatch.setattr(stream_module, "loads_quickly", counted_parse)
        monkeypatch.setattr(Walk, "read", counted_read)
        monkeypatch.setattr(ClientStream, "_take", counted_take)

    @property
    def done(self) -> int:
        """All of it."""
        return sum(self.parsed) + sum(self.walked)


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Work:
    """What the streams of the test do."""
    return Work(monkeypatch)


def decode(document: bytes, size: int) -> int:
    stream = ClientStream()
    for piece in in_pieces(document, size):
        stream.feed(piece)
    while stream.finish():
        pass
    return stream.count


@pytest.mark.parametrize("size", [1, 100, 4_000, 100_000])
@pytest.mark.parametrize(
    ("items", "most"),
    [
        ([CLIENT] * 2_000, 5),
        ([NESTED] * 1_000, 12),  # each of its inner objects may be the end of it
        ([CLIENT, CLIENT | {"note": "x" * 500_000}, CLIENT], 5),
        ([CLIENT, CLIENT | {"note": "}," * 100_000}, CLIENT], 8),
        ([CLIENT, CLIENT | {"notes": ["x"] * 9_000}, CLIENT], 5),
    ],
    ids=["plain", "nested", "one giant", "one giant of boundaries", "one long list"],
)
def test_work_is_in_proportion_to_the_bytes(work: Work, size: int, items: list[dict[str, Any]], most: int) -> None:
    """However small the pieces: no byte is looked at more often than so many times, on average."""
    document = listing(*items)
    assert decode(document, size) == len(items)
    small = 10 * settings.RETRY_BYTES**2 // 8 if len(items) == 3 else 0  # until an element is known to be long
    assert work.done < most * len(document) + (small if size == 1 else 100_000)


@pytest.mark.parametrize(
    "item", [CLIENT, NESTED, {"address": {"a": {}}, "x": 1} | CLIENT], ids=["plain", "nested", "odd"]
)
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": "), (" ,\n", " : ")])
def test_what_is_usual_is_parsed_many_at_a_time(
    work: Work, item: dict[str, Any], separators: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clients with nested objects, too: after one look in vain it is known what stands between two of them."""
    monkeypatch.setattr(settings, "ALIKE_AFTER", 10_000)  # which has tests of its own
    document = json.dumps({"clients": [item] * 6_000}, separators=separators).encode()
    assert decode(document, 65_536) == 6_000
    assert work.taken < 6_000 // 6
    assert len(work.parsed) > 5


def test_where_no_boundary_can_be_told_no_more_than_a_few_are_tried(work: Work) -> None:
    """Clients that hold what looks like clients: they are walked over, with a few cuts in vain for each piece."""
    document = listing(*[CLIENT | {"inner": [CLIENT] * 100, "last": 1}] * 50)
    assert decode(document, 65_536) == 50
    pieces = len(document) // settings.FEED_BYTES + 1
    assert len(work.parsed) <= settings.CUT_TRIES * 3 * pieces


@pytest.mark.parametrize("size", [1_000, 65_536, 10_000_000])
def test_no_more_than_a_piece_is_read_at_once(work: Work, size: int) -> None:
    """Whatever a caller feeds: the loop is not held up by one large chunk, nor is a second copy of it held."""
    assert decode(listing(*[NESTED | {"id": str(number)} for number in range(5_000)]), size) == 5_000
    assert max(work.parsed) <= settings.CUT_BYTES + 2
    assert max(work.walked) <= 2 * settings.FEED_BYTES


def test_nothing_is_held_but_what_is_cut(either_parser: str) -> None:
    """A listing of any length: a piece of one client, and the ids of some campaigns."""
    stream, held, shared, given = ClientStream(), 0, 0, 0
    for number in range(200):
        clients = [CLIENT | {"campaign_id": f"c{number}-{each}"} for each in range(100)]
        body = json.dumps(clients).encode()[1:-1] + b","
        for piece in in_pieces(b'{"clients": [' + body if number == 0 else body, 700):
            given += len(stream.feed(piece))
            held, shared = max(held, len(stream._held)), max(shared, len(stream._shared))
            assert stream._clients == []
            assert stream._walk._text == ""
    assert given == stream.count == 20_000
    assert held < 700 + 200
    assert shared <= settings.SHARED_IDS + 10


def test_an_endless_value_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """One value may be long, not endless; so may the name of a member, and what stands beside the clients."""
    monkeypatch.setattr(settings, "MAX_VALUE_CHARS", 10_000)
    good = json.dumps(CLIENT).encode()
    for start, more, path in (
        (b'{"clients": [' + good + b',{"id": "', b"x", "$.clients[1]"),
        (b'{"clients": [' + good + b',{"a": [', b"[],", "$.clients[1]"),
        (b'{"a": "', b"x", "$.a"),
        (b'{"', b"x", "$"),
    ):
        stream = ClientStream()
        pieces = iter([start, *[more * 1_000] * 40])
        with pytest.raises(DecodeError, match="longer than 10000") as caught:
            list(map(stream.feed, pieces))
        assert caught.value.path == path
        assert len(stream._held) < 40_000


@pytest.mark.parametrize("size", [1_000, 1_000_000])
def test_the_limit_is_the_same_however_a_value_comes(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that is as long as may be is read, one that is longer is refused, whole or in pieces."""
    monkeypatch.setattr(settings, "MAX_VALUE_CHARS", 100_000)
    around = len(json.dumps(CLIENT | {"note": ""}))
    assert decode(listing(CLIENT | {"note": "x" * (100_000 - around)}), size) == 1
    with pytest.raises(DecodeError, match="longer than 100000 characters"):
        decode(listing(CLIENT | {"note": "x" * (100_001 - around)}), size)


@pytest.mark.parametrize("size", [1_000, 1_000_000])
@pytest.mark.parametrize("part", ["[],", '{"a":1},', '"",', "1,"])
def test_a_value_of_too_many_parts_is_refused(size: int, part: str) -> None:
    """They would be read in one go, and take as long as ten times so many characters of a text."""
    document = json.dumps({"clients": [CLIENT | {"more": "PARTS"}]})
    for parts in (settings.MAX_VALUE_PARTS // 2, 8 * settings.MAX_VALUE_PARTS):
        body = document.replace('"PARTS"', f"[{part * parts}1]").encode()
        if parts < settings.MAX_VALUE_PARTS // 2 or len(body) < settings.CUT_BYTES:
            assert decode(body, size) == 1
        elif parts > settings.MAX_VALUE_PARTS:
            with pytest.raises(DecodeError, match="holds more than"):
                decode(body, size)


@pytest.mark.parametrize("size", [1_000, 65_536, 1_000_000])
def test_a_value_of_too_many_parts_is_refused_among_others_too(size: int) -> None:
    """Also where it came whole, with the clients behind it, and might be cut off with them."""
    large: dict[str, object] = CLIENT | {"more": [[]] * (settings.CUT_BYTES // 3)}
    document = json.dumps({"clients": [large, *[CLIENT] * 2_000]}, separators=(",", ":")).encode()
    with pytest.raises(DecodeError, match=r"\$\.clients\[0\]: one value holds more than"):
        decode(document, size)


@pytest.mark.parametrize("text", ["a,b;", "{},[]\\", 'say "yes", or no. '])
def test_a_long_text_has_no_parts(text: str) -> None:
    """A table in a note: its commas are no values, also behind a text that ends in a backslash."""
    assert decode(listing(CLIENT | {"note": text * 40_000}), 65_536) == 1
    assert decode(listing(CLIENT | {"path": "C:\\", "note": text * 40_000}), 65_536) == 1


def test_what_stands_beside_the_clients_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is kept to the end, so there may be so much of it and no more, before the clients and after them."""
    few = {f"m{number}": number for number in range(settings.MAX_MEMBERS)}
    stream = ClientStream()
    stream.feed(json.dumps(few | {"clients": [CLIENT]}).encode())
    assert (stream.count, stream.envelope) == (1, few)
    with pytest.raises(DecodeError, match="more beside the clients"):
        decode(json.dumps({"clients": []} | few | {"one": "more"}).encode(), 65_536)
    with pytest.raises(DecodeError, match="more beside the clients"):
        decode(b"{" + b'"a": 1,' * (settings.MAX_MEMBERS + 1), 65_536)
    monkeypatch.setattr(settings, "MAX_VALUE_CHARS", 1_000)
    with pytest.raises(DecodeError, match="more beside the clients"):
        decode(json.dumps({"a": "x" * 600, "b": "x" * 600}).encode(), 65_536)


def test_bytes_that_are_no_text_are_found_in_a_long_element() -> None:
    """Also where the element was not tried again since they came: it is wrong, not cut."""
    stream = ClientStream()
    for piece in (b'{"clients": [{"a": "', b"x" * 10_000, b"\xff", b"x" * 100):
        stream.feed(piece)
    with pytest.raises(DecodeError, match=r"\$\.clients\[0\]: the answer is not UTF-8"):
        stream.finish()
