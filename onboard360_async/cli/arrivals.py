"""Webhooks as they come: a table that is drawn in place on a terminal, JSON lines or plain lines elsewhere.

Knows no server and no inbox; it is told what came and what became of it.
"""

import asyncio
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Any, Final

import click
from rich.cells import cell_len
from rich.live import Live
from rich.text import Text

from onboard360_async import settings
from onboard360_async.cli.screen import json_for, on_screen, short
from onboard360_async.cli.show import Rows, row_of, to_the_second
from onboard360_async.cli.table import ECHO, GAP, console_on, drawn_table, shared_out
from onboard360_async.webhooks import Event

__all__ = ["Arrivals", "arrivals", "flat", "record_of", "record_text", "short_id", "text_of"]

_COLUMNS: Final = ("time", "id", "event", "email", "campaign", "form", "state")
_WHOLE: Final = ("time", "id", "state")  # what never gives way on a narrow terminal: an id is to be typed again
_LEAST: Final = 4  # columns of a terminal, for what does; where there are not so many, it is left out
_RECORD: Final = ("id", "event", "received_at", "timestamp", "form", "flags", "state", "data")  # as `record_of` has it
_UNSHOWN: Final = (RecursionError, TypeError, ValueError)  # of data nested too deeply, or numbers of 5,000 digits
_FRAME: Final = 3  # lines of a terminal that are left to the header and the prompt


def short_id(id_: str) -> str:
    """The beginning of an event's id, enough to name it by."""
    return id_[: settings.EVENT_ID_CHARS]


def record_of(event: Event, **more: object) -> dict[str, Any]:
    """An event for a program: all that is known of it but the bytes and the headers."""
    return {
        "id": event.id,
        "event": event.name,
        "received_at": to_the_second(event.received_at),
        "timestamp": to_the_second(event.timestamp),
        "form": event.form,
        "flags": sorted(event.flags),
        **more,
        "data": row_of(event.data),
    }


def record_text(record: dict[str, Any], indent: int | None = None) -> str:
    """It as JSON for stdout; without its data, if they cannot be written."""
    try:
        return json_for(sys.stdout, record, indent)
    except _UNSHOWN:
        return json_for(sys.stdout, record | {"data": None}, indent)


def flat(record: dict[str, Any]) -> dict[str, Any]:
    """It for a row of CSV: each thing as one text."""
    return record | {"flags": " ".join(record["flags"]), "data": text_of(record["data"])}


def text_of(value: object) -> str:
    """A value of the data as text; JSON, if it is none."""
    try:
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    except _UNSHOWN:
        return "…"


def _cells(event: Event, state: str) -> list[str]:
    data = row_of(event.data)
    cells = (
        f"{event.received_at.astimezone():%H:%M:%S}",
        short_id(event.id),
        event.name,
        data.get("email"),
        data.get("campaign_name") or data.get("campaign_id"),
        " ".join((event.form, *sorted(event.flags))),
        state,
    )
    return [on_screen(short(text_of(cell or ""))) for cell in cells]


def _widths(rows: Iterable[Sequence[str]], room: int) -> dict[str, int]:
    """How wide each column is drawn: some whole, the others as they need while there is room, then equally."""
    needed = {name: max(map(cell_len, column)) for name, *column in zip(_COLUMNS, *rows, strict=True) if column}
    widths = {name: max(needed.get(name, 0), len(name)) for name in _COLUMNS}
    room -= sum(widths[name] for name in _WHOLE) + GAP * (len(_WHOLE) - 1)
    shortened = [name for name in _COLUMNS if name not in _WHOLE][: max(0, room // (_LEAST + GAP))]
    chosen = {name: widths[name] for name in _WHOLE}
    chosen |= shared_out({name: widths[name] for name in shortened}, room - GAP * len(shortened))
    return {name: chosen[name] for name in _COLUMNS if name in chosen}


class Arrivals:
    """Shows events as JSON lines: one object for each delivery, at once. What is said beside that goes to stderr."""

    def arrived(self, event: Event, state: str) -> None:
        """A webhook came, and is stored, or was there before."""
        sys.stdout.write(record_text(record_of(event, state=state)) + "\n")
        sys.stdout.flush()

    def settled(self, event: Event, state: str, why: str) -> None:
        """A stored event was forwarded, or is to be tried again, or was given up."""
        if why:
            self.tell(f"{short_id(event.id)} {event.name}: {state} ({why})")

    def tell(self, line: str) -> None:
        """Something beside the events."""
        click.echo(on_screen(line), err=True)


class _Listed(Arrivals):
    """... as one JSON array, or as CSV."""

    def __init__(self, rows: Rows, *, is_flat: bool) -> None:
        self._rows, self._is_flat = rows, is_flat

    def arrived(self, event: Event, state: str) -> None:
        record = record_of(event, state=state)
        try:
            self._rows.write([flat(record) if self._is_flat else record])
        except _UNSHOWN:
            self._rows.write([record | {"data": None}])
        sys.stdout.flush()


class _Lines(Arrivals):
    """... as lines of text, for a terminal that cannot be drawn on, or a log."""

    def arrived(self, event: Event, state: str) -> None:
        click.echo("  ".join(filter(None, _cells(event, state))))

    def settled(self, event: Event, state: str, why: str) -> None:
        self.arrived(event, f"{state}: {why}" if why else state)


class _Drawn(Arrivals):
    """... as a table of the last ones, drawn some times a second at most. Those before are left above it as lines."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._rows: dict[str, list[str]] = {}
        self._above: list[str] = []  # lines that are to be left above the table with the next drawing
        self._again = count(1)
        self._is_due = False
        self._why = ""

    def arrived(self, event: Event, state: str) -> None:
        is_new = event.id not in self._rows
        self._show(event.id if is_new else f"{event.id} {next(self._again)}", _cells(event, state))

    def settled(self, event: Event, state: str, why: str) -> None:
        self._show(event.id, _cells(event, state))
        if why and why != self._why:
            self.tell(f"{short_id(event.id)} {state}: {why}")  # once, not for each of a hundred
        self._why = why

    def tell(self, line: str) -> None:
        # Before 15, what Rich puts in the place of stderr calls itself no terminal, whatever it stands for.
        if getattr(sys.stderr, "rich_proxied_file", sys.stderr).isatty():
            self._above.append(on_screen(line))  # else the next frame would be drawn over it
            self._draw_soon()
        else:
            super().tell(line)

    def _show(self, key: str, cells: list[str]) -> None:
        self._rows[key] = cells
        while len(self._rows) > max(1, min(settings.LISTEN_SHOWN, self._live.console.height - _FRAME)):
            oldest = next(iter(self._rows))
            self._above.append("  ".join(filter(None, self._rows.pop(oldest))))
        self._draw_soon()

    def _draw_soon(self) -> None:
        """A sender waits for its answer meanwhile, so nothing is drawn for each event."""
        if not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_later(settings.LISTEN_DRAW_S, self.draw)

    def draw(self) -> None:
        """Draw what has come since."""
        self._is_due = False
        if self._above:
            self._live.console.print(Text("\n".join(self._above)), soft_wrap=True)
            self._above.clear()
        table = drawn_table()
        widths = _widths(self._rows.values(), self._live.console.width - ECHO)
        for name, width in widths.items():
            table.add_column(name, no_wrap=True, overflow="ellipsis", width=width)
        for cells in self._rows.values():
            shown = (cell for name, cell in zip(_COLUMNS, cells, strict=True) if name in widths)
            table.add_row(*(Text(cell, no_wrap=True, overflow="ellipsis") for cell in shown))
        self._live.update(table, refresh=True)


@contextmanager
def arrivals(form: str | None) -> Iterator[Arrivals]:
    """How events are shown: as `form` says, else a table on a terminal and JSON lines elsewhere."""
    chosen = form or ("table" if sys.stdout.isatty() else "jsonl")
    if chosen == "jsonl":
        yield Arrivals()
        return
    if chosen != "table":
        rows = Rows(chosen, _RECORD, sys.stdout)
        yield _Listed(rows, is_flat=chosen == "csv")
        rows.close()
        return
    console = console_on()
    if not sys.stdout.isatty() or console.is_dumb_terminal:
        yield _Lines()
        return
    with Live(console=console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False) as live:
        drawn = _Drawn(live)
        try:
            yield drawn
        finally:
            drawn.draw()
