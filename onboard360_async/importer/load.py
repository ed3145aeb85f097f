"""A list on its way in: read, checked and spooled into the journal, whole or not at all. Knows nothing of sending."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Final

from attrs import asdict, frozen

from onboard360_async.errors import ConfigurationError, ValidationError
from onboard360_async.importer.journal import Journal
from onboard360_async.importer.rows import FIELDS, Problem, Row, check_row
from onboard360_async.importer.source import ListFile, Rows, open_list, rows_of
from onboard360_async.importer.spool import Spool

__all__ = ["Campaigns", "FindCampaign", "Reading", "load_list"]

FindCampaign = Callable[[str], Awaitable[str]]  # an id or a name; the id. ValidationError, with candidates, if none
_PAUSE_EVERY: Final = 500  # rows checked between two turns of the loop
_SHOWN: Final = 20  # warnings of one kind


@frozen
class Reading:
    """How a file is to be read, where it does not say so itself; see `open_list`."""

    mapping: Mapping[str, str] | None = None
    encoding: str | None = None
    delimiter: str | None = None
    form: str | None = None


class Campaigns:
    """The campaign of each row: the one that was named for all, or what stands in the row, an id or a name."""

    def __init__(self, for_all: str | None, find: FindCampaign) -> None:
        self.for_all = for_all
        self._find = find
        self._found: dict[str, str | Problem] = {}

    async def look_up(self) -> None:
        """Find the campaign that was named for all. ValidationError, with the candidates, if it is none."""
        if self.for_all is not None:
            self._found[self.for_all] = await self._find(self.for_all)

    async def of(self, row: Row) -> str | Problem | None:
        """The id of a row's campaign, why there is none, or None if nothing is said."""
        wanted = self.for_all if self.for_all is not None else row.values.get("campaign_id")
        if not wanted:
            return None
        if wanted not in self._found:
            self._found[wanted] = await self._resolved(wanted)
        found = self._found[wanted]
        return found if isinstance(found, str) else Problem(row.line, found.field, found.reason, found.value)

    async def _resolved(self, wanted: str) -> str | Problem:
        try:
            return await self._find(wanted)
        except ValidationError as error:
            candidates = f" The candidates: {', '.join(error.candidates)}." if error.candidates else ""
            return Problem(0, "campaign_id", f"{error.message}{candidates}", wanted)


async def load_list(
    journal: Journal,
    source: Path | Rows,
    campaigns: Campaigns,
    *,
    reading: Reading,
    send_twice: bool,
) -> list[str]:
    """Spool the list; what looks odd about it, and is sent all the same."""
    file = open_list(source, **asdict(reading, recurse=False)) if isinstance(source, Path) else None
    if file is not None and campaigns.for_all is None and "campaign_id" not in file.columns:
        columns = ", ".join(repr(name) for name in file.header)
        raise ConfigurationError(
            f"No campaign was named, and {file.path.name} has no campaign column: name the one that everybody is added"
            f" to, or map a column with campaign_id=COLUMN. The columns are {columns}."
        )
    warnings = [*file.notes, *(f"column {name!r} is not sent" for name in file.unknown)] if file is not None else []
    if file is not None and "campaign_id" in file.columns and campaigns.for_all is not None:
        warnings.append("the campaign column is not sent: everybody goes to the campaign that was named")
    odd: list[str] = []
    more = number = 0
    with Spool(journal, _facts(file), send_twice=send_twice) as spool:
        for _ in spool.forget():
            await asyncio.sleep(0)
        async for row in _rows(source, file):
            notes = _spool_row(spool, row, await campaigns.of(row))
            more += len(notes) if len(odd) >= _SHOWN else 0
            odd += notes if len(odd) < _SHOWN else []
            number += 1
            if number % _PAUSE_EVERY == 0:
                await asyncio.sleep(0)
    return warnings + odd + ([f"and {more} more like these"] if more else [])


async def _rows(source: Path | Rows, file: ListFile | None) -> AsyncIterator[Row]:
    if file is not None:
        for row in file.rows():
            yield row
    elif not isinstance(source, Path):  # pragma: no branch - a path is read as a file
        try:
            async for row in rows_of(source):
                yield row
        except sqlite3.Error as error:  # their database, not our journal: else it would be told as ours
            raise ValidationError("The rows cannot be read to their end; the cause says why.", "rows") from error


def _facts(file: ListFile | None) -> dict[str, str]:
    if file is None:
        return {"header": json.dumps(FIELDS)}
    mark = "yes" if file.marked else ""
    return {"header": json.dumps(file.header), "source": str(file.path.absolute()), "mark": mark}


def _spool_row(spool: Spool, row: Row, campaign: str | Problem | None) -> list[str]:
    if isinstance(campaign, Problem) and row.problem is None:
        spool.invalid(row, campaign)
        return []
    client, problem, odd = check_row(row, campaign if isinstance(campaign, str) else None)
    if client is None:
        spool.invalid(row, problem or Problem(row.line, "row", "it cannot be read"))
    else:
        spool.valid(row, client)
    return odd
