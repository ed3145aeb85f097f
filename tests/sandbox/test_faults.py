"""What goes wrong on demand: each kind leaves the store as it says, however it is asked for."""

import asyncio
import json
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from onboard360_async.sandbox import KINDS, Sandbox
from onboard360_async.sandbox.failing import _cut
from onboard360_async.sandbox.server import Service
from tests.sandbox.calls import CAMPAIGN, Clock, add, call, is_problem, until
from tests.sandbox.test_fault_rules import statuses


async def is_dropped(sandbox: Sandbox, method: str, path: str, **options: Any) -> bool:
    try:
        await call(sandbox, method, path, **options)
    except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError):
        return True
    return False


JOHN = {"json": {"campaign_id": CAMPAIGN, "email": "john@example.com"}}


async def test_drop_before_closes_and_does_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """No byte comes, no client is there, the record has no status, and nobody logs a word."""
    async with Sandbox() as sandbox:
        sandbox.add_fault("drop-before")
        assert await is_dropped(sandbox, "POST", "/clients", **JOHN)
        assert await is_dropped(sandbox, "GET", "/campaigns")
        assert sandbox.clients() == []
        assert [request.status for request in sandbox.requests] == [None, None]
    assert [record for record in caplog.records if record.name.startswith("aiohttp")] == []


async def test_commit_then_drop_creates_and_closes(caplog: pytest.LogCaptureFixture) -> None:
    """The client is there, its creator got no answer; a listing is just dropped."""
    async with Sandbox() as sandbox:
        sandbox.add_fault("commit-then-drop")
        assert await is_dropped(sandbox, "POST", "/clients", **JOHN)
        assert await is_dropped(sandbox, "GET", "/clients")
        assert [client["email"] for client in sandbox.clients()] == ["john@example.com"]
        assert [request.status for request in sandbox.requests] == [None, None]
    assert [record for record in caplog.records if record.name.startswith("aiohttp")] == []


@pytest.mark.parametrize(("kind", "created"), [("500-before", 0), ("500-after", 1)])
async def test_a_500_comes_before_or_after_the_deed(kind: str, created: int) -> None:
    """The same status with an error body; only the store knows whether the client was created."""
    async with Sandbox() as sandbox:
        sandbox.add_fault(kind)
        assert is_problem(await add(sandbox), 500)
        assert is_problem(await call(sandbox, "GET", "/clients"), 500)
        assert len(sandbox.clients()) == created


async def test_an_injected_429_does_nothing_and_is_not_the_limits() -> None:
    """It looks like the limit's own, but `refused` counts only what the limit refused."""
    async with Sandbox(retry_after=True) as sandbox:
        sandbox.add_fault("429")
        answer = await add(sandbox)
        assert is_problem(answer, 429)
        assert answer.headers["Retry-After"] == "1"
        assert (sandbox.clients(), sandbox.refused) == ([], 0)


async def test_delay_does_at_once_and_answers_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """While one answer waits its client is there already, and others are served; the sandbox's end does not wait."""
    monkeypatch.setattr("onboard360_async.sandbox.running._SHUTDOWN_S", 3600)
    async with Sandbox() as sandbox:
        sandbox.add_fault("delay", method="POST", delay_s=3600)
        delayed = asyncio.create_task(is_dropped(sandbox, "POST", "/clients", **JOHN))
        while not sandbox.clients():
            assert (await call(sandbox, "GET", "/clients")).status == 200
        assert not delayed.done()
    assert await delayed


async def test_delay_ends() -> None:
    """After the delay the answer is the one that it would have been."""
    async with Sandbox() as sandbox:
        sandbox.add_fault("delay", delay_s=0.001)
        assert (await add(sandbox)).status == 201
        assert sandbox.requests[0].status == 201


async def until_created(sandbox: Sandbox, number: int = 1) -> None:
    """Ask for campaigns, which lets the sandbox go on, until so many clients are there."""
    while len(sandbox.clients()) < number:
        assert (await call(sandbox, "GET", "/campaigns")).status == 200


def header_of(kind: str) -> str:
    return f"{kind}:delay=0.001" if kind in ("delay", "late-commit", "slow-drip") else kind


async def test_a_truncated_201_says_more_than_it_sends(caplog: pytest.LogCaptureFixture) -> None:
    """The head is a whole answer's, half of the body follows, and the connection ends; what is no 201 stays whole."""
    async with Sandbox() as sandbox:
        sandbox.add_fault("truncated-201")
        reader, writer = await asyncio.open_connection("127.0.0.1", int(sandbox.url.rpartition(":")[2]))
        body = json.dumps(JOHN["json"]).encode()
        head = f"POST /api/v1/clients HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {sandbox.api_key}\r\n"
        writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        got, _, part = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
        (client,) = sandbox.clients()
        whole = json.dumps({"client": client}, separators=(",", ":")).encode()
        assert got.startswith(b"HTTP/1.1 201 ")
        assert f"Content-Length: {len(whole)}".encode() in got.split(b"\r\n")
        assert part == whole[: len(whole) // 2]
        assert is_problem(await call(sandbox, "POST", "/clients", data=b"no"), 400)
        assert (await call(sandbox, "GET", "/clients")).body["clients"][0]["id"] == client["id"]
        assert [request.status for request in sandbox.requests] == [201, 400, 200]
    assert [record for record in caplog.records if record.name.startswith("aiohttp")] == []


async def test_a_truncated_201_is_a_broken_answer_to_a_client() -> None:
    """A client that reads the whole body is told that it is not whole."""
    async with Sandbox() as sandbox:
        with pytest.raises(aiohttp.ClientPayloadError):
            await add(sandbox, fault="truncated-201")
        assert len(sandbox.clients()) == 1


async def test_a_truncated_201_to_nobody_makes_no_noise(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever is gone before it comes gets none of it, and nobody logs a word; the client is there."""
    in_json = Service._in_json

    async def gone(self: Service, request: web.Request, handler: Any) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return await in_json(self, request, handler)

    async with Sandbox() as sandbox:
        monkeypatch.setattr(Service, "_in_json", gone)
        assert await is_dropped(sandbox, "POST", "/clients", fault="truncated-201", **JOHN)
        assert len(sandbox.clients()) == 1
        assert sandbox.requests[0].status is None
    assert [record for record in caplog.records if record.name.startswith("aiohttp")] == []


@pytest.mark.parametrize("threaded", [True, False])
async def test_hang_after_commit_never_answers(monkeypatch: pytest.MonkeyPatch, threaded: bool) -> None:
    """The client is there, others are served, and the sandbox's end closes the connection at once."""
    monkeypatch.setattr("onboard360_async.sandbox.running._SHUTDOWN_S", 3600)
    sandbox = Sandbox(limiter="off")
    async with AsyncExitStack() as ends:
        _ = ends.enter_context(sandbox) if threaded else await ends.enter_async_context(sandbox)
        sandbox.add_fault("hang-after-commit", method="POST", delay_s=0.0)
        hung = asyncio.create_task(is_dropped(sandbox, "POST", "/clients", **JOHN))
        await until_created(sandbox)
        for _ in range(20):
            assert (await call(sandbox, "GET", "/clients")).status == 200
        assert not hung.done()
    assert await hung
    assert [request.status for request in sandbox.requests if request.method == "POST"] == [None]


async def test_whoever_gives_up_a_hanging_answer_is_free() -> None:
    """The other side may close the connection; the client stays created."""
    async with Sandbox(limiter="off") as sandbox:
        sandbox.add_fault("hang-after-commit", method="POST", times=1)
        hung = asyncio.create_task(add(sandbox))
        await until_created(sandbox)
        hung.cancel()
        assert await asyncio.wait([hung])
        assert (await add(sandbox)).status == 201
        assert len(sandbox.clients()) == 2


async def test_late_commit_closes_first_and_creates_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the connection is closed nobody is there; after the delay the client is, dated when it was created."""
    days = iter(range(1, 9))
    asked, passed = [], asyncio.Event()

    async def passes(_service: object, delay_s: float | None, _stopping: asyncio.Event) -> bool:
        asked.append(delay_s)
        return await passed.wait()

    monkeypatch.setattr("onboard360_async.sandbox.failing.Failing._passes", passes)
    async with Sandbox(
        limiter="off", now=lambda: datetime(2026, 1, next(days), tzinfo=UTC), campaigns=["A"]
    ) as sandbox:
        campaign = sandbox.add_campaign("B")
        sandbox.add_fault("late-commit", method="POST", delay_s=5.0, nth=2)
        for email in ("a@example.com", "b@example.com"):
            await is_dropped(sandbox, "POST", "/clients", json={"campaign_id": campaign, "email": email})
        assert [client["email"] for client in sandbox.clients()] == ["a@example.com"]
        passed.set()
        await until_created(sandbox, 2)
        clients = sandbox.clients()
        assert (clients[1]["email"], clients[1]["created_at"]) == ("b@example.com", "2026-01-04T00:00:00Z")
        assert (sandbox.requests[1].status, asked) == (None, [5.0])


@pytest.mark.parametrize("threaded", [True, False])
async def test_what_would_be_committed_late_is_forgotten_at_the_end(tmp_path: Path, threaded: bool) -> None:
    """The end does not wait for it; in the file nobody is there, and nothing is left running."""
    sandbox = Sandbox(db=tmp_path / "state.db")
    async with AsyncExitStack() as ends:
        _ = ends.enter_context(sandbox) if threaded else await ends.enter_async_context(sandbox)
        sandbox.add_fault("late-commit", delay_s=3600)
        assert await is_dropped(sandbox, "POST", "/clients", **JOHN)
        assert await is_dropped(sandbox, "GET", "/clients")
    assert asyncio.all_tasks() == {asyncio.current_task()}
    async with Sandbox(db=tmp_path / "state.db") as again:
        assert again.clients() == []


async def listed(sandbox: Sandbox, query: str = "", **options: Any) -> list[str]:
    answer = await call(sandbox, "GET", f"/clients{query}", **options)
    return [client["email"] for client in answer.body["clients"]]


async def test_a_stale_listing_is_of_an_earlier_moment(tmp_path: Path) -> None:
    """By the sandbox's own clock; whoever an earlier run created was there always, and POSTs are not its business."""
    clock = Clock()
    async with Sandbox(db=tmp_path / "state.db", clock=clock) as sandbox:
        await add(sandbox, "old@example.com")
    async with Sandbox(db=tmp_path / "state.db", clock=clock, limiter="off") as sandbox:
        sandbox.add_fault("stale-listing", delay_s=5.0)
        await add(sandbox, "a@example.com")
        seen = [await listed(sandbox)]
        clock.at += 4.9
        await add(sandbox, "b@example.com")
        seen.append(await listed(sandbox))
        clock.at += 0.1
        seen.append(await listed(sandbox))
        clock.at += 4.9
        seen.append(await listed(sandbox, f"?campaign_id={CAMPAIGN}"))
        assert [len(each) for each in seen] == [1, 1, 2, 3]
        assert seen[3] == ["old@example.com", "a@example.com", "b@example.com"]
        assert (await call(sandbox, "GET", "/campaigns")).status == 200


async def test_a_cut_listing_gives_the_oldest_and_says_nothing() -> None:
    """`keep` of them, of the campaign that is asked for; it looks like a whole listing."""
    async with Sandbox(campaigns=[(CAMPAIGN, "A"), ("b", "B")]) as sandbox:
        for campaign, email in (("b", "x@b.de"), (CAMPAIGN, "x@a.de"), (CAMPAIGN, "y@a.de"), ("b", "y@b.de")):
            sandbox.add_client(campaign, email)
        assert await listed(sandbox, fault="cut-listing") == ["x@b.de"]
        assert await listed(sandbox, f"?campaign_id={CAMPAIGN}", fault="cut-listing") == ["x@a.de"]
        assert await listed(sandbox, fault="cut-listing:keep=0") == []
        sandbox.add_fault("cut-listing", keep=3, times=1)
        assert (await add(sandbox, "z@a.de")).status == 201
        assert await listed(sandbox) == ["x@b.de", "x@a.de", "y@a.de"]
        assert len(await listed(sandbox)) == 5


STATUSES = {
    "drop-before": None, "commit-then-drop": None, "late-commit": None, "500-before": 500, "500-after": 500, "429": 429,
    "delay": 201, "truncated": 201, "truncated-201": 201, "garbage": 201, "wrong-type": 201, "slow-drip": 201,
    "status": 503, "redirect": 302, "stale-listing": 400, "cut-listing": 400
}  # fmt: skip
CREATING = (
    "commit-then-drop", "500-after", "delay", "truncated", "truncated-201", "late-commit", "garbage", "wrong-type",
    "slow-drip"
)  # fmt: skip


@pytest.mark.parametrize("kind", sorted(KINDS.keys() - {"hang-after-commit"}))  # that one has a test of its own
async def test_a_request_may_ask_for_its_own_fault(kind: str) -> None:
    """The header X-Sandbox-Fault is about its request alone."""
    async with Sandbox(limiter="off") as sandbox:
        dropped = await is_dropped(sandbox, "POST", "/clients", fault=header_of(kind), **JOHN)
        assert dropped is (kind in ("drop-before", "commit-then-drop", "truncated", "truncated-201", "late-commit"))
        assert sandbox.requests[0].status == STATUSES[kind]
        if kind == "late-commit":
            await until_created(sandbox)
        assert len(sandbox.clients()) == (kind in CREATING)
        assert await statuses(sandbox, 1) == [200]


@pytest.mark.parametrize(
    "text", ["", "sneeze", "delay:delay=x", "delay:nth=2", "500-after:delay=-1", "429:x", "cut-listing"]
)
async def test_a_header_that_asks_for_nonsense_is_a_400(text: str) -> None:
    """The error body says what is wrong, and nothing is done."""
    async with Sandbox() as sandbox:
        answer = await add(sandbox, fault=text)
        assert is_problem(answer, 400)
        assert "X-Sandbox-Fault" in answer.body["details"]
        assert sandbox.clients() == []


async def test_a_status_of_ones_own() -> None:
    """With the documented error body or with this one, which is JSON if it looks so; nothing was done."""
    async with Sandbox(limiter="off") as sandbox:
        sandbox.add_fault("status", status=503, times=1)
        sandbox.add_fault("status", status=200, body='{"clients": []}', times=2)
        sandbox.add_fault("status", status=418, body="tea", times=3)
        answers = [await add(sandbox) for _ in range(3)]
        assert is_problem(answers[0], 503)
        assert [(answer.status, answer.body, answer.headers["Content-Type"]) for answer in answers[1:]] == [
            (200, {"clients": []}, "application/json; charset=utf-8"),
            (200, {"clients": []}, "application/json; charset=utf-8"),
        ]
        assert ((await add(sandbox)).body, sandbox.clients()) == ("tea", [])


async def test_garbage_a_wrong_type_and_a_redirect() -> None:
    """Bytes that are no JSON, JSON that is said to be a page, and a sign-in page in place of the API."""
    async with Sandbox(limiter="off") as sandbox:
        garbage = await add(sandbox, fault="garbage")
        assert (garbage.status, isinstance(garbage.body, str)) == (201, True)
        assert garbage.headers["Content-Type"].startswith("application/json")
        page = await add(sandbox, fault="wrong-type")
        assert (page.status, page.headers["Content-Type"]) == (201, "text/html; charset=utf-8")
        assert page.body["client"]["email"] == "john@example.com"
        listing = await call(sandbox, "GET", "/clients", fault="wrong-type")
        assert (listing.headers["Content-Type"][:9], len(listing.body["clients"])) == ("text/html", 2)
        moved = await call(sandbox, "GET", "/clients", fault="redirect", allow_redirects=False)
        assert (moved.status, moved.headers["Location"], len(sandbox.clients())) == (302, "/login", 2)


async def test_an_answer_that_drips_comes_whole_and_late() -> None:
    """Piece by piece over the delay, by the sandbox's clock: of a POST, and of a listing that would be streamed."""
    async with Sandbox(limiter="off") as sandbox:
        sandbox.clock.freeze()
        sandbox.add_fault("slow-drip", delay_s=60)
        for asked in (add(sandbox), call(sandbox, "GET", "/clients")):
            answer = asyncio.create_task(asked)
            steps = 0
            while not answer.done():
                await asyncio.sleep(0)
                if sandbox.clock._sleepers:
                    sandbox.clock.advance(1)
                    steps += 1
            body = (await answer).body
            assert steps >= 55  # of 60 seconds
            assert (body.get("client") or body["clients"][0])["email"] == "john@example.com"


async def test_a_reader_that_loses_patience_makes_no_noise(caplog: pytest.LogCaptureFixture) -> None:
    """It closes the connection in the middle of a drip; the sandbox's end or reset does not wait for it either."""
    async with Sandbox(limiter="off") as sandbox:
        sandbox.add_fault("slow-drip", method="GET", delay_s=3600)
        reading = asyncio.create_task(call(sandbox, "GET", "/clients"))
        await until(lambda: sandbox.clock._sleepers)
        reading.cancel()
        await asyncio.wait([reading])
        waiting = asyncio.create_task(call(sandbox, "GET", "/clients"))
        await until(lambda: len(sandbox.clock._sleepers) == 2)
        sandbox.reset()
        with pytest.raises(aiohttp.ClientError):
            await waiting
    assert [record for record in caplog.records if record.name.startswith("aiohttp")] == []


async def test_a_truncated_answer_of_any_kind() -> None:
    """A listing and an error, too: half of it comes, and the head says that it is not whole."""
    async with Sandbox(limiter="off") as sandbox:
        for method, path in (("GET", "/clients"), ("GET", "/campaigns"), ("DELETE", "/clients")):
            with pytest.raises(aiohttp.ClientPayloadError):
                await call(sandbox, method, path, fault="truncated")


async def test_an_answer_that_was_to_be_cut_to_nobody_is_left() -> None:
    """The caller went while half of it was written: there is no connection to be closed any more."""
    request = make_mocked_request("GET", "/clients")

    async def gone(_: object) -> None:
        request._protocol.transport = None

    request._payload_writer.write.side_effect = gone  # type: ignore[attr-defined]  # it is a mock
    cut = await _cut(request, web.Response(text="an answer"))
    assert cut is not None
    assert cut.content_length == len("an answer")
    assert request.transport is None


async def test_a_cut_listing_may_keep_more_than_can_be(sandbox: Sandbox) -> None:
    """More clients than any database has rows: all of them."""
    await add(sandbox)
    cut = await call(sandbox, "GET", "/clients", fault=f"cut-listing:keep={2**63}")
    assert len(cut.body["clients"]) == 1


@pytest.mark.parametrize("status", [299, 404, 599])
async def test_a_status_without_a_name_has_a_page_too(sandbox: Sandbox, status: int) -> None:
    """Where errors are pages: it is that status, and no 500."""
    sandbox.configure(error_body="html")
    answer = await call(sandbox, "GET", "/campaigns", fault=f"status:status={status}")
    assert (answer.status, f"<h1>{status} " in answer.body) == (status, True)


@pytest.mark.parametrize("fault", ["truncated", "slow-drip:delay=0"])
async def test_what_has_no_body_is_neither_cut_nor_dripped(sandbox: Sandbox, fault: str) -> None:
    """The answer to a HEAD ends with its head: the next answer on its connection is not preceded by a body."""
    host, port = sandbox.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    for _ in range(2):
        writer.write(
            f"HEAD /api/v1/clients HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {sandbox.api_key}\r\n"
            f"X-Sandbox-Fault: {fault}\r\n\r\n".encode()
        )
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 405 ")
    writer.close()
