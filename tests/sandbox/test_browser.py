"""The sandbox's pages in a real Chromium: live, by keyboard, on a phone, in the dark, without a script, under attack.

Every test also fails for a word on the console, a breach of the content security policy, or a request to elsewhere.
"""

import json
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from onboard360_async.sandbox import Sandbox
from tests.sandbox.calls import CAMPAIGN
from tests.sandbox.receiver import BlockingReceiver

pytest.importorskip("playwright.sync_api", reason="playwright is not installed (the dev group has it)")
from playwright.sync_api import Browser, Dialog, Page, Request, expect, sync_playwright

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on this machine")
Visit = Callable[..., Page]

AWAY = "net::ERR_CONNECTION_REFUSED"  # what is said of a sandbox that has ended before its page
LONG = "Wolfeschlegelsteinhausenbergerdorff" * 5
SCRIPT = "<script>window.ran = 1; alert(1)</script><img src=x onerror='window.ran = 2; alert(2)'>"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Started once: that is what takes time."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    """Opens a page in a window of its own; in the end nothing must have gone wrong there."""
    wrong: list[str] = []
    contexts = []

    def open_page(url: str, *, expected: tuple[str, ...] = (), **options: Any) -> Page:
        contexts.append(browser.new_context(**options))
        page = contexts[-1].new_page()
        page.set_default_timeout(5000)
        host = urlsplit(url).netloc

        def happened(what: str) -> None:
            if not any(part in what for part in (AWAY, *expected)):
                wrong.append(what)

        def asked(request: Request) -> None:
            if urlsplit(request.url).netloc != host:
                happened(request.url)

        def shouted(dialog: Dialog) -> None:
            happened(dialog.message)
            dialog.dismiss()

        page.on("console", lambda message: happened(message.text))
        page.on("pageerror", lambda error: happened(str(error)))
        page.on("request", asked)
        page.on("dialog", shouted)
        page.goto(url)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as started:
        yield started


def live(page: Page) -> Page:
    """The page, as soon as it is live."""
    expect(page.get_by_text("Live", exact=True)).to_be_visible()
    return page


def post_client(sandbox: Sandbox, email: str, **fields: str) -> None:
    """By the API, as a program would."""
    request = urllib.request.Request(
        f"{sandbox.url}/api/v1/clients",
        json.dumps({"campaign_id": CAMPAIGN, "email": email, **fields}).encode(),
        {"Authorization": f"Bearer {sandbox.api_key}"},
    )
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 201


def is_too_wide(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))


def test_from_the_api_to_the_last_webhook(visit: Visit) -> None:
    """A client that is added shows up by itself; its link is followed, onboarding finished, the webhook sent again."""
    with BlockingReceiver() as receiver, Sandbox(webhooks=[receiver.url]) as sandbox:
        page = live(visit(sandbox.url))
        expect(page.get_by_text("There is no client yet")).to_be_visible()
        post_client(sandbox, "ada@example.com", first_name="Ada", last_name="Lovelace")
        row = page.get_by_role("row", name="Ada Lovelace")
        expect(row.get_by_text("waiting")).to_be_visible()
        row.get_by_role("link").click()
        expect(page.get_by_role("heading", name="Welcome, Ada")).to_be_visible()
        page.get_by_role("button", name="Finish onboarding").click()
        expect(page.get_by_role("heading", name="All done, Ada")).to_be_visible()
        page.get_by_role("link", name="To the sandbox").click()
        expect(page.get_by_role("row", name="Ada Lovelace").get_by_text("onboarded")).to_be_visible()
        sent = page.get_by_role("row", name="client.completed")
        expect(sent.get_by_text("delivered")).to_be_visible()
        live(page)
        sent.get_by_role("button", name="Resend").click()
        expect(page.get_by_text("dlv_2 is sent again, as dlv_3.")).to_be_visible()
        expect(sent.get_by_text("delivered")).to_have_count(2)
        events = [json.loads(receiver.got.get(timeout=5).body)["event"] for _ in range(3)]
    assert events == ["client.created", "client.completed", "client.completed"]
    assert page.url.rstrip("/") == sandbox_url(page)


def sandbox_url(page: Page) -> str:
    parts = urlsplit(page.url)
    return f"{parts.scheme}://{parts.netloc}"


def test_nothing_is_lost_when_a_section_is_new(sandbox: Sandbox, visit: Visit) -> None:
    """Focus, what is typed and selected, what is unfolded, and the place on the page stay as they were."""
    with BlockingReceiver() as receiver:
        sandbox.add_webhook(receiver.url)
        for number in range(30):
            post_client(sandbox, f"p{number}@example.com", first_name=f"No{number}")
        page = live(visit(sandbox.url))
        page.get_by_text("Add a client").click()
        email = page.get_by_label("Email", exact=True)
        email.press_sequentially("half@an-")
        page.get_by_text("dlv_7: headers and body").click()
        page.get_by_role("row", name="No3 ").scroll_into_view_if_needed()
        email.focus()
        body = page.locator("#dlv_7-body pre").last
        body.evaluate("element => getSelection().selectAllChildren(element)")
        selected = page.evaluate("String(getSelection())")
        before = email.evaluate("element => element.getBoundingClientRect().top")
        other = sandbox.add_campaign("Published meanwhile")
        sandbox.add_client(other, "news@example.com", first_name="News")
        expect(page.get_by_role("row", name="News ")).to_have_count(1)
        expect(page.locator("#live-deliveries").get_by_text("dlv_32: headers")).to_have_count(1)
        expect(email).to_be_focused()
        expect(email).to_have_value("half@an-")
        expect(body).to_be_visible()
        assert "p6@example.com" in selected
        assert page.evaluate("String(getSelection())") == selected
        assert abs(email.evaluate("element => element.getBoundingClientRect().top") - before) < 2
        options = page.locator("#add-client option")
        expect(options).to_have_count(1)  # nothing changes in a form that somebody types in
        page.get_by_text("Base URL").click()
        expect(options).to_have_count(2)
        expect(email).to_have_value("half@an-")


def test_by_keyboard_alone(sandbox: Sandbox, visit: Visit) -> None:
    """The skip link comes first, every control is reached and shows that it is, and a form is sent by Enter."""
    post_client(sandbox, "ada@example.com", first_name="Ada")
    page = live(visit(sandbox.url))
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    controls = "a, button, input:not([type=hidden]), select, summary, [tabindex='0']"
    wanted = page.locator(controls).evaluate_all("all => all.filter((each) => each.checkVisibility()).length")
    seen = 1
    while page.evaluate("document.activeElement !== document.body"):
        style = page.evaluate("{const s = getComputedStyle(document.activeElement); [s.outlineStyle, s.outlineWidth]}")
        assert style[0] != "none", page.evaluate("document.activeElement.outerHTML")
        assert float(style[1].removesuffix("px")) >= 2
        page.keyboard.press("Tab")
        seen += 1
        assert seen <= wanted + 1
    assert seen == wanted + 1
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
    page.get_by_label("Name", exact=True).focus()
    page.keyboard.type("Autumn")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").get_by_text("The campaign is published.")).to_be_visible()
    expect(page.get_by_role("link", name="Autumn")).to_be_visible()
    expect(page.get_by_label("Name", exact=True)).to_have_value("")
    page.get_by_role("button", name="Add fault").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("The fault drop-before is in force.")).to_be_visible()
    page.get_by_role("button", name="Clear all faults").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("All goes well.")).to_be_visible()
    expect(page.locator("#main")).to_be_focused()  # its button is gone


def test_a_refused_form_keeps_what_was_typed(sandbox: Sandbox, visit: Visit) -> None:
    """And says why, without a reload."""
    page = live(visit(sandbox.url))
    page.evaluate("window.loaded = 1")
    page.get_by_text("Which requests, and how").click()
    path = page.get_by_label("Path", exact=True)
    path.fill("clients")
    page.get_by_role("button", name="Add fault").click()
    expect(page.get_by_role("status").get_by_text("must begin with a slash")).to_be_visible()
    expect(path).to_have_value("clients")
    path.fill("/clients")
    page.get_by_role("button", name="Add fault").click()
    expect(page.locator("#live-faults").get_by_text("path /clients")).to_be_visible()
    expect(path).to_have_value("")
    expect(path).to_be_visible()
    for button in ("Clear all faults", "Publish campaign"):
        page.get_by_label("Name", exact=True).fill("Autumn")
        page.get_by_role("button", name=button).click()
    expect(page.get_by_text("The campaign is published.")).to_be_visible()
    assert page.evaluate("window.loaded") == 1


def test_names_run_nothing(visit: Visit) -> None:
    """Neither where the page is drawn, nor where it is renewed: they are read as they were written."""
    with Sandbox(campaigns=[(CAMPAIGN, SCRIPT)]) as sandbox:
        sandbox.add_client(CAMPAIGN, f"{SCRIPT}@example.com", first_name=SCRIPT, company_name=SCRIPT)
        page = live(visit(f"{sandbox.url}/?text=script"))
        expect(page.get_by_role("link", name=SCRIPT)).to_be_visible()
        sandbox.add_client(CAMPAIGN, "late@example.com", first_name=SCRIPT, last_name="Late")
        expect(page.get_by_role("row", name=f"{SCRIPT} Late")).to_be_visible()
        assert page.locator("main img, main script").count() == 0
        page.get_by_role("row", name=f"{SCRIPT} Late").get_by_role("link").click()
        expect(page.get_by_role("heading", name=f"Welcome, {SCRIPT}"[:80])).to_be_visible()
        assert page.evaluate("window.ran") is None


def test_a_phone_scrolls_one_way(sandbox: Sandbox, visit: Visit) -> None:
    """At 390 pixels, and at 320, no page is wider than the screen, whatever the names; the desktop's neither."""
    with BlockingReceiver() as receiver:
        sandbox.add_webhook(f"{receiver.url}/{LONG}")
        id_ = sandbox.add_campaign(LONG)
        sandbox.add_client(id_, f"{LONG}@example.com", first_name=LONG, last_name=LONG, company_name=LONG, phone=LONG)
        sandbox.add_fault("delay", path=f"/{LONG}", email=LONG)
        page = live(visit(sandbox.url))
        expect(page.locator(".pill", has_text="delivered")).to_have_count(2)
        for folded in page.locator("summary").all():
            folded.click()
        for width in (1280, 390, 320):
            page.set_viewport_size({"width": width, "height": 844})
            assert not is_too_wide(page), width
        page.locator("#live-clients").get_by_role("link", name="/c/").click()
        expect(page.get_by_role("button", name="Finish onboarding")).to_be_visible()
        assert not is_too_wide(page)


CONTRAST = """() => {
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const over = ([r, g, b, a = 1], below) => [r, g, b].map((part, place) => part * a + below[place] * (1 - a));
  const ground = (element) => {
    const below = element.parentElement ? ground(element.parentElement) : [255, 255, 255];
    return over(numbers(getComputedStyle(element).backgroundColor), below);
  };
  const light = (colour) => {
    const linear = (x) => (x <= 0.03928 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4);
    const [r, g, b] = colour.map((part) => linear(part / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const poor = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = Array.from(element.childNodes).some((node) => node.nodeType === 3 && node.data.trim());
    if (!own || !element.checkVisibility() || element.closest(".unseen, option")) continue;
    const style = getComputedStyle(element);
    const back = ground(element.closest("svg") ? element.closest("svg").parentElement : element);
    const ink = over(numbers(element.closest("svg") ? style.fill : style.color), back);
    const [a, b] = [light(ink), light(back)].sort((x, y) => y - x);
    const contrast = (a + 0.05) / (b + 0.05);
    if (contrast < 4.5) poor.push(`${element.tagName} ${element.textContent} ${contrast}`);
  }
  return poor;
}"""


def test_light_and_dark_are_readable(visit: Visit) -> None:
    """The scheme is the reader's, and every text has the contrast that WCAG AA asks for, in both, on both pages."""
    with BlockingReceiver() as receiver, Sandbox(limit=2, webhooks=[receiver.url, "http://127.0.0.1:9/"]) as sandbox:
        for number in range(2):
            post_client(sandbox, f"p{number}@example.com")
        post_one_too_many(sandbox)
        sandbox.add_fault("delay")
        link = urlsplit(str(sandbox.clients()[0]["link"])).path
        grounds = set()
        for scheme in ("light", "dark"):
            page = live(visit(sandbox.url, color_scheme=scheme))
            expect(page.locator("#live-deliveries").get_by_text("delivered")).to_have_count(2)
            grounds.add(page.evaluate("getComputedStyle(document.documentElement).backgroundColor"))
            assert page.evaluate(CONTRAST) == []
            page.goto(sandbox.url + link)
            assert page.evaluate(CONTRAST) == []
        assert len(grounds) == 2


def post_one_too_many(sandbox: Sandbox) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        post_client(sandbox, "late@example.com")
    refused.value.close()


def test_whoever_wants_less_motion_gets_none(sandbox: Sandbox, visit: Visit) -> None:
    """The sign of life breathes for the others."""
    names = [
        live(visit(sandbox.url, reduced_motion=motion))
        .locator("#connection")
        .evaluate("element => getComputedStyle(element, '::before').animationName")
        for motion in ("no-preference", "reduce")
    ]
    assert names == ["breathe", "none"]


def test_without_a_script_all_is_done_by_forms(visit: Visit) -> None:
    """Publish, add, find, finish, resend, break, mend, reset; what is refused is typed only once."""
    with BlockingReceiver() as receiver, Sandbox(webhooks=[receiver.url]) as sandbox:
        page = visit(sandbox.url, java_script_enabled=False)
        expect(page.get_by_role("button", name="Copy")).to_be_hidden()
        page.get_by_label("Name", exact=True).fill("Autumn")
        page.get_by_role("button", name="Publish campaign").click()
        expect(page.get_by_text("The campaign is published.")).to_be_visible()
        page.get_by_text("Add a client").click()
        page.locator("#add-client").get_by_label("Campaign").select_option("Autumn")
        page.get_by_label("Email", exact=True).fill("grace@example.com")
        page.get_by_label("First name").fill("Grace")
        page.get_by_role("button", name="Add client").click()
        expect(page.get_by_text("The client is added.")).to_be_visible()
        page.get_by_label("Name, email or company").fill("grace")
        page.get_by_role("search", name="Clients").get_by_role("button").click()
        page.get_by_role("row", name="Grace").get_by_role("link").click()
        page.get_by_role("button", name="Finish onboarding").click()
        expect(page.get_by_role("heading", name="All done, Grace")).to_be_visible()
        page.goto(f"{sandbox.url}/?event=client.completed")
        page.get_by_role("button", name="Resend").click()
        expect(page.get_by_text("dlv_3 is sent again, as dlv_4.")).to_be_visible()
        page.get_by_text("Which requests, and how").click()
        page.get_by_label("Path", exact=True).fill("clients")
        page.get_by_role("button", name="Add fault").click()
        expect(page.get_by_text("must begin with a slash")).to_be_visible()
        page.get_by_label("Path", exact=True).fill("/clients")
        page.get_by_role("button", name="Add fault").click()
        expect(page.get_by_text("The fault drop-before is in force.")).to_be_visible()
        page.get_by_role("button", name="Clear all faults").click()
        expect(page.get_by_text("No fault is in force any more.")).to_be_visible()
        page.get_by_text("Reset the sandbox").click()
        page.get_by_role("button", name="Reset everything").click()
        expect(page.get_by_text("The sandbox is as at its start.")).to_be_visible()
        assert sandbox.clients() == []


def test_a_page_finds_back_to_a_new_sandbox(visit: Visit) -> None:
    """When the sandbox ends the page says so, and goes on by itself when another is there."""
    with Sandbox() as sandbox:
        page = live(visit(sandbox.url))
        port = urlsplit(sandbox.url).port
    expect(page.get_by_text("Reconnecting")).to_be_visible()
    with Sandbox(port=port or 0) as sandbox:
        sandbox.add_client(CAMPAIGN, "ada@example.com", first_name="Ada")
        live(page)
        expect(page.get_by_role("row", name="Ada")).to_be_visible()


def test_another_site_is_kept_out(sandbox: Sandbox, visit: Visit) -> None:
    """Its form comes with what the browser says of it, and does nothing."""
    elsewhere = sandbox.url.replace("127.0.0.1", "localhost")  # another site to a browser, though it is ours
    action = f"{sandbox.url}/_page/do/publish"
    form = f'<form method="post" action="{action}"><button name="name" value="evil">x</button></form>'
    page = visit(sandbox.url, expected=("/attack", "403"))
    page.route("**/attack", lambda route: route.fulfill(content_type="text/html", body=form))
    page.goto(f"{elsewhere}/attack")
    page.get_by_role("button").click()
    expect(page.get_by_text("Not from here")).to_be_visible()
    page.goto(sandbox.url)
    expect(live(page).get_by_text("evil")).to_have_count(0)
