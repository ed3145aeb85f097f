"""The gate over books in a store: one pump asks for all who wait in this loop, and takes the news along.

It asks when it is this process's turn, as the store's books say; news wait a little for each other. Without waiters
and news there is neither a task nor a timer. Knows no store's ways.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator

from onboard360_async import settings
from onboard360_async.budget.gate import Gate, Limits, Priority, late
from onboard360_async.budget.ledger import SECOND, Held
from onboard360_async.budget.store import Store, StoreError
from onboard360_async.budget.stored_ledger import Answer, StoredLedger, Wish
from onboard360_async.budget.ticket import News, Ticket
from onboard360_async.errors import BudgetExhaustedError, BudgetStoreError

__all__ = ["StoredGate"]


class StoredGate(Gate):
    """The waiters of one loop, and the store as this loop reaches it."""

    __slots__ = ("_ask_at", "_books", "_busy", "_keeper", "_post_at", "_store")

    def __init__(self, ledger: StoredLedger, *, burst: int, keep: int) -> None:
        super().__init__(ledger, burst=burst, keep=keep, spare=1)  # the shared bucket is the one that counts
        self._books = ledger
        self._store: Store = ledger.open()
        self._busy = asyncio.Lock()  # one exchange at a time: what comes meanwhile goes together with the next
        self._keeper: AsyncGenerator[None, None] | None = None
        self._ask_at = 0.0  # by the loop's clock: when to ask for those who wait
        self._post_at: float | None = None  # when to tell the news, if nobody asks before

    async def look(self) -> None:
        """See how the books stand now. BudgetStoreError if the store cannot be used."""
        await self._exchange(Wish(others=self.waiting, rank=self._rank()))

    # --- at once ---

    async def _granted_at_once(self, priority: Priority, limits_s: Limits, grace_s: float) -> Held | None:
        """Whoever may not wait long asks alone, and is judged by what the store says now; the others go together."""
        max_wait_s, deadline_s = limits_s
        if deadline_s is None and max_wait_s is None:
            return None
        ticket = self._books.ticket(self._keep_from(priority), grace_s, self._post)
        wish = Wish((ticket,), others=self.waiting, rank=self._rank(), stands_in_line=False)
        look_s = None if max_wait_s is None else max(max_wait_s, settings.STORE_LOOK_S)
        patience_s = min(limit_s for limit_s in (deadline_s, look_s) if limit_s is not None)
        try:
            async with asyncio.timeout(patience_s):
                answer = await self._exchange(wish)
        except TimeoutError:
            if patience_s == deadline_s:
                raise late() from None
            raise BudgetExhaustedError(patience_s) from None
        return ticket if answer.granted and await self._passes(ticket) else None

    def _tokens(self) -> float:
        return self._books.tokens()

    def _rank(self) -> int:
        """The lane of the most pressing who waits."""
        return next((rank for rank, lane in enumerate(self._lanes) if lane), len(self._lanes))

    # --- the pump ---

    @property
    def _is_needed(self) -> bool:
        return self.waiting > 0 or self._post_at is not None

    async def _serve(self) -> None:
        while self._is_needed:
            now = self._loop.time()
            times = [self._ask_at] if self.waiting else []
            if self._post_at is not None:
                times.append(self._post_at)
            if (wait_s := min(times) - now) > 0:
                await self._sleep(int(wait_s * SECOND))
            else:
                await self._ask()

    async def _ask(self) -> None:
        """Ask for as many as the bucket holds at most; those who wait by then, in their order, get what is granted."""
        tickets = self._wanted()
        answer = await self._exchange(Wish(tickets, self.waiting - len(tickets), self._rank()))
        self._ask_at = self._loop.time() + answer.wait_ns / SECOND
        for ticket in answer.granted:
            if await self._passes(ticket):
                self._hand_out(ticket)
            else:
                self._ask_at = max(self._ask_at, self._loop.time() + self._every_ns / SECOND)

    def _wanted(self) -> list[Ticket]:
        found: list[Ticket] = []
        for priority, lane in enumerate(self._lanes):
            for waiter, grace_s in lane.items():
                if not waiter.done() and len(found) < self._burst:
                    found.append(self._books.ticket(self._keep_from(priority), grace_s, self._post))
        return found

    async def _passes(self, ticket: Ticket) -> bool:
        """Through this loop's own bucket, which stops us only where the store forgot how full the shared one was.

        A ticket that does not pass goes back.
        """
        if self._shaper.has_capacity():
            await self._shaper.acquire()  # has capacity, so it does not wait
            return True
        ticket.release()
        return False

    def _hand_out(self, ticket: Ticket) -> None:
        """To the first who waits for no more than this ticket holds; with nobody there it goes back."""
        for priority, lane in enumerate(self._lanes):
            for waiter, grace_s in lane.items():
                fits = self._keep_from(priority) <= ticket.keep and int(grace_s * SECOND) <= ticket.grace_ns
                if fits and not waiter.done():
                    del lane[waiter]
                    waiter.set_result(ticket)
                    return
        ticket.release()

    def _drop(self, priority: Priority, waiter: "asyncio.Future[Held]") -> None:
        """Without waiters and news there is no pump either."""
        super()._drop(priority, waiter)
        if not self.waiting and not self._loop.is_closed():
            self._ring()

    def _queued(self, priority: Priority) -> None:
        """Ask at once for whoever is the first to wait; the others behind know when it is worth asking."""
        if len(self._lanes[priority]) == 1 and not any(self._lanes[:priority]):
            self._ask_at = self._loop.time()
        super()._queued(priority)

    # --- news ---

    def _post(self, news: News) -> None:
        """Note it, and see to it that the store hears of it: soon, or with the next question."""
        self._books.note(news)
        if news.is_urgent or self._store.posts_at_once:
            after_s = 0.0
        else:
            span_s = self._ledger.span_ns / SECOND
            until_asked_s = self._ask_at - self._loop.time() if self.waiting else 0.0
            after_s = min(
                max(until_asked_s, span_s * settings.STORE_POST_SHARE), span_s * settings.STORE_KEEP_NEWS_SHARE
            )
        self._post_in(after_s)

    def _post_in(self, after_s: float) -> None:
        if self._loop.is_closed():  # the next exchange of this process takes the news along
            return
        at = self._loop.time() + after_s
        if self._pump is None or self._post_at is None or at < self._post_at:
            self._post_at = at if self._post_at is None else min(at, self._post_at)
            self._wake_pump()

    def look_again(self) -> None:
        """Somebody paused the budget, from whichever thread."""
        try:
            self._loop.call_soon_threadsafe(self._post_in, 0.0)
        except RuntimeError:  # the loop is closed: the next exchange of this process takes the news along
            return

    # --- the store ---

    async def _exchange(self, wish: Wish) -> Answer:
        async with self._busy:
            if self._keeper is None:
                self._keeper = self._kept_open()
                await anext(self._keeper)
            self._post_at = None
            try:
                return await self._books.exchange(self._store, wish)
            except asyncio.CancelledError:
                self._post_in(0.0)  # what may have been granted is to be given back
                raise

    async def _kept_open(self) -> AsyncGenerator[None, None]:
        """Started, and never ended: what a loop closes at its end (`asyncio.run`, `shutdown_asyncgens`)."""
        try:
            yield
        finally:
            pump, self._pump = self._pump, None
            if pump is not None:
                pump.cancel()
                await asyncio.wait((pump,))
            with contextlib.suppress(BudgetStoreError, TimeoutError):
                async with asyncio.timeout(settings.STORE_LOOK_S):
                    if self._books.has_news:
                        await self._books.exchange(self._store, Wish())
            with contextlib.suppress(StoreError):
                await self._store.close()
