"""client.created: who hears of whom, in which words, and what an endpoint may be told."""

import asyncio
import json
import re
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from onboard360_async.sandbox import EVENTS, KINDS, Sandbox, Webhook
from onboard360_async.sandbox.faults import OF_LISTINGS
from tests.page import ADD_BODY, WEBHOOK_BODY
from tests.sandbox.calls import CAMPAIGN, CLIENT, JOHN, add, call
from tests.sandbox.receiver import Receiver, accepts_bytes, node_sample
from tests.webhooks.page_samples import verify_webhook as python_sample

HOOK = "http://127.0.0.1:9/hook"


async def test_the_golden_webhook_is_the_pages_own() -> None:
    """With seeded id, code, clock and host the body is the page's, compact; the headers are the three it names."""
    options: dict[str, Any] = {
        "now": lambda: datetime(2024, 1, 15, 9, tzinfo=UTC),
        "new_id": lambda: CLIENT,
        "new_code": lambda: "abc123xyz789",
        "link_origin": "https://app.360onboard.com",
    }
    async with Receiver() as receiver, Sandbox(webhooks=[receiver.url], **options) as sandbox:
        assert (await call(sandbox, "POST", "/clients", data=ADD_BODY)).status == 201
        await sandbox.delivered()
        (got,) = receiver.got
        assert got.body.decode() == WEBHOOK_BODY.replace("\n", "").replace('": ', '":')
        (webhook,) = sandbox.webhooks
    signature = got.headers["X-360onboard-Signature"]
    assert re.fullmatch("sha256=[0-9a-f]{64}", signature)
    assert got.headers["Content-Type"] == "application/json"
    assert got.headers["X-360onboard-Event"] == "client.created"
    assert got.headers["Connection"] == "close"  # so that a receiver may be restarted between two
    of_http = {"Host", "Content-Length", "Connection"}
    assert set(got.headers) == of_http | {"Content-Type", "X-360onboard-Signature", "X-360onboard-Event"}
    assert accepts_bytes(got.body, signature, webhook.secret)
    assert node_sample(json.loads(got.body), signature, webhook.secret)
    assert python_sample(json.loads(got.body), signature, webhook.secret)


async def test_names_beyond_ascii_are_sent_as_they_are() -> None:
    """UNDOCUMENTED: then only those who check the bytes, or as Node does, accept the signature."""
    async with Receiver() as receiver, Sandbox(webhooks=[receiver.url], campaigns=[(CAMPAIGN, "Für alle")]) as sandbox:
        assert (await call(sandbox, "POST", "/clients", json={**JOHN, "first_name": "Zoë 🚀"})).status == 201
        await sandbox.delivered()
        secret = sandbox.webhooks[0].secret
    (got,) = receiver.got
    signature = got.headers["X-360onboard-Signature"]
    assert '"campaign_name":"Für alle","first_name":"Zoë 🚀"'.encode() in got.body
    assert accepts_bytes(got.body, signature, secret)
    assert node_sample(json.loads(got.body), signature, secret)
    assert not python_sample(json.loads(got.body), signature, secret)


async def test_what_a_client_does_not_have_is_null() -> None:
    """UNDOCUMENTED: every field of the page is there, in its order."""
    async with Receiver() as receiver, Sandbox(webhooks=[receiver.url]) as sandbox:
        client_id = sandbox.add_client(CAMPAIGN, "john@example.com")
        await sandbox.delivered()
        (client,) = sandbox.clients()
    data = json.loads(receiver.got[0].body)["data"]
    assert list(data) == list(json.loads(WEBHOOK_BODY)["data"])
    assert data == {
        **{name: client[name] for name in client if name != "id"},
        "client_id": client_id,
        "campaign_name": "Client Onboarding Flow",
    }
    assert [data[name] for name in ("first_name", "last_name", "company_name", "phone")] == [None] * 4


async def test_a_client_by_method_is_told_as_one_by_request() -> None:
    """Both fire once; what the API refuses fires nothing."""
    async with Receiver() as receiver, Sandbox(webhooks=[receiver.url]) as sandbox:
        assert (await add(sandbox, "a@example.com")).status == 201
        sandbox.add_client(CAMPAIGN, "b@example.com")
        assert (await call(sandbox, "POST", "/clients", data=b"no")).status == 400
        assert (await call(sandbox, "POST", "/clients", json={**JOHN, "campaign_id": "x"})).status == 404
        assert (await call(sandbox, "POST", "/clients", json=JOHN, key="sk_test_wrong")).status == 401
        with pytest.raises(ValueError, match="no campaign"):
            sandbox.add_client("x", "c@example.com")
        await sandbox.delivered()
        assert sorted(got.email for got in receiver.got) == ["a@example.com", "b@example.com"]
        assert len(sandbox.deliveries) == 2


FIRING = (
    "commit-then-drop", "500-after", "delay", "truncated", "truncated-201", "hang-after-commit", "late-commit",
    "garbage", "wrong-type", "slow-drip"
)  # fmt: skip


@pytest.mark.parametrize("kind", sorted(KINDS.keys() - set(OF_LISTINGS)))
async def test_whoever_is_created_is_told_whatever_became_of_the_answer(kind: str) -> None:
    """A fault after the commit does not stop the webhook; one before it leaves nobody to tell of."""
    async with Receiver() as receiver, Sandbox(webhooks=[receiver.url]) as sandbox:
        fault = f"{kind}:delay=0.001" if kind in ("delay", "late-commit", "slow-drip") else kind
        post = asyncio.create_task(call(sandbox, "POST", "/clients", json=JOHN, fault=fault))
        if kind in FIRING:
            await receiver.until(1)
        else:
            await asyncio.wait([post])
        await sandbox.delivered()
        assert len(receiver.got) == len(sandbox.deliveries) == len(sandbox.clients()) == (kind in FIRING)
    await asyncio.wait([post])
    assert post.exception() is None or isinstance(post.exception(), aiohttp.ClientError | ValueError)  # no JSON


async def test_the_answer_does_not_wait_for_the_webhook() -> None:
    """UNDOCUMENTED: the receiver may hear first or last; while it takes its time, the sandbox serves others."""
    done = asyncio.Event()

    async def slow(_: web.Request) -> web.StreamResponse:
        await done.wait()
        return web.Response()

    async with Receiver(slow) as receiver, Sandbox(webhooks=[receiver.url]) as sandbox:
        assert (await add(sandbox)).status == 201
        await receiver.until(1)
        assert [delivery.state for delivery in sandbox.deliveries] == ["pending"]
        assert (await add(sandbox)).status == 201
        done.set()
        await sandbox.delivered()
        assert [delivery.state for delivery in sandbox.deliveries] == ["delivered", "delivered"]


async def test_an_endpoint_hears_only_what_it_asked_for() -> None:
    """Others do not hear of it, and without an endpoint nothing is logged; a later one hears of what comes later."""
    async with Receiver() as receiver, Sandbox() as sandbox:
        await add(sandbox, "nobody@example.com")
        sandbox.add_webhook(f"{receiver.url}/others", events=("client.completed", "flow.created"))
        await add(sandbox, "a@example.com")
        assert sandbox.deliveries == []
        added = sandbox.add_webhook(f"{receiver.url}/created", events="client.created")
        sandbox.add_webhook(f"{receiver.url}/all")
        await add(sandbox, "b@example.com")
        await sandbox.delivered()
        assert sorted(got.path for got in receiver.got) == ["/hook/all", "/hook/created"]
        assert {got.email for got in receiver.got} == {"b@example.com"}
        assert sandbox.deliveries[0].webhook_id == added.id


async def test_an_event_by_hand_is_dated_now() -> None:
    """It tells of a client that is there, to whoever takes it; anything else is a ValueError and sends nothing."""
    days = iter(range(1, 9))
    async with Receiver() as receiver:
        async with Sandbox(now=lambda: datetime(2026, 1, next(days), tzinfo=UTC), campaigns=["A"]) as sandbox:
            campaign = sandbox.add_campaign("B")
            client_id = sandbox.add_client(campaign, "john@example.com")
            assert sandbox.trigger("client.created", client_id=client_id) == []
            webhook = sandbox.add_webhook(receiver.url)
            (delivery,) = sandbox.trigger("client.created", client_id=client_id)
            assert (delivery.event, delivery.client_id, delivery.state) == ("client.created", client_id, "pending")
            assert delivery.webhook_id == webhook.id
            for event, id_ in (("client.created", "x"), ("flow.created", client_id), ("sneeze", client_id)):
                with pytest.raises(ValueError, match=r"no c|event"):
                    sandbox.trigger(event, client_id=id_)
            await sandbox.delivered()
        value = json.loads(receiver.got[0].body)
        assert (value["data"]["created_at"], value["timestamp"]) == ("2026-01-03T00:00:00Z", "2026-01-05T00:00:00Z")
        assert len(receiver.got) == 1
        with pytest.raises(RuntimeError, match="not running"):
            sandbox.trigger("client.created", client_id=client_id)


def test_endpoints_may_be_given_at_once() -> None:
    """One URL, several, or with switches; by default they hear of everything, and try again."""
    switched = Webhook(url=HOOK, secret="ours", events=["client.completed", "client.created"], retries="none")
    assert Sandbox(webhooks=HOOK).webhooks[0].url == HOOK
    plain, same = Sandbox(webhooks=[HOOK, switched]).webhooks
    assert (plain.events, len(plain.retries) > 0) == (EVENTS, True)
    assert same is switched
    assert (same.events, same.retries) == (("client.created", "client.completed"), ())


def test_a_secret_is_generated_or_given_and_never_shown() -> None:
    """It can be read from what was added; nothing that is printed holds it, nor the query of a URL."""
    sandbox = Sandbox()
    first, second = sandbox.add_webhook(HOOK), sandbox.add_webhook(f"{HOOK}?token=hidden", secret="ours")
    assert re.fullmatch("whsec_test_[0-9a-f]{32}", first.secret)
    assert second.secret == "ours"
    assert sandbox.webhooks == (first, second)
    assert first.id != second.id
    for webhook in sandbox.webhooks:
        assert HOOK in repr(webhook)
        assert webhook.secret not in repr(webhook)
        assert "hidden" not in repr(webhook)


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost/hook",
        "http://LocalHost:8000",
        "https://127.0.0.1:8443/a?b=c",
        "http://127.255.0.1/",
        "http://[::1]:80/hook",
    ],
)
def test_this_machine_is_allowed(url: str) -> None:
    """Whatever is loopback by its very address."""
    assert Sandbox().add_webhook(url).url == url


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/hook",
        "http://192.168.0.1/",
        "http://0.0.0.0/",
        "http://127.0.0.1.example.com/",
        "http://localhost.example.com/",
        "http://127.1/",
        "http://127.0.0.256/",
        "http://2130706433/",
        "http://[::]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[2001:db8::1]/",
    ],
)
def test_other_machines_only_by_wish(url: str) -> None:
    """ValueError, unless the sandbox may send to other machines; nothing is kept of what was refused."""
    sandbox = Sandbox()
    for add_one in (lambda: sandbox.add_webhook(url), lambda: Sandbox(webhooks=[url])):
        with pytest.raises(ValueError, match="--allow-remote"):
            add_one()
    assert sandbox.webhooks == ()
    assert Sandbox(webhooks=[url], allow_remote=True).add_webhook(url).url == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hook",
        "//127.0.0.1/hook",
        "ftp://127.0.0.1/",
        "http:///hook",
        "http://user@127.0.0.1/",
        "http://127.0.0.1\\@example.com/",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1:0/",
        "http://127.0.0.1:x/",
        "http://127.0.0.1/a b",
        "http://127.0.0.1/\n",
        "http://127.0.0.1/ö",
        "http://loca\u017fhost/",
        None,
    ],
)
def test_what_is_no_url_is_refused(url: Any) -> None:
    """ValueError, for other machines as well."""
    with pytest.raises(ValueError, match="URL"):
        Sandbox(allow_remote=True).add_webhook(url)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"secret": ""}, "secret"),
        ({"secret": " hush "}, "secret"),
        ({"secret": "hush\ud800"}, "secret"),
        ({"events": ()}, "flow.created"),
        ({"events": "client.sneezed"}, "flow.created"),
        ({"retries": "daily"}, "standard"),
        ({"retries": [1.0, -1.0]}, "retries"),
        ({"retries": [float("inf")]}, "retries"),
        ({"time_scale": -1.0}, "time_scale"),
        ({"time_scale": float("nan")}, "time_scale"),
        ({"duplicates": -1}, "duplicates"),
        ({"duplicates": 101}, "from 0 to 100"),
        ({"reorder": 1.5}, "reorder"),
        ({"tamper": "sneeze"}, "no-signature"),
        ({"secret": b"hush"}, "secret"),
        ({"events": 5}, "flow.created"),
        ({"retries": 5}, "retries"),
        ({"retries": ["soon"]}, "retries"),
        ({"time_scale": "x"}, "time_scale"),
        ({"duplicates": 1.5}, "duplicates"),
        ({"reorder": "x"}, "reorder"),
        ({"seed": "q"}, "seed"),
        ({"tamper": []}, "no-signature"),
    ],
)
def test_an_endpoint_that_cannot_be_meant_is_refused(options: Any, match: str) -> None:
    """ValueError names the option, never the secret; the endpoint is not kept."""
    sandbox = Sandbox()
    with pytest.raises(ValueError, match=match) as refused:
        sandbox.add_webhook(HOOK, **options)
    assert "hush" not in str(refused.value)
    assert sandbox.webhooks == ()


async def test_endpoints_tamper_each_for_itself() -> None:
    """One switch is about one endpoint; the other's deliveries stay good."""
    async with Receiver() as receiver, Sandbox() as sandbox:
        sandbox.add_webhook(f"{receiver.url}/good", secret="ours")
        sandbox.add_webhook(f"{receiver.url}/bad", secret="ours", tamper="no-signature")
        await add(sandbox)
        await sandbox.delivered()
    assert {got.path: "X-360onboard-Signature" in got.headers for got in receiver.got} == {
        "/hook/good": True,
        "/hook/bad": False,
    }
