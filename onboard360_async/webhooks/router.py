"""Which of a user's functions an event goes to: by its name, in the order in which they were registered.

Knows no HTTP and no inbox; it is itself something that receives events.
"""

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Collection
from fnmatch import fnmatchcase
from typing import Final, Literal, TypeVar, overload

from attrs import field, frozen

from onboard360_async.errors import ConfigurationError, WebhookError
from onboard360_async.webhooks.events import ClientCompleted, ClientCreated, Event, FlowCreated, UnknownEvent

__all__ = ["Handled", "Handler", "Router", "RunsOnError", "call", "is_async"]

Handler = Callable[[Event], Awaitable[object] | object]
# Which of them a pattern brings is not for a type to say; what takes none of them is no handler.
H = TypeVar(
    "H",
    bound=Callable[[ClientCreated], object]
    | Callable[[ClientCompleted], object]
    | Callable[[FlowCreated], object]
    | Callable[[UnknownEvent], object],
)
HCreated = TypeVar("HCreated", bound=Callable[[ClientCreated], object])
HCompleted = TypeVar("HCompleted", bound=Callable[[ClientCompleted], object])
HFlow = TypeVar("HFlow", bound=Callable[[FlowCreated], object])
_LOG: Final = logging.getLogger("onboard360_async")


@frozen
class Handled:
    """What became of an event: the names of the handlers that are done with it, and the errors of the others."""

    done: tuple[str, ...]
    failed: tuple[tuple[str, Exception], ...] = field(default=(), repr=False)  # their words are the user's own


@frozen
class _Route:
    pattern: str
    name: str
    handler: Handler
    plain: bool


class Router:
    """Hands events to functions: `@router.on("client.created")`, `@router.on("client.*")`, `@router.fallback`.

    Coroutine functions run on the loop, plain ones in a thread, so they may block. They run one after another, in the
    order in which they were registered; one that fails does not stop the others. An event that no pattern fits goes
    to the fallbacks. A router is itself an `async def receive(event)`: what failed is raised, as one ExceptionGroup,
    when all have run.
    """

    def __init__(self) -> None:
        self._routes: list[_Route] = []
        self._fallbacks: list[_Route] = []

    @overload
    def on(  # type: ignore[overload-overlap]  # the last one takes more functions, and so do the events it is for
        self, pattern: Literal["client.created"], *, name: str | None = None
    ) -> Callable[[HCreated], HCreated]: ...
    @overload
    def on(  # type: ignore[overload-overlap]  # the same
        self, pattern: Literal["client.completed"], *, name: str | None = None
    ) -> Callable[[HCompleted], HCompleted]: ...
    @overload
    def on(  # type: ignore[overload-overlap]  # the same
        self, pattern: Literal["flow.created"], *, name: str | None = None
    ) -> Callable[[HFlow], HFlow]: ...
    @overload
    def on(self, pattern: str, *, name: str | None = None) -> Callable[[H], H]: ...

    def on(self, pattern: str, *, name: str | None = None) -> Callable[[H], H]:
        """Register a function for the events whose name fits: exactly, or with `*` as in "client.*".

        `name` is how an inbox remembers that this handler is done with an event; it is the function's own, qualified
        name, unless that is taken. ConfigurationError if it is.
        """

        def register(handler: H) -> H:
            self._routes.append(self._route(pattern, handler, name))
            return handler

        return register

    def fallback(self, handler: H) -> H:
        """Register a function for the events that no pattern fits."""
        self._fallbacks.append(self._route("*", handler, None))
        return handler

    async def __call__(self, event: Event) -> None:
        """Hand it on; ExceptionGroup with the errors of the handlers that failed, when all have run.

        If all of them are WebhookErrors, as of an inbox that is full: the first of those.
        """
        handled = await self.run(event)
        if handled.failed and all(isinstance(error, WebhookError) for _, error in handled.failed):
            raise handled.failed[0][1]
        if handled.failed:
            count = len(handled.failed) + len(handled.done)
            raise ExceptionGroup(
                f"{len(handled.failed)} of {count} handlers failed", [error for _, error in handled.failed]
            )

    async def run(self, event: Event, *, skip: Collection[str] = ()) -> Handled:
        """Hand it to all handlers that it is for but those of these names, and tell what became of it."""
        done: list[str] = []
        failed: list[tuple[str, Exception]] = []
        for route in self._routes_of(event.name):
            if route.name in skip:
                done.append(route.name)
                continue
            try:
                await call(route.handler, event, plain=route.plain)
            except Exception as error:  # noqa: BLE001 - a user's function may raise anything; the others still run
                _LOG.warning("webhook handler %s failed on %s: %s", route.name, event.name, type(error).__name__)
                failed.append((route.name, error))
            else:
                done.append(route.name)
        return Handled(tuple(done), tuple(failed))

    def _routes_of(self, event: str) -> list[_Route]:
        return [route for route in self._routes if fnmatchcase(event, route.pattern)] or self._fallbacks

    def _route(self, pattern: str, handler: Callable[..., object], name: str | None) -> _Route:
        if any(is_it(handler) for is_it in (inspect.isclass, inspect.isgeneratorfunction, inspect.isasyncgenfunction)):
            raise ConfigurationError("A webhook handler is a function or coroutine function: no class, and no `yield`.")
        # An object that can be called has its class's name: an inbox has to know it again in the next process.
        said = handler if hasattr(handler, "__qualname__") else type(handler)
        chosen = name or f"{said.__module__}.{said.__qualname__}"
        if any(route.name == chosen for route in (*self._routes, *self._fallbacks)):
            raise ConfigurationError(f"There is a webhook handler {chosen} already; give this one a name of its own.")
        return _Route(pattern, chosen, handler, plain=not is_async(handler))


def is_async(handler: Handler) -> bool:
    """Is it an `async def`, or an object whose `__call__` is one?"""
    called = getattr(handler, "__call__", None)  # noqa: B004 - what it is, not whether it is there
    return inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(called)


class RunsOnError(asyncio.CancelledError):
    """We are cancelled, and a plain function is still running in its thread, which nobody can stop."""


async def call(handler: Handler, event: Event, *, plain: bool) -> None:
    """A coroutine function on this loop; a `plain` one in a thread, so it may block; what it gives is awaited.

    Whatever it raises is an Exception: a handler that wants to end the process only fails.
    """
    try:
        result = await asyncio.to_thread(_call_here, handler, event) if plain else handler(event)
        plain = False
        if inspect.isawaitable(result):
            await result
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or not task.cancelling():
            raise RuntimeError("What the handler waited for was cancelled.") from None
        if plain:
            raise RunsOnError from None
        raise  # we are to stop
    except (SystemExit, KeyboardInterrupt) as error:
        raise RuntimeError(f"The handler raised {type(error).__name__}.") from error


def _call_here(handler: Handler, event: Event) -> object:
    """Nothing that means something to a loop, or that no future can hold, gets out of the thread."""
    try:
        return handler(event)
    except (StopIteration, SystemExit, KeyboardInterrupt, GeneratorExit) as error:
        raise RuntimeError(f"The handler raised {type(error).__name__}.") from error
