"""What the importer's tests share: a service that does what it is asked."""

import pytest

from tests.importer.double import Service


@pytest.fixture
def service() -> Service:
    """A service that does what it is asked."""
    return Service()
