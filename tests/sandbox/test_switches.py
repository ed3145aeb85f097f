"""What the API page leaves open: each switch by itself, the presets, and what cannot be meant."""

import json
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import pytest

from onboard360_async.sandbox import PRESETS, SWITCHES, Sandbox
from onboard360_async.sandbox.switches import Switches
from tests.sandbox.calls import CAMPAIGN, JOHN, Answer, Clock, add, call

CLIENT_FIELDS = [
    "id", "campaign_id", "first_name", "last_name", "email", "company_name", "phone", "created_at"
]  # fmt: skip


def test_the_defaults_are_the_first_choices() -> None:
    """What `--help` shows, what `Switches()` is and what the preset `documented` means are one thing."""
    stands = Switches()
    assert {name: getattr(stands, name) for name in SWITCHES} == {
        name: switch.choices[0] for name, switch in SWITCHES.items()
    }
    assert PRESETS["documented"] == {}
    assert Sandbox(preset="documented").switches == Sandbox().switches == stands


def test_the_hostile_preset_has_no_default() -> None:
    """It takes another reading of every switch, and of how the minute is cut."""
    assert {name for name in SWITCHES if PRESETS["hostile"][name] == SWITCHES[name].choices[0]} == set()
    hostile = Sandbox(preset="hostile")
    assert hostile.switches == Switches(**{name: PRESETS["hostile"][name] for name in SWITCHES})  # type: ignore[arg-type]
    assert (hostile.limiter.limiter, hostile.limiter.count_refused) == ("fixed-from-first", True)


def test_an_option_counts_more_than_a_preset() -> None:
    """Whatever the preset says; all else stays the preset's."""
    sandbox = Sandbox(preset="hostile", paging="none", limiter="off")
    assert (sandbox.switches.paging, sandbox.limiter.limiter, sandbox.switches.blanks) == ("none", "off", "missing")


def test_a_preset_may_be_a_file(tmp_path: Path) -> None:
    """As JSON of switches and of how requests are counted; what it does not name is as documented."""
    path = tmp_path / "ours.json"
    path.write_text(json.dumps({"created_status": 200, "limiter": "fixed", "limit": 7}), encoding="utf-8-sig")
    sandbox = Sandbox(preset=str(path))
    assert sandbox.switches == Switches(created_status=200)
    assert (sandbox.limiter.limiter, sandbox.limiter.limit, sandbox.limiter.window_s) == ("fixed", 7, 60.0)


def test_a_preset_may_be_what_is_in_a_file(tmp_path: Path) -> None:
    """A path that is no text, or a mapping; when it is made, and when it is running."""
    told = {"version": 1, "paging": "page", "limit": 7}
    path = tmp_path / "ours.json"
    path.write_text(json.dumps(told))
    for preset in (path, told):
        sandbox = Sandbox(preset=preset, page_size=3)
        assert sandbox.switches == Switches(paging="page", page_size=3)
        assert sandbox.limiter.limit == 7
    with Sandbox(preset="hostile") as running:
        running.configure(preset=told)
        assert running.switches == Switches(paging="page")


@pytest.mark.parametrize("version", [0, 2, "1", 1.0, True, None, [1]])
def test_a_preset_of_another_version_is_refused(tmp_path: Path, version: object) -> None:
    """It may mean what this sandbox does not know; the file is named. No preset says the same: version 1."""
    path = tmp_path / "later.json"
    path.write_text(json.dumps({"version": version, "paging": "link"}))
    with pytest.raises(ValueError, match=r"the preset .*later\.json: version cannot be .*; this sandbox reads 1"):
        Sandbox(preset=path)
    with pytest.raises(ValueError, match="the preset: version cannot be"):
        Sandbox(preset={"version": version})


@pytest.mark.parametrize("preset", [{"pagging": "link"}, {"paging": "scroll"}, {"limit": "many"}])
def test_what_is_wrong_in_a_preset_names_its_file(tmp_path: Path, preset: dict[str, object]) -> None:
    """So that one sees which of several it is."""
    path = tmp_path / "ours.json"
    path.write_text(json.dumps(preset))
    with pytest.raises(ValueError, match=r"^the preset .*ours\.json: "):
        Sandbox(preset=path)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ("{", "no JSON"),
        ("[" * 100_000, "no JSON"),
        ("[]", "object"),
        ('{"pagging": "link"}', "pagging"),
        ('{"limit": "many"}', "limit"),
        ('{"limit": true}', "limit"),
        ('{"limiter": 1}', "limiter"),
        ('{"count_refused": 1}', "count_refused"),
        ('{"paging": null}', "paging"),
    ],
)
def test_a_file_that_is_no_preset_is_refused(tmp_path: Path, content: str, match: str) -> None:
    """ValueError says what is wrong with it."""
    (tmp_path / "bad.json").write_text(content)
    with pytest.raises(ValueError, match=match):
        Sandbox(preset=str(tmp_path / "bad.json"))


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"preset": "nice"}, "documented or hostile"),
        ({"preset": "nowhere.json"}, "nowhere.json"),
        ({"preset": ["hostile"]}, "documented or hostile"),
        ({"paging": "scroll"}, "none, link, cursor, page"),
        ({"created_status": 202}, "201, 200"),
        ({"extra_fields": "maybe"}, "false, true"),
        ({"page_size": 0}, "page_size"),
        ({"page_size": 1001}, "page_size"),
        ({"page_size": "x"}, "page_size"),
        ({"page_size": True}, "page_size"),
        ({"moon": "full"}, "moon"),
    ],
)
def test_a_switch_that_cannot_be_meant_is_refused(options: Any, match: str) -> None:
    """ValueError names the switch and its choices, when the sandbox is made and when it is running."""
    with pytest.raises(ValueError, match=match):
        Sandbox(**options)
    with Sandbox() as sandbox:
        before = sandbox.switches
        with pytest.raises(ValueError, match=match):
            sandbox.configure(**options)
        assert sandbox.switches == before


def test_words_of_a_command_line_are_understood() -> None:
    """Numbers and truth as text, in any capitals; `retry_after=True` means seconds, as it always did."""
    options: Any = {"created_status": "200", "extra_fields": "TRUE", "page_size": "7", "retry_after": True}
    assert Sandbox(**options).switches == Switches(
        created_status=200, extra_fields=True, page_size=7, retry_after="seconds"
    )


async def test_a_running_sandbox_changes_its_mind() -> None:
    """From the next request on; a preset decides everything anew, and the limiter counts anew when it is changed."""
    async with Sandbox(limit=1) as sandbox:
        assert [(await add(sandbox)).status for _ in range(2)] == [201, 429]
        sandbox.configure(created_status=200)
        assert (await add(sandbox)).status == 429
        sandbox.configure(limiter="off")
        assert (await add(sandbox)).status == 200
        sandbox.configure(preset="documented", limit=5)
        assert [(await add(sandbox)).status for _ in range(6)] == [201] * 5 + [429]
        sandbox.configure(limit=2, window_s=1.5)
        assert (sandbox.limiter.limit, sandbox.limiter.window_s) == (2, 1.5)


async def added_twice(**switches: Any) -> tuple[Answer, Answer, int]:
    """One email, once in other capitals; and how many clients there are then."""
    async with Sandbox(**switches) as sandbox:
        first = await call(sandbox, "POST", "/clients", json=JOHN)
        second = await call(sandbox, "POST", "/clients", json={**JOHN, "email": JOHN["email"].upper()})
        return first, second, len(sandbox.clients())


async def test_duplicate_email_allowed() -> None:
    """One more client, with an id and a link of its own."""
    first, second, count = await added_twice(duplicate_email="allowed")
    assert (first.status, second.status, count) == (201, 201, 2)
    assert first.body["client"]["link"] != second.body["client"]["link"]


@pytest.mark.parametrize(("kind", "status"), [("400", 400), ("409", 409)])
async def test_duplicate_email_refused(kind: str, status: int) -> None:
    """In any capitals, and nobody is created; the same email in another campaign is another client."""
    _, second, count = await added_twice(duplicate_email=kind)
    assert (second.status, list(second.body), count) == (status, ["error", "details"], 1)
    async with Sandbox(duplicate_email=kind, campaigns=[("a", "A"), ("b", "B")]) as sandbox:  # type: ignore[arg-type]
        for campaign in ("a", "b"):
            answer = await call(sandbox, "POST", "/clients", json={**JOHN, "campaign_id": campaign})
            assert answer.status == 201


async def test_duplicate_email_gives_the_existing_one() -> None:
    """200 with the client that is there, link and all."""
    first, second, count = await added_twice(duplicate_email="existing")
    assert (second.status, second.body, count) == (200, first.body, 1)


async def test_created_status() -> None:
    """200 where the page says 201; the body is the same."""
    async with Sandbox(created_status=200) as sandbox:
        answer = await add(sandbox)
    assert (answer.status, list(answer.body)) == (200, ["client"])


async def test_unknown_campaign() -> None:
    """404 or 400, and nobody is created."""
    for kind, status in (("404", 404), ("400", 400)):
        async with Sandbox(unknown_campaign=kind) as sandbox:  # type: ignore[arg-type]  # a pair of the two
            answer = await call(sandbox, "POST", "/clients", json={**JOHN, "campaign_id": "x"})
            assert (answer.status, list(answer.body), sandbox.clients()) == (status, ["error", "details"], [])


async def test_link_in_listings() -> None:
    """The link that the answer to the POST had."""
    async with Sandbox(link_in_listings=True) as sandbox:
        link = (await add(sandbox)).body["client"]["link"]
        (listed,) = (await call(sandbox, "GET", "/clients")).body["clients"]
    assert listed["link"] == link


async def test_blanks() -> None:
    """What a client does not have is null, "" or not there, in the answer and in the listing."""
    for blanks, shown in (("null", None), ("empty", ""), ("missing", ...)):
        async with Sandbox(blanks=blanks) as sandbox:  # type: ignore[arg-type]  # one of the three
            answer = await call(sandbox, "POST", "/clients", json={**JOHN, "phone": "1", "company_name": ""})
            (listed,) = (await call(sandbox, "GET", "/clients")).body["clients"]
        for client in (answer.body["client"], listed):
            assert [client.get(name, ...) for name in ("first_name", "last_name")] == [shown] * 2
            assert (client["phone"], client["company_name"]) == ("1", "")  # an empty one is had


async def test_error_body() -> None:
    """As documented, a proxy's page, or nothing: of every kind of error, and the status is the same."""
    for kind, content_type in (("object", "application/json"), ("html", "text/html"), ("empty", None)):
        async with Sandbox(error_body=kind, limit=4) as sandbox:  # type: ignore[arg-type]  # one of the three
            sandbox.add_fault("500-before", nth=3)
            answers = [
                await call(sandbox, "GET", "/clients", key="wrong"),
                await call(sandbox, "POST", "/clients", data="{"),
                await call(sandbox, "GET", "/nowhere"),
                await call(sandbox, "GET", "/clients"),
                await call(sandbox, "DELETE", "/clients"),
                await call(sandbox, "GET", "/clients"),
            ]
        assert [answer.status for answer in answers] == [401, 400, 404, 500, 405, 429]
        for answer in answers:
            if content_type is None:
                assert answer.body is None
            else:
                assert answer.headers["Content-Type"].startswith(content_type)
                assert isinstance(answer.body, dict if kind == "object" else str)


async def test_extra_fields() -> None:
    """Beside every documented member there are others, in each object and around each list; the documented stay."""
    async with Sandbox(extra_fields=True) as sandbox:
        created = (await add(sandbox)).body
        listed = (await call(sandbox, "GET", "/clients")).body
        campaigns = (await call(sandbox, "GET", "/campaigns")).body
    assert set(CLIENT_FIELDS) < set(listed["clients"][0])
    assert {*CLIENT_FIELDS, "link"} < set(created["client"])
    assert {"id", "name", "created_at", "updated_at", "steps"} < set(campaigns["campaigns"][0])
    assert all(len(envelope) > 1 for envelope in (created, listed, campaigns))


async def test_retry_after() -> None:
    """Not at all, in seconds, or as a date by the sandbox's own clock, which the answer's Date goes by as well."""
    clock = Clock()
    now = datetime(2026, 1, 31, 23, 59, 30, 700_000, tzinfo=UTC)
    told = {}
    for kind in ("none", "seconds", "date"):
        async with Sandbox(limit=1, clock=clock, now=lambda: now, retry_after=kind) as sandbox:
            await add(sandbox)
            sandbox.clock.advance(12.5)
            headers = (await add(sandbox)).headers
            told[kind] = headers.get("Retry-After")
            if kind == "date":
                assert headers["Date"] == "Sat, 31 Jan 2026 23:59:43 GMT"
    assert told == {"none": None, "seconds": "48", "date": "Sun, 01 Feb 2026 00:00:31 GMT"}


async def test_rate_limit() -> None:
    """Quota, window, what is left and when, in the form of the IETF's draft; on every answer that counted."""
    clock = Clock()
    async with Sandbox(limit=2, clock=clock, rate_limit=True) as sandbox:
        first, second, third = [await add(sandbox) for _ in range(3)]
        assert {answer.headers["RateLimit-Policy"] for answer in (first, second, third)} == {'"default";q=2;w=60'}
        assert [answer.headers["RateLimit"] for answer in (first, second, third)] == [
            '"default";r=1;t=60', '"default";r=0;t=60', '"default";r=0;t=60'
        ]  # fmt: skip
        clock.at += 59.5
        assert (await add(sandbox)).headers["RateLimit"] == '"default";r=0;t=1'
        sandbox.configure(rate_limit=False)
        assert "RateLimit" not in (await add(sandbox)).headers


async def test_order() -> None:
    """The oldest first, the newest first, or by id; of one campaign and of all."""
    numbers = iter(["5", "2", "9", "4", "7"])
    async with Sandbox(campaigns=[("a", "A"), ("b", "B")], new_id=lambda: next(numbers)) as sandbox:
        for email, campaign in (("1@x.y", "a"), ("2@x.y", "b"), ("3@x.y", "a"), ("4@x.y", "a")):
            sandbox.add_client(campaign, email)
        for order, everybody in (("created", "5294"), ("newest", "4925"), ("by-id", "2459")):
            sandbox.configure(order=order)  # type: ignore[arg-type]  # one of the three
            answer = await call(sandbox, "GET", "/clients")
            assert "".join(client["id"] for client in answer.body["clients"]) == everybody
            answer = await call(sandbox, "GET", "/clients?campaign_id=a")
            assert "".join(client["id"] for client in answer.body["clients"]) == everybody.replace("2", "")
    assert CAMPAIGN


@pytest.mark.parametrize("fault", ["cut-listing", "stale-listing"])
async def test_a_listing_that_is_not_whole_tells_of_the_limit_as_others_do(fault: str) -> None:
    """What is missing in it is not to be seen by its headers."""
    async with Sandbox(rate_limit=True) as sandbox:
        whole, cut = [await call(sandbox, "GET", "/clients", fault=each) for each in (None, fault)]
        assert list(cut.headers) == list(whole.headers)
        assert cut.headers["RateLimit"] == '"default";r=98;t=60'


@pytest.mark.parametrize("fault", ["500-before", "500-after", "garbage", "redirect", "429", "wrong-type", "sneeze"])
async def test_every_answer_that_counted_tells_of_the_limit(fault: str) -> None:
    """What a fault answers, and what is refused before it is looked at: a header in error, a body too large."""
    async with Sandbox(rate_limit=True) as sandbox:
        told = await call(sandbox, "GET", "/campaigns", fault=fault, allow_redirects=False)
        large = await call(sandbox, "POST", "/clients", data=BytesIO(b"x" * 1_100_000))
        assert [answer.headers["RateLimit"] for answer in (told, large)] == [
            '"default";r=99;t=60',
            '"default";r=98;t=60',
        ]
        assert large.status == 413


@pytest.mark.parametrize("kind", ["400", "409"])
def test_an_email_that_the_api_refuses_is_refused_without_a_request_too(kind: Literal["400", "409"]) -> None:
    """ValueError, and nobody was created; another email is none of its business."""
    with Sandbox(duplicate_email=kind) as sandbox:
        sandbox.add_client(CAMPAIGN, "a@example.com")
        with pytest.raises(ValueError, match="added before"):
            sandbox.add_client(CAMPAIGN, "A@example.com")
        sandbox.add_client(CAMPAIGN, "b@example.com")
        assert len(sandbox.clients()) == 2
