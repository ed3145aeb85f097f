"""`onboard360 webhooks verify|sign|diagnose|list|replay`: what they say, what they leave alone, what they never say."""

import io
import json
import sys
import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiohttp
import click
import pytest
from attrs import evolve

from onboard360_async import settings
from onboard360_async.webhooks import Event, WebhookVerifier, sign
from onboard360_async.webhooks.diagnosis import diagnose
from onboard360_async.webhooks.factories import SECRET, client_completed, client_created
from onboard360_async.webhooks.sqlite_store import SqliteStore
from onboard360_async.webhooks.store import State
from tests.cli.conftest import Command
from tests.cli.hooks import Target, inbox_of, kept_in, secret_file

SPACED = json.dumps({"event": "client.created", "data": {"first_name": "Jörg \x1b[31m", "odd": [1]}}, indent=1).encode()


@pytest.fixture
def body(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A body in a file, and the secret in the environment."""
    monkeypatch.setenv("ONBOARD360_WEBHOOK_SECRET", SECRET)
    path = tmp_path / "body.json"
    path.write_bytes(SPACED)
    return path


def stdin(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content), encoding="utf-8"))


# --- a body ---


@pytest.mark.parametrize("form", ["raw", "js", "python"])
def test_what_is_signed_is_verified(body: Path, command: Command, form: str) -> None:
    """The signature alone on stdout, in each form; the verifier tells the form, and a terminal obeys no name."""
    signed = command("webhooks", "sign", body, "--form", form)
    assert (signed.code, signed.out, signed.err) == (0, f"{sign(SPACED, SECRET, form)}\n", "")  # type: ignore[arg-type]  # one of the three
    said = command("webhooks", "verify", body, "--signature", signed.out.strip())
    assert (said.code, said.err) == (0, "")
    assert f"form:           {form}\n" in said.out
    assert "flags:          undated\n" in said.out
    assert "\ndata:\n  first name:     Jörg \\x1b[31m\n  odd:            [1]\n" in said.out
    event = json.loads(command("webhooks", "verify", body, "--signature", signed.out.strip(), "--format", "json").out)
    assert (event["event"], event["form"], event["flags"]) == ("client.created", form, ["undated"])
    assert (event["data"]["first_name"], event["data"]["odd"]) == ("Jörg \x1b[31m", [1])


def test_a_body_or_a_secret_may_come_from_stdin(
    body: Path, command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """One of the two. Of several secrets the first signs; the newline behind it is not part of it."""
    stdin(monkeypatch, SPACED)
    assert command("webhooks", "sign", "-").out == f"{sign(SPACED, SECRET)}\n"
    stdin(monkeypatch, b"new\r\nold\r\n")
    assert command("webhooks", "sign", body, "--secret-file", "-").out == f"{sign(SPACED, 'new')}\n"
    both = secret_file(tmp_path, "new\nold\n")
    for secret in ("new", "old"):
        signature = sign(SPACED, secret)
        assert command("webhooks", "verify", body, "--signature", signature, "--secret-file", both).code == 0
        assert command("webhooks", "verify", body, "--signature", signature).code == 1
    for words in (("sign",), ("verify", "--signature", "x"), ("diagnose", "--signature", "x")):
        said = command("webhooks", *words, "-", "--secret-file", "-")
        assert (said.code, said.err) == (2, "Error: The body and the secret cannot both come from stdin.\n")


def test_what_is_refused_says_why_and_where_to_ask(body: Path, command: Command) -> None:
    """Exit 1, nothing on stdout, and neither secret nor signature."""
    signature = sign(SPACED, "another")
    said = command("webhooks", "verify", body, "--signature", signature)
    assert (said.code, said.out) == (1, "")
    assert said.err.startswith("Refused: The signature is wrong")
    assert "onboard360 webhooks diagnose" in said.err
    assert SECRET not in said.err
    assert signature[7:] not in said.err
    body.write_bytes(b"x" * (settings.WEBHOOK_MAX_BODY_BYTES + 9))
    assert "larger than" in command("webhooks", "verify", body, "--signature", signature).err


def test_a_diagnosis_explains(body: Path, command: Command, tmp_path: Path) -> None:
    """Lines for people; exit 0 only if the verifier takes it. White space around a secret is found, and not quoted."""
    good = command("webhooks", "diagnose", body, "--signature", sign(SPACED, SECRET))
    assert (good.code, good.err) == (0, "")
    assert good.out.strip()
    spaced = secret_file(tmp_path, f" {SECRET}\n")
    said = command("webhooks", "diagnose", body, "--signature", sign(SPACED, SECRET), "--secret-file", spaced)
    assert (said.code, said.err) == (1, "")
    assert "white space" in said.out
    assert SECRET not in said.out + good.out


def test_a_large_body_is_signed_and_explained_whole(body: Path, command: Command) -> None:
    """Only `verify` stops reading at what a receiver takes; a cut body is another one."""
    large = b'{"event":"x","data":{"a":"' + b"x" * settings.WEBHOOK_MAX_BODY_BYTES + b'"}}'
    body.write_bytes(large)
    signed = command("webhooks", "sign", body).out.strip()
    assert signed == sign(large, SECRET)
    said = command("webhooks", "diagnose", body, "--signature", signed)
    assert said.out.splitlines() == list(diagnose(large, signed, [SECRET]).findings)


def test_a_secret_from_stdin_is_read_as_a_files_is(
    body: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a mark and any line ends; what is no text, or nothing, is one line; a terminal is asked, unseen."""
    for text in ("\ufeffsöcret\n", "söcret\r\n", "\r\nsöcret\rold"):
        stdin(monkeypatch, text.encode())
        assert command("webhooks", "sign", body, "--secret-file", "-").out == f"{sign(SPACED, 'söcret')}\n"
    for content, reason in ((b"\xff", "secret from stdin: it is not a text file"), (b" \n", "no secret on stdin")):
        stdin(monkeypatch, content)
        said = command("webhooks", "sign", body, "--secret-file", "-")
        assert (said.code, said.err.count("\n"), reason in said.err) == (2, 1, True)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    asked: list[dict[str, Any]] = []

    def prompt(_: str, **how: Any) -> str:
        asked.append(how)
        return "typed"

    monkeypatch.setattr(click, "prompt", prompt)
    assert command("webhooks", "sign", body, "--secret-file", "-").out == f"{sign(SPACED, 'typed')}\n"
    assert asked == [{"hide_input": True, "err": True}]


def test_what_looks_like_a_slip_is_a_line(body: Path, command: Command, tmp_path: Path) -> None:
    """White space around a secret, or an API key in its place: a warning without it, and no traceback of Python's."""
    secrets = secret_file(tmp_path, " sk_live_geheim\n")
    signature = command("webhooks", "sign", body, "--secret-file", secrets).out.strip()
    for words in (("sign",), ("verify", "--signature", signature)):
        said = command("webhooks", *words, body, "--secret-file", secrets)
        assert said.code == 0
        assert [line[:9] for line in said.err.splitlines()] == ["Warning: "] * 2
        assert "geheim" not in said.err


@pytest.mark.parametrize("words", [("verify", "--signature", "x"), ("sign",), ("diagnose", "--signature", "x")])
def test_what_cannot_be_read_is_one_line(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    """No body, no secret, a secret that is no text: exit 2."""
    body = tmp_path / "body.json"
    said = command("webhooks", *words, body)
    assert (said.code, said.err) == (2, f"Error: Cannot read {body}: No such file or directory.\n")
    body.write_bytes(SPACED)
    said = command("webhooks", *words, body)
    assert (said.code, said.err[:28]) == (2, "Error: No webhook secret: sa")
    (tmp_path / "secret").write_bytes(b"\xff")
    said = command("webhooks", *words, body, "--secret-file", tmp_path / "secret")
    assert (said.code, said.err.count("\n")) == (2, 1)
    assert "not a text file" in said.err
    for empty in ("", " "):
        monkeypatch.setenv("ONBOARD360_WEBHOOK_SECRET", empty)
        said = command("webhooks", *words, body)
        assert (said.code, said.err.count("\n")) == (2, 1)
        assert "The webhook secret in ONBOARD360_WEBHOOK_SECRET is empty" in said.err


def test_a_body_that_is_no_json_has_no_other_form(body: Path, command: Command) -> None:
    """Exit 1 and why; as it is, it can be signed."""
    body.write_bytes(b"no json")
    assert command("webhooks", "sign", body).code == 0
    said = command("webhooks", "sign", body, "--form", "js")
    assert (said.code, said.out, "not JSON" in said.err) == (1, "", True)


# --- what is stored ---


@pytest.fixture
def three(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Event]:
    """The inbox of this folder: an event of last week that is done, a dead letter of yesterday, one that waits."""
    monkeypatch.chdir(tmp_path)
    now = datetime.now(UTC)
    old, dead, waiting = (
        evolve(event, received_at=now - timedelta(days=days))
        for days, event in (
            (7, client_created(client_id="1")),
            (1, client_completed(client_id="2")),
            (0, client_created()),
        )
    )
    inbox_of(tmp_path / settings.INBOX_FILE, old, dead, waiting)
    store = SqliteStore(tmp_path / settings.INBOX_FILE)
    ends: list[tuple[State, str]] = [("done", ""), ("dead", "forward: no connection")]
    with store.transaction():
        for kept, (state, error) in zip(store.lease(now=time.time(), until=9e9, lease="x", most=2), ends, strict=True):
            store.settle(kept.seq, "x", state=state, due_at=0.0, attempts=1, handled=(), error=error)
    store.close()
    return [old, dead, waiting]


def states() -> list[str]:
    return [kept.state for kept in kept_in(Path(settings.INBOX_FILE))]


def test_a_list_shows_what_is_stored(three: list[Event], command: Command) -> None:
    """In the order in which it came, with whole ids; some of it by --dead and --since."""
    rows = [json.loads(line) for line in command("webhooks", "list", "--format", "jsonl").out.splitlines()]
    assert [row["id"] for row in rows] == [event.id for event in three]
    assert [row["state"] for row in rows] == ["done", "dead", "waiting"]
    assert [row["error"] for row in rows] == [None, "forward: no connection", None]
    assert rows[0]["email"] == "john@example.com"
    since = (datetime.now(UTC) - timedelta(days=2)).isoformat()
    assert command("webhooks", "list", "--since", since, "--format", "csv").out.count("\n") == 3
    assert command("webhooks", "list", "--dead").out.count("\n") == 2


@pytest.mark.parametrize(
    ("words", "expected", "said"),
    [
        (("--dead",), ["done", "waiting", "waiting"], "1 event to be handled again.\n"),
        (("--since", "2020-01-01"), ["waiting"] * 3, "2 events to be handled again; 1 event waiting already.\n"),
        (("--since", "2999-01-01T00:00:00Z"), ["done", "dead", "waiting"], "0 events to be handled again.\n"),
        (("{0}", "{2}"), ["waiting", "dead", "waiting"], "1 event to be handled again; 1 event waiting already.\n"),
        (
            ("{0}", "--dead"),
            ["done", "dead", "waiting"],
            "{0} is left out: it is done, not dead.\n0 events to be handled again.\n",
        ),
        (
            ("{1}", "--since", "2999-01-01T00:00:00Z"),
            ["done", "dead", "waiting"],
            "{1} is left out: it was received before.\n0 events to be handled again.\n",
        ),
    ],
)
def test_a_replay_lets_events_wait_again(
    three: list[Event], command: Command, words: tuple[str, ...], expected: list[str], said: str
) -> None:
    """By the beginnings of their ids, since when, or given up: all that is said must apply, and what waits is left."""
    ids = [event.id[:12] for event in three]
    heard = command("webhooks", "replay", *(word.format(*ids) for word in words))
    assert (heard.code, heard.out, heard.err) == (0, "", said.format(*ids))
    assert states() == expected


def test_a_dry_run_tells_what_a_replay_would_do(three: list[Event], command: Command) -> None:
    """A line for each event, the sums on stderr; nothing is sent, and nothing changes."""
    words = ("webhooks", "replay", "--since", "2020-01-01", "--dry-run")
    said = command(*words)
    fates = [line.rpartition(event.name)[2].strip() for line, event in zip(said.out.splitlines(), three, strict=True)]
    assert fates == ["would be handled again", "would be handled again", "waits already"]
    assert said.err == "2 events would be handled again; 1 event waiting already. Nothing was done.\n"
    with Target() as target:
        said = command(*words, "--dead", "--forward-to", target.url)
        assert target.rest() == []
    assert (said.code, said.out.split()[0]) == (0, three[1].id[:12])
    assert said.out.endswith("would be sent\n")
    assert said.err == "1 event would be sent. Nothing was done.\n"
    assert states() == ["done", "dead", "waiting"]


def test_a_moment_without_a_zone_is_this_machines(
    three: list[Event], command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a day ahead of UTC, what came a day ago came half a day later by the clock."""
    monkeypatch.setenv("TZ", "Etc/GMT-12")
    time.tzset()
    try:
        came = three[1].received_at.replace(tzinfo=None)
        for hours, found in ((11, 2), (13, 1)):
            since = (came + timedelta(hours=hours)).isoformat()
            assert command("webhooks", "list", "--since", since, "--format", "jsonl").out.count("\n") == found
    finally:
        monkeypatch.delenv("TZ")
        time.tzset()


def test_a_replay_to_an_address_tells_of_each_and_changes_nothing(three: list[Event], command: Command) -> None:
    """One after another in order of arrival, as they were signed; exit 5 if some were not taken."""
    with Target(200, 500) as target:
        said = command("webhooks", "replay", "--since", "2020-01-01", "--forward-to", target.url)
        assert [got.body for got in target.rest()] == [event.body for event in three]
    assert said.code == 5
    assert [line.split()[0] for line in said.out.splitlines()] == [event.id[:12] for event in three]
    fates = [line.rpartition(event.name)[2].strip() for line, event in zip(said.out.splitlines(), three, strict=True)]
    assert fates == ["taken", "not taken: answered 500", "taken"]
    assert said.err == "2 events taken, 1 not.\n"
    assert states() == ["done", "dead", "waiting"]
    with Target() as target:
        said = command("webhooks", "replay", three[2].id, three[0].id, "--forward-to", target.url)
        got = target.rest()
    assert (said.code, said.err) == (0, "2 events taken.\n")
    assert [WebhookVerifier(SECRET).verify(each.body, each.headers).id for each in got] == [three[0].id, three[2].id]
    said = command("webhooks", "replay", "--dead", "--forward-to", target.url)
    assert (said.code, "not taken: no connection" in said.out) == (5, True)


def test_what_was_not_taken_says_why(tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """No answer in time, a connection that broke off, a header that cannot be sent: each goes on with the next."""
    monkeypatch.setattr(settings, "TIMEOUT_S", 0.2)
    events = [client_created(client_id=str(number)) for number in range(4)]
    events[2] = evolve(events[2], headers=((settings.EVENT_HEADER, "client\r\nEvil: 1"),))
    inbox = inbox_of(tmp_path / "box.db", *(evolve(event, id=f"{number:064}") for number, event in enumerate(events)))
    with Target(0, -1) as target:
        said = command("webhooks", "replay", "--since", "2020-01-01", "--inbox", inbox, "--forward-to", target.url)
        assert len(target.rest()) == 3
    fates = [line.partition("client.created  ")[2] for line in said.out.splitlines()]
    assert fates == [
        "not taken: no answer in 0.2 s",
        "not taken: the connection broke off",
        "not taken: its headers cannot be sent again",
        "taken",
    ]
    assert (said.code, said.err) == (5, "1 event taken, 3 not.\n")


def test_a_replay_says_what_it_needs(three: list[Event], command: Command) -> None:
    """Which events, an id that is one's alone, a moment: exit 2, and nothing was done."""
    beginnings = {event.id[0] for event in three}
    nobody = next(sign for sign in "0123456789abcdef" if sign not in beginnings)
    for words, said in (
        ((), "Say which events"),
        ((nobody,), "No event in this inbox"),
        (("",), "No event in this inbox"),
        ((three[0].id, nobody), "No event in this inbox"),
        (("--since", "yesterday"), "is no moment"),
        (("--dead", "--forward-to", "localhost:1"), "begins with http:// or https://"),
    ):
        heard = command("webhooks", "replay", *words)
        assert (heard.code, heard.out) == (2, "")
        assert said in heard.err
    assert states() == ["done", "dead", "waiting"]


def test_an_id_that_could_be_several_is_told(tmp_path: Path, command: Command) -> None:
    """More of it is needed; seventeen events cannot all begin differently."""
    events = [client_created(client_id=str(number)) for number in range(17)]
    inbox = inbox_of(tmp_path / "box.db", *events)
    first = sorted(event.id[0] for event in events)
    double = next(one for one, other in pairwise(first) if one == other)
    said = command("webhooks", "replay", double, "--inbox", inbox)
    assert (said.code, said.err.count("\n")) == (2, 1)
    assert "say more of it" in said.err


@pytest.mark.parametrize("words", [("list",), ("replay", "--dead")])
def test_an_inbox_that_is_not_there_is_not_made(command: Command, tmp_path: Path, words: tuple[str, ...]) -> None:
    """One line, exit 2; nor is a file touched that is none."""
    said = command("webhooks", *words, "--inbox", tmp_path / "none.db")
    assert (said.code, said.err) == (
        2,
        f"Error: There is no inbox {tmp_path}/none.db; say --inbox FILE, or make one by"
        " `onboard360 webhooks listen`.\n",
    )
    (tmp_path / "list.csv").write_text("email\n")
    said = command("webhooks", *words, "--inbox", tmp_path / "list.csv")
    assert (said.code, said.err) == (2, f"Error: {tmp_path}/list.csv is no inbox.\n")
    assert [path.name for path in tmp_path.iterdir()] == ["list.csv"]


def test_an_inbox_that_is_held_is_one_line(
    three: list[Event], command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By somebody who writes, for longer than we wait: exit 7, and what to do next."""
    monkeypatch.setattr(settings, "SHARED_PATIENCE_S", 0.05)
    store = SqliteStore(settings.INBOX_FILE)
    with store.transaction():
        said = command("webhooks", "replay", "--dead")
    store.close()
    assert (said.code, said.out) == (7, "")
    assert said.err == (
        "Error: The inbox cannot be used: database is locked. Try again when the process that holds it is done.\n"
    )


def test_a_database_is_never_written_over(three: list[Event], command: Command) -> None:
    """An inbox that is named as the output by mistake keeps its events: exit 2, one line; another file is replaced."""
    said = command("webhooks", "list", "--output", settings.INBOX_FILE)
    assert (said.code, said.err.count("\n"), f"write over {settings.INBOX_FILE}" in said.err) == (2, 1, True)
    assert states() == ["done", "dead", "waiting"]
    Path("list.csv").write_text("old")
    assert command("webhooks", "list", "--output", "list.csv", "--format", "csv").code == 0
    assert Path("list.csv").read_text().startswith("received_at")


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        (aiohttp.ClientConnectorCertificateError, "its certificate is not trusted"),
        (aiohttp.ClientConnectorSSLError, "no TLS connection"),
        (aiohttp.ClientConnectorError, "no connection"),
    ],
)
def test_a_target_without_a_good_connection_says_which(
    three: list[Event], command: Command, monkeypatch: pytest.MonkeyPatch, failure: Any, told: str
) -> None:
    """Who has to be asked differs: the target's certificate, its TLS, or the network."""

    def post(*_: object, **__: object) -> None:
        raise failure(None, OSError())

    monkeypatch.setattr(aiohttp.ClientSession, "post", post)
    said = command("webhooks", "replay", "--dead", "--forward-to", "https://localhost:1/")
    assert (said.code, said.out.endswith(f"not taken: {told}\n")) == (5, True)
