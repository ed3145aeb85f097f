"""What the importer's tests share: a service that does what it is asked, and processes that start in no time."""

from collections.abc import Iterator

import pytest

from tests.importer.double import Service
from tests.importer.scene import Zygote, zygote_started


@pytest.fixture
def service() -> Service:
    """A service that does what it is asked."""
    return Service()


@pytest.fixture(scope="session")
def zygote() -> Iterator[Zygote]:
    """Where the processes of imports come from."""
    with zygote_started() as started:
        yield started
