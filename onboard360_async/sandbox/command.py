"""`onboard360 sandbox`: the sandbox at a prompt. Reads flags, prints where it is, serves until it is told to stop."""

import argparse
import asyncio
import shlex
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, Never

from onboard360_async.sandbox.faults import KINDS, parse_fault
from onboard360_async.sandbox.handle import LIMIT, WINDOW_S, Sandbox
from onboard360_async.sandbox.limiter import LIMITERS
from onboard360_async.sandbox.store import StoreError

__all__ = ["PORT", "main"]

PORT: Final = 8360
_DONE: Final = 0
_USAGE: Final = 2


class _UsageError(Exception):
    """A flag that cannot be read."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> Never:
        raise _UsageError(message)


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until Ctrl-C or SIGTERM, then 0; 2 with one line on stderr if that cannot be."""
    try:
        flags = _parser().parse_args(argv)
        sandbox = _sandbox(flags)
        asyncio.run(_serve(sandbox))
    except SystemExit:  # argparse, after --help
        return _DONE
    except KeyboardInterrupt:  # before anything was served
        return _DONE
    except (_UsageError, ValueError, StoreError) as error:
        return _complain(str(error))
    except OSError as error:
        return _complain(f"cannot serve on port {flags.port}: {error.strerror or error}; choose another by --port")
    return _DONE


def _complain(message: str) -> int:
    sys.stderr.write(f"onboard360 sandbox: {message}\n")
    return _USAGE


def _parser() -> _Parser:
    parser = _Parser(
        prog="onboard360 sandbox",
        description="Play 360Onboard on this machine: the documented API, with its limit and with faults on demand.",
        epilog="Kinds of faults:\n" + "\n".join(f"  {kind:18}{what}" for kind, what in KINDS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--port", type=int, default=PORT, help=f"where to listen, on this machine only; 0: a free port ({PORT})")
    add("--limit", type=int, default=LIMIT, help=f"requests of a key per window ({LIMIT})")
    add("--window", type=float, default=WINDOW_S, metavar="SECONDS", help=f"length of the window ({WINDOW_S:g})")
    add("--limiter", choices=LIMITERS, default=LIMITERS[0], help=f"how the window moves ({LIMITERS[0]})")
    add("--count-refused", action="store_true", help="requests answered with 429 count against the limit too")
    add("--retry-after", action="store_true", help="a 429 says how many seconds to wait")
    add("--db", default=":memory:", metavar="FILE", help="keep campaigns and clients in this file")
    add("--key", action="append", metavar="KEY", help="an API key to serve, may be repeated (a new sk_test_ key)")
    add("--allow-live-keys", action="store_true", help="serve keys that begin with sk_live_, too")
    add("--campaign", action="append", metavar="NAME", help="a campaign to publish, may be repeated")
    add(
        "--fault",
        action="append",
        default=[],
        metavar="KIND[:OPTIONS]",
        help="what is to go wrong, may be repeated; as in delay:method=POST,nth=3,delay=2"
        " (options: method, path, email, nth, times, probability, seed, delay, keep)",
    )
    return parser


def _sandbox(flags: argparse.Namespace) -> Sandbox:
    sandbox = Sandbox(
        api_keys=flags.key,
        limit=flags.limit,
        window_s=flags.window,
        limiter=flags.limiter,
        retry_after=flags.retry_after,
        count_refused=flags.count_refused,
        db=flags.db,
        port=flags.port,
        campaigns=flags.campaign,
        allow_live_keys=flags.allow_live_keys,
    )
    for text in flags.fault:
        kind, options = parse_fault(text)
        sandbox.add_fault(kind, **options)
    return sandbox


async def _serve(sandbox: Sandbox) -> None:
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    with _on_signals(lambda: loop.call_soon_threadsafe(stopped.set)):
        async with sandbox:
            sys.stdout.write(
                f"360Onboard sandbox on {sandbox.url} (Ctrl-C ends it), key {sandbox.api_key}\n\n"
                f"export ONBOARD360_API_KEY={shlex.quote(sandbox.api_key)}\n"
                f"export ONBOARD360_BASE_URL={sandbox.url}\n"
            )
            sys.stdout.flush()
            await stopped.wait()


@contextmanager
def _on_signals(stop: Callable[[], object]) -> Iterator[None]:
    """Ctrl-C and SIGTERM call `stop`, within this block and no longer."""
    before = {number: signal.signal(number, lambda *_: stop()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
