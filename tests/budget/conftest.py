"""Every asynchronous test of this room runs in virtual time."""

import asyncio
from collections.abc import Callable, Mapping

import pytest

from tests.budget.shelf import Shelf
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


@pytest.fixture
def shelf(loop: VirtualLoop) -> Shelf:
    """An empty store with a millisecond to it and back."""
    return Shelf(loop.clock, trip_s=0.001)
