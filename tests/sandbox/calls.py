"""How these tests talk to the sandbox: plain aiohttp, one connection a call, nothing of the SDK."""

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO
from typing import Any, NamedTuple

import aiohttp
from multidict import CIMultiDictProxy

from onboard360_async.sandbox import Sandbox

CAMPAIGN = "550e8400-e29b-41d4-a716-446655440000"
CLIENT = "770e8400-e29b-41d4-a716-446655440002"
JOHN = {"campaign_id": CAMPAIGN, "email": "john@example.com"}


class Answer(NamedTuple):
    status: int
    body: Any
    headers: CIMultiDictProxy[str]


class Clock:
    """A clock that tests turn by hand."""

    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


async def call(
    sandbox: Sandbox, method: str, path: str, *, key: str | None = None, fault: str | None = None, **options: Any
) -> Answer:
    """One request below /api/v1, with the sandbox's first key unless another is given."""
    headers = {"Authorization": f"Bearer {sandbox.api_key if key is None else key}"}
    if fault is not None:
        headers["X-Sandbox-Fault"] = fault
    async with aiohttp.ClientSession() as session:
        session._retry_connection = False  # aiohttp repeats a GET by itself when its connection was dropped
        async with session.request(method, f"{sandbox.url}/api/v1{path}", headers=headers, **options) as answer:
            text = await answer.text()
            with suppress(ValueError):
                return Answer(answer.status, json.loads(text), answer.headers)
            return Answer(answer.status, text or None, answer.headers)


async def add(sandbox: Sandbox, email: str = "john@example.com", **options: Any) -> Answer:
    """Add a client to the default campaign."""
    return await call(sandbox, "POST", "/clients", json={"campaign_id": CAMPAIGN, "email": email}, **options)


def is_problem(answer: Answer, status: int) -> bool:
    """Whether it is this status with the documented error body."""
    texts = list(answer.body.values())
    return answer.status == status and list(answer.body) == ["error", "details"] and all(map(str.strip, texts))


async def until(condition: Callable[[], object]) -> None:
    """Let the loop turn until something is so."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - nobody tells of it
            await asyncio.sleep(0)


async def some_turns() -> None:
    """Let the loop turn some times: whatever could happen at once has happened."""
    for _ in range(20):
        await asyncio.sleep(0)


async def control(sandbox: Sandbox, method: str, path: str, told: object = None, **options: Any) -> Answer:
    """One request to the control API, with this value as its body."""
    if told is not None:
        options["data"] = BytesIO(told if isinstance(told, bytes) else json.dumps(told).encode())
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, f"{sandbox.url}/_sandbox{path}", **options) as answer,
    ):
        content = await answer.read()
        is_json = answer.content_type == "application/json"
        return Answer(answer.status, json.loads(content) if is_json else content, answer.headers)
