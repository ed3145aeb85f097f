"""What is told of a campaign that is published, and of a client who finishes."""

import json
from datetime import UTC, datetime

import pytest

from onboard360_async.sandbox import EVENTS, Sandbox, Webhook
from onboard360_async.sandbox.events import client_created
from onboard360_async.webhooks import ClientCompleted, FlowCreated, WebhookVerifier
from tests.sandbox.calls import CAMPAIGN, JOHN, call
from tests.sandbox.receiver import Receiver
from tests.webhooks.nodejs import needs_node, node

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


async def test_what_flow_created_says() -> None:
    """UNDOCUMENTED: the campaign, by the names that client.created has for it; the SDK reads it so."""
    async with Receiver() as receiver, Sandbox(webhooks=[receiver.url], now=lambda: NOON) as sandbox:
        id_ = sandbox.add_campaign("Zoë's <flow>")
        await sandbox.delivered()
        (got,) = receiver.got
        assert json.loads(got.body) == {
            "event": "flow.created",
            "data": {"campaign_id": id_, "campaign_name": "Zoë's <flow>", "created_at": "2026-01-01T12:00:00Z"},
            "timestamp": "2026-01-01T12:00:00Z",
        }
        event = WebhookVerifier(sandbox.webhooks[0].secret).verify(got.body, got.headers)
    assert isinstance(event, FlowCreated)
    assert (event.data.campaign_id, sorted(event.flags)) == (id_, ["old"])


async def test_what_is_there_from_the_start_is_not_told() -> None:
    """Neither the sandbox's own campaigns nor seeded ones."""
    async with Receiver() as receiver, Sandbox(webhooks=[receiver.url], campaigns=["A"]) as sandbox:
        sandbox.seed({"campaigns": ["B"]})
        sandbox.reset()
        await sandbox.delivered()
        assert receiver.got == []


async def test_what_client_completed_says() -> None:
    """UNDOCUMENTED: what client.created said, dated when they finished; once, however often it is done."""
    async with Receiver() as receiver, Sandbox(now=lambda: NOON) as sandbox:
        created = (await call(sandbox, "POST", "/clients", json={**JOHN, "first_name": "John"})).body["client"]
        sandbox.add_webhook(receiver.url, events=["client.completed"])
        sandbox.clock.advance(60)
        assert [sandbox.complete(created["id"]) for _ in range(3)] == [True, False, False]
        await sandbox.delivered()
        (got,) = receiver.got
        value = json.loads(got.body)
        data = {"client_id": created.pop("id"), "campaign_id": CAMPAIGN, "campaign_name": "Client Onboarding Flow"}
        assert (value["event"], value["timestamp"]) == ("client.completed", "2026-01-01T12:01:00Z")
        assert value["data"] == data | created
        event = WebhookVerifier(sandbox.webhooks[0].secret).verify(got.body, got.headers)
    assert isinstance(event, ClientCompleted)
    assert (event.data.email, sorted(event.flags)) == ("john@example.com", ["old"])


async def test_every_event_can_be_triggered() -> None:
    """About the campaign or the client that is named, as often as one likes."""
    async with Receiver() as receiver, Sandbox() as sandbox:
        client_id = sandbox.add_client(CAMPAIGN, "a@example.com")
        sandbox.add_webhook(receiver.url)
        for event in EVENTS:
            about = {"campaign_id": CAMPAIGN} if event == "flow.created" else {"client_id": client_id}
            (delivery,) = sandbox.trigger(event, **about)
            assert delivery.event == event
            created_at = sandbox._desk.store.campaigns()[0].created_at
            if event == "flow.created":  # when it was published, whenever it is told
                assert (
                    json.loads(delivery.body)["data"]["created_at"] == created_at != sandbox.clients()[0]["created_at"]
                )
        await sandbox.delivered()
        assert sorted(json.loads(got.body)["event"] for got in receiver.got) == sorted(EVENTS)


def test_an_event_does_not_say_whom_it_is_about() -> None:
    """Its repr has neither person nor link."""
    with Sandbox() as sandbox:
        sandbox.add_client(CAMPAIGN, "a@example.com")
        (client,), (campaign,) = sandbox._desk.store.find_clients(), sandbox._desk.store.campaigns()
        said = repr(client_created(client, campaign, origin=sandbox.url, timestamp=client.created_at))
        assert (client.id in said, "a@example.com" in said, client.code in said) == (True, False, False)


def test_nobody_unknown_finishes() -> None:
    """ValueError, and no word to anybody."""
    with Sandbox(webhooks=["http://127.0.0.1:9/"]) as sandbox:
        with pytest.raises(ValueError, match="no client x"):
            sandbox.complete("x")
        assert sandbox.deliveries == []


async def test_of_several_secrets_each_signs() -> None:
    """UNDOCUMENTED: in one header, between commas; whoever knows one of them takes it, and nobody else."""
    async with Receiver() as receiver, Sandbox() as sandbox:
        webhook = sandbox.add_webhook(receiver.url, secret=["old", "new"])
        assert (webhook.secret, webhook.secrets) == ("old", ("old", "new"))
        sandbox.add_client(CAMPAIGN, "a@example.com")
        await sandbox.delivered()
        (got,) = receiver.got
        assert got.headers["X-360onboard-Signature"].count("sha256=") == 2
        for secret in ("old", "new"):
            assert WebhookVerifier(secret).verify(got.body, got.headers).name == "client.created"
    for bad in ([], ["ok", ""], ["ok", 5], 5):
        with pytest.raises(ValueError, match="secret"):
            Webhook(url="http://127.0.0.1:9/", secret=bad)


@needs_node
async def test_the_pages_node_sample_accepts_every_delivery() -> None:
    """Played by Node itself: all three events, of people from everywhere, duplicates and resendings; and no forgery."""
    odd = [  # names
        "Zoë",
        "Ngọc 👩🏽‍💻",
        "a\u2028b\u007f\x00",
        '<b>"O\'Brien" & Søn\\',
        "नेहा",
        "é".encode().decode("latin-1"),
        "",
    ]
    async with Receiver() as receiver, Sandbox(limiter="off") as sandbox:
        webhook = sandbox.add_webhook(receiver.url, duplicates=1)
        for number, name in enumerate(odd):
            campaign = sandbox.add_campaign(name)
            about = {"campaign_id": campaign, "email": f"{name}{number}@example.com", "first_name": name}
            created = (await call(sandbox, "POST", "/clients", json=about)).body["client"]
            sandbox.complete(created["id"])
        sandbox.resend(sandbox.deliveries[0].id)
        await sandbox.delivered()
        got = [(each.body.decode(), each.headers["X-360onboard-Signature"]) for each in receiver.got]
    assert len(got) == len(odd) * 3 * 2 + 1
    given = [{"body": body, "signature": signature, "secret": webhook.secret} for body, signature in got]
    forged = {**given[0], "secret": "another"}
    said = json.loads(node("accepts.mjs", "\n".join(map(json.dumps, [*given, forged])).encode()))
    assert said == [True] * len(given) + [False]
