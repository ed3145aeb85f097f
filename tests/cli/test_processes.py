"""Commands as real processes that share a budget in a file: no 429, whatever the server, and whoever is killed."""

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from attrs import frozen

from onboard360_async import settings
from onboard360_async.sandbox import Sandbox
from tests.cli.conftest import Command
from tests.cli.minute import CAMPAIGN, EACH
from tests.cli.terminal import beside
from tests.foreign import LIMITERS, Foreign
from tests.stores.servers import RealServer, find

PROGRAM = [sys.executable, "-m", "tests.cli.minute"]
ROOT = Path(__file__).parents[2]
LIMIT = 100
SHORTEST_S = 2.4
ADD = ("clients", "add", "--campaign", CAMPAIGN, "--email", "john@example.com")


def program(numbers: dict[str, float], *arguments: str) -> list[str]:
    """`onboard360 ARGUMENTS` in a process of its own, with these settings."""
    return [*PROGRAM, json.dumps(numbers), *arguments]


# --- loops of commands ---


@frozen
class Ended:
    """What loops came to: seconds, exit codes, and what the server saw."""

    seconds: float
    codes: dict[str, int]
    refused: int
    created: int


class Strictest:
    """Several ways to cut a minute at once: what any of them refuses is refused, and counted by its name."""

    def __init__(self, window_s: float, *names: str) -> None:
        self._ways = {name: LIMITERS[name](LIMIT, window_s) for name in names}
        self.refused: Counter[str] = Counter()

    def __call__(self, now: float) -> bool:
        refused = [name for name, admits in self._ways.items() if not admits(now)]
        self.refused.update(refused)
        return not refused


async def ended(admit: Callable[[float], bool], window_s: float, store: str, in_a_row: int, side_by_side: int) -> Ended:
    """Loops of thirty commands against a server that admits so."""
    async with Foreign(admit, latency_s=0.0) as server:
        environment = os.environ | {"ONBOARD360_API_KEY": "sk_test_1", "ONBOARD360_BASE_URL": server.url}
        child = await asyncio.create_subprocess_exec(
            *program({"WINDOW_S": window_s}, "--loops", store, str(in_a_row), str(side_by_side)),
            env=environment,
            cwd=ROOT,
            stdout=subprocess.PIPE,
        )
        said, _ = await child.communicate()
        assert child.returncode == 0
        return Ended(**json.loads(said), refused=server.refused, created=server.created)


@pytest.fixture(scope="module")
def window_s() -> float:
    """A minute so long that half as many commands again as it admits would fit into it on this machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("ONBOARD360_BUDGET", raising=False)
        free = asyncio.run(ended(lambda _: True, SHORTEST_S, "memory", 2, 0))
    return max(SHORTEST_S, 1.5 * LIMIT * free.seconds / (2 * EACH))


@pytest.mark.timeout(60)
async def test_loops_of_commands_get_no_429(window_s: float) -> None:
    """Twelve loops of thirty in a row, then three side by side: each command a process, the file all they share."""
    server = Strictest(window_s, *LIMITERS)
    file = await ended(server, window_s, "file", 12, 3)
    assert server.refused == {}
    assert (file.refused, file.created, file.codes) == (0, 15 * EACH, {"0": 15 * EACH})
    assert file.seconds > (15 * EACH / LIMIT - 1) * window_s  # or nobody was held back, and this has seen nothing


@pytest.mark.timeout(60)
@pytest.mark.parametrize(("in_a_row", "side_by_side"), [(5, 0), (0, 5)])
async def test_without_the_file_the_same_loops_are_refused(window_s: float, in_a_row: int, side_by_side: int) -> None:
    """In the same set-up a budget for each process gets 429s, from the sliding log as from the others."""
    server = Strictest(window_s, *LIMITERS)
    alone = await ended(server, window_s, "memory", in_a_row, side_by_side)
    assert alone.refused > 0
    assert server.refused["sliding"] > 0


# --- one command, killed ---


def test_a_killed_command_gives_its_slot_back_by_itself(service: Sandbox) -> None:
    """Killed for real while its request is under way: held by host and process until the lease ends, then counted."""
    short = {"WINDOW_S": 1.0, "TIMEOUT_S": 3.0, "STORE_PATIENCE_S": 0.5, "WATCH_EVERY_S": 0.02}
    service.add_fault("delay", method="POST", delay_s=60.0)
    with subprocess.Popen(program(short, *ADD), cwd=ROOT) as adding:
        while not service.requests:
            assert adding.poll() is None
        adding.kill()
    killed_at = time.monotonic()
    looking = program(short, "budget", "--format", "json")
    (held,) = json.loads(subprocess.run(looking, cwd=ROOT, capture_output=True, check=True).stdout)
    assert held["held_by"] == {f"{socket.gethostname()}:{adding.pid}": 1}
    assert (held["in_flight"], held["used"]) == (1, 1)
    watching = program(short, "budget", "--watch", "--format", "jsonl")
    counted_s = free_s = 0.0
    with subprocess.Popen(watching, cwd=ROOT, stdout=subprocess.PIPE, text=True) as watch:
        assert watch.stdout is not None
        for line in watch.stdout:
            state = json.loads(line)
            if not state["in_flight"] and not counted_s:
                counted_s = time.monotonic() - killed_at
                assert (state["used"], state["held_by"]) == (1, {})
            if not state["used"] and not free_s:
                free_s = time.monotonic() - killed_at
                watch.send_signal(signal.SIGINT)
    assert watch.returncode == 130
    assert 1.0 < counted_s < free_s < 10.0  # a lease is the attempt's time-out and the store's patience
    assert len(service.requests) == 1


def test_a_command_waits_where_the_file_cannot_be_read(service: Sandbox) -> None:
    """One warning, a minute's wait, and the request is made; the file is whole again."""
    short = {"WINDOW_S": 1.0}
    subprocess.run(program(short, *ADD), cwd=ROOT, capture_output=True, check=True)
    (path,) = (Path(os.environ["XDG_STATE_HOME"]) / "onboard360-async").iterdir()
    path.write_bytes(path.read_bytes()[:-1].replace(b"}", b"\xff"))
    began = time.monotonic()
    done = subprocess.run(program(short, *ADD), cwd=ROOT, capture_output=True, text=True, check=False)
    assert time.monotonic() - began > 1.0
    assert (done.returncode, len(service.clients())) == (0, 2)
    assert done.stderr == "the budget in the store cannot be read; the whole window is taken for used up\n"
    again = subprocess.run(program(short, *ADD), cwd=ROOT, capture_output=True, text=True, check=False)
    assert (again.returncode, again.stderr) == (0, "")


# --- in Redis ---


@pytest.fixture
def redis_url() -> Iterator[str]:
    """A Redis of our own on a socket in a folder, which wants a password."""
    found = find("redis", "redis 6")
    if found is None:
        pytest.skip("there is no redis-server, nor a package that brings one")
    with TemporaryDirectory() as folder:  # pytest's own may be too long for a socket's name
        server = RealServer(found, Path(folder), password="s3cret")
        server.start()
        yield f"unix://:s3cret@{server.socket}"
        server.kill()


def test_commands_share_a_budget_in_redis(
    service: Sandbox, command: Command, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each a process; the third looks, and says where it looked without the password. Nothing is left in a file."""
    for _ in range(2):
        adding = program({}, *ADD, "--budget", redis_url)
        done = subprocess.run(adding, cwd=ROOT, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
    said = command("budget", "--budget", redis_url, "--format", "json")
    (state,) = json.loads(said.out)
    assert (state["used"], state["available"]) == (2, 98)
    assert state["store"] == redis_url.replace("s3cret", "<password>")
    assert "s3cret" not in command("budget", "--budget", redis_url).out
    monkeypatch.setattr(settings, "STORE_PATIENCE_S", 0.1)
    wrong = command("budget", "--budget", redis_url.replace("s3cret", "wr0ng"))
    assert (wrong.code, wrong.err.count("\n"), "wr0ng" in wrong.err) == (2, 1, False)
    assert list(Path(os.environ["XDG_STATE_HOME"]).iterdir()) == []


# --- on a terminal ---


@pytest.mark.usefixtures("children_are_measured")
def test_a_watch_on_a_terminal_draws_in_place(service: Sandbox) -> None:
    """80 columns wide; each look is drawn over the last one, and Ctrl-C leaves the last and the cursor."""
    watching = program({"WATCH_EVERY_S": 0.02}, "budget", "--watch")
    with beside(watching, columns=80, typed=False, cwd=ROOT) as seat:
        drawn = "".join(seat.until("effective limit") for _ in range(3))
        seat.process.send_signal(signal.SIGINT)
        drawn += seat.rest()
    assert seat.process.returncode == 130
    looks = drawn.split("\x1b[1A\x1b[2K" * 9)  # nine lines up, each of them cleared
    assert len(looks) >= 3
    assert drawn.rindex("\x1b[?25h") > drawn.rindex("\x1b[?25l")  # the cursor is there again
    plain = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", looks[-1]).replace("\r", "")
    assert [line.split("  ")[0].rstrip() for line in plain.splitlines()] == [
        *("budget", "limit", "effective limit", "used", "available", "in flight", "held by", "next free in"),
        *("paused for", "store"),
    ]
    assert max(map(len, plain.splitlines())) <= 80
    assert service.requests == []
