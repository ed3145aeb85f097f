"""Telemetry: a span for each call, a child for each attempt, metrics, and nobody named; by the SDK's own readers."""

import asyncio
import importlib
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest
from attrs import frozen
from opentelemetry import trace
from opentelemetry.instrumentation.aiohttp_client import AioHttpClientInstrumentor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from onboard360_async import AsyncOnboard360, Budget, Onboard360, errors
from onboard360_async.otel import Telemetry
from onboard360_async.sandbox import Sandbox
from onboard360_async.transport.options import Event
from tests.transport.raw import RawServer

CAMPAIGN = "550e8400-e29b-41d4-a716-446655440000"


@frozen
class Observed:
    """What an application would see."""

    telemetry: Telemetry
    tracers: TracerProvider
    spans: InMemorySpanExporter
    reader: InMemoryMetricReader

    def finished(self) -> dict[str, list[ReadableSpan]]:
        """The spans by name, in order of their beginning."""
        named: dict[str, list[ReadableSpan]] = {}
        for span in sorted(self.spans.get_finished_spans(), key=lambda span: span.start_time or 0):
            named.setdefault(span.name, []).append(span)
        return named

    def numbers(self) -> dict[str, float]:
        """The metrics by name: sums, the sum of a histogram, the last value of a gauge."""
        data: Any = self.reader.get_metrics_data()
        found: dict[str, float] = {}
        for resource in data.resource_metrics if data else ():
            for metric in (each for scope in resource.scope_metrics for each in scope.metrics):
                points: list[Any] = list(metric.data.data_points)
                found[metric.name] = sum(_number(point) for point in points)
        return found


@pytest.fixture
def observed() -> Iterator[Observed]:
    """An SDK that keeps everything in memory, and is nobody else's."""
    spans, reader = InMemorySpanExporter(), InMemoryMetricReader()
    tracers, meters = TracerProvider(), MeterProvider([reader])
    tracers.add_span_processor(SimpleSpanProcessor(spans))
    yield Observed(Telemetry(tracer_provider=tracers, meter_provider=meters), tracers, spans, reader)
    meters.shutdown()
    tracers.shutdown()


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test waits between attempts."""
    monkeypatch.setattr("onboard360_async.transport.call.random.uniform", lambda *_: 0.0)


def _number(point: Any) -> float:
    return float(point.value if hasattr(point, "value") else point.sum)


def of(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def parent_of(span: ReadableSpan) -> int | None:
    return int(span.parent.span_id) if span.parent is not None else None


def id_of(span: ReadableSpan) -> int:
    assert span.context is not None
    return int(span.context.span_id)


async def test_a_call_is_a_span_and_each_attempt_a_child(sandbox: Sandbox, budget: Budget, observed: Observed) -> None:
    """Names, kinds and attributes by the conventions; the second attempt says that it is one."""
    sandbox.add_fault("500-before", times=1)
    async with AsyncOnboard360(
        sandbox.api_key, base_url=sandbox.url, budget=budget, on_event=observed.telemetry
    ) as api:
        await api.find_client(campaign_id=CAMPAIGN, email="john@example.com")
    spans = observed.finished()
    (whole,), (first, second) = spans["onboard360 GET /clients"], spans["GET"]
    assert set(spans) == {"onboard360 GET /clients", "GET"}
    assert (whole.kind, first.kind, whole.parent) == (SpanKind.INTERNAL, SpanKind.CLIENT, None)
    assert parent_of(first) == parent_of(second) == id_of(whole)
    where = {
        "http.request.method": "GET",
        "server.address": "127.0.0.1",
        "server.port": int(sandbox.url.rpartition(":")[2]),
        "url.full": f"{sandbox.url}/api/v1/clients?campaign_id=REDACTED",
    }
    waits = [of(span).pop("onboard360.budget.wait") for span in (first, second)]
    assert all(wait_s >= 0 for wait_s in waits)
    assert of(whole) == where | {"onboard360.attempts": 2}
    assert of(first) == where | {
        "http.response.status_code": 500,
        "error.type": "500",
        "onboard360.budget.wait": waits[0],
    }
    assert of(second) == where | {
        "http.response.status_code": 200,
        "http.request.resend_count": 1,
        "onboard360.budget.wait": waits[1],
    }
    assert [span.status.status_code for span in (whole, first, second)] == [
        StatusCode.UNSET,
        StatusCode.ERROR,
        StatusCode.UNSET,
    ]
    assert [event.name for event in (*first.events, *whole.events)] == ["sent", "retried"]
    assert whole.start_time is not None
    assert first.start_time is not None
    assert second.end_time is not None
    assert whole.start_time <= first.start_time <= second.end_time <= (whole.end_time or 0)


async def test_metrics_count_what_was_used_waited_refused_and_lost(budget: Budget, observed: Observed) -> None:
    """One 429, one retry, one answer lost, and what the budget says of itself."""
    full = b"HTTP/1.1 429 Full\r\nContent-Length: 0\r\nRetry-After: 0.1\r\n\r\n"
    async with (
        RawServer(full, None) as server,
        AsyncOnboard360("sk_test_1", base_url=server.url, budget=budget, on_event=observed.telemetry) as api,
    ):
        observed.telemetry.watch(api.budget, scope="mine")
        with pytest.raises(errors.OutcomeUnknownError):
            await api.add_client(campaign_id=CAMPAIGN, email="john@example.com")
        numbers = observed.numbers()
    assert numbers.pop("onboard360.budget.wait") > 0.05
    assert numbers.pop("onboard360.budget.available") > 0
    assert numbers.pop("onboard360.budget.effective_limit") <= 10_000
    assert numbers == {
        "onboard360.budget.requests": 2,
        "onboard360.rate_limited": 1,
        "onboard360.retries": 1,
        "onboard360.outcome_unknown": 1,
        "onboard360.budget.used": 2,
        "onboard360.budget.in_flight": 1,
        "onboard360.budget.waiting": 0,
    }
    (whole,) = observed.finished()["onboard360 POST /clients"]
    assert of(whole)["error.type"] == "OutcomeUnknownError"
    assert of(whole)["onboard360.outcome_unknown"] is True


async def test_whoever_gives_up_ends_its_spans(sandbox: Sandbox, budget: Budget, observed: Observed) -> None:
    """Cancelled, refused by the budget, a listing left early: each span is ended, and nothing is kept."""
    sandbox.add_client(CAMPAIGN, "ada@example.com")
    under_way = asyncio.Event()

    def hook(event: Event) -> None:
        observed.telemetry(event)
        if event.name == "sent":
            under_way.set()

    async with AsyncOnboard360(sandbox.api_key, base_url=sandbox.url, budget=budget, on_event=hook) as api:
        assert await api.find_client(campaign_id=CAMPAIGN, email="ada@example.com")
        under_way.clear()
        sandbox.add_fault("delay", delay_s=60.0)
        task = asyncio.create_task(api.add_client(campaign_id=CAMPAIGN, email="john@example.com"))
        await under_way.wait()
        task.cancel()
        await asyncio.wait((task,))
        budget.pause(1.0)
        with pytest.raises(errors.BudgetExhaustedError):
            await api.list_campaigns(max_wait_s=0)
    spans = observed.finished()
    ends = {name: of(each[0]).get("error.type") for name, each in spans.items() if name.startswith("onboard360")}
    assert ends == {
        "onboard360 GET /clients": None,
        "onboard360 POST /clients": "CancelledError",
        "onboard360 GET /campaigns": "BudgetExhaustedError",
    }
    assert [of(span).get("error.type") for span in (*spans["GET"], *spans["POST"])] == [None, "CancelledError"]
    assert observed.numbers()["onboard360.outcome_unknown"] == 1
    assert observed.telemetry._calls == {}
    assert trace.get_current_span() is trace.INVALID_SPAN


def test_spans_are_children_of_the_callers_across_the_bridge(budget: Budget, observed: Observed) -> None:
    """A call, a listing read batch by batch, and an import; the caller's own span stays the current one."""
    tracer = observed.tracers.get_tracer("the application")
    with (
        Sandbox(limiter="off") as sandbox,
        Onboard360(sandbox.api_key, base_url=sandbox.url, budget=budget, on_event=observed.telemetry) as api,
    ):
        with tracer.start_as_current_span("mine") as mine:
            campaign = api.list_campaigns()[0]
            for number in range(2):
                api.add_client(campaign_id=campaign.id, email=f"p{number}@example.com")
            assert len(list(api.iter_clients())) == 2
            with api.open_import([{"email": "q@example.com"}], campaign=campaign.name) as job:
                list(job.run())
            assert trace.get_current_span() is mine
        assert trace.get_current_span() is trace.INVALID_SPAN
    calls = [span for name, each in observed.finished().items() if name.startswith("onboard360") for span in each]
    assert len(calls) == 8
    assert {parent_of(span) for span in calls} == {mine.get_span_context().span_id}
    assert "example.com" not in repr([(span.name, of(span), span.events) for span in calls])


async def test_many_calls_at_once_keep_apart(sandbox: Sandbox, budget: Budget, observed: Observed) -> None:
    """Each in a task of its own: every attempt is the child of its own call."""
    async with AsyncOnboard360(
        sandbox.api_key, base_url=sandbox.url, budget=budget, on_event=observed.telemetry
    ) as api:
        await asyncio.gather(*(api.list_campaigns() for _ in range(50)))
    spans = observed.finished()
    assert {parent_of(span) for span in spans["GET"]} == {id_of(span) for span in spans["onboard360 GET /campaigns"]}
    assert len(spans["GET"]) == 50


@pytest.mark.parametrize("given", [False, True])
async def test_aiohttps_own_instrumentation_goes_on_below(
    sandbox: Sandbox, budget: Budget, observed: Observed, given: bool
) -> None:
    """Its span of the same request is a child of the attempt's, with a session of ours and of the user's alike."""
    sandbox.add_fault("500-before", times=1)
    instrumentor = AioHttpClientInstrumentor()
    instrumentor.instrument(tracer_provider=observed.tracers)
    try:
        session = aiohttp.ClientSession() if given else None
        async with AsyncOnboard360(
            sandbox.api_key, base_url=sandbox.url, budget=budget, on_event=observed.telemetry, session=session
        ) as api:
            await api.list_campaigns()
            with pytest.raises(errors.NotFoundError):
                await api.request("GET", "/nothing")
        if session is not None:
            await session.close()
    finally:
        instrumentor.uninstrument()
    ours = [span for span in observed.finished()["GET"] if "onboard360.budget.wait" in of(span)]
    theirs = [span for span in observed.finished()["GET"] if "onboard360.budget.wait" not in of(span)]
    assert [of(span)["http.response.status_code"] for span in ours] == [500, 200, 404]
    assert [parent_of(span) for span in theirs] == [id_of(span) for span in ours]
    assert len({span.context.trace_id for span in (*ours, *theirs) if span.context is not None}) == 2  # two calls


async def test_without_an_sdk_nothing_happens(sandbox: Sandbox, budget: Budget) -> None:
    """The API alone is at work: no provider, no span, no error."""
    async with AsyncOnboard360(sandbox.api_key, base_url=sandbox.url, budget=budget, on_event=Telemetry()) as api:
        assert await api.list_campaigns()


def test_a_span_has_a_name_that_there_are_few_of(observed: Observed) -> None:
    """A path that somebody made up does not stand in it; an address without a port has the usual one."""
    for url, path in (("https://[::1]/api/v1/clients/7", "/clients/7"), ("http://x.de:81/api/v1/a", "/a")):
        for name in ("queued", "done"):
            observed.telemetry(Event(name, "GET", path, 1, url=url))
    spans = observed.finished()
    assert list(spans) == ["onboard360 GET"]
    assert [(of(span)["server.address"], of(span)["server.port"]) for span in spans["onboard360 GET"]] == [
        ("::1", 443),
        ("x.de", 81),
    ]


@pytest.mark.parametrize("missing", ["opentelemetry", "opentelemetry.sdk"])
def test_only_the_api_is_needed_and_its_absence_is_told(missing: str) -> None:
    """Without the SDK it works; without the API the error names the extra."""
    script = f"""
import sys
sys.modules[{missing!r}] = None
import onboard360_async.errors
try:
    from onboard360_async.otel import Telemetry
    Telemetry()
except onboard360_async.errors.ConfigurationError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=15, check=True)
    expected = "Telemetry needs one more package: pip install 'onboard360-async[otel]'\n"
    assert done.stdout == (expected if missing == "opentelemetry" else "")


def test_its_absence_is_told_wherever_it_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a program that runs already, too: the error is ours, and says what to install."""
    monkeypatch.delitem(sys.modules, "onboard360_async.otel")
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with pytest.raises(errors.ConfigurationError, match="one more package") as caught:
        importlib.import_module("onboard360_async.otel")
    assert caught.value.__suppress_context__
