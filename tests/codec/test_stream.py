"""The stream decoder: the same clients however the bytes are cut, and never a short list taken for the whole one."""

import itertools
import json
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onboard360_async.codec.answers import decode_client
from onboard360_async.codec.stream import ClientStream
from onboard360_async.errors import AnswerLostError, DecodeError
from onboard360_async.models import Client

pytestmark = pytest.mark.usefixtures("either_parser")
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


@pytest.mark.parametrize("end", [b"\xc3", b" \xe2\x82", b"\n\xf0\x9f\x98"])
def test_a_letter_that_is_cut_behind_the_end_is_refused(end: bytes) -> None:
    """As json refuses it: nothing but white space may follow, and half a letter is none."""
    document = b'{"clients": [' + GOOD.encode() + b"]}" + end
    for size in (1, 7, 1_000):
        with pytest.raises(DecodeError, match=r"\$: the answer is not UTF-8"):
            decode(document[start : start + size] for start in range(0, len(document), size))


@pytest.mark.parametrize("broken", ['": tru}', '" 1}', '": "\n"}', '": 1 2}', '": 1, }'])
def test_a_path_shows_no_name_that_may_be_somebodys(broken: str) -> None:
    """The name of a member is the server's word: an address among them is not shown, as drift does not show it."""
    with pytest.raises(DecodeError) as caught:
        decode([f'{{"clients": [], "john@example.com{broken}'.encode()])
    assert caught.value.path == "$.(not shown)"


def test_nesting_without_end_is_refused() -> None:
    """A bomb of brackets is an error of ours, not a crash."""
    with pytest.raises(DecodeError, match="nested too deeply"):
        decode([b'{"clients": [' + b"[" * 200_000])


def test_what_stands_beside_is_seen_while_the_clients_still_come() -> None:
    """A continuation that is said before the array is there with the first client, one behind it at the end."""
    stream = ClientStream()
    assert len(stream.feed(b'{"next": "/clients?page=2", "clients": [' + GOOD.encode() + b", {")) == 1
    assert stream.envelope == {"next": "/clients?page=2"}
    stream.feed(GOOD.encode()[1:] + b'], "page": 1}')
    assert stream.envelope == {"next": "/clients?page=2", "page": 1}


def test_it_is_whole_with_its_closing_brace() -> None:
    """Not before, and not any more when something else follows."""
    stream, whole = ClientStream(), []
    for chunk in (b'{"clients": [' + GOOD.encode() + b"]", b" }", b"\r\n"):
        stream.feed(chunk)
        whole.append(stream.is_whole)
    assert whole == [False, True, True]
    assert drain(stream) == []
    with pytest.raises(DecodeError, match="goes on"):
        stream.feed(b"{")
    with pytest.raises(DecodeError, match="goes on"):
        stream.finish()


def test_a_mark_that_is_not_the_first_is_no_byte_order_mark() -> None:
    """One is taken, as json takes it; a second one, or one behind a space, is what no JSON has."""
    document = b'{"clients": []}'
    assert decode([b"\xef\xbb", b"\xbf" + document]) == []
    for start in (b"\xef\xbb\xbf\xef\xbb\xbf", b" \xef\xbb\xbf"):
        with pytest.raises(DecodeError, match="expected an object"):
            decode([start, document])
        with pytest.raises(DecodeError, match="expected an object"):
            decode([bytes((byte,)) for byte in start + document])


def test_an_integer_of_endless_digits_is_refused() -> None:
    """Python itself takes no more than some thousands; that is an error of ours, not of the interpreter."""
    for document in (b'{"n": %b, "clients": []}', b'{"clients": [{"n": %b}]}'):
        with pytest.raises(DecodeError, match="a number is too long"):
            decode([document % (b"9" * 5_000)])


def test_an_error_keeps_nothing_of_the_answer() -> None:
    """What is raised holds neither the document nor the frames that read it."""
    stream = ClientStream()
    stream.feed(b'{"clients": [' + GOOD.encode() + b", nonsense}")
    with pytest.raises(DecodeError) as caught:
        stream.finish()
    assert (caught.value.__context__, caught.value.__cause__) == (None, None)


@pytest.mark.parametrize("last", [CLIENT, CLIENT | {"id": None}], ids=["good", "bad"])
def test_long_numbers_of_many_clients_keep_their_digits(last: dict[str, object]) -> None:
    """Where many are parsed at once, too, and where one of them is no client."""
    number = 123456789012345678901234567890
    items = [CLIENT | {"tax_id": number + each, "more": [-number]} for each in range(50)]
    stream = ClientStream()
    clients = stream.feed(json.dumps({"clients": [*items, last, *items]}).encode())
    assert [client.extra["tax_id"] for client in clients[:50]] == [number + each for each in range(50)]
    assert clients[0].extra["more"] == [-number]
    assert stream.count == len(clients) == (101 if last is CLIENT else 50)
