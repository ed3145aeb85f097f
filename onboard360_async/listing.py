"""A listing of clients over the wire: asked for, decoded while it arrives, and never ended too early.

Knows how a listing goes on or breaks off, not how a request is sent nor how a client is decoded.
"""

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing
from typing import Final

import aiohttp

from onboard360_async import settings
from onboard360_async.codec.drift import beyond, path_of
from onboard360_async.codec.stream import ClientStream
from onboard360_async.errors import AnswerLostError, DeadlineError, DecodeError, Onboard360Error, PaginationError
from onboard360_async.models import Client
from onboard360_async.transport.call import Call

__all__ = ["ClientListing"]

logger: Final = logging.getLogger("onboard360_async")
_MARKS: Final = ("next", "next_url", "next_cursor", "has_more")  # members that show a further page
_PAGING: Final = (*_MARKS, "page", "total_pages", "total", "pagination", "meta")  # beside the clients, in usual ways


class ClientListing:
    """The clients of one listing: `async for client in listing`, or by `listing.batches()` as they arrive.

    Each loop over it asks the server anew. Source: API page, "List Clients".
    """

    def __init__(self, call: Callable[[], Call]) -> None:
        self._call = call

    async def __aiter__(self) -> AsyncIterator[Client]:
        async with aclosing(self.batches()) as batches:
            async for batch in batches:
                for client in batch:
                    yield client

    async def batches(self) -> AsyncGenerator[list[Client], None]:
        """Lists of clients, each as large as what one read brought; never an empty one.

        AnswerLostError or DecodeError come after the clients that did arrive, and are retried only before the first.
        """
        try:
            with self._call() as call:
                async with aclosing(self._batches(call)) as batches:
                    async for batch in batches:
                        yield batch
        except Onboard360Error as error:
            # It says all there is, and our frames hold what an answer says of people.
            raise error.with_traceback(None) from error.__cause__

    async def _batches(self, call: Call) -> AsyncGenerator[list[Client], None]:
        while True:
            answer = await call.answer()
            stream = ClientStream()
            try:
                async with answer, aclosing(call.chunks(answer)) as chunks:
                    async for chunk in chunks:
                        if batch := stream.feed(chunk):
                            call.drifted(beyond(batch, "$.clients[]"))
                            yield batch
                    while batch := stream.finish():
                        yield batch
            except (AnswerLostError, DeadlineError, DecodeError) as error:
                call.lost(error, status=answer.status, items=stream.count)
            else:
                _check_end(call, answer, stream)
                return


def _check_end(call: Call, answer: aiohttp.ClientResponse, stream: ClientStream) -> None:
    """Never take one page for everybody.

    UNDOCUMENTED: the API page shows no pages, so one answer is taken for the whole list; if it says otherwise, in any
    of the usual ways, that is an error here and not a short list (tests/test_listing.py holds each way).
    """
    call.drifted(path_of("$", name) for name in stream.envelope.keys() - set(_PAGING))
    if _goes_on(answer, stream.envelope):
        raise PaginationError(
            f"The listing goes on on a further page after {stream.count} clients, which cannot be followed yet.",
            stream.count,
        )
    if stream.count in settings.ROUND_COUNTS:
        # UNDOCUMENTED: many servers cut a listing silently at a round number (tests/test_listing.py).
        logger.warning("a listing ended after exactly %d clients; the server may have cut it there", stream.count)
        call.tell("listing_may_be_capped")


def _goes_on(answer: aiohttp.ClientResponse, envelope: Mapping[str, object]) -> bool:
    if "next" in answer.links:
        return True
    places = [envelope, *(value for value in envelope.values() if isinstance(value, dict))]
    return any(_shows_more(place) for place in places)


def _shows_more(place: Mapping[str, object]) -> bool:
    if any(place.get(mark) for mark in _MARKS):
        return True
    page, pages = place.get("page"), place.get("total_pages")
    return isinstance(page, int) and isinstance(pages, int) and page < pages
