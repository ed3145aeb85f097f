"""Webhooks: data that an event may not have, handlers of another event, what is no verifier."""

from onboard360_async.webhooks import (
    ClientCompleted,
    ClientCreated,
    Event,
    FlowCreated,
    Inbox,
    Router,
    WebhookVerifier,
    asgi,
    sign,
    wsgi,
)
from onboard360_async.webhooks.aiohttp import handler
from onboard360_async.webhooks.factories import client_created

router = Router()


@router.on("client.created")  # error: type-var reportArgumentType
def of_another(event: FlowCreated) -> None:
    print(event.name)


@router.on("client.completed")  # error: type-var reportArgumentType
async def of_another_too(event: ClientCreated) -> None:
    print(event.name)


@router.on("flow.created")  # error: type-var reportArgumentType
def of_nothing() -> None:
    print("?")


@router.on  # error: call-overload reportArgumentType,reportCallIssue
def without_a_pattern(event: Event) -> None:
    print(event.name)


@router.on("client.*")  # error: type-var reportArgumentType
def of_nothing_either() -> None:
    print("?")


@router.fallback  # error: type-var reportArgumentType
async def of_no_event(body: bytes) -> None:
    print(body)


def data(event: Event, created: ClientCreated, flow: FlowCreated) -> None:
    print(event.data.link)  # error: union-attr reportAttributeAccessIssue
    print(flow.data.email)  # error: attr-defined reportAttributeAccessIssue
    print(created.data.link.upper())  # error: union-attr reportOptionalMemberAccess
    created.name = "client.completed"  # error: misc reportAttributeAccessIssue
    wrong: ClientCompleted = client_created()  # error: assignment reportAssignmentType
    print(wrong)


def takes_two(event: Event, more: str) -> None:
    print(event.name, more)


async def narrow(event: ClientCreated) -> None:
    print(event.name)


async def received(verifier: WebhookVerifier, raw: bytes) -> None:
    verifier.verify(raw)  # error: call-arg reportCallIssue
    verifier.verify("{}", {})  # error: arg-type reportArgumentType
    WebhookVerifier("whsec_1", forms=("php",))  # error: arg-type reportArgumentType
    WebhookVerifier("whsec_1", max_age=300)  # error: call-arg reportCallIssue
    sign(raw, "whsec_1", "php")  # error: arg-type reportArgumentType
    handler("whsec_1", narrow)  # error: arg-type reportArgumentType
    handler(verifier, takes_two)  # error: arg-type reportArgumentType
    asgi.app(verifier, narrow)  # error: arg-type reportArgumentType
    wsgi.app(verifier)  # error: call-arg reportCallIssue
    inbox = Inbox("inbox.db", router, dedupe="both")  # error: arg-type reportArgumentType
    async with inbox as kept:  # error: attr-defined reportGeneralTypeIssues
        print(kept)
    await inbox.replay(since="2024-01-01")  # error: arg-type reportArgumentType
