"""A list, a service with faults, and an import that is killed and run again until it is done; then the books compared.

The service is the sandbox, in a thread of this process; the import is a process of the zygote's.
"""

import csv
import json
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import attrs
from attrs import define, field, frozen

from onboard360_async.sandbox import Sandbox
from tests.importer.zygote import Order

__all__ = ["ALL", "SETTLE_S", "Ended", "Fault", "Scene", "Zygote", "zygote_started"]

ROOT = Path(__file__).parents[2]
CAMPAIGN = "550e8400-e29b-41d4-a716-446655440000"
NOWHERE = "550e8400-e29b-41d4-a716-446655449999"  # no campaign: whoever is sent there is rejected
SETTLE_S = 0.6
TIMEOUT_S = 0.5
MOST_RUNS = 6  # after the kills, until every row is settled
SETTLED = ("skipped_duplicate", "skipped_existing", "created", "rejected", "adopted")  # all that a row may end as


@frozen
class Fault:
    """What goes wrong with somebody's POST, or (`email` None) with a listing."""

    kind: str
    email: str | None = None
    options: dict[str, Any] = field(factory=dict)


def _of(kind: str, times: int = 1, **options: Any) -> Fault:
    return Fault(kind, f"{kind}@x.de", {"times": times, **options})


# Everything that can go wrong, once or twice, and listings that are wrong after the first.
ALL = (
    _of("drop-before", 2),
    _of("commit-then-drop"),
    _of("500-before"),
    _of("500-after"),
    _of("429"),
    _of("truncated-201"),
    _of("hang-after-commit"),
    _of("late-commit", delay_s=SETTLE_S / 10),
    Fault("500-before", None, {"nth": 2}),
    Fault("stale-listing", None, {"nth": 3, "delay_s": 60.0}),
    Fault("stale-listing", None, {"nth": 4, "delay_s": SETTLE_S / 2}),
)


@frozen
class Ended:
    """How a run ended: its exit code (-9: killed), and what it said."""

    code: int
    said: str

    @property
    def was_killed(self) -> bool:
        """Whether it came to the point at which it was to be killed."""
        return self.code == -signal.SIGKILL

    @property
    def points(self) -> int:
        """How many points it counted."""
        return int(json.loads(self.said)["count"])


@define
class Zygote:
    """Where processes come from."""

    port: int

    def run(self, order: Order) -> Ended:
        """One run of an import, from its start to its end."""
        with socket.create_connection(("127.0.0.1", self.port)) as line, line.makefile("rb") as answer:
            line.sendall(json.dumps(attrs.asdict(order)).encode())
            line.shutdown(socket.SHUT_WR)
            return Ended(**json.loads(answer.read()))


@contextmanager
def zygote_started() -> Iterator[Zygote]:
    """A zygote that is ready."""
    command = [sys.executable, "-m", "tests.importer.zygote"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Zygote(int(process.stdout.readline()))
        finally:
            process.kill()


class Scene:
    """A list beside its service, in a folder of their own: `with Scene(...) as scene`.

    Everybody whom a fault names is on the list, somebody who is there already, somebody twice, and somebody whose
    campaign is not there.
    """

    def __init__(self, zygote: Zygote, folder: Path, faults: Sequence[Fault], **order: Any) -> None:
        self._zygote, self._folder, self._faults = zygote, folder, faults
        # Many lost in a row end no run here: a machine that stands still for a moment loses them all at once.
        options = {"settle_s": SETTLE_S, "max_ambiguous": 99}
        self._order: dict[str, Any] = {"timeout_s": TIMEOUT_S, "options": options, **order}
        self._later_s = 0.0
        self.sandbox = Sandbox(limiter="off", clock=lambda: time.monotonic() + self._later_s)
        self.people: list[str] = []

    def __enter__(self) -> Self:
        self._folder.mkdir()
        self.sandbox.__enter__()
        self.sandbox.add_client(CAMPAIGN, "there@x.de")
        self.much_later()
        named = [fault.email for fault in self._faults if fault.email is not None]
        self.add("first@x.de", *named, "there@x.de", "second@x.de", "first@x.de", "nowhere@x.de", "last@x.de")
        self.break_by(*self._faults)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.sandbox.__exit__(kind, error, trace)

    def much_later(self) -> None:
        """By the service's clock: whoever is there is in every stale listing."""
        self._later_s += 3600.0

    def add(self, *people: str) -> None:
        """More rows at the end of the list."""
        self.people += people
        rows = [f"{NOWHERE if email.startswith('nowhere') else CAMPAIGN},{email}" for email in self.people]
        (self._folder / "people.csv").write_text("\n".join(["campaign_id,email", *rows]) + "\n")

    def break_by(self, *faults: Fault) -> None:
        """From now on these go wrong."""
        for fault in faults:
            about: dict[str, Any] = {"method": "GET"} if fault.email is None else {"email": fault.email}
            self.sandbox.add_fault(fault.kind, **about, **fault.options)

    def run(self, kill_at: int = 0) -> Ended:
        """One run of the import; fails if it ended in any way but by itself or by the kill."""
        ended = self.tried(kill_at)
        assert ended.code == 0 or (kill_at and ended.was_killed), f"{ended.code}: {ended.said}"
        return ended

    def tried(self, kill_at: int = 0) -> Ended:
        """One run of the import, however it ends."""
        url, key = self.sandbox.url, self.sandbox.api_key
        return self._zygote.run(Order(folder=str(self._folder), url=url, key=key, kill_at=kill_at, **self._order))

    def finish(self) -> list[str]:
        """Run it again until every row is settled, or nobody believes in that any more; what is wrong then."""
        for _ in range(MOST_RUNS):
            ended = self.run()
            if all(row["status"] in SETTLED for row in self.results()):
                break
        summary = json.loads(ended.said)["summary"]
        rows = summary.pop("rows")
        wrong = [] if sum(summary.values()) == rows == len(self.people) else [f"adds up wrongly: {summary} of {rows}"]
        return wrong + self.compared()

    def results(self) -> list[dict[str, str]]:
        """What the import wrote."""
        with (self._folder / "people.results.csv").open(newline="") as file:
            return list(csv.DictReader(file))

    def compared(self) -> list[str]:
        """What the results say against the service's own books, one sentence for each thing that is wrong."""
        results, there = self.results(), self.sandbox.clients()
        wrong = []
        if [row["email"] for row in results] != self.people:
            wrong.append("the rows are not the list's")
        times = Counter(client["email"] for client in there)
        for email in set(self.people):
            if times[email] > 1:
                wrong.append(f"created twice: {email}")
            elif times[email] == 0 and not email.startswith("nowhere"):
                wrong.append(f"lost: {email}")
        by_email = {client["email"]: client for client in there}
        for row in results:
            wrong += _wrong_with(row, by_email.get(row["email"]) or {})
        return wrong


def _wrong_with(row: dict[str, str], client: dict[str, str | None]) -> list[str]:
    email, status = row["email"], row["status"]
    wrong = [] if status in SETTLED else [f"{status}: {email}"]
    if (status == "rejected") is not email.startswith("nowhere"):
        wrong.append(f"{status}: {email}")
    if status in ("created", "adopted", "skipped_existing") and row["client_id"] != client.get("id"):
        wrong.append(f"another's id: {email}")
    if row["link"] != (client.get("link") if status == "created" else ""):
        wrong.append(f"wrong link: {email}")
    return wrong
