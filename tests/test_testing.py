"""The pytest plugin: it costs nothing until it is used, works in any project, and no test hears of another."""

import importlib.metadata
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from onboard360_async import AsyncOnboard360, Onboard360, settings
from onboard360_async.errors import ConfigurationError
from onboard360_async.sandbox import Sandbox
from onboard360_async.testing import Sign, SignedWebhook, _close
from onboard360_async.webhooks import ClientCreated, WebhookVerifier
from onboard360_async.webhooks.events import FormName
from onboard360_async.webhooks.factories import SECRET, client_created

pytestmark = pytest.mark.usefixtures("children_are_measured")
CAMPAIGN = "550e8400-e29b-41d4-a716-446655440000"
STRICT = ("-W", "error", "--strict-markers", "--strict-config", "-q", "-p", "no:cacheprovider")
ALONE = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # no plugin but those that are named


def project(folder: Path, source: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run pytest in a project that has this one file of tests."""
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "test_project.py").write_text(source)
    command = [sys.executable, "-X", "dev", "-m", "pytest", *STRICT, *arguments]
    env = {name: value for name, value in os.environ.items() if not name.startswith(("COV_", "PYTEST_"))} | environment
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=20, check=False)


def counted(done: subprocess.CompletedProcess[str]) -> dict[str, int]:
    """How many tests ended how."""
    last = (done.stdout.strip() or done.stderr).splitlines()[-1]
    found = re.findall(r"(\d+) (passed|failed|error)", last)
    return {word: int(number) for number, word in found}


# --- what it costs, and where it is found ---


def test_loading_it_imports_nothing_that_costs() -> None:
    """All that comes with it at pytest's start is the package's door; not one module more, of ours or of others."""
    look = (
        "import sys, pytest; before = set(sys.modules); import onboard360_async.testing;"
        "print(sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['onboard360_async', 'onboard360_async.door', 'onboard360_async.testing']"


def test_pytest_finds_it() -> None:
    """By the name that `-p no:onboard360` takes away."""
    (found,) = importlib.metadata.entry_points(group="pytest11", name="onboard360")
    assert found.value == "onboard360_async.testing"


def test_without_it_there_is_nothing_of_it(tmp_path: Path) -> None:
    """No fixture, no marker, no import."""
    source = """
import sys
def test_it(pytestconfig):
    assert not [name for name in sys.modules if name.startswith("onboard360")]
    assert not [line for line in pytestconfig.getini("markers") if line.startswith("onboard360")]
"""
    assert counted(project(tmp_path, source, "-p", "no:onboard360", "-p", "no:asyncio")) == {"passed": 1}


# --- in any project ---

ASYNCHRONOUS = f"""
import asyncio, gc, threading
import pytest, pytest_asyncio
from onboard360_async import AsyncOnboard360

async def adds(api):
    client = await api.add_client(campaign_id="{CAMPAIGN}", email="ada@example.com")
    assert client.link

@pytest.mark.asyncio
async def test_on_a_loop_of_its_own(onboard360_api, onboard360_sandbox):
    await adds(onboard360_api)
    assert len(onboard360_sandbox.clients()) == 1

@pytest_asyncio.fixture(loop_scope="session")
async def somebody(onboard360_api):
    await adds(onboard360_api)

@pytest.mark.asyncio(loop_scope="session")
async def test_on_the_loop_of_the_session(onboard360_api, onboard360_sandbox):
    await adds(onboard360_api)

@pytest.mark.asyncio
async def test_on_both(somebody, onboard360_api):
    await adds(onboard360_api)

@pytest.mark.asyncio(loop_scope="session")
async def test_on_the_loop_of_the_session_again(somebody, onboard360_api):
    await adds(onboard360_api)

@pytest.fixture
def anyio_backend():
    return "asyncio"

@pytest.mark.anyio
async def test_with_anyio(anyio_backend, onboard360_api):
    await adds(onboard360_api)

def test_with_two_loops_one_after_the_other(onboard360_api):
    asyncio.run(adds(onboard360_api))
    asyncio.run(adds(onboard360_api))

def test_with_loops_that_stand_still(onboard360_api, request):
    for _ in range(2):
        runner = asyncio.Runner()
        request.addfinalizer(runner.close)
        runner.run(adds(onboard360_api))

def test_with_loops_that_outlive_it(onboard360_api):
    for _ in range(2):
        LEFT.append(asyncio.Runner())
        LEFT[-1].run(adds(onboard360_api))

def test_with_a_loop_that_runs_elsewhere_and_is_left(onboard360_api):
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()
    asyncio.run_coroutine_threadsafe(adds(onboard360_api), loop).result()
    LEFT.append(loop)

def test_nothing_is_left_to_be_done_on_those(caplog):
    for runner in LEFT[:2]:
        runner.close()
    LEFT[2].call_soon_threadsafe(LEFT[2].stop)
    del runner, LEFT[:2]
    gc.collect()
    assert caplog.text == ""

@pytest.mark.asyncio
async def test_what_the_code_under_test_makes_by_itself(onboard360_sandbox, onboard360_api):
    async with AsyncOnboard360() as api:
        await adds(api)
        assert api.budget is onboard360_api.budget
    assert onboard360_sandbox.clients()[0]["email"] == "ada@example.com"

LEFT = []
"""


def test_it_works_on_any_loop(tmp_path: Path) -> None:
    """pytest-asyncio's strict mode, anyio's plugin and loops of the test's own, left in any state: no warning."""
    done = project(tmp_path, ASYNCHRONOUS, "-o", "asyncio_default_fixture_loop_scope=function", "--asyncio-mode=strict")
    assert counted(done) == {"passed": 11}, done.stdout


BLOCKING = f"""
import asyncio, os, sys, threading
from http.server import BaseHTTPRequestHandler, HTTPServer
import pytest
from onboard360_async import AsyncOnboard360, Onboard360

MINE = {{"ONBOARD360_API_KEY": "sk_live_mine", "ONBOARD360_BUDGET": "file", "ONBOARD360_WEBHOOK_SECRET": "my own"}}
USED = []

def environment():
    return {{name: value for name, value in os.environ.items() if name.startswith("ONBOARD360_")}}

def test_there_is_no_plugin_for_asynchronous_tests():
    assert "pytest_asyncio" not in sys.modules
    assert environment() == MINE

def test_spoil_all_that_can_be_spoiled(onboard360_sandbox, onboard360_sync_api, receiver):
    sandbox = onboard360_sandbox
    sandbox.configure(paging="page", page_size=1, order="newest", limiter="fixed", limit=2, window_s=1000.0)
    sandbox.add_webhook(receiver.url, retries=[0, 1000])
    sandbox.add_campaign("Another")
    client = onboard360_sync_api.add_client(campaign_id="{CAMPAIGN}", email="ada@example.com")
    sandbox.clock.freeze()
    sandbox.clock.advance(12345.0)
    sandbox.add_fault("500-before", nth=5)
    with pytest.raises(Exception):
        onboard360_sync_api.with_options(api_key="sk_test_other").list_campaigns()
    USED.append((sandbox.api_key, sandbox.url))
    assert sandbox.deliveries and sandbox.requests

def test_it_is_left_clean_and_soiled_by_other_means(onboard360_sandbox_session):
    assert (onboard360_sandbox_session.deliveries, onboard360_sandbox_session.webhooks) == ([], ())
    onboard360_sandbox_session.add_client("{CAMPAIGN}", "bob@example.com")

def test_nothing_of_it_is_left(onboard360_sandbox, onboard360_sync_api, receiver):
    sandbox = onboard360_sandbox
    (key, url), = USED
    assert (sandbox.url, sandbox.api_key != key) == (url, True)
    assert (sandbox.clients(), sandbox.requests, sandbox.deliveries, sandbox.webhooks) == ([], [], [], ())
    assert (sandbox.faults, sandbox.refused) == ((), 0)
    assert (sandbox.switches.paging, sandbox.limiter.limiter, sandbox.limiter.limit) == ("none", "sliding", 100)
    assert not sandbox.clock.is_frozen
    assert [campaign.name for campaign in onboard360_sync_api.list_campaigns()] == ["Client Onboarding Flow"]
    heard = receiver.heard
    sandbox.clock.advance(10_000.0)
    sandbox.wait_delivered()
    assert (receiver.heard, sandbox.deliveries) == (heard, [])

def test_the_key_of_another_test_is_served_no_more(onboard360_sandbox):
    (key, _), = USED
    from onboard360_async.errors import AuthenticationError
    with Onboard360(key) as api, pytest.raises(AuthenticationError):
        api.list_campaigns()

def test_what_the_user_had_said_is_said_again():
    assert environment() == MINE

def test_code_that_knows_nothing_of_tests(onboard360_sandbox):
    assert environment().keys() == {{"ONBOARD360_API_KEY", "ONBOARD360_BASE_URL", "ONBOARD360_WEBHOOK_SECRET"}}
    with Onboard360() as api:
        assert [api.list_campaigns() for _ in range(90)]
    async def main():
        async with AsyncOnboard360() as api:
            return [await api.list_campaigns() for _ in range(10)]
    assert len(asyncio.run(main())) == 10
    assert len(onboard360_sandbox.requests) == 100 and onboard360_sandbox.refused == 0

@pytest.mark.onboard360(preset="hostile", limiter="off")
class TestHostile:
    def test_the_class_decides(self, onboard360_sandbox):
        assert (onboard360_sandbox.switches.paging, onboard360_sandbox.limiter.limiter) == ("cursor", "off")

    @pytest.mark.onboard360(paging="link")
    def test_the_nearest_has_the_last_word(self, onboard360_sandbox):
        assert (onboard360_sandbox.switches.paging, onboard360_sandbox.switches.order) == ("link", "by-id")

    def test_a_thousand_requests_need_no_minute(self, onboard360_sync_api, onboard360_sandbox):
        for _ in range(300):
            onboard360_sync_api.list_campaigns()
        assert len(onboard360_sandbox.requests) == 300

def test_closed_handles_are_fine(onboard360_sync_api, onboard360_api):
    onboard360_sync_api.list_campaigns()
    onboard360_sync_api.close()
    async def main():
        async with onboard360_api as api:
            await api.list_campaigns()
    asyncio.run(main())

class Receiver(HTTPServer):
    heard = 0

class Refuses(BaseHTTPRequestHandler):
    def do_POST(self):
        self.server.heard += 1
        self.send_error(500)
    def log_message(self, *_):
        pass

@pytest.fixture(scope="module")
def receiver():
    with Receiver(("127.0.0.1", 0), Refuses) as server:
        server.url = f"http://127.0.0.1:{{server.server_port}}/"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()
"""


def test_it_works_in_a_blocking_project_and_nothing_reaches_the_next_test(tmp_path: Path) -> None:
    """Endpoints, faults, switches, clock, deliveries that wait, keys, budgets and environment: all are the test's."""
    mine = {
        settings.API_KEY_VARIABLE: "sk_live_mine",
        settings.BUDGET_VARIABLE: "file",
        settings.WEBHOOK_SECRET_VARIABLE: "my own",
    }
    done = project(tmp_path, BLOCKING, "-p", "onboard360", **ALONE, **mine)
    assert counted(done) == {"passed": 11}, done.stdout


def test_each_worker_of_xdist_has_its_own(tmp_path: Path) -> None:
    """Two processes, two ports, and what one holds the other does not."""
    source = f"""
from pathlib import Path
def test_it(onboard360_sandbox, onboard360_sync_api, testrun_uid, worker_id):
    onboard360_sync_api.add_client(campaign_id="{CAMPAIGN}", email=worker_id + "@example.com")
    assert [client["email"] for client in onboard360_sandbox.clients()] == [worker_id + "@example.com"]
    Path(worker_id).write_text(onboard360_sandbox.url)
"""
    done = project(tmp_path, source, "-p", "onboard360", "-p", "xdist", "-n", "2", "--dist", "each", **ALONE)
    assert counted(done) == {"passed": 2}, done.stdout
    assert len({(tmp_path / worker).read_text() for worker in ("gw0", "gw1")}) == 2


# --- what cannot be meant ---


def test_the_nearest_marker_has_the_last_word_on_each_option(tmp_path: Path) -> None:
    """Of the module's, the class's and the test's own; and what another test was marked with is gone."""
    source = """
import pytest
pytestmark = pytest.mark.onboard360(preset="hostile", limit=7, paging="none", order="newest")
def told(sandbox):
    return sandbox.limiter.limit, sandbox.switches.paging, sandbox.switches.order, sandbox.switches.error_body
@pytest.mark.onboard360(paging="link", order="created")
class TestClass:
    @pytest.mark.onboard360(paging="page")
    @pytest.mark.parametrize("number", range(2))
    def test_of_its_own(self, onboard360_sandbox, number):
        assert told(onboard360_sandbox) == (7, "page", "created", "html")
    def test_of_the_class(self, onboard360_sandbox):
        assert told(onboard360_sandbox) == (7, "link", "created", "html")
def test_of_the_module(onboard360_sandbox):
    assert told(onboard360_sandbox) == (7, "none", "newest", "html")
"""
    assert counted(project(tmp_path, source, "-p", "onboard360_async.testing", **ALONE)) == {"passed": 4}


def test_a_marker_takes_the_preset_that_the_doctor_has_saved(tmp_path: Path) -> None:
    """As a path beside the test, or as what is in it."""
    (tmp_path / "ours.json").write_text('{"version": 1, "paging": "link", "page_size": 7, "blanks": "missing"}')
    source = """
from pathlib import Path
import pytest
OURS = Path(__file__).with_name("ours.json")
@pytest.mark.onboard360(preset=OURS, page_size=2)
def test_by_its_path(onboard360_sandbox):
    switches = onboard360_sandbox.switches
    assert (switches.paging, switches.page_size, switches.blanks) == ("link", 2, "missing")
@pytest.mark.onboard360(preset={"version": 1, "order": "newest"})
def test_by_what_is_in_it(onboard360_sandbox):
    assert (onboard360_sandbox.switches.order, onboard360_sandbox.switches.paging) == ("newest", "none")
"""
    assert counted(project(tmp_path, source, "-p", "onboard360", **ALONE)) == {"passed": 2}


def test_what_cannot_be_meant_is_told_in_a_line(tmp_path: Path) -> None:
    """The option, what it may be, and no traceback of ours."""
    source = """
import pytest

@pytest.mark.onboard360(pagging="cursor")
def test_an_option(onboard360_sandbox): ...

@pytest.mark.onboard360(paging="curser")
def test_a_choice(onboard360_sandbox): ...

@pytest.mark.onboard360(preset="kind")
def test_a_preset(onboard360_sandbox): ...

@pytest.mark.onboard360("hostile")
def test_by_position(onboard360_api): ...

def test_the_next_is_as_ever(onboard360_sandbox):
    assert onboard360_sandbox.switches.paging == "none"
"""
    done = project(tmp_path, source, "-p", "onboard360", **ALONE)
    assert counted(done) == {"passed": 1, "error": 4}, done.stdout
    for said in ("'pagging'", "paging cannot be 'curser'", "preset 'kind'", "takes options by name"):
        assert "\n@pytest.mark.onboard360: " in done.stdout
        assert said in done.stdout
    assert "Traceback" not in done.stdout
    assert "testing.py" not in done.stdout


def test_without_sockets_it_says_what_to_do(tmp_path: Path) -> None:
    """Plugins that forbid sockets raise what they like: one sentence of ours, and no waiting for a thread."""
    source = """
import pytest, socket

@pytest.fixture(scope="session", autouse=True)
def blocked():
    class Blocked(socket.socket):
        def __new__(cls, *_, **__):
            raise RuntimeError("sockets are blocked")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "socket", Blocked)
        yield

def test_it(onboard360_api): ...
"""
    done = project(tmp_path, source, "-p", "onboard360", **ALONE)
    assert counted(done) == {"error": 1}, done.stdout
    assert "the sandbox could not start (sockets are blocked)" in done.stdout
    assert "testing.py" not in done.stdout


# --- in this very process ---


@pytest.mark.onboard360(limit=3, window_s=0.5)
async def test_the_budget_is_as_large_as_the_limit(
    onboard360_api: AsyncOnboard360, onboard360_sandbox: Sandbox
) -> None:
    """All of it at once, and never more: what the sandbox would refuse, the handle waits for."""
    for _ in range(4):
        await onboard360_api.list_campaigns()
    assert (len(onboard360_sandbox.requests), onboard360_sandbox.refused) == (4, 0)


async def test_a_handle_is_closed_while_a_loop_runs_here(onboard360_sandbox: Sandbox) -> None:
    """As where pytest itself was started in a notebook."""
    api = AsyncOnboard360()
    await api.list_campaigns()
    _close(api)
    session = next(iter(api._transport.pool._kept.values()), None)
    assert session is None


def test_the_blocking_handle_is_on_the_sandbox(onboard360_sync_api: Onboard360, onboard360_sandbox: Sandbox) -> None:
    """Both of one test, with one key."""
    client = onboard360_sync_api.add_client(campaign_id=CAMPAIGN, email="ada@example.com")
    assert [each["id"] for each in onboard360_sandbox.clients()] == [client.id]


# --- signed webhooks ---


def test_a_signed_webhook_is_believed(onboard360_sign: Sign) -> None:
    """By a verifier that reads the secret from the environment, which is set for the test; no sandbox is needed."""
    payload = {"event": "client.created", "data": {"first_name": "Zoë"}, "timestamp": "2026-01-02T03:04:05Z"}
    signed = onboard360_sign(payload)
    event = WebhookVerifier().verify(signed.body, signed.headers)
    assert isinstance(event, ClientCreated)
    assert (event.form, event.data.first_name) == ("raw", "Zoë")
    assert os.environ[settings.WEBHOOK_SECRET_VARIABLE] == SECRET
    assert set(signed.headers) == {"Content-Type", settings.SIGNATURE_HEADER, settings.EVENT_HEADER}


def test_the_factories_say_the_same(onboard360_sign: Sign) -> None:
    """A payload of theirs, signed here, is the same to the last byte."""
    example = client_created(first_name="Zoë", timestamp="2026-01-02T03:04:05Z")
    assert onboard360_sign(json.loads(example.body)) == SignedWebhook(example.body, dict(example.headers))


@pytest.mark.parametrize("form", ["js", "python"])
def test_another_form_can_be_signed(onboard360_sign: Sign, form: FormName) -> None:
    """The bytes stay what they are, as on a way that writes a body anew."""
    body = '{ "event": "client.created", "data": {"first_name": "Zoë"} }'.encode()
    signed = onboard360_sign(body, form=form)
    assert signed.body == body
    assert WebhookVerifier(SECRET).verify(signed.body, signed.headers).form == form


def test_a_secret_of_ones_own_counts(onboard360_sign: Sign, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that is given; else the one in the environment at that moment; without any, it says what to do."""
    for signed in (onboard360_sign(b"{}", secret="mine"), onboard360_sign(b"{}")):
        assert "mine" not in repr(signed)
    assert onboard360_sign(b"{}", secret="mine") != onboard360_sign(b"{}")
    monkeypatch.setenv(settings.WEBHOOK_SECRET_VARIABLE, "mine")
    assert onboard360_sign(b"{}") == onboard360_sign(b"{}", secret="mine")
    monkeypatch.delenv(settings.WEBHOOK_SECRET_VARIABLE)
    with pytest.raises(ConfigurationError, match="pass secret="):
        onboard360_sign(b"{}")


@pytest.mark.parametrize(("theirs", "meant"), [("whsec_theirs", "whsec_theirs"), (" ", SECRET), ("", SECRET)])
def test_a_secret_that_is_set_stays(tmp_path: Path, theirs: str, meant: str) -> None:
    """With and without a sandbox: the code under test may have read it when it was imported; a blank is none."""
    source = f"""
import os
def test_it(onboard360_sign, onboard360_sandbox):
    assert os.environ["{settings.WEBHOOK_SECRET_VARIABLE}"] == "{meant}"
    assert onboard360_sign(b"{{}}") == onboard360_sign(b"{{}}", secret="{meant}")
"""
    told = {settings.WEBHOOK_SECRET_VARIABLE: theirs}
    done = project(tmp_path, source, "-p", "onboard360_async.testing", **ALONE, **told)
    assert counted(done) == {"passed": 1}


def test_nothing_runs_on_when_the_session_is_over(tmp_path: Path) -> None:
    """Neither the sandbox's thread nor its port, and the thread of the tests keeps the loop that it had."""
    source = """
import asyncio, threading
import pytest
@pytest.fixture(scope="session", autouse=True)
def around():
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    before = threading.active_count()
    yield
    assert threading.active_count() == before
    loop.close()
@pytest.fixture(autouse=True)
def around_each():
    loop = asyncio.get_event_loop_policy().get_event_loop()
    yield
    assert asyncio.get_event_loop_policy().get_event_loop() is loop
def test_it(around, onboard360_api, onboard360_sandbox):
    assert threading.active_count() > 1
"""
    done = project(tmp_path, source, "-p", "onboard360_async.testing", **ALONE)
    assert counted(done) == {"passed": 1}


@pytest.mark.parametrize("body", [b"", b"\xff", b"[]", b'{"event": 1}', b"[" * 100_000])
def test_what_is_no_event_can_be_signed_too(onboard360_sign: Sign, body: bytes) -> None:
    """For tests of an endpoint that must refuse it; it has no event header, and its repr shows nobody."""
    signed = onboard360_sign(body)
    assert (signed.body, settings.EVENT_HEADER in signed.headers) == (body, False)
    assert WebhookVerifier(SECRET).authenticate(signed.body, signed.headers).body == body
    assert repr(signed) == f"SignedWebhook(body=<{len(body)} bytes>, headers=<Content-Type, X-360onboard-Signature>)"
