"""The bridge where something comes at the worst moment: before a call was sent over, while it starts, after its end."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from contextvars import copy_context
from typing import Any

import pytest

from onboard360_async import Onboard360, bridge
from onboard360_async.bridge import Crossing, begin, iterate, run
from onboard360_async.errors import ConfigurationError


async def where() -> str:
    """The name of the thread that this runs on."""
    return threading.current_thread().name


async def numbers() -> AsyncGenerator[int, None]:
    """As many as are wanted."""
    for number in range(5):
        yield number


@pytest.fixture
def state(monkeypatch: pytest.MonkeyPatch) -> Iterator[bridge._State]:
    """A process that has no bridge yet; the others keep theirs."""
    fresh = bridge._State()
    monkeypatch.setattr(bridge, "_STATE", fresh)
    yield fresh
    if fresh.bridge is not None:
        fresh.bridge.end()


# --- interrupted ---


def test_interrupted_before_it_was_sent_over_nothing_runs(
    state: bridge._State, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C between the decision to call and the call: it leaves at once, and the next call is as any other."""
    run(where)
    assert state.bridge is not None
    tell = state.bridge.tell
    told: list[Callable[[], None]] = []
    ran: list[str] = []

    def interrupted(what: Callable[[], None]) -> None:
        told.append(what)
        if len(told) == 1:
            raise KeyboardInterrupt
        tell(what)

    async def call() -> None:
        ran.append("begun")

    monkeypatch.setattr(state.bridge, "tell", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(call)
    assert run(where) == "onboard360"
    assert (len(told), ran) == (3, [])


def test_interrupted_before_its_first_step_an_iteration_asks_for_nothing(
    state: bridge._State, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop is busy, and Ctrl-C comes: the generator is not even made, nor closed, and nothing hangs."""
    run(where)
    assert state.bridge is not None
    free, go_on, wait = threading.Event(), threading.Event(), Crossing._wait
    made: list[str] = []

    def interrupted(self: Crossing[Any]) -> None:
        if not free.is_set():
            free.set()  # what was told by now is looked at when the cancellation is there as well
            raise KeyboardInterrupt
        go_on.set()
        wait(self)

    def batches() -> AsyncGenerator[int, None]:
        made.append("made")
        return numbers()

    def held() -> None:
        assert go_on.wait(10)

    state.bridge.tell(held)
    monkeypatch.setattr(Crossing, "_wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        next(iterate(batches))
    assert made == []
    assert run(where) == "onboard360"


# --- started by two at once ---


def test_who_waited_for_the_start_takes_what_was_started(state: bridge._State, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the first look and the lock another thread has made the bridge: it is that one, and no other is begun."""

    def another() -> bridge._Bridge:
        raise AssertionError("there is one already")

    class Quicker:
        def __enter__(self) -> None:
            state.bridge = bridge._start()
            monkeypatch.setattr(bridge, "_start", another)

        def __exit__(self, *_: object) -> None:
            """Nothing more."""

    state.starting = Quicker()  # type: ignore[assignment]  # all that is used of a lock
    assert run(where) == "onboard360"


# --- after the end ---


def test_after_the_end_each_call_says_so(state: bridge._State) -> None:
    """No new bridge is started, and what went over before hears that it is too late."""
    run(where)
    late = Crossing(bridge._bridge(), where, copy_context())
    bridge._end_with_the_interpreter()
    for call in (late.start, lambda: run(where), lambda: begin(where), lambda: next(iterate(numbers))):
        with pytest.raises(ConfigurationError, match="interpreter is ending"):
            call()
    bridge._end_with_the_interpreter()
    assert (state.bridge, bridge.is_over()) == (None, True)


def test_the_end_closes_what_is_open_and_cancels_what_runs(state: bridge._State) -> None:
    """A call under way is told why it ended; an iteration is closed, and to leave it afterwards is no error."""
    closed: list[str] = []
    begun = threading.Event()

    async def endless() -> AsyncGenerator[int, None]:
        try:
            while True:
                yield 1
        finally:
            closed.append("closed")

    async def stuck() -> None:
        begun.set()
        await asyncio.Event().wait()

    reader = iterate(endless)
    assert next(reader) == 1
    under_way = begin(stuck)
    assert begun.wait(10)
    assert state.bridge is not None
    thread = state.bridge._thread
    bridge._end_with_the_interpreter()
    thread.join(10)
    assert not thread.is_alive()
    with pytest.raises(ConfigurationError, match="interpreter is ending"):
        under_way.result()
    reader.close()
    assert closed == ["closed"]


def test_a_handle_is_closed_after_the_end_without_complaint(state: bridge._State) -> None:
    """Its `with` block may be left then: everything is closed already, and no bridge is started for it."""
    with Onboard360("sk_test_1", base_url="http://127.0.0.1:9") as api:
        run(where)
        bridge._end_with_the_interpreter()
    api.close()
    assert state.bridge is None
