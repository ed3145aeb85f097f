"""Webhooks: verified, read from what was signed, kept, and handed to your functions.

The door: a table of lazy names, so that verifying costs neither a web framework nor a database. Knows no framework;
the adapters `aiohttp`, `asgi`, `wsgi` and `django` beside it are imported by their own names.
"""

from typing import TYPE_CHECKING

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
        "Diagnosis": "diagnosis",
        "Inbox": "inbox",
        "Router": "router",
        "WebhookVerifier": "signature",
        "diagnose": "diagnosis",
        "sign": "signature",
    }

    def __getattr__(name):
        """Import a public name when it is first asked for."""
        from importlib import import_module

        if name not in __all__:
            message = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(message)
        value = getattr(import_module(f"{__name__}.{_ROOMS.get(name, 'events')}"), name)
        globals()[name] = value
        return value

    def __dir__():
        return sorted({*globals(), *__all__})
