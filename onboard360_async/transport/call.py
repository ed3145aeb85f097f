"""One request: budgeted, sent, judged, and sent again where that is safe.

Knows no client and no listing: it takes a method, a path and bytes, and gives a 2xx answer or an error that says what
is known. What may be sent again is `verdict`'s to say, and when is the budget's.
"""

import asyncio
import logging
import math
import random
from collections.abc import AsyncGenerator, Callable, Iterable
from functools import lru_cache
from types import TracebackType
from typing import Any, Final, NoReturn, Self, TypeVar

import aiohttp

from onboard360_async import settings
from onboard360_async.budget.slot import Slot
from onboard360_async.codec.answers import decode_error
from onboard360_async.codec.drift import beyond
from onboard360_async.errors import (
    AnswerLostError,
    BudgetExhaustedError,
    BudgetStoreError,
    DeadlineError,
    DecodeError,
    NotSentError,
    Onboard360Error,
    OutcomeUnknownError,
    ServerOutcomeUnknownError,
)
from onboard360_async.transport.options import Deadline, Options, Request
from onboard360_async.transport.rate_headers import retry_after_s, told_by
from onboard360_async.transport.transport import Keyed, Transport
from onboard360_async.transport.under_way import Attempt
from onboard360_async.transport.verdict import Body, Verdict, error_class, judge
from onboard360_async.transport.wire import (
    HEADERS,
    WIRE_ERRORS,
    SentTwiceError,
    cannot_send,
    likely_base,
    no_people,
    nobodys,
    read_error,
    read_whole,
    reason_of,
    whole_now,
)

__all__ = ["Call"]

T = TypeVar("T")
logger: Final = logging.getLogger("onboard360_async")
_NOTHING_SPENT: Final = (BudgetExhaustedError, BudgetStoreError, DeadlineError)


@lru_cache(maxsize=64)  # most requests have the same
def _timeout(limit_s: float, *, streamed: bool) -> aiohttp.ClientTimeout:
    """What aiohttp itself watches: how long it takes to connect, and between two pieces of what is streamed."""
    sock_read = limit_s if streamed else None
    return aiohttp.ClientTimeout(total=None, connect=limit_s, sock_read=sock_read, ceil_threshold=math.inf)


class Call(Attempt):
    """One logical request and its attempts, until there is a 2xx answer or an error.

    To be entered where `read` does not do so itself: leaving it tells how the call ended.
    """

    __slots__ = (
        "_deadline", "_options", "_request", "_sent", "_slot", "_status", "_story",
        "_transport", "_wait_s", "attempts",
    )  # fmt: skip

    def __init__(self, transport: Transport, request: Request, options: Options, until: Deadline | None = None) -> None:
        self.attempts: int = 0
        self._transport, self._request, self._options = transport, request, options
        self._story = transport.story(request)
        if until is None and options.deadline_s is not None:
            until = Deadline(options.deadline_s)
        self._deadline = until  # one that several calls may share
        self._wait_s = 0.0  # before the next attempt
        self._sent = False  # the current attempt's headers are out
        self._status: int | None = None  # of the current attempt's answer
        self.ends_at: float = math.inf
        self.is_late: bool = False
        self.is_tried: bool = False
        self.protocol: Any = None
        self._slot: Slot | None = None  # of the budget, for the current attempt

    @property
    def _path(self) -> str:
        return nobodys(self._request.path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end(error)

    def _end(self, error: BaseException | None) -> None:
        if self._story is not None:
            verdict = judge(self._request.method, sent=self._sent, status=self._status, body=Body.CUT)
            in_doubt = verdict in (Verdict.UNKNOWN, Verdict.CREATED)
            self._story.end(error, self.attempts, unknown=in_doubt)

    async def read(self, decode: Callable[[bytes], T], place: str | None = None) -> T:
        """The decoded body of a 2xx answer, read whole within `timeout_s`; `place` is where it has its models."""
        try:
            while True:
                response = await self._next(streamed=False)
                if response is None:
                    continue
                try:
                    body = whole_now(response)
                    value = decode(await self._body(response) if body is None else body)
                except WIRE_ERRORS as error:
                    response.close()
                    self._judge(response.status, reason_of(error))
                except DecodeError as error:
                    self._judge(response.status, str(error), Body.WRONG, error)
                else:
                    if place is not None and (found := beyond(value, place)):
                        self.drifted(found)
                    break
        except Onboard360Error as error:
            self._end(error)
            # It says all there is, and our frames hold what an answer says of people.
            raise error.with_traceback(None) from error.__cause__
        except BaseException as error:
            self._end(error)
            raise
        if self._story is not None:
            self._end(None)
        return value

    async def _body(self, response: aiohttp.ClientResponse) -> bytes:
        async with asyncio.timeout_at(self.ends_at):
            return await read_whole(response, settings.MAX_BODY_BYTES)

    async def answer(self) -> aiohttp.ClientResponse:
        """A 2xx answer whose headers are in; its body is still to be read, and the answer to be released.

        It is a streamed one: it may take longer than `timeout_s` as a whole, but not between two of its pieces.
        """
        while (response := await self._next(streamed=True)) is None:
            pass
        return response

    async def chunks(self, response: aiohttp.ClientResponse) -> AsyncGenerator[memoryview, None]:
        """A streamed answer, FEED_BYTES at most at once. AnswerLostError if it breaks off, DeadlineError when late."""
        loop = asyncio.get_running_loop()
        turned_at = loop.time()
        while not self._is_late():  # also where the reader is slow, and there is always more to read
            reading = response.content.read(settings.FEED_BYTES)
            try:
                # A view shows no person, as `hidden` does not, and copies nothing.
                chunk = memoryview(await (reading if self._deadline is None else self._deadline.keep(reading)))
            except DeadlineError:
                break
            except WIRE_ERRORS as error:
                if self._is_late():
                    break
                raise AnswerLostError(self._broken_off(reason_of(error)), self._request.method, self._path) from None
            if not chunk:
                return
            yield chunk
            if loop.time() - turned_at > settings.TURN_S:  # there may be much more already, and others want a turn
                await asyncio.sleep(0)
                turned_at = loop.time()
        raise self._late()

    def lost(self, error: AnswerLostError | DecodeError | DeadlineError, *, status: int, items: int) -> None:
        """Judge a streamed answer that could not be read to its end: raise, or leave the way free to ask again."""
        if isinstance(error, DeadlineError):
            raise error from None
        body = Body.CUT if isinstance(error, AnswerLostError) else Body.WRONG
        verdict = judge(self._request.method, sent=True, status=status, body=body)
        if items:
            self._give_up(error)
        self._retry_or_raise(verdict, error)

    def drifted(self, paths: Iterable[str]) -> None:
        """Tell of what the answer holds beyond the API page, each path once."""
        for where in self._transport.drift.news(paths):
            method, path = self._request.method, self._path
            logger.info("an answer to %s %s holds more than the API page names: %s", method, path, where)
            if self._story is not None:
                self._story.tell("drift", self.attempts, where=where)

    def headers_sent(self) -> None:
        """Called just before the first byte leaves: by our own request, or by the trace of a session that was given."""
        if self._sent:
            raise SentTwiceError
        if self._story is not None:
            self.tell("sent")  # before the slot is looked at: who listens may take so long that it is another's by then
            if self._is_late():
                raise TimeoutError
        if self._slot is not None:  # pragma: no branch - nothing is sent without one
            self._slot.sent()
        self._sent = True

    # --- one attempt ---

    async def _next(self, *, streamed: bool) -> aiohttp.ClientResponse | None:
        """A 2xx answer; None if there was none and the call may try again; else the error that says what is known."""
        if self._wait_s:
            await self._back_off()
        self._sent, self._status, self._slot = False, None, None
        number, options, deadline = self.attempts + 1, self._options, self._deadline
        try:
            keyed = self._transport.for_key(self._transport.key.fixed or await self._key())
            if self._story is not None:
                self.tell("queued", attempt=number)
            slot = keyed.budget.slot(
                priority=options.priority,
                deadline_s=None if deadline is None else deadline.left_s(),
                max_wait_s=options.max_wait_s,
                grace_s=options.timeout_s,
            )
            if not slot.take():
                await slot.wait()
            self._slot = slot
            if self._story is not None:
                self.tell("granted", attempt=number, seconds=slot.waited_s)
            if deadline is not None:
                self._check_in_time()  # granted in time it is, but perhaps taken notice of too late
            self.attempts = number
            found = await self._exchange(slot, keyed, streamed=streamed)
        except BaseException as error:
            self._leave(number, error)
            if isinstance(error, _NOTHING_SPENT):
                self._sign(error)
            raise
        if isinstance(found, str) or self._story is not None:
            self._leave(number)
        if isinstance(found, str):
            self._judge(None, found)
            return None
        if 200 <= found.status < 300:
            return found
        self._judge_refusal(found, await read_error(found, self.ends_at))
        return None

    async def _exchange(self, slot: Slot, keyed: Keyed, *, streamed: bool) -> aiohttp.ClientResponse | str:
        """Send, and settle the slot when the answer's headers are in; without an answer, why there is none."""
        request, pool, loop = self._request, self._transport.pool, asyncio.get_running_loop()
        opened = pool.ready(loop) or await pool.open(loop)
        if request.before_send is not None:
            request.before_send()
        started, task, under_way = loop.time(), id(asyncio.current_task(loop)), opened.under_way
        limit_s, deadline = self._options.timeout_s, self._deadline
        limit_s = limit_s if deadline is None else deadline.within(limit_s)
        self.ends_at, self.is_late, self.is_tried = started + limit_s, False, False
        headers = keyed.headers if request.body is None else keyed.headers_with_body
        sending = opened.session.request(
            request.method,
            self._transport.url(request),
            data=request.body,
            headers={**HEADERS, **headers} if under_way is None else headers,  # the user's own says nothing for us
            allow_redirects=False,
            raise_for_status=False,
            proxy=pool.proxy.url,
            proxy_headers=pool.proxy.headers,
            timeout=_timeout(limit_s, streamed=streamed),
            trace_request_ctx=self,
        )
        try:
            if under_way is None:
                async with asyncio.timeout_at(self.ends_at):
                    response = await sending
            else:
                under_way.begin(task, self)
                response = await sending
        except WIRE_ERRORS as error:
            return reason_of(error)
        except (ValueError, RuntimeError) as error:  # what aiohttp says of a session that cannot send this
            if self._sent:
                raise
            raise cannot_send(error, is_closed=opened.session.closed) from None
        finally:
            self.protocol = None
            if under_way is not None:
                under_way.pop(task, None)
        self._status, answered = response.status, response.headers
        self._transport.clock.heard(answered)
        if response.status == 429:
            slot.refused(retry_after_s(answered))
        else:
            slot.answered(told_by(answered))
        if self._story is not None:
            self.tell("answered", status=response.status, seconds=loop.time() - started)
        return response

    def _leave(self, number: int, error: BaseException | None = None) -> None:
        """What is still held of the budget for this attempt is given back, or stays held until its end."""
        if self._slot is not None:
            self._slot.leave(error)
            self.tell("settled" if self._sent else "released", attempt=number)

    async def _key(self) -> str:
        get = self._transport.key.get
        return await (get() if self._deadline is None else self._deadline.keep(get()))

    async def _back_off(self) -> None:
        wait_s, self._wait_s = self._wait_s, 0.0
        left_s = None if self._deadline is None else self._deadline.left_s()
        if left_s is not None and left_s <= wait_s:
            raise self._late(wait_s)
        await asyncio.sleep(wait_s)

    def _check_in_time(self) -> None:
        if self._is_late():
            raise self._late()

    def _is_late(self) -> bool:
        return self._deadline is not None and self._deadline.is_over()

    # --- what it proves ---

    def _judge(self, status: int | None, reason: str, body: Body = Body.CUT, fault: DecodeError | None = None) -> None:
        """Judge an attempt without a readable answer: raise, or return if the request may be sent again."""
        method, path = self._request.method, self._path
        verdict = judge(method, sent=self._sent, status=status, body=body)
        error: Onboard360Error
        if verdict is Verdict.WRONG and fault is not None:
            error = fault
        elif verdict is Verdict.NOT_SENT:
            host = self._transport.base_url.authority
            error = NotSentError(f"Could not connect to {host} ({reason}); the request was not sent.", method, path)
        elif verdict is Verdict.LOST:
            error = AnswerLostError(self._broken_off(reason), method, path)
        else:
            created = verdict is Verdict.CREATED
            what = (
                f"was answered {status}, but the answer could not be read" if created else "was sent, but not answered"
            )
            error = OutcomeUnknownError(
                f"{method} {path} {what} ({reason}).", self._request.campaign_id, self._request.email_hash(), created
            )
        self._retry_or_raise(verdict, error)

    def _judge_refusal(self, response: aiohttp.ClientResponse, body: bytes) -> None:
        """Judge an answer whose status is no success."""
        request, status = self._request, response.status
        verdict = judge(request.method, sent=True, status=status)
        reason, details = decode_error(body)
        reason = no_people(reason, request.body)
        if verdict is Verdict.REDIRECTED:
            reason = likely_base(response, request.path)
        wait_s = retry_after_s(response.headers)
        snippet = body.decode("utf-8", "replace")[: settings.SNIPPET_CHARS]
        told = (status, reason, details, request.method, self._path, wait_s, snippet)
        if verdict is Verdict.UNKNOWN:
            unknown = ServerOutcomeUnknownError(*told)
            unknown.campaign_id, unknown.email_hash = request.campaign_id, request.email_hash()
            self._give_up(unknown)
        self._retry_or_raise(verdict, error_class(status)(*told), at_least_s=wait_s or 0.0)

    def _retry_or_raise(self, verdict: Verdict, error: Onboard360Error, *, at_least_s: float = 0.0) -> None:
        is_late = self._is_late()
        no_answer = verdict in (Verdict.NOT_SENT, Verdict.LOST)
        if not verdict.again or (self.attempts > self._options.max_retries and not (is_late and no_answer)):
            self._give_up(error)
        if is_late:
            raise self._late()
        if verdict is not Verdict.NOT_APPLIED:  # there the budget pauses everybody; no wait of our own on top
            most_s = min(settings.BACKOFF_CEILING_S, settings.BACKOFF_BASE_S * 2 ** (self.attempts - 1))
            self._wait_s = max(random.uniform(0.0, most_s), min(at_least_s, settings.WINDOW_S))  # noqa: S311 - no secret
        if self._story is not None:
            self._story.tell("retried", self.attempts, status=self._status, seconds=self._wait_s, error=error)

    def _give_up(self, error: Onboard360Error) -> NoReturn:
        self._sign(error)
        raise error from None

    def _late(self, wait_s: float | None = None) -> DeadlineError:
        error = (self._deadline or Deadline(0.0)).error(wait_s)
        self._sign(error)
        return error

    def _sign(self, error: Onboard360Error) -> None:
        error.attempts = self.attempts
        if self.attempts and not error.done and error.__class__ in _NOTHING_SPENT:
            error.done = "The attempts made before created nothing."

    def _broken_off(self, reason: str) -> str:
        return f"The answer to {self._request.method} {self._path} did not arrive whole ({reason})."

    def tell(
        self, name: str, *, attempt: int | None = None, status: int | None = None, seconds: float | None = None
    ) -> None:
        """Log what happened, and hand it to the one who listens."""
        if self._story is not None:
            self._story.tell(name, attempt or self.attempts, status=status, seconds=seconds)
