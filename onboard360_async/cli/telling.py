"""What is said about an import: its plan, its summary, and what to do next. Lines of text, and nothing is done."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from attrs import asdict

from onboard360_async import settings
from onboard360_async.budget import Budget
from onboard360_async.cli.import_flags import Wishes
from onboard360_async.cli.progress import duration, eta_s
from onboard360_async.cli.screen import short
from onboard360_async.doctor.findings import so_many
from onboard360_async.importer import Audit, Plan, Rules, Summary
from onboard360_async.importer.upkeep.glance import Glance

__all__ = ["looking_lines", "next_lines", "plan_lines", "sent_at_most", "summary_lines"]


def sent_at_most(plan: Plan, rules: Rules) -> int:
    """How many rows of the plan this run sends."""
    return plan.to_send if rules.limit is None else min(plan.to_send, rules.limit)


def plan_lines(plan: Plan, rules: Rules, budget: Budget, doubted_at: datetime | None) -> Iterator[str]:
    """What is about to be done, and what looks odd."""
    parts = {
        "to send": plan.to_send,
        "created before": plan.done,
        "in the campaign already": plan.existing,
        "twice in the list": plan.duplicates,
        "invalid": plan.invalid,
        "rejected before": plan.rejected,
        "in doubt": plan.ambiguous + plan.unresolved,
    }
    said = ", ".join(f"{number:,} {what}" for what, number in parts.items() if number or what == "to send")
    yield f"{so_many(plan.rows, 'row')}: {said}."
    for warning in plan.warnings[: settings.SHOWN_NAMES]:
        yield f"  note: {short(warning)}"
    if (more := len(plan.warnings) - settings.SHOWN_NAMES) > 0:
        yield f"  and {more:,} more notes"
    for problem in plan.problems[: settings.IMPORT_SHOWN]:
        value = f" ({short(problem.value)})" if problem.value else ""
        yield f"  line {problem.line}, {problem.field}: {problem.reason}{value}"
    if plan.invalid > settings.IMPORT_SHOWN:
        yield f"  and {plan.invalid - settings.IMPORT_SHOWN:,} more"
    if plan.may_be_capped:
        yield "  note: the listing of who exists ended on a round number; it may be cut, and people beyond it unknown"
    if plan.ambiguous + plan.unresolved:
        yield _in_doubt(plan.ambiguous + plan.unresolved, rules, doubted_at)
    if to_send := sent_at_most(plan, rules):
        yield from _sending(to_send, plan, rules, budget)


def _sending(to_send: int, plan: Plan, rules: Rules, budget: Budget) -> Iterator[str]:
    part = f"{so_many(to_send, 'row')} of them now (--limit). " if to_send < plan.to_send else ""
    yield f"{part}It will take about {duration(eta_s(to_send, budget, rules.rate))}."
    # UNDOCUMENTED: whether the service writes to those who are added; whoever imports a list should know that it may.
    yield "The service may write to everybody who is added: try a list of your own address first."


def looking_lines(plan: Plan, rules: Rules, doubted_at: datetime | None) -> Iterator[str]:
    """What is about to be done if nobody is to be added."""
    if number := plan.ambiguous + plan.unresolved:
        yield f"Looking for {so_many(number, 'row')} in doubt{_takes(rules, doubted_at)}."
    else:
        yield "No row is in doubt."


def _takes(rules: Rules, doubted_at: datetime | None) -> str:
    ago_s = (datetime.now(UTC) - doubted_at).total_seconds() if doubted_at is not None else rules.settle_s
    longest_s = max(0.0, settings.IMPORT_LOOKS * rules.settle_s - ago_s)
    return f", for up to {duration(longest_s)}" if longest_s > settings.PROGRESS_TICK_S else ""


def _in_doubt(number: int, rules: Rules, doubted_at: datetime | None) -> str:
    takes, said = _takes(rules, doubted_at), so_many(number, "row")
    again = "" if rules.on_ambiguous == "hold" else "; who is shown to be absent is sent again"
    return f"{said} in doubt: the answers were lost. They are looked for after the others{takes}{again}."


def summary_lines(summary: Summary, audit: Audit | None) -> Iterator[str]:
    """What became of all rows, and what the last listing says against the books."""
    counts = asdict(summary)
    number = counts.pop("rows")
    said = ", ".join(f"{each:,} {_WORDS.get(name, name)}" for name, each in counts.items() if each)
    yield f"{so_many(number, 'row')}: {said or 'nothing'}."
    if audit is not None and audit.missing:
        yield (
            f"The last listing lacks {len(audit.missing):,} who were created ({_on_lines(audit.missing)}):"
            " it may be late or cut; look at the campaign."
        )
    if audit is not None and audit.doubled:
        emails = so_many(len(audit.doubled), "email")
        yield (
            f"The campaign has more clients than rows for {emails} ({_on_lines(audit.doubled)}):"
            " somebody else may have added them meanwhile."
        )


_WORDS = {
    "skipped_existing": "skipped existing",
    "skipped_duplicate": "skipped duplicate",
    "ambiguous": "in doubt",
    "planned": "to send",
}


def next_lines(glance: Glance, wishes: Wishes) -> Iterator[str]:
    """Where somebody has to decide, and the commands that go on."""
    summary = glance.summary
    if summary.unresolved:
        yield f"{so_many(summary.unresolved, 'row')} unresolved:"
        for outcome in glance.unresolved[: settings.IMPORT_SHOWN]:
            yield f"  line {outcome.line} ({outcome.email}): {outcome.reason}"
        if summary.unresolved > settings.IMPORT_SHOWN:
            yield f"  and {summary.unresolved - settings.IMPORT_SHOWN:,} more"
        yield f"To look for them again: {wishes.command('reconcile', *wishes.access)}"
        yield f"To decide yourself: {wishes.command('resolve')} --line N --created (or --not-created)"
    if summary.planned or summary.ambiguous:
        yield f"To go on: {wishes.resume}"


def _on_lines(lines: Sequence[int]) -> str:
    shown = ", ".join(str(line) for line in lines[: settings.IMPORT_SHOWN])
    more = ", ..." if len(lines) > settings.IMPORT_SHOWN else ""
    return f"line {shown}" if len(lines) == 1 else f"lines {shown}{more}"
