"""The exit codes, once, which error ends in which, and how it is said.

Knows no command.
"""

from enum import IntEnum
from shlex import quote
from typing import Final

from onboard360_async import errors

__all__ = ["ELSEWHERE", "Exit", "exit_code", "said"]

ELSEWHERE: Final = (
    "Mend that, or keep the budget elsewhere: --budget file, --budget redis://..., or --budget memory if no other"
    " process uses this key."
)


class Exit(IntEnum):
    """What a script can tell by the exit code alone."""

    DONE = 0
    ERROR = 1  # unexpected, or an API error
    USAGE = 2  # usage or configuration
    INVALID = 3  # validation failed, nothing sent
    NOT_AUTHENTICATED = 4
    REJECTED = 5  # some rows were rejected
    UNRESOLVED = 6  # nobody knows whether some rows were created
    LOCKED = 7  # another run holds the journal, or another process the inbox
    STOPPED = 8  # stopped early, resumable
    INTERRUPTED = 130  # Ctrl-C, resumable
    TERMINATED = 143  # SIGTERM, resumable


_CODES: tuple[tuple[type[errors.Onboard360Error], Exit], ...] = (  # the first that fits
    (errors.OutcomeUnknownError, Exit.UNRESOLVED),
    (errors.AuthenticationError, Exit.NOT_AUTHENTICATED),
    (errors.ConfigurationError, Exit.USAGE),
    (errors.BudgetStoreError, Exit.USAGE),
    (errors.InboxError, Exit.USAGE),  # other WebhookErrors are refusals: 1
    (errors.ValidationError, Exit.INVALID),
    (errors.ImportLockedError, Exit.LOCKED),
    (errors.ImportFailedError, Exit.STOPPED),
)


def exit_code(error: errors.Onboard360Error) -> Exit:
    """The code of an error that ends a command; an import's stop for a wrong key says so, not "stopped early"."""
    cause = error.__cause__
    if isinstance(error, errors.ImportFailedError) and isinstance(cause, errors.AuthenticationError):
        return Exit.NOT_AUTHENTICATED
    if _is_held(error):
        return Exit.LOCKED
    return next((code for kind, code in _CODES if isinstance(error, kind)), Exit.ERROR)


def said(error: errors.Onboard360Error) -> str:
    """The error in one line, with what only the command can advise."""
    if _is_held(error):
        return f"{error} Try again when the process that holds it is done."
    if isinstance(error, errors.OutcomeUnknownError) and error.campaign_id:
        return f"{error} At the prompt: onboard360 clients list --campaign {quote(error.campaign_id)}"
    is_about_store = any(isinstance(each, errors.BudgetStoreError) for each in (error, error.__cause__))
    return f"{error} {ELSEWHERE}" if is_about_store else str(error)


def _is_held(error: errors.Onboard360Error) -> bool:
    """Is it an inbox that another process writes to? SQLite says so in these words, and so do we."""
    return isinstance(error, errors.InboxError) and ("is locked" in error.reason or "is held" in error.reason)
