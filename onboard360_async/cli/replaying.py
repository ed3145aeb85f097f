"""Stored events, chosen and handed on once more: to the inbox's own worker, or to an address at once.

Knows no flag. What is handed on to an address leaves the inbox as it is.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click
from yarl import URL

from onboard360_async.cli.arrivals import short_id, text_of
from onboard360_async.cli.exits import Exit
from onboard360_async.cli.forwarding import Forward, forward_session
from onboard360_async.cli.screen import on_screen
from onboard360_async.cli.show import row_of, show, to_the_second, written_to
from onboard360_async.doctor.findings import so_many
from onboard360_async.errors import ConfigurationError, WebhookError
from onboard360_async.webhooks.sqlite_store import SqliteStore
from onboard360_async.webhooks.store import Kept, pages

__all__ = ["Tell", "chosen", "deliver", "fates", "kept_row", "mark", "rehearse"]

Tell = Callable[[Kept, str], None]  # an event, and what became of it
_FATE: Final = ("id", "received_at", "event", "email", "campaign_id", "fate")
_WAITS: Final = "waits already"


def kept_row(kept: Kept) -> dict[str, object]:
    """A stored event, in one row."""
    data = row_of(kept.event().data)
    return {
        "received_at": to_the_second(datetime.fromtimestamp(kept.received_at, UTC)),
        "event": kept.name,
        "email": _text(data.get("email")),
        "campaign_id": _text(data.get("campaign_id")),
        "state": kept.state,
        "attempts": kept.attempts,
        "error": kept.error,
        "id": kept.id,
    }


def _text(value: object) -> str | None:
    return None if value is None else text_of(value)


def chosen(store: SqliteStore, ids: Sequence[str], since: datetime | None, *, dead: bool) -> Iterator[list[Kept]]:
    """The events to which all of this applies, in the order in which they came, some at a time.

    ConfigurationError, at once, if an id is nobody's or could be several's. What was named and is left out is told.
    """
    named = [_whole(store, each) for each in ids]
    after = None if since is None else since.timestamp()
    for kept in (each for page in pages(store, ids=named) for each in page) if named else ():
        if dead and kept.state != "dead":
            click.echo(f"{short_id(kept.id)} is left out: it is {kept.state}, not dead.", err=True)
        elif after is not None and kept.received_at < after:
            click.echo(f"{short_id(kept.id)} is left out: it was received before.", err=True)
    return pages(store, ids=named, since=after, state="dead" if dead else None)


def _whole(store: SqliteStore, beginning: str) -> str:
    with store.transaction():
        found = store.ids_like(beginning) if beginning else []
    if len(found) > 1:
        raise ConfigurationError(f"Several events have an id that begins with {beginning}; say more of it.")
    if not found:
        raise ConfigurationError(f"No event in this inbox has the id {beginning!r}.")
    return found[0]


@contextmanager
def fates(form: str, output: Path | None) -> Iterator[Tell]:
    """What is told of each event: a line, or a row for a program."""
    if form == "table":
        with written_to(output) as out:

            def say(kept: Kept, fate: str) -> None:
                out.write(f"{_line(kept, fate)}\n")
                out.flush()

            yield say
        return
    with show(form, _FATE, output) as rows:
        yield lambda kept, fate: rows.write([kept_row(kept) | {"fate": fate}])


def mark(store: SqliteStore, events: Iterator[list[Kept]], tell: Tell) -> int:
    """Let them wait again for whoever handles this inbox."""
    again = met = 0
    for page in events:
        met += len(page)
        with store.transaction():
            again += store.replay(now=time.time(), ids=[kept.id for kept in page])
        for kept in page:
            tell(kept, _WAITS if kept.state == "waiting" else "to be handled again")
    waits = f"; {so_many(met - again, 'event')} waiting already" if met > again else ""
    click.echo(f"{so_many(again, 'event')} to be handled again{waits}.", err=True)
    return Exit.DONE


def rehearse(events: Iterator[list[Kept]], tell: Tell, *, is_sent: bool) -> int:
    """Tell of each what would become of it: nothing is sent, and nothing changes."""
    count = waiting = 0
    fate = "would be sent" if is_sent else "would be handled again"
    for kept in (each for page in events for each in page):
        waits = kept.state == "waiting" and not is_sent
        waiting += waits
        count += not waits
        tell(kept, _WAITS if waits else fate)
    but = f"; {so_many(waiting, 'event')} waiting already" if waiting else ""
    click.echo(f"{so_many(count, 'event')} {fate}{but}. Nothing was done.", err=True)
    return Exit.DONE


def _line(kept: Kept, fate: str) -> str:
    at = to_the_second(datetime.fromtimestamp(kept.received_at, UTC))
    return on_screen(f"{short_id(kept.id)}  {at}  {kept.name}  {fate}")


async def deliver(events: Iterator[list[Kept]], target: URL, tell: Tell) -> int:
    """Send them one after another, and tell of each whether it was taken."""
    taken = refused = 0
    async with forward_session() as session:
        forward = Forward(target, session)
        for page in events:
            for kept in page:
                try:
                    await forward.send(kept.event())
                except WebhookError as error:
                    refused += 1
                    fate = f"not taken: {error}"
                else:
                    taken += 1
                    fate = "taken"
                tell(kept, fate)
    click.echo(f"{so_many(taken, 'event')} taken{f', {refused:,} not' if refused else ''}.", err=True)
    return Exit.REJECTED if refused else Exit.DONE
