"""The budget of one API key as users see it: its settings, its state, and a gate for each event loop that sends.

Knows no key and no HTTP; the rule is `window`'s, the waiting is `gate`'s.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from attrs import frozen

from onboard360_async import settings
from onboard360_async.budget.estimate import eta_ns
from onboard360_async.budget.gate import Gate, Priority, Slot, burst_of
from onboard360_async.budget.ledger import SECOND
from onboard360_async.budget.shared import check_store, ledger_of
from onboard360_async.budget.window import Window
from onboard360_async.errors import ConfigurationError

__all__ = ["Budget", "BudgetState"]

_NO_GATES: Final[Mapping[asyncio.AbstractEventLoop, Gate]] = MappingProxyType({})


@frozen
class BudgetState:
    """A budget at one moment. Times are seconds from then, 0.0 where there is nothing to wait for.

    `used` is what counts against the limit (in flight, or answered within the last window), `available` how many more
    the rule would grant at once, `waiting` how many wait in this process.
    """

    limit: int
    effective_limit: int
    in_flight: int
    used: int
    available: int
    next_free_s: float
    waiting: int
    paused_s: float


class Budget:
    """At most `limit` requests in any window of `window_s` seconds, however the server cuts its minute.

    `burst` requests may go at once, the others at the pace that spends the limit evenly. `keep_for_interactive` of
    them are left to INTERACTIVE requests. `margin_s` is added to the window (a sixtieth of it, if left out) for clocks
    that drift and servers that count in whole seconds. `share` takes a part of the limit, for processes that have no
    store in common. Budgets of one `scope` share one window in this process, whatever their keys. `clock` gives
    nanoseconds that never go back. One budget serves any number of handles, threads and event loops.
    Raises ConfigurationError for what cannot work.
    Source: API page, "Error Handling" (429, 100 requests/minute); how the server cuts its minute is UNDOCUMENTED, and
    this is the strictest reading (tests/budget).
    """

    __slots__ = ("__weakref__", "_burst", "_effective_limit", "_gates", "_keep", "_ledger", "_limit")

    def __init__(
        self,
        limit: int = settings.LIMIT,
        *,
        burst: int = settings.BURST,
        keep_for_interactive: int = 0,
        window_s: float = settings.WINDOW_S,
        margin_s: float | None = None,
        share: float = 1.0,
        store: str = "memory",
        on_store_error: str = "raise",
        scope: str | None = None,
        clock: Callable[[], int] | None = None,
    ) -> None:
        _check_count("limit", limit, at_least=1)
        _check_count("burst", burst, at_least=1)
        _check_count("keep_for_interactive", keep_for_interactive, at_least=0)
        _check_number("window_s", window_s, above=0.0)
        _check_number("share", share, above=0.0, at_most=1.0)
        if keep_for_interactive >= limit:
            raise ConfigurationError("keep_for_interactive must be below limit, or nothing is left for the others.")
        if margin_s is None:
            margin_s = window_s * settings.MARGIN_SHARE
        _check_number("margin_s", margin_s)
        check_store(store)
        if on_store_error not in ("raise", "local"):
            raise ConfigurationError('on_store_error must be "raise" or "local".')
        if not (scope is None or (isinstance(scope, str) and scope)):
            raise ConfigurationError("scope must be None or a name.")
        if not (clock is None or callable(clock)):
            raise ConfigurationError("clock must be None or a callable that gives nanoseconds.")
        self._limit = limit
        self._effective_limit = max(1, int(limit * share))
        self._burst = burst
        self._keep = min(keep_for_interactive, self._effective_limit - 1)
        self._gates: Mapping[asyncio.AbstractEventLoop, Gate] = _NO_GATES
        span_ns = max(1, round((window_s + margin_s) * SECOND))
        self._ledger = ledger_of(scope, self._effective_limit, span_ns, clock or time.monotonic_ns)

    def __repr__(self) -> str:
        return f"Budget(limit={self._limit}, window_s={self._ledger.span_ns / SECOND:g} with its margin)"

    def snapshot(self) -> BudgetState:
        """How the budget stands now; it takes nothing."""
        window, now = self._ledger.look()
        available = window.available(now)
        return BudgetState(
            limit=self._limit,
            effective_limit=self._effective_limit,
            in_flight=window.held,
            used=window.used(now),
            available=available,
            next_free_s=0.0 if available else self._eta_ns(window, now, 1, keep=0) / SECOND,
            waiting=self._ledger.waiting,
            paused_s=window.paused_ns(now) / SECOND,
        )

    def eta_s(self, n: int) -> float:
        """Seconds until `n` BULK requests more, after all that wait in this process, could have been sent; 0 or more.

        Taken as given: every answer comes at once (so the real time is longer by what the answers take), the token
        bucket is full, and nobody else uses the key. The first windows are played by the rule, the rest is counted at
        one request fewer than the limit in each window, so a million is answered as quickly as a few hundred.
        Raises ConfigurationError if `n` is no whole number of at least 0.
        """
        _check_count("n", n, at_least=0)
        if n == 0:
            return 0.0
        window, now = self._ledger.look()
        return self._eta_ns(window, now, n + self._ledger.waiting, keep=self._keep) / SECOND

    def _eta_ns(self, window: Window, now: int, requests: int, *, keep: int) -> int:
        burst = burst_of(self._burst, self._effective_limit)
        every_ns = self._ledger.span_ns / self._effective_limit
        return eta_ns(window, now, [(requests, keep)], burst=burst, tokens=burst, every_ns=every_ns)

    def pause(self, seconds: float) -> None:
        """Send nothing for that long, for everybody who shares this budget; a longer pause stays as it is.

        Raises ConfigurationError for what is no number of seconds of at least 0.
        """
        _check_number("seconds", seconds)
        self._ledger.pause(seconds)

    def slot(
        self,
        *,
        priority: Priority = Priority.INTERACTIVE,
        deadline_s: float | None = None,
        max_wait_s: float | None = None,
        grace_s: float = settings.TIMEOUT_S,
    ) -> Slot:
        """The right to send one request, to be entered on the running loop; for the transport alone."""
        return Slot(self._gate(), self._ledger, priority, deadline_s=deadline_s, max_wait_s=max_wait_s, grace_s=grace_s)

    def _gate(self) -> Gate:
        loop = asyncio.get_running_loop()
        gate = self._gates.get(loop)
        if gate is None or gate.forks != self._ledger.forks:
            gate = Gate(self._ledger, burst=self._burst, keep=self._keep, limit=self._effective_limit)
            with self._ledger.lock:  # a new dictionary, so that other threads never see one change under their hands
                alive = {other: kept for other, kept in self._gates.items() if self._is_alive(other, kept)}
                self._gates = {**alive, loop: gate}
        return gate

    def _is_alive(self, loop: asyncio.AbstractEventLoop, gate: Gate) -> bool:
        return not loop.is_closed() and gate.forks == self._ledger.forks


# --- checks ---


def _check_count(name: str, value: object, *, at_least: int) -> None:
    if type(value) is not int or value < at_least:
        raise ConfigurationError(f"{name} must be a whole number of at least {at_least}.")


def _check_number(name: str, value: object, *, above: float | None = None, at_most: float = settings.LONGEST_S) -> None:
    """A number above `above`, or of at least 0 if that is None; neither NaN nor infinite."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        enough = value >= 0 if above is None else value > above
        if enough and value <= at_most:
            return
    least = "of at least 0" if above is None else f"above {above:g}"
    raise ConfigurationError(f"{name} must be a number {least} and at most {at_most:g}.")
