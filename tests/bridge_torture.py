"""Scripts for tests/test_bridge.py, each in a process of its own: `python -m tests.bridge_torture NAME`."""

import asyncio
import concurrent.futures
import contextlib
import gc
import importlib
import logging
import multiprocessing
import os
import signal
import sys
import threading
import warnings
from collections.abc import AsyncGenerator, Callable

from onboard360_async import Onboard360
from onboard360_async.bridge import iterate, run
from onboard360_async.errors import ConfigurationError, SyncInAsyncError
from onboard360_async.sandbox import Sandbox


async def where() -> str:
    """The name of the thread that this runs on."""
    return threading.current_thread().name


async def for_ever() -> None:
    """Never done."""
    try:
        await asyncio.Event().wait()
    finally:
        print("ended", flush=True)


async def numbers() -> AsyncGenerator[int, None]:
    """Five numbers, and a word at the end."""
    try:
        for number in range(5):
            yield number
    finally:
        print("closed", flush=True)


def interrupted() -> None:
    """Ctrl-C during a call: it is cancelled, and has ended, before the exception leaves."""

    async def work() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        await for_ever()

    try:
        run(work)
    except KeyboardInterrupt:
        print("interrupted")
    print(run(where))


def interrupted_iteration() -> None:
    """Ctrl-C while the next batch is waited for: the generator is closed before the exception leaves."""
    printed = threading.Event()

    async def stuck() -> AsyncGenerator[int, None]:
        try:
            yield 1
            await asyncio.to_thread(printed.wait)
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.Event().wait()
        finally:
            print("closed", flush=True)

    try:
        for number in iterate(stuck):
            print(number, flush=True)
            printed.set()
    except KeyboardInterrupt:
        print("interrupted")


def exits() -> None:
    """SystemExit out of a coroutine is the caller's, and the loop goes on."""

    async def leave() -> None:
        sys.exit(3)

    try:
        run(leave)
    except SystemExit as error:
        print("exit", error.code)
    print(run(where))


def in_a_loop() -> None:
    """Inside a running loop: it works, with one warning for all calls."""

    async def main() -> None:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            run(where)
            run(where)
        print(len(caught), caught[0].category.__name__)

    asyncio.run(main())
    for _ in range(3):
        print(asyncio.run(where()))


def reentered() -> None:
    """From the private loop itself: refused, no deadlock, no coroutine left unawaited."""

    async def again() -> None:
        for call in (lambda: run(where), lambda: list(iterate(numbers))):
            try:
                call()
            except SyncInAsyncError:
                print("refused")

    run(again)


def threads() -> None:
    """Sixteen threads begin at once: one loop, sixteen answers."""
    begin = threading.Barrier(16)
    names: list[str] = []

    def work() -> None:
        begin.wait()
        names.append(run(where))

    workers = [threading.Thread(target=work) for _ in range(16)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    print(len(names), set(names), [thread.name for thread in threading.enumerate()].count("onboard360"))


def forked() -> None:
    """os.fork before, during and after use: the child has a loop of its own, the parent keeps its."""
    in_call = threading.Event()
    let_go: list[asyncio.Event] = []

    async def held() -> None:
        let_go.append(asyncio.Event())
        in_call.set()
        await let_go[0].wait()

    def in_child() -> int:
        child = os.fork()
        if child == 0:
            try:
                print("child", run(where), flush=True)
            finally:
                sys.stdout.flush()
                os._exit(0)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    print(in_child(), flush=True)
    print(run(where), flush=True)
    caller = threading.Thread(target=run, args=(held,))
    caller.start()
    in_call.wait()
    print(in_child(), flush=True)

    async def go() -> None:
        let_go[0].set()

    run(go)
    caller.join()
    print(in_child(), run(where), flush=True)


def forked_handle() -> None:
    """A handle used before a fork works in the child, on connections of its own, and in the parent after."""
    with Sandbox(limiter="off") as sandbox, Onboard360(sandbox.api_key, base_url=sandbox.url) as api:
        api.list_campaigns()
        child = os.fork()
        if child == 0:
            try:
                print(len(api.list_campaigns()), flush=True)
                api.close()
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        print(len(api.list_campaigns()), [request.status for request in sandbox.requests], flush=True)


def forked_and_left() -> None:
    """A child that ends as programs do, with sys.exit: no noise about the parent's loop."""
    run(where)
    child = os.fork()
    if child == 0:
        sys.exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def forked_twice() -> None:
    """A child of a child, both after use: each has a loop and connections of its own, and its parent keeps those."""
    with Sandbox(limiter="off") as sandbox, Onboard360(sandbox.api_key, base_url=sandbox.url) as api:

        def in_child(work: Callable[[], None]) -> None:
            child = os.fork()
            if child == 0:
                try:
                    work()
                finally:
                    os._exit(0)
            os.waitpid(child, 0)

        def ask() -> None:
            print(len(api.list_campaigns()), flush=True)

        def ask_and_fork() -> None:
            ask()
            in_child(ask)
            ask()

        ask()
        in_child(ask_and_fork)
        ask()
        print([request.status for request in sandbox.requests])


def forked_in_an_iteration() -> None:
    """A child that goes on with its parent's iteration gets a clear error, one that drops it nothing; no hang."""
    reader = iterate(numbers)
    print(next(reader), flush=True)
    for goes_on in (True, False):
        child = os.fork()
        if child == 0:
            try:
                if goes_on:
                    next(reader)
            except ConfigurationError as error:
                print(type(error).__name__, flush=True)
            del reader
            gc.collect()
            sys.exit(0)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
    print(list(reader))


def name_in_child(_: int) -> str:
    """For pools of processes."""
    return run(where)


def pools() -> None:
    """Multiprocessing by fork and spawn, and a ProcessPoolExecutor, after use in the parent."""
    run(where)
    for method in ("fork", "spawn"):
        with multiprocessing.get_context(method).Pool(2) as pool:
            print(pool.map(name_in_child, range(2)))
    with concurrent.futures.ProcessPoolExecutor(1) as executor:
        print(executor.submit(name_in_child, 1).result())


def left_open() -> None:
    """The program ends while a call and an iteration are under way: no hang, no noise, generators are closed."""
    reader = iterate(numbers)
    print(next(reader))
    begun = threading.Event()

    async def under_way() -> None:
        begun.set()
        await for_ever()

    threading.Thread(target=lambda: _quietly(under_way), daemon=True).start()
    begun.wait()
    globals()["reader"] = reader


def _quietly(call: object) -> None:
    with contextlib.suppress(ConfigurationError):
        run(call)  # type: ignore[arg-type]  # a coroutine function, as all here


class Late:
    """Calls from __del__, when everything is over."""

    def __del__(self) -> None:
        """Must neither hang nor crash."""
        try:
            run(where)
        except ConfigurationError:
            print("too late", flush=True)


def from_del() -> None:
    """__del__ at the end of the interpreter: one clear error."""
    run(where)
    globals()["late"] = Late()


def collected() -> None:
    """An iteration that nobody holds any more is closed, by whichever thread collects it."""
    reader = iterate(numbers)
    print(next(reader))
    del reader
    gc.collect()

    kept = [iterate(numbers)]

    async def collect_here() -> None:
        kept.clear()
        gc.collect()

    print(next(kept[0]))
    run(collect_here)
    run(where)


def started_twice() -> None:
    """A signal handler, or a __del__, calls while the private loop is being started: no deadlock, one loop for all."""
    make = asyncio.new_event_loop
    seen: list[str] = []

    def interrupted() -> asyncio.AbstractEventLoop:
        asyncio.new_event_loop = make
        seen.append(run(where))
        return make()

    asyncio.new_event_loop = interrupted
    print(run(where), seen, [thread.name for thread in threading.enumerate()].count("onboard360"))


def main(name: str) -> None:
    """Run one script, of these or of handle_torture."""
    if os.environ.get("TORTURE_LOOP") == "uvloop":
        asyncio.set_event_loop_policy(importlib.import_module("uvloop").EventLoopPolicy())
    signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs the tests in the background ignores it
    # A machine that is busy with other things makes any callback slow, and debug mode tells of each.
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    scripts = globals()
    if name not in scripts:
        scripts = vars(importlib.import_module("tests.handle_torture"))
    scripts[name]()


if __name__ == "__main__":
    main(sys.argv[1])
