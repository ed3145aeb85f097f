"""Webhooks that come twice, in another order, or again by hand: always the same bytes."""

import asyncio
from typing import Any

import pytest

from onboard360_async.sandbox import Sandbox
from tests.sandbox.calls import CAMPAIGN, add, call
from tests.sandbox.receiver import Receiver, Stuck, answers


async def test_duplicates_are_the_same_bytes() -> None:
    """So many more deliveries in the log, each with attempts of its own, each a copy of the first."""
    async with Receiver(answers(500, 500, 200)) as receiver, Sandbox() as sandbox:
        sandbox.add_webhook(receiver.url, duplicates=2, time_scale=0.0)
        await add(sandbox)
        await sandbox.delivered()
        first, *copies = sandbox.deliveries
    assert len(receiver.got) == 5
    assert {(got.body, got.headers["X-360onboard-Signature"]) for got in receiver.got} == {
        (first.body, first.headers["X-360onboard-Signature"])
    }
    assert [copy.copy_of for copy in copies] == [first.id] * 2
    assert len({delivery.id for delivery in sandbox.deliveries}) == 3
    assert {delivery.state for delivery in sandbox.deliveries} == {"delivered"}


async def is_holding(sandbox: Sandbox) -> bool:
    """Whether its only endpoint has something held back, now that all that was handed over has begun."""
    await asyncio.sleep(0)
    assert sandbox._running is not None
    (lane,) = sandbox._running.courier._lanes.values()
    return lane.held is not None


async def arrivals(number: int, **options: Any) -> list[int]:
    """In which order so many clients are heard of, each created when all before have arrived but for who is held."""
    async with Receiver() as receiver, Sandbox(limiter="off") as sandbox:
        sandbox.add_webhook(receiver.url, **options)
        for created in range(1, number + 1):
            sandbox.add_client(CAMPAIGN, f"{created}@example.com")
            await receiver.until(created - await is_holding(sandbox))
        await sandbox.delivered()
        return [int(got.email.partition("@")[0]) for got in receiver.got]


async def test_reordering_swaps_neighbours() -> None:
    """One is held back until the next was sent, and nobody is held back for ever."""
    assert await arrivals(5, reorder=1.0) == [2, 1, 4, 3, 5]
    assert await arrivals(1, reorder=1.0) == [1]
    assert await arrivals(6, reorder=0.0) == [1, 2, 3, 4, 5, 6]


async def test_what_is_held_back_comes_after_the_answer_to_the_next() -> None:
    """Not only is it sent later: the next is answered before, be it by a failure."""
    stuck = Stuck("second")
    async with Receiver(stuck) as receiver, Sandbox() as sandbox:
        sandbox.add_webhook(receiver.url, reorder=1.0, duplicates=1)
        sandbox.add_client(CAMPAIGN, "first@example.com")
        sandbox.add_client(CAMPAIGN, "second@example.com")
        await receiver.until(2)
        for _ in range(5):
            assert (await call(sandbox, "GET", "/campaigns")).status == 200
        assert [got.email for got in receiver.got] == ["second@example.com"] * 2
        stuck.freed.set()
        await sandbox.delivered()
        assert [got.email for got in receiver.got[2:]] == ["first@example.com"] * 2


async def test_the_dice_of_reordering_are_seeded() -> None:
    """The same seed holds back the same ones, another seed others."""
    first = await arrivals(20, reorder=0.5, seed=1)
    assert first == await arrivals(20, reorder=0.5, seed=1) != await arrivals(20, reorder=0.5, seed=2)
    assert sorted(first) == list(range(1, 21))


async def test_nobody_is_held_back_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a next one it is sent after HOLD_S seconds, though nobody waits for it; the one after is held again."""
    monkeypatch.setattr("onboard360_async.sandbox.courier.HOLD_S", 0.001)
    async with Receiver() as receiver, Sandbox() as sandbox:
        sandbox.add_webhook(receiver.url, reorder=1.0)
        for number in (1, 2):
            sandbox.add_client(CAMPAIGN, f"{number}@example.com")
            assert await is_holding(sandbox)
            await receiver.until(number)
        assert [got.email for got in receiver.got] == ["1@example.com", "2@example.com"]


async def test_resending_sends_the_same_bytes_once_more() -> None:
    """As a new delivery; also of one that is a copy, that failed, or that was tampered with; once, not duplicated."""
    async with Receiver(answers(500, 200)) as receiver, Sandbox() as sandbox:
        sandbox.add_webhook(receiver.url, retries="none", tamper="wrong-secret")
        await add(sandbox)
        await sandbox.delivered()
        (failed,) = sandbox.deliveries
        again = sandbox.resend(failed.id)
        assert (again.state, again.attempts, again.copy_of) == ("pending", (), failed.id)
        assert sandbox.resend(again.id).copy_of == failed.id
        with pytest.raises(ValueError, match="no delivery"):
            sandbox.resend("x")
        await sandbox.delivered()
        assert [delivery.state for delivery in sandbox.deliveries] == ["failed", "delivered", "delivered"]
        assert sandbox.deliveries[0] == failed
    assert {got.body for got in receiver.got} == {failed.body}
    assert len(receiver.got) == 3
    with pytest.raises(RuntimeError, match="not running"):
        sandbox.resend(failed.id)


async def test_resending_is_neither_duplicated_nor_held_back() -> None:
    """It goes out at once, and alone."""
    async with Receiver() as receiver, Sandbox() as sandbox:
        sandbox.add_webhook(receiver.url, duplicates=1, reorder=1.0)
        sandbox.add_client(CAMPAIGN, "john@example.com")
        sandbox.resend(sandbox.deliveries[0].id)
        while sandbox.deliveries[2].state == "pending":
            await call(sandbox, "GET", "/campaigns")
        assert await is_holding(sandbox)
        assert [delivery.state for delivery in sandbox.deliveries[:2]] == ["pending"] * 2
        await sandbox.delivered()
        sandbox.resend(sandbox.deliveries[0].id)
        assert not await is_holding(sandbox)
        await sandbox.delivered()
        assert len(receiver.got) == 4
