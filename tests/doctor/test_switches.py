"""Every switch of the sandbox, seen from outside: what is told of it, and a second sandbox that is made of that."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest
from attrs import fields

from onboard360_async.doctor.report import PRESET_VERSION
from onboard360_async.doctor.switches import JUDGES
from onboard360_async.sandbox import SWITCHES, Sandbox
from onboard360_async.sandbox.switches import PRESET_VERSION as SANDBOX_READS
from onboard360_async.sandbox.switches import Minute
from tests.cli.conftest import Command, command
from tests.doctor.service import CAMPAIGN, about, jumbled, lead_to, populate

__all__ = ["command"]  # the fixture


def refuse(sandbox: Sandbox) -> None:
    """The second GET is a 429."""
    sandbox.add_fault("429", path="/clients")


def twice(sandbox: Sandbox) -> None:
    """Somebody is there twice."""
    populate(sandbox)
    sandbox.add_client(CAMPAIGN, "JOHN3@example.com")


def many(sandbox: Sandbox) -> None:
    """More than fit on a usual page."""
    populate(sandbox, 103)


class Scene(NamedTuple):
    """What must be there for a choice to be seen; `shown` False: no GET can show it."""

    has: Callable[[Sandbox], None] = populate
    with_: Mapping[str, Any] = MappingProxyType({})
    shown: bool = True


UNSEEN = Scene(shown=False)
# Each choice that there is: a new one is to be thought of.
SCENES: dict[tuple[str, str | int | bool], Scene] = {
    ("paging", "none"): Scene(many),
    ("paging", "link"): Scene(with_={"page_size": 6}),
    ("paging", "cursor"): Scene(with_={"page_size": 6}),
    ("paging", "page"): Scene(with_={"page_size": 6}),
    ("page_size", 100): Scene(many, {"paging": "cursor"}),
    ("page_size", 5): Scene(with_={"paging": "link"}),
    ("order", "created"): Scene(),
    ("order", "newest"): Scene(),
    ("order", "by-id"): Scene(),
    ("duplicate_email", "allowed"): Scene(twice),
    ("duplicate_email", "400"): UNSEEN,
    ("duplicate_email", "409"): UNSEEN,
    ("duplicate_email", "existing"): UNSEEN,
    ("created_status", 201): UNSEEN,
    ("created_status", 200): UNSEEN,
    ("unknown_campaign", "404"): UNSEEN,
    ("unknown_campaign", "400"): UNSEEN,
    ("link_in_listings", False): Scene(),
    ("link_in_listings", True): Scene(),
    ("blanks", "null"): Scene(),
    ("blanks", "missing"): Scene(),
    ("blanks", "empty"): Scene(),
    ("error_body", "object"): Scene(refuse),
    ("error_body", "html"): Scene(refuse),
    ("error_body", "empty"): Scene(refuse),
    ("extra_fields", False): Scene(),
    ("extra_fields", True): Scene(),
    ("retry_after", "none"): Scene(refuse),
    ("retry_after", "seconds"): Scene(refuse),
    ("retry_after", "date"): Scene(refuse),
    ("rate_limit", False): Scene(),
    ("rate_limit", True): Scene(),
    ("limiter", "sliding"): UNSEEN,
    ("limiter", "fixed"): UNSEEN,
    ("limiter", "off"): UNSEEN,
    ("limit", 100): Scene(with_={"rate_limit": True}),
    ("limit", 37): Scene(with_={"rate_limit": True}),
    ("window_s", 60): Scene(with_={"rate_limit": True}),
    ("window_s", 30): Scene(with_={"rate_limit": True}),
    ("count_refused", False): UNSEEN,
    ("count_refused", True): UNSEEN,
}


def test_no_switch_of_the_sandbox_is_forgotten() -> None:
    """A line for each, in the sandbox's order; and the scenes below try each of its choices."""
    assert list(JUDGES) == [*SWITCHES, *(field.name for field in fields(Minute))]
    choices = {(name, choice) for name, switch in SWITCHES.items() for choice in switch.choices}
    assert choices <= set(SCENES)
    assert {name for name, _ in SCENES} == set(JUDGES)
    assert PRESET_VERSION == SANDBOX_READS


@pytest.mark.parametrize(("name", "choice"), SCENES, ids=str)
def test_each_choice_is_told_and_told_again_of_its_preset(
    name: str, choice: str | int | bool, command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The report names the choice in force, or says that it is unknown; a sandbox of the preset gives the same one."""
    scene = SCENES[name, choice]
    preset = tmp_path / "preset.json"
    with Sandbox(**{name: choice, **scene.with_}, new_id=jumbled()) as sandbox:
        scene.has(sandbox)
        people = sandbox.snapshot()
        lead_to(sandbox, monkeypatch)
        first = command("doctor", "--format", "json", "--save", preset)
        assert [request.method for request in sandbox.requests] == ["GET"] * 2
    word = str(choice).lower() if isinstance(choice, bool) else str(choice)
    assert about(first.out)[name] == (("observed", word) if scene.shown else ("unknown", ""))
    saved = json.loads(preset.read_text())
    assert saved.get(name, ...) == (choice if scene.shown else ...)
    with Sandbox(preset=preset, new_id=jumbled()) as again:
        again.restore(people)
        if scene.has is refuse:
            again.add_fault("429", path="/clients")
        lead_to(again, monkeypatch)
        second = command("doctor", "--format", "json", "--save", tmp_path / "again.json")
    assert (second.code, json.loads(second.out)) == (first.code, json.loads(first.out))
    assert json.loads((tmp_path / "again.json").read_text()) == saved


def test_all_of_a_hostile_service_is_told_at_once(
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What two GETs can show of the preset `hostile`; what they cannot is left as documented."""
    preset = tmp_path / "hostile.json"
    with Sandbox(preset="hostile", page_size=6, new_id=jumbled()) as sandbox:
        populate(sandbox)
        lead_to(sandbox, monkeypatch)
        assert command("doctor", "--save", preset).code == 0
    assert json.loads(preset.read_text()) == {
        "version": 1,
        "paging": "cursor",
        "page_size": 6,
        "order": "by-id",
        "link_in_listings": True,
        "blanks": "missing",
        "extra_fields": True,
        "rate_limit": True,
        "limit": 100,
        "window_s": 60,
    }
