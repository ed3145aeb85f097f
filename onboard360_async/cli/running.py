"""An import at a prompt: the plan, the question, the progress, the summary, the exit code. Decides nothing else."""

import asyncio
import logging
import signal
import sys
from collections.abc import Callable

import click

from onboard360_async import settings
from onboard360_async.api import AsyncOnboard360
from onboard360_async.cli.exits import Exit, exit_code, said
from onboard360_async.cli.flags import Access
from onboard360_async.cli.import_flags import Wishes
from onboard360_async.cli.interruption import Interruption
from onboard360_async.cli.progress import Progress
from onboard360_async.cli.screen import say
from onboard360_async.cli.shelf import remember
from onboard360_async.cli.telling import looking_lines, next_lines, plan_lines, sent_at_most, summary_lines
from onboard360_async.cli.waiting import Waiting
from onboard360_async.doctor.findings import so_many
from onboard360_async.errors import ImportFailedError
from onboard360_async.importer import ImportJob, Outcomes, Plan, Rules, Summary

__all__ = ["Opened", "run_import", "run_with"]

Opened = Callable[[AsyncOnboard360], ImportJob]


async def run_with(access: Access, opened: Opened, wishes: Wishes, *, send: bool = True) -> int:
    """Reach the service and run an import there."""
    logging.getLogger("onboard360_async").addHandler(logging.NullHandler())  # the plan tells of a listing that is cut
    waiting = Waiting()  # for the listing before the plan; afterwards the progress tells
    async with access.open(on_event=waiting) as api:
        job = opened(api)

        def on_loaded() -> None:
            waiting.end()
            remember(job.journal_path)

        return await run_import(api, job, wishes, send=send, on_loaded=on_loaded)


async def run_import(
    api: AsyncOnboard360,
    job: ImportJob,
    wishes: Wishes,
    *,
    send: bool = True,
    on_loaded: Callable[[], None] = lambda: None,
) -> int:
    """The whole of an import at a prompt; the exit code. `send` False: only look for the rows in doubt."""
    interruption, failure = Interruption(job), None
    async with job:
        if wishes.spooled is not None:
            job.note_written(wishes.spooled)  # a kill would leave it there
        job.write_as(wishes.results_format, excel_safe=wishes.excel_safe)
        plan = await job.load()
        glance = job.glance()
        on_loaded()
        if send:
            say(plan_lines(plan, job.rules, api.budget, glance.doubted_at))
        else:
            say(looking_lines(plan, job.rules, glance.doubted_at))
        code = _reason_to_send_nothing(job.rules, plan, wishes) if send else None
        if code is None:
            to_send = sent_at_most(plan, job.rules) if send else 0
            progress = Progress(plan, to_send, api.budget, job.rules.rate)
            failure = await _follow(job, job.run() if send else job.reconcile(), progress, interruption)
            glance = job.glance()
            say(summary_lines(glance.summary, glance.audit))
        if wishes.report is not None:
            limit = api.budget.snapshot().limit
            job.write_report(wishes.report, people=wishes.report_people, limit=limit, window_s=settings.WINDOW_S)
    _say_files(job)
    if wishes.report is not None:
        say([f"Report:  {wishes.report}"])
    if code is not None:
        return code
    if failure is not None:
        say([f"Stopped early: {said(failure)}"])
    say(next_lines(glance, wishes))
    return _exit(glance.summary, failure, interruption)


# --- before ---


def _reason_to_send_nothing(rules: Rules, plan: Plan, wishes: Wishes) -> int | None:
    if plan.invalid and not rules.skip_invalid:
        say([f"Nothing was sent: mend {so_many(plan.invalid, 'row')}, or send the others with --skip-invalid."])
        return Exit.INVALID
    if plan.existing and rules.if_exists == "fail":
        say([f"Nothing was sent: {so_many(plan.existing, 'row')} in the campaign already (--if-exists fail)."])
        return Exit.INVALID
    if wishes.dry_run:
        say(["Nothing was sent (--dry-run)."])
        return Exit.DONE
    if wishes.yes or not _may_send(rules, plan):
        return None
    if wishes.spooled is not None or not (sys.stdin.isatty() and sys.stderr.isatty()):
        say(["Nothing was sent: nobody can be asked here. Look at the plan, and say --yes to go on."])
        return Exit.USAGE
    if not _agreed(plan, sent_at_most(plan, rules)):
        say(["Nothing was sent."])
        return Exit.STOPPED
    return None


def _may_send(rules: Rules, plan: Plan) -> bool:
    """Rows in doubt that are shown to be absent are sent again."""
    return bool(plan.to_send or (plan.ambiguous + plan.unresolved and rules.on_ambiguous == "reconcile"))


def _agreed(plan: Plan, to_send: int) -> bool:
    in_doubt = so_many(plan.ambiguous + plan.unresolved, "row")
    question = f"Add {so_many(to_send, 'client')}?" if to_send else f"Look for {in_doubt}?"
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # asyncio's waits for the loop, which waits here
    try:
        return click.confirm(question, err=True)
    finally:
        signal.signal(signal.SIGINT, before)


# --- meanwhile ---


async def _follow(
    job: ImportJob, outcomes: Outcomes, progress: Progress, interruption: Interruption
) -> ImportFailedError | None:
    with progress, interruption:
        ticking = asyncio.create_task(_tick(job, outcomes, progress))
        try:
            try:
                async for _ in outcomes:
                    pass  # it is in the books, and counted there
            finally:
                ticking.cancel()
                await asyncio.gather(ticking, return_exceptions=True)
        except ImportFailedError as error:
            return error
        except asyncio.CancelledError:  # in any of these moments
            if not interruption.is_ours():
                raise
            await outcomes.aclose()
        progress.show(job.summary)
    return None


async def _tick(job: ImportJob, outcomes: Outcomes, progress: Progress) -> None:
    while True:
        progress.show(job.summary, outcomes.quiet_s, under_way=outcomes.under_way)
        await asyncio.sleep(settings.PROGRESS_TICK_S)


# --- after ---


def _say_files(job: ImportJob) -> None:
    if job.files is not None:
        say([f"Results: {job.files.results}"])
        if job.files.errors is not None:
            say([f"Errors:  {job.files.errors}"])
    say([f"Journal: {job.journal_path}"])


def _exit(summary: Summary, failure: ImportFailedError | None, interruption: Interruption) -> int:
    is_left = summary.planned or summary.ambiguous
    if interruption.number is not None and is_left:
        return 128 + interruption.number
    if failure is not None:
        return exit_code(failure)
    if is_left:
        return Exit.STOPPED
    if summary.unresolved:
        return Exit.UNRESOLVED
    return Exit.REJECTED if summary.rejected else Exit.DONE
