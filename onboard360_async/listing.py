"""A listing of clients over the wire: asked for page by page, decoded while it arrives, and never ended too early.

Knows how a listing is read and when the next page is fetched, not how a request is sent, how a client is decoded, nor
what leads on from one page to the next.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, suppress
from typing import Final

import aiohttp
from yarl import URL

from onboard360_async import settings
from onboard360_async.codec.continuation import PAGING, Trail, next_link, next_page, shows_pages
from onboard360_async.codec.drift import beyond, path_of
from onboard360_async.codec.stream import ClientStream
from onboard360_async.errors import (
    AnswerLostError,
    BudgetExhaustedError,
    DeadlineError,
    DecodeError,
    Onboard360Error,
    PaginationError,
)
from onboard360_async.hidden import hidden
from onboard360_async.models import Client
from onboard360_async.transport.call import Call
from onboard360_async.transport.options import Deadline, Options, Request
from onboard360_async.transport.transport import Transport

__all__ = ["ClientListing"]

logger: Final = logging.getLogger("onboard360_async")


class ClientListing:
    """The clients of one listing: `async for client in listing`, or by `listing.batches()` as they arrive.

    Each loop over it asks the server anew. Source: API page, "List Clients".
    """

    def __init__(self, transport: Transport, request: Request, options: Options) -> None:
        self._terms = (transport, request, options)

    async def __aiter__(self) -> AsyncIterator[Client]:
        async with aclosing(self.batches()) as batches:
            async for batch in batches:
                for client in batch:
                    yield client

    async def batches(self) -> AsyncGenerator[list[Client], None]:
        """Lists of clients, each as large as what one read brought; never an empty one.

        AnswerLostError or DecodeError come after the clients that did arrive, and a page is asked for again only before
        the first of its own.
        """
        try:
            async with aclosing(_Loop(*self._terms).batches()) as batches:
                async for batch in batches:
                    yield batch
        except Onboard360Error as error:
            # It says all there is, and our frames hold what an answer says of people.
            raise error.with_traceback(None) from error.__cause__


class _Page:
    """One page of a listing: its call, and the answer, if that is fetched while the page before is still read."""

    def __init__(self, call: Call, url: URL) -> None:
        self.call, self.url = call, url
        self._ahead: asyncio.Task[aiohttp.ClientResponse] | None = None

    def fetch(self) -> None:
        """Ask for it now. Only its headers are waited for: of the body no more comes in than aiohttp lets wait."""
        self._ahead = asyncio.create_task(self.call.answer())

    async def answer(self) -> aiohttp.ClientResponse:
        """The answer that was fetched; without one, or the next time, it is asked for here.

        So it is where the budget had nothing for it ahead of time: `max_wait_s` counts from when the page is wanted.
        """
        if (ahead := self._ahead) is None:
            return await self.call.answer()
        try:
            await asyncio.wait((ahead,))
        except asyncio.CancelledError:
            await self.stop()
            raise
        self._ahead = None
        with suppress(BudgetExhaustedError):
            return ahead.result()
        return await self.call.answer()

    async def stop(self) -> None:
        """Nobody wants what was fetched: nothing of it stays, neither task nor connection nor turn in the budget."""
        if (ahead := self._ahead) is not None:  # pragma: no branch - who is told to stop was told to fetch
            ahead.add_done_callback(_close)
            ahead.cancel()
            await asyncio.wait((ahead,))

    def left(self, error: BaseException) -> None:
        """Tell that it was not read, since the reading ended: by being cancelled, or because the reader had enough."""
        cause = GeneratorExit() if isinstance(error, Exception) else error
        self.call.__exit__(type(cause), cause, None)


def _close(ahead: "asyncio.Task[aiohttp.ClientResponse]") -> None:
    if not ahead.cancelled() and ahead.exception() is None:
        ahead.result().close()


class _Known:
    """The latest clients that were handed on, so that pages which shift while people are added show nobody twice."""

    def __init__(self) -> None:
        self._latest: deque[list[Client]] = deque()  # batches, since an answer that is alone need not be looked through
        self._count = 0  # in them
        self._before: frozenset[str] = frozenset()

    def turn(self) -> None:
        """A page was read; what follows is of the next."""
        latest = [client.id for batch in self._latest for client in batch]
        self._before = frozenset(latest[-settings.PAGE_IDS :])

    def without(self, clients: list[Client]) -> list[Client]:
        """Those of one answer whom no page before has shown. Within the answer nobody is left out."""
        # UNDOCUMENTED: an id is one client's for ever; whoever comes again on a later page is the same
        # (tests/test_following.py (test_nobody_comes_twice_while_others_are_added)).
        if self._before:
            clients = [client for client in clients if client.id not in self._before]
        if not clients:
            return clients
        self._latest.append(clients[-settings.PAGE_IDS :])  # the reader may do with his own what he likes
        self._count += len(self._latest[-1])
        while self._count - len(self._latest[0]) >= settings.PAGE_IDS:
            self._count -= len(self._latest.popleft())
        return clients


class _Loop:
    """One loop over a listing: the page that is read, and at most one that is fetched meanwhile."""

    def __init__(self, transport: Transport, request: Request, options: Options) -> None:
        self._transport, self._options = transport, options
        self._base, self._ours = transport.base_url, request.params or {}
        self._deadline = None if options.deadline_s is None else Deadline(options.deadline_s)  # one for all pages
        first = transport.url(request)
        self._page = _Page(Call(transport, request, options, self._deadline), first)
        self._next: _Page | None = None
        self._is_first = True
        self._trail, self._known = Trail(first), _Known()
        self._items = 0  # clients handed on, of all pages

    async def batches(self) -> AsyncGenerator[list[Client], None]:
        try:
            while True:
                with self._page.call:
                    async with aclosing(self._read(self._page)) as batches:
                        async for batch in batches:
                            self._items += len(batch)
                            yield batch
                if self._next is None:
                    return
                self._page, self._next, self._is_first = self._next, None, False
                self._known.turn()
        except BaseException as error:
            if isinstance(error, Onboard360Error):
                self._sign(error)
            await self._drop(error)
            raise

    async def _read(self, page: _Page) -> AsyncGenerator[list[Client], None]:
        call = page.call
        while True:
            answer = await page.answer()
            stream, before, looked = ClientStream(), self._items, (False, False)
            link = hidden(next_link(answer.headers.getall("Link", ())))  # a cursor may be somebody's address
            try:
                async with answer, aclosing(call.chunks(answer)) as chunks:
                    if link is not None:
                        await self._look_ahead(link, stream)
                    async for chunk in chunks:
                        batch = self._fresh(call, stream, stream.feed(chunk))
                        if link is None and (there := (stream.count > 0, stream.is_whole)) != looked:
                            looked = there  # what stands before the clients is known by then; or all that there is
                            await self._look_ahead(link, stream)
                        if batch:
                            yield batch
                    while rest := stream.finish():
                        if batch := self._fresh(call, stream, rest):
                            yield batch
            except (AnswerLostError, DeadlineError, DecodeError) as error:
                call.lost(error, status=answer.status, items=self._items - before)
            else:
                await self._turn(link, stream)
                return

    def _fresh(self, call: Call, stream: ClientStream, clients: list[Client]) -> list[Client]:
        if stream.has_extra:
            call.drifted(beyond(clients, "$.clients[]"))
        return self._known.without(clients)

    # --- how it goes on ---

    async def _look_ahead(self, link: str | None, stream: ClientStream) -> None:
        """Fetch the next page if it is known by now; what is wrong with it is said when this one was read."""
        with suppress(PaginationError):
            url = self._following(link, stream)
            if url is not None:
                await self._fetch(url)

    async def _turn(self, link: str | None, stream: ClientStream) -> None:
        """A page was read to its end. PaginationError if it does not end there, and we cannot go on."""
        call, beside = self._page.call, stream.envelope
        call.drifted(path_of("$", name) for name in beside.keys() - PAGING)
        url = self._following(link, stream)
        if url is not None:
            await self._fetch(url)
            self._trail.add(url)
            return
        await self._drop(GeneratorExit())
        is_round = stream.count in settings.ROUND_COUNTS or str(stream.count) == self._ours.get("limit")
        if self._is_first and is_round and not shows_pages(beside):
            # UNDOCUMENTED: many servers cut a listing silently at a round number, or at the size of a page that was
            # asked for; one that tells of pages says itself where it ends (tests/test_listing.py).
            logger.warning("a listing ended after exactly %d clients; the server may have cut it there", stream.count)
            call.tell("listing_may_be_capped")

    def _following(self, link: str | None, stream: ClientStream) -> URL | None:
        url = next_page(self._page.url, link, stream.envelope, base=self._base, ours=self._ours)
        if url is not None and self._trail.knows(url):
            raise PaginationError("The listing goes in a circle: it leads on to a page that was read before.")
        return url

    async def _fetch(self, url: URL) -> None:
        """Have this page fetched, unless it is already; an answer that came again may lead on to another one."""
        if self._next is not None:
            if self._next.url == url:
                return
            await self._drop(GeneratorExit())
        request = Request("GET", url.raw_path.removeprefix(self._base.raw_path), query=url.raw_query_string)
        self._next = _Page(Call(self._transport, request, self._options, self._deadline), url)
        self._next.fetch()  # it leaves with the next turn of the loop: who has enough at once, spends nothing

    async def _drop(self, error: BaseException) -> None:
        page, self._next = self._next, None
        if page is not None:
            try:
                await page.stop()
            finally:
                page.left(error)

    def _sign(self, error: Onboard360Error) -> None:
        """Say how many were handed on before, on all pages."""
        if self._items:
            error.done = f"{self._items} clients were handed on before."
        if isinstance(error, AnswerLostError | PaginationError):
            error.items = self._items
        if isinstance(error, AnswerLostError) and not error.path and not self._is_first:  # which counted its own
            error.message = "A further page of the listing was cut short; nothing is known of the rest."
