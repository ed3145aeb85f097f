"""`onboard360 webhooks`: received on this machine, looked at, signed, explained, and handed on again."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import click

from onboard360_async import settings
from onboard360_async.cli.arrivals import flat, record_of, record_text, short_id, text_of
from onboard360_async.cli.exits import Exit
from onboard360_async.cli.flags import output_flags
from onboard360_async.cli.forwarding import address, is_own
from onboard360_async.cli.replaying import chosen, deliver, fates, kept_row, mark, rehearse
from onboard360_async.cli.screen import on_screen
from onboard360_async.cli.shelf import remember_inbox
from onboard360_async.cli.show import FORMATS, show, written_to
from onboard360_async.cli.signals import run
from onboard360_async.cli.table import entry
from onboard360_async.cli.webhook_flags import (
    BODY,
    DEAD,
    INBOX,
    SECRET_FILE,
    SIGNATURE,
    SINCE,
    opened,
    read_body,
    secrets_of,
    told,
    verifier,
)
from onboard360_async.errors import WebhookError
from onboard360_async.webhooks import sign
from onboard360_async.webhooks.canonical import FORMS
from onboard360_async.webhooks.store import Kept, pages

__all__ = ["webhooks"]

_LISTED: Final = ("received_at", "event", "email", "campaign_id", "state", "attempts", "error", "id")
_SPARE: Final = ("campaign_id", "attempts", "error", "email")
_NAME: Final = 15  # columns for the name of one thing that an event says
_FORWARD_TO: Final = "Where to; http or https. The bytes are those that were signed, with the headers that came."


@click.group()
def webhooks() -> None:
    """Webhooks: listen, list, verify, sign, diagnose, replay."""


@webhooks.command("listen")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=settings.LISTEN_PORT,
    show_default=True,
    metavar="PORT",
    help="The port; 0: a free one.",
)
@click.option("--path", metavar="PATH", help="Take webhooks on this path alone; else on any.")
@SECRET_FILE
@INBOX
@click.option("--forward-to", metavar="URL", help=_FORWARD_TO)
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    help="How to show events.  [default: table on a terminal, jsonl elsewhere]",
)
def listen_here(
    host: str,
    port: int,
    path: str | None,
    secret_file: Path | None,
    inbox: Path,
    forward_to: str | None,
    form: str | None,
) -> int:
    """Receive webhooks on this machine, until Ctrl-C.

    Each is verified, stored in the inbox, and only then acknowledged. JSON, JSON lines and CSV have a row for each
    delivery; its `state` is stored, or duplicate if it had come before.

    With --forward-to every stored event is sent on, those of an earlier run too, in the order in which they came for
    each client. What is not answered 2xx is sent again after a growing time, and is a dead letter at last. The target
    can verify what it gets with the same secret: it gets the bytes that were signed. Where the sender had signed
    another form of the body than it sent, they are that form, never what nobody signed. Without --forward-to events
    wait in the inbox for a program that handles them.
    """
    from onboard360_async.cli.listening import Wanted, listen  # a server, which no other command needs to wait for

    if path is not None and (not path.startswith("/") or set(path) & set("{}?#")):
        raise click.BadParameter("it begins with /, and has no braces, ? or #", param_hint="--path")
    if not host:
        raise click.BadParameter("it is empty", param_hint="--host")
    target = None if forward_to is None else address(forward_to)
    if target is not None and is_own(target, host, port):
        raise click.BadParameter(
            "that is where events are listened for; say another address", param_hint="--forward-to"
        )
    wanted = Wanted(host=host, port=port, path=path, inbox=inbox.absolute(), forward_to=target, form=form)
    return run(listen(verifier(secret_file), wanted, lambda: remember_inbox(inbox)))


@webhooks.command("list")
@INBOX
@SINCE
@DEAD
@output_flags
def list_events(inbox: Path, since: datetime | None, dead: bool, form: str, output: Path | None) -> None:
    """The events of an inbox, in the order in which they came."""
    asked: dict[str, Any] = {
        "since": None if since is None else since.timestamp(),
        "state": "dead" if dead else None,
    }
    with (
        opened(inbox) as store,
        show(form, _LISTED, output, spare=_SPARE, prose=("error",), nothing="No event.") as rows,
    ):
        for page in pages(store, **asked):
            rows.write(_listed(kept, form) for kept in page)


def _listed(kept: Kept, form: str) -> dict[str, object]:
    """A table has the beginning of an id, as `listen` has: that is enough to name it by."""
    row = kept_row(kept)
    return row | {"id": short_id(kept.id)} if form == "table" else row


@webhooks.command("verify")
@BODY
@SIGNATURE
@SECRET_FILE
@output_flags
def verify_body(file: Path, signature: str, secret_file: Path | None, form: str, output: Path | None) -> int:
    """Tell whether a body is genuine, and what it says. FILE holds the bytes as they came. Exit code 1 if it is not."""
    body = read_body(file, secret_file, settings.WEBHOOK_MAX_BODY_BYTES + 1)  # enough to see that it is too large
    try:
        event = verifier(secret_file).verify(body, [(settings.SIGNATURE_HEADER, signature)])
    except WebhookError as error:
        click.echo(f"Refused: {on_screen(error.reason)}", err=True)
        click.echo("To see why: the same with `onboard360 webhooks diagnose` instead of `verify`.", err=True)
        return Exit.ERROR
    record = record_of(event)
    if form == "csv":
        with show(form, tuple(record), output) as rows:
            rows.write([flat(record)])
        return Exit.DONE
    with written_to(output) as out:
        if form == "table":
            out.writelines(f"{on_screen(line)}\n" for line in _facts(record))
        else:
            out.write(record_text(record, indent=1 if form == "json" else None) + "\n")
    return Exit.DONE


def _facts(record: dict[str, Any]) -> Iterator[str]:
    """The event's own facts, and below them what it says, which may have the same names."""
    data = record.pop("data")
    record["flags"] = ", ".join(record["flags"]) or "none"
    yield from _named(record, "")
    yield "data:"
    yield from _named(data, "  ")


def _named(facts: dict[str, Any], indent: str) -> Iterator[str]:
    for name, value in facts.items():
        if value is not None:
            yield indent + entry(name, text_of(value), _NAME)


@webhooks.command("sign")
@BODY
@SECRET_FILE
@click.option(
    "--form",
    "signed",
    type=click.Choice(tuple(FORMS)),
    default="raw",
    show_default=True,
    help="What of it is signed: the bytes as they are, or the JSON as JavaScript or Python writes it.",
)
@output_flags
def sign_body(file: Path, secret_file: Path | None, signed: Any, form: str, output: Path | None) -> None:
    """Print the signature of a body, as the header says it. Of several secrets the first is taken."""
    body = read_body(file, secret_file)
    secret = secrets_of(secret_file)[0]
    with told():
        value = sign(body, secret, signed)
    if form == "table":
        with written_to(output) as out:
            out.write(f"{value}\n")
        return
    with show(form, ("signature", "form"), output) as rows:
        rows.write([{"signature": value, "form": signed}])


@webhooks.command("diagnose", short_help="Tell why a body is refused.")
@BODY
@SIGNATURE
@SECRET_FILE
@output_flags
def diagnose_body(file: Path, signature: str, secret_file: Path | None, form: str, output: Path | None) -> int:
    """Tell why a body is refused: which secret, form or change on the way would explain it. Exit code 1 if it is."""
    from onboard360_async.webhooks.diagnosis import diagnose

    found = diagnose(read_body(file, secret_file), signature, secrets_of(secret_file))
    if form == "table":
        with written_to(output) as out:
            out.writelines(f"{on_screen(line)}\n" for line in found.findings)
    else:
        with show(form, ("finding",), output) as rows:
            rows.write({"finding": line} for line in found.findings)
    return Exit.DONE if found.ok else Exit.ERROR


@webhooks.command("replay", short_help="Have events handled again, or send them on.")
@click.argument("ids", nargs=-1, metavar="[ID]...")
@SINCE
@DEAD
@INBOX
@click.option("--forward-to", metavar="URL", help=f"Send them there now. {_FORWARD_TO}")
@click.option("--dry-run", is_flag=True, help="Show which events those are; send nothing, change nothing.")
@output_flags
def replay_events(
    ids: tuple[str, ...],
    since: datetime | None,
    dead: bool,
    inbox: Path,
    forward_to: str | None,
    dry_run: bool,
    form: str,
    output: Path | None,
) -> int:
    """Have events handled again: those of these ids, those received --since, the --dead ones; all of it must apply.

    An ID may be cut, as `listen` shows it. The events wait in the inbox again, for the program that handles what is in
    it or for `listen --forward-to`; those that wait anyway are left as they are. With --forward-to they are sent there
    now instead, one after another in the order in which they came, and nothing in the inbox changes: exit code 5 if
    some were not taken.
    """
    if not ids and since is None and not dead:
        raise click.UsageError("Say which events: their ids, --since WHEN, or --dead.")
    target = None if forward_to is None else address(forward_to)
    with opened(inbox) as store, fates(form, output) as tell:
        events = chosen(store, ids, since, dead=dead)
        if dry_run:
            return rehearse(events, tell, is_sent=target is not None)
        if target is None:
            is_told = form != "table" or output is not None  # else their number is enough
            return mark(store, events, tell if is_told else lambda *_: None)
        return run(deliver(events, target, tell))
