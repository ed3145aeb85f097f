"""A listing decoded item by item, while its bytes arrive, in constant memory.

Knows neither the connection nor what a client is made of (`codec` does). A body cut short is never taken for the
end of the list.
"""

import codecs
import json
import re
from collections.abc import Callable
from typing import Final

from onboard360_async import settings
from onboard360_async.codec.answers import not_json, structure
from onboard360_async.errors import AnswerLostError, DecodeError
from onboard360_async.models import Client

__all__ = ["ClientStream"]

_SPACE: Final = re.compile(r"[ \t\r\n]*")
_DECODER: Final = json.JSONDecoder()
_ESCAPE_CHARS: Final = 6  # of `\uXXXX`
# What may be left over where the buffer's end cut a token in two: of a number ("1" of "1.5e+3"), of a literal.
_CUT_NUMBERS: Final = frozenset(("", ".", "e", "E", "e+", "e-", "E+", "E-"))
_LITERALS: Final = ("true", "false", "null", "NaN", "Infinity", "-Infinity")
_CUT_TOKENS: Final = _CUT_NUMBERS.union(word[:size] for word in _LITERALS for size in range(1, len(word)))


class _NeedMoreError(Exception):
    """The buffer ends in the middle of a token; no fault, unless nothing more comes."""


class ClientStream:
    """The clients of one listing, decoded while their bytes arrive; memory is bounded by the largest of them.

    `feed` bytes as they come, then `finish`. The listing may stand anywhere in the answer; what stands beside it
    is in `envelope`. Source: API page, "List Clients".
    """

    def __init__(self) -> None:
        self.count = 0  # clients handed on so far
        self.envelope: dict[str, object] = {}  # the other members of the answer
        self._bytes = codecs.getincrementaldecoder("utf-8")()
        self._text = ""
        self._at = 0
        self._retry_at = 0  # characters that must be there before a cut element is tried again
        self._step: Callable[[], Client | None] = self._start
        self._key = ""
        self._seen_listing = False
        self._failed: DecodeError | None = None

    @property
    def is_whole(self) -> bool:
        """Whether the answer's closing brace was read: what stands in `envelope` is all there is."""
        return self._step == self._nothing_more

    def feed(self, chunk: bytes) -> list[Client]:
        """The clients that are complete with this chunk, often none.

        DecodeError names the path of a bad value; the clients before it were returned first.
        """
        return self._advance(chunk, final=False)

    def finish(self) -> list[Client]:
        """What the end of the answer completes, normally nothing: call it until it returns nothing.

        AnswerLostError if the answer ended too early; it is never taken for the end of the list.
        """
        clients = self._advance(b"", final=True)
        if not clients and self._step != self._nothing_more:
            raise AnswerLostError(
                f"The listing was cut short after {self.count} clients; nothing is known of the rest.", items=self.count
            )
        return clients

    def _advance(self, chunk: bytes, *, final: bool) -> list[Client]:
        if self._failed is not None:
            raise self._failed
        clients: list[Client] = []
        try:
            unreadable = self._take_in(chunk, final=final)
            if final or unreadable or len(self._text) >= self._retry_at:
                self._walk(clients)
            self._failed = DecodeError("the answer is not UTF-8", self._path()) if unreadable else None
        except DecodeError as error:
            self._failed = error.with_traceback(None)  # its frames hold a person
        if self._failed is not None and not clients:
            raise self._failed
        return clients

    def _take_in(self, chunk: bytes, *, final: bool) -> bool:
        """Append a chunk's text; true if it ends in bytes that are no text at all."""
        unreadable = False
        try:
            text = self._bytes.decode(chunk, final)
        except UnicodeDecodeError as error:
            text = error.object[: error.start].decode()
            unreadable = not final  # at the end of the answer it is a character cut in two: cut, not wrong
        if self._step == self._start and not self._text:
            text = text.removeprefix("\ufeff")
        self._text += text
        return unreadable

    def _walk(self, clients: list[Client]) -> None:
        try:
            while True:
                self._skip_space()
                client = self._step()
                if client is not None:
                    clients.append(client)
        except _NeedMoreError:
            self._hold_back()

    def _hold_back(self) -> None:
        """Drop what was read; let a long element double before it is tried again, so that it stays linear."""
        self._text = self._text[self._at :]
        self._at = 0
        size = len(self._text)
        if size > settings.MAX_ITEM_CHARS:
            raise DecodeError(f"one value is longer than {settings.MAX_ITEM_CHARS} characters", self._path())
        self._retry_at = 2 * size if size > settings.RETRY_ITEM_CHARS else 0

    # Each step reads one token from `_at` and names the step that follows.

    def _start(self) -> None:
        if self._peek() != "{":
            if self._text[self._at] == "<":
                raise not_json("<")
            raise DecodeError("expected an object with 'clients'")
        self._at += 1
        self._step = self._first_name

    def _first_name(self) -> None:
        if self._peek() == "}":
            self._close()
        else:
            self._name()

    def _name(self) -> None:
        if self._peek() != '"':
            raise DecodeError("the answer is not JSON (a member's name was expected)", self._path())
        self._key = str(self._value())
        self._step = self._colon

    def _colon(self) -> None:
        if self._peek() != ":":
            raise DecodeError("the answer is not JSON (':' was expected)", self._path())
        self._at += 1
        self._step = self._open_listing if self._key == "clients" else self._other

    def _other(self) -> None:
        value = self._value()
        self.envelope[self._key] = value
        self._step = self._after_member

    def _open_listing(self) -> None:
        if self._peek() != "[":
            raise DecodeError("expected a list", "$.clients")
        if self._seen_listing:
            raise DecodeError("the listing is there twice", "$.clients")
        self._seen_listing = True
        self._at += 1
        self._step = self._first_item

    def _first_item(self) -> Client | None:
        if self._peek() == "]":
            self._at += 1
            self._step = self._after_member
            return None
        return self._item()

    def _item(self) -> Client:
        value = self._value()
        client: Client = structure(value, Client, f"$.clients[{self.count}]")
        self.count += 1
        self._step = self._after_item
        return client

    def _after_item(self) -> None:
        self._separator("]", self._item, self._end_listing)

    def _after_member(self) -> None:
        self._separator("}", self._name, self._close)

    def _separator(self, closing: str, more: Callable[[], Client | None], end: Callable[[], None]) -> None:
        found = self._peek()
        if found == closing:
            end()
        elif found == ",":
            self._at += 1
            self._step = more
        else:
            raise DecodeError(f"the answer is not JSON (',' or '{closing}' was expected)", self._path())

    def _end_listing(self) -> None:
        self._at += 1
        self._step = self._after_member

    def _close(self) -> None:
        if not self._seen_listing:
            raise DecodeError("required, and not there", "$.clients")
        self._at += 1
        self._key = ""
        self._step = self._nothing_more

    def _nothing_more(self) -> None:
        self._peek()
        raise DecodeError("the answer goes on after its end")

    # Reading

    def _skip_space(self) -> None:
        match = _SPACE.match(self._text, self._at)
        self._at = match.end() if match else self._at

    def _peek(self) -> str:
        if self._at == len(self._text):
            raise _NeedMoreError
        return self._text[self._at]

    def _value(self) -> object:
        self._peek()
        try:
            value, end = _DECODER.raw_decode(self._text, self._at)
        except json.JSONDecodeError as error:
            if self._is_cut(error):
                raise _NeedMoreError from None
            raise DecodeError(f"the answer is not JSON ({error.msg})", self._path()) from None
        except RecursionError:
            raise DecodeError("the answer is nested too deeply", self._path()) from None
        if type(value) in (int, float) and self._text[end : end + 3] in _CUT_NUMBERS:
            raise _NeedMoreError
        self._at = end
        return value

    def _is_cut(self, error: json.JSONDecodeError) -> bool:
        """Whether more text may mend the error: the parser stopped in the token at the buffer's end."""
        if error.msg.startswith("Unterminated string"):
            return True
        if error.msg.startswith("Invalid \\uXXXX escape"):
            return error.pos + _ESCAPE_CHARS > len(self._text)
        return self._text[error.pos : error.pos + len("-Infinity")] in _CUT_TOKENS

    def _path(self) -> str:
        if self._step in (self._item, self._first_item, self._after_item):
            return f"$.clients[{self.count}]"
        return f"$.{self._key}" if self._key else "$"
