"""The part of a report that lists the rows which need a hand. Names people only with leave to."""

import json
from collections.abc import Iterator
from typing import Final

from onboard360_async.importer.journal import Journal, Record, State
from onboard360_async.importer.report.words import escaped, masked, number
from onboard360_async.importer.rows import FIELDS

__all__ = ["MOST", "rows_in_need"]

MOST: Final = 1_000  # rows that are listed
_MOST_CHARS: Final = 250_000  # of the page that they fill
_LONGEST: Final = 120  # characters of a name or a message in full
_STATES: Final = (State.INVALID, State.REJECTED, State.UNRESOLVED)
_KINDS: Final = {"line": "number", "status": "number", "state": "state", "reason": "words", "name": "words"}


def rows_in_need(journal: Journal, total: int, *, errors: str, people: bool) -> Iterator[str]:
    """A table of the first of them, and how many more there are in the `errors` file."""
    names = ["line", "state", "field", "status", *(["email", "name"] if people else []), "reason"]
    heads = "".join(f'<th scope="col"{_kind(name)}>{name}</th>' for name in names)
    yield f'<table class="stacked"><thead><tr>{heads}</tr></thead><tbody>\n'
    listed = chars = 0
    for record in journal.records(*_STATES):
        row = _row(record, people=people)
        listed, chars = listed + 1, chars + len(row)
        yield row
        if listed == MOST or chars > _MOST_CHARS:
            break
    yield "</tbody></table>"
    if listed < total:
        yield f'<p class="soft">And {number(total - listed)} more, which stand in {errors}.</p>'


def _kind(name: str) -> str:
    return f' class="{_KINDS[name]}"' if name in _KINDS else ""


def _row(record: Record, *, people: bool) -> str:
    state = record["state"]
    client = json.loads(record["client"]) if record["client"] else {}
    cells = {
        "line": number(record["line"]),
        "state": f'<i class="swatch {state}"></i>{state}',
        "field": _field(record["field"]),
        "status": str(record["status"] or ""),
    }
    if people:
        cells["email"] = escaped(client.get("email") or "", _LONGEST)
        cells["name"] = escaped(" ".join(filter(None, map(client.get, ("first_name", "last_name")))), _LONGEST)
    cells["reason"] = escaped(_reason(record, client, people=people), 3 * _LONGEST)
    filled = "".join(
        f'<td data-name="{name}"{_kind(name)}><span>{text}</span></td>' if text else "<td></td>"
        for name, text in cells.items()
    )
    return f"<tr>{filled}</tr>\n"


def _field(name: str | None) -> str:
    """One of ours; what else a column may be called is nobody's business."""
    return name if name in (*FIELDS, "row") else "another" if name else ""


def _reason(record: Record, client: dict[str, str | None], *, people: bool) -> str:
    error = record["error"] or ""
    if people and record["details"]:
        error = f"{error}: {record['details']}"
    if not people:
        sent = [value for value in client.values() if value]
        personal = [value for name, value in client.items() if value and name != "campaign_id"]
        known = [record[name] for name in ("client_id", "link", "details", "email_key") if record[name]]
        error = masked(error, [*json.loads(record["cells"]), *sent, *known], personal)
    if record["state"] == State.UNRESOLVED and record["created"]:
        return f"created, but its id and link are unknown: {error}"
    return error
