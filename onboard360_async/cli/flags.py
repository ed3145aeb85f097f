"""The flags that several commands share: who we are, where the service is, and how answers are written.

Knows no command. A key is read from a file, stdin or the environment, never from a flag's value, which every process
of the machine could read.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import click
from attrs import frozen

from onboard360_async import settings
from onboard360_async.api import AsyncOnboard360
from onboard360_async.cli.show import FORMATS
from onboard360_async.errors import ConfigurationError

__all__ = ["Access", "access_flags", "output_flags"]

F = TypeVar("F", bound=Callable[..., Any])


@frozen
class Access:
    """How to reach the service; `open` gives a handle."""

    api_key_file: str | None
    base_url: str | None

    def open(self, **options: Any) -> AsyncOnboard360:
        """A handle on the service. ConfigurationError without a key."""
        return AsyncOnboard360(self._key(), base_url=self.base_url, **options)

    def flags(self) -> list[str]:
        """The same, as it was typed."""
        given = {"--api-key-file": self.api_key_file, "--base-url": self.base_url}
        return [word for flag, value in given.items() if value is not None for word in (flag, value)]

    def _key(self) -> str | None:
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
    """`--api-key-file` and `--base-url`, handed to the command as `access`."""

    def with_access(*args: Any, api_key_file: str | None, base_url: str | None, **rest: Any) -> Any:
        return command(*args, access=Access(api_key_file, base_url), **rest)

    with_access.__name__, with_access.__doc__ = command.__name__, command.__doc__
    with_access.__dict__.update(command.__dict__)  # click keeps the parameters declared so far there
    key = click.option(
        "--api-key-file",
        metavar="FILE",
        help=f"File that holds the API key, - for stdin; else {settings.API_KEY_VARIABLE} from the environment.",
    )
    base = click.option(
        "--base-url",
        metavar="URL",
        help=f"Where the service is; else {settings.BASE_URL_VARIABLE}, else {settings.BASE_URL}.",
    )
    return cast("F", base(key(with_access)))


def output_flags(command: F) -> F:
    """`--format` and `--output`."""
    command = click.option(
        "--format",
        "form",
        type=click.Choice(FORMATS),
        default="table",
        show_default=True,
        help="How to write the answer.",
    )(command)
    return click.option(
        "--output", type=click.Path(path_type=Path), metavar="FILE", help="Write to FILE (mode 0600) instead of stdout."
    )(command)
