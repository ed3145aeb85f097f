"""`onboard360 budget`: how the budget of this key stands, once or again and again.

It asks the store and nobody else: nothing is sent to the service, and no slot is taken.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import click
from attrs import fields
from rich.live import Live
from rich.table import Table

from onboard360_async import settings
from onboard360_async.budget import BudgetState
from onboard360_async.cli.exits import Exit
from onboard360_async.cli.flags import Access, access_flags, output_flags
from onboard360_async.cli.show import show
from onboard360_async.cli.signals import on_signals, run
from onboard360_async.cli.stores import without_password
from onboard360_async.cli.table import console_on, drawn_table
from onboard360_async.errors import ConfigurationError

__all__ = ["budget"]

_COLUMNS: Final = (*(field.name for field in fields(BudgetState)), "store")
_FACTS: Final = ("budget", "now")


@click.command()
@click.option("--watch", is_flag=True, help="Look again every second, until Ctrl-C.")
@access_flags
@output_flags
def budget(access: Access, watch: bool, form: str, output: Path | None) -> int:
    """How the budget of this key stands: what is used, what is left, and who has requests under way.

    Sends nothing to the service and takes nothing of the budget. The budget is kept by key and base URL, so both must
    be those of the commands that it is about.
    """
    store = access.store()
    if store == "memory":
        raise ConfigurationError(
            "A budget in memory lives in one process only, so there is none to look at from here:"
            " use --budget file or --budget redis://... for this command and for the others."
        )
    return run(_look(access, without_password(store), watch=watch, form=form, output=output))


async def _look(access: Access, store: str, *, watch: bool, form: str, output: Path | None) -> int:
    async with access.open() as api:
        if watch:
            return await _watch(api.budget.refresh, store, form, output)
        state = await api.budget.refresh()
    if form == "table":
        with show(form, _FACTS, output, prose=("now",)) as rows:
            rows.write(dict(zip(_FACTS, fact, strict=True)) for fact in _facts(state, store))
    else:
        with show(form, _COLUMNS, output) as rows:
            rows.write([_record(state, store, form)])
    return Exit.DONE


# --- again and again ---


async def _watch(look: Callable[[], Awaitable[BudgetState]], store: str, form: str, output: Path | None) -> int:
    """Look until Ctrl-C or SIGTERM; what was begun (a JSON array, a file) is ended then."""
    heard: list[int] = []
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - it runs in one

    def stop(number: int) -> None:
        if not heard:
            task.cancel()
        heard.append(number)

    with on_signals(stop), _drawn(store, form, output) as draw:
        try:
            while True:
                draw(await look())
                await _until_next_look()
        except asyncio.CancelledError:
            if not heard:
                raise
            task.uncancel()
    return 128 + heard[0]


async def _until_next_look() -> None:
    await asyncio.sleep(settings.WATCH_EVERY_S)


@contextmanager
def _drawn(store: str, form: str, output: Path | None) -> Iterator[Callable[[BudgetState], None]]:
    """What shows a state: in place on a terminal, a line or a record for each elsewhere."""
    console = console_on()
    if form != "table" or output is not None:
        with show(form, _COLUMNS, output) as rows:

            def write(state: BudgetState) -> None:
                rows.write([_record(state, store, form)])
                if output is None:
                    sys.stdout.flush()

            yield write
    elif sys.stdout.isatty() and not console.is_dumb_terminal:
        with Live(console=console, auto_refresh=False) as live:
            yield lambda state: live.update(_table(state, store), refresh=True)
    else:
        yield lambda state: click.echo(_line(state))


# --- how a state is said ---


def _record(state: BudgetState, store: str, form: str) -> dict[str, object]:
    """The state by its fields' names; who holds what is one text where there is no room for more."""
    record: dict[str, object] = {name: getattr(state, name) for name in _COLUMNS if name != "store"}
    record |= {name: round(value, 3) for name, value in record.items() if isinstance(value, float)}
    nested = form in ("json", "jsonl")
    return record | {"held_by": dict(state.held_by) if nested else "; ".join(_holders(state)), "store": store}


def _facts(state: BudgetState, store: str) -> list[tuple[str, str]]:
    lowered = ", lowered by 429s or by the server's own headers" if _is_lowered(state) else ""
    return [
        ("limit", f"{state.limit} requests a minute"),
        ("effective limit", f"{state.effective_limit}{lowered}"),
        ("used", str(state.used)),
        ("available", str(state.available)),
        ("in flight", str(state.in_flight)),
        ("held by", "\n".join(_holders(state)) or "nobody"),
        ("next free in", _seconds(state.next_free_s) or "0 s"),
        ("paused for", _seconds(state.paused_s) or "not paused"),
        ("store", store),
    ]


def _table(state: BudgetState, store: str) -> Table:
    table = drawn_table(_FACTS)
    for fact in _facts(state, store):
        table.add_row(*fact)
    return table


def _line(state: BudgetState) -> str:
    parts = [
        f"{state.used} of {state.limit} used",
        f"{state.available} available",
        f"effective limit {state.effective_limit}" if _is_lowered(state) else "",
        f"{state.in_flight} in flight" + (f" ({'; '.join(_holders(state))})" if state.held_by else ""),
        f"next free in {_seconds(state.next_free_s)}" if state.next_free_s else "",
        f"paused for {_seconds(state.paused_s)}" if state.paused_s else "",
    ]
    return ", ".join(filter(None, parts))


def _is_lowered(state: BudgetState) -> bool:
    return state.effective_limit < state.limit


def _holders(state: BudgetState) -> list[str]:
    return [f"{name} {number}" for name, number in state.held_by.items()]


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds else ""
