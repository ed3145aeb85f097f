"""What a user decides about an import: what cannot be meant is told, by name."""

import math
from typing import Any

import pytest

from onboard360_async import errors
from onboard360_async.importer import Rules


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("on_ambiguous", "resend"),
        ("duplicates", "merge"),
        ("if_exists", "update"),
        ("max_ambiguous", 0),
        ("max_ambiguous", True),
        ("max_errors", -1),
        ("limit", 1.5),
        ("limit", 0),
        ("settle_s", -1),
        ("settle_s", math.nan),
        ("settle_s", "60"),
        ("rate", 0),
        ("rate", math.inf),
    ],
)
def test_what_cannot_be_meant_is_told(name: str, value: Any) -> None:
    """Each option by its name, before anything is read or sent."""
    with pytest.raises(errors.ConfigurationError, match=f"^{name} must be"):
        Rules(**{name: value})


def test_all_of_them_may_be_said() -> None:
    """Whole and broken seconds, no limits at all, every choice."""
    Rules(settle_s=0, rate=0.5, limit=1, max_errors=1, on_ambiguous="hold", duplicates="send", if_exists="fail")
    Rules(max_errors=None, limit=None, rate=None)
