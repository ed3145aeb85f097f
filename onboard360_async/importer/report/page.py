"""The report of an import: one page that says what became of the list, and when, and that anybody may look at.

A projection of the journal like the results, and knows nothing of sending. It needs nothing from elsewhere, runs
nothing, and names nobody unless it is told to.
"""

from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from shlex import quote
from typing import Final

from onboard360_async.importer.audit import audited
from onboard360_async.importer.journal import Journal
from onboard360_async.importer.outcomes import Summary
from onboard360_async.importer.places import beside_list
from onboard360_async.importer.report.axis import Axis
from onboard360_async.importer.report.data import GROUPS, Fates, Requests, axis_of, fates_of, requests_of, runs_of
from onboard360_async.importer.report.plot import draw_fates, draw_requests
from onboard360_async.importer.report.rows import rows_in_need
from onboard360_async.importer.report.words import clock, duration, escaped, number, share
from onboard360_async.importer.whole_file import whole_file

__all__ = ["write_report"]

_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_PARTS: Final = (  # of the summary: its name there, its colour, its name and what it means
    ("created", "created", "created", "The server said so, and who it is."),
    ("adopted", "adopted", "adopted", "Is in the campaign and counts as this row's client, though no answer said so."),
    ("skipped_existing", "existing", "existing", "Was in the campaign before."),
    ("skipped_duplicate", "duplicate", "duplicate", "The same email stands further up in the list; was not sent."),
    ("rejected", "rejected", "rejected", "The server refused it; nobody was created."),
    ("invalid", "invalid", "invalid", "Cannot be sent as it is."),
    ("unresolved", "unresolved", "unresolved", "Was looked for, and nobody can tell. Is never sent again unseen."),
    ("ambiguous", "doubt", "in doubt", "Was sent, its answer was lost, and nobody has looked for it yet."),
    ("planned", "left", "still to be sent", "Was not sent, or certainly created nobody."),
)
_COLOURS: Final = {colour: name for _, colour, name, _ in _PARTS}
_SHOWN: Final = 50  # campaigns, lines and runs
_CUTS_NAMED: Final = 6


def write_report(journal: Journal, path: Path, *, people: bool = False, limit: int, window_s: float) -> None:
    """Write the report of an import to `path`, whole or not at all; only its owner can read it.

    `limit` requests in any `window_s` seconds are the budget that the requests are drawn against. Emails, names and the
    server's details stand in it only with `people`. Raises ConfigurationError if the file cannot be written.
    """
    with whole_file(path) as out:
        out.writelines(_page(journal, people=people, limit=limit, window_s=window_s))


def _page(journal: Journal, *, people: bool, limit: int, window_s: float) -> Iterator[str]:
    source = journal.fact("source")
    name = Path(source).name if source else "rows from a program"
    summary = journal.summary()
    css = (files(__package__) / "report.css").read_text(encoding="utf-8")
    yield (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n<meta name="robots" content="noindex">\n'
        f"<title>Import of {escaped(name, 200)}</title>\n<style>\n{css}</style>\n</head>\n<body>\n<main>\n"
    )
    yield from _heading(journal, name)
    yield from _outcome(journal, summary, name if source else None)
    axis = axis_of(journal, window_s)
    if axis is not None:
        yield _requests(axis, requests_of(journal, axis, window_s), limit, window_s)
        yield _fates(axis, fates_of(journal, axis))
    in_need = summary.invalid + summary.rejected + summary.unresolved
    if in_need:
        errors = escaped(beside_list(Path(name), "errors.csv").name) if source else "the journal"
        yield f"<section>\n<h2>Rows that need a hand: {number(in_need)}</h2>\n"
        yield from rows_in_need(journal, in_need, errors=errors, people=people)
        yield "</section>\n"
    yield from _runs(journal)
    told = (
        "holds emails and names: keep it to yourself" if people else "was written without what the list says of people"
    )
    yield f'<footer class="soft">This page {told}. It loads nothing and runs nothing.</footer>\n'
    yield "</main>\n</body>\n</html>\n"


def _heading(journal: Journal, name: str) -> Iterator[str]:
    campaigns = journal.campaigns()
    yield f'<header>\n<h1>Import of <bdi>{escaped(name, 200)}</bdi></h1>\n<p class="soft">'
    if campaigns:
        ids = ", ".join(escaped(each, 80) for each in campaigns[:_SHOWN])
        more = f" and {number(len(campaigns) - _SHOWN)} more" if len(campaigns) > _SHOWN else ""
        yield f"{'Campaign' if len(campaigns) == 1 else 'Campaigns'} {ids}{more}<br>"
    runs = runs_of(journal)
    if runs:
        times = f"in {number(len(runs))} runs" if len(runs) > 1 else "in one run"
        yield f"From {clock(runs[0].began_at)} to {clock(runs[-1].ended_at)}, {times}"
    else:
        yield "Nothing was sent yet."
    yield "</p>\n</header>\n"


def _outcome(journal: Journal, summary: Summary, name: str | None) -> Iterator[str]:
    """What became of the rows, by their states; what is left to do; what the look back found."""
    parts = [(getattr(summary, part), colour, word, meaning) for part, colour, word, meaning in _PARTS]
    parts = [part for part in parts if part[0]]
    yield f'<section>\n<h2>What became of {_rows(summary.rows)}</h2>\n<p class="verdict">{_verdict(summary)}</p>\n'
    if parts:
        bar = "".join(f'<span class="{colour}" style="flex-grow:{count}"></span>' for count, colour, *_ in parts)
        yield f'<div class="bar" aria-hidden="true">{bar}</div>\n<table>\n<tbody>\n'
    for count, colour, word, meaning in parts:
        yield (
            f'<tr><th scope="row"><i class="swatch {colour}"></i>{word}</th><td class="number">{number(count)}</td>'
            f'<td class="number">{share(count, summary.rows)}</td><td class="meaning soft">{meaning}</td></tr>\n'
        )
    if parts:
        total = sum(count for count, *_ in parts)
        fits = "All rows of the list." if total == summary.rows else f"The list has {number(summary.rows)}."
        yield (
            f'</tbody>\n<tfoot><tr><th scope="row">together</th><td class="number">{number(total)}</td>'
            f'<td></td><td class="meaning soft">{fits}</td></tr></tfoot>\n</table>\n'
        )
    yield from _left(summary, name)
    yield f"{_audit(journal)}</section>\n"


def _verdict(summary: Summary) -> str:
    open_, hands = summary.planned + summary.ambiguous, summary.rejected + summary.invalid + summary.unresolved
    if not summary.rows:
        return "The list has no rows."
    if open_:
        return f"Not finished: {_rows(open_)} {'has' if open_ == 1 else 'have'} no outcome yet."
    if hands:
        return f"Finished; {_rows(hands)} {'needs' if hands == 1 else 'need'} a hand."
    return "Finished: every row has a good end."


def _left(summary: Summary, name: str | None) -> Iterator[str]:
    todo = []
    if summary.planned:
        todo.append(f"{_rows(summary.planned)} still to be sent")
    if summary.ambiguous:
        todo.append(f"{_rows(summary.ambiguous)} to be looked for, whose answer was lost")
    if summary.unresolved:
        todo.append(f"{_rows(summary.unresolved)} to be looked for once more")
    if todo:
        command = f": <code>onboard360 imports resume {escaped(quote(name))}</code>" if name is not None else "."
        words = f"Left to do: {'; '.join(todo)}. Run the import again, and it goes on where it was"
        yield f'<p class="after">{words}{command}</p>\n'


def _audit(journal: Journal) -> str:
    audit = audited(journal)
    if audit is None:
        return '<p class="soft after">Nobody has compared the books with the campaign at the end yet.</p>\n'
    found = []
    if audit.missing:
        found.append(f"Not in the campaign any more, or not yet: {_lines(audit.missing)}.")
    if audit.doubled:
        found.append(f"More clients with this email than rows: {_lines(audit.doubled)}.")
    words = " ".join(found) or "Everybody whom the books name is in the campaign, and nobody twice."
    return f'<p class="after">The look back at the end: {words}</p>\n'


def _lines(lines: tuple[int, ...]) -> str:
    more = f" and {number(len(lines) - _SHOWN)} more" if len(lines) > _SHOWN else ""
    return f"line{'s' if len(lines) > 1 else ''} {', '.join(map(number, lines[:_SHOWN]))}{more}"


def _rows(count: int) -> str:
    return _count(count, "row")


def _count(count: int, noun: str) -> str:
    return f"{number(count)} {noun}{'' if count == 1 else 's'}"


def _requests(axis: Axis, requests: Requests, limit: int, window_s: float) -> str:
    most, listed = max(requests.rolling), sum(requests.listed)
    kept = "never more than" if most <= limit else "<strong>more than</strong>"
    legend = [("added", "clients added")] + ([("listed", "listings read")] if listed else [])
    text = (
        f"{_count(requests.total(), 'request')}{f', {number(listed)} of them for listings' if listed else ''};"
        f" a column is {duration(axis.step)}. A burst may pass the budget's line in the upper picture: what is promised"
        f" is the lower one. At most {_count(most, 'request')} left in any {number(window_s)} s, {kept} the"
        f" {number(limit)} that are allowed."
    )
    pictures = draw_requests(axis, requests, limit=limit, window_s=window_s)
    return _figure("How fast it went", legend, pictures, text, axis)


def _fates(axis: Axis, fates: Fates) -> str:
    if not fates.total:
        return ""
    ends = [(colour, _COLOURS[colour], fates.reached[colour][-1]) for colour, _ in GROUPS if fates.reached[colour][-1]]
    ends += [("left", _COLOURS["left"], fates.total - sum(count for *_, count in ends))]
    counts = ", ".join(f"{number(count)} {word}" for _, word, count in ends if count)
    text = f"At the end: {counts}. Rows that were never to be sent are left out."
    return _figure("How far it came", [(colour, word) for colour, word, _ in ends], draw_fates(axis, fates), text, axis)


def _figure(title: str, legend: list[tuple[str, str]], pictures: str, text: str, axis: Axis) -> str:
    keys = "".join(f'<li><i class="swatch {colour}"></i>{word}</li>' for colour, word in legend)
    pauses = [duration(piece.pause) for piece in axis.pieces[1:]]
    more = f" and {number(len(pauses) - _CUTS_NAMED)} more" if len(pauses) > _CUTS_NAMED else ""
    long = ", ".join(pauses[:_CUTS_NAMED]) + more
    waves = f" Waves mark where pauses between runs are cut out: {long}." if pauses else ""
    zone = clock(axis.pieces[0].start).split()[-1]
    return (
        f'<section>\n<h2>{title}</h2>\n<figure>\n<ul class="legend">{keys}</ul>\n{pictures}\n'
        f"<figcaption>{text}{waves} Times are in {zone}.</figcaption>\n</figure>\n</section>\n"
    )


def _runs(journal: Journal) -> Iterator[str]:
    runs = runs_of(journal)
    if not runs:
        return
    names = (("began", ""), ("took", ""), ("ended", ""), ("requests", ' class="number"'))
    heads = "".join(f'<th scope="col"{kind}>{name}</th>' for name, kind in names)
    yield f"<section>\n<h2>When it ran</h2>\n<table>\n<thead><tr>{heads}</tr></thead>\n<tbody>\n"
    for run in runs[-_SHOWN:]:
        took = duration(run.ended_at - run.began_at)
        yield (
            f"<tr><td>{clock(run.began_at)}</td><td>{took}</td><td>{escaped(run.ending)}</td>"
            f'<td class="number">{number(run.requests)}</td></tr>\n'
        )
    yield "</tbody>\n</table>\n"
    if len(runs) > _SHOWN:
        yield f'<p class="soft">And {number(len(runs) - _SHOWN)} runs before these.</p>\n'
    yield "</section>\n"
