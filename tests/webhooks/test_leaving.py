"""An inbox whose running block is left while a handler hangs: who is impatient gets away, and no event is held back."""

import asyncio
from pathlib import Path

import pytest

from onboard360_async.webhooks import Event, Inbox
from onboard360_async.webhooks.factories import client_created
from onboard360_async.webhooks.sqlite_store import SqliteStore


async def test_a_second_cancellation_ends_the_wait_for_handlers(tmp_path: Path) -> None:
    """The first leaves the block, which waits for the handler; the second cancels that, and the caller too. The event's
    lease is given back at once, so that the next worker need not wait for its end.
    """
    begun = asyncio.Event()

    async def hang(_: Event) -> None:
        begun.set()
        await asyncio.Event().wait()

    inbox = Inbox(tmp_path / "box.db", hang)

    async def run() -> None:
        async with inbox.running():
            await inbox.receive(client_created())
            await asyncio.Event().wait()

    running = asyncio.create_task(run())
    await begun.wait()
    running.cancel()
    for _ in range(10):
        await asyncio.sleep(0)
    assert not running.done()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    store = SqliteStore(tmp_path / "box.db")
    with store.transaction():
        (kept,) = store.select(most=2)
    store.close()
    assert (kept.state, kept.lease, kept.attempts) == ("waiting", None, 0)


async def test_who_leaves_without_a_cancellation_and_is_cancelled_then_is_told(tmp_path: Path) -> None:
    """The end of the block itself is no cancellation of who leaves; one that comes meanwhile is not swallowed."""
    begun = asyncio.Event()

    async def hang(_: Event) -> None:
        begun.set()
        await asyncio.Event().wait()

    inbox = Inbox(tmp_path / "box.db", hang)

    async def run() -> str:
        async with inbox.running():
            await inbox.receive(client_created())
            await begun.wait()
        return "went on"

    running = asyncio.create_task(run())
    await begun.wait()
    for _ in range(10):
        await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
