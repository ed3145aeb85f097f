"""A Redis client whose connection breaks in the middle: each fault is the store's own error, and hides the address."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoPermissionError

from onboard360_async.budget.redis_store import RedisStore
from onboard360_async.budget.store import StoreError

ACTS: dict[str, Callable[[RedisStore], Awaitable[Any]]] = {
    "load": lambda store: store.load(),
    "swap": lambda store: store.swap(b"one", ""),
    "close": lambda store: store.close(),
}


class Broken:
    """What a client is whose every call fails."""

    def __init__(self, fault: BaseException) -> None:
        self.fault = fault

    def __getattr__(self, _name: str) -> Any:
        raise self.fault


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
@pytest.mark.parametrize(("fault", "is_final"), [(RedisConnectionError("x"), False), (NoPermissionError("x"), True)])
async def test_a_fault_is_the_stores_own(
    act: Callable[[RedisStore], Awaitable[Any]], fault: Exception, is_final: bool
) -> None:
    """With the host, the kind of fault, and whether asking again may help."""
    store = RedisStore("redis://:secret@127.0.0.1:1/0", "books", most_ns=1)
    await store.close()
    store._redis = Broken(fault)
    with pytest.raises(StoreError, match=rf"Redis at 127\.0\.0\.1: {type(fault).__name__}") as caught:
        await act(store)
    assert caught.value.is_final is is_final
    assert "secret" not in str(caught.value)
