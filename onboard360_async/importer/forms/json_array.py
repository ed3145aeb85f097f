"""The elements of a JSON array, one by one, out of a text of any length.

Knows no row. In memory there is one element, and a piece of the text after it.
"""

import json
import re
from collections.abc import Iterator
from typing import Final, TextIO

from onboard360_async import settings
from onboard360_async.errors import ValidationError
from onboard360_async.importer.forms.json_value import decode

__all__ = ["elements"]

_PIECE_CHARS: Final = 1 << 16  # that are read at once; twice as many each time that an element is longer
_SIGN: Final = re.compile(r"[^ \t\r\n\ufeff]")  # a mark that an encoding leaves in place is read over


def elements(text: TextIO, name: str) -> Iterator[tuple[int, object]]:
    """Each element with its number, from 1. ValidationError with the place where it is no array.

    A text with nothing in it has no elements.
    """
    window = _Window(text, name)
    if (sign := window.sign()) != "[":
        if sign:
            message = f"{name} must hold an array of objects, [...]"
            raise ValidationError(f"{message}; if it has one object a line, say that its format is jsonl.", "file")
        return
    window.at += 1
    if window.sign() != "]":
        while True:
            window.number += 1
            yield window.number, window.element()
            if (sign := window.sign()) == "]":
                break
            if sign != ",":
                raise window.broken("a comma is missing after it" if sign else "the array breaks off after it")
            window.at += 1
            window.sign()
    window.at += 1
    if window.sign():
        raise window.broken("there is more after the end of the array")


class _Window:
    """The piece of the text that is in memory, and how far it is read."""

    def __init__(self, text: TextIO, name: str) -> None:
        self._text, self._name = text, name
        self._piece, self._lines, self._ended = "", 1, False
        self.at, self.number = 0, 0

    def sign(self) -> str:
        """The next sign that is not blank, which is not read over; "" at the end."""
        while True:
            if found := _SIGN.search(self._piece, self.at):
                self.at = found.start()
                return found[0]
            self.at = len(self._piece)
            if self._ended:
                return ""
            self._more(_PIECE_CHARS)

    def element(self) -> object:
        """The value that begins here, read over."""
        more = _PIECE_CHARS
        while True:
            try:
                value, end = decode(self._piece, self.at)
            except json.JSONDecodeError as error:
                if self._ended or len(self._piece) - self.at > settings.MAX_ITEM_CHARS:
                    raise self.broken(error.msg, error.pos) from None
            else:
                if end < len(self._piece) or self._ended:  # a number may go on in the next piece
                    self.at = end
                    return value
            self._more(more)
            more *= 2

    def broken(self, reason: str, at: int | None = None) -> ValidationError:
        """The error that names this place."""
        line = self._lines + self._piece.count("\n", 0, self.at if at is None else at)
        where = f"element {self.number} (line {line})"
        return ValidationError(f"{self._name}: {where} cannot be read as JSON: {reason}.", "file")

    def _more(self, chars: int) -> None:
        self._lines += self._piece.count("\n", 0, self.at)
        more = self._text.read(chars)
        self._piece, self.at, self._ended = self._piece[self.at :] + more, 0, not more
