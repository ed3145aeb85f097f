"""Takes an inbox's events and has them handled: leased, one after another for each client, again if that failed.

Knows no database and no HTTP. At least once: what a worker held when its process died is taken by the next one, when
its lease has ended.
"""

import asyncio
import contextlib
import logging
import random
import secrets
from collections.abc import Callable, Collection
from typing import Final

from onboard360_async import settings
from onboard360_async.errors import InboxError, Onboard360Error, WebhookError
from onboard360_async.webhooks.router import Router
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
        self._held: dict[asyncio.Task[None], Kept] = {}
        self._wake = asyncio.Event()
        self._stopping = False
        self._loop = asyncio.get_running_loop()

    def wake(self) -> None:
        """Look again: something has come. From any thread."""
        with contextlib.suppress(RuntimeError):  # the loop has ended, and its worker too
            self._loop.call_soon_threadsafe(self._wake.set)

    async def drain(self) -> int:
        """Handle all that is due now, and what becomes free by that; how many attempts that were."""
        taken = 0
        try:
            while (more := await self._take()) or self._held:
                taken += more
                await asyncio.wait(self._held, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await self._let_go(grace_s=0.0)
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
            try:
                await self._let_go(grace_s=grace_s)
            finally:
                renewing.cancel()

    def stop(self) -> None:
        """Take no more. A cancellation would do, but for what was leased at that very moment: it would wait in vain."""
        self._stopping = True
        self._wake.set()

    async def renew(self) -> None:
        """Prolong the leases of what is under way."""
        until = self._clock() + self._lease_s
        by_lease: dict[str, list[int]] = {}
        for kept in self._held.values():
            by_lease.setdefault(str(kept.lease), []).append(kept.seq)

        def prolong(store: InboxStore) -> None:
            for lease, seqs in by_lease.items():
                store.renew(seqs, lease, until)

        await self._writer.done(prolong)

    async def _renew_again_and_again(self) -> None:
        while True:
            await asyncio.sleep(self._lease_s / 3)
            try:
                await self.renew()
            except InboxError as error:
                _LOG.warning("webhook leases were not prolonged: %s", error.reason)

    async def _take_if_it_can(self) -> int:
        try:
            return await self._take()
        except Onboard360Error as error:
            _LOG.warning("webhook inbox cannot be read: %s", error)
            return 0

    async def _take(self) -> int:
        """Lease as many as there is room for, and begin with them; how many."""
        room = self._concurrency - len(self._held)
        if not room:
            return 0
        now, lease = self._clock(), secrets.token_hex(8)
        taken = await self._writer.done(
            lambda store: store.lease(now=now, until=now + self._lease_s, lease=lease, most=room)
        )
        for kept in taken:
            task = asyncio.create_task(self._handle(kept))
            self._held[task] = kept
            task.add_done_callback(self._ended)
        return len(taken)

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._held[task]
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
        except asyncio.CancelledError:
            # Not waited for: we are to stop. It was not the event's fault, so this attempt does not count.
            free = _note(kept, "waiting", due_at=self._clock(), attempts=attempts - 1, handled=handled, error="")
            self._writer.submit(free)
            raise
        state: State = "done" if not failed else "dead" if attempts >= self._max_attempts else "waiting"
        due_at = self._clock() + (backoff_s(attempts, jitter=random.random()) if state == "waiting" else 0.0)  # noqa: S311 - no secret
        if state == "dead":
            _LOG.error("webhook event %s is a dead letter after %d attempts (%s)", kept.id, attempts, failed)
        try:
            note = _note(kept, state, due_at=due_at, attempts=attempts, handled=handled, error=failed)
            if not await asyncio.shield(self._writer.begin(note)):  # it is noted, even if we are to stop
                _LOG.warning("webhook event %s took longer than its lease, and may be handled again", kept.id)
        except InboxError as error:
            _LOG.warning("webhook event %s will be handled again: %s", kept.id, error.reason)

    async def _let_go(self, *, grace_s: float) -> None:
        """Wait some seconds for those under way, unless we are cancelled once more; then cancel them: they give their
        leases back.
        """
        if not self._held:
            return
        try:
            await asyncio.wait(self._held, timeout=grace_s)
        finally:
            late = list(self._held)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)


def _reason(error: Exception) -> str:
    """Why a handler failed. A text may name people; a WebhookError's reason is ours, or was chosen to be told."""
    return error.reason if isinstance(error, WebhookError) else type(error).__name__


def _note(
    kept: Kept, state: State, *, due_at: float, attempts: int, handled: Collection[str], error: str
) -> Callable[[InboxStore], bool]:
    """The work for the writer that ends a lease."""
    return lambda store: store.settle(
        kept.seq, str(kept.lease), state=state, due_at=due_at, attempts=attempts, handled=handled, error=error
    )
