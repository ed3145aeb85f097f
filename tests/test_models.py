"""The models: frozen, slotted, hashable, picklable, and silent about people."""

import copy
import pickle
from datetime import UTC, datetime
from types import MappingProxyType

import pytest
from attrs.exceptions import FrozenInstanceError
from hypothesis import given
from hypothesis import strategies as st

from onboard360_async import Campaign, Client, NewClient
from onboard360_async.models import email_key

WHEN = datetime(2026, 1, 1, tzinfo=UTC)
CLIENT = Client(
    "1", "2", "john@x.de", "Jonathan", "Doeling", "Acmeville", "+49151", created_at=WHEN,
    link="https://x/c/secret", extra=MappingProxyType({"note": "private"}),
)  # fmt: skip
NEW = NewClient("2", "john@x.de", "Jonathan", "Doeling", "Acmeville", "+49151")
CAMPAIGN = Campaign("2", "Flow", WHEN, WHEN, MappingProxyType({"note": "private"}))


@pytest.mark.parametrize("model", [CLIENT, NEW, CAMPAIGN])
def test_a_model_is_a_value(model: object) -> None:
    """It cannot be changed, has no __dict__, equals its copies and can be a key."""
    with pytest.raises(FrozenInstanceError):
        model.campaign_id = "3"  # type: ignore[attr-defined]  # that it cannot be done is the test
    assert not hasattr(model, "__dict__")
    for twin in (pickle.loads(pickle.dumps(model)), copy.copy(model), copy.deepcopy(model)):
        assert twin == model
        assert hash(twin) == hash(model)


@pytest.mark.parametrize("model", [CLIENT, NEW, CAMPAIGN])
def test_no_repr_names_anybody(model: object) -> None:
    """Emails, names, companies, phones, links and unknown fields stay out of it."""
    for word in ("john", "Jonathan", "Doeling", "Acmeville", "+49151", "secret", "private"):
        assert word not in repr(model)


def test_extra_stays_readable_and_closed_after_a_copy() -> None:
    """A copy's `extra` is as read-only as the original's."""
    twin = pickle.loads(pickle.dumps(CLIENT))
    assert twin.extra == {"note": "private"}
    assert isinstance(twin.extra, MappingProxyType)


def test_fields_stand_in_the_order_of_the_contract() -> None:
    """Each model can be made by position; a client needs the moment of its creation."""
    made = Client("1", "2", "john@x.de", None, None, None, None, WHEN, "https://x/c/1")
    assert (made.created_at, made.link) == (WHEN, "https://x/c/1")
    with pytest.raises(TypeError, match="created_at"):
        Client("1", "2", "john@x.de")


@given(st.text())
def test_two_spellings_of_an_address_have_one_key(email: str) -> None:
    """Spaces around and capitals make no other person."""
    assert email_key(f" {email}\n") == email_key(email)
    assert email_key(email_key(email)) == email_key(email)


def test_the_key_is_lower_case_not_folded() -> None:
    """Folding would take two different addresses for one: straße is not strasse."""
    assert email_key("STRASSE@X.DE") != email_key("straße@x.de")
    assert email_key("É@x.de") == email_key("e\u0301@X.de")
