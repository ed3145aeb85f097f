"""The benchmarks: the budget's says the same each time, and ours meets no 429 in it; the webhooks' measures all."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from benchmarks import budget, endpoints, sandbox, threads, webhooks
from benchmarks.clients import CLIENTS, OURS, Client, chosen
from benchmarks.matrix import SERVERS, print_head, print_row, row_of, spread
from benchmarks.minute import Job, play
from onboard360_async.webhooks.factories import client_created

ROOT = Path(__file__).parents[1]
FEW = Job(requests=250, workers=64)
AIOLIMITER = chosen("AsyncLimiter(100, 60)")[0]
OWN = [client for client in CLIENTS if client.package in (None, "aiolimiter")]  # the others are in the bench group


@pytest.mark.parametrize("server", SERVERS)
def test_ours_meets_no_429_and_aiolimiter_does(server: str) -> None:
    """Against every way to cut a minute, in the benchmark's own words; nobody is lost, nobody waits long."""
    ours = play(OURS, SERVERS[server](0), FEW, seed=0)
    assert (ours.refused, ours.lost, max(ours.waits) < 3) == (0, 0, True)
    assert play(AIOLIMITER, SERVERS[server](0), FEW, seed=0).refused > 0


@pytest.mark.parametrize("client", OWN, ids=lambda client: client.name)
def test_a_job_says_the_same_each_time(client: Client) -> None:
    """Virtual time and fixed dice: a figure in the README can be had again."""
    first, again = (play(client, SERVERS["log"](0), FEW, seed=3) for _ in range(2))
    assert first == again
    assert len(first.arrived) == len(first.admitted) + first.refused


def test_a_stalled_network_is_late_and_loses_nothing() -> None:
    """What is under way arrives after the stall; aiolimiter's safer setting is refused then, ours is not."""
    stalled = Job(requests=250, people=False, stall_s=(70.0, 95.0))
    safer = chosen("AsyncLimiter(10, 6.67)")[0]
    outcomes = [play(client, SERVERS["log"](0), stalled, seed=0) for client in (safer, OURS)]
    assert [outcome.refused > 0 for outcome in outcomes] == [True, False]
    for outcome in outcomes:
        assert not [at for at in outcome.arrived if 70 < at - outcome.began < 95]


def test_the_table_tells_what_was_counted(capsys: pytest.CaptureFixture[str]) -> None:
    """One line for each client, ranges where runs differ."""
    print_head(["fixed", "log"])
    print_row(OURS, row_of(OURS, FEW, ("fixed", "log"), alignments=2), ["fixed", "log"])
    head, line = capsys.readouterr().out.splitlines()
    assert head.split() == ["client", "fixed", "log", "used", "finish", "wait", "p50", "max", "lost"]
    assert line.split()[:4] == ["ours", "0", "0", "0.96"]
    assert (spread([3, 1, 2]), spread([1, 1])) == ("1-3", "1")


def test_the_command_names_its_options(capsys: pytest.CaptureFixture[str]) -> None:
    """And an unknown benchmark is a mistake that is told."""
    with pytest.raises(SystemExit):
        budget.main(["--help"])
    said = capsys.readouterr().out
    assert [option for option in ("--only", "--real", "--window", "--plot") if option not in said] == []
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "bugdet"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, "rates, budget" in done.stderr) == (1, True)


def test_only_what_looks_at_the_signature_is_measured() -> None:
    """Each of ours gives a figure; a way that takes a body that nobody has signed is no peer."""
    ways = {webhooks.FLOOR: webhooks.floor, **webhooks.ours()}
    took = webhooks.measured(ways, rounds=2, calls=1)
    assert list(took) == list(ways)
    assert min(took.values()) > 0
    with pytest.raises(AssertionError, match="credulous"):
        webhooks.measured({"credulous": len}, rounds=1, calls=1)


async def test_each_endpoint_answers_and_tells_what_it_cost() -> None:
    """Real servers, in processes of their own; whatever is not answered 200 would end the benchmark."""
    took = await endpoints.sent(rounds=1, requests=20)
    for of_kind in took.values():
        assert [(kind, len(rounds), min(rounds) > 0) for kind, rounds in of_kind.items()] == [
            (kind, 1, True) for kind in ("bare", "by hand", "verified", "kept", "kept and handled")
        ]
    assert list(took) == list(endpoints.CONNECTIONS)


async def test_an_inbox_acknowledges_all_that_it_is_given() -> None:
    """Fewer than may wait at once, too."""
    events = [client_created(client_id=str(number)) for number in range(5)]
    assert await endpoints.acknowledged(16, list(events)) > 0


async def test_the_sandbox_is_measured_beside_a_bare_server() -> None:
    """Each figure is there, of a few rounds and clients; whatever is not answered would end the benchmark."""
    assert list(sandbox.started(1)) == ["python", "bare", "sandbox"]
    assert min(*await sandbox.created(2, 5, 2)) > 0
    assert sandbox.reset(2, 1) > 0


def test_sixteen_threads_send_exactly_so_many_requests() -> None:
    """Together, each from a thread of its own, and none twice: what is told is a rate of these."""
    asked: list[int] = []
    assert threads.per_second(lambda: asked.append(threading.get_ident()), 100) > 0
    assert len(asked) == 100
    assert threading.get_ident() not in asked


def test_the_pictures_are_there_and_small() -> None:
    """Both, for the README; no date in them, so that they change only when a figure does."""
    for kind in ("png", "svg"):
        content = (ROOT / ".github" / "pictures" / f"rolling-minute.{kind}").read_bytes()
        assert 1000 < len(content) < 150_000
        assert b"dc:date" not in content
