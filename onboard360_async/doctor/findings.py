"""What is said of one point: whether it was seen, what was seen, and why that is all that can be said.

Plain values. Nothing in them is about a person: names of members, numbers, and words of our own.
"""

from enum import StrEnum

from attrs import frozen

__all__ = ["Finding", "Kind", "Verdict", "observed", "so_many", "unknown"]


class Kind(StrEnum):
    """What a finding is about."""

    CHECK = "check"  # key, clock, budget and signature: whether we can work at all
    ASSUMPTION = "assumption"  # A 1 to A 9: what the promises of an import rest on
    SWITCH = "switch"  # what the API page leaves open, by the names that the sandbox has for it
    ANSWER = "answer"  # what else the answers and the webhook were like


class Verdict(StrEnum):
    """What became of a point. A check is ok, a warning or failed, or unknown like the others."""

    OBSERVED = "observed"  # `seen` is what was seen, and no more
    CONTRADICTED = "contradicted"  # what was seen cannot be, by the API page or by what we build on
    UNKNOWN = "unknown"  # nothing that was seen says so or otherwise
    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"

    @property
    def is_wrong(self) -> bool:
        """Whether something has to be done; what is unknown is not wrong."""
        return self in (Verdict.CONTRADICTED, Verdict.FAILED)


@frozen
class Finding:
    """One line of a report. `why` is the reasoning, `next` what to do, or what would tell.

    `value` is what a switch of the sandbox has to be to behave so; None if that is not known, or it cannot.
    """

    kind: Kind
    about: str
    verdict: Verdict
    seen: str
    why: str
    next: str = ""
    value: str | int | bool | float | None = None


def observed(about: str, value: str | int | bool, why: str, *, is_choice: bool = True) -> Finding:
    """A switch whose choice was seen; `is_choice` False: it is none that the sandbox has."""
    return Finding(Kind.SWITCH, about, Verdict.OBSERVED, _word(value), why, value=value if is_choice else None)


def unknown(about: str, why: str, next: str = "", *, kind: Kind = Kind.SWITCH) -> Finding:  # noqa: A002 - the field's own name
    """A point of which nothing was seen."""
    return Finding(kind, about, Verdict.UNKNOWN, "", why, next)


def so_many(number: int, noun: str, nouns: str | None = None) -> str:
    """As in "1 client", "2,000 clients"."""
    return f"{number:,} {noun if number == 1 else nouns or noun + 's'}"


def _word(value: str | int | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
