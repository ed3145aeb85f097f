"""Lists at the prompt: a campaign for each row, stored webhooks for the links; what is wrong is told before sending."""

import csv
import json
from pathlib import Path

from onboard360_async.sandbox import Sandbox
from tests.cli.conftest import Command
from tests.cli.test_import import CAMPAIGN, NAME, SEND, people

VIP = "00000000-0000-4000-8000-000000000001"


def written(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_each_row_goes_to_its_own_campaign(service: Sandbox, command: Command, tmp_path: Path) -> None:
    """By id or by name, in any capitals; one look at the campaigns is enough for all names."""
    service.add_campaign("VIP", VIP)
    path = written(
        tmp_path / "people.csv", "email,Kampagne", f"a@x.de,{NAME}", "b@x.de,vip", f"c@x.de,{VIP}", "d@x.de,VIP"
    )
    assert command("import", path, "--yes").code == 0
    there = {client["email"]: client["campaign_id"] for client in service.clients()}
    assert there == {"a@x.de": CAMPAIGN, "b@x.de": VIP, "c@x.de": VIP, "d@x.de": VIP}
    assert sum(request.path.endswith("/campaigns") for request in service.requests) == 1


def test_a_campaign_that_is_none_or_several_is_told_with_the_candidates(
    service: Sandbox, command: Command, tmp_path: Path
) -> None:
    """By line, and nothing is sent; the good rows go if the others are to be skipped."""
    service.add_campaign("VIP", VIP)
    service.add_campaign("VIP", "00000000-0000-4000-8000-000000000002")
    path = written(tmp_path / "people.csv", "email,campaign", f"a@x.de,{NAME}", "b@x.de,Vip", "c@x.de,Nope", "d@x.de,")
    said = command("import", path, "--yes")
    assert (said.code, service.clients()) == (3, [])
    assert "line 3, campaign_id: 2 campaigns are called 'Vip'; give the id instead." in said.err
    assert f"VIP ({VIP})" in said.err
    assert "line 4, campaign_id: No published campaign is called 'Nope'." in said.err
    assert "line 5, campaign_id: it is empty" in said.err
    assert command("import", path, "--yes", "--skip-invalid").code == 0
    assert [client["email"] for client in service.clients()] == ["a@x.de"]


def test_a_link_that_no_answer_told_comes_from_a_stored_webhook(
    service: Sandbox, command: Command, tmp_path: Path
) -> None:
    """`--events-from`: at once, or later by `imports reconcile`; in the results, and found by `links find`."""
    for email in ("a@x.de", "b@x.de"):
        service.add_fault("commit-then-drop", email=email)
    path = people(tmp_path, "a@x.de", "b@x.de")
    assert command("import", path, *SEND).code == 0
    made = {client["email"]: client for client in service.clients()}

    def event(email: str) -> str:
        client = made[email]
        data = {"client_id": client["id"], **{name: client[name] for name in ("campaign_id", "email", "link")}}
        return json.dumps({"event": "client.created", "data": data})

    events = written(tmp_path / "events.jsonl", event("a@x.de"))
    assert command("imports", "reconcile", path, "--events-from", events).code == 0
    events = written(tmp_path / "events.jsonl", event("b@x.de"))
    assert command("import", path, *SEND, "--events-from", events).code == 0
    with (tmp_path / "people.results.csv").open(newline="") as file:
        assert [(row["status"], row["link"]) for row in csv.DictReader(file)] == [
            ("adopted", made["a@x.de"]["link"]), ("adopted", made["b@x.de"]["link"]),
        ]  # fmt: skip
    assert str(made["b@x.de"]["link"]) in command("links", "find", "B@x.de", "--journal", tmp_path).out
    bad = written(tmp_path / "bad.jsonl", "{}", "secret@x.de")
    said = command("import", path, *SEND, "--events-from", bad)
    assert (said.code, "bad.jsonl, line 2: this is no JSON object" in said.err) == (3, True)
    assert "secret" not in said.err
