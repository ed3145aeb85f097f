"""The benchmarks: the budget's says the same each time, and ours meets no 429 in it; the others measure what they say.

None of them asserts a time. Peers that are in the bench group alone are left out where they are not installed.
"""

import importlib.util
import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from benchmarks import bars, blocking, budget, callers, calls, endpoints, sandbox, scale, startup, webhooks
from benchmarks.bare import KEY, NEW_CLIENT, Bare, Seen, bare_server
from benchmarks.clients import CLIENTS, OURS, Client, chosen
from benchmarks.matrix import SERVERS, print_head, print_row, row_of, spread
from benchmarks.minute import Job, play
from benchmarks.orders import beside, interleaved, workers
from benchmarks.save import load, save
from benchmarks.table import Row, Table, print_all
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


# --- tables, kept and drawn ---

TABLE = Table(
    "threads-1",
    "CPU of 10,000 requests",
    "s",
    (Row("requests", 5.751, 1.0), Row("ours", 1234.5, 0.44, "<= 0.45", "0.84 x httpx.Client")),
    "requests",
)


def test_a_table_is_aligned_and_leaves_out_what_it_has_not(capsys: pytest.CaptureFixture[str]) -> None:
    """Names to the left, figures to the right, three digits that count; columns without a word are not there."""
    shown_already = Table("wide", "Not again", "s", TABLE.rows, told=True)
    print_all([TABLE, shown_already, Table("bare", "Bytes", "bytes", (Row("idle", 12.3456), Row("tasks", 3)))])
    assert capsys.readouterr().out == (
        "CPU of 10,000 requests\n\n"
        "              s  requests = 1  target\n"
        "requests   5.75          1.00\n"
        "ours      1,234          0.44  <= 0.45  0.84 x httpx.Client\n\n"
        "Bytes\n\n"
        "       bytes\n"
        "idle    12.3\n"
        "tasks      3\n\n"
    )


def test_what_is_saved_is_read_again_and_tells_nothing_of_the_machine(tmp_path: Path) -> None:
    """Figures and versions, and how many cores; no name, no place."""
    saved = load(save(tmp_path / "new", "blocking", [TABLE]))
    assert saved.tables == (TABLE,)
    assert (saved.benchmark, saved.packages["attrs"] != "", saved.cores >= 1) == ("blocking", True, True)
    written = (tmp_path / "new" / "blocking.json").read_text()
    assert set(json.loads(written)) == {"benchmark", "python", "cores", "packages", "tables"}
    assert [place for place in (str(ROOT), str(Path.home()), sys.prefix) if place in written] == []


def test_a_picture_is_the_same_for_the_same_figures(tmp_path: Path) -> None:
    """So that it changes only when a figure does; there is none of half a benchmark."""
    pytest.importorskip("matplotlib", reason="matplotlib is in the bench group")
    save(tmp_path, "blocking", [TABLE])
    assert bars.draw(tmp_path, "blocking") == []
    drawn = []
    for number in range(2):
        folder = tmp_path / str(number)
        save(folder, "blocking", [TABLE, Table("threads-16", "", "s", TABLE.rows)])
        assert bars.draw(folder, "blocking") == ["blocking.png", "blocking.svg"]
        drawn.append([(folder / f"blocking.{kind}").read_bytes() for kind in ("png", "svg")])
    assert drawn[0] == drawn[1]
    assert b"dc:date" not in drawn[0][1]


def test_one_benchmark_is_printed_and_saved_by_the_command(tmp_path: Path) -> None:
    """`--save` goes with one as with all, and leaves the benchmark's own options to it."""
    asked = ["blocking", "--only", "making", "--save", str(tmp_path), "--rounds", "1"]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", *asked], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("== blocking\n\nMaking a handle")
    (table,) = load(tmp_path / "blocking.json").tables
    assert {"ours, asynchronous", "ours, blocking", "aiohttp.ClientSession"} <= {row.name for row in table.rows}


def test_every_way_has_its_turn_in_each_round() -> None:
    """In the same order; the first round only warms up; a ratio is that of each round."""
    asked: list[str] = []

    def turn(name: str) -> float:
        asked.append(name)
        return len(asked)

    took = interleaved({"a": lambda: turn("a"), "b": lambda: turn("b")}, rounds=2)
    assert asked == ["a", "b"] * 3
    assert took == {"a": [3, 5], "b": [4, 6]}
    assert beside(took, "b", "a") == pytest.approx((4 / 3 + 6 / 5) / 2)


# --- requests ---


def _needs(package: str | None) -> None:
    if package is not None and importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed: it is in the bench group, or the dev group")


def _sent(server: Bare) -> dict[str, Seen]:
    """What came; each of it with the key."""
    seen = server.seen()
    assert {each.authorization for each in seen.values()} == {f"Bearer {KEY}"}
    return seen


@pytest.mark.parametrize("name", callers.CLIENTS)
def test_each_client_sends_what_it_is_measured_by(name: str) -> None:
    """As many requests as are told, the documented paths, the same person: whoever sends less would look fast."""
    _needs(callers.NEEDS.get(name))
    with bare_server() as server, calls.generate([name]) as env:
        command = ("-m", "benchmarks.callers", name, server.url)
        with workers({name: command}, env) as hired:
            for kind, many in (("get", 16), ("post", 24)):
                assert hired[name].order("cpu", kind, many) > 0
        seen = _sent(server)
    assert {line: each.many for line, each in seen.items()} == {
        "GET /api/v1/campaigns": callers.WARM + 16,
        "POST /api/v1/clients": callers.WARM + 24,
    }
    assert json.loads(seen["POST /api/v1/clients"].body) == NEW_CLIENT


def test_the_request_path_is_told_beside_raw_aiohttp() -> None:
    """A table for each kind, with the targets; then what was counted, which is more than nothing."""
    tiny = ["--rounds", "1", "--requests", "32", "--counted", "16"]
    cpu = calls.tables([*tiny, "--only", "cpu", "--clients", "floor", "ours"])
    assert [table.name for table in cpu] == ["get", "post"]
    assert [[row.name for row in table.rows] for table in cpu] == [
        ["floor: asyncio.Protocol + json", "raw aiohttp + json", "ours"]
    ] * 2
    assert [table.rows[2].target for table in cpu] == ["<= 1.15"] * 2
    counted = calls.tables([*tiny, "--only", "python"])
    assert [table.name for table in counted] == ["get-python", "post-python"]
    assert min(row.value for table in counted for row in table.rows) > 10


def test_allocations_are_counted() -> None:
    """By memray, where it is there: more than one for each call."""
    _needs("memray")
    counted = calls.tables(["--counted", "16", "--only", "allocated"])
    assert [table.name for table in counted] == ["get-allocated", "post-allocated"]
    assert min(row.value for table in counted for row in table.rows) > 10


@pytest.mark.parametrize("threads", blocking.MOST)
@pytest.mark.parametrize("name", blocking.CLIENTS)
def test_each_blocking_client_sends_what_it_is_measured_by(name: str, threads: int) -> None:
    """So many, from one thread or from sixteen."""
    _needs(blocking.NEEDS.get(name))
    with bare_server() as server:
        with workers({name: ("-m", "benchmarks.blocking", server.url, name)}) as hired:
            assert min(hired[name].order(threads, 20)) > 0
        seen = _sent(server)
    assert {line: each.many for line, each in seen.items()} == {"GET /api/v1/campaigns": 2 * threads + 20}


def test_the_blocking_handle_is_told_beside_the_others() -> None:
    """CPU and rate, from one thread and from sixteen."""
    tables = blocking.tables(["--only", "cpu", "--rounds", "1", "--requests", "32", "--clients", "http.client", "ours"])
    assert [table.name for table in tables] == ["threads-1", "rate-1", "threads-16", "rate-16"]
    assert {tuple(row.name for row in table.rows) for table in tables} == {("http.client", "ours")}


def test_sixteen_threads_send_exactly_so_many_requests() -> None:
    """Together, each from a thread of its own, and none twice: what is told is the cost of these."""
    asked: list[int] = []
    blocking.make(lambda: asked.append(threading.get_ident()), 16, 100)
    assert len(asked) == 100
    assert threading.get_ident() not in asked


def test_whole_processes_are_measured_and_must_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails to import is no fast start; what is not installed is left out."""
    alone = next(program for program in startup.PROGRAMS if program.name == startup.OURS_ALONE)
    absent = startup.Program("absent", ("-c", "import absent_package"), ("absent_package",))
    monkeypatch.setattr(startup, "PROGRAMS", (*startup.PROGRAMS[:2], alone, absent))
    monkeypatch.setattr(startup, "COMMANDS", startup.COMMANDS[:2])
    imports, helped = startup.tables(["--rounds", "1"])
    assert [row.name for row in imports.rows] == ["pass", "import onboard360_async", startup.OURS_ALONE]
    assert [row.target for row in imports.rows] == ["", "<= 35 ms", ""]
    assert [row.name for row in helped.rows] == ["onboard360 --help", "import click, rich.console"]
    with pytest.raises(subprocess.CalledProcessError):
        startup.run(absent)


def test_many_keys_are_asked_in_turn_where_nobody_waits() -> None:
    """Each size beside the smallest, ours beside the peer; so many requests that each key has its turns."""
    with bare_server() as server:
        job = scale.Job(client=scale.OURS, url=server.url, keys=3, rate=0, seconds=0)
        with workers({"ours": scale.command("full", job)}) as hired:
            assert hired["ours"].order(10) > 0
        seen = server.seen()["GET /api/v1/campaigns"]
    last = (scale.WARMING + 10 - 1) % 3
    assert (seen.many, seen.authorization) == (scale.WARMING + 10, f"Bearer sk_test_{last}")


def test_many_keys_are_paced_by_their_own_budgets_and_none_is_refused() -> None:
    """The minute is stretched with the number of keys, so that all together make the same number of requests."""
    assert (scale.minute_s(100, 50), scale.minute_s(10_000, 50)) == (200, 20_000)
    ours, peer, flat = scale.tables(["--keys", "3", "--rate", "60", "--seconds", "0.5", "--only", "cpu"])
    assert ([row.name for row in ours.rows], [row.name for row in peer.rows]) == (["3 keys"], ["3 keys"])
    assert "each 1,200 a minute" in ours.rows[0].note
    assert " 0 x 429" in ours.rows[0].note
    assert (flat.rows[0].ratio, flat.base) == (1.0, "3 keys")


@pytest.mark.parametrize("client", scale.CLIENTS)
def test_memory_is_told_of_keys_that_have_sent(client: str) -> None:
    """Each its own requests with its own key, beside those of the first, which are made before anything counts."""
    with bare_server() as server:
        job = scale.Job(client=client, url=server.url, keys=5, rate=0, seconds=0)
        told = scale.told("memory", job)
        seen = server.seen()["GET /api/v1/campaigns"]
    assert (seen.many, seen.authorization) == (scale.WARM + 5, "Bearer sk_test_4")
    assert 0 < told["made"] < told["used"]


@pytest.mark.parametrize("picture", ["rolling-minute", "request-path", "blocking", "listing"])
def test_the_pictures_are_there_and_small(picture: str) -> None:
    """Both kinds, for the README; no date in them, so that they change only when a figure does."""
    for kind in ("png", "svg"):
        content = (ROOT / ".github" / "pictures" / f"{picture}.{kind}").read_bytes()
        assert 1000 < len(content) < 150_000
        assert b"dc:date" not in content
