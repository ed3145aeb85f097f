"""The reconcile rule: what became of the rows in doubt that name one person, by who is there now. Pure.

Knows no journal and no listing. Who was there before the import, and who is another row's client, was left out before.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

from attrs import field, frozen

from onboard360_async import settings
from onboard360_async.importer.journal import Doubt
from onboard360_async.models import Client, NewClient

__all__ = ["Absent", "Adopt", "Exists", "Sight", "Unclear", "Verdict", "began_before", "details_of", "judge"]

_TOLERANCE_NS: Final = int(settings.IMPORT_CLOCK_TOLERANCE_S * 1e9)


@frozen
class Sight:
    """A client who is there: in a listing, or in a stored webhook (`link` is known then)."""

    client_id: str
    created_at: datetime | None
    details: tuple[str | None, ...] = field(repr=False)
    link: str | None = field(default=None, repr=False)

    @classmethod
    def of(cls, client: Client) -> "Sight":
        """A client of a listing."""
        return cls(client.id, client.created_at, details_of(client), client.link)


@frozen
class Verdict:
    """What became of a row in doubt."""

    doubt: Doubt


@frozen
class Adopt(Verdict):
    """This client is the row's."""

    sight: Sight


@frozen
class Absent(Verdict):
    """Its request created nobody."""


@frozen
class Exists(Verdict):
    """Its request created nobody, but somebody else added this person meanwhile."""

    sight: Sight


@frozen
class Unclear(Verdict):
    """Nobody can tell; `is_final`: a further look would not help."""

    reason: str
    is_final: bool


def details_of(person: Client | NewClient) -> tuple[str | None, ...]:
    """What is compared if several could be meant; a service may keep nothing as an empty text."""
    texts = (person.first_name, person.last_name, person.company_name, person.phone)
    return tuple(text or None for text in texts)


def began_before(moment: datetime, began_at: int, skew_s: float) -> bool:
    """Whether the server's `moment` lies before our `began_at` (nanoseconds), by more than clocks may err.

    `skew_s` is what the server's clock is ahead of ours, in seconds.
    """
    return _ns(moment) < began_at + int(skew_s * 1e9) - _TOLERANCE_NS


def judge(
    doubts: Sequence[Doubt],
    sights: Sequence[Sight],
    *,
    skew_s: float | None,
    no_argument: Callable[[Doubt], str | None],
) -> Iterator[Verdict]:
    """One verdict for each of the rows in doubt of one email in one campaign.

    `no_argument` tells why a row must not be called absent, if it must not. Without `skew_s` nobody's date counts.
    Somebody who is there and cannot be explained is never argued away: nobody is sent again beside them.
    """
    first = min(doubt.began_at for doubt in doubts)
    older: list[Sight] = []
    fits: list[Sight] = []
    for sight in sights:
        is_old = skew_s is not None and sight.created_at is not None and began_before(sight.created_at, first, skew_s)
        (older if is_old else fits).append(sight)
    if len(fits) > len(doubts):
        reason = f"{len(fits)} clients with this email are there and {len(doubts)} could be this import's"
        yield from (Unclear(doubt, reason, is_final=True) for doubt in doubts)
        return
    for doubt in sorted(doubts, key=lambda doubt: (not doubt.created, doubt.began_at)):
        if fits:
            fits.remove(sight := min(fits, key=lambda sight: _distance(sight, doubt)))
            yield Adopt(doubt, sight)
        elif doubt.created:
            yield Unclear(doubt, "the listing does not show whom", is_final=False)
        elif (against := no_argument(doubt)) is not None:
            yield Unclear(doubt, against, is_final=False)
        elif older:
            yield Exists(doubt, older[0])
        else:
            yield Absent(doubt)


def _distance(sight: Sight, doubt: Doubt) -> tuple[bool, datetime]:
    """Who fits better is nearer: the same names first, then the order of creation."""
    return sight.details != details_of(doubt.client), sight.created_at or datetime.max.replace(tzinfo=UTC)


def _ns(moment: datetime) -> int:
    return int(moment.timestamp() * 1e9)
