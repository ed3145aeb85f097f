"""What every store of an inbox must do, whatever database is behind it.

A store runs it as it stands: subclass `StoreSuite`, and say by a fixture `opened` how it is opened on one and the same
place again and again (see test_sqlite_store.py).
"""

from collections.abc import Callable, Iterator

import pytest
from attrs import evolve

from onboard360_async.errors import WebhookError
from onboard360_async.webhooks.factories import client_created
from onboard360_async.webhooks.store import Counts, InboxStore, Kept, NewEvent

Opened = Callable[[], InboxStore]


def new(number: int = 0, *, at: float = 100.0, subject: str | None = "", name: str = "") -> NewEvent:
    """An event of its own, about a client of its own unless `subject` names one."""
    event = client_created(client_id=f"c{number}", email=f"P{number}@Example.com", timestamp="2024-01-15T09:00:00Z")
    made = evolve(NewEvent.of(event, "id"), received_at=at, subject=f"c{number}" if subject == "" else subject)
    return evolve(made, name=name) if name else made


def add(store: InboxStore, event: NewEvent) -> bool:
    """Keep one event."""
    (kept,) = store.add([event])
    return kept


def lease_one(store: InboxStore, *, now: float = 100.0, until: float = 160.0, lease: str = "a") -> Kept:
    with store.transaction():
        (kept,) = store.lease(now=now, until=until, lease=lease, most=1)
    return kept


def end(store: InboxStore, kept: Kept, state: str = "done") -> bool:
    with store.transaction():
        return store.settle(
            kept.seq, str(kept.lease), state=state, due_at=200.0, attempts=1, handled=["h"], error="x: E"  # type: ignore[arg-type]  # as short as it reads
        )  # fmt: skip


class StoreSuite:
    """The promises of `InboxStore`."""

    @pytest.fixture
    def opened(self) -> Opened:
        """Opens the store; every time on the same place."""
        raise NotImplementedError

    @pytest.fixture
    def store(self, opened: Opened) -> Iterator[InboxStore]:
        """One that is closed in the end."""
        store = opened()
        yield store
        store.close()

    def test_an_event_is_kept_once(self, store: InboxStore) -> None:
        """By its key alone: the second is told from the first, in one transaction and in the next."""
        with store.transaction():
            assert store.add([new(1), new(1), new(2)]) == [True, False, True]
            assert store.add([]) == []
            assert store.add([new(number) for number in range(1, 300)]) == [False, False, *([True] * 297)]
        with store.transaction():
            assert not add(store, new(1, at=300.0))
            assert store.counts() == Counts(waiting=299)

    def test_what_was_kept_comes_back_as_it_was(self, store: InboxStore) -> None:
        """Body, form, headers, time: the event that is read from it equals the one that was received."""
        event = client_created(first_name="Zoë \ud800", extra_field=[1, None], email="a@x.de")
        with store.transaction():
            add(store, NewEvent.of(event, "id"))
        kept = lease_one(store, now=event.received_at.timestamp())
        assert kept.event() == event
        assert kept.event().body == event.body
        assert (kept.state, kept.attempts, kept.handled, kept.error) == ("waiting", 1, (), None)

    def test_a_name_that_is_half_a_character_is_kept(self, store: InboxStore) -> None:
        """A lone surrogate in what a sender calls the event, its client or their email breaks nothing."""
        odd = evolve(new(1), name="client.\ud800", subject="\udfff", email_key="\ud800@x.de")
        with store.transaction():
            assert add(store, odd)
            (found,) = store.select(email_key="\ud800@x.de", most=9)
        assert found.body == odd.body

    def test_a_transaction_that_fails_keeps_nothing(self, store: InboxStore) -> None:
        """All or nothing, also what came before the failure."""
        with pytest.raises(ZeroDivisionError), store.transaction():
            raise ZeroDivisionError(add(store, new(1)))
        with store.transaction():
            assert store.counts() == Counts()
            assert add(store, new(1))

    def test_a_leased_event_is_nobody_elses(self, store: InboxStore) -> None:
        """Until its lease has ended; in the order of arrival, and no more than were asked for."""
        with store.transaction():
            for number in (1, 2, 3):
                add(store, new(number))
            first = store.lease(now=103.0, until=160.0, lease="a", most=2)
            rest = store.lease(now=103.0, until=160.0, lease="b", most=9)
            assert [kept.subject for kept in (*first, *rest)] == ["c1", "c2", "c3"]
            assert {kept.lease for kept in first} == {"a"}
            assert store.lease(now=159.9, until=220.0, lease="c", most=9) == []
            again = store.lease(now=160.0, until=220.0, lease="c", most=9)
            assert [kept.attempts for kept in again] == [2, 2, 2]  # an attempt that nobody settled is counted

    def test_a_clock_that_was_wrong_holds_nobody_up(self, store: InboxStore) -> None:
        """What was received, leased or to be tried again by a clock a year ahead is due when that is set right."""
        year = 365 * 86_400.0
        with store.transaction():
            for number in (1, 2, 3):
                add(store, new(number, at=100.0 + year))
        kept = lease_one(store, now=100.0 + year, until=160.0 + year)
        with store.transaction():
            store.settle(
                kept.seq, "a", state="waiting", due_at=200.0 + year, attempts=1, handled=[], error="x"
            )  # fmt: skip
        lease_one(store, now=100.0 + year, until=160.0 + year, lease="b")
        with store.transaction():
            assert len(store.lease(now=100.0, until=160.0, lease="c", most=9)) == 3

    def test_a_lease_is_prolonged_only_by_its_holder(self, store: InboxStore) -> None:
        """Whoever lost it prolongs nothing, and the others do not wait for him."""
        with store.transaction():
            add(store, new(1))
        kept = lease_one(store)
        with store.transaction():
            store.renew([kept.seq], "somebody", 900.0)
            assert len(store.lease(now=160.0, until=220.0, lease="b", most=1)) == 1
            store.renew([kept.seq], "a", 900.0)
            assert len(store.lease(now=220.0, until=280.0, lease="c", most=1)) == 1
            store.renew([kept.seq], "c", 900.0)
            assert store.lease(now=899.0, until=999.0, lease="d", most=1) == []

    def test_only_the_holder_settles(self, store: InboxStore) -> None:
        """A worker that came too late changes nothing of what the next one does."""
        with store.transaction():
            add(store, new(1))
        late = lease_one(store)
        kept = lease_one(store, now=160.0, until=220.0, lease="b")
        assert not end(store, late, "dead")
        assert end(store, kept)
        assert not end(store, kept)
        with store.transaction():
            assert store.counts() == Counts(done=1)

    def test_what_failed_waits_for_its_time(self, store: InboxStore) -> None:
        """With what is known of it: how often, which handlers are done, what failed."""
        with store.transaction():
            add(store, new(1))
        assert end(store, lease_one(store), "waiting")
        with store.transaction():
            assert store.lease(now=199.9, until=260.0, lease="b", most=1) == []
        kept = lease_one(store, now=200.0, until=260.0, lease="b")
        assert (kept.attempts, kept.handled, kept.error) == (2, ("h",), "x: E")

    def test_the_events_of_a_client_come_one_after_another(self, store: InboxStore) -> None:
        """In the order of arrival: the next waits while one is leased or to be tried again, not when it has ended."""
        with store.transaction():
            for number in range(3):
                add(store, new(number, subject="one"))
            add(store, new(9, subject="other"))
            add(store, new(10, subject=None))
            add(store, new(11, subject=None))
            taken = store.lease(now=100.0, until=160.0, lease="a", most=9)
            assert [kept.subject for kept in taken] == ["one", "other", None, None]
        first, *others = taken
        assert end(store, first, "waiting")
        assert all(end(store, other) for other in others)
        with store.transaction():
            assert store.lease(now=150.0, until=210.0, lease="b", most=9) == []
        for state in ("dead", "done"):
            kept = lease_one(store, now=500.0, until=900.0, lease=state)
            assert end(store, kept, state)
        with store.transaction():
            (last,) = store.select(state="waiting", most=1)
            assert last.seq == first.seq + 2

    def test_ended_events_are_replayed(self, store: InboxStore) -> None:
        """By id, by time, or all dead ones: as if they had just come. What waits is left alone."""
        with store.transaction():
            for number in range(4):
                add(store, new(number, at=100.0 + number))
        for state in ("done", "dead", "done"):
            assert end(store, lease_one(store, now=103.0, lease=state), state)
        with store.transaction():
            assert store.replay(now=150.0, ids=[new(0).id, new(3).id, "nobody"]) == 1
            assert store.replay(now=150.0, since=102.0) == 1
            assert store.replay(now=150.0, dead=True) == 1
            assert store.replay(now=150.0) == 0
            taken = store.lease(now=150.0, until=210.0, lease="z", most=9)
        assert {(kept.attempts, kept.handled, kept.error) for kept in taken} == {(1, (), None)}
        assert len(taken) == 4

    def test_an_event_that_is_replayed_waits_for_its_clients_other(self, store: InboxStore) -> None:
        """It came before the one that is being handled, but is not begun beside it."""
        with store.transaction():
            for number in (1, 2):
                add(store, new(number, subject="one"))
        first = lease_one(store)
        assert end(store, first)
        second = lease_one(store, lease="b")
        with store.transaction():
            assert store.replay(now=100.0, ids=[first.id]) == 1
            assert store.lease(now=101.0, until=160.0, lease="c", most=9) == []
        assert end(store, second)
        assert lease_one(store, now=101.0, lease="c").id == first.id

    def test_purged_events_are_gone_but_known(self, store: InboxStore) -> None:
        """Nobody and nothing is left of them but the mark by which a late delivery is known for a duplicate."""
        with store.transaction():
            for number in range(3):
                add(store, new(number, at=100.0 + number))
        for state in ("done", "dead"):
            assert end(store, lease_one(store, now=103.0, lease=state), state)
        with store.transaction():
            assert store.purge(before=101.0) == 1
            assert store.purge(before=500.0) == 1
            assert store.purge(before=500.0) == 0  # what waits is kept
            assert store.counts() == Counts(waiting=1, purged=2)
            assert not add(store, new(0))
            assert store.replay(now=150.0, since=0.0) + store.replay(now=150.0, dead=True) == 0
            assert [kept.subject for kept in store.select(most=9)] == ["c2"]
            assert store.select(email_key="p0@example.com", most=9) == []

    def test_events_are_found_page_by_page(self, store: InboxStore) -> None:
        """In the order of arrival, by whatever is asked of them, all of it at once."""
        with store.transaction():
            for number in range(7):
                add(store, new(number, at=100.0 + number, name="" if number % 2 else "client.completed"))
            pages = [store.select(most=3)]
            while pages[-1]:
                pages.append(store.select(after=pages[-1][-1].seq, most=3))
            assert [[kept.subject for kept in page] for page in pages] == [
                ["c0", "c1", "c2"], ["c3", "c4", "c5"], ["c6"], []
            ]  # fmt: skip
            assert [kept.subject for kept in store.select(name="client.created", most=9)] == ["c1", "c3", "c5"]
            assert [kept.subject for kept in store.select(email_key="p3@example.com", most=9)] == ["c3"]
            assert [kept.subject for kept in store.select(since=105.0, name="client.created", most=9)] == ["c5"]
            assert [kept.subject for kept in store.select(ids=[new(4).id, new(1).id, "x"], most=9)] == ["c1", "c4"]
            assert store.select(state="dead", most=9) == []

    def test_what_is_kept_survives_closing(self, opened: Opened) -> None:
        """Opened again, it is all there."""
        for expected in (True, False):
            store = opened()
            with store.transaction():
                assert add(store, new(1)) is expected
            store.close()

    def test_two_processes_can_share_it(self, opened: Opened) -> None:
        """What one keeps the other sees, and what one has leased the other is not given."""
        one, other = opened(), opened()
        with one.transaction():
            assert add(one, new(1))
        with other.transaction():
            assert not add(other, new(1))
            assert add(other, new(2))
        assert {lease_one(one).subject, lease_one(other, lease="b").subject} == {"c1", "c2"}
        one.close()
        other.close()

    def test_a_purged_event_is_no_event(self, store: InboxStore) -> None:
        """Whoever held it while it was purged is told so by an error of ours."""
        with store.transaction():
            add(store, new(1))
        kept = evolve(lease_one(store), body=b"")
        with pytest.raises(WebhookError):
            kept.event()
