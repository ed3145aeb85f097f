"""Webhooks: verified, told apart, brought to functions of any kind, kept."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import assert_type

from onboard360_async.webhooks import (
    ClientCompleted,
    ClientCreated,
    ClientData,
    Diagnosis,
    Event,
    FlowCreated,
    FlowData,
    Inbox,
    Router,
    UnknownData,
    UnknownEvent,
    WebhookVerifier,
    diagnose,
    sign,
)
from onboard360_async.webhooks.factories import SECRET, client_completed, client_created, flow_created, unknown_event
from onboard360_async.webhooks.store import Counts, Kept


def verified(raw: bytes, headers: Mapping[str, str], pairs: list[tuple[bytes, bytes]]) -> str | None:
    verifier = WebhookVerifier(SECRET, "another", max_age_s=300, forms=("raw", "js"))
    event = verifier.verify(raw, headers)
    assert_type(event, Event)
    assert_type(verifier.verify(raw, pairs), Event)
    assert_type(event.data, ClientData | FlowData | UnknownData)
    assert_type(event.timestamp, datetime | None)
    assert_type(event.semantic_key, tuple[str, str])
    if isinstance(event, ClientCreated):
        assert_type(event.data, ClientData)
        return event.data.link
    if isinstance(event, FlowCreated):
        assert_type(event.data, FlowData)
        return event.data.campaign_name
    return None


def told(event: Event) -> str | None:
    """The same by `match`."""
    match event:
        case ClientCreated() | ClientCompleted():
            assert_type(event.data, ClientData)
            return event.data.email
        case FlowCreated(data=FlowData(campaign_id=campaign_id)):
            assert_type(campaign_id, str | None)
            return campaign_id
        case UnknownEvent(name=name, data=data):
            assert_type(data.extra, Mapping[str, object])
            return name
        case _:
            return None


router = Router()


@router.on("client.created")
async def keep_link(event: ClientCreated) -> None:
    assert_type(event.data.link, str | None)


@router.on("client.completed", name="thanks")
def thank(event: ClientCompleted) -> int:
    return len(event.data.email or "")


@router.on("flow.created")
def note(event: FlowCreated) -> None:
    assert_type(event.data, FlowData)


@router.on("client.created")
def any_event_will_do(event: Event) -> None:
    print(event.name)


@router.on("client.*")
async def of_several(event: Event) -> None:
    print(event.name)


@router.fallback
def others(event: Event) -> None:
    print(event.id)


class Handlers:
    """Methods are functions, too."""

    def __init__(self, router: Router) -> None:
        router.on("client.created")(self.created)
        router.on("client.*", name="any")(self.anything)

    async def created(self, event: ClientCreated) -> None:
        print(event.data.link)

    def anything(self, event: Event) -> None:
        print(event.name)


async def a_decorated_function_is_what_it_was() -> None:
    event = client_created(email="jane@example.com")
    assert_type(event, ClientCreated)
    await keep_link(event)
    assert_type(thank(client_completed()), int)
    note(flow_created(campaign_name="One"))
    others(unknown_event("client.renamed"))
    await router(event)


async def kept() -> None:
    inbox = Inbox("inbox.db", router, dedupe="semantic", concurrency=4)
    Inbox("one.db", keep_all)
    Inbox("other.db", lambda event: print(event.name))
    assert_type(await inbox.receive(client_created()), bool)
    async with inbox.running() as running:
        assert_type(running, Inbox)
        assert_type(await inbox.counts(), Counts)
    letters = await inbox.dead_letters()
    assert_type(letters, list[Kept])
    assert_type(letters[0].event(), Event)
    assert_type(await inbox.replay([letters[0].id]), int)
    await inbox.purge(datetime.now(UTC))


async def keep_all(event: Event) -> None:
    print(event.name)


def by_hand(raw: bytes, header: str) -> None:
    assert_type(sign(raw, SECRET, "js"), str)
    found = diagnose(raw, header, [SECRET])
    assert_type(found, Diagnosis)
    assert_type(found.ok, bool)
    assert_type(found.findings, tuple[str, ...])
