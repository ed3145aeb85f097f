"""A listing decoded item by item, while its bytes arrive, in constant memory.

Knows neither the connection nor what a client is made of (`structure` does). A body cut short is never taken for the
end of the list.

Where elements are expected, what is held is cut at its last boundary by the looks of it, and parsed at once. If that
parses, the cut *was* a boundary: within a string or a nested value the parser could not have accepted the end. If not,
`walk` reads the elements one by one.
"""

import codecs
from typing import Any

from onboard360_async import settings
from onboard360_async.codec.alike import Look, has_no_escape, look_of
from onboard360_async.codec.building import build_alike
from onboard360_async.codec.parser import loads_again, loads_quickly
from onboard360_async.codec.structure import add_clients
from onboard360_async.codec.walk import Walk
from onboard360_async.errors import AnswerLostError, DecodeError
from onboard360_async.models import Client

__all__ = ["ClientStream"]


class ClientStream:
    """The clients of one listing, decoded while their bytes arrive; memory is bounded by the largest of them.

    `feed` bytes as they come, then `finish`. The listing may stand anywhere in the answer; what stands beside it
    is in `envelope`, as soon as it came. Source: API page, "List Clients".
    """

    def __init__(self) -> None:
        self._walk = Walk(self._take)
        self.envelope: dict[str, object] = self._walk.envelope  # the other members of the answer
        self.has_extra: bool = False  # whether anybody so far has something that the API page does not name
        self._clients: list[Client] = []  # of this feed
        self._held = bytearray()  # what came and was not read; begins at a token
        self._is_begun = False
        self._retry_at = 0  # bytes that must be there before a cut element is tried again
        self._boundary = b"},"
        self._has_missed = False  # that was no boundary, at least once
        self._shared: dict[str, str] = {}
        self._look: Look | None = None  # of the elements, once there were many
        self._looks_left = settings.ALIKE_TRIES
        self._failed: DecodeError | None = None

    @property
    def count(self) -> int:
        """Clients handed on so far."""
        return self._walk.count

    @property
    def is_whole(self) -> bool:
        """Whether the answer was read to its closing brace; only white space may follow."""
        return self._walk.is_whole

    def feed(self, chunk: bytes | memoryview) -> list[Client]:
        """The clients that are complete with this chunk, often none. Up to FEED_BYTES hold nobody up.

        DecodeError names the path of a bad value; the clients before it were returned first.
        """
        return self._advance(chunk, final=False)

    def finish(self) -> list[Client]:
        """What the end of the answer completes, normally nothing: call it until it returns nothing.

        AnswerLostError if the answer ended too early; it is never taken for the end of the list.
        """
        clients = self._advance(b"", final=True)
        if not clients and not self.is_whole:
            raise AnswerLostError(
                f"The listing was cut short after {self.count} clients; nothing is known of the rest.", items=self.count
            )
        return clients

    def _advance(self, chunk: bytes | memoryview, *, final: bool) -> list[Client]:
        if self._failed is not None:
            raise self._failed
        try:
            # In pieces, so that what is held stays small however large a chunk is.
            if len(chunk) <= settings.FEED_BYTES:
                self._read(chunk, final=final)
            else:
                for start in range(0, len(chunk), settings.FEED_BYTES):
                    self._read(chunk[start : start + settings.FEED_BYTES], final=final)
        except DecodeError as error:
            self._failed = error.with_traceback(None)  # its frames hold a person, and so may what it came of
            error.__context__ = None
        clients, self._clients = self._clients, []
        if self._failed is not None and not clients:
            raise self._failed
        return clients

    def _read(self, piece: bytes | memoryview, *, final: bool) -> None:
        self._held += piece
        if not final and (len(self._held) < self._retry_at or self._must_be_cut(piece)):
            return
        if not self._walk.is_at_element:
            self._walk_on(to_element=True)
        if self._walk.is_at_element:
            while self._cut_at_boundary():
                pass
            if final or not self._must_be_cut(self._held):
                self._walk_on(to_element=False)
        if final and self.is_whole and self._held:  # a letter that was cut in two
            raise DecodeError("the answer is not UTF-8", self._walk.path)
        size = len(self._held)
        self._retry_at = 2 * size if size > settings.RETRY_BYTES else 0  # a long element doubles before the next try

    def _must_be_cut(self, piece: bytes | bytearray | memoryview) -> bool:
        """Whether the element that is held cannot be complete; what is long is looked at all the same."""
        return self._walk.is_at_element and len(self._held) <= settings.RETRY_BYTES and b"}" not in bytes(piece)

    def _cut_at_boundary(self) -> bool:
        """Decode the elements up to the last boundary; false if there is none, or those that were tried are none."""
        if self._walk.between and (self._has_missed or self._boundary not in self._held):
            self._boundary = self._walk.between.encode()
        comma = self._boundary.index(b",")
        end = settings.CUT_BYTES  # what is longer goes by the walk, which holds it to its limits
        for _ in range(settings.CUT_TRIES):
            end = self._held.rfind(self._boundary, 0, end) + comma
            if end < comma:
                return False
            if self._take_alike(end):
                return True
            with memoryview(self._held) as held:
                part = b"".join((b"[", held[:end], b"]"))
            try:
                items: Any = loads_quickly(part)
            except (ValueError, RecursionError):
                self._has_missed = True
            else:
                del self._held[: end + 1]
                self._take_all(items, part)
                return True
        return False

    def _take_alike(self, end: int) -> bool:
        """The elements up to there, if they are all written alike; false if they are not, or nobody knows how."""
        if self.count < settings.ALIKE_AFTER or not self._looks_left:
            return False
        if self._look is None and self._held.find(b"{", self._held.find(b"}"), end) < 0:
            return False  # of one element nobody sees what stands between two
        clients: list[Client] = []
        try:
            with memoryview(self._held) as held:
                text = str(held[:end], "utf-8").strip(" ")
            if not has_no_escape(text):
                return False
            self._look = self._look or look_of(text)
            rows = None if self._look is None else self._look.rows(text)
            if rows is not None:
                build_alike(rows, clients, self._shared)
        except Exception:  # noqa: BLE001 - what is wrong is the parser's to say
            clients = []
        if not clients:
            self._look, self._looks_left = None, self._looks_left - 1
            return False
        self._looks_left = settings.ALIKE_TRIES
        del self._held[: end + 1]
        self._clients += clients
        self._walk.count += len(clients)
        return True

    def _take_all(self, items: list[Any], part: bytes) -> None:
        clients: list[Client] = []
        fault = None
        try:
            has_extra = add_clients(items, clients, self.count, self._shared)
        except DecodeError as error:
            has_extra, fault = True, error
        if has_extra and (again := loads_again(part)) is not None:
            good, clients = len(clients), []
            add_clients(again[:good], clients, self.count, self._shared)
        self._clients += clients
        self._walk.count += len(clients)
        self.has_extra |= has_extra
        if fault is not None:
            raise fault

    def _walk_on(self, *, to_element: bool) -> None:
        """Read what is held token by token, and drop what was read."""
        wrong = None
        try:
            text, size = codecs.utf_8_decode(self._held)
        except UnicodeDecodeError as error:
            wrong = error.start
        if wrong is not None:
            text, size = codecs.utf_8_decode(self._held[:wrong])
        if text and not self._is_begun:
            self._is_begun = True
            text = text.removeprefix("\ufeff")
        read = self._walk.read(text, to_element=to_element)
        if wrong is not None and not (to_element and self._walk.is_at_element):
            raise DecodeError("the answer is not UTF-8", self._walk.path)
        del self._held[: size - len(text[read:].encode())]

    def _take(self, value: object) -> None:
        self.has_extra |= add_clients([value], self._clients, self.count, self._shared)
