"""Rows in doubt, looked for: one listing of a campaign settles all of its rows. The rule is `reconcile`'s.

What was found is in the journal before anybody hears of it. Knows no HTTP; it takes a callable that reads a listing.
"""

import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from operator import itemgetter
from typing import Final

from onboard360_async import settings
from onboard360_async.errors import Onboard360Error
from onboard360_async.importer.events import sights_by_events
from onboard360_async.importer.journal import Doubt, Journal
from onboard360_async.importer.listed import Seen
from onboard360_async.importer.outcomes import Outcome
from onboard360_async.importer.reconcile import Absent, Adopt, Exists, Sight, Unclear, Verdict, judge
from onboard360_async.importer.replay import outcome_of
from onboard360_async.importer.rules import Rules
from onboard360_async.models import Client, email_key
from onboard360_async.sqlite import transaction

__all__ = ["Read", "Settling"]

Read = Callable[[str, Callable[[Sequence[Client]], None]], Awaitable[bool]]  # a listing, batch by batch; False: stopped
logger: Final = logging.getLogger("onboard360_async")
_ABSENT: Final = "its request created nobody; it was not sent again"
_OTHERS: Final = "somebody else seems to have added this person meanwhile"


class Settling:
    """One look after another for the rows in doubt.

    `until` waits for a moment (nanoseconds) and tells whether it came; `may_send` whether a row may be sent again.
    """

    def __init__(
        self,
        journal: Journal,
        read: Read,
        rules: Rules,
        *,
        skew_s: Callable[[], float | None],
        until: Callable[[int], Awaitable[bool]],
        may_send: Callable[[int], bool],
    ) -> None:
        self._journal, self._read, self._rules = journal, read, rules
        self._skew_s, self._until, self._may_send = skew_s, until, may_send
        self._settle_ns = int(rules.settle_s * 1e9)

    async def settle(self, looks: int, *, finally_: bool) -> AsyncIterator[list[Outcome]]:
        """Look for all rows that are in doubt now, and tell what became of them.

        A look comes `settle_s` after the one before, the first so long after the last request's end. `finally_`: who
        is not settled by then is unresolved, and a listing that fails is an error; else they stay in doubt. Rows of an
        earlier list stay so, too, if their listing fails.
        """
        wanted = {doubt.id for doubt in self._journal.doubts()}
        for look in range(1, looks + 1):
            left = [doubt for doubt in self._journal.doubts() if doubt.id in wanted]
            due = max(doubt.ended_at for doubt in left) + look * self._settle_ns if left else 0
            if not finally_:  # others are sent meanwhile: give them time to become witnesses
                due += int(self._settle_ns * settings.IMPORT_WITNESS_SHARE)
            if not left or not await self._until(due):
                break
            for campaign_id, doubts in _by(left, lambda doubt: doubt.campaign_id):
                try:
                    settled = await self._look(campaign_id, doubts, is_last=finally_ and look == looks)
                except Onboard360Error as error:
                    logger.info("a listing that was to settle rows failed: %s", type(error).__name__)
                    if finally_ and look == looks and self._are_in_list(doubts):
                        raise
                    continue
                yield settled

    async def _look(self, campaign_id: str, doubts: Sequence[Doubt], *, is_last: bool) -> list[Outcome]:
        """Read one listing, and note what it says about these rows; those of the list that have an outcome now."""
        seen = Seen(self._journal, campaign_id)
        keys = {doubt.email_key for doubt in doubts}
        shown: dict[str, dict[str, Sight]] = {key: sights_by_events(self._journal, campaign_id, key) for key in keys}

        def take(batch: Sequence[Client]) -> None:
            seen.add(batch)
            for client in batch:
                if (key := email_key(client.email)) in keys:
                    shown[key].setdefault(client.id, Sight.of(client))  # an event tells the link, too

        if not await self._read(campaign_id, take):
            return []
        fault, skew_s = seen.fault(), self._skew_s()

        def no_argument(doubt: Doubt) -> str | None:
            # The witness came when nothing could be committed any more. One that came at once would prove nothing of a
            # commit that was late, to a listing that lags (tests/importer/test_arms.py).
            settled_at = doubt.ended_at + self._settle_ns
            if fault is None and (seen.began_at >= settled_at + self._settle_ns or seen.has_witness(settled_at)):
                return None
            return fault or "no client who was created later is in the listing yet"

        with transaction(self._journal.db):
            for key, same in _by(doubts, lambda doubt: doubt.email_key):
                sights = [sight for sight in shown[key].values() if self._is_free(campaign_id, sight.client_id)]
                for verdict in judge(same, sights, skew_s=skew_s, no_argument=no_argument):
                    self._note(verdict, is_last=is_last)
        records = [self._journal.record(doubt.id) for doubt in doubts]
        # A row that is no longer in the list is not told: its line would name somebody else.
        noted = [record for record in records if record["seq"] is not None and record["position"] is not None]
        return [outcome_of(record) for record in sorted(noted, key=itemgetter("seq"))]

    def _are_in_list(self, doubts: Iterable[Doubt]) -> bool:
        """Whether today's list has one of these rows: else it is done without them."""
        return any(self._journal.record(doubt.id)["position"] is not None for doubt in doubts)

    def _is_free(self, campaign_id: str, client_id: str) -> bool:
        return not (
            self._journal.was_there(campaign_id, client_id) or self._journal.is_credited(campaign_id, client_id)
        )

    def _note(self, verdict: Verdict, *, is_last: bool) -> None:
        journal, row_id = self._journal, verdict.doubt.id
        match verdict:
            case Adopt(sight=sight):
                journal.adopted(row_id, sight.client_id, sight.link)
            case Exists(sight=sight) if self._rules.if_exists != "send":
                journal.existing(row_id, sight.client_id, None)
            case Exists():
                journal.unresolved(row_id, _OTHERS)
            case Absent(doubt=doubt) if self._rules.if_exists != "send" and (
                client_id := journal.who_was_there(doubt.campaign_id, doubt.email_key)
            ):  # an earlier run was told to send them all the same
                journal.existing(row_id, client_id, None)
            case Absent() if self._rules.on_ambiguous == "reconcile" and self._may_send(row_id):
                journal.planned_again(row_id)
            case Absent():
                journal.unresolved(row_id, _ABSENT, absent=True)
            case Unclear(reason=reason, is_final=is_final) if is_final or is_last:
                journal.unresolved(row_id, reason)


def _by(doubts: Iterable[Doubt], of: Callable[[Doubt], str]) -> list[tuple[str, list[Doubt]]]:
    groups: dict[str, list[Doubt]] = defaultdict(list)
    for doubt in doubts:
        groups[of(doubt)].append(doubt)
    return list(groups.items())
