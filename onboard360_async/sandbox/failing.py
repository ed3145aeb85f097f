"""Carries out what is to go wrong with a request. Knows how each fault looks on the wire, not whose turn it is."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final

from aiohttp import web
from attrs import define, field

from onboard360_async.sandbox.answers import problem
from onboard360_async.sandbox.clock import Clock
from onboard360_async.sandbox.faults import Fault
from onboard360_async.sandbox.listings import Listed
from onboard360_async.sandbox.switches import Switches

__all__ = ["Answer", "Failing"]

Answer = Callable[[], Awaitable[web.StreamResponse]]  # carries the request out
_GARBAGE: Final = b'\x00{"clients": [{"id": ]'
_SIGN_IN: Final = "/login"
_OF_BODIES: Final = ("truncated", "truncated-201", "slow-drip")
_DRIPS: Final = 20  # pieces of an answer that comes slowly


@define(eq=False)
class Failing:
    """The faults of one running sandbox, and the answers and late commits that wait because of them."""

    clock: Clock
    _stopping: asyncio.Event = field(factory=asyncio.Event, init=False)
    _late: set[asyncio.Task[None]] = field(factory=set, init=False)  # commits that are still to come

    def drop(self) -> None:
        """Drop the connections of answers that wait, and forget late commits: nobody needs to wait for them."""
        stopping, self._stopping = self._stopping, asyncio.Event()
        stopping.set()

    async def stop(self) -> None:
        """The same, and return when it is done."""
        self._stopping.set()
        await asyncio.gather(*self._late)

    async def fail(
        self, fault: Fault, request: web.Request, answer: Answer, switches: Switches
    ) -> web.StreamResponse | None:
        """The answer, or what is left of it; None if the connection is to be dropped instead."""
        if fault.kind == "drop-before":
            return None
        if fault.kind == "500-before":
            return problem(500, "Server error", "Injected fault: 500-before; nothing was done.", switches)
        if fault.kind == "status":
            return _as_told(fault, switches)
        if fault.kind == "redirect":
            return web.Response(status=302, headers={"Location": _SIGN_IN})
        if fault.kind == "late-commit":
            late = asyncio.create_task(self._carry_out_late(fault, answer, self._stopping))
            self._late.add(late)
            late.add_done_callback(self._late.discard)
            return None
        return await self._fail_after(fault, request, await answer(), switches)

    async def _fail_after(
        self, fault: Fault, request: web.Request, answer: web.StreamResponse, switches: Switches
    ) -> web.StreamResponse | None:
        """What becomes of the answer of a request that was carried out."""
        stopping = self._stopping
        if fault.kind == "commit-then-drop":
            return None
        if fault.kind == "500-after":
            return problem(500, "Server error", "Injected fault: 500-after; the request was carried out.", switches)
        if fault.kind == "garbage":
            return web.Response(status=answer.status, body=_GARBAGE, content_type="application/json")
        if fault.kind == "wrong-type":
            answer.content_type = "text/html"
            return answer
        if fault.kind == "truncated-201" and answer.status != web.HTTPCreated.status_code:
            return answer
        if request.method == "HEAD" and fault.kind in _OF_BODIES:
            return answer  # it has no body; one that was sent all the same would be read as the next answer
        if fault.kind in ("truncated", "truncated-201"):
            return await _cut(request, answer)
        if fault.kind == "slow-drip":
            return await self._drip(request, answer, fault.delay_s)
        delay_s = None if fault.kind == "hang-after-commit" else fault.delay_s
        return answer if await self._passes(delay_s, stopping) else None

    async def _passes(self, delay_s: float | None, stopping: asyncio.Event) -> bool:
        """Wait so long, None: for ever; False as soon as the sandbox ends or begins anew.

        `stopping` is that of the request: what awaits may get its turn only after a reset, which has made another.
        """
        waits: list[asyncio.Future[Any]] = [asyncio.ensure_future(stopping.wait())]
        if delay_s is not None:
            waits.append(asyncio.ensure_future(self.clock.sleep(delay_s)))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        return not stopping.is_set()

    async def _carry_out_late(self, fault: Fault, answer: Answer, stopping: asyncio.Event) -> None:
        if await self._passes(fault.delay_s, stopping):
            await answer()

    async def _drip(
        self, request: web.Request, answer: web.StreamResponse, delay_s: float
    ) -> web.StreamResponse | None:
        """The whole answer, in pieces with pauses between them."""
        stopping = self._stopping
        with suppress(ConnectionError):  # the reader has lost patience, or what was to be listed is gone
            body = await _body_of(answer)
            slow = web.StreamResponse(status=answer.status, headers=answer.headers)
            slow.content_length = len(body)
            size = max(1, -(-len(body) // _DRIPS))
            await slow.prepare(request)
            for begin in range(0, len(body), size):
                if not await self._passes(delay_s * size / max(1, len(body)), stopping):
                    return None
                await slow.write(body[begin : begin + size])
            await slow.write_eof()
            return slow
        return None


def _as_told(fault: Fault, switches: Switches) -> web.Response:
    if fault.body is None:
        return problem(fault.status, "Injected fault", f"status {fault.status}; nothing was done.", switches)
    kind = "application/json" if fault.body.lstrip()[:1] in ("{", "[") else "text/plain"
    return web.Response(status=fault.status, text=fault.body, content_type=kind)


async def _cut(request: web.Request, answer: web.StreamResponse) -> web.StreamResponse | None:
    """Send the head of an answer and half of its body, and close the connection; None if one of the two is gone."""
    cut = web.StreamResponse(status=answer.status, headers=answer.headers)
    try:
        body = await _body_of(answer)
        cut.content_length = len(body)
        await cut.prepare(request)
        await cut.write(body[: len(body) // 2])
    except ConnectionError:
        return None
    if request.transport is not None:
        request.transport.close()
    return cut


async def _body_of(answer: web.StreamResponse) -> bytes:
    """All of it, of a listing that would be streamed as well."""
    if isinstance(answer, Listed):
        return b"".join([piece async for piece in answer.listing])
    body = answer.body if isinstance(answer, web.Response) else b""
    return body if isinstance(body, bytes) else b""
