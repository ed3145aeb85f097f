"""One request that a store granted, and what becomes of it: noted here, told to the store a little later.

Knows neither the store nor who waits; a change is a function of the books, so that telling it again is harmless.
"""

from collections.abc import Callable
from typing import Final

from attrs import field, frozen

from onboard360_async import settings
from onboard360_async.budget.books import Books
from onboard360_async.budget.feedback import Told, capped_ns
from onboard360_async.budget.ledger import SECOND, SlotOverError

__all__ = ["SLACK_NS", "News", "Ticket"]

# How much longer than its attempt a lease lasts: the store's answer must reach us. Who is slower says so to the store.
SLACK_NS: Final = int(settings.STORE_PATIENCE_S * SECOND)


@frozen(eq=False)
class News:
    """What happened at `at`, by our clock; `change` takes the books, and that moment by the store's clock."""

    at: int
    change: Callable[[Books, int], None] = field(repr=False)
    is_urgent: bool = False  # somebody may be waiting for it, or must not go on without it


class Ticket:
    """What is held of the budget for one request, for an attempt of `grace_ns`; `keep` is as the window takes it."""

    __slots__ = ("_clock", "_post", "grace_ns", "id", "keep", "taken_at", "was_asked")

    def __init__(
        self, ticket: str, keep: int, grace_ns: int, clock: Callable[[], int], post: Callable[[News], None]
    ) -> None:
        self.id: str = ticket
        self.keep: int = keep
        self.grace_ns: int = grace_ns
        self._clock, self._post = clock, post
        self.taken_at: int = clock()
        self.was_asked: bool = False  # the store may hold it

    @property
    def lease_ns(self) -> int:
        """How long it is held if nobody ever tells what became of it."""
        return self.grace_ns + SLACK_NS

    def sent(self) -> None:
        """The first byte leaves now. SlotOverError if the lease has ended: the slot may be another's by now."""
        held_ns = self._clock() - self.taken_at
        if held_ns > self.lease_ns:
            raise SlotOverError
        if held_ns > SLACK_NS:  # held up before it was sent
            self._tell(lambda books, at: books.extend(self.id, at + self.grace_ns))

    def answered(self, told: Told | None = None) -> None:
        """An answer that was no 429: the request counts as of now."""

        def change(books: Books, at: int) -> None:
            books.settle(self.id, at)
            books.feedback.accepted()
            if told is not None and told.limit is not None:
                books.feedback.heard(told.limit)
            if told is not None and told.wait_s is not None:
                books.window.pause_until(at + capped_ns(told.wait_s, books.terms.span_ns))

        self._tell(change, is_urgent=told is not None and told.wait_s is not None)

    def refused(self, retry_after_s: float | None) -> None:
        """A 429: the request counts as of now, and everybody pauses."""

        def change(books: Books, at: int) -> None:
            used, paused = books.window.used(at), books.window.paused_ns(at) > 0
            books.settle(self.id, at)
            books.window.pause_until(at + books.feedback.refused(at, retry_after_s, used=used, paused=paused))

        self._tell(change, is_urgent=True)

    def release(self) -> None:
        """The request was certainly never sent."""
        self._post(self.release_news())

    def release_news(self) -> News:
        """That it is given back."""
        return News(self._clock(), lambda books, _at: books.release(self.id), is_urgent=True)

    def lease(self, grace_s: float) -> None:
        """It was sent and not answered: it may be counted until `grace_s` from now."""
        self._tell(lambda books, at: books.extend(self.id, at + int(grace_s * SECOND)))

    def _tell(self, change: Callable[[Books, int], None], *, is_urgent: bool = False) -> None:
        self._post(News(self._clock(), change, is_urgent))
