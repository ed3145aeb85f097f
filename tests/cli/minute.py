"""A program for tests: real commands in real processes, within a shortened minute.

`python -m tests.cli.minute NUMBERS ARGUMENTS...` is `onboard360 ARGUMENTS...`; NUMBERS are settings, as JSON.
`python -m tests.cli.minute NUMBERS --loops STORE IN_A_ROW SIDE_BY_SIDE` runs loops of thirty `clients add` one after
another, then some at once. Every command is a process of its own, which shares nothing with the others but the store:
it is forked from one that has imported everything and has made neither a budget nor an event loop. Prints the seconds
that it took and each command's exit code, as JSON.
"""

import gc
import json
import os
import sys
import time
from collections import Counter
from typing import NoReturn

EACH = 30
CAMPAIGN = "550e8400-e29b-41d4-a716-446655440000"


def run(arguments: list[str]) -> int:
    """One command, in this process."""
    from onboard360_async.cli.app import run as run_command

    return run_command(arguments)


def loops(store: str, in_a_row: int, side_by_side: int) -> None:
    """All of them, and what they came to."""
    import onboard360_async.api
    import onboard360_async.cli.app
    import onboard360_async.cli.clients  # noqa: F401 - so that no child has to

    gc.freeze()
    began = time.monotonic()
    codes: list[int] = []
    for number in range(in_a_row):
        codes += _told([_loop(store, str(number))])
    codes += _told([_loop(store, f"s{number}") for number in range(side_by_side)])
    print(json.dumps({"seconds": time.monotonic() - began, "codes": Counter(codes)}))


def _loop(store: str, name: str) -> int:
    """Begin one loop, a process of its own, and give the end of the pipe that will tell its commands' exit codes."""
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.close(reading)
        for number in range(EACH):
            if (child := os.fork()) == 0:
                _end(_add(store, f"p{name}.{number}@example.com"))
            os.write(writing, bytes([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])]))
        _end(0)
    os.close(writing)
    return reading


def _add(store: str, email: str) -> int:
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123 - for the rest of this process
    return run(["clients", "add", "--campaign", CAMPAIGN, "--email", email, "--budget", store, "--format", "jsonl"])


def _end(code: int) -> NoReturn:
    sys.stderr.flush()
    os._exit(code)


def _told(pipes: list[int]) -> list[int]:
    codes: list[int] = []
    for pipe in pipes:
        with os.fdopen(pipe, "rb") as told:
            codes += told.read()
        os.wait()
    return codes


if __name__ == "__main__":
    from onboard360_async import settings

    for name, value in json.loads(sys.argv[1]).items():  # before anything else of the package takes them for its own
        setattr(settings, name, value)
    ours = [name for name in sys.modules if name.startswith("onboard360_async.")]
    assert ours == ["onboard360_async.door", "onboard360_async.settings"]
    if sys.argv[2] == "--loops":
        loops(sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
    else:
        sys.exit(run(sys.argv[2:]))
