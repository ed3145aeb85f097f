"""What the live page shows, as plain values, and what somebody may ask of it in its address.

Knows neither HTML nor where the values come from. No key and no secret is among them.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Literal
from urllib.parse import urlencode

from attrs import asdict, evolve, field, frozen

from onboard360_async.sandbox.deliveries import Delivery
from onboard360_async.sandbox.faults import Fault
from onboard360_async.sandbox.plot import Plot
from onboard360_async.sandbox.recorder import RequestRecord
from onboard360_async.sandbox.store import StoredCampaign, StoredClient

__all__ = ["STATES", "Asked", "Endpoint", "Notice", "View"]

STATES: Final = ("pending", "delivered", "failed")  # of a delivery
_MOST_CHARS: Final = 200  # of what somebody looks for
_LAST_SEQ: Final = 2**63 - 1  # of a row in SQLite


@frozen(kw_only=True)
class Asked:
    """What the address asks for; what cannot be meant is as if it were not there."""

    campaign: str = ""  # clients of this campaign's id
    text: str = ""  # clients with this in their names, email or company
    before: int | None = None  # clients older than this `seq`
    event: str = ""  # deliveries of this event
    state: str = ""  # deliveries in this state

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "Asked":
        """Read an address's query."""
        before = query.get("before", "")
        number = int(before) if before.isascii() and before.isdigit() and len(before) < 20 else 0
        return cls(
            campaign=query.get("campaign", "")[:_MOST_CHARS],
            text=query.get("text", "").strip()[:_MOST_CHARS],
            before=number if 0 < number <= _LAST_SEQ else None,
            event=query.get("event", "")[:_MOST_CHARS],
            state=query.get("state", "") if query.get("state", "") in STATES else "",
        )

    def items(self, *but: str) -> list[tuple[str, str]]:
        """Name and value of all that is asked, but these."""
        return [(name, str(value)) for name, value in asdict(self).items() if value and name not in but]

    def address(self, *, notice: str = "", **changes: Any) -> str:
        """The address of the page that shows this, with these changes."""
        items = evolve(self, **changes).items() + ([("notice", notice)] if notice else [])
        return f"/?{urlencode(items, errors='replace')}" if items else "/"


@frozen(kw_only=True)
class Notice:
    """What came of a form; a refused one gets what was typed back."""

    text: str
    kind: Literal["done", "refused"] = "done"
    form: str = ""
    typed: Mapping[str, str] = field(factory=dict, repr=False)  # personal


@frozen(kw_only=True)
class Endpoint:
    """Where webhooks go, without what may be secret."""

    url: str  # without its query
    events: Sequence[str]


@frozen(kw_only=True)
class View:
    """All that the page shows at one moment."""

    asked: Asked
    notice: Notice | None = None
    url: str  # of the API
    # The sandbox's time: the same moment as a date and in seconds.
    now: datetime
    at: float
    is_frozen: bool
    # The minute.
    limiter: str
    limit: int
    window_s: float
    left: int | None  # how many requests would be served now; None without a limit
    refused: int
    plot: Plot
    preset: str
    switched: Sequence[tuple[str, str]]  # the switches that are not as by default
    # What is in it. Clients newest first, the page's first 50 of those that are asked for.
    campaigns: Sequence[StoredCampaign]
    counts: Mapping[str, int]  # clients of each campaign
    clients: Sequence[StoredClient]
    has_older: bool
    all_clients: int
    endpoints: Sequence[Endpoint]
    deliveries: Sequence[Delivery]  # newest first
    requests: Sequence[RequestRecord]  # newest first
    faults: Sequence[Fault]

    def date(self, at: float) -> datetime:
        """When this second of the clock was."""
        return self.now + timedelta(seconds=at - self.at)
