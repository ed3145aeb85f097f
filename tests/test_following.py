"""Listings in pages: the next one is fetched while this one is read, and whatever goes wrong leaves nothing behind."""

import asyncio
import gc
import gzip
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Any
from weakref import WeakSet

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from onboard360_async import AsyncOnboard360, Budget, Client, errors, settings
from onboard360_async.codec.continuation import Trail
from onboard360_async.codec.stream import ClientStream
from onboard360_async.listing import _Page
from onboard360_async.sandbox import Sandbox
from onboard360_async.transport.call import Call
from onboard360_async.transport.options import Event
from tests.budget.virtual import VirtualLoop, run
from tests.transport.pipe import Piece, PipeServer, answer
from tests.transport.raw import RawServer

CAMPAIGN = "550e8400-e29b-41d4-a716-446655440000"
BASE = "http://127.0.0.1/api/v1"
Batches = AsyncGenerator[list[Client], None]


def person(number: int) -> dict[str, Any]:
    return {"id": str(number), "campaign_id": "c", "email": f"p{number}@x.de", "created_at": "2026-01-01T00:00:00Z"}


def page(*numbers: int, before: dict[str, Any] | None = None, link: str | None = None, **after: Any) -> bytes:
    """An answer with these people, what stands before and after them, and where the header leads to."""
    body = {**(before or {}), "clients": [person(number) for number in numbers], **after}
    return answer(json.dumps(body).encode(), more="" if link is None else f"Link: <{link}>; rel=next\r\n")


def cut(whole: bytes, at: bytes) -> tuple[bytes, bytes]:
    """An answer in two pieces, the first of which ends with this."""
    place = whole.index(at) + len(at)
    return whole[:place], whole[place:]


def targets(server: PipeServer) -> list[str]:
    """The queries of the requests so far."""
    return [request.split(b" ")[1].decode().removeprefix("/api/v1/clients") for request in server.requests]


async def read(batches: Batches, into: list[int]) -> None:
    """All of them, as they come."""
    async for batch in batches:
        into += ids(batch)


def ids(clients: Iterable[Client]) -> list[int]:
    return [int(client.id) for client in clients]


class Scene:
    """A handle on a server in memory, in virtual time, and what is left of it."""

    def __init__(self, loop: VirtualLoop, *answers: Iterable[Piece], budget: Budget | None = None) -> None:
        self.loop, self.server = loop, PipeServer(*answers)
        self.budget = budget or Budget(limit=1_000, burst=1_000, clock=loop.clock)
        self.events: list[Event] = []
        self.options: dict[str, Any] = {}

    @asynccontextmanager
    async def api(self, **options: Any) -> AsyncIterator[AsyncOnboard360]:
        """When it is left, no task, no slot and no connection is."""
        async with aiohttp.ClientSession(connector=self.server.given()) as session:
            yield AsyncOnboard360(
                "sk_test_1",
                base_url="http://127.0.0.1",
                session=session,
                budget=self.budget,
                on_event=self.events.append,
                **options,
            )
            assert self.left() == (1, 0, 0)

    def left(self) -> tuple[int, int, int]:
        """Tasks with this one, slots held or waited for, connections in use."""
        state = self.budget.snapshot()
        return len(asyncio.all_tasks()), state.waiting, self.server.busy

    async def work(self, seconds: float) -> None:
        """What the reader does with a batch."""
        done: asyncio.Future[None] = self.loop.create_future()
        self.loop.call_later(seconds, done.set_result, None)
        await done

    def told(self) -> list[str]:
        """The story of each call, in the order of their first events."""
        stories: dict[int, list[str]] = {}
        for event in self.events:
            stories.setdefault(event.call, []).append(event.name)
        return [" ".join(names) for names in stories.values()]


ATTEMPT = "queued granted sent answered settled"


# --- ahead ---

FIRST = page(1, 2, next_cursor="b")
BEFORE, BEHIND = page(1, 2, before={"next_cursor": "b"}), page(1, 2, next_cursor="b")
OPEN = answer(json.dumps({"clients": [person(1), person(2)], "next_cursor": "b"}).encode() + b" " * 9)


def in_pieces(whole: bytes, *ends: bytes) -> list[Piece]:
    """The answer cut after each of these, a second apart; what is left of it comes much later."""
    pieces: list[Piece] = []
    for end in ends:
        begin, whole = cut(whole, end)
        pieces.append((1.0, begin))
    return [*pieces, (99.0, whole)]


# The answer, what has been handed on when the next page was not yet asked for, and what is when it was.
ENDS = b'Z"}'  # of a client
WHEN: dict[str, tuple[list[Piece], list[list[int]]]] = {
    "a header": (in_pieces(page(1, 2, link="?cursor=b"), b"\r\n\r\n"), []),
    "a member before": (in_pieces(BEFORE, ENDS), [[1]]),
    "a member before that comes late": (in_pieces(BEFORE, b"\r\n\r\n", b'{"next', ENDS), [[1]]),
    "a member behind": ([(1.0, BEHIND)], [[1, 2]]),
    "a member behind that comes late": (
        [*in_pieces(OPEN, ENDS, ENDS + b"]", b'"b"}')[:-1], (99.0, b" " * 9)],
        [[1], [2]],
    ),
}


@pytest.mark.parametrize("where", WHEN)
def test_the_next_page_is_asked_for_as_soon_as_it_is_known(where: str) -> None:
    """Of a header at once, of a member before the clients with the first of them, of one behind with the last."""
    pieces, came = WHEN[where]

    async def main(loop: VirtualLoop) -> None:
        scene = Scene(loop, pieces, [(0.0, page(3))])
        async with scene.api() as api, aclosing(api.iter_clients().batches()) as batches:
            for batch in came:
                assert len(scene.server.requests) <= 1
                assert ids(await anext(batches)) == batch
            reading = asyncio.ensure_future(anext(batches))
            await scene.work(5.0)
            assert targets(scene.server) == ["", "?cursor=b"]
            assert scene.told()[1] == ATTEMPT
            assert reading.done() == (where == "a member behind")
            reading.cancel()
            await asyncio.wait((reading,))

    run(main)


@pytest.mark.parametrize("whole", [page(1, 2, link="?cursor=b"), BEFORE, BEHIND])
async def test_whoever_has_enough_at_once_spends_nothing(whole: bytes, budget: Budget) -> None:
    """The next page is on its way with the next turn of the loop; nobody gave it one."""
    async with (
        RawServer(whole, page(3)) as server,
        AsyncOnboard360("k", base_url=server.url, budget=budget) as api,
    ):
        assert (await api.find_client(campaign_id="c", email="p1@x.de")) is not None
        state = budget.snapshot()
        assert (state.used, state.in_flight, state.waiting) == (1, 0, 0)
        assert len(server.requests) == 1


def test_one_page_ahead_and_no_more() -> None:
    """However long the reader takes; the order is the pages', and each has its slot and its story."""

    async def main(loop: VirtualLoop) -> None:
        answers = [page(number, next_cursor=str(number)) for number in range(4)]
        scene = Scene(loop, *([(1.0, each)] for each in [*answers, page(4, next_cursor=None)]))
        came: list[int] = []
        async with scene.api() as api:
            async for batch in api.iter_clients().batches():
                came += ids(batch)
                await scene.work(60.0)
                assert len(scene.server.requests) == min(len(came) + 1, 5)
                assert scene.left()[0] == 1  # what was fetched has ended, and the next has not begun
        assert came == [0, 1, 2, 3, 4]
        assert targets(scene.server) == ["", "?cursor=0", "?cursor=1", "?cursor=2", "?cursor=3"]
        assert scene.told() == [f"{ATTEMPT} done"] * 5

    run(main)


def test_pages_that_were_read_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many there are: two at most are held, and of their continuations as many as are remembered."""
    held: WeakSet[_Page] = WeakSet()
    trails: list[Trail] = []
    make, follow = _Page.__init__, Trail.__init__

    def making(self: _Page, call: Call, url: URL) -> None:
        make(self, call, url)
        held.add(self)

    def following(self: Trail, first: URL) -> None:
        follow(self, first)
        trails.append(self)

    monkeypatch.setattr(_Page, "__init__", making)
    monkeypatch.setattr(Trail, "__init__", following)

    async def main(loop: VirtualLoop) -> None:
        answers = [page(number, next_cursor=str(number)) for number in range(400)]
        scene = Scene(loop, *([(0.0, each)] for each in [*answers, page(400)]))
        most = 0
        async with scene.api() as api:
            async for _ in api.iter_clients().batches():
                gc.collect(0)
                most = max(most, len(held))
        assert most == 2
        assert len(trails[0]._latest) == settings.PAGES_REMEMBERED

    run(main)


def test_no_task_without_a_second_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """A listing of one answer costs what it did before."""

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a task")

    async def main(loop: VirtualLoop) -> None:
        scene = Scene(loop, [(0.0, page(1, 2, has_more=False))])
        async with scene.api() as api:
            monkeypatch.setattr("onboard360_async.listing.asyncio.create_task", refuse)
            assert ids(await api.list_clients()) == [1, 2]
            monkeypatch.undo()

    run(main)


# --- leaving ---

NEVER: list[Piece] = []
AHEAD: dict[str, tuple[list[Piece], str]] = {
    "in the queue": (NEVER, "queued"),
    "under way": (NEVER, "queued granted sent settled"),
    "with half its headers": ([(0.1, b"HTTP/1.1 200 OK\r\n")], "queued granted sent settled"),
    "with its headers": ([(0.1, answer(b"", length=999))], ATTEMPT),
    "with half its body": ([(0.1, cut(page(3, 4), b'Z"}')[0])], ATTEMPT),
    "whole": ([(0.1, page(3, 4))], ATTEMPT),
    "refused": ([(0.1, answer(b"{}", "401 No"))], ATTEMPT),
    "between two attempts": ([(0.1, answer(b"{}", "503 No"))], f"{ATTEMPT} retried"),
}


@pytest.mark.parametrize("how", ["left", "cancelled", "failed"])
@pytest.mark.parametrize("state", AHEAD)
def test_whoever_leaves_leaves_nothing_behind(state: str, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In whatever state the next page is when the reader breaks out, is cancelled, or this page turns out bad."""
    monkeypatch.setattr("onboard360_async.transport.call.random.uniform", lambda _, most_s: most_s)
    pieces, story = AHEAD[state]

    async def main(loop: VirtualLoop) -> None:
        begin = page(1, 2, before={"next_cursor": "b"})
        here, _ = cut(begin, b'Z"}')
        limit = 1 if state == "in the queue" else 1_000
        scene = Scene(loop, [(0.0, here), (0.4, b" x")], pieces, budget=Budget(limit=limit, burst=1, clock=loop.clock))
        came: list[int] = []

        async def reader(api: AsyncOnboard360) -> None:
            async with aclosing(api.iter_clients().batches()) as batches:
                async for batch in batches:
                    came.extend(ids(batch))
                    if how != "failed":
                        await scene.work(0.3)
                    if how == "left":
                        return

        async with scene.api() as api:
            reading = asyncio.ensure_future(reader(api))
            if how == "cancelled":
                loop.call_later(0.35, reading.cancel)
            await asyncio.wait((reading,))
            assert scene.left() == (1, 0, 0)
            assert reading.cancelled() == (how == "cancelled")
            if how == "failed":
                assert isinstance(reading.exception(), errors.DecodeError)
        assert came == [1]
        assert len(scene.server.requests) == (1 if state == "in the queue" else 2)
        end = {"left": "left left", "cancelled": "cancelled cancelled", "failed": "failed left"}[how].split()
        assert scene.told() == [f"{ATTEMPT} {end[0]}", f"{story} {end[1]}"]
        assert scene.budget.snapshot().in_flight <= 1  # one that was sent, and not answered, still counts

    run(main)


@pytest.mark.parametrize("state", AHEAD)
def test_a_plain_break_leaves_nothing_behind_either(state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without `aclosing` the loop closes what was left, a few turns later."""
    monkeypatch.setattr("onboard360_async.transport.call.random.uniform", lambda _, most_s: most_s)

    async def main(loop: VirtualLoop) -> None:
        here, _ = cut(page(1, 2, before={"next_cursor": "b"}), b'Z"}')
        limit = 1 if state == "in the queue" else 1_000
        budget = Budget(limit=limit, burst=1, clock=loop.clock)
        scene = Scene(loop, [(0.0, here)], AHEAD[state][0], budget=budget)
        async with scene.api() as api:
            async for client in api.iter_clients():
                assert client.id == "1"
                await scene.work(0.3)
                break
            await scene.work(0.01)
            assert scene.left() == (1, 0, 0)
        assert [story.split()[-1] for story in scene.told()] == ["left", "left"]

    run(main)


@pytest.mark.parametrize("state", ["in the queue", "under way", "with half its headers", "between two attempts"])
def test_a_reader_that_is_cancelled_while_it_waits_for_the_next_page_leaves_nothing(
    state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its turn has come, and it is not there yet."""
    monkeypatch.setattr("onboard360_async.transport.call.random.uniform", lambda _, most_s: most_s)

    async def main(loop: VirtualLoop) -> None:
        limit = 1 if state == "in the queue" else 1_000
        scene = Scene(loop, [(0.0, FIRST)], AHEAD[state][0], budget=Budget(limit=limit, burst=1, clock=loop.clock))
        async with scene.api() as api:
            reading = asyncio.ensure_future(api.list_clients())
            loop.call_later(0.3, reading.cancel)
            await asyncio.wait((reading,))
            assert reading.cancelled()
        assert scene.told()[0] == f"{ATTEMPT} done"
        assert scene.told()[1].endswith("cancelled")

    run(main)


# --- what goes wrong ---


def test_an_error_of_the_next_page_comes_after_all_clients_of_this_one() -> None:
    """However early it was known; it says how many were handed on."""

    async def main(loop: VirtualLoop) -> None:
        here, there = cut(page(1, 2, 3, before={"next_cursor": "b"}), b'Z"}')
        scene = Scene(loop, [(0.0, here), (9.0, there)], [(0.1, answer(b"{}", "401 No"))])
        came: list[int] = []
        async with scene.api() as api:
            with pytest.raises(errors.AuthenticationError) as caught:
                await read(api.iter_clients().batches(), came)
        assert came == [1, 2, 3]
        assert caught.value.done == "3 clients were handed on before."
        assert scene.told() == [f"{ATTEMPT} done", f"{ATTEMPT} failed"]

    run(main)


def test_a_page_that_is_cut_before_its_first_client_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """By attempts of its own: nobody of it was handed on."""
    monkeypatch.setattr("onboard360_async.transport.call.random.uniform", lambda *_: 0.0)
    broken: list[Piece] = [(0.0, answer(b'{"clients": [', length=999)), (0.1, None)]

    async def main(loop: VirtualLoop) -> None:
        scene = Scene(loop, broken, broken, [(0.0, FIRST)], broken, broken, [(0.0, page(3))])
        async with scene.api() as api:
            assert ids(await api.list_clients()) == [1, 2, 3]
        assert targets(scene.server) == ["", "", "", "?cursor=b", "?cursor=b", "?cursor=b"]
        assert scene.told() == [f"{ATTEMPT} retried {ATTEMPT} retried {ATTEMPT} done"] * 2

    run(main)


@pytest.mark.parametrize("ends", [(0.1, None), (0.0, b"x" * 200)])
def test_a_page_that_is_cut_after_its_first_client_is_not(ends: Piece) -> None:
    """AnswerLostError, or DecodeError, that counts those of all pages."""

    async def main(loop: VirtualLoop) -> None:
        begin, _ = cut(page(3, 4), b'Z"}')
        scene = Scene(loop, [(0.0, FIRST)], [(0.0, begin), ends])
        came: list[int] = []
        async with scene.api() as api:
            with pytest.raises((errors.AnswerLostError, errors.DecodeError)) as caught:
                await read(api.iter_clients().batches(), came)
        assert came == [1, 2, 3]
        assert caught.value.done == "3 clients were handed on before."
        assert getattr(caught.value, "items", 3) == 3
        assert len(scene.server.requests) == 2

    run(main)


def test_a_further_page_that_ends_too_early_counts_all() -> None:
    """Its document is not whole though the answer is: what is said of it holds for the listing, not for the page."""

    async def main(loop: VirtualLoop) -> None:
        short = answer(json.dumps({"clients": [person(3), person(4)]})[:-30].encode())
        scene = Scene(loop, [(0.0, FIRST)], [(0.0, short)])
        async with scene.api() as api:
            with pytest.raises(errors.AnswerLostError, match="A further page of the listing was cut short") as caught:
                await api.list_clients()
        assert (caught.value.items, caught.value.done) == (3, "3 clients were handed on before.")

    run(main)


AGAIN: dict[str, tuple[bytes, list[str], list[int]]] = {
    "the same": (page(1, link="?cursor=b"), ["", "?cursor=b", ""], [1, 3]),
    "another": (page(1, link="?cursor=c"), ["", "?cursor=b", "", "?cursor=c"], [1, 4]),
    "none": (page(1), ["", "?cursor=b", ""], [1]),
}


@pytest.mark.parametrize("which", AGAIN)
def test_an_answer_that_comes_again_may_lead_on_to_another_page(which: str) -> None:
    """What was fetched is kept if it is the same one, and let go of if it is not."""
    second, asked, expected = AGAIN[which]

    async def main(loop: VirtualLoop) -> None:
        head = cut(page(1, link="?cursor=b"), b"\r\n\r\n")[0]
        scene = Scene(loop, [(0.0, head), (0.5, None)], [(0.1, page(3))], [(0.0, second)], [(0.0, page(4))])
        async with scene.api() as api:
            assert ids(await api.list_clients()) == expected
        assert targets(scene.server) == asked
        assert [story.split()[-1] for story in scene.told()] == {
            "the same": ["done", "done"],
            "another": ["done", "left", "done"],
            "none": ["done", "left"],
        }[which]

    run(main)


def test_what_stands_behind_the_clients_may_revoke_what_stood_before_them() -> None:
    """A cursor, and then `has_more: false`: the page that was fetched is let go of; and the other way round."""

    async def main(loop: VirtualLoop) -> None:
        def pieces(**words: Any) -> list[Piece]:
            here, there = cut(page(1, 2, **words), b'Z"}')
            return [(0.0, here), (1.0, there)]

        revoked = pieces(before={"next_cursor": "b"}, has_more=False)
        late = pieces(before={"has_more": True}, next_cursor="b")
        scene = Scene(loop, revoked, [(0.0, page(3))], late, [(0.0, page(3))])
        async with scene.api() as api:
            assert ids(await api.list_clients()) == [1, 2]
            assert ids(await api.list_clients()) == [1, 2, 3]
        assert [story.split()[-1] for story in scene.told()] == ["done", "left", "done", "done"]

    run(main)


# --- time ---


def test_one_deadline_holds_for_all_pages() -> None:
    """It does not begin anew with each; who is slow is told of it, too."""

    async def main(loop: VirtualLoop) -> None:
        answers = [page(number, next_cursor=str(number)) for number in range(9)]
        scene = Scene(loop, *([(1.0, each)] for each in answers))
        came: list[int] = []
        async with scene.api() as api:
            began = loop.time()
            with pytest.raises(errors.DeadlineError) as caught:
                await read(api.iter_clients(deadline_s=3.5).batches(), came)
            assert loop.time() - began == pytest.approx(3.5, abs=0.05)
        assert came == [0, 1, 2]
        assert caught.value.done == "3 clients were handed on before."

    run(main)


def test_max_wait_s_is_for_the_wait_of_each_page() -> None:
    """A page for which there is no slot in time ends the listing, after the page before."""

    async def main(loop: VirtualLoop) -> None:
        answers = [page(number, next_cursor=str(number)) for number in range(3)]
        for max_wait_s, expected in ((0.0, [0, 1]), (100.0, [0, 1, 2])):
            budget = Budget(limit=2, burst=2, clock=loop.clock)
            scene = Scene(loop, *([(0.0, each)] for each in [*answers[:2], page(2)]), budget=budget)
            came: list[int] = []
            async with scene.api() as api:
                try:
                    await read(api.iter_clients(max_wait_s=max_wait_s).batches(), came)
                except errors.BudgetExhaustedError:
                    assert max_wait_s == 0.0
            assert came == expected

    run(main)


def test_what_the_budget_refuses_ahead_of_time_is_asked_for_when_it_is_wanted() -> None:
    """Who would never wait, and works on each page, has a free slot when one ends, and so gets everybody."""

    async def main(loop: VirtualLoop) -> None:
        answers = [page(1, next_cursor="b"), page(2, next_cursor="c"), page(3)]
        budget = Budget(limit=1, burst=1, window_s=10.0, clock=loop.clock)
        scene = Scene(loop, *([(0.0, each)] for each in answers), budget=budget)
        came: list[int] = []
        async with scene.api() as api, aclosing(api.iter_clients(max_wait_s=0.0).batches()) as batches:
            async for batch in batches:
                came += ids(batch)
                await scene.work(30.0)
        assert came == [1, 2, 3]
        assert len(scene.server.requests) == 3

    run(main)


@pytest.mark.parametrize("minutes", [1, 60])
def test_a_slow_reader_does_not_make_the_next_page_time_out(minutes: int) -> None:
    """Nobody waited for its bytes: those that came are there, those that had no room come when they are read."""

    async def main(loop: VirtualLoop) -> None:
        numbers = range(10, 20_010)  # more than aiohttp lets wait
        scene = Scene(loop, [(0.0, FIRST)], [(0.1, page(*numbers))])
        came: list[int] = []
        async with scene.api(timeout_s=5.0) as api:
            async for batch in api.iter_clients().batches():
                came += ids(batch)
                if came == [1, 2]:
                    await scene.work(60.0 * minutes)
        assert came == [1, 2, *numbers]
        assert scene.told() == [f"{ATTEMPT} done"] * 2

    run(main)


def test_a_next_page_that_the_server_gives_up_on_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader was too slow for the server, which closed half an answer: nobody of it was handed on."""
    monkeypatch.setattr("onboard360_async.transport.call.random.uniform", lambda *_: 0.0)

    async def main(loop: VirtualLoop) -> None:
        half, _ = cut(page(3, 4), b'Z"}')
        scene = Scene(loop, [(0.0, FIRST)], [(0.0, half), (30.0, None)], [(0.0, page(3, 4))])
        came: list[int] = []
        async with scene.api() as api:
            async for batch in api.iter_clients().batches():
                came += ids(batch)
                if came == [1, 2]:
                    await scene.work(3_600.0)
        assert came == [1, 2, 3, 4]

    run(main)


@pytest.mark.parametrize("is_packed", [False, True])
async def test_what_comes_in_one_piece_is_decoded_in_many(is_packed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also what unpacks into much more than was sent; others get a turn in between, once TURN_S has passed."""
    monkeypatch.setattr(settings, "TURN_S", 0.0)
    sizes: list[int] = []
    turns = 0
    feed = ClientStream.feed

    def noted(self: ClientStream, chunk: memoryview) -> list[Client]:
        sizes.append(len(chunk))
        return feed(self, chunk)

    monkeypatch.setattr(ClientStream, "feed", noted)
    body = json.dumps({"clients": [person(number) for number in range(20_000)]}).encode()
    whole = answer(gzip.compress(body), more="Content-Encoding: gzip\r\n") if is_packed else answer(body)

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with RawServer(whole) as server, AsyncOnboard360("k", base_url=server.url, budget=Budget()) as api:
        meanwhile = asyncio.ensure_future(others())
        batches = 0
        async for batch in api.iter_clients().batches():
            if turns < 1:
                pytest.fail("nobody else got a turn")
            batches, turns = batches + len(batch), 0
        meanwhile.cancel()
    assert batches == 20_000
    assert max(sizes) <= settings.FEED_BYTES
    assert sum(sizes) == len(body)


# --- guards ---


@pytest.mark.parametrize(("before", "length"), [(0, 1), (0, 2), (3, 1), (1, 60), (0, 250), (40, 333)])
def test_a_listing_that_goes_in_a_circle_ends(before: int, length: int) -> None:
    """Whatever the length of the loop: everybody is handed on once, then a PaginationError that counts them."""

    def place(number: int) -> int:
        return number if number < before else before + (number - before) % length

    async def main(loop: VirtualLoop) -> None:
        most = 4 * (before + length) + 2
        answers = [page(place(number), next_cursor=f"to{place(number + 1)}") for number in range(most)]
        scene = Scene(loop, *([(0.0, each)] for each in answers))
        came: list[int] = []
        async with scene.api() as api:
            with pytest.raises(errors.PaginationError, match="circle") as caught:
                await read(api.iter_clients().batches(), came)
        assert came == list(range(before + length))
        assert caught.value.items == len(came)

    run(main)


def test_the_latest_of_the_pages_before_are_not_handed_on_again() -> None:
    """A thousand of them, whatever page they were on; within one answer nobody is left out, however often."""

    async def main(loop: VirtualLoop) -> None:
        many = range(settings.PAGE_IDS + 1)
        scene = Scene(
            loop,
            [(0.0, page(7, 7, next_cursor="b"))],
            [(0.0, page(7, *many, next_cursor="c"))],
            [(0.0, page(7, *many, -1, -1, 7))],
        )
        async with scene.api() as api:
            came = ids(await api.list_clients())
        without = [number for number in many if number != 7]
        assert came == [7, 7, *without, 7, 7, -1, -1, 7]  # by then it is forgotten: a thousand came after it

    run(main)


async def test_the_key_is_never_sent_elsewhere(budget: Budget) -> None:
    """A server that is named by a link hears nothing at all, whatever spelling leads to it."""
    async with RawServer(page(9)) as evil:
        port = evil.url.rpartition(":")[2]
        leads = [
            f"{evil.url}/api/v1/clients",
            f"//127.0.0.1:{port}/api/v1/clients",
            f"http://localhost:{port}/api/v1/x",
        ]
        async with RawServer(*(page(1, link=lead) for lead in leads)) as server:
            async with AsyncOnboard360("sk_test_1", base_url=server.url, budget=budget) as api:
                for _ in leads:
                    with pytest.raises(errors.PaginationError, match="another origin"):
                        await api.list_clients()
            assert len(server.requests) == len(leads)
        assert evil.connections == 0


# --- the sandbox ---

PAGINGS = ("link", "cursor", "page")


@asynccontextmanager
async def service(
    budget: Budget, people: int, **switches: Any
) -> AsyncIterator[tuple[Sandbox, AsyncOnboard360, list[str]]]:
    """So many people in one campaign and one in another; the ids of the former in the order of a listing."""
    async with Sandbox(campaigns=[(CAMPAIGN, "A"), ("b", "B")], limiter="off", **switches) as sandbox:
        added = [sandbox.add_client(CAMPAIGN, f"p{number}@x.de") for number in range(people)]
        sandbox.add_client("b", "other@x.de")
        order = {"created": added, "newest": added[::-1], "by-id": sorted(added)}
        async with AsyncOnboard360(sandbox.api_key, base_url=sandbox.url, budget=budget) as api:
            yield sandbox, api, order[sandbox.switches.order]


@pytest.mark.parametrize("order", ["created", "newest", "by-id"])
@pytest.mark.parametrize("paging", PAGINGS)
@pytest.mark.parametrize("asked", [None, 2, 7, 50])
async def test_a_page_size_that_is_asked_for(budget: Budget, paging: Any, order: Any, asked: int | None) -> None:
    """It is sent with each page, and everybody of the campaign comes once, however many the server puts on one."""
    async with service(budget, 11, paging=paging, order=order, page_size=5) as (sandbox, _, ids_):
        async with AsyncOnboard360(sandbox.api_key, base_url=sandbox.url, budget=budget, page_size=asked) as api:
            assert [client.id for client in await api.list_clients(campaign_id=CAMPAIGN)] == ids_
        size = min(asked or 5, 5)
        assert len(sandbox.requests) == -(-11 // size)
        assert all(f"campaign_id={CAMPAIGN}" in request.query for request in sandbox.requests)
        assert all((f"limit={asked}" in request.query) == (asked is not None) for request in sandbox.requests)


@pytest.mark.parametrize("preset", ["documented", "hostile"])
@pytest.mark.parametrize("order", ["created", "newest", "by-id"])
@pytest.mark.parametrize("paging", PAGINGS)
async def test_nobody_comes_twice_while_others_are_added(budget: Budget, paging: Any, order: Any, preset: Any) -> None:
    """Whoever was there when it began and is not pushed to a page before comes once; whoever was added may come."""
    switches = {"preset": preset, "paging": paging, "order": order, "page_size": 3}
    async with service(budget, 10, **switches) as (sandbox, api, there):
        came: list[str] = []
        added: list[str] = []
        async for batch in api.iter_clients(campaign_id=CAMPAIGN).batches():
            came += [client.id for client in batch]
            if len(added) < 8:
                added += [sandbox.add_client(CAMPAIGN, f"new{len(added)}-{number}@x.de") for number in range(2)]
        assert len(came) == len(set(came))
        assert set(there) <= set(came) <= {*there, *added}


@pytest.mark.parametrize("paging", PAGINGS)
async def test_find_and_ensure_look_through_all_pages(budget: Budget, paging: Any) -> None:
    """The last of all is found, and not added again; whoever is not there is added once."""
    async with service(budget, 7, paging=paging, page_size=2) as (sandbox, api, there):
        found = await api.find_client(campaign_id=CAMPAIGN, email="P6@x.de")
        assert found is not None
        assert found.id == there[-1]
        assert (await api.ensure_client(campaign_id=CAMPAIGN, email="p6@x.de")).id == there[-1]
        assert await api.find_client(campaign_id=CAMPAIGN, email="nobody@x.de") is None
        new = await api.ensure_client(campaign_id=CAMPAIGN, email="nobody@x.de")
        assert (await api.ensure_client(campaign_id=CAMPAIGN, email="nobody@x.de")).id == new.id
        assert len(sandbox.clients()) == 9


@pytest.mark.parametrize("paging", PAGINGS)
async def test_an_import_looks_through_all_pages(budget: Budget, paging: Any) -> None:
    """Who is there is skipped, and whose answer was lost is found and adopted, wherever they stand in the listing."""
    async with service(budget, 7, paging=paging, page_size=2) as (sandbox, api, _):
        sandbox.add_fault("commit-then-drop", method="POST", times=3)
        people = [{"email": f"p{number}@x.de"} for number in range(5, 13)]
        async with api.open_import(people, campaign=CAMPAIGN, settle_s=0.0) as job:
            async for _ in job.run():
                pass
            summary = job.summary
        assert (summary.created, summary.adopted, summary.skipped_existing, summary.unresolved) == (3, 3, 2, 0)
        emails = [client["email"] for client in sandbox.clients()]
        assert len(emails) == len(set(emails)) == 14


FAULTS = ("truncated-201", "drop-before", "500-before", "garbage", "wrong-type")


@pytest.mark.parametrize("kind", FAULTS)
@pytest.mark.parametrize("paging", PAGINGS)
async def test_a_fault_on_any_page_is_an_error_or_the_whole_list(
    budget: Budget, paging: Any, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cut or a refusal of each page in turn: never a short list, and who waits for the next page is not left so."""
    monkeypatch.setattr("onboard360_async.transport.call.random.uniform", lambda *_: 0.0)
    async with service(budget, 9, paging=paging, page_size=3) as (sandbox, api, there):
        for number in range(1, 4):
            sandbox.clear_faults()
            sandbox.add_fault(kind, path="/clients", nth=number)
            came: list[str] = []
            with suppress(errors.AnswerLostError, errors.DecodeError):
                async for batch in api.iter_clients(campaign_id=CAMPAIGN).batches():
                    came += [client.id for client in batch]
                assert came == there
            assert came == there[: len(came)]
            assert len(came) >= 3 * (number - 1)
            assert api.budget.snapshot().waiting == 0


FORMS: dict[str, Callable[[str], dict[str, Any]]] = {
    "link": lambda cursor: {"link": f"?cursor={cursor}"},
    "link, in full": lambda cursor: {"link": f"{BASE}/clients?cursor={cursor}"},
    "next": lambda cursor: {"next": f"{BASE}/clients?cursor={cursor}"},
    "next before": lambda cursor: {"before": {"next_url": f"?cursor={cursor}"}},
    "cursor": lambda cursor: {"next_cursor": cursor, "has_more": True},
    "cursor before": lambda cursor: {"before": {"meta": {"next_cursor": cursor}}},
}


@given(
    people=st.integers(0, 40),
    size=st.integers(1, 12),
    form=st.sampled_from([*FORMS, "page", "page before"]),
    pause_s=st.sampled_from([0.0, 0.5, 7.0]),
    limit=st.sampled_from([1, 3, 100]),
    overlap=st.integers(0, 2),
)
def test_any_number_of_people_in_pages_of_any_size(
    people: int, size: int, form: str, pause_s: float, limit: int, overlap: int
) -> None:
    """Everybody in order, each once, though each page begins with the last of the page before; a request a page."""
    pages = [range(start, min(start + size, people)) for start in range(0, max(people, 1), size)]

    def piece(place: int) -> bytes:
        shown = range(max(0, pages[place].start - overlap), pages[place].stop)
        if form.startswith("page"):
            told = {"page": place + 1, "total_pages": len(pages)}
            return page(*shown, **({"before": told} if "before" in form else told))
        return page(*shown, **FORMS[form](str(place + 1))) if place + 1 < len(pages) else page(*shown)

    async def main(loop: VirtualLoop) -> None:
        budget = Budget(limit=limit, burst=1, window_s=10.0, clock=loop.clock)
        scene = Scene(loop, *([(0.5, piece(place))] for place in range(len(pages))), budget=budget)
        came: list[int] = []
        async with scene.api() as api:
            async for batch in api.iter_clients().batches():
                came += ids(batch)
                await scene.work(pause_s)
        assert came == list(range(people))
        assert scene.told() == [f"{ATTEMPT} done"] * len(pages)
        assert len(scene.server.requests) == len(pages)
        assert (budget.snapshot().in_flight, budget.snapshot().waiting) == (0, 0)

    run(main)


def test_a_long_last_client_in_two_pieces_is_there_and_only_once() -> None:
    """It is looked at again only when as much as there was has come, or nothing more does; on two pages it is one."""

    async def main(loop: VirtualLoop) -> list[int]:
        body = json.dumps({"clients": [person(1) | {"company_name": "x" * 6_000}]}).encode()
        link = f"Link: <{BASE}/clients?page=2>; rel=next\r\n"
        pieces = [cut(answer(body, more=more), b"x" * 5_000) for more in (link, "")]
        scene = Scene(loop, *([(0.0, first), (0.1, rest)] for first, rest in pieces))
        async with scene.api() as api:
            everybody = await api.list_clients()
        assert len(scene.server.requests) == 2
        return ids(everybody)

    assert run(main) == [1]
