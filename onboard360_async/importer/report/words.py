"""Numbers, times and other people's words as a report shows them. Knows no page and no journal.

Without leave to name people, nothing of a row stands in what is shown of a message about it.
"""

import html
import re
import unicodedata
from collections.abc import Iterable
from typing import Final

from onboard360_async.importer.report.axis import SECOND, local, zone

__all__ = ["clock", "duration", "escaped", "masked", "number", "share"]

_MASK: Final = "…"
_LONGEST: Final = 4_000  # characters of a message that are looked through; a longer one is not shown
_SHOWN: Final = 160  # characters that are shown
_DIGITS: Final = re.compile(r"\d(?:[ ()/.+-]{0,3}\d){4,}")
_ADDRESS: Final = ("@", "://", "www.", "%40")
_UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def number(value: float) -> str:
    """With thousands separators."""
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}".rstrip("0").rstrip(".")


def share(part: int, whole: int) -> str:
    """In percent; never 0 % for some, nor 100 % for less than all."""
    if not whole or part in (0, whole):
        return "100 %" if part else "0 %"
    percent = min(max(100 * part / whole, 0.1), 99.9)
    return f"{percent:.1f} %"


def duration(ns: int) -> str:
    """In its two largest units."""
    if ns < 10 * SECOND:
        return f"{number(round(max(0, ns) / SECOND, 2))} s"
    left_s = round(ns / SECOND)
    parts: list[str] = []
    for size, unit in _UNITS:
        if left_s >= size or parts:
            parts.append(f"{left_s // size:,} {unit}" if left_s >= size else "")
            left_s %= size
    return " ".join(filter(None, parts[:2]))


def clock(at: int) -> str:
    """A date and a time of day, with the zone."""
    return f"{local(at):%Y-%m-%d %H:%M:%S} {zone(at)}"


def escaped(text: str, most: int = 0) -> str:
    """For a page: nothing in it is a tag, or turns the line round; cut after `most` characters, if said."""
    plain = _plain(text)
    return html.escape(plain[:most] + _MASK if 0 < most < len(plain) else plain)


def masked(message: str, private: Iterable[str], fields: Iterable[str] = ()) -> str:
    """A message without what it repeats of `private` texts and the words of `fields`, addresses and long numbers."""
    text = _plain(message)
    if len(text) > _LONGEST:
        return f"A message of {number(len(text))} characters."
    hidden = [re.escape(needle) for needle in sorted(_needles(text, private), key=len, reverse=True)]
    # A server that was sent a whole name may say a part of it.
    hidden += [rf"\b{word}\b" for word in _words(text, fields)]
    pattern = re.compile("|".join(hidden), re.IGNORECASE) if hidden else None
    text = _settled(text, pattern)
    return _settled(text[:_SHOWN] + _MASK, pattern) if len(text) > _SHOWN else text


def _settled(text: str, pattern: re.Pattern[str] | None) -> str:
    """Until nothing is left to hide: a mask beside a letter may be what another cell says."""
    while True:
        shown = pattern.sub(_MASK, text) if pattern is not None else text
        shown = re.sub(r"\S+", _without_address, shown)
        shown = _plain(re.sub(f"{_MASK}+", _MASK, _DIGITS.sub(_MASK, shown)))
        if shown == text:
            return text
        text = shown


def _without_address(found: re.Match[str]) -> str:
    word = found[0]
    host, slash, _ = word.partition("/")
    is_address = any(sign in word.lower() for sign in _ADDRESS) or ("." in host and slash)
    is_our_last_word = word == "@" and found.end() == len(found.string)  # "it must have one @"
    return _MASK if is_address and not is_our_last_word else word


def _needles(text: str, private: Iterable[str]) -> set[str]:
    folded = text.casefold()
    values = {form for value in private for form in (_plain(value), _plain(value).strip()) if len(form) > 1}
    there = [value for value in values if _MASK in value or value.casefold() in folded or value.lower() in folded]
    return {form for value in there for form in (value, value.lower(), value.upper(), value.casefold())}


def _words(text: str, fields: Iterable[str]) -> set[str]:
    folded = text.casefold()
    words = {word for value in fields for word in re.findall(r"\w+", _plain(value))}
    return {word for word in words if len(word) > 2 and word.casefold() in folded}


def _plain(text: str) -> str:
    """One spelling of each letter, one space between words, and nothing that cannot be seen."""
    visible = "".join(char if char.isprintable() else " " for char in unicodedata.normalize("NFC", text))
    return re.sub(r"\s+", " ", visible)
