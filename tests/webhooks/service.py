"""A user's service, to be killed: `python -m tests.webhooks.service INBOX LOG hold|note|drain`.

It prints its port and acknowledges webhooks by an inbox; its handler writes whom it was called for into the log.
`note` does so; `hold` never comes to it; `drain` serves nobody, handles what is due and ends.
"""

import asyncio
import os
import sys
import time
from pathlib import Path

from aiohttp import web

from onboard360_async.webhooks import Event, Inbox, WebhookVerifier
from onboard360_async.webhooks.aiohttp import handler
from onboard360_async.webhooks.factories import SECRET

HELD = "held"  # stands in the log once, when a handler holds


class Service:
    """One run of it."""

    def __init__(self, inbox: str, log: str, mode: str) -> None:
        self.mode = mode
        self.log = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        # The one that comes after a killed one need not wait for the end of its leases.
        clock = (lambda: time.time() + 3600.0) if mode == "drain" else time.time
        self.inbox = Inbox(inbox, self.handle, clock=clock)

    async def handle(self, event: Event) -> None:
        """A user's handler."""
        if self.mode == "hold":
            os.write(self.log, f"{HELD}\n".encode())
            await asyncio.Event().wait()
        os.write(self.log, f"{event.data.subject}\n".encode())

    async def run(self) -> None:
        """Until it is killed, or all is done."""
        if self.mode == "drain":
            await self.inbox.work()
            self.inbox.close()
            return
        app = web.Application()
        app.router.add_post("/webhooks", handler(WebhookVerifier(SECRET), self.inbox.receive))
        async with self.inbox.running():
            runner = web.AppRunner(app)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            print(runner.addresses[0][1], flush=True)
            await asyncio.Event().wait()


def handled(log: Path) -> list[str]:
    """Whom the handler was called for, in this order."""
    return [line for line in log.read_text().splitlines() if line != HELD] if log.exists() else []


if __name__ == "__main__":
    asyncio.run(Service(*sys.argv[1:]).run())
