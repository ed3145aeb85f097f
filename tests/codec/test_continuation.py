"""How a listing goes on: from what was asked and what is answered to what is asked next, as a table."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from onboard360_async import settings
from onboard360_async.codec.continuation import Trail, next_link, next_page, shows_pages
from onboard360_async.errors import PaginationError

HOST = "https://app.360onboard.com"
BASE = URL(f"{HOST}/api/v1")
ALL = "/clients"  # everybody
ONE = "/clients?campaign_id=c1&limit=50"  # one campaign, so many on a page

NO_WAY = "not in a way that we know"
NONE = "address is none"
ELSEWHERE = "another origin"
OUTSIDE = "not within the base URL"
OTHERS = "another campaign"
COUNTS = "counts its pages"
LONG = "longer than"
NO_TEXT = "no text"

TWO: dict[str, object] = {"page": 1, "total_pages": 2}
MORE: dict[str, object] = {"has_more": True}

# what was asked; the header's target; what stands beside the clients; what is asked next, None, or (why it is not,)
Row = tuple[str, str | None, dict[str, object], str | tuple[str] | None]
TABLE: dict[str, Row] = {
    # nothing, and what says that there is nothing
    "nothing": (ALL, None, {}, None),
    "null": (ALL, None, {"next": None, "next_url": None, "next_cursor": None, "has_more": None}, None),
    "empty": (ALL, None, {"next": "", "next_url": "", "next_cursor": "", "has_more": ""}, None),
    "false": (ALL, None, {"next": False, "next_url": False, "next_cursor": False, "has_more": False}, None),
    "zero": (ALL, None, {"next": 0, "next_cursor": 0, "total_pages": 0, "page": 1}, None),
    "nothing in an object": (ALL, None, {"pagination": {}, "meta": {"next": None}, "links": {"next": ""}}, None),
    "a total alone": (ALL, None, {"total": 5000}, None),
    "a page alone": (ALL, None, {"page": 1}, None),
    "marks two objects down": (ALL, None, {"meta": {"owner": {"next_cursor": "x"}}}, None),
    "marks in a list": (ALL, None, {"warnings": [{"next_cursor": "x"}]}, None),
    # the header
    "a link": (ALL, f"{HOST}/api/v1/clients?cursor=2", {}, "/clients?cursor=2"),
    "a link by its path": (ALL, "/api/v1/clients?cursor=2", {}, "/clients?cursor=2"),
    "a link by its query": (ALL, "?cursor=2", {}, "/clients?cursor=2"),
    "a link beside what was asked": (ALL, "clients?cursor=2", {}, "/clients?cursor=2"),
    "a link to another path": (ALL, "clients/after/2", {}, "/clients/after/2"),
    "a link by two slashes": (ALL, "//app.360onboard.com/api/v1/clients?cursor=2", {}, "/clients?cursor=2"),
    "a link in capitals": (ALL, "HTTPS://APP.360onboard.COM/api/v1/clients?cursor=A", {}, "/clients?cursor=A"),
    "a link with its port": (ALL, f"{HOST}:443/api/v1/clients?cursor=2", {}, "/clients?cursor=2"),
    "a link with a fragment": (ALL, "?cursor=2#top", {}, "/clients?cursor=2"),
    "a link with escapes": (ALL, "?cursor=a%2Bb%2Fc%3D&x=%20y+z", {}, "/clients?cursor=a%2Bb/c%3D&x=%20y+z"),
    "a link out and in again": (ALL, "/api/v1/../v1/clients?cursor=2", {}, "/clients?cursor=2"),
    "a link to itself": (ALL, "", {}, "/clients"),
    "a link over all the rest": (ALL, "?a=1", {"next": "?b=1", "next_cursor": "c", **TWO}, "/clients?a=1"),
    "a link though no more": (ALL, "?cursor=2", {"has_more": False}, "/clients?cursor=2"),
    "a link to nowhere over a good address": (ALL, "http://[", {"next": "?b=1"}, (NONE,)),
    # an address in the body
    "next": (ALL, None, {"next": f"{HOST}/api/v1/clients?page=2"}, "/clients?page=2"),
    "next_url": (ALL, None, {"next_url": "/api/v1/clients?page=2"}, "/clients?page=2"),
    "next_url over next": (ALL, None, {"next": "?a=1", "next_url": "?b=1"}, "/clients?b=1"),
    "next by its query": (ALL, None, {"next": "?page=2"}, "/clients?page=2"),
    "next beside": (ALL, None, {"next": "./clients?page=2"}, "/clients?page=2"),
    "next in an object": (ALL, None, {"links": {"self": "/x", "next": "?page=2"}}, "/clients?page=2"),
    "an address though no more": (ALL, None, {"next": "?page=2", "has_more": False}, "/clients?page=2"),
    "an address over a cursor": (ALL, None, {"next_cursor": "c", "meta": {"next": "?a=1"}}, "/clients?a=1"),
    "a bare token": (ALL, None, {"next": "abc123"}, (NO_WAY,)),
    "a bare token as an address": (ALL, None, {"next_url": "abc123=="}, (NO_WAY,)),
    "a bare token beside a cursor": (ALL, None, {"next": "abc", "next_cursor": "c"}, "/clients?cursor=c"),
    "next is a number": (ALL, None, {"next": 2}, (NO_WAY,)),
    "next is true": (ALL, None, {"next": True}, (NO_WAY,)),
    "next is an object": (ALL, None, {"next": {"href": "/api/v1/clients?page=2"}}, (NO_WAY,)),
    "next is a list": (ALL, None, {"next": ["?page=2"]}, (NO_WAY,)),
    "next is wrong beside pages": (ALL, None, {"next": True, "page": 1, "total_pages": 2}, "/clients?page=2"),
    # a cursor
    "a cursor": (ALL, None, {"next_cursor": "c"}, "/clients?cursor=c"),
    "a cursor, and more": (ALL, None, {"next_cursor": "c", "has_more": True}, "/clients?cursor=c"),
    "a cursor, and no word of more": (ALL, None, {"next_cursor": "c", "has_more": None}, "/clients?cursor=c"),
    "a cursor, and no more": (ALL, None, {"next_cursor": "c", "has_more": False}, None),
    "a cursor, and no more elsewhere": (ALL, None, {"has_more": False, "meta": {"next_cursor": "c"}}, None),
    "a cursor, and both": (ALL, None, {"next_cursor": "c", "has_more": False, "meta": MORE}, "/clients?cursor=c"),
    "a cursor in an object": (ALL, None, {"pagination": {"next_cursor": "c"}}, "/clients?cursor=c"),
    "a cursor that is a number": (ALL, None, {"next_cursor": 25}, "/clients?cursor=25"),
    "a cursor to be escaped": (ALL, None, {"next_cursor": "a+b/c=&d é"}, "/clients?cursor=a%2Bb/c%3D%26d+%C3%A9"),
    "a cursor after a cursor": ("/clients?cursor=a&limit=5", None, {"next_cursor": "b"}, "/clients?cursor=b&limit=5"),
    "a cursor over a page": (ALL, None, {"next_cursor": "c", "page": 1, "total_pages": 2}, "/clients?cursor=c"),
    "a cursor is an object": (ALL, None, {"next_cursor": {"id": 1}}, (NO_WAY,)),
    "a cursor is true": (ALL, None, {"next_cursor": True}, (NO_WAY,)),
    "a cursor is no integer": (ALL, None, {"next_cursor": 1.5}, (NO_WAY,)),
    "a cursor is no text": (ALL, None, {"next_cursor": "\ud800"}, (NO_TEXT,)),
    "a cursor without end": (ALL, None, {"next_cursor": "x" * settings.PAGE_URL_CHARS}, (LONG,)),
    # more, and nothing else
    "more": (ALL, None, {"has_more": True}, (NO_WAY,)),
    "more in an object": (ALL, None, {"meta": {"has_more": True}}, (NO_WAY,)),
    "more in a word": (ALL, None, {"has_more": "false"}, (NO_WAY,)),
    "more on the last page": (ALL, None, {"has_more": True, "page": 2, "total_pages": 2}, (NO_WAY,)),
    "more, and a page alone": (ALL, None, {"has_more": True, "page": 1}, (NO_WAY,)),
    "no more, and a token": (ALL, None, {"has_more": False, "next": "abc"}, None),
    # numbers
    "the first page": (ALL, None, {"page": 1, "total_pages": 3}, "/clients?page=2"),
    "the last page": ("/clients?page=3", None, {"page": 3, "total_pages": 3}, None),
    "beyond the last page": (ALL, None, {"page": 4, "total_pages": 3}, None),
    "a page after a page": ("/clients?page=2", None, {"page": 2, "total_pages": 3}, "/clients?page=3"),
    "a page in an object": (ALL, None, {"meta": {"page": 1, "total_pages": 3}}, "/clients?page=2"),
    "pages in words": (ALL, None, {"page": "1", "total_pages": "3"}, "/clients?page=2"),
    "pages though no more": (ALL, None, {"page": 1, "total_pages": 3, "has_more": False}, "/clients?page=2"),
    "the only page": (ALL, None, {"total_pages": 1}, None),
    "the only page, from 0": (ALL, None, {"page": 0, "total_pages": 1}, None),
    "pages from 0": (ALL, None, {"page": 0, "total_pages": 3}, (COUNTS,)),
    "pages without a number": (ALL, None, {"current_page": 1, "total_pages": 3}, (COUNTS,)),
    "pages of another kind": (ALL, None, {"page": 1, "total_pages": [3]}, (COUNTS,)),
    "a page that is true": (ALL, None, {"page": True, "total_pages": 3}, (COUNTS,)),
    "a page that is no integer": (ALL, None, {"page": 1.0, "total_pages": 3}, (COUNTS,)),
    "a page without end": (ALL, None, {"page": "9" * 5000, "total_pages": 3}, (COUNTS,)),
    # what is ours
    "a cursor keeps ours": (ONE, None, {"next_cursor": "c"}, "/clients?campaign_id=c1&limit=50&cursor=c"),
    "a page keeps ours": (ONE, None, {"page": 1, "total_pages": 2}, "/clients?campaign_id=c1&limit=50&page=2"),
    "a link keeps ours": (ONE, "?campaign_id=c1&limit=50&x=1", {}, "/clients?campaign_id=c1&limit=50&x=1"),
    "a link drops ours": (ONE, "?cursor=2", {}, "/clients?cursor=2&campaign_id=c1&limit=50"),
    "a link drops the campaign": (ONE, "?limit=50&cursor=2", {}, "/clients?limit=50&cursor=2&campaign_id=c1"),
    "a link has another limit": (ONE, "?campaign_id=c1&limit=20&x=1", {}, "/clients?campaign_id=c1&limit=20&x=1"),
    "an address drops ours": (ONE, None, {"next": "?a=1"}, "/clients?a=1&campaign_id=c1&limit=50"),
    "another campaign": (ONE, "?campaign_id=c2&limit=50&cursor=2", {}, (OTHERS,)),
    "another campaign too": (ONE, "?campaign_id=c1&campaign_id=c2", {}, (OTHERS,)),
    "another campaign, escaped": (ONE, "?campaign%5Fid=c2", {}, (OTHERS,)),
    "no campaign": (ONE, "?campaign_id=", {}, (OTHERS,)),
    "another campaign in the body": (ONE, None, {"next": "?campaign_id=c2"}, (OTHERS,)),
    "a campaign where everybody was asked for": (ALL, "?campaign_id=c2", {}, (OTHERS,)),
    "an empty campaign where everybody was": (ALL, "?campaign_id=&a=1", {}, "/clients?campaign_id=&a=1"),
    # elsewhere
    "another host": (ALL, "https://evil.example/api/v1/clients?cursor=2", {}, (ELSEWHERE,)),
    "another host in the body": (ALL, None, {"next": "https://evil.example/api/v1/clients"}, (ELSEWHERE,)),
    "another host by two slashes": (ALL, "//evil.example/api/v1/clients", {}, (ELSEWHERE,)),
    "a host below ours": (ALL, "https://evil.app.360onboard.com/api/v1/clients", {}, (ELSEWHERE,)),
    "a host that begins like ours": (ALL, f"{HOST}.evil.example/api/v1/clients", {}, (ELSEWHERE,)),
    "our host with a dot": (ALL, f"{HOST}./api/v1/clients", {}, (ELSEWHERE,)),
    "our host in other letters": (ALL, "https://app.360onbоard.com/api/v1/clients", {}, (ELSEWHERE,)),  # noqa: RUF001 - a Cyrillic one
    "plain http": (ALL, "http://app.360onboard.com/api/v1/clients", {}, (ELSEWHERE,)),
    "plain http on the same port": (ALL, "http://app.360onboard.com:443/api/v1/clients", {}, (ELSEWHERE,)),
    "another scheme": (ALL, "ftp://app.360onboard.com/api/v1/clients", {}, (ELSEWHERE,)),
    "a script": (ALL, "javascript:alert(1)", {}, (NONE,)),
    "an address of mail": (ALL, "mailto:nobody", {}, (NONE,)),
    "another port": (ALL, f"{HOST}:8443/api/v1/clients", {}, (ELSEWHERE,)),
    "port 80": (ALL, f"{HOST}:80/api/v1/clients", {}, (ELSEWHERE,)),
    "a user": (ALL, "https://user@app.360onboard.com/api/v1/clients", {}, (ELSEWHERE,)),
    "a user and a password": (ALL, "https://user:pw@app.360onboard.com/api/v1/clients", {}, (ELSEWHERE,)),
    "no user, but its sign": (ALL, "https://@app.360onboard.com/api/v1/clients?a=1", {}, "/clients?a=1"),
    "our host as a user": (ALL, "https://app.360onboard.com@evil.example/api/v1/clients", {}, (ELSEWHERE,)),
    "our host as an escaped user": (ALL, "https://app.360onboard.com%40evil.example/", {}, (ELSEWHERE,)),
    # no address
    "backslashes": (ALL, "\\\\evil.example\\api\\v1\\clients", {}, (NONE,)),
    "a slash and a backslash": (ALL, "/\\evil.example/api/v1/clients", {}, (NONE,)),
    "a backslash before the host": (ALL, "https:\\\\evil.example/api/v1/clients", {}, (NONE,)),
    "a backslash behind our host": (ALL, f"{HOST}\\@evil.example/api/v1/clients", {}, (NONE,)),
    "one slash": (ALL, "https:/evil.example/api/v1/clients", {}, (NONE,)),
    "no slash": (ALL, "https:clients?cursor=2", {}, (NONE,)),
    "three slashes": (ALL, "///api/v1/clients?cursor=2", {}, (NONE,)),
    "three slashes behind a scheme": (ALL, "https:///api/v1/clients?cursor=2", {}, (NONE,)),
    "half an address": (ALL, "https://[::1/api/v1/clients", {}, (NONE,)),
    "no port": (ALL, f"{HOST}:99999/api/v1/clients", {}, (NONE,)),
    "a space": (ALL, "/api/v1/clients?cursor=2 3", {}, (NONE,)),
    "a tab": (ALL, "/\t/evil.example/", {}, (NONE,)),
    "a line break": (ALL, None, {"next": "/api/v1/clients?cursor=2\r\nHost: evil.example"}, (NONE,)),
    "an address without end": (ALL, None, {"next": f"?x={'y' * settings.PAGE_URL_CHARS}"}, (LONG,)),
    # outside
    "another path": (ALL, f"{HOST}/admin/clients", {}, (OUTSIDE,)),
    "the base itself": (ALL, f"{HOST}/api/v1", {}, (OUTSIDE,)),
    "a path that begins like the base": (ALL, f"{HOST}/api/v10/clients", {}, (OUTSIDE,)),
    "another version": (ALL, "/api/v2/clients?cursor=2", {}, (OUTSIDE,)),
    "up": (ALL, "../../admin", {}, (OUTSIDE,)),
    "up from within": (ALL, f"{HOST}/api/v1/../../admin", {}, (OUTSIDE,)),
    "up, escaped": (ALL, "/api/v1/%2e%2e/%2E%2e/admin", {}, (OUTSIDE,)),
    "up, slashes escaped": (ALL, "/api/v1/..%2f..%2fadmin", {}, (OUTSIDE,)),
    "up, backslashes escaped": (ALL, "/api/v1/clients/..%5C..%5Cadmin", {}, (OUTSIDE,)),
}  # fmt: skip


@pytest.mark.parametrize("name", TABLE)
def test_what_is_asked_next(name: str) -> None:
    """The table; what is asked is within the base URL, to the letter, and what is refused names no value of it."""
    path, link, envelope, expected = TABLE[name]
    asked = URL(f"{BASE}{path}")
    ours = {key: value for key, value in asked.query.items() if key in ("campaign_id", "limit") and path == ONE}
    if not isinstance(expected, tuple):
        url = next_page(asked, link, envelope, base=BASE, ours=ours)
        assert url == (None if expected is None else URL(f"{BASE}{expected}", encoded=True))
        return
    with pytest.raises(PaginationError) as caught:
        next_page(asked, link, envelope, base=BASE, ours=ours)
    assert expected[0] in str(caught.value)
    assert "evil" not in str(caught.value)


addresses = st.builds(
    "".join,
    st.lists(
        st.sampled_from(
            [
                "https:",
                "http:",
                "/",
                "//",
                "\\",
                "@",
                ":",
                ":443",
                "?",
                "#",
                "..",
                "%2e",
                "%2F",
                "app.360onboard.com",
                "evil.example",
                "api",
                "v1",
                "clients",
                "cursor=1",
                "campaign_id=c2",
                "&",
                "é",
                " ",
                "[",
                "]",
            ]
        ),
        max_size=12,
    ),
)


@given(addresses)
def test_no_address_leads_out(target: str) -> None:
    """However it is put together: it is refused, or on the service, within the base URL and for the same campaign."""
    try:
        url = next_page(URL(f"{BASE}/clients?campaign_id=c1"), target, {}, base=BASE, ours={"campaign_id": "c1"})
    except PaginationError:
        return
    assert url is not None
    assert (url.origin(), url.user) == (BASE.origin(), None)
    assert url.raw_path.startswith("/api/v1/")
    assert ".." not in url.path.split("/")
    assert url.query.getall("campaign_id") == ["c1"]


@given(
    st.none() | st.text(),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["?a=1", "/api/v1/x"]),
        lambda inner: (
            st.lists(inner, max_size=2)
            | st.dictionaries(st.sampled_from(["next", "next_cursor", "has_more", "page", "total_pages"]), inner)
        ),
        max_leaves=6,
    ),
    st.sampled_from(["next", "next_url", "next_cursor", "has_more", "page", "total_pages", "meta"]),
)
def test_whatever_an_answer_says_it_is_judged(link: str | None, value: object, name: str) -> None:
    """No kind of value is too odd: there is a next page, an end, or a PaginationError, and nothing else."""
    try:
        url = next_page(URL(f"{BASE}/clients"), link, {name: value}, base=BASE, ours={})
    except PaginationError:
        return
    assert url is None or str(url).startswith(f"{BASE}/")


@pytest.mark.parametrize(
    ("headers", "target"),
    [
        ([], None),
        (['<https://x.example/?p=2>; rel="next"'], "https://x.example/?p=2"),
        (["</a>;rel=next"], "/a"),
        (["</a>; rel='next'"], "/a"),
        (["</a>; REL=NEXT"], "/a"),
        (['</a>; rel="last next"'], "/a"),
        (['</a> ; title="x" ; rel = "next"'], "/a"),
        (['</a>; rel="prev", </b>; rel="next", </c>; rel="last"'], "/b"),
        (['</a>; rel="prev"', '</b>; rel="next"'], "/b"),
        (['</a>; rel="next", </b>; rel="next"'], "/a"),
        (['</a?x=1,2;3>; rel="next"'], "/a?x=1,2;3"),
        (['</a>; title="\\"; rel=next"; rel="prev"'], None),
        (['</a>; rel="prev"; rel="next"'], None),
        (['</a>; rel="nextish"'], None),
        (["</a>; rev=next", "</b>", "rel=next", "<", ""], None),
        (['<>; rel="next"'], ""),
    ],
)
def test_a_link_is_read_as_the_rfc_says(headers: list[str], target: str | None) -> None:
    """One of several, in several headers, its `rel` in capitals or among others; the first counts."""
    assert next_link(headers) == target


def test_whether_an_answer_tells_of_pages() -> None:
    """Be it that there are no more, at the top or in an object; a total tells nothing of it."""
    telling: list[dict[str, object]] = [{"next": None}, {"has_more": False}, {"total_pages": 1}, {"meta": {"next": ""}}]
    silent: list[dict[str, object]] = [{}, {"total": 100}, {"meta": {"request_id": "1"}}, {"warnings": [{"next": 1}]}]
    assert all(shows_pages(envelope) for envelope in telling)
    assert not any(shows_pages(envelope) for envelope in silent)


def gone_round(before: int, length: int) -> int:
    """How many pages are asked for until a loop is found that is so long, and is so many pages away."""
    url = URL(f"{BASE}/clients")
    trail, number = Trail(url), 0
    while not trail.knows(
        url := url.update_query(cursor=str(number if number < before else before + (number - before) % length))
    ):
        trail.add(url)
        number += 1
        assert len(trail._latest) <= settings.PAGES_REMEMBERED
    return number


@pytest.mark.parametrize("before", [0, 1, 7, 500])
@pytest.mark.parametrize("length", [1, 2, 3, 99, 100, 101, 127, 1_000, 2_049])
def test_every_loop_ends(before: int, length: int) -> None:
    """A short one at once, a longer one before it was gone through four times; memory is the same for each."""
    number = gone_round(before, length)
    if length < settings.PAGES_REMEMBERED:
        assert number == before + length
    assert before + length <= number <= 4 * (before + length)


def test_what_is_no_loop_goes_on() -> None:
    """Many pages, none of them twice."""
    trail = Trail(URL(f"{BASE}/clients"))
    assert trail.knows(URL(f"{BASE}/clients"))
    for number in range(5_000):
        url = URL(f"{BASE}/clients?cursor={number}")
        assert not trail.knows(url)
        trail.add(url)
    assert trail.knows(url)
