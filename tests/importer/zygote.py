"""Runs of an import in processes of their own that start in milliseconds: `python -m tests.importer.zygote`.

It has imported everything, prints its port, and forks a process for each order (one JSON object on a connection): the
folder of the list, where the service is, and at which point to be killed. The answer says how the process ended.
"""

import asyncio
import json
import os
import random
import signal
import socketserver
import sys
import traceback
from pathlib import Path
from typing import Any

from attrs import asdict, define

import onboard360_async.codec.structure
import onboard360_async.importer.job  # noqa: F401 - so that no child has to
from onboard360_async import AsyncOnboard360, Budget
from onboard360_async.importer.outcomes import Summary
from tests.importer.arms import ARMS
from tests.importer.points import Points, watch

__all__ = ["Order"]

LONGEST_S = 30  # a run that takes longer hangs


MOST_RETRIES = 5  # more than the listings that fail in a scene: a run that ends with an error is another test's


@define(kw_only=True)
class Order:
    """One run of an import."""

    folder: str
    url: str
    key: str
    timeout_s: float
    kill_at: int = 0  # the how manieth point, from 1; 0: let it end
    every: bool = False  # all points count, also where nothing changed in between
    arm: str = ""  # the safeguard that is switched off
    options: dict[str, Any]  # of the import


async def main(order: Order) -> Summary:
    """The import of the folder's list, from its first line to its last."""
    budget = Budget(limit=100_000, burst=1_000, window_s=1.0)
    handle = AsyncOnboard360(
        order.key, base_url=order.url, budget=budget, timeout_s=order.timeout_s, max_retries=MOST_RETRIES
    )
    async with handle as api:
        async with api.open_import(Path(order.folder, "people.csv"), **order.options) as job:
            await job.load()
            async for _ in job.run():
                pass
        return job.summary


def run(order: Order) -> None:
    """Be the process of one run; does not return."""
    signal.alarm(LONGEST_S)
    code = 1
    try:
        setattr(random, "uniform", lambda *_: 0.0)  # noqa: B010 - no wait before a listing is asked for again
        ARMS[order.arm]()
        points = Points(order.kill_at, every=order.every)
        watch(points)
        summary = asyncio.run(main(order))
        said = {"count": points.count, "passed": points.passed, "summary": asdict(summary)}
        sys.stdout.write(json.dumps(said))
        code = 0
    except BaseException:  # noqa: BLE001 - this process ends here, whatever it is
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


class _Handler(socketserver.StreamRequestHandler):
    """Forked for each order; forks once more, and waits."""

    def handle(self) -> None:
        order = Order(**json.loads(self.rfile.read()))
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            os.dup2(writing, 1)
            os.dup2(writing, 2)
            self.request.close()
            run(order)
        os.close(writing)
        with os.fdopen(reading) as pipe:
            said = pipe.read()
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        self.wfile.write(json.dumps({"code": code, "said": said}).encode())


class _Zygote(socketserver.ForkingTCPServer):
    request_queue_size = 128
    max_children = 128

    def service_actions(self) -> None:
        super().service_actions()
        if os.getppid() != PARENT:  # whoever started it is gone
            os._exit(0)


if __name__ == "__main__":
    PARENT = os.getppid()
    with _Zygote(("127.0.0.1", 0), _Handler) as zygote:
        sys.stdout.write(f"{zygote.server_address[1]}\n")
        sys.stdout.flush()
        zygote.serve_forever(poll_interval=0.05)
