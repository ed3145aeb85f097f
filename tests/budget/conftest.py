"""Every asynchronous test of this room runs in virtual time."""

import asyncio
from collections.abc import Callable, Mapping

import pytest

from tests.budget.virtual import VirtualLoop


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The one loop that pytest-asyncio may use here."""
    return {"virtual": VirtualLoop}


@pytest.fixture
async def loop() -> VirtualLoop:
    """The virtual loop of the test."""
    running = asyncio.get_running_loop()
    assert isinstance(running, VirtualLoop)
    return running
