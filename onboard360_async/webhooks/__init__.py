"""Webhooks: verified, read from what was signed, kept, and handed to your functions.

The door: a table of lazy names, so that verifying costs neither a web framework nor a database. Knows no framework;
the adapters `aiohttp`, `asgi`, `wsgi` and `django` beside it are imported by their own names.
"""

from typing import TYPE_CHECKING

from onboard360_async.door import lazy

__all__ = [
    "ClientCompleted",
    "ClientCreated",
    "ClientData",
    "Diagnosis",
    "Event",
    "FlowCreated",
    "FlowData",
    "Inbox",
    "Router",
    "UnknownData",
    "UnknownEvent",
    "WebhookVerifier",
    "diagnose",
    "sign",
]

if TYPE_CHECKING:
    from onboard360_async.webhooks.diagnosis import Diagnosis, diagnose
    from onboard360_async.webhooks.events import (
        ClientCompleted,
        ClientCreated,
        ClientData,
        Event,
        FlowCreated,
        FlowData,
        UnknownData,
        UnknownEvent,
    )
    from onboard360_async.webhooks.inbox import Inbox
    from onboard360_async.webhooks.router import Router
    from onboard360_async.webhooks.signature import WebhookVerifier, sign
else:
    _ROOMS = {
        "ClientCompleted": "events",
        "ClientCreated": "events",
        "ClientData": "events",
        "Diagnosis": "diagnosis",
        "Event": "events",
        "FlowCreated": "events",
        "FlowData": "events",
        "Inbox": "inbox",
        "Router": "router",
        "UnknownData": "events",
        "UnknownEvent": "events",
        "WebhookVerifier": "signature",
        "diagnose": "diagnosis",
        "sign": "signature",
    }

    __getattr__, __dir__ = lazy(globals(), _ROOMS)
