"""Secrets: several while one is replaced, checked when given, never shown; and the HMAC that is keyed with them."""

import hmac
import json
import logging
import pickle
import traceback
import warnings
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onboard360_async import settings
from onboard360_async.errors import ConfigurationError, WebhookError
from onboard360_async.webhooks import WebhookVerifier, sign

BODY = b'{"event":"client.created","data":{}}'
NAME = settings.SIGNATURE_HEADER
SECRETS = [f"whsec_number_{number}" for number in range(settings.WEBHOOK_MOST_SECRETS + 1)]


def takes(verifier: WebhookVerifier, secret: str) -> bool:
    try:
        return verifier.verify(BODY, {NAME: sign(BODY, secret)}).body == BODY
    except WebhookError:
        return False


def test_up_to_eight_secrets_are_tried() -> None:
    """While one is replaced by the next, both sign; a ninth is refused before anything is verified."""
    verifier = WebhookVerifier(*SECRETS[:-1])
    assert [takes(verifier, secret) for secret in SECRETS] == [True] * 8 + [False]
    with pytest.raises(ConfigurationError, match="At most 8"):
        WebhookVerifier(*SECRETS)


@pytest.mark.parametrize("form", ["js", "python"])
def test_every_secret_is_tried_with_every_form(form: Any) -> None:
    """The last secret with the last form is found too."""
    body = b'{"event": "client.created", "n": 1.0}'
    assert WebhookVerifier(*SECRETS[:3]).verify(body, {NAME: sign(body, SECRETS[2], form)}).form == form


@pytest.mark.parametrize("secret", ["", " ", "\n\t", None, b"whsec_bytes", 5, ["whsec_list"]])
def test_a_secret_that_is_none(secret: Any) -> None:
    """Empty, blank or no text: anybody could sign with it, or nobody."""
    for use in (lambda: WebhookVerifier("whsec_good", secret), lambda: sign(BODY, secret)):
        with pytest.raises(ConfigurationError, match="is text, and not empty or blank") as caught:
            use()
        assert "good" not in repr(caught.value)


def test_a_secret_that_cannot_be_written() -> None:
    """A lone surrogate has no bytes in UTF-8, and the error does not show what stands around it."""
    secret = f"whsec_{'h' + 'ush'}\ud800"  # not one word here, as a traceback quotes this file
    with pytest.raises(ConfigurationError, match="UTF-8") as caught:
        WebhookVerifier(secret)
    assert "hush" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("secret", "warning"),
    [
        (" whsec_hush", "white space"),
        ("whsec_hush\n", "white space"),
        ("sk_live_hush", "as API keys do"),
    ],
)
def test_what_looks_like_a_slip_is_warned_of(secret: str, warning: str) -> None:
    """White space counts, and an API key is no webhook secret: a warning at the caller's line, without the secret."""
    with pytest.warns(UserWarning, match=warning) as told:
        verifier = WebhookVerifier(secret)
    with pytest.warns(UserWarning, match=warning):
        signature = sign(BODY, secret)
    assert [(warned.filename, "hush" in str(warned.message)) for warned in told] == [(__file__, False)]
    assert verifier.verify(BODY, {NAME: signature}).body == BODY


def test_a_good_secret_is_not_warned_of() -> None:
    """White space within is the user's own affair."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert takes(WebhookVerifier("whsec with spaces"), "whsec with spaces")


def test_the_environment_has_it_when_none_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only then; and without it the error names the variable."""
    with pytest.raises(ConfigurationError, match="ONBOARD360_WEBHOOK_SECRET"):
        WebhookVerifier()
    monkeypatch.setenv("ONBOARD360_WEBHOOK_SECRET", "whsec_environment")
    assert takes(WebhookVerifier(), "whsec_environment")
    assert not takes(WebhookVerifier("whsec_given"), "whsec_environment")
    monkeypatch.setenv("ONBOARD360_WEBHOOK_SECRET", "")
    with pytest.raises(ConfigurationError, match="not empty"):
        WebhookVerifier()


@pytest.mark.parametrize(
    "headers", [{}, {NAME: "junk"}, {NAME: f"sha256={'0' * 64}"}, {NAME: sign(b"[]", "whsec_hush")}]
)
@pytest.mark.parametrize("body", [b"[]", b'{"data":"private"}', b"private" * 100_000])
def test_no_secret_and_no_body_is_shown(headers: Any, body: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """Not in `repr`, `str`, the log, an error, its traceback or its pickle."""
    verifier = WebhookVerifier("whsec_hush")
    with caplog.at_level(logging.DEBUG), pytest.raises(WebhookError) as caught:
        verifier.verify(body, headers)
    shown = [repr(verifier), str(verifier), repr(vars(verifier)), caplog.text, repr(caught.value), str(caught.value)]
    shown += ["".join(traceback.format_exception(caught.value)), repr(pickle.dumps(caught.value))]
    assert [text for text in shown if "hush" in text or "private" in text or b"hush".hex() in text] == []
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_what_was_authenticated_shows_only_its_size() -> None:
    """The signed bytes are somebody's data."""
    signed = WebhookVerifier("whsec_hush").authenticate(BODY, {NAME: sign(BODY, "whsec_hush")})
    assert repr(signed) == f"Signed(<{len(BODY)} bytes>, form='raw')"


@given(
    secret=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200).filter(
        lambda text: text == text.strip() and not text.startswith("sk_live_")
    ),
    data=st.text(st.characters(exclude_categories=["Cs"]), max_size=200),
)
def test_the_hmac_is_the_librarys(secret: str, data: str) -> None:
    """Ours is keyed beforehand: for secrets shorter and longer than a block, and of any characters."""
    body = json.dumps({"event": "x", "data": {"text": data}}).encode()
    digest = hmac.new(secret.encode(), body, "sha256").hexdigest()
    assert WebhookVerifier(secret).verify(body, {NAME: f"sha256={digest}"}).body == body
    assert sign(body, secret) == f"sha256={digest}"


@pytest.mark.parametrize("length", [1, 63, 64, 65, 128, 1000])
def test_the_hmac_at_the_edges_of_a_block(length: int) -> None:
    """A secret of more than 64 bytes is hashed first; one of exactly 64 is not. Each verifies again and again."""
    secret = ("ü" * 1000).encode()[: length - length % 2].decode() + "x" * (length % 2)
    assert len(secret.encode()) == length
    verifier = WebhookVerifier(secret)
    for _ in range(3):
        assert takes(verifier, secret)
        assert not takes(verifier, secret + "\u200b")
