"""Pictures of the sandbox's pages, with invented people: `python -m tests.sandbox.pictures` makes them.

The clock, the ids and the ports are fixed, so that they are the same each time (8360 and 8000 must be free).
"""

import asyncio
import random
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import aiohttp
from aiohttp import web
from playwright.async_api import Browser, async_playwright, expect

from onboard360_async.sandbox import Sandbox
from tests.sandbox.calls import CAMPAIGN

PICTURES = Path(__file__).parents[2] / ".github" / "pictures"
PEOPLE = (
    ("Mara", "Quill", "Quill & Daughters"),
    ("Jonas", "Feld", "Feldwerk"),
    ("Zoë", "Marten", "Für alle GmbH"),
    ("Ewan", "Vliet", "Shortest Path BV"),
    ("Katia", "Orlov", "Harbour Lights"),
    ("Lin", "Sato", "Eastern Gate"),
    ("José", "Norte", "Casa Norte"),
)
REQUESTS = 196
A_SECOND = 1.8  # requests on average: the limit is reached now and then


class World:
    """A sandbox two minutes old: what happened in it, and when."""

    def __init__(self) -> None:
        self.dice = random.Random(3)
        self.passed_s = 0.0
        self.received = 0

    def seconds(self) -> float:
        return 1000.0 + self.passed_s

    def date(self) -> datetime:
        return datetime(2026, 3, 2, 9, 0, tzinfo=UTC) + timedelta(seconds=self.passed_s)

    def id(self) -> str:
        return str(UUID(int=self.dice.getrandbits(128), version=4))

    def code(self) -> str:
        return "".join(self.dice.choices("abcdefghijkmnpqrstuvwxyz23456789", k=12))

    async def receive(self, _: web.Request) -> web.Response:
        """Every fifth webhook finds its receiver unwell."""
        self.received += 1
        return web.Response(status=503 if self.received % 5 == 0 else 200)


async def listening(world: World) -> web.AppRunner:
    app = web.Application()
    app.router.add_post("/hook", world.receive)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 8000).start()
    return runner


async def live_through(sandbox: Sandbox, world: World, people: list[tuple[str, str, str]]) -> None:
    """Requests as a program sends them, a new client now and then."""
    campaigns = [CAMPAIGN]
    for name in ("Enterprise rollout", "Partner programme"):
        campaigns.append(sandbox.add_campaign(name))
        await sandbox.delivered()
    headers = {"Authorization": f"Bearer {sandbox.api_key}"}
    async with aiohttp.ClientSession(f"{sandbox.url}/api/v1/", headers=headers) as session:
        for number in range(REQUESTS):
            world.passed_s += world.dice.expovariate(A_SECOND)
            if number % 25 == 20 and people:
                first, last, company = people.pop(0)
                names = {"first_name": first, "last_name": last, "company_name": company, "phone": "+1 555 0100"}
                about = {"campaign_id": world.dice.choice(campaigns), "email": f"{last.lower()}@example.com"}
                await (await session.post("clients", json=about | names)).read()
            else:
                await (await session.get(world.dice.choice(("clients", "campaigns")))).read()
            await sandbox.delivered()
    for client in sandbox.clients()[:3]:
        sandbox.complete(str(client["id"]))
        await sandbox.delivered()
    sandbox.add_fault("commit-then-drop", method="POST", path="/clients", nth=3)


async def taken(browser: Browser, url: str, name: str, *, height: int) -> None:
    page = await browser.new_page(viewport={"width": 1280, "height": height}, color_scheme="light")
    await page.goto(url)
    if await page.locator("#connection").count():
        await expect(page.get_by_text("Live", exact=True)).to_be_visible()
    await page.screenshot(path=PICTURES / name, animations="disabled")
    await page.close()


async def main() -> None:
    """Live through two minutes, and take the pictures."""
    world = World()
    receiver = await listening(world)
    options = {"clock": world.seconds, "now": world.date, "new_id": world.id, "new_code": world.code}
    sandbox = Sandbox(port=8360, api_keys=["sk_test_picture"], **options)  # type: ignore[arg-type]  # each by its name
    sandbox.add_webhook("http://127.0.0.1:8000/hook", retries="none")
    async with sandbox, async_playwright() as playwright:
        await live_through(sandbox, world, list(PEOPLE))
        browser = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        await taken(browser, sandbox.url, "sandbox-page.png", height=930)
        await taken(browser, str(sandbox.clients()[-1]["link"]), "sandbox-onboarding.png", height=620)
        await browser.close()
    await receiver.cleanup()


if __name__ == "__main__":
    asyncio.run(main())
