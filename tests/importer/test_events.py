"""Stored `client.created` webhooks: the only other source of a link, and evidence of who was created."""

import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from onboard360_async import errors, settings
from onboard360_async.importer import Adopted, Rules
from onboard360_async.importer.events import fill_links, take_events
from onboard360_async.importer.upkeep.books import open_books
from onboard360_async.models import Client, NewClient
from onboard360_async.webhooks.events import Event
from onboard360_async.webhooks.factories import client_completed, client_created
from onboard360_async.webhooks.sqlite_store import SqliteStore
from onboard360_async.webhooks.store import NewEvent
from tests.importer.double import CAMPAIGN, Service, finish, job_of, lost, people, results
from tests.webhooks.store_suite import add


def event(client_id: str, email: str, link: str | None, **more: Any) -> str:
    data = {
        "client_id": client_id, "campaign_id": CAMPAIGN, "campaign_name": "Client Onboarding Flow",
        "first_name": None, "email": email, "link": link, "created_at": "2026-01-01T00:00:00Z", **more,
    }  # fmt: skip
    return json.dumps({"event": "client.created", "data": data, "timestamp": "2026-01-01T00:00:00Z"})


def stored(folder: Path, *lines: str) -> Path:
    path = folder / "events.jsonl"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


async def test_an_event_gives_id_and_link_of_a_lost_row(tmp_path: Path, service: Service) -> None:
    """The answer was lost; the webhook came: adopted with the link that only it said, in the results, too."""
    service.faults["a"] = ("created", lost())
    events = stored(
        tmp_path, event("id-1", "A@x.de", "https://example.com/c/000000000001"), "", event("x", "z@x.de", None)
    )
    path = people(tmp_path, "a@x.de", "b@x.de")
    _, outcomes, summary = await finish(job_of(path, service, events_from=events))
    (adopted,) = (outcome for outcome in outcomes if isinstance(outcome, Adopted))
    assert (adopted.client_id, adopted.link) == ("id-1", "https://example.com/c/000000000001")
    assert (summary.adopted, summary.created) == (1, 1)
    assert results(tmp_path)[0]["link"] == adopted.link


async def test_events_that_come_later_fill_in_the_links(tmp_path: Path, service: Service) -> None:
    """Adopted by a listing, without a link; a later run that is given the events tells it, once."""
    service.faults["a"] = ("created", lost())
    path = people(tmp_path, "a@x.de")
    _, outcomes, _ = await finish(job_of(path, service))
    assert [outcome.link for outcome in outcomes if isinstance(outcome, Adopted)] == [None]
    link = "https://example.com/c/000000000001"
    events = stored(tmp_path, event("id-1", "a@x.de", link), event("id-1", "a@x.de", None))  # delivered twice
    async with job_of(path, service, events_from=events) as job:
        await job.load()
        told = [outcome async for outcome in job.outcomes(since=outcomes[-1].seq)]
        assert [outcome.link for outcome in told if isinstance(outcome, Adopted)] == [
            "https://example.com/c/000000000001"
        ]
    assert results(tmp_path)[0]["link"] == "https://example.com/c/000000000001"


async def test_many_links_are_filled_in_at_once(tmp_path: Path, service: Service) -> None:
    """A service whose answers tell no link: the disk is waited for once, not for each of the rows."""
    add = service.add

    async def without_link(new: NewClient, before_send: Any) -> Client:
        return evolve(await add(new, before_send), link=None)

    service.add = without_link  # type: ignore[method-assign]  # the double is ours to bend
    emails = [f"p{number}@x.de" for number in range(9)]
    await finish(job_of(people(tmp_path, *emails), service))
    events = stored(tmp_path, *(event(client.id, client.email, client.link) for client in service.created))
    steps = list[str]()
    with open_books(tmp_path / "people.csv.onboard360.db") as books:
        assert list(take_events(books, events)) == []
        books.db.set_trace_callback(steps.append)
        assert len(fill_links(books)) == 9
    assert steps.count("COMMIT") == 1
    assert sum(step.startswith("BEGIN") for step in steps) == 1


async def test_an_event_is_evidence_where_the_listing_shows_nobody(tmp_path: Path, service: Service) -> None:
    """A listing that is cut, and an event: somebody was created, and is not sent again."""
    service.faults["a"] = ("created", lost())

    async def nobody(campaign_id: str) -> AsyncIterator[Sequence[Client]]:
        yield [client for client in service.created if client.id == campaign_id]  # an id is no campaign

    service.listing = nobody  # type: ignore[method-assign]  # the double is ours to bend
    events = stored(tmp_path, event("id-1", "a@x.de", "https://example.com/c/000000000001"))
    _, _, summary = await finish(job_of(people(tmp_path, "a@x.de"), service, events_from=events))
    assert (summary.adopted, service.emails) == (1, ["a@x.de"])


async def test_events_of_others_are_passed_over(tmp_path: Path, service: Service) -> None:
    """Other kinds, other campaigns, unknown shapes, somebody who was there before: none of them is anybody's."""
    old = service.create(CAMPAIGN, "a@x.de")
    service.faults["a"] = lost()
    events = stored(
        tmp_path,
        event(old.id, "a@x.de", "https://example.com/c/old"),
        event("id-9", "a@x.de", "https://example.com/c/other", campaign_id="other"),
        event("id-9", "a@x.de", "https://example.com/c/done").replace("client.created", "client.completed"),
        json.dumps({"event": "client.created", "data": None}),
        json.dumps({"event": "client.created", "data": {"campaign_id": CAMPAIGN, "client_id": 5, "email": "a@x.de"}}),
        event("id-8", "b@x.de", 5, created_at="yesterday"),  # type: ignore[arg-type]  # what a broken sender may store
    )
    rules = Rules(settle_s=0, if_exists="send", on_ambiguous="hold")
    _, _, summary = await finish(job_of(people(tmp_path, "a@x.de"), service, rules=rules, events_from=events))
    assert (summary.unresolved, summary.adopted) == (1, 0)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"event": "client.created"}\nnonsense\n', "events.jsonl, line 2: this is no JSON object"),
        (b"[1]\n", "line 1: this is no JSON object"),
        (b"\xff\xfe\xff\n", "not UTF-8"),
        (None, "Cannot read"),
    ],
)
async def test_what_is_no_file_of_events_is_told(
    tmp_path: Path, service: Service, content: bytes | None, said: str
) -> None:
    """Before anything is sent, with the line; nothing of it is taken, nothing of it is quoted."""
    path = tmp_path / "events.jsonl"
    if content is not None:
        path.write_bytes(content)
    async with job_of(people(tmp_path, "a@x.de"), service, events_from=path) as job:
        with pytest.raises((errors.ConfigurationError, errors.ValidationError), match=said) as caught:
            await job.load()
        assert "nonsense" not in str(caught.value)
    assert service.created == []


async def test_half_a_character_in_an_event_ends_nothing(tmp_path: Path, service: Service) -> None:
    """A sender may cut a character in half; the import goes on."""
    service.faults["a"] = ("created", lost())
    events = stored(tmp_path, event("id-\ud800", "a\ud800@x.de", "https://x.de/\ud800", first_name="\ud800"))
    _, _, summary = await finish(job_of(people(tmp_path, "a@x.de"), service, events_from=events))
    assert summary.adopted == 1


@pytest.mark.parametrize("created_at", ["yesterday", "2026-01-01T00:00:00", None])
async def test_an_event_whose_moment_cannot_be_read_still_gives_its_link(
    tmp_path: Path, service: Service, created_at: str | None
) -> None:
    """Who was created is known by it, and when is not: nothing is argued from a moment that is none."""
    service.faults["a"] = ("created", lost())
    link = "https://example.com/c/000000000001"
    events = stored(tmp_path, event("id-1", "a@x.de", link, created_at=created_at))
    _, outcomes, _ = await finish(job_of(people(tmp_path, "a@x.de"), service, events_from=events))
    assert [(type(outcome), outcome.link) for outcome in outcomes if isinstance(outcome, Adopted)] == [(Adopted, link)]


# --- of an inbox ---


def inbox(path: Path, *events: Event) -> SqliteStore:
    """An inbox that holds these, and is still open."""
    store = SqliteStore(path)
    with store.transaction():
        for each in events:
            add(store, NewEvent.of(each, "id"))
    return store


async def test_an_inbox_tells_what_lines_do(tmp_path: Path, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it is called, while its listener has it, page by page; a JSON file beside it is taken, too."""
    monkeypatch.setattr(settings, "INBOX_PAGE", 2)
    service.faults["a"] = service.faults["b"] = ("created", lost())
    mine: dict[str, Any] = {
        "campaign_id": CAMPAIGN,
        "created_at": "2026-01-01T00:00:00Z",
        "first_name": None,
        "last_name": None,
    }
    mine |= {"company_name": None, "phone": None}
    listener = inbox(
        tmp_path / "events.jsonl",
        client_created(client_id="other", email="z@x.de"),
        client_completed(client_id="id-1", email="a@x.de", link="https://example.com/c/done"),
        client_created(client_id="id-9", email="a@x.de", **mine | {"campaign_id": "elsewhere"}),
        client_created(client_id="id-1", email="A@x.de", link="https://example.com/c/000000000001", **mine),
    )
    (tmp_path / "more").mkdir()
    more = stored(tmp_path / "more", event("id-2", "b@x.de", "https://example.com/c/000000000002"))
    files = [tmp_path / "events.jsonl", str(more)]
    _, outcomes, _ = await finish(job_of(people(tmp_path, "a@x.de", "b@x.de"), service, events_from=files))
    listener.close()
    links = {outcome.client_id: outcome.link for outcome in outcomes if isinstance(outcome, Adopted)}
    assert links == {f"id-{number}": f"https://example.com/c/00000000000{number}" for number in (1, 2)}


async def test_a_large_inbox_lets_others_go_first(
    tmp_path: Path, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A turn of the loop for each page of it."""
    monkeypatch.setattr(settings, "INBOX_PAGE", 2)
    await finish(job_of(people(tmp_path, "a@x.de"), service))
    inbox(tmp_path / "box.db", *(client_created(client_id=str(number)) for number in range(7))).close()
    with open_books(tmp_path / "people.csv.onboard360.db") as books:
        assert len(list(take_events(books, tmp_path / "box.db"))) == 3


async def test_an_inbox_that_cannot_be_read_is_told(
    tmp_path: Path, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Held for too long by somebody else: ConfigurationError, before anything is sent."""
    monkeypatch.setattr(settings, "SHARED_PATIENCE_S", 0.05)
    held = inbox(tmp_path / "box.db", client_created())
    async with job_of(people(tmp_path, "a@x.de"), service, events_from=tmp_path / "box.db") as job:
        with held.transaction(), pytest.raises(errors.ConfigurationError, match="Cannot read"):
            await job.load()
    held.close()
    assert service.created == []
