"""A command that waits for the budget says so, once, and only if it is worth saying."""

import pytest

from onboard360_async.cli.waiting import Waiting
from onboard360_async.sandbox import Sandbox
from onboard360_async.transport.options import Event
from tests.budget.virtual import VirtualLoop, run
from tests.cli.conftest import Command

CAMPAIGN = "550e8400-e29b-41d4-a716-446655440000"


@pytest.mark.parametrize(("waits_s", "times"), [((1.9, 1.9), 0), ((2.1,), 1), ((2.1, 50.0), 1)])
def test_it_is_said_once_after_two_seconds(
    waits_s: tuple[float, ...], times: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """However many requests wait, and not for those that hardly do."""

    async def main(loop: VirtualLoop) -> None:
        waiting = Waiting()
        for number, wait_s in enumerate(waits_s, 1):
            waiting(Event("queued", "GET", "/clients", number))
            granted = loop.create_future()
            loop.call_later(wait_s, granted.set_result, None)
            await granted
            for name in ("granted", "sent", "answered"):
                waiting(Event(name, "GET", "/clients", number))

    run(main)
    assert capsys.readouterr().err.count("Waiting for the budget") == times


@pytest.mark.parametrize("ends_first", [True, False])
def test_it_is_not_said_once_somebody_else_tells(ends_first: bool, capsys: pytest.CaptureFixture[str]) -> None:
    """An import's progress tells why nothing happens; two voices would be one too many."""

    async def main(loop: VirtualLoop) -> None:
        waiting = Waiting()
        if ends_first:
            waiting.end()
        waiting(Event("queued", "GET", "/clients", 1))
        waiting.end()
        waited = loop.create_future()
        loop.call_later(10.0, waited.set_result, None)
        await waited

    run(main)
    assert capsys.readouterr().err == ""


def test_a_command_says_it_on_stderr(service: Sandbox, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it prints for programs stays as it is."""
    monkeypatch.setattr("onboard360_async.settings.WAITING_TOLD_S", 0.0)
    said = command("clients", "add", "--campaign", CAMPAIGN, "--email", "a@x.de", "--format", "jsonl")
    assert said.code == 0
    assert said.err.startswith("Waiting for the budget")
    assert said.out.count("\n") == 1
