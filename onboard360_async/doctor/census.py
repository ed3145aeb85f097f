"""The clients of a listing, looked through one by one: what they are like, and nothing of who they are.

Pure. Knows no connection. What is kept of each is a mark that nobody can turn back, and of these there are as many as
the caller lets come.
"""

import hashlib
import secrets
from collections import Counter
from datetime import datetime
from typing import Any, Final, cast

from onboard360_async.codec.drift import beyond
from onboard360_async.codec.structure import client_of
from onboard360_async.errors import DecodeError
from onboard360_async.models import Client, email_key

__all__ = ["Census", "EnoughError"]

_OPTIONAL: Final = ("first_name", "last_name", "company_name", "phone")


class EnoughError(Exception):
    """There is one client more than were to be looked at."""


class Census:
    """What so many clients of a listing are like. `wanted` is the id of one that is looked for."""

    def __init__(self, most: int, wanted: str | None = None) -> None:
        self.count: int = 0
        self.odd: int = 0  # that are not what the API page shows
        self.fault: str = ""  # the path of the first of these, and what is wrong with it
        self.extra: set[str] = set()  # paths of what the API page does not name
        self.links: Counter[str] = Counter()  # "text", "null" or "missing"
        self.blanks: Counter[str] = Counter()  # "null", "missing" or "empty", of the fields that one may leave out
        self.zones: Counter[str] = Counter()  # how times end: "Z", "offset" or "none"
        self.order: _Order = _Order()
        self.ids_again: int = 0  # an id that somebody before has
        self.people_again: int = 0  # an email that somebody before has in the same campaign
        self.has_wanted: bool = False
        self._most, self._wanted = most, wanted
        self._salt = secrets.token_bytes(16)
        self._ids: set[bytes] = set()
        self._people: set[bytes] = set()

    def take(self, value: object) -> None:
        """Look at the next one. EnoughError if they were as many as were asked for already."""
        if self.count >= self._most:
            raise EnoughError
        path = f"$.clients[{self.count}]"
        self.count += 1
        try:
            client = client_of(value, path)
        except DecodeError as error:
            self.odd += 1
            self.fault = self.fault or str(error)
            return
        self._look(client, cast("dict[str, Any]", value))

    def _look(self, client: Client, item: dict[str, Any]) -> None:
        self.extra |= beyond(client, "$.clients[]")
        self.links["missing" if "link" not in item else "null" if item["link"] is None else "text"] += 1
        for name in _OPTIONAL:
            if not item.get(name):
                self.blanks["missing" if name not in item else "null" if item[name] is None else "empty"] += 1
        self.zones[_zone(item["created_at"])] += 1
        self.order.take(client.created_at, client.id)
        self.has_wanted |= client.id == self._wanted
        if self._is_again(self._ids, client.id):  # listed twice: that is no second client of one email
            self.ids_again += 1
            return
        self.people_again += self._is_again(self._people, f"{client.campaign_id}\0{email_key(client.email)}")

    def _is_again(self, known: set[bytes], text: str) -> bool:
        mark = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16, key=self._salt).digest()
        is_again = mark in known
        known.add(mark)
        return is_again


class _Order:
    """In which order they come, as far as neighbours show it."""

    def __init__(self) -> None:
        self.rises: int = 0  # from one to the next by time; two of one moment say nothing
        self.falls: int = 0
        self.id_rises: int = 0
        self.id_falls: int = 0
        self._last: tuple[datetime, str] | None = None

    def take(self, created_at: datetime, client_id: str) -> None:
        """The next one."""
        if self._last is not None:
            before, id_before = self._last
            self.rises += created_at > before
            self.falls += created_at < before
            self.id_rises += client_id > id_before
            self.id_falls += client_id < id_before
        self._last = created_at, client_id

    def possible(self) -> dict[str, int]:
        """The orders that nothing speaks against, in the sandbox's words, and how many neighbours speak for each."""
        orders = {
            "created": (self.rises, self.falls),
            "newest": (self.falls, self.rises),
            "by-id": (self.id_rises, self.id_falls),
        }
        return {name: along for name, (along, against) in orders.items() if not against}


def _zone(text: str) -> str:
    """How a time that could be read ends."""
    if text[-1:] in ("Z", "z"):
        return "Z"
    return "none" if datetime.fromisoformat(text).tzinfo is None else "offset"
