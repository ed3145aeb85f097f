"""What is raised: each error's own fields, by `except`, and by `match`."""

from typing import assert_type

from onboard360_async import AsyncOnboard360, errors
from onboard360_async.errors import ApiError, BudgetExhaustedError, Onboard360Error, OutcomeUnknownError
from onboard360_async.webhooks import WebhookVerifier


async def added(api: AsyncOnboard360) -> str | None:
    try:
        return (await api.add_client(campaign_id="1", email="john@example.com")).link
    except errors.RateLimitError as error:
        assert_type(error.retry_after_s, float | None)
    except BudgetExhaustedError as error:
        assert_type(error.retry_after_s, float)
    except (errors.NotSentError, errors.ValidationError) as error:
        assert_type(error.message, str)
    except OutcomeUnknownError as error:
        assert_type(error.email_hash, str | None)
        assert_type(error.created, bool)
    except ApiError as error:
        assert_type(error.status, int)
        assert_type(error.details, str | None)
    except Onboard360Error as error:
        assert_type(error.attempts, int)
        assert_type(error.done, str)
    return None


def told(error: Onboard360Error) -> str:
    match error:
        case errors.ApiError(status=404):
            return error.path
        case errors.DecodeError(path=path) | errors.NotSentError(path=path):
            assert_type(path, str)
            return path
        case errors.ValidationError(field=field, candidates=candidates):
            assert_type(candidates, tuple[str, ...])
            return field or ""
        case errors.ImportFailedError():
            return str(error.journal)
        case _:
            return str(error)


def answered(raw: bytes, headers: dict[str, str]) -> int:
    try:
        WebhookVerifier().verify(raw, headers)
    except errors.WebhookError as error:
        assert_type(error.reason, str)
        return error.http_status
    return 200
