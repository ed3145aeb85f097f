"""What the user decides about an import, beside its list. ConfigurationError for what cannot be meant."""

import math
from collections.abc import Mapping
from typing import Final, TypedDict

from attrs import frozen

from onboard360_async import settings
from onboard360_async.errors import ConfigurationError

__all__ = ["CHOICES", "RuleOptions", "Rules"]

_MINUTE_S: Final = 60.0

CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "on_ambiguous": ("reconcile", "hold"),
    "duplicates": ("skip", "send"),
    "if_exists": ("skip", "send", "fail"),
}


class RuleOptions(TypedDict, total=False):
    """The same by name, for signatures, but for `on_ambiguous`; see `Rules`."""

    skip_invalid: bool
    settle_s: float
    max_ambiguous: int
    max_errors: int | None
    limit: int | None
    rate: float | None
    duplicates: str
    if_exists: str


@frozen(kw_only=True)
class Rules:
    """How an import is to be run.

    `on_ambiguous`: a row whose answer was lost and that is shown to be absent is sent again ("reconcile") or reported
    ("hold"); either way it is looked for. `settle_s`: seconds after which a request whose connection ended is taken to
    create nobody any more. `max_ambiguous`: lost answers in a row, and `max_errors`: rows rejected in all, after which
    the run stops. `limit`: rows that this run sends at most. `rate`: its requests a minute. `duplicates`: the same
    email again in the list and campaign is skipped, or sent too. `if_exists`: who is in the campaign already is
    skipped, sent all the same, or ends the import before anything is sent.
    """

    skip_invalid: bool = False
    on_ambiguous: str = "reconcile"
    settle_s: float = settings.IMPORT_SETTLE_S
    max_ambiguous: int = settings.IMPORT_MOST_LOST
    max_errors: int | None = None
    limit: int | None = None
    rate: float | None = None
    duplicates: str = "skip"
    if_exists: str = "skip"

    def __attrs_post_init__(self) -> None:
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                said = " or ".join(f'"{choice}"' for choice in choices)
                raise ConfigurationError(f"{name} must be {said}, not {getattr(self, name)!r}.")
        for name in ("max_ambiguous", "max_errors", "limit"):
            number = getattr(self, name)
            if number is not None and (type(number) is not int or number < 1):
                raise ConfigurationError(f"{name} must be a whole number of at least 1.")
        most_s = settings.IMPORT_MOST_WAIT_S
        if not _is_number(self.settle_s) or not 0 <= self.settle_s <= most_s:
            raise ConfigurationError(f"settle_s must be a number of seconds, from 0 to {most_s:,.0f}.")
        if self.rate is not None and (not _is_number(self.rate) or self.rate * most_s < _MINUTE_S):
            raise ConfigurationError("rate must be a number of requests a minute, at least one a day.")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
