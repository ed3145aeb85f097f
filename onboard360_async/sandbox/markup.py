"""HTML that is escaped by construction: `html` fills a template, and what is no markup of ours becomes plain text.

Knows no page. Whoever writes HTML in the sandbox writes it by this.
"""

import re
from collections.abc import Iterable
from html import escape
from typing import Final, LiteralString

__all__ = ["NOTHING", "Markup", "html", "shortened", "when"]

_MOST_CHARS: Final = 200  # of a text in a table: a name of 10,000 characters is nothing that one reads there
# Controls but tab and line end, lone surrogates and noncharacters, which no document may hold; what turns text round.
_UNFIT: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")


class Markup(str):
    """Text that is HTML already. Only `html` makes it."""

    __slots__ = ()


def html(template: LiteralString, /, **values: object) -> Markup:
    """The template with its `{names}` filled in: markup as it is, None as nothing, several one after the other.

    All else is escaped; values in attributes must stand in double quotes. The template is a literal, so that nobody's
    text gets to be one.
    """
    return Markup(template.format_map({name: _fitting(value) for name, value in values.items()}))


NOTHING: Final = html("")


def when(condition: object, markup: Markup) -> Markup:
    """This, or nothing."""
    return markup if condition else NOTHING


def shortened(text: str | None, most: int = _MOST_CHARS) -> str:
    """The text, or its beginning with an ellipsis."""
    text = text or ""
    return text if len(text) <= most else f"{text[:most]}…"


def _fitting(value: object) -> str:
    if isinstance(value, Markup):
        return value
    if isinstance(value, str):
        return escape(_UNFIT.sub("\N{REPLACEMENT CHARACTER}", value))
    if value is None:
        return ""
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, Iterable):
        return "".join(map(_fitting, value))
    raise TypeError(f"cannot show {type(value).__name__} on a page")
