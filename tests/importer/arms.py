"""Safeguards that a test switches off in the import's process, to see that it would see what they prevent."""

from collections.abc import Callable

from onboard360_async.importer.journal import Journal
from onboard360_async.importer.listed import Seen

__all__ = ["ARMS"]


def _nothing() -> None:
    """All safeguards are on."""


def _no_canary() -> None:
    """A listing that lacks somebody we know is believed all the same."""
    setattr(Seen, "fault", lambda *_: None)  # noqa: B010 - not for mypy, here and below


def _no_witness() -> None:
    """A listing is believed that shows nobody who came after the lost one."""
    setattr(Seen, "has_witness", lambda *_: True)  # noqa: B010


def _resend() -> None:
    """Who may or may not have been created is planned again."""

    def doubt(self: Journal, row_id: int, *_: object, **__: object) -> None:
        self.planned_again(row_id)

    setattr(Journal, "doubt", doubt)  # noqa: B010


ARMS: dict[str, Callable[[], None]] = {
    "": _nothing,
    "no canary": _no_canary,
    "no witness": _no_witness,
    "resend when unsure": _resend,
}
