"""The live page and the onboarding page, as any client of HTTP gets them: what they show, take, and refuse."""

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlencode, urlsplit

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onboard360_async.sandbox import EVENTS, KINDS, Sandbox
from onboard360_async.sandbox.forms import ACTIONS
from onboard360_async.sandbox.markup import Markup, html
from onboard360_async.sandbox.pages import HEADERS
from onboard360_async.sandbox.view import Asked
from tests.sandbox.calls import CAMPAIGN, add, call
from tests.sandbox.receiver import Receiver, Stuck, answers

SCRIPT = "<script>alert(1)</script>"
HOSTILE = f"\"'>{SCRIPT}<img src=x onerror=alert(1)>&lt;\0\ud800\u202e{{asked}}"
EMPTY = {"input", "meta", "link", "br", "img", "line", "path", "rect"}  # elements without an end


class Page(HTMLParser):
    """What a browser makes of it: the elements with their attributes, and the text that is read."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.parents: list[tuple[str, ...]] = []  # of each element
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.parents.append(tuple(self._open))
        if tag not in EMPTY:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.parents.append(tuple(self._open))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def links(self) -> list[str]:
        return [str(link["href"]) for link in self.all("a")]


class Got(NamedTuple):
    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def page(self) -> Page:
        return Page(self.text)


async def get(sandbox: Sandbox, path: str = "/", *, method: str = "GET", **options: Any) -> Got:
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, sandbox.url + path, allow_redirects=False, **options) as answer,
    ):
        return Got(answer.status, answer.headers, await answer.text())


async def send(sandbox: Sandbox, action: str, query: str = "", **fields: str) -> Got:
    """Send a form without a script: the page that one is sent to."""
    sent = await get(sandbox, f"{ACTIONS}/{action}{query}", method="POST", data=fields)
    assert sent.status == 303
    return await get(sandbox, sent.headers["Location"])


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox() as started:
        yield started


async def first_event(sandbox: Sandbox, query: str = "") -> str:
    """All sections as the stream sends them at first."""
    async with aiohttp.ClientSession() as session, session.get(f"{sandbox.url}/_page/live{query}") as answer:
        await answer.content.readuntil(b"\n\n")
        event = await answer.content.readuntil(b"\n\n")
        return "".join(json.loads(event.decode().partition("data: ")[2]).values())


def link_of(sandbox: Sandbox, number: int = -1) -> str:
    """The path of a client's onboarding page."""
    return urlsplit(str(sandbox.clients()[number]["link"])).path


# --- escaping ---


@given(st.text(st.characters()))
def test_text_stays_text(text: str) -> None:
    """Whatever it is, in an element and in an attribute: no tag comes of it, and every fit character is read."""
    page = Page(html('<p title="{text}">{text}</p>', text=text))
    fit = re.compile("[^\x00-\x08\x0b-\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffd-\uffff]")
    wanted = fit.findall(text)
    assert [tag for tag, _ in page.elements] == ["p"]
    assert fit.findall(page.text) == wanted
    assert fit.findall(str(page.all("p")[0]["title"])) == wanted


def test_markup_is_not_escaped_twice() -> None:
    """What `html` made is markup, alone or several one after the other; None is nothing, and objects are no text."""
    inner = html("<b>{text}</b>", text="<")
    assert isinstance(inner, Markup)
    assert html("{a}{b}{c}{d}", a=inner, b=[inner, 1.5], c=None, d="&") == "<b>&lt;</b><b>&lt;</b>1.5&amp;"
    assert html("{a}", a=inner + "<i>") == "&lt;b&gt;&amp;lt;&lt;/b&gt;&lt;i&gt;"  # a sum is text again
    with pytest.raises(TypeError):
        html("{a}", a=object())


async def test_names_do_nothing_on_the_page() -> None:
    """Of campaigns, clients, companies, paths and faults: they are read as they were written, on both pages."""
    async with Receiver() as receiver, Sandbox(webhooks=[f"{receiver.url}/{SCRIPT}"]) as sandbox:
        id_ = sandbox.add_campaign(SCRIPT)
        fields = {"email": f"{SCRIPT}@x", "first_name": SCRIPT, "last_name": SCRIPT, "company_name": SCRIPT}
        sandbox.add_client(id_, phone=SCRIPT, **fields)
        await sandbox.delivered()
        await call(sandbox, "GET", "/clients", params={"campaign_id": SCRIPT})
        sandbox.add_fault("delay", path=f"/{SCRIPT}", email=SCRIPT, method=SCRIPT)
        asked = f"?{urlencode({'text': SCRIPT, 'campaign': id_, 'event': SCRIPT})}"
        for shown in ("/", f"/{asked}", link_of(sandbox)):
            page = (await get(sandbox, shown)).page
            assert [script for script in page.all("script") if not script.get("src")] == []
            assert SCRIPT in page.text
        for query in ("", asked):
            assert SCRIPT not in await first_event(sandbox, query)


async def test_what_no_page_may_hold_breaks_none(sandbox: Sandbox) -> None:
    """Lone surrogates, NUL, quotes and braces; ten thousand characters are cut."""
    fit = HOSTILE.replace("\ud800", "")
    sandbox.add_campaign(fit)
    sandbox.add_client(CAMPAIGN, f"a@{fit}", first_name=fit, last_name="x" * 10_000)
    sandbox.add_fault("delay", email=HOSTILE)
    for path in ("/", link_of(sandbox), "/?text=%C3%A4%00"):
        got = await get(sandbox, path)
        assert got.status == 200
        assert "\0" not in got.text
        assert "x" * 300 not in got.text
        assert not got.page.all("img")


# --- what is shown ---


async def test_it_is_strict_about_what_it_loads(sandbox: Sandbox) -> None:
    """Every answer has the headers; no style or script stands in a page, and all that is asked for is the sandbox's."""
    await add(sandbox)
    paths = ["/", "/c/unknown", link_of(sandbox), "/_page/page.css", "/_page/page.js", "/_page/icon.svg"]
    for path in paths:
        got = await get(sandbox, path)
        assert HEADERS.items() <= dict(got.headers).items()
        if got.headers["Content-Type"].startswith("text/html"):
            for tag, attributes in got.page.elements:
                assert tag not in ("style", "iframe", "object", "base")
                assert not [name for name in attributes if name == "style" or name.startswith("on")]
                for name in ("src", "href", "action"):
                    assert (attributes.get(name) or "/").startswith(("/", "#"))
                    assert not (attributes.get(name) or "/").startswith("//")
    headers = (await get(sandbox)).headers
    assert headers["Cache-Control"] == "no-store"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"] == (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:;"
        " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    for asset in paths[3:]:
        assert "://" not in (await get(sandbox, asset)).text.replace("http://www.w3.org/2000/svg", "")


async def test_it_can_be_read_out_and_walked_through(sandbox: Sandbox) -> None:
    """Headings in order, captions and scopes in tables, a label round every field, ids once, and a skip link."""
    await add(sandbox)
    sandbox.add_fault("delay")
    page = (await get(sandbox)).page
    assert [tag for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)] == ["h1", *["h2"] * 6]
    assert len(page.all("table")) == len(page.all("caption")) == 3
    assert all(head.get("scope") in ("col", "row") for head in page.all("th"))
    for (tag, attributes), parents in zip(page.elements, page.parents, strict=True):
        if tag in ("input", "select") and attributes.get("type") != "hidden":
            assert "label" in parents
    ids = [attributes["id"] for _, attributes in page.elements if attributes.get("id")]
    assert len(ids) == len(set(ids))
    assert page.links()[0] == "#main"
    for _, attributes in page.elements:
        assert attributes.get("aria-labelledby") is None or attributes["aria-labelledby"] in ids
    assert all(link.removeprefix("#") in ids for link in page.links() if link.startswith("#"))


async def test_keys_and_secrets_are_never_shown() -> None:
    """Not on the page, not in the stream: neither the API's keys, nor what signs, nor what a URL's query holds."""
    async with Receiver() as receiver, Sandbox(webhooks=[f"{receiver.url}?token=t0ken"]) as sandbox:
        sandbox.add_client(CAMPAIGN, "a@example.com")
        await add(sandbox)
        await call(sandbox, "GET", "/campaigns", key="sk_test_0ther")
        await call(sandbox, "GET", "/clients", params={"key": sandbox.api_key})
        await sandbox.delivered()
        for text in (
            (await get(sandbox)).text,
            await first_event(sandbox),
            (await get(sandbox, link_of(sandbox))).text,
        ):
            for secret in (
                sandbox.api_key,
                sandbox.api_key[8:],
                "0ther",
                sandbox.webhooks[0].secret,
                "whsec",
                "t0ken",
                "Bearer sk",
            ):
                assert secret not in text
        assert f"{receiver.url}</code>" in (await get(sandbox)).text


async def test_an_empty_sandbox_says_what_to_do_next() -> None:
    """Where to add an endpoint, a campaign, a client, a fault, and how to send a request."""
    async with Sandbox(campaigns=[]) as sandbox:
        text = (await get(sandbox)).page.text
    for hint in (
        "onboard360 sandbox --webhook http://127.0.0.1:8000/hook",
        "There is no campaign yet",
        "There is no client yet",
        "All goes well",
        f'curl -H "Authorization: Bearer $ONBOARD360_API_KEY" {sandbox_url(text)}/api/v1/campaigns',
    ):
        assert hint in text


def sandbox_url(text: str) -> str:
    found = re.search(r"http://127\.0\.0\.1:[0-9]+", text)
    assert found
    return found[0]


async def test_the_state_is_told() -> None:
    """The limiter and what is left, the clock if it stands, and what is not as by default."""
    async with Sandbox(limit=3, window_s=30, limiter="fixed") as sandbox:
        assert "documented, with changes" in (await get(sandbox)).page.text
        for _ in range(4):
            await call(sandbox, "GET", "/campaigns")
        sandbox.clock.freeze()
        sandbox.configure(blanks="missing")
        text = (await get(sandbox)).page.text
        assert "fixed, 3 per 30 s" in text
        assert "Left now0 of 3" in text
        assert "Refused1Clock" in text
        assert "UTC, frozen" in text
        assert "blanks missing" in text
        sandbox.configure(preset="hostile")
        assert "Presethostile" in (await get(sandbox)).page.text
        sandbox.configure(limiter="off")
        assert "Limiteroff" in (await get(sandbox)).page.text
        assert "Presethostile, with changes" in (await get(sandbox)).page.text
        assert "no limit" in (await get(sandbox)).page.text


async def test_requests_are_listed_and_drawn(sandbox: Sandbox) -> None:
    """The last fifty, the newest first, with method, path and status; and bars for them."""
    for number in range(52):
        await call(sandbox, "GET", "/clients", params={"campaign_id": f"no-{number}"})
    await call(sandbox, "GET", "/nothing")
    text = (await get(sandbox)).text
    assert text.index("/api/v1/nothing") < text.index("campaign_id=no-51") < text.index("campaign_id=no-3<")
    assert "campaign_id=no-2<" not in text
    assert '<span class="pill bad">404</span>' in text
    assert 'class="served"' in text


async def test_deliveries_are_listed_with_every_attempt() -> None:
    """Event, endpoint, state, what was answered and when, and the very bytes and headers; to be chosen among."""
    async with (
        Receiver(answers(500, 204, 500)) as receiver,
        Sandbox(api_keys=["k"]) as sandbox,
    ):
        sandbox.add_webhook(receiver.url, retries=(0,))
        sandbox.add_client(CAMPAIGN, "ada@example.com")
        await sandbox.delivered()
        sandbox.add_campaign("Another")
        await sandbox.delivered()
        first, second = sandbox.deliveries
        assert (first.state, second.state) == ("delivered", "failed")
        text = (await get(sandbox)).page.text
        assert text.index(second.id) < text.index(first.id)
        assert first.body.decode() in text
        assert f"X-360onboard-Signature: {first.headers['X-360onboard-Signature']}" in text
        assert "500" in text
        assert "204" in text

        async def shown(**asked: str) -> list[str]:
            return re.findall(r'<tr id="(dlv_\d+)" ', (await get(sandbox, f"/?{urlencode(asked)}")).text)

        assert await shown() == [second.id, first.id]
        assert await shown(state="failed") == [second.id]
        assert await shown(event="client.created") == [first.id]
        assert await shown(event="client.created", state="failed") == []
        assert await shown(state="nonsense") == [second.id, first.id]
        assert "No delivery is like that" in (await get(sandbox, "/?state=pending")).page.text


async def test_what_is_under_way_has_no_attempt_yet() -> None:
    """Of a delivery whose answer is awaited."""
    stuck = Stuck()
    async with Receiver(stuck) as receiver, Sandbox(webhooks=[receiver.url]) as sandbox:
        sandbox.add_client(CAMPAIGN, "ada@example.com")
        await receiver.until(1)
        text = (await get(sandbox)).page.text
        assert "pendingnone yet" in text
        stuck.freed.set()
        await sandbox.delivered()


async def test_clients_are_found_and_turned_over(sandbox: Sandbox) -> None:
    """Fifty at most, the newest first; older ones by a link, which keeps what was looked for."""
    other = sandbox.add_campaign("Other")
    for number in range(120):
        sandbox.add_client(other if number % 2 else CAMPAIGN, f"p{number:03}@example.com", company_name="Acme & Co")

    def shown(page: Page) -> list[str]:
        return re.findall(r"p\d{3}@example\.com", page.text)

    page = (await get(sandbox)).page
    assert shown(page) == [f"p{number:03}@example.com" for number in range(119, 69, -1)]
    assert "50 shown, 120 in all" in page.text
    asked = {"campaign": other, "text": "acme &", "state": "failed"}
    page = (await get(sandbox, f"/?{urlencode(asked)}")).page
    assert shown(page) == [f"p{number:03}@example.com" for number in range(119, 19, -2)]
    (older,) = [link for link in page.links() if "before=" in link]
    assert parse_qs(urlsplit(older).query).items() >= {name: [value] for name, value in asked.items()}.items()
    page = (await get(sandbox, older)).page
    assert shown(page) == [f"p{number:03}@example.com" for number in range(19, 0, -2)]
    assert not [link for link in page.links() if link.endswith("Older")]
    assert shown((await get(sandbox, "/?text=p077%40")).page) == ["p077@example.com"]
    assert "No client is like that" in (await get(sandbox, "/?text=nobody")).page.text
    assert f"{other}" in (await get(sandbox)).text


@pytest.mark.parametrize(
    "query",
    [
        "before=0",
        "before=-1",
        "before=99999999999999999999",
        "before=9223372036854775808",
        "before=%D9%A3",
        "before=1e3",
        "text=%00",
        "text=%ff%ed%a0%80",
        "text=%25%5F",
        "campaign=%00",
        "event=x&state=y",
        "text=a&text=b",
        "notice=x",
        "%=%&&&;=",
    ],
)
async def test_nonsense_in_the_address_is_a_page(sandbox: Sandbox, query: str) -> None:
    """What cannot be meant is as if it were not there; the stream takes it, too."""
    assert (await get(sandbox, f"/?{query}")).status == 200
    assert await first_event(sandbox, f"?{query}")


def test_an_address_says_what_was_asked() -> None:
    """Read and written again it is the same, so that it can be sent to somebody."""
    asked = Asked(campaign="ä&=#", text="a b", before=7, event=EVENTS[0], state="failed")
    query = {name: values[0] for name, values in parse_qs(urlsplit(asked.address()).query).items()}
    assert Asked.of(query) == asked
    assert Asked().address() == "/"


async def test_campaigns_have_their_number_of_clients(sandbox: Sandbox) -> None:
    """And a link to them."""
    other = sandbox.add_campaign("Other")
    for _ in range(3):
        sandbox.add_client(other, "a@example.com")
    page = (await get(sandbox)).page
    assert f"/?campaign={other}#clients" in page.links()
    assert re.search(f"Other{other}3", page.text)
    assert re.search(f"Flow{CAMPAIGN}0", page.text)


# --- what is done ---


async def test_the_main_actions_are_plain_forms() -> None:
    """Publish, add, finish, resend, break, mend, reset: a POST, then the page again, which says so once."""
    async with Receiver() as receiver, Sandbox(webhooks=[receiver.url]) as sandbox:
        page = (await send(sandbox, "publish", name=" Autumn ")).page
        assert "The campaign is published." in page.text
        assert "Autumn" in page.text
        page = (await send(sandbox, "add-client", campaign_id=CAMPAIGN, email="ada@example.com", first_name="")).page
        assert "The client is added." in page.text
        assert sandbox.clients()[0]["first_name"] is None
        done = await get(sandbox, link_of(sandbox), method="POST")
        assert (done.status, done.headers["Location"]) == (303, link_of(sandbox))
        await sandbox.delivered()
        assert [sent.event for sent in sandbox.deliveries] == ["flow.created", "client.created", "client.completed"]
        text = (await send(sandbox, "resend", id=sandbox.deliveries[0].id)).page.text
        assert "dlv_1 is sent again, as dlv_4." in text
        assert sandbox.deliveries[-1].copy_of == sandbox.deliveries[0].id
        options = {"method": "POST", "path": "/clients", "nth": "2", "times": "", "delay_s": "0.5", "probability": ""}
        text = (await send(sandbox, "add-fault", kind="delay", **options)).page.text
        assert "method POST · path /clients · nth 2 · times 1 · delay_s 0.5 · fired 0 times" in text
        assert (await send(sandbox, "clear-faults")).page.text.count("No fault is in force any more.") == 1
        assert sandbox.faults == ()
        sandbox.add_fault("delay")
        assert "The sandbox is as at its start." in (await send(sandbox, "reset")).page.text
        assert (sandbox.clients(), sandbox.deliveries, sandbox.faults) == ([], [], ())


async def test_a_form_leads_back_to_what_was_shown(sandbox: Sandbox) -> None:
    """What was looked for is still looked for; the notice is told once."""
    asked = f"?campaign={CAMPAIGN}&text=ada&state=failed"
    actions = [str(form["action"]) for form in (await get(sandbox, f"/{asked}")).page.all("form")]
    (publish,) = [action for action in actions if action.startswith(f"{ACTIONS}/publish")]
    sent = await get(sandbox, publish, method="POST", data={"name": "New"})
    back = urlsplit(sent.headers["Location"])
    assert back.query.startswith(asked.removeprefix("?"))
    assert "The campaign is published." in (await get(sandbox, sent.headers["Location"])).text
    assert "The campaign is published." not in (await get(sandbox, sent.headers["Location"])).text


async def test_a_notice_that_nobody_fetches_is_forgotten(sandbox: Sandbox) -> None:
    """After a hundred others, so that they never fill the memory."""
    sent = [await get(sandbox, f"{ACTIONS}/clear-faults", method="POST") for _ in range(101)]
    shown = [(await get(sandbox, sent[number].headers["Location"])).text for number in (0, 1)]
    assert ["No fault is in force any more." in text for text in shown] == [False, True]


@pytest.mark.parametrize(
    ("action", "fields", "said"),
    [
        ("publish", {"name": " \t"}, "A campaign needs a name."),
        ("add-client", {"campaign_id": CAMPAIGN, "email": " ", "first_name": "Ada"}, "email"),
        ("add-client", {"campaign_id": "no", "email": "a@example.com", "phone": "123"}, "no campaign no"),
        ("add-fault", {"kind": "nonsense", "path": "/clients"}, "no fault 'nonsense'"),
        ("add-fault", {"kind": "delay", "nth": "two"}, "must be a number, not 'two'"),
        ("add-fault", {"kind": "delay", "probability": "nan"}, "of a fault must be between 0 and 1"),
        ("add-fault", {"kind": "delay", "delay_s": "1e999"}, "of a fault must be a number"),
        ("add-fault", {"kind": "delay", "nth": "9" * 5000}, "must be a number"),
        ("resend", {"id": "dlv_99"}, "no delivery dlv_99"),
        ("resend", {}, "no delivery"),
        ("publish", {"name": "a\ud800b\0"}, ""),
    ],
)
async def test_a_refused_form_says_why_and_keeps_what_was_typed(
    sandbox: Sandbox, action: str, fields: dict[str, str], said: str
) -> None:
    """Nothing is done by then, and nothing has to be typed again."""
    fields = {name: value.encode(errors="replace").decode() for name, value in fields.items()}
    got = await send(sandbox, action, **fields)
    assert said in got.page.text
    if said:
        assert 'class="refused"' in got.text
        assert (sandbox.clients(), sandbox.faults) == ([], ())
        values = [field.get("value") for field in got.page.all("input")]
        for name in ("first_name", "phone", "path", "nth"):
            assert name not in fields or fields[name] in values


@pytest.mark.parametrize(
    "body",
    [b"", b"\xff\xfe=\x00&%ED%A0%80=%00", b"&".join([b"a=b"] * 60), b"name", b"{}", b"name=%zz"],
)
async def test_a_form_of_nonsense_is_no_failure_of_ours(sandbox: Sandbox, body: bytes) -> None:
    """Whatever is in it, of whatever type it says it is: one is sent back to the page."""
    for kind in ("application/x-www-form-urlencoded; charset=utf-99", "multipart/form-data", "text/plain"):
        for action in ("publish", "add-client", "add-fault", "resend"):
            sent = await get(sandbox, f"{ACTIONS}/{action}", method="POST", data=body, headers={"Content-Type": kind})
            assert sent.status == 303
            assert (await get(sandbox, sent.headers["Location"])).status == 200


async def test_there_is_nothing_beside(sandbox: Sandbox) -> None:
    """No other action, no other file, no action by a GET."""
    assert (await get(sandbox, f"{ACTIONS}/else", method="POST")).status == 404
    assert (await get(sandbox, f"{ACTIONS}/reset")).status == 405
    assert (await get(sandbox, "/_page/..%2fpages.py")).status == 404
    assert (await get(sandbox, "/_page/pages.py")).status == 404
    assert (await get(sandbox, "/", method="POST")).status == 405


async def test_every_kind_of_fault_can_be_chosen(sandbox: Sandbox) -> None:
    """With what it means."""
    page = (await get(sandbox)).page
    assert {option.get("value") for option in page.all("option")} >= set(KINDS)
    for kind, meaning in KINDS.items():
        assert f"{kind}: {meaning.replace('`', '')}" in page.text


# --- from where ---

REFUSED: list[dict[str, str]] = [
    {"Host": "evil.example"},
    {"Host": "127.0.0.1.evil.example"},
    {"Host": "localhost.evil.example:80"},
    {"Host": ""},
]
FROM_ELSEWHERE: list[dict[str, str]] = [
    {"Origin": "http://evil.example"},
    {"Origin": "http://localhost:1"},
    {"Origin": "https://{host}"},
    {"Origin": "null"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "null"},
    {"Sec-Fetch-Site": "same-origin", "Origin": "http://evil.example"},
]
FROM_HERE: list[dict[str, str]] = [
    {},
    {"Origin": "http://{host}"},
    {"Sec-Fetch-Site": "same-origin", "Origin": "http://{host}"},
    {"Sec-Fetch-Site": "same-origin", "Origin": "null"},
    {"Sec-Fetch-Site": "none"},
    {"Host": "LOCALHOST:8360"},
    {"Host": "[::1]:8360", "Origin": "http://[::1]:8360"},
]


def at(sandbox: Sandbox, headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value.format(host=sandbox.url.removeprefix("http://")) for name, value in headers.items()}


@pytest.mark.parametrize("headers", [*REFUSED, *FROM_ELSEWHERE], ids=str)
async def test_another_site_changes_nothing(sandbox: Sandbox, headers: Mapping[str, str]) -> None:
    """Its forms and its streams are refused, whatever it is called: nothing is done, nothing is told."""
    await add(sandbox)
    link = link_of(sandbox)
    for method, path in (("POST", f"{ACTIONS}/reset"), ("POST", link), ("GET", "/_page/live")):
        got = await get(sandbox, path, method=method, headers=at(sandbox, headers))
        assert got.status == 403
        assert HEADERS.items() <= dict(got.headers).items()
        assert "Not from here" in got.page.text
    assert "Finish onboarding" in (await get(sandbox, link)).text


@pytest.mark.parametrize("headers", FROM_HERE, ids=str)
async def test_our_own_pages_and_programs_are_let_through(sandbox: Sandbox, headers: Mapping[str, str]) -> None:
    """A browser on our page, with the origin that it tells or hides, and curl, which tells nothing."""
    sent = await get(sandbox, f"{ACTIONS}/publish", method="POST", data={"name": "x"}, headers=at(sandbox, headers))
    assert sent.status == 303
    assert (await get(sandbox, headers=at(sandbox, headers))).status == 200


@pytest.mark.parametrize("path", ["/", "/c/abc", "/_page/page.js"])
async def test_a_page_is_for_this_machine(sandbox: Sandbox, path: str) -> None:
    """A name that somebody bound to 127.0.0.1 gets none; a link on another site is followed."""
    for headers in REFUSED:
        assert (await get(sandbox, path, headers=headers)).status == 403
    for headers in FROM_ELSEWHERE:
        assert (await get(sandbox, path, headers=at(sandbox, headers))).status != 403


# --- the onboarding page ---


async def test_finishing_is_told_once() -> None:
    """The page greets and shows what is known; the button finishes; a second visit, and a second press, say so."""
    async with Receiver() as receiver, Sandbox(webhooks=[receiver.url]) as sandbox:
        sandbox.add_client(CAMPAIGN, "ada@example.com", first_name="Ada", last_name="Lovelace", company_name="Engines")
        link = link_of(sandbox)
        page = (await get(sandbox, link)).page
        for words in (
            "Sandbox",
            "Welcome, Ada",
            "Client Onboarding Flow",
            "Engines",
            "ada@example.com",
            "Ada Lovelace",
        ):
            assert words in page.text
        assert len(page.all("button")) == 1
        assert "waiting" in (await get(sandbox)).page.text
        for _ in range(2):
            assert (await get(sandbox, link, method="POST")).status == 303
            page = (await get(sandbox, link)).page
            assert "All done, Ada" in page.text
            assert page.all("button") == []
        await sandbox.delivered()
        assert [sent.event for sent in sandbox.deliveries].count("client.completed") == 1
        assert "onboarded" in (await get(sandbox)).page.text


async def test_two_presses_at_once_are_one(sandbox: Sandbox) -> None:
    """Both lead to the page that says it is done."""
    sandbox.add_client(CAMPAIGN, "ada@example.com")
    link = link_of(sandbox)
    both = await asyncio.gather(*(get(sandbox, link, method="POST") for _ in range(2)))
    assert [sent.status for sent in both] == [303, 303]


async def test_nobody_is_greeted_by_an_empty_name(sandbox: Sandbox) -> None:
    """Then the greeting is neutral."""
    await call(sandbox, "POST", "/clients", json={"campaign_id": CAMPAIGN, "email": "a@b.c", "first_name": " "})
    assert re.search(r"\bWelcome\b(?!,)", (await get(sandbox, link_of(sandbox))).page.text)


@pytest.mark.parametrize("code", ["unknown", "%00", "%ED%A0%80", "a'b--", "x" * 5000, "%2F..%2F"])
async def test_a_link_that_nobody_has_is_404(sandbox: Sandbox, code: str) -> None:
    """A page, by GET and by POST; and nothing is done."""
    for method in ("GET", "POST"):
        got = await get(sandbox, f"/c/{code}", method=method)
        assert got.status == 404
        if "%2F" not in code:
            assert "No client of this sandbox has this link." in got.page.text


# --- what it costs ---


def test_importing_the_sandbox_loads_no_page() -> None:
    """In a fresh interpreter."""
    program = (
        "import sys; import onboard360_async.sandbox\n"
        "print(*(name for name in sys.modules if name.startswith('onboard360_async.sandbox.')))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=15)
    ours = ("markup", "view", "plot", "forms", "lists", "render", "onboarding", "live", "pages", "browsers")
    assert not {f"onboard360_async.sandbox.{name}" for name in ours} & set(done.stdout.split())


async def test_a_page_is_small_however_much_there_is() -> None:
    """Fifty rows of a list, and no whole log is copied."""
    async with Sandbox(limiter="off") as sandbox:
        for number in range(300):
            sandbox.add_client(sandbox.add_campaign(f"Campaign {number}"), f"{number}@example.com")
            sandbox.add_fault("delay")
        got = await get(sandbox)
    assert len(re.findall(r'<tr id="client-', got.text)) == 50
    assert len(re.findall(r'<tr id="campaign-', got.text)) == 50
    assert "and 251 more campaigns" in got.page.text
    assert "and 250 more faults" in got.page.text
    assert len(got.text) < 150_000


@pytest.mark.parametrize("name", ["sandbox-page.png", "sandbox-onboarding.png"])
def test_the_pictures_are_there_and_small(name: str) -> None:
    """As tests/sandbox/pictures.py makes them, and the README shows them."""
    root = Path(__file__).parents[2]
    content = (root / ".github" / "pictures" / name).read_bytes()
    assert f"(.github/pictures/{name})" in (root / "README.md").read_text()
    assert content.startswith(b"\x89PNG")
    assert len(content) < 150_000


async def test_open_pages_do_not_hold_up_the_end() -> None:
    """A sandbox with an open stream stops, and the stream ends as one does that was finished."""
    async with aiohttp.ClientSession() as session:
        async with Sandbox() as sandbox:
            answer = await session.get(f"{sandbox.url}/_page/live")
            await answer.content.readuntil(b"\n\n")
            listeners = len(sandbox._desk.on_change)
        assert b"event: sections" in await answer.content.read()
        assert len(sandbox._desk.on_change) == listeners - 1


async def test_a_stream_has_no_head_of_its_own(sandbox: Sandbox) -> None:
    """HEAD would open a stream without an end: it is no method of that path; it is one of the pages."""
    async with aiohttp.ClientSession() as session:
        for path, status in (("/_page/live", 405), ("/", 200)):
            async with session.head(f"{sandbox.url}{path}") as answer:
                assert answer.status == status
