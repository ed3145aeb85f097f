"""How webhooks are carried: attempts, retries, the log, and an end that waits for nothing."""

import asyncio
import json
from contextlib import AsyncExitStack
from typing import Any

import pytest
from aiohttp import web

from onboard360_async.sandbox import Attempt, Delivery, Sandbox, Webhook
from onboard360_async.sandbox.deliveries import Deliveries
from onboard360_async.sandbox.events import Event
from tests.sandbox.calls import CAMPAIGN, Clock, add
from tests.sandbox.receiver import BlockingReceiver, Receiver, Stuck, answers

HOOK = "http://127.0.0.1:9/hook"


def statuses(delivery: Delivery) -> list[int | None]:
    return [attempt.status for attempt in delivery.attempts]


def test_the_named_retries() -> None:
    """UNDOCUMENTED: "standard" tries nine times more within about three days, "none" never; both can be scaled."""
    hours = (2, 5, 10, 14, 20, 24)
    assert Webhook(url=HOOK).waits_s == (5, 5 * 60, 30 * 60, *(hour * 3600 for hour in hours))
    assert Webhook(url=HOOK, retries="standard", time_scale=0.5).waits_s[:3] == (2.5, 150, 900)
    assert Webhook(url=HOOK, retries="none").waits_s == ()
    assert Webhook(url=HOOK, retries=[1, 2.5]).waits_s == (1, 2.5)


@pytest.mark.parametrize(
    ("given", "retries", "expected", "state"),
    [
        ([200], "standard", [200], "delivered"),
        ([299], "standard", [299], "delivered"),
        ([500, 404, 204], "standard", [500, 404, 204], "delivered"),
        ([500], "standard", [500] * 10, "failed"),
        ([500], "none", [500], "failed"),
        ([500], [9.0], [500, 500], "failed"),
        ([300], "none", [300], "failed"),
        ([304, 410, 200], [1.0], [304, 410], "failed"),
    ],
)
async def test_what_fails_is_sent_again(given: list[int], retries: Any, expected: list[int], state: str) -> None:
    """Until a 2xx, or until there is no retry left; always the same bytes, and the log has every attempt."""
    async with Receiver(answers(*given)) as receiver, Sandbox() as sandbox:
        sandbox.add_webhook(receiver.url, retries=retries, time_scale=0.0)
        await add(sandbox)
        await sandbox.delivered()
        (delivery,) = sandbox.deliveries
    assert (statuses(delivery), delivery.state) == (expected, state)
    assert len(receiver.got) == len(expected)
    assert {got.body for got in receiver.got} == {delivery.body}
    assert {got.headers["X-360onboard-Signature"] for got in receiver.got} == {
        delivery.headers["X-360onboard-Signature"]
    }


async def test_the_waits_are_those_of_the_schedule(monkeypatch: pytest.MonkeyPatch) -> None:
    """None before the first attempt, then the seconds that were asked for, scaled."""
    waited = []

    async def sleep(_: object, seconds: float) -> None:
        waited.append(seconds)

    async with Receiver(answers(500)) as receiver, Sandbox() as sandbox:
        sandbox.add_webhook(receiver.url, retries=[3, 60], time_scale=0.5)
        monkeypatch.setattr("onboard360_async.sandbox.clock.Clock.sleep", sleep)
        sandbox.add_client(CAMPAIGN, "john@example.com")
        await sandbox.delivered()
        monkeypatch.undo()
    assert waited == [1.5, 30]


async def test_a_redirect_is_not_followed() -> None:
    """UNDOCUMENTED: whoever answers 302 has not received it."""
    async with Receiver() as other, Receiver(answers(302, headers={"Location": other.url})) as receiver:
        async with Sandbox() as sandbox:
            sandbox.add_webhook(receiver.url, retries="none")
            await add(sandbox)
            await sandbox.delivered()
            (delivery,) = sandbox.deliveries
        assert (statuses(delivery), delivery.state, other.got) == ([302], "failed", [])


async def test_no_answer_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Too late, dropped in the middle, or nobody there: no status, and a word on why that tells nothing private."""
    monkeypatch.setattr("onboard360_async.sandbox.courier.TIMEOUT_S", 0.05)
    stuck = Stuck()

    async def drops(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async with Receiver() as gone:
        pass
    async with Receiver(stuck) as late, Receiver(drops) as receiver:
        async with Sandbox(clock=Clock(), allow_remote=True) as sandbox:
            for url in (late.url, receiver.url, gone.url, f"http://{'a' * 64}/{CAMPAIGN}"):
                sandbox.add_webhook(url, retries="none")
            await add(sandbox)
            await sandbox.delivered()
            attempts = [attempt for delivery in sandbox.deliveries for attempt in delivery.attempts]
        stuck.freed.set()
    assert {delivery.state for delivery in sandbox.deliveries} == {"failed"}
    assert [(attempt.at, attempt.status) for attempt in attempts] == [(1000.0, None)] * 4
    assert attempts[0].error == "no answer within 0.05 s"
    assert attempts[2].error == "Connection refused"
    for attempt in attempts:
        assert attempt.error
        assert "@" not in attempt.error
        assert CAMPAIGN not in attempt.error


async def test_the_status_counts_whatever_follows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that does not end in time, or breaks off, was one."""
    monkeypatch.setattr("onboard360_async.sandbox.courier.TIMEOUT_S", 0.05)

    freed = asyncio.Event()
    ends = []

    async def unfinished(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Length": "9"})
        await answer.prepare(request)
        await answer.write(b"half")
        assert request.transport is not None
        if request.path == "/hook/cut":
            request.transport.close()
        else:
            await freed.wait()
        ends.append(request.path)
        return answer

    async with Receiver(unfinished) as receiver, Sandbox() as sandbox:
        for name in ("cut", "late"):
            sandbox.add_webhook(f"{receiver.url}/{name}", retries="none")
        await add(sandbox)
        await sandbox.delivered()
        assert [statuses(delivery) for delivery in sandbox.deliveries] == [[200], [200]]
        assert ends == ["/hook/cut"]
        freed.set()


async def test_an_answer_is_read_to_its_end() -> None:
    """Whoever answers in several pieces is not cut off between them."""
    seen = []

    async def piecemeal(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        for _ in range(50):
            await answer.write(b"x" * 10_000)
            await asyncio.sleep(0)
        seen.append(request.transport is not None and not request.transport.is_closing())
        return answer

    async with Receiver(piecemeal) as receiver, Sandbox(webhooks=[receiver.url]) as sandbox:
        await add(sandbox)
        await sandbox.delivered()
    assert seen == [True]


async def test_neither_proxy_nor_cookie(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the environment says of proxies is not for this machine; what a receiver sets is not sent back."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with Receiver(answers(200, headers={"Set-Cookie": "a=b"})) as receiver, Sandbox() as sandbox:
        sandbox.add_webhook(f"http://localhost:{receiver.port}/", retries="none")
        for _ in range(2):
            await add(sandbox)
            await sandbox.delivered()
        assert [delivery.state for delivery in sandbox.deliveries] == ["delivered"] * 2
    assert [got.headers.get("Cookie") for got in receiver.got] == [None, None]


async def test_a_slow_receiver_holds_up_nobody() -> None:
    """UNDOCUMENTED: neither other endpoints nor, up to eight at once, its own next deliveries."""
    stuck = Stuck("slow")
    async with Receiver(stuck) as receiver, Sandbox(webhooks=[receiver.url]) as sandbox:
        for number in range(20):
            sandbox.add_client(CAMPAIGN, f"slow{number}@example.com")
        await receiver.until(8)
        sandbox.add_webhook(f"{receiver.url}/other", events="client.created")
        sandbox.add_client(CAMPAIGN, "quick@example.com")
        await receiver.until(9)
        assert sorted(got.path for got in receiver.got) == ["/hook"] * 8 + ["/hook/other"]
        stuck.freed.set()
        await sandbox.delivered()
        assert len(receiver.got) == 22


async def test_the_log_says_what_was_sent_and_shows_nothing_private() -> None:
    """Ids, event, bytes, headers and attempts; neither person nor link nor signature in what is printed."""
    async with Receiver() as receiver, Sandbox(clock=Clock()) as sandbox:
        webhook = sandbox.add_webhook(f"{receiver.url}?token=hidden")
        client_id = sandbox.add_client(CAMPAIGN, "john@example.com")
        await sandbox.delivered()
        (delivery,) = sandbox.deliveries
    assert sandbox.deliveries == [delivery]
    assert (delivery.webhook_id, delivery.url, delivery.client_id) == (webhook.id, webhook.url, client_id)
    assert (delivery.event, delivery.attempts) == ("client.created", (Attempt(1000.0, 200, ""),))
    (got,) = receiver.got
    assert delivery.body == got.body
    assert dict(delivery.headers).items() <= got.headers.items()
    link = json.loads(delivery.body)["data"]["link"]
    for word in ("john@", link, "hidden", webhook.secret, delivery.headers["X-360onboard-Signature"]):
        assert word not in repr(delivery)
    with pytest.raises(TypeError):
        delivery.headers["X-360onboard-Event"] = "x"  # type: ignore[index]  # what was sent stays so


async def test_the_log_forgets_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    """So many are kept; those under way arrive all the same."""
    monkeypatch.setattr("onboard360_async.sandbox.deliveries._KEPT", 2)
    async with Receiver() as receiver, Sandbox(webhooks=[receiver.url]) as sandbox:
        for number in range(4):
            sandbox.add_client(CAMPAIGN, f"{number}@example.com")
        await sandbox.delivered()
        assert len(receiver.got) == 4
        assert [json.loads(delivery.body)["data"]["email"][0] for delivery in sandbox.deliveries] == ["2", "3"]


async def test_nothing_pending_is_no_wait() -> None:
    """Before, between and after; and whoever gives up waiting does no harm."""
    stuck = Stuck()
    sandbox = Sandbox()
    await sandbox.delivered()
    async with Receiver(stuck) as receiver, sandbox:
        await sandbox.delivered()
        sandbox.add_webhook(receiver.url)
        await add(sandbox)
        given_up, patient = (asyncio.create_task(sandbox.delivered()) for _ in range(2))
        await receiver.until(1)
        given_up.cancel()
        await asyncio.wait([given_up])
        assert not patient.done()
        stuck.freed.set()
        await patient
    await sandbox.delivered()


@pytest.mark.parametrize("threaded", [True, False])
async def test_the_end_waits_for_nothing(threaded: bool, caplog: pytest.LogCaptureFixture) -> None:
    """Attempts under way, retries to come and what is held back are given up; they stay pending, nobody waits on."""
    stuck = Stuck("stuck")
    loop = asyncio.get_running_loop()
    async with Receiver(stuck) as receiver, Receiver(answers(500)) as failing:
        before = asyncio.all_tasks()
        sandbox = Sandbox()
        async with AsyncExitStack() as ends:
            _ = ends.enter_context(sandbox) if threaded else await ends.enter_async_context(sandbox)
            sandbox.add_webhook(receiver.url)
            sandbox.add_webhook(failing.url)
            sandbox.add_client(CAMPAIGN, "stuck@example.com")
            await receiver.until(1)
            await failing.until(1)
            sandbox.add_webhook(f"{receiver.url}/held", reorder=1.0)
            waiting = asyncio.create_task(sandbox.delivered())
            await asyncio.sleep(0)
            sandbox.add_client(CAMPAIGN, "john@example.com")
            started = loop.time()
        assert loop.time() - started < 2
        await waiting
        assert [delivery.state for delivery in sandbox.deliveries[:2]] == ["pending"] * 2
        assert (sandbox.deliveries[-1].state, sandbox.deliveries[-1].attempts) == ("pending", ())
        assert [task for task in asyncio.all_tasks() - before if "_carry" in str(task.get_coro())] == []
        stuck.freed.set()
    assert [record for record in caplog.records if record.levelname != "DEBUG"] == []


def test_a_blocking_program_can_wait_too() -> None:
    """Its webhooks arrive while it waits; a wait that may last only so long ends with TimeoutError."""
    with Sandbox() as sandbox:
        sandbox.wait_delivered()
        with BlockingReceiver() as receiver:
            sandbox.add_webhook(receiver.url)
            sandbox.add_client(CAMPAIGN, "john@example.com")
            sandbox.wait_delivered(timeout_s=10)
        (delivery,) = sandbox.deliveries
        assert (statuses(delivery), delivery.state) == ([204], "delivered")
        sandbox.resend(delivery.id)  # nobody is there any more, and the next attempt is seconds away
        with pytest.raises(TimeoutError):
            sandbox.wait_delivered(timeout_s=0.01)


async def test_blocking_a_loop_is_refused() -> None:
    """RuntimeError that names what to await instead, in both modes."""
    async with Sandbox() as sandbox:
        with pytest.raises(RuntimeError, match="would block"):
            sandbox.wait_delivered()
    with Sandbox() as sandbox, pytest.raises(RuntimeError, match="would block"):
        sandbox.wait_delivered()


def test_without_a_sender_nothing_is_logged() -> None:
    """What a thread still creates while the sandbox ends is not left pending for ever."""
    deliveries = Deliveries()
    deliveries.add_webhook(Webhook(url=HOOK))
    event = Event(name="client.created", client_id=None, data={}, timestamp="2024-01-15T09:00:00Z")
    assert deliveries.is_heard("client.created")
    assert (deliveries.fire(event), deliveries.records()) == ([], [])


async def test_it_may_run_again() -> None:
    """Endpoints and log stay; what the last run left pending is not taken up."""
    stuck = Stuck()
    async with Receiver(stuck) as receiver:
        sandbox = Sandbox(webhooks=[receiver.url])
        async with sandbox:
            sandbox.add_client(CAMPAIGN, "a@example.com")
            await receiver.until(1)
        stuck.freed.set()
        async with sandbox:
            sandbox.add_client(CAMPAIGN, "b@example.com")
            await sandbox.delivered()
    assert [delivery.state for delivery in sandbox.deliveries] == ["pending", "delivered"]
    assert [got.email for got in receiver.got] == ["a@example.com", "b@example.com"]


def test_endpoints_can_be_replaced_before_anything_is_carried() -> None:
    """Nobody carries what is sent before the sandbox runs, so there is nobody to be told."""
    changes: list[str] = []
    deliveries = Deliveries(lambda: changes.append("changed"))
    webhook = Webhook(url="http://127.0.0.1:1/hook")
    deliveries.clear([webhook])
    assert (deliveries.webhooks, changes) == ((webhook,), ["changed"])
