"""Clients that are written alike are read by one expression: exactly what the parser reads, and what it refuses."""

import json
from collections.abc import Iterable
from typing import Any

import pytest
from attrs import astuple
from hypothesis import given
from hypothesis import strategies as st

from onboard360_async import settings
from onboard360_async.codec.alike import Look, look_of
from onboard360_async.codec.parser import loads_quickly
from onboard360_async.codec.stream import ClientStream
from onboard360_async.errors import AnswerLostError, DecodeError

CLIENT = {
    "id": "1",
    "campaign_id": "2",
    "first_name": "Ä",
    "last_name": None,
    "email": "a@b.c",
    "company_name": "C",
    "phone": "1",
    "created_at": "2024-01-15T09:00:00Z",
}
NAMES = [*CLIENT, "link"]
NEVER = 10**9


def read(body: bytes, sizes: Iterable[int]) -> tuple[list[Any], str, dict[str, Any]]:
    """What a stream makes of it: clients, why it ended, and what stood beside them."""
    stream, made, at, said = ClientStream(), [], 0, ""
    try:
        for size in sizes:
            made += stream.feed(memoryview(body)[at : at + size])
            at += size
        made += stream.feed(body[at:])
        while rest := stream.finish():
            made += rest
    except (DecodeError, AnswerLostError) as error:
        said = f"{type(error).__name__}: {error}"
    return [(*astuple(client, recurse=False)[:-1], dict(client.extra)) for client in made], said, stream.envelope


def both(monkeypatch: pytest.MonkeyPatch, body: bytes, sizes: Iterable[int] = ()) -> None:
    """The same with a look from the first client on, and without any."""
    told = []
    for after in (0, NEVER):
        monkeypatch.setattr(settings, "ALIKE_AFTER", after)
        told.append(read(body, sizes))
    assert told[0] == told[1]


letters = st.sampled_from([*'aé😀\x7f\u2028{}[]:, "\\/', "\n", "\x00", "null", "},", '{"id":'])
texts = st.lists(letters, max_size=4).map("".join)
times = st.sampled_from(["2024-01-15T09:00:00Z", "2024-01-15T09:00:00+02:00", "2024-01-15", "0001-01-01T00+14", "x"])
usual = st.text("abcé ", min_size=1, max_size=3)
styles = st.sampled_from([(",", ":"), (", ", ": "), (" , ", " : "), (",\n", ":"), (",\t", ":")])


@st.composite
def listings(draw: st.DrawFn) -> bytes:
    """Mostly clients that are written alike, now and then one that is not, and a byte or two that are wrong."""
    comma, colon = draw(styles)
    names = draw(st.permutations(NAMES))[: draw(st.integers(6, 9))]
    elements = []
    for _ in range(draw(st.integers(0, 6))):
        own = names if draw(st.integers(0, 5)) else draw(st.permutations(NAMES))
        client: dict[str, Any] = {name: draw(usual) for name in own}
        client["created_at"] = draw(times)
        for name in draw(st.sets(st.sampled_from(NAMES), max_size=2)) if not draw(st.integers(0, 3)) else ():
            client[name] = draw(st.none() | texts | st.integers() | st.just([]))
        if not draw(st.integers(0, 9)):
            client[draw(texts)] = draw(texts)
        as_ascii = draw(st.booleans())
        elements.append(json.dumps(client, ensure_ascii=as_ascii, separators=(comma, colon)))
        if not draw(st.integers(0, 9)):  # raw, as nobody may write it
            elements[-1] = elements[-1].replace("a", draw(st.sampled_from(["\n", "\x1f", '"', "\\", "\x7f"])), 1)
    body = ('{"clients": [' + comma.join(elements) + '], "more": 1}').encode()
    if not draw(st.integers(0, 2)):
        at = draw(st.integers(0, len(body)))
        gone = draw(st.integers(0, 3))
        put = draw(st.sampled_from([b"", b",", b"}", b'"', b"{", b"\xff", b"null", b" ", b"x", b"\\", b"},", b"\x00"]))
        body = body[:at] + put + body[at + gone :]
    return body


@given(listings(), st.lists(st.integers(1, 400), max_size=5))
def test_the_same_clients_and_the_same_errors_as_the_parsers(body: bytes, sizes: list[int]) -> None:
    """Whatever is written, wrong or not, however it is cut."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        both(monkeypatch, body, sizes)


def listing(*clients: dict[str, Any]) -> bytes:
    return json.dumps({"clients": clients}, separators=(",", ":"), ensure_ascii=False).encode()


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many bytes each part had that the parser was given, with a look from the first client on."""
    monkeypatch.setattr(settings, "ALIKE_AFTER", 0)
    sizes: list[int] = []

    def noting(part: bytes) -> object:
        sizes.append(len(part))
        return loads_quickly(part)

    monkeypatch.setattr("onboard360_async.codec.stream.loads_quickly", noting)
    return sizes


def test_what_is_written_alike_is_not_parsed(parsed: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Nulls and letters of every kind among it; only the last client, which ends no other way, is left to the walk."""
    people = [CLIENT | {"id": str(number), "phone": None if number % 3 else "1"} for number in range(20)]
    body = listing(*people)
    assert [client[0] for client in read(body, ())[0]] == [str(number) for number in range(20)]
    assert parsed == []
    both(monkeypatch, body)


def test_a_listing_is_looked_at_once_it_is_long(parsed: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Not before, since the expression takes as long to make as a thousand clients to parse."""
    monkeypatch.setattr(settings, "ALIKE_AFTER", 1_000)
    body = listing(*[CLIENT] * 3_000)
    assert len(ClientStream().feed(body)) == 3_000
    of_a_thousand = len(body) // 3
    assert of_a_thousand <= sum(parsed) <= of_a_thousand + settings.FEED_BYTES


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": "), (" , ", " : ")])
@pytest.mark.parametrize("names", [[*CLIENT], NAMES, sorted(NAMES), [name for name in NAMES if name != "phone"]])
def test_it_goes_on_from_feed_to_feed(separators: tuple[str, str], names: list[str], parsed: list[int]) -> None:
    """Whatever stands between two clients, and whichever names they have in whatever order, wherever it is cut."""
    client = {name: (CLIENT | {"link": "https://x.de/c/1", "last_name": "B"})[name] for name in names}
    body = json.dumps({"clients": [client] * 200}, separators=separators, ensure_ascii=False).encode()
    clients, said, _ = read(body, [500] * (len(body) // 500))
    assert len(clients) == 200
    assert len(set(map(repr, clients))) == 1
    assert clients[0][7] is not None
    assert (clients[0][8], clients[0][6]) == (client.get("link"), client.get("phone"))
    assert said == ""
    assert parsed == []


def test_one_that_is_written_otherwise_is_forgotten(parsed: list[int]) -> None:
    """Its part is parsed; what comes behind is read as before, however often that happens."""
    one, other = (json.dumps(CLIENT | change, ensure_ascii=False).encode() for change in ({}, {"phone": ""}))
    stream = ClientStream()
    stream.feed(b'{"clients": [')
    for _ in range(5):
        parsed.clear()
        assert len(stream.feed(b", ".join([one] * 3 + [other, one]) + b", ")) == 5
        assert len(parsed) == 1
        assert len(stream.feed(b", ".join([one] * 5) + b", ")) == 5
        assert len(parsed) == 1


def test_parts_of_one_client_cost_no_look(parsed: list[int]) -> None:
    """Nobody sees in them what stands between two."""
    one = json.dumps(CLIENT, ensure_ascii=False).encode() + b","
    stream = ClientStream()
    stream.feed(b'{"clients": [')
    for _ in range(5):
        stream.feed(one)
    assert len(parsed) == 5
    stream.feed(one * 3)
    assert len(parsed) == 5


@pytest.mark.parametrize(
    "first",
    [
        "{" + " " * 60_000 + '"id": "1"',
        "{" + '"id": "1", ' * 6_000,
        "{" + '"": "", ' * 8_000,
        '{"id": "1"' + " " * 60_000,
        '{"' + "i" * 60_000 + '": "1"',
    ],
)
def test_an_expression_is_short_whatever_a_server_writes(first: str) -> None:
    """It is made letter by letter, and kept: thousands of letters would hold everybody up."""
    one = json.dumps(CLIENT, ensure_ascii=False)
    assert look_of(f"{first}, {one[1:]}, {one}") is None
    assert look_of(f"{one}{' ' * 60_000}, {one}") is None
    look = look_of(f"{one}, {one}")
    assert look is not None
    assert len(look.pattern) < 1_000


def test_deep_in_a_recursion_it_is_left_to_the_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever goes wrong is no error of the listing, and shows nobody."""

    def fails(_: str) -> None:
        raise RecursionError

    monkeypatch.setattr(settings, "ALIKE_AFTER", 0)
    monkeypatch.setattr("onboard360_async.codec.stream.look_of", fails)
    clients, said, _ = read(listing(*[CLIENT] * 5), ())
    assert (len(clients), said) == (5, "")


@pytest.mark.parametrize(
    "other",
    [
        CLIENT | {"first_name": 'with "quotes"'},
        CLIENT | {"first_name": ""},
        CLIENT | {"more": "x"},
        CLIENT | {"email": "tab\there"},
        {name: CLIENT[name] for name in reversed(CLIENT)},
        {name: CLIENT[name] for name in CLIENT if name != "phone"},
    ],
)
def test_what_is_written_otherwise_is_parsed(
    other: dict[str, Any], parsed: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An escape, an empty text, a name more or less, another order: the parser reads all of that part."""
    body = listing(*[CLIENT] * 3, other, *[CLIENT] * 3)
    clients, said, _ = read(body, ())
    assert len(clients) == 7
    assert said == ""
    assert parsed
    both(monkeypatch, body)


def test_a_listing_in_which_nothing_is_alike_is_looked_at_three_times(
    parsed: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is given up then; an escape does not count, which is seen before anything is tried."""
    tried: list[str] = []

    def noting(text: str) -> Look | None:
        tried.append(text)
        return look_of(text)

    monkeypatch.setattr("onboard360_async.codec.stream.look_of", noting)
    stream = ClientStream()
    stream.feed(b'{"clients":[')
    mixed = [CLIENT, {name: CLIENT[name] for name in reversed(CLIENT)}]
    escaped = CLIENT | {"first_name": '"'}
    for _ in range(5):
        stream.feed(json.dumps([escaped, escaped], separators=(",", ":"))[1:-1].encode() + b",")
    assert tried == []
    for _ in range(5):
        stream.feed(json.dumps(mixed * 2, separators=(",", ":"), ensure_ascii=False)[1:-1].encode() + b",")
    assert len(tried) == settings.ALIKE_TRIES
    assert stream.count == 30
    assert parsed


def test_a_look_is_made_only_of_what_the_page_shows() -> None:
    """Each of what is required, nothing unknown, nothing twice, an object, and another one behind it."""

    def look(text: str) -> Look | None:
        return look_of(text)

    one = json.dumps(CLIENT, ensure_ascii=False)
    assert look(f"{one}, {one}") is not None
    for text in (one, f"[{one}], {one}", f"{one},1", '{"id": "1"}, {"id": "2"}', "{}, {}", ""):
        assert look(text) is None
    assert look(f'{one[:-1]}, "id": "2"}}, {one}') is None
    assert look(f'{one[:-1]}, "more": "2"}}, {one}') is None


def test_nothing_is_left_over() -> None:
    """The expression tiles the text: not a letter before, between or behind is passed over."""
    one = json.dumps(CLIENT, ensure_ascii=False)
    look = look_of(f"{one}, {one}")
    assert look is not None
    rows = look.rows(f"{one}, {one}")
    assert rows is not None
    assert list(rows) == [("1", "2", "Ä", "", "a@b.c", "C", "1", CLIENT["created_at"], "")] * 2
    for text in (
        f"{one}, {one},",
        f"{one}, {one}, ",
        f"{one}, {one} ",
        f"x{one}",
        f"{one},{one}",
        f"{one}{one}",
        f"{one}, {one[:-1]}",
        "",
    ):
        assert look.rows(text) is None


@pytest.mark.parametrize("letter", [*map(chr, range(0x20)), '"', "\\"])
def test_what_json_wants_escaped_is_refused(letter: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A control character, a quote or a backslash, raw in a text, is no JSON: neither way takes it."""
    monkeypatch.setattr(settings, "ALIKE_AFTER", 0)
    body = listing(*[CLIENT] * 3).replace(b"a@b", f"a{letter}@b".encode())
    clients, said, _ = read(body, ())
    assert clients == []
    assert said
    both(monkeypatch, body)


def test_a_time_that_is_none_is_named_by_the_parsers_way(parsed: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """With its path, and those before it handed on."""
    body = listing(*[CLIENT] * 3, CLIENT | {"created_at": "yesterday"}, CLIENT)
    clients, said, _ = read(body, ())
    assert len(clients) == 3
    assert "$.clients[3].created_at" in said
    both(monkeypatch, body)
