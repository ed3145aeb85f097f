"""The inbox's one thread: what waits together shares a transaction, and each is told its own outcome."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from queue import SimpleQueue
from typing import Any, cast

import pytest

from onboard360_async import settings
from onboard360_async.errors import InboxError
from onboard360_async.webhooks.factories import client_created
from onboard360_async.webhooks.store import InboxStore, NewEvent
from onboard360_async.webhooks.writer import Writer, _batch


class Store:
    """A store that counts its transactions."""

    def __init__(self) -> None:
        self.transactions = 0
        self.done: list[str] = []

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self.transactions += 1
        yield

    def note(self, name: str) -> str:
        self.done.append(name)
        return name

    def close(self) -> None:
        self.done.append("closed")


class Held:
    """A writer that is held up by its first piece of work until it is let go."""

    def __init__(self) -> None:
        self.store = Store()
        self.writer = Writer(lambda: cast("InboxStore", self.store))
        self._begun, self._free = threading.Event(), threading.Event()

    def hold(self) -> None:
        def wait(_: InboxStore) -> None:
            self._begun.set()
            assert self._free.wait(10)

        self.writer.submit(wait)
        assert self._begun.wait(10)

    def let_go(self) -> None:
        self._free.set()

    def close(self) -> None:
        self.let_go()
        self.writer.close()


@pytest.fixture
def held() -> Iterator[Held]:
    made = Held()
    yield made
    made.close()


def noting(name: str) -> Any:
    return lambda store: store.note(name)


def failing(_: InboxStore) -> None:
    raise ValueError("this one")


async def test_what_waits_together_shares_a_commit_and_a_wake(held: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred that wait on one loop wake it once; each is told its own result, a thread's too."""
    loop = asyncio.get_running_loop()
    wakes: list[object] = []
    call_soon_threadsafe = loop.call_soon_threadsafe

    def wake(*call: Any) -> object:
        wakes.append(call)
        return call_soon_threadsafe(*call)

    monkeypatch.setattr(loop, "call_soon_threadsafe", wake)
    held.hold()
    names = [str(number) for number in range(100)]
    waiting = [asyncio.create_task(held.writer.done(noting(name))) for name in names]
    await asyncio.sleep(0)  # they have begun,
    await asyncio.sleep(0)  # and were handed over
    of_a_thread = held.writer.submit(noting("of a thread"))
    held.let_go()
    assert await asyncio.gather(*waiting) == names
    assert of_a_thread.result(10) == "of a thread"
    assert held.store.done == [*names, "of a thread"]
    assert (held.store.transactions, len(wakes)) == (2, 1)


async def test_what_comes_in_one_turn_of_a_loop_is_not_torn_apart(held: Held) -> None:
    """It is handed over at the end of the turn, all of it, so that the writer does not begin with the first alone."""
    held.hold()
    waiting = [held.writer.begin(noting(name)) for name in "abc"]
    assert held.writer._jobs.qsize() == 0
    await asyncio.sleep(0)
    assert held.writer._jobs.qsize() == 3
    held.let_go()
    assert await asyncio.gather(*waiting) == ["a", "b", "c"]


async def test_what_was_begun_is_done_before_a_close(held: Held) -> None:
    """Even in the same turn of the loop, when it was not handed over yet; nothing is opened anew for it."""
    waiting = [held.writer.begin(noting(name)) for name in "abc"]
    held.writer.close()
    assert (await asyncio.gather(*waiting), held.store.done) == (["a", "b", "c"], ["a", "b", "c", "closed"])
    await asyncio.sleep(0)
    assert held.writer._thread is None


def test_those_that_are_under_way_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """One of three is there: it waits a moment for the others. One alone is never kept waiting, nor is the end."""
    queue: SimpleQueue[Any] = SimpleQueue()
    naps: list[float] = []

    def sleep(seconds: float) -> None:
        naps.append(seconds)
        queue.put("second")
        queue.put("third")

    monkeypatch.setattr("onboard360_async.webhooks.writer.time.sleep", sleep)
    queue.put("first")
    assert [str(job) for job in _batch(queue, 3)] == ["first", "second", "third"]
    assert naps == [2 * settings.INBOX_GATHER_S]
    queue.put("first")
    assert [str(job) for job in _batch(queue, 1)] == ["first"]
    queue.put(None)
    assert _batch(queue, 3) == [None]
    assert len(naps) == 1


def test_however_many_are_under_way_the_wait_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends before a sender would feel it, and whoever came by then is taken along."""
    queue: SimpleQueue[Any] = SimpleQueue()
    naps: list[float] = []
    monkeypatch.setattr("onboard360_async.webhooks.writer.time.sleep", naps.append)
    queue.put("first")
    assert [str(job) for job in _batch(queue, 10_000)] == ["first"]
    assert naps == [settings.INBOX_GATHER_MOST_S]


@pytest.fixture
def expected(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many the writer expects, each time it comes round; it waits for none of them."""
    counts: list[int] = []

    def batch(queue: Any, count: int) -> Any:
        counts.append(count)
        return _batch(queue, 0)

    monkeypatch.setattr("onboard360_async.webhooks.writer._batch", batch)
    return counts


def test_who_came_during_a_commit_is_under_way_too(held: Held, expected: list[int]) -> None:
    """Else the senders fall into two halves, each of which commits while the other is on its way."""
    held.hold()
    waiting = [held.writer.submit(noting(name)) for name in "ab"]
    held.let_go()
    assert [future.result(10) for future in waiting] == ["a", "b"]
    held.close()
    assert expected == [0, 1 + 2, 2]


def test_who_is_back_as_soon_as_it_is_told_is_counted_once(held: Held, expected: list[int]) -> None:
    """Else the writer would wait for twice as many as there are."""
    held.hold()
    again: SimpleQueue[Any] = SimpleQueue()
    first = held.writer.submit(noting("first"))
    first.add_done_callback(lambda _: again.put(held.writer.submit(noting("again"))))
    held.let_go()
    assert again.get(timeout=10).result(10) == "again"
    held.close()
    assert expected[:3] == [0, 1 + 1, 1]


async def test_one_that_fails_takes_no_other_with_it(held: Held) -> None:
    """Each is done again by itself then, and its error is told to it alone."""
    held.hold()
    waiting = [asyncio.create_task(held.writer.done(work)) for work in (noting("a"), failing, noting("b"))]
    await asyncio.sleep(0)
    held.let_go()
    first, error, last = await asyncio.gather(*waiting, return_exceptions=True)
    assert (first, last, str(error)) == ("a", "b", "this one")


async def test_what_nobody_waits_for_any_longer_is_not_begun(held: Held) -> None:
    """Cancelled while it still waited: on a loop, and by a thread."""
    held.hold()
    task = asyncio.create_task(held.writer.done(noting("cancelled")))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert held.writer.submit(noting("cancelled")).cancel()
    held.let_go()
    assert await held.writer.done(noting("next")) == "next"
    assert held.store.done == ["next"]


async def test_what_was_begun_is_done_though_nobody_waits(held: Held) -> None:
    """And the writer goes on."""
    begun, free = threading.Event(), threading.Event()

    def slow(store: Any) -> str:
        begun.set()
        assert free.wait(10)
        return cast("str", store.note("slow"))

    task = asyncio.create_task(held.writer.done(slow))
    await asyncio.to_thread(begun.wait, 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    free.set()
    assert await held.writer.done(noting("next")) == "next"
    assert held.store.done == ["slow", "next"]


def test_a_loop_that_has_ended_is_told_nothing(held: Held) -> None:
    """Its work is done all the same, and the writer goes on for others."""

    async def leave() -> None:
        held.hold()
        held.writer.begin(noting("left behind"))

    loop = asyncio.new_event_loop()
    loop.run_until_complete(leave())
    loop.close()
    held.let_go()
    assert held.writer.submit(noting("next")).result(10) == "next"
    assert held.store.done == ["left behind", "next"]


def test_a_thread_that_cannot_be_started_is_told_and_tried_again(held: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process with too many threads for a moment: an InboxError each time, not a silence for ever."""
    with monkeypatch.context() as patch:

        def refuse(self: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        patch.setattr(threading.Thread, "start", refuse)
        for _ in range(2):
            with pytest.raises(InboxError, match="thread"):
                held.writer.submit(noting("first"))
        held.writer.close()
    assert held.writer.submit(noting("next")).result(10) == "next"


def test_a_store_that_does_not_begin_is_waited_for_once(held: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    """All who wait together are told at once, where each alone would have to wait for the same lock again."""
    tried: list[int] = []

    def locked() -> AbstractContextManager[None]:
        tried.append(1)
        raise InboxError("The database is locked.")

    held.hold()
    monkeypatch.setattr(held.store, "transaction", locked)
    waiting = [held.writer.submit(noting(str(number))) for number in range(20)]
    held.let_go()
    for future in waiting:
        with pytest.raises(InboxError, match="locked"):
            future.result(10)
    assert len(tried) == 1


def test_what_became_of_an_event_is_taken_however_much_waits(held: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bound is for new events: else a flood of them would have others handled twice."""
    monkeypatch.setattr(settings, "INBOX_MOST_WAITING", 0)
    assert held.writer.submit(noting("settled")).result(10) == "settled"
    with pytest.raises(InboxError, match="Too many"):
        held.writer.submit(NewEvent.of(client_created(), "id"))
