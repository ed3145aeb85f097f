"""`onboard360 webhooks listen`: real processes, sockets, signals and terminals; what was acknowledged is never lost."""

import json
import re
import signal
import socket
import sys
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from attrs import evolve

from onboard360_async import settings
from onboard360_async.cli import listening
from onboard360_async.sandbox import Sandbox
from onboard360_async.webhooks import WebhookVerifier, sign
from onboard360_async.webhooks.factories import SECRET, client_created, flow_created, unknown_event
from onboard360_async.webhooks.sqlite_store import SqliteStore, is_inbox
from tests.cli.conftest import Command
from tests.cli.hooks import ROOT, Listener, Target, inbox_of, kept_in, post, secret_file
from tests.cli.terminal import beside

pytestmark = pytest.mark.usefixtures("children_are_measured")
EVIL = "Jörg \x1b[31m\x9b2J 李 \u202e"


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    """Where `listen` stores in this folder."""
    return tmp_path / settings.INBOX_FILE


# --- what comes in ---


def test_each_delivery_is_a_line_and_is_stored_before_it_is_acknowledged(tmp_path: Path, inbox: Path) -> None:
    """JSON lines, at once, with every sign of a name; a second delivery is told as one, and stored once."""
    first, second = client_created(first_name=EVIL, email="jörg@x.de"), unknown_event(client_id="c 9", odd=[1])
    with Listener(tmp_path) as listener:
        assert is_inbox(inbox)
        assert post(listener.url, first) == 200
        (kept,) = kept_in(inbox)
        said = listener.line()
        assert (said["id"], said["event"], said["state"]) == (first.id, "client.created", "stored")
        assert (said["form"], said["flags"], said["data"]["first_name"]) == ("raw", [], EVIL)
        assert (said["data"]["email"], said["data"]["link"]) == (
            "jörg@x.de",
            "https://app.360onboard.com/c/abc123xyz789",
        )
        assert (said["timestamp"][-1], said["received_at"][-1]) == ("Z", "Z")
        assert [post(listener.url, each) for each in (first, second)] == [200, 200]
        assert (listener.line()["state"], listener.line()["data"]) == ("duplicate", {"client_id": "c 9", "odd": [1]})
        code, out, err = listener.end()
    assert (code, out, err, kept.body) == (0, "", "", first.body)
    assert len(kept_in(inbox)) == 2
    assert str(inbox) in listener.banner
    assert "Settings, APIs & Webhooks, Webhooks" in listener.banner


def test_what_is_refused_is_one_line_with_the_reason(tmp_path: Path, inbox: Path) -> None:
    """A wrong, malformed or missing signature, another method, a body that is too large: neither body, secret nor
    signature is among what is said.
    """
    event = client_created(email="ada@x.de")
    wrong = sign(event.body, "another secret")
    with Listener(tmp_path) as listener:
        statuses = [post(listener.url, event, signature=value) for value in (wrong, "sha256=nonsense")]
        statuses.append(post(listener.url, event, body=b"x" * (settings.WEBHOOK_MAX_BODY_BYTES + 1)))
        connection = HTTPConnection(str(urlsplit(listener.url).netloc))
        connection.request("GET", "/any")
        statuses.append(connection.getresponse().status)
        connection.close()
        code, out, err = listener.end(signal.SIGINT)
    assert (statuses, code, out) == ([401, 401, 413, 405], 0, "")
    lines = err.splitlines()
    assert [line[:23] for line in lines] == [f"Webhook refused ({status}): " for status in statuses]
    assert "wrong" in lines[0]
    assert "malformed" in lines[1]
    for secret in (SECRET, wrong[7:], "nonsense", "ada@x.de", "xxx"):
        assert secret not in listener.banner + err
    assert kept_in(inbox) == []


def test_secrets_are_lines_of_a_file_and_their_ends_are_not_part_of_them(tmp_path: Path) -> None:
    """Two while one replaces the other; as Windows ends lines, with a mark and an empty line."""
    secrets = secret_file(tmp_path)
    secrets.write_bytes("\ufeffold söcret\r\n\r\nnew\r\n".encode())
    event = client_created()
    with Listener(tmp_path, "--secret-file", secrets) as listener:
        assert [post(listener.url, event, signature=sign(event.body, each)) for each in ("old söcret", "new")] == [
            200
        ] * 2
        assert post(listener.url, event) == 401
        assert listener.end()[0] == 0


def test_on_a_path_of_its_own_nothing_else_is_taken(tmp_path: Path, inbox: Path) -> None:
    """404 for the others, and it is told."""
    with Listener(tmp_path, "--path", "/hooks/360") as listener:
        assert listener.url.endswith("/hooks/360")
        assert post(listener.url, client_created()) == 200
        assert post(listener.url + "/", client_created()) == 404
        assert "404" in listener.end()[2]
    assert len(kept_in(inbox)) == 1


def test_who_reads_no_more_ends_it_and_loses_nothing(tmp_path: Path, inbox: Path) -> None:
    """As with `| head -1`: the event that could not be shown is stored and acknowledged all the same; exit code 0."""
    with Listener(tmp_path) as listener:
        assert post(listener.url, client_created(client_id="1")) == 200
        listener.line()
        listener.leave()
        assert post(listener.url, client_created(client_id="2")) == 200
        assert listener.wait()[0] == 0
    assert len(kept_in(inbox)) == 2


def test_what_cannot_be_stored_is_not_acknowledged(tmp_path: Path, inbox: Path) -> None:
    """503 while somebody else holds the inbox for too long, and nothing is shown; 200 when it comes again."""
    event = client_created()
    with Listener(tmp_path, numbers={"SHARED_PATIENCE_S": 0.05}) as listener:
        held = SqliteStore(inbox)
        with held.transaction():
            assert post(listener.url, event) == 503
        held.close()
        assert post(listener.url, event) == 200
        assert listener.line()["state"] == "stored"
        code, out, err = listener.end()
    assert (code, out, err) == (0, "", "Webhook refused (503): The inbox cannot be used: database is locked.\n")


def test_a_full_disk_behind_the_lines_refuses_no_webhook(tmp_path: Path, inbox: Path) -> None:
    """What cannot be shown is stored and acknowledged; then it ends, and says why."""
    with Path("/dev/full").open("w") as full, Listener(tmp_path, stdout=full.fileno()) as listener:
        assert post(listener.url, client_created()) == 200
        code, _, err = listener.wait()
    assert code != 0
    assert "No space left on device" in err
    assert len(kept_in(inbox)) == 1


def test_the_sandbox_sends_and_the_command_finds(
    service: Sandbox, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole way: somebody is added, the webhook comes twice, the list of events and the link are found."""
    monkeypatch.chdir(tmp_path)
    with Listener(tmp_path) as listener:
        service.add_webhook(listener.url, secret=SECRET, duplicates=1)
        (campaign, *_) = json.loads(command("campaigns", "list", "--format", "json").out)
        words = ("--campaign", campaign["id"], "--email", "jörg@x.de", "--format", "jsonl")
        client = json.loads(command("clients", "add", *words).out)
        assert [listener.line()["state"] for _ in range(2)] == ["stored", "duplicate"]
        (found,) = json.loads(command("links", "find", "JÖRG@x.de", "--format", "json").out)
        assert (found["link"], found["client_id"]) == (client["link"], client["id"])
        assert command("webhooks", "list", "--format", "csv").out.count("client.created") == 1
        assert listener.end()[0] == 0


# --- what goes out ---


def test_what_is_stored_is_forwarded_as_it_was_signed_until_it_is_taken(tmp_path: Path, inbox: Path) -> None:
    """A target that fails, redirects and takes it: the same bytes and headers each time, which it can verify itself."""
    event = client_created(first_name=EVIL)
    with Target(503, 302) as target, Listener(tmp_path, "--forward-to", f"{target.url}?token=geheim") as listener:
        assert post(listener.url, event) == 200
        got = [target.next() for _ in range(3)]
        assert {each.body for each in got} == {event.body}
        assert {each.path for each in got} == {"/hook?token=geheim"}  # the redirect led nowhere
        seen = WebhookVerifier(SECRET).verify(got[2].body, got[2].headers)
        assert (seen.id, seen.headers and dict(seen.headers)) == (event.id, dict(event.headers))
        code, _, err = listener.end()
    assert code == 0
    assert err.splitlines() == [
        f"{event.id[:12]} client.created: retrying (answered {status})" for status in (503, 302)
    ]
    assert "geheim" not in listener.banner + err
    (kept,) = kept_in(inbox)
    assert (kept.state, kept.attempts) == ("done", 3)


def test_another_form_is_forwarded_as_what_was_signed(tmp_path: Path) -> None:
    """Where the sender signs compact JSON and sends it spaced, the target gets what was signed, and nothing else."""
    event = client_created(first_name="Jörg")
    spaced = json.dumps(json.loads(event.body), indent=1).encode()
    with Target() as target, Listener(tmp_path, "--forward-to", target.url) as listener:
        assert post(listener.url, event, body=spaced, signature=sign(spaced, SECRET, form="js")) == 200
        assert listener.line()["form"] == "js"
        got = target.next()
        assert WebhookVerifier(SECRET, forms=("raw",)).verify(got.body, got.headers).data.first_name == "Jörg"  # type: ignore[union-attr]  # a client.created
        assert got.body == event.body
        assert listener.end()[0] == 0


def test_what_is_never_taken_becomes_a_dead_letter_and_can_be_replayed(
    tmp_path: Path, inbox: Path, command: Command
) -> None:
    """After the last attempt; it is told, found by --dead, and goes out when somebody says so."""
    event = client_created()
    numbers = {"INBOX_MOST_ATTEMPTS": 2}
    with Target(500, 500) as target:
        with Listener(tmp_path, "--forward-to", target.url, numbers=numbers) as listener:
            assert post(listener.url, event) == 200
            said = ""
            while "dead letter" not in said:
                said = listener.said()
            assert event.id in said
            assert listener.end()[0] == 0
        row = json.loads(command("webhooks", "list", "--inbox", inbox, "--dead", "--format", "jsonl").out)
        assert (row["attempts"], row["error"]) == (2, "forward: answered 500")
        assert command("webhooks", "replay", "--dead", "--inbox", inbox).err == "1 event to be handled again.\n"
        target.rest()
        with Listener(tmp_path, "--forward-to", target.url) as listener:
            assert "Waiting from before: 1." in listener.banner
            assert target.next().body == event.body
            assert listener.end()[0] == 0
    assert [kept.state for kept in kept_in(inbox)] == ["done"]


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path, inbox: Path) -> None:
    """By kill -9, while the target has it and says nothing: the next `listen` forwards it when the lease has ended."""
    event = client_created()
    with Target(0) as target:
        with Listener(tmp_path, "--forward-to", target.url) as listener:
            assert post(listener.url, event) == 200
            assert target.next().body == event.body
            assert listener.end(signal.SIGKILL)[0] == -signal.SIGKILL
        assert is_inbox(inbox)
        with Listener(tmp_path, "--forward-to", target.url) as listener:
            assert target.next().body == event.body
            assert listener.end()[0] == 0
    assert [kept.state for kept in kept_in(inbox)] == ["done"]


def test_a_target_that_hangs_is_waited_for_as_long_as_the_user_likes(tmp_path: Path, inbox: Path) -> None:
    """The first Ctrl-C waits and says so, the second ends it at once; the event stays, and is sent again."""
    with Target(0) as target:
        numbers = {"WAITING_TOLD_S": 0.01}
        with Listener(tmp_path, "--forward-to", target.url, numbers=numbers) as listener:
            assert post(listener.url, client_created()) == 200
            target.next()
            listener.tell(signal.SIGINT)
            assert "once more ends it at once" in listener.said()
            code, _, err = listener.end(signal.SIGINT)
        assert (code, err) == (130, "Interrupted.\n")
    assert [kept.state for kept in kept_in(inbox)] == ["waiting"]


def test_two_on_one_inbox_forward_each_event_once(tmp_path: Path, inbox: Path) -> None:
    """Each takes what the other has stored; an event that is delivered to both is kept once."""
    events = [client_created(client_id=str(number)) for number in range(12)]
    numbers = {"INBOX_LEASE_S": 30.0}
    with (
        Target() as target,
        Listener(tmp_path, "--forward-to", target.url, numbers=numbers) as one,
        Listener(tmp_path, "--forward-to", target.url, numbers=numbers) as other,
    ):
        for number, event in enumerate(events):
            assert post((one, other)[number % 2].url, event) == 200
        assert [post(other.url, event) for event in events] == [200] * 12
        got = [target.next().body for _ in events]
        assert (one.end()[0], other.end()[0]) == (0, 0)
        assert target.rest() == []
    assert sorted(got) == sorted(event.body for event in events)
    assert {kept.state for kept in kept_in(inbox)} == {"done"}


# --- on a terminal ---


@pytest.mark.parametrize("columns", [38, 60, 80, 120])
def test_on_a_terminal_a_table_is_drawn_in_place(tmp_path: Path, columns: int) -> None:
    """No wider than it is; time, id and state whole, however long a name is; what it would do to the terminal is seen,
    not done. Those that have no room are left above, refusals too; Ctrl-C leaves the last table and the cursor.
    """
    words = ("webhooks", "listen", "--port", "0", "--secret-file", str(secret_file(tmp_path)))
    program = [sys.executable, "-m", "tests.cli.minute", json.dumps({"LISTEN_DRAW_S": 0.0}), *words]
    events = [
        client_created(email=EVIL),
        unknown_event("client." + "renamed_" * 40),
        client_created(email=f"{'x' * 300}@x.de", timestamp="2024-01-15T09:00:00Z"),
        evolve(
            last := client_created(client_id="4", timestamp="2024-01-15T09:00:00Z"),
            headers=(*last.headers[:2], (settings.EVENT_HEADER, "another")),
        ),
    ]
    with beside(program, columns, lines=6, typed=False, env={"PYTHONPATH": str(ROOT)}, cwd=tmp_path) as seat:
        drawn = seat.until("proxy)")
        url = drawn.partition("Listening on ")[2].partition(",")[0]
        assert post(url, events[0], signature=f"sha256={'0' * 64}") == 401
        for event in events:
            assert post(url, event) == 200
        drawn += seat.until(events[3].id[:12])
        seat.process.send_signal(signal.SIGINT)
        drawn += seat.rest()
    assert seat.process.returncode == 0
    assert "\x1b[31m" not in drawn
    assert "\x9b" not in drawn
    assert "\u202e" not in drawn
    assert drawn.rindex("\x1b[?25h") > drawn.rindex("\x1b[?25l")
    plain = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", drawn).replace("\r", "")
    assert f"{events[0].id[:12]}  client.created  Jörg \\x1b[31m" in plain  # left above, whole
    assert "Webhook refused (401): " in plain
    title, second, third, fourth = plain[plain.rindex("time ") :].splitlines()[:4]  # what was drawn last
    names = title.split()
    assert (names[:2], names[-1], len(names)) == (["time", "id"], "state", 7 if columns > 38 else 4)
    assert [line[10:24] for line in (second, third, fourth)] == [f"{event.id[:12]}  " for event in events[1:]]
    assert all(line.rstrip().endswith("  stored") for line in (second, third, fourth))
    assert max(map(len, (title, second, third, fourth))) <= columns


def test_a_table_elsewhere_is_lines(tmp_path: Path) -> None:
    """With --format table in a pipe: one line for each thing that happens, with nothing that a terminal obeys."""
    with Target(500) as target, Listener(tmp_path, "--format", "table", "--forward-to", target.url) as listener:
        assert post(listener.url, flow_created(campaign_name=EVIL)) == 200
        assert (target.next().body, target.next().body) != (b"", b"")
        _, out, _ = listener.end()
    states = [line.split("raw  ")[1] for line in out.splitlines()]
    assert states == ["stored", "retrying: answered 500", "forwarded"]
    assert "\x1b" not in out


# --- what cannot be ---


def test_a_port_in_use_is_one_line(tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit 2, what to do, and nothing was forwarded by then."""
    monkeypatch.chdir(tmp_path)
    inbox_of(tmp_path / settings.INBOX_FILE, client_created())
    with socket.create_server(("127.0.0.1", 0)) as taken, Target() as target:
        port = taken.getsockname()[1]
        words = ("--port", port, "--secret-file", secret_file(tmp_path), "--forward-to", target.url)
        said = command("webhooks", "listen", *words)
        assert target.rest() == []
    assert (said.code, said.out) == (2, "")
    assert said.err == (
        f"Error: Cannot listen on 127.0.0.1:{port}: Address already in use; choose another by --host, --port.\n"
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--inbox", "/nowhere/at/all.db"), "Cannot write /nowhere/at/all.db"),
        (("--inbox", "list.csv"), "file is not a database"),
        (("--host", "not a host"), "Cannot listen on not a host:0"),
        (("--secret-file", "none"), "Cannot read the secret file none"),
        (("--secret-file", "empty"), "The secret file is empty"),
        (("--forward-to", "ftp://x.de"), "begins with http:// or https://"),
        (("--forward-to", "http:///x"), "begins with http:// or https://"),
        (("--forward-to", "http://x.de:99999"), "begins with http:// or https://"),
        (("--forward-to", "http://a b/"), "begins with http:// or https://"),
        (("--forward-to", "http://x.de:0/"), "begins with http:// or https://"),
        (("--forward-to", "https://me:geheim@x.de"), "takes no user and no password"),
    ],
)
def test_what_cannot_be_used_is_one_line(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], said: str
) -> None:
    """Exit 2, before anything is received."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ONBOARD360_WEBHOOK_SECRET", SECRET)
    (tmp_path / "list.csv").write_text("email\n" * 200)
    (tmp_path / "empty").write_text("\n \n")
    heard = command("webhooks", "listen", "--port", "0", *arguments)
    assert (heard.code, heard.out, heard.err.count("\n")) == (2, "", 1)
    assert said in heard.err
    assert "geheim" not in heard.err


@pytest.mark.parametrize("path", ["hooks", "", "/hooks/{id}", "/hooks?x=1"])
def test_a_path_must_be_one(command: Command, path: str) -> None:
    """Else nothing could ever come there."""
    said = command("webhooks", "listen", "--path", path)
    assert (said.code, "it begins with /" in said.err) == (2, True)


@pytest.mark.parametrize(
    ("host", "target", "is_refused"),
    [
        ("127.0.0.1", "http://localhost:18361/any", True),
        ("127.0.0.1", "https://[::1]:18361", True),
        ("0.0.0.0", "http://127.0.0.1:18361/", True),
        ("::1", "http://LOCALHOST:18361/", True),
        ("hooks.lan", "http://Hooks.lan:18361/", True),
        ("hooks.lan", "http://127.0.0.1:18361/", False),
        ("127.0.0.1", "http://localhost:18362/", False),
        ("0.0.0.0", "http://example.com:18361/", False),
    ],
)
def test_nothing_is_forwarded_to_where_it_came_from(
    command: Command, monkeypatch: pytest.MonkeyPatch, host: str, target: str, is_refused: bool
) -> None:
    """It would come back as a duplicate, and be taken for forwarded: exit 2, before anything is received."""
    monkeypatch.setenv("ONBOARD360_WEBHOOK_SECRET", SECRET)
    started: list[object] = []

    async def listen(*_: object) -> int:
        started.append(1)
        return 0

    monkeypatch.setattr(listening, "listen", listen)
    said = command("webhooks", "listen", "--host", host, "--port", 18361, "--forward-to", target)
    assert (said.code, "that is where events are listened for" in said.err) == ((2, True) if is_refused else (0, False))
    assert bool(started) is not is_refused


def test_a_host_must_be_said(command: Command) -> None:
    """An empty one would be every address of the machine."""
    said = command("webhooks", "listen", "--host", "")
    assert (said.code, "it is empty" in said.err) == (2, True)
