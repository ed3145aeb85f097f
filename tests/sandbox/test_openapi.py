"""The OpenAPI document and the sandbox say the same: what is in the one and not in the other fails here."""

import json
from collections.abc import Iterator, Mapping
from http.client import HTTPConnection
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openapi_schema_validator import OAS31Validator, oas31_format_checker
from openapi_spec_validator import OpenAPIV31SpecValidator

from onboard360_async.sandbox import EVENTS, Sandbox
from onboard360_async.sandbox.openapi import describe
from tests.page import ADD_ANSWER, ADD_BODY, CAMPAIGNS_ANSWER, CLIENTS_ANSWER, ERROR_ANSWER, WEBHOOK_BODY
from tests.sandbox.calls import CAMPAIGN, JOHN, Answer, add, call
from tests.sandbox.receiver import Receiver

ORIGIN = "http://127.0.0.1:8360"
DOCUMENT = describe(ORIGIN)
STATUSES = {  # of each operation; all that the API page names, and no other
    ("GET", "/campaigns"): ["200", "401", "429", "500"],
    ("GET", "/clients"): ["200", "401", "429", "500"],
    ("POST", "/clients"): ["201", "400", "401", "404", "429", "500"],
}
EACH = [(method, path, status) for (method, path), statuses in STATUSES.items() for status in statuses]
ANSWERS = {
    ("GET", "/campaigns", "200"): CAMPAIGNS_ANSWER,
    ("GET", "/clients", "200"): CLIENTS_ANSWER,
    ("POST", "/clients", "201"): ADD_ANSWER,
}
HEADERS_OF_HTTP = {"Host", "Content-Length", "Connection"}


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in DOCUMENT["paths"].items():
        for method, operation in item.items():
            yield method.upper(), path, operation


def resolved(value: dict[str, Any]) -> dict[str, Any]:
    """What it refers to, or itself."""
    found: Any = value
    if "$ref" in value:
        found = DOCUMENT
        for name in value["$ref"].removeprefix("#/").split("/"):
            found = found[name]
    assert isinstance(found, dict)
    return found


def media(method: str, path: str, status: str) -> dict[str, Any]:
    """What is said of the body of this answer."""
    (found,) = [operation for *of, operation in operations() if of == [method, path]]
    content: dict[str, dict[str, Any]] = resolved(found["responses"][status])["content"]
    assert list(content) == ["application/json"]
    return content["application/json"]


def validator(schema: Mapping[str, Any]) -> Any:
    return OAS31Validator({**schema, "components": DOCUMENT["components"]}, format_checker=oas31_format_checker)


def in_order(text: str) -> Any:
    return json.loads(text, object_pairs_hook=list)


# --- the document ---


def test_it_is_openapi_3_1() -> None:
    """By the published schema of the format; references, operation ids and the examples' schemas included."""
    assert list(OpenAPIV31SpecValidator(DOCUMENT).iter_errors()) == []


def test_a_document_that_is_none_would_be_seen() -> None:
    """One without a title is refused, and one with the same operation twice, so the check above checks."""
    untitled, doubled = describe(ORIGIN), describe(ORIGIN)
    del untitled["info"]["title"]
    doubled["paths"]["/clients"]["get"]["operationId"] = "add_client"
    for broken in (untitled, doubled):
        assert list(OpenAPIV31SpecValidator(broken).iter_errors())


def test_each_has_its_own() -> None:
    """The server is where the sandbox is, and what one caller does to the document no other sees."""
    assert [server["url"] for server in DOCUMENT["servers"]] == [f"{ORIGIN}/api/v1"]
    describe(ORIGIN)["paths"].clear()
    assert describe("http://localhost:1") == {**DOCUMENT, "servers": describe("http://localhost:1")["servers"]}


def test_operations_and_statuses_are_those_of_the_page() -> None:
    """Three calls, and between them all seven statuses."""
    assert {(method, path): list(each["responses"]) for method, path, each in operations()} == STATUSES
    page = {"200", "201", "400", "401", "404", "429", "500"}
    assert {status for statuses in STATUSES.values() for status in statuses} == page
    assert tuple(DOCUMENT["webhooks"]) == EVENTS
    assert DOCUMENT["security"] == [{"bearer": []}]
    scheme = DOCUMENT["components"]["securitySchemes"]["bearer"]
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")


def test_examples_are_the_pages_own_json() -> None:
    """Member by member and in its order; and each is what its schema says."""
    for method, path, status in EACH:
        said = media(method, path, status)
        assert in_order(json.dumps(said["example"])) == in_order(ANSWERS.get((method, path, status), ERROR_ANSWER))
        validator(said["schema"]).validate(said["example"])
    request = DOCUMENT["paths"]["/clients"]["post"]["requestBody"]["content"]["application/json"]
    assert in_order(json.dumps(request["example"])) == in_order(ADD_BODY)
    validator(request["schema"]).validate(request["example"])
    webhook = DOCUMENT["webhooks"]["client.created"]["post"]["requestBody"]["content"]["application/json"]
    assert in_order(json.dumps(webhook["example"])) == in_order(WEBHOOK_BODY)
    validator(webhook["schema"]).validate(webhook["example"])


def objects(value: object) -> Iterator[dict[str, Any]]:
    """All schemas of objects in a part of the document."""
    if isinstance(value, dict):
        if value.get("type") == "object":
            yield value
        for inner in value.values():
            yield from objects(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from objects(inner)


def test_what_is_answered_is_described_whole() -> None:
    """All members of an answer and of a webhook are required, and there are no others; a request may have others."""
    found = list(objects(DOCUMENT))
    request = DOCUMENT["components"]["schemas"]["NewClient"]
    assert len(found) == 13
    for schema in found:
        if schema is request:
            assert "additionalProperties" not in schema
        else:
            assert (schema["additionalProperties"], schema["required"]) == (False, list(schema["properties"]))


# --- the calls ---


async def test_routes_are_those_of_the_server() -> None:
    """Below /api/v1 the server has the document's paths and methods, and the document has the server's."""
    async with Sandbox() as sandbox:
        routes = {
            (route.method, route.resource.canonical.removeprefix("/api/v1"))
            for route in sandbox._up.runner.app.router.routes()
            if route.resource is not None and route.resource.canonical.startswith("/api/v1/")
        }
    assert routes == {(method, path) for method, path, _ in operations()}


async def drive(sandbox: Sandbox, method: str, path: str, status: str) -> Answer:
    """Have the sandbox answer with this status."""
    if status == "401":
        return await call(sandbox, method, path, key="sk_test_wrong")
    if status == "500":
        return await call(sandbox, method, path, fault="500-before")
    if status == "429":
        sandbox.add_fault("429", times=1)
    fields = {"201": JOHN, "400": {}, "404": {**JOHN, "campaign_id": "x"}}.get(status)
    return await call(sandbox, method, path, json=fields)


@pytest.mark.parametrize(("method", "path", "status"), EACH)
async def test_the_sandbox_answers_as_described(method: str, path: str, status: str) -> None:
    """Each status of each operation, from the running sandbox: its body has the members that are described, no others.

    Those who are listed are one with all fields and one with none of those that are optional.
    """
    async with Sandbox() as sandbox:
        await call(sandbox, "POST", "/clients", data=ADD_BODY)
        await add(sandbox)
        answer = await drive(sandbox, method, path, status)
    assert str(answer.status) == status
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    schema = validator(media(method, path, status)["schema"])
    schema.validate(answer.body)
    assert not schema.is_valid({**answer.body, "more": 1})
    assert not schema.is_valid(dict(list(answer.body.items())[1:]))


def test_times_are_checked() -> None:
    """The validator looks at the format: a day that is none is no time, nor is one of another zone."""
    schema = validator({"$ref": "#/components/schemas/Time"})
    assert schema.is_valid("2024-01-15T09:00:00Z")
    assert not schema.is_valid("2024-01-32T09:00:00Z")
    assert not schema.is_valid("2024-01-15T09:00:00+01:00")


async def test_the_limit_itself_answers_as_described() -> None:
    """A 429 that no fault made has the same body."""
    async with Sandbox(limit=1) as sandbox:
        await add(sandbox)
        answer = await add(sandbox)
    assert answer.status == 429
    validator(media("POST", "/clients", "429")["schema"]).validate(answer.body)


VALUES = st.none() | st.integers() | st.text(max_size=5) | st.lists(st.none(), max_size=1) | st.booleans()
TEXTS = st.text(max_size=8)
BODIES = VALUES | st.fixed_dictionaries(
    {"campaign_id": st.just(CAMPAIGN), "email": TEXTS.map(lambda text: f"{text}@x") | TEXTS},
    optional={name: TEXTS | st.none() for name in ("first_name", "last_name", "company_name", "phone", "more")},
).flatmap(
    lambda fields: (
        st.just(fields)
        | st.sampled_from([*fields]).map(lambda left_out: {name: fields[name] for name in fields if name != left_out})
        | st.tuples(st.sampled_from([*fields]), VALUES).map(lambda wrong: {**fields, wrong[0]: wrong[1]})
    )
)


def test_the_request_is_as_strict_as_the_sandbox() -> None:
    """A body that the schema accepts creates a client of a campaign that is there; one that it rejects is a 400."""
    request = resolved(DOCUMENT["paths"]["/clients"]["post"]["requestBody"])["content"]["application/json"]
    schema, seen = validator(request["schema"]), set[int]()
    with Sandbox(limiter="off") as sandbox:
        connection = HTTPConnection(sandbox.url.removeprefix("http://"))
        headers = {"Authorization": f"Bearer {sandbox.api_key}"}

        @settings(max_examples=150, deadline=None)
        @given(BODIES)
        def check(fields: Any) -> None:
            is_valid = schema.is_valid(fields)
            if isinstance(fields, dict) and isinstance(fields.get("campaign_id"), str):
                fields = {**fields, "campaign_id": CAMPAIGN}
            connection.request("POST", "/api/v1/clients", json.dumps(fields), headers)
            answer = connection.getresponse()
            answer.read()
            assert answer.status == (201 if is_valid else 400)
            seen.add(answer.status)

        check()
        connection.close()
    assert seen == {201, 400}


# --- webhooks ---


@pytest.mark.parametrize("event", EVENTS)
async def test_webhooks_come_as_described(event: str) -> None:
    """Headers and body of each event as an endpoint gets them, of a client with all fields and of one with few."""
    operation = DOCUMENT["webhooks"][event]["post"]
    async with Receiver() as receiver, Sandbox() as sandbox:
        await call(sandbox, "POST", "/clients", data=ADD_BODY)
        await add(sandbox)
        sandbox.add_webhook(receiver.url)
        for client in sandbox.clients():
            about = {"campaign_id": CAMPAIGN} if event == "flow.created" else {"client_id": str(client["id"])}
            sandbox.trigger(event, **about)
        await sandbox.delivered()
    assert len(receiver.got) == 2
    content = operation["requestBody"]["content"]
    parameters = {each["name"]: each for each in map(resolved, operation["parameters"])}
    for got in receiver.got:
        assert set(got.headers) - HEADERS_OF_HTTP - {"Content-Type"} == set(parameters)
        for name, parameter in parameters.items():
            assert (parameter["in"], parameter["required"]) == ("header", True)
            validator(parameter["schema"]).validate(got.headers[name])
        schema = validator(content[got.headers["Content-Type"]]["schema"])
        body = json.loads(got.body)
        schema.validate(body)
        assert not schema.is_valid({**body, "event": "other"})
