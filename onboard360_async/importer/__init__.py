"""Imports: a list of people goes in, each is added at most once, and the books survive a crash at any moment.

Knows no HTTP. `job` holds the list and its plan, `load` spools it, `run` sends, `settle` looks for rows whose answers
were lost (by the rule in `reconcile`), `audit` looks back at the end, `journal` remembers; `source` and `rows` read,
`results` writes what the user takes away, `places` says where. By hand: `books` opens a journal, `glance` says how it
stands, `find` looks for a person, `resolve` takes a human's word, `purge` wipes.
Nothing is loaded before it is asked for: most programs import nobody.
"""

from typing import TYPE_CHECKING

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
        "Files": "results",
        "ImportJob": "job",
        "Listing": "run",
        "Outcomes": "run",
        "Problem": "rows",
        "Reading": "load",
        "Rows": "source",
        "RuleOptions": "rules",
        "Rules": "rules",
        "journal_beside": "places",
    }

    def __getattr__(name):
        """Import a public name when it is first asked for."""
        from importlib import import_module

        if name not in __all__:
            message = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(message)
        value = getattr(import_module(f"{__name__}.{_ROOMS.get(name, 'outcomes')}"), name)
        globals()[name] = value
        return value

    def __dir__():
        return sorted({*globals(), *__all__})
