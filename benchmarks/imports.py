"""What a long list costs before anything is sent: read, checked, doubles found, noted, compared with who is there.

Each arm is a process of its own; its peer is the script that people write instead: `csv.DictReader` into a list, a set
of addresses for the doubles, nothing on the disk. Prints seconds and peak memory, and their ratios. Options: --rows
(default 100,000; the targets are those of 1,000,000), --form csv|tsv|jsonl|json|xlsx (default: all but xlsx).
"""

import argparse
import asyncio
import csv
import json
import resource
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from benchmarks.table import Row, Table, print_all
from onboard360_async.importer import ImportJob
from onboard360_async.models import Client

__all__ = ["main", "tables"]

SCRIPT: Final = "csv, a script"
FORMS: Final = ("csv", "tsv", "jsonl", "json")
FIELDS: Final = ("email", "first_name", "last_name", "company_name", "phone")
ROWS, TOLD_ROWS = 100_000, 1_000_000
MOST_S, MOST_MB = 60.0, 200.0  # for 1,000,000 rows; the targets
CAMPAIGN: Final = "550e8400-e29b-41d4-a716-446655440000"
EVERY: Final = 100  # each of so many rows names somebody again, and one is no address


def _people(rows: int) -> Iterator[tuple[str, ...]]:
    for number in range(rows):
        if number % EVERY == EVERY - 1:
            email = f"P{number - 50}@Example.com"
        else:
            email = f"p{number}@example.com" if number % EVERY else "nobody"
        yield email, f"Jane{number}", "Müller-Lüdenscheidt", f"Company {number % 999} GmbH", f"+49 30 {number:07}"


def write(path: Path, form: str, rows: int) -> None:
    """A list of that form."""
    with path.open("w", encoding="utf-8", newline="") as out:
        if form in ("csv", "tsv"):
            writer = csv.writer(out, delimiter="\t" if form == "tsv" else ",")
            writer.writerow(FIELDS)
            writer.writerows(_people(rows))
            return
        out.write("[" if form == "json" else "")
        for number, person in enumerate(_people(rows)):
            lead = (",\n" if number else "") if form == "json" else ""
            out.write(f"{lead}{json.dumps(dict(zip(FIELDS, person, strict=True)))}{'' if form == 'json' else chr(10)}")
        out.write("]" if form == "json" else "")


async def _ours(path: Path) -> tuple[int, int, int]:
    async def nobody(campaign_id: str) -> AsyncIterator[Sequence[Client]]:
        yield list[Client]()[: len(campaign_id)]

    async def same(id_or_name: str) -> str:
        return id_or_name

    async def never(*_: object) -> Client:
        raise AssertionError("nothing is sent")

    async with ImportJob(path, add=never, listing=nobody, find_campaign=same, campaign=CAMPAIGN) as job:
        plan = await job.load()
        return plan.to_send, plan.duplicates, plan.invalid


def _script(path: Path) -> tuple[int, int, int]:
    with path.open(encoding="utf-8", newline="") as file:
        people = list(csv.DictReader(file, delimiter="\t" if path.suffix == ".tsv" else ","))
    seen, rows, doubles, invalid = set(), [], 0, 0
    for person in people:
        email = person["email"].strip().lower()
        if "@" not in email:
            invalid += 1
        elif email in seen:
            doubles += 1
        else:
            seen.add(email)
            rows.append(person)
    return len(rows), doubles, invalid


def _arm(kind: str, path: Path) -> dict[str, object]:
    """One arm, in a fresh process."""
    command = [sys.executable, "-m", "benchmarks.imports", kind, str(path)]
    done: dict[str, object] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return done


def tables(arguments: Sequence[str] = ()) -> list[Table]:
    """All forms, or one."""
    options = argparse.ArgumentParser(prog="python3 dev bench imports")
    options.add_argument("--rows", type=int, default=ROWS)
    options.add_argument("--form", choices=(*FORMS, "xlsx"))
    chosen = options.parse_args(arguments)
    rows = []
    with TemporaryDirectory() as folder:
        peer = None
        for form in (chosen.form,) if chosen.form else FORMS:
            path = Path(folder) / f"people.{form}"
            if form == "xlsx":
                _write_workbook(path, chosen.rows)
            else:
                write(path, form, chosen.rows)
            if form == "csv":
                peer = _arm("script", path)
                rows.append(_row(SCRIPT, peer, peer))
            rows.append(_row(form, _arm("ours", path), peer, chosen.rows))
    title = f"{chosen.rows:,} rows, before anything is sent"
    return [Table("load", title, "s", tuple(rows), SCRIPT if peer else "")]


def _row(name: str, arm: dict[str, object], peer: dict[str, object] | None, of_ours: int = 0) -> Row:
    seconds, peak = float(str(arm["seconds"])), float(str(arm["peak_mb"]))
    ratio = seconds / float(str(peer["seconds"])) if peer else None
    beside = f" ({peak / float(str(peer['peak_mb'])):.2f} x)" if peer and of_ours else ""
    target = f"<= {MOST_S * of_ours / TOLD_ROWS:g} s, {MOST_MB:g} MB" if of_ours else ""
    return Row(
        name, seconds, ratio, target, f"{peak:,.0f} MB at most{beside}; to send, twice, invalid: {arm['counts']}"
    )


def main(arguments: Sequence[str] = ()) -> None:
    """Print them."""
    print_all(tables(arguments))


def _write_workbook(path: Path, rows: int) -> None:
    from tests.importer.workbook import write_workbook

    write_workbook(path, [FIELDS, *_people(rows)])


def _measure(kind: str, path: Path) -> None:
    started = time.perf_counter()
    counts = asyncio.run(_ours(path)) if kind == "ours" else _script(path)
    seconds = time.perf_counter() - started
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "peak_mb": peak_mb, "counts": counts}))


if __name__ == "__main__":
    _measure(sys.argv[1], Path(sys.argv[2]))
