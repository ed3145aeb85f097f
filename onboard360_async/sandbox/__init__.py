"""The sandbox: a double of the 360Onboard service on this machine, for trying things out and for tests.

Written from the API page alone: it imports nothing of the SDK, and the SDK reaches it by HTTP only, so that neither
can share the other's mistakes.
"""

from onboard360_async.sandbox.faults import KINDS
from onboard360_async.sandbox.handle import Sandbox
from onboard360_async.sandbox.recorder import RequestRecord
from onboard360_async.sandbox.store import StoreError

__all__ = ["KINDS", "RequestRecord", "Sandbox", "StoreError"]
