"""An inbox's worker: at least once, in order for each client, again when that failed, and none held back for nobody."""

import asyncio
import logging
import threading
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest

from onboard360_async import errors, settings
from onboard360_async.webhooks import ClientCreated, Event, Inbox, Router
from onboard360_async.webhooks.factories import client_completed
from onboard360_async.webhooks.sqlite_store import SqliteStore
from onboard360_async.webhooks.store import Counts, Kept
from onboard360_async.webhooks.worker import Worker, backoff_s
from tests.webhooks.hands import Seen, Turned, created


@pytest.fixture
def clock() -> Turned:
    return Turned()


class Faulty(SqliteStore):
    """A store of which some methods fail: once if the disk was away, always if that is a fault of ours."""

    def __init__(self, path: Path, **failures: Exception) -> None:
        super().__init__(path)
        self.failures = failures

    def _fail(self, name: str) -> None:
        error = self.failures.get(name)
        if error is not None:
            if isinstance(error, errors.InboxError):  # which passes
                del self.failures[name]
            raise error

    def lease(self, **asked: Any) -> list[Kept]:
        self._fail("lease")
        return super().lease(**asked)

    def renew(self, seqs: Collection[int], lease: str, until: float) -> None:
        self._fail("renew")
        super().renew(seqs, lease, until)

    def settle(self, seq: int, lease: str, **noted: Any) -> bool:
        self._fail("settle" if "settle" in self.failures else f"settle {seq}")
        return super().settle(seq, lease, **noted)


async def test_what_fails_is_tried_again_later_and_given_up_in_the_end(tmp_path: Path, clock: Turned) -> None:
    """After a growing time with jitter, so often; then it is a dead letter, which a replay brings back."""
    seen = Seen(failures=3)
    inbox = Inbox(tmp_path / "inbox.db", seen, clock=clock, max_attempts=3)
    await inbox.receive(created(1))
    for attempt in (1, 2, 3):
        assert await inbox.work() == 1
        assert await inbox.work() == 0  # not at once
        clock.now += backoff_s(attempt, jitter=1.0)
    assert await inbox.counts() == Counts(dead=1)
    (letter,) = await inbox.dead_letters()
    assert (letter.attempts, letter.event().data.subject) == (3, "c1")
    assert letter.error == "tests.webhooks.hands.Seen: ValueError"
    assert await inbox.replay(dead_letters=True) == 1
    assert await inbox.work() == 1
    assert await inbox.counts() == Counts(done=1)
    assert seen.ids == ["c1"] * 4
    inbox.close()


async def test_why_a_handler_failed_is_told_if_it_says_so_for_that(tmp_path: Path) -> None:
    """By the reason of a WebhookError; any other error's text may name people, so its kind has to do."""
    for error, told in (
        (errors.WebhookError("the CRM is down"), "the CRM is down"),
        (KeyError("ada@x.de"), "KeyError"),
    ):

        def fail(_: Event, error: Exception = error) -> None:
            raise error

        router = Router()
        router.on("*", name="crm")(fail)
        inbox = Inbox(tmp_path / f"{told}.db", router, max_attempts=1)
        await inbox.receive(created(1))
        await inbox.work()
        (letter,) = await inbox.dead_letters()
        assert letter.error == f"crm: {told}"
        inbox.close()


async def test_an_event_that_ends_its_process_is_given_up_too(tmp_path: Path, clock: Turned) -> None:
    """What was begun so often and never settled is a dead letter, and is not begun again: no crash without an end."""
    inbox = Inbox(tmp_path / "inbox.db", seen := Seen(), clock=clock, max_attempts=3)
    await inbox.receive(created(1))
    for _ in range(3):  # as three workers that died
        await inbox._writer.done(lambda store: store.lease(now=clock(), until=clock() + 60.0, lease="dead", most=1))
        clock.now += 60
    await inbox.work()
    assert (seen.ids, await inbox.counts()) == ([], Counts(dead=1))
    (letter,) = await inbox.dead_letters()
    assert letter.error == "It was begun too often and never ended."
    inbox.close()


def test_the_wait_doubles_up_to_an_hour_and_half_of_it_is_jitter() -> None:
    """From a second on; whatever the number of attempts."""
    assert [backoff_s(attempts, jitter=1.0) for attempts in (1, 2, 3)] == [1.0, 2.0, 4.0]
    assert [backoff_s(attempts, jitter=0.0) for attempts in (1, 2, 3)] == [0.5, 1.0, 2.0]
    assert backoff_s(10_000, jitter=1.0) == settings.INBOX_BACKOFF_MOST_S


async def test_a_handler_that_is_done_is_not_called_again(tmp_path: Path, clock: Turned) -> None:
    """Where one of two fails, only that one sees the event again: nobody is mailed twice because a CRM was down."""
    router = Router()
    calls: list[str] = []

    @router.on("client.created")
    async def mail(event: ClientCreated) -> None:
        calls.append("mail")

    @router.on("client.*")
    def crm(event: Event) -> None:
        calls.append("crm")
        if calls.count("crm") < 3:
            raise OSError

    inbox = Inbox(tmp_path / "inbox.db", router, clock=clock)
    await inbox.receive(created(1))
    for _ in range(4):
        await inbox.work()
        clock.now += 100
    assert calls == ["mail", "crm", "crm", "crm"]
    assert await inbox.counts() == Counts(done=1)
    inbox.close()


async def test_the_events_of_a_client_are_handled_in_their_order(tmp_path: Path, clock: Turned) -> None:
    """One after another, also when the first has to be tried again; other clients do not wait for them."""
    order: list[str] = []
    under_way: set[str | None] = set()

    async def handle(event: Event) -> None:
        subject = event.data.subject
        assert subject not in under_way
        under_way.add(subject)
        await asyncio.sleep(0)
        under_way.discard(subject)
        order.append(f"{subject} {event.name}")
        if order == ["c1 client.created"]:
            raise OSError

    inbox = Inbox(tmp_path / "inbox.db", handle, clock=clock)
    for event in (created(1), client_completed(client_id="c1"), created(2)):
        await inbox.receive(event)
    await inbox.work()
    assert order == ["c1 client.created", "c2 client.created"]
    clock.now += 10
    await inbox.work()
    assert order[2:] == ["c1 client.created", "c1 client.completed"]
    inbox.close()


async def test_a_running_inbox_handles_what_comes(tmp_path: Path) -> None:
    """Woken by the event, not by the clock; what is under way when it stops is ended first."""
    begun, go = asyncio.Event(), asyncio.Event()
    done: list[str | None] = []

    async def handle(event: Event) -> None:
        begun.set()
        await go.wait()
        done.append(event.data.subject)

    inbox = Inbox(tmp_path / "inbox.db", handle)
    async with inbox.running() as running:
        assert running is inbox
        await asyncio.sleep(0)
        await inbox.receive(created(1))
        await begun.wait()
        go.set()
    assert done == ["c1"]
    assert await inbox.counts() == Counts(done=1)
    inbox.close()


async def test_what_takes_too_long_to_stop_gives_its_lease_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A handler that does not end is cancelled, and the event is due again at once: the next worker need not wait."""
    monkeypatch.setattr(settings, "INBOX_GRACE_S", 0.0)
    begun = asyncio.Event()

    async def handle(event: Event) -> None:
        begun.set()
        await asyncio.Event().wait()

    async with (inbox := Inbox(tmp_path / "inbox.db", handle)).running():
        await inbox.receive(created(1))
        await begun.wait()
    seen = Seen()
    again = Inbox(tmp_path / "inbox.db", seen)
    assert await again.work() == 1
    assert seen.ids == ["c1"]
    again.close()


async def test_stopping_at_the_moment_of_an_arrival(tmp_path: Path) -> None:
    """It ends, and what it had just leased is handled or free again: nobody waits for a lease of nobody's."""
    inbox = Inbox(tmp_path / "inbox.db", seen := Seen())
    for number in range(50):
        async with inbox.running():
            await inbox.receive(created(number))
            for _ in range(number % 5):
                await asyncio.sleep(0)
    await inbox.work()
    assert sorted(map(str, seen.ids)) == sorted(f"c{number}" for number in range(50))
    inbox.close()


async def test_a_long_handler_keeps_its_lease(tmp_path: Path, clock: Turned) -> None:
    """It is prolonged while the handler works; without that, another worker would take the event too."""
    begun, go = asyncio.Event(), asyncio.Event()

    async def handle(event: Event) -> None:
        begun.set()
        await go.wait()

    inbox = Inbox(tmp_path / "inbox.db", handle, clock=clock, lease_s=60.0)
    other = Inbox(tmp_path / "inbox.db", seen := Seen(), clock=clock)
    await inbox.receive(created(1))
    worker = inbox._worker()
    working = asyncio.create_task(worker.drain())
    await begun.wait()
    for _ in range(3):
        clock.now += 59
        await worker.renew()
        assert await other.work() == 0
    go.set()
    assert await working == 1
    assert seen.ids == []
    inbox.close()
    other.close()


async def test_a_worker_that_lost_its_lease_changes_nothing(
    tmp_path: Path, clock: Turned, caplog: pytest.LogCaptureFixture
) -> None:
    """Another one has taken the event meanwhile: at least once, and it is said in the log."""
    begun, go = asyncio.Event(), asyncio.Event()

    async def handle(event: Event) -> None:
        begun.set()
        await go.wait()
        raise OSError

    inbox = Inbox(tmp_path / "inbox.db", handle, clock=clock)
    other = Inbox(tmp_path / "inbox.db", Seen(), clock=clock)
    await inbox.receive(created(1))
    working = asyncio.create_task(inbox.work())
    await begun.wait()
    clock.now += settings.INBOX_LEASE_S
    assert await other.work() == 1
    go.set()
    await working
    assert await other.counts() == Counts(done=1)
    assert "longer than its lease" in caplog.text
    inbox.close()
    other.close()


async def test_no_log_names_anybody(tmp_path: Path, clock: Turned, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever a handler's error quotes: no email, link, or secret, at any level."""
    caplog.set_level(logging.DEBUG)
    inbox = Inbox(tmp_path / "inbox.db", Seen(failures=9), clock=clock, max_attempts=1)
    event = created(1)
    await inbox.receive(event)
    await inbox.work()
    (letter,) = await inbox.dead_letters()
    told = f"{caplog.text} {letter!r} {letter.error}"
    assert "dead letter" in caplog.text
    assert not [word for word in ("p1@x.de", "abc123xyz789", "Acme", "John", "sha256=") if word in told]
    inbox.close()


async def test_no_more_are_handled_at_once_than_was_said(tmp_path: Path) -> None:
    """One after another with concurrency=1, and all of them in the end."""
    under_way: list[int] = []
    most: list[int] = []
    done = asyncio.Event()

    async def handle(event: Event) -> None:
        under_way.append(1)
        most.append(len(under_way))
        await inbox.counts()  # others could begin meanwhile
        under_way.pop()
        if len(most) == 5:
            done.set()

    inbox = Inbox(tmp_path / "inbox.db", handle, concurrency=1)
    for number in range(5):
        await inbox.receive(created(number))
    async with inbox.running():
        await done.wait()
    assert most == [1] * 5
    inbox.close()


async def test_a_worker_that_is_cancelled_does_not_wait(tmp_path: Path) -> None:
    """As when its loop ends: handlers are cancelled at once, and their events are free again."""
    begun = asyncio.Event()

    async def hang(event: Event) -> None:
        begun.set()
        await asyncio.Event().wait()

    inbox = Inbox(tmp_path / "inbox.db", hang)
    await inbox.receive(created(1))
    running = asyncio.create_task(inbox._worker().run())
    await begun.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    inbox.close()
    again = Inbox(tmp_path / "inbox.db", seen := Seen())
    assert (await again.work(), seen.ids) == (1, ["c1"])
    again.close()


async def test_a_store_that_fails_for_a_while_stops_no_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It says so in the log, and goes on when the store does."""
    monkeypatch.setattr(settings, "INBOX_POLL_S", 0.0)
    done = asyncio.Event()

    async def handle(event: Event) -> None:
        done.set()

    fault = errors.InboxError("The disk is away.")
    inbox = Inbox(lambda: Faulty(tmp_path / "inbox.db", lease=fault), handle)
    await inbox.receive(created(1))
    async with inbox.running():
        await done.wait()
    assert await inbox.counts() == Counts(done=1)
    assert "inbox cannot be read: The disk is away." in caplog.text
    inbox.close()


async def test_leases_are_prolonged_again_and_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """While the handler works, also after a time when the store failed: nobody else is given the event."""
    renewed = asyncio.Event()
    loop = asyncio.get_running_loop()

    class Watched(Faulty):
        def renew(self, seqs: Collection[int], lease: str, until: float) -> None:
            super().renew(seqs, lease, until)
            loop.call_soon_threadsafe(renewed.set)

    async def handle(event: Event) -> None:
        await renewed.wait()

    fault = errors.InboxError("The disk is away.")
    inbox = Inbox(lambda: Watched(tmp_path / "inbox.db", renew=fault), handle, lease_s=0.03)
    await inbox.receive(created(1))
    async with inbox.running():
        await renewed.wait()
    assert await inbox.counts() == Counts(done=1)
    assert "leases were not prolonged: The disk is away." in caplog.text
    inbox.close()


async def test_what_became_of_an_event_is_noted_as_soon_as_it_can_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that fails for a moment makes no handler run twice."""
    monkeypatch.setattr(settings, "INBOX_POLL_S", 0.0)
    fault = errors.InboxError("The disk is away.")
    inbox = Inbox(lambda: Faulty(tmp_path / "inbox.db", settle=fault), seen := Seen())
    await inbox.receive(created(1))
    await inbox.work()
    assert (seen.ids, await inbox.counts()) == (["c1"], Counts(done=1))
    inbox.close()


async def test_what_cannot_be_noted_for_as_long_as_a_lease_is_handled_again(
    tmp_path: Path, clock: Turned, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """At least once, and it is said in the log; no worker hangs on a disk that does not come back."""
    monkeypatch.setattr(settings, "INBOX_POLL_S", 0.0)
    faults = {"settle": errors.ConfigurationError("The disk is away.")}
    inbox = Inbox(lambda: Faulty(tmp_path / "inbox.db", **faults), seen := Seen(), clock=clock, lease_s=0.02)
    await inbox.receive(created(1))
    await inbox.work()
    assert "will be handled again: The disk is away." in caplog.text
    inbox.close()
    faults.clear()
    clock.now += 60
    await inbox.work()
    assert (seen.ids, await inbox.counts()) == (["c1", "c1"], Counts(done=1))
    inbox.close()


async def test_a_fault_of_our_own_is_in_the_log_and_stops_nobody(
    tmp_path: Path, clock: Turned, caplog: pytest.LogCaptureFixture
) -> None:
    """A store that breaks its promise, say: by its kind alone, and the other events go on."""
    broken = {"settle 1": ValueError("zoe@x.de")}
    inbox = Inbox(lambda: Faulty(tmp_path / "inbox.db", **broken), Seen(), clock=clock)
    for number in range(3):
        await inbox.receive(created(number))
    await inbox.work()
    assert (await inbox.counts()).done == 2
    assert "worker failed: ValueError" in caplog.text
    assert "zoe@x.de" not in caplog.text
    inbox.close()


async def test_an_event_that_can_no_longer_be_read_is_a_dead_letter(tmp_path: Path) -> None:
    """A byte that fell over on the disk: it is given up, and the others go on."""
    store = SqliteStore(tmp_path / "inbox.db")
    inbox = Inbox(tmp_path / "inbox.db", seen := Seen(), max_attempts=1)
    for number in range(2):
        await inbox.receive(created(number))
    store.db.execute("UPDATE events SET body = x'ff' WHERE seq = 1")
    await inbox.work()
    (letter,) = store.select(state="dead", most=9)
    assert (letter.error, seen.ids) == ("The stored event cannot be read.", ["c1"])
    store.close()
    inbox.close()


async def test_a_block_that_was_never_entered_is_left_in_peace(tmp_path: Path) -> None:
    """Asynchronously, blocking, and twice: nothing to stop is no error."""
    running = Inbox(tmp_path / "inbox.db", Seen()).running()
    await running.__aexit__(None, None, None)
    running.__exit__(None, None, None)


async def test_what_is_under_way_is_not_begun_again_by_the_same_worker(tmp_path: Path, clock: Turned) -> None:
    """Its lease ended, as when a clock jumps: it goes on under the new one, and is noted once."""
    begun, other, go = asyncio.Event(), asyncio.Event(), asyncio.Event()
    calls: list[str | None] = []

    async def handle(event: Event) -> None:
        calls.append(event.data.subject)
        (begun if event.data.subject == "c1" else other).set()
        if event.data.subject == "c1":
            await go.wait()

    inbox = Inbox(tmp_path / "inbox.db", handle, clock=clock)
    async with inbox.running():
        await inbox.receive(created(1))
        await begun.wait()
        clock.now += 61
        await inbox.receive(created(2))
        await other.wait()
        go.set()
    assert (calls, await inbox.counts()) == (["c1", "c2"], Counts(done=2))
    inbox.close()


async def test_work_that_is_cancelled_while_it_leases_holds_nobody_up(tmp_path: Path) -> None:
    """What was leased for nobody is given back, and that is no attempt."""
    inbox = Inbox(tmp_path / "inbox.db", seen := Seen())
    await inbox.receive(created(1))
    for turns in range(6):
        working = asyncio.create_task(inbox.work())
        for _ in range(turns):
            await asyncio.sleep(0)
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        await inbox.counts()
    assert await inbox.work() + len(seen.ids) >= 1
    assert seen.ids[0] == "c1"
    assert (await inbox.counts()).done == 1
    inbox.close()


@pytest.mark.parametrize(
    ("error", "plain"),  # GeneratorExit is what Python itself tells a coroutine that is closed
    [*((each, True) for each in (SystemExit, KeyboardInterrupt, StopIteration, GeneratorExit))]
    + [(each, False) for each in (SystemExit, KeyboardInterrupt, StopIteration)],
)
async def test_a_handler_that_would_end_the_process_only_fails(
    tmp_path: Path, error: type[BaseException], plain: bool
) -> None:
    """As others do: what comes after it is handled, and it is tried again."""

    def end(event: Event) -> None:
        if event.data.subject == "c1":
            raise error

    async def end_on_the_loop(event: Event) -> None:
        end(event)

    inbox = Inbox(tmp_path / "inbox.db", end if plain else end_on_the_loop)
    for number in (1, 2):
        await inbox.receive(created(number))
    await inbox.work()
    assert await inbox.counts() == Counts(waiting=1, done=1)
    inbox.close()


async def test_a_function_that_outlives_the_stop_keeps_its_lease(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody can stop a thread: no other worker begins beside it, and who leaves the block does not wait for it."""
    monkeypatch.setattr(settings, "INBOX_GRACE_S", 0.0)
    begun, go = threading.Event(), threading.Event()

    def handle(event: Event) -> None:
        begun.set()
        assert go.wait(10)

    inbox = Inbox(tmp_path / "inbox.db", handle)
    async with inbox.running():
        await inbox.receive(created(1))
        await asyncio.to_thread(begun.wait)
    other = Inbox(tmp_path / "inbox.db", seen := Seen())
    assert (await other.work(), seen.ids) == (0, [])
    go.set()
    other.close()


async def test_an_event_that_is_stored_by_others_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process wakes nobody here: the worker looks from time to time."""
    monkeypatch.setattr(settings, "INBOX_POLL_S", 0.001)
    done = asyncio.Event()

    async def handle(event: Event) -> None:
        done.set()

    inbox, other = Inbox(tmp_path / "inbox.db", handle), Inbox(tmp_path / "inbox.db")
    async with inbox.running():
        await asyncio.sleep(0)
        await other.receive(created(1))
        await done.wait()
    other.close()


async def test_a_late_second_delivery_changes_nothing(tmp_path: Path) -> None:
    """Of an event that was handled: it is told from the first, and not handled again."""
    inbox = Inbox(tmp_path / "inbox.db", seen := Seen())
    assert await inbox.receive(created(1)) is True
    await inbox.work()
    assert await inbox.receive(created(1)) is False
    assert (await inbox.work(), seen.ids) == (0, ["c1"])
    inbox.close()


async def test_keep_and_replay_wake_a_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not wait for its next look."""
    monkeypatch.setattr(settings, "INBOX_POLL_S", 3600.0)
    handled: asyncio.Queue[str] = asyncio.Queue()

    async def handle(event: Event) -> None:
        await handled.put(event.id)

    inbox = Inbox(tmp_path / "inbox.db", handle)
    async with inbox.running():
        await inbox.counts()
        assert await asyncio.to_thread(inbox.keep, created(1))
        id_ = await handled.get()
        while not (await inbox.counts()).done:  # noqa: ASYNC110 - noted a moment after it was handled
            await asyncio.sleep(0)
        await inbox.replay(id_)
        assert await handled.get() == id_


def test_a_worker_in_a_thread_that_failed_says_so(tmp_path: Path) -> None:
    """When its block is left, at the latest."""
    running = Inbox(tmp_path / "inbox.db", Seen()).running()
    with pytest.raises(ValueError, match="as if"), running:
        running._failed = ValueError("as if")


async def test_a_lease_that_failed_after_its_worker_was_cancelled_is_nobodys(tmp_path: Path) -> None:
    """There is nothing to be given back then."""
    stores: list[Faulty] = []

    def opened() -> Faulty:
        stores.append(Faulty(tmp_path / "inbox.db", lease=ValueError("a fault of ours")))
        return stores[0]

    inbox = Inbox(opened, seen := Seen())
    await inbox.receive(created(1))
    working = asyncio.create_task(inbox.work())
    await asyncio.sleep(0)
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    await inbox.counts()
    stores[0].failures.clear()
    assert (await inbox.work(), seen.ids) == (1, ["c1"])
    inbox.close()


async def test_a_forked_child_wakes_no_worker_of_its_parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop that it has a copy of runs elsewhere, and would only pile up what it is told."""
    worker = Inbox(tmp_path / "inbox.db", Seen())._worker()
    monkeypatch.setattr("onboard360_async.webhooks.worker.os.getpid", lambda: -1)
    worker.wake()
    await asyncio.sleep(0)
    assert not worker._wake.is_set()


async def test_what_was_taken_again_in_the_very_moment_of_its_end_is_noted(tmp_path: Path) -> None:
    """Its lease had ended, and the worker's own next look came before the note: it is noted under the new lease."""
    workers: list[Worker] = []

    class Again(SqliteStore):
        def settle(self, seq: int, lease: str, **noted: Any) -> bool:
            if lease != "again":
                self.db.execute("UPDATE events SET lease = 'again'")
                workers[0]._leases[seq] = "again"
            return super().settle(seq, lease, **noted)

    inbox = Inbox(lambda: Again(tmp_path / "inbox.db"), seen := Seen())
    await inbox.receive(created(1))
    workers.append(inbox._worker())
    await workers[0].drain()
    assert (seen.ids, await inbox.counts()) == (["c1"], Counts(done=1))
    inbox.close()


@pytest.mark.parametrize(("dice", "wait_s"), [(0.0, 0.5), (1.0, 1.0)])
async def test_the_wait_is_thrown_with_dice(
    tmp_path: Path, clock: Turned, monkeypatch: pytest.MonkeyPatch, dice: float, wait_s: float
) -> None:
    """So that a hundred events that failed together do not come again together."""
    monkeypatch.setattr("onboard360_async.webhooks.worker.random.random", lambda: dice)
    inbox = Inbox(tmp_path / "inbox.db", Seen(failures=1), clock=clock)
    await inbox.receive(created(1))
    await inbox.work()
    clock.now += wait_s - 0.01
    assert await inbox.work() == 0
    clock.now += 0.01
    assert await inbox.work() == 1
    inbox.close()


async def test_handlers_have_some_seconds_to_end(tmp_path: Path) -> None:
    """A block that is left waits for what is under way: it is neither cancelled nor begun again."""
    begun, go = asyncio.Event(), asyncio.Event()
    ended: list[str] = []

    async def handle(event: Event) -> None:
        begun.set()
        await go.wait()
        for _ in range(20):
            await inbox.counts()
        ended.append("ended")

    inbox = Inbox(tmp_path / "inbox.db", handle)
    async with inbox.running():
        await inbox.receive(created(1))
        await begun.wait()
        asyncio.get_running_loop().call_soon(go.set)
    assert (ended, await inbox.counts()) == (["ended"], Counts(done=1))
    inbox.close()


async def test_what_is_being_noted_is_noted_though_we_are_cancelled(tmp_path: Path) -> None:
    """The handler is done: its event is not handled again because of the very moment of the stop."""
    noting, go = threading.Event(), threading.Event()

    class Slow(SqliteStore):
        def settle(self, seq: int, lease: str, **noted: Any) -> bool:
            noting.set()
            assert go.wait(10)
            return super().settle(seq, lease, **noted)

    inbox = Inbox(lambda: Slow(tmp_path / "inbox.db"), seen := Seen())
    await inbox.receive(created(1))
    working = asyncio.create_task(inbox.work())
    await asyncio.to_thread(noting.wait, 10)
    working.cancel()
    await asyncio.sleep(0)
    go.set()
    await asyncio.gather(working, return_exceptions=True)
    assert (seen.ids, await inbox.counts()) == (["c1"], Counts(done=1))
    inbox.close()
