"""The blocking handle from 16 threads, beside `requests.Session` as its users share one: requests a second, as a ratio.

Both list campaigns on the same sandbox, a process of its own, in interleaved rounds. Ours has a budget that never
waits: what is measured is the way over the bridge and back.
"""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from statistics import median

from onboard360_async import Budget, Onboard360

__all__ = ["main", "per_second"]

THREADS, REQUESTS, ROUNDS = 16, 1_600, 5
_KEY = "sk_test_1"
_SERVER = """
import sys
from onboard360_async.sandbox import Sandbox
with Sandbox(limiter="off", api_keys=[sys.argv[1]]) as sandbox:
    print(sandbox.url, flush=True)
    sys.stdin.read()
"""


def per_second(call: Callable[[], object], requests: int) -> float:
    """Requests a second when 16 threads make so many together."""
    numbers = iter(range(requests))
    begin = threading.Barrier(THREADS + 1)

    def work() -> None:
        begin.wait()
        for _ in numbers:
            call()

    workers = [threading.Thread(target=work) for _ in range(THREADS)]
    for worker in workers:
        worker.start()
    begin.wait()
    began = time.perf_counter()
    for worker in workers:
        worker.join()
    return requests / (time.perf_counter() - began)


def measured(url: str, *, rounds: int, requests: int) -> dict[str, list[float]]:
    """Requests a second, by way, in interleaved rounds after one to warm up."""
    import requests as peer
    from requests.adapters import HTTPAdapter

    address, headers = f"{url}/api/v1/campaigns", {"Authorization": f"Bearer {_KEY}"}
    budget = Budget(limit=1_000_000, burst=100_000, window_s=1.0)
    with peer.Session() as session, Onboard360(_KEY, base_url=url, budget=budget) as api:
        session.trust_env = False  # or it would read the environment for each request
        session.mount("http://", HTTPAdapter(pool_maxsize=THREADS))

        def get() -> object:
            answer = session.get(address, headers=headers, timeout=30)
            answer.raise_for_status()
            return answer.json()

        ways: dict[str, Callable[[], object]] = {"Onboard360": api.list_campaigns, "requests.Session": get}
        took: dict[str, list[float]] = {name: [] for name in ways}
        for number in range(rounds + 1):
            for name, call in ways.items():
                rate = per_second(call, requests)
                if number:
                    took[name].append(rate)
    return took


def main(_: Sequence[str]) -> None:
    """The table."""
    command = [sys.executable, "-c", _SERVER, _KEY]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        took = measured(server.stdout.readline().strip(), rounds=ROUNDS, requests=REQUESTS)
        server.communicate()
    ours, theirs = (median(rates) for rates in took.values())
    print(f"{REQUESTS} requests from {THREADS} threads, median of {ROUNDS} interleaved rounds (requests.Session = 1)\n")
    for name, rates in took.items():
        print(f"{name:<18}{median(rates):>8.0f} requests/s {median(rates) / theirs:>6.2f}")
    print(f"\n{ours / theirs:.2f} times as many   target: at least 1")
