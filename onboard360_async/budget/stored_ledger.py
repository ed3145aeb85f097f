"""The books of one key in a store: asked and told by whole states, loaded and swapped, so that the rule stays one.

A copy of the books is remembered, with our own news in it: it is what is looked at between two questions, what is put
back when the store lost its own, and what `on_store_error="local"` goes on with. Told twice, news count once, so a swap
whose fate is unknown is simply made again. Knows no lane; `stored_gate` asks for those who wait.
"""

import asyncio
import itertools
import logging
import os
import random
import secrets
import socket
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from attrs import evolve, frozen

from onboard360_async import settings
from onboard360_async.budget.books import Books, Terms
from onboard360_async.budget.ledger import SECOND, Ledger
from onboard360_async.budget.store import Loaded, Store, StoreError
from onboard360_async.budget.ticket import News, Ticket
from onboard360_async.budget.window import Window
from onboard360_async.errors import BudgetStoreError

__all__ = ["Answer", "StoredLedger", "Wish"]

logger: Final = logging.getLogger("onboard360_async")
_NO_BURST: Final = 2  # the smallest bucket there is


@frozen
class Wish:
    """What one exchange is to bring: these tickets, in order."""

    tickets: Sequence[Ticket] = ()
    others: int = 0  # how many more wait here
    rank: int = 0  # of the most pressing that wait; the lower go first
    stands_in_line: bool = True  # those who get none wait here, too


@frozen
class Answer:
    """What it brought: the first of the tickets, and how long to wait before asking again (0: no reason to)."""

    granted: Sequence[Ticket]
    wait_ns: int = 0


class StoredLedger(Ledger):
    """This process's side of books that are kept elsewhere."""

    __slots__ = (
        "_asked_at", "_asking", "_books", "_down_until", "_inbox", "_is_astray", "_looked_at", "_looked_ns", "_make",
        "_news", "_numbers", "_own", "_restricted_until", "_terms", "_unasked", "_warned", "_wrote", "holder", "name",
    )  # fmt: skip

    def __init__(
        self, terms: Terms, clock: Callable[[], int], make: Callable[[str], Store], *, local_limit: int | None
    ) -> None:
        super().__init__(terms.limit, terms.span_ns, clock)
        self._terms = terms
        self._make = make
        # What this process had, by our own clock: it goes on with that when the store fails. None: it sends nothing.
        self._own = None if local_limit is None else Books(Terms(local_limit, terms.span_ns, _NO_BURST), "")
        self._restricted_until = 0  # by our clock: with our own share at most
        self.name: str = ""  # of the books in the store
        self.holder: str = secrets.token_hex(4)
        self._numbers = itertools.count(1)  # of tickets; threads may ask at once
        # No lock is taken to tell something: the collector may end a request on any line, also where we hold the lock.
        self._inbox: deque[News] = deque()  # what was told, and is taken in by whoever holds the lock next
        self._unasked: deque[str] = deque()  # tickets that `_own` granted and the store was not asked for, likewise
        self._asking: set[str] = set()  # tickets that the store may hold, and our copy not yet
        self._news: list[News] = []  # what the store is to be told
        self._books = Books(terms, "")  # as last seen, with our news
        self._looked_ns = self._looked_at = 0  # when that was, by the store's clock and by ours
        self._asked_at = 0  # by ours, when the store was asked for that: its clock was read between these two
        self._is_astray = False  # we went on without the store, and know what it does not
        self._down_until = 0
        self._wrote = 0  # the sequence of what this process wrote last, in this epoch
        self._warned = False

    # --- for those who look ---

    def look(self) -> tuple[Window, int]:
        """A copy of the window as last seen, with our news, and the moment by the store's clock."""
        with self.lock:
            self._take_in()
            now = self._now()
            self._books.advance(now)
            self._books.window.used(now)
            return self._books.window.copy(), now

    def tokens(self) -> float:
        """What is in the shared bucket, likewise."""
        return self._books.tokens(self._now())

    def holders(self) -> dict[str, int]:
        """Who has requests under way, and how many, likewise."""
        with self.lock:
            self._take_in()
            self._books.advance(self._now())
            counts: dict[str, int] = {}
            for ticket in self._books.leases:
                holder = ticket.partition(".")[0]
                name = self._books.holders.get(holder, holder)
                counts[name] = counts.get(name, 0) + 1
            return counts

    @property
    def has_news(self) -> bool:
        """Whether something is to be told to the store."""
        return bool(self._news or self._inbox)

    @property
    def is_nameless(self) -> bool:
        """Whether the store does not know yet what to call the books."""
        return not self.name

    def name_books(self, name: str) -> None:
        """Call the books so, unless they have a name."""
        self.name = self.name or name

    def open(self) -> Store:
        """The store, for the running loop."""
        return self._make(self.name)

    def _now(self) -> int:
        """The moment by the store's clock, as far as ours tells: rather too early than too late."""
        return self._looked_ns + self.clock() - self._looked_at

    def _latest(self) -> int:
        """What the store's clock can show by now at most, if nobody set it; the way to a slow store takes seconds."""
        return self._looked_ns + self.clock() - self._asked_at + SECOND

    # --- telling ---

    def ticket(self, keep: int, grace_s: float, post: Callable[[News], None]) -> Ticket:
        """A ticket to ask with; what becomes of it is handed to `post`, which must `note` it."""
        return Ticket(f"{self.holder}.{next(self._numbers):x}", keep, int(grace_s * SECOND), self.clock, post)

    def note(self, news: News) -> None:
        """Take it into our own copy when that is looked at, and to the store with the next exchange."""
        self._inbox.append(news)

    def _take_in(self) -> None:
        """With the lock held: what was told since."""
        while self._inbox:
            news = self._inbox.popleft()
            self._change(self._books, news, self._now() - (self.clock() - news.at))
            if self._own is not None:
                self._change(self._own, news, news.at)
            self._news.append(news)
        while self._own is not None and self._unasked:
            self._own.release(self._unasked.popleft())

    def pause(self, seconds: float) -> None:
        """Nobody is granted anything for that long; other processes hear of it with the next exchange."""
        pause_ns = int(seconds * SECOND)
        self.note(News(self.clock(), lambda books, at: books.window.pause_until(at + pause_ns)))
        self._tell()

    def _change(self, books: Books, news: News, at: int) -> None:
        news.change(books, at)
        books.apply_feedback()

    # --- asking ---

    async def exchange(self, store: Store, wish: Wish) -> Answer:
        """Tell the news, and ask for tickets, in order, until one is not to be had.

        BudgetStoreError if the store cannot be used and we are not to go on without it. Whatever ends it early, no
        ticket that may have been granted stays held.
        """
        answer = Answer(())
        try:
            if self._is_astray and self.clock() < self._down_until:
                answer = self._go_on(wish)
            else:
                answer = await self._exchange_or_go_on(store, wish)
        finally:
            for ticket in wish.tickets[len(answer.granted) :]:
                if ticket.was_asked:
                    self.note(ticket.release_news())
                elif self._own is not None:
                    self._unasked.append(ticket.id)
            self._asking.difference_update(ticket.id for ticket in wish.tickets)
        return answer

    async def _exchange_or_go_on(self, store: Store, wish: Wish) -> Answer:
        faults: list[str] = []
        try:
            async with asyncio.timeout(self._patience_s) as patience:
                answer = await self._exchange(store, wish, faults, patience)
        except (StoreError, TimeoutError):
            fault = faults[-1] if faults else "no answer"
            if self._own is None:
                raise BudgetStoreError(
                    f"The budget's store cannot be used ({fault}), so nobody knows whether a request may be sent;"
                    " nothing was sent."
                ) from None
            self._down_until = self.clock() + int(settings.STORE_RETRY_S * SECOND)
            if not self._is_astray:
                logger.warning("the budget's store cannot be used (%s); going on with a share of the limit", fault)
            return self._go_on(wish)
        if self._is_astray:
            self._is_astray = False
            self._restricted_until = self.clock() + self.span_ns  # the others may have to tell what they did, too
            logger.warning("the budget's store can be used again")
        return answer

    @property
    def _patience_s(self) -> float:
        return settings.STORE_PATIENCE_S if self._own is None else settings.STORE_RETRY_S

    async def _exchange(self, store: Store, wish: Wish, faults: list[str], patience: asyncio.Timeout) -> Answer:
        most_s = settings.STORE_LOST_SWAP_S
        while True:
            pause_s, most_s = most_s, min(2 * most_s, settings.STORE_LOST_SWAP_MOST_S)
            try:
                asked_at = self.clock()
                loaded = await store.load()
                answered_at = self.clock()
                with self.lock:
                    self._take_in()
                    books, must_write = self._read(loaded, asked_at)
                    news = [each for each in self._news if each.at <= asked_at]
                    for each in news:
                        self._change(books, each, loaded.now_ns - (asked_at - each.at))
                    answer, changed = self._ask(books, loaded.now_ns, wish)
                    must_write |= changed or bool(news)
                    blob = self._write(books, loaded.now_ns) if must_write else b""
                if not blob or await self._swap(store, blob, loaded.version, answer.granted, asked_at):
                    if not blob and loaded.blob is None:
                        books.epoch = ""  # it never began
                    self._wrote = books.wrote.get(self.holder, 0)
                    self._remember(books, loaded.now_ns, (asked_at, answered_at), news)
                    return answer
                patience.reschedule(asyncio.get_running_loop().time() + self._patience_s)  # a lost swap is no fault
            except StoreError as error:
                faults.append(str(error))
                if error.is_final:
                    raise
                pause_s = settings.STORE_FAULT_S
            await asyncio.sleep(random.uniform(0, pause_s))  # noqa: S311 - no secret

    def _write(self, books: Books, now: int) -> bytes:
        books.wrote[self.holder] = books.sequence + 1
        return books.write(now)

    async def _swap(self, store: Store, blob: bytes, version: str, granted: Sequence[Ticket], asked_at: int) -> bool:
        """Write, unless somebody else did; from here on the store may hold what is to be granted."""
        for ticket in granted:
            ticket.was_asked, ticket.taken_at = True, asked_at
            self._asking.add(ticket.id)
        is_written = await store.swap(blob, version)
        for ticket in granted:
            ticket.was_asked = is_written
        return is_written

    def _read(self, loaded: Loaded, asked_at: int) -> tuple[Books, bool]:
        """The books as they stand in the store, and whether they are to be written whatever else happens."""
        mine, now = self._books, loaded.now_ns
        # A clock that was set ahead: no time has passed by that.
        is_new, ahead = True, now - self._now() if mine.epoch and now > self._latest() else 0
        books = Books(self._terms, secrets.token_hex(4), now)
        if loaded.blob is not None:
            try:
                books, is_new = Books.read(loaded.blob, now, self._terms, ahead=ahead), False
            except ValueError:
                books.fill(now)
                if not self._warned:
                    self._warned = True
                    logger.warning("the budget in the store cannot be read; the whole window is taken for used up")
        is_older = books.sequence < mine.sequence or books.misses(self.holder, self._wrote)
        if books.epoch == mine.epoch and is_older:
            books.epoch, books.began = secrets.token_hex(4), now  # the others must see it, too
        is_lost = bool(mine.epoch) and books.epoch != mine.epoch
        if is_lost and now - self._looked_ns < int(settings.STORE_KEPT_S * SECOND):  # else it was forgotten in due time
            # Until all who wait have looked, and put back what they know, nobody goes by what some of us remember.
            books.window.pause_until(books.began + int(self.span_ns * settings.STORE_HOLD_SHARE))
        if is_lost or self._is_astray:
            self._put_back(books, now, asked_at)
        return books, is_lost or self._is_astray or bool(ahead) or (is_new and loaded.blob is not None)

    def _put_back(self, books: Books, now: int, asked_at: int) -> None:
        """What we know and the store does not; of our own tickets we alone know which are still held."""
        for ticket in [ticket for ticket in books.leases if ticket.startswith(f"{self.holder}.")]:
            if ticket not in self._books.leases and ticket not in self._asking:
                books.release(ticket)
        # Ours goes by the clock that we last saw, which may not be this one (another Redis, or none so far).
        when_asked = self._now() - (self.clock() - asked_at)
        is_the_same = when_asked - SECOND < now <= self._latest()
        books.absorb(self._books, now, ahead=0 if is_the_same else now - when_asked)

    def _ask(self, books: Books, now: int, wish: Wish) -> tuple[Answer, bool]:
        """Ask for all, and take our turn; whether that changed the books."""
        granted: list[Ticket] = []
        wait: int | None = 0
        for ticket in wish.tickets:
            wait = self._grant(books, now, ticket)
            if wait != 0:
                break
            granted.append(ticket)
        if wait is None:
            wait = int(self.span_ns * settings.STORE_BLIND_SHARE * random.uniform(0.5, 1.5))  # noqa: S311 - no secret
        wait, turns_changed = self._turn(books, now, wish, len(granted), wait)
        if granted or turns_changed:
            books.holders[self.holder] = f"{socket.gethostname()}:{os.getpid()}"
        return Answer(granted, wait), bool(granted) or turns_changed

    def _grant(self, books: Books, now: int, ticket: Ticket) -> int | None:
        """By the books and, while the store fails and for a window after that, within our own share."""
        wait = books.grant(now, ticket.id, keep=ticket.keep, lease_ns=ticket.lease_ns)
        if wait != 0 or self._own is None:
            return wait
        here = self.clock()
        self._own.advance(here)
        if not self._is_astray and here >= self._restricted_until:
            self._own.hold(ticket.id, here + ticket.lease_ns)
        elif wait := self._own.grant(here, ticket.id, keep=0, lease_ns=ticket.lease_ns):
            books.release(ticket.id)
        return wait

    def _turn(self, books: Books, now: int, wish: Wish, granted: int, wait: int) -> tuple[int, bool]:
        """Until our turn among the processes that wait, and whether the books changed by that."""
        before = dict(books.turns)
        if not wish.others and (granted == len(wish.tickets) or not wish.stands_in_line):
            books.turns.pop(self.holder, None)
            return wait, self.holder in before
        place = books.take_turn(now, self.holder, wish.rank, served=granted > 0)
        if place and wait:
            wait = max(wait, books.eta_ns(now, place + 1))
        wait = min(wait, int(self.span_ns * settings.STORE_LOOK_SHARE))
        rank, kept_until = before.get(self.holder, (-1, 0))
        is_kept = [*before] == [*books.turns] and rank == wish.rank and kept_until >= now + wait
        if not is_kept:
            books.keep_turn(self.holder, now + wait + int(self.span_ns * settings.STORE_TURN_SHARE))
        return wait, not is_kept

    def _remember(self, books: Books, now: int, between: tuple[int, int], told: Sequence[News]) -> None:
        """These are the books now; what came meanwhile is still news."""
        with self.lock:
            self._take_in()
            self._news = [each for each in self._news if each not in told]
            mine = self._books
            if books.epoch == mine.epoch and books.sequence < mine.sequence:
                return  # another loop of this process has seen more
            self._books, self._looked_ns = books, now
            self._asked_at, self._looked_at = between  # when the store was asked, and when it had answered
            for each in self._news:
                self._change(books, each, self._now())

    # --- going on without the store ---

    def _go_on(self, wish: Wish) -> Answer:
        """Grant by our own copy, within our share of the limit and without a burst."""
        with self.lock:
            self._is_astray = True
            self._take_in()
            self._news = []  # our whole copy is put back, when the store can be used again
            now = self._now()
            self._books.advance(now)
            answer, _ = self._ask(self._books, now, evolve(wish, others=0, stands_in_line=False))
            return answer

    # --- forks ---

    def start_afresh_in_child(self) -> None:
        """After a fork: what the parent holds and has to tell is the parent's."""
        super().start_afresh_in_child()
        self.holder = secrets.token_hex(4)
        self._take_in()
        self._news = []
