"""A budget in a real Redis, shared by real processes: no 429, nearly all of the rate, whatever becomes of either."""

import asyncio
import re
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import redis
import trustme

from onboard360_async import AsyncOnboard360, Budget, Onboard360, errors, settings
from onboard360_async.budget.redis_store import RedisStore
from onboard360_async.sandbox import Sandbox
from tests.foreign import Foreign, every_way
from tests.stores.servers import RealServer
from tests.stores.worker import counted
from tests.stores.workers import Workers

ROOT = Path(__file__).parents[2]
LIMIT, WINDOW_S, LATENCY_S = 100, 3.0, 0.05
QUARTER_S = WINDOW_S / 4 + 0.5  # of a window, and what two cores take for it
RATE = (LIMIT - 1) / (WINDOW_S * 61 / 60 + LATENCY_S)  # the rule's own, in the long run


@pytest.mark.timeout(60)
async def test_four_processes_share_one_minute(any_url: str, scope: str) -> None:
    """Sixteen workers each, 480 requests, hosts' clocks half a second wrong: no 429, 98 % of the rate, few trips."""
    async with Foreign(every_way(LIMIT, WINDOW_S), latency_s=LATENCY_S) as service:
        workers = Workers(WINDOW_S, url=service.url, store=any_url, scope=scope, requests=120)
        await workers.start(4, clock_ahead_s=[0.5, -0.5, 0.0, 0.0])
        done = await workers.go()
    assert (service.created, service.refused) == (480, 0)
    assert sum(each["refused"] for each in done) == 0
    assert 480 / (service.ended - service.began) >= 0.98 * RATE
    assert sum(each["trips"] for each in done) / 480 <= 4


@pytest.mark.timeout(60)
async def test_a_worker_that_is_killed_gives_its_leases_back(server: RealServer, scope: str) -> None:
    """Killed with -9 while five of its requests hang: they count until their time-out, and a window more."""
    async with Foreign(every_way(LIMIT, WINDOW_S), latency_s=30.0) as hanging:
        workers = Workers(WINDOW_S, url=hanging.url, store=server.url, scope=scope, requests=5, timeout_s=1.0)
        await workers.start(1)
        going = asyncio.create_task(workers.go())
        budget = Budget(store=server.url, scope=scope, window_s=WINDOW_S)
        while (await budget.refresh()).in_flight < 5:
            pass
        state = await budget.refresh()
        assert list(state.held_by.values()) == [5]
        assert next(iter(state.held_by)).endswith(f":{workers.processes[0].pid}")
        workers.processes[0].kill()
        killed_at = asyncio.get_running_loop().time()
        with pytest.raises(AssertionError):
            await going
        waiting = [budget.slot() for _ in range(LIMIT)]
        await asyncio.gather(*(slot.__aenter__() for slot in waiting))
        waited_s = asyncio.get_running_loop().time() - killed_at
        # The last five of the hundred need the slots of the dead: its time-out of 1 s, the store's patience of 5 s, and
        # one window as the log has it, two as a sliding counter has it.
        assert 5.0 < waited_s < 6.0 + 2 * WINDOW_S * 61 / 60 + 1.0


# --- a Redis that fails; two budgets of one process are two processes to it ---


async def load_on(url: str, budgets: list[Budget], requests: int) -> None:
    """Adds by sixteen tasks on each of the budgets."""

    async def some(budget: Budget) -> None:
        numbers = iter(range(requests // len(budgets)))
        async with AsyncOnboard360("sk_test_1", base_url=url, budget=budget, max_retries=0) as api:

            async def work() -> None:
                for number in numbers:
                    await api.add_client(campaign_id="c", email=f"p{number}@x.de")

            await asyncio.gather(*(work() for _ in range(16)))

    await asyncio.gather(*(some(budget) for budget in budgets))


def freeze(server: RealServer) -> None:
    """For two seconds."""
    server.signal(signal.SIGSTOP)
    asyncio.get_running_loop().call_later(2.0, server.signal, signal.SIGCONT)


def restart(server: RealServer) -> None:
    """It comes back empty."""
    server.kill()
    server.start()


def flush(server: RealServer) -> None:
    """FLUSHALL."""
    client = redis.Redis(unix_socket_path=str(server.socket))
    client.flushall()
    client.close()


@pytest.mark.timeout(60)
@pytest.mark.parametrize(("misfortune", "most_s"), [(freeze, 2.5), (restart, QUARTER_S), (flush, QUARTER_S)])
async def test_a_redis_that_fails(
    server: RealServer, scope: str, misfortune: Callable[[RealServer], None], most_s: float
) -> None:
    """Frozen for two seconds, killed and back empty, flushed: no 429, no error, and so much time at most."""
    async with Foreign(every_way(LIMIT, WINDOW_S), latency_s=LATENCY_S) as service:
        budgets = [Budget(store=server.url, scope=scope, window_s=WINDOW_S) for _ in range(2)]
        asyncio.get_running_loop().call_later(4.0, misfortune, server)
        await load_on(service.url, budgets, 300)
    assert (service.created, service.refused) == (300, 0)
    assert service.ended - service.began <= 300 / (0.98 * RATE) + most_s


@pytest.mark.timeout(60)
async def test_without_redis_nothing_is_sent_or_a_share_is(server: RealServer, scope: str) -> None:
    """By the user's choice: an error that names the place, or the share that was told, and no burst."""
    server.kill()
    async with Foreign(every_way(LIMIT, WINDOW_S), latency_s=0) as service:
        with pytest.raises(errors.BudgetStoreError, match=r"redis\.sock.*nothing was sent"):
            await load_on(service.url, [Budget(store=server.url, scope=scope)], 16)
        assert service.created == 0
        cautious = Budget(store=server.url, scope=scope, window_s=WINDOW_S, share=0.3, on_store_error="local")
        await load_on(service.url, [cautious], 30)
        assert (service.created, service.refused) == (30, 0)
        assert service.ended - service.began >= 28 / 30 * WINDOW_S * 0.95


# --- addresses ---


async def test_a_password_by_url(program: Path, tmp_path: Path, scope: str) -> None:
    """It is used, and stands in no error, repr or log."""
    server = RealServer(program, tmp_path, password="hush-hush")
    server.start()
    try:
        good = Budget(store=f"unix://:hush-hush@{server.socket}", scope=scope)
        assert (await good.refresh()).used == 0
        wrong = Budget(store=f"unix://:quiet-please@{server.socket}", scope=scope)
        asked_at = asyncio.get_running_loop().time()
        with pytest.raises(errors.BudgetStoreError, match="AuthenticationError") as caught:
            await wrong.refresh()
        assert asyncio.get_running_loop().time() - asked_at < settings.STORE_PATIENCE_S / 2  # at once: it stays wrong
        assert "quiet-please" not in f"{caught.value!r} {caught.value} {wrong!r}"
    finally:
        server.kill()


async def test_tls_by_url(program: Path, tmp_path: Path, scope: str) -> None:
    """rediss:// with a private authority; without it the server is not believed."""
    authority = trustme.CA()
    mine = authority.issue_cert("localhost", "127.0.0.1")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    mine.private_key_pem.write_to_path(tmp_path / "key.pem")
    mine.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    port = 20_000 + int(scope[:4], 16) % 20_000
    paths = ("--tls-cert-file", f"{tmp_path}/cert.pem", "--tls-key-file", f"{tmp_path}/key.pem")
    how = ("--tls-port", str(port), *paths, "--tls-ca-cert-file", f"{tmp_path}/ca.pem", "--tls-auth-clients", "no")
    server = RealServer(program, tmp_path, *how)
    try:
        server.start()
    except AssertionError:
        pytest.skip(f"{program.name} was built without TLS")
    try:
        url = f"rediss://127.0.0.1:{port}/0"
        good = Budget(store=f"{url}?ssl_ca_certs={tmp_path}/ca.pem", scope=scope)
        assert (await good.refresh()).used == 0
        with pytest.raises(errors.BudgetStoreError, match=r"Redis at 127\.0\.0\.1: ConnectionError"):
            await Budget(store=url, scope=scope).refresh()
    finally:
        server.kill()


@pytest.mark.parametrize("option", ["socket_timeout=soon", "timeuot=3"])
async def test_an_address_that_makes_no_sense_is_refused(option: str) -> None:
    """Before anything is connected."""
    with pytest.raises(errors.ConfigurationError, match="address"):
        await Budget(store=f"redis://localhost/0?{option}", scope="x").refresh()


# --- as handles use it ---


async def test_handles_share_it_by_their_key(any_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two handles, one told and one by ONBOARD360_BUDGET, are two users of the same books; no key stands in Redis."""
    monkeypatch.setenv("ONBOARD360_BUDGET", any_url)
    async with Sandbox() as sandbox:
        given = Budget(store=any_url)
        async with (
            AsyncOnboard360(sandbox.api_key, base_url=sandbox.url) as one,
            AsyncOnboard360(sandbox.api_key, base_url=sandbox.url, budget=given) as other,
        ):
            for api in (one, other, one):
                await api.list_campaigns()
            async with asyncio.timeout(5):
                while (await other.budget.refresh()).in_flight:
                    pass
            assert other.budget.snapshot().used == 3
        client = redis.Redis.from_url(any_url)
        books = {key: client.get(key) for key in client.keys("onboard360:budget:*")}
        assert all(0 < client.pttl(key) <= 3_600_000 for key in books)
        client.close()
        assert sandbox.api_key not in f"{books}"


def test_the_blocking_handle_shares_it_too(any_url: str) -> None:
    """And its connection is closed with the program's private loop."""
    with Sandbox() as sandbox:
        with Onboard360(sandbox.api_key, base_url=sandbox.url, budget=any_url) as api:
            api.list_campaigns()
            api.list_campaigns()

        async def look() -> int:
            async with AsyncOnboard360(sandbox.api_key, base_url=sandbox.url, budget=any_url) as other:
                return (await other.budget.refresh()).used

        assert asyncio.run(look()) == 2


async def test_the_books_are_bytes_whatever_the_address_says(any_url: str, scope: str) -> None:
    """An address that was written for another user of the same Redis."""
    for _ in range(2):
        budget = Budget(store=f"{any_url}?decode_responses=True", scope=scope)
        async with budget.slot() as slot:
            slot.answered()
    assert (await budget.refresh()).used == 2


async def test_a_request_costs_two_trips_and_two_more_to_tell(any_url: str, scope: str) -> None:
    """One after the other, nobody else about: at most four."""
    trips = counted(RedisStore)
    budget = Budget(store=any_url, scope=scope, window_s=1.0)
    for _ in range(5):
        async with budget.slot() as slot:
            slot.sent()
            slot.answered()
    async with asyncio.timeout(5):
        while (await budget.refresh()).in_flight:
            trips["load"] -= 1
    assert sum(trips.values()) - 1 <= 4 * 5


async def test_the_rights_that_the_guide_names_are_enough(program: Path, tmp_path: Path, scope: str) -> None:
    """A user with these and no others sends, settles and pauses; one who may not write is told so at once."""
    guide = (ROOT / "onboard360_async" / "guides" / "operations.md").read_text()
    (rights,) = re.findall(r"^> ACL SETUSER onboard360 on >PASSWORD (.*)$", guide, re.MULTILINE)
    server = RealServer(program, tmp_path)
    server.start()
    try:
        with redis.Redis.from_url(server.url) as admin:
            admin.execute_command("ACL", "SETUSER", "onboard360", "on", ">hush-hush", *rights.split())
            few = [right for right in rights.split() if right != "+eval"]
            admin.execute_command("ACL", "SETUSER", "reader", "on", ">hush-hush", *few)
        async with Sandbox() as sandbox:
            budget = Budget(store=f"unix://onboard360:hush-hush@{server.socket}", scope=scope)
            async with AsyncOnboard360(sandbox.api_key, base_url=sandbox.url, budget=budget) as api:
                await api.list_campaigns()
                assert (await budget.refresh()).used == 1
            other = Budget(store=f"unix://reader:hush-hush@{server.socket}", scope=scope)
            async with AsyncOnboard360(sandbox.api_key, base_url=sandbox.url, budget=other) as api:
                with pytest.raises(errors.BudgetStoreError, match="NoPermissionError"):
                    await api.list_campaigns()
            assert len(sandbox.requests) == 1
    finally:
        server.kill()
