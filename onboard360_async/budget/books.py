"""The books of one key, as a store keeps them: what was answered when, who holds what until when, who goes next.

Pure: no clock, no lock, no I/O, no store; the rule is the window's. Times in whole nanoseconds of the store's own
clock. Written down, all of them are ages and remainders from one moment, so that a clock that was set back makes the
past younger (we wait) and never older (we would be refused), and nothing lies for ever in the future.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import accumulate, pairwise
from typing import Final, Self

from attrs import frozen

from onboard360_async.budget.estimate import eta_ns
from onboard360_async.budget.feedback import Feedback
from onboard360_async.budget.window import Window

__all__ = ["Books", "Terms"]

_FORMAT: Final = 1  # of what is written down
_MOST: Final = 2**62  # nanoseconds, and any other whole number that can be meant
_TRIM: Final = 1024  # settle times, or twice as many as are needed: then those that nobody needs are forgotten
_WRITERS: Final = 64  # of whom the books say what they wrote last


@frozen
class Terms:
    """What this process was told of the budget; others may have been told otherwise."""

    limit: int
    span_ns: int  # the window and its margin
    burst: int

    @property
    def every_ns(self) -> float:
        """Between two tokens of the bucket."""
        return self.span_ns / self.limit


class Books:
    """One state of the shared budget. A request is known by its ticket, `holder.number`; telling twice changes nothing.

    A lease ends by itself: what was never told by then is settled at its deadline.
    """

    __slots__ = (
        "_trim_at", "began", "bucket_at", "epoch", "feedback", "holders", "kept_ns", "leases", "sequence", "settled",
        "terms", "turns", "window", "wrote",
    )  # fmt: skip

    def __init__(self, terms: Terms, epoch: str, began: int = 0) -> None:
        self.terms: Terms = terms
        self.epoch: str = epoch  # another one means that the store lost its memory in between
        self.began: int = began  # when this epoch did
        self.sequence: int = 0  # how often this was written
        self.wrote: dict[str, int] = {}  # by holder: the sequence of what it wrote last
        self.settled: list[int] = []  # all settle times that anybody may need, in no order
        self.kept_ns: int = 2 * terms.span_ns  # how far back that is: others may go by a longer window
        self._trim_at = _TRIM
        self.window: Window = Window(terms.limit, terms.span_ns)
        self.feedback: Feedback = Feedback(terms.limit, terms.span_ns)
        self.leases: dict[str, int] = {}  # by ticket: until when it is held, if nobody tells what became of it
        self.holders: dict[str, str] = {}  # what the holders of leases are called
        self.turns: dict[str, tuple[int, int]] = {}  # holders that wait: their rank, and until when a turn is kept
        self.bucket_at: int = 0  # when the token bucket will be full, if nobody takes from it

    # --- asking and telling ---

    def advance(self, now: int) -> None:
        """Settle every lease that ended by now, at its end."""
        for ticket in [ticket for ticket, until in self.leases.items() if until <= now]:
            self._settle(self.leases.pop(ticket))
        if len(self.settled) > self._trim_at:
            self.settled = [at for at in self.settled if at >= now - self.kept_ns]
            self._trim_at = max(_TRIM, 2 * len(self.settled))

    def _settle(self, at: int) -> None:
        self.window.settle(at)
        self.settled.append(at)

    def grant(self, now: int, ticket: str, *, keep: int, lease_ns: int) -> int | None:
        """0: granted, and held from now on. Else the nanoseconds until asking again may help, a lower bound.

        None: only an answer to what is under way can help, and that is told by others.
        """
        if ticket in self.leases:
            return 0
        wait = self.window.reserve(now, keep)
        if wait is None:
            return None
        full_at = max(self.bucket_at, now)
        empty_for = full_at + self.terms.every_ns - now - self.terms.burst * self.terms.every_ns
        if empty_for > 0:
            if wait == 0:
                self.window.release()
            return max(wait, int(empty_for) + 1)
        if wait == 0:
            self.leases[ticket] = now + lease_ns
            self.bucket_at = int(full_at + self.terms.every_ns)
        return wait

    def hold(self, ticket: str, until: int) -> None:
        """It was granted by others, whatever we would have said."""
        if ticket not in self.leases:
            self.window.hold()
            self.leases[ticket] = until

    def settle(self, ticket: str, at: int) -> None:
        """A request was answered at `at`, and counts as of then."""
        if self.leases.pop(ticket, None) is not None:
            self._settle(at)

    def release(self, ticket: str) -> None:
        """A request was certainly never sent."""
        if self.leases.pop(ticket, None) is not None:
            self.window.release()

    def extend(self, ticket: str, until: int) -> None:
        """A request was sent and not answered: it may be counted until then, even if its lease is over by now."""
        self.hold(ticket, until)
        self.leases[ticket] = until

    def apply_feedback(self) -> None:
        """Go by the limit that feedback leaves."""
        self.window.limit = min(self.feedback.effective, self.terms.limit)

    def forget_holders(self) -> None:
        """Keep the names of those alone who hold or wait."""
        needed = {ticket.partition(".")[0] for ticket in self.leases} | set(self.turns)
        self.holders = {holder: name for holder, name in self.holders.items() if holder in needed}

    # --- turns: each process sleeps until its own, or all would ask at once for the one slot that comes free ---

    def take_turn(self, now: int, holder: str, rank: int, *, served: bool) -> int:
        """How many go before this holder: those of a lower rank, and those that have waited longer.

        Whoever was served goes to the end.
        """
        self.turns = {other: turn for other, turn in self.turns.items() if turn[1] > now}
        _, until = self.turns.pop(holder, (rank, now)) if served else self.turns.get(holder, (rank, now))
        self.turns[holder] = (rank, until)
        order = sorted(self.turns, key=lambda other: self.turns[other][0])
        return order.index(holder)

    def keep_turn(self, holder: str, until: int) -> None:
        """Whoever does not come by then has lost its turn."""
        self.turns[holder] = (self.turns[holder][0], until)

    def misses(self, holder: str, sequence: int) -> bool:
        """Whether what this holder wrote as that sequence is not in here; with too many writers nobody can tell."""
        if holder not in self.wrote and len(self.wrote) >= _WRITERS:
            return False
        return self.wrote.get(holder, 0) < sequence

    def eta_ns(self, now: int, requests: int) -> int:
        """Until so many requests more could have been granted; see `estimate` for what it takes."""
        terms = self.terms
        asks = [(requests, 0)]
        return eta_ns(
            self.window.copy(), now, asks, burst=terms.burst, tokens=self.tokens(now), every_ns=terms.every_ns
        )

    def tokens(self, now: int) -> float:
        """What is in the bucket."""
        return self.terms.burst - max(0, self.bucket_at - now) / self.terms.every_ns

    # --- keeping ---

    def write(self, now: int) -> bytes:
        """All of it, to be restored by any process."""
        self.sequence += 1
        self.advance(now)
        self.forget_holders()
        feedback = self.feedback
        settled = sorted(at for at in self.settled if at >= now - self.kept_ns)
        page = {
            "format": _FORMAT,
            "epoch": self.epoch,
            "began_ns": min(max(0, now - self.began), _MOST),
            "sequence": self.sequence,
            "wrote": dict(sorted(self.wrote.items(), key=lambda each: each[1])[-_WRITERS:]),
            "kept_ns": self.kept_ns,
            "written_ns": now,
            "gaps_ns": [later - earlier for earlier, later in pairwise([*settled, now])],  # the last one to now
            "leases_ns": {ticket: until - now for ticket, until in self.leases.items()},
            "holders": self.holders,
            "turns_ns": {holder: [rank, max(0, until - now)] for holder, (rank, until) in self.turns.items()},
            "bucket_ns": max(0, self.bucket_at - now),
            "paused_ns": self.window.paused_ns(now),
            "level": feedback.level / feedback.limit,
            "told": feedback.told if feedback.told < feedback.limit else None,
            "refusals": feedback.refusals,
            "cut_ns": min(max(0, now - feedback.cut_at), _MOST),
        }
        return json.dumps(page, separators=(",", ":")).encode()

    @classmethod
    def read(cls, blob: bytes, now: int, terms: Terms, *, ahead: int = 0) -> Self:
        """The books as they were written, moved on to `now`. ValueError if this is nothing that we wrote.

        `ahead`: how far the clock was set ahead since; what it went by that has not passed.
        """
        try:
            return cls._read(json.loads(blob), now, terms, ahead)
        except (TypeError, KeyError, AttributeError, RecursionError) as error:
            raise ValueError(type(error).__name__) from None

    @classmethod
    def _read(cls, page: Mapping[str, object], now: int, terms: Terms, ahead: int) -> Self:
        if page["format"] != _FORMAT:
            raise ValueError("format")
        books = cls(terms, _text(page["epoch"]))
        books.sequence = _whole(page["sequence"])
        then = min(now, _whole(page["written_ns"]) + ahead)  # a clock that was set back: as if no time had passed
        books.began = then - _whole(page["began_ns"])
        books.wrote = {_text(holder): number for holder, number in _numbers(page["wrote"])}
        books.kept_ns = max(books.kept_ns, _whole(page["kept_ns"]))
        gaps = [_whole(gap) for gap in _items(page["gaps_ns"])]
        books.settled = [then - age for age in accumulate(reversed(gaps))][::-1]
        books.leases = {_text(ticket): then + left for ticket, left in _numbers(page["leases_ns"])}
        for holder, turn in _pairs(page["turns_ns"]):
            rank, left = map(_whole, _items(turn))
            books.turns[_text(holder)] = (rank, then + left)
        books.holders = {_text(holder): _text(name) for holder, name in _pairs(page["holders"])}
        books.bucket_at = then + _whole(page["bucket_ns"])
        books.window.recall(books.settled, len(books.leases), then)
        books.window.pause_until(then + _whole(page["paused_ns"]))
        feedback = books.feedback
        feedback.level = max(1.0, terms.limit * _share(page["level"]))
        if page["told"] is not None:
            feedback.heard(_whole(page["told"]))
        feedback.refusals = _whole(page["refusals"])
        feedback.cut_at = then - _whole(page["cut_ns"])
        books.apply_feedback()
        books.advance(now)
        return books

    def absorb(self, other: "Books", now: int, *, ahead: int = 0) -> None:
        """Add what another copy remembers, after a store lost it: rather counted twice than not at all.

        `ahead`: how far our clock is before the one that the other copy goes by.
        """
        then = now - ahead
        other.advance(then)
        self.advance(now)
        self.kept_ns = max(self.kept_ns, other.kept_ns)
        theirs = Counter(min(at + ahead, now) for at in other.settled if at >= then - self.kept_ns)
        self.settled = sorted((Counter(self.settled) | theirs).elements())
        for ticket, until in other.leases.items():
            self.leases[ticket] = max(until + ahead, self.leases.get(ticket, now))
        self.holders = {**other.holders, **self.holders}
        self.bucket_at = max(self.bucket_at, other.bucket_at + ahead)
        paused_ns = max(self.window.paused_ns(now), other.window.paused_ns(then))
        mine, also = self.feedback, other.feedback
        mine.level = min(mine.level, self.terms.limit * also.level / also.limit)
        mine.told = min(mine.told, also.told)
        mine.refusals = max(mine.refusals, also.refusals)
        mine.cut_at = max(mine.cut_at, also.cut_at + ahead)
        self.window = Window(self.terms.limit, self.terms.span_ns)
        self.window.recall(self.settled, len(self.leases), now)
        self.window.pause_until(now + paused_ns)
        self.apply_feedback()

    def fill(self, now: int) -> None:
        """Take the whole limit for used up now: what is not known may have been sent."""
        self.settled = [now] * self.terms.limit
        self.window.recall(self.settled, 0, now)


# --- what was written down, checked ---


def _whole(value: object) -> int:
    if type(value) is not int or not 0 <= value <= _MOST:
        raise ValueError("not a whole number")
    return value


def _share(value: object) -> float:
    if type(value) not in (int, float) or not 0 <= value <= 1:  # type: ignore[operator]  # a number by then
        raise ValueError("not a share")
    return float(value)  # type: ignore[arg-type]  # as above


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


def _items(value: object) -> Iterable[object]:
    if not isinstance(value, list):
        raise TypeError("not a list")
    return value


def _pairs(value: object) -> Iterable[tuple[object, object]]:
    if not isinstance(value, dict):
        raise TypeError("not a mapping")
    return value.items()


def _numbers(value: object) -> Iterable[tuple[object, int]]:
    return [(name, _whole(number)) for name, number in _pairs(value)]
