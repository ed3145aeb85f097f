"""`onboard360 import` and `imports resume`: the plan, the question, the progress, the summary. Decides nothing else."""

import asyncio
import shlex
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import click
from attrs import asdict

from onboard360_async.api import AsyncOnboard360
from onboard360_async.cli.exits import Exit, exit_code, said
from onboard360_async.cli.flags import Access, access_flags
from onboard360_async.cli.progress import Progress, duration
from onboard360_async.errors import ImportFailedError
from onboard360_async.importer import ImportJob, Plan, Summary, journal_beside

__all__ = ["import_file", "imports", "run_import"]

_SHOWN: Final = 20  # problems on the screen; the errors file has all of them


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--campaign", metavar="ID|NAME", required=True, help="The campaign to add everybody to.")
@click.option("--map", "mapping", multiple=True, metavar="FIELD=COLUMN", help="Which column is which field.")
@click.option("--encoding", help="How the file was written, if it is not UTF-8 (cp1252, mac_roman, ...).")
@click.option("--skip-invalid", is_flag=True, help="Send the good rows even if others cannot be sent.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Check the file, show the plan, send nothing.")
@access_flags
def import_file(
    access: Access, file: Path, campaign: str, mapping: tuple[str, ...], yes: bool, dry_run: bool, **options: Any
) -> int:
    """Add everybody in a CSV FILE to a campaign, each at most once.

    The whole file is checked first; who is in the campaign already is skipped. The journal beside the file survives a
    crash: run the same command again, or `onboard360 imports resume FILE`, and it goes on where it was. Results stand
    in FILE's .results.csv, rows that need a hand in .errors.csv.
    """
    columns = {}
    for pair in mapping:
        name, sign, column = pair.partition("=")
        if not sign:
            raise click.BadParameter(f"{pair!r} is not FIELD=COLUMN", param_hint="--map")
        columns[name.strip()] = column
    resume = _resume(access, file, skip_invalid=options["skip_invalid"])

    def opened(api: AsyncOnboard360) -> ImportJob:
        return api.open_import(file, campaign=campaign, mapping=columns or None, **options)

    return asyncio.run(_with_api(access, opened, ask=not yes, dry_run=dry_run, resume=resume))


@click.group()
def imports() -> None:
    """Imports that were begun: resume."""


@imports.command("resume")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--skip-invalid", is_flag=True, help="Send the good rows even if others cannot be sent.")
@access_flags
def resume_import(access: Access, file: Path, skip_invalid: bool) -> int:
    """Go on with the import of FILE (the list, or its journal) where it was.

    Rows whose answer was lost stay unresolved: they are never sent again unseen.
    """

    def opened(api: AsyncOnboard360) -> ImportJob:
        return api.open_import(None, journal=journal_beside(file), skip_invalid=skip_invalid)

    resume = _resume(access, file, skip_invalid=skip_invalid)
    return asyncio.run(_with_api(access, opened, ask=False, dry_run=False, resume=resume))


def _resume(access: Access, file: Path, *, skip_invalid: bool) -> str:
    """The exact command that goes on, to be pasted as it is."""
    flags = ["--skip-invalid"] if skip_invalid else []
    return shlex.join(["onboard360", "imports", "resume", str(file), *flags, *access.flags()])


async def _with_api(
    access: Access, opened: Callable[[AsyncOnboard360], ImportJob], *, ask: bool, dry_run: bool, resume: str
) -> int:
    async with access.open() as api:
        return await run_import(api, opened(api), ask=ask, dry_run=dry_run, resume=resume)


async def run_import(api: AsyncOnboard360, job: ImportJob, *, ask: bool, dry_run: bool, resume: str) -> int:
    """The whole of an import at a prompt; the exit code."""
    interruption, failure = _Interruption(job), None
    async with job:
        plan = await job.load()
        _show_plan(plan, api)
        code = _reason_to_send_nothing(job, plan, ask=ask, dry_run=dry_run)
        if code is None:
            failure = await _send(api, job, plan, interruption)
            _show_summary(job.summary)
    _show_files(job)
    if code is not None:
        return code
    if failure is not None:
        _say(f"Stopped early: {said(failure)}")
    if job.summary.planned:
        _say(f"To go on: {resume}")
    return _exit(job.summary, failure, interruption)


def _reason_to_send_nothing(job: ImportJob, plan: Plan, *, ask: bool, dry_run: bool) -> int | None:
    if plan.invalid and not job.rules.skip_invalid:
        _say(f"Nothing was sent: mend {_rows(plan.invalid)}, or send the others with --skip-invalid.")
        return Exit.INVALID
    if dry_run:
        _say("Nothing was sent (--dry-run).")
        return Exit.DONE
    if ask and plan.to_send and not _agreed(plan):
        _say("Nothing was sent.")
        return Exit.STOPPED
    return None


async def _send(
    api: AsyncOnboard360, job: ImportJob, plan: Plan, interruption: "_Interruption"
) -> ImportFailedError | None:
    outcomes = job.run()
    with Progress(plan, api.budget) as progress, interruption:
        try:
            async for outcome in outcomes:
                progress.tell(outcome)
        except ImportFailedError as error:
            return error
        except asyncio.CancelledError:
            if not interruption.is_ours():
                raise
            await outcomes.aclose()
    return None


def _show_files(job: ImportJob) -> None:
    if job.files is not None:
        _say(f"Results: {job.files.results}")
        if job.files.errors is not None:
            _say(f"Errors:  {job.files.errors}")
    _say(f"Journal: {job.journal_path}")


# --- what is said ---


def _show_plan(plan: Plan, api: AsyncOnboard360) -> None:
    parts = {
        "to send": plan.to_send,
        "created before": plan.done,
        "in the campaign already": plan.existing,
        "twice in the list": plan.duplicates,
        "invalid": plan.invalid,
        "rejected before": plan.rejected,
        "unresolved": plan.unresolved,
    }
    said = ", ".join(f"{number:,} {what}" for what, number in parts.items() if number or what == "to send")
    _say(f"{_rows(plan.rows)}: {said}.")
    for warning in plan.warnings:
        _say(f"  note: {warning}")
    for problem in plan.problems[:_SHOWN]:
        value = f" ({problem.value})" if problem.value else ""
        _say(f"  line {problem.line}, {problem.field}: {problem.reason}{value}")
    if plan.invalid > _SHOWN:
        _say(f"  and {plan.invalid - _SHOWN:,} more")
    if plan.may_be_capped:
        _say("  note: the listing of who exists ended on a round number; it may be cut, and people beyond it unknown")
    if plan.to_send:
        _say(f"It will take about {duration(api.budget.eta_s(plan.to_send))}.")


def _agreed(plan: Plan) -> bool:
    """Ask on a terminal; elsewhere only a listing that may be cut needs a --yes."""
    if not sys.stdin.isatty():
        if plan.may_be_capped:
            _say("Look at the campaign, and say --yes to go on.")
        return not plan.may_be_capped
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # asyncio's waits for the loop, which waits here
    try:
        return click.confirm(f"Add {plan.to_send:,} clients?", err=True)
    finally:
        signal.signal(signal.SIGINT, before)


def _show_summary(summary: Summary) -> None:
    counts = asdict(summary)
    rows = counts.pop("rows")
    said = ", ".join(f"{number:,} {name.replace('_', ' ')}" for name, number in counts.items() if number)
    _say(f"{_rows(rows)}: {said or 'nothing'}.")


def _exit(summary: Summary, failure: ImportFailedError | None, interruption: "_Interruption") -> int:
    if interruption.number is not None and summary.planned:
        return 128 + interruption.number
    if failure is not None:
        return exit_code(failure)
    if summary.unresolved:
        return Exit.UNRESOLVED
    return Exit.REJECTED if summary.rejected else Exit.DONE


def _rows(number: int) -> str:
    return f"{number:,} row" if number == 1 else f"{number:,} rows"


def _say(text: str) -> None:
    click.echo(text, err=True)


class _Interruption:
    """Ctrl-C and SIGTERM while rows are sent: the first lets those under way finish, the second cancels them."""

    def __init__(self, job: ImportJob) -> None:
        self._job = job
        self._task = asyncio.current_task()
        self._cancelled = False
        self.number: int | None = None

    def __enter__(self) -> Self:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._heard, number)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)

    def _heard(self, number: int) -> None:
        if self.number is None:
            self.number = number
            self._job.stop()
            _say("Finishing what is under way; once more cancels it.")
        elif self._task is not None and not self._cancelled:
            self._cancelled = True
            self._task.cancel()

    def is_ours(self) -> bool:
        """Whether a cancellation was this one; it is over then, and the books can be closed in peace."""
        if self._cancelled and self._task is not None:
            self._task.uncancel()
        return self._cancelled
