"""Events turned into OpenTelemetry's spans and metrics: `AsyncOnboard360(on_event=Telemetry())`. Extra: `otel`.

Knows what a call tells, not how it is made; needs `opentelemetry-api` alone, and what that does is the application's
choice (without an SDK, nothing). Names are those of the semantic conventions for HTTP clients where these have one.
"""

from contextvars import Token
from typing import Any, Final

from attrs import define

from onboard360_async.budget import Budget, BudgetState
from onboard360_async.errors import ConfigurationError
from onboard360_async.transport.options import Event

try:
    from opentelemetry import context, metrics, trace
    from opentelemetry.metrics import CallbackOptions, MeterProvider, Observation
    from opentelemetry.trace import Span, SpanKind, Status, StatusCode, TracerProvider
except ImportError:
    raise ConfigurationError("Telemetry needs one more package: pip install 'onboard360-async[otel]'") from None

__all__ = ["Telemetry"]

_SCOPE: Final = "onboard360_async"
_SCHEMA: Final = "https://opentelemetry.io/schemas/1.27.0"
_DOCUMENTED: Final = ("/campaigns", "/clients")  # paths that may stand in a span's name: there are only so many
_GAUGES: Final = ("used", "in_flight", "available", "waiting", "effective_limit")  # of BudgetState


@define
class _Spans:
    """The open spans of one call: its own, and the attempt's under way."""

    whole: Span
    attempt: Span | None = None
    token: Token[Any] | None = None


class Telemetry:
    """An `on_event` for any number of handles: a span for each call with a child for each attempt, and metrics.

    The call's span (kind INTERNAL, "onboard360 POST /clients") is a child of the caller's, of the blocking handle too;
    the attempt's (kind CLIENT, "POST") begins when the budget grants it. Attributes: `http.request.method`,
    `server.address`, `server.port`, `url.full` (values hidden), `http.response.status_code`,
    `http.request.resend_count`, `error.type`; of ours `onboard360.attempts`, `onboard360.budget.wait` (seconds) and
    `onboard360.outcome_unknown`. What else happened (`sent`, `retried`, `drift`...) is an event of a span.
    While an attempt is sent its span is the current one, so that the spans of aiohttp's own instrumentation, if that is
    on, are its children.
    Metrics: `onboard360.budget.requests` (slots that count), `onboard360.budget.wait` (seconds, a histogram),
    `onboard360.rate_limited` (429s), `onboard360.retries`, `onboard360.outcome_unknown`; after `watch(api.budget)` also
    gauges of what that is like.
    Providers: those that are set for the process, unless some are given. ConfigurationError, on import, without the
    extra. Held by tests/test_otel.py.
    """

    def __init__(
        self, *, tracer_provider: TracerProvider | None = None, meter_provider: MeterProvider | None = None
    ) -> None:
        self._tracer = trace.get_tracer(_SCOPE, tracer_provider=tracer_provider, schema_url=_SCHEMA)
        meter = self._meter = metrics.get_meter(_SCOPE, meter_provider=meter_provider, schema_url=_SCHEMA)
        self._calls: dict[int, _Spans] = {}
        self._used = meter.create_counter("onboard360.budget.requests", "{request}", "Requests that count")
        self._wait = meter.create_histogram("onboard360.budget.wait", "s", "Time that requests waited for the budget")
        self._refused = meter.create_counter("onboard360.rate_limited", "{request}", "Answers with status 429")
        self._retries = meter.create_counter("onboard360.retries", "{request}", "Attempts after a call's first")
        self._unknown = meter.create_counter(
            "onboard360.outcome_unknown", "{request}", "Requests of which nobody knows what came of them"
        )

    def watch(self, budget: Budget, *, scope: str = "") -> None:
        """Report how this budget stands whenever metrics are collected; `scope` tells several apart."""
        attributes = {"onboard360.budget.scope": scope} if scope else {}

        def gauge(what: str) -> None:
            def look(_options: CallbackOptions) -> list[Observation]:
                state: BudgetState = budget.snapshot()
                return [Observation(getattr(state, what), attributes)]

            self._meter.create_observable_gauge(f"onboard360.budget.{what}", [look], "{request}", "As in BudgetState")

        for what in _GAUGES:
            gauge(what)

    def __call__(self, event: Event) -> None:
        """Hear what happens to a call."""
        spans = self._calls.get(event.call)
        if spans is None:
            spans = self._calls[event.call] = _Spans(self._begin(event))
        self._count(event)
        name = event.name
        if name == "granted":
            self._grant(event, spans)
        elif name == "answered" and spans.attempt is not None and event.status is not None:
            spans.attempt.set_attribute("http.response.status_code", event.status)
        elif name in ("settled", "released"):
            _detach(spans)
        elif name in ("sent", "listing_may_be_capped", "drift"):
            _note(event, spans.attempt or spans.whole)
        elif name == "retried":
            _note(event, spans.whole)
            _end_attempt(event, spans)
        elif name in ("done", "failed", "cancelled", "left"):
            del self._calls[event.call]
            self._end(event, spans)

    def _begin(self, event: Event) -> Span:
        method, path = event.method, event.path
        name = f"onboard360 {method} {path}" if path in _DOCUMENTED else f"onboard360 {method}"
        return self._tracer.start_span(name, attributes=_attributes(event), start_time=event.at_ns)

    def _grant(self, event: Event, spans: _Spans) -> None:
        attributes = _attributes(event) | {"onboard360.budget.wait": event.seconds or 0.0}
        if event.attempt > 1:
            attributes["http.request.resend_count"] = event.attempt - 1
        parent = trace.set_span_in_context(spans.whole)
        spans.attempt = self._tracer.start_span(
            event.method, parent, SpanKind.CLIENT, attributes, start_time=event.at_ns
        )
        spans.token = context.attach(trace.set_span_in_context(spans.attempt))

    def _end(self, event: Event, spans: _Spans) -> None:
        _detach(spans)
        _end_attempt(event, spans)
        spans.whole.set_attribute("onboard360.attempts", event.attempt)
        _judge(event, spans.whole)
        spans.whole.end(event.at_ns)

    def _count(self, event: Event) -> None:
        attributes = {"http.request.method": event.method}
        if event.name == "settled":
            self._used.add(1, attributes)
        elif event.name == "granted":
            self._wait.record(event.seconds or 0.0, attributes)
        elif event.name == "answered" and event.status == 429:
            self._refused.add(1, attributes)
        elif event.name == "retried":
            self._retries.add(1, attributes | ({"error.type": _error_type(event)}))
        if event.unknown:
            self._unknown.add(1, attributes | ({"error.type": _error_type(event)}))


def _attributes(event: Event) -> dict[str, str | int | float]:
    server, _, _ = event.url.partition("://")[2].partition("/")
    host, _, port = server.rpartition(":") if not server.endswith("]") and ":" in server else (server, "", "")
    default = 443 if event.url.startswith("https:") else 80
    return {
        "http.request.method": event.method,
        "url.full": event.url,
        "server.address": host.strip("[]"),
        "server.port": int(port or default),
    }


def _error_type(event: Event) -> str:
    """As the conventions have it: the status if that is the error, else its class."""
    return str(event.status) if event.status is not None and event.status >= 300 else event.error or "_OTHER"


def _judge(event: Event, span: Span) -> None:
    if event.error is not None:
        span.set_attribute("error.type", _error_type(event))
        span.set_status(Status(StatusCode.ERROR, event.error))
    if event.unknown:
        span.set_attribute("onboard360.outcome_unknown", value=True)


def _note(event: Event, span: Span) -> None:
    said = {"where": event.where, "seconds": event.seconds, "error.type": event.error}
    span.add_event(event.name, {name: value for name, value in said.items() if value is not None}, event.at_ns)


def _end_attempt(event: Event, spans: _Spans) -> None:
    attempt, spans.attempt = spans.attempt, None
    if attempt is not None:
        _judge(event, attempt)
        attempt.end(event.at_ns)


def _detach(spans: _Spans) -> None:
    """The attempt's span is the current one no longer; only where it was made so, or that would be an error."""
    token, spans.token = spans.token, None
    if token is not None and trace.get_current_span() is spans.attempt:
        context.detach(token)
