"""The budget of one API key as users see it: its settings, its state, and a gate for each event loop that sends.

Knows no key and no HTTP; the rule is `window`'s, the waiting is `gate`'s.
"""

import asyncio
import hashlib
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from attrs import frozen

from onboard360_async import settings
from onboard360_async.budget.estimate import eta_ns
from onboard360_async.budget.gate import Gate, Priority, burst_of
from onboard360_async.budget.ledger import SECOND, Ledger
from onboard360_async.budget.memory_gate import MemoryGate
from onboard360_async.budget.memory_ledger import MemoryLedger
from onboard360_async.budget.shared import keep_whole_at_forks, memory_ledger
from onboard360_async.budget.slot import Slot
from onboard360_async.budget.store import Store
from onboard360_async.budget.stores import check_store, open_store
from onboard360_async.budget.window import Window
from onboard360_async.errors import ConfigurationError

__all__ = ["Budget", "BudgetState"]

_NO_GATES: Final[Mapping[asyncio.AbstractEventLoop, Gate]] = MappingProxyType({})


@frozen
class BudgetState:
    """A budget at one moment. Times are seconds from then, 0.0 where there is nothing to wait for.

    `used` is what counts against the limit (in flight, or answered within the last window), `available` how many more
    the rule would grant at once, `waiting` how many wait in this process. `effective_limit` is what 429s, and headers
    that name a limit, have left of `limit`. With a store it is how the budget was when the store was last asked, with
    what this process did since; `held_by` says which processes (`host:pid`) have requests in flight, and how many.
    """

    limit: int
    effective_limit: int
    in_flight: int
    used: int
    available: int
    next_free_s: float
    waiting: int
    paused_s: float
    held_by: Mapping[str, int] = MappingProxyType({})


class Budget:
    """At most `limit` requests in any window of `window_s` seconds, however the server cuts its minute.

    `burst` requests may go at once, the others at the pace that spends the limit evenly. `keep_for_interactive` of
    them are left to INTERACTIVE requests. `margin_s` is added to the window (a sixtieth of it, if left out) for clocks
    that drift and servers that count in whole seconds. `clock` gives nanoseconds that never go back. One budget serves
    any number of handles, threads and event loops.
    `store` says who shares it: "memory" this process, "file" the processes of one user on this machine, "redis://..."
    all that reach that Redis. The books are named after the first key and base URL that use them, or by `scope`;
    in memory, budgets of one `scope` share one window, whatever their keys. Where a store fails, requests raise
    BudgetStoreError, or with `on_store_error="local"` go on within `share` of the limit. In memory `share` is the part
    of the limit that this process takes.
    Raises ConfigurationError for what cannot work.
    Source: API page, "Error Handling" (429, 100 requests/minute); how the server cuts its minute is UNDOCUMENTED, and
    this is the strictest reading (tests/budget).
    """

    __slots__ = ("__weakref__", "_burst", "_gates", "_keep", "_ledger", "_limit")

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
        if store != "memory" and share != 1.0 and on_store_error == "raise":
            raise ConfigurationError('share goes with the store "memory" or with on_store_error="local".')
        if not (clock is None or callable(clock)):
            raise ConfigurationError("clock must be None or a callable that gives nanoseconds.")
        self._limit = limit
        self._burst = burst
        self._gates: Mapping[asyncio.AbstractEventLoop, Gate] = _NO_GATES
        span_ns = max(1, round((window_s + margin_s) * SECOND))
        clock = clock or time.monotonic_ns
        part = max(1, int(limit * share))
        self._ledger: Ledger
        if store == "memory":
            self._ledger = memory_ledger(scope, part, span_ns, clock)
        else:
            local_limit = part if on_store_error == "local" else None
            self._ledger = _stored_ledger(store, limit, span_ns, burst_of(burst, limit), clock, local_limit)
            if scope is not None:
                self._ledger.name_books(hashlib.sha256(scope.encode()).hexdigest())
        self._keep = min(keep_for_interactive, self._ledger.limit - 1)

    def __repr__(self) -> str:
        if not hasattr(self, "_ledger"):
            return "Budget(...)"  # refused while it was made, and somebody looks at what was there then
        return f"Budget(limit={self._limit}, window_s={self._ledger.span_ns / SECOND:g} with its margin)"

    def snapshot(self) -> BudgetState:
        """How the budget stands now; it takes nothing."""
        window, now = self._ledger.look()
        available = window.available(now)
        return BudgetState(
            limit=self._limit,
            effective_limit=window.limit,
            in_flight=window.held,
            used=window.used(now),
            available=available,
            next_free_s=0.0 if available else self._eta_ns(window, now, 1, keep=0) / SECOND,
            waiting=self._ledger.waiting,
            paused_s=window.paused_ns(now) / SECOND,
            held_by=self._ledger.holders(),
        )

    async def refresh(self) -> BudgetState:
        """The same, after asking the store how the budget stands now; for one in memory there is nobody to ask.

        BudgetStoreError if the store cannot be used.
        """
        await self._gate().look()
        return self.snapshot()

    @property
    def is_nameless(self) -> bool:
        """Whether the books are to be kept in a store that does not know yet what to call them."""
        return self._ledger.is_nameless

    def name_books(self, name: str) -> None:
        """Call the books in the store so, unless they have a name; for the transport, which knows the key."""
        self._ledger.name_books(name)

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
        burst = burst_of(self._burst, self._ledger.limit)
        every_ns = self._ledger.span_ns / self._ledger.limit
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
        gate = self._gates.get(asyncio.get_running_loop())
        if gate is None or gate.forks != self._ledger.forks:
            gate = self._gate()
        return Slot(gate, self._ledger, priority, deadline_s, max_wait_s, grace_s)

    def _gate(self) -> Gate:
        loop = asyncio.get_running_loop()
        gate = self._gates.get(loop)
        if gate is None or gate.forks != self._ledger.forks:
            gate = self._new_gate()
            with self._ledger.lock:  # a new dictionary, so that other threads never see one change under their hands
                alive = {other: kept for other, kept in self._gates.items() if self._is_alive(other, kept)}
                self._gates = {**alive, loop: gate}
        return gate

    def _new_gate(self) -> Gate:
        ledger = self._ledger
        if isinstance(ledger, MemoryLedger):
            return MemoryGate(ledger, burst=self._burst, keep=self._keep)
        from onboard360_async.budget.stored_gate import StoredGate
        from onboard360_async.budget.stored_ledger import StoredLedger

        if ledger.is_nameless:
            raise ConfigurationError("A budget with a store needs a scope, or a handle that uses it first.")
        assert isinstance(ledger, StoredLedger)  # noqa: S101 - there are two kinds
        return StoredGate(ledger, burst=self._burst, keep=self._keep)

    def _is_alive(self, loop: asyncio.AbstractEventLoop, gate: Gate) -> bool:
        return not loop.is_closed() and gate.forks == self._ledger.forks


def _stored_ledger(
    store: str, limit: int, span_ns: int, burst: int, clock: Callable[[], int], local_limit: int | None
) -> Ledger:
    # Imported when first needed: most budgets are kept in memory.
    from onboard360_async.budget.books import Terms
    from onboard360_async.budget.stored_ledger import StoredLedger

    def make(name: str) -> Store:
        return open_store(store, name, clock, most_ns=3 * span_ns)

    terms = Terms(limit, span_ns, burst)
    return keep_whole_at_forks(StoredLedger(terms, clock, make, local_limit=local_limit))


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
