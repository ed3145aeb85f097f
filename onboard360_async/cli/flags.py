"""The flags that several commands share: who we are, where service and budget are, and how answers are written.

Knows no command. A key is read from a file, stdin or the environment, never from a flag's value, which every process
of the machine could read.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click
from attrs import frozen

from onboard360_async import settings
from onboard360_async.api import AsyncOnboard360
from onboard360_async.cli.show import FORMATS
from onboard360_async.cli.stores import chosen_store, has_password, without_password
from onboard360_async.errors import ConfigurationError

__all__ = ["Access", "access_flags", "output_flags"]

if TYPE_CHECKING:
    _Choice = click.Choice[str]
else:
    _Choice = click.Choice  # which is not generic before click 8.2

F = TypeVar("F", bound=Callable[..., Any])


@frozen
class Access:
    """How to reach the service; `open` gives a handle."""

    api_key_file: str | None
    base_url: str | None
    budget: str | None

    def open(self, **options: Any) -> AsyncOnboard360:
        """A handle on the service. ConfigurationError without a key, or for a budget that cannot be kept so."""
        key = self.key()
        if key is None and not os.environ.get(settings.API_KEY_VARIABLE, "").strip():
            raise ConfigurationError(
                f"No API key: set {settings.API_KEY_VARIABLE}, or say --api-key-file FILE (keys are made in Settings,"
                " APIs & Webhooks). To try things out without one: onboard360 sandbox"
            )
        return AsyncOnboard360(key, base_url=self.base_url, budget=self.store(), **options)

    def store(self) -> str:
        """Where the budget is kept. ConfigurationError if that cannot be."""
        return chosen_store(self.budget)

    def flags(self) -> list[str]:
        """The same, as it was typed; but a password is to be filled in, unless the environment says it, too."""
        budget = self.budget
        if budget is not None and has_password(budget):
            budget = None if os.environ.get(settings.BUDGET_VARIABLE) == budget else without_password(budget)
        given = {"--api-key-file": self.api_key_file, "--base-url": self.base_url, "--budget": budget}
        return [word for flag, value in given.items() if value is not None for word in (flag, value)]

    def key(self) -> str | None:
        """The key as it is written in its file; None: the environment's. ConfigurationError if it cannot be read."""
        if self.api_key_file is None:
            return None
        if self.api_key_file == "-":
            return sys.stdin.readline()
        try:
            return Path(self.api_key_file).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not a text file"
            raise ConfigurationError(f"Cannot read the key file {self.api_key_file}: {reason}.") from None


def access_flags(command: F) -> F:
    """`--api-key-file`, `--base-url` and `--budget`, handed to the command as `access`."""

    def with_access(*args: Any, api_key_file: str | None, base_url: str | None, budget: str | None, **rest: Any) -> Any:
        return command(*args, access=Access(api_key_file, base_url, budget), **rest)

    with_access.__name__, with_access.__doc__ = command.__name__, command.__doc__
    with_access.__dict__.update(command.__dict__)  # click keeps the parameters declared so far there
    key = click.option(
        "--api-key-file",
        type=click.Path(allow_dash=True),
        metavar="FILE",
        help=f"File that holds the API key, - for stdin; else {settings.API_KEY_VARIABLE} from the environment.",
    )
    base = click.option(
        "--base-url",
        metavar="URL",
        help=f"Where the service is; else {settings.BASE_URL_VARIABLE}, else {settings.BASE_URL}.",
    )
    budget = click.option(
        "--budget",
        metavar="memory|file|redis://...",
        help=f"Where the budget is kept: this process, this machine, or a Redis; else {settings.BUDGET_VARIABLE}, else"
        " file.",
    )
    return cast("F", key(base(budget(with_access))))


class _Form(_Choice):
    """How an answer is written; `text` is what two commands called their table."""

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        return super().convert("table" if value == "text" else value, param, ctx)


def output_flags(command: F, default: str = "table") -> F:
    """`--format` and `--output`."""
    command = click.option(
        "--format",
        "form",
        type=_Form(FORMATS),
        default=default,
        show_default=True,
        help="How to write the answer.",
    )(command)
    return click.option(
        "--output", type=click.Path(path_type=Path), metavar="FILE", help="Write to FILE (mode 0600) instead of stdout."
    )(command)
