"""One row: what cannot be sent, and what only looks odd."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onboard360_async.importer.rows import check_row
from onboard360_async.models import email_key
from tests.importer.lists import checked_row


@given(st.text(max_size=30))
def test_an_email_key_is_its_own_key(email: str) -> None:
    """Capitals and spaces around make no difference, and the key of a key is itself."""
    key = email_key(email)
    assert email_key(key) == key
    assert email_key(f"  {email.lower()} ") == email_key(email.lower())


@pytest.mark.parametrize(
    ("email", "is_good"),
    [
        ("a@x.de", True),
        ("o'neil+tag@sub.x.co", True),
        ("ü@müller.de", True),
        ("a@x", False),
        ("a@.de", False),
        ("a@x.", False),
        ("@x.de", False),
        ("a@@x.de", False),
        ("a b@x.de", False),
        ("a\x07@x.de", False),
        ("a\u200b@x.de", False),
        ("a\xad@x.de", False),
        ("a\u202e@x.de", False),
        ("a\xa0b@x.de", False),
        ("a\u2028@x.de", False),
        ("a\ud83d@x.de", False),
        (f"{'a' * 250}@x.de", False),
    ],
)
def test_only_what_cannot_be_an_address_is_refused(email: str, is_good: bool) -> None:
    """Anything stricter would lose people; what is invisible within one came along from a page."""
    client, problem, _ = check_row(checked_row(email=email), "c")
    assert (client is not None, problem is None) == (is_good, is_good)


def test_damaged_phones_are_noted_and_sent_as_they_are() -> None:
    """A spreadsheet's 1.55512E+10 is somebody's number: never mended by us, and said."""
    client, _, odd = check_row(checked_row(phone="1.55512E+10"), "c")
    assert client is not None
    assert (client.phone, len(odd)) == ("1.55512E+10", 1)


@pytest.mark.parametrize("name", ["a\0b", "a\ud83d", "\udc00"])
def test_what_no_request_can_carry_is_refused(name: str) -> None:
    """A NUL, half a character: no name holds one."""
    _, problem, _ = check_row(checked_row(first_name=name), "c")
    assert problem is not None
    assert problem.field == "first_name"


@pytest.mark.parametrize(
    ("email", "odd"),
    [
        ("a@x.de", None),
        ("o'neil+tag_1@sub-1.x.co", None),
        ("ü@müller.de", None),
        ("a@xn--mller-kva.de", None),
        ("a@1und1.de", None),
        ("a..b@x.de", "two dots"),
        ("a@x..de", "two dots"),
        ("a.@x.de", "dot beside"),
        (".a@x.de", "dot beside"),
        ("<a@x.de", "before its @"),
        ("mailto:a@x.de", "before its @"),
        ("a@x_y.de", "domain has an unusual"),
        ("a@x.de>", "domain has an unusual"),
        ("a@x.de,b", "domain has an unusual"),
        ("a@-x.de", "hyphen"),
        ("a@x-.de", "hyphen"),
        ("a@x.d", "single letter"),
    ],
)
def test_an_unusual_address_is_sent_and_noted(email: str, odd: str | None) -> None:
    """Somebody may have it. What is noted names the line and never the address: notes go into logs."""
    client, problem, notes = check_row(checked_row(email=email), "c")
    assert client is not None
    assert (client.email, problem) == (email, None)
    assert len(notes) == (odd is not None)
    for note in notes:
        assert note.startswith("line 2: ")
        assert str(odd) in note
        assert email not in note


@pytest.mark.parametrize(
    ("phone", "odd"),
    [
        ("+49 30 123456", None),
        ("0301234567890", None),
        ("+15551234567", None),
        ("5551234567", None),
        ("1-555-123-4567", None),
        ("", None),
        ("1.55512E+10", "damaged"),
        ("1,55E+10", "damaged"),
        ("2E+11", "damaged"),
        ("1.5e+10", "damaged"),
        ("4915551.0", "damaged"),
        ("+4915551.0", "damaged"),
        ("15551234567", "lost its +"),
        ("4915112345678", "lost its +"),
    ],
)
def test_a_phone_is_never_changed_and_damage_is_noted(phone: str, odd: str | None) -> None:
    """A spreadsheet takes a number for a number; only its owner can say what it was."""
    client, _, notes = check_row(checked_row(phone=phone), "c")
    assert client is not None
    assert (client.phone or "") == phone
    assert [str(odd) in note for note in notes] == [True] * (odd is not None)
    assert not any(phone in note for note in notes)


@given(st.emails())
def test_what_a_standard_calls_an_address_is_sent(email: str) -> None:
    """Any that RFC 5322 knows without quotes: noted perhaps, stopped never."""
    client, problem, _ = check_row(checked_row(email=email), "c")
    assert (client is not None, problem) == (len(email) <= 254, None)
