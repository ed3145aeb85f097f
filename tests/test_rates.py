"""The promise itself, over real sockets: no 429 from any likely server, through either handle."""

from collections.abc import Awaitable, Callable

import pytest

from onboard360_async import Budget
from tests.foreign import LIMITERS, Foreign
from tests.load import add_async, add_from_threads

LIMIT, WINDOW_S, LATENCY_S = 50, 0.3, 0.02
ADDS = 3 * LIMIT


@pytest.mark.parametrize("add", [add_async, add_from_threads])
@pytest.mark.parametrize("name", LIMITERS)
async def test_no_429_from_any_likely_server(name: str, add: Callable[[str, Budget, int], Awaitable[None]]) -> None:
    """A hundred and fifty adds, three windows' worth: all created, none refused, through either handle."""
    async with Foreign(LIMITERS[name](LIMIT, WINDOW_S), latency_s=LATENCY_S) as server:
        await add(server.url, Budget(limit=LIMIT, window_s=WINDOW_S), ADDS)
    assert (server.created, server.refused) == (ADDS, 0)
