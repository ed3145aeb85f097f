"""What an error says about the row that was sent, and whether the import can go on. Pure; knows no journal.

Source: API page, "Error Handling"; what it leaves open is marked in IMPORT's assumptions: a 4xx created nobody, a 5xx
or a lost answer may have.
"""

from enum import Enum
from pathlib import Path

from onboard360_async import settings
from onboard360_async.errors import (
    ApiError,
    BudgetExhaustedError,
    BudgetStoreError,
    DeadlineError,
    ImportFailedError,
    NotSentError,
    Onboard360Error,
    OutcomeUnknownError,
    RateLimitError,
)
from onboard360_async.importer.rules import Rules

__all__ = ["Fate", "Verdicts", "failed"]


class Fate(Enum):
    """What is known about a row after an error."""

    AGAIN = "nothing was created; to be sent again at once"
    PLANNED = "nothing was created; to be sent by the next run"
    REJECTED = "nothing was created, and the server will not have it"
    DOUBT = "nobody knows"


class Verdicts:
    """Judges one error after another, and counts what comes in a row."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._refused = self._lost = self._not_found = self._unsent = 0  # in a row
        self._rejected = 0  # in all

    def answered(self) -> None:
        """A row was created: the service is well."""
        self._refused = self._lost = self._not_found = self._unsent = 0

    @property
    def rest_s(self) -> float:
        """Seconds to wait before a row is sent again to a service that could not be reached."""
        doublings = min(self._unsent, settings.IMPORT_MOST_UNSENT) - 1
        return 0.0 if doublings < 0 else min(settings.BACKOFF_CEILING_S, settings.BACKOFF_BASE_S * 2**doublings)

    def judge(self, error: Onboard360Error, *, sent: bool) -> tuple[Fate, str | None]:
        """What the error says about its row, and why the run must stop, if it must."""
        if isinstance(error, OutcomeUnknownError):
            self._lost += 1
            too_many = self._lost >= self._rules.max_ambiguous
            answers = "answer was" if self._lost == 1 else f"{self._lost} answers were"
            return Fate.DOUBT, f"The last {answers} lost." if too_many else None
        if isinstance(error, RateLimitError):
            self._refused += 1
            if self._refused >= settings.IMPORT_MOST_REFUSED:
                return Fate.PLANNED, "The server refuses every request as one too many."
            return Fate.AGAIN, None  # the budget pauses everybody, so this is no storm
        if isinstance(error, NotSentError):
            self._unsent += 1
            if self._unsent >= settings.IMPORT_MOST_UNSENT:
                return Fate.PLANNED, "The service cannot be reached."
            return Fate.AGAIN, None
        if isinstance(error, ApiError) and 400 <= error.status < 500 and error.status not in (401, 403):
            return Fate.REJECTED, self._rejection(error)
        fate = Fate.DOUBT if sent and not _created_nothing(error) else Fate.PLANNED
        return fate, "The import cannot go on."

    def _rejection(self, error: ApiError) -> str | None:
        self._refused = self._lost = self._unsent = 0
        self._rejected += 1
        self._not_found = self._not_found + 1 if error.status == 404 else 0
        if self._not_found >= settings.IMPORT_MOST_NOT_FOUND:
            return "Every row is not found; is the campaign the right one?"
        if self._rules.max_errors is not None and self._rejected >= self._rules.max_errors:
            return f"{self._rejected} rows were rejected, as many as were allowed."
        return None


def _created_nothing(error: Onboard360Error) -> bool:
    if isinstance(error, ApiError):
        return 300 <= error.status < 500
    return isinstance(error, NotSentError | BudgetExhaustedError | BudgetStoreError | DeadlineError)


def failed(what: str, cause: BaseException, journal: Path | None) -> ImportFailedError:
    """The error that ends a run early."""
    again = "Every row stands in the journal; run the import again to go on."
    why = (
        cause.message if isinstance(cause, OutcomeUnknownError) else str(cause)
    )  # its advice is the import's own trade
    said = " ".join(part for part in (what, why, again) if part)
    error = ImportFailedError(said, None if journal is None else str(journal))
    error.__cause__ = cause
    return error
