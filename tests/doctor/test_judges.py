"""What is said of services that the sandbox does not play: hand-made answers, read and judged."""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from attrs import evolve, frozen

from onboard360_async import settings
from onboard360_async.doctor.examine import Place, examine
from onboard360_async.doctor.findings import Finding, Verdict
from onboard360_async.doctor.report import Report, report_on
from onboard360_async.doctor.seen import Seen
from onboard360_async.transport.options import Event

CLIENT: dict[str, Any] = {
    "id": "770e8400",
    "campaign_id": "550e8400",
    "first_name": "John",
    "last_name": "Doe",
    "email": "john@example.com",
    "company_name": "Acme Corp",
    "phone": "+1234567890",
    "created_at": "2024-01-15T09:00:00Z",
}
CAMPAIGN = {
    "id": "550e8400",
    "name": "Acme Corp",
    "created_at": "2024-01-01T00:00:00Z",
    "updated_at": "2024-01-15T10:30:00Z",
}


def client(number: int, **fields: Any) -> dict[str, Any]:
    """One of many; None in `...` leaves a field out."""
    made = CLIENT | {"id": f"{number:05}", "email": f"john{number}@example.com"} | fields
    return {name: value for name, value in made.items() if value is not ...}


@frozen
class Answer:
    """What is answered to every request for one path."""

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = {"Content-Type": "application/json"}
    endless: bytes = b""  # sent again and again behind the body

    @classmethod
    def of(cls, name: str, *items: Any, **beside: Any) -> "Answer":
        return cls(json.dumps({name: items, **beside}).encode())


ALL_WELL = {"campaigns": Answer.of("campaigns", CAMPAIGN), "clients": Answer.of("clients", *map(client, range(3)))}
Ask = Callable[..., Any]


@pytest.fixture
async def asked() -> AsyncIterator[Ask]:
    """A service that gives these answers, and the report on it."""
    answers: dict[str, Answer] = {}

    async def answer(request: web.Request) -> web.StreamResponse:
        given = answers[request.path.rpartition("/")[2]]
        response = web.StreamResponse(status=given.status, headers=given.headers)
        if not given.endless:
            response.content_length = len(given.body)
        await response.prepare(request)
        await response.write(given.body)
        while given.endless:
            await response.write(given.endless)
        return response

    app = web.Application()
    app.router.add_get("/api/v1/{name}", answer)
    async with TestServer(app) as server:

        async def ask(most: int = 1000, key: str = "sk_live_x", **given: Answer) -> Told:
            answers.update(ALL_WELL | given)
            place = Place(key, str(server.make_url("/")), "memory", "memory")
            seen = await examine(place, most=most, webhook=None, on_event=_nothing)
            return Told(report_on(seen), seen)

        yield ask


def _nothing(_: Event) -> None:
    pass


@frozen
class Told:
    """A report, by what it is about."""

    report: Report
    seen: Seen

    def __getitem__(self, about: str) -> Finding:
        (finding,) = [each for each in self.report.findings if each.about == about]
        return finding

    def of(self, *abouts: str) -> list[tuple[str, str]]:
        """Verdict and what was seen."""
        return [(str(self[about].verdict), self[about].seen) for about in abouts]


# --- listings ---


async def test_a_listing_that_shows_fewer_than_it_counts_is_not_whole(asked: Ask) -> None:
    """A 3 is contradicted by the answer's own total, if nothing leads on; a total that fits is none of our business."""
    clients = [client(number) for number in range(3)]
    short: list[dict[str, Any]] = [{"total": 9}, {"meta": {"total_count": 9}}]
    for beside in short:
        told = await asked(clients=Answer.of("clients", *clients, **beside))
        assert told.of("A 3", "paging") == [("contradicted", "not whole"), ("unknown", "")]
    fitting: list[dict[str, Any]] = [{"total": 3}, {"total": "9"}, {"total": True}]
    for beside in fitting:
        assert (await asked(clients=Answer.of("clients", *clients, **beside)))["A 3"].verdict == "unknown"
    on = await asked(clients=Answer.of("clients", *clients, total=9, next_cursor="x", has_more=True))
    assert on.of("A 3", "paging") == [("unknown", ""), ("observed", "cursor")]


@pytest.mark.parametrize(
    ("beside", "headers", "paging"),
    [
        ({"next_url": "/api/v1/clients?x=1"}, {}, ("observed", "address")),
        ({"links": {"next": "/api/v1/clients?x=1"}}, {}, ("observed", "address")),
        ({"next": None}, {}, ("unknown", "")),
        ({"has_more": False}, {}, ("observed", "cursor")),
        ({"pagination": {"page": 1, "total_pages": 1}}, {}, ("observed", "page")),
        ({}, {"Link": '</api/v1/clients?p=2>; rel="next"'}, ("observed", "link")),
        ({}, {"Link": '</api/v1/clients?p=0>; rel="prev"'}, ("unknown", "")),
        ({}, {"Link": '<https://elsewhere.example/c>; rel="next"'}, ("contradicted", "other")),
        ({"has_more": True}, {}, ("contradicted", "other")),
    ],
)
async def test_what_leads_on_is_told_and_not_followed(
    asked: Ask, beside: Any, headers: Any, paging: tuple[str, str]
) -> None:
    """The ways that are followed, and those that are not; two requests were sent whatever it was."""
    answer = evolve(Answer.of("clients", client(1), **beside), headers=headers)
    told = await asked(clients=answer)
    assert told.of("paging") == [paging]
    assert told.seen.budget.spent == 2
    assert told["paging"].verdict.is_wrong == (paging[0] == "contradicted")
    preset = told.report.preset()
    assert preset.get("paging", "none") == (paging[1] if paging[1] in ("cursor", "page", "link") else "none")
    assert None not in preset.values()


@pytest.mark.parametrize(
    ("number", "paging"),
    [(99, ("unknown", "")), (100, ("unknown", "")), (101, ("observed", "none")), (500, ("unknown", ""))],
)
async def test_that_there_are_no_pages_takes_more_than_a_page(asked: Ask, number: int, paging: tuple[str, str]) -> None:
    """Few clients, or a round number of them, say nothing of it."""
    told = await asked(clients=Answer.of("clients", *map(client, range(number))))
    assert told.of("paging", "page_size") == [paging, ("unknown", "")]


async def test_what_was_not_looked_at_is_not_told_of(asked: Ask) -> None:
    """A listing without an end is left after so many clients; paging, page size and A 3 are unknown then."""
    one = json.dumps(client(1)).encode() + b","
    told = await asked(most=40, clients=Answer(b'{"clients":[', endless=one))
    assert told.of("paging", "page_size", "A 3") == [("unknown", "")] * 3
    assert told["clients"].why == "a part was read: the first 40 clients were looked at (--clients), and there are more"
    assert told.seen.clients.census.count == 40
    assert told.of("clients", "ids", "blanks") == [("ok", "200"), ("contradicted", "twice"), ("unknown", "")]
    exactly = await asked(most=40, clients=Answer.of("clients", *map(client, range(40))))
    assert exactly["clients"].why == "read to its end"


async def test_an_answer_that_never_ends_is_not_waited_for(asked: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    """White space for ever is no client; what was seen until then is told."""
    monkeypatch.setattr(settings, "DOCTOR_READ_S", 1.5)
    told = await asked(clients=Answer(b'{"clients":[' + json.dumps(client(1)).encode(), endless=b" "))
    assert told["clients"].why.startswith("a part was read: it was still coming after 1.5 s")
    assert told.of("ids", "paging") == [("observed", "each once"), ("unknown", "")]


async def test_the_reader_goes_on_wherever_a_piece_ends(asked: Ask) -> None:
    """A mark at the beginning, letters of many bytes, and one client that is longer than any piece."""
    long = client(1, company_name="é" * 200_000)
    body = "\ufeff" + json.dumps({"clients": [long, client(2)]}, ensure_ascii=False)
    told = await asked(clients=Answer(body.encode()))
    assert told.of("clients", "shape") == [("ok", "200"), ("observed", "as on the page")]
    assert told.seen.clients.census.count == 2
    for wrong in (b'{"clients":[\xff]}', b'{"clients":[{}'):
        assert (await asked(clients=Answer(wrong)))["shape"].verdict == "contradicted"


@pytest.mark.parametrize(
    ("times", "ids", "order"),
    [
        ("12345", "12345", ("unknown", "")),  # by time or by id
        ("12345", "12435", ("observed", "created")),
        ("54321", "12435", ("observed", "newest")),
        ("13245", "12345", ("observed", "by-id")),
        ("13245", "12435", ("observed", "other")),
        ("11111", "12345", ("unknown", "")),  # time says nothing
        ("1234", "1243", ("unknown", "")),  # so few stand so by chance
        ("1", "1", ("unknown", "")),
    ],
)
async def test_an_order_is_told_if_no_other_fits(asked: Ask, times: str, ids: str, order: tuple[str, str]) -> None:
    """Of five clients at least, and by what all neighbours show."""
    pairs = zip(times, ids, strict=True)
    clients = [client(int(each), created_at=f"2024-01-0{time}T00:00:00Z") for time, each in pairs]
    told = await asked(clients=Answer.of("clients", *clients))
    assert told.of("order") == [order]


@pytest.mark.parametrize(
    ("fields", "blanks"),
    [
        ([{}, {}], ("unknown", "")),
        ([{"phone": None}, {"phone": ""}], ("observed", "null")),
        ([{"phone": ...}, {"phone": ""}], ("observed", "missing")),
        ([{"phone": ...}, {"phone": None}], ("observed", "mixed")),
        ([{"phone": ""}], ("observed", "empty")),
    ],
)
async def test_how_a_missing_value_is_written(asked: Ask, fields: list[Any], blanks: tuple[str, str]) -> None:
    """What was added as "" may stay so, so null or missing counts more; a mixture is no choice."""
    clients = [client(number, **each) for number, each in enumerate(fields)]
    told = await asked(clients=Answer.of("clients", *clients))
    assert told.of("blanks") == [blanks]
    assert told.report.preset().get("blanks") == (blanks[1] if blanks[1] not in ("", "mixed") else None)


@pytest.mark.parametrize(
    ("links", "seen"), [((...,), "false"), ((None,), "false"), (("x",), "true"), ((..., "x"), "some")]
)
async def test_whether_listings_have_the_link(asked: Ask, links: tuple[Any, ...], seen: str) -> None:
    """All, none, or some, which is no choice; the link itself is nowhere."""
    clients = [client(number, link=link) for number, link in enumerate(links)]
    told = await asked(clients=Answer.of("clients", *clients))
    assert told.of("link_in_listings") == [("observed", seen)]
    assert told.report.preset().get("link_in_listings") == {"false": False, "true": True}.get(seen)


async def test_an_id_that_two_have_contradicts_what_we_build_on(asked: Ask) -> None:
    """Nothing else tells two clients apart."""
    told = await asked(clients=Answer.of("clients", client(1), client(1), client(2)))
    assert told.of("ids", "duplicate_email") == [("contradicted", "twice"), ("unknown", "")]


async def test_one_email_in_two_campaigns_is_not_twice(asked: Ask) -> None:
    """Nor does it show that it would be refused."""
    both = [client(number, email="john@example.com", campaign_id=f"c{number}") for number in range(2)]
    assert (await asked(clients=Answer.of("clients", *both))).of("duplicate_email") == [("unknown", "")]


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"email": None}, "$.clients[1].email"),
        ({"created_at": "yesterday"}, "$.clients[1].created_at"),
        ({"created_at": ...}, "$.clients[1].created_at"),
        ({"phone": 4711}, "$.clients[1].phone"),
    ],
)
async def test_a_client_that_is_none_is_told_by_its_path(asked: Ask, given: Any, path: str) -> None:
    """Never by its value; the others are looked at all the same."""
    told = await asked(clients=Answer.of("clients", client(0), client(1, **given), client(2)))
    assert (told["shape"].verdict, told["shape"].seen) == ("contradicted", "other")
    assert f"1 of 3 clients, the first at {path}" in told["shape"].why
    assert "yesterday" not in told["shape"].why
    assert told.of("ids") == [("observed", "each once")]


@pytest.mark.parametrize(
    ("time", "zone"), [("2024-01-15T09:00:00Z", "Z"), ("2024-01-15T09:00:00+02:00", "offset"), ("2024-01-15", "none")]
)
async def test_how_times_end(asked: Ask, time: str, zone: str) -> None:
    """One without a zone is taken for UTC, and whoever reads the report should know."""
    assert (await asked(clients=Answer.of("clients", client(1, created_at=time)))).of("times") == [("observed", zone)]


async def test_campaigns_on_a_further_page_are_told(asked: Ask) -> None:
    """Nobody follows there, so those behind it are found by id alone."""
    told = await asked(campaigns=Answer.of("campaigns", CAMPAIGN, next_cursor="x"))
    assert told.of("campaigns_go_on", "extra_fields") == [("contradicted", "yes"), ("observed", "false")]
    assert (await asked()).of("campaigns_go_on") == [("observed", "no")]


async def test_unknown_fields_are_told_by_name_alone(asked: Ask) -> None:
    """And not by name where that may be somebody's; what tells of pages is none of them."""
    one = client(1, score="John", **{"john@example.com": 1})
    told = await asked(
        campaigns=Answer.of("campaigns", CAMPAIGN | {"steps": 3}), clients=Answer.of("clients", one, has_more=False)
    )
    assert told["extra_fields"].why == "$.campaigns[].steps, $.clients[].(not shown), $.clients[].score"
    many = client(1, **{f"more_{number}": 1 for number in range(12)})
    assert (await asked(clients=Answer.of("clients", many)))["extra_fields"].why.endswith(" and 4 more")


async def test_nothing_is_known_of_nobody(asked: Ask) -> None:
    """An empty listing, and no campaign: all that is about clients is unknown, and nothing is wrong."""
    told = await asked(campaigns=Answer.of("campaigns"), clients=Answer.of("clients"))
    names = ("paging", "page_size", "order", "duplicate_email", "link_in_listings", "blanks", "extra_fields", "shape")
    assert told.of(*names, "ids", "times") == [("unknown", "")] * 10
    assert (told.report.wrong, told.report.preset()) == ([], {"version": 1, "rate_limit": False})


# --- answers ---


async def test_a_status_and_a_kind_that_the_page_does_not_have(asked: Ask) -> None:
    """Another 2xx is contradicted; a Content-Type is told, and one that is no word is not."""
    told = await asked(
        clients=evolve(ALL_WELL["clients"], status=206),
        campaigns=evolve(ALL_WELL["campaigns"], headers={"Content-Type": "text/html; charset=utf-8"}),
    )
    assert told.of("status") == [("contradicted", "200, 206")]
    assert told.of("content_type") == [("observed", "application/json, text/html")]
    odd = evolve(ALL_WELL["clients"], headers={"Content-Type": "x/" + "y" * 99})
    assert "(not shown)" in (await asked(clients=odd))["content_type"].seen


@pytest.mark.parametrize(
    ("body", "kind", "value"),
    [
        (b'{"error": "Server error", "details": "John"}', "object", "object"),
        (b"\n<html>John</html>", "html", "html"),
        (b"", "empty", "empty"),
        (b"John is out", "other", None),
        (b'{"message": "John"}', "other", None),
    ],
)
async def test_what_an_errors_body_is(asked: Ask, body: bytes, kind: str, value: str | None) -> None:
    """By one that came; nothing of what it says is told."""
    told = await asked(campaigns=Answer(body, 500))
    assert told.of("error_body", "campaigns") == [("observed", kind), ("failed", "500")]
    assert told.report.preset().get("error_body") == value
    assert "John" not in str(told.report.findings)
    assert told.of("clients") == [("ok", "200")]  # it was asked for all the same


async def test_two_errors_of_two_kinds_are_no_choice(asked: Ask) -> None:
    """As of a proxy before the service."""
    told = await asked(campaigns=Answer(b"", 502), clients=Answer(b"<html>", 500))
    assert (told.of("error_body"), "error_body" in told.report.preset()) == ([("observed", "mixed")], False)


async def test_campaigns_that_are_too_many_are_not_read(asked: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an end, say: memory is bounded."""
    monkeypatch.setattr(settings, "MAX_BODY_BYTES", 300_000)
    told = await asked(campaigns=Answer(b'{"campaigns":[', endless=b" " * 1000))
    assert told.of("campaigns", "clients") == [("failed", "200"), ("ok", "200")]
    assert "longer than 300000 bytes" in told["campaigns"].why


async def test_a_first_page_that_is_longer_than_we_look_has_no_size(asked: Ask) -> None:
    """Though a header says that it goes on."""
    answer = evolve(Answer.of("clients", *map(client, range(9))), headers={"Link": '<?p=2>; rel="next"'})
    assert (await asked(most=5, clients=answer)).of("paging", "page_size") == [("observed", "link"), ("unknown", "")]


@pytest.mark.parametrize(
    ("headers", "seen"),
    [
        ({"RateLimit-Policy": '"default";q=60;w=30'}, {"rate_limit": "other", "limit": "60", "window_s": "30"}),
        ({"RateLimit": '"default";r=5;t=1'}, {"rate_limit": "true", "limit": "", "window_s": ""}),
        ({"X-RateLimit-Limit": "60"}, {"rate_limit": "other", "limit": "60", "window_s": ""}),
        ({"RateLimit-Policy": '"a";q=1;w=1, "b";q=60;w=60'}, {"rate_limit": "other", "limit": "", "window_s": ""}),
    ],
)
async def test_what_headers_tell_of_the_limit(asked: Ask, headers: dict[str, str], seen: dict[str, str]) -> None:
    """One quota with its window goes into the preset; several, or one without, do not."""
    told = await asked(clients=evolve(ALL_WELL["clients"], headers=headers))
    assert {name: told[name].seen for name in seen} == seen
    has_both = seen["limit"] and seen["window_s"]
    assert told.report.preset().get("limit") == (60 if has_both else None)


@pytest.mark.parametrize(("first", "second"), [("9", "8"), ("9", "9"), ("9", "7"), ("0", "99"), ("x", "8")])
async def test_that_a_request_is_counted_by_its_answer_cannot_be_seen(asked: Ask, first: str, second: str) -> None:
    """A 8: what is left may fall by one, and yet each request be counted after its own answer."""
    for name, form in (("RateLimit", '"default";r={};t=9'), ("X-RateLimit-Remaining", "{}")):
        told = await asked(
            campaigns=evolve(ALL_WELL["campaigns"], headers={name: form.format(first)}),
            clients=evolve(ALL_WELL["clients"], headers={name: form.format(second)}),
        )
        assert told["A 8"].verdict == "unknown"
        assert (f"from {first} to {second}" in told["A 8"].why) is (first != "x")


@pytest.mark.parametrize(("text", "kind"), [("7", "seconds"), ("soon", "other"), (None, "none")])
async def test_how_a_429_says_when(asked: Ask, text: str | None, kind: str) -> None:
    """What it means is the budget's; after a 429 nothing more is sent."""
    told = await asked(campaigns=Answer(b"", 429, {} if text is None else {"Retry-After": text}))
    assert told.of("retry_after") == [("observed", kind)]
    assert (told.seen.clients, told.seen.budget.spent) == (None, 1)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"<html>", "a web page"),
        (b"[]", "found a list"),
        (b'{"campaigns": {}}', "found an object"),
        (b'{"campaigns": [{"id": 1}]}', "$.campaigns[0]"),
    ],
)
async def test_campaigns_that_are_none_are_told(asked: Ask, body: bytes, why: str) -> None:
    """By what was found and where."""
    told = await asked(campaigns=Answer(body))
    assert told.of("campaigns", "shape") == [("failed", "200"), ("contradicted", "other")]
    assert why in told["shape"].why


# --- key and clock ---


async def test_a_key_of_the_sandbox_is_odd_elsewhere(asked: Ask) -> None:
    """It is the first thing to look at when a real service refuses it."""
    told = await asked(key="sk_test_x")
    told.seen.key.is_loopback = False
    assert Told(report_on(told.seen), told.seen).of("key") == [("warning", "sk_test_")]


@pytest.mark.parametrize(
    ("key", "verdict", "seen"),
    [
        ("sk_live_x\n", "ok", "sk_live_"),
        (" sk_live_x", "warning", "sk_live_"),
        ("sk_test_x", "ok", "sk_test_"),
        ("whsec_x", "warning", "other"),
    ],
)
async def test_how_a_key_is_written(asked: Ask, key: str, verdict: str, seen: str) -> None:
    """White space and an odd beginning are told; the newline of a file is none; nothing else of it is shown."""
    told = await asked(key=key)
    assert told.of("key") == [(verdict, seen)]
    assert key.strip() not in str(told.report.findings).replace(seen, "", 1)


@pytest.mark.parametrize(
    ("skew_s", "verdict", "seen"),
    [(0.4, "ok", "alike"), (-4.0, "ok", "alike"), (30.0, "warning", "apart"), (-3600.0, "failed", "apart")],
)
async def test_a_clock_that_is_wrong_is_told(asked: Ask, skew_s: float, verdict: str, seen: str) -> None:
    """By the Date of the answers; a time zone changes nothing of it."""
    told = await asked()
    found = report_on(evolve(told.seen, skew_s=skew_s))
    (clock,) = [each for each in found.findings if each.about == "clock"]
    assert (clock.verdict, clock.seen) == (verdict, seen)
    assert clock.verdict.is_wrong == (clock.verdict is Verdict.FAILED)
    assert ("behind" in clock.why) == (skew_s == 30.0)


async def test_without_a_date_nobody_knows_the_clock(asked: Ask) -> None:
    """And an import takes the clocks for alike."""
    told = await asked()
    found = Told(report_on(evolve(told.seen, skew_s=None)), told.seen)
    assert found.of("clock", "date") == [("unknown", ""), ("observed", "none")]


# --- nothing that the API said ---


@pytest.mark.parametrize(
    "page", [Answer(b"<html>log in</html>"), Answer(b"[1, 2]"), Answer(b"{", endless=b" " * 65_536)]
)
async def test_a_page_that_is_not_the_apis_accepts_no_key(
    asked: Ask, page: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its status is a success, and it may never end: whether the key is taken, and what headers tell, is unknown."""
    monkeypatch.setattr(settings, "DOCTOR_READ_S", 0.2)
    told = await asked(campaigns=page, clients=page)
    assert [told[about].verdict for about in ("key", "rate_limit")] == ["unknown", "unknown"]
    assert [told[about].verdict for about in ("campaigns", "clients")] == ["failed", "failed"]
    assert told.report.preset().keys() <= {"version"}


async def test_the_body_of_a_redirect_is_no_error_of_the_apis(asked: Ask) -> None:
    """How errors are written, it does not show."""
    told = await asked(campaigns=Answer(b'{"error": "moved"}', 302, {"Location": "/"}))
    assert told["error_body"].verdict == "unknown"
