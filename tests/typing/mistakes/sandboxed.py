"""The sandbox: switches, faults and webhooks by their names and values."""

from onboard360_async.sandbox import Sandbox
from onboard360_async.testing import Sign


def made() -> None:
    Sandbox(pages="cursor")  # error: call-arg reportCallIssue
    Sandbox(paging="offset")  # error: arg-type reportArgumentType
    Sandbox("documented")  # error: call-arg reportCallIssue
    Sandbox(created_status=202)  # error: arg-type reportArgumentType


def used(sandbox: Sandbox, sign: Sign) -> None:
    sandbox.configure(order="oldest")  # error: arg-type reportArgumentType
    sandbox.add_fault("delay", delay=1)  # error: call-arg reportCallIssue
    sandbox.add_webhook("http://127.0.0.1:1", retry="none")  # error: call-arg reportCallIssue
    sandbox.add_client("1")  # error: call-arg reportCallIssue
    sandbox.url = "http://127.0.0.1:1"  # error: misc reportAttributeAccessIssue
    sandbox.delivered()  # error: unused-coroutine reportUnusedCoroutine
    sign("{}")  # error: arg-type reportArgumentType
