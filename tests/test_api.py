"""The asynchronous handle against the sandbox: what each call gives, and what each failure leaves behind."""

import asyncio
import gc
import hashlib
import warnings
from contextlib import aclosing
from typing import Any

import aiohttp
import pytest

from onboard360_async import AsyncOnboard360, Budget, Priority, errors
from onboard360_async.sandbox import Sandbox
from onboard360_async.transport.options import Event

CAMPAIGN = "550e8400-e29b-41d4-a716-446655440000"


async def test_the_main_job(api: AsyncOnboard360, sandbox: Sandbox) -> None:
    """Find the campaign, add a client, get the link, and find the client again in the listing."""
    campaign = await api.find_campaign("Client Onboarding Flow")
    client = await api.add_client(campaign_id=campaign.id, email="john@example.com", first_name="John")
    assert client.link is not None
    assert client.link.rpartition("/c/")[2] == client.link[-12:]
    (listed,) = await api.list_clients(campaign_id=campaign.id)
    assert (listed.id, listed.first_name, listed.link) == (client.id, "John", None)
    assert [request.method for request in sandbox.requests] == ["GET", "POST", "GET"]


async def test_a_campaign_is_found_by_id_name_or_other_capitals(api: AsyncOnboard360) -> None:
    """The id first, then the exact name, then the name in other capitals."""
    for wanted in (CAMPAIGN, "Client Onboarding Flow", " client onboarding flow "):
        assert (await api.find_campaign(wanted)).id == CAMPAIGN


async def test_a_campaign_that_is_not_there_is_an_error_with_candidates(api: AsyncOnboard360, sandbox: Sandbox) -> None:
    """A misspelt name gets the near ones, an ambiguous one all that fit."""
    with pytest.raises(errors.ValidationError, match="No published campaign") as caught:
        await api.find_campaign("Client Onbording Flow")
    assert caught.value.candidates == (f"Client Onboarding Flow ({CAMPAIGN})",)
    sandbox.add_campaign("Client Onboarding Flow")
    with pytest.raises(errors.ValidationError, match="2 campaigns") as caught:
        await api.find_campaign("Client Onboarding Flow")
    assert len(caught.value.candidates) == 2


async def test_iter_clients_streams_everybody(api: AsyncOnboard360, sandbox: Sandbox) -> None:
    """One by one or in batches, filtered or not, each client comes once and in order."""
    other = sandbox.add_campaign("Other")
    ids = [sandbox.add_client(CAMPAIGN if number % 2 else other, f"p{number}@example.com") for number in range(2_345)]
    assert [client.id async for client in api.iter_clients()] == ids
    batches = [batch async for batch in api.iter_clients(campaign_id=other).batches()]
    assert len(batches) > 1
    assert [client.id for batch in batches for client in batch] == ids[::2]


async def test_leaving_a_listing_early_closes_it(api: AsyncOnboard360, sandbox: Sandbox) -> None:
    """Who breaks out of the loop leaves no open answer behind, and the next call works."""
    for number in range(5_000):
        sandbox.add_client(CAMPAIGN, f"p{number}@example.com")
    async with aclosing(api.iter_clients().batches()) as batches:
        async for _ in batches:
            break
    assert api.budget.snapshot().in_flight == 0
    assert await api.list_campaigns()


@pytest.mark.parametrize("campaign_id", [None, "", "  ", 5])
async def test_a_failed_look_up_never_lists_or_adds(api: AsyncOnboard360, sandbox: Sandbox, campaign_id: Any) -> None:
    """An explicit None or "" is refused before anything is sent: it never means everybody."""
    with pytest.raises(errors.ValidationError, match="campaign_id"):
        api.iter_clients(campaign_id=campaign_id)
    for call in (api.list_clients, api.find_client, api.add_client, api.ensure_client):
        options: dict[str, Any] = {} if call == api.list_clients else {"email": "a@example.com"}
        with pytest.raises(errors.ValidationError, match="campaign_id") as caught:
            await call(campaign_id=campaign_id, **options)
        assert caught.value.field == "campaign_id"
    assert not sandbox.requests


@pytest.mark.parametrize("email", [None, "", "john", "@example.com", "john@", "a@b@c.d", "a b@c.d", "a@b.c\n d", 5])
async def test_an_email_that_is_none_is_never_sent(api: AsyncOnboard360, sandbox: Sandbox, email: Any) -> None:
    """The message names the field and not the value."""
    for call in (api.find_client, api.add_client, api.ensure_client):
        with pytest.raises(errors.ValidationError, match="email") as caught:
            await call(campaign_id=CAMPAIGN, email=email)
        assert "john" not in str(caught.value)
    assert not sandbox.requests


async def test_optional_fields_must_be_text(api: AsyncOnboard360, sandbox: Sandbox) -> None:
    """A phone that is a number is refused by name."""
    with pytest.raises(errors.ValidationError, match="phone"):
        await api.add_client(campaign_id=CAMPAIGN, email="a@example.com", phone=49123)  # type: ignore[arg-type]  # the test
    assert not sandbox.requests


async def test_find_client_goes_by_the_email_in_any_capitals(api: AsyncOnboard360, sandbox: Sandbox) -> None:
    """Found is found, not found is None."""
    known = sandbox.add_client(CAMPAIGN, "John@Example.com")
    found = await api.find_client(campaign_id=CAMPAIGN, email="john@example.COM")
    assert found is not None
    assert found.id == known
    assert await api.find_client(campaign_id=CAMPAIGN, email="jane@example.com") is None


async def test_ensure_client_adds_once(api: AsyncOnboard360, sandbox: Sandbox) -> None:
    """Ten calls for one person at once make one client; the first of them has the link."""
    clients = await asyncio.gather(
        *(api.ensure_client(campaign_id=CAMPAIGN, email="john@example.com") for _ in range(10))
    )
    assert len({client.id for client in clients}) == 1
    assert len(sandbox.clients()) == 1
    assert [client.link is not None for client in clients].count(True) == 1


async def test_an_import_leaves_room_for_people(sandbox: Sandbox) -> None:
    """Its requests are BULK: what is kept for INTERACTIVE ones is not taken by it, whatever the handle's default."""
    budget = Budget(limit=10, burst=10, keep_for_interactive=4, window_s=60.0)
    async with AsyncOnboard360(sandbox.api_key, base_url=sandbox.url, budget=budget) as api:
        rows = [{"email": f"p{number}@example.com"} for number in range(20)]
        async with api.open_import(rows, campaign=CAMPAIGN) as job:
            await job.load()
            created = 0
            async for _ in job.run():
                created += 1
                if created == 5:  # and the listing: six of the ten
                    break
            assert budget.snapshot().available == 4
            assert await api.with_options(max_wait_s=0).list_campaigns()


async def test_request_is_budgeted_and_judged_like_the_rest(api: AsyncOnboard360, sandbox: Sandbox) -> None:
    """Any call gives decoded JSON; a wrong one gives the same errors."""
    assert await api.request("GET", "/clients", params={"campaign_id": CAMPAIGN}) == {"clients": []}
    body = {"campaign_id": CAMPAIGN, "email": "a@example.com"}
    added = await api.request("POST", "/clients", json=body)
    assert isinstance(added, dict)
    assert added["client"]["email"] == "a@example.com"
    with pytest.raises(errors.NotFoundError):
        await api.request("GET", "/nothing")
    assert api.budget.snapshot().used == 3


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("get", "/clients"),
        ("GET\r\n", "/clients"),
        ("GET", "clients"),
        ("GET", "//elsewhere.example/clients"),
        ("GET", "https://elsewhere.example/clients"),
        ("GET", "/clients?x=1"),
        ("GET", "/../../clients"),
        ("GET", "/%2e%2e/%2E./admin"),
        ("GET", "/..%2fadmin"),
        ("GET", "/clients/..%5cx"),
        ("GET", "/./clients"),
        ("GET", "/%zz"),
        ("GET", "/clients/.."),
        ("GET", "/clients x"),
        ("GET", None),
        (None, "/clients"),
    ],
)
async def test_request_stays_below_the_base_url(api: AsyncOnboard360, sandbox: Sandbox, method: Any, path: Any) -> None:
    """No path leads the key to another place."""
    with pytest.raises(errors.ValidationError):
        await api.request(method, path)
    assert not sandbox.requests


async def test_a_page_size_is_sent_as_a_hint(sandbox: Sandbox, budget: Budget) -> None:
    """page_size= stands in the listing's query and nowhere else."""
    async with AsyncOnboard360(sandbox.api_key, base_url=sandbox.url, budget=budget, page_size=50) as api:
        await api.list_clients()
        await api.list_campaigns()
    assert ["limit=50" in request.query for request in sandbox.requests] == [True, False]


# --- failures ---


async def test_a_listing_is_asked_again_and_an_add_is_not(api: AsyncOnboard360, sandbox: Sandbox) -> None:
    """A dropped connection: the GET is repeated within its retries, the POST is OutcomeUnknownError at once."""
    sandbox.add_fault("drop-before", times=2)
    assert await api.list_campaigns()
    assert len(sandbox.requests) == 3
    sandbox.add_fault("drop-before", times=1)
    with pytest.raises(errors.OutcomeUnknownError, match="find_client") as caught:
        await api.add_client(campaign_id=CAMPAIGN, email="John@Example.com")
    assert (caught.value.campaign_id, caught.value.created, caught.value.attempts) == (CAMPAIGN, False, 1)
    assert caught.value.email_hash == hashlib.sha256(b"john@example.com").hexdigest()
    assert "john" not in f"{caught.value} {caught.value!r}".lower()
    assert sandbox.clients() == []


@pytest.mark.parametrize("fault", ["commit-then-drop", "500-after"])
async def test_a_client_whose_answer_was_lost_is_never_made_twice(
    api: AsyncOnboard360, sandbox: Sandbox, fault: str
) -> None:
    """The client is there, the caller is told that nobody knows, and find_client is the way to see it."""
    sandbox.add_fault(fault, method="POST", times=1)
    with pytest.raises(errors.OutcomeUnknownError):
        await api.add_client(campaign_id=CAMPAIGN, email="john@example.com")
    assert len(sandbox.clients()) == 1
    found = await api.find_client(campaign_id=CAMPAIGN, email="john@example.com")
    assert found is not None
    assert found.id == sandbox.clients()[0]["id"]


async def test_a_500_on_a_get_is_retried_until_there_are_no_retries(api: AsyncOnboard360, sandbox: Sandbox) -> None:
    """Three attempts, then ServerError with their number."""
    sandbox.add_fault("500-before")
    with pytest.raises(errors.ServerError) as caught:
        await api.list_campaigns()
    assert caught.value.attempts == len(sandbox.requests) == 3
    assert not isinstance(caught.value, errors.OutcomeUnknownError)


async def test_a_429_on_an_add_pauses_and_is_sent_again(sandbox: Sandbox) -> None:
    """A refused POST was not applied: it waits for the budget's pause and goes out again, once created."""
    budget = Budget(limit=50, window_s=0.3)
    sandbox.add_fault("429", method="POST", times=2)
    async with AsyncOnboard360(sandbox.api_key, base_url=sandbox.url, budget=budget) as api:
        await api.add_client(campaign_id=CAMPAIGN, email="john@example.com")
    assert [request.status for request in sandbox.requests] == [429, 429, 201]
    assert len(sandbox.clients()) == 1


async def test_a_server_that_is_not_there_was_certainly_not_reached(budget: Budget, unused_tcp_port: int) -> None:
    """Connection refused: NotSentError after its retries, and the budget is as full as before."""
    address = f"http://127.0.0.1:{unused_tcp_port}"
    async with AsyncOnboard360("sk_test_1", base_url=address, budget=budget, max_retries=1) as api:
        with pytest.raises(errors.NotSentError, match="not sent") as caught:
            await api.add_client(campaign_id=CAMPAIGN, email="john@example.com")
    assert caught.value.attempts == 2
    assert (budget.snapshot().used, budget.snapshot().in_flight) == (0, 0)


async def test_a_wrong_key_is_an_authentication_error(sandbox: Sandbox, budget: Budget) -> None:
    """401, at once, and the key is in no message."""
    async with AsyncOnboard360("sk_test_wrong", base_url=sandbox.url, budget=budget) as api:
        with pytest.raises(errors.AuthenticationError, match="API key") as caught:
            await api.list_campaigns()
    assert "sk_test_wrong" not in f"{caught.value} {caught.value!r}"
    assert caught.value.attempts == 1


async def test_the_attempts_time_out_is_unknown_for_a_post_and_lost_for_a_get(sandbox: Sandbox, budget: Budget) -> None:
    """A server that does not answer within timeout_s: the POST's slot stays held, since it may count at any time."""
    sandbox.add_fault("delay", delay_s=15)
    async with AsyncOnboard360(
        sandbox.api_key, base_url=sandbox.url, budget=budget, timeout_s=0.05, max_retries=0
    ) as api:
        with pytest.raises(errors.OutcomeUnknownError, match="timed out"):
            await api.add_client(campaign_id=CAMPAIGN, email="john@example.com")
        with pytest.raises(errors.AnswerLostError, match="timed out"):
            await api.list_campaigns()
        with pytest.raises(errors.AnswerLostError, match="timed out"):
            await api.list_clients()


async def test_a_deadline_covers_everything(sandbox: Sandbox, budget: Budget) -> None:
    """deadline_s ends a GET with DeadlineError and a POST under way with OutcomeUnknownError."""
    sandbox.add_fault("delay", delay_s=15)
    async with AsyncOnboard360(sandbox.api_key, base_url=sandbox.url, budget=budget, deadline_s=0.05) as api:
        with pytest.raises(errors.DeadlineError):
            await api.list_campaigns()
        with pytest.raises(errors.DeadlineError):
            await api.list_clients()
        with pytest.raises(errors.OutcomeUnknownError):
            await api.add_client(campaign_id=CAMPAIGN, email="john@example.com")


async def test_a_deadline_ends_the_wait_for_the_budget_before_it_begins(sandbox: Sandbox) -> None:
    """Who cannot have a slot in time is told at once, with nothing sent and nothing spent."""
    async with AsyncOnboard360(sandbox.api_key, base_url=sandbox.url, budget=Budget(limit=1, window_s=60.0)) as api:
        await api.list_campaigns()
        with pytest.raises(errors.DeadlineError) as late:
            await api.list_campaigns(deadline_s=1.0)
        with pytest.raises(errors.BudgetExhaustedError) as full:
            await api.list_campaigns(max_wait_s=0)
        assert late.value.retry_after_s is not None
        assert 50 < full.value.retry_after_s < 130
        assert full.value.attempts == 0
    assert len(sandbox.requests) == 1


async def test_cancelling_an_add_leaves_its_slot_held(sandbox: Sandbox, budget: Budget) -> None:
    """A request that may still count is not taken for unsent when its task is cancelled."""
    sandbox.add_fault("delay", delay_s=15)
    under_way = asyncio.Event()

    def watch(event: Event) -> None:
        if event.name == "sent":
            under_way.set()

    async with AsyncOnboard360(sandbox.api_key, base_url=sandbox.url, budget=budget, on_event=watch) as api:
        task = asyncio.create_task(api.add_client(campaign_id=CAMPAIGN, email="john@example.com"))
        await under_way.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert budget.snapshot().in_flight == 1


# --- the handle ---


async def test_events_tell_the_whole_story(sandbox: Sandbox, budget: Budget, monkeypatch: pytest.MonkeyPatch) -> None:
    """on_event sees each step, in order and without anybody's data."""
    monkeypatch.setattr("onboard360_async.transport.call.random.uniform", lambda *_: 0.0)
    story: list[Event] = []
    sandbox.add_fault("500-before", times=1)
    async with AsyncOnboard360(sandbox.api_key, base_url=sandbox.url, budget=budget, on_event=story.append) as api:
        await api.find_client(campaign_id=CAMPAIGN, email="john@example.com")
    assert [event.name for event in story] == [
        *("queued", "granted", "sent", "answered", "settled", "retried"),
        *("queued", "granted", "sent", "answered", "settled", "done"),
    ]
    assert [event.status for event in story if event.name == "answered"] == [500, 200]
    assert "john" not in repr(story)
    assert CAMPAIGN not in repr(story)


async def test_a_hook_that_fails_does_not_touch_the_call(
    sandbox: Sandbox, budget: Budget, caplog: pytest.LogCaptureFixture
) -> None:
    """A broken on_event is logged; the request under way is not lost."""

    def broken(_: Event) -> None:
        raise RuntimeError("broken hook")

    async with AsyncOnboard360(sandbox.api_key, base_url=sandbox.url, budget=budget, on_event=broken) as api:
        assert await api.list_campaigns()
    assert "on_event hook failed" in caplog.text


async def test_nothing_personal_is_logged(
    api: AsyncOnboard360, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    """At DEBUG the log tells methods, paths and statuses; no key, email, name, phone, link or query."""
    caplog.set_level("DEBUG")
    sandbox.add_fault("500-after", method="POST", nth=2)
    names = {"first_name": "Jonathan", "last_name": "Doeling"}
    new: dict[str, Any] = {**names, "company_name": "Acmeville", "phone": "+49151"}
    client = await api.add_client(campaign_id=CAMPAIGN, email="john@example.com", **new)
    with pytest.raises(errors.OutcomeUnknownError):
        await api.add_client(campaign_id=CAMPAIGN, email="john@example.com", **new)
    await api.find_client(campaign_id=CAMPAIGN, email="john@example.com")
    ours = "\n".join(record.getMessage() for record in caplog.records if record.name == "onboard360_async")
    assert "POST /clients" in ours
    for secret in (sandbox.api_key, "john", *new.values(), str(client.link), CAMPAIGN):
        assert secret not in ours


async def test_options_are_copied_not_changed(sandbox: Sandbox, budget: Budget) -> None:
    """with_options gives a light copy that shares connections and budget and leaves the original as it was."""
    async with AsyncOnboard360(sandbox.api_key, base_url=sandbox.url, budget=budget) as api:
        quick = api.with_options(timeout_s=0.01, priority=Priority.BULK, deadline_s=3, max_wait_s=0)
        assert quick.budget is api.budget
        await quick.close()
        assert await api.list_campaigns()
        other = api.with_options(api_key="sk_test_other")
        assert other.budget is not api.budget
        with pytest.raises(errors.AuthenticationError):
            await other.list_campaigns()
        with pytest.raises(errors.ConfigurationError, match="timeout_s"):
            api.with_options(timeout_s=0)


@pytest.mark.parametrize(
    "options",
    [
        {"timeout_s": 0},
        {"timeout_s": None},
        {"timeout_s": float("inf")},
        {"deadline_s": -1},
        {"max_retries": -1},
        {"max_retries": 1.5},
        {"page_size": 0},
        {"budget": "somewhere"},
        {"base_url": "nonsense"},
    ],
)
def test_options_that_cannot_work_are_refused(options: dict[str, Any]) -> None:
    """A ConfigurationError when the handle is made, not at the first call."""
    with pytest.raises(errors.ConfigurationError):
        AsyncOnboard360("sk_test_1", **options)


async def test_one_budget_serves_all_handles_of_a_key(sandbox: Sandbox) -> None:
    """Without an explicit budget, handles with the same key and base URL share the process's one."""
    first = AsyncOnboard360("sk_test_1", base_url=sandbox.url)
    second = AsyncOnboard360("sk_test_1", base_url=f"{sandbox.url}/api/v1/")
    third = AsyncOnboard360("sk_test_2", base_url=sandbox.url)
    assert first.budget is second.budget
    assert first.budget is not third.budget
    assert AsyncOnboard360(lambda: "sk_test_1", base_url=sandbox.url).budget is first.budget


async def test_the_budget_of_an_async_key_can_be_told_only_when_given() -> None:
    """A key that must be awaited has no budget to show, unless one was passed in."""

    async def ask() -> str:
        return "sk_test_1"

    with pytest.raises(errors.ConfigurationError, match="async"):
        _ = AsyncOnboard360(ask).budget
    mine = Budget()
    assert AsyncOnboard360(ask, budget=mine).budget is mine


async def test_a_key_that_rotates_is_asked_for_each_request(sandbox: Sandbox, budget: Budget) -> None:
    """The key of the moment is used: a wrong one now, the right one next."""
    keys = iter(["sk_test_old", sandbox.api_key])
    async with AsyncOnboard360(lambda: next(keys), base_url=sandbox.url, budget=budget) as api:
        with pytest.raises(errors.AuthenticationError):
            await api.list_campaigns()
        assert await api.list_campaigns()


async def test_a_session_of_the_user_is_used_and_stays_open(sandbox: Sandbox, budget: Budget) -> None:
    """It is the user's to close, and "never sent" is known there too."""
    async with aiohttp.ClientSession() as session:
        for _ in range(2):
            async with AsyncOnboard360(
                sandbox.api_key, base_url=sandbox.url, budget=budget, session=session, max_retries=0
            ) as api:
                assert await api.list_campaigns()
                sandbox.add_fault("drop-before", times=1)
                with pytest.raises(errors.OutcomeUnknownError):
                    await api.add_client(campaign_id=CAMPAIGN, email="john@example.com")
        assert not session.closed
        async with session.get(f"{sandbox.url}/api/v1/campaigns") as answer:
            assert answer.status == 401


def test_one_handle_works_across_several_runs() -> None:
    """A session per running loop: three asyncio.run in a row, one handle, one closing, no warning."""
    with Sandbox(limiter="off") as sandbox:
        api = AsyncOnboard360(sandbox.api_key, base_url=sandbox.url, budget=Budget(limit=1_000))

        async def once() -> int:
            return len(await api.list_campaigns())

        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert [asyncio.run(once()) for _ in range(3)] == [1, 1, 1]
            asyncio.run(api.close())
            asyncio.run(api.close())


def test_a_handle_that_was_never_closed_says_so_once() -> None:
    """Exactly one ResourceWarning, and none from the libraries below."""
    with Sandbox(limiter="off") as sandbox, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")

        async def careless() -> None:
            api = AsyncOnboard360(sandbox.api_key, base_url=sandbox.url, budget=Budget(limit=1_000))
            await api.list_campaigns()

        asyncio.run(careless())
        gc.collect()
    assert [str(warning.message) for warning in caught if warning.category is ResourceWarning] == [
        "a 360Onboard handle was never closed; use it in a `with` block, or call its close()"
    ]


@pytest.mark.parametrize("turns", range(6))
def test_a_closing_that_the_loops_end_cuts_short_is_done_all_the_same(turns: int) -> None:
    """asyncio.run cancels what runs when it ends, at whatever turn of a closing; no connection stays open, unsaid."""
    with Sandbox(limiter="off") as sandbox, warnings.catch_warnings():
        warnings.simplefilter("error")
        api = AsyncOnboard360(sandbox.api_key, base_url=sandbox.url, budget=Budget(limit=1_000))

        async def hasty() -> aiohttp.ClientSession:
            await api.list_campaigns()
            kept = api._transport.pool.ready(asyncio.get_running_loop())
            assert kept is not None
            closing = asyncio.create_task(api.close())
            for _ in range(turns):
                await asyncio.sleep(0)
            del closing
            return kept.session

        assert asyncio.run(hasty()).closed


def test_a_handle_that_was_never_used_owes_nothing() -> None:
    """Making a handle opens nothing, so there is nothing to close."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        AsyncOnboard360("sk_test_1")
        gc.collect()


def test_the_repr_hides_the_key() -> None:
    """A handle in a log shows where it points, not who it is."""
    shown = repr(AsyncOnboard360("sk_test_1", base_url="https://app.360onboard.com"))
    assert shown == "AsyncOnboard360(api_key=<hidden>, base_url='https://app.360onboard.com/api/v1')"
