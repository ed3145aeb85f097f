"""A listing of very many: in pieces, without holding the loop or the memory."""

import asyncio
import gc
import tracemalloc

import aiohttp
import pytest

from onboard360_async.sandbox import Sandbox
from onboard360_async.sandbox.listings import Listing, Page
from onboard360_async.sandbox.switches import Switches
from tests.sandbox.calls import CAMPAIGN, call


def fill(sandbox: Sandbox, number: int) -> list[str]:
    return [sandbox.add_client(CAMPAIGN, f"p{each}@example.com", first_name="x" * 100) for each in range(number)]


async def test_a_long_listing_comes_in_pieces_and_complete() -> None:
    """Chunks of some KB; together they are one JSON document with everybody in order."""
    async with Sandbox() as sandbox, aiohttp.ClientSession() as session:
        ids = fill(sandbox, 3_000)
        headers = {"Authorization": f"Bearer {sandbox.api_key}"}
        async with session.get(f"{sandbox.url}/api/v1/clients", headers=headers) as answer:
            assert answer.headers["Transfer-Encoding"] == "chunked"
            sizes, size = [], 0
            async for part, is_end in answer.content.iter_chunks():
                size += len(part)
                if is_end:
                    sizes.append(size)
                    size = 0
        assert len(sizes) > 30
        assert max(sizes) < 64 * 1024
        assert [client["id"] for client in (await call(sandbox, "GET", "/clients")).body["clients"]] == ids


def listing_of(sandbox: Sandbox) -> Listing:
    store = sandbox._desk.store
    return Listing(store, Switches(), None, last=store.last_client(), page=Page(), origin="")


async def test_memory_does_not_grow_with_the_listing() -> None:
    """Reading 2,000 and 8,000 clients piece by piece takes the same few hundred KB."""

    async def peak(number: int) -> int:
        async with Sandbox() as sandbox:
            fill(sandbox, number)
            gc.collect()
            tracemalloc.start()
            async for _ in listing_of(sandbox):
                pass
            size = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            return size

    assert await peak(8_000) < 1.5 * await peak(2_000) < 500_000


async def test_one_long_name_does_not_make_many_wait_in_one_piece() -> None:
    """A piece ends with the client that fills it, however long that is."""
    async with Sandbox() as sandbox:
        for _ in range(5):
            sandbox.add_client(CAMPAIGN, "p@example.com", first_name="x" * 100_000)
        pieces = [len(piece) async for piece in listing_of(sandbox)]
        assert len(pieces) == 6
        assert max(pieces) < 101_000


async def test_the_loop_turns_between_two_pieces() -> None:
    """Others get their turn at least once a piece, also when the reader keeps up."""
    async with Sandbox() as sandbox:
        fill(sandbox, 500)
        turns = 0

        async def count() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        counting = asyncio.create_task(count())
        pieces = [piece async for piece in listing_of(sandbox)]
        counting.cancel()
        assert turns >= len(pieces) - 1 > 3


async def test_who_comes_during_a_listing_is_not_in_it() -> None:
    """UNDOCUMENTED: a listing shows those who were there when it began, so that it ends."""
    async with Sandbox() as sandbox:
        fill(sandbox, 200)
        listing = listing_of(sandbox)
        pieces = b""
        async for piece in listing:
            pieces += piece
            sandbox.add_client(CAMPAIGN, "late@example.com", first_name="x" * 20_000)
        assert b"late@example.com" not in pieces


async def test_a_reader_that_leaves_early_makes_no_noise(caplog: pytest.LogCaptureFixture) -> None:
    """The connection ends in the middle; nothing is logged, the next listing is whole."""
    async with Sandbox() as sandbox:
        fill(sandbox, 5_000)
        async with aiohttp.ClientSession() as session:
            headers = {"Authorization": f"Bearer {sandbox.api_key}"}
            async with session.get(f"{sandbox.url}/api/v1/clients", headers=headers) as answer:
                await answer.content.readany()
                answer.close()
        assert len((await call(sandbox, "GET", "/clients")).body["clients"]) == 5_000
    assert [record for record in caplog.records if record.name.startswith("aiohttp")] == []
