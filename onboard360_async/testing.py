"""The pytest plugin: the sandbox, handles on it and signed webhooks as fixtures, for whoever tests code of their own.

Loaded at every start of pytest, so it imports nothing that costs: all else is imported by the fixture that needs it.
Needs pytest alone, no plugin for async tests. Knows no route, and no switch of the sandbox by name.
"""

import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

import pytest

if TYPE_CHECKING:
    from onboard360_async.api import AsyncOnboard360
    from onboard360_async.budget import Budget
    from onboard360_async.sandbox import Sandbox
    from onboard360_async.sync import Onboard360
    from onboard360_async.webhooks.events import FormName

__all__ = ["Sign", "SignedWebhook"]

_MARKER: Final = "onboard360"
_NO_LIMIT: Final = 100_000  # requests in a second


class SignedWebhook(NamedTuple):
    """What a request to your endpoint holds: its body, and the three documented headers."""

    body: bytes
    headers: dict[str, str]

    def __repr__(self) -> str:
        return f"SignedWebhook(body=<{len(self.body)} bytes>, headers=<{', '.join(self.headers)}>)"


class Sign(Protocol):
    """What the fixture `onboard360_sign` gives."""

    def __call__(
        self, payload: Mapping[str, object] | bytes, *, secret: str | None = None, form: "FormName" = "raw"
    ) -> SignedWebhook:
        """A webhook with this payload."""


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known, for --strict-markers and `pytest --markers`."""
    config.addinivalue_line(
        "markers",
        f"{_MARKER}(preset, limiter, limit, window_s, count_refused, **switches): how the sandbox of the fixture"
        " onboard360_sandbox behaves in this test.",
    )


# --- the sandbox ---


@pytest.fixture(scope="session")
def onboard360_sandbox_session() -> Iterator["Sandbox"]:
    """The one sandbox of this process, on a thread of its own. Tests take `onboard360_sandbox`.

    To make it otherwise, define a fixture of this name and scope that yields a running `Sandbox(...)`.
    """
    import socket

    from onboard360_async.sandbox import Sandbox

    sandbox = Sandbox()
    try:
        socket.create_server(("127.0.0.1", 0)).close()  # what is wrong is told here, and not by another thread
        sandbox.__enter__()
    except (OSError, RuntimeError) as error:  # a RuntimeError is what plugins that forbid sockets raise
        pytest.fail(
            f"onboard360: the sandbox could not start ({error}). It needs a port of 127.0.0.1; where sockets are"
            " forbidden, allow that host, or run without this fixture.",
            pytrace=False,
        )
    try:
        yield sandbox
    finally:
        sandbox.__exit__(None, None, None)


@pytest.fixture
def onboard360_sandbox(
    request: pytest.FixtureRequest, onboard360_sandbox_session: "Sandbox", _onboard360_secret: None
) -> Iterator["Sandbox"]:
    """The sandbox as it was made, for this test alone, with a new API key.

    ONBOARD360_API_KEY and ONBOARD360_BASE_URL lead there, so that `AsyncOnboard360()` in the code under test does; all
    handles of the test share one budget, which grants at once what the sandbox's limit allows.
    `@pytest.mark.onboard360(preset="hostile", limiter="off", ...)` sets how it behaves: `Sandbox.configure`'s options.
    """
    from onboard360_async import settings
    from onboard360_async.budget import registry

    sandbox = onboard360_sandbox_session
    sandbox.reset()
    try:
        _configure(sandbox, request.node)
        key = sandbox.new_key()
        name = registry.name_for(key, sandbox.url + settings.API_PATH)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(settings.API_KEY_VARIABLE, key)
            patch.setenv(settings.BASE_URL_VARIABLE, sandbox.url)
            patch.delenv(settings.BUDGET_VARIABLE, raising=False)  # a store that others use, perhaps
            patch.setitem(registry._BUDGETS, (name, "memory"), _budget(sandbox))  # noqa: SLF001 - forgotten again
            yield sandbox
    finally:
        sandbox.reset()  # nothing that was to be delivered reaches the next test


def _configure(sandbox: "Sandbox", node: pytest.Item) -> None:
    """What the test's markers say; the nearest has the last word on each option."""
    options: dict[str, object] = {}
    for mark in reversed(list(node.iter_markers(_MARKER))):
        if mark.args:
            pytest.fail(f"@pytest.mark.{_MARKER} takes options by name, as in preset=...", pytrace=False)
        options |= mark.kwargs
    if not options:
        return
    try:
        sandbox.configure(**options)  # type: ignore[arg-type]  # it says itself what it does not know
    except (TypeError, ValueError) as error:
        pytest.fail(f"@pytest.mark.{_MARKER}: {error}", pytrace=False)


def _budget(sandbox: "Sandbox") -> "Budget":
    """As large as the sandbox's limit, and all of it at once: no test waits, and nobody is refused."""
    from onboard360_async.budget import Budget

    minute = sandbox.limiter
    if minute.limiter == "off":
        return Budget(_NO_LIMIT, burst=_NO_LIMIT, window_s=1.0)
    return Budget(minute.limit, burst=minute.limit, window_s=minute.window_s)


# --- handles on it ---


@pytest.fixture
def onboard360_api(onboard360_sandbox: "Sandbox") -> Iterator["AsyncOnboard360"]:
    """An `AsyncOnboard360` on the sandbox, for tests on any loop (or several); closed at the end."""
    from onboard360_async.api import AsyncOnboard360

    api = AsyncOnboard360(onboard360_sandbox.api_key, base_url=onboard360_sandbox.url)
    try:
        yield api
    finally:
        _close(api)


@pytest.fixture
def onboard360_sync_api(onboard360_sandbox: "Sandbox") -> Iterator["Onboard360"]:
    """An `Onboard360` on the sandbox; closed at the end."""
    from onboard360_async.sync import Onboard360

    with Onboard360(onboard360_sandbox.api_key, base_url=onboard360_sandbox.url) as api:
        yield api


def _close(api: "AsyncOnboard360") -> None:
    """Close the handle, on whatever loops the test has used it; whether one runs here or not."""
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        _close_here(api)
    else:  # pytest itself was started on a loop, as in a notebook
        with ThreadPoolExecutor(1) as other:
            other.submit(_close_here, api).result()


def _close_here(api: "AsyncOnboard360") -> None:
    """First what belongs to loops that stand still, such as one that all tests of a session share: each on its own.

    Nobody but who knows that the test has ended may run them, so this is not the handle's to do. What was opened on a
    loop that ended is closed already; one that runs elsewhere is told to close.
    """
    import asyncio

    for loop, kept in list(api._transport.pool._kept.items()):  # noqa: SLF001 - see above
        if not (loop.is_running() or loop.is_closed()):
            loop.run_until_complete(kept.end())
    own = asyncio.new_event_loop()  # not asyncio.run, which would leave this thread without its current loop
    try:
        own.run_until_complete(api.close())
    finally:
        own.close()


# --- webhooks for your own endpoint ---


@pytest.fixture
def _onboard360_secret() -> Iterator[None]:
    """ONBOARD360_WEBHOOK_SECRET, unless it is set: the code under test may have read it when it was imported."""
    from onboard360_async import settings
    from onboard360_async.webhooks.factories import SECRET

    with pytest.MonkeyPatch.context() as patch:
        if not os.environ.get(settings.WEBHOOK_SECRET_VARIABLE, "").strip():
            patch.setenv(settings.WEBHOOK_SECRET_VARIABLE, SECRET)
        yield


@pytest.fixture
def onboard360_sign(_onboard360_secret: None) -> Sign:
    """A function that makes a webhook of a payload: `body` and `headers`, as 360Onboard would send them to you.

    `secret`: ONBOARD360_WEBHOOK_SECRET, which is set for the test if it was not. A mapping is written as the service's
    own sample would write it, bytes stay what they are. `form`: what of the body is signed, as in `webhooks.sign`.
    """
    return _sign


def _sign(
    payload: Mapping[str, object] | bytes, *, secret: str | None = None, form: "FormName" = "raw"
) -> SignedWebhook:
    import json

    from onboard360_async import settings
    from onboard360_async.errors import ConfigurationError
    from onboard360_async.webhooks.canonical import js_form
    from onboard360_async.webhooks.signature import sign

    if secret is None:
        secret = os.environ.get(settings.WEBHOOK_SECRET_VARIABLE)
    if secret is None:
        raise ConfigurationError(f"No webhook secret: {settings.WEBHOOK_SECRET_VARIABLE} was unset; pass secret=...")
    body = js_form(json.dumps(payload).encode()) if isinstance(payload, Mapping) else bytes(payload)
    headers = {"Content-Type": "application/json", settings.SIGNATURE_HEADER: sign(body, secret, form)}
    try:
        event = json.loads(body)["event"]
    except (ValueError, LookupError, TypeError, RecursionError):
        event = None  # what names no event has no such header
    if isinstance(event, str):
        headers[settings.EVENT_HEADER] = event
    return SignedWebhook(body, headers)
