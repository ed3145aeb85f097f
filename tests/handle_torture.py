"""Scripts for tests/test_bridge.py about handles, and what they leave on the wire to the bridge_peer at `PEER`."""

import asyncio
import concurrent.futures
import gc
import multiprocessing
import os
import signal
import sys
import threading
import warnings
import weakref
from collections.abc import Callable, Iterable
from typing import Any

from onboard360_async import AsyncOnboard360, Budget, Onboard360
from onboard360_async.bridge import run
from onboard360_async.errors import ConfigurationError, SyncInAsyncError
from onboard360_async.transport.options import Event

PEER = os.environ.get("PEER", "http://127.0.0.1:9")


def handle(**options: Any) -> Onboard360:
    """A blocking handle on the peer that no budget holds up."""
    return Onboard360("sk_test_1", base_url=PEER, **{"budget": ample(), **options})


def ample() -> Budget:
    """A budget that no script can exhaust."""
    return Budget(limit=10_000, burst=1_000, window_s=1.0)


def ask(api: Onboard360, path: str = "/campaigns", **params: object) -> None:
    """One request that says who sends it."""
    api.request("GET", path, params={"who": str(os.getpid()), **{name: str(told) for name, told in params.items()}})


def leave(*_: object) -> None:
    """What programs do on SIGTERM."""
    sys.exit(7)


INTERRUPTIONS: tuple[tuple[int, type[BaseException]], ...] = (
    (signal.SIGINT, KeyboardInterrupt),
    (signal.SIGTERM, SystemExit),
)


def interrupted_requests() -> None:
    """Interrupted when the server has the request: it sees the other side go; the slot is settled after its grace."""
    signal.signal(signal.SIGTERM, leave)
    for number, kind in INTERRUPTIONS:
        for method in ("GET", "POST"):
            now = [0]
            budget = Budget(clock=lambda: now[0])  # noqa: B023 - asked in this turn only
            with handle(budget=budget, timeout_s=30.0) as api:
                try:
                    api.request(method, "/kill", params={"pid": str(os.getpid()), "signal": str(number)})
                except kind as error:
                    told = [type(error).__name__, method]
                for now_s in (29, 31, 31 + 62):  # the grace is the attempt's time-out, and then it counts a window long
                    now[0] = now_s * 10**9
                    told.append(f"{budget.snapshot().in_flight}/{budget.snapshot().used}")
                print(*told)


def interrupted_waits() -> None:
    """Interrupted while it waits for the budget: nobody waits any more, nothing is spent, nothing was sent."""
    signal.signal(signal.SIGTERM, leave)
    for number, kind in INTERRUPTIONS:
        told: list[str] = []
        budget = Budget(limit=1)
        with handle(budget=budget, on_event=killing_at_the_second(number, told)) as api:
            ask(api)
            try:
                ask(api)
            except kind as error:
                state = budget.snapshot()
                print(type(error).__name__, state.waiting, state.in_flight, state.used, told[-1])


def killing_at_the_second(number: int, told: list[str]) -> Callable[[Event], None]:
    """A hook that sends this signal when a second request begins to wait for the budget."""

    def watch(event: Event) -> None:
        told.append(event.name)
        if event.name == "queued" and told.count("queued") == 2:
            os.kill(os.getpid(), number)

    return watch


def left_by_a_signal() -> None:
    """SIGTERM ends the program in the middle of a request, with the handle open."""
    signal.signal(signal.SIGTERM, leave)
    globals()["api"] = handle()
    ask(globals()["api"], "/kill", pid=os.getpid(), signal=int(signal.SIGTERM))


def called_by_a_signal() -> None:
    """A signal handler calls while the call that it interrupts waits for just that."""
    with handle() as api:
        signal.signal(signal.SIGUSR1, lambda *_: ask(api, "/free", name="signal"))

        def hook(event: Event) -> None:
            if event.name == "sent":
                os.kill(os.getpid(), signal.SIGUSR1)

        with handle(on_event=hook) as interrupted:
            ask(interrupted, "/held", name="signal")
    print("answered")


def refused_from_a_key() -> None:
    """A key that is looked up by a blocking call: that is on the private loop, and refused there."""
    with handle() as api:
        with handle_with_key(lambda: str(api.list_campaigns())) as other:
            try:
                other.list_campaigns()
            except SyncInAsyncError:
                print("refused")
        print(api.list_campaigns())


def handle_with_key(key: Callable[[], str]) -> Onboard360:
    """A handle that asks for its key."""
    return Onboard360(key, base_url=PEER, budget=ample())


# --- processes ---


def in_child(work: Callable[[], None]) -> Callable[[], int]:
    """Do something in a child that ends as programs do; ask for its exit code."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        work()
        sys.exit(0)
    return lambda: os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def watch_sockets() -> None:
    """From now on a child that wakes, unregisters or sends on what is its parent's says so."""
    owner, getpid, write = os.getpid(), os.getpid, os.write

    def watched(call: Callable[..., Any], is_ours: Callable[[Any], bool]) -> Callable[..., Any]:
        def watching(self: Any, *args: Any, **kwargs: Any) -> Any:
            if getpid() != owner and is_ours(self):
                write(2, f"touched: {call.__qualname__}\n".encode())
            return call(self, *args, **kwargs)

        return watching

    loops: list[Any] = [run(running_loop)]
    base, selector = asyncio.BaseEventLoop, type(getattr(loops[0], "_selector", None))
    for name in ("call_soon_threadsafe", "call_soon", "close"):
        setattr(base, name, watched(getattr(base, name), lambda loop: loop in loops))
    for name in ("register", "unregister", "modify", "close"):
        if hasattr(selector, name):
            setattr(selector, name, watched(getattr(selector, name), lambda it: it is loops[0]._selector))


async def running_loop() -> asyncio.AbstractEventLoop:
    """The private one."""
    return asyncio.get_running_loop()


def forked_handles() -> None:
    """os.fork before, during and after use of a handle; the child uses it, closes it or leaves it, and ends."""
    parent = os.getpid()
    api = handle()
    watch_sockets()

    def use() -> None:
        ask(api)
        api.close()
        gc.collect()

    def leave_alone() -> None:
        gc.collect()

    print(in_child(use)())
    ask(api)
    caller = threading.Thread(target=ask, args=(api, "/held"), kwargs={"name": "fork"})
    caller.start()
    with handle() as other:
        ask(other, "/meet", name="fork")  # until the request of the thread is there
        for work in (use, leave_alone, lambda: ask(api)):
            print(in_child(work)())
            if os.getpid() != parent:
                return
        ask(other, "/free", name="fork")
    caller.join()
    print(in_child(use)())
    ask(api)
    api.close()


_SHARED: list[Onboard360] = []


def ask_in_child(_: int) -> int:
    """For pools of processes: with the parent's handle where it was inherited, else with one of its own."""
    api = _SHARED[0] if _SHARED else handle()
    ask(api)
    api.close()
    return os.getpid()


def handles_in_pools() -> None:
    """Multiprocessing by fork and spawn, and a ProcessPoolExecutor, while the parent uses its handle."""
    with handle() as api:
        _SHARED.append(api)
        ask(api)
        with multiprocessing.get_context("fork").Pool(2) as pool:
            print(os.getpid() in pool.map(ask_in_child, range(4)))
        context = multiprocessing.get_context("spawn")
        with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as executor:
            print(executor.submit(ask_in_child, 1).result() == os.getpid())
        ask(api)


def app(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    """For gunicorn: asks the peer with the handle that was made, and used, before the workers were forked."""
    ask(_SHARED[0])
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]


def make_app() -> Callable[..., Iterable[bytes]]:
    """What gunicorn loads in its first process."""
    _SHARED.append(handle())
    ask(_SHARED[0])
    os.register_at_fork(after_in_child=lambda: ask(_SHARED[0], "/worker"))
    return app


# --- ends ---


class Late:
    """Uses a handle from __del__ when everything is over."""

    def __init__(self, api: Onboard360) -> None:
        self.api = api

    def __del__(self) -> None:
        """One clear error from a call, and none from closing."""
        try:
            self.api.list_campaigns()
        except ConfigurationError:
            print("too late", flush=True)
        self.api.close()


def left_open_handles() -> None:
    """The program ends with handles open: one used, one never, one in a call, one in a listing, one in __del__."""
    used, stuck = handle(), handle()
    ask(used)
    globals().update(used=used, unused=handle(), stuck=stuck, late=Late(used))
    threading.Thread(target=lambda: _quietly(stuck), daemon=True).start()
    with handle() as other:
        ask(other, "/meet", name="never")


def _quietly(api: Onboard360) -> None:
    try:
        ask(api, "/held", name="never")
    except ConfigurationError:
        print("ended", flush=True)


def collected_handles() -> None:
    """Handles that nobody closes: one ResourceWarning each, by whichever thread, and the connections are closed."""

    async def collect_here() -> None:
        kept.clear()
        gc.collect()

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        api = handle()
        ask(api)
        del api
        gc.collect()
        print(*[warning.category.__name__ for warning in caught])
        cycle: list[Any] = [handle()]
        cycle.append(cycle)
        ask(cycle[0])
        del cycle
        gc.collect()
        kept = [handle()]
        ask(kept[0])
        run(collect_here)
        handle()  # never used, so there is nothing to close
        gc.collect()
    print(*[warning.category.__name__ for warning in caught])
    print({str(warning.message)[:34] for warning in caught})


# --- loops ---


def api_on_loops(budget: Budget | None = None) -> AsyncOnboard360:
    """An asynchronous handle on the peer."""
    return AsyncOnboard360("sk_test_1", base_url=PEER, budget=budget or ample())


def three_runs() -> None:
    """Three asyncio.run in a row, with both handles; no loop that has ended is kept."""
    api, loops = api_on_loops(), []

    async def once(blocking: Onboard360) -> None:
        loops.append(weakref.ref(asyncio.get_running_loop()))
        await asyncio.gather(*(api.list_campaigns() for _ in range(3)))
        blocking.list_campaigns()

    with warnings.catch_warnings(record=True) as caught, handle() as blocking:
        warnings.simplefilter("always")
        for _ in range(3):
            asyncio.run(once(blocking))
    print(*[warning.category.__name__ for warning in caught])
    gc.collect()
    print(sum(loop() is not None for loop in loops) <= 1)
    asyncio.run(api.close())


def closed_from_another_loop() -> None:
    """A handle is closed on one loop and has connections on others: they stand still, run, or were closed bare."""
    api = api_on_loops()
    for _ in range(3):
        with asyncio.Runner() as idle:
            idle.run(api.list_campaigns())
            asyncio.run(api.close())
    print("stood still")
    running = asyncio.new_event_loop()
    thread = threading.Thread(target=running.run_forever)
    thread.start()
    asyncio.run_coroutine_threadsafe(api.list_campaigns(), running).result()
    asyncio.run(api.close())
    asyncio.run_coroutine_threadsafe(api.list_campaigns(), running).result()  # and it can be used again
    asyncio.run_coroutine_threadsafe(api.close(), running).result()
    running.call_soon_threadsafe(running.stop)
    thread.join()
    running.close()
    print("ran")
    with asyncio.Runner() as idle:
        idle.run(api.list_campaigns())
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            del api
            gc.collect()
        print(*[warning.category.__name__ for warning in caught])


def debugged() -> None:
    """Both loops are in debug mode, the private one too; a hook on it sees that."""

    async def is_debugged() -> bool:
        return asyncio.get_running_loop().get_debug()

    async def main() -> None:
        async with api_on_loops() as api:
            await api.list_campaigns()

    print(run(is_debugged), asyncio.run(is_debugged()))
    asyncio.run(main())
    with handle() as api:
        ask(api)


def sixteen_threads() -> None:
    """Sixteen threads begin at once, each with a handle of its own and one that all share: one loop."""
    begin, loops = threading.Barrier(16), set()

    async def which() -> None:
        loops.add(id(asyncio.get_running_loop()))

    def work() -> None:
        begin.wait()
        with handle() as own:
            for _ in range(4):
                ask(own)
                ask(shared)
        run(which)

    with handle() as shared:
        threads = [threading.Thread(target=work) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    print(len(loops))
