"""How a listing goes on: from what was asked, and what the answer says, to what is asked next.

Pure: knows no connection, no key and no client. What is asked next is always within the base URL.
"""

import hashlib
import re
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NoReturn
from urllib.parse import unquote

from yarl import URL

from onboard360_async import settings
from onboard360_async.errors import PaginationError

__all__ = ["PAGING", "Trail", "is_address", "next_link", "next_page", "places_of", "shows_pages"]

Place = Mapping[str, object]  # the members beside the clients, or those of one object among them
PAGING: Final = frozenset(  # what stands beside the clients in usual ways
    ("next", "next_url", "next_cursor", "has_more", "page", "total_pages", "total", "pagination", "meta", "links")
)
_ADDRESSES: Final = ("next_url", "next")
_MARKS: Final = (*_ADDRESSES, "next_cursor", "has_more")  # members that show a further page
_LINK: Final = re.compile(r"<([^<>]*)>(.*?)(?=,\s*<|$)", re.DOTALL)
_PARAMETER: Final = re.compile(r""";\s*([^\s=;,"]+)\s*=\s*("(?:\\.|[^"\\])*"|[^\s;,"]*)""")
_STEPS: Final = frozenset((".", ".."))


def next_link(headers: Iterable[str]) -> str | None:
    """The target of the first `Link` whose `rel` has `next` among its words; as it is written (RFC 8288)."""
    for target, parameters in _LINK.findall(", ".join(headers)):
        given = {name.lower(): value for name, value in reversed(_PARAMETER.findall(parameters))}  # the first counts
        if "next" in given.get("rel", "").strip("\"'").lower().split():
            return str(target)
    return None


def next_page(asked: URL, link: str | None, envelope: Place, *, base: URL, ours: Mapping[str, str]) -> URL | None:
    """What is asked next, or None at the end. PaginationError if it goes on where we must not or cannot follow.

    `link` is the target of the header, `envelope` what stands beside the clients, `ours` what we had asked for at
    first. A link that drops one of ours gets it back.
    """
    # UNDOCUMENTED: the API page shows no pages. Any of the usual ways is followed, at the top of the answer or in one
    # object of it; of several the first in this order: header, address, cursor, number
    # (tests/codec/test_continuation.py (test_what_is_asked_next)).
    places = places_of(envelope)
    if link is not None:
        return _followed(asked, link, base, ours)
    for address in _found(places, _ADDRESSES):
        if is_address(address):
            return _followed(asked, str(address), base, ours)
    has_more = [place.get("has_more") for place in places]
    # UNDOCUMENTED: `has_more: false` ends a listing though a cursor stands beside it: it may be that of the last client
    # (tests/codec/test_continuation.py (test_what_is_asked_next)).
    is_over = any(said is False for said in has_more) and not any(has_more)
    for cursor in () if is_over else _found(places, ("next_cursor",)):
        if type(cursor) in (str, int):
            return _with(asked, "cursor", str(cursor))
    for place in places:
        if (number := _next_number(place)) is not None:
            return _with(asked, "page", str(number))
    if not is_over and any(_found(places, _MARKS)):
        _refuse("it says that there is more, but not in a way that we know how to follow")
    return None


def shows_pages(envelope: Place) -> bool:
    """Whether an answer says anything of pages, be it that there are no more."""
    places = places_of(envelope)
    return any(name in place for place in places for name in (*_MARKS, "total_pages"))


def places_of(envelope: Place) -> list[Place]:
    """Where an answer may say something of pages: beside the clients, and in one object of that."""
    return [envelope, *(value for value in envelope.values() if isinstance(value, dict))]


def _found(places: Sequence[Place], names: Sequence[str]) -> list[object]:
    """What is said under these names; null, false, 0 and "" say that there is nothing."""
    return [place[name] for place in places for name in names if place.get(name)]


def is_address(value: object) -> bool:
    """Whether it can be followed as the next page's address."""
    # UNDOCUMENTED: what `next` is. A bare token is none that we could ask for: nobody says by which parameter
    # (tests/codec/test_continuation.py (test_what_is_asked_next)).
    return isinstance(value, str) and ("://" in value or "?" in value or value.startswith(("/", "./", "../")))


def _next_number(place: Place) -> int | None:
    """The number of the page after this one, if the place tells of pages by number and there is one."""
    if not place.get("total_pages"):
        return None
    page, pages = _number(place.get("page")), _number(place["total_pages"])
    if pages is not None and pages <= 1:
        return None
    # UNDOCUMENTED: pages count from 1; where they do not, the last one could not be told
    # (tests/codec/test_continuation.py (test_what_is_asked_next)).
    if page is None or pages is None or page < 1:
        _refuse("it counts its pages in a way that we cannot follow")
    return page + 1 if page < pages else None


def _number(value: object) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < settings.PAGE_DIGITS:
        return int(value)
    return value if type(value) is int else None


def _with(asked: URL, name: str, value: str) -> URL:
    if not value.isprintable():  # half a surrogate pair, say: it would not arrive as it was told
        _refuse("what it tells us to ask for next is no text")
    return _short(asked.update_query({name: value}))


def _followed(asked: URL, target: str, base: URL, ours: Mapping[str, str]) -> URL:
    """A link's target, if it may be followed: on the service itself, within the base URL, for the same people."""
    if not target.isprintable() or " " in target or "\\" in target:  # others read such a one in other ways than we do
        _refuse("the next page's address is none")
    try:
        given = URL(target)
        url = asked.join(given)
    except ValueError:
        _refuse("the next page's address is none")
    if (given.scheme or target.startswith("//")) and not given.raw_host:
        _refuse("the next page's address is none")
    if "@" in given.raw_authority or _origin(url) != _origin(base):
        _refuse(f"the next page is on another origin than {base.scheme}://{base.authority}, which must not see the key")
    # What the server decodes is looked at, too: an encoded ".." is a way out as well.
    if not url.raw_path.startswith(f"{base.raw_path}/") or _STEPS & set(re.split(r"[/\\]", unquote(url.raw_path))):
        _refuse("the next page is not within the base URL")
    if any(campaign != ours.get("campaign_id", "") for campaign in url.query.getall("campaign_id", ())):
        _refuse("the next page is one of another campaign")
    dropped = {name: value for name, value in ours.items() if name not in url.query}
    within = f"{base}{url.raw_path.removeprefix(base.raw_path)}?{url.raw_query_string}"  # in our spelling
    return _short(URL(within.removesuffix("?"), encoded=True).extend_query(dropped))


def _origin(url: URL) -> tuple[str, str | None, int | None]:
    return url.scheme, url.raw_host, url.port  # in small letters, and the default port where none is written


def _short(url: URL) -> URL:
    if len(str(url)) > settings.PAGE_URL_CHARS:
        _refuse(f"the next page's address is longer than {settings.PAGE_URL_CHARS} characters")
    return url


def _refuse(why: str) -> NoReturn:
    raise PaginationError(f"The listing goes on, and cannot be followed: {why}.")


class Trail:
    """What one listing was asked by, so that it is never asked the same twice; in constant memory, however long.

    The latest are remembered, and a checkpoint that moves on after 1, 2, 4, 8... pages (Brent's way to find a cycle):
    whatever the length of a loop, it meets the checkpoint before it was gone through four times.
    """

    def __init__(self, first: URL) -> None:
        self._latest: OrderedDict[bytes, None] = OrderedDict()
        self._checkpoint = b""
        self._left, self._stride = 1, 1  # pages until the checkpoint moves on
        self.add(first)

    def knows(self, url: URL) -> bool:
        """Whether it was asked for before, as far as is remembered."""
        mark = _mark(url)
        return mark == self._checkpoint or mark in self._latest

    def add(self, url: URL) -> None:
        """It is asked for now."""
        mark = _mark(url)
        self._latest[mark] = None
        if len(self._latest) > settings.PAGES_REMEMBERED:
            self._latest.popitem(last=False)
        self._left -= 1
        if self._left == 0:
            self._checkpoint = mark
            self._stride *= 2
            self._left = self._stride


def _mark(url: URL) -> bytes:
    return hashlib.sha256(str(url).encode()).digest()  # of one size, and nothing that could be shown
