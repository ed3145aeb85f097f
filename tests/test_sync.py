"""The blocking handle: the same names, the same signatures, the same answers and errors, without await."""

import asyncio
import inspect
import sqlite3
import threading
import warnings
from collections.abc import AsyncIterator, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import pytest

from onboard360_async import AsyncOnboard360, Budget, Onboard360, errors
from onboard360_async.blocking import BlockingImport
from onboard360_async.importer import Audit, ImportJob, Rules
from onboard360_async.sandbox import Sandbox
from onboard360_async.transport.options import Event
from tests.importer.double import Service

CAMPAIGN = "550e8400-e29b-41d4-a716-446655440000"


@pytest.fixture
def service() -> Iterator[Sandbox]:
    """A sandbox on a thread of its own."""
    with Sandbox(limiter="off") as running:
        yield running


@pytest.fixture
def blocking(service: Sandbox, budget: Budget) -> Iterator[Onboard360]:
    """A blocking handle on it."""
    with Onboard360(service.api_key, base_url=service.url, budget=budget) as handle:
        yield handle


def public(handle: type) -> dict[str, Any]:
    return {name: value for name, value in inspect.getmembers(handle) if not name.startswith("_")}


def test_every_name_has_its_blocking_twin() -> None:
    """Neither handle has a name that the other lacks."""
    assert public(Onboard360).keys() == public(AsyncOnboard360).keys()


@pytest.mark.parametrize("name", [name for name, value in public(AsyncOnboard360).items() if callable(value)])
def test_every_twin_has_the_same_signature(name: str) -> None:
    """Names, kinds, defaults and annotations of all parameters are the same; only what comes back differs in kind."""
    ours = inspect.signature(public(Onboard360)[name]).parameters
    theirs = inspect.signature(public(AsyncOnboard360)[name]).parameters
    assert list(ours.values()) == list(theirs.values())
    assert not inspect.iscoroutinefunction(public(Onboard360)[name])
    assert public(Onboard360)[name].__doc__


def test_the_constructors_differ_by_the_session_alone() -> None:
    """A session belongs to the user's own loop, so the blocking handle takes none."""
    ours = inspect.signature(Onboard360).parameters
    theirs = dict(inspect.signature(AsyncOnboard360).parameters)
    theirs.pop("session")
    assert list(ours.values()) == list(theirs.values())


def test_the_main_job_blocking(blocking: Onboard360, service: Sandbox) -> None:
    """Find, add, list, find again, ensure and request: the same answers as with await."""
    campaign = blocking.find_campaign("Client Onboarding Flow")
    assert [found.id for found in blocking.list_campaigns()] == [campaign.id]
    client = blocking.add_client(campaign_id=campaign.id, email="john@example.com")
    assert client.link
    assert [listed.id for listed in blocking.list_clients(campaign_id=campaign.id)] == [client.id]
    found = blocking.find_client(campaign_id=campaign.id, email="john@example.com")
    assert found is not None
    assert blocking.ensure_client(campaign_id=campaign.id, email="john@example.com").id == client.id
    assert blocking.request("GET", "/campaigns") is not None
    assert len(service.clients()) == 1


def test_iteration_blocking(blocking: Onboard360, service: Sandbox) -> None:
    """One by one and by batches, to the end or not."""
    ids = [service.add_client(CAMPAIGN, f"p{number}@example.com") for number in range(1_234)]
    assert [client.id for client in blocking.iter_clients()] == ids
    batches = list(blocking.iter_clients(campaign_id=CAMPAIGN).batches())
    assert [client.id for batch in batches for client in batch] == ids
    for client in blocking.iter_clients():
        assert client.id == ids[0]
        break
    assert blocking.list_campaigns()


def test_errors_blocking(blocking: Onboard360, service: Sandbox) -> None:
    """The same errors, at the same moment."""
    with pytest.raises(errors.ValidationError, match="campaign_id"):
        blocking.iter_clients(campaign_id="")
    service.add_fault("commit-then-drop", method="POST", times=1)
    with pytest.raises(errors.OutcomeUnknownError):
        blocking.add_client(campaign_id=CAMPAIGN, email="john@example.com")
    with pytest.raises(errors.AuthenticationError):
        blocking.with_options(api_key="sk_test_wrong").list_campaigns()


def test_the_callers_context_is_seen(service: Sandbox, budget: Budget) -> None:
    """A hook on the private loop sees the context variables of the thread that called."""
    user: ContextVar[str] = ContextVar("user")
    seen: list[str] = []
    user.set("me")

    def watch(_: Event) -> None:
        seen.append(user.get())

    with Onboard360(service.api_key, base_url=service.url, budget=budget, on_event=watch) as api:
        api.list_campaigns()
        list(api.iter_clients())
    assert set(seen) == {"me"}


@pytest.mark.parametrize("is_async", [False, True])
def test_the_callers_context_crosses_with_each_call(service: Sandbox, budget: Budget, is_async: bool) -> None:
    """Each thread's own, at its key and at its hooks, in calls, listings and imports; what they set stays over there.

    A listing has one copy of the context in which it began, so that what a hook opens there it also finds and closes.
    """
    user: ContextVar[str] = ContextVar("user", default="nobody")
    opened: ContextVar[str | None] = ContextVar("opened", default=None)
    keys: list[str] = []
    found: dict[str, set[str | None]] = {}

    def key() -> str:
        keys.append(user.get())
        return service.api_key

    async def key_later() -> str:
        return key()

    service.add_client(CAMPAIGN, "somebody@x.de")

    def watch(event: Event) -> None:
        found.setdefault(user.get(), set()).add(opened.get())
        opened.set(user.get())

    with Onboard360(key_later if is_async else key, base_url=service.url, budget=budget, on_event=watch) as api:

        def work(name: str) -> None:
            user.set(name)
            api.list_campaigns()
            reader = iter(api.iter_clients())
            next(reader)
            user.set("changed meanwhile")
            list(reader)
            user.set(name)
            with api.open_import([{"email": f"{name}@x.de"}], campaign=CAMPAIGN) as job:
                assert len(list(job.run())) == 1
            assert (user.get(), opened.get()) == (name, None)

        threads = [threading.Thread(target=work, args=(f"user-{number}",)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    names = {f"user-{number}" for number in range(4)}
    assert set(keys) == set(found) == names
    assert all(seen <= {None, name} for name, seen in found.items())


def test_a_blocking_call_from_a_hook_is_refused(service: Sandbox, budget: Budget) -> None:
    """A hook runs on the private loop, where a blocking call would wait for itself: SyncInAsyncError, no deadlock."""
    refused: list[type] = []

    def hook(_: Event) -> None:
        try:
            api.list_campaigns()
        except errors.SyncInAsyncError as error:
            refused.append(type(error))

    with Onboard360(service.api_key, base_url=service.url, budget=budget, on_event=hook) as api:
        assert api.list_campaigns()
    assert refused


def test_many_threads_share_one_handle(service: Sandbox, budget: Budget) -> None:
    """Sixteen threads add at once; each client is made once, and all over one loop."""
    made: list[str] = []
    with Onboard360(service.api_key, base_url=service.url, budget=budget) as api:

        def add(number: int) -> None:
            made.append(api.add_client(campaign_id=CAMPAIGN, email=f"p{number}@example.com").id)

        threads = [threading.Thread(target=add, args=(number,)) for number in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(made) == sorted(str(client["id"]) for client in service.clients())
    assert [thread.name for thread in threading.enumerate()].count("onboard360") == 1


def test_async_and_blocking_share_one_budget(service: Sandbox) -> None:
    """What one spends the other sees, in one process with one key."""
    with Onboard360(service.api_key, base_url=service.url) as blocking:

        async def other() -> None:
            async with AsyncOnboard360(service.api_key, base_url=service.url) as api:
                assert api.budget is blocking.budget
                await api.list_campaigns()

        blocking.list_campaigns()
        asyncio.run(other())
        assert blocking.budget.snapshot().used == 2


def test_inside_a_running_loop_it_works_and_warns(
    service: Sandbox, budget: Budget, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blocking a running loop is slow, not deadly: one warning that names the better way."""
    monkeypatch.setattr("onboard360_async.bridge._STATE.warned", False)

    async def careless() -> int:
        with Onboard360(service.api_key, base_url=service.url, budget=budget) as api:
            return len(api.list_campaigns() + api.list_campaigns())

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert asyncio.run(careless()) == 2
    assert [warning.category for warning in caught] == [RuntimeWarning]
    assert "AsyncOnboard360" in str(caught[0].message)


def test_the_repr_says_which_handle_it_is() -> None:
    """And hides the key."""
    assert repr(Onboard360("sk_test_1")).startswith("Onboard360(api_key=<hidden>, ")


def test_an_import_blocking(blocking: Onboard360, service: Sandbox, tmp_path: Path) -> None:
    """`with … as job: for outcome in job.run()`: plan, outcomes, summary and files as with await."""
    path = tmp_path / "people.csv"
    path.write_text("email\na@x.de\nb@x.de\nA@x.de\n")
    with blocking.open_import(path, campaign="Client Onboarding Flow") as job:
        plan = job.load()
        assert (plan.rows, plan.to_send, plan.duplicates) == (3, 2, 1)
        kinds = sorted(type(outcome).__name__ for outcome in job.run())
        assert kinds == ["Created", "Created", "SkippedDuplicate"]
        assert job.summary.created == 2
    assert job.files is not None
    assert "a@x.de" in job.files.results.read_text()
    assert len(service.clients()) == 2


def test_an_import_that_is_left_early_goes_on_later(blocking: Onboard360, service: Sandbox, tmp_path: Path) -> None:
    """Breaking out of the loop ends the import with its books in order; the rest is sent by the next one."""
    path = tmp_path / "people.csv"
    path.write_text("email\n" + "".join(f"p{number}@x.de\n" for number in range(30)))
    with blocking.open_import(path, campaign=CAMPAIGN) as job:
        job.load()
        for _ in job.run():
            break
    with blocking.open_import(path, campaign=CAMPAIGN, settle_s=0) as job:
        before = [outcome.seq for outcome in job.outcomes()]
        outcomes = list(job.run())
        assert [outcome.seq for outcome in job.outcomes(since=before[-1])] == [outcome.seq for outcome in outcomes]
        assert job.audit == Audit((), ())
        summary = job.summary
    assert summary.created + summary.adopted == 30
    assert summary.adopted <= 4
    assert len(outcomes) < 30
    emails = [str(client["email"]) for client in service.clients()]
    assert len(emails) == len(set(emails))


def test_what_an_import_refuses_it_refuses_blocking(blocking: Onboard360, tmp_path: Path) -> None:
    """The same errors at the same moments."""
    with pytest.raises(errors.ConfigurationError, match="on_ambiguous"):
        blocking.open_import([], on_ambiguous="guess")
    with pytest.raises(errors.ConfigurationError, match="Cannot read"), blocking.open_import(tmp_path / "none.csv"):
        pass
    with blocking.open_import([{"email": "nobody"}], campaign=CAMPAIGN) as job:
        job.load()
        with pytest.raises(errors.ValidationError):
            job.run()


def test_rows_are_read_on_the_callers_thread(blocking: Onboard360, tmp_path: Path) -> None:
    """A cursor of a database belongs to the thread that made it; and `run` loads what nobody has loaded."""
    database = sqlite3.connect(":memory:")
    database.execute("CREATE TABLE people (email TEXT)")
    database.executemany("INSERT INTO people VALUES (?)", [(f"p{number}@x.de",) for number in range(1200)])
    rows = ({"email": email} for (email,) in database.execute("SELECT email FROM people"))
    with blocking.open_import(rows, campaign=CAMPAIGN, journal=tmp_path / "books.db", limit=3) as job:
        assert len([outcome for outcome in job.run() if type(outcome).__name__ == "Created"]) == 3
        assert (job.summary.rows, job.summary.planned) == (1200, 1197)
    database.close()


def test_rows_that_break_off_leave_nothing_behind(blocking: Onboard360, tmp_path: Path) -> None:
    """The caller's own error, raised where it came about; the list before stays, and the next one can be loaded."""

    def breaking() -> Iterator[dict[str, str]]:
        yield from ({"email": f"p{number}@x.de"} for number in range(700))
        raise ZeroDivisionError

    journal = tmp_path / "books.db"
    with blocking.open_import(breaking(), campaign=CAMPAIGN, journal=journal) as job:
        with pytest.raises(ZeroDivisionError):
            job.load()
        assert job.summary.rows == 0
    with blocking.open_import(({"email": email} for email in ("a@x.de",)), campaign=CAMPAIGN, journal=journal) as job:
        assert job.load().to_send == 1


def test_a_list_that_is_refused_early_does_not_hang(blocking: Onboard360, service: Sandbox) -> None:
    """The campaign is not there, or the import was loaded: whoever hands rows over is told, and not left waiting."""
    rows = ({"email": f"p{number}@x.de"} for number in range(5000))
    with blocking.open_import(rows, campaign="No such campaign") as job, pytest.raises(errors.ValidationError):
        job.load()
    with blocking.open_import(iter([{"email": "a@x.de"}]), campaign=CAMPAIGN) as job:
        job.load()
        with pytest.raises(errors.ConfigurationError, match="already"):
            job.load()
    assert service.clients() == []


@pytest.mark.parametrize("then", ["load", "run"])
@pytest.mark.parametrize("kind", [list, iter])
@pytest.mark.parametrize("fails", ["find_campaign", "listing"])
def test_loading_again_does_not_hang_and_loses_no_row(fails: str, kind: Any, then: str) -> None:
    """What asked the service failed before the rows were read, or after: once it is up again, all of them are there."""
    double, is_up = Service(), False
    people = [{"email": f"p{number:03}@x.de"} for number in range(700)]

    async def find_campaign(id_or_name: str) -> str:
        if fails == "find_campaign" and not is_up:
            raise errors.NotSentError("Could not connect.")
        return id_or_name

    async def listing(campaign_id: str) -> AsyncIterator[Any]:
        if not is_up:
            raise errors.NotSentError("Could not connect.")
        async for batch in double.listing(campaign_id):
            yield batch

    job = ImportJob(
        kind(people), add=double.add, listing=listing, find_campaign=find_campaign, campaign=CAMPAIGN,
        rules=Rules(settle_s=0),
    )  # fmt: skip
    with BlockingImport(job) as blocking:
        with pytest.raises(errors.NotSentError):
            blocking.load()
        is_up = True
        if then == "load":
            assert blocking.load().to_send == 700
        assert len(list(blocking.run())) == 700
    assert double.emails == sorted(double.emails)
    assert len(set(double.emails)) == 700


def test_what_an_import_leaves_is_written_blocking(blocking: Onboard360, service: Sandbox, tmp_path: Path) -> None:
    """Results in another form, a report, a look for lost rows: as with await, from the caller's thread."""
    service.add_fault("commit-then-drop", email="b@x.de")
    path = tmp_path / "people.csv"
    path.write_text("email\na@x.de\nb@x.de\n")
    with blocking.open_import(path, campaign=CAMPAIGN, settle_s=0) as job:
        for outcome in job.run():
            if outcome.line == 2:
                job.stop()
        job.write_as("jsonl")
        job.write_report(tmp_path / "report.html", limit=100, window_s=60.0)
        files = job.write_files()
        assert files is not None
        assert files.results.name == "people.results.jsonl"
    with blocking.open_import(None, journal=tmp_path / "people.csv.onboard360.db", settle_s=0) as job:
        assert all(outcome.line == 3 for outcome in job.reconcile())
        assert job.summary.created + job.summary.adopted == 2
    assert "<svg" in (tmp_path / "report.html").read_text()
    assert len(service.clients()) == 2


def test_who_has_loaded_a_list_looks_for_its_rows_at_once(blocking: Onboard360, tmp_path: Path) -> None:
    """`load` was called, so `reconcile` does not call it again, which would be refused; there is nobody to look for."""
    path = tmp_path / "people.csv"
    path.write_text("email\na@x.de\n")
    with blocking.open_import(path, campaign=CAMPAIGN, settle_s=0) as job:
        job.load()
        assert list(job.reconcile()) == []
        assert job.summary.planned == 1
