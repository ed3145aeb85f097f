"""One slot of the budget: the right to send one request, and what became of it.

Knows no rule and no lane: the gate grants, and the ledger is told.
"""

from types import TracebackType
from typing import Self

from onboard360_async.budget.feedback import Told
from onboard360_async.budget.gate import Gate, Priority
from onboard360_async.budget.ledger import SECOND, Held, Ledger, give_back

__all__ = ["Slot"]


class Slot:
    """The right to send one request: `sent` before its first byte, `answered` or `refused` when the headers are in.

    To be entered as a block, or by `take`, else `wait`, and `leave`, which costs a request no coroutine.
    Leaving it without an answer gives it back if nothing was sent; else it stays held until `grace_s` from
    then, since the server may count it at any moment until the attempt's time-out.
    """

    __slots__ = ("_forks", "_gate", "_grace_s", "_held", "_ledger", "_limits", "_priority", "_sent", "waited_s")

    def __init__(
        self,
        gate: Gate,
        ledger: Ledger,
        priority: Priority,
        deadline_s: float | None,
        max_wait_s: float | None,
        grace_s: float,
    ) -> None:
        self._gate, self._ledger, self._grace_s = gate, ledger, grace_s
        self._priority, self._limits = priority, (max_wait_s, deadline_s)
        self._forks = ledger.forks
        self._held: Held | None = None
        self._sent = False
        self.waited_s: float = 0.0

    def take(self) -> bool:
        """Take one that is there; False if there is none, and one must `wait`."""
        self._held = held = self._gate.grant_now(self._priority)
        return held is not None

    async def wait(self) -> None:
        """Wait for one; BudgetExhaustedError or DeadlineError, and nothing is spent, if that cannot be in time."""
        max_wait_s, deadline_s = self._limits
        asked_at = self._ledger.clock()
        self._held = await self._gate.acquire(
            self._priority, deadline_s=deadline_s, max_wait_s=max_wait_s, grace_s=self._grace_s
        )
        self.waited_s = (self._ledger.clock() - asked_at) / SECOND

    def leave(self, error: BaseException | None = None) -> None:
        """What is still held is given back, or stays held until its end; `error` is why there is no answer."""
        if self._held is None or (held := self._ended()) is None:
            return
        if self._sent:
            held.lease(self._grace_s)
        else:
            give_back(held, error)

    async def __aenter__(self) -> Self:
        if not self.take():
            await self.wait()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.leave(error)

    def sent(self) -> None:
        """The first byte leaves now. SlotOverError, and it must not, if the slot may be another's by now."""
        if self._held is not None:
            self._held.sent()
        self._sent = True

    def answered(self, told: Told | None = None) -> None:
        """An answer's headers are in: the request counts as of now. `told` is what they say of the limit."""
        held, self._held = self._held, None
        if held is not None and self._forks == self._ledger.forks:
            held.answered(told)

    def refused(self, retry_after_s: float | None) -> None:
        """The answer was a 429: the request counts, and everybody pauses."""
        if (held := self._ended()) is not None:
            held.refused(retry_after_s)

    def _ended(self) -> Held | None:
        """What is held, once. After a fork the slot is the parent's to end, and here a lease already."""
        held, self._held = self._held, None
        return held if self._forks == self._ledger.forks else None
