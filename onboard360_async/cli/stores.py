"""Where the command keeps the budget, and how that is said without a password.

Commands come one after another and side by side, each a process of its own: a budget in a file is what they share.
Knows no command, and of a store only its name.
"""

import os
from importlib.util import find_spec
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from onboard360_async import settings
from onboard360_async.budget.file_store import state_file
from onboard360_async.budget.stores import check_store
from onboard360_async.cli.exits import ELSEWHERE
from onboard360_async.errors import ConfigurationError

__all__ = ["chosen_store", "has_password", "without_password"]

_HIDDEN: Final = "<password>"  # to be filled in by whoever pastes it


def chosen_store(typed: str | None) -> str:
    """The store that was typed, else the environment's, else the one that commands can share on this system.

    ConfigurationError if it cannot be used, with where it was said.
    """
    said_by, store = "--budget", typed
    if store is None:
        said_by, store = settings.BUDGET_VARIABLE, os.environ.get(settings.BUDGET_VARIABLE) or None
    if store is None:
        store = "file" if find_spec("fcntl") else "memory"  # no locks on files, no budget in one
    try:
        check_store(store)
    except ConfigurationError as error:
        raise ConfigurationError(f"{said_by}: {error}") from None
    if store == "file":
        try:
            state_file("")  # its folder is made here, so that a home that cannot be written is told before all else
        except ConfigurationError as error:
            raise ConfigurationError(f"{error} {ELSEWHERE}") from None
    return store


def has_password(store: str) -> bool:
    """Whether the store's address holds a password."""
    return without_password(store) != store


def without_password(store: str) -> str:
    """The same, with something to be filled in where a password is."""
    address, mark, query = store.partition("?")
    scheme, sign, rest = address.partition("://")
    place = urlsplit(address).netloc if scheme == "unix" else rest  # a socket's path may hold an @
    user, at, _ = place.rpartition("@")
    name, colon, _ = user.partition(":")
    if at and colon:
        address = f"{scheme}{sign}{name}:{_HIDDEN}{rest[len(user) :]}"
    pairs = parse_qsl(query, keep_blank_values=True)
    if any(_is_secret(name) for name, _ in pairs):
        query = urlencode([(name, _HIDDEN if _is_secret(name) else value) for name, value in pairs], safe="<>/:")
    return address + mark + query


def _is_secret(name: str) -> bool:
    return "password" in name.casefold()
