"""What the doctor's tests share: clients that show what they can, and the report as a program reads it."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from onboard360_async.sandbox import Sandbox

__all__ = ["CAMPAIGN", "about", "jumbled", "lead_to", "populate"]

CAMPAIGN = "550e8400-e29b-41d4-a716-446655440000"


def jumbled() -> Callable[[], str]:
    """Ids in an order that is neither up nor down; anew for each sandbox."""
    numbers = iter(range(1, 10_000))
    return lambda: f"id-{next(numbers) * 7919 % 10_007:05}"


def populate(sandbox: Sandbox, number: int = 7) -> None:
    """So many clients, one second apart, each without a phone."""
    for each in range(number):
        sandbox.clock.advance(1)
        sandbox.add_client(CAMPAIGN, f"john{each}@example.com", first_name="John", company_name="Acme Corp")


def lead_to(sandbox: Sandbox, patch: pytest.MonkeyPatch) -> None:
    """A command that is run from now on goes there."""
    patch.setenv("ONBOARD360_API_KEY", sandbox.api_key)
    patch.setenv("ONBOARD360_BASE_URL", sandbox.url)


def about(out: str) -> dict[str, tuple[str, str]]:
    """Verdict and what was seen, by what it is about; of `--format json`."""
    found: list[dict[str, Any]] = json.loads(out)
    return {each["about"]: (each["verdict"], each["seen"]) for each in found}
