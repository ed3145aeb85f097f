"""What reached the API, and when: the proof of rates in tests. Holds no key, no body and no header."""

import threading
from collections import deque
from itertools import islice
from typing import Final

from attrs import define, frozen

__all__ = ["Recorder", "RequestRecord"]

_KEPT: Final = 100_000  # requests; older ones are forgotten, so that a sandbox may run for weeks


@frozen
class RequestRecord:
    """One request to the API, as it arrived."""

    at: float  # seconds, of the sandbox's clock (`time.monotonic` unless another was given)
    method: str
    path: str  # whole, as in "/api/v1/clients"
    query: str  # without the question mark
    key: int | None  # the how manieth of the configured keys, from 0; None for a key that is none of them
    status: int | None  # None while there is no answer, and for ever if the connection was dropped


@define
class _Entry:
    at: float
    method: str
    path: str
    query: str
    key: int | None
    status: int | None = None


class Recorder:
    """Notes requests in the order of their arrival; may be read from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: deque[_Entry] = deque(maxlen=_KEPT)

    def arrived(self, *, at: float, method: str, path: str, query: str, key: int | None) -> _Entry:
        """Note a request; its `status` is to be set when it is answered."""
        entry = _Entry(at, method, path, query, key)
        with self._lock:
            self._entries.append(entry)
        return entry

    def records(self) -> list[RequestRecord]:
        """All requests so far, oldest first; at most the last 100,000."""
        with self._lock:
            return [_record(entry) for entry in self._entries]

    def last(self, number: int) -> list[RequestRecord]:
        """The youngest of them, oldest first."""
        with self._lock:
            return [_record(entry) for entry in islice(reversed(self._entries), number)][::-1]

    def clear(self) -> None:
        """Forget all of them."""
        with self._lock:
            self._entries.clear()


def _record(entry: _Entry) -> RequestRecord:
    """Field by field: `attrs.astuple` would take as long as a whole page that shows them."""
    return RequestRecord(entry.at, entry.method, entry.path, entry.query, entry.key, entry.status)
