"""The private loop in its thread: blocking callers cross over to it, one call or one batch at a time.

Knows no API. One daemon thread per process, started when first needed, shared by all blocking handles; it survives
fork (the child starts its own and never touches the parent's) and ends with the interpreter.
"""

import asyncio
import atexit
import os
import threading
import warnings
import weakref
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from contextvars import Context, copy_context
from typing import Any, Final, Generic, Protocol, TypeVar, cast

from onboard360_async.errors import ConfigurationError, SyncInAsyncError

__all__ = ["Crossing", "begin", "close_at_end", "is_over", "iterate", "run"]

T = TypeVar("T")
_LOOK_S: Final = 0.25  # seconds after which a signal is seen to that came in the moment before the wait began
_JOIN_S: Final = 2.0  # seconds that the end of the interpreter waits for what is under way to be cancelled


def run(call: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine on the private loop, in a copy of the caller's context, and give its result or its error.

    Whatever interrupts the wait (Ctrl-C, SystemExit) cancels the coroutine, and leaves only when that has ended; a
    second interruption leaves at once. SyncInAsyncError on the private loop itself, which would wait for itself.
    """
    crossing = Crossing(_bridge(), call, copy_context())
    try:
        return crossing.result()
    finally:
        del crossing


def begin(call: Callable[[], Coroutine[Any, Any, T]]) -> "Crossing[T]":
    """Start a coroutine over there while this thread does something for it; ask for its `result` in the end."""
    crossing = Crossing(_bridge(), call, copy_context())
    crossing.start()
    return crossing


def iterate(batches: Callable[[], AsyncGenerator[T, None]]) -> Generator[T, None, None]:
    """What an async generator yields, one crossing each, with the next one fetched while this one is used.

    Leaving early cancels what was being fetched and closes the generator. All of it runs in one copy of the context
    in which the iteration began.
    """
    bridge, context = _bridge(), copy_context()
    source: AsyncGenerator[T, None] | None = None

    async def fetch() -> T | _End:
        nonlocal source
        if source is None:
            source = batches()
        return await anext(source, _END)

    async def close() -> None:
        if source is not None:
            await source.aclose()

    ahead = Crossing(bridge, fetch, context)
    try:
        ahead.start()
        while not isinstance(batch := ahead.result(), _End):
            ahead = Crossing(bridge, fetch, context)
            ahead.start()
            yield batch
    finally:
        if bridge.is_parents:
            pass  # it is still at it, and we are not
        elif bridge.is_here():  # the collector may end us on the loop's own thread, which must not wait for itself
            bridge.loop.create_task(_end(ahead, close), context=context)
        elif not bridge.is_over:
            ahead.cancel_and_wait()
            Crossing(bridge, close, context).result()


def is_over() -> bool:
    """Whether the interpreter is ending: nothing can be called any more, and everything is closed."""
    return _STATE.over


class _Closable(Protocol):
    async def close(self) -> None: ...


def close_at_end(handle: _Closable) -> None:
    """Have it closed when the interpreter ends, unless nobody holds it by then."""
    number, opened = id(handle), _STATE.opened
    opened[number] = weakref.ref(handle, lambda _: opened.pop(number, None))


class _End:
    """The type of the mark that an iteration has come to its end."""


_END: Final = _End()


async def _end(ahead: "Crossing[Any]", close: Callable[[], Coroutine[Any, Any, None]]) -> None:
    await ahead.stopped()
    await close()


# --- one call on its way ---


class Crossing(Generic[T]):
    """A coroutine that runs over there, and the caller who waits for it here."""

    __slots__ = ("_bridge", "_call", "_context", "_done", "_error", "_result", "_started", "_task", "over")

    def __init__(self, bridge: "_Bridge", call: Callable[[], Coroutine[Any, Any, T]], context: Context) -> None:
        self._bridge, self._call, self._context = bridge, call, context
        self._task: asyncio.Task[None] | None = None
        self._result: T | None = None
        self._error: BaseException | None = None
        self._done = threading.Lock()  # taken until it is over
        self._done.acquire()
        self._started = False
        self.over: bool = False

    def start(self) -> None:
        """Send it over; `result` waits for it."""
        self._started = True
        self._bridge.tell(self._begin)

    def result(self) -> T:
        """Wait, and give what came back."""
        try:
            if not self._started:
                self.start()
            self._bridge.check()
            self._wait()
        except BaseException:
            self.cancel_and_wait()
            raise
        error, self._error = self._error, None
        if error is None:
            return cast("T", self._result)
        try:
            raise self._bridge.explain(error)
        finally:
            del error, self  # or the traceback would keep itself alive

    def cancel_and_wait(self) -> None:
        """Cancel it, and return when it has ended."""
        if not self._started or self.over or self._bridge.is_parents:
            return
        self._bridge.tell(self.stop)
        self._wait()

    def _wait(self) -> None:
        while not self._done.acquire(timeout=_LOOK_S):
            pass  # a signal that came just before is seen to here; a lock alone would sleep on

    # On the loop's thread

    def _begin(self) -> None:
        self._task = self._bridge.loop.create_task(self._drive(), context=self._context)

    async def _drive(self) -> None:
        try:
            self._result = await self._call()
        except BaseException as error:  # noqa: BLE001 - even SystemExit is the caller's, and must not end the loop
            self._error = error
        finally:
            self._finish()

    def stop(self) -> None:
        """Cancel it; called on the loop's thread."""
        if self._task is None:
            self._finish()
        else:
            self._task.cancel()
            self._task.add_done_callback(self._finish)  # a task that is cancelled before its first step runs nothing

    async def stopped(self) -> None:
        """Cancel it and wait for its end; on the loop itself."""
        self.stop()
        if self._task is not None:  # pragma: no branch - what was sent over begins before whoever ends it there
            await asyncio.wait((self._task,))

    def _finish(self, _task: object = None) -> None:
        if not self.over:
            self.over = True
            self._done.release()


# --- the loop and its thread ---


class _Bridge:
    """A loop that runs in a daemon thread until the interpreter ends."""

    def __init__(self) -> None:
        self.loop: asyncio.AbstractEventLoop = asyncio.new_event_loop()
        self.is_over: bool = False
        self.is_parents: bool = False
        self._thread = threading.Thread(target=self._serve, name="onboard360", daemon=True)
        self._thread.start()

    def is_here(self) -> bool:
        """Whether the caller is on the loop's own thread."""
        return threading.get_ident() == self._thread.ident

    def tell(self, what: Callable[[], None]) -> None:
        """Have something done on the loop. ConfigurationError when there is none: we are ending, or were forked."""
        self.check()
        try:
            self.loop.call_soon_threadsafe(what)
        except RuntimeError:
            raise _over() from None

    def check(self) -> None:
        """ConfigurationError in a fork's child, where nobody would ever answer."""
        if self.is_parents:
            raise ConfigurationError("This was begun before the process was forked; begin it anew in this one.")

    def leave_alone(self) -> None:
        """In a fork's child: the parent's loop is not woken, whatever is collected here or called once more."""
        self.is_parents = True
        left: list[object] = []

        def ignore(*told: object, **_options: object) -> None:
            left.append(told)  # a generator that is collected here is not closed, since what it holds is the parent's

        self.loop.call_soon_threadsafe = ignore  # type: ignore[method-assign,assignment]  # of this one alone

    def explain(self, error: BaseException) -> BaseException:
        """The caller's error: what the end of the loop cancelled says so."""
        return _over() if self.is_over and isinstance(error, asyncio.CancelledError) else error

    def end(self) -> None:
        """Cancel what runs, close what is open, and wait a little for that."""
        self.is_over = True
        self.tell(self.loop.stop)
        self._thread.join(_JOIN_S)

    def _serve(self) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_forever()
            tasks = asyncio.all_tasks(self.loop)
            for task in tasks:
                task.cancel()
            tasks |= {self.loop.create_task(handle.close()) for handle in _STATE.still_open()}
            if tasks:
                self.loop.run_until_complete(asyncio.wait(tasks))
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        finally:
            self.loop.close()


def _over() -> ConfigurationError:
    return ConfigurationError("The interpreter is ending; no call can be made any more.")


class _State:
    """What this process has: at most one bridge."""

    def __init__(self) -> None:
        self.bridge: _Bridge | None = None
        self.opened: dict[int, weakref.ref[_Closable]] = {}  # by id: handles to be closed at the end
        self.starting = threading.RLock()  # a signal handler, or a __del__, may call while we start
        self.warned = False
        self.over = False

    def still_open(self) -> list[_Closable]:
        """The handles that somebody still holds."""
        return [handle for each in list(self.opened.values()) if (handle := each()) is not None]


_STATE: Final = _State()


def _bridge() -> _Bridge:
    """The bridge of this process, started if need be; refuses to be called from its own loop."""
    bridge = _STATE.bridge
    if bridge is None:
        with _STATE.starting:
            if _STATE.over:
                raise _over()
            bridge = _STATE.bridge
            if bridge is None:
                bridge = _start()
    elif bridge.is_here():
        raise SyncInAsyncError
    if not _STATE.warned:
        _warn_in_async_code()
    return bridge


def _start() -> _Bridge:
    started = _Bridge()
    if (bridge := _STATE.bridge) is not None:  # whoever called on this thread while we started was quicker
        started.end()
        return bridge
    _STATE.bridge = started
    return started


def _warn_in_async_code() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    _STATE.warned = True
    warnings.warn(
        "Onboard360 blocks the event loop that is running here; use AsyncOnboard360 and await its calls.",
        RuntimeWarning,
        stacklevel=5,
    )


def _end_with_the_interpreter() -> None:
    _STATE.over = True
    bridge, _STATE.bridge = _STATE.bridge, None
    if bridge is not None:
        bridge.end()


def _start_afresh_in_child() -> None:
    """After a fork: the parent's loop, thread and sockets are not ours, and must be neither used nor closed."""
    parents = _STATE.bridge
    _STATE.bridge = None
    _STATE.starting = threading.RLock()
    if parents is not None:
        parents.leave_alone()
        # A fork hook outlives every module, so the parent's loop is not closed, nor complained of, when we end.
        os.register_at_fork(after_in_child=lambda: _keep_alive(parents))


def _keep_alive(_parents: _Bridge) -> None:
    pass


atexit.register(_end_with_the_interpreter)
if hasattr(os, "register_at_fork"):  # pragma: no branch - Windows does not fork
    os.register_at_fork(after_in_child=_start_afresh_in_child)
