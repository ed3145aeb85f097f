"""The stream decoder: the same clients however the bytes are cut, and never a short list taken for the whole one."""

import itertools
import json
from collections.abc import Iterable
from typing import Any

import pytest
from attrs import fields_dict
from hypothesis import given
from hypothesis import strategies as st

from onboard360_async import settings
from onboard360_async.codec.answers import decode_client
from onboard360_async.codec.stream import ClientStream
from onboard360_async.errors import AnswerLostError, DecodeError
from onboard360_async.models import Client

CLIENT = {"id": "1", "campaign_id": "2", "email": "a@b.c", "created_at": "2024-01-15T09:00:00Z"}
GOOD = json.dumps(CLIENT)


def drain(stream: ClientStream) -> list[Client]:
    rest: list[Client] = []
    while batch := stream.finish():
        rest += batch
    return rest


def decode(chunks: Iterable[bytes]) -> list[Client]:
    stream = ClientStream()
    clients = [client for chunk in chunks for client in stream.feed(chunk)]
    return clients + drain(stream)


def cut(document: bytes, places: Iterable[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(document) + 1) for place in places), len(document)]
    return [document[start:end] for start, end in itertools.pairwise(edges)]


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=[]), max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
extras = st.dictionaries(st.text(max_size=6).filter(lambda name: name not in fields_dict(Client)), values, max_size=3)
envelopes = st.dictionaries(st.text(max_size=6).filter(lambda name: name != "clients"), values, max_size=3)


@given(
    before=envelopes,
    after=envelopes,
    more=st.lists(extras, max_size=5),
    places=st.lists(st.integers(0, 10_000), max_size=12),
    ascii_only=st.booleans(),
    indent=st.sampled_from([None, 1]),
)
def test_any_cut_gives_the_same_clients(
    before: dict[str, Any],
    after: dict[str, Any],
    more: list[dict[str, Any]],
    places: list[int],
    ascii_only: bool,
    indent: int | None,
) -> None:
    """For any document and any cuts, the stream gives what reading it whole gives, and keeps what stands beside."""
    document = {**before, "clients": [CLIENT | extra for extra in more], **after}
    text = json.dumps(document, ensure_ascii=ascii_only, indent=indent)
    whole = text.encode("utf-8", "surrogatepass")
    try:
        whole.decode()
    except UnicodeDecodeError:
        whole = json.dumps(document).encode()
    stream = ClientStream()
    clients = [client for chunk in cut(whole, places) for client in stream.feed(chunk)] + drain(stream)
    assert clients == [decode_client(json.dumps({"client": CLIENT | extra}).encode()) for extra in more]
    assert stream.envelope == {name: value for name, value in document.items() if name != "clients"}
    assert stream.count == len(more)


@given(st.integers(0, 10_000), st.lists(st.integers(0, 10_000), max_size=5))
def test_no_prefix_is_taken_for_the_whole(length: int, places: list[int]) -> None:
    """A body cut anywhere gives the clients that arrived, then AnswerLostError."""
    document = (
        f'\ufeff {{"total": 1.5e+3, "ok": true, "n": null, "clients": [{GOOD}, {GOOD}], "é": "\\u00e9"}}'
    ).encode()
    prefix = document[: length % len(document)]
    stream = ClientStream()
    clients = [client for chunk in cut(prefix, places) for client in stream.feed(chunk)]
    assert all(client == decode_client(b'{"client": %s}' % GOOD.encode()) for client in clients)
    with pytest.raises(AnswerLostError) as caught:
        stream.finish()
    assert caught.value.items == len(clients) == stream.count


def test_every_byte_alone_gives_every_kind_of_value() -> None:
    """Numbers, literals and escapes are read right when each byte comes alone."""
    odd = {"a": -1.5e-7, "b": [True, False, None], "c": '😀\\"', "d": 12, "e": 1e300, "f": "é"}
    text = json.dumps({"n": 10, "clients": [CLIENT | {"odd": odd}], "x": odd, "last": 1.25})
    text = text.replace('"n": 10', '"n": 10, "nan": NaN, "inf": [Infinity, -Infinity]')
    stream = ClientStream()
    clients = [client for byte in text.encode() for client in stream.feed(bytes([byte]))] + drain(stream)
    assert clients[0].extra["odd"] == odd
    assert (stream.envelope["n"], stream.envelope["last"], stream.envelope["x"]) == (10, 1.25, odd)


def test_clients_are_handed_on_as_soon_as_they_are_complete() -> None:
    """Nobody waits for the end of the list."""
    stream = ClientStream()
    assert stream.feed(b'{"clients": [') == []
    assert len(stream.feed(GOOD.encode())) == 1
    assert stream.feed(b",") == []
    assert len(stream.feed(GOOD.encode() + b"," + GOOD.encode() + b",")) == 2
    assert stream.feed(GOOD.encode()[:20]) == []


def test_a_long_element_is_not_tried_again_for_every_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    """An element of a megabyte in small pieces costs linear time: it doubles before each new try."""
    tries = 0
    walk = ClientStream._walk

    def counted(self: ClientStream, clients: list[Client]) -> None:
        nonlocal tries
        tries += 1
        walk(self, clients)

    monkeypatch.setattr(ClientStream, "_walk", counted)
    document = json.dumps({"clients": [CLIENT | {"note": "x" * 1_000_000}, CLIENT]}).encode()
    assert len(decode(document[start : start + 1_000] for start in range(0, len(document), 1_000))) == 2
    assert tries < 40


def test_an_endless_element_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded: one value may be long, not endless."""
    monkeypatch.setattr(settings, "MAX_ITEM_CHARS", 10_000)
    with pytest.raises(DecodeError, match="longer than 10000") as caught:
        decode([b'{"clients": [' + GOOD.encode() + b',{"id": "', *[b"x" * 1_000] * 100])
    assert caught.value.path == "$.clients[1]"


@pytest.mark.parametrize(
    ("document", "path", "message"),
    [
        ("[]", "$", "expected an object with 'clients'"),
        ("<html>", "$", "web page"),
        ("{}", "$.clients", "required, and not there"),
        ('{"a": 1}', "$.clients", "required, and not there"),
        ('{"clients": {}}', "$.clients", "expected a list"),
        ('{"clients": [], "clients": []}', "$.clients", "twice"),
        ('{"clients": [] "a": 1}', "$.clients", "',' or '}'"),
        ('{"clients" []}', "$.clients", "':'"),
        ("{1: 2}", "$", "name was expected"),
        ('{"a": 1, }', "$.a", "name was expected"),
        ('{"clients": [] } x', "$", "goes on"),
        ('{"clients": [tru}     ', "$.clients[0]", "not JSON"),
        ('{"clients": ["a\nb"]}', "$.clients[0]", "Invalid control character"),
        ('{"clients": ["\\u12zz 000000"]}', "$.clients[0]", "Invalid"),
        ('{"clients": [5]}', "$.clients[0]", "expected an object, found a number"),
    ],
)
def test_what_is_no_listing_is_named_by_path(document: str, path: str, message: str) -> None:
    """A malformed answer is told from one that is cut, whatever the chunks."""
    for size in (1, 7, 1_000):
        data = document.encode()
        with pytest.raises(DecodeError, match=message) as caught:
            decode(data[start : start + size] for start in range(0, len(data), size))
        assert caught.value.path == path


def test_a_bad_client_comes_after_the_good_ones() -> None:
    """What arrived whole is handed on before the error, which names the place of the bad one."""
    stream = ClientStream()
    bad = GOOD.replace('"1"', "null")
    document = f'{{"clients": [{GOOD}, {GOOD}, {bad}, {GOOD}]}}'
    assert len(stream.feed(document.encode())) == 2
    with pytest.raises(DecodeError) as caught:
        stream.feed(b"")
    assert caught.value.path == "$.clients[2].id"
    with pytest.raises(DecodeError):
        stream.finish()


def test_bytes_that_are_no_text_come_after_the_good_clients() -> None:
    """A listing that is not UTF-8 hands on what could be read, then says so."""
    stream = ClientStream()
    assert len(stream.feed(b'{"clients": [' + GOOD.encode() + b', {"id": "\xff')) == 1
    with pytest.raises(DecodeError, match=r"\$\.clients\[1\]: the answer is not UTF-8"):
        stream.finish()


def test_nesting_without_end_is_refused() -> None:
    """A bomb of brackets is an error of ours, not a crash."""
    with pytest.raises(DecodeError, match="nested too deeply"):
        decode([b'{"clients": [' + b"[" * 200_000])
