"""Imports: a list of people goes in, each is added at most once, and the books survive a crash at any moment.

Knows no HTTP. `job` holds the list and its plan, `load` spools it, `run` sends, `settle` looks for rows whose answers
were lost (by the rule in `reconcile`), `audit` looks back at the end, `journal` remembers; `source` and `rows` read,
`results` writes what the user takes away, `places` says where. By hand: `books` opens a journal, `glance` says how it
stands, `find` looks for a person, `resolve` takes a human's word, `purge` wipes.
Nothing is loaded before it is asked for: most programs import nobody.
"""

from typing import TYPE_CHECKING

from onboard360_async.door import lazy

__all__ = [
    "Add",
    "Adopted",
    "Audit",
    "Created",
    "Files",
    "ImportJob",
    "Invalid",
    "Listing",
    "Outcome",
    "Outcomes",
    "Plan",
    "Problem",
    "Reading",
    "Rejected",
    "Rows",
    "RuleOptions",
    "Rules",
    "SkippedDuplicate",
    "SkippedExisting",
    "Summary",
    "Unresolved",
    "journal_beside",
]

if TYPE_CHECKING:
    from onboard360_async.importer.job import ImportJob
    from onboard360_async.importer.load import Reading
    from onboard360_async.importer.outcomes import (
        Adopted,
        Audit,
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
    from onboard360_async.importer.places import journal_beside
    from onboard360_async.importer.results import Files
    from onboard360_async.importer.rows import Problem
    from onboard360_async.importer.rules import RuleOptions, Rules
    from onboard360_async.importer.run import Add, Listing, Outcomes
    from onboard360_async.importer.source import Rows
else:
    _ROOMS = {
        "Add": "run",
        "Adopted": "outcomes",
        "Audit": "outcomes",
        "Created": "outcomes",
        "Files": "results",
        "ImportJob": "job",
        "Invalid": "outcomes",
        "Listing": "run",
        "Outcome": "outcomes",
        "Outcomes": "run",
        "Plan": "outcomes",
        "Problem": "rows",
        "Reading": "load",
        "Rejected": "outcomes",
        "Rows": "source",
        "RuleOptions": "rules",
        "Rules": "rules",
        "SkippedDuplicate": "outcomes",
        "SkippedExisting": "outcomes",
        "Summary": "outcomes",
        "Unresolved": "outcomes",
        "journal_beside": "places",
    }

    __getattr__, __dir__ = lazy(globals(), _ROOMS)
