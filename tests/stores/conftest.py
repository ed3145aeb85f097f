"""Servers for the tests of this room, one for each kind that is here."""

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stores.servers import KINDS, RealServer, find


def _found(*kinds: str) -> Path:
    program = find(*kinds)
    if program is None:
        pytest.skip(f"there is no {' or '.join(kinds)} server on the PATH, nor a package that brings one")
    return program


def _running(program: Path, folder: Path) -> Iterator[RealServer]:
    server = RealServer(program, folder)
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="session", params=KINDS)
def any_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server that all tests share, of each kind; ONBOARD360_TEST_REDIS_URL names another Redis."""
    told = os.environ.get("ONBOARD360_TEST_REDIS_URL")
    if told and request.param == "redis":
        yield told
        return
    for server in _running(_found(request.param), tmp_path_factory.mktemp("server")):
        yield server.url


@pytest.fixture
def program() -> Path:
    """A Redis of whichever version, to be started as a test needs it."""
    return _found("redis", "redis 6")


@pytest.fixture
def server(program: Path, tmp_path: Path) -> Iterator[RealServer]:
    """A Redis that is this test's own, to be frozen, flushed and killed."""
    yield from _running(program, tmp_path)


@pytest.fixture
def scope() -> str:
    """Books that no other test uses."""
    return secrets.token_hex(8)
