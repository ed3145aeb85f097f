"""A listing read token by token: exact wherever its text is cut, and slow; `stream` walks only where it must.

Knows no bytes, no models and no speed. It finds the array of clients wherever it stands among the members of the
answer, and tells what is cut, and may go on, from what is wrong.
"""

import json
import re
from collections.abc import Callable
from typing import Final

from onboard360_async import settings
from onboard360_async.codec.answers import not_json
from onboard360_async.codec.drift import path_of
from onboard360_async.errors import DecodeError

__all__ = ["Walk"]

_SPACE: Final = re.compile(r"[ \t\r\n]*")
# From the end of one element to the first member's name of the next.
_BETWEEN: Final = re.compile(r'\}[ \t\r\n]*,[ \t\r\n]*\{[ \t\r\n]*"[^"\\]{0,64}"[ \t\r\n]*:')
_TEXTS: Final = re.compile(r'"[^"]*"?')  # once their escapes are gone
_QUOTES: Final = 4  # around the name and the text of a member: what one part has at most
_DECODER: Final = json.JSONDecoder()
_ESCAPE_CHARS: Final = 6  # of `\uXXXX`
# What may be left over where the text's end cut a token in two: of a number ("1" of "1.5e+3"), of a literal.
_CUT_NUMBERS: Final = frozenset(("", ".", "e", "E", "e+", "e-", "E+", "E-"))
_LITERALS: Final = ("true", "false", "null", "NaN", "Infinity", "-Infinity")
_CUT_TOKENS: Final = _CUT_NUMBERS.union(word[:size] for word in _LITERALS for size in range(1, len(word)))


class _NeedMoreError(Exception):
    """The text ends in the middle of a token; no fault, unless nothing more comes."""


class Walk:
    """Where we are in the answer, and what stands beside its clients; each element is handed to `take`."""

    def __init__(self, take: Callable[[object], None]) -> None:
        self.count: int = 0  # elements handed on so far
        self.envelope: dict[str, object] = {}  # the other members of the answer, as far as they were read
        self.between: str = ""  # what stood between two elements, with the first name of the second
        self._take = take
        self._text = ""
        self._at = 0
        self._step: Callable[[Walk], None] = Walk._start
        self._key = ""
        self._seen_listing = False
        self._members = 0
        self._beside = 0  # characters beside the clients

    @property
    def is_at_element(self) -> bool:
        """Whether what comes next is an element, or a part of one."""
        return self._step is Walk._element

    @property
    def is_whole(self) -> bool:
        """Whether the answer has ended; only white space may follow."""
        return self._step is Walk._nothing_more

    @property
    def path(self) -> str:
        """Where in the answer we are."""
        if self._step in (Walk._element, Walk._first_element, Walk._after_element):
            return f"$.clients[{self.count}]"
        return path_of("$", self._key) if self._key else "$"

    def read(self, text: str, *, to_element: bool) -> int:
        """Go on in `text`; how many characters of it were read. `to_element` stops before the next element.

        DecodeError at what is no listing; what came before it was handed on.
        """
        self._text, self._at = text, 0
        try:
            while not (to_element and self.is_at_element):
                self._skip_space()
                self._step(self)
        except _NeedMoreError:
            pass
        finally:
            self._text = ""
        return self._at

    # Each step reads one token from `_at` and names the step that follows.

    def _start(self) -> None:
        if self._peek() != "{":
            if self._text[self._at] == "<":
                raise not_json("<")
            raise DecodeError("expected an object with 'clients'")
        self._at += 1
        self._step = Walk._first_name

    def _first_name(self) -> None:
        if self._peek() == "}":
            self._close()
        else:
            self._name()

    def _name(self) -> None:
        if self._peek() != '"':
            raise DecodeError("the answer is not JSON (a member's name was expected)", self.path)
        self._key = str(self._value())
        self._step = Walk._colon

    def _colon(self) -> None:
        if self._peek() != ":":
            raise DecodeError("the answer is not JSON (':' was expected)", self.path)
        self._at += 1
        self._step = Walk._open_listing if self._key == "clients" else Walk._other

    def _other(self) -> None:
        started = self._at
        value = self._value()
        self._members += 1
        self._beside += len(self._key) + self._at - started
        if self._members > settings.MAX_MEMBERS or self._beside > settings.MAX_VALUE_CHARS:
            raise DecodeError("there is more beside the clients than can be kept", self.path)
        self.envelope[self._key] = value
        self._step = Walk._after_member

    def _open_listing(self) -> None:
        if self._peek() != "[":
            raise DecodeError("expected a list", "$.clients")
        if self._seen_listing:
            raise DecodeError("the listing is there twice", "$.clients")
        self._seen_listing = True
        self._at += 1
        self._step = Walk._first_element

    def _first_element(self) -> None:
        if self._peek() == "]":
            self._end_listing()
        else:
            self._step = Walk._element

    def _element(self) -> None:
        self._take(self._value())
        self.count += 1
        self._step = Walk._after_element
        if between := _BETWEEN.match(self._text, self._at - 1):
            self.between = between[0]

    def _after_element(self) -> None:
        self._separator("]", Walk._element, Walk._end_listing)

    def _after_member(self) -> None:
        self._separator("}", Walk._name, Walk._close)

    def _separator(self, closing: str, more: Callable[["Walk"], None], end: Callable[["Walk"], None]) -> None:
        found = self._peek()
        if found == closing:
            end(self)
        elif found == ",":
            self._at += 1
            self._step = more
        else:
            raise DecodeError(f"the answer is not JSON (',' or '{closing}' was expected)", self.path)

    def _end_listing(self) -> None:
        self._at += 1
        self._step = Walk._after_member

    def _close(self) -> None:
        if not self._seen_listing:
            raise DecodeError("required, and not there", "$.clients")
        self._at += 1
        self._key = ""
        self._step = Walk._nothing_more

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
            if not self._is_cut(error):
                raise DecodeError(f"the answer is not JSON ({error.msg})", self.path) from None
            self._bound(len(self._text))
            raise _NeedMoreError from None
        except ValueError:  # of the interpreter's own, which bounds the digits of an integer
            raise DecodeError("the answer is not JSON (a number is too long)", self.path) from None
        except RecursionError:
            raise DecodeError("the answer is nested too deeply", self.path) from None
        if type(value) in (int, float) and self._text[end : end + 3] in _CUT_NUMBERS:
            self._bound(len(self._text))
            raise _NeedMoreError
        self._bound(end)
        self._at = end
        return value

    def _is_cut(self, error: json.JSONDecodeError) -> bool:
        """Whether more text may mend the error: the parser stopped in the token at the text's end."""
        if error.msg.startswith("Unterminated string"):
            return True
        if error.msg.startswith("Invalid \\uXXXX escape"):
            return error.pos + _ESCAPE_CHARS > len(self._text)
        return self._text[error.pos : error.pos + len("-Infinity")] in _CUT_TOKENS

    def _bound(self, end: int) -> None:
        """DecodeError where a value, or what came of it, would take too long to read at once."""
        size = end - self._at
        if size > settings.MAX_VALUE_CHARS:
            raise DecodeError(f"one value is longer than {settings.MAX_VALUE_CHARS} characters", self.path)
        if size > settings.CUT_BYTES and _parts(self._text[self._at : end]) > settings.MAX_VALUE_PARTS:
            raise DecodeError(f"one value holds more than {settings.MAX_VALUE_PARTS} others", self.path)


def _parts(text: str) -> int:
    """How many values there are in one, about. Its texts are taken out only if they are few, or it would take long."""
    if _marks(text) > settings.MAX_VALUE_PARTS:
        text = text.replace("\\\\", "").replace('\\"', "")  # what is left of escapes does not matter here
        if text.count('"') <= _QUOTES * settings.MAX_VALUE_PARTS:
            text = _TEXTS.sub("", text)
    return _marks(text)


def _marks(text: str) -> int:
    return sum(text.count(mark) for mark in ",[{")
