"""The scan that watches all tests (tests/leaks.py) sees what it is there for: words, log lines, locals, losses."""

import logging
from collections.abc import Callable

import pytest

from onboard360_async import AsyncOnboard360, Onboard360, checks, errors
from onboard360_async.sandbox import Sandbox
from tests.leaks import Watch, found_in, locals_shown


@pytest.mark.parametrize(
    "text",
    ["key=sk_live_abc", "to john@example.com", "https://app.360onboard.com/c/abc123xyz789", "+4915112345678", "Jane"],
)
def test_what_it_looks_for(text: str) -> None:
    """A key, an address, a link, a phone, a name; and not what only looks so."""
    assert found_in(text)
    assert not found_in(r"sk_... <email> /clients $.clients[3].email [^\s@]+@ 2026-01-01T00:00:00+0000 Flow")


def test_it_sees_words_reprs_and_log_lines(nothing_leaks: Watch) -> None:
    """An error that shows somebody, and a line at DEBUG, each with what it shows."""
    errors.NotSentError("no way to john@example.com", "POST")
    errors.ApiError(400, details="john@example.com", body_snippet="John")  # out of str and repr
    logging.getLogger("onboard360_async.anything").debug("hello %s", "Jane")
    found = "\n".join(nothing_leaks.leaks())
    nothing_leaks.forget()
    assert "NotSentError: no way to john@example.com" in found
    assert "hello Jane" in found
    assert "ApiError" not in found


def test_it_sees_what_a_frame_of_ours_holds(nothing_leaks: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    """If one held an address in clear: checks without its veil."""
    monkeypatch.setattr(checks, "hidden", lambda value: value)
    with pytest.raises(errors.ValidationError):
        checks.check_email("john@example.com@")
    found = "\n".join(nothing_leaks.leaks())
    nothing_leaks.forget()
    assert "check_email text = 'john@example.com@'" in found


def test_it_sees_what_an_error_loses_on_its_way(nothing_leaks: Watch) -> None:
    """A field that does not survive pickling or copying."""

    class ForgetfulError(errors.Onboard360Error):
        def __init__(self, kept: str) -> None:
            super().__init__()
            self.kept, self.lost = kept, ""

        def __reduce__(self) -> tuple[object, ...]:
            return errors.NotSentError, (self.kept,)

    ForgetfulError("a")
    found = nothing_leaks.leaks()
    nothing_leaks.forget()
    assert "ForgetfulError.kept is lost" in found


def test_a_handle_that_was_refused_can_be_looked_at() -> None:
    """Who prints the locals of the frame that refused it prints a handle that is half made."""
    for handle in (AsyncOnboard360, Onboard360):
        with pytest.raises(errors.ConfigurationError) as caught:
            handle("sk_live_very_secret", base_url="ftp://me:secret@app.360onboard.com", page_size=0)
        shown = "\n".join(locals_shown(caught.value))
        assert "Onboard360(" in shown
        assert "secret" not in shown
        with pytest.raises(errors.ConfigurationError) as caught:
            handle("sk_live_very secret")
        assert "secret" not in "\n".join(locals_shown(caught.value))


def test_the_blocking_handle_hides_as_much(dead_url: str) -> None:
    """Its own frames, those of the bridge, and the call's below them."""
    with Onboard360("sk_test_1", base_url=dead_url, max_retries=0) as api:
        calls: tuple[Callable[[], object], ...] = (
            lambda: api.add_client(campaign_id="c", email="john@example.com", first_name="John", phone="+1234567890"),
            lambda: api.ensure_client(campaign_id="c", email="john@example.com", last_name="Doe"),
            lambda: api.find_client(campaign_id="c", email="john@example.com"),
            lambda: list(api.iter_clients()),
        )
        for call in calls:
            with pytest.raises(errors.NotSentError) as caught:
                call()
            shown = list(locals_shown(caught.value))
            assert any("sync.py" in text or "blocking.py" in text for text in shown)
            assert [text for text in shown if found_in(text)] == []


@pytest.fixture
def dead_url() -> str:
    """Where nobody listens any more."""
    with Sandbox() as sandbox:
        return sandbox.url
