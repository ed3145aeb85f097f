"""Strange input is refused or kept as it is; it is never a 500 by accident."""

import asyncio
import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onboard360_async.sandbox import Sandbox, body
from tests.sandbox.calls import CAMPAIGN, JOHN, call

TEXTS = st.text(st.characters(codec=None), max_size=30)  # lone surrogates and NUL included
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
NAMES = ("campaign_id", "email", "first_name", "last_name", "company_name", "phone")
BODIES = VALUES | st.dictionaries(st.sampled_from(NAMES), VALUES).map(lambda fields: {**JOHN, **fields})


@settings(max_examples=150, deadline=None)
@given(st.lists(BODIES, min_size=1, max_size=3))
def test_no_json_value_is_a_500(values: list[Any]) -> None:
    """Any JSON as body is 201, 400 or 404, and whoever was created is listed with the same text."""

    async def post_all() -> None:
        async with Sandbox(limiter="off") as sandbox:
            created = []
            for value in values:
                answer = await call(sandbox, "POST", "/clients", data=json.dumps(value).encode())
                assert answer.status in (201, 400, 404)
                if answer.status == 201:
                    created.append(answer.body["client"])
                    assert {name: answer.body["client"][name] for name in value if name in NAMES} == {
                        name: value[name] for name in value if name in NAMES
                    }
            listed = (await call(sandbox, "GET", "/clients")).body["clients"]
            assert listed == [{name: client[name] for name in client if name != "link"} for client in created]

    asyncio.run(post_all())


@settings(max_examples=40, deadline=None)
@given(st.lists(BODIES, min_size=1, max_size=3))
def test_no_json_value_is_a_500_in_the_hostile_preset(values: list[Any]) -> None:
    """Neither where the page is read otherwise: 200, 400 or 404, and every page of the listing can be read."""

    async def post_all() -> None:
        async with Sandbox(preset="hostile", limiter="off") as sandbox:
            for value in values:
                answer = await call(sandbox, "POST", "/clients", data=json.dumps(value).encode())
                assert answer.status in (200, 400, 404)
            listed, more = 0, "/clients"
            while more:
                page = (await call(sandbox, "GET", more)).body
                listed += len(page["clients"])
                more = f"/clients?cursor={page['next_cursor']}" if page["has_more"] else ""
            assert listed == len(sandbox.clients())

    asyncio.run(post_all())


@given(st.binary(max_size=60) | BODIES.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_a_client_or_refused(content: bytes) -> None:
    """Reading a body gives a client or BodyError, and nothing else."""
    with contextlib.suppress(body.BodyError):
        body.read(content)


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"[" * 500_000, 400),
        (b'{"a":' * 100_000, 400),
        (b"1" * 10_000, 400),
        (b"\xef\xbb\xbf" + json.dumps(JOHN).encode(), 201),
        (json.dumps(JOHN).encode("utf-16"), 201),
        (json.dumps({**JOHN, "first_name": "x" * 10_000}).encode(), 201),
        (json.dumps({**JOHN, "first_name": "a\0b"}).encode(), 201),
        (json.dumps({**JOHN, "first_name": "Zoë 🚀"}, ensure_ascii=False).encode(), 201),
        (json.dumps({**JOHN, "first_name": "\U0001f680"}).encode(), 201),
        (b'{"email": "\xed\xa0\x80@", "campaign_id": "x"}', 400),
        (b'{"email": "x", "email": "a@b.c", "campaign_id": "%s"}' % CAMPAIGN.encode(), 201),
    ],
)
async def test_strange_bodies(content: bytes, status: int) -> None:
    """Deep nesting, long numbers, byte order marks, half characters, duplicate keys, NUL, long names."""
    async with Sandbox() as sandbox:
        assert (await call(sandbox, "POST", "/clients", data=content)).status == status
        assert len((await call(sandbox, "GET", "/clients")).body["clients"]) == (status == 201)
        if status == 201:
            expected = json.loads(content).get("first_name")
            assert sandbox.clients()[0]["first_name"] == expected


@pytest.mark.parametrize(
    "query", ["campaign_id", "campaign_id=", "campaign_id=%00", "campaign_id=%ED%A0%80", "campaign_id=%", "%FF=%FF&a=b"]
)
async def test_strange_queries(query: str) -> None:
    """Whatever stands in the query, a listing is a listing."""
    async with Sandbox() as sandbox:
        answer = await call(sandbox, "GET", f"/clients?{query}")
        assert (answer.status, answer.body) == (200, {"clients": []})


async def raw(sandbox: Sandbox, request: bytes, *, leave: bool = False) -> bytes:
    """The answer to these bytes, until the sandbox closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(sandbox.url.rpartition(":")[2]))
    writer.write(request.replace(b"KEY", sandbox.api_key.encode()))
    if leave:
        writer.write_eof()
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


async def test_a_body_that_lies_about_its_coding_is_a_400() -> None:
    """Not gzip although it says so: refused with an error body."""
    async with Sandbox() as sandbox:
        head = b"POST /api/v1/clients HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer KEY\r\nContent-Encoding: gzip\r\n"
        answer = await raw(sandbox, head + b"Connection: close\r\nContent-Length: 10\r\n\r\nnot gzip!!")
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert set(json.loads(answer.partition(b"\r\n\r\n")[2])) == {"error", "details"}


@pytest.mark.parametrize("path", ["/_sandbox/clock", "/_page/do/publish"])
async def test_whoever_leaves_a_control_or_a_form_makes_no_noise(path: str, caplog: pytest.LogCaptureFixture) -> None:
    """A sender that leaves in the middle of its body: nobody logs a word."""
    async with Sandbox() as sandbox:
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n"
        assert await raw(sandbox, head.encode() + b"advance", leave=True) == b""
        await call(sandbox, "GET", "/campaigns")
    assert caplog.messages == []


async def test_a_body_cut_short_creates_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """A sender that leaves in the middle of its body gets no answer, and nobody logs a word."""
    async with Sandbox() as sandbox:
        head = b"POST /api/v1/clients HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer KEY\r\nContent-Length: 500\r\n\r\n"
        assert await raw(sandbox, head + json.dumps(JOHN).encode(), leave=True) == b""
        assert sandbox.clients() == []
        assert sandbox.requests[0].status is None
    assert [record for record in caplog.records if record.name.startswith("aiohttp")] == []
