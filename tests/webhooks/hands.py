"""What the tests of the inbox have in their hands: a clock to be turned, events, and a handler that notes and fails."""

from onboard360_async.webhooks import ClientCreated, Event
from onboard360_async.webhooks.factories import client_created

__all__ = ["Seen", "Turned", "created"]


class Turned:
    """A clock that tests turn by hand."""

    def __init__(self) -> None:
        self.now = 2e9  # after whatever the events say

    def __call__(self) -> float:
        return self.now


def created(number: int, timestamp: str = "2026-01-15T09:00:00Z") -> ClientCreated:
    """The same bytes whenever it is called."""
    return client_created(client_id=f"c{number}", email=f"p{number}@x.de", timestamp=timestamp)


class Seen:
    """A handler that notes whom it was called for, and fails as often as it is told."""

    def __init__(self, failures: int = 0) -> None:
        self.ids: list[str | None] = []
        self.failures = failures

    async def __call__(self, event: Event) -> None:
        self.ids.append(event.data.subject)
        if self.failures:
            self.failures -= 1
            raise ValueError(event.data)
