"""Real processes that share a budget: `python -m tests.stores.worker`, several times."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

__all__ = ["Workers"]

ROOT = Path(__file__).parents[2]


class Workers:
    """Processes that are told what to do, and begin together."""

    def __init__(self, window_s: float, **told: Any) -> None:
        self.told = {"window_s": window_s, "workers": 16, "clock_ahead_s": 0.0, "timeout_s": 5.0} | told
        self.processes: list[asyncio.subprocess.Process] = []

    async def start(self, count: int, **other: list[Any]) -> None:
        for number in range(count):
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.stores.worker", cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
            told = self.told | {name: values[number] for name, values in other.items()}
            assert process.stdin is not None
            process.stdin.write(json.dumps(told).encode() + b"\n")
            self.processes.append(process)
        for process in self.processes:
            assert process.stdout is not None
            assert await process.stdout.readline() == b"ready\n"

    async def go(self) -> list[dict[str, Any]]:
        for process in self.processes:
            assert process.stdin is not None
            process.stdin.write(b"go\n")
        done = await asyncio.gather(*(process.communicate() for process in self.processes))
        assert [process.returncode for process in self.processes] == [0] * len(self.processes)
        return [json.loads(out) for out, _ in done]
