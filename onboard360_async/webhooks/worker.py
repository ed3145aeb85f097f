"""Takes an inbox's events and has them handled: leased, one after another for each client, again if that failed.

Knows no database and no HTTP. At least once: what a worker held when its process died is taken by the next one, when
its lease has ended.
"""

import asyncio
import contextlib
import logging
import os
import random
import secrets
from collections.abc import Callable, Collection
from typing import Final

from onboard360_async import settings
from onboard360_async.errors import Onboard360Error, WebhookError
from onboard360_async.webhooks.router import Router, RunsOnError
from onboard360_async.webhooks.store import InboxStore, Kept, State
from onboard360_async.webhooks.writer import Writer

__all__ = ["Worker", "backoff_s"]

_LOG: Final = logging.getLogger("onboard360_async")


def backoff_s(attempts: int, *, jitter: float) -> float:
    """Seconds until the next attempt: doubled each time, up to an hour; `jitter` (0 to 1) is of its second half."""
    whole = min(settings.INBOX_BACKOFF_S * 2.0 ** min(attempts - 1, 60), settings.INBOX_BACKOFF_MOST_S)
    return whole * (1 + jitter) / 2


class Worker:
    """Handles an inbox's events on one loop: those that are due now (`drain`), or whatever comes (`run`)."""

    def __init__(
        self,
        router: Router,
        writer: Writer,
        *,
        clock: Callable[[], float],
        concurrency: int,
        lease_s: float,
        max_attempts: int,
    ) -> None:
        self._router = router
        self._writer = writer
        self._clock = clock
        self._concurrency = concurrency
        self._lease_s = lease_s
        self._max_attempts = max_attempts
        self._held: dict[int, asyncio.Task[None]] = {}  # by the event's place (`Kept.seq`)
        self._leases: dict[int, str] = {}
        self._wake = asyncio.Event()
        self._stopping = False
        self._loop = asyncio.get_running_loop()
        self._pid = os.getpid()

    def wake(self) -> None:
        """Look again: something has come. From any thread."""
        if self._pid == os.getpid():  # a forked child has no worker of its own
            with contextlib.suppress(RuntimeError):  # the loop has ended, and its worker too
                self._loop.call_soon_threadsafe(self._wake.set)

    async def drain(self) -> int:
        """Handle all that is due now, and what becomes free by that; how many attempts that were."""
        taken = 0
        renewing = asyncio.create_task(self._renew_again_and_again())
        try:
            while (more := await self._take()) or self._held:
                taken += more
                await asyncio.wait(self._held.values(), return_when=asyncio.FIRST_COMPLETED)
        finally:
            await self._let_go(renewing, grace_s=0.0)
        return taken

    async def run(self) -> None:
        """Handle what comes until `stop`; then those under way have some seconds to end."""
        renewing = asyncio.create_task(self._renew_again_and_again())
        grace_s = settings.INBOX_GRACE_S
        try:
            while not self._stopping:
                self._wake.clear()
                if not await self._take_if_it_can():
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(settings.INBOX_POLL_S):
                            await self._wake.wait()
        except asyncio.CancelledError:
            grace_s = 0.0  # whoever cancels does not wait
            raise
        finally:
            await self._let_go(renewing, grace_s=grace_s)

    def stop(self) -> None:
        """Take no more. A cancellation would do, but for what was leased at that very moment: it would wait in vain."""
        self._stopping = True
        self._wake.set()

    async def renew(self) -> None:
        """Prolong the leases of what is under way."""
        until = self._clock() + self._lease_s
        by_lease: dict[str, list[int]] = {}
        for seq, lease in self._leases.items():
            by_lease.setdefault(lease, []).append(seq)

        def prolong(store: InboxStore) -> None:
            for lease, seqs in by_lease.items():
                store.renew(seqs, lease, until)

        await self._writer.done(prolong)

    async def _renew_again_and_again(self) -> None:
        while True:
            await asyncio.sleep(self._lease_s / 3)
            try:
                await self.renew()
            except Onboard360Error as error:
                _LOG.warning("webhook leases were not prolonged: %s", error)

    async def _take_if_it_can(self) -> int:
        try:
            return await self._take()
        except Exception as error:  # noqa: BLE001 - a worker that ended unseen would let acknowledged events pile up
            said = error if isinstance(error, Onboard360Error) else type(error).__name__
            _LOG.warning("webhook inbox cannot be read: %s", said)
            return 0

    async def _take(self) -> int:
        """Lease as many as there is room for, and begin with them; how many."""
        room = self._concurrency - len(self._held)
        if not room:
            return 0
        now, lease = self._clock(), secrets.token_hex(8)
        leasing = self._writer.begin(
            lambda store: store.lease(now=now, until=now + self._lease_s, lease=lease, most=room)
        )
        try:
            taken = await asyncio.shield(leasing)
        except asyncio.CancelledError:
            leasing.add_done_callback(self._give_back)  # or they would wait for the end of a lease of nobody's
            raise
        return sum(map(self._begin, taken))

    def _begin(self, kept: Kept) -> bool:
        """Begin with a leased event; False for one that we have under way, whose lease had ended meanwhile."""
        self._leases[kept.seq] = str(kept.lease)
        if kept.seq in self._held:
            return False
        task = self._held[kept.seq] = asyncio.create_task(self._handle(kept))
        task.add_done_callback(lambda ended: self._ended(kept.seq, ended))
        return True

    def _give_back(self, leasing: asyncio.Future[list[Kept]]) -> None:
        if leasing.cancelled() or leasing.exception() is not None:
            return
        for kept in leasing.result():
            self._writer.submit(_note(kept, str(kept.lease), "waiting", self._clock(), kept.attempts - 1))

    def _ended(self, seq: int, task: asyncio.Task[None]) -> None:
        del self._held[seq], self._leases[seq]
        self._wake.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            _LOG.error("webhook worker failed: %s", type(error).__name__)

    async def _handle(self, kept: Kept) -> None:
        """Once through the handlers that are not done with it, and note what became of it."""
        handled: Collection[str] = kept.handled
        attempts = kept.attempts  # this one is counted: it counts even if it is the end of the process
        try:
            if attempts > self._max_attempts:
                failed = "It was begun too often and never ended."
            else:
                run = await self._router.run(kept.event(), skip=kept.handled)
                handled = run.done
                failed = ", ".join(f"{name}: {_reason(error)}" for name, error in run.failed)
        except WebhookError:
            failed = "The stored event cannot be read."
        except RunsOnError:
            raise  # its function goes on in its thread: nobody else is to begin before the lease has ended
        except asyncio.CancelledError:
            # Not waited for: we are to stop. It was not the event's fault, so this attempt does not count.
            lease = self._leases[kept.seq]
            self._writer.submit(_note(kept, lease, "waiting", self._clock(), attempts - 1, kept.handled))
            raise
        state: State = "done" if not failed else "dead" if attempts >= self._max_attempts else "waiting"
        due_at = self._clock() + (backoff_s(attempts, jitter=random.random()) if state == "waiting" else 0.0)  # noqa: S311 - no secret
        if state == "dead":
            _LOG.error("webhook event %s is a dead letter after %d attempts (%s)", kept.id, attempts, failed)
        await self._noted(kept, state, due_at, attempts, handled, failed)

    async def _noted(
        self, kept: Kept, state: State, due_at: float, attempts: int, handled: Collection[str], error: str
    ) -> None:
        """Note it, again and again for as long as a lease: what is not noted is handled once more."""
        give_up = self._loop.time() + self._lease_s
        while True:
            lease = self._leases[kept.seq]
            note = _note(kept, lease, state, due_at, attempts, handled, error)
            try:
                noted = await asyncio.shield(self._writer.begin(note))  # it is noted, even if we are to stop
            except Onboard360Error as fault:
                if self._stopping or self._loop.time() > give_up:
                    _LOG.warning("webhook event %s will be handled again: %s", kept.id, fault)
                    return
                await asyncio.sleep(settings.INBOX_POLL_S)
                continue
            if not noted and self._leases[kept.seq] != lease:
                continue  # we have taken it again at this very moment
            if not noted:
                _LOG.warning("webhook event %s took longer than its lease, and may be handled again", kept.id)
            return

    async def _let_go(self, renewing: asyncio.Task[None], *, grace_s: float) -> None:
        """Wait some seconds for those under way, unless we are cancelled meanwhile; then cancel them."""
        try:
            if self._held:
                await asyncio.wait(self._held.values(), timeout=grace_s)
        finally:
            late = list(self._held.values())
            for task in late:
                task.cancel()
            renewing.cancel()
            await asyncio.gather(*late, renewing, return_exceptions=True)


def _reason(error: Exception) -> str:
    """Why a handler failed. A text may name people; a WebhookError's reason is ours, or was chosen to be told."""
    return error.reason if isinstance(error, WebhookError) else type(error).__name__


def _note(
    kept: Kept,
    lease: str,
    state: State,
    due_at: float,
    attempts: int,
    handled: Collection[str] | None = None,
    error: str = "",
) -> Callable[[InboxStore], bool]:
    """The work for the writer that ends a lease."""
    done = kept.handled if handled is None else handled
    return lambda store: store.settle(
        kept.seq, lease, state=state, due_at=due_at, attempts=attempts, handled=done, error=error
    )
