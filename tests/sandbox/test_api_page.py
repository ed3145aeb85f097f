"""The three calls as the API page documents them, and what we take where it is silent."""

import json
import re
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import aiohttp
import pytest

from onboard360_async.sandbox import Sandbox
from tests.page import ADD_ANSWER, ADD_BODY, CAMPAIGNS_ANSWER, CLIENTS_ANSWER
from tests.sandbox.calls import CAMPAIGN, CLIENT, JOHN, add, call, is_problem


def without_space(text: str) -> bytes:
    """The page's own JSON as it goes over the wire: the white space is for those who read the page."""
    return json.dumps(json.loads(text), separators=(",", ":"), ensure_ascii=False).encode()


async def test_the_golden_answers_are_the_pages_own() -> None:
    """With seeded id, code, clock and host all three answers equal the page's JSON, byte for byte."""
    options: dict[str, Any] = {
        "now": lambda: datetime(2024, 1, 15, 9, tzinfo=UTC),
        "new_id": lambda: CLIENT,
        "new_code": lambda: "abc123xyz789",
        "link_origin": "https://app.360onboard.com",
    }
    async with (
        Sandbox(**options) as sandbox,
        aiohttp.ClientSession(
            f"{sandbox.url}/api/v1/", headers={"Authorization": f"Bearer {sandbox.api_key}"}
        ) as session,
    ):
        async with session.get("campaigns") as answer:
            assert (answer.status, await answer.read()) == (200, without_space(CAMPAIGNS_ANSWER))
            assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
        async with session.post("clients", data=ADD_BODY) as answer:
            assert (answer.status, await answer.read()) == (201, without_space(ADD_ANSWER))
        async with session.get("clients", params={"campaign_id": CAMPAIGN}) as answer:
            assert (answer.status, await answer.read()) == (200, without_space(CLIENTS_ANSWER))
            assert answer.headers["Content-Type"] == "application/json; charset=utf-8"


async def test_without_seeds_everything_is_new_and_links_lead_here() -> None:
    """Ids are UUIDs, codes have 12 characters, times are of now, and the link's host is the sandbox."""
    async with Sandbox() as sandbox:
        first, second = (await add(sandbox)).body["client"], (await add(sandbox)).body["client"]
        assert re.fullmatch(rf"{sandbox.url}/c/[a-z0-9]{{12}}", first["link"])
        assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", first["id"])
        assert first["id"] != second["id"]
        assert first["link"] != second["link"]
        age = datetime.now(UTC) - datetime.fromisoformat(first["created_at"])
        assert age.total_seconds() < 60
        assert first["created_at"].endswith("Z")


async def test_fields_left_out_are_null() -> None:
    """UNDOCUMENTED: optional fields that were left out, or null, are null in both answers."""
    async with Sandbox() as sandbox:
        added = (await call(sandbox, "POST", "/clients", json={**JOHN, "phone": None})).body["client"]
        (listed,) = (await call(sandbox, "GET", "/clients")).body["clients"]
    for client in (added, listed):
        assert [client[name] for name in ("first_name", "last_name", "company_name", "phone")] == [None] * 4
    assert {name: value for name, value in added.items() if name != "link"} == listed


async def test_empty_text_stays_empty_and_unknown_fields_are_ignored() -> None:
    """UNDOCUMENTED: "" is not null; a field the page does not know is neither an error nor kept."""
    async with Sandbox() as sandbox:
        added = await call(sandbox, "POST", "/clients", json={**JOHN, "phone": "", "shoe_size": 43})
        assert added.status == 201
        assert added.body["client"]["phone"] == ""
        assert "shoe_size" not in added.body["client"]


async def test_an_email_may_come_twice_and_listings_keep_the_order() -> None:
    """UNDOCUMENTED: a second client with the same email is created; listings are in the order of creation."""
    async with Sandbox(campaigns=[("a", "A"), ("b", "B")]) as sandbox:
        ids = [
            (await call(sandbox, "POST", "/clients", json={**JOHN, "campaign_id": name})).body["client"]["id"]
            for name in "abab"
        ]
        assert len(set(ids)) == 4
        everybody = (await call(sandbox, "GET", "/clients")).body["clients"]
        assert [client["id"] for client in everybody] == ids
        of_b = (await call(sandbox, "GET", "/clients?campaign_id=b")).body["clients"]
        assert [client["id"] for client in of_b] == ids[1::2]
        assert [item["name"] for item in (await call(sandbox, "GET", "/campaigns")).body["campaigns"]] == ["A", "B"]


async def test_a_campaign_that_is_not_there() -> None:
    """UNDOCUMENTED: adding to it is 404 and creates nothing; listing it is an empty list."""
    async with Sandbox() as sandbox:
        assert is_problem(await call(sandbox, "POST", "/clients", json={**JOHN, "campaign_id": "x"}), 404)
        sandbox.add_client(CAMPAIGN, "john@example.com")
        answer = await call(sandbox, "GET", "/clients?campaign_id=x")
        assert (answer.status, answer.body) == (200, {"clients": []})
        assert len(sandbox.clients()) == 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"\xff",
        b"{}",
        b'{"campaign_id": "%s"}' % CAMPAIGN.encode(),
        b'{"email": "john@example.com"}',
        b'{"campaign_id": 1, "email": "john@example.com"}',
        b'{"campaign_id": null, "email": "john@example.com"}',
        *(
            b'{"campaign_id": "%s", %s}' % (CAMPAIGN.encode(), rest)
            for rest in (
                b'"email": 1',
                b'"email": ""',
                b'"email": "john"',
                b'"email": "john@example.com", "phone": 49',
                b'"email": "john@example.com", "first_name": ["John"]',
                b'"email": "john@example.com", "last_name": "\\ud800"',
                b'"email": "john@example.com", "other": NaN',
            )
        ),
    ],
)
async def test_a_bad_body_is_a_400_and_creates_nothing(body: bytes) -> None:
    """The error body names what is wrong; the store is as it was."""
    async with Sandbox() as sandbox:
        assert is_problem(await call(sandbox, "POST", "/clients", data=body), 400)
        assert sandbox.clients() == []


async def test_what_has_no_route_is_answered_in_json_as_well() -> None:
    """UNDOCUMENTED: unknown paths are 404 and wrong methods 405, with error bodies, in and outside of the API."""
    async with Sandbox() as sandbox:
        for path in ("/nothing", "/clients/", f"/clients/{CLIENT}", "/../../x"):
            assert is_problem(await call(sandbox, "GET", path), 404)
        refused = await call(sandbox, "DELETE", "/clients")
        assert is_problem(refused, 405)
        assert refused.headers["Allow"] == "GET,POST"
        assert is_problem(await call(sandbox, "POST", "/campaigns"), 405)
        assert (await call(sandbox, "HEAD", "/campaigns")).status == 405


async def test_a_body_over_a_mebibyte_is_413() -> None:
    """The largest body is taken, one byte more is refused with an error body, and nothing is created."""
    async with Sandbox() as sandbox:
        start = b'{"campaign_id": "%s", "email": "john@example.com", "first_name": "' % CAMPAIGN.encode()
        room = 1024 * 1024 - len(start) - 2
        assert is_problem(await call(sandbox, "POST", "/clients", data=BytesIO(start + b"x" * (room + 1) + b'"}')), 413)
        assert sandbox.clients() == []
        assert (await call(sandbox, "POST", "/clients", data=BytesIO(start + b"x" * room + b'"}'))).status == 201
