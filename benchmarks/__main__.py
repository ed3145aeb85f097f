"""`python3 dev bench`: every benchmark, each beside a peer in the same run."""

import asyncio

from benchmarks import rates

asyncio.run(rates.main())
