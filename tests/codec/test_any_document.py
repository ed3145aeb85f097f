"""Any document, cut anywhere, with either parser: the stream gives what reading it whole by `json.loads` gives."""

import itertools
import json
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from attrs import fields_dict
from hypothesis import example, given
from hypothesis import strategies as st

from onboard360_async.codec.answers import decode_client
from onboard360_async.codec.stream import ClientStream
from onboard360_async.errors import AnswerLostError, DecodeError
from onboard360_async.models import Client

pytestmark = pytest.mark.usefixtures("either_parser", "pieces")

CLIENT = {"id": "1", "campaign_id": "2", "email": "a@b.c", "created_at": "2024-01-15T09:00:00Z"}
FULL = CLIENT | {"first_name": "A", "last_name": None, "company_name": "", "phone": "1"}
SIZES = (1, 2, 3, 7, 37, 151, 10_000)
MARKS = [
    "}",
    "]",
    "},",
    "},{",
    '},{"id":',
    '}, {"id": "',
    '"',
    "\\",
    '\\"',
    '{"clients": [',
    "é",
    "\ud83d",
    "\u2028",
    "\x7f",
]

texts = st.lists(st.sampled_from(MARKS) | st.text(st.characters(exclude_categories=[]), max_size=4), max_size=4).map(
    "".join
)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**25), 10**25) | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
extras = st.dictionaries(texts.filter(lambda name: name not in fields_dict(Client)), values, max_size=3)
envelopes = st.dictionaries(texts.filter(lambda name: name != "clients"), values, max_size=3)
clients = st.builds(
    lambda base, extra, first: extra | base if first else base | extra,
    st.sampled_from([CLIENT, FULL]),
    extras,
    st.booleans(),
)
layouts = st.sampled_from(
    [{}, {"indent": 1}, {"indent": "\t\r"}, {"separators": (",", ":")}, {"separators": (" ,", " : ")}]
)


def written(document: dict[str, Any], layout: dict[str, Any], *, ascii_only: bool) -> bytes:
    if not ascii_only:
        try:
            return json.dumps(document, ensure_ascii=False, **layout).encode()
        except UnicodeEncodeError:
            pass
    return json.dumps(document, **layout).encode()


documents = st.builds(
    lambda before, items, after, layout, ascii_only: written(
        before | {"clients": items} | {name: value for name, value in after.items() if name not in before},
        layout,
        ascii_only=ascii_only,
    ),
    envelopes, st.lists(clients, max_size=6), envelopes, layouts, st.booleans(),
)  # fmt: skip


def pieces_of(document: bytes, size: int) -> list[bytes]:
    return [document[start : start + size] for start in range(0, len(document), size)]


def told(chunks: Iterable[bytes]) -> tuple[list[Client], dict[str, object], str]:
    """The clients, what stands beside, and the error if there is one: all that a stream says."""
    stream, seen = ClientStream(), []
    try:
        for chunk in chunks:
            seen += stream.feed(chunk)
        while rest := stream.finish():
            seen += rest
    except (AnswerLostError, DecodeError) as error:
        assert stream.count == len(seen)
        return seen, stream.envelope, f"{type(error).__name__}: {error}"
    assert stream.is_whole
    assert stream.count == len(seen)
    return seen, stream.envelope, ""


def meant(document: bytes) -> tuple[list[Client], dict[str, object]] | None:
    """What `json.loads` makes of it, or None if that is no listing; a listing that is there twice is none."""
    twice = False

    def pairs(members: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal twice
        twice = [name for name, _ in members].count("clients") > 1
        return dict(members)  # the outermost comes last

    try:
        value = json.loads(document.decode().removeprefix("\ufeff"), object_pairs_hook=pairs)
        if type(value) is not dict or type(value["clients"]) is not list or twice:
            return None
        items = [decode_client(json.dumps({"client": item}).encode()) for item in value.pop("clients")]
    except (ValueError, KeyError, DecodeError):
        return None
    return items, value


def same(told_: tuple[list[Client], dict[str, object], str], meant_: tuple[list[Client], dict[str, object]]) -> bool:
    seen, envelope, error = told_
    # By their repr, since NaN is not equal to itself.
    extras_ = [repr(sorted(client.extra.items(), key=lambda each: each[0])) for client in seen]
    return (
        error == ""
        and [repr_of(client) for client in seen] == [repr_of(client) for client in meant_[0]]
        and extras_ == [repr(sorted(client.extra.items(), key=lambda each: each[0])) for client in meant_[0]]
        and repr(envelope) == repr(meant_[1])
    )


def repr_of(client: Client) -> str:
    return repr([getattr(client, name) for name in fields_dict(Client) if name != "extra"])


def ways_to_cut(document: bytes, places: list[int]) -> Iterator[list[bytes]]:
    for size in SIZES:
        yield pieces_of(document, size)
    edges = [0, *sorted(place % (len(document) + 1) for place in places), len(document)]
    yield [document[start:end] for start, end in itertools.pairwise(edges)]


places = st.lists(st.integers(0, 10_000), max_size=12)


@given(documents, places)
def test_any_document_is_what_json_makes_of_it(document: bytes, places: list[int]) -> None:
    """The array stands anywhere, its clients hold anything, the bytes are cut anywhere: the same comes out."""
    whole = meant(document)
    assert whole is not None
    for chunks in ways_to_cut(document, places):
        assert same(told(chunks), whole)


@given(documents, st.integers(0, 10_000), places)
def test_no_prefix_of_any_document_is_taken_for_the_whole(document: bytes, length: int, places: list[int]) -> None:
    """What was cut off gives the first of the clients, then AnswerLostError, however it came."""
    whole = meant(document)
    assert whole is not None
    prefix = document[: length % len(document)]
    answers = [told(chunks) for chunks in ways_to_cut(prefix, places)]
    for seen, _, error in answers:
        assert error.startswith("AnswerLostError")
        assert [repr_of(client) for client in seen] == [repr_of(client) for client in whole[0][: len(seen)]]
    assert len({len(seen) for seen, _, _ in answers}) == 1


garbage = st.sampled_from(
    [
        *(b"{", b"}", b"[", b"]", b",", b":", b'"', b"},", b"},{", b"null,", b'"a":', b'"clients":[]'),
        *(b"\\", b"\\u", b"\\ud83d", b"t", b"nul", b"NaN", b"0", b"-", b"1e", b".5", b" ", b"\n"),
        *(b"\x00", b"\x1f", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xef\xbb\xbf"),
    ]
)


@given(
    documents, st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 3), garbage), min_size=1, max_size=3), places
)
@example(b'{"clients": [{"a": 1.}]}', [(0, 0, b"")], [])
@example(b'{"clients": [{}, tru]}', [(0, 0, b"")], [])
@example(b'{"n": 1.x, "clients": []}', [(0, 0, b"")], [])
def test_what_json_refuses_is_refused(
    document: bytes, changes: list[tuple[int, int, bytes]], places: list[int]
) -> None:
    """Bytes left out and put in anywhere: what is still a listing is read as json reads it, all else is an error.

    The clients before the error, the error and its path are the same however the bytes came.
    """
    for place, left_out, put_in in changes:
        at = place % (len(document) + 1)
        document = document[:at] + put_in + document[at + left_out :]
    whole = meant(document)
    answers = [told(chunks) for chunks in ways_to_cut(document, places)]
    for seen, envelope, error in answers:
        if whole is None:
            assert error
            assert (len(seen), repr(envelope), error) == (len(answers[0][0]), repr(answers[0][1]), answers[0][2])
        else:
            assert same((seen, envelope, error), whole)


@given(st.integers(1, 300), documents)
def test_every_size_of_the_pieces_is_the_same(size: int, document: bytes) -> None:
    """Not only those that were chosen."""
    whole = meant(document)
    assert whole is not None
    assert same(told(pieces_of(document, size)), whole)
