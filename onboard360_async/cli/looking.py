"""Imports as they stand, on the screen or for a program. Looks into journals, and changes nothing."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import click
from attrs import asdict

from onboard360_async.cli.screen import json_for, on_screen
from onboard360_async.cli.show import show, to_the_second, written_to
from onboard360_async.cli.telling import summary_lines
from onboard360_async.errors import ConfigurationError, ImportLockedError
from onboard360_async.importer.outcomes import Summary
from onboard360_async.importer.upkeep.books import open_books
from onboard360_async.importer.upkeep.glance import Glance, glance_at

__all__ = ["list_books", "show_books"]

_COUNTS: Final = tuple(Summary.__annotations__)
_COLUMNS: Final = ("journal", "state", *_COUNTS, "last_run")
_TABLE: Final = ("state", "rows", "done", "to do", "unresolved", "last run", "journal")
_SPARE: Final = ("last run", "done", "unresolved")


def list_books(paths: Sequence[Path], form: str, output: Path | None) -> None:
    """One row for each journal; what cannot be looked into is named on stderr, too."""
    columns = _TABLE if form == "table" else _COLUMNS
    with show(form, columns, output, spare=_SPARE, nothing="No import.") as rows:
        rows.write(_line(record) if form == "table" else record for record in map(_record, paths))


def _record(path: Path) -> dict[str, object]:
    record: dict[str, object] = {"journal": str(path), **dict.fromkeys((*_COUNTS, "last_run"))}
    try:
        with open_books(path) as journal:
            glance = glance_at(journal)
    except ImportLockedError:
        return record | {"state": "held by a run"}
    except ConfigurationError as error:
        click.echo(on_screen(f"{path}: {error}"), err=True)
        return record | {"state": "unreadable"}
    return record | _counted(glance)


def _counted(glance: Glance) -> dict[str, object]:
    runs = [run.ended_at or run.began_at for run in glance.runs]
    last = {"last_run": to_the_second(runs[-1]) if runs else None}
    return {"state": str(glance.stand)} | asdict(glance.summary) | last


def _line(record: dict[str, object]) -> dict[str, object]:
    def total(*names: str) -> int | None:
        numbers = [number for name in names if isinstance(number := record[name], int)]
        return sum(numbers) if numbers else None

    return record | {
        "done": total("created", "adopted", "skipped_existing", "skipped_duplicate"),
        "to do": total("planned", "ambiguous"),
        "last run": str(record["last_run"] or "").partition("T")[0],
    }


def show_books(glance: Glance, form: str, output: Path | None) -> None:
    """All of one import, but what to do next; as JSON for a program, as CSV one row as in a list of imports."""
    if form == "csv":
        with show(form, _COLUMNS, output) as rows:
            rows.write([{"journal": str(glance.journal), **_counted(glance)}])
        return
    with written_to(output) as out:
        if form == "table":
            out.writelines(f"{on_screen(line)}\n" for line in _lines(glance))
        else:
            out.write(json_for(out, _whole(glance), indent=1 if form == "json" else None) + "\n")


def _lines(glance: Glance) -> Iterator[str]:
    yield f"{glance.journal}: {glance.stand}"
    if glance.source is not None:
        yield f"List: {glance.source}"
    for campaign_id in glance.campaigns:
        yield f"Campaign: {campaign_id}"
    for run in glance.runs:
        yield f"Run: {to_the_second(run.began_at)} to {to_the_second(run.ended_at)}, {run.ending}"
    yield from summary_lines(glance.summary, glance.audit)


def _whole(glance: Glance) -> dict[str, object]:
    return {
        "journal": str(glance.journal),
        "state": str(glance.stand),
        "source": glance.source,
        "campaigns": list(glance.campaigns),
        "summary": asdict(glance.summary),
        "runs": [
            {"began_at": to_the_second(run.began_at), "ended_at": to_the_second(run.ended_at), "ending": run.ending}
            for run in glance.runs
        ],
        "audit": None if glance.audit is None else asdict(glance.audit),
        "unresolved": [
            {"line": row.line, "email": row.email, "reason": row.reason, "created": row.created}
            for row in glance.unresolved
        ],
    }
