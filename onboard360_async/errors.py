"""Every error of the SDK: plain values, picklable, and a sentence on what to do next.

    Onboard360Error
    ├── ConfigurationError          a key, URL or option that cannot work
    ├── ValidationError             a value that was refused before it was sent
    ├── BudgetExhaustedError        no slot within max_wait_s; nothing spent
    ├── BudgetStoreError            the budget's file or Redis cannot be used; nothing sent
    ├── DeadlineError               deadline_s passed; no POST is in doubt
    ├── NotSentError                connect, DNS or TLS failed: certainly not sent
    ├── AnswerLostError             a GET whose answer did not arrive whole
    ├── OutcomeUnknownError         a POST that may or may not have been applied
    │   └── ServerOutcomeUnknownError   ... because the server answered 5xx (also a ServerError)
    ├── DecodeError                 an answer that is not what the API page shows
    ├── PaginationError             a listing that would go on where we must not follow
    ├── SyncInAsyncError            a blocking call on the loop that would have to serve it
    ├── ApiError                    the server answered with a status that is no success
    │   ├── BadRequestError         400
    │   ├── AuthenticationError     401
    │   ├── NotFoundError           404
    │   ├── RateLimitError          429, and no retry left
    │   └── ServerError             5xx
    ├── WebhookError                a webhook that must not be believed, or could not be kept
    │   ├── SignatureError          missing, malformed or wrong
    │   ├── PayloadError            too large, or no event
    │   ├── TimestampError          outside the bounds that were asked for
    │   └── InboxError              the inbox cannot keep it now; the sender is to come again
    └── ImportFailedError           an import that stopped early; its journal keeps everything
        └── ImportLockedError       ... or did not begin: another run holds its journal

Knows no request, response, key or body object, so that an error can be logged, pickled and kept.
Source: API page, "Error Handling".
"""

from typing import ClassVar

__all__ = [
    "AnswerLostError",
    "ApiError",
    "AuthenticationError",
    "BadRequestError",
    "BudgetExhaustedError",
    "BudgetStoreError",
    "ConfigurationError",
    "DeadlineError",
    "DecodeError",
    "ImportFailedError",
    "ImportLockedError",
    "InboxError",
    "NotFoundError",
    "NotSentError",
    "Onboard360Error",
    "OutcomeUnknownError",
    "PaginationError",
    "PayloadError",
    "RateLimitError",
    "ServerError",
    "ServerOutcomeUnknownError",
    "SignatureError",
    "SyncInAsyncError",
    "TimestampError",
    "ValidationError",
    "WebhookError",
]


_ADVICE = {  # what to do next, by status
    400: "Correct the request; `details` may say more.",
    401: "Check the API key (Settings, APIs & Webhooks).",
    403: "Check that the API key may do this.",
    404: "Check the campaign id and the base URL.",
    429: "The account's 100 requests a minute are used up, perhaps by another program; try again later.",
}
_LOOK_FIRST = (
    "Do not send it again unseen: look with find_client(campaign_id=..., email=...) whether the client is there."
)


class Onboard360Error(Exception):
    """The root of them all. `attempts` requests were tried; `done` says what was already done by then."""

    # Plain classes, not attrs': a program that only imports us would pay for each of them (`dev bench startup`).
    # Each calls Exception.__init__ and not super(): a class of yours may inherit from one of them and from others.
    __match_args__ = ()  # the fields that it is made of, in order
    _HIDDEN: ClassVar[tuple[str, ...]] = ()  # those of them that a repr leaves out
    attempts: int = 0
    done: str = ""

    def __init__(self) -> None:
        Exception.__init__(self)

    def __repr__(self) -> str:
        fields = {*self.__match_args__, "attempts", "done"} - {*self._HIDDEN}  # what others attach may be a person
        shown = ", ".join(f"{name}={value!r}" for name, value in vars(self).items() if name in fields)
        return f"{type(self).__name__}({shown})"

    def _message(self) -> str:
        return str(getattr(self, "message", ""))

    def __str__(self) -> str:
        return " ".join(part for part in (self._message(), self.done) if part)


class ConfigurationError(Onboard360Error):
    """A key, URL or option that cannot work. Nothing was sent."""

    __match_args__ = ("message",)

    def __init__(self, message: str) -> None:
        Exception.__init__(self, message)
        self.message = message


class ValidationError(Onboard360Error):
    """A value that was refused before it was sent: `field` names it, `candidates` are what would do.

    Candidates may show a line of a list that cannot be read, and so a person: out of `str` and `repr`.
    """

    __match_args__ = ("message", "field", "candidates")
    _HIDDEN = ("candidates",)

    def __init__(self, message: str, field: str | None = None, candidates: tuple[str, ...] = ()) -> None:
        Exception.__init__(self, message, field, candidates)
        self.message = message
        self.field = field
        self.candidates = candidates


class BudgetExhaustedError(Onboard360Error):
    """No slot of the budget within `max_wait_s`; nothing was spent. `retry_after_s` suits a 503's Retry-After."""

    __match_args__ = ("retry_after_s",)

    def __init__(self, retry_after_s: float) -> None:
        Exception.__init__(self, retry_after_s)
        self.retry_after_s = retry_after_s

    def _message(self) -> str:
        return (
            f"No request may be sent for {self.retry_after_s:.1f} s more (100 requests a minute are the API's limit)."
            " Try again then, or allow a longer max_wait_s."
        )


class BudgetStoreError(Onboard360Error):
    """The store that keeps the budget (a file, Redis) cannot be used, so nobody knows whether a request may be sent.

    Nothing was sent. `Budget(on_store_error="local")` goes on with `share` of the limit instead.
    """

    __match_args__ = ("message",)

    def __init__(self, message: str) -> None:
        Exception.__init__(self, message)
        self.message = message


class DeadlineError(Onboard360Error):
    """`deadline_s` passed, or would have: `retry_after_s` is the wait that was still ahead, where known.

    No POST is in doubt: one that may have been applied raises OutcomeUnknownError instead.
    """

    __match_args__ = ("message", "retry_after_s")

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        Exception.__init__(self, message, retry_after_s)
        self.message = message
        self.retry_after_s = retry_after_s


class NotSentError(Onboard360Error):
    """The connection could not be made, so the request was certainly not sent. Sending it again is safe."""

    __match_args__ = ("message", "method", "path")

    def __init__(self, message: str, method: str = "", path: str = "") -> None:
        Exception.__init__(self, message, method, path)
        self.message = message
        self.method = method
        self.path = path


class AnswerLostError(Onboard360Error):
    """A GET was sent and its answer did not arrive whole. `items` had been handed on before. Asking again is safe."""

    __match_args__ = ("message", "method", "path", "items")

    def __init__(self, message: str, method: str = "GET", path: str = "", items: int = 0) -> None:
        Exception.__init__(self, message, method, path, items)
        self.message = message
        self.method = method
        self.path = path
        self.items = items


class OutcomeUnknownError(Onboard360Error):
    """A POST whose fate is unknown: it may or may not have been applied, and is never resent by itself.

    `email_hash` is the SHA-256 of the email in lower case (so that an error names nobody). `created` is true
    when the server said that it created the client but the rest of its answer, link included, could not be read.
    """

    __match_args__ = ("message", "campaign_id", "email_hash", "created")

    def __init__(
        self, message: str, campaign_id: str | None = None, email_hash: str | None = None, created: bool = False
    ) -> None:
        Exception.__init__(self, message, campaign_id, email_hash, created)
        self.message = message
        self.campaign_id = campaign_id
        self.email_hash = email_hash
        self.created = created

    def _message(self) -> str:
        return f"{self.message} {_LOOK_FIRST}"


class DecodeError(Onboard360Error):
    """An answer that is not what the API page shows. `path` says where, e.g. `$.clients[3].email`."""

    __match_args__ = ("message", "path")

    def __init__(self, message: str, path: str = "$") -> None:
        Exception.__init__(self, message, path)
        self.message = message
        self.path = path

    def _message(self) -> str:
        return f"{self.path}: {self.message}"


class PaginationError(Onboard360Error):
    """A listing that would go on where we must not or cannot follow. `items` had been handed on before."""

    __match_args__ = ("message", "items")

    def __init__(self, message: str, items: int = 0) -> None:
        Exception.__init__(self, message, items)
        self.message = message
        self.items = items


class SyncInAsyncError(Onboard360Error):
    """A blocking call on the very loop that would have to serve it: it would wait for itself for ever."""

    __match_args__ = ("message",)

    def __init__(
        self,
        message: str = "A blocking call was made on the SDK's own event loop and would never return."
        " Use AsyncOnboard360 there, or hand the call to another thread.",
    ) -> None:
        Exception.__init__(self, message)
        self.message = message


class ApiError(Onboard360Error):
    """The server answered, with a status that is no success. Source: API page, "Error Handling".

    `details` and `body_snippet` are the server's own words and may hold personal data: out of `str` and `repr`.
    """

    __match_args__ = ("status", "error", "details", "method", "path", "retry_after_s", "body_snippet")
    _HIDDEN = ("details", "body_snippet")

    def __init__(
        self,
        status: int,
        error: str = "",
        details: str | None = None,
        method: str = "",
        path: str = "",
        retry_after_s: float | None = None,
        body_snippet: str | None = None,
    ) -> None:
        Exception.__init__(self, status, error, details, method, path, retry_after_s, body_snippet)
        self.status = status
        self.error = error
        self.details = details
        self.method = method
        self.path = path
        self.retry_after_s = retry_after_s
        self.body_snippet = body_snippet

    def _message(self) -> str:
        if 300 <= self.status < 400:
            advice = "The server redirects, which is never followed; check the base URL."
        elif self.status >= 500:
            advice = "The server failed; try again later."
        else:
            advice = _ADVICE.get(self.status, "")
        reason = f" ({self.error})" if self.error else ""
        return f"{self.method} {self.path} was answered {self.status}{reason}. {advice}".strip()


class BadRequestError(ApiError):
    """400: the server refused the request; nothing was created."""


class AuthenticationError(ApiError):
    """401: the API key is missing, wrong or revoked; nothing was created."""


class NotFoundError(ApiError):
    """404: no such campaign, or a wrong base URL; nothing was created."""


class RateLimitError(ApiError):
    """429, and no retry left. UNDOCUMENTED: we take it that nothing was created (A 2)."""


class ServerError(ApiError):
    """5xx. On a POST it is an OutcomeUnknownError too: the server may have failed after it had created the client."""


class ServerOutcomeUnknownError(ServerError, OutcomeUnknownError):
    """A POST that was answered 5xx: both a ServerError and an OutcomeUnknownError."""

    __match_args__ = (*ApiError.__match_args__, *OutcomeUnknownError.__match_args__)

    def __init__(
        self,
        status: int,
        error: str = "",
        details: str | None = None,
        method: str = "",
        path: str = "",
        retry_after_s: float | None = None,
        body_snippet: str | None = None,
        message: str = "The server failed while it handled a POST, which may or may not have been applied.",
        campaign_id: str | None = None,
        email_hash: str | None = None,
        created: bool = False,
    ) -> None:
        OutcomeUnknownError.__init__(self, message, campaign_id, email_hash, created)
        ServerError.__init__(self, status, error, details, method, path, retry_after_s, body_snippet)
        self.args: tuple[object, ...] = (*self.args, message, campaign_id, email_hash, created)

    def _message(self) -> str:
        return f"{self.method} {self.path} was answered {self.status}. {self.message} {_LOOK_FIRST}"


class WebhookError(Onboard360Error):
    """A webhook that is not taken: `reason` is for the log, `http_status` for the answer."""

    __match_args__ = ("reason", "http_status")

    def __init__(self, reason: str, http_status: int = 400) -> None:
        Exception.__init__(self, reason, http_status)
        self.reason = reason
        self.http_status = http_status

    def _message(self) -> str:
        return self.reason


class SignatureError(WebhookError):
    """The signature is missing, malformed or wrong."""

    def __init__(self, reason: str, http_status: int = 401) -> None:
        super().__init__(reason, http_status)


class PayloadError(WebhookError):
    """The body is too large or not what the API page shows."""


class TimestampError(WebhookError):
    """The timestamp is outside the bounds that were asked for."""

    def __init__(self, reason: str, http_status: int = 401) -> None:
        super().__init__(reason, http_status)


class InboxError(WebhookError):
    """The inbox cannot be read or written now, so the event was not acknowledged; the sender is to come again."""

    __match_args__ = ("reason", "http_status", "retry_after_s")

    def __init__(self, reason: str, http_status: int = 503, retry_after_s: float | None = None) -> None:
        super().__init__(reason, http_status)
        self.args: tuple[object, ...] = (reason, http_status, retry_after_s)
        self.retry_after_s = retry_after_s


class ImportFailedError(Onboard360Error):
    """An import that stopped early. Every row stands in the journal; running the import again goes on from there."""

    __match_args__ = ("message", "journal")

    def __init__(self, message: str, journal: str | None = None) -> None:
        Exception.__init__(self, message, journal)
        self.message = message
        self.journal = journal


class ImportLockedError(ImportFailedError):
    """Another run holds the journal; nothing was read, sent or written."""
