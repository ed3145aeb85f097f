"""Sends webhooks from the sandbox's loop: attempts, retries, and what is held back. Knows no event and no signature.

UNDOCUMENTED: in which order deliveries come; up to eight go to an endpoint at once, so that one that is slow to answer
does not hold up the next. Pinned by tests/sandbox/test_deliveries.py (test_a_slow_receiver_holds_up_nobody).
"""

import asyncio
import errno
import os
import random
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import aiohttp
from attrs import define, field

from onboard360_async.sandbox.clock import Clock
from onboard360_async.sandbox.deliveries import Attempt, Deliveries, Parcel
from onboard360_async.sandbox.webhooks import Webhook

__all__ = ["HOLD_S", "TIMEOUT_S", "Courier"]

# UNDOCUMENTED: how long the service waits for an answer; pinned by test_deliveries.py (test_no_answer_is_a_failure).
TIMEOUT_S: Final = 10.0  # seconds that one attempt may take, from connecting to the end of the answer
HOLD_S: Final = 5.0  # seconds that a delivery is held back at most, if no other comes
_AT_ONCE: Final = 8  # attempts to one endpoint
_CONNECTIONS: Final = 100  # of all endpoints
_UNSAID: Final = ("Accept", "Accept-Encoding", "User-Agent")  # the page names three headers, we add none of our own


@define(eq=False)
class _Lane:
    """What goes to one endpoint."""

    slots: asyncio.Semaphore
    dice: random.Random
    held: asyncio.Event | None = field(default=None, init=False)  # set, it lets go what is held back

    @classmethod
    def to(cls, webhook: Webhook) -> "_Lane":
        dice = random.Random(webhook.seed)  # noqa: S311 - dice for tests, which must fall alike every time
        return cls(asyncio.Semaphore(_AT_ONCE), dice)

    def turn(self, chance: float) -> tuple[asyncio.Event | None, asyncio.Event | None]:
        """For the next to be sent: what it is to wait for, and what it is to set after its first attempt."""
        is_unlucky = self.dice.random() < chance
        if (held := self.held) is not None:
            self.held = None
            return None, held
        if is_unlucky:
            self.held = asyncio.Event()
        return self.held, None

    async def hold(self, gate: asyncio.Event) -> None:
        """Return when the next one was sent, or does not come."""
        with suppress(TimeoutError):
            async with asyncio.timeout(HOLD_S):
                await gate.wait()
        if self.held is gate:
            self.held = None

    def let_go(self) -> None:
        """Hold back nothing any longer."""
        if self.held is not None:
            self.held.set()
            self.held = None


class Courier:
    """One running sandbox's sender; made on its loop, and closed there. The rest may be called from any thread."""

    def __init__(self, log: Deliveries, *, clock: Clock) -> None:
        self._log = log
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._lanes: dict[str, _Lane] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._drops = 0  # how often all was given up
        self._session = aiohttp.ClientSession(
            # A connection of its own for each attempt: a receiver that was restarted meanwhile is no failure.
            connector=aiohttp.TCPConnector(limit=_CONNECTIONS, force_close=True),
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=_UNSAID,
            timeout=aiohttp.ClientTimeout(total=TIMEOUT_S),
            trust_env=False,
        )

    def send(self, parcels: Sequence[Parcel], *, may_hold: bool) -> None:
        """Send these, of one endpoint and with the same bytes, and report each attempt to the log."""
        self._loop.call_soon_threadsafe(self._start, parcels, may_hold, self._drops)

    def let_go(self) -> None:
        """Send what is held back for reordering: nothing is to come that it could come after."""
        self._loop.call_soon_threadsafe(self._let_go)

    def drop(self) -> None:
        """Give up all that is under way; called on the loop."""
        self._drops += 1
        for task in self._tasks:
            task.cancel()
        self._lanes.clear()

    async def close(self) -> None:
        """Give up what is under way, at once; the log takes no more from us by then."""
        await asyncio.sleep(0)  # what was handed over before begins now, and so is seen below
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._session.close()

    def _let_go(self) -> None:
        for lane in self._lanes.values():
            lane.let_go()

    def _start(self, parcels: Sequence[Parcel], may_hold: bool, drops: int) -> None:
        if drops != self._drops:  # dropped before it began
            return
        webhook = parcels[0].webhook
        if webhook.id not in self._lanes:
            self._lanes[webhook.id] = _Lane.to(webhook)
        lane = self._lanes[webhook.id]
        gate, opens = lane.turn(webhook.reorder) if may_hold else (None, None)
        for parcel in parcels:
            task = asyncio.create_task(self._carry(lane, parcel, gate, opens))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _carry(
        self, lane: _Lane, parcel: Parcel, gate: asyncio.Event | None, opens: asyncio.Event | None
    ) -> None:
        if gate is not None:
            await lane.hold(gate)
        attempt = await self._attempt(lane, parcel)
        if opens is not None:
            opens.set()
        waits = iter(parcel.webhook.waits_s)
        while not attempt.succeeded and (wait_s := next(waits, None)) is not None:
            self._log.tried(parcel, attempt, is_last=False)
            await self._clock.sleep(wait_s)
            attempt = await self._attempt(lane, parcel)
        self._log.tried(parcel, attempt, is_last=True)

    async def _attempt(self, lane: _Lane, parcel: Parcel) -> Attempt:
        async with lane.slots:
            return await self._post(parcel)

    async def _post(self, parcel: Parcel) -> Attempt:
        """UNDOCUMENTED: whether redirects are followed; we follow none.

        Pinned by tests/sandbox/test_deliveries.py (test_a_redirect_is_not_followed).
        """
        at = self._clock()
        post = self._session.post(parcel.webhook.url, data=parcel.body, headers=parcel.headers, allow_redirects=False)
        try:
            async with post as answer:
                await _read_away(answer)
                return Attempt(at, answer.status)
        except TimeoutError:
            return Attempt(at, None, f"no answer within {TIMEOUT_S:g} s")
        except (aiohttp.ClientError, OSError, ValueError) as error:  # ValueError: a host that cannot be a name
            return Attempt(at, None, _reason(error))


def _reason(error: Exception) -> str:
    """What the system calls it, as in "Connection refused"; asyncio's own words hold a tuple."""
    number = getattr(error, "errno", None)
    if isinstance(number, int) and number in errno.errorcode:  # a name that is not found has a number of its own
        return os.strerror(number)
    return getattr(error, "strerror", None) or type(error).__name__


async def _read_away(answer: aiohttp.ClientResponse) -> None:
    """The status is all that counts, but whoever answers is not to find the connection closed in the middle."""
    with suppress(aiohttp.ClientError, TimeoutError):
        while await answer.content.readany():
            pass
