"""What became of a row, and of all rows together. Plain values; nobody's name stands in a repr."""

from attrs import field, frozen

from onboard360_async.importer.rows import Problem

__all__ = [
    "Adopted",
    "Audit",
    "Created",
    "Invalid",
    "Outcome",
    "Plan",
    "Rejected",
    "SkippedDuplicate",
    "SkippedExisting",
    "Summary",
    "Unresolved",
]


@frozen
class Outcome:
    """What became of the row on `line` (of the file, or the how manieth of the rows handed over).

    `seq` grows with every outcome that the journal notes: give the last one you dealt with to `job.outcomes(since=...)`
    to hear of all that came after it, in this run or an earlier one.
    """

    line: int
    email: str = field(repr=False)
    seq: int = field(default=0, kw_only=True, eq=False)


@frozen
class Created(Outcome):
    """Created by us; `link` is the onboarding link, which the API says only once."""

    client_id: str
    link: str | None = field(repr=False)


@frozen
class Adopted(Outcome):
    """Is in the campaign, and counts as this row's client, though no answer to our request said that we created it.

    The answer was lost and a listing (or a stored webhook) shows the client; or the server answered with somebody who
    was there before; or somebody looked and said so, and `client_id` is empty if they did not say who. `link` is None
    if neither an answer nor a webhook said it: the API says it only once.
    """

    client_id: str
    link: str | None = field(repr=False)


@frozen
class SkippedExisting(Outcome):
    """Was in the campaign before; nothing was sent."""

    client_id: str


@frozen
class SkippedDuplicate(Outcome):
    """The same email stands on `first_line` already; nothing was sent."""

    first_line: int


@frozen
class Rejected(Outcome):
    """The server refused it with `status`; nothing was created. `details` are the server's words."""

    status: int
    error: str
    details: str | None = field(repr=False)


@frozen
class Invalid(Outcome):
    """Could not be sent."""

    problem: Problem


@frozen
class Unresolved(Outcome):
    """May or may not have been created, or was (`created`) but its id and link are unknown. Never sent again unseen."""

    reason: str
    created: bool = False


@frozen
class Summary:
    """All rows of the list by what became of them; the parts add up to `rows`.

    `planned` are still to be sent. `ambiguous` were sent, their answer was lost, and nobody has looked for them yet.
    """

    rows: int
    created: int
    adopted: int
    skipped_existing: int
    skipped_duplicate: int
    rejected: int
    invalid: int
    unresolved: int
    ambiguous: int
    planned: int


@frozen
class Plan:
    """What an import is about to do, before anything is sent. `done` were created or adopted by an earlier run.

    `problems` are the first of the `invalid` rows; all of them stand in the errors file and in `job.outcomes()`.
    """

    rows: int
    to_send: int
    done: int
    existing: int
    duplicates: int
    rejected: int
    unresolved: int
    ambiguous: int
    invalid: int
    problems: tuple[Problem, ...]
    warnings: tuple[str, ...]
    may_be_capped: bool  # the listing of those who exist ended on a round count


@frozen
class Audit:
    """What the listing at the end says against the books, by the rows' lines; nothing, if all is well.

    `missing`: created or adopted, and not in the listing. `doubled`: more clients with this email than rows.
    """

    missing: tuple[int, ...]
    doubled: tuple[int, ...]
