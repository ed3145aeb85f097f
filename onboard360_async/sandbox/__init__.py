"""The sandbox: a double of the 360Onboard service on this machine, for trying things out and for tests.

Written from the API page alone: it imports nothing of the SDK, and the SDK reaches it by HTTP only, so that neither
can share the other's mistakes.
"""

from onboard360_async.sandbox.clock import Clock
from onboard360_async.sandbox.deliveries import Attempt, Delivery
from onboard360_async.sandbox.events import EVENTS
from onboard360_async.sandbox.faults import KINDS
from onboard360_async.sandbox.handle import Sandbox
from onboard360_async.sandbox.limiter import LIMITERS
from onboard360_async.sandbox.recorder import RequestRecord
from onboard360_async.sandbox.sealing import TAMPERINGS
from onboard360_async.sandbox.store import StoreError
from onboard360_async.sandbox.switches import PRESETS, SWITCHES
from onboard360_async.sandbox.webhooks import Webhook

__all__ = [
    "EVENTS",
    "KINDS",
    "LIMITERS",
    "PRESETS",
    "SWITCHES",
    "TAMPERINGS",
    "Attempt",
    "Clock",
    "Delivery",
    "RequestRecord",
    "Sandbox",
    "StoreError",
    "Webhook",
]
