"""The sandbox, and the fixtures, in the tests of somebody's own code."""

from typing import assert_type

import pytest

from onboard360_async import AsyncOnboard360, Onboard360
from onboard360_async.sandbox import PRESETS, SWITCHES, Clock, Delivery, RequestRecord, Sandbox, Webhook
from onboard360_async.testing import Sign, SignedWebhook
from onboard360_async.webhooks import WebhookVerifier


async def on_this_loop() -> None:
    async with Sandbox(preset="hostile", paging="cursor", page_size=10, limit=50, limiter="gcra") as sandbox:
        assert_type(sandbox, Sandbox)
        assert_type(sandbox.url, str)
        async with AsyncOnboard360(sandbox.api_key, base_url=sandbox.url) as api:
            await api.list_campaigns()
        await sandbox.delivered()


def on_a_thread() -> None:
    with Sandbox(webhooks=["http://127.0.0.1:1"], campaigns=["One", ("id-2", "Two")], seed={"clients": []}) as sandbox:
        campaign_id = sandbox.add_campaign("Three")
        client_id = sandbox.add_client(campaign_id, "jane@example.com", first_name="Jane")
        assert_type(sandbox.complete(client_id), bool)
        assert_type(sandbox.requests, list[RequestRecord])
        assert_type(sandbox.clients(), list[dict[str, str | None]])
        assert_type(sandbox.clock, Clock)
        sandbox.clock.advance(60)
        sandbox.configure(retry_after="date", rate_limit=True, created_status=200)
        sandbox.add_fault("delay", method="GET", nth=2, times=1, delay_s=0.5)
        hook = sandbox.add_webhook("http://127.0.0.1:2", events=["client.created"], retries="standard", duplicates=1)
        assert_type(hook, Webhook)
        assert_type(sandbox.trigger("client.completed", client_id=client_id), list[Delivery])
        sandbox.wait_delivered(timeout_s=5)
        sandbox.restore(sandbox.snapshot())
        print(sorted(SWITCHES), sorted(PRESETS), sandbox.switches.paging, sandbox.limiter.limit)


@pytest.mark.onboard360(preset="hostile")
def test_with_fixtures(onboard360_sandbox: Sandbox, onboard360_sync_api: Onboard360, onboard360_sign: Sign) -> None:
    """As the guide to the sandbox has it."""
    client = onboard360_sync_api.add_client(campaign_id="1", email="ada@example.com")
    assert client.link is not None
    assert client.link.startswith(onboard360_sandbox.url)
    webhook = onboard360_sign({"event": "client.created", "data": {"client_id": client.id}}, form="js")
    assert_type(webhook, SignedWebhook)
    WebhookVerifier().verify(webhook.body, webhook.headers)


async def test_with_async_fixtures(onboard360_api: AsyncOnboard360) -> None:
    """The same on the test's own loop."""
    assert await onboard360_api.list_campaigns()
