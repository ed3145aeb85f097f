"""The control API: each path does what the method of the same name does, and refuses what cannot be meant."""

import json
import re
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from onboard360_async.sandbox import Sandbox
from onboard360_async.sandbox.control import Control
from onboard360_async.sandbox.openapi import describe
from tests.sandbox.calls import CAMPAIGN, add, call, control, is_problem
from tests.sandbox.receiver import Receiver, answers


async def told(sandbox: Sandbox, method: str, path: str, body: object = None) -> Any:
    """The value of a 200."""
    answer = await control(sandbox, method, path, body)
    assert answer.status == 200, answer
    return answer.body


async def test_the_state_at_a_glance() -> None:
    """Where it is, how many there are, how it is set, and what time it is there."""
    async with Sandbox(limit=7, paging="link", link_origin="https://elsewhere.example") as sandbox:
        state = await told(sandbox, "GET", "/")
        assert (state["url"], state["campaigns"], state["clients"]) == (sandbox.url, 1, 0)
        assert (state["settings"]["limit"], state["settings"]["paging"], state["clock"]["frozen"]) == (7, "link", False)


async def test_reset_seed_snapshot_restore() -> None:
    """As the methods do."""
    async with Sandbox() as sandbox:
        assert await told(sandbox, "POST", "/seed", {"clients": [{"email": "a@x.y"}]}) == {"campaigns": 0, "clients": 1}
        snapshot = await told(sandbox, "GET", "/snapshot")
        assert await told(sandbox, "POST", "/reset") == {}
        assert sandbox.clients() == []
        assert await told(sandbox, "POST", "/restore", snapshot) == {}
        assert [client["email"] for client in sandbox.clients()] == ["a@x.y"]


async def test_a_large_seed_is_taken() -> None:
    """More than the API's own limit of a body."""
    async with Sandbox() as sandbox:
        clients = [{"email": f"{number}@example.com", "company_name": "x" * 1000} for number in range(2000)]
        assert (await told(sandbox, "POST", "/seed", {"clients": clients}))["clients"] == 2000


async def test_clock() -> None:
    """It is set forward, stopped and goes on."""
    async with Sandbox() as sandbox:
        before = sandbox.clock()
        stopped = await told(sandbox, "POST", "/clock", {"frozen": True, "advance_s": 3600})
        assert (stopped["frozen"], stopped["seconds"] >= before + 3600) == (True, True)
        assert await told(sandbox, "GET", "/clock") == stopped
        assert (await told(sandbox, "POST", "/clock", {"frozen": False}))["frozen"] is False
        assert (await told(sandbox, "POST", "/clock"))["frozen"] is False


async def test_switches_and_limiter() -> None:
    """One by one, or by a preset; the limiter has a path of its own, which says how many were refused."""
    async with Sandbox() as sandbox:
        assert (await told(sandbox, "POST", "/switches", {"blanks": "empty"}))["blanks"] == "empty"
        assert (await told(sandbox, "GET", "/switches"))["blanks"] == "empty"
        hostile = await told(sandbox, "POST", "/switches", {"preset": "hostile", "paging": "none"})
        assert (hostile["paging"], hostile["blanks"], hostile["limiter"]) == ("none", "missing", "fixed-from-first")
        told_ = await told(sandbox, "POST", "/limiter", {"limiter": "sliding", "limit": 1, "count_refused": False})
        assert told_ == {"limiter": "sliding", "limit": 1, "window_s": 60.0, "count_refused": False, "refused": 0}
        assert [(await add(sandbox)).status for _ in range(2)] == [200, 429]
        assert (await told(sandbox, "GET", "/limiter"))["refused"] == 1
        await told(sandbox, "POST", "/limiter", {"limiter": "off"})
        assert (await told(sandbox, "GET", "/limiter"))["refused"] == 0


async def test_what_is_in_a_presets_file_can_be_sent_as_it_stands() -> None:
    """Its version, too; the switches that it does not name stay as they are."""
    async with Sandbox(blanks="empty") as sandbox:
        switched = await told(sandbox, "POST", "/switches", {"version": 1, "paging": "page", "limit": 7})
        assert (switched["paging"], switched["blanks"], switched["limit"]) == ("page", "empty", 7)


async def test_faults() -> None:
    """Added, looked at with how often each has struck, and cleared."""
    async with Sandbox(limiter="off") as sandbox:
        rule = {"kind": "status", "method": "POST", "status": 418, "body": "tea", "times": 1, "nth": None, "delay_s": 2}
        await told(sandbox, "POST", "/faults", rule)
        answer = await add(sandbox)
        assert (answer.status, answer.body) == (418, "tea")
        ((fault),) = (await told(sandbox, "GET", "/faults"))["faults"]
        assert fault.items() >= {"kind": "status", "method": "POST", "status": 418, "fired": 1, "delay_s": 2.0}.items()
        assert await told(sandbox, "DELETE", "/faults") == {"faults": []}
        assert (await add(sandbox)).status == 201


async def test_a_body_may_be_only_so_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """A seed that is larger is a 400 that says how large it may be, and nothing of it is stored."""
    monkeypatch.setattr("onboard360_async.sandbox.control._MAX_BODY_BYTES", 100)
    async with Sandbox() as sandbox:
        answer = await control(sandbox, "POST", "/seed", {"campaigns": ["x" * 100]})
        assert is_problem(answer, 400)
        assert "100 bytes" in answer.body["details"]
        assert len((await told(sandbox, "GET", "/campaigns"))["campaigns"]) == 1


async def test_keys_and_requests() -> None:
    """A new key, and what reached the API; the control API itself is not among it, nor counted."""
    async with Sandbox(limit=1) as sandbox:
        key = (await told(sandbox, "POST", "/keys"))["api_key"]
        assert key == sandbox.api_key
        await add(sandbox)
        await add(sandbox)
        requests = (await told(sandbox, "GET", "/requests"))["requests"]
        assert [(request["method"], request["status"]) for request in requests] == [("POST", 201), ("POST", 429)]
        assert [request["status"] for request in (await told(sandbox, "GET", "/requests?last=1"))["requests"]] == [429]


async def test_campaigns_and_clients() -> None:
    """Published and added without the limit, listed with links and who has finished."""
    async with Sandbox(limit=1) as sandbox:
        campaign = (await told(sandbox, "POST", "/campaigns", {"name": "B", "id": "b"}))["id"]
        assert [each["id"] for each in (await told(sandbox, "GET", "/campaigns"))["campaigns"]] == [CAMPAIGN, campaign]
        ids = []
        for email in ("a@x.y", "b@x.y"):
            added = await told(sandbox, "POST", "/clients", {"campaign_id": "b", "email": email, "first_name": "Zoë"})
            ids.append(added["client"]["id"])
        assert added["client"]["link"].startswith(f"{sandbox.url}/c/")
        assert await told(sandbox, "POST", "/complete", {"client_id": ids[0]}) == {"completed": True}
        assert await told(sandbox, "POST", "/complete", {"client_id": ids[0]}) == {"completed": False}
        clients = (await told(sandbox, "GET", "/clients?campaign_id=b"))["clients"]
        assert [(each["id"], each["completed_at"] is None) for each in clients] == [(ids[0], False), (ids[1], True)]
        assert (await told(sandbox, "GET", "/clients?text=A@X"))["clients"] == clients[:1]
        assert (await told(sandbox, "GET", f"/clients?campaign_id={CAMPAIGN}"))["clients"] == []


async def test_webhooks_and_deliveries() -> None:
    """An endpoint is added and told its secret once; deliveries are waited for, looked at, and sent again."""
    async with Receiver(answers(500)) as receiver, Sandbox() as sandbox:
        webhook = await told(sandbox, "POST", "/webhooks", {"url": receiver.url, "retries": "none"})
        assert webhook["secret"] == sandbox.webhooks[0].secret
        (shown,) = (await told(sandbox, "GET", "/webhooks"))["webhooks"]
        assert (shown["id"], "secret" in shown, "secrets" in shown) == (webhook["id"], False, False)
        client_id = sandbox.add_client(CAMPAIGN, "zoë@example.com")
        assert await told(sandbox, "POST", "/delivered") == {"delivered": True}
        fired = await told(sandbox, "POST", "/trigger", {"event": "client.completed", "client_id": client_id})
        assert [delivery["event"] for delivery in fired["deliveries"]] == ["client.completed"]
        await told(sandbox, "POST", "/delivered", {"timeout_s": 10})
        (first, second) = (await told(sandbox, "GET", "/deliveries"))["deliveries"]
        assert (first["state"], [each["status"] for each in first["attempts"]]) == ("failed", [500])
        assert json.loads(first["body"])["data"]["email"] == "zoë@example.com"
        assert first["headers"]["X-360onboard-Event"] == "client.created"
        again = await told(sandbox, "POST", f"/deliveries/{first['id']}/resend")
        assert (again["copy_of"], again["body"]) == (first["id"], first["body"])
        other = sandbox.add_client(CAMPAIGN, "bob@example.com")
        for query, id_ in (
            ("event=client.completed", second["id"]),
            (f"client_id={other}", sandbox.deliveries[-1].id),
            ("state=failed&last=1", sandbox.deliveries[-1].id),
        ):
            await told(sandbox, "POST", "/delivered")
            found = (await told(sandbox, "GET", f"/deliveries?{query}"))["deliveries"]
            assert [delivery["id"] for delivery in found] == [id_]
        assert (await told(sandbox, "GET", "/deliveries?state=nonsense"))["deliveries"] == []


async def test_what_is_not_delivered_in_time_is_said() -> None:
    """Without an error: it is an answer."""
    async with Receiver(answers(500)) as receiver, Sandbox() as sandbox:
        sandbox.add_webhook(receiver.url, retries=[3600])
        sandbox.add_client(CAMPAIGN, "a@example.com")
        await receiver.until(1)
        assert await told(sandbox, "POST", "/delivered", {"timeout_s": 0.01}) == {"delivered": False}


async def test_openapi() -> None:
    """The description, with the address of this sandbox and not of its links."""
    async with Sandbox(link_origin="https://elsewhere.example") as sandbox:
        assert await told(sandbox, "GET", "/openapi.json") == describe(sandbox.url)


@pytest.mark.parametrize(
    ("method", "path", "body", "match"),
    [
        ("POST", "/seed", b"{", "not JSON"),
        ("POST", "/seed", {"clients": [{}]}, "clients[0]"),
        ("POST", "/restore", b"x", "no snapshot"),
        ("POST", "/clock", {"advance_s": -1}, "set forward"),
        ("POST", "/clock", {"advance_s": None}, "set forward"),
        ("POST", "/clock", {"advance_s": 10**400}, "9999"),
        ("POST", "/clock", {"frozen": "yes"}, "frozen"),
        ("POST", "/clock", {"speed": 2}, "advance_s, frozen"),
        ("POST", "/clock", [], "object"),
        ("POST", "/switches", {"moon": 1}, "moon"),
        ("POST", "/switches", {"paging": "x"}, "cursor"),
        ("POST", "/switches", {"preset": 5}, "preset"),
        ("POST", "/switches", {"version": 2, "paging": "link"}, "version"),
        ("POST", "/switches", {"preset": "/etc/x.json"}, "a name"),  # no file is looked at
        ("POST", "/limiter", {"limit": "x"}, "limit"),
        ("POST", "/limiter", {"limit": 0}, "limit"),
        ("POST", "/limiter", {"limiter": "off", "limit": 0}, "limit"),
        ("POST", "/limiter", {"limiter": "off", "window_s": 0}, "window_s"),
        ("POST", "/limiter", {"limiter": "off", "window_s": None}, "window_s"),
        ("POST", "/limiter", {"count_refused": None}, "count_refused"),
        ("POST", "/limiter", {"limiter": "moon"}, "sliding"),
        ("POST", "/limiter", {"paging": "link"}, "limiter"),
        ("POST", "/faults", {}, "drop-before"),
        ("POST", "/faults", {"kind": "429", "nth": "x"}, "nth"),
        ("POST", "/faults", {"kind": "429", "nth": 2.5}, "nth"),
        ("POST", "/faults", {"kind": "429", "moon": 1}, "moon"),
        ("POST", "/faults", {"kind": "status", "body": "\ud800"}, "surrogates"),
        ("POST", "/faults", {"kind": ["429"]}, "drop-before"),
        ("GET", "/requests?last=x", None, "last"),
        ("GET", f"/clients?last={'9' * 20}", None, "last"),
        ("POST", "/campaigns", {}, "name"),
        ("POST", "/campaigns", {"name": "B", "id": CAMPAIGN}, "already"),
        ("POST", "/campaigns", {"name": "B", "id": 5}, "id"),
        ("POST", "/clients", {}, "campaign_id"),
        ("POST", "/clients", {"campaign_id": CAMPAIGN, "email": "x"}, "email"),
        ("POST", "/clients", {"campaign_id": "x", "email": "a@x.y"}, "no campaign"),
        ("POST", "/clients", {"campaign_id": CAMPAIGN, "email": "a@x.y", "moon": "x"}, "moon"),
        ("POST", "/complete", {"client_id": "x"}, "client_id"),
        ("POST", "/complete", {"client_id": 5}, "client_id"),
        ("POST", "/webhooks", {}, "URL"),
        ("POST", "/webhooks", {"url": "http://example.com/"}, "this machine"),
        ("POST", "/webhooks", {"url": "http://127.0.0.1:9/", "moon": 1}, "moon"),
        ("POST", "/webhooks", {"url": "http://127.0.0.1:9/", "secret": 5}, "secret"),
        ("POST", "/deliveries/dlv_9/resend", None, "dlv_9"),
        ("POST", "/delivered", {"timeout_s": "x"}, "timeout_s"),
        ("POST", "/delivered", {"timeout_s": 10**400}, "timeout_s"),
        ("POST", "/trigger", {}, "client.created"),
        ("POST", "/trigger", {"event": 5}, "event"),
        ("POST", "/trigger", {"event": "client.created"}, "client_id"),
        ("POST", "/trigger", {"event": "flow.created", "campaign_id": "x"}, "campaign_id"),
    ],
)
async def test_what_cannot_be_meant_is_a_400(method: str, path: str, body: object, match: str) -> None:
    """The error body says what is wrong, and nothing has changed."""
    async with Sandbox() as sandbox:
        before = await told(sandbox, "GET", "/")
        answer = await control(sandbox, method, path, body)
        assert is_problem(answer, 400)
        assert match in answer.body["details"]
        after = await told(sandbox, "GET", "/")
        assert {name: value for name, value in after.items() if name != "clock"} == {
            name: value for name, value in before.items() if name != "clock"
        }
        assert (sandbox.faults, sandbox.webhooks, after["clock"]["frozen"]) == ((), (), False)


@pytest.mark.parametrize(("path", "status"), [("/_sandbox/seed", 400), ("/_page/do/publish", 303)])
async def test_a_body_that_lies_about_its_coding_is_no_500(path: str, status: int) -> None:
    """Not gzip although it says so: refused, as the API does; by the page with a notice that it leads to."""
    async with Sandbox() as sandbox, aiohttp.ClientSession() as session:
        options: Any = {"data": b"not gzip", "headers": {"Content-Encoding": "gzip"}}
        async with session.post(f"{sandbox.url}{path}", allow_redirects=False, **options) as answer:
            assert answer.status == status
            assert len(sandbox._desk.store.campaigns()) == 1


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Host": "evil.example"}],
)
async def test_other_sites_control_nothing(headers: dict[str, str]) -> None:
    """What a browser sends for another page is 403, whatever it asks for."""
    async with Sandbox() as sandbox:
        sandbox.add_client(CAMPAIGN, "a@example.com")
        for method, path in (("POST", "/reset"), ("GET", "/clients"), ("GET", "/snapshot")):
            assert is_problem(await control(sandbox, method, path, headers=headers), 403)
        assert len(sandbox.clients()) == 1


async def test_the_page_of_errors_is_json_whatever_the_switches_say() -> None:
    """Switches are about the API; an unknown path or method of the control API is told as usual."""
    async with Sandbox(preset="hostile") as sandbox:
        assert is_problem(await control(sandbox, "GET", "/nowhere"), 404)
        assert is_problem(await control(sandbox, "DELETE", "/reset"), 405)
        assert (await call(sandbox, "GET", "/nowhere")).headers["Content-Type"].startswith("text/html")


def test_each_path_is_in_the_guide() -> None:
    """The table of the guide and the routes name the same."""
    guide = (Path(__file__).parents[2] / "onboard360_async" / "guides" / "sandbox.md").read_text()
    routes: list[str] = []

    class Router:
        def add_route(self, method: str, path: str, _: object) -> None:
            routes.append(f"{method} {path}")

    Control(None).add_routes(Router())  # type: ignore[arg-type]  # nothing is asked yet
    told = re.findall(r"`((?:GET|POST|PUT|DELETE) /_sandbox/[^`]*)`", guide)
    assert sorted(set(told)) == sorted(routes)
