"""What several commands about webhooks are told: the secrets, a body, an inbox, a moment.

Knows no command. A secret is read from a file, stdin or the environment, never from a flag's value, which every process
of the machine could read.
"""

import io
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final

import click

from onboard360_async import settings
from onboard360_async.errors import ConfigurationError
from onboard360_async.webhooks import WebhookVerifier
from onboard360_async.webhooks.sqlite_store import SqliteStore, open_inbox

__all__ = [
    "BODY",
    "DEAD",
    "INBOX",
    "SECRET_FILE",
    "SIGNATURE",
    "SINCE",
    "opened",
    "read_body",
    "secrets_of",
    "told",
    "verifier",
]


_FILE: Final = click.Path(path_type=Path, allow_dash=True)
_STDIN: Final = Path("-")

BODY: Final = click.argument("file", type=_FILE, metavar="FILE|-")
SIGNATURE: Final = click.option(
    "--signature", required=True, metavar="VALUE", help=f"The value of the header {settings.SIGNATURE_HEADER}."
)
SECRET_FILE: Final = click.option(
    "--secret-file",
    type=_FILE,
    metavar="FILE",
    help="File that holds the webhook secret, - for stdin; several, a line each, while one replaces the other. Else"
    f" {settings.WEBHOOK_SECRET_VARIABLE} from the environment.",
)
INBOX: Final = click.option(
    "--inbox",
    type=click.Path(path_type=Path),
    default=Path(settings.INBOX_FILE),
    show_default=True,
    metavar="FILE",
    help="Where the events are stored.",
)


def _moment(context: click.Context, parameter: click.Parameter, value: str | None) -> datetime | None:
    """A moment as in ISO 8601; without a zone it is this machine's time."""
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value)
        return moment if moment.tzinfo is not None else moment.astimezone()
    except (ValueError, OverflowError, OSError):
        message = f"{value!r} is no moment as in 2024-01-15 or 2024-01-15T09:00:00Z."
        raise click.BadParameter(message, context, parameter) from None


SINCE: Final = click.option(
    "--since",
    callback=_moment,
    metavar="WHEN",
    help="Those received since then, as in 2024-01-15T09:00:00Z; without a zone it is this machine's time.",
)
DEAD: Final = click.option("--dead", is_flag=True, help="Those that were given up (dead letters).")


def secrets_of(file: Path | None) -> tuple[str, ...]:
    """The secrets of a file, a line each, else the environment's. ConfigurationError if there is none."""
    if file is None:
        return (_of_environment(),)
    name = "from stdin" if file == _STDIN else f"file {file}"
    try:
        text = _text_of(file)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not a text file"
        raise ConfigurationError(f"Cannot read the secret {name}: {reason}.") from None
    secrets = tuple(line for line in text.split("\n") if line.strip())
    if not secrets:
        raise ConfigurationError("There is no secret on stdin." if file == _STDIN else "The secret file is empty.")
    return secrets


def _of_environment() -> str:
    found = os.environ.get(settings.WEBHOOK_SECRET_VARIABLE)
    if found is None:
        raise ConfigurationError(
            f"No webhook secret: say --secret-file FILE, or set {settings.WEBHOOK_SECRET_VARIABLE}"
            " (Settings, APIs & Webhooks, Webhooks)."
        )
    if not found.strip():
        raise ConfigurationError(
            f"The webhook secret in {settings.WEBHOOK_SECRET_VARIABLE} is empty; set it, or say --secret-file FILE."
        )
    return found


def _text_of(file: Path) -> str:
    """A file's text, or stdin's, read alike; who sits at a terminal is asked, and nobody sees the answer."""
    if file != _STDIN:
        content = file.read_bytes()
    elif sys.stdin.isatty():
        return str(click.prompt("Webhook secret", hide_input=True, err=True))
    else:
        content = sys.stdin.buffer.read()
    return io.TextIOWrapper(io.BytesIO(content), encoding="utf-8-sig").read()


@contextmanager
def told() -> Iterator[None]:
    """A block whose warnings (white space around a secret, an API key in its place) are lines on stderr."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for each in caught:
        click.echo(f"Warning: {each.message}", err=True)


def verifier(file: Path | None) -> WebhookVerifier:
    """What tells genuine webhooks by the secrets of a file or of the environment."""
    secrets = secrets_of(file)
    with told():
        return WebhookVerifier(*secrets)


def read_body(file: Path, secret_file: Path | None, most: int = -1) -> bytes:
    """The bytes of a body, all of them or `most`."""
    if file == _STDIN == secret_file:
        raise ConfigurationError("The body and the secret cannot both come from stdin.")
    if file == _STDIN:
        return sys.stdin.buffer.read(most)
    try:
        with file.open("rb") as body:
            return body.read(most)
    except OSError as error:
        raise ConfigurationError(f"Cannot read {file}: {error.strerror}.") from None


@contextmanager
def opened(inbox: Path) -> Iterator[SqliteStore]:
    """A block that has an inbox that is there. ConfigurationError if it is not, or none; InboxError if it is held."""
    if not inbox.exists():
        raise ConfigurationError(
            f"There is no inbox {inbox}; say --inbox FILE, or make one by `onboard360 webhooks listen`."
        )
    store = open_inbox(inbox)
    try:
        yield store
    finally:
        store.close()
