"""What is to go wrong, and with which request. Decides; the doing is `server`'s."""

import json
import math
import random
import threading
from collections.abc import Callable, Mapping
from typing import Final, TypedDict, cast

from attrs import define, field

__all__ = [
    "API_PATH",
    "CLIENTS",
    "KINDS",
    "OF_LISTINGS",
    "Fault",
    "FaultOptions",
    "Faults",
    "parse_fault",
    "read_options",
]

API_PATH: Final = "/api/v1"  # Source: API page, "Base URL"
CLIENTS: Final = f"{API_PATH}/clients"

KINDS: Final = {
    "drop-before": "the connection is closed and nothing was done",
    "commit-then-drop": "the client is created, then the connection is closed without an answer",
    "500-before": "500 and nothing was done",
    "500-after": "the client is created, then 500",
    "delay": "all is done at once, the answer comes after `delay` seconds",
    "429": "429 and nothing was done, whatever the limit says",
    "status": "this `status` with this `body`, and nothing was done",
    "redirect": "302 to a sign-in page, and nothing was done",
    "garbage": "all is done, and the answer's body is no JSON",
    "wrong-type": "all is done, and the answer's Content-Type says it is a page",
    "slow-drip": "all is done, and the answer comes byte by byte over `delay` seconds",
    "truncated": "all is done, and half of the answer comes before the connection is closed",
    "truncated-201": "as `truncated`, of a client that is created",
    "hang-after-commit": "the client is created, and no answer ever comes",
    "late-commit": "the connection is closed, the client is created `delay` seconds later, if the sandbox still runs",
    "stale-listing": "a GET of clients answers as of `delay` seconds ago",
    "cut-listing": "a GET of clients leaves out all but the `keep` oldest, and does not say so",
}
"""The kinds of faults, and what happens then."""
OF_LISTINGS: Final = ("stale-listing", "cut-listing")  # they are about no other request


class FaultOptions(TypedDict, total=False):
    """What a fault may be told beside its kind; see `Fault`."""

    method: str | None
    path: str | None
    email: str | None
    nth: int | None
    times: int | None
    probability: float
    seed: int
    delay_s: float
    keep: int
    status: int
    body: str


@define(kw_only=True, eq=False)
class Fault:
    """One rule: the requests it is about, and what goes wrong with them. ValueError for what cannot be meant."""

    kind: str
    method: str | None = None
    path: str | None = None  # as on the API page ("/clients"), or whole ("/api/v1/clients")
    email: str | None = None  # of the client in the body, in any capitals
    nth: int | None = None  # the first of these requests to fail, from 1
    times: int | None = None  # how many fail; None: all of them, or one if `nth` is given
    probability: float = 1.0  # of each of these requests
    seed: int = 0  # of the dice: the same seed, the same faults
    delay_s: float = 1.0  # seconds; of `delay`, `late-commit`, `slow-drip` and `stale-listing`
    keep: int = 1  # clients that `cut-listing` gives
    status: int = 503  # of `status`
    body: str | None = None  # of `status`; None: the documented error body
    _seen: int = field(default=0, init=False)
    _fired: int = field(default=0, init=False)
    _dice: random.Random = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"there is no fault {self.kind!r}; choose one of: {', '.join(KINDS)}")
        for name, number in (("nth", self.nth), ("times", self.times)):
            if number is not None and number < 1:
                raise ValueError(f"{name} of a fault must be at least 1, not {number}")
        if not 0 <= self.probability <= 1:
            raise ValueError(f"probability of a fault must be between 0 and 1, not {self.probability}")
        if not (math.isfinite(self.delay_s) and self.delay_s >= 0):
            raise ValueError(f"delay of a fault must be a number of seconds, not {self.delay_s}")
        if self.keep < 0:
            raise ValueError(f"keep of a fault must be 0 or more clients, not {self.keep}")
        if not 200 <= self.status <= 599:
            raise ValueError(f"status of a fault must be between 200 and 599, not {self.status}")
        if self.body is not None and any("\ud800" <= letter <= "\udfff" for letter in self.body):
            raise ValueError("body of a fault must be whole characters, no lone surrogates")
        if self.path is not None and not self.path.startswith("/"):
            raise ValueError(f"path of a fault must begin with a slash, as in /clients, not {self.path!r}")
        if self.method is not None:
            self.method = self.method.upper()
        if self.times is None and self.nth is not None:
            self.times = 1
        self._dice = random.Random(self.seed)  # noqa: S311 - dice for tests, which must fall alike every time

    def is_about(self, method: str, path: str, body: bytes) -> bool:
        """Whether this rule counts that request."""
        return (
            (self.kind not in OF_LISTINGS or (method, path) == ("GET", CLIENTS))
            and (self.method is None or method == self.method)
            and (self.path is None or path in (self.path, API_PATH + self.path))
            and (self.email is None or _email_in(body) == self.email.casefold())
        )

    def is_due(self) -> bool:
        """Count one request that it is about, and tell whether that one is to fail."""
        self._seen += 1
        if self._seen < (self.nth or 1) or (self.times is not None and self._fired >= self.times):
            return False
        return self.probability >= 1 or self._dice.random() < self.probability

    @property
    def fired(self) -> int:
        """How many requests it has failed."""
        return self._fired

    def as_json(self) -> dict[str, object]:
        """What it was told, and how often it has fired."""
        told = {name: getattr(self, name) for name in ("kind", *FaultOptions.__annotations__)}
        return {name: value for name, value in told.items() if value is not None} | {"fired": self._fired}

    def fire(self) -> None:
        """One failure more of its `times`."""
        self._fired += 1


class Faults:
    """The rules in force; may be changed from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rules: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """One rule more. Each counts all requests it is about; where several are due, the oldest wins."""
        with self._lock:
            self._rules.append(fault)

    def clear(self) -> None:
        """From now on all goes well."""
        with self._lock:
            self._rules.clear()

    @property
    def rules(self) -> tuple[Fault, ...]:
        """Those in force, oldest first."""
        with self._lock:
            return tuple(self._rules)

    def due(self, method: str, path: str, body: bytes) -> Fault | None:
        """What is to go wrong with this request, if anything."""
        with self._lock:
            due = [rule for rule in self._rules if rule.is_about(method, path, body) and rule.is_due()]
            if not due:
                return None
            due[0].fire()
            return due[0]


def parse_fault(text: str) -> tuple[str, FaultOptions]:
    """Read `KIND` or `KIND:name=value,…`, as in `delay:method=POST,nth=3,delay=2`. ValueError says what is wrong."""
    kind, _, rest = text.partition(":")
    options: dict[str, object] = {}
    for part in rest.split(",") if rest.strip() else ():
        name, _, value = (word.strip() for word in part.partition("="))
        if name not in _READERS or not value:
            raise ValueError(f"cannot read {part.strip()!r} in fault {text!r}; its options: {', '.join(_READERS)}")
        options[name] = value
    return kind.strip(), read_options(options)


def read_options(told: Mapping[str, object]) -> FaultOptions:
    """The options of a fault by their names in a text (`delay` for `delay_s`). ValueError says what is wrong."""
    options: dict[str, object] = {}
    for name, value in told.items():
        reader = _READERS.get("delay" if name == "delay_s" else name)
        if reader is None:
            raise ValueError(f"a fault has no option {name!r}; its options: {', '.join(_READERS)}")
        try:
            options["delay_s" if name == "delay" else name] = reader(value if isinstance(value, str) else f"{value}")
        except ValueError:
            raise ValueError(f"{name} of a fault must be a number, not {value!r}") from None
    return cast("FaultOptions", options)  # read by name just above


_READERS: Final[dict[str, Callable[[str], object]]] = {
    "method": str,
    "path": str,
    "email": str,
    "nth": int,
    "times": int,
    "probability": float,
    "seed": int,
    "delay": float,
    "keep": int,
    "status": int,
    "body": str,
}


def _email_in(body: bytes) -> str | None:
    try:
        found = json.loads(body)["email"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
    return found.casefold() if isinstance(found, str) else None
