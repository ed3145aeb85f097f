"""Imports: a list of people goes in, each is added at most once, and the books survive a crash at any moment.

Knows no HTTP. `job` holds the list and its plan, `run` sends, `journal` remembers, `source` reads any list
and `rows` checks each row, `results` writes what the user takes away.
"""

from onboard360_async.importer.job import ImportJob, Listing, journal_beside
from onboard360_async.importer.outcomes import (
    Created,
    Invalid,
    Outcome,
    Plan,
    Rejected,
    SkippedDuplicate,
    SkippedExisting,
    Summary,
    Unresolved,
)
from onboard360_async.importer.results import Files
from onboard360_async.importer.rows import Problem
from onboard360_async.importer.run import Add, Outcomes

__all__ = [
    "Add",
    "Created",
    "Files",
    "ImportJob",
    "Invalid",
    "Listing",
    "Outcome",
    "Outcomes",
    "Plan",
    "Problem",
    "Rejected",
    "SkippedDuplicate",
    "SkippedExisting",
    "Summary",
    "Unresolved",
    "journal_beside",
]
