"""What all tests share: no network but this machine, mocks that work with aiohttp 3.14, the sandbox and a handle."""

import inspect
import socket
from collections.abc import AsyncIterator, Generator, Iterator
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aioresponses.core as mocks_core
import coverage
import pytest
from aiohttp import ClientResponse
from aioresponses import aioresponses
from yarl import URL

from onboard360_async import AsyncOnboard360, Budget
from onboard360_async.sandbox import Sandbox
from tests.leaks import Watch

_NUMBERS = count()
PROJECT = Path(__file__).parents[1]
LOCAL = ("127.0.0.1", "::1", "localhost")


def pytest_addoption(parser: pytest.Parser) -> None:
    """What may run for hours, for whoever asks for it."""
    told = "kill imports at random for N rounds (tests/importer/test_crash.py); --hypothesis-seed chooses which"
    parser.addoption("--long-crash", type=int, metavar="N", help=told)
    told = "let both handles work for so long while much goes wrong (tests/test_soak.py)"
    parser.addoption("--soak", type=float, metavar="MINUTES", help=told)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """A test that is marked `no_cover` runs unmeasured under `coverage run`, too, as it does with --cov."""
    measuring = coverage.Coverage.current()
    if measuring is None or item.get_closest_marker("no_cover") is None or item.config.pluginmanager.hasplugin("_cov"):
        return (yield)
    measuring.stop()
    try:
        return (yield)
    finally:
        measuring.start()


class _ShimmedResponse(ClientResponse):
    """aioresponses 0.7.9 does not know `stream_writer`, which aiohttp 3.14 wants of a response and 3.13 refuses."""

    def __init__(self, method: str, url: URL, **options: Any) -> None:
        if "stream_writer" in inspect.signature(ClientResponse).parameters:
            options.setdefault("stream_writer", SimpleNamespace(output_size=0))
        super().__init__(method, url, **options)


@pytest.fixture(autouse=True)
def only_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that reaches for the network fails at once, and says where it wanted to go."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in LOCAL:
            raise AssertionError(f"a test wants to reach {address[0]}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(autouse=True)
def no_account_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the user's environment says must not leak into a test."""
    for name in ("ONBOARD360_API_KEY", "ONBOARD360_BASE_URL", "ONBOARD360_BUDGET", "ONBOARD360_WEBHOOK_SECRET"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture(autouse=True)
def no_state_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """What the command keeps in the user's state directory, a test keeps in one of its own."""
    number = next(_NUMBERS)  # a numbered folder of pytest's own looks through all that are there
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp(f"state-{number}", numbered=False)))


@pytest.fixture
def children_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where coverage runs it also runs in the processes that a test starts with this environment.

    Not everywhere: it costs each of them some tenths of a second, and would be among what a few count or look at.
    """
    measuring = coverage.Coverage.current()
    if measuring is not None:
        monkeypatch.setenv("COVERAGE_PROCESS_START", str(PROJECT / "pyproject.toml"))
        monkeypatch.setenv("COVERAGE_FILE", str(Path(str(measuring.get_option("run:data_file"))).absolute()))


@pytest.fixture
def mocked(monkeypatch: pytest.MonkeyPatch) -> Iterator[aioresponses]:
    """aioresponses, with the shim that aiohttp 3.14 needs."""
    monkeypatch.setattr(mocks_core, "ClientResponse", _ShimmedResponse)
    with aioresponses() as mocks:
        yield mocks


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """The service on this machine, with its limit off: what a test is about is seldom the limit."""
    async with Sandbox(limiter="off") as running:
        yield running


@pytest.fixture
def budget() -> Budget:
    """A budget that no test can exhaust."""
    return Budget(limit=10_000, burst=1_000, window_s=1.0)


@pytest.fixture
async def api(sandbox: Sandbox, budget: Budget, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[AsyncOnboard360]:
    """An asynchronous handle on the sandbox that does not wait between attempts."""
    monkeypatch.setattr("onboard360_async.transport.call.random.uniform", lambda *_: 0.0)
    async with AsyncOnboard360(sandbox.api_key, base_url=sandbox.url, budget=budget) as handle:
        yield handle


@pytest.fixture(autouse=True)
def nothing_leaks() -> Iterator[Watch]:
    """No error and no log line of any test shows a key, a person or a link; each error pickles and copies whole."""
    with Watch() as watch:
        yield watch
        leaks = watch.leaks()
    watch.forget()
    assert not leaks, "\n".join(leaks)
