"""A listing of clients: streamed as it is read from the store, whole or a page of it. Knows no port and no key.

UNDOCUMENTED: the API page shows no pages and no order; both are switches. Pinned by tests/sandbox/test_paging.py.
"""

import asyncio
from collections.abc import Mapping
from typing import Final

from aiohttp import web
from attrs import frozen
from yarl import URL

from onboard360_async.sandbox.answers import client_json, envelope_extra, text_of
from onboard360_async.sandbox.store import Store, StoredClient
from onboard360_async.sandbox.switches import Switches

__all__ = ["Listed", "Listing", "Page", "page_asked"]

_PIECE_CHARS: Final = 16 * 1024  # of a listing, written at once


@frozen(kw_only=True)
class Page:
    """Which part of a listing is asked for, and what is told of how it goes on."""

    after: StoredClient | None = None
    skip: int = 0
    most: int = -1  # all
    envelope: Mapping[str, object] = {}
    link: str | None = None  # of the next page


class Listing:
    """The JSON of a listing, some KB at a time: of the clients that are there when it begins, or of those up to `last`.

    However many they are, it holds a few of them at once, and lets the loop turn between two pieces. It ends with a
    ConnectionError, so that it is no whole listing, when those clients are gone by a reset or a restore.
    """

    def __init__(
        self, store: Store, switches: Switches, campaign_id: str | None, *, last: int, page: Page, origin: str
    ) -> None:
        self._store = store
        self._era = store.era
        self._switches = switches
        self._campaign_id = campaign_id
        self._last = last
        self._page = page
        self._origin = origin if switches.link_in_listings else None
        self._after = page.after
        self._left = page.most
        self._lead = '{"clients":['
        self._ended = False

    def __aiter__(self) -> "Listing":
        return self

    async def __anext__(self) -> bytes:
        if self._ended:
            raise StopAsyncIteration
        await asyncio.sleep(0)  # a write alone does not let others go on while the reader keeps up
        clients = self._next_clients()
        if self._store.era != self._era:
            raise ConnectionAbortedError("what was listed is not there any more")
        if not clients:
            self._ended = True
            return ((self._lead if self._lead != "," else "") + self._end()).encode()
        shown = (text_of(client_json(client, self._switches, origin=self._origin)) for client in clients)
        piece = self._lead + ",".join(shown)
        self._lead = ","
        return piece.encode()

    def _next_clients(self) -> list[StoredClient]:
        if self._left == 0:
            return []
        clients = self._store.clients(
            after=self._after,
            last=self._last,
            campaign_id=self._campaign_id,
            order=self._switches.order,
            skip=self._page.skip if self._after is self._page.after else 0,
            most=self._left,
            max_chars=_PIECE_CHARS,
        )
        if clients:
            self._after = clients[-1]
            self._left -= len(clients) if self._left > 0 else 0
        return clients

    def _end(self) -> str:
        beside = {**self._page.envelope, **envelope_extra(self._switches)}
        return "]}" if not beside else f"],{text_of(beside)[1:]}"


def page_asked(request: web.Request, store: Store, switches: Switches, *, last: int) -> Page:
    """The page that a request asks for by the parameters `limit`, `cursor` and `page`; ValueError for nonsense."""
    if switches.paging == "none":
        return Page()
    campaign_id = request.query.get("campaign_id")
    size = _size(request.query.get("limit"), switches.page_size)
    if switches.paging == "page":
        number = _number(request.query.get("page", "1"))
        total = max(1, -(-store.count_clients(campaign_id, last=last) // size))
        return Page(skip=(number - 1) * size, most=size, envelope={"page": number, "total_pages": total})
    after = None
    if "cursor" in request.query:
        after = store.client(request.query["cursor"].removeprefix("after-"))
        if after is None:
            raise ValueError("cursor: use the one that the last page told")
    behind = store.clients(
        after=after, last=last, campaign_id=campaign_id, order=switches.order, most=size + 1
    )  # fmt: skip
    cursor = f"after-{behind[size - 1].id}" if len(behind) > size else None
    if switches.paging == "cursor":
        return Page(after=after, most=size, envelope={"next_cursor": cursor, "has_more": cursor is not None})
    return Page(after=after, most=size, link=None if cursor is None else _next(request.url, cursor))


class Listed(web.Response):
    """The answer that streams a listing."""

    def __init__(self, listing: Listing, page: Page) -> None:
        super().__init__(body=listing, content_type="application/json", charset="utf-8")
        self.listing = listing
        if page.link is not None:
            self.headers["Link"] = f'<{page.link}>; rel="next"'


def _next(url: URL, cursor: str) -> str:
    return str(url.update_query(cursor=cursor))


def _size(asked: str | None, most: int) -> int:
    """UNDOCUMENTED: `limit` asks for smaller pages, not for larger ones; what is no number is passed over."""
    if asked is None or not (asked.isascii() and asked.isdecimal()) or len(asked) > len(str(most)):
        return most
    return max(1, min(int(asked), most))


def _number(asked: str) -> int:
    if not (asked.isascii() and asked.isdecimal()) or len(asked) > 9 or int(asked) < 1:
        raise ValueError("page: use a number from 1")
    return int(asked)
