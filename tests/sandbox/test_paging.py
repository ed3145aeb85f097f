"""Listings in pages, as many APIs have them; the API page shows none."""

import re
from typing import Any

import pytest
from yarl import URL

from onboard360_async.sandbox import Sandbox
from tests.sandbox.calls import Answer, call

ORDERS = ("created", "newest", "by-id")


def following(answer: Answer, asked: str) -> str | None:
    """The request for the next page, by whatever the answer tells of it."""
    if link := answer.headers.get("Link"):
        url = URL(re.fullmatch(r'<(\S+)>; rel="next"', link)[1])  # type: ignore[index]
        return f"/clients?{url.query_string}"
    body = answer.body
    if body.get("next_cursor"):
        return str(URL(asked).update_query(cursor=body["next_cursor"]))
    if "page" in body and body["page"] < body["total_pages"]:
        return str(URL(asked).update_query(page=body["page"] + 1))
    return None


async def pages(sandbox: Sandbox, asked: str = "/clients") -> list[list[str]]:
    """The ids of all pages."""
    found = []
    following_: str | None = asked
    while following_ is not None:
        answer = await call(sandbox, "GET", following_)
        assert answer.status == 200
        found.append([client["id"] for client in answer.body["clients"]])
        following_ = following(answer, following_)
    return found


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("paging", ["link", "cursor", "page"])
async def test_all_pages_are_the_whole_listing(paging: Any, order: Any) -> None:
    """Each client once, in the listing's own order, so many on each page; of all, and of one campaign."""
    async with Sandbox(campaigns=[("a", "A"), ("b", "B")], order=order, limiter="off") as sandbox:
        for number in range(7):
            sandbox.add_client("ab"[number % 2], f"p{number}@example.com")
        for asked in ("/clients", "/clients?campaign_id=a"):
            sandbox.configure(paging="none")
            (whole,) = await pages(sandbox, asked)
            for size in (1, 2, len(whole), 100):
                sandbox.configure(paging=paging, page_size=size)
                found = await pages(sandbox, asked)
                assert [id_ for page in found for id_ in page] == whole
                assert {len(page) for page in found[:-1]} <= {size}
                assert len(found) == -(-len(whole) // size)


@pytest.mark.parametrize("paging", ["link", "cursor", "page"])
async def test_pages_that_are_written_in_several_pieces_are_whole(paging: Any) -> None:
    """However long the names are."""
    async with Sandbox(paging=paging, page_size=7, limiter="off") as sandbox:
        campaign = sandbox._desk.store.campaigns()[0].id
        ids = [sandbox.add_client(campaign, f"p{number}@example.com", phone="5" * 9000) for number in range(20)]
        assert await pages(sandbox) == [ids[:7], ids[7:14], ids[14:]]


@pytest.mark.parametrize("paging", ["link", "cursor", "page"])
async def test_a_listing_of_nobody_is_one_empty_page(paging: Any) -> None:
    """It says that nothing follows."""
    async with Sandbox(paging=paging) as sandbox:
        answer = await call(sandbox, "GET", "/clients")
        beside: dict[str, dict[str, object]] = {
            "link": {},
            "cursor": {"next_cursor": None, "has_more": False},
            "page": {"page": 1, "total_pages": 1},
        }
        assert answer.body == {"clients": [], **beside[paging]}
        assert "Link" not in answer.headers


async def test_limit_asks_for_smaller_pages() -> None:
    """UNDOCUMENTED: never for larger ones than the server's; what is no number is passed over."""
    async with Sandbox(paging="cursor", page_size=3, limiter="off") as sandbox:
        for number in range(5):
            sandbox.add_client(sandbox._desk.store.campaigns()[0].id, f"p{number}@example.com")
        for asked, size in (("2", 2), ("1", 1), ("9", 3), ("99999999999", 3), ("0", 1), ("x", 3), ("-1", 3), ("", 3)):
            answer = await call(sandbox, "GET", f"/clients?limit={asked}")
            assert len(answer.body["clients"]) == size


@pytest.mark.parametrize(
    ("paging", "asked"), [("cursor", "cursor=moon"), ("link", "cursor=moon"), ("page", "page=0"), ("page", "page=x")]
)
async def test_a_page_that_was_never_told_of_is_a_400(paging: Any, asked: str) -> None:
    """The error body says how to ask."""
    async with Sandbox(paging=paging) as sandbox:
        answer = await call(sandbox, "GET", f"/clients?{asked}")
        assert (answer.status, list(answer.body)) == (400, ["error", "details"])


async def test_pages_take_from_the_limit() -> None:
    """Each is a request like any other."""
    async with Sandbox(paging="page", limit=3) as sandbox:
        statuses = [(await call(sandbox, "GET", "/clients?page=1")).status for _ in range(4)]
        assert statuses == [200, 200, 200, 429]


@pytest.mark.parametrize("paging", ["link", "cursor", "page"])
async def test_a_listing_that_is_cut_is_so_in_pages_too(paging: Any) -> None:
    """It ends where it is cut, and does not say that more follow."""
    async with Sandbox(paging=paging, page_size=2, limiter="off") as sandbox:
        campaign = sandbox._desk.store.campaigns()[0].id
        for number in range(6):
            sandbox.add_client(campaign, f"p{number}@example.com")
        for keep, sizes in ((3, [2, 1]), (4, [2, 2]), (1, [1])):
            sandbox.clear_faults()
            sandbox.add_fault("cut-listing", keep=keep)
            assert [len(page) for page in await pages(sandbox)] == sizes
        if paging == "page":
            assert (await call(sandbox, "GET", "/clients?page=3")).body["clients"] == []
