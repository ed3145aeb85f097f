"""All that was seen: the two answers, the webhook, our key and budget. What the judges are handed, and nothing else."""

from attrs import define, field

from onboard360_async.budget import BudgetState
from onboard360_async.doctor.looking import Campaigns, Clients, Looked
from onboard360_async.doctor.signed import Webhook

__all__ = ["BudgetSeen", "KeySeen", "Seen"]


@define(kw_only=True)
class KeySeen:
    """The key as it was given; `fault` is why it cannot be one."""

    text: str = field(repr=False)
    fault: str = ""
    is_loopback: bool = False  # the service is on this machine


@define(kw_only=True)
class BudgetSeen:
    """Where the budget is kept, and how it was before we sent anything. `fault`: it could not be looked at."""

    store: str  # without a password
    state: BudgetState | None = None
    fault: str = ""
    mode: int | None = None  # of its folder, if it is a file
    skew_s: float | None = None  # how far its own clock is ahead of ours, if it has one
    spent: int = 0


@define(kw_only=True)
class Seen:
    """Everything."""

    key: KeySeen
    budget: BudgetSeen
    campaigns: Campaigns | None = None  # None: it was not asked for
    clients: Clients | None = None
    webhook: Webhook | None = None
    skew_s: float | None = None  # how far the service's clock is ahead of ours

    @property
    def answers(self) -> list[Looked]:
        """Those that were asked for."""
        return [each for each in (self.campaigns, self.clients) if each is not None]

    @property
    def listing(self) -> Clients | None:
        """The listing of clients, as far as it was readable; None if nothing of it was."""
        clients = self.clients
        return clients if clients is not None and clients.is_success else None
