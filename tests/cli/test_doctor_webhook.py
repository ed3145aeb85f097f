"""`onboard360 doctor --webhook`: which form was signed, by which secret, and what the body is like."""

import json
from pathlib import Path
from typing import Any

import pytest

from onboard360_async.doctor.signed import look_into
from onboard360_async.sandbox import Sandbox
from onboard360_async.webhooks import sign
from onboard360_async.webhooks.factories import SECRET, client_completed, client_created, flow_created, unknown_event
from tests.cli.conftest import Command
from tests.cli.hooks import Hook, secret_file
from tests.cli.test_doctor import sent
from tests.doctor.service import CAMPAIGN, about

PLAIN = client_created().body
JÖRG = client_created(first_name="Jörg", score=1.0).body
SPACED = json.dumps(json.loads(JÖRG)).encode()
LOOSE = json.dumps(json.loads(JÖRG), ensure_ascii=False, indent=1).encode()


@pytest.fixture
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """As `webhooks verify` has it."""
    monkeypatch.setenv("ONBOARD360_WEBHOOK_SECRET", SECRET)


@pytest.mark.usefixtures("secret")
@pytest.mark.parametrize(
    ("body", "form", "seen"),
    [
        (LOOSE, "raw", "raw"),
        (LOOSE, "js", "js"),
        (LOOSE, "python", "python"),
        (JÖRG, "raw", "raw, js"),
        (PLAIN, "js", "raw, js, python"),
    ],
)
def test_the_form_that_was_signed_is_told(
    service: Sandbox, command: Command, tmp_path: Path, body: bytes, form: str, seen: str
) -> None:
    """Which of the three, or all that are the same bytes: then nobody can tell."""
    said = command("doctor", "--format", "json", *Hook(tmp_path, body).flags(form))
    found = about(said.out)
    assert said.code == 0
    assert (found["A 9"], found["signature"]) == (("observed", seen), ("ok", "secret 1"))
    assert ("cannot tell" in said.out) == ("," in seen)
    assert found["webhook_client"] == ("observed", "client_id")


def test_which_secret_signed_is_told_by_its_place(service: Sandbox, command: Command, tmp_path: Path) -> None:
    """The secrets themselves are not."""
    secrets = secret_file(tmp_path, f"another\n{SECRET}\n")
    said = command("doctor", "--format", "json", *Hook(tmp_path, LOOSE).flags(), "--secret-file", secrets)
    assert about(said.out)["signature"] == ("ok", "secret 2")
    assert SECRET not in said.out


@pytest.mark.usefixtures("secret")
def test_a_webhook_that_nobody_signed_says_nothing(service: Sandbox, command: Command, tmp_path: Path) -> None:
    """Another secret is no word against A 9; the signature failed, and exit 1 says so."""
    said = command("doctor", "--format", "json", *Hook(tmp_path, JÖRG).flags(secret="other"))
    found = about(said.out)
    assert (said.code, found["A 9"], found["signature"]) == (1, ("unknown", ""), ("failed", "refused"))
    assert found["webhook_client"] == found["webhook_extra"] == ("unknown", "")


def test_a_secret_with_a_slip_in_it_shows_the_form_all_the_same(
    service: Sandbox, command: Command, tmp_path: Path
) -> None:
    """White space around it: the signature is refused, and what of the body was signed is known."""
    secrets = secret_file(tmp_path, f" {SECRET}\n")
    said = command("doctor", "--format", "json", *Hook(tmp_path, LOOSE).flags("js"), "--secret-file", secrets)
    found = about(said.out)
    assert (said.code, found["A 9"], found["signature"]) == (1, ("observed", "js"), ("failed", "refused"))
    assert found["webhook_client"] == ("unknown", "")


@pytest.mark.usefixtures("secret")
def test_a_body_that_was_signed_in_no_form_we_know_contradicts(
    service: Sandbox, command: Command, tmp_path: Path
) -> None:
    """The secret is right, and what came is not what was signed: A 9 does not hold for it."""
    hook = Hook(tmp_path, JÖRG)
    said = command("doctor", "--format", "json", "--webhook", hook.file, "--signature", sign(SPACED, SECRET))
    found = about(said.out)
    assert (said.code, found["A 9"], found["signature"]) == (1, ("contradicted", "other"), ("failed", "refused"))
    assert "Wrong: A 9 (contradicted)" in said.err


@pytest.mark.usefixtures("secret")
@pytest.mark.parametrize(
    ("event", "client", "extra", "flags"),
    [
        (client_created(), ("observed", "client_id"), "none", ("observed", "none")),
        (client_created(client_id=None, id="7"), ("contradicted", "id"), "some", ("observed", "none")),
        (client_created(client_id=None), ("contradicted", "neither"), "none", ("observed", "none")),
        (client_created(score=1), ("observed", "client_id"), "some", ("observed", "none")),
        (client_completed(), ("unknown", ""), "none", ("observed", "none")),
        (flow_created(), ("unknown", ""), "none", ("observed", "none")),
        (unknown_event(more=1), ("unknown", ""), "none", ("observed", "none")),
        (client_created(timestamp="2020-01-01T00:00:00Z"), ("observed", "client_id"), "none", ("observed", "old")),
        (client_created(timestamp=""), ("observed", "client_id"), "none", ("contradicted", "undated")),
    ],
)
def test_what_a_webhook_is_like(
    service: Sandbox, command: Command, tmp_path: Path, event: Any, client: Any, extra: str, flags: Any
) -> None:
    """How it names its client, what it has beyond the page, and what the verifier flags."""
    said = command("doctor", "--format", "json", *Hook(tmp_path, event.body).flags())
    found = about(said.out)
    assert (found["webhook_client"], found["webhook_flags"]) == (client, flags)
    assert found["webhook_extra"] == ("observed", extra)
    assert said.code == ("contradicted" in (client[0], flags[0]))


@pytest.mark.usefixtures("secret")
def test_a_header_that_names_another_event_is_told(service: Sandbox, command: Command, tmp_path: Path) -> None:
    """If it is said; nobody signs it."""
    hook = Hook(tmp_path, PLAIN)
    for event, flags in (("client.created", ("observed", "none")), ("x", ("contradicted", "event-header"))):
        found = about(command("doctor", "--format", "json", *hook.flags(), "--event", event).out)
        assert found["webhook_flags"] == flags


@pytest.mark.usefixtures("secret")
def test_a_client_whose_webhook_came_and_who_is_not_listed_is_told(
    service: Sandbox, command: Command, tmp_path: Path
) -> None:
    """Which is no proof against A 3, since they may be deleted; one who is listed is none for it."""
    known = service.add_client(CAMPAIGN, "john@example.com")
    for client_id, is_told in ((known, False), ("nobody", True)):
        hook = Hook(tmp_path, client_created(client_id=client_id).body)
        said = command("doctor", "--format", "json", *hook.flags())
        assert about(said.out)["A 3"] == ("unknown", "")
        assert ("the webhook's client is not in the listing" in said.out) == is_told


def test_a_webhook_is_looked_at_without_a_key(
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, secret: None
) -> None:
    """What can be told is told."""
    said = command("doctor", "--format", "json", *Hook(tmp_path, LOOSE).flags("python"))
    assert (said.code, about(said.out)["A 9"]) == (2, ("observed", "python"))


@pytest.mark.parametrize("words", [("--signature", "x"), ("--event", "x"), ("--secret-file", "x"), ("--webhook", "x")])
def test_flags_of_a_webhook_go_together(service: Sandbox, command: Command, words: tuple[str, ...]) -> None:
    """Before anything is sent."""
    assert (command("doctor", *words).code, sent(service)) == (2, [])


def test_two_things_cannot_both_come_from_stdin(service: Sandbox, command: Command, secret: None) -> None:
    """The key and the body, say."""
    said = command("doctor", "--api-key-file", "-", "--webhook", "-", "--signature", "x")
    assert (said.code, said.err) == (2, "Error: Only one of key, body and secret can come from stdin.\n")


def test_a_body_that_no_other_form_can_be_made_of_is_no_error() -> None:
    """Bytes that are no JSON, and a signature that is none."""
    found = look_into(b"\xff", sign(b"\xff", SECRET), None, (SECRET,))
    assert (found.forms, found.event, found.is_other_form) == ((), None, False)
    assert look_into(b"{}", "nonsense", None, (SECRET,)).forms == ()
