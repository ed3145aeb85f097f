"""A service that is killed in the middle of it: whatever it has acknowledged is handled by the next one."""

import asyncio
import random
import subprocess
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from onboard360_async.webhooks.factories import client_created
from tests.webhooks.service import handled

ROOT = Path(__file__).parents[2]
AT_ONCE = 20  # deliveries under way


class World:
    """The service's files, its processes, and a sender who notes what was acknowledged."""

    def __init__(self, folder: Path) -> None:
        self.inbox, self.log = folder / "inbox.db", folder / "log"
        self.acknowledged: set[str] = set()
        self.enough = asyncio.Event()

    def start(self, mode: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "tests.webhooks.service", str(self.inbox), str(self.log), mode]
        return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)

    @asynccontextmanager
    async def serving(self, mode: str) -> AsyncIterator[str]:
        """Its URL; at the end it is killed, whatever it is doing."""
        process = self.start(mode)
        assert process.stdout is not None
        try:
            port = await asyncio.to_thread(process.stdout.readline)
            yield f"http://127.0.0.1:{port.strip()}/webhooks"
        finally:
            process.kill()
            process.wait()
            process.stdout.close()

    def drain(self) -> None:
        """The next run, which handles what is left."""
        process = self.start("drain")
        out, _ = process.communicate(timeout=15)
        assert (process.returncode, out) == (0, "")

    async def deliver(self, url: str, numbers: Iterable[int], *, most: int) -> None:
        """Send these clients' events; `enough` is set when so many are acknowledged. A service may die meanwhile."""
        room = asyncio.Semaphore(AT_ONCE)

        async def one(session: aiohttp.ClientSession, number: int) -> None:
            event = client_created(client_id=f"c{number}", email=f"p{number}@x.de")
            async with room:
                try:
                    async with session.post(url, data=event.body, headers=dict(event.headers)) as answer:
                        assert answer.status == 200
                except (aiohttp.ClientError, ConnectionError):
                    return
                self.acknowledged.add(f"c{number}")
                if len(self.acknowledged) >= most:
                    self.enough.set()

        async with aiohttp.ClientSession() as session:
            await asyncio.gather(*(one(session, number) for number in numbers))


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


async def test_killed_between_acknowledgement_and_handling(world: World) -> None:
    """No handler has come to its end yet: each of 300 acknowledged events is handled by the next run, once."""
    async with world.serving("hold") as url:
        await world.deliver(url, range(300), most=300)
    assert len(world.acknowledged) == 300
    assert handled(world.log) == []
    world.drain()
    assert sorted(handled(world.log)) == sorted(world.acknowledged)


@pytest.mark.parametrize("seed", range(4))
async def test_killed_at_any_moment(world: World, seed: int) -> None:
    """While deliveries come in, are stored and handled, three times: whatever was acknowledged is handled."""
    chance = random.Random(seed)
    for begin in (0, 1000, 2000):
        world.enough.clear()
        async with world.serving("note") as url:
            most = len(world.acknowledged) + chance.randrange(1, 150)
            sending = asyncio.create_task(world.deliver(url, range(begin, begin + 400), most=most))
            await world.enough.wait()
            for _ in range(chance.randrange(20)):
                await asyncio.sleep(0)
        await sending
    world.drain()
    assert world.acknowledged
    assert world.acknowledged - set(handled(world.log)) == set()
