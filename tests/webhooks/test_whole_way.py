"""From the service that sends to the handler: the sandbox, a server of aiohttp, the verifier, the inbox."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from onboard360_async import AsyncOnboard360, errors
from onboard360_async.sandbox import TAMPERINGS, Sandbox
from onboard360_async.webhooks import ClientCreated, Event, Inbox, WebhookVerifier
from onboard360_async.webhooks.aiohttp import handler
from onboard360_async.webhooks.router import Handler
from onboard360_async.webhooks.store import Counts

CAMPAIGN = "550e8400-e29b-41d4-a716-446655440000"
SECRET = "whsec_of_this_test"
# What becomes of each kind of tampering: the answer, the form that was signed, and the flags.
TAMPERED: dict[str, tuple[int, str, set[str]]] = {
    "body": (401, "", set()),
    "no-signature": (401, "", set()),
    "malformed-signature": (401, "", set()),
    "wrong-secret": (401, "", set()),
    "wrong-event": (200, "raw", {"event-header"}),
    "spaced": (200, "js", set()),
    "escaped": (200, "js", set()),
    "python": (200, "raw", set()),
    "python-spaced": (200, "python", set()),
    "stale": (200, "raw", {"old"}),
}


@pytest.fixture
def events() -> list[ClientCreated]:
    """What the handler got."""
    return []


@pytest.fixture
async def inbox(tmp_path: Path, events: list[ClientCreated]) -> AsyncIterator[Inbox]:
    async def handle(event: Event) -> None:
        assert isinstance(event, ClientCreated)
        events.append(event)

    inbox = Inbox(tmp_path / "inbox.db", handle)
    yield inbox
    inbox.close()


@asynccontextmanager
async def serving(receive: Handler) -> AsyncIterator[str]:
    """A user's service; its URL."""
    app = web.Application()
    app.router.add_post("/webhooks", handler(WebhookVerifier(SECRET), receive))
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/webhooks"
    await runner.cleanup()


async def test_who_is_added_is_told_with_the_link(
    sandbox: Sandbox, api: AsyncOnboard360, inbox: Inbox, events: list[ClientCreated]
) -> None:
    """The event says what the answer said: id, link, names, in whatever script."""
    async with serving(inbox.receive) as url:
        sandbox.add_webhook(url, secret=SECRET)
        client = await api.add_client(campaign_id=CAMPAIGN, email="zoe@x.de", first_name="Zoë", last_name="Łukasz 😀")
        await sandbox.delivered()
    await inbox.work()
    (event,) = events
    told = (event.data.client_id, event.data.link, event.data.email, event.data.first_name, event.data.last_name)
    assert told == (client.id, client.link, "zoe@x.de", "Zoë", "Łukasz 😀")
    assert (event.name, event.flags, event.form) == ("client.created", frozenset(), "raw")


async def test_a_link_whose_answer_was_lost_comes_by_webhook(
    sandbox: Sandbox, api: AsyncOnboard360, inbox: Inbox, events: list[ClientCreated]
) -> None:
    """The one second source: the POST is in doubt, the event says who was created, and with which link."""
    async with serving(inbox.receive) as url:
        sandbox.add_webhook(url, secret=SECRET)
        sandbox.add_fault("commit-then-drop", method="POST")
        with pytest.raises(errors.OutcomeUnknownError):
            await api.add_client(campaign_id=CAMPAIGN, email="a@x.de")
        await sandbox.delivered()
    await inbox.work()
    (stored,) = sandbox.clients()
    assert [(event.data.client_id, event.data.link) for event in events] == [(stored["id"], stored["link"])]


async def test_each_is_handled_once_however_it_is_delivered(
    sandbox: Sandbox, api: AsyncOnboard360, inbox: Inbox, events: list[ClientCreated]
) -> None:
    """Three times each, out of order, sent again by hand: every client is handled once."""
    async with serving(inbox.receive) as url:
        sandbox.add_webhook(url, secret=SECRET, duplicates=2, reorder=0.5, seed=1)
        for number in range(20):
            await api.add_client(campaign_id=CAMPAIGN, email=f"p{number}@x.de")
        await sandbox.delivered()
        sandbox.resend(sandbox.deliveries[0].id)
        await sandbox.delivered()
    await inbox.work()
    assert len(sandbox.deliveries) == 61
    assert {delivery.state for delivery in sandbox.deliveries} == {"delivered"}
    assert sorted(str(event.data.email) for event in events) == sorted(f"p{number}@x.de" for number in range(20))
    assert await inbox.counts() == Counts(done=20)


@pytest.mark.parametrize("kind", TAMPERINGS)
async def test_what_becomes_of_what_was_tampered_with(
    sandbox: Sandbox, inbox: Inbox, events: list[ClientCreated], kind: str
) -> None:
    """Refused, or believed as what was signed and flagged: for each way in which the sandbox can tamper."""
    status, form, flags = TAMPERED[kind]
    async with serving(inbox.receive) as url:
        sandbox.add_webhook(url, secret=SECRET, tamper=kind, retries="none")
        sandbox.add_client(CAMPAIGN, "zoë@x.de", first_name="Zoë")
        await sandbox.delivered()
    await inbox.work()
    (delivery,) = sandbox.deliveries
    assert [attempt.status for attempt in delivery.attempts] == [status]
    assert [(event.form, set(event.flags), event.data.email) for event in events] == (
        [(form, flags, "zoë@x.de")] if status == 200 else []
    )


async def test_an_inbox_that_is_full_for_a_while_loses_nothing(
    sandbox: Sandbox, tmp_path: Path, events: list[ClientCreated]
) -> None:
    """The sender is told 503 and comes again; when there is room it is stored, and handled."""
    tried: list[Event] = []

    async def handle(event: Event) -> None:
        assert isinstance(event, ClientCreated)
        events.append(event)

    inbox = Inbox(tmp_path / "later" / "inbox.db", handle)

    async def receive(event: Event) -> None:
        tried.append(event)
        if len(tried) == 3:
            (tmp_path / "later").mkdir()
        await inbox.receive(event)

    async with serving(receive) as url:
        sandbox.add_webhook(url, secret=SECRET, time_scale=0.0)
        sandbox.add_client(CAMPAIGN, "a@x.de")
        await sandbox.delivered()
    await inbox.work()
    (delivery,) = sandbox.deliveries
    assert [attempt.status for attempt in delivery.attempts] == [503, 503, 200]
    assert [event.data.email for event in events] == ["a@x.de"]
    inbox.close()
