"""The rule, pure: may one more request be sent now, whatever way the server cuts its minute?

Synchronous, in integer nanoseconds (in floats, t + W - W > t let a whole limit through at once); knows no clock, no
asyncio, no key and no HTTP. Source: API page, "Error Handling" (429, 100 requests/minute).
UNDOCUMENTED: how the server cuts its minute, and when within it a request counts; we take it to be at some moment
between its sending and its answer (A 8). So one request more is granted at a time s only if for every phase a in
[s - W, s], with p settled (answered) in [a - W, a):  (held or settled at or after a) + (1 - (s - a) / W) * p + 1 <= L.
For a = s that is a log of answers (sliding log, token bucket, GCRA, fixed windows); the other phases bound a sliding
counter at any alignment. tests/budget holds it against models of all of them, and against the rule by the letter.

Why it is quick: with n settled before a and `out` granted and not released, a phase is two constants, p and
c = p * (a + W) - n * W, and holds while c <= (L - 1 - out) * W + p * s. The left side can peak only at a settle
time, one W after a settle time, and now; of all phases with one p only the largest c can bind. And what is left of the
right side says how many more must be out before that one can, so most groups need not even be looked at. As long as all
that is known of the last two windows fits into one limit, no phase but now can bind, and none is kept.
"""

from bisect import insort
from collections.abc import Sequence
from typing import Self

__all__ = ["Window"]

_TRIM = 32  # settle times out of reach, and groups, that are forgotten together; only saves work
_LONG_AGO = -(2**63)  # nanoseconds; before any clock, and less than anything that is out


class Window:
    """What was granted, settled and released under one limit in any window of `window_ns`.

    A request counts from `reserve` to `window_ns` after its `settle`, the latest moment at which the server can have
    counted it; one that certainly never left is given back by `release`.
    """

    __slots__ = (
        "_base", "_due", "_groups", "_held", "_is_drawn", "_paused_until", "_recent", "_seen", "_times", "_until_mark",
        "limit", "span_ns",
    )  # fmt: skip

    def __init__(self, limit: int, window_ns: int) -> None:
        self.limit: int = limit
        self.span_ns: int = window_ns  # the window and its margin
        self._held = 0
        self._times: list[int] = []  # settle times, sorted; all of the last two windows
        self._base = 0  # settle times that were forgotten; the number of _times[0]
        self._recent = 0  # the number of the first settle time in the last window
        self._until_mark = 0  # the number of the first settle time at or after the last phase made by _mark_leaving
        self._is_drawn = False  # whether the phases are kept
        self._groups: dict[int, list[tuple[int, int]]] = {}  # by p: phases (c, a), by a, and the largest c in front
        self._due: dict[int, int] = {}  # by p: how many must be out, less the limit, before its phases can bind
        self._seen = _LONG_AGO  # the latest moment that was looked at
        self._paused_until = _LONG_AGO

    # --- asking and telling ---

    def reserve(self, now: int, keep: int = 0) -> int | None:
        """0: granted, and held from now on. Else the nanoseconds until asking again may help, a lower bound.

        None: only a settle or a release can help. `keep` leaves that many requests to others.
        """
        now = self._advance(now)
        if now < self._paused_until:
            return self._paused_until - now
        limit = max(1, self.limit - keep)
        settled = self._base + len(self._times) - self._recent
        over = self._held + settled + 1 - limit
        if over > settled:
            return None
        wait = 0
        if over > 0:  # the phase a = now: so many settle times must leave the window
            wait = self._times[self._recent - self._base + over - 1] + self.span_ns + 1 - now
        if self._held + len(self._times) >= limit:  # else all that is known fits into any phase
            if not self._is_drawn:
                self._draw()
            wait = max(wait, self._until_phases_hold(now, limit) - now)
        elif not self._times:
            self._is_drawn = False
        if wait == 0:
            self._held += 1
        return wait

    def hold(self) -> None:
        """A request was granted elsewhere, and is held from now on."""
        self._held += 1

    def settle(self, at: int) -> None:
        """A held request counts as of `at`, its answer's moment; settles may be told out of order."""
        self._held -= 1
        if at < self._seen or (self._times and at < self._times[-1]):
            insort(self._times, at)
            self._draw()
        elif self._is_drawn:
            self._append(at)
        else:  # whoever asks next moves on
            self._times.append(at)

    def release(self) -> None:
        """A held request was certainly never sent and never counts."""
        self._held -= 1

    def pause_until(self, at: int) -> None:
        """Grant nothing before `at`; never shortens a pause."""
        self._paused_until = max(self._paused_until, at)

    # --- looking ---

    @property
    def held(self) -> int:
        """Requests granted whose fate is not told yet."""
        return self._held

    def used(self, now: int) -> int:
        """Requests held, or settled within the last window."""
        self._advance(now)
        return self._held + self._base + len(self._times) - self._recent

    def available(self, now: int) -> int:
        """How many requests more would be granted at once; takes none."""
        now = self._advance(now)
        if now < self._paused_until:
            return 0
        left = self.limit - self.used(now)
        if not self._is_drawn:
            self._draw()
        room = (self.limit - 1 - self._out) * self.span_ns
        for p, phases in self._groups.items():
            for c, a in phases:
                if a >= now - self.span_ns:  # the first that still matters has the largest c
                    left = min(left, (room + p * now - c) // self.span_ns + 1)
                    break
        return max(0, left)

    def paused_ns(self, now: int) -> int:
        """Nanoseconds until the pause is over, 0 if there is none."""
        return max(0, self._paused_until - now)

    # --- keeping ---

    def recall(self, settled: Sequence[int], held: int, now: int) -> None:
        """Take over what another window kept: its settle times, sorted, and how many it held. For a new window only."""
        for at in settled:
            self._advance(at)
            self._times.append(at)
        self._held = held
        self._advance(now)

    def copy(self) -> Self:
        """A window of its own with the same past, to try out a future."""
        twin = type(self)(self.limit, self.span_ns)
        for name in Window.__slots__:
            setattr(twin, name, getattr(self, name))
        twin._times = self._times.copy()  # noqa: SLF001 - one of our own kind
        twin._groups = {p: phases.copy() for p, phases in self._groups.items()}  # noqa: SLF001 - as above
        twin._due = self._due.copy()  # noqa: SLF001 - as above
        return twin

    # --- the rule ---

    @property
    def _out(self) -> int:
        return self._held + self._base + len(self._times)

    def _until_phases_hold(self, now: int, limit: int) -> int:
        """All phases but now: each is over after one window, or outweighed before."""
        span, out = self.span_ns, self._out - limit
        room, first = (-1 - out) * span, now - span
        until, gone = now, []
        for p, due in self._due.items():
            if out < due:
                continue  # while a window fills for the first time there are many groups, and most are far from it
            phases = self._groups[p]
            while phases and phases[0][1] < first:
                del phases[0]
            if not phases:
                gone.append(p)
                continue
            c, a = phases[0]
            spare = room + p * now - c  # time only adds to it
            if spare >= 0:
                self._due[p] = out + spare // span + 1
                continue
            over_at = a + span + 1
            if p:
                over_at = min(over_at, -((room - c) // p))  # the first s with c <= room + p * s
            until = max(until, over_at)
        for p in gone:
            del self._groups[p], self._due[p]
        return until

    # --- its books ---

    def _advance(self, now: int) -> int:
        """Move on to `now` (never back): settle times leave the window, and each leaves a phase behind."""
        if now <= self._seen:
            return self._seen
        self._seen = now
        times, base = self._times, self._base
        first = now - self.span_ns
        recent, end = self._recent - base, len(times)
        while recent < end and times[recent] < first:
            recent += 1
        if recent != self._recent - base:
            if self._is_drawn:
                for index in range(self._recent - base, recent):
                    self._mark_leaving(index)
            self._recent = recent + base
        oldest = now - 2 * self.span_ns  # no phase that still matters reaches back further
        if end and times[-1] < oldest:
            self._forget(end)
            self._groups.clear()  # a phase is at most one window younger than the last settle
            self._due.clear()
        elif end > _TRIM and times[_TRIM] < oldest:
            self._forget(_TRIM)
            if len(self._groups) > _TRIM:
                self._forget_phases(first)
        return now

    def _forget(self, count: int) -> None:
        del self._times[:count]
        self._base += count

    def _forget_phases(self, first: int) -> None:
        """All that ended before `first`: while nobody looks at a group, its phases end unseen."""
        for p in [p for p, phases in self._groups.items() if phases[-1][1] < first]:
            del self._groups[p], self._due[p]

    def _append(self, at: int) -> None:
        """A settle at or after all others, and its phase a = t."""
        self._advance(at)
        times = self._times
        if not times or times[-1] != at:  # else that phase is there
            before = self._base + len(times)
            self._mark(at, before, before - self._recent)
        times.append(at)

    def _mark_leaving(self, index: int) -> None:
        """The phase a = t + W, for the settle time t at `index`: the last moment at which t is in [a - W, a).

        Made only when it is past: at that very moment it is the phase a = now.
        """
        times, base = self._times, self._base
        at = times[index] + self.span_ns
        if index and times[index - 1] == times[index]:
            return
        before, end = self._until_mark - base, len(times)
        while before < end and times[before] < at:
            before += 1
        self._until_mark = before + base
        self._mark(at, before + base, before - index)

    def _mark(self, at: int, before: int, p: int) -> None:
        c = p * (at + self.span_ns) - before * self.span_ns
        phases = self._groups.get(p)
        if phases is None:
            phases = self._groups[p] = []
        while phases and phases[-1][0] <= c:
            phases.pop()
        if not phases:
            self._due[p] = _LONG_AGO  # the front is new: look at it
        phases.append((c, at))

    def _draw(self) -> None:
        """All phases anew, in order: when they come to matter, and after a settle that came late."""
        seen, times = self._seen, self._times
        self._times, self._is_drawn = [], True
        self._groups.clear()
        self._due.clear()
        self._recent = self._until_mark = self._base
        self._seen = _LONG_AGO
        for at in times:
            self._append(at)
        self._advance(seen)
