"""`python3 dev bench`: every benchmark, each beside a peer; `python3 dev bench NAME [OPTIONS]` runs one of them."""

import asyncio
import sys
from collections.abc import Callable, Sequence

from benchmarks import budget, imports, rates, sandbox, stores, threads, webhooks

BENCHMARKS: dict[str, Callable[[Sequence[str]], None]] = {
    "rates": lambda _: asyncio.run(rates.main()),
    "budget": budget.main,
    "stores": stores.main,
    "imports": imports.main,
    "webhooks": webhooks.main,
    "sandbox": sandbox.main,
    "threads": threads.main,
}


def main(arguments: Sequence[str]) -> None:
    """One of them, or all."""
    if not arguments:
        for run in BENCHMARKS.values():
            run(())
    elif arguments[0] in BENCHMARKS:
        BENCHMARKS[arguments[0]](arguments[1:])
    else:
        sys.exit(f"no such benchmark: {arguments[0]}; there are {', '.join(BENCHMARKS)}")


main(sys.argv[1:])
