"""`onboard360 sandbox`: the sandbox at a prompt. Reads flags, prints where it is, serves until it is told to stop."""

import argparse
import asyncio
import json
import os
import shlex
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple, Never

from onboard360_async.sandbox.events import EVENTS
from onboard360_async.sandbox.faults import KINDS, parse_fault
from onboard360_async.sandbox.handle import Sandbox
from onboard360_async.sandbox.limiter import LIMITERS
from onboard360_async.sandbox.sealing import TAMPERINGS
from onboard360_async.sandbox.store import StoreError
from onboard360_async.sandbox.switches import LIMIT, PRESETS, SWITCHES, WINDOW_S, SwitchOptions
from onboard360_async.sandbox.webhooks import RETRIES, Webhook

__all__ = ["PORT", "VARIABLE", "Flag", "flags", "main", "usage"]

PORT: Final = 8360
VARIABLE: Final = "ONBOARD360_WEBHOOK_SECRET"  # of the secret of webhooks
_DONE: Final = 0
_USAGE: Final = 2


class _UsageError(Exception):
    """A flag that cannot be read."""


class Flag(NamedTuple):
    """A flag as it may be typed."""

    names: tuple[str, ...]
    meaning: str
    choices: tuple[str, ...]  # empty where anything may be said
    takes_file: bool


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> Never:
        raise _UsageError(message)

    def flags(self) -> Iterator[Flag]:
        for each in self._actions:
            choices = tuple(map(str, each.choices or ()))
            yield Flag(tuple(each.option_strings), each.help or "", choices, "FILE" in str(each.metavar))


def flags() -> list[Flag]:
    """All flags, for whoever completes them at a prompt."""
    return list(_parser().flags())


def usage() -> str:
    """What `--help` says."""
    return _parser().format_help()


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until Ctrl-C or SIGTERM, then 0; 2 with one line on stderr if that cannot be."""
    try:
        flags = _parser().parse_args(argv)
        secret = _secret(flags.secret_file)
        asyncio.run(_serve(_sandbox(flags, secret), is_new_secret=secret is None))
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
        epilog=f"Limiters:\n{_lines(LIMITERS)}\n\nKinds of faults:\n{_lines(KINDS)}"
        f"\n\nKinds of tampering:\n{_lines(TAMPERINGS)}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--port", type=int, default=PORT, help=f"where to listen, on this machine only; 0: a free port ({PORT})")
    add("--limit", type=int, help=f"requests of a key per window ({LIMIT})")
    add("--window", dest="window_s", type=float, metavar="SECONDS", help=f"length of the window ({WINDOW_S:g})")
    add("--limiter", choices=tuple(LIMITERS), help="how the window is cut, see below (sliding)")
    add("--count-refused", action=argparse.BooleanOptionalAction, help="whether requests answered with 429 count, too")
    add("--db", default=":memory:", metavar="FILE", help="keep campaigns and clients in this file")
    add(
        "--seed",
        metavar="FILE",
        help='campaigns and clients to begin with, also after each reset: {"campaigns": […], "clients": […]};'
        " a --db that was used before does without it",
    )
    add("--key", action="append", metavar="KEY", help="an API key to serve, may be repeated (a new sk_test_ key)")
    add("--allow-live-keys", action="store_true", help="serve keys that begin with sk_live_, too")
    add("--campaign", action="append", metavar="NAME", help="a campaign to publish, may be repeated")
    add(
        "--fault",
        action="append",
        default=[],
        metavar="KIND[:OPTIONS]",
        help="what is to go wrong, may be repeated; as in delay:method=POST,nth=3,delay=2"
        " (options: method, path, email, nth, times, probability, seed, delay, keep, status, body)",
    )
    _add_switches(parser)
    _add_webhook_flags(parser)
    return parser


def _add_switches(parser: argparse.ArgumentParser) -> None:
    """What the API page leaves open; left out, a flag is None."""
    group = parser.add_argument_group("switches", "What the API page leaves open, and how this service has it.")
    group.add_argument(
        "--preset", default="documented", metavar="NAME|FILE.json", help=f"{' or '.join(PRESETS)}, or a file"
    )
    for name, (choices, meaning) in SWITCHES.items():
        flag = f"--{name.replace('_', '-')}"
        if name == "page_size":
            group.add_argument(flag, type=int, metavar="NUMBER", help=f"{meaning} ({choices[0]})")
        elif name == "retry_after":  # it needs no word: `--retry-after` was there before the others were
            group.add_argument(flag, nargs="?", const="seconds", choices=choices, help=f"{meaning} ({choices[0]})")
        elif False in choices:
            group.add_argument(flag, action=argparse.BooleanOptionalAction, help=meaning)
        else:
            group.add_argument(flag, type=type(choices[0]), choices=choices, help=f"{meaning} ({choices[0]})")


def _lines(kinds: Mapping[str, str]) -> str:
    return "\n".join(f"  {kind:21}{what}" for kind, what in kinds.items())


def _add_webhook_flags(parser: argparse.ArgumentParser) -> None:
    """Those that begin with `webhook_` are options of `Webhook`, of the same name; left out, they are None."""
    group = parser.add_argument_group("webhooks", "The switches are about every --webhook.")
    add = group.add_argument
    add(
        "--webhook",
        action="append",
        default=[],
        metavar="URL",
        help="where to send webhooks, on this machine; may be repeated",
    )
    add(
        "--webhook-secret-file",
        dest="secret_file",
        metavar="FILE",
        help=f"sign with the first line of this file (what is in {VARIABLE}, else a new secret)",
    )
    add("--webhook-events", metavar="NAME,…", type=_names, help=f"the events to send ({','.join(EVENTS)})")
    add(
        "--webhook-retries",
        metavar="none|standard|SECONDS,…",
        type=_retries,
        help="when to send again what failed; the seconds before each"
        f" (standard: {','.join(f'{wait_s:g}' for wait_s in RETRIES['standard'])})",
    )
    add("--webhook-time-scale", metavar="FACTOR", type=float, help="of those seconds; 0.001 makes seconds of hours (1)")
    add("--webhook-duplicates", metavar="NUMBER", type=int, help="how many times more each is sent (0)")
    add("--webhook-reorder", metavar="PROBABILITY", type=float, help="of being held back until the next is sent (0)")
    add("--webhook-seed", metavar="NUMBER", type=int, help="of the dice that reorders (0)")
    add("--tamper", dest="webhook_tamper", metavar="KIND", choices=TAMPERINGS, help="what is wrong with every webhook")
    add("--allow-remote", action="store_true", help="send webhooks to other machines, too")


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(","))


def _retries(text: str) -> str | tuple[float, ...]:
    try:
        return text if text in RETRIES else tuple(map(float, text.split(",")))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"must be {' or '.join(RETRIES)} or seconds, as in 5,30; not {text!r}"
        ) from None


def _webhooks(flags: argparse.Namespace, secret: str | None) -> tuple[Webhook, ...]:
    """The endpoints, all with the same secret and the same switches."""
    switches = {
        name.removeprefix("webhook_"): value
        for name, value in vars(flags).items()
        if name.startswith("webhook_") and value is not None
    }
    if not flags.webhook and (switches or flags.secret_file is not None):
        raise _UsageError("switches of webhooks need a --webhook URL to be about")
    webhooks: list[Webhook] = []
    for url in flags.webhook:
        webhooks.append(Webhook(url=url, secret=secret, **switches))
        secret = webhooks[0].secret
    return tuple(webhooks)


def _secret(path: str | None) -> str | None:
    """From the file, else from the environment; None if neither is given. Never from a flag, which others can see."""
    if path is None:
        return os.environ.get(VARIABLE) or None
    try:
        lines = map(str.strip, Path(path).read_text(encoding="utf-8-sig").splitlines())
    except (OSError, UnicodeError) as error:
        raise _UsageError(
            f"cannot read a secret from {path}: {getattr(error, 'strerror', None) or 'no UTF-8'}"
        ) from None
    return next(filter(None, lines), "")  # receivers know several while one replaces the other; the first signs


def _sandbox(flags: argparse.Namespace, secret: str | None) -> Sandbox:
    switches = SwitchOptions(**{name: told for name in SWITCHES if (told := getattr(flags, name)) is not None})  # type: ignore[typeddict-item]  # read by name
    sandbox = Sandbox(
        api_keys=flags.key,
        preset=flags.preset,
        limit=flags.limit,
        window_s=flags.window_s,
        limiter=flags.limiter,
        count_refused=flags.count_refused,
        db=flags.db,
        port=flags.port,
        campaigns=flags.campaign,
        seed=None if flags.seed is None else _seed(flags.seed),
        allow_live_keys=flags.allow_live_keys,
        webhooks=_webhooks(flags, secret),
        allow_remote=flags.allow_remote,
        **switches,
    )
    for text in flags.fault:
        kind, options = parse_fault(text)
        sandbox.add_fault(kind, **options)
    return sandbox


def _seed(path: str) -> object:
    try:
        return json.loads(Path(path).read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise _UsageError(f"cannot read the seed {path}: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise _UsageError(f"the seed {path} is no JSON") from None


async def _serve(sandbox: Sandbox, *, is_new_secret: bool) -> None:
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    with _on_signals(lambda: loop.call_soon_threadsafe(stopped.set)):
        async with sandbox:
            sys.stdout.write(
                f"360Onboard sandbox on {sandbox.url} (Ctrl-C ends it), key {sandbox.api_key}\n"
                f"page: {sandbox.url}/\n\n"
                f"export ONBOARD360_API_KEY={shlex.quote(sandbox.api_key)}\n"
                f"export ONBOARD360_BASE_URL={sandbox.url}\n"
            )
            if sandbox.webhooks and is_new_secret:
                sys.stdout.write(f"export {VARIABLE}={sandbox.webhooks[0].secret}\n")
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
