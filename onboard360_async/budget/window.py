"""The rule, pure: may one more request be sent now, whatever way the server cuts its minute?

Synchronous, in integer nanoseconds; knows no clock, no asyncio, no key and no HTTP. Source: API page, "Error Handling".
UNDOCUMENTED: how the server cuts its minute. One request more is granted at a time s only if for every phase a in
[s - W, s], with p settled in [a - W, a):  (held or settled at or after a) + (1 - (s - a) / W) * p + 1 <= limit.
For a = s that is a log of answers (sliding log, token bucket, GCRA, fixed windows); the other phases bound a sliding
counter at any alignment. tests/budget holds it against models of all of them, and against the rule by the letter.

Why it is quick: with n settled before a and `out` granted and not released, a phase is two constants, p and
c = p * (a + W) - n * W, and holds while c <= (limit - 1 - out) * W + p * s. The left side can peak only at a settle
time, one W after a settle time, and now; of all phases with one p only the largest c can bind.
"""

from bisect import bisect_left, insort
from collections import deque
from typing import Self

__all__ = ["Window"]

_TRIM = 64  # settle times that may be out of reach before the list is cut; only saves work


class Window:
    """What was granted, settled and released under one limit in any window of `window_ns`.

    A request counts from `reserve` to `window_ns` after its `settle`, at the latest moment the server can have
    counted it; one that certainly never left is given back by `release`.
    """

    __slots__ = (
        "_base", "_groups", "_held", "_marked", "_marked_end", "_paused_until", "_recent", "_seen", "_span",
        "_times", "limit",
    )  # fmt: skip

    def __init__(self, limit: int, window_ns: int) -> None:
        self.limit = limit
        self._span = window_ns
        self._held = 0
        self._times: list[int] = []  # settle times, sorted, of the last two windows
        self._base = 0  # settle times that were forgotten; the index of _times[0]
        self._recent = 0  # index of the first settle time in the last window
        self._marked = 0  # index of the first settle time t whose phase t + W is still to come
        self._marked_end = 0  # index of the first settle time at or after the last such phase
        self._groups: dict[int, deque[tuple[int, int]]] = {}  # by p: phases (c, a), the largest c in front
        self._seen = 0  # the latest moment that was looked at
        self._paused_until = 0

    # --- asking and telling ---

    def reserve(self, now: int, keep: int = 0) -> int | None:
        """0: granted, and held from now on. Else the nanoseconds until asking again may help, a lower bound.

        None: only a settle or a release can help. `keep` leaves that many requests to others.
        """
        now = self._advance(now)
        if now < self._paused_until:
            return self._paused_until - now
        limit = max(1, self.limit - keep)
        wait = self._wait_for_log(now, limit)
        if wait is None:
            return None
        wait = max(wait, self._wait_for_phases(now, limit))
        if wait == 0:
            self._held += 1
        return wait

    def settle(self, at: int) -> None:
        """A held request counts as of `at`, its answer's moment; settles may be told out of order."""
        self._held -= 1
        if at < self._seen:
            insort(self._times, at)
            self._rebuild()
            return
        self._advance(at)
        self._times.append(at)
        self._add_phase_at_settle(self._base + len(self._times) - 1)

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

    def paused_ns(self, now: int) -> int:
        """Nanoseconds until the pause is over, 0 if there is none."""
        return max(0, self._paused_until - now)

    def copy(self) -> Self:
        """A window of its own with the same past, to try out a future."""
        twin = type(self)(self.limit, self._span)
        for name in self.__slots__:
            setattr(twin, name, getattr(self, name))
        twin._times = self._times.copy()  # noqa: SLF001 - one of our own kind
        twin._groups = {p: phases.copy() for p, phases in self._groups.items()}  # noqa: SLF001 - as above
        return twin

    # --- the rule ---

    def _wait_for_log(self, now: int, limit: int) -> int | None:
        """The phase a = now: how long until enough settle times have left the window."""
        settled = self._base + len(self._times) - self._recent
        over = self._held + settled + 1 - limit
        if over <= 0:
            return 0
        if over > settled:
            return None
        return self._times[self._recent - self._base + over - 1] + self._span + 1 - now

    def _wait_for_phases(self, now: int, limit: int) -> int:
        """All other phases: each is over after one window, or outweighed before."""
        out = self._held + self._base + len(self._times)
        room = (limit - 1 - out) * self._span
        first = now - self._span
        wait = 0
        for p, phases in list(self._groups.items()):
            while phases and phases[0][1] < first:
                phases.popleft()
            if not phases:
                del self._groups[p]
                continue
            c, a = phases[0]
            if c > room + p * now:
                until = a + self._span + 1
                if p:
                    until = min(until, -((room - c) // p))  # the first s with c <= room + p * s
                wait = max(wait, until - now)
        return wait

    # --- its books ---

    def _advance(self, now: int) -> int:
        """Move on to `now` (never back): settle times leave the window, and each leaves a phase behind."""
        now = max(now, self._seen)
        self._seen = now
        times, base, span = self._times, self._base, self._span
        end = base + len(times)
        while self._recent < end and times[self._recent - base] < now - span:
            self._recent += 1
        while self._marked < end and times[self._marked - base] + span <= now:
            self._add_phase_after_settle(self._marked)
            self._marked += 1
        self._forget(now)
        return now

    def _forget(self, now: int) -> None:
        old = bisect_left(self._times, now - 2 * self._span, 0, min(_TRIM, len(self._times)))
        if old and (old == _TRIM or old == len(self._times)):
            del self._times[:old]
            self._base += old

    def _add_phase_at_settle(self, index: int) -> None:
        """The phase a = t, for the settle time t at `index`."""
        at = self._times[index - self._base]
        before = self._base + bisect_left(self._times, at)
        self._add_phase(at, before, before - self._base - bisect_left(self._times, at - self._span))

    def _add_phase_after_settle(self, index: int) -> None:
        """The phase a = t + W, for the settle time t at `index`: the last moment at which t is in [a - W, a)."""
        at = self._times[index - self._base] + self._span
        end = self._base + len(self._times)
        while self._marked_end < end and self._times[self._marked_end - self._base] < at:
            self._marked_end += 1
        first = self._base + bisect_left(self._times, at - self._span)
        self._add_phase(at, self._marked_end, self._marked_end - first)

    def _add_phase(self, at: int, before: int, p: int) -> None:
        c = p * (at + self._span) - before * self._span
        phases = self._groups.get(p)
        if phases is None:
            phases = self._groups[p] = deque()
        while phases and phases[-1][0] <= c:
            phases.pop()
        phases.append((c, at))

    def _rebuild(self) -> None:
        """All phases anew, after a settle that came late."""
        seen, times = self._seen, self._times
        self._groups.clear()
        self._recent = self._marked = self._marked_end = self._base
        self._seen = 0
        for index in range(self._base, self._base + len(times)):
            self._mark_until(times[index - self._base])
            self._add_phase_at_settle(index)
        self._advance(seen)

    def _mark_until(self, at: int) -> None:
        while self._times[self._marked - self._base] + self._span <= at:
            self._add_phase_after_settle(self._marked)
            self._marked += 1
