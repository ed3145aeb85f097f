"""One run of an import in a process of its own, killed for real where it is told: `python -m tests.importer.crash`.

Arguments: the folder, the moment to die at, and how often that moment passes unharmed before.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from onboard360_async import errors
from onboard360_async.importer import journal as journal_module
from onboard360_async.importer.job import ImportJob
from tests.importer.double import Service, job_of, lost

MOMENTS = (
    "row spooled", "spooled", "listing", "compared", "before sending", "sending noted", "created", "outcome noted",
    "files written",
)  # fmt: skip


class _Killer:
    """Counts how often each moment comes, and kills the process at the right one."""

    def __init__(self, moment: str, unharmed: int) -> None:
        self.moment, self.left = moment, unharmed

    def __call__(self, moment: str) -> None:
        if moment != self.moment:
            return
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self.left -= 1


def _after(owner: Any, name: str, moment: str, die: _Killer) -> None:
    """Pass `moment` each time that a method of the journal or the job has done its work."""
    method: Callable[..., Any] = getattr(owner, name)

    def watched(*args: Any, **kwargs: Any) -> Any:
        result = method(*args, **kwargs)
        die(moment)
        return result

    setattr(owner, name, watched)


async def main(folder: Path, moment: str, unharmed: int) -> None:
    """Import the folder's list; unknown outcomes for those whose name says so."""
    die = _Killer(moment, unharmed)
    service = Service(folder / "books.jsonl")
    service.die = die  # type: ignore[method-assign]  # the double's moments are ours
    service.faults = {
        "lost": lost(),
        "made": ("created", lost()),
        "bad": errors.BadRequestError(400, "no"),
    }
    _after(journal_module.Spool, "valid", "row spooled", die)
    _after(journal_module.Spool, "__exit__", "spooled", die)
    _after(journal_module.Baseline, "__exit__", "compared", die)
    for step in ("created", "rejected", "unresolved"):
        _after(journal_module.Journal, step, "outcome noted", die)
    _after(ImportJob, "write_files", "files written", die)
    async with job_of(folder / "people.csv", service) as job:
        await job.load()
        async for _ in job.run():
            pass


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
