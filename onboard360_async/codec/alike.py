"""Clients that are all written alike, as machines write: read by one regular expression, which is made of the first.

Knows no model but its names. It takes the place of a parser only where it proves that it is one: the expression has to
tile the whole text, element by element, without one character left over. Texts hold no escape and no control character
then, so what stands between two quotes is the value itself, as `json` has it. Whatever else is in it (an escape, an
empty text, a name more or less, another order) is left to the parser, which has the last word anyway.
"""

import re
from collections.abc import Callable, Iterable
from operator import itemgetter
from typing import Any, Final

__all__ = ["Look", "has_no_escape", "look_of"]

_REQUIRED: Final = frozenset(("id", "campaign_id", "email", "created_at"))
# As the API page shows a listing, and the link behind it.
_NAMES: Final = (
    "id", "campaign_id", "first_name", "last_name", "email", "company_name", "phone", "created_at", "link",
)  # fmt: skip
# What an expression is made of is a server's to say, so it is bounded: it takes a millisecond for each 1,000 letters.
_MEMBER: Final = re.compile(r'( {0,8}"([a-z_]{1,16})" {0,8}: {0,8})(?:"[^"\\]*"|null)( {0,8}([,}]))')
_BETWEEN: Final = re.compile(r" {0,8}, {0,8}(?=\{)")
_TEXT: Final = r'"([^"]++)"'  # one that is empty has no place here: it could not be told from null
_TEXT_OR_NULL: Final = rf"(?:{_TEXT}|null)"
_THE_REST: Final = r"([\s\S]+)"
_ESCAPED: Final = tuple(map(chr, (*range(0x20), ord("\\"))))  # what JSON wants escaped, and how


class Look:
    """How the clients of a listing are written."""

    def __init__(self, pattern: str, names: list[str], between: str) -> None:
        self._between = between  # what stands behind each but the last
        self.pattern: str = f"{pattern}{re.escape(between)}|{_THE_REST}"
        self._find_all: Callable[[str], list[tuple[str, ...]]] = re.compile(self.pattern).findall
        self._in_order: Callable[[tuple[str, ...]], Any] | None = None
        if names != list(_NAMES[:-1]):  # else the link, which it does not have, is as empty as what follows it
            self._in_order = itemgetter(*(names.index(name) if name in names else len(names) for name in _NAMES))

    def rows(self, text: str) -> Iterable[tuple[str, ...]] | None:
        """The values of each element of a text that `has_no_escape`: nine, "" where there is none.

        They are in the API page's order, with the link behind them. None if an element is written otherwise.
        """
        found = self._find_all(text + self._between)
        if not found or found[-1][-1]:  # what does not fit is taken for the rest, up to the end
            return None
        return found if self._in_order is None else map(self._in_order, found)


def has_no_escape(text: str) -> bool:
    """Whether each text in it is written as it is, and it is worth looking how."""
    return not any(map(text.__contains__, _ESCAPED))


def look_of(text: str) -> Look | None:
    """How the first of some elements is written; None if it is not as the API page shows it."""
    optional = _TEXT_OR_NULL if "null" in text else _TEXT
    pattern, names, at = r"\{", list[str](), 1
    while member := _MEMBER.match(text, at):
        head, name, tail, end = member.groups()
        if name in names or name not in _NAMES:
            return None
        names.append(name)
        pattern += re.escape(head) + (_TEXT if name in _REQUIRED else optional) + re.escape(tail)
        at = member.end()
        if end == "}":
            break
    between = _BETWEEN.match(text, at)
    if between is None or not set(names) >= _REQUIRED:
        return None
    return Look(pattern, names, between[0])
