"""Where the service is and who we are: the base URL and the API key, checked before anything is sent.

Knows no request and no budget. The key never stands in a message, a repr or a log.
"""

import ipaddress
import os
from collections.abc import Awaitable, Callable
from inspect import isawaitable, iscoroutine

from yarl import URL

from onboard360_async import settings
from onboard360_async.errors import ConfigurationError
from onboard360_async.hidden import hidden

__all__ = ["ApiKey", "KeySource", "check_base_url", "is_loopback"]

KeySource = str | Callable[[], str | Awaitable[str]]


class ApiKey:
    """A key, or a callable that gives the one of the moment (for keys that rotate)."""

    def __init__(self, source: KeySource | None) -> None:
        """Take the key that was given, else the environment's. ConfigurationError if there is none."""
        if source is None:
            source = os.environ.get(settings.API_KEY_VARIABLE, "")
        source = hidden(source)
        if callable(source):
            self._ask: Callable[[], str | Awaitable[str]] | None = source
            self.fixed: str = ""  # to be asked for
        else:
            self._ask = None
            self.fixed = _check_key(source)

    def __repr__(self) -> str:
        return "<hidden>"

    def now(self) -> str | None:
        """The key, as far as it can be had without waiting; None if the callable is asynchronous."""
        if self._ask is None:
            return self.fixed
        given = hidden(self._ask())
        if not isawaitable(given):
            return _check_key(given)
        if iscoroutine(given):
            given.close()  # nobody will await it
        return None

    async def get(self) -> str:
        """The key for the next request. ConfigurationError if what the callable gives cannot be one."""
        if self._ask is None:
            return self.fixed
        given = hidden(self._ask())
        return _check_key(hidden(await given) if isawaitable(given) else given)


def _check_key(key: object) -> str:
    if not isinstance(key, str):
        raise ConfigurationError(f"The API key must be text (or a callable that gives text), not {type(key).__name__}.")
    key = hidden(str(key).strip())
    if not key:
        raise ConfigurationError(
            f"No API key: set {settings.API_KEY_VARIABLE} or pass api_key=... (keys are made in Settings,"
            " APIs & Webhooks). To try things out without one: python -m onboard360_async.sandbox"
        )
    if not key.isascii() or not key.isprintable() or " " in key:
        raise ConfigurationError("The API key holds a character that no key can hold (a space, a line break?).")
    return key


def check_base_url(given: str | None, *, allow_insecure: bool) -> URL:
    """The base URL, which ends in `/api/v1` whether it was given so or not.

    The environment's if none is given, then the service's own. ConfigurationError says what is wrong with it.
    Source: API page, "Base URL".
    """
    given = hidden(given if given is not None else os.environ.get(settings.BASE_URL_VARIABLE) or settings.BASE_URL)
    try:
        url = URL(given.strip())
        port, has_password = url.port, url.user is not None or url.password is not None
        url = url.with_user(None) if has_password else url
    except (ValueError, TypeError):
        raise ConfigurationError("The base URL is not a URL.") from None
    if url.scheme not in ("http", "https") or not url.host or port == 0:
        raise ConfigurationError(f"The base URL must look like {settings.BASE_URL}, with https:// and a host.")
    if has_password:
        raise ConfigurationError("The base URL must not hold a user or password; the API takes a key.")
    if url.query_string or url.fragment:
        raise ConfigurationError("The base URL must end with its path, without ? or #.")
    if url.scheme == "http" and not allow_insecure and not is_loopback(url.host):
        raise ConfigurationError(
            f"The base URL is plain http to {url.host}, which would show the API key to the network:"
            " use https, or pass allow_insecure=True if you are sure."
        )
    path = url.path.rstrip("/")
    return url.with_path(path if path.endswith(settings.API_PATH) else path + settings.API_PATH)


def is_loopback(host: str) -> bool:
    """Whether the host is this machine itself, by its address or its name."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
