"""Stopping: by the user, by leaving the block, by a reader who takes his time; the books are right afterwards."""

import asyncio
from pathlib import Path
from typing import Any

from onboard360_async.models import NewClient
from tests.importer.double import Service, finish, job_of, people


async def test_stopping_lets_those_under_way_finish(tmp_path: Path, service: Service) -> None:
    """After stop() no row begins, those under way are noted, and running again does the rest."""
    emails = [f"p{number:02}@x.de" for number in range(30)]
    path = people(tmp_path, *emails)
    async with job_of(path, service) as job:
        await job.load()
        async for _ in job.run():
            job.stop()
        assert 1 <= job.summary.created <= 6
        assert job.summary.unresolved == 0
    await finish(job_of(path, service))
    assert sorted(service.emails) == emails


async def test_stopping_calls_back_who_waits_for_the_budget(tmp_path: Path, service: Service) -> None:
    """A row whose request has not left is not under way: stop() does not wait for its slot, and it stays planned."""
    never = asyncio.Event()
    add = service.add

    async def waiting(new: NewClient, before_send: Any) -> Any:
        if not new.email.startswith("p0"):
            await never.wait()  # no slot
        return await add(new, before_send)

    service.add = waiting  # type: ignore[method-assign]  # the double is ours to bend
    async with job_of(people(tmp_path, *(f"p{number}@x.de" for number in range(8))), service) as job:
        await job.load()
        async for _ in job.run():
            job.stop()
        assert (job.summary.created, job.summary.planned, job.summary.unresolved) == (1, 7, 0)


async def test_leaving_the_block_cancels_what_is_under_way(tmp_path: Path, service: Service) -> None:
    """A break out of the loop: no worker is left, what was sent without an answer is in doubt, never sent again."""
    never = asyncio.Event()
    add = service.add

    async def hanging(new: NewClient, before_send: Any) -> Any:
        client = await add(new, before_send)
        if not new.email.startswith("p00"):
            await never.wait()
        return client

    service.add = hanging  # type: ignore[method-assign]  # as above
    path = people(tmp_path, *(f"p{number:02}@x.de" for number in range(10)))
    async with job_of(path, service) as job:
        await job.load()
        async for _ in job.run():
            break
    assert job.summary.unresolved == len(service.created) - 1
    assert [task for task in asyncio.all_tasks() if "onboard360" in task.get_name()] == []
    sent = len(service.created)
    service.add = add  # type: ignore[method-assign]  # as above
    _, _, summary = await finish(job_of(path, service))
    assert (summary.created, summary.unresolved) == (11 - sent, sent - 1)
    assert len(set(service.emails)) == len(service.emails) == 10


async def test_a_slow_reader_slows_the_sending(tmp_path: Path, service: Service) -> None:
    """Nobody reads the outcomes: a handful of rows are sent, not all; and never more than four at once."""
    path = people(tmp_path, *(f"p{number:02}@x.de" for number in range(50)))
    async with job_of(path, service) as job:
        await job.load()
        outcomes = job.run()
        await anext(outcomes)
        for _ in range(200):
            await asyncio.sleep(0)
        assert len(service.created) <= 8
    assert service.most_under_way <= 4
