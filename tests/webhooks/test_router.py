"""The router: who gets an event, in which order and where, and what becomes of the others when one fails."""

import asyncio
import concurrent.futures
import contextvars
import functools
import logging
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest

from onboard360_async.errors import ConfigurationError, InboxError
from onboard360_async.webhooks import ClientCompleted, ClientCreated, Event, FlowCreated, Router
from onboard360_async.webhooks.factories import client_completed, client_created, flow_created, unknown_event
from onboard360_async.webhooks.router import Handled, Handler

Handling = Callable[[Event], Awaitable[None]]


class Noted:
    """Makes handlers that note that they were called."""

    def __init__(self) -> None:
        self.called: list[str] = []

    def handler(self, name: str, error: Exception | None = None) -> Handling:
        async def handle(event: Event) -> None:
            self.called.append(name)
            if error is not None:
                raise error

        handle.__qualname__ = name
        handle.__module__ = "app"
        return handle


@pytest.fixture
def noted() -> Noted:
    return Noted()


@pytest.mark.parametrize(
    ("event", "called"),
    [
        (client_created(), ["exactly", "clients", "all"]),
        (client_completed(), ["clients", "all"]),
        (flow_created(), ["all"]),
        (unknown_event("client.renamed"), ["clients", "all"]),
        (unknown_event("Client.created"), ["all"]),
        (unknown_event("client"), ["all"]),
    ],
    ids=lambda value: value.name if isinstance(value, Event) else "",
)
async def test_a_pattern_fits_exactly_or_with_a_star(event: Event, called: list[str], noted: Noted) -> None:
    """Capitals count; the handlers run in the order in which they were registered."""
    router = Router()
    for name, pattern in {"exactly": "client.created", "clients": "client.*", "all": "*"}.items():
        router.on(pattern, name=name)(noted.handler(name))
    assert await router.run(event) == Handled(tuple(called))
    assert noted.called == called


async def test_the_fallbacks_get_what_nobody_else_does(noted: Noted) -> None:
    """All of them, in their order, and only then."""
    router = Router()
    for name in ("first", "second"):
        router.fallback(noted.handler(name))
    router.on("client.created")(noted.handler("created"))
    await router(client_created())
    assert noted.called == ["created"]
    await router(unknown_event())
    assert noted.called == ["created", "first", "second"]


async def test_no_handler_at_all_is_no_error() -> None:
    """An event that nobody wants is done with."""
    assert await Router().run(client_created()) == Handled(())


def test_what_was_registered_is_still_the_function() -> None:
    """A decorated function can be called, and tested, as it was written."""
    router = Router()

    def handle(event: ClientCreated) -> int:
        return len(event.body)

    def otherwise(event: Event) -> None: ...

    assert router.on("client.created")(handle) is handle
    assert router.fallback(otherwise) is otherwise


async def test_a_plain_function_may_block() -> None:
    """It waits, in a thread, for what only the loop can do; there it sees the caller's context."""
    router, loop, who = Router(), asyncio.get_running_loop(), contextvars.ContextVar[str]("who")
    seen: list[tuple[str, bool]] = []

    async def of_the_loop() -> bool:
        return threading.current_thread() is threading.main_thread()

    @router.on("client.created")
    def handle(event: ClientCreated) -> None:
        on_loop = asyncio.run_coroutine_threadsafe(of_the_loop(), loop).result(timeout=10)
        seen.append((who.get(), on_loop and threading.current_thread() is not threading.main_thread()))

    who.set("the caller")
    await router(client_created())
    assert seen == [("the caller", True)]


class Coroutine:
    async def __call__(self, event: Event) -> None:
        asyncio.get_running_loop()


class Method:
    async def handle(self, event: Event) -> None:
        asyncio.get_running_loop()


async def needs_the_loop(prefix: str, event: Event) -> None:
    asyncio.get_running_loop()


@pytest.mark.parametrize(
    "handler",
    [Coroutine(), Method().handle, functools.partial(needs_the_loop, "x"), lambda event: needs_the_loop("x", event)],
    ids=["an object", "a method", "a partial", "a function that gives a coroutine"],
)
async def test_whatever_gives_a_coroutine_runs_on_the_loop(handler: Handling) -> None:
    """An object, a method, a partial; and a plain function whose result can be awaited."""
    router = Router()
    router.on("*", name="it")(handler)
    assert await router.run(client_created()) == Handled(("it",))


async def test_one_that_fails_does_not_stop_the_others(noted: Noted) -> None:
    """All run; then what failed is raised as one group, in order, and the caller sees each error itself."""
    router, first, third = Router(), ValueError("first"), KeyError("third")
    router.on("*")(noted.handler("a", first))
    router.on("*")(noted.handler("b"))
    router.on("*")(noted.handler("c", third))
    handled = await router.run(client_created())
    assert handled == Handled(("app.b",), (("app.a", first), ("app.c", third)))
    with pytest.raises(ExceptionGroup, match="2 of 3 handlers failed") as caught:
        await router(client_created())
    assert caught.value.exceptions == (first, third)
    assert noted.called == ["a", "b", "c"] * 2


def stops(event: Event) -> None:
    raise StopIteration


def has_its_future_cancelled(event: Event) -> None:
    future = concurrent.futures.Future[None]()
    future.cancel()
    future.result()


async def has_its_task_cancelled(event: Event) -> None:
    task = asyncio.create_task(asyncio.Event().wait())
    task.cancel()
    await task


@pytest.mark.parametrize("handler", [stops, has_its_future_cancelled, has_its_task_cancelled])
async def test_errors_that_mean_something_to_the_loop_are_errors_like_others(
    handler: Callable[[Event], object], noted: Noted
) -> None:
    """StopIteration in a thread would be waited for for ever; what a handler waits for may be cancelled, we are not."""
    router = Router()
    router.on("*", name="it")(handler)
    router.on("*")(noted.handler("next"))
    handled = await router.run(client_created())
    assert handled.done == ("app.next",)
    assert [(name, type(error)) for name, error in handled.failed] == [("it", RuntimeError)]


async def test_being_cancelled_is_no_failure_of_a_handler(noted: Noted) -> None:
    """It stops at once, and the handlers behind are not called."""
    router, begun = Router(), asyncio.Event()

    @router.on("*")
    async def waits(event: Event) -> None:
        begun.set()
        await asyncio.Event().wait()

    router.on("*")(noted.handler("next"))
    task = asyncio.create_task(router.run(client_created()))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert noted.called == []


async def test_handlers_that_are_done_with_an_event_are_passed_over(noted: Noted) -> None:
    """They count as done; names that are no handler's do not matter."""
    router = Router()
    for name in ("a", "b", "c"):
        router.on("*", name=name)(noted.handler(name))
    assert await router.run(client_created(), skip={"a", "c", "z"}) == Handled(("a", "b", "c"))
    assert noted.called == ["b"]


async def test_handlers_have_names_of_their_own(noted: Noted) -> None:
    """Their qualified one, an object its class's, or the one that is given; a name that is taken is refused."""
    router, handler = Router(), noted.handler("handler")
    router.on("client.created")(handler)
    router.on("client.completed", name="again")(handler)
    router.on("*")(Coroutine())
    taken: list[tuple[str, str | None, Handling]] = [
        ("app.handler", None, handler),
        ("again", "again", Method().handle),
        (f"{__name__}.Coroutine", None, Coroutine()),
    ]
    for name, given, other in taken:
        with pytest.raises(ConfigurationError, match=f"handler {name} already"):
            router.on("flow.created", name=given)(other)
    with pytest.raises(ConfigurationError, match=r"handler app\.handler already"):
        router.fallback(handler)
    created, completed = await router.run(client_created()), await router.run(client_completed())
    assert created.done == ("app.handler", f"{__name__}.Coroutine")
    assert completed.done == ("again", f"{__name__}.Coroutine")
    assert (await router.run(flow_created())).done == (f"{__name__}.Coroutine",)  # what was refused is not there


async def test_the_log_names_nobody(noted: Noted, caplog: pytest.LogCaptureFixture) -> None:
    """It says which handler failed, on what, and the kind of the error; not its words, which may be a person's."""
    router = Router()
    router.on("client.*")(noted.handler("mails", ValueError("no mail to john@example.com")))
    with caplog.at_level(logging.DEBUG):
        handled = await router.run(client_created(first_name="Jonathan"))
    assert [record.getMessage() for record in caplog.records if record.name == "onboard360_async"] == [
        "webhook handler app.mails failed on client.created: ValueError"
    ]
    told = f"{caplog.text} {handled!r}"
    assert [word for word in ("john@example.com", "Jonathan", "Acme Corp", "/c/") if word in told] == []


async def test_a_router_receives(noted: Noted) -> None:
    """Wherever an `async def receive(event)` is wanted, a router will do."""
    router = Router()
    router.on("flow.created")(noted.handler("flow"))
    receive: Handler = router
    result = receive(flow_created())
    assert isinstance(result, Awaitable)
    await result
    assert noted.called == ["flow"]


def typed() -> Iterator[Router]:
    """What a type checker lets through, and what not; it is checked, and never run.

    A handler takes the class of its event or a wider one. An ignored error that is none is an error, so that each line
    holds one thing that must be refused.
    """
    router = Router()

    @router.on("client.created")
    async def created(event: ClientCreated) -> str | None:
        return event.data.link

    @router.on("client.completed", name="two kinds")
    def completed(event: ClientCreated | ClientCompleted) -> str | None:
        return event.data.email

    @router.on("flow.created")
    async def flow(event: FlowCreated) -> str | None:
        return event.data.campaign_name

    @router.on("client.*")
    def any_client(event: Event) -> str:
        return event.name

    async def too_few() -> None: ...

    router.on("client.created")(flow)  # type: ignore[type-var]  # of another event
    router.on("client.completed")(created)  # type: ignore[type-var]  # the same
    router.on("flow.created")(completed)  # type: ignore[type-var]  # the same
    router.on("flow.created")(too_few)  # type: ignore[type-var]  # takes no event
    router.on("client.created")(any_client)
    # What was decorated keeps its type.
    as_it_was: Callable[[ClientCreated | ClientCompleted], str | None] = completed
    as_it_is_not: Callable[[Event], str | None] = completed  # type: ignore[assignment]
    yield from [router] if as_it_was is as_it_is_not else []


def test_types_are_checked_and_not_run() -> None:
    """`typed` above is for mypy, which reads all tests: nothing of it happens here."""
    assert "router" in typed.__code__.co_varnames


async def test_what_never_runs_is_no_handler() -> None:
    """A class, or a function with `yield`: calling it does nothing, which would pass for done."""

    class Kind:
        def __init__(self, event: Event) -> None:
            """Does nothing."""

    def generator(event: Event) -> Iterator[int]:
        yield 1

    async def asynchronous(event: Event) -> AsyncIterator[int]:
        yield 1

    for handler in (Kind, generator, asynchronous):
        with pytest.raises(ConfigurationError, match="yield"):
            Router().on("*")(handler)


async def test_a_refusal_of_all_handlers_is_the_routers_own() -> None:
    """A handler that keeps events and cannot now: its InboxError, which becomes a 503, not a group."""
    router = Router()

    @router.on("*", name="first")
    async def full(event: Event) -> None:
        raise InboxError("The disk is full.")

    with pytest.raises(InboxError, match="full"):
        await router(client_created())

    @router.on("*", name="second")
    async def broken(event: Event) -> None:
        raise ValueError

    with pytest.raises(ExceptionGroup):
        await router(client_created())
