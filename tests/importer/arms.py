"""Safeguards that a test switches off in the import's process, to see that it would see what they prevent."""

from collections.abc import Callable

from onboard360_async.importer import journal as books

__all__ = ["ARMS"]


def _nothing() -> None:
    """All safeguards are on."""


def _no_canary() -> None:
    """A listing that lacks somebody we know is believed all the same."""


def _no_witness() -> None:
    """A listing is believed that shows nobody who came after the lost one."""


def _resend() -> None:
    """Who may or may not have been created is planned again."""

    def planned(self: books.Journal, row_id: int, *_: object, **__: object) -> None:
        self.planned(row_id)

    setattr(books.Journal, "unresolved", planned)  # noqa: B010 - not for mypy


ARMS: dict[str, Callable[[], None]] = {
    "": _nothing,
    "no canary": _no_canary,
    "no witness": _no_witness,
    "resend when unsure": _resend,
}
